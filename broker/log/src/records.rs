//! The records inside a batch, for the few places that have to look at them.

use bytes::Bytes;
use protocol::record::control::{self, ControlType};
use protocol::record::{BatchError, Payload, RecordBatch};

use crate::producers::Marker;

/// What a batch may become when it is decompressed.
pub(crate) const MOST_BYTES: usize = 1 << 30;

/// What a control batch says; `None` when it is no end of a transaction.
pub(crate) fn marker(batch: Bytes) -> Result<Option<Marker>, String> {
    let payload = payload(&batch)?;
    let Some(record) = payload.records().next() else { return Ok(None) };
    let record = record.map_err(|error| error.to_string())?;
    let (Some(key), Some(value)) = (record.key, record.value) else {
        return Err("it has no key or no value".into());
    };
    let committed = match ControlType::parse(key).map_err(|error| error.to_string())? {
        ControlType::Commit => true,
        ControlType::Abort => false,
        _ => return Ok(None),
    };
    let coordinator_epoch = control::parse_marker(value).map_err(|error| error.to_string())?;
    Ok(Some(Marker { committed, coordinator_epoch, timestamp: record.timestamp }))
}

/// The first record, by index, offset and timestamp, that is what `wanted` says.
pub(crate) fn find(
    batch: &Bytes,
    wanted: impl Fn(i64, i64) -> bool,
) -> Result<Option<(usize, i64, i64)>, String> {
    let payload = payload(batch)?;
    for (index, record) in payload.records().enumerate() {
        let record = record.map_err(|error| error.to_string())?;
        if wanted(record.offset, record.timestamp) {
            return Ok(Some((index, record.offset, record.timestamp)));
        }
    }
    Ok(None)
}

fn payload(batch: &Bytes) -> Result<Payload, String> {
    let parsed = RecordBatch::parse(batch).and_then(|batch| batch.payload(MOST_BYTES));
    parsed.map_err(|error: BatchError| error.to_string())
}
