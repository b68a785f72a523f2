//! Finding records by their time.
//!
//! A search looks at one segment after the other. From the log it takes only what a segment's files
//! are at that moment ([`Log::segment_times`]); it reads and decompresses without it, so that
//! nobody who appends or reads waits for that.
//!
//! ```text
//!   search ── log's lock ──▶ SegmentTimes ── no lock ──▶ found, or on to the next segment
//!      ▲                                                          │
//!      └──────────────────────────────────────────────────────────┘
//! ```

use std::ops::ControlFlow;
use std::sync::{Arc, OnceLock};

use protocol::record::{BatchHeader, DECOMPRESSED_LIMIT, RecordBatch, visit_records};

use crate::batch::HeaderWalk;
use crate::error::{ReadError, WalkError};
use crate::folder::OpenFile;
use crate::index::{OffsetView, TimeEntry, TimeView};
use crate::log::Log;
use crate::recovery::read_batch;
use crate::segment::{Segment, find_batch};

/// A record found by its time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimestampedOffset {
    pub timestamp: i64,
    pub offset: i64,
    /// -1 when the log does not know.
    pub leader_epoch: i32,
}

/// Which segment a search wants to see next.
#[derive(Clone, Copy, Debug)]
pub struct NextSegment {
    /// The base offset of the one before; `None`: the first one.
    behind: Option<i64>,
    /// Those that are known to end before this time are passed over.
    reaching: i64,
}

/// A segment of one moment, as a search by time sees it; reading it needs no lock of the log.
#[derive(Debug)]
pub struct SegmentTimes {
    log_start_offset: i64,
    base_offset: i64,
    file: OpenFile,
    /// Where its batches end.
    size: u64,
    offsets: OffsetView,
    times: TimeView,
    largest: Option<TimeEntry>,
    /// Where the largest timestamp is noted once it was read; `None` where it is known.
    to_know: Option<Arc<OnceLock<Option<TimeEntry>>>>,
}

/// Finds the first record at or after a time; `next` asks the log for a segment. Blocks.
pub fn find_at_or_after<E: From<ReadError>>(
    timestamp: i64,
    mut next: impl FnMut(NextSegment) -> Result<Option<SegmentTimes>, E>,
) -> Result<Option<TimestampedOffset>, E> {
    let mut wanted = NextSegment { behind: None, reaching: timestamp };
    while let Some(segment) = next(wanted)? {
        wanted.behind = Some(segment.base_offset);
        if segment.largest()?.is_some_and(|largest| largest >= timestamp) {
            let from = segment.log_start_offset;
            let is_it = |offset, time| time >= timestamp && offset >= from;
            if let Some(found) = segment.first_record(timestamp, is_it)? {
                return Ok(Some(found));
            }
        }
    }
    Ok(None)
}

/// Finds the first record with the largest timestamp; `next` asks the log for a segment. Blocks.
pub fn find_largest<E: From<ReadError>>(
    mut next: impl FnMut(NextSegment) -> Result<Option<SegmentTimes>, E>,
) -> Result<Option<TimestampedOffset>, E> {
    let by_index = find_with_largest(&mut next, |segment| {
        match segment.base_offset < segment.log_start_offset {
            true => segment.largest_from_start(),
            false => segment.largest(),
        }
    })?;
    match by_index {
        Largest::Found(found) => Ok(Some(found)),
        Largest::NoSegment => Ok(None),
        // The index knows the times of batches whose records compaction took.
        Largest::NoRecord => {
            match find_with_largest(&mut next, SegmentTimes::largest_from_start)? {
                Largest::Found(found) => Ok(Some(found)),
                Largest::NoSegment | Largest::NoRecord => Ok(None),
            }
        }
    }
}

enum Largest {
    Found(TimestampedOffset),
    NoSegment,
    NoRecord,
}

/// The first record with the largest timestamp of the segment that has it.
fn find_with_largest<E: From<ReadError>>(
    next: &mut impl FnMut(NextSegment) -> Result<Option<SegmentTimes>, E>,
    largest_of: impl Fn(&SegmentTimes) -> Result<Option<i64>, ReadError>,
) -> Result<Largest, E> {
    let mut wanted = NextSegment { behind: None, reaching: i64::MIN };
    let mut best: Option<(i64, SegmentTimes)> = None;
    while let Some(segment) = next(wanted)? {
        wanted.behind = Some(segment.base_offset);
        if let Some(largest) = largest_of(&segment)?
            && best.as_ref().is_none_or(|(timestamp, _)| largest > *timestamp)
        {
            wanted.reaching = largest.saturating_add(1);
            best = Some((largest, segment));
        }
    }
    let Some((timestamp, segment)) = best else { return Ok(Largest::NoSegment) };
    let start = segment.log_start_offset;
    let is_it = |offset, time| time == timestamp && offset >= start;
    let found = segment.first_record(timestamp, is_it)?;
    Ok(found.map_or(Largest::NoRecord, Largest::Found))
}

impl Log {
    /// The part of a search by time that needs the log; opens files, and reads none. `None`: there
    /// is no segment more.
    pub fn segment_times(&self, wanted: NextSegment) -> Result<Option<SegmentTimes>, ReadError> {
        let first = match wanted.behind {
            None => self.segment_of(self.log_start_offset),
            Some(base) => self.segments.partition_point(|segment| segment.base_offset() <= base),
        };
        let ends_before = |largest: Option<TimeEntry>| {
            largest.is_none_or(|largest| largest.timestamp < wanted.reaching)
        };
        let mut segments = self.segments[first..].iter();
        let Some(segment) = segments.find(|segment| {
            // Of one that is partly before the log's start, the rest has no larger one.
            !segment.known_largest().is_some_and(ends_before)
        }) else {
            return Ok(None);
        };
        self.times_of(segment).map(Some)
    }

    /// The first segment behind one whose largest time has not been read yet, where retention asks
    /// for it: to be learnt without the log's lock before [`Log::retention`] is called under it.
    pub fn unread_times(&self, behind: Option<i64>) -> Result<Option<SegmentTimes>, ReadError> {
        let retention = &self.config.retention;
        if !retention.delete || retention.ms < 0 {
            return Ok(None);
        }
        let is_behind = |segment: &Segment| behind.is_none_or(|base| segment.base_offset() > base);
        let mut segments = self.segments.iter();
        let unread =
            segments.find(|segment| is_behind(segment) && segment.known_largest().is_none());
        unread.map(|segment| self.times_of(segment)).transpose()
    }

    fn times_of(&self, segment: &Segment) -> Result<SegmentTimes, ReadError> {
        let (offsets, times) = segment.index_views()?;
        let known = segment.known_largest();
        Ok(SegmentTimes {
            log_start_offset: self.log_start_offset,
            base_offset: segment.base_offset(),
            file: segment.open_log_once()?,
            size: segment.size(),
            offsets,
            times,
            largest: known.flatten(),
            to_know: known.is_none().then(|| segment.largest_to_know().clone()),
        })
    }

    /// The first record at or after a time. Reads and decompresses the batch that it is in.
    pub fn offset_for_timestamp(
        &self,
        timestamp: i64,
    ) -> Result<Option<TimestampedOffset>, ReadError> {
        let found = find_at_or_after(timestamp, |wanted| self.segment_times(wanted))?;
        Ok(found.map(|found| self.with_epoch(found)))
    }

    /// The first record with the largest timestamp. Reads and decompresses its batch.
    pub fn max_timestamp_offset(&self) -> Result<Option<TimestampedOffset>, ReadError> {
        let found = find_largest(|wanted| self.segment_times(wanted))?;
        Ok(found.map(|found| self.with_epoch(found)))
    }

    /// What a search found, with the leader epoch that the record was written under.
    pub fn with_epoch(&self, found: TimestampedOffset) -> TimestampedOffset {
        TimestampedOffset { leader_epoch: self.epochs.at(found.offset).unwrap_or(-1), ..found }
    }
}

impl SegmentTimes {
    /// Base offset of the segment.
    pub fn base_offset(&self) -> i64 {
        self.base_offset
    }

    /// Has the log know the largest timestamp of the segment. Blocks.
    pub fn learn(&self) -> Result<(), ReadError> {
        self.largest().map(|_| ())
    }

    /// The largest timestamp of its records, as far as the index knows.
    fn largest(&self) -> Result<Option<i64>, ReadError> {
        let largest = match &self.to_know {
            None => self.largest,
            Some(to_know) => {
                let last = self.times.last()?;
                *to_know.get_or_init(|| last)
            }
        };
        Ok(largest.map(|entry| entry.timestamp))
    }

    /// The largest timestamp of the records from the batch that holds the log's start on.
    fn largest_from_start(&self) -> Result<Option<i64>, ReadError> {
        let Some((position, _)) = self.find(self.log_start_offset)? else { return Ok(None) };
        let mut walk = HeaderWalk::new(&self.file, position, self.size);
        let mut largest = None;
        while let Some((_, header)) = walk.next()? {
            // What compaction left of a batch without records has the time of one that is gone.
            if header.count > 0 {
                largest = largest.max(Some(header.max_timestamp));
            }
        }
        Ok(largest)
    }

    /// The first record that is what `wanted` says of its offset and time, being in the first
    /// batches that reach a time.
    fn first_record(
        &self,
        timestamp: i64,
        wanted: impl Fn(i64, i64) -> bool,
    ) -> Result<Option<TimestampedOffset>, ReadError> {
        let mut from = self.log_start_offset;
        while let Some((position, header)) = self.find_time(timestamp, from)? {
            let mut found = None;
            let batch = read_batch(&self.file, position, &header)?;
            let visited = RecordBatch::parse(&batch).and_then(|batch| {
                visit_records(&batch, DECOMPRESSED_LIMIT, |record| {
                    if wanted(record.offset, record.timestamp) {
                        found = Some((record.offset, record.timestamp));
                        return ControlFlow::Break(());
                    }
                    ControlFlow::Continue(())
                })
            });
            visited.map_err(|problem| {
                let (path, problem) = (self.file.id.path(), problem.to_string());
                ReadError::CorruptBatch { path, position, problem }
            })?;
            if let Some((offset, timestamp)) = found {
                return Ok(Some(TimestampedOffset { timestamp, offset, leader_epoch: -1 }));
            }
            from = header.next_offset();
        }
        Ok(None)
    }

    /// The first batch with a record at or after a time, at or above an offset.
    fn find_time(
        &self,
        timestamp: i64,
        from: i64,
    ) -> Result<Option<(u64, BatchHeader)>, ReadError> {
        let from = from.max(self.times.offset_before(timestamp)?);
        let Some((position, _)) = self.find(from)? else { return Ok(None) };
        let mut walk = HeaderWalk::new(&self.file, position, self.size);
        while let Some((position, header)) = walk.next()? {
            if header.max_timestamp >= timestamp {
                return Ok(Some((position, header)));
            }
        }
        Ok(None)
    }

    /// The first batch that ends at or above an offset.
    fn find(&self, offset: i64) -> Result<Option<(u64, BatchHeader)>, WalkError> {
        let lookup = self.offsets.lookup(offset)?;
        find_batch(&self.file, &lookup, self.size, offset)
    }
}
