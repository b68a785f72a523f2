//! Records found by their time. Only where the files of a segment are is asked under the
//! partition's lock: they are read, and batches are decompressed, without it.

use broker_log::{NextSegment, ReadError, SegmentTimes, TimestampedOffset};
use broker_log::{find_at_or_after, find_largest};

use super::{FetchError, Partition};

impl Partition {
    /// The first record at or after a time. Blocks.
    pub(crate) fn first_at_or_after(
        &self,
        timestamp: i64,
    ) -> Result<Option<TimestampedOffset>, FetchError> {
        self.with_epoch(find_at_or_after(timestamp, |wanted| self.segment_times(wanted)))
    }

    /// The first record with the largest timestamp. Blocks.
    pub(crate) fn first_with_largest_time(&self) -> Result<Option<TimestampedOffset>, FetchError> {
        self.with_epoch(find_largest(|wanted| self.segment_times(wanted)))
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
