//! Files in order, each from where it was left.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use tokio::time::Instant;

use super::columns::{Columns, Known};
use super::cursor::Fate;
use super::layout;
use super::pace::Pace;
use super::paths::expand;
use super::settings::{Delimited, Format, Mode, Settings};
use super::source::{Reading, Source, continued, sample};
use crate::plugin::{
    Polled, Position, Positions, Room, SourceError, SourcePartition, SourceRecord, SourceTask,
};
use crate::status::Progress;

/// How many files are open at once: one that rests makes room for the next.
const MOST_OPEN: usize = 200;

/// Reads on a thread for blocking work: the files go there and come back.
pub(super) struct FileTask {
    files: Option<Files>,
    pace: Option<Pace>,
}

impl FileTask {
    pub(super) fn new(settings: Settings, progress: Arc<Progress>) -> Self {
        let pace = settings.rate.map(|per_second| Pace::new(per_second, Instant::now()));
        let files = Files {
            settings,
            progress,
            positions: Positions::new(),
            sources: Vec::new(),
            paths: HashSet::new(),
            known: Known::new(),
            columns: String::new(),
            next: 0,
            failed: None,
            told: false,
        };
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

    async fn poll(&mut self, room: Room) -> Result<Polled, SourceError> {
        let mut most = usize::MAX;
        if let Some(pace) = &self.pace {
            most = pace.at_once();
            tokio::time::sleep_until(pace.due).await;
        }
        let polled = self.blocking(move |files| files.read(&room, most)).await?;
        if let (Some(pace), Polled::Records(records)) = (&mut self.pace, &polled) {
            pace.took(records.len());
        }
        Ok(polled)
    }
}

struct Files {
    settings: Settings,
    progress: Arc<Progress>,
    /// Where files were left that are not open.
    positions: Positions,
    sources: Vec<Source>,
    paths: HashSet<PathBuf>,
    /// What the columns of all files have shown.
    known: Known,
    /// The columns that were told last.
    columns: String,
    /// Which file is looked at first when files are followed: each has its turn, so that one that
    /// grows and grows does not keep the others waiting.
    next: usize,
    /// What is told after the records before it.
    failed: Option<SourceError>,
    /// That no file matches was told.
    told: bool,
}

fn file_error(path: &Path) -> impl FnOnce(std::io::Error) -> SourceError + '_ {
    move |source| SourceError::File { path: path.display().to_string(), source }
}

impl Files {
    fn look_for_files(&mut self) -> Result<(), SourceError> {
        for pattern in &self.settings.files {
            for path in expand(pattern).map_err(file_error(Path::new(pattern)))? {
                if self.paths.insert(path.clone()) {
                    self.sources.push(Source::new(path));
                }
            }
        }
        if self.sources.is_empty() {
            let list = self.settings.files.join(", ");
            if self.settings.mode == Mode::Batch {
                return Err(SourceError::Position(format!("no file matches {list}")));
            }
            if !self.told {
                tracing::warn!(files = list, "no file matches: waiting for one");
            }
            self.told = true;
        }
        Ok(())
    }

    /// The next records of the first file that has some; in a batch, of some files more.
    fn read(&mut self, room: &Room, most: usize) -> Result<Polled, SourceError> {
        if let Some(error) = self.failed.take() {
            return Err(error);
        }
        let fresh = self.prepare()?;
        if !fresh.is_empty() {
            return Ok(Polled::Remember(fresh));
        }
        let most = most.min(self.settings.batch_size);
        let mut records = Vec::new();
        let batch = self.settings.mode == Mode::Batch;
        let (mut files, most_files) = (0, if batch { MOST_OPEN } else { 1 });
        for step in 0..self.sources.len() {
            let index = if batch { step } else { (self.next + step) % self.sources.len() };
            if self.sources[index].done {
                continue;
            }
            let before = records.len();
            let read = match self.ready(index) {
                Ok(true) => self.read_one(index, room, most, &mut records),
                Ok(false) => Ok(()),
                Err(error) => Err(error),
            };
            match read {
                Err(error) if records.is_empty() => return Err(error),
                Err(error) => self.failed = Some(error),
                Ok(()) => {}
            }
            if records.len() > before {
                self.next = index + 1;
                files += 1;
            }
            if self.failed.is_some() || records.len() >= most || files == most_files {
                break;
            }
        }
        self.report();
        if !records.is_empty() {
            return Ok(Polled::Records(records));
        }
        if batch && self.sources.iter().all(|source| source.done) {
            return Ok(Polled::Done);
        }
        self.look_for_files()?;
        Ok(Polled::Idle)
    }

    fn report(&self) {
        let (mut read, mut total) = (0, 0);
        for source in &self.sources {
            let (of_it, length) = source.bytes;
            read += of_it.min(length);
            total += length;
        }
        self.progress.set_bytes(read, total);
    }

    /// Looks at the columns of delimited files that are new: of all of them, so that they agree.
    /// What it gives must be remembered before their records are written: read again, a file that
    /// has grown meanwhile would tell of other columns.
    fn prepare(&mut self) -> Result<Vec<(Arc<SourcePartition>, Position)>, SourceError> {
        let Format::Delimited(delimited) = &self.settings.format else { return Ok(Vec::new()) };
        let mut starts = Vec::new();
        for (index, source) in self.sources.iter_mut().enumerate() {
            if source.prepared || source.done {
                continue;
            }
            let Some(stamp) = source.look(self.settings.mode)? else { continue };
            if source.rests == Some(stamp) {
                continue;
            }
            let left = match self.positions.get(&source.key) {
                Some(position) => continued(&source.path, position)?,
                None => None,
            };
            if let Some((_, Some(json))) = left
                && let Some(columns) = remembered(source, delimited, &json)?
            {
                for column in &columns {
                    let known = self.known.entry(column.name.clone()).or_default();
                    *known = known.join(column.guess);
                }
                source.prepared = true;
                continue;
            }
            match sample(&source.path, &self.settings, delimited, &mut self.known)? {
                // An empty file of a batch.
                Some(start) if start.has_no_columns() => source.done = true,
                Some(start) => starts.push((index, start)),
                None => source.rests = Some(stamp),
            }
        }
        let mut fresh = Vec::with_capacity(starts.len());
        for (index, mut start) in starts {
            let source = &mut self.sources[index];
            start.settle(&self.known);
            let (position, columns) = (start.position(), start.columns());
            // Many files have the same.
            if columns != self.columns {
                tracing::info!(path = &*source.shown, columns, "the columns of new files");
                self.columns = columns;
            }
            self.positions.insert(source.key.clone(), position.clone());
            source.prepared = true;
            fresh.push((Arc::clone(&source.partition), position));
        }
        Ok(fresh)
    }

    /// Opens the file if it is not open; false if there is nothing to read at the moment.
    fn ready(&mut self, index: usize) -> Result<bool, SourceError> {
        let source = &mut self.sources[index];
        if source.reading.is_some() {
            return Ok(true);
        }
        let Some(stamp) = source.look(self.settings.mode)? else { return Ok(false) };
        if source.rests == Some(stamp) {
            return Ok(false);
        }
        let left = match self.positions.get(&source.key) {
            Some(position) => continued(&source.path, position)?,
            None => None,
        };
        let (place, columns) = match (&self.settings.format, left) {
            (Format::Line, left) => (left.map_or((0, 1), |(place, _)| place), None),
            (Format::Delimited(delimited), Some((place, Some(json)))) => {
                let Some(layout) = remembered(source, delimited, &json)? else {
                    source.prepared = false;
                    return Ok(false);
                };
                let columns = Columns::new(delimited, layout).map_err(|reason| {
                    SourceError::Record { path: source.shown.to_string(), line: 1, reason }
                })?;
                (place, Some(columns))
            }
            (Format::Delimited(_), _) => {
                (source.prepared, source.rests) = (false, None);
                self.positions.remove(&source.key);
                return Ok(false);
            }
        };
        self.make_room(index)?;
        let source = &mut self.sources[index];
        source.bytes.0 = place.0;
        source.reading = Some(Reading::open(&source.path, place, &self.settings, columns)?);
        Ok(true)
    }

    /// Closes a file when many are open: one that rests, if there is one.
    fn make_room(&mut self, but: usize) -> Result<(), SourceError> {
        let open: Vec<usize> =
            (0..self.sources.len()).filter(|i| self.sources[*i].reading.is_some()).collect();
        if open.len() < MOST_OPEN {
            return Ok(());
        }
        let rests = |index: &&usize| {
            let reading = &self.sources[**index].reading;
            reading.as_ref().is_some_and(|r| r.records.cursor.rests_at().is_some())
        };
        // Any other goes on later from where it is.
        let victim = open.iter().find(rests).or_else(|| open.iter().find(|open| **open != but));
        if let Some(index) = victim {
            self.close(*index)?;
        }
        Ok(())
    }

    /// Notes where the file was left; it is opened there again when there is something to read.
    fn close(&mut self, index: usize) -> Result<(), SourceError> {
        let source = &mut self.sources[index];
        if let Some(mut reading) = source.reading.take() {
            reading.refresh().map_err(source.file_error())?;
            self.positions.insert(source.key.clone(), reading.position());
            source.rests = reading.records.cursor.rests_at();
        }
        Ok(())
    }

    /// Takes records up to a batch, and sees what the end of the file means.
    fn read_one(
        &mut self,
        index: usize,
        room: &Room,
        most: usize,
        records: &mut Vec<SourceRecord>,
    ) -> Result<(), SourceError> {
        let source = &mut self.sources[index];
        let before = records.len();
        let end = before + room.of(&source.partition).min(most - before);
        let failed = source.file_error();
        let Some(reading) = source.reading.as_mut().filter(|_| end > before) else {
            return Ok(());
        };
        let (settings, known) = (&self.settings, &mut self.known);
        let source_of = (&source.partition, &source.shown);
        let read = take(reading, settings, source_of, known, (end, records));
        source.bytes.0 = reading.place.0;
        source.bytes.1 = source.bytes.1.max(reading.place.0);
        if records.len() > before {
            reading.refresh().map_err(failed)?;
            if let Some(record) = records.last_mut() {
                record.position = Some(reading.position());
            }
        }
        match read? {
            TurnEnd::Full | TurnEnd::AtEnd => {}
            TurnEnd::Done => {
                (source.done, source.reading) = (true, None);
                source.bytes.0 = source.bytes.1;
            }
            TurnEnd::Left(fate) => {
                tracing::info!(path = &*source.shown, ?fate, "the file at the path has changed");
                self.positions.insert(source.key.clone(), reading.position());
                (source.reading, source.rests) = (None, None);
            }
        }
        Ok(())
    }
}

/// How a turn of a file ended.
enum TurnEnd {
    Full,
    AtEnd,
    /// Nothing comes any more.
    Done,
    /// What stands at the path by now is to be looked at anew.
    Left(Fate),
}

/// Takes records of an open file until there are `end` of them.
fn take(
    reading: &mut Reading,
    settings: &Settings,
    source: (&Arc<SourcePartition>, &Arc<str>),
    known: &mut Known,
    (end, records): (usize, &mut Vec<SourceRecord>),
) -> Result<TurnEnd, SourceError> {
    let path = source.1;
    let failed = |source| SourceError::File { path: path.to_string(), source };
    let batch = settings.mode == Mode::Batch;
    let fate = |reading: &Reading| {
        let (place, identity) = (reading.place.0, &reading.identity);
        reading.records.cursor.fate(place, identity).map_err(failed)
    };
    if !batch
        && reading.records.cursor.is_at_end()
        && let changed @ (Fate::Copied | Fate::Rewritten) = fate(reading)?
    {
        return Ok(TurnEnd::Left(changed));
    }
    let mut last = batch;
    while records.len() < end {
        if let Some(record) = reading.next(last, settings, source, known)? {
            records.push(record);
            continue;
        }
        if batch {
            return Ok(TurnEnd::Done);
        }
        reading.refresh().map_err(failed)?;
        match fate(reading)? {
            Fate::Same => return Ok(TurnEnd::AtEnd),
            // A file that nobody finds any more gets no line end any more.
            Fate::Replaced if !last => last = true,
            changed => return Ok(TurnEnd::Left(changed)),
        }
    }
    Ok(TurnEnd::Full)
}

fn remembered(
    source: &Source,
    settings: &Delimited,
    json: &serde_json::Value,
) -> Result<Option<Vec<layout::LayoutColumn>>, SourceError> {
    layout::remembered(settings, json).map_err(|reason| SourceError::Record {
        path: source.shown.to_string(),
        line: 1,
        reason,
    })
}
