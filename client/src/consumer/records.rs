//! What a poll gives: whole batches, with records as views into them.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use protocol::record::{Payload, RecordBatch, TimestampType};

use crate::TopicPartition;
use crate::error::ConsumeError;
use crate::limits;
use crate::producer::Header;

/// What happened to the assignment of a group's member.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RebalanceEvent {
    /// These partitions go to somebody else. They are still owned until the next `poll`: the time
    /// to finish work and to commit.
    Revoking(Vec<TopicPartition>),
    /// These partitions belong to somebody else already; commits for them are refused.
    Lost(Vec<TopicPartition>),
    /// These partitions are owned from now on. An empty list says that a rebalance has ended
    /// without giving anything.
    Assigned(Vec<TopicPartition>),
}

/// The outcome of a poll. An event comes without records, before the records that it concerns.
#[derive(Debug, Clone, Default)]
pub struct Polled {
    /// Changes of the assignment, in order.
    pub events: Vec<RebalanceEvent>,
    /// Records, in order within each partition.
    pub partitions: Vec<PartitionRecords>,
}

/// Batches of one partition.
#[derive(Debug, Clone)]
pub struct PartitionRecords {
    /// The partition.
    pub partition: TopicPartition,
    /// The offset after the last record that all in-sync replicas had when this was fetched.
    pub high_watermark: i64,
    /// The offset after the last record whose transaction was decided then.
    pub last_stable_offset: i64,
    /// The position after these batches.
    pub next_offset: i64,
    /// The batches in order.
    pub batches: Vec<FetchedBatch>,
}

/// A batch as the broker keeps it.
#[derive(Debug, Clone)]
pub struct FetchedBatch {
    topic: Arc<str>,
    partition: i32,
    batch: RecordBatch,
    /// Records before this one were not asked for.
    from_offset: i64,
}

/// A record that was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConsumerRecord {
    /// The topic.
    pub topic: Arc<str>,
    /// The partition.
    pub partition: i32,
    /// Its place in the partition.
    pub offset: i64,
    /// Its timestamp.
    pub timestamp_ms: i64,
    /// Who set the timestamp.
    pub timestamp_type: TimestampType,
    /// The epoch of the leader that took it, where known.
    pub leader_epoch: Option<i32>,
    /// The key.
    pub key: Option<Bytes>,
    /// The value; `None` is a tombstone.
    pub value: Option<Bytes>,
    /// Headers in order.
    pub headers: Vec<Header>,
}

impl Polled {
    /// Whether there are neither records nor events.
    pub fn is_empty(&self) -> bool {
        self.events.is_empty() && self.partitions.is_empty()
    }

    /// How many records there are at most; fewer where a position lies within a batch.
    pub fn count_at_most(&self) -> usize {
        self.partitions.iter().map(PartitionRecords::count_at_most).sum()
    }

    /// All records, partition by partition.
    pub fn records(&self) -> impl Iterator<Item = Result<ConsumerRecord, ConsumeError>> + '_ {
        self.partitions.iter().flat_map(PartitionRecords::records)
    }

    /// The positions after these records.
    pub fn next_offsets(&self) -> BTreeMap<TopicPartition, i64> {
        self.partitions.iter().map(|p| (p.partition.clone(), p.next_offset)).collect()
    }
}

impl PartitionRecords {
    /// How many records there are at most.
    pub fn count_at_most(&self) -> usize {
        self.batches.iter().map(FetchedBatch::count_at_most).sum()
    }

    /// The records in order. After an error of one batch come the records of the next.
    pub fn records(&self) -> impl Iterator<Item = Result<ConsumerRecord, ConsumeError>> + '_ {
        self.batches.iter().flat_map(|batch| {
            let (records, error) = match batch.records() {
                Ok(records) => (records, None),
                Err(error) => (Vec::new(), Some(Err(error))),
            };
            records.into_iter().map(Ok).chain(error)
        })
    }
}

impl FetchedBatch {
    pub(super) fn new(partition: &TopicPartition, batch: RecordBatch, from_offset: i64) -> Self {
        let (topic, partition) = (partition.topic.clone(), partition.partition);
        Self { topic, partition, batch, from_offset }
    }

    /// The batch with its header.
    pub fn batch(&self) -> &RecordBatch {
        &self.batch
    }

    /// The first offset that was asked for; a batch may start before it.
    pub fn from_offset(&self) -> i64 {
        self.from_offset
    }

    /// How many records there are at most.
    pub fn count_at_most(&self) -> usize {
        usize::try_from(self.batch.count).unwrap_or(0)
    }

    /// The records decompressed, as the cheapest views. Some may lie before
    /// [`Self::from_offset`].
    pub fn payload(&self) -> Result<Payload, ConsumeError> {
        let payload = self.batch.payload(limits::BATCH_UNCOMPRESSED_BYTES_MAX);
        payload.map_err(|error| self.corrupt(error.to_string()))
    }

    /// The records in order, sharing the batch's bytes.
    pub fn records(&self) -> Result<Vec<ConsumerRecord>, ConsumeError> {
        let payload = self.payload()?;
        let timestamp_type = self.batch.timestamp_type();
        let leader_epoch = (self.batch.leader_epoch >= 0).then_some(self.batch.leader_epoch);
        let mut records = Vec::with_capacity(self.count_at_most());
        for record in payload.records() {
            let record = record.map_err(|error| self.corrupt(error.to_string()))?;
            if record.offset < self.from_offset {
                continue;
            }
            let headers = record.headers.map(|header| Header {
                key: header.name().into_owned(),
                value: header.value.map(|value| payload.share(value)),
            });
            records.push(ConsumerRecord {
                topic: self.topic.clone(),
                partition: self.partition,
                offset: record.offset,
                timestamp_ms: record.timestamp,
                timestamp_type,
                leader_epoch,
                key: record.key.map(|key| payload.share(key)),
                value: record.value.map(|value| payload.share(value)),
                headers: headers.collect(),
            });
        }
        Ok(records)
    }

    fn corrupt(&self, reason: String) -> ConsumeError {
        ConsumeError::Corrupt {
            partition: TopicPartition::new(self.topic.clone(), self.partition),
            offset: self.batch.base_offset,
            reason,
        }
    }
}
