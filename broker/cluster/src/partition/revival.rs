//! How a log dir that failed is used again: its logs are opened anew beside the old ones, which go
//! on being read, and take their place only if they have all that was there.

use std::sync::Arc;

use broker_log::{
    DirError, Location, Log, LogDir, OpenError, OpenOptions, StorageError, TopicPartition,
};
use broker_metadata::Image;
use thiserror::Error;

use super::data_dir::DataDir;
use super::{Partition, Partitions};

/// Why a log dir is not used again yet.
#[derive(Debug, Error)]
pub enum ReopenError {
    #[error(transparent)]
    Dir(#[from] DirError),
    #[error(transparent)]
    Storage(#[from] StorageError),
    #[error(transparent)]
    Open(#[from] OpenError),
    #[error("{0}")]
    Postponed(String),
    #[error("{partition} was written to while it was read anew")]
    Moved { partition: TopicPartition },
    #[error(
        "{partition} has lost its records from offset {end} to {high_watermark}; what is in memory \
         can still be read: copy it, or start the broker anew to go on without them"
    )]
    Lost { partition: TopicPartition, end: i64, high_watermark: i64 },
}

impl ReopenError {
    /// Whether the dir stays as it is until somebody decides.
    pub fn needs_operator(&self) -> bool {
        matches!(
            self,
            Self::Lost { .. }
                | Self::Dir(DirError::OtherFolder { .. })
                | Self::Open(OpenError::Damaged { .. })
        )
    }
}

/// By what a log is known not to have changed.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Extent {
    start: i64,
    end: i64,
    segments: usize,
}

impl Extent {
    fn of(log: &Log) -> Self {
        let (start, end) = (log.log_start_offset(), log.log_end_offset());
        Self { start, end, segments: log.segment_count() }
    }
}

/// Opens the log of a folder that was in use until now, makes sure that the disk has all of it, and
/// that it is no less than `high_watermark`. Blocks.
pub fn reopen_log(dir: &LogDir, old: &Log, options: OpenOptions) -> Result<Log, ReopenError> {
    let partition = old.topic_partition().clone();
    let high_watermark = old.high_watermark();
    if dir.topic_id(&partition)? != Some(old.topic_id()) {
        let end = old.log_start_offset();
        return Err(ReopenError::Lost { partition, end, high_watermark });
    }
    open_again(dir, partition, old.topic_id(), old.config().clone(), options, high_watermark)
}

fn open_again(
    dir: &LogDir,
    partition: TopicPartition,
    topic_id: uuid::Uuid,
    config: Arc<broker_log::LogConfig>,
    options: OpenOptions,
    high_watermark: i64,
) -> Result<Log, ReopenError> {
    let location =
        Location { log_dir: dir.path().to_owned(), topic_partition: partition.clone(), topic_id };
    let (mut log, report) = Log::open(dir.store().clone(), location, config, options)?;
    if let Some(postponed) = report.postponed {
        return Err(ReopenError::Postponed(postponed.problem));
    }
    if log.log_end_offset() < high_watermark {
        let end = log.log_end_offset();
        return Err(ReopenError::Lost { partition, end, high_watermark });
    }
    log.rewrite_unsynced()?;
    log.flush(options.now_ms)?;
    Ok(log)
}

/// What a log that is open knows of itself, for opening it anew.
pub fn as_after_a_crash(log: &Log, now_ms: i64) -> OpenOptions {
    OpenOptions {
        recovery_point: log.recovery_point(),
        log_start_offset: log.log_start_offset(),
        clean_shutdown: false,
        synced_appends: false,
        now_ms,
    }
}

impl Partition {
    /// Puts a log that is read anew in the place of the old one. Blocks, but not under the
    /// partition's lock, so that what can be read is read meanwhile.
    fn reopen(self: &Arc<Self>, dir: &LogDir, now_ms: i64) -> Result<(), ReopenError> {
        let known = self.with_log(|log| {
            log.abandon_compaction();
            let options = as_after_a_crash(log, now_ms);
            (Extent::of(log), options, log.config().clone(), log.high_watermark())
        });
        // Deleted meanwhile: there is nothing to open.
        let Ok((extent, options, config, high_watermark)) = known else { return Ok(()) };
        let lost = |end| ReopenError::Lost { partition: self.id.clone(), end, high_watermark };
        if dir.topic_id(&self.id)? != Some(self.topic_id) {
            return Err(lost(extent.start));
        }
        let id = self.id.clone();
        let mut fresh = open_again(dir, id, self.topic_id, config, options, high_watermark)?;
        let replaced = self.with_held(|held, effects| {
            let old = &mut held.log;
            if Extent::of(old) != extent {
                return Err(ReopenError::Moved { partition: self.id.clone() });
            }
            fresh.take_over(old);
            fresh.set_high_watermark(high_watermark);
            self.replace(old, fresh);
            self.on_log_moved(held, effects);
            effects.note_moved();
            Ok(())
        });
        // Deleted meanwhile, as above.
        replaced.unwrap_or(Ok(()))
    }
}

impl Partitions {
    /// Looks at the logs of a dir that is open again, one after the other, and opens those that
    /// could not be opened before. Blocks.
    pub fn reopen(
        &self,
        dir: &Arc<DataDir>,
        image: &Image,
        threads: usize,
        now_ms: i64,
    ) -> Result<(), ReopenError> {
        let opened = dir.reopen()?;
        for partition in self.in_dir(dir) {
            partition.reopen(&opened, now_ms)?;
        }
        self.load_dir(image, dir, threads, now_ms);
        Ok(())
    }
}
