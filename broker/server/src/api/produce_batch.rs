//! What a producer's batch must be to be appended, as Kafka has it:
//!
//! - one batch of format 2, no larger than `max.message.bytes`, with a good CRC; as many records as
//!   its offsets say; neither a control batch nor a transactional one
//! - whole records, to the last byte, whose offsets go up one by one; compressed ones are
//!   decompressed to see that, piece by piece
//! - a key in each record where the topic is compacted, and times within the topic's bounds: all
//!   records that break one of these are told (KIP-467)
//!
//! The largest timestamp of the header becomes that of the records, whatever the producer says, for
//! segments are kept and found by it. Where the topic has a `compression.type` of its own, a batch
//! in another one is compressed anew.

use broker_cluster::partition::ProduceRules;
use broker_log::TopicPartition;
use bytes::Bytes;
use protocol::record::{
    self, BatchBuilder, BatchOptions, Codec, DECOMPRESSED_LIMIT, RecordBatch, RecordRules,
    TimestampType, patch,
};

use super::produce::ProduceRefusal;
use super::record_errors::RefusedRecords;

/// The batch as its topic wants it; of the records that break a rule, so many are listed.
pub(super) fn check_batch(
    bytes: &Bytes,
    partition: &TopicPartition,
    rules: &ProduceRules,
    now_ms: i64,
    listed_at_most: usize,
) -> Result<RecordBatch, ProduceRefusal> {
    let batch = check_header(bytes, rules.max_message_bytes)?;
    let times = rules.time_bounds.map(|bounds| bounds.around(now_ms));
    let of_records = RecordRules { keys: rules.compacted, times: times.clone(), listed_at_most };
    let summary = record::validate_records(&batch, &of_records, DECOMPRESSED_LIMIT)?;
    if summary.broken.count > 0 {
        return Err(RefusedRecords::new(summary.broken, partition.to_string(), times).into());
    }
    match rules.compression {
        Some(codec) if batch.compression()? != codec.compression() => recompress(&batch, codec),
        _ => with_largest_time(batch, summary.max_timestamp),
    }
}

/// What can be told without looking at the records.
fn check_header(bytes: &Bytes, max: u32) -> Result<RecordBatch, ProduceRefusal> {
    if bytes.is_empty() {
        return Err(ProduceRefusal::NotOneBatch);
    }
    let batch = RecordBatch::parse(bytes)?;
    if batch.size() != bytes.len() {
        return Err(ProduceRefusal::NotOneBatch);
    }
    let size = batch.size();
    if u32::try_from(size).is_ok_and(|size| size > max) {
        return Err(ProduceRefusal::TooLarge { size, max });
    }
    record::validate(&batch)?;
    if batch.is_control() {
        return Err(ProduceRefusal::Control);
    }
    if batch.is_transactional() {
        return Err(ProduceRefusal::Transactional);
    }
    Ok(batch)
}

/// The same batch, whose header says what its largest timestamp is: mostly it does already.
fn with_largest_time(batch: RecordBatch, largest: i64) -> Result<RecordBatch, ProduceRefusal> {
    // Times of their append are refused by the log, from whoever says that they are.
    if batch.max_timestamp == largest || batch.timestamp_type() != TimestampType::CreateTime {
        return Ok(batch);
    }
    let mut bytes = batch.bytes().to_vec();
    patch::set_max_timestamp(&mut bytes, TimestampType::CreateTime, largest);
    Ok(RecordBatch::parse(&bytes.into())?)
}

/// The same batch in another compression.
fn recompress(batch: &RecordBatch, codec: Codec) -> Result<RecordBatch, ProduceRefusal> {
    let payload = batch.payload(DECOMPRESSED_LIMIT)?;
    let options = BatchOptions {
        codec,
        producer_id: batch.producer_id,
        producer_epoch: batch.producer_epoch,
        base_sequence: batch.base_sequence,
        ..BatchOptions::default()
    };
    let mut builder = BatchBuilder::with_capacity(options, payload.bytes().len());
    for record in payload.records() {
        let record = record?;
        let headers: Vec<_> = record.headers.collect();
        builder.append(record.timestamp, record.key, record.value, &headers);
    }
    Ok(RecordBatch::parse(&builder.finish())?)
}
