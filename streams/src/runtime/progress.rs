//! How far tasks are, for the pump, for tools, and for those who wait.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;

use super::broker::TopicPartition;

/// Positions in one input partition.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Position {
    /// The next offset to process.
    pub processed: i64,
    /// The position of the last commit.
    pub committed: i64,
}

/// Positions of all tasks.
#[derive(Debug)]
pub(crate) struct Progress {
    /// Held for a look or a note; nothing awaits under it.
    positions: Mutex<BTreeMap<TopicPartition, Position>>,
    commits: watch::Sender<u64>,
}

impl Progress {
    pub(crate) fn new() -> Self {
        Self { positions: Mutex::default(), commits: watch::Sender::new(0) }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<TopicPartition, Position>> {
        self.positions.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn all(&self) -> BTreeMap<TopicPartition, Position> {
        self.lock().clone()
    }

    pub(crate) fn clear(&self) {
        self.lock().clear();
    }

    pub(crate) fn processed(&self, inputs: &[Option<TopicPartition>], offsets: &[i64]) {
        let mut positions = self.lock();
        for (input, offset) in inputs.iter().zip(offsets) {
            let Some(input) = input else { continue };
            if let Some(position) = positions.get_mut(input) {
                position.processed = *offset;
            }
        }
    }

    pub(crate) fn committed(&self, inputs: &[Option<TopicPartition>], offsets: &[i64]) {
        let mut positions = self.lock();
        for (input, offset) in inputs.iter().zip(offsets) {
            let Some(input) = input else { continue };
            let position = Position { processed: *offset, committed: *offset };
            positions.insert(input.clone(), position);
        }
        drop(positions);
        self.commits.send_modify(|count| *count += 1);
    }

    /// Changes with every commit.
    pub(crate) fn commits(&self) -> watch::Receiver<u64> {
        self.commits.subscribe()
    }
}
