//! Writing what a pass leaves of some segments to a new one, beside them.

use std::io::IoSlice;
use std::sync::Arc;

use protocol::record::BatchHeader;

use super::filter::{Fate, Filter};
use super::pass::Progress;
use crate::config::SegmentConfig;
use crate::error::{CompactionError, StorageError};
use crate::folder::{Folder, OpenFile};
use crate::scan::{Scan, Scanned};
use crate::segment::Segment;

/// How many bytes are written at once.
const WRITE_BYTES: usize = 1024 * 1024;

/// A segment that a pass reads: a file that nobody writes to any more.
#[derive(Debug)]
pub(super) struct Source {
    pub(super) base_offset: i64,
    /// The base offset of the segment behind it.
    pub(super) end_offset: i64,
    pub(super) size: u64,
    pub(super) modified_ms: i64,
    pub(super) file: OpenFile,
}

impl Source {
    /// Visits all batches from a position on.
    pub(super) fn walk(
        &self,
        position: u64,
        mut see: impl FnMut(u64, &BatchHeader, &[u8]) -> Result<bool, CompactionError>,
    ) -> Result<(), CompactionError> {
        let scan = Scan::new(&self.file, self.size, self.base_offset);
        let mut scan = scan.starting_at(position);
        loop {
            match scan.next()? {
                Scanned::End => return Ok(()),
                Scanned::Batch { position, header, bytes } => {
                    if !see(position, &header, bytes)? {
                        return Ok(());
                    }
                }
                Scanned::Damaged { position, problem } => {
                    return Err(self.corrupt(position, problem));
                }
            }
        }
    }

    pub(super) fn corrupt(&self, position: u64, problem: String) -> CompactionError {
        CompactionError::CorruptBatch { path: self.file.id.path(), position, problem }
    }
}

/// Where the new segment's files are written, and how.
#[derive(Clone, Debug)]
pub(super) struct Destination {
    /// Gives files the names that they have until the pass is done.
    pub(super) folder: Arc<Folder>,
    pub(super) config: SegmentConfig,
}

/// Writes what is left of neighbouring segments as one. `None`: there is one segment, and all of
/// it stays as it is.
///
/// The last batch stays in any case, if only its header: it tells how far the segment reaches,
/// and lets readers come to its end.
pub(super) fn rewrite(
    sources: &[Source],
    filter: &mut Filter<'_>,
    destination: &Destination,
    progress: &mut Progress<'_>,
) -> Result<Option<Segment>, CompactionError> {
    let last = sources.iter().rposition(|source| source.size > 0);
    let mut output = match sources {
        [_] => None,
        [first, ..] => Some(Output::create(destination, first, last.map(|at| &sources[at]))?),
        [] => return Ok(None),
    };
    for (index, source) in sources.iter().enumerate() {
        source.walk(0, |position, header, bytes| {
            progress.read(header)?;
            let is_last = Some(index) == last && position + bytes.len() as u64 == source.size;
            let fate = filter.judge(header, bytes, is_last);
            let fate = fate.map_err(|problem| source.corrupt(position, problem))?;
            if fate != Fate::Kept && output.is_none() {
                let mut begun = Output::create(destination, source, Some(source))?;
                begun.copy(source, position, progress)?;
                output = Some(begun);
            }
            let Some(output) = &mut output else { return Ok(true) };
            match fate {
                Fate::Gone => {}
                Fate::Kept => output.append(header, bytes, progress)?,
                Fate::Changed(bytes) => output.append_changed(&bytes, progress)?,
            }
            Ok(true)
        })?;
    }
    let not_walked = match sources.last() {
        Some(source) => filter.end_offset()..source.end_offset,
        None => 0..0,
    };
    let aborted = filter.transactions().take_with_data(not_walked);
    let Some(mut output) = output else { return Ok(None) };
    output.write(progress)?;
    for entry in aborted {
        output.segment.aborted.push(entry);
    }
    output.finish().map(Some)
}

/// The new segment, of which some batches wait to be written.
#[derive(Debug)]
struct Output {
    segment: Segment,
    config: SegmentConfig,
    headers: Vec<BatchHeader>,
    waiting: Vec<u8>,
}

impl Output {
    /// Begins the segment that takes the place of those from the first one on.
    fn create(
        destination: &Destination,
        first: &Source,
        last: Option<&Source>,
    ) -> Result<Self, CompactionError> {
        let Destination { folder, config } = destination;
        let modified_ms = last.map_or(first.modified_ms, |last| last.modified_ms);
        let segment = Segment::create(folder.clone(), first.base_offset, config, modified_ms)?;
        Ok(Self { segment, config: config.clone(), headers: Vec::new(), waiting: Vec::new() })
    }

    /// Takes over the batches before a position.
    fn copy(
        &mut self,
        source: &Source,
        end: u64,
        progress: &mut Progress<'_>,
    ) -> Result<(), CompactionError> {
        source.walk(0, |position, header, bytes| {
            if position >= end {
                return Ok(false);
            }
            self.append(header, bytes, progress)?;
            Ok(true)
        })
    }

    fn append_changed(
        &mut self,
        bytes: &[u8],
        progress: &mut Progress<'_>,
    ) -> Result<(), CompactionError> {
        let header = BatchHeader::parse(bytes).expect("a batch that was built has a header");
        self.append(&header, bytes, progress)
    }

    fn append(
        &mut self,
        header: &BatchHeader,
        bytes: &[u8],
        progress: &mut Progress<'_>,
    ) -> Result<(), CompactionError> {
        self.headers.push(*header);
        self.waiting.extend_from_slice(bytes);
        if self.waiting.len() >= WRITE_BYTES { self.write(progress) } else { Ok(()) }
    }

    fn write(&mut self, progress: &mut Progress<'_>) -> Result<(), CompactionError> {
        if self.waiting.is_empty() {
            return Ok(());
        }
        self.segment.write(&mut [IoSlice::new(&self.waiting)])?;
        for header in self.headers.drain(..) {
            let position = self.segment.size();
            self.segment.note(&header, position, &self.config);
        }
        progress.wrote(self.waiting.len())?;
        self.waiting.clear();
        Ok(())
    }

    /// Completes the files and syncs them. They stay open, whatever their names become.
    fn finish(self) -> Result<Segment, CompactionError> {
        let mut segment = self.segment;
        segment.seal()?;
        for file in segment.files()? {
            file.handle.sync().map_err(file.id.failed("sync"))?;
        }
        Ok(segment)
    }
}

/// Removes the files of a new segment, under any of the names that it has had.
pub(super) fn remove_files(folders: &[&Folder], base_offset: i64) -> Result<(), StorageError> {
    for folder in folders {
        for kind in crate::name::FileKind::ALL {
            let path = folder.file(kind, base_offset);
            crate::store::remove_if_there(&*folder.store, &path)
                .map_err(StorageError::on("remove", path))?;
        }
    }
    Ok(())
}
