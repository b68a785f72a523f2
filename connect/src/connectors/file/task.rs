//! Files in order, each from where it was left.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use formats::{Schema, Type, Value};
use serde_json::{Value as Json, json};
use tokio::time::Instant;

use super::columns::{self, Columns, SAMPLE};
use super::cursor::{Cursor, Fate, Head, Line};
use super::paths::expand;
use super::settings::{Delimited, Format, Mode, Settings};
use crate::plugin::{
    Polled, Position, Positions, SchemaAndValue, SourceError, SourcePartition, SourceRecord,
    SourceTask,
};
use crate::status::Progress;

/// Reads on a thread for blocking work: the files go there and come back.
pub(super) struct FileTask {
    files: Option<Files>,
    pace: Option<Pace>,
}

/// How fast records may come.
struct Pace {
    per_second: u32,
    /// When the next records are due.
    due: Instant,
}

impl Pace {
    /// How many records make a tenth of a second.
    fn at_once(&self) -> usize {
        usize::try_from(self.per_second / 10).unwrap_or(usize::MAX).max(1)
    }

    fn took(&mut self, records: usize) {
        let seconds = records as f64 / f64::from(self.per_second);
        self.due = self.due.max(Instant::now()) + Duration::from_secs_f64(seconds);
    }
}

impl FileTask {
    pub(super) fn new(settings: Settings, progress: Arc<Progress>) -> Self {
        let pace = settings.rate.map(|per_second| Pace { per_second, due: Instant::now() });
        let (positions, open) = (Positions::new(), Vec::new());
        let files = Files { settings, progress, positions, open, next: 0 };
        Self { files: Some(files), pace }
    }

    async fn blocking<T: Send + 'static>(
        &mut self,
        work: impl FnOnce(&mut Files) -> Result<T, SourceError> + Send + 'static,
    ) -> Result<T, SourceError> {
        let lost = || SourceError::Position("an earlier read was broken off".into());
        let mut files = self.files.take().ok_or_else(lost)?;
        let done = tokio::task::spawn_blocking(move || {
            let outcome = work(&mut files);
            (files, outcome)
        });
        let (files, outcome) = done.await.map_err(|_| lost())?;
        self.files = Some(files);
        outcome
    }
}

#[async_trait]
impl SourceTask for FileTask {
    async fn start(&mut self, positions: Positions) -> Result<(), SourceError> {
        self.blocking(move |files| {
            files.positions = positions;
            files.look_for_files()?;
            files.report();
            Ok(())
        })
        .await
    }

    async fn poll(&mut self, most: usize) -> Result<Polled, SourceError> {
        let mut most = most;
        if let Some(pace) = &self.pace {
            most = most.min(pace.at_once());
            tokio::time::sleep_until(pace.due).await;
        }
        let polled = self.blocking(move |files| files.read(most)).await?;
        if let (Some(pace), Polled::Records(records)) = (&mut self.pace, &polled) {
            pace.took(records.len());
        }
        Ok(polled)
    }
}

struct Files {
    settings: Settings,
    progress: Arc<Progress>,
    /// Where files were left that are not open yet.
    positions: Positions,
    open: Vec<Source>,
    /// Which file is looked at first when files are followed: each has its turn, so that one that
    /// grows and grows does not keep the others waiting.
    next: usize,
}

/// One path with the file that stands there.
struct Source {
    path: PathBuf,
    partition: Arc<SourcePartition>,
    reading: Option<Reading>,
    done: bool,
}

struct Reading {
    cursor: Cursor,
    shape: Shape,
    head: Head,
}

enum Shape {
    Line(Arc<Schema>),
    /// With the text that makes the same columns again.
    Columns(Columns, String),
}

fn file_error(path: &Path) -> impl FnOnce(std::io::Error) -> SourceError + '_ {
    move |source| SourceError::File { path: path.display().to_string(), source }
}

impl Files {
    fn look_for_files(&mut self) -> Result<(), SourceError> {
        for pattern in &self.settings.files {
            for path in expand(pattern).map_err(file_error(Path::new(pattern)))? {
                if self.open.iter().any(|known| known.path == path) {
                    continue;
                }
                let mut partition = SourcePartition::new();
                partition.insert("filename".into(), json!(path.display().to_string()));
                let partition = Arc::new(partition);
                self.open.push(Source { path, partition, reading: None, done: false });
            }
        }
        if self.open.is_empty() && self.settings.mode == Mode::Batch {
            let list = self.settings.files.join(", ");
            return Err(SourceError::Position(format!("no file matches {list}")));
        }
        Ok(())
    }

    fn read(&mut self, most: usize) -> Result<Polled, SourceError> {
        let mut records = Vec::new();
        let batch = self.settings.mode == Mode::Batch;
        for step in 0..self.open.len() {
            let index = if batch { step } else { (self.next + step) % self.open.len() };
            if self.open[index].done || !self.ready(index)? {
                continue;
            }
            self.read_one(index, most, &mut records)?;
            if !records.is_empty() {
                self.next = index + 1;
                break;
            }
        }
        self.report();
        if !records.is_empty() {
            return Ok(Polled::Records(records));
        }
        if batch && self.open.iter().all(|source| source.done) {
            return Ok(Polled::Done);
        }
        self.look_for_files()?;
        Ok(Polled::Idle)
    }

    fn report(&self) {
        let (mut read, mut total) = (0, 0);
        for source in &self.open {
            let len = std::fs::metadata(&source.path).map_or(0, |metadata| metadata.len());
            total += len;
            read += match &source.reading {
                Some(reading) => reading.cursor.position().min(len),
                None if source.done => len,
                None => 0,
            };
        }
        self.progress.set_bytes(read, total);
    }

    /// Opens the file if it is not open; false if it cannot be read yet.
    fn ready(&mut self, index: usize) -> Result<bool, SourceError> {
        if self.open[index].reading.is_some() {
            return Ok(true);
        }
        let source = &self.open[index];
        let path = source.path.clone();
        let waits = self.settings.mode == Mode::Tail;
        if waits && !path.exists() {
            return Ok(false);
        }
        let key = Json::Object((*source.partition).clone()).to_string();
        let left = self.positions.get(&key);
        let left = match left {
            Some(position) => continued(&path, position)?,
            None => None,
        };
        let reading = match &self.settings.format {
            Format::Line => {
                let (position, line) = left.map_or((0, 1), |(position, line, _)| (position, line));
                let cursor =
                    Cursor::open(&path, position, line, false).map_err(file_error(&path))?;
                let shape = Shape::Line(Arc::new(Schema::required(Type::String)));
                Some((cursor, shape))
            }
            Format::Delimited(settings) => open_delimited(&path, settings, left, waits)?,
        };
        let Some((cursor, shape)) = reading else { return Ok(false) };
        let head = cursor.head().map_err(file_error(&path))?;
        self.open[index].reading = Some(Reading { cursor, shape, head });
        Ok(true)
    }

    /// Takes records up to a batch, and sees what the end of the file means.
    fn read_one(
        &mut self,
        index: usize,
        most: usize,
        records: &mut Vec<SourceRecord>,
    ) -> Result<(), SourceError> {
        let most = most.min(self.settings.batch_size);
        let batch = self.settings.mode == Mode::Batch;
        let source = &mut self.open[index];
        let Some(reading) = &mut source.reading else { return Ok(()) };
        let mut last = batch;
        while records.len() < most {
            let line = reading.cursor.next(last).map_err(file_error(&source.path))?;
            if let Some(line) = line {
                records.extend(
                    record(&self.settings, source.partition.clone(), reading, &line).map_err(
                        |reason| SourceError::Record {
                            path: source.path.display().to_string(),
                            line: line.number,
                            reason,
                        },
                    )?,
                );
                continue;
            }
            if batch {
                source.done = true;
                break;
            }
            match reading.cursor.fate().map_err(file_error(&source.path))? {
                Fate::Same => break,
                // A file that nobody finds any more gets no line end any more.
                Fate::Replaced if !last => last = true,
                fate => {
                    tracing::info!(path = %source.path.display(), ?fate, "reading from the start");
                    let key = Json::Object((*source.partition).clone()).to_string();
                    self.positions.remove(&key);
                    if let Some(record) = records.last_mut() {
                        record.position = Some(position(reading));
                    }
                    source.reading = None;
                    return Ok(());
                }
            }
        }
        if let Some(record) = records.last_mut() {
            if !reading.head.is_whole() {
                reading.head = reading.cursor.head().map_err(file_error(&source.path))?;
            }
            record.position = Some(position(reading));
        }
        Ok(())
    }
}

fn position(reading: &Reading) -> Position {
    let mut position = Position::new();
    position.insert("position".into(), json!(reading.cursor.position()));
    position.insert("line".into(), json!(reading.cursor.line()));
    position.insert("head".into(), reading.head.to_json());
    if let Shape::Columns(_, text) = &reading.shape {
        position.insert("columns".into(), json!(text));
    }
    position
}

/// A blank line between records is no record.
fn record(
    settings: &Settings,
    partition: Arc<SourcePartition>,
    reading: &Reading,
    line: &Line,
) -> Result<Option<SourceRecord>, String> {
    let text = std::str::from_utf8(&line.bytes).map_err(|_| "not valid UTF-8".to_owned())?;
    let (key, value, timestamp_ms) = match (&reading.shape, &settings.format) {
        (Shape::Columns(columns, _), Format::Delimited(delimited)) => {
            if text.is_empty() {
                return Ok(None);
            }
            let texts = formats::delimited::split(text, delimited.delimiter)
                .map_err(|error| error.to_string())?;
            let read = columns.read(&texts)?;
            (read.key, read.value, read.timestamp_ms)
        }
        (Shape::Line(schema), _) => {
            let schema = Arc::clone(schema);
            (None, SchemaAndValue { schema, value: Value::String(text.to_owned()) }, None)
        }
        _ => return Err("the columns are not known".into()),
    };
    let topic = Arc::clone(&settings.topic);
    let value = Some(value);
    Ok(Some(SourceRecord { partition, position: None, topic, key, value, timestamp_ms }))
}

type Left = (u64, u64, Option<String>);

/// Where to go on in a file that was read before; none if it is not that file any more.
fn continued(path: &Path, position: &Position) -> Result<Option<Left>, SourceError> {
    let number = |key: &str| position.get(key).and_then(Json::as_u64);
    let Some(at) = number("position") else {
        let shown = Json::Object(position.clone());
        return Err(SourceError::Position(format!(
            "the remembered position {shown} of {} has no number \"position\"",
            path.display()
        )));
    };
    let len = std::fs::metadata(path).map_err(file_error(path))?.len();
    let head = position.get("head").and_then(Head::from_json);
    let same = match head {
        Some(head) => head.is_of(path).map_err(file_error(path))?,
        None => true,
    };
    if len < at || !same {
        tracing::warn!(path = %path.display(), "a new file stands in its place: reading it whole");
        return Ok(None);
    }
    let columns = position.get("columns").and_then(Json::as_str).map(str::to_owned);
    Ok(Some((at, number("line").unwrap_or(1), columns)))
}

/// None if the file has not enough yet to know its columns.
fn open_delimited(
    path: &Path,
    settings: &Delimited,
    left: Option<Left>,
    waits: bool,
) -> Result<Option<(Cursor, Shape)>, SourceError> {
    let wrong = |line: u64, reason: String| SourceError::Record {
        path: path.display().to_string(),
        line,
        reason,
    };
    let open = |position: u64, line: u64| {
        Cursor::open(path, position, line, true).map_err(file_error(path))
    };
    if let Some((position, line, Some(text))) = left {
        let types = columns::parse_types(&text).map_err(|reason| wrong(line, reason))?;
        let columns = Columns::new(settings, &types).map_err(|reason| wrong(line, reason))?;
        return Ok(Some((open(position, line)?, Shape::Columns(columns, text))));
    }
    let mut cursor = open(0, 1)?;
    let names = if settings.header {
        let Some(header) = cursor.next(!waits).map_err(file_error(path))? else {
            return if waits { Ok(None) } else { Err(wrong(1, "there is no header".into())) };
        };
        header_names(&header, settings.delimiter).map_err(|reason| wrong(1, reason))?
    } else {
        settings.types.iter().map(|(name, _)| name.clone()).collect()
    };
    let unknown = settings.types.iter().find(|(name, _)| !names.contains(name));
    if let Some((name, _)) = unknown {
        let reason = format!("columns names {name}, the header does not: {}", names.join(", "));
        return Err(wrong(1, reason));
    }
    let given = |name: &String| settings.types.iter().find(|(other, _)| other == name);
    let mut sample = Vec::new();
    if names.iter().any(|name| given(name).is_none()) {
        let mut ahead = open(cursor.position(), cursor.line())?;
        while sample.len() < SAMPLE {
            let Some(line) = ahead.next(!waits).map_err(file_error(path))? else { break };
            let text = String::from_utf8_lossy(&line.bytes);
            let texts = formats::delimited::split(&text, settings.delimiter)
                .map_err(|error| wrong(line.number, error.to_string()))?;
            sample.push(texts.into_iter().map(|text| text.into_owned()).collect());
        }
        if sample.is_empty() && waits {
            return Ok(None);
        }
    }
    let types: Vec<(String, Type)> = names
        .iter()
        .enumerate()
        .map(|(index, name)| match given(name) {
            Some(known) => known.clone(),
            None => (name.clone(), columns::infer(&sample, index, &settings.nulls)),
        })
        .collect();
    let columns = Columns::new(settings, &types).map_err(|reason| wrong(1, reason))?;
    let texts = columns.names().zip(&types).map(|(name, (_, ty))| format!("{name} {ty}"));
    let text = texts.collect::<Vec<_>>().join(", ");
    Ok(Some((cursor, Shape::Columns(columns, text))))
}

/// Names as they are in the value: what Avro does not take is replaced.
fn header_names(header: &Line, delimiter: char) -> Result<Vec<String>, String> {
    let text = std::str::from_utf8(&header.bytes).map_err(|_| "not valid UTF-8".to_owned())?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let names = formats::delimited::split(text, delimiter).map_err(|error| error.to_string())?;
    Ok(names.into_iter().map(|name| columns::schema_name(&name.replace('.', "_"))).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pace_moves_the_next_records_by_what_was_taken() {
        let begun = Instant::now();
        let mut pace = Pace { per_second: 200, due: begun };
        assert_eq!(pace.at_once(), 20);
        pace.took(100);
        pace.took(100);
        assert!(pace.due >= begun + Duration::from_secs(1));
        assert_eq!(Pace { per_second: 1, due: begun }.at_once(), 1);
    }
}
