//! Putting what a pass wrote in the place of what it was made from.
//!
//! ```text
//!   of each new segment                                      a start after a crash comes to
//!   1. .cleaned -> .swap       the .log last, then a sync    the old segments
//!   2. old files -> .deleted                                 the new one
//!   3. .swap -> final names    the .log last                 the new one
//! ```
//! From the end of the first step there is no way back: what fails thereafter is tried again with
//! the next call that changes segments.

use std::io::ErrorKind;
use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;

use super::{CompactionStats, Generation, rewrite};
use crate::error::{CompactionError, StorageError};
use crate::folder::Folder;
use crate::log::Log;
use crate::name::{CLEANED_SUFFIX, DELETED_SUFFIX, FileKind, SWAP_SUFFIX};
use crate::removal::RemovedFiles;
use crate::segment::Segment;
use crate::store;

/// What a pass wrote, beside the log. Its files go when it is dropped.
#[derive(Debug)]
#[must_use = "the log is as it was until `Log::finish_compaction` is called"]
pub struct Compacted {
    pub stats: CompactionStats,
    pub(super) generation: Generation,
    pub(super) new: Vec<NewSegment>,
    pub(super) files: WrittenFiles,
    pub(super) last_horizon_ms: Option<i64>,
    /// The pass came to its end.
    pub(super) done: bool,
}

/// A segment that was written, and the base offsets of those that it takes the place of.
#[derive(Debug)]
pub(super) struct NewSegment {
    pub(super) segment: Segment,
    pub(super) replaced: Vec<i64>,
}

/// Files of new segments, which go when this does.
#[derive(Debug)]
pub(super) struct WrittenFiles {
    folder: Arc<Folder>,
    bases: Vec<i64>,
    generation: Generation,
}

impl WrittenFiles {
    pub(super) fn new(folder: Arc<Folder>, generation: Generation) -> Self {
        Self { folder, bases: Vec::new(), generation }
    }

    pub(super) fn push(&mut self, base_offset: i64) {
        self.bases.push(base_offset);
    }

    /// Lets the files stay.
    fn keep(&mut self) {
        self.bases.clear();
    }

    /// Removes the files, also those that were shown as done. Only under the log's lock.
    fn take_back(&mut self) -> Result<(), StorageError> {
        let swap = self.folder.with_suffix(SWAP_SUFFIX);
        for base_offset in self.bases.drain(..) {
            // What shows that the pass was not done goes last.
            rewrite::remove_files(&[&swap, &self.folder], base_offset)?;
        }
        Ok(())
    }
}

impl Drop for WrittenFiles {
    fn drop(&mut self) {
        // Else they may be those of the pass that came after this one; it removes what it finds.
        if self.generation.check().is_err() {
            return;
        }
        for base_offset in self.bases.drain(..) {
            if let Err(error) = rewrite::remove_files(&[&self.folder], base_offset) {
                tracing::warn!("{error}; the next pass tries again to remove what this one left");
                return;
            }
        }
    }
}

/// A file that is to get another name.
#[derive(Debug)]
pub(super) struct Rename {
    from: PathBuf,
    to: PathBuf,
}

impl Log {
    /// Puts what a pass wrote in the log's place: renames, and one sync of the folder. Returns
    /// the old files, to be removed `file.delete.delay.ms` later. An error leaves the log as it
    /// was, unless it is one of storage: then the pass may have its place already, and making it
    /// once more does no harm.
    pub fn finish_compaction(
        &mut self,
        compacted: Compacted,
    ) -> Result<RemovedFiles, CompactionError> {
        let Compacted { generation, new, mut files, last_horizon_ms, done, .. } = compacted;
        if !Arc::ptr_eq(&generation.current, &self.compaction.generation) {
            return Err(CompactionError::LogChanged);
        }
        generation.check()?;
        self.settle_compaction()?.remove()?;
        let cleaned = self.folder.with_suffix(CLEANED_SUFFIX);
        let mut placed = Vec::with_capacity(new.len());
        for NewSegment { segment, replaced } in new {
            match self.place_of(&replaced)? {
                Some(range) => placed.push((range, segment)),
                None => rewrite::remove_files(&[&cleaned], segment.base_offset())?,
            }
        }
        if let Err(error) = self.show_as_done(&placed) {
            self.compaction.has_remainders = files.take_back().is_err();
            return Err(error.into());
        }
        files.keep();
        self.compaction.advance();
        let bases: Vec<_> = placed.iter().map(|(_, segment)| segment.base_offset()).collect();
        for (range, segment) in placed.into_iter().rev() {
            self.replace(range, segment);
        }
        self.flush_state.names_given += 1;
        if done {
            self.compaction.clean_limit = i64::MAX;
            self.compaction.last_horizon_ms = last_horizon_ms;
        }
        let removed = self.settle_compaction()?;
        for base_offset in bases {
            let at = self.segment_of(base_offset);
            self.segments[at].release();
        }
        Ok(removed)
    }

    /// Where the segments are that are to be replaced; `None` when retention removed all of them.
    fn place_of(&self, replaced: &[i64]) -> Result<Option<Range<usize>>, CompactionError> {
        let [first, .., last] = *replaced else {
            let there = |base: &i64| self.segments.iter().position(|s| s.base_offset() == *base);
            return Ok(replaced.first().and_then(there).map(|at| at..at + 1));
        };
        let start = self.segments.partition_point(|segment| segment.base_offset() < first);
        let end = self.segments.partition_point(|segment| segment.base_offset() <= last);
        let there = self.segments[start..end].iter().map(Segment::base_offset);
        match there.clone().count() {
            0 => Ok(None),
            _ if there.eq(replaced.iter().copied()) => Ok(Some(start..end)),
            _ => Err(CompactionError::LogChanged),
        }
    }

    /// Gives the new segments' files the names that tell a start after a crash that they are
    /// complete.
    fn show_as_done(&self, placed: &[(Range<usize>, Segment)]) -> Result<(), StorageError> {
        let Folder { store, path, .. } = &*self.folder;
        let cleaned = self.folder.with_suffix(CLEANED_SUFFIX);
        let swap = self.folder.with_suffix(SWAP_SUFFIX);
        for (_, segment) in placed {
            for kind in kinds(segment) {
                let base_offset = segment.base_offset();
                let from = cleaned.file(kind, base_offset);
                let renamed = store.rename(&from, &swap.file(kind, base_offset));
                renamed.map_err(StorageError::on("rename", from))?;
            }
        }
        store.sync_dir(path).map_err(StorageError::on("sync", path))
    }

    /// Puts a segment in the place of others, and notes what names have to change for it.
    fn replace(&mut self, range: Range<usize>, mut segment: Segment) {
        let swap = self.folder.with_suffix(SWAP_SUFFIX);
        let base_offset = segment.base_offset();
        let mut renames = Vec::new();
        for old in &self.segments[range.clone()] {
            for kind in FileKind::ALL {
                let base = old.base_offset();
                let is_needed = base == base_offset || self.is_newest_snapshot(base);
                if kind == FileKind::Snapshot && is_needed {
                    continue;
                }
                let from = self.folder.file(kind, base);
                let to = store::with_suffix(&from, DELETED_SUFFIX);
                renames.push(Rename { from, to });
            }
        }
        for kind in kinds(&segment) {
            let (from, to) = (swap.file(kind, base_offset), self.folder.file(kind, base_offset));
            renames.push(Rename { from, to });
        }
        segment.renamed(&self.folder);
        self.segments.splice(range, [segment]);
        // The segments come from the last one to the first.
        for rename in renames.into_iter().rev() {
            self.compaction.unfinished.push_front(rename);
        }
    }

    fn is_newest_snapshot(&self, offset: i64) -> bool {
        self.flush_state.snapshot_offset == Some(offset)
    }

    /// Completes what is to be done of a pass that is in the log's place. Returns the old files.
    pub(crate) fn settle_compaction(&mut self) -> Result<RemovedFiles, StorageError> {
        let Folder { store, path, .. } = &*self.folder;
        let mut removed = RemovedFiles::new(store.clone());
        while let Some(Rename { from, to }) = self.compaction.unfinished.front() {
            match store.rename(from, to) {
                Ok(())
                    if to.as_os_str().as_encoded_bytes().ends_with(DELETED_SUFFIX.as_bytes()) =>
                {
                    removed.push(to.clone());
                }
                Ok(()) => {}
                Err(error) if error.kind() == ErrorKind::NotFound => {}
                Err(error) => return Err(StorageError::on("rename", from)(error)),
            }
            self.compaction.unfinished.pop_front();
        }
        // Until the new names are on the disk, the old files may be needed.
        Ok(if removed.is_empty() { removed } else { removed.after_sync_of(path.clone()) })
    }
}

/// The files that a segment has, that of its batches last.
fn kinds(segment: &Segment) -> impl Iterator<Item = FileKind> {
    let aborted = (!segment.aborted.is_empty()).then_some(FileKind::TxnIndex);
    [FileKind::OffsetIndex, FileKind::TimeIndex].into_iter().chain(aborted).chain([FileKind::Log])
}
