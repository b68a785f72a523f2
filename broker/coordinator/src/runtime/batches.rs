//! Records to batches and back.

use bytes::Bytes;
use protocol::EncodeError;
use protocol::record::{BatchBuilder, BatchOptions, Codec, RecordBatch, batches};
use tracing::{error, warn};

use super::{LogWriter, ReadError};
use crate::limits::DECOMPRESSED_BYTES;
use crate::{Record, Settings, Shard};

/// A batch, and how many of the records are in it: the first ones, as many as fit into `room` bytes
/// before they are compressed, at least one. No more memory than that is taken.
pub(super) fn encode(
    records: &[Record],
    codec: Codec,
    now_ms: i64,
    room: usize,
) -> Result<(Bytes, usize), EncodeError> {
    let mut builder = BatchBuilder::new(BatchOptions { codec, ..BatchOptions::default() });
    let mut count = 0;
    for record in records {
        let (key, value) = record.encode()?;
        let bytes = BatchBuilder::most_bytes(Some(&key), value.as_deref(), &[]);
        if !builder.is_empty() && builder.size() + bytes > room {
            break;
        }
        builder.append(now_ms, Some(&key), value.as_deref(), &[]);
        count += 1;
    }
    Ok((builder.finish(), count))
}

/// The shard of a partition as its log tells it, and the offset behind the last record.
pub(super) fn load(
    settings: &Settings,
    log: &dyn LogWriter,
    partition: i32,
) -> Result<(Shard, i64), ReadError> {
    let mut shard = Shard::new(settings.clone());
    let mut offset = log.start_offset(partition);
    loop {
        let bytes = log.read(partition, offset)?;
        if bytes.is_empty() {
            return Ok((shard, offset));
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

/// Takes a batch over as a whole: the records of a step are in one batch, so one of which some
/// can't be reached says nothing.
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
    let mut decoded = Vec::new();
    for record in payload.records() {
        let record = record.map_err(damaged)?;
        let Some(key) = record.key.filter(|_| record.offset >= from) else { continue };
        let value = record.value.map(|value| payload.share(value));
        match Record::decode(payload.share(key), value) {
            Ok(record) => decoded.extend(record),
            Err(error) => {
                let offset = record.offset;
                warn!(partition, offset, %error, "skipping a record that cannot be read");
            }
        }
    }
    decoded.iter().for_each(|record| shard.replay(record));
    Ok(())
}

fn damaged(error: impl ToString) -> ReadError {
    ReadError::Batch { reason: error.to_string() }
}
