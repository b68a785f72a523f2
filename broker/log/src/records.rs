//! The records inside a batch, for the few places that have to look at them.

use bytes::Bytes;
use protocol::record::control::{self, ControlType};
use protocol::record::{BatchError, Payload, RecordBatch};

use crate::producers::Marker;

/// What a control batch may become when it is decompressed: it has one record of some ten bytes.
const CONTROL_BYTES: usize = 64 * 1024;

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

fn payload(batch: &Bytes) -> Result<Payload, String> {
    let parsed = RecordBatch::parse(batch).and_then(|batch| batch.payload(CONTROL_BYTES));
    parsed.map_err(|error: BatchError| error.to_string())
}
