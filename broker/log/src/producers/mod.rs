//! What the log knows of idempotent and transactional producers: their last batches, to tell
//! duplicates and gaps, and their open transactions, to tell what is stable.
//!
//! An append is checked with [`ProducerStates::stage`] before it is written and becomes part
//! of the state with [`ProducerStates::commit`] after that; nothing is allocated in between.

mod producer;
mod snapshot;

use std::collections::{BTreeMap, HashMap};

pub(crate) use producer::{BatchMeta, Producer};
use protocol::record::BatchHeader;
pub use snapshot::SnapshotError;
pub(crate) use snapshot::decode_snapshot;

use crate::error::AppendError;
use crate::index::AbortedEntry;

/// Who wrote a batch, which decides what is checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// A client's produce request: epochs and sequence numbers.
    Client,
    /// A coordinator of this broker, writing records of its own: epochs.
    Coordinator,
    /// A coordinator ending transactions: epochs, by the rules of a `transaction.version`.
    Marker { transaction_version: i16 },
}

/// The control record that ends a transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Marker {
    pub(crate) committed: bool,
    pub(crate) coordinator_epoch: i32,
    pub(crate) timestamp: i64,
}

#[derive(Clone, Copy, Debug)]
enum TransactionEvent {
    Started { producer_id: i64, first_offset: i64 },
    Ended { producer_id: i64, first_offset: i64, marker_offset: i64, committed: bool },
}

#[derive(Debug, Default)]
pub(crate) struct ProducerStates {
    producers: HashMap<i64, Producer>,
    /// First offsets of open transactions, with their producers.
    ongoing: BTreeMap<i64, i64>,
    /// First offsets of transactions whose marker, at the offset here, is not replicated.
    unreplicated: BTreeMap<i64, i64>,
    /// All batches below this offset are accounted for.
    end_offset: i64,
    staged: Vec<Producer>,
    events: Vec<TransactionEvent>,
}

impl ProducerStates {
    pub(crate) fn end_offset(&self) -> i64 {
        self.end_offset
    }

    /// All producers, in no order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Producer> {
        self.producers.values()
    }

    /// The batch that was appended before with the same sequence numbers.
    pub(crate) fn duplicate_of(&self, header: &BatchHeader) -> Option<BatchMeta> {
        if !header.has_producer_id() || self.producers.is_empty() {
            return None;
        }
        let producer = self.producers.get(&header.producer_id)?;
        producer.find(header.producer_epoch, header.base_sequence, header.last_sequence())
    }

    /// Begins a new append, forgetting one that was staged and not written.
    pub(crate) fn begin(&mut self) {
        self.staged.clear();
        self.events.clear();
    }

    /// Checks a batch that has its final offsets and notes what it changes. `origin` is
    /// `None` for what a leader, or this log itself, checked before. A batch that is refused
    /// leaves those staged before it as they are.
    pub(crate) fn stage(
        &mut self,
        header: &BatchHeader,
        marker: Option<Marker>,
        origin: Option<Origin>,
    ) -> Result<(), AppendError> {
        if !header.has_producer_id() {
            return Ok(());
        }
        let index = self.stage_producer(header.producer_id);
        let producer = &mut self.staged[index];
        if header.is_control() {
            // A control batch without a record is the rest of a compacted transaction, which
            // stays for its epoch.
            let Some(marker) = marker else {
                producer.note_epoch(header.producer_epoch);
                return Ok(());
            };
            if let Some(origin) = origin {
                producer.check_marker(header, &marker, origin)?;
            }
            if let Some(first_offset) = producer.transaction_start() {
                self.events.push(TransactionEvent::Ended {
                    producer_id: header.producer_id,
                    first_offset,
                    marker_offset: header.base_offset,
                    committed: marker.committed,
                });
            }
            producer.end_transaction(header.producer_epoch, &marker);
            return Ok(());
        }
        if let Some(origin) = origin {
            producer.check_batch(header, origin)?;
        }
        if producer.add_batch(header) {
            let (producer_id, first_offset) = (header.producer_id, header.base_offset);
            self.events.push(TransactionEvent::Started { producer_id, first_offset });
        }
        Ok(())
    }

    fn stage_producer(&mut self, producer_id: i64) -> usize {
        if let Some(index) = self.staged.iter().position(|staged| staged.id == producer_id) {
            return index;
        }
        let known = self.producers.get(&producer_id).copied();
        self.staged.push(known.unwrap_or_else(|| Producer::new(producer_id)));
        self.staged.len() - 1
    }

    /// Takes over what was staged; `aborted` gets each transaction that ended so.
    pub(crate) fn commit(&mut self, end_offset: i64, mut aborted: impl FnMut(AbortedEntry)) {
        for producer in self.staged.drain(..) {
            self.producers.insert(producer.id, producer);
        }
        for index in 0..self.events.len() {
            match self.events[index] {
                TransactionEvent::Started { producer_id, first_offset } => {
                    self.ongoing.insert(first_offset, producer_id);
                }
                TransactionEvent::Ended { producer_id, first_offset, marker_offset, committed } => {
                    self.ongoing.remove(&first_offset);
                    if !committed {
                        let oldest = self.ongoing.keys().next().copied();
                        let last_stable_offset = oldest.unwrap_or(marker_offset + 1);
                        let last_offset = marker_offset;
                        aborted(AbortedEntry {
                            producer_id,
                            first_offset,
                            last_offset,
                            last_stable_offset,
                        });
                    }
                    self.unreplicated.insert(first_offset, marker_offset);
                }
            }
        }
        self.events.clear();
        self.end_offset = end_offset;
    }

    /// The first offset of a transaction that is open, or whose end is not replicated.
    pub(crate) fn first_unstable_offset(&self) -> Option<i64> {
        let first = |offsets: &BTreeMap<i64, i64>| offsets.keys().next().copied();
        match (first(&self.ongoing), first(&self.unreplicated)) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        }
    }

    /// Transactions whose marker lies below are stable now.
    pub(crate) fn on_high_watermark(&mut self, high_watermark: i64) {
        if !self.unreplicated.is_empty() {
            self.unreplicated.retain(|_, marker| *marker >= high_watermark);
        }
    }

    /// All below was removed from the log.
    pub(crate) fn on_log_start(&mut self, log_start_offset: i64) {
        self.on_high_watermark(log_start_offset);
        self.end_offset = self.end_offset.max(log_start_offset);
    }

    /// Forgets producers without an open transaction that have been quiet for so long.
    pub(crate) fn expire(&mut self, now_ms: i64, expiration_ms: i64) -> usize {
        let before = self.producers.len();
        self.producers.retain(|_, producer| !producer.is_expired(now_ms, expiration_ms));
        before - self.producers.len()
    }

    /// There are no batches of producers up to an offset.
    pub(crate) fn advance(&mut self, end_offset: i64) {
        self.end_offset = self.end_offset.max(end_offset);
    }

    /// Forgets everything; the state is that of a log's part before `end_offset`, empty.
    pub(crate) fn reset(&mut self, end_offset: i64) {
        *self = Self { end_offset, ..Self::default() };
    }

    fn restore(&mut self, producer: Producer) {
        if let Some(first_offset) = producer.transaction_start() {
            self.ongoing.insert(first_offset, producer.id);
        }
        self.producers.insert(producer.id, producer);
    }
}
