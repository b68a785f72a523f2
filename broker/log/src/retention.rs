//! Which old segments go, and their going. The plan is a value, which changes nothing.

use crate::error::{StorageError, TrimError};
use crate::log::Log;
use crate::name::{DELETED_SUFFIX, FileKind};
use crate::removal::RemovedFiles;
use crate::segment::Segment;
use crate::store;

/// What retention wants to remove: all segments that end at or below an offset.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RetentionPlan {
    /// Where the log is to begin.
    pub new_log_start_offset: i64,
    pub reason: RetentionReason,
    pub segments: usize,
    pub bytes: u64,
}

/// Why a segment goes. Of several reasons, the plan has that of its last segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RetentionReason {
    /// All of its records are older than `retention.ms`.
    Time,
    /// The log without it is still as large as `retention.bytes`.
    Size,
    /// It lies wholly below the log's start.
    LogStart,
}

impl Log {
    /// What retention by time, by size and by the log's start wants to remove now; `None`:
    /// nothing. Only what is replicated goes.
    pub fn retention(&self, now_ms: i64) -> Result<Option<RetentionPlan>, StorageError> {
        let config = &self.config.retention;
        let mut excess = match (config.delete, u64::try_from(config.bytes)) {
            (true, Ok(most)) => self.size_bytes().saturating_sub(most),
            _ => 0,
        };
        let mut plan = None;
        for (index, segment) in self.segments.iter().enumerate() {
            let end = self.end_of_segment(index);
            let is_active = index + 1 == self.segments.len();
            if end > self.high_watermark || (is_active && segment.size() == 0) {
                break;
            }
            let reason = if end <= self.log_start_offset && !is_active {
                RetentionReason::LogStart
            } else if config.delete && config.ms >= 0 && self.is_old(segment, now_ms)? {
                RetentionReason::Time
            } else if excess > 0 && segment.size() <= excess {
                RetentionReason::Size
            } else {
                break;
            };
            excess = excess.saturating_sub(segment.size());
            let so_far = plan.map_or(0, |plan: RetentionPlan| plan.bytes);
            plan = Some(RetentionPlan {
                new_log_start_offset: end.max(self.log_start_offset),
                reason,
                segments: index + 1,
                bytes: so_far + segment.size(),
            });
        }
        Ok(plan)
    }

    fn is_old(&self, segment: &Segment, now_ms: i64) -> Result<bool, StorageError> {
        let age = now_ms.saturating_sub(segment.largest_time()?);
        Ok(age > self.config.retention.ms)
    }

    /// Takes the segments that a plan names out of the log, renaming their files; begins a
    /// new segment first when the active one is among them. A plan that was made before a
    /// truncation does no more than it still can.
    pub fn apply_retention(
        &mut self,
        plan: &RetentionPlan,
        now_ms: i64,
    ) -> Result<RemovedFiles, StorageError> {
        self.settle_compaction()?.remove()?;
        let start = plan.new_log_start_offset.min(self.high_watermark);
        if start >= self.next_offset && self.active().size() > 0 {
            self.roll(self.next_offset, now_ms)?;
        }
        let mut removed = RemovedFiles::new(self.folder.store.clone());
        self.move_start(start.max(self.log_start_offset));
        while self.segments.len() > 1 && self.end_of_segment(0) <= start {
            self.rename_deleted(&mut removed)?;
            self.segments.remove(0);
        }
        Ok(removed)
    }

    /// Gives the first segment's files the names under which they wait for removal.
    fn rename_deleted(&self, removed: &mut RemovedFiles) -> Result<(), StorageError> {
        let base_offset = self.segments[0].base_offset();
        for kind in FileKind::ALL {
            let path = self.folder.path.join(kind.name(base_offset));
            let to = store::with_suffix(&path, DELETED_SUFFIX);
            match self.folder.store.rename(&path, &to) {
                Ok(()) => removed.push(to),
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
                Err(error) => return Err(StorageError::on("rename", path)(error)),
            }
        }
        Ok(())
    }

    /// DeleteRecords: moves the log's start to an offset; one below it changes nothing. The
    /// files go with the next retention. Returns the log's start.
    pub fn delete_records_before(&mut self, offset: i64) -> Result<i64, TrimError> {
        if offset < 0 {
            return Err(TrimError::NegativeOffset { offset });
        }
        if offset > self.high_watermark {
            let high_watermark = self.high_watermark;
            return Err(TrimError::AboveHighWatermark { offset, high_watermark });
        }
        self.move_start(offset);
        Ok(self.log_start_offset)
    }

    fn move_start(&mut self, offset: i64) {
        if offset > self.log_start_offset {
            self.log_start_offset = offset;
            self.epochs.truncate_from_start(offset);
            self.producers.on_log_start(offset);
        }
    }
}
