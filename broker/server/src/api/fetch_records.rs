//! What of a fetch's records is read before its answer begins: where there are few of them, so that
//! they leave with the answer's head, and where reading them may fail, so that the client is told.

use broker_cluster::partition::RecordRange;
use broker_log::StorageError;
use bytes::Bytes;
use protocol::ErrorCode;
use protocol::messages::fetch_response::PartitionData;
use protocol::record::Records;

use super::error::code_of_storage_error;
use crate::answer::Chunk;
use crate::limits::{READ_NOT_SENT, READ_PER_ANSWER};

/// What a response says of a partition, and the records that fill the gap in it.
pub(super) struct Part {
    pub(super) data: PartitionData,
    pub(super) records: Option<Chunk>,
}

impl Part {
    /// There is no such partition.
    pub(super) fn missing(partition_index: i32, error_code: ErrorCode) -> Self {
        let mut part = Self::failed(partition_index, error_code);
        part.data.aborted_transactions = Some(Vec::new());
        part
    }

    /// The partition can't be read at the place asked for.
    pub(super) fn failed(partition_index: i32, error_code: ErrorCode) -> Self {
        let data = PartitionData {
            partition_index,
            error_code,
            high_watermark: -1,
            aborted_transactions: None,
            records: Some(Records::Bytes(Bytes::new())),
            ..PartitionData::default()
        };
        Self { data, records: None }
    }

    /// Takes the records as they were read.
    fn put(&mut self, read: Result<Bytes, StorageError>) {
        let length = self.records.as_ref().map_or(0, Chunk::length);
        match read {
            Ok(bytes) if bytes.len() == length => self.records = Some(Chunk::Bytes(bytes)),
            Ok(_) => {
                // The log was truncated meanwhile: the next fetch sees what it is now.
                self.records = None;
                self.data.records = Some(Records::Bytes(Bytes::new()));
            }
            Err(problem) => {
                let code = code_of_storage_error(&problem);
                *self = Self::failed(self.data.partition_index, code);
            }
        }
    }
}

/// Reads what is small, and of log dirs that are in trouble whatever there is: of records that
/// can't be read, the answer says so. What is in memory is read at once, all else on a thread that
/// may wait for the disk.
pub(super) async fn read_small(parts: &mut [Part]) {
    let mut left = READ_PER_ANSWER;
    let mut cold = Vec::new();
    for (number, part) in parts.iter_mut().enumerate() {
        let Some(Chunk::File(range)) = &part.records else { continue };
        if range.length() > READ_NOT_SENT.min(left) {
            if range.is_doubtful()
                && let Err(problem) = range.load().await
            {
                part.put(Err(problem));
            }
            continue;
        }
        left -= range.length();
        match range.read_cached() {
            Ok(None) => cold.push((number, range.clone())),
            Ok(Some(bytes)) => part.put(Ok(bytes)),
            Err(problem) => part.put(Err(problem)),
        }
    }
    if cold.is_empty() {
        return;
    }
    let read = |(number, range): (usize, RecordRange)| (number, range.read());
    let read = move || cold.into_iter().map(read).collect::<Vec<_>>();
    // A runtime that is being stopped reads nothing, and sends nothing either.
    for (number, read) in tokio::task::spawn_blocking(read).await.unwrap_or_default() {
        parts[number].put(read);
    }
}
