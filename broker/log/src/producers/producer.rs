//! One producer, as the log remembers it.

use protocol::record::BatchHeader;

use super::{Marker, Origin};
use crate::error::AppendError;

/// How many batches of a producer are remembered: as many as it may have in flight.
const BATCHES: usize = 5;
const NO_EPOCH: i16 = -1;
const NO_SEQUENCE: i32 = -1;
const NO_OFFSET: i64 = -1;

/// A batch that was appended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct BatchMeta {
    pub(crate) last_sequence: i32,
    pub(crate) last_offset: i64,
    pub(crate) offset_delta: i32,
    pub(crate) timestamp: i64,
}

impl BatchMeta {
    pub(crate) fn first_sequence(&self) -> i32 {
        let first = i64::from(self.last_sequence) - i64::from(self.offset_delta);
        first.rem_euclid(i64::from(i32::MAX) + 1) as i32
    }

    pub(crate) fn first_offset(&self) -> i64 {
        self.last_offset - i64::from(self.offset_delta)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Producer {
    pub(crate) id: i64,
    pub(crate) epoch: i16,
    pub(crate) coordinator_epoch: i32,
    pub(crate) last_timestamp: i64,
    /// -1 when no transaction is open.
    transaction_start: i64,
    /// The first `count` are there, the oldest first.
    batches: [BatchMeta; BATCHES],
    count: u8,
}

impl Producer {
    pub(crate) fn new(id: i64) -> Self {
        Self {
            id,
            epoch: NO_EPOCH,
            coordinator_epoch: -1,
            last_timestamp: -1,
            transaction_start: NO_OFFSET,
            batches: [BatchMeta::default(); BATCHES],
            count: 0,
        }
    }

    /// With its last batch, if any, and the start of its transaction (-1: none).
    pub(crate) fn with(mut self, last: Option<BatchMeta>, transaction_start: i64) -> Self {
        if let Some(last) = last {
            self.push(last);
        }
        self.transaction_start = transaction_start.max(NO_OFFSET);
        self
    }

    pub(crate) fn transaction_start(&self) -> Option<i64> {
        (self.transaction_start >= 0).then_some(self.transaction_start)
    }

    pub(crate) fn last_batch(&self) -> Option<&BatchMeta> {
        self.batches().last()
    }

    pub(crate) fn last_sequence(&self) -> i32 {
        self.last_batch().map_or(NO_SEQUENCE, |batch| batch.last_sequence)
    }

    pub(crate) fn is_expired(&self, now_ms: i64, expiration_ms: i64) -> bool {
        self.transaction_start < 0 && now_ms.saturating_sub(self.last_timestamp) >= expiration_ms
    }

    /// A remembered batch with just these sequence numbers.
    pub(crate) fn find(&self, epoch: i16, first: i32, last: i32) -> Option<BatchMeta> {
        let same =
            |batch: &&BatchMeta| batch.first_sequence() == first && batch.last_sequence == last;
        if epoch == self.epoch { self.batches().iter().find(same).copied() } else { None }
    }

    pub(super) fn check_batch(
        &self,
        header: &BatchHeader,
        origin: Origin,
    ) -> Result<(), AppendError> {
        if header.producer_epoch < self.epoch {
            return Err(self.fenced(header));
        }
        if origin == Origin::Client {
            self.check_sequence(header)?;
        }
        if self.transaction_start >= 0 && !header.is_transactional() {
            return Err(AppendError::NotTransactional { producer_id: self.id });
        }
        Ok(())
    }

    fn check_sequence(&self, header: &BatchHeader) -> Result<(), AppendError> {
        let last_sequence = self.last_sequence();
        let fits = if self.epoch == NO_EPOCH {
            // Of a producer that is not known, or no longer, any sequence is good.
            true
        } else if header.producer_epoch != self.epoch {
            header.base_sequence == 0
        } else {
            follows(last_sequence, header.base_sequence)
        };
        if fits {
            return Ok(());
        }
        Err(AppendError::OutOfOrderSequence {
            producer_id: self.id,
            epoch: header.producer_epoch,
            sequence: header.base_sequence,
            last_sequence,
        })
    }

    pub(super) fn check_marker(
        &self,
        header: &BatchHeader,
        marker: &Marker,
        origin: Origin,
    ) -> Result<(), AppendError> {
        let strict = matches!(origin, Origin::Marker { transaction_version: 2.. });
        let epoch = header.producer_epoch;
        // A marker that is sent again after its transaction ended does no harm.
        let again = epoch == self.epoch && self.transaction_start < 0;
        if epoch < self.epoch || (strict && epoch == self.epoch && !again) {
            return Err(self.fenced(header));
        }
        if marker.coordinator_epoch < self.coordinator_epoch {
            return Err(AppendError::CoordinatorFenced {
                epoch: marker.coordinator_epoch,
                current: self.coordinator_epoch,
            });
        }
        Ok(())
    }

    fn fenced(&self, header: &BatchHeader) -> AppendError {
        AppendError::InvalidProducerEpoch {
            producer_id: self.id,
            epoch: header.producer_epoch,
            current: self.epoch,
        }
    }

    /// Remembers a batch. Returns whether it begins a transaction.
    pub(super) fn add_batch(&mut self, header: &BatchHeader) -> bool {
        self.take_epoch(header.producer_epoch);
        self.push(BatchMeta {
            last_sequence: header.last_sequence(),
            last_offset: header.last_offset(),
            offset_delta: header.last_offset_delta,
            timestamp: header.max_timestamp,
        });
        self.last_timestamp = header.max_timestamp;
        let begins = header.is_transactional() && self.transaction_start < 0;
        if begins {
            self.transaction_start = header.base_offset;
        }
        begins
    }

    pub(super) fn end_transaction(&mut self, epoch: i16, marker: &Marker) {
        self.take_epoch(epoch);
        self.transaction_start = NO_OFFSET;
        self.coordinator_epoch = marker.coordinator_epoch;
        self.last_timestamp = marker.timestamp;
    }

    /// The producer is known to have come to this epoch.
    pub(super) fn note_epoch(&mut self, epoch: i16) {
        if epoch > self.epoch {
            self.take_epoch(epoch);
        }
    }

    fn take_epoch(&mut self, epoch: i16) {
        if self.epoch != epoch {
            self.epoch = epoch;
            self.count = 0;
        }
    }

    fn push(&mut self, batch: BatchMeta) {
        if usize::from(self.count) == BATCHES {
            self.batches.rotate_left(1);
            self.count -= 1;
        }
        self.batches[usize::from(self.count)] = batch;
        self.count += 1;
    }

    fn batches(&self) -> &[BatchMeta] {
        &self.batches[..usize::from(self.count)]
    }
}

fn follows(last: i32, next: i32) -> bool {
    i64::from(next) == i64::from(last) + 1 || (next == 0 && last == i32::MAX)
}
