//! What the coordinator asks of the broker around it.

use std::future::Future;
use std::pin::Pin;

use bytes::Bytes;
use thiserror::Error;

/// Resolves when all records of an append are committed; or to an error once this broker leads no
/// longer in the epoch of the append, or the records can't be made durable. It waits as long as
/// that takes: how long requests wait is the caller's to bound.
pub type Commit = Pin<Box<dyn Future<Output = Result<(), AppendError>> + Send>>;

/// Why records did not come into the log.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum AppendError {
    #[error("This broker does not lead the partition.")]
    NotLeader,
    #[error("The replicas did not take the records in time.")]
    Timeout,
    #[error(
        "The records of one request are more than the {limit} bytes that a batch of \
         __consumer_offsets may have."
    )]
    TooLarge { limit: usize },
    #[error("The log could not be written: {reason}")]
    Storage { reason: String },
}

/// Why a log could not be read.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ReadError {
    #[error("the log could not be read: {reason}")]
    Storage { reason: String },
    #[error("a batch of the log is damaged: {reason}")]
    Batch { reason: String },
}

/// The log of `__consumer_offsets`.
///
/// The caller appends to one partition from one place at a time. Appends are in the log in the
/// order of the calls, and become committed in that order.
pub trait LogWriter: Send + Sync + 'static {
    /// How many partitions the topic has; `None` while it does not exist.
    fn partition_count(&self) -> Option<i32>;

    /// The leader epoch in which this broker leads the partition; `None`: it does not.
    fn leader_epoch(&self, partition: i32) -> Option<i32>;

    /// The largest batch, in bytes, that the partition takes.
    fn max_batch_bytes(&self, partition: i32) -> usize;

    /// Appends one record batch, which has no offsets yet, if this broker leads the partition in
    /// that epoch. Returns when it is in the leader's log, without waiting for replicas; must not
    /// block for longer than a write to the page cache.
    fn append(&self, partition: i32, epoch: i32, batch: Bytes) -> Result<Commit, AppendError>;

    /// Resolves when all below an offset is committed in that leader epoch.
    fn committed(&self, partition: i32, epoch: i32, offset: i64) -> Commit;

    /// The first offset that the log still has.
    fn start_offset(&self, partition: i32) -> i64;

    /// Whole batches, the first of which holds `offset`; empty at the end of the log. Called
    /// outside of the async runtime's threads; may block.
    fn read(&self, partition: i32, offset: i64) -> Result<Bytes, ReadError>;
}

/// Tells the time.
pub trait Clock: Send + Sync + 'static {
    /// In milliseconds since 1970; may be set by somebody, to any other time.
    fn now_ms(&self) -> i64;

    /// In milliseconds since some moment of this process; never goes back, and knows nothing of
    /// what the time of day is set to.
    fn elapsed_ms(&self) -> i64;
}
