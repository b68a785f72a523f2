//! Records to batches and back.

use bytes::Bytes;
use protocol::EncodeError;
use protocol::record::{BatchBuilder, BatchOptions, Codec, RecordBatch, batches};
use tracing::{error, warn};

use super::{LogWriter, ReadError};
use crate::limits::{BATCH_BYTES, DECOMPRESSED_BYTES};
use crate::{Record, Settings, Shard};

/// The records as batches, each of them small enough for a topic with default limits, if its
/// records are.
pub(super) fn encode(
    records: &[Record],
    codec: Codec,
    now_ms: i64,
) -> Result<Vec<Bytes>, EncodeError> {
    let fresh = || BatchBuilder::new(BatchOptions { codec, ..BatchOptions::default() });
    let mut done = Vec::new();
    let mut builder = fresh();
    for record in records {
        let (key, value) = record.encode()?;
        let bytes = BatchBuilder::most_bytes(Some(&key), value.as_deref(), &[]);
        if !builder.is_empty() && builder.size() + bytes > BATCH_BYTES {
            done.push(std::mem::replace(&mut builder, fresh()).finish());
        }
        builder.append(now_ms, Some(&key), value.as_deref(), &[]);
    }
    if !builder.is_empty() {
        done.push(builder.finish());
    }
    Ok(done)
}

/// The shard of a partition as its log tells it.
pub(super) fn load(
    settings: &Settings,
    log: &dyn LogWriter,
    partition: i32,
) -> Result<Shard, ReadError> {
    let mut shard = Shard::new(settings.clone());
    let mut offset = log.start_offset(partition);
    loop {
        let bytes = log.read(partition, offset)?;
        if bytes.is_empty() {
            return Ok(shard);
        }
        let before = offset;
        for batch in batches(&bytes) {
            let batch = batch.map_err(damaged)?;
            if batch.next_offset() > offset {
                if let Err(problem) = replay(&mut shard, &batch, offset, partition) {
                    // The groups of the partition go on without it rather than not at all.
                    let base_offset = batch.base_offset;
                    error!(partition, base_offset, %problem, "skipping a damaged batch of groups");
                }
                offset = batch.next_offset();
            }
        }
        if offset == before {
            return Err(damaged(format!("no batch goes beyond offset {offset}")));
        }
    }
}

fn replay(
    shard: &mut Shard,
    batch: &RecordBatch,
    from: i64,
    partition: i32,
) -> Result<(), ReadError> {
    // Control batches and transactional offsets are of transactions, which no group here has.
    if batch.is_control() || batch.is_transactional() {
        return Ok(());
    }
    batch.check_crc().map_err(damaged)?;
    let payload = batch.payload(DECOMPRESSED_BYTES).map_err(damaged)?;
    for record in payload.records() {
        let record = record.map_err(damaged)?;
        let Some(key) = record.key.filter(|_| record.offset >= from) else { continue };
        let value = record.value.map(|value| payload.share(value));
        match Record::decode(payload.share(key), value) {
            Ok(Some(decoded)) => shard.replay(&decoded),
            Ok(None) => {}
            Err(error) => {
                let offset = record.offset;
                warn!(partition, offset, %error, "skipping a record that cannot be read");
            }
        }
    }
    Ok(())
}

fn damaged(error: impl ToString) -> ReadError {
    ReadError::Batch { reason: error.to_string() }
}
