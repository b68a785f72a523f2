//! One path of a connector, and the file that stands there.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use formats::delimited::Reader;
use formats::{Schema, Type, Value};
use serde_json::{Value as Json, json};

use super::columns::{Columns, Known};
use super::identity::{Identity, Stamp};
use super::layout::{LayoutColumn, header_names, layout, to_json};
use super::records::{Cut, Record, Records};
use super::settings::{Delimited, Format, Mode, Settings};
use crate::plugin::{Origin, Position, SchemaAndValue, SourceError, SourcePartition, SourceRecord};

/// A place in a file: bytes from its start, and the line (from 1) that begins there.
pub(super) type Place = (u64, u64);

/// A path with the file that stands there.
pub(super) struct Source {
    pub(super) path: PathBuf,
    pub(super) shown: Arc<str>,
    pub(super) partition: Arc<SourcePartition>,
    /// The partition's text, by which positions are known.
    pub(super) key: String,
    pub(super) reading: Option<Reading>,
    /// Its columns are remembered, so that its records may be given.
    pub(super) prepared: bool,
    /// The file as it was when it had nothing (more): while it is that, it is left alone.
    pub(super) rests: Option<Stamp>,
    /// That there is no file was told.
    pub(super) told: bool,
    pub(super) done: bool,
    /// Bytes read, and the file's length when it was last looked at.
    pub(super) bytes: (u64, u64),
}

pub(super) struct Reading {
    pub(super) records: Records,
    pub(super) shape: Shape,
    /// After the last record that was given.
    pub(super) place: Place,
    /// What the file is known by, at this place.
    pub(super) identity: Identity,
}

pub(super) enum Shape {
    Line(Arc<Schema>),
    Columns(Columns),
}

impl Source {
    pub(super) fn new(path: PathBuf) -> Self {
        let shown: Arc<str> = path.display().to_string().into();
        let mut partition = SourcePartition::new();
        partition.insert("filename".into(), json!(*shown));
        let key = Json::Object(partition.clone()).to_string();
        Self {
            path,
            shown,
            partition: Arc::new(partition),
            key,
            reading: None,
            prepared: false,
            rests: None,
            told: false,
            done: false,
            bytes: (0, 0),
        }
    }

    pub(super) fn file_error(&self) -> impl FnOnce(std::io::Error) -> SourceError + use<> {
        let path = self.shown.to_string();
        move |source| SourceError::File { path, source }
    }

    /// What stands at the path; none where nothing does, which is told once.
    pub(super) fn look(&mut self, mode: Mode) -> Result<Option<Stamp>, SourceError> {
        let stamp = Stamp::at(&self.path).map_err(self.file_error())?;
        match (stamp, mode) {
            (Some(stamp), _) => {
                if self.told {
                    tracing::info!(path = &*self.shown, "the file is there now");
                }
                self.told = false;
                self.bytes.1 = stamp.len;
            }
            (None, Mode::Batch) => {
                let missing = "No such file or directory; a batch reads files that are there, and \
                               mode=tail waits for one";
                let missing = std::io::Error::new(std::io::ErrorKind::NotFound, missing);
                return Err(self.file_error()(missing));
            }
            (None, Mode::Tail) => {
                if !self.told {
                    tracing::warn!(path = &*self.shown, "the file is not there: waiting for it");
                }
                self.told = true;
            }
        }
        Ok(stamp)
    }
}

impl Reading {
    pub(super) fn open(
        path: &Path,
        place: Place,
        settings: &Settings,
        columns: Option<Columns>,
    ) -> Result<Self, SourceError> {
        let (cut, shape) = match (&settings.format, columns) {
            (Format::Delimited(delimited), Some(columns)) => {
                let reader = Reader::new(delimited.delimiter);
                (Cut::Delimited(reader), Shape::Columns(columns))
            }
            _ => (Cut::Lines, Shape::Line(Arc::new(Schema::required(Type::String)))),
        };
        let records = Records::open(path, place, settings.charset, cut)?;
        let identity = records.cursor.identity(place.0);
        let identity = identity
            .map_err(|source| SourceError::File { path: path.display().to_string(), source })?;
        Ok(Self { records, shape, place, identity })
    }

    /// Knows the file by what was read of it up to now.
    pub(super) fn refresh(&mut self) -> std::io::Result<()> {
        self.identity = self.records.cursor.identity(self.place.0)?;
        Ok(())
    }

    pub(super) fn position(&self) -> Position {
        let columns = match &self.shape {
            Shape::Line(_) => None,
            Shape::Columns(columns) => Some(columns.layout()),
        };
        position(self.place, &self.identity, columns)
    }

    /// The next record as the connector gives it; none at the end of the file.
    pub(super) fn next(
        &mut self,
        last: bool,
        settings: &Settings,
        source: (&Arc<SourcePartition>, &Arc<str>),
        known: &mut Known,
    ) -> Result<Option<SourceRecord>, SourceError> {
        let (partition, path) = source;
        let Some((line, record)) = self.records.next(last)? else { return Ok(None) };
        let mut origin = Origin { path: Arc::clone(path), line, note: None };
        let (key, value, timestamp_ms) = match (record, &mut self.shape, &settings.format) {
            (Record::Delimited(texts), Shape::Columns(columns), Format::Delimited(delimited)) => {
                let row = columns.read(delimited, texts, known).map_err(|reason| {
                    SourceError::Record { path: path.to_string(), line, reason }
                })?;
                if let Some(reason) = &row.widened {
                    tracing::warn!(path = &**path, line, "{reason}");
                }
                origin.note = row.widened.map(Into::into);
                (row.key, row.value, row.timestamp_ms)
            }
            (Record::Line(text), Shape::Line(schema), _) => {
                let schema = Arc::clone(schema);
                (None, SchemaAndValue { schema, value: Value::String(text) }, None)
            }
            _ => {
                let reason = "the file's columns are not known".to_owned();
                return Err(SourceError::Record { path: path.to_string(), line, reason });
            }
        };
        self.place = (self.records.cursor.position(), self.records.cursor.line());
        Ok(Some(SourceRecord {
            partition: Arc::clone(partition),
            position: None,
            topic: Arc::clone(&settings.topic),
            key,
            value: Some(value),
            timestamp_ms,
            origin: Some(origin),
        }))
    }
}

fn position(place: Place, identity: &Identity, columns: Option<&[LayoutColumn]>) -> Position {
    let mut position = Position::new();
    position.insert("position".into(), json!(place.0));
    position.insert("line".into(), json!(place.1));
    position.insert("head".into(), identity.head_json());
    if let Some(last) = identity.last_json() {
        position.insert("last".into(), last);
    }
    if let Some(columns) = columns {
        position.insert("columns".into(), to_json(columns));
    }
    position
}

/// Where to go on in a file that was read before, and what is remembered of its columns; none if
/// it is not that file any more.
pub(super) fn continued(
    path: &Path,
    position: &Position,
) -> Result<Option<(Place, Option<Json>)>, SourceError> {
    let number = |key: &str| position.get(key).and_then(Json::as_u64);
    let shown = || path.display().to_string();
    let Some(at) = number("position") else {
        let position = Json::Object(position.clone());
        return Err(SourceError::Position(format!(
            "the remembered position {position} of {} has no number \"position\"",
            shown()
        )));
    };
    let same = || {
        let file = File::open(path)?;
        match Identity::from_json(position.get("head"), position.get("last")) {
            Some(identity) => identity.is_of(&file, at),
            None => Ok(file.metadata()?.len() >= at),
        }
    };
    if !same().map_err(|source| SourceError::File { path: shown(), source })? {
        tracing::warn!(path = shown(), "a new file stands in its place: reading it whole");
        return Ok(None);
    }
    Ok(Some(((at, number("line").unwrap_or(1)), position.get("columns").cloned())))
}

/// What the first records of a file tell.
pub(super) struct Start {
    layout: Vec<LayoutColumn>,
    place: Place,
    identity: Identity,
    /// Whether there are any records.
    seen: bool,
}

impl Start {
    pub(super) fn has_no_columns(&self) -> bool {
        self.layout.is_empty()
    }

    /// Takes the types that all files together have shown.
    pub(super) fn settle(&mut self, known: &Known) {
        for column in &mut self.layout {
            let guess = known.get(&column.name).copied().unwrap_or_default();
            column.guess = if self.seen { guess.settled() } else { guess };
        }
    }

    /// The columns as the setting would have them.
    pub(super) fn columns(&self) -> String {
        super::layout::shown(&self.layout)
    }

    /// Where the records begin, with their columns.
    pub(super) fn position(&self) -> Position {
        position(self.place, &self.identity, Some(&self.layout))
    }
}

/// Looks at the header and the first records. None if the file has too little yet to know its
/// columns.
pub(super) fn sample(
    path: &Path,
    settings: &Settings,
    delimited: &Delimited,
    known: &mut Known,
) -> Result<Option<Start>, SourceError> {
    let waits = settings.mode == Mode::Tail;
    let cut = Cut::Delimited(Reader::new(delimited.delimiter));
    let mut records = Records::open(path, (0, 1), settings.charset, cut)?;
    let shown = || path.display().to_string();
    let mut line = 1;
    let header = if delimited.header {
        match records.next(!waits)? {
            Some((number, Record::Delimited(header))) => {
                line = number;
                header_names(header.values())
            }
            _ if waits => return Ok(None),
            _ => {
                tracing::warn!(
                    path = shown(),
                    "the file is empty: it has no header and no records"
                );
                Vec::new()
            }
        }
    } else {
        delimited.columns.iter().map(|column| column.name.clone()).collect()
    };
    let place = (records.cursor.position(), records.cursor.line());
    let identity = records.cursor.identity(place.0);
    let identity = identity.map_err(|source| SourceError::File { path: shown(), source })?;
    let empty = header.is_empty();
    let layout = if empty { Ok(Vec::new()) } else { layout(delimited, &header) };
    let layout = layout.map_err(|reason| SourceError::Record { path: shown(), line, reason })?;
    let guessed = layout.iter().any(LayoutColumn::is_guessed);
    let mut seen = 0;
    while guessed && seen < delimited.sample {
        let texts = match records.next(!waits) {
            Ok(Some((_, Record::Delimited(texts)))) => texts,
            Ok(_) => break,
            // Nothing would come after it: a file without types is not read at all.
            Err(error) if seen == 0 && waits => return Err(error),
            // What cannot be read is told when its turn has come.
            Err(_) => break,
        };
        for (column, text) in layout.iter().zip(texts.values()) {
            if let Some(text) = delimited.present(text).filter(|_| column.is_guessed()) {
                let known = known.entry(column.name.clone()).or_default();
                *known = known.join(super::guess::Guess::of(text));
            }
        }
        seen += 1;
    }
    if guessed && seen == 0 && waits {
        return Ok(None);
    }
    Ok(Some(Start { layout, place, identity, seen: seen > 0 }))
}
