//! What can go wrong, one enum per family of operations.

use std::io;
use std::path::PathBuf;

use thiserror::Error;
use uuid::Uuid;

/// A file operation that failed, with the file that it was about.
#[derive(Debug, Error)]
#[error("{operation} {}: {source}", path.display())]
pub struct StorageError {
    pub operation: &'static str,
    pub path: PathBuf,
    #[source]
    pub source: io::Error,
}

impl StorageError {
    /// For `map_err`: names the operation and the file.
    pub fn on(operation: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        move |source| Self { operation, path: path.into(), source }
    }

    /// Whether the disk is full, which a caller may want to say in other words.
    pub fn is_out_of_space(&self) -> bool {
        matches!(self.source.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
    }

    /// What the failure says about the disk.
    pub fn cause(&self) -> Cause {
        let kind = self.source.kind();
        let os_code = self.source.raw_os_error().map(rustix::io::Errno::from_raw_os_error);
        if self.operation.starts_with("sync") {
            // Of what was written before a sync that failed, nobody knows what is on the disk.
            return Cause::Disk;
        }
        match (kind, os_code) {
            _ if self.is_out_of_space() => Cause::Full,
            (
                io::ErrorKind::OutOfMemory
                | io::ErrorKind::UnexpectedEof
                | io::ErrorKind::InvalidData
                | io::ErrorKind::FileTooLarge
                | io::ErrorKind::Other,
                None,
            )
            | (_, Some(rustix::io::Errno::MFILE | rustix::io::Errno::NFILE))
            | (io::ErrorKind::OutOfMemory | io::ErrorKind::FileTooLarge, Some(_)) => Cause::Other,
            _ => Cause::Disk,
        }
    }
}

/// What a failed operation says about the disk that it was to work on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// The volume, or somebody's share of it, is full. Nothing that is on it is in doubt.
    Full,
    /// The disk, or the folder, is not what it was: until it has been looked at again, nothing
    /// that was written lately can be relied on.
    Disk,
    /// Nothing: the process lacks descriptors or memory, or a file's content is damaged.
    Other,
}

/// Why a log could not be opened.
#[derive(Debug, Error)]
pub enum OpenError {
    #[error(transparent)]
    Storage(#[from] StorageError),
    #[error(
        "{} belongs to topic id {found}, not to {expected}: the folder is of another topic of \
         the same name; move it away to have the partition created anew",
        path.display()
    )]
    OtherTopic { path: PathBuf, expected: Uuid, found: Uuid },
    #[error(
        "{} line {line}: {problem}; restore the file or remove it", path.display()
    )]
    Malformed { path: PathBuf, line: usize, problem: String },
    #[error(
        "{} is damaged at byte {position}, where the record at offset {offset} should be: \
         {problem}. It was on the disk before anything else was written, so this is not the torn \
         end of a write, and what is there is left as it is: put back a copy of the file. To go on \
         without the records from there on, cut it: truncate -s {position} {}",
        path.display(), path.display()
    )]
    Damaged { path: PathBuf, position: u64, offset: i64, problem: String },
}

/// Why records were not appended. Nothing of the request was written.
#[derive(Debug, Error)]
pub enum AppendError {
    #[error("the records hold no batch")]
    Empty,
    #[error("at byte {position} of the records: {problem}")]
    CorruptBatch { position: usize, problem: String },
    #[error("a client's batch is a control batch, which only brokers write")]
    ControlFromClient,
    #[error("a client's batch says that its timestamps are of its append, which only brokers set")]
    AppendTimeFromClient,
    #[error("a batch of {size} bytes is larger than max.message.bytes = {max}")]
    MessageTooLarge { size: usize, max: u32 },
    #[error("{size} bytes of records do not fit a segment of segment.bytes = {max}")]
    BatchesTooLarge { size: usize, max: u32 },
    #[error(
        "producer {producer_id} epoch {epoch} sent sequence {sequence}; its last was {last_sequence}"
    )]
    OutOfOrderSequence { producer_id: i64, epoch: i16, sequence: i32, last_sequence: i32 },
    #[error("producer {producer_id} has epoch {current}; {epoch} is fenced")]
    InvalidProducerEpoch { producer_id: i64, epoch: i16, current: i16 },
    #[error("producer {producer_id} is in a transaction and sent a batch outside of it")]
    NotTransactional { producer_id: i64 },
    #[error("a transaction marker of coordinator epoch {epoch} came after one of epoch {current}")]
    CoordinatorFenced { epoch: i32, current: i32 },
    #[error(
        "a replicated batch has base offset {base_offset}, below the log's end {log_end_offset}"
    )]
    OffsetsOutOfOrder { base_offset: i64, log_end_offset: i64 },
    #[error("offset {base_offset} cannot be written: the last offset of a log is {}", i64::MAX)]
    OffsetOverflow { base_offset: i64 },
    #[error(transparent)]
    Storage(#[from] StorageError),
}

/// Why a position of the log could not be read.
#[derive(Debug, Error)]
pub enum ReadError {
    #[error("offset {offset} is outside of {log_start_offset} to {log_end_offset}")]
    OffsetOutOfRange { offset: i64, log_start_offset: i64, log_end_offset: i64 },
    #[error("{} at {position}: {problem}", path.display())]
    CorruptBatch { path: PathBuf, position: u64, problem: String },
    #[error(transparent)]
    Storage(#[from] StorageError),
}

/// Why a log was not cut, at either end.
#[derive(Debug, Error)]
pub enum TrimError {
    #[error("offset {offset} is above the high watermark {high_watermark}")]
    AboveHighWatermark { offset: i64, high_watermark: i64 },
    #[error("offset {offset} is negative")]
    NegativeOffset { offset: i64 },
    #[error(transparent)]
    Storage(#[from] StorageError),
}

/// Why a pass of compaction came to nothing. The log is as it was, and the next pass begins
/// where this one did.
#[derive(Debug, Error)]
pub enum CompactionError {
    #[error("the pass was cancelled")]
    Cancelled,
    #[error("the log was truncated, compacted, or lost segments since the pass began")]
    LogChanged,
    #[error(
        "{} at {position}: {problem}; the log cannot be compacted while this batch is in it",
        path.display()
    )]
    CorruptBatch { path: PathBuf, position: u64, problem: String },
    #[error(transparent)]
    Storage(#[from] StorageError),
}

impl From<WalkError> for CompactionError {
    fn from(error: WalkError) -> Self {
        match error {
            WalkError::CorruptBatch { path, position, problem } => {
                Self::CorruptBatch { path, position, problem }
            }
            WalkError::Storage(error) => error.into(),
        }
    }
}

/// Why a walk over a file's batches ended early.
#[derive(Debug, Error)]
pub(crate) enum WalkError {
    #[error("{} at {position}: {problem}", path.display())]
    CorruptBatch { path: PathBuf, position: u64, problem: String },
    #[error(transparent)]
    Storage(#[from] StorageError),
}

impl From<WalkError> for ReadError {
    fn from(error: WalkError) -> Self {
        match error {
            WalkError::CorruptBatch { path, position, problem } => {
                Self::CorruptBatch { path, position, problem }
            }
            WalkError::Storage(error) => error.into(),
        }
    }
}

impl From<WalkError> for StorageError {
    fn from(error: WalkError) -> Self {
        match error {
            WalkError::CorruptBatch { path, position, problem } => {
                let source = io::Error::other(format!("at {position}: {problem}"));
                Self { operation: "read a batch of", path, source }
            }
            WalkError::Storage(error) => error,
        }
    }
}
