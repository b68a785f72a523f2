//! Batches of metadata records, as they are in the log and in snapshots.

use bytes::Bytes;
use protocol::record::{self, RecordBatch};
use thiserror::Error;

use crate::records::{MetadataRecord, RecordError};

/// Why bytes are not the batches that should be there.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum BatchError {
    /// The bytes are damaged. `position` counts from the start of what was given to be read.
    #[error("the batch at byte {position}, where offset {offset} should be: {source}")]
    Batch { position: usize, offset: i64, source: record::BatchError },
    #[error("the batch at byte {position} has the offsets {first} to {last}: {offset} is missing")]
    Offset { position: usize, offset: i64, first: i64, last: i64 },
    #[error("the record at offset {offset} has no value")]
    NoValue { offset: i64 },
    #[error("the record at offset {offset}: {source}")]
    Record { offset: i64, source: RecordError },
    /// Of [`decode_batch`], which does not know where the batch lies.
    #[error(transparent)]
    Damaged(#[from] record::BatchError),
}

/// The records of one batch, in order and without gaps.
#[derive(Clone, Debug, PartialEq)]
pub struct MetadataBatch {
    /// The offset of the first record.
    pub base_offset: i64,
    /// The offset after the last one.
    pub end_offset: i64,
    /// The epoch of the controller that wrote it.
    pub epoch: i32,
    /// When it was written.
    pub timestamp_ms: i64,
    pub records: Vec<MetadataRecord>,
}

/// The records of a batch; its CRC is not looked at. `None` for control records, which are the
/// quorum's own.
pub fn decode_batch(batch: &RecordBatch) -> Result<Option<MetadataBatch>, BatchError> {
    if batch.is_control() {
        return Ok(None);
    }
    let payload = batch.payload(record::DECOMPRESSED_LIMIT)?;
    let mut records = Vec::new();
    for record in payload.records() {
        let record = record?;
        let offset = record.offset;
        let value = record.value.ok_or(BatchError::NoValue { offset })?;
        let decoded = MetadataRecord::decode(payload.share(value));
        records.push(decoded.map_err(|source| BatchError::Record { offset, source })?);
    }
    Ok(Some(MetadataBatch {
        base_offset: batch.base_offset,
        end_offset: batch.next_offset(),
        epoch: batch.leader_epoch,
        timestamp_ms: batch.max_timestamp,
        records,
    }))
}

/// The batches of metadata in `bytes`, which begin with the one that has the record at `offset`.
/// Control batches are passed over; CRCs and offsets are checked. Ends after the first error;
/// bytes that end within a batch are one.
pub fn batches(
    bytes: &Bytes,
    offset: i64,
) -> impl Iterator<Item = Result<MetadataBatch, BatchError>> {
    RawBatches::new(bytes, offset).filter_map(|batch| match batch {
        Ok((position, batch)) => decode_at(position, &batch).transpose(),
        Err(problem) => Some(Err(problem)),
    })
}

/// Like [`decode_batch`], for a batch of which it is known where it lies.
pub(crate) fn decode_at(
    position: usize,
    batch: &RecordBatch,
) -> Result<Option<MetadataBatch>, BatchError> {
    decode_batch(batch).map_err(|problem| match problem {
        BatchError::Damaged(source) => {
            BatchError::Batch { position, offset: batch.base_offset, source }
        }
        problem => problem,
    })
}

/// Whole batches with where they lie, one after the other in bytes and offsets.
#[derive(Debug)]
pub(crate) struct RawBatches {
    batches: record::Batches,
    position: usize,
    offset: i64,
    is_first: bool,
    has_failed: bool,
}

impl RawBatches {
    pub(crate) fn new(bytes: &Bytes, offset: i64) -> Self {
        let batches = record::batches(bytes);
        Self { batches, position: 0, offset, is_first: true, has_failed: false }
    }

    /// How many bytes were passed.
    pub(crate) fn position(&self) -> usize {
        self.position
    }

    fn check(&mut self, batch: RecordBatch) -> Result<(usize, RecordBatch), BatchError> {
        let (position, offset) = (self.position, self.offset);
        let damaged = |source| BatchError::Batch { position, offset, source };
        batch.check_crc().map_err(damaged)?;
        let (first, last) = (batch.base_offset, batch.last_offset());
        let is_next = first == offset || self.is_first && first < offset;
        if !is_next || last < offset {
            return Err(BatchError::Offset { position, offset, first, last });
        }
        self.is_first = false;
        self.offset = batch.next_offset();
        self.position += batch.size();
        Ok((position, batch))
    }
}

impl Iterator for RawBatches {
    type Item = Result<(usize, RecordBatch), BatchError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.has_failed {
            return None;
        }
        let (position, offset) = (self.position, self.offset);
        let batch = self.batches.next()?;
        let batch = batch.map_err(|source| BatchError::Batch { position, offset, source });
        let batch = batch.and_then(|batch| self.check(batch));
        self.has_failed = batch.is_err();
        Some(batch)
    }
}
