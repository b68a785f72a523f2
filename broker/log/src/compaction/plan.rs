//! What a pass would find and do: decisions about offsets and sizes, which change nothing.

use std::ops::Range;

use crate::config::CompactionConfig;
use crate::error::StorageError;
use crate::log::Log;
use crate::segment::Segment;

/// What compaction of a log would find now.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Cleanable {
    /// All below has been through a pass.
    pub first_dirty_offset: i64,
    /// Where a pass has to end: the start of a segment, that of the active one at most.
    pub first_uncleanable_offset: i64,
    /// Bytes of the segments that lie wholly below the first dirty offset.
    pub clean_bytes: u64,
    /// Bytes of the segments from there to where a pass has to end.
    pub dirty_bytes: u64,
    /// A record has been dirty for longer than `max.compaction.lag.ms`.
    pub must_clean: bool,
    /// Nothing need be dirty: tombstones or markers that an earlier pass kept may go now.
    pub horizon_passed: bool,
    /// The checkpoint's offset was none, or is none of this log any more: the first dirty offset
    /// has to take its place.
    pub checkpoint_is_stale: bool,
}

impl Cleanable {
    /// Which part of the bytes that a pass would go through is dirty.
    pub fn dirty_ratio(&self) -> f64 {
        match self.clean_bytes + self.dirty_bytes {
            0 => 0.0,
            all => self.dirty_bytes as f64 / all as f64,
        }
    }

    /// Whether a pass is worth its work now. Of several logs, the one with the greatest
    /// [`Self::dirty_ratio`] comes first.
    pub fn is_due(&self, config: &CompactionConfig) -> bool {
        let must = self.must_clean && self.dirty_bytes > 0;
        must || self.dirty_ratio() > config.min_cleanable_dirty_ratio || self.horizon_passed
    }
}

impl Log {
    /// What compaction of this log would find, `checkpoint` being where the last pass came to;
    /// `None` when `cleanup.policy` has no `compact`.
    pub fn cleanable(
        &self,
        checkpoint: Option<i64>,
        now_ms: i64,
    ) -> Result<Option<Cleanable>, StorageError> {
        if !self.config.retention.compact {
            return Ok(None);
        }
        let first_dirty_offset = self.first_dirty_offset(checkpoint);
        let end = self.first_uncleanable_offset(first_dirty_offset, now_ms)?;
        let (mut clean_bytes, mut dirty_bytes) = (0, 0);
        for (index, segment) in self.segments.iter().enumerate() {
            if self.end_of_segment(index) <= first_dirty_offset {
                clean_bytes += segment.size();
            } else if segment.base_offset() < end {
                dirty_bytes += segment.size();
            }
        }
        let may_go = self.compaction.last_horizon_ms.is_some_and(|horizon| horizon <= now_ms);
        Ok(Some(Cleanable {
            first_dirty_offset,
            first_uncleanable_offset: end.max(first_dirty_offset),
            clean_bytes,
            dirty_bytes,
            must_clean: self.is_dirty_for_too_long(first_dirty_offset, now_ms)?,
            horizon_passed: may_go && clean_bytes > 0,
            checkpoint_is_stale: checkpoint.is_some_and(|offset| offset != first_dirty_offset),
        }))
    }

    fn first_dirty_offset(&self, checkpoint: Option<i64>) -> i64 {
        let start = self.log_start_offset;
        let Some(checkpoint) = checkpoint else { return start };
        let offset = checkpoint.min(self.compaction.clean_limit);
        if (start..=self.next_offset).contains(&offset) {
            return offset;
        }
        // Retention moves the start of a log again and again.
        if offset >= start || !self.config.retention.delete {
            tracing::warn!(
                partition = %self.topic_partition, checkpoint, log_start_offset = start,
                log_end_offset = self.next_offset,
                "the cleaner's checkpoint is outside of the log; compacting all of it"
            );
        }
        start
    }

    /// The start of the first segment that a pass must not change.
    fn first_uncleanable_offset(
        &self,
        first_dirty_offset: i64,
        now_ms: i64,
    ) -> Result<i64, StorageError> {
        let last = self.segments.len() - 1;
        let mut first = self.segment_of(self.last_stable_offset()).min(last);
        let lag_ms = self.config.compaction.min_lag_ms;
        if lag_ms > 0 {
            let dirty = self.segment_of(first_dirty_offset).min(first);
            for index in dirty..first {
                if self.segments[index].largest_time()? > now_ms.saturating_sub(lag_ms) {
                    first = index;
                    break;
                }
            }
        }
        Ok(self.segments[first].base_offset())
    }

    fn is_dirty_for_too_long(
        &self,
        first_dirty_offset: i64,
        now_ms: i64,
    ) -> Result<bool, StorageError> {
        let latest = now_ms.saturating_sub(self.config.compaction.max_lag_ms.max(0));
        if latest <= 0 {
            return Ok(false);
        }
        let last = self.segments.len() - 1;
        let dirty = self.segment_of(first_dirty_offset).min(last);
        for segment in &self.segments[dirty..last] {
            if segment.first_time()?.is_some_and(|first| first > 0 && first < latest) {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

/// A segment as far as grouping goes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Extent {
    pub(super) base_offset: i64,
    /// The base offset of what follows.
    pub(super) end_offset: i64,
    pub(super) bytes: u64,
    /// Of the larger one of its indexes.
    pub(super) index_bytes: u64,
}

impl Extent {
    pub(super) fn of(segment: &Segment, end_offset: i64) -> Self {
        let (base_offset, bytes) = (segment.base_offset(), segment.size());
        Self { base_offset, end_offset, bytes, index_bytes: segment.index_size() }
    }
}

/// Puts neighbours together that fit one segment, and its indexes: compaction makes segments
/// smaller, and without this there would be ever more of them.
pub(super) fn group(segments: &[Extent], bytes: u64, index_bytes: u64) -> Vec<Range<usize>> {
    let mut groups = Vec::new();
    let mut start = 0;
    while start < segments.len() {
        let first = &segments[start];
        let (mut all_bytes, mut all_index_bytes) = (first.bytes, first.index_bytes);
        let mut end = start + 1;
        while let Some(next) = segments.get(end) {
            all_bytes += next.bytes;
            all_index_bytes += next.index_bytes;
            let span = next.end_offset - 1 - first.base_offset;
            let is_near = span <= i64::from(i32::MAX) || next.bytes == 0;
            if all_bytes > bytes || all_index_bytes > index_bytes || !is_near {
                break;
            }
            end += 1;
        }
        groups.push(start..end);
        start = end;
    }
    groups
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Segments of 10 offsets each, with these bytes.
    fn segments(bytes: &[u64]) -> Vec<Extent> {
        let extent = |(base_offset, bytes): (i64, &u64)| Extent {
            base_offset,
            end_offset: base_offset + 10,
            bytes: *bytes,
            index_bytes: bytes / 10,
        };
        (0..).step_by(10).zip(bytes).map(extent).collect()
    }

    #[test]
    fn neighbours_that_fit_one_segment_become_one() {
        let group = |bytes: &[u64]| group(&segments(bytes), 100, 1000);
        assert_eq!(group(&[]), vec![]);
        assert_eq!(group(&[40, 60, 1]), [0..2, 2..3]);
        assert_eq!(group(&[50, 51, 49, 0, 100]), [0..1, 1..4, 4..5]);
        assert_eq!(group(&[500, 500]), [0..1, 1..2], "larger than a segment may be");
        assert_eq!(group(&[0, 0, 0, 101]), [0..3, 3..4]);
    }

    #[test]
    fn the_indexes_of_a_group_fit_as_well() {
        assert_eq!(group(&segments(&[50, 50, 50, 50]), 1000, 10), [0..2, 2..4]);
    }

    #[test]
    fn no_offset_of_a_group_is_too_far_from_its_first() {
        let most = i64::from(i32::MAX);
        let mut extents = segments(&[1, 1, 1]);
        extents[1].end_offset = most + 1;
        extents[2].base_offset = most + 1;
        extents[2].end_offset = most + 2;
        assert_eq!(group(&extents, 100, 100), [0..2, 2..3]);
        extents[2].bytes = 0;
        assert_eq!(group(&extents, 100, 100)[0], 0..3, "an empty one has no offsets");
    }

    #[test]
    fn a_log_is_due_by_its_dirty_part_by_age_or_for_its_tombstones() {
        let config = CompactionConfig::default();
        let cleanable = Cleanable {
            first_dirty_offset: 10,
            first_uncleanable_offset: 20,
            clean_bytes: 50,
            dirty_bytes: 50,
            must_clean: false,
            horizon_passed: false,
            checkpoint_is_stale: false,
        };
        assert!(!cleanable.is_due(&config), "half is not more than half");
        assert!(Cleanable { dirty_bytes: 51, ..cleanable }.is_due(&config));
        assert!(Cleanable { must_clean: true, ..cleanable }.is_due(&config));
        assert!(Cleanable { horizon_passed: true, ..cleanable }.is_due(&config));
        let nothing = Cleanable { clean_bytes: 0, dirty_bytes: 0, ..cleanable };
        let eager = CompactionConfig { min_cleanable_dirty_ratio: 0.0, ..config };
        assert!(!nothing.is_due(&eager));
        assert!(!Cleanable { must_clean: true, ..nothing }.is_due(&eager));
        assert!(cleanable.is_due(&eager));
    }
}
