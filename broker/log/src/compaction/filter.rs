//! What a pass leaves of a batch.

use std::collections::HashMap;

use bytes::Bytes;
use protocol::record::{
    BATCH_OVERHEAD, BatchBuilder, BatchHeader, BatchOptions, DECOMPRESSED_LIMIT, Payload,
    RecordBatch, TimestampType,
};

use super::offset_map::OffsetMap;
use super::transactions::{ControlBatch, Transactions};
use crate::records;

/// What becomes of a batch.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// It stays byte for byte.
    Kept,
    /// These bytes stand in its place, with the same first and last offset.
    Changed(Bytes),
    Gone,
}

/// The last that a producer which the log remembers has written.
#[derive(Clone, Copy, Debug)]
pub(super) struct LastOfProducer {
    /// The last offset of its last batch; `None`: it wrote nothing but a marker.
    pub(super) data_offset: Option<i64>,
    pub(super) epoch: i16,
}

/// What a pass decides by.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rules<'a> {
    /// The last offsets of the keys that the pass has read.
    pub(super) map: &'a OffsetMap,
    /// The map knows all that lies below; what lies behind stays as it is.
    pub(super) end_offset: i64,
    pub(super) now_ms: i64,
    pub(super) delete_retention_ms: i64,
    pub(super) producers: &'a HashMap<i64, LastOfProducer>,
}

/// Judges the batches of a log, one after the other.
#[derive(Debug)]
pub(super) struct Filter<'a> {
    rules: Rules<'a>,
    transactions: Transactions<'a>,
    /// For each record of a batch, whether it stays.
    stays: Vec<bool>,
    pub(super) records_kept: u64,
    /// When the last of the tombstones and markers that stay may go.
    pub(super) last_horizon_ms: Option<i64>,
}

impl<'a> Filter<'a> {
    pub(super) fn new(rules: Rules<'a>, transactions: Transactions<'a>) -> Self {
        Self { rules, transactions, stays: Vec::new(), records_kept: 0, last_horizon_ms: None }
    }

    /// Up to where batches are judged.
    pub(super) fn end_offset(&self) -> i64 {
        self.rules.end_offset
    }

    pub(super) fn transactions(&mut self) -> &mut Transactions<'a> {
        &mut self.transactions
    }

    /// Judges a batch that is whole. `must_stay`: though all of its records go, its header has to
    /// stay. The error says what is wrong with the batch.
    pub(super) fn judge(
        &mut self,
        header: &BatchHeader,
        bytes: &[u8],
        must_stay: bool,
    ) -> Result<Fate, String> {
        let count = u64::try_from(header.count).unwrap_or(0);
        if header.base_offset >= self.rules.end_offset {
            self.records_kept += count;
            return Ok(Fate::Kept);
        }
        let must_stay = must_stay || self.is_last_of_producer(header);
        let batch = Bytes::copy_from_slice(bytes);
        let fate = match header.is_control() {
            true => self.judge_control(header, &batch)?,
            false if self.transactions.on_data(header) => Fate::Gone,
            false if header.count == 0 => Fate::Gone,
            false => self.judge_records(header, &batch)?,
        };
        Ok(match fate {
            Fate::Gone if must_stay && header.count == 0 => Fate::Kept,
            Fate::Gone if must_stay => {
                Fate::Changed(Bytes::copy_from_slice(&header.without_records()))
            }
            fate => fate,
        })
    }

    /// A marker goes when its transaction's records have, and readers had time to see it.
    fn judge_control(&mut self, header: &BatchHeader, batch: &Bytes) -> Result<Fate, String> {
        let what = control_of(header, batch)?;
        let is_done = self.transactions.on_control(header, what);
        if what == ControlBatch::Empty {
            return Ok(Fate::Gone);
        }
        self.records_kept += 1;
        if !is_done || !self.is_reached(header) {
            return Ok(Fate::Kept);
        }
        let horizon = match header.delete_horizon() {
            Some(horizon) if horizon <= self.rules.now_ms => {
                self.records_kept -= 1;
                return Ok(Fate::Gone);
            }
            Some(horizon) => Some(horizon),
            None => None,
        };
        let new = self.note_horizon(horizon);
        if horizon.is_some() {
            return Ok(Fate::Kept);
        }
        let payload = payload(batch)?;
        self.stays.clear();
        self.stays.resize(payload.records().count(), true);
        self.rebuild(header, &payload, Some(new))
    }

    fn judge_records(&mut self, header: &BatchHeader, batch: &Bytes) -> Result<Fate, String> {
        let payload = payload(batch)?;
        let horizon = header.delete_horizon();
        let may_go = |horizon: i64| horizon <= self.rules.now_ms;
        let tombstones_go = self.is_reached(header) && horizon.is_some_and(may_go);
        let mut stays = std::mem::take(&mut self.stays);
        stays.clear();
        let mut has_tombstone = false;
        let mut next = header.base_offset;
        for record in payload.records() {
            let record = record.map_err(|error| error.to_string())?;
            if record.offset < next || record.offset > header.last_offset() {
                return Err(format!("a record of it has offset {}", record.offset));
            }
            next = record.offset + 1;
            let stay = record.offset >= self.rules.end_offset
                || record.key.is_some_and(|key| {
                    let last = self.rules.map.get(key);
                    let is_last = last.is_none_or(|last| record.offset >= last);
                    is_last && (record.value.is_some() || !tombstones_go)
                });
            has_tombstone |= stay && record.value.is_none();
            stays.push(stay);
        }
        self.stays = stays;
        let kept = self.stays.iter().filter(|stay| **stay).count();
        self.records_kept += kept as u64;
        if kept == 0 {
            return Ok(Fate::Gone);
        }
        let waits = has_tombstone && self.is_reached(header);
        let new = if waits { Some(self.note_horizon(horizon)) } else { horizon };
        if kept == self.stays.len() && new == horizon {
            return Ok(Fate::Kept);
        }
        self.rebuild(header, &payload, new)
    }

    /// The horizon that a batch has, or the one that it gets now.
    fn note_horizon(&mut self, horizon: Option<i64>) -> i64 {
        let Rules { now_ms, delete_retention_ms, .. } = self.rules;
        let horizon = horizon.unwrap_or_else(|| now_ms.saturating_add(delete_retention_ms));
        self.last_horizon_ms = self.last_horizon_ms.max(Some(horizon));
        horizon
    }

    /// Whether the map knows of all that the batch holds.
    fn is_reached(&self, header: &BatchHeader) -> bool {
        header.last_offset() < self.rules.end_offset
    }

    /// Whether the batch tells where a producer came to, which is known from the log alone once
    /// the snapshots are gone.
    fn is_last_of_producer(&self, header: &BatchHeader) -> bool {
        if !header.has_producer_id() {
            return false;
        }
        let last = self.rules.producers.get(&header.producer_id);
        last.is_some_and(|last| match last.data_offset {
            Some(offset) => header.last_offset() == offset,
            None => header.is_control() && header.producer_epoch == last.epoch,
        })
    }

    /// The batch with the records that stay. Its offsets, its producer, its compression and what
    /// its times mean are what they were.
    fn rebuild(
        &self,
        header: &BatchHeader,
        payload: &Payload,
        delete_horizon: Option<i64>,
    ) -> Result<Fate, String> {
        let codec = header.compression().map_err(|error| error.to_string())?;
        let append_time = match header.timestamp_type() {
            TimestampType::CreateTime => None,
            TimestampType::LogAppendTime => Some(header.max_timestamp),
        };
        let options = BatchOptions {
            base_offset: header.base_offset,
            leader_epoch: header.leader_epoch,
            codec: codec.into(),
            log_append_time: append_time,
            producer_id: header.producer_id,
            producer_epoch: header.producer_epoch,
            base_sequence: header.base_sequence,
            is_transactional: header.is_transactional(),
            is_control: header.is_control(),
            delete_horizon,
        };
        let bytes = payload.bytes().len() + BATCH_OVERHEAD;
        let mut builder = BatchBuilder::with_capacity(options, bytes);
        let kept = payload.records().zip(&self.stays).filter(|(_, stay)| **stay);
        for (record, _) in kept {
            builder.append_record(&record.map_err(|error| error.to_string())?);
        }
        builder.set_last_offset(header.last_offset());
        Ok(Fate::Changed(builder.finish()))
    }
}

/// What a control batch says.
pub(super) fn control_of(header: &BatchHeader, batch: &Bytes) -> Result<ControlBatch, String> {
    if header.count == 0 {
        return Ok(ControlBatch::Empty);
    }
    Ok(match records::marker(batch.clone())? {
        Some(marker) if marker.committed => ControlBatch::Commit,
        Some(_) => ControlBatch::Abort,
        None => ControlBatch::Other,
    })
}

/// The records of a batch.
pub(super) fn payload(batch: &Bytes) -> Result<Payload, String> {
    let payload = RecordBatch::parse(batch).and_then(|batch| batch.payload(DECOMPRESSED_LIMIT));
    payload.map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests;
