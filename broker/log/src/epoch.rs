//! Which offsets were written under which leader epoch, and the file that remembers it.

use std::fmt::Display;
use std::io;
use std::str::SplitWhitespace;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use crate::checkpoint::{self, CheckpointError, Line};
use crate::error::{OpenError, StorageError};
use crate::folder::Folder;
use crate::name::EPOCH_CHECKPOINT;

const UNKNOWN: i32 = -1;
const UNKNOWN_OFFSET: i64 = -1;

/// The end of a leader epoch, as OffsetForLeaderEpoch answers it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EpochEnd {
    /// The largest epoch that is not above the one asked for; -1 when unknown.
    pub leader_epoch: i32,
    /// Where that epoch ended; -1 when unknown.
    pub end_offset: i64,
}

impl EpochEnd {
    const UNKNOWN: Self = Self { leader_epoch: UNKNOWN, end_offset: UNKNOWN_OFFSET };
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Start {
    epoch: i32,
    offset: i64,
}

impl Line for Start {
    fn parse(words: &mut SplitWhitespace<'_>) -> Option<Self> {
        let epoch = words.next()?.parse().ok()?;
        Some(Self { epoch, offset: words.next()?.parse().ok()? })
    }

    fn print(&self) -> impl Display {
        format!("{} {}", self.epoch, self.offset)
    }
}

/// The leader epochs of one log: ascending epochs with ascending start offsets.
///
/// The file is written when the log is synced, not with each new epoch: what it lacks after
/// a crash is in the batches that recovery reads.
#[derive(Debug)]
pub(crate) struct LeaderEpochs {
    file: Arc<EpochFile>,
    starts: Vec<Start>,
    /// Grows with each change of `starts`.
    version: u64,
}

/// The file, which is written without the log's lock.
#[derive(Debug)]
struct EpochFile {
    folder: Arc<Folder>,
    /// The version that the file holds.
    saved: AtomicU64,
    /// One writes at a time, so that an older state does not replace a newer one.
    writing: Mutex<()>,
}

/// Epochs that the file may lack.
#[derive(Debug)]
pub(crate) struct UnsavedEpochs {
    file: Arc<EpochFile>,
    starts: Vec<Start>,
    version: u64,
}

impl UnsavedEpochs {
    /// Writes the file and syncs it.
    pub(crate) fn save(&self) -> Result<(), StorageError> {
        let EpochFile { folder, saved, writing } = &*self.file;
        // It guards no value, and whoever panicked left the old file or the new one.
        let _one = writing.lock().unwrap_or_else(PoisonError::into_inner);
        if saved.load(Ordering::SeqCst) >= self.version {
            return Ok(());
        }
        let path = folder.path.join(EPOCH_CHECKPOINT);
        let written: io::Result<()> = checkpoint::write(&*folder.store, &path, &self.starts);
        written.map_err(StorageError::on("write", path))?;
        saved.store(self.version, Ordering::SeqCst);
        Ok(())
    }
}

impl LeaderEpochs {
    /// Reads the file; one that is not there means no epochs.
    pub(crate) fn load(folder: Arc<Folder>) -> Result<Self, OpenError> {
        let path = folder.path.join(EPOCH_CHECKPOINT);
        let starts = match checkpoint::read::<Start>(&*folder.store, &path) {
            Ok(starts) => starts,
            Err(CheckpointError::Io(source)) => {
                return Err(StorageError { operation: "read", path, source }.into());
            }
            Err(CheckpointError::Malformed(at)) => {
                return Err(OpenError::Malformed { path, line: at.line, problem: at.problem });
            }
        };
        let file = EpochFile { folder, saved: AtomicU64::new(0), writing: Mutex::default() };
        let mut epochs = Self { file: Arc::new(file), starts: Vec::new(), version: 0 };
        for start in starts {
            epochs.assign(start.epoch, start.offset);
        }
        epochs.version = 0;
        Ok(epochs)
    }

    /// Notes that an epoch begins at an offset; an epoch that is not above all others is
    /// known already.
    pub(crate) fn assign(&mut self, epoch: i32, offset: i64) {
        if epoch < 0 || self.latest().is_some_and(|latest| epoch <= latest) {
            return;
        }
        // An epoch that ends where it begins holds no records.
        while self.starts.last().is_some_and(|last| last.offset >= offset) {
            self.starts.pop();
        }
        self.starts.push(Start { epoch, offset });
        self.version += 1;
    }

    pub(crate) fn latest(&self) -> Option<i32> {
        self.starts.last().map(|start| start.epoch)
    }

    /// All of them.
    pub(crate) fn starts(&self) -> impl Iterator<Item = (i32, i64)> + '_ {
        self.starts.iter().map(|start| (start.epoch, start.offset))
    }

    /// The epoch that an offset was written under.
    pub(crate) fn at(&self, offset: i64) -> Option<i32> {
        let count = self.starts.partition_point(|start| start.offset <= offset);
        Some(self.starts[count.checked_sub(1)?].epoch)
    }

    /// See [`crate::Log::epoch_end_offset`].
    pub(crate) fn end_of(&self, epoch: i32, log_end_offset: i64) -> EpochEnd {
        if epoch == UNKNOWN {
            return EpochEnd::UNKNOWN;
        }
        if self.latest() == Some(epoch) {
            return EpochEnd { leader_epoch: epoch, end_offset: log_end_offset };
        }
        let above = self.starts.partition_point(|start| start.epoch <= epoch);
        match (above.checked_sub(1), self.starts.get(above)) {
            (_, None) => EpochEnd::UNKNOWN,
            (None, Some(next)) => EpochEnd { leader_epoch: epoch, end_offset: next.offset },
            (Some(floor), Some(next)) => {
                EpochEnd { leader_epoch: self.starts[floor].epoch, end_offset: next.offset }
            }
        }
    }

    /// Forgets epochs that begin at or after the log's new end.
    pub(crate) fn truncate_from_end(&mut self, end_offset: i64) {
        let keep = self.starts.partition_point(|start| start.offset < end_offset);
        self.version += u64::from(keep < self.starts.len());
        self.starts.truncate(keep);
    }

    /// Forgets epochs that ended at or before the log's new start; the one that holds it
    /// begins there now.
    pub(crate) fn truncate_from_start(&mut self, start_offset: i64) {
        let ended = self.starts.partition_point(|start| start.offset <= start_offset);
        let Some(floor) = ended.checked_sub(1) else { return };
        let changes = floor > 0 || self.starts[floor].offset != start_offset;
        self.version += u64::from(changes);
        self.starts.drain(..floor);
        self.starts[0].offset = start_offset;
    }

    pub(crate) fn clear(&mut self) {
        self.version += u64::from(!self.starts.is_empty());
        self.starts.clear();
    }

    /// What the file lacks, to be saved without the log's lock; `None`: nothing.
    pub(crate) fn unsaved(&self) -> Option<UnsavedEpochs> {
        let lacks = self.file.saved.load(Ordering::SeqCst) < self.version;
        lacks.then(|| UnsavedEpochs {
            file: self.file.clone(),
            starts: self.starts.clone(),
            version: self.version,
        })
    }

    /// Writes the file when it lacks something.
    pub(crate) fn save(&self) -> Result<(), StorageError> {
        self.unsaved().map_or(Ok(()), |unsaved| unsaved.save())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::MemoryStore;

    fn epochs(starts: &[(i32, i64)]) -> LeaderEpochs {
        let store = Arc::new(MemoryStore::default());
        let folder = Arc::new(Folder::new(store, Default::default()));
        let mut epochs = LeaderEpochs::load(folder).unwrap();
        for (epoch, offset) in starts {
            epochs.assign(*epoch, *offset);
        }
        epochs
    }

    fn starts(epochs: &LeaderEpochs) -> Vec<(i32, i64)> {
        epochs.starts.iter().map(|start| (start.epoch, start.offset)).collect()
    }

    #[test]
    fn only_higher_epochs_are_noted_and_empty_ones_are_dropped() {
        let found = epochs(&[(0, 0), (2, 5), (2, 9), (1, 9), (-1, 9), (4, 5), (5, 7)]);
        assert_eq!(starts(&found), [(0, 0), (4, 5), (5, 7)]);
        assert_eq!(found.latest(), Some(5));
    }

    #[test]
    fn an_offset_has_the_epoch_that_began_last_before_it() {
        let found = epochs(&[(1, 10), (3, 20)]);
        let at: Vec<_> = [9, 10, 19, 20, 99].into_iter().map(|offset| found.at(offset)).collect();
        assert_eq!(at, [None, Some(1), Some(1), Some(3), Some(3)]);
    }

    #[test]
    fn an_epoch_ends_where_the_next_one_begins() {
        let found = epochs(&[(2, 10), (4, 20), (6, 30)]);
        let end = |epoch| {
            let end = found.end_of(epoch, 40);
            (end.leader_epoch, end.end_offset)
        };
        assert_eq!(end(-1), (-1, -1));
        assert_eq!(end(0), (0, 10), "before the first known epoch");
        assert_eq!(end(2), (2, 20));
        assert_eq!(end(3), (2, 20), "an epoch that wrote nothing");
        assert_eq!(end(5), (4, 30));
        assert_eq!(end(6), (6, 40), "the latest ends where the log does");
        assert_eq!(end(7), (-1, -1), "above all known");
        assert_eq!(epochs(&[]).end_of(0, 40), EpochEnd::UNKNOWN);
    }

    #[test]
    fn truncation_at_both_ends_keeps_what_holds_records() {
        let mut found = epochs(&[(1, 0), (2, 10), (3, 20)]);
        found.truncate_from_end(20);
        assert_eq!(starts(&found), [(1, 0), (2, 10)]);
        found.truncate_from_start(4);
        assert_eq!(starts(&found), [(1, 4), (2, 10)]);
        found.truncate_from_start(10);
        assert_eq!(starts(&found), [(2, 10)]);
        found.truncate_from_start(2);
        assert_eq!(starts(&found), [(2, 10)], "nothing lies before the first epoch");
        found.truncate_from_start(15);
        assert_eq!(starts(&found), [(2, 15)]);
    }

    #[test]
    fn an_older_state_does_not_replace_a_newer_one() {
        let mut found = epochs(&[(1, 0)]);
        let older = found.unsaved().unwrap();
        found.assign(2, 10);
        found.save().unwrap();
        older.save().unwrap();
        assert!(found.unsaved().is_none());
        let again = LeaderEpochs::load(found.file.folder.clone()).unwrap();
        assert_eq!(starts(&again), [(1, 0), (2, 10)]);
    }

    #[test]
    fn the_file_holds_what_was_saved() {
        let mut found = epochs(&[(1, 0), (2, 10)]);
        found.save().unwrap();
        found.assign(3, 30);
        let again = LeaderEpochs::load(found.file.folder.clone()).unwrap();
        assert_eq!(starts(&again), [(1, 0), (2, 10)]);
        found.save().unwrap();
        let again = LeaderEpochs::load(found.file.folder.clone()).unwrap();
        assert_eq!(starts(&again), [(1, 0), (2, 10), (3, 30)]);
    }
}
