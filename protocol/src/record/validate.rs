//! What a leader checks before it appends a batch that a producer made.

use crate::record::{BatchError, RecordBatch};

/// What a walk over all records of a batch found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RecordsSummary {
    pub count: usize,
    /// The bytes of the records when they are not compressed.
    pub uncompressed_size: usize,
    /// The greatest timestamp, and the offset of the first record that has it.
    pub max_timestamp: i64,
    pub offset_of_max_timestamp: i64,
    /// The index of the first record without a key: a compacted topic refuses the batch.
    pub first_without_key: Option<usize>,
}

/// Everything that can be told without decompressing: the CRC and [`validate_header`].
pub fn validate(batch: &RecordBatch) -> Result<(), BatchError> {
    batch.check_crc()?;
    validate_header(batch)
}

/// Checks that the number of records, the offsets and the sequence numbers agree. This is for
/// batches from producers: compaction leaves offsets out, which is right in a log.
pub fn validate_header(batch: &RecordBatch) -> Result<(), BatchError> {
    let header = batch.header();
    let (count, last_offset_delta) = (header.count, header.last_offset_delta);
    let bytes = header.size() - super::BATCH_OVERHEAD;
    if count <= 0 || bytes == 0 {
        return Err(BatchError::Count { count, bytes });
    }
    if i64::from(last_offset_delta) + 1 != i64::from(count) {
        return Err(BatchError::OffsetRange { count, last_offset_delta });
    }
    if header.has_producer_id() && header.base_sequence < 0 && !header.is_control() {
        return Err(BatchError::Sequence { base_sequence: header.base_sequence });
    }
    header.compression().map(|_| ())
}

/// Walks over all records, decompressed to at most `limit` bytes: each must be whole, their
/// offsets must go up one by one, and nothing may follow the last.
pub fn validate_records(batch: &RecordBatch, limit: usize) -> Result<RecordsSummary, BatchError> {
    let payload = batch.payload(limit)?;
    let mut summary = RecordsSummary {
        uncompressed_size: payload.bytes().len(),
        max_timestamp: -1,
        offset_of_max_timestamp: -1,
        ..RecordsSummary::default()
    };
    let mut records = payload.records();
    for record in records.by_ref() {
        let (record, index) = (record?, summary.count);
        if usize::try_from(record.offset_delta) != Ok(index) {
            return Err(BatchError::OffsetDelta { index, delta: record.offset_delta });
        }
        if record.timestamp > summary.max_timestamp {
            summary.max_timestamp = record.timestamp;
            summary.offset_of_max_timestamp = record.offset;
        }
        if record.key.is_none() {
            summary.first_without_key = summary.first_without_key.or(Some(index));
        }
        summary.count += 1;
    }
    match records.unread() {
        0 => Ok(summary),
        bytes => Err(BatchError::Trailing { bytes }),
    }
}
