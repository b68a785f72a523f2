//! The log of the metadata, `__cluster_metadata-0`, with its snapshots: what the quorum's machine
//! sees of the disk, and what it has done there.

use std::path::Path;
use std::sync::Arc;

use broker_log::{
    AppendError, Location, Log, LogConfig, LogDir, OpenError, OpenOptions, ReadError, ReadRequest,
    RetentionConfig, SegmentConfig, StorageError, TopicPartition, TrimError,
};
use broker_metadata::config::MetadataLogConfig;
use broker_metadata::names;
use broker_raft::{LogView, OffsetAndEpoch};
use bytes::Bytes;
use thiserror::Error;
use tracing::warn;
use uuid::Uuid;

use super::snapshots::Snapshots;
use crate::partition::{DataDir, DirState, ReopenError, as_after_a_crash, reopen_log};

/// The id that Kafka gives to the topic of the metadata log.
pub const TOPIC_ID: Uuid = Uuid::from_u128(1);
/// The largest batch of the metadata log: a request makes ten thousand partitions at most.
const MAX_BATCH_BYTES: u32 = 64 * 1024 * 1024;

/// Why the metadata's log can't be opened.
#[derive(Debug, Error)]
pub enum LogOpenError {
    #[error("the metadata log can't be opened: {0}")]
    Open(#[from] OpenError),
    #[error(
        "the metadata log in {dir} begins at offset {offset}, and there is no snapshot of what was \
         before it: topics would be forgotten. Put back copies of the files that are missing"
    )]
    Beginning { dir: String, offset: i64 },
    #[error("the snapshots of the metadata can't be listed: {0}")]
    Snapshots(#[from] StorageError),
}

/// Why the log did not take what it was to take. Nothing of it is in the log then.
#[derive(Debug, Error)]
pub(crate) enum WriteError {
    #[error("{0}")]
    Refused(Arc<str>),
    #[error(transparent)]
    Append(#[from] AppendError),
    #[error(transparent)]
    Trim(#[from] TrimError),
    #[error(transparent)]
    Storage(#[from] StorageError),
}

/// The log of the metadata. One thread owns it.
#[derive(Debug)]
pub(crate) struct MetadataLog {
    log: Log,
    dir: Arc<DataDir>,
    snapshots: Snapshots,
    synced_end: i64,
    /// Whether a sync failed and what it left behind `synced_end` could not be cut off. Nothing is
    /// written before it is.
    is_torn: bool,
}

impl MetadataLog {
    /// Opens the log in a log dir, creating it when it is not there. Blocks.
    pub(crate) fn open(
        dir: &Arc<DataDir>,
        opened: &LogDir,
        settings: &MetadataLogConfig,
        now_ms: i64,
    ) -> Result<Self, LogOpenError> {
        let location = Location {
            log_dir: dir.path().to_owned(),
            topic_partition: TopicPartition::new(names::CLUSTER_METADATA, 0),
            topic_id: TOPIC_ID,
        };
        let clean_shutdown = opened.was_shut_down_cleanly();
        let options =
            OpenOptions { clean_shutdown, synced_appends: true, now_ms, ..OpenOptions::default() };
        let config = Arc::new(config(settings));
        let (log, report) = Log::open(dir.store().clone(), location, config, options)?;
        if let Some(postponed) = &report.postponed {
            dir.fail(postponed.cause, &postponed.problem);
        }
        if report.bytes_cut > 0 {
            warn!(
                "cut {} bytes off the metadata log, of a commit that was never acknowledged",
                report.bytes_cut
            );
        }
        let snapshots = Snapshots::open(dir.store().clone(), log.dir())?;
        let start = log.log_start_offset();
        let covers = |id: OffsetAndEpoch| id.offset >= start;
        if start > 0 && !snapshots.latest().is_some_and(covers) {
            let dir = log.dir().display().to_string();
            return Err(LogOpenError::Beginning { dir, offset: start });
        }
        let synced_end = log.log_end_offset();
        Ok(Self { log, dir: dir.clone(), snapshots, synced_end, is_torn: false })
    }

    pub(crate) fn path(&self) -> &Path {
        self.log.dir()
    }

    pub(crate) fn dir(&self) -> &Arc<DataDir> {
        &self.dir
    }

    pub(crate) fn snapshots(&self) -> &Snapshots {
        &self.snapshots
    }

    pub(crate) fn snapshots_mut(&mut self) -> &mut Snapshots {
        &mut self.snapshots
    }

    /// Whether the disk takes anything now.
    pub(crate) fn admit(&mut self, now_ms: i64) -> Result<(), WriteError> {
        self.dir.admit().map_err(WriteError::Refused)?;
        self.cut_torn(now_ms)
    }

    /// Appends batches that have their offsets and epochs. They are to be synced with
    /// [`Self::sync`] before anybody is told of them. Blocks.
    pub(crate) fn append(&mut self, batches: &Bytes, now_ms: i64) -> Result<(), WriteError> {
        self.cut_torn(now_ms)?;
        self.log.append_as_follower(batches, now_ms).inspect_err(|problem| {
            if let AppendError::Storage(problem) = problem {
                self.dir.storage_failed(problem);
            }
        })?;
        Ok(())
    }

    /// Syncs what was appended. Where that fails, all that is not synced is cut off, so that no
    /// later sync makes it true. Blocks.
    pub(crate) fn sync(&mut self, now_ms: i64) -> Result<(), WriteError> {
        self.cut_torn(now_ms)?;
        if self.synced_end == self.log.log_end_offset() {
            return Ok(());
        }
        match self.log.flush(now_ms) {
            Ok(()) => {
                self.synced_end = self.log.log_end_offset();
                Ok(())
            }
            Err(problem) => {
                self.dir.storage_failed(&problem);
                self.is_torn = true;
                // Should this fail, whatever is written next begins with it.
                let _ = self.cut_torn(now_ms);
                Err(problem.into())
            }
        }
    }

    /// Cuts the log, so that it ends at an offset. Blocks.
    pub(crate) fn truncate(&mut self, offset: i64, now_ms: i64) -> Result<(), WriteError> {
        self.cut_torn(now_ms)?;
        self.cut(offset, now_ms)?;
        self.synced_end = self.synced_end.min(offset);
        Ok(())
    }

    /// Cuts off what a sync that failed left, if that could not be done at once.
    fn cut_torn(&mut self, now_ms: i64) -> Result<(), WriteError> {
        if self.is_torn {
            self.cut(self.synced_end, now_ms)?;
            self.is_torn = false;
        }
        Ok(())
    }

    fn cut(&mut self, offset: i64, now_ms: i64) -> Result<(), WriteError> {
        if self.log.log_end_offset() <= offset {
            return Ok(());
        }
        self.log.truncate_to(offset, now_ms).inspect_err(|problem| {
            if let TrimError::Storage(problem) = problem {
                self.dir.storage_failed(problem);
            }
        })?;
        Ok(())
    }

    /// Lets the log begin anew at the end of a snapshot, which is complete. Blocks.
    pub(crate) fn start_at(&mut self, offset: i64, now_ms: i64) -> Result<(), WriteError> {
        self.log.truncate_fully_and_start_at(offset, now_ms)?;
        self.log.flush(now_ms)?;
        self.synced_end = self.log.log_end_offset();
        self.is_torn = false;
        Ok(())
    }

    /// Notes how far the log is committed, for its checkpoint and for who reads it.
    pub(crate) fn committed(&mut self, offset: i64) {
        self.log.set_high_watermark(offset);
    }

    /// Whole batches from an offset on, below another; at least one, empty at the end. Blocks.
    pub(crate) fn read(
        &self,
        offset: i64,
        upper_bound: i64,
        max_bytes: usize,
    ) -> Result<Option<Slice>, ReadError> {
        let request = ReadRequest { offset, max_bytes, upper_bound, min_one_batch: true };
        let Some(slice) = self.log.read(request)? else { return Ok(None) };
        let bytes = Bytes::from(slice.read()?);
        Ok(Some(Slice { bytes, path: slice.path(), position: slice.position }))
    }

    /// Opens the log anew once its dir is there again, if it lies in that. Blocks.
    pub(crate) fn reopen(&mut self, opened: &LogDir, now_ms: i64) -> Result<(), ReopenError> {
        let options = OpenOptions { synced_appends: true, ..as_after_a_crash(&self.log, now_ms) };
        let mut fresh = reopen_log(opened, &self.log, options)?;
        fresh.take_over(&mut self.log);
        self.log = fresh;
        self.synced_end = self.log.log_end_offset();
        self.is_torn = false;
        Ok(())
    }

    /// Closes the log in order, unless its dir failed: then it has to be read again. Blocks.
    pub(crate) fn close(mut self, now_ms: i64) -> Result<(), StorageError> {
        let failed = |reason: String| StorageError {
            operation: "close",
            path: self.log.dir().to_owned(),
            source: std::io::Error::other(reason),
        };
        if let DirState::Failed(reason) = self.dir.state() {
            return Err(failed(reason.to_string()));
        }
        let left = failed("a commit that failed could not be undone".to_owned());
        if self.cut(self.synced_end, now_ms).is_err() {
            return Err(left);
        }
        self.log.close().map(|_| ())
    }
}

/// Batches as they are in a file of the log.
pub(crate) struct Slice {
    pub(crate) bytes: Bytes,
    pub(crate) path: std::path::PathBuf,
    /// Where in the file.
    pub(crate) position: u64,
}

impl LogView for MetadataLog {
    fn start_offset(&self) -> i64 {
        self.log.log_start_offset()
    }

    fn end_offset(&self) -> i64 {
        self.log.log_end_offset()
    }

    fn synced_end(&self) -> i64 {
        self.synced_end.min(self.log.log_end_offset())
    }

    fn epoch_starts(&self) -> Vec<OffsetAndEpoch> {
        let starts = self.log.epoch_starts();
        starts.map(|(epoch, offset)| OffsetAndEpoch { epoch, offset }).collect()
    }

    fn earliest_snapshot(&self) -> Option<OffsetAndEpoch> {
        self.snapshots.earliest()
    }

    fn latest_snapshot(&self) -> Option<OffsetAndEpoch> {
        self.snapshots.latest()
    }

    fn snapshot_size(&self, id: OffsetAndEpoch) -> Option<u64> {
        self.snapshots.size(id)
    }
}

fn config(settings: &MetadataLogConfig) -> LogConfig {
    // What goes is decided by snapshots.
    let retention =
        RetentionConfig { delete: false, ms: -1, bytes: -1, ..RetentionConfig::default() };
    let default = LogConfig::default();
    let segment = SegmentConfig {
        bytes: u32::try_from(settings.segment_bytes).unwrap_or(default.segment.bytes),
        ms: settings.segment_ms,
        ..default.segment
    };
    LogConfig { retention, segment, max_message_bytes: MAX_BATCH_BYTES, ..default }
}
