//! The log of metadata records, `__cluster_metadata-0`, in Kafka's format.
//!
//! A commit is one record batch, so that a crash leaves all of it or nothing. Each record's value
//! is a framed metadata record, its key null.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use broker_cluster::partition::{DataDir, DirState, ReopenError, as_after_a_crash, reopen_log};
use broker_log::{
    AppendError, FileSlice, LeaderAppend, Location, Log, LogConfig, LogDir, OpenError, OpenOptions,
    Origin, ReadError, ReadRequest, RetentionConfig, StorageError, TopicPartition, TrimError,
};
use broker_metadata::{ApplyError, Delta, Image, MetadataRecord, RecordError, names};
use bytes::Bytes;
use protocol::record::{self, BatchBuilder, BatchError, BatchOptions};
use thiserror::Error;
use tracing::warn;
use uuid::Uuid;

use super::CommitError;
use crate::limits::METADATA_READ_BYTES;

/// The id that Kafka gives to the topic of the metadata log.
const TOPIC_ID: Uuid = Uuid::from_u128(1);
/// The first epoch of a leader of the metadata log.
const FIRST_EPOCH: i32 = 1;
/// The largest batch of the metadata log: a request makes ten thousand partitions at most.
const MAX_BATCH_BYTES: u32 = 64 * 1024 * 1024;

/// Why the metadata can't be read at the start.
#[derive(Debug, Error)]
pub enum LoadError {
    #[error("the metadata log can't be opened: {0}")]
    Open(#[from] OpenError),
    #[error("the metadata log can't be read: {0}")]
    Read(#[from] ReadError),
    #[error(
        "{} is damaged at byte {position}, where the metadata record at offset {offset} should be: \
         {problem}. Topics would be forgotten without it: put back a copy of the file",
        path.display()
    )]
    Damaged { path: PathBuf, position: u64, offset: i64, problem: String },
    #[error(
        "the metadata log in {} begins at offset {offset}: the files with the records before it are \
         missing, and topics would be forgotten without them. Put back copies of them",
        dir.display()
    )]
    Beginning { dir: PathBuf, offset: i64 },
    #[error(
        "the metadata log in {} has no record at offset {offset}, but ends at {end}: put back copies \
         of its files", dir.display()
    )]
    Missing { dir: PathBuf, offset: i64, end: i64 },
    #[error("the metadata log's record at offset {offset}: {source}")]
    Record { offset: i64, source: RecordError },
    #[error("the metadata log's record at offset {offset} has no value")]
    NoValue { offset: i64 },
    #[error("the metadata log's record at offset {offset}: {source}")]
    Apply { offset: i64, source: ApplyError },
}

#[derive(Debug)]
pub(crate) struct MetadataLog {
    log: Log,
    dir: Arc<DataDir>,
    epoch: i32,
    /// Where the log ended before a commit that failed; what is behind it has to go first.
    undo: Option<i64>,
}

impl MetadataLog {
    /// Opens the log in a log dir, creating it when it is not there, and replays it. Blocks.
    pub(crate) fn load(
        dir: &Arc<DataDir>,
        opened: &LogDir,
        now_ms: i64,
    ) -> Result<(Self, Image), LoadError> {
        let location = Location {
            log_dir: dir.path().to_owned(),
            topic_partition: TopicPartition::new(names::CLUSTER_METADATA, 0),
            topic_id: TOPIC_ID,
        };
        // Nothing of the metadata is ever dropped: it is the only copy.
        let retention =
            RetentionConfig { delete: false, ms: -1, bytes: -1, ..RetentionConfig::default() };
        let config =
            LogConfig { retention, max_message_bytes: MAX_BATCH_BYTES, ..LogConfig::default() };
        let clean_shutdown = opened.was_shut_down_cleanly();
        let options =
            OpenOptions { clean_shutdown, synced_appends: true, now_ms, ..OpenOptions::default() };
        let (mut log, report) =
            Log::open(dir.store().clone(), location, Arc::new(config), options)?;
        if let Some(postponed) = &report.postponed {
            dir.fail(postponed.cause, &postponed.problem);
        }
        if report.bytes_cut > 0 {
            warn!(
                "cut {} bytes off the metadata log, of a commit that was never acknowledged",
                report.bytes_cut
            );
        }
        let end = log.log_end_offset();
        log.set_high_watermark(end);
        let epoch = log.latest_epoch().unwrap_or(FIRST_EPOCH);
        let image = replay(&log)?;
        Ok((Self { log, dir: dir.clone(), epoch, undo: None }, image))
    }

    /// The log's folder.
    pub(super) fn path(&self) -> &Path {
        self.log.dir()
    }

    /// The log dir that it lies in.
    pub(super) fn dir(&self) -> &Arc<DataDir> {
        &self.dir
    }

    /// Opens the log anew once its dir is there again, if it lies in that. Blocks.
    pub(super) fn reopen(&mut self, opened: &LogDir, now_ms: i64) -> Result<(), ReopenError> {
        let options = OpenOptions { synced_appends: true, ..as_after_a_crash(&self.log, now_ms) };
        let mut fresh = reopen_log(opened, &self.log, options)?;
        fresh.take_over(&mut self.log);
        self.log = fresh;
        Ok(())
    }

    /// Appends one commit and syncs it; the offset after it. One that fails leaves nothing behind,
    /// so that no later one can make it true. Blocks.
    pub(super) fn append(
        &mut self,
        records: &[MetadataRecord],
        now_ms: i64,
    ) -> Result<i64, CommitError> {
        let mut batch = BatchBuilder::new(BatchOptions::default());
        for record in records {
            batch.append(now_ms, None, Some(&record.encode()?), &[]);
        }
        let bytes = batch.finish();
        self.dir.admit().map_err(|reason| CommitError::Offline { reason })?;
        self.undo_failed(now_ms)?;
        let before = self.log.log_end_offset();
        let append = LeaderAppend { leader_epoch: self.epoch, origin: Origin::Coordinator, now_ms };
        let appended = self.log.append_as_leader(&bytes, append).inspect_err(|problem| {
            if let AppendError::Storage(problem) = problem {
                self.dir.storage_failed(problem);
            }
        })?;
        if let Err(problem) = self.log.flush(now_ms) {
            self.dir.storage_failed(&problem);
            self.undo = Some(before);
            // Should this fail, the next commit begins with it.
            let _ = self.undo_failed(now_ms);
            return Err(problem.into());
        }
        let end = appended.last_offset + 1;
        self.log.set_high_watermark(end);
        Ok(end)
    }

    fn undo_failed(&mut self, now_ms: i64) -> Result<(), CommitError> {
        let Some(before) = self.undo else { return Ok(()) };
        match self.log.truncate_to(before, now_ms) {
            Ok(()) => {
                self.undo = None;
                Ok(())
            }
            Err(TrimError::Storage(problem)) => {
                self.dir.storage_failed(&problem);
                Err(problem.into())
            }
            Err(TrimError::AboveHighWatermark { .. } | TrimError::NegativeOffset { .. }) => {
                unreachable!("a log that had ended at an offset can be cut there")
            }
        }
    }

    /// Closes the log in order, unless its dir failed: then it has to be read again.
    pub(super) fn close(mut self, now_ms: i64) -> Result<(), StorageError> {
        if let DirState::Failed(reason) = self.dir.state() {
            let source = std::io::Error::other(reason.to_string());
            let path = self.log.dir().to_owned();
            return Err(StorageError { operation: "close", path, source });
        }
        if self.undo_failed(now_ms).is_err() {
            let source = std::io::Error::other("a commit that failed could not be undone");
            let path = self.log.dir().to_owned();
            return Err(StorageError { operation: "close", path, source });
        }
        self.log.close().map(|_| ())
    }
}

/// Applies all records. Each must be there and whole, whatever the start before found.
fn replay(log: &Log) -> Result<Image, LoadError> {
    let end = log.log_end_offset();
    let mut delta = Delta::new(&Image::default());
    let mut offset = log.log_start_offset();
    if offset > 0 {
        return Err(LoadError::Beginning { dir: log.dir().to_owned(), offset });
    }
    while offset < end {
        let request = ReadRequest {
            offset,
            max_bytes: METADATA_READ_BYTES,
            upper_bound: end,
            min_one_batch: true,
        };
        let missing = || LoadError::Missing { dir: log.dir().to_owned(), offset, end };
        let slice = log.read(request)?.ok_or_else(missing)?;
        offset = replay_slice(&slice, offset, &mut delta)?;
    }
    Ok(delta.finish(end).0)
}

/// Applies the whole batches of a slice, of which there is at least one; the offset behind them.
fn replay_slice(slice: &FileSlice, from: i64, delta: &mut Delta) -> Result<i64, LoadError> {
    let bytes = Bytes::from(slice.read().map_err(ReadError::from)?);
    let (mut offset, mut position) = (from, slice.position);
    for batch in record::batches(&bytes) {
        let damaged = |problem: String| {
            Err(LoadError::Damaged { path: slice.path(), position, offset, problem })
        };
        let batch = match batch.and_then(|batch| batch.check_crc().map(|()| batch)) {
            Ok(batch) if batch.base_offset == offset => batch,
            Ok(batch) => return damaged(format!("a batch at offset {}", batch.base_offset)),
            // The slice may end within a batch: the next read begins with it.
            Err(BatchError::Truncated { .. }) if offset > from => return Ok(offset),
            Err(problem) => return damaged(problem.to_string()),
        };
        if !batch.is_control() {
            match replay_batch(&batch, delta) {
                Err(ReplayError::Batch(problem)) => return damaged(problem.to_string()),
                Err(ReplayError::Load(problem)) => return Err(problem),
                Ok(()) => {}
            }
        }
        offset = batch.next_offset();
        position += batch.size() as u64;
    }
    Ok(offset)
}

/// A batch that can't be read, or a record of it that can't be applied.
enum ReplayError {
    Batch(BatchError),
    Load(LoadError),
}

impl From<BatchError> for ReplayError {
    fn from(problem: BatchError) -> Self {
        Self::Batch(problem)
    }
}

impl From<LoadError> for ReplayError {
    fn from(problem: LoadError) -> Self {
        Self::Load(problem)
    }
}

fn replay_batch(batch: &record::RecordBatch, delta: &mut Delta) -> Result<(), ReplayError> {
    let payload = batch.payload(MAX_BATCH_BYTES as usize)?;
    for record in payload.records() {
        let record = record?;
        let offset = record.offset;
        let value = record.value.ok_or(LoadError::NoValue { offset })?;
        let decoded = MetadataRecord::decode(payload.share(value));
        let decoded = decoded.map_err(|source| LoadError::Record { offset, source })?;
        delta.replay(&decoded).map_err(|source| LoadError::Apply { offset, source })?;
    }
    Ok(())
}
