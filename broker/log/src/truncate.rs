//! Cutting the log at its end, as a follower does whose leader has other records.

use crate::error::{StorageError, TrimError};
use crate::log::Log;
use crate::recovery::remove_segments;
use crate::segment::Segment;

impl Log {
    /// Cuts the log so that it ends at an offset; when it ends there or earlier only leader epochs
    /// that have no records yet are forgotten, for the leader may not have them.
    /// A batch that the offset lies in goes as a whole, and the log then ends before it.
    /// Producers are as they were then. Where it fails, the log takes nothing until it was cut
    /// by a later call, or opened anew.
    pub fn truncate_to(&mut self, offset: i64, now_ms: i64) -> Result<(), TrimError> {
        if offset < 0 {
            return Err(TrimError::NegativeOffset { offset });
        }
        if offset >= self.next_offset && !self.is_half_cut {
            self.epochs.truncate_from_end(self.next_offset);
            return Ok(self.epochs.save()?);
        }
        if offset < self.segments[0].base_offset() {
            return self.truncate_fully_and_start_at(offset, now_ms);
        }
        self.end_compactions()?;
        self.flush_state.truncations += 1;
        self.is_half_cut = true;
        while self.segments.len() > 1 && self.active().base_offset() > offset {
            // A name that comes back with the power would bring its records back.
            self.flush_state.names_given += 1;
            remove_segments(&self.folder, &self.segments[self.segments.len() - 1..])?;
            if let Some(removed) = self.segments.pop() {
                self.end_at(removed.base_offset());
            }
        }
        let end = self.active_mut().truncate(offset, now_ms).map_err(StorageError::from)?;
        self.end_at(end);
        self.end_cut(now_ms)
    }

    /// The files are what the log says again; where one of these last steps fails, not yet.
    fn end_cut(&mut self, now_ms: i64) -> Result<(), TrimError> {
        self.epochs.save()?;
        self.reload_producers(now_ms)?;
        self.is_half_cut = false;
        Ok(())
    }

    fn end_at(&mut self, offset: i64) {
        self.next_offset = offset;
        self.recovery_point = self.recovery_point.min(offset);
        self.compaction.clean_limit = self.compaction.clean_limit.min(offset);
        self.flush_state.demanded = self.flush_state.demanded.min(offset);
        self.log_start_offset = self.log_start_offset.min(offset);
        self.high_watermark = self.high_watermark.min(offset);
        self.epochs.truncate_from_end(offset);
    }

    /// Empties the log; it then begins and ends at an offset.
    pub fn truncate_fully_and_start_at(
        &mut self,
        offset: i64,
        now_ms: i64,
    ) -> Result<(), TrimError> {
        if offset < 0 {
            return Err(TrimError::NegativeOffset { offset });
        }
        self.end_compactions()?;
        self.flush_state.truncations += 1;
        self.is_half_cut = true;
        remove_segments(&self.folder, &self.segments)?;
        let config = &self.config.segment;
        let segment = Segment::create(self.folder.clone(), offset, config, now_ms)?;
        self.segments = vec![segment];
        self.flush_state.names_given += 1;
        self.next_offset = offset;
        self.log_start_offset = offset;
        self.high_watermark = offset;
        self.recovery_point = self.recovery_point.min(offset);
        self.compaction.clean_limit = self.compaction.clean_limit.min(offset);
        self.flush_state.demanded = self.flush_state.demanded.min(offset);
        self.epochs.clear();
        self.end_cut(now_ms)
    }
}
