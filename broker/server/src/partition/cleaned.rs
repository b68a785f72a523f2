//! Up to where compacted logs are clean: the cleaner's checkpoints, one a log dir.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use broker_log::{LogDir, OffsetCheckpoint, StorageError, TopicPartition};
use tracing::warn;

type Offsets = BTreeMap<TopicPartition, i64>;

/// What the cleaner reached in each log. Each change is written before it is answered.
#[derive(Debug, Default)]
pub(crate) struct CleanedOffsets {
    /// By number of the log dir. A std mutex: held while a file is written, on threads that may
    /// block.
    by_dir: Mutex<Vec<Offsets>>,
}

impl CleanedOffsets {
    /// Reads the checkpoints. One that can't be read counts as empty: what was clean already is
    /// then cleaned again.
    pub(crate) fn load(dirs: &[LogDir]) -> Self {
        let read = dirs.iter().map(|dir| {
            dir.read_checkpoint(OffsetCheckpoint::Cleaner).unwrap_or_else(|problem| {
                warn!("{problem}; compacted logs of this folder are read from their start");
                Offsets::new()
            })
        });
        Self { by_dir: Mutex::new(read.collect()) }
    }

    /// Where cleaning goes on; a log that changed its folder is found where it was.
    pub(crate) fn get(&self, id: &TopicPartition) -> Option<i64> {
        self.lock().iter().find_map(|offsets| offsets.get(id)).copied()
    }

    /// Notes how far a log in a folder is clean.
    pub(crate) fn set(
        &self,
        dirs: &[LogDir],
        dir: usize,
        id: &TopicPartition,
        offset: i64,
    ) -> Result<(), StorageError> {
        self.change(dirs, |number, offsets| match number == dir {
            true => offsets.insert(id.clone(), offset) != Some(offset),
            false => offsets.remove(id).is_some(),
        })
    }

    /// Forgets what is no longer there, so that a later log of that name begins anew.
    pub(crate) fn keep(
        &self,
        dirs: &[LogDir],
        is_there: impl Fn(&TopicPartition) -> bool,
    ) -> Result<(), StorageError> {
        self.change(dirs, |_, offsets| {
            let before = offsets.len();
            offsets.retain(|id, _| is_there(id));
            offsets.len() != before
        })
    }

    /// Changes the offsets of each folder and writes those that did change.
    fn change(
        &self,
        dirs: &[LogDir],
        change: impl Fn(usize, &mut Offsets) -> bool,
    ) -> Result<(), StorageError> {
        let mut by_dir = self.lock();
        let mut outcome = Ok(());
        for (number, (offsets, dir)) in by_dir.iter_mut().zip(dirs).enumerate() {
            if change(number, offsets) {
                let now = offsets.clone();
                outcome = outcome.and(dir.write_checkpoint(OffsetCheckpoint::Cleaner, now));
            }
        }
        outcome
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Offsets>> {
        self.by_dir.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::sync::Arc;

    use broker_log::{MemoryStore, MetaProperties};

    use super::*;

    fn dir(store: &MemoryStore, path: &str) -> LogDir {
        let properties =
            MetaProperties { cluster_id: "c".to_owned(), node_id: 1, directory_id: None };
        LogDir::open(Arc::new(store.clone()), Path::new(path), properties).unwrap()
    }

    #[test]
    fn what_was_cleaned_is_known_after_a_start_and_forgotten_with_its_log() {
        let store = MemoryStore::default();
        let dirs = [dir(&store, "/a"), dir(&store, "/b")];
        let (one, two) = (TopicPartition::new("one", 0), TopicPartition::new("two", 3));
        let cleaned = CleanedOffsets::load(&dirs);
        assert_eq!(cleaned.get(&one), None);
        cleaned.set(&dirs, 0, &one, 7).unwrap();
        cleaned.set(&dirs, 1, &two, 9).unwrap();

        let again = CleanedOffsets::load(&dirs);
        assert_eq!((again.get(&one), again.get(&two)), (Some(7), Some(9)));
        again.set(&dirs, 1, &one, 8).unwrap();
        assert_eq!(dirs[0].read_checkpoint(OffsetCheckpoint::Cleaner).unwrap(), Offsets::new());
        assert_eq!(again.get(&one), Some(8), "it moved to the other folder");

        again.keep(&dirs, |id| *id == one).unwrap();
        assert_eq!(CleanedOffsets::load(&dirs).get(&two), None);
        assert_eq!(CleanedOffsets::load(&dirs).get(&one), Some(8));
    }

    #[test]
    fn a_damaged_checkpoint_counts_as_none() {
        let store = MemoryStore::default();
        let dirs = [dir(&store, "/a")];
        let id = TopicPartition::new("t", 0);
        CleanedOffsets::load(&dirs).set(&dirs, 0, &id, 7).unwrap();
        let file = broker_log::Store::open(&store, Path::new("/a/cleaner-offset-checkpoint"));
        file.unwrap().write_at(b"x", 0).unwrap();
        assert_eq!(CleanedOffsets::load(&dirs).get(&id), None);
    }
}
