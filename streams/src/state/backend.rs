//! [`StateBackend`]: where an application keeps the committed state of all its tasks.
//!
//! ```text
//!   sub-topology u16 │ partition u32 │ store u16 │ key            (big-endian)
//!                                      0xffff    │ (empty) = the task's checkpoint
//! ```

use bytes::Bytes;

use super::{Entries, KeyRange, StateError};
use crate::operator::TaskId;

/// A key with its new value; `None` deletes it.
pub type Write = (Vec<u8>, Option<Bytes>);

/// State as it is at one moment.
pub trait StateView {
    fn get(&self, key: &[u8]) -> Result<Option<Bytes>, StateError>;

    /// The entries of a range as they are now, in key order; later writes do not show.
    fn range(&self, range: &KeyRange) -> Entries<'_>;
}

/// Committed state of an application. All methods may block on the disk.
///
/// After a crash a backend comes back as it was after *some* earlier write, wholly: of writes
/// 1..n it may lose those after the k-th, never the k-th or a part of one alone. That is all
/// that is asked of it, because the changelog topic has the rest.
pub trait StateBackend: StateView + Send + Sync {
    /// Applies all of `writes` or none.
    fn write(&self, writes: &[Write]) -> Result<(), StateError>;

    /// Shows `reader` a state between two writes, for all tasks the same moment.
    fn view(&self, reader: &mut dyn FnMut(&dyn StateView));

    /// Makes all writes so far durable.
    fn persist(&self) -> Result<(), StateError>;

    /// Ends what it does on its own, and waits for that: nothing of it writes to its folder any
    /// more, whoever still holds it. For a backend whose folder is to be removed; later writes
    /// may fail.
    fn retire(&self);
}

/// Number under which a task's checkpoint is kept beside its stores.
const CHECKPOINT: u16 = u16::MAX;

/// The part of a backend that belongs to one task.
#[derive(Clone, Debug)]
pub(crate) struct TaskSpace([u8; 6]);

impl TaskSpace {
    pub(crate) fn new(task: &TaskId) -> Self {
        let mut prefix = [0; 6];
        prefix[..2].copy_from_slice(&task.subtopology.to_be_bytes());
        prefix[2..].copy_from_slice(&task.partition.to_be_bytes());
        Self(prefix)
    }

    pub(crate) fn subtopology(&self) -> u16 {
        u16::from_be_bytes([self.0[0], self.0[1]])
    }

    pub(crate) fn prefix(&self) -> &[u8] {
        &self.0
    }
}

/// What all keys of a task's store start with.
pub(crate) fn store_prefix(task: &TaskSpace, store: u16) -> Vec<u8> {
    [task.prefix(), &store.to_be_bytes()].concat()
}

pub(crate) fn checkpoint_key(task: &TaskSpace) -> Vec<u8> {
    store_prefix(task, CHECKPOINT)
}

/// The key in its store, of a backend key.
pub(crate) fn decode_store_key(key: &Bytes) -> Bytes {
    key.slice(8.min(key.len())..)
}
