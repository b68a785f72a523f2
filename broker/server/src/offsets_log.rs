//! `__consumer_offsets` as the group coordinator writes and reads it.

use std::sync::Arc;
use std::time::Duration;

use broker_cluster::Clock;
use broker_cluster::Flusher;
use broker_cluster::partition::{
    Partition, Partitions, ProduceError, SyncError, UncommittedError, Written,
};
use broker_coordinator::{AppendError, Commit, LogWriter, ReadError};
use broker_log::{AppendError as LogAppendError, Origin, ReadError as LogReadError, ReadRequest};
use broker_metadata::names::CONSUMER_OFFSETS;
use bytes::Bytes;
use protocol::record::{self, BatchError};

use crate::controller::Controller;
use crate::limits::OFFSETS_READ_BYTES;

/// The longest wait at once; it begins anew until the records are committed.
const COMMIT_WAIT: Duration = Duration::from_secs(3600);

pub(crate) struct OffsetsLog {
    controller: Controller,
    partitions: Arc<Partitions>,
    clock: Arc<dyn Clock>,
    flusher: Flusher,
}

impl OffsetsLog {
    pub(crate) fn new(
        controller: Controller,
        partitions: Arc<Partitions>,
        clock: Arc<dyn Clock>,
        flusher: Flusher,
    ) -> Self {
        Self { controller, partitions, clock, flusher }
    }

    fn partition(&self, index: i32) -> Option<Arc<Partition>> {
        self.partitions.get(CONSUMER_OFFSETS, index)
    }
}

impl LogWriter for OffsetsLog {
    fn partition_count(&self) -> Option<i32> {
        let image = self.controller.image();
        let topic = image.topic(CONSUMER_OFFSETS)?;
        i32::try_from(topic.partitions.len()).ok()
    }

    fn leader_epoch(&self, partition: i32) -> Option<i32> {
        self.partition(partition)?.led_epoch()
    }

    fn max_batch_bytes(&self, partition: i32) -> usize {
        let held = self.partition(partition);
        let bytes = held.and_then(|held| held.with_log(|log| log.config().max_message_bytes).ok());
        bytes.map_or(usize::MAX, |bytes| bytes as usize)
    }

    fn append(&self, partition: i32, epoch: i32, batch: Bytes) -> Result<Commit, AppendError> {
        let held = self.partition(partition).ok_or(AppendError::NotLeader)?;
        let written = held
            .append(batch, Origin::Coordinator, epoch, self.clock.now_ms(), &self.flusher)
            .map_err(|problem| refused(problem, self.max_batch_bytes(partition)))?;
        let Written { appended, leader_epoch } = written;
        let end = appended.last_offset + 1;
        Ok(Box::pin(async move {
            if let Some(offset) = appended.sync_to {
                held.wait_until_synced(offset).await.map_err(not_synced)?;
            }
            until_committed(&held, end, leader_epoch).await
        }))
    }

    fn committed(&self, partition: i32, epoch: i32, offset: i64) -> Commit {
        let held = self.partition(partition);
        Box::pin(async move {
            let held = held.ok_or(AppendError::NotLeader)?;
            until_committed(&held, offset, epoch).await
        })
    }

    fn start_offset(&self, partition: i32) -> i64 {
        let start = self
            .partition(partition)
            .and_then(|held| held.with_log(|log| log.log_start_offset()).ok());
        start.unwrap_or(0)
    }

    fn read(&self, partition: i32, offset: i64) -> Result<Bytes, ReadError> {
        let held = self.partition(partition).ok_or_else(|| storage("it is not on this broker"))?;
        let slice = held
            .with_log(|log| {
                log.read(ReadRequest {
                    offset,
                    max_bytes: OFFSETS_READ_BYTES,
                    upper_bound: log.log_end_offset(),
                    min_one_batch: true,
                })
            })
            .map_err(storage)?;
        let read = slice.and_then(|slice| match slice {
            Some(slice) => Ok(whole_batches(&Bytes::from(slice.read()?))),
            None => Ok(Bytes::new()),
        });
        read.map_err(|problem| {
            if let LogReadError::Storage(problem) = &problem {
                held.storage_failed(problem);
            }
            storage(problem)
        })
    }
}

async fn until_committed(held: &Partition, offset: i64, epoch: i32) -> Result<(), AppendError> {
    loop {
        return match held.wait_until_committed(offset, epoch, COMMIT_WAIT).await {
            // All replicas in sync have it, so that it stays, although there are too few of them.
            Ok(()) | Err(UncommittedError::TooFew(_)) => Ok(()),
            Err(UncommittedError::TimedOut) => continue,
            Err(UncommittedError::Leadership(_)) => Err(AppendError::NotLeader),
        };
    }
}

/// A slice of a log may end within a batch, which the next read begins with.
fn whole_batches(bytes: &Bytes) -> Bytes {
    let mut end = 0;
    for batch in record::batches(bytes) {
        match batch {
            Ok(batch) => end += batch.size(),
            Err(BatchError::Truncated { .. }) => return bytes.slice(..end),
            // Damage is for the reader to find.
            Err(_) => break,
        }
    }
    bytes.clone()
}

fn not_synced(problem: SyncError) -> AppendError {
    match problem {
        SyncError::Gone => AppendError::NotLeader,
        SyncError::Storage(reason) => AppendError::Storage { reason: reason.to_string() },
    }
}

fn refused(problem: ProduceError, limit: usize) -> AppendError {
    match problem {
        ProduceError::Leadership(_) => AppendError::NotLeader,
        // A client tries again, as after a time-out.
        ProduceError::TooFew(_) => AppendError::Timeout,
        ProduceError::Append(
            LogAppendError::MessageTooLarge { .. } | LogAppendError::BatchesTooLarge { .. },
        ) => AppendError::TooLarge { limit },
        ProduceError::Append(problem) => AppendError::Storage { reason: problem.to_string() },
        ProduceError::Offline { reason } => AppendError::Storage { reason: reason.to_string() },
    }
}

fn storage(problem: impl ToString) -> ReadError {
    ReadError::Storage { reason: problem.to_string() }
}

/// The server's clock as the coordinator takes it.
pub(crate) struct CoordinatorClock(pub(crate) Arc<dyn Clock>);

impl broker_coordinator::Clock for CoordinatorClock {
    fn now_ms(&self) -> i64 {
        self.0.now_ms()
    }

    fn elapsed_ms(&self) -> i64 {
        self.0.elapsed_ms()
    }
}

#[cfg(test)]
mod tests {
    use protocol::record::{BatchBuilder, BatchOptions};

    use super::*;

    #[test]
    fn a_read_that_ends_within_a_batch_is_cut_before_it() {
        let mut builder = BatchBuilder::new(BatchOptions::default());
        builder.append(1, Some(b"key"), Some(b"value"), &[]);
        let batch = builder.finish();
        let two = Bytes::from([&batch[..], &batch[..]].concat());
        assert_eq!(whole_batches(&two), two);
        assert_eq!(whole_batches(&two.slice(..two.len() - 1)), batch);
        assert_eq!(whole_batches(&two.slice(..batch.len() + 3)), batch);
        assert_eq!(whole_batches(&Bytes::new()), Bytes::new());
        let mut damaged = two.to_vec();
        damaged[batch.len() + 16] = 9;
        let damaged = Bytes::from(damaged);
        assert_eq!(whole_batches(&damaged), damaged, "damage is not hidden");
    }
}
