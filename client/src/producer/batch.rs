//! Records of one partition on their way to the broker together.

use std::time::Duration;

use bytes::Bytes;
use protocol::record::{BatchBuilder, BatchOptions, Codec, RecordBatch, patch};
use tokio::time::Instant;

use super::accumulator::Settings;
use super::record::{Record, RecordMetadata};
use super::reply::Reply;
use crate::TopicPartition;
use crate::error::ProduceError;
use crate::limits;

/// What tells a broker that it has a batch already (KIP-98).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Numbering {
    pub(super) producer_id: i64,
    pub(super) epoch: i16,
    pub(super) base_sequence: i32,
}

/// What a batch holds of the producer until it is done.
#[derive(Debug, Clone, Copy)]
pub(super) struct Held {
    pub(super) id: u64,
    /// Bytes of `buffer.memory`.
    pub(super) charged: usize,
}

#[derive(Debug)]
enum Body {
    /// Takes records.
    Open(BatchBuilder),
    /// As it goes on the wire.
    Closed(Bytes),
}

/// The id of a batch that is built outside of its queue.
pub(super) const UNQUEUED: u64 = u64::MAX;

/// A batch and who waits for its records.
#[derive(Debug)]
pub(super) struct Batch {
    /// Counts up in the order of a queue; the parts of a split batch keep it.
    pub(super) id: u64,
    pub(super) partition: TopicPartition,
    body: Body,
    codec: Codec,
    /// With the records' timestamps.
    pub(super) replies: Vec<(Reply, i64)>,
    /// Records in it, more than `replies` where one reply stands for all.
    pub(super) count: usize,
    /// Bytes of `buffer.memory` that it holds.
    pub(super) charged: usize,
    /// Whether it must arrive as one batch.
    pub(super) is_whole: bool,
    pub(super) created: Instant,
    pub(super) attempts: u32,
    /// When it may be sent again.
    pub(super) not_before: Option<Instant>,
    pub(super) numbering: Option<Numbering>,
    pub(super) last_error: Option<ProduceError>,
}

impl Batch {
    pub(super) fn new(
        id: u64,
        partition: TopicPartition,
        codec: Codec,
        capacity: usize,
        now: Instant,
    ) -> Self {
        let options = BatchOptions { codec, ..BatchOptions::default() };
        Self {
            id,
            partition,
            body: Body::Open(BatchBuilder::with_capacity(options, capacity)),
            codec,
            replies: Vec::new(),
            count: 0,
            charged: 0,
            is_whole: false,
            created: now,
            attempts: 0,
            not_before: None,
            numbering: None,
            last_error: None,
        }
    }

    /// What goes on the wire, once the batch is closed.
    pub(super) fn bytes(&self) -> Bytes {
        match &self.body {
            Body::Closed(bytes) => bytes.clone(),
            Body::Open(_) => Bytes::new(),
        }
    }

    /// Bytes so far; before compression while the batch is open.
    pub(super) fn size(&self) -> usize {
        match &self.body {
            Body::Open(builder) => builder.size(),
            Body::Closed(bytes) => bytes.len(),
        }
    }

    pub(super) fn is_open(&self) -> bool {
        matches!(self.body, Body::Open(_))
    }

    /// Whether it waits for no more records.
    pub(super) fn is_full(&self, settings: &Settings) -> bool {
        !self.is_open() || self.is_whole || self.size() >= settings.batch_size
    }

    /// Appends a record, unless the batch is complete or would grow beyond `limit`. The first
    /// record always fits.
    pub(super) fn try_append(
        &mut self,
        record: &Record,
        timestamp_ms: i64,
        bytes_most: usize,
        limit: usize,
    ) -> bool {
        let Body::Open(builder) = &mut self.body else { return false };
        if self.is_whole {
            return false;
        }
        if !builder.is_empty() && builder.size() + bytes_most > limit {
            return false;
        }
        let headers = record.wire_headers();
        let (key, value) = (record.key.as_deref(), record.value.as_deref());
        builder.append(timestamp_ms, key, value, &headers);
        self.count += 1;
        self.charged += bytes_most;
        true
    }

    /// Closes the batch if it is open, numbered as given, and answers the bytes to send.
    pub(super) fn close(&mut self, numbering: Option<Numbering>) -> Bytes {
        let body = std::mem::replace(&mut self.body, Body::Closed(Bytes::new()));
        let bytes = match body {
            Body::Open(mut builder) => {
                if let Some(numbering) = numbering {
                    let Numbering { producer_id, epoch, base_sequence } = numbering;
                    builder.set_producer(producer_id, epoch, base_sequence);
                }
                builder.finish()
            }
            Body::Closed(bytes) if numbering == self.numbering => bytes,
            Body::Closed(bytes) => renumber(bytes, numbering),
        };
        self.numbering = numbering;
        self.body = Body::Closed(bytes.clone());
        bytes
    }

    /// What to give back once everybody has been told.
    pub(super) fn held(&self) -> Held {
        Held { id: self.id, charged: self.charged }
    }

    /// The sequence after the last record's.
    pub(super) fn next_sequence(&self) -> Option<i32> {
        self.numbering.map(|numbering| advance(numbering.base_sequence, self.count))
    }

    pub(super) fn expires_at(&self, delivery_timeout: Duration) -> Instant {
        self.created + delivery_timeout
    }

    /// Tells everybody where their records are.
    pub(super) fn complete(self, base_offset: Option<i64>, append_time_ms: Option<i64>) {
        let mut metadata = RecordMetadata {
            topic: self.partition.topic,
            partition: self.partition.partition,
            offset: None,
            timestamp_ms: 0,
        };
        for ((reply, timestamp_ms), index) in self.replies.into_iter().zip(0..) {
            metadata.offset = base_offset.map(|base| base + index);
            metadata.timestamp_ms = append_time_ms.unwrap_or(timestamp_ms);
            reply.send(Ok(&metadata));
        }
    }

    /// Tells everybody that their records were not written, as far as is known.
    pub(super) fn fail(self, error: &ProduceError) {
        for (reply, _) in self.replies {
            reply.send(Err(error));
        }
    }

    /// The same records in batches of at most `limit` bytes, numbered on from this one's start.
    pub(super) fn split(mut self, limit: usize) -> Result<Vec<Self>, Box<(Self, String)>> {
        let bytes = self.close(self.numbering);
        let payload = RecordBatch::parse(&bytes)
            .and_then(|batch| batch.payload(limits::BATCH_UNCOMPRESSED_BYTES_MAX));
        let payload = match payload {
            Ok(payload) => payload,
            Err(error) => return Err(Box::new((self, error.to_string()))),
        };
        let mut builders: Vec<(BatchBuilder, Numbering)> = Vec::new();
        let mut sequence = self.numbering.map(|numbering| numbering.base_sequence);
        for record in payload.records() {
            let record = match record {
                Ok(record) => record,
                Err(error) => return Err(Box::new((self, error.to_string()))),
            };
            let fits =
                |(builder, _): &(BatchBuilder, Numbering)| builder.size() + record.size <= limit;
            if !builders.last().is_some_and(fits) {
                let options = BatchOptions { codec: self.codec, ..BatchOptions::default() };
                let numbering = self.numbering.unwrap_or(UNNUMBERED);
                let base_sequence = sequence.unwrap_or(UNNUMBERED.base_sequence);
                let start = Numbering { base_sequence, ..numbering };
                builders.push((BatchBuilder::new(options), start));
            }
            let headers: Vec<_> = record.headers.collect();
            let builder = builders.last_mut().map(|(builder, _)| builder);
            let builder = builder.expect("one was pushed where there was none");
            builder.append(record.timestamp, record.key, record.value, &headers);
            sequence = sequence.map(|sequence| advance(sequence, 1));
        }
        Ok(self.distribute(builders))
    }

    fn distribute(self, builders: Vec<(BatchBuilder, Numbering)>) -> Vec<Self> {
        let is_numbered = self.numbering.is_some();
        let mut replies = self.replies.into_iter();
        let mut charged = self.charged;
        let parts = builders.into_iter().map(|(builder, numbering)| {
            let count = builder.count();
            let mut part = Self {
                id: self.id,
                partition: self.partition.clone(),
                body: Body::Open(builder),
                codec: self.codec,
                replies: replies.by_ref().take(count).collect(),
                count,
                // The first part keeps what the whole holds, until it is done.
                charged: std::mem::take(&mut charged),
                is_whole: false,
                created: self.created,
                attempts: self.attempts,
                not_before: None,
                numbering: None,
                last_error: self.last_error.clone(),
            };
            part.close(is_numbered.then_some(numbering));
            part
        });
        parts.collect()
    }
}

const UNNUMBERED: Numbering = Numbering { producer_id: -1, epoch: -1, base_sequence: -1 };

/// Sequences count up to the largest int32 and start again at 0.
pub(super) fn advance(sequence: i32, count: usize) -> i32 {
    let next = (i64::from(sequence) + count as i64) % (i64::from(i32::MAX) + 1);
    i32::try_from(next).expect("the remainder is below 2^31")
}

fn renumber(bytes: Bytes, numbering: Option<Numbering>) -> Bytes {
    let Numbering { producer_id, epoch, base_sequence } = numbering.unwrap_or(UNNUMBERED);
    let mut batch = Vec::from(bytes);
    patch::set_producer(&mut batch, producer_id, epoch, base_sequence);
    Bytes::from(batch)
}
