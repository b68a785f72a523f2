//! State of tasks.
//!
//! ```text
//!   operator ── KeyValueStore (overlay of what the task changed since its last commit)
//!                     │ commit: first the changelog topic, then
//!                     ▼
//!               StateBackend (RocksDB or memory): one for an application
//!               key = task | store | key;  beside them the task's checkpoint
//! ```
//!
//! Operators read their own writes at once; pull queries see committed state only.

mod backend;
mod changelog;
mod codec;
mod kv;
mod memory;
mod rocksdb;
mod stores;
mod window;

#[cfg(test)]
mod conformance;

pub use backend::{StateBackend, StateView, Write};
pub(crate) use backend::{TaskSpace, checkpoint_key, decode_store_key, store_prefix};
pub(crate) use changelog::{ChangelogBatches, Checkpoint, InputPosition, Replay, Seen, Written};
pub use codec::{CodecFailure, RowCodec, RowWriter};
pub use kv::{Entries, Entry, KeyRange, KeyValueStore, StateError};
pub use memory::MemoryBackend;
pub use rocksdb::RocksDbBackend;
pub use stores::Stores;
pub use window::{WindowKey, WindowStore};
pub(crate) use window::{WindowRange, enters_segment, windows_of};
