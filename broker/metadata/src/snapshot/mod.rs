//! Snapshots of the metadata (KIP-630): an image as records in a file, in place of the log that
//! made it. Bytes come in and go out; whoever has the files reads and writes them.
//!
//! ```text
//! 00000000000000000049-0000000001.checkpoint
//!   control batch    SnapshotHeader, and with kraft.version 1: KRaftVersion, Voters (KIP-853)
//!   batches          records of metadata
//!   control batch    SnapshotFooter
//! ```
//!
//! Offsets in the file begin at 0 and are its own.

mod bootstrap;
mod error;
mod name;
mod reader;
mod writer;

pub use bootstrap::{BOOTSTRAP_FILE, Bootstrap, BootstrapError};
pub use error::SnapshotError;
pub use name::{SnapshotFile, SnapshotId, SnapshotState};
pub use reader::{HeadRecords, Snapshot, SnapshotPart, SnapshotReader, read};
pub use writer::{SnapshotHead, SnapshotWriteError, SnapshotWriter};

/// The size at which a batch of a snapshot is full.
pub const BATCH_BYTES: usize = 512 * 1024;

/// The largest batch that Kafka's nodes take in.
pub const MAX_BATCH_BYTES: usize = 8 * 1024 * 1024;
