//! Up to where compacted logs are clean: the cleaner's checkpoints, one a log dir.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};

use broker_log::{OffsetCheckpoint, StorageError, TopicPartition};
use tracing::warn;

use super::data_dir::DataDir;
use crate::lock::whole;

type Offsets = BTreeMap<TopicPartition, i64>;

/// What the cleaner reached in each log. Each change is written before it is answered.
#[derive(Debug, Default)]
pub struct CleanedOffsets {
    /// By number of the log dir. A std mutex: held while a file is written, on threads that may
    /// block.
    by_dir: Mutex<Vec<Offsets>>,
}

impl CleanedOffsets {
    /// Reads the checkpoints. One that can't be read counts as empty: what was clean already is
    /// then cleaned again.
    pub fn load(dirs: &[Arc<DataDir>]) -> Self {
        let read = dirs.iter().map(|dir| {
            let Some(dir) = dir.opened() else { return Offsets::new() };
            dir.read_checkpoint(OffsetCheckpoint::Cleaner).unwrap_or_else(|problem| {
                warn!("{problem}; compacted logs of this folder are read from their start");
                Offsets::new()
            })
        });
        Self { by_dir: Mutex::new(read.collect()) }
    }

    /// Where cleaning goes on; a log that changed its folder is found where it was.
    pub fn get(&self, id: &TopicPartition) -> Option<i64> {
        self.lock().iter().find_map(|offsets| offsets.get(id)).copied()
    }

    /// Notes how far a log in a folder is clean.
    pub fn set(
        &self,
        dirs: &[Arc<DataDir>],
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
    pub fn keep(
        &self,
        dirs: &[Arc<DataDir>],
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
        dirs: &[Arc<DataDir>],
        change: impl Fn(usize, &mut Offsets) -> bool,
    ) -> Result<(), StorageError> {
        let mut by_dir = self.lock();
        let mut outcome = Ok(());
        for (number, (offsets, dir)) in by_dir.iter_mut().zip(dirs).enumerate() {
            if !change(number, offsets) {
                continue;
            }
            // Of a dir that takes no writes, what was cleaned is cleaned again after a start.
            let Some(opened) = dir.opened().filter(|_| dir.is_writable()) else { continue };
            let written = opened.write_checkpoint(OffsetCheckpoint::Cleaner, offsets.clone());
            outcome = outcome.and(written);
        }
        outcome
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Offsets>> {
        whole(&self.by_dir)
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use broker_log::{LogDir, MemoryStore, MetaProperties, Store};

    use super::*;

    fn dir(store: &MemoryStore, path: &str) -> Arc<DataDir> {
        let properties =
            MetaProperties { cluster_id: "c".to_owned(), node_id: 1, directory_id: None };
        let store: Arc<dyn Store> = Arc::new(store.clone());
        let opened = LogDir::open(store.clone(), Path::new(path), properties).unwrap();
        Arc::new(DataDir::new(0, path.into(), store, "c", 1, Ok(opened)))
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
        let opened = dirs[0].opened().unwrap();
        assert_eq!(opened.read_checkpoint(OffsetCheckpoint::Cleaner).unwrap(), Offsets::new());
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
        let file = store.open(Path::new("/a/cleaner-offset-checkpoint"));
        file.unwrap().write_at(b"x", 0).unwrap();
        assert_eq!(CleanedOffsets::load(&dirs).get(&id), None);
    }
}
