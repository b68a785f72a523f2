//! Records found by their time. Only where the files of a segment are is asked under the
//! partition's lock: they are read, and batches are decompressed, without it.

use broker_log::{NextSegment, ReadError, SegmentTimes, TimestampedOffset};
use broker_log::{find_at_or_after, find_largest};

use super::{FetchError, Partition};

impl Partition {
    /// The first record at or after a time. Blocks.
    pub fn first_at_or_after(
        &self,
        timestamp: i64,
    ) -> Result<Option<TimestampedOffset>, FetchError> {
        self.with_epoch(find_at_or_after(timestamp, |wanted| self.segment_times(wanted)))
    }

    /// The first record with the largest timestamp. Blocks.
    pub fn first_with_largest_time(&self) -> Result<Option<TimestampedOffset>, FetchError> {
        self.with_epoch(find_largest(|wanted| self.segment_times(wanted)))
    }

    /// Reads what retention has to know of old segments, so that it finds it known under the
    /// partition's lock. Blocks.
    pub fn learn_times(&self) -> Result<(), FetchError> {
        let mut behind = None;
        while let Some(segment) = self.with_log(|log| log.unread_times(behind))?? {
            segment.learn()?;
            behind = Some(segment.base_offset());
        }
        Ok(())
    }

    fn segment_times(&self, wanted: NextSegment) -> Result<Option<SegmentTimes>, FetchError> {
        Ok(self.with_log(|log| log.segment_times(wanted))??)
    }

    fn with_epoch(
        &self,
        found: Result<Option<TimestampedOffset>, FetchError>,
    ) -> Result<Option<TimestampedOffset>, FetchError> {
        let found = found.inspect_err(|problem| {
            if let FetchError::Read(ReadError::Storage(problem)) = problem {
                self.storage_failed(problem);
            }
        })?;
        let Some(found) = found else { return Ok(None) };
        Ok(Some(self.with_log(|log| log.with_epoch(found))?))
    }
}
