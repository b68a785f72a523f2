//! Finding records by their time.

use crate::error::ReadError;
use crate::log::Log;
use crate::records;
use crate::recovery::read_batch;
use crate::segment::Segment;

/// A record found by its time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimestampedOffset {
    pub timestamp: i64,
    pub offset: i64,
    /// -1 when the log does not know.
    pub leader_epoch: i32,
}

enum Largest {
    Found(TimestampedOffset),
    NoSegment,
    NoRecord,
}

impl Log {
    /// The first record at or after a time. Reads and decompresses the batch that it is in.
    pub fn offset_for_timestamp(
        &self,
        timestamp: i64,
    ) -> Result<Option<TimestampedOffset>, ReadError> {
        let first = self.segment_of(self.log_start_offset);
        for segment in &self.segments[first..] {
            let largest = segment.largest_entry()?;
            if largest.is_none_or(|largest| largest.timestamp < timestamp) {
                continue;
            }
            let from = self.log_start_offset;
            let found = self.first_record(segment, timestamp, |offset, time| {
                time >= timestamp && offset >= from
            })?;
            if found.is_some() {
                return Ok(found);
            }
        }
        Ok(None)
    }

    /// The first record with the largest timestamp. Reads and decompresses its batch.
    pub fn max_timestamp_offset(&self) -> Result<Option<TimestampedOffset>, ReadError> {
        let start = self.log_start_offset;
        let by_index = self.record_with_largest(|segment| match segment.base_offset() < start {
            true => Ok(segment.largest_from(start)?),
            false => Ok(segment.largest_entry()?.map(|entry| entry.timestamp)),
        })?;
        match by_index {
            Largest::Found(found) => Ok(Some(found)),
            Largest::NoSegment => Ok(None),
            // The index knows the times of batches whose records compaction took.
            Largest::NoRecord => {
                let by_batches = |segment: &Segment| Ok(segment.largest_from(start)?);
                Ok(match self.record_with_largest(by_batches)? {
                    Largest::Found(found) => Some(found),
                    Largest::NoSegment | Largest::NoRecord => None,
                })
            }
        }
    }

    /// The first record with the largest timestamp of the segment that has it.
    fn record_with_largest(
        &self,
        largest_of: impl Fn(&Segment) -> Result<Option<i64>, ReadError>,
    ) -> Result<Largest, ReadError> {
        let start = self.log_start_offset;
        let mut best: Option<(i64, &Segment)> = None;
        for segment in &self.segments[self.segment_of(start)..] {
            if let Some(largest) = largest_of(segment)?
                && best.is_none_or(|(timestamp, _)| largest > timestamp)
            {
                best = Some((largest, segment));
            }
        }
        let Some((timestamp, segment)) = best else { return Ok(Largest::NoSegment) };
        let is_it = |offset, time| time == timestamp && offset >= start;
        let found = self.first_record(segment, timestamp, is_it)?;
        Ok(found.map_or(Largest::NoRecord, Largest::Found))
    }

    /// The first record of a segment that is what `wanted` says of its offset and time, being
    /// in the first batches that reach a time.
    fn first_record(
        &self,
        segment: &Segment,
        timestamp: i64,
        wanted: impl Fn(i64, i64) -> bool,
    ) -> Result<Option<TimestampedOffset>, ReadError> {
        let mut from = self.log_start_offset;
        while let Some((position, header)) = segment.find_time(timestamp, from)? {
            let file = segment.open_log()?;
            let batch = read_batch(&file, position, &header)?;
            let found = records::find(&batch, &wanted).map_err(|problem| {
                ReadError::CorruptBatch { path: file.id.path(), position, problem }
            })?;
            if let Some((_, offset, timestamp)) = found {
                let leader_epoch = self.epochs.at(offset).unwrap_or(-1);
                return Ok(Some(TimestampedOffset { timestamp, offset, leader_epoch }));
            }
            from = header.next_offset();
        }
        Ok(None)
    }
}
