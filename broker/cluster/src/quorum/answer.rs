//! Puts the records into an answer of the machine.

use broker_log::{ReadError, StorageError};
use broker_raft::{Fill, LogView as _, Response};
use protocol::record::Records;
use thiserror::Error;

use super::log::MetadataLog;

/// Why records for another node can't be read.
#[derive(Debug, Error)]
pub(super) enum FillError {
    #[error(transparent)]
    Log(#[from] ReadError),
    #[error(transparent)]
    Snapshot(#[from] StorageError),
}

/// Reads what an answer is to carry. Only what is synced leaves this node, so that nobody builds
/// on what it may have to take back.
pub(super) fn fill(
    response: &mut Response,
    fill: Fill,
    log: &MetadataLog,
) -> Result<(), FillError> {
    match (fill, response) {
        (Fill::Log { offset, max_bytes }, Response::Fetch(response)) => {
            let most = usize::try_from(max_bytes).unwrap_or(0);
            let slice = log.read(offset, log.synced_end(), most)?;
            let bytes = slice.map(|slice| slice.bytes).unwrap_or_default();
            let partitions = response.responses.iter_mut().flat_map(|topic| &mut topic.partitions);
            for partition in partitions {
                partition.records = Some(Records::Bytes(bytes.clone()));
            }
        }
        (Fill::Snapshot { id, position, max_bytes }, Response::FetchSnapshot(response)) => {
            let bytes = log.snapshots().read(id, position, max_bytes)?;
            let partitions = response.topics.iter_mut().flat_map(|topic| &mut topic.partitions);
            for partition in partitions {
                partition.unaligned_records = Some(Records::Bytes(bytes.clone()));
            }
        }
        _ => {}
    }
    Ok(())
}
