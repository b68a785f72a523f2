//! How records enter the log: checked by what their producer sent before, given their
//! offsets, and written in one write. The caller's bytes are not copied and stay as they are:
//! what the leader changes in a batch's header is written in its place.

mod group;

use std::io::IoSlice;

use bytes::Bytes;
use protocol::record::{BATCH_OVERHEAD, BatchHeader, MAGIC_OFFSET, TimestampType, patch};

use crate::batch;
use crate::error::AppendError;
use crate::log::Log;
use crate::producers::{Marker, Origin};
use crate::records;

/// How a leader appends.
#[derive(Clone, Copy, Debug)]
pub struct LeaderAppend {
    /// -1: the log keeps no epochs.
    pub leader_epoch: i32,
    pub origin: Origin,
    pub now_ms: i64,
}

/// What an append did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Appended {
    pub base_offset: i64,
    pub last_offset: i64,
    /// The time that was set, where the topic has LogAppendTime; else -1.
    pub log_append_time_ms: i64,
    pub log_start_offset: i64,
    /// An idempotent producer sent this before: nothing was written, and the offsets are
    /// those of that time.
    pub duplicate: bool,
    /// A new segment was begun: flush the earlier ones with [`Log::prepare_flush`] up to
    /// [`Log::active_base_offset`], so that a recovery need not scan them.
    pub rolled: bool,
    /// `flush.messages` demands that all below this offset is synced before the append is
    /// acknowledged: see [`Log::sync_demanded`]. `None`: it is acknowledged as it is.
    pub sync_to: Option<i64>,
}

/// Offsets, times and number of the batches of an append, summed up.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Extent {
    pub(crate) first_offset: i64,
    pub(crate) last_offset: i64,
    pub(crate) largest_timestamp: i64,
    pub(crate) batches: usize,
}

impl Log {
    /// Appends a client's or coordinator's batches. The caller has validated them with
    /// `protocol::record::validate` and `validate_records`: sizes, CRC and counts are good, the
    /// records are what their topic wants, and the largest timestamp is what the header says. Base
    /// offsets, the leader epoch and, where the topic asks for it, the append time are the log's.
    ///
    /// A roll may make it block longer than one write to the page cache. Nothing is synced here:
    /// where `flush.messages` demands it, [`Appended::sync_to`] says so.
    pub fn append_as_leader(
        &mut self,
        records: &Bytes,
        append: LeaderAppend,
    ) -> Result<Appended, AppendError> {
        self.check_usable()?;
        self.producers.begin();
        let append_time = match self.config.timestamp_type {
            TimestampType::CreateTime => None,
            TimestampType::LogAppendTime => Some(append.now_ms),
        };
        let mut placed = self.placed(append.leader_epoch, append_time);
        let mut extent = None;
        for found in batch::headers(records) {
            let (position, header) = found.map_err(corrupt)?;
            let bytes = position..position + header.size();
            self.check_batch(&header, &append)?;
            if append.origin == Origin::Client
                && let Some(first) = self.producers.duplicate_of(&header)
            {
                return Ok(self.duplicate(first.first_offset(), first.last_offset));
            }
            let header = placed.next(header).ok_or_else(|| overflow(header.base_offset))?;
            let marker = self.marker(&header, || records.slice(bytes))?;
            self.producers.stage(&header, marker, Some(append.origin))?;
            extent = Some(Extent::with(extent, &header));
        }
        let extent: Extent = extent.ok_or(AppendError::Empty)?;
        let rolled = self.make_room(records.len(), &extent, append.now_ms)?;
        self.write_placed(records, &extent, append.leader_epoch, append_time)?;
        let mut placed = self.placed(append.leader_epoch, append_time);
        let headers = batch::headers(records).flatten();
        let headers = headers.map_while(|(_, header)| placed.next(header));
        self.commit(headers, &extent, append.now_ms);
        Ok(Appended {
            base_offset: extent.first_offset,
            last_offset: extent.last_offset,
            log_append_time_ms: append_time.unwrap_or(-1),
            log_start_offset: self.log_start_offset,
            duplicate: false,
            rolled,
            sync_to: self.sync_demanded(),
        })
    }

    /// Appends batches as a leader sent them, with their offsets and epochs. The caller has
    /// checked their CRCs.
    pub fn append_as_follower(
        &mut self,
        records: &Bytes,
        now_ms: i64,
    ) -> Result<Appended, AppendError> {
        self.check_usable()?;
        self.producers.begin();
        let mut extent = None;
        for found in batch::headers(records) {
            let (position, header) = found.map_err(corrupt)?;
            let end = extent.map_or(self.next_offset, |extent: Extent| extent.last_offset + 1);
            if header.base_offset < end {
                let base_offset = header.base_offset;
                return Err(AppendError::OffsetsOutOfOrder { base_offset, log_end_offset: end });
            }
            let bytes = position..position + header.size();
            let marker = self.marker(&header, || records.slice(bytes))?;
            self.producers.stage(&header, marker, None)?;
            extent = Some(Extent::with(extent, &header));
        }
        let extent = extent.ok_or(AppendError::Empty)?;
        let rolled = self.make_room(records.len(), &extent, now_ms)?;
        self.active_mut().write(&mut [IoSlice::new(records)])?;
        let headers = batch::headers(records).flatten().map(|(_, header)| header);
        self.commit(headers, &extent, now_ms);
        Ok(Appended {
            base_offset: extent.first_offset,
            last_offset: extent.last_offset,
            log_append_time_ms: -1,
            log_start_offset: self.log_start_offset,
            duplicate: false,
            rolled,
            sync_to: self.sync_demanded(),
        })
    }

    fn duplicate(&self, base_offset: i64, last_offset: i64) -> Appended {
        Appended {
            base_offset,
            last_offset,
            log_append_time_ms: -1,
            log_start_offset: self.log_start_offset,
            duplicate: true,
            rolled: false,
            sync_to: self.sync_demanded().map(|all| all.min(last_offset + 1)),
        }
    }

    /// What a leader demands of one batch, whoever sent it.
    fn check_batch(&self, header: &BatchHeader, append: &LeaderAppend) -> Result<(), AppendError> {
        // What a coordinator has to remember is as large as its groups are.
        if append.origin != Origin::Client {
            return Ok(());
        }
        let max = self.config.max_message_bytes;
        if header.size() > max as usize {
            return Err(AppendError::MessageTooLarge { size: header.size(), max });
        }
        if header.is_control() {
            return Err(AppendError::ControlFromClient);
        }
        if header.timestamp_type() == TimestampType::LogAppendTime {
            return Err(AppendError::AppendTimeFromClient);
        }
        Ok(())
    }

    fn marker(
        &self,
        header: &BatchHeader,
        bytes: impl FnOnce() -> Bytes,
    ) -> Result<Option<Marker>, AppendError> {
        if !header.is_control() || !header.has_producer_id() {
            return Ok(None);
        }
        records::marker(bytes())
            .map_err(|problem| AppendError::CorruptBatch { position: 0, problem })
    }

    /// Begins a new segment where the batches do not fit the active one. Returns whether it
    /// did.
    fn make_room(
        &mut self,
        bytes: usize,
        extent: &Extent,
        now_ms: i64,
    ) -> Result<bool, AppendError> {
        let max = self.config.segment.bytes;
        if bytes > max as usize {
            return Err(AppendError::BatchesTooLarge { size: bytes, max });
        }
        let limits = self.roll_limits(now_ms);
        let roll = self.active().must_roll(bytes, extent, &limits);
        if roll {
            self.roll(extent.first_offset, now_ms)?;
        }
        Ok(roll)
    }

    /// Writes batches with the header that the leader gives them.
    fn write_placed(
        &mut self,
        records: &Bytes,
        extent: &Extent,
        leader_epoch: i32,
        append_time: Option<i64>,
    ) -> Result<(), AppendError> {
        let mut placed = self.placed(leader_epoch, append_time);
        if extent.batches == 1 && append_time.is_none() {
            let start = patch::prefix(records, extent.first_offset, leader_epoch);
            let mut parts = [IoSlice::new(&start), IoSlice::new(&records[MAGIC_OFFSET..])];
            return Ok(self.active_mut().write(&mut parts)?);
        }
        let mut heads = Vec::with_capacity(extent.batches);
        let mut bodies = Vec::with_capacity(extent.batches);
        for (position, header) in batch::headers(records).flatten() {
            let body = &records[position + BATCH_OVERHEAD..position + header.size()];
            let Some(header) = placed.next(header) else { break };
            heads.push(placed.head(&header, body));
            bodies.push(body);
        }
        let pairs = heads.iter().zip(bodies);
        let mut parts: Vec<_> =
            pairs.flat_map(|(head, body)| [IoSlice::new(head), IoSlice::new(body)]).collect();
        Ok(self.active_mut().write(&mut parts)?)
    }

    /// Makes batches that were written, with these headers, part of the log.
    fn commit(&mut self, headers: impl Iterator<Item = BatchHeader>, extent: &Extent, now_ms: i64) {
        let config = self.config.clone();
        for header in headers {
            self.epochs.assign(header.leader_epoch, header.base_offset);
            let position = self.active().size();
            self.active_mut().note(&header, position, &config.segment);
        }
        self.active_mut().touch(now_ms);
        self.next_offset = extent.last_offset + 1;
        let active = self.segments.last_mut().expect("a log has a segment");
        self.producers.commit(self.next_offset, |entry| active.aborted.push(entry));
        self.demand_sync();
    }

    fn placed(&self, leader_epoch: i32, append_time: Option<i64>) -> Placed {
        Placed { place: (self.next_offset, leader_epoch), append_time }
    }
}

impl Extent {
    /// Takes in one more batch.
    fn with(extent: Option<Self>, header: &BatchHeader) -> Self {
        let (last_offset, timestamp) = (header.last_offset(), header.max_timestamp);
        match extent {
            None => Self {
                first_offset: header.base_offset,
                last_offset,
                largest_timestamp: timestamp,
                batches: 1,
            },
            Some(extent) => Self {
                last_offset,
                largest_timestamp: extent.largest_timestamp.max(timestamp),
                batches: extent.batches + 1,
                ..extent
            },
        }
    }
}

/// Gives batches, one after the other, what the leader decides of their headers.
#[derive(Clone, Copy, Debug)]
struct Placed {
    /// The next offset, and the leader epoch.
    place: (i64, i32),
    append_time: Option<i64>,
}

impl Placed {
    /// The header that the next batch gets; `None` when offsets come to their end.
    fn next(&mut self, mut header: BatchHeader) -> Option<BatchHeader> {
        let (offset, epoch) = self.place;
        let next = offset.checked_add(i64::from(header.last_offset_delta) + 1)?;
        self.place = (next, epoch);
        (header.base_offset, header.leader_epoch) = (offset, epoch);
        if let Some(now_ms) = self.append_time {
            header.max_timestamp = now_ms;
        }
        Some(header)
    }

    /// A placed header's bytes, with the CRC that they and the body have.
    fn head(&self, header: &BatchHeader, body: &[u8]) -> [u8; BATCH_OVERHEAD] {
        let mut head = header.encode();
        if let Some(now_ms) = self.append_time {
            patch::set_max_timestamp(&mut head, TimestampType::LogAppendTime, now_ms);
            // That CRC is of a batch that ends with its header; the body goes on from there.
            if let Ok(mut header) = BatchHeader::parse(&head) {
                header.crc = crc32c::crc32c_append(header.crc, body);
                head = header.encode();
            }
        }
        head
    }
}

fn corrupt((position, problem): (usize, String)) -> AppendError {
    AppendError::CorruptBatch { position, problem }
}

fn overflow(base_offset: i64) -> AppendError {
    AppendError::OffsetOverflow { base_offset }
}
