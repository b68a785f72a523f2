//! Syncs partitions that ask for it, outside of their locks.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

use broker_log::TopicPartition;
use tokio::sync::Notify;
use tracing::error;

use crate::partition::Partition;

/// The partitions that wait to be synced. Each stands here once, so there are never more than the
/// broker has partitions.
#[derive(Debug, Default)]
pub(crate) struct Flusher {
    /// A std mutex: held for a change of the set.
    waiting: Mutex<BTreeSet<TopicPartition>>,
    some: Notify,
}

impl Flusher {
    /// Has a partition synced soon, up to the segment that it writes to.
    pub(crate) fn request(&self, id: TopicPartition) {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner).insert(id);
        self.some.notify_one();
    }

    /// Waits for the next requests.
    pub(super) async fn next(&self) -> BTreeSet<TopicPartition> {
        loop {
            {
                let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
                if !waiting.is_empty() {
                    return std::mem::take(&mut waiting);
                }
            }
            self.some.notified().await;
        }
    }
}

/// How much of a partition is synced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Extent {
    All,
    /// All but the segment that is written to.
    Closed,
}

/// Syncs one partition. Blocks, but not under its lock.
pub(super) fn flush(partition: &Partition, extent: Extent, now_ms: i64) {
    let prepared = partition.with_log(|log| {
        log.prepare_flush(match extent {
            Extent::All => log.log_end_offset(),
            Extent::Closed => log.active_base_offset(),
        })
    });
    let flushed = match prepared {
        // Gone, or nothing to do.
        Err(_) | Ok(Ok(None)) => return,
        Ok(Ok(Some(flush))) => flush.run(),
        Ok(Err(problem)) => Err(problem),
    };
    match flushed {
        Ok(flushed) => {
            // Gone meanwhile: there is nothing left to note.
            let _ = partition.with_log(|log| log.finish_flush(flushed, now_ms));
        }
        Err(problem) => error!("{} could not be synced: {problem}", partition.id),
    }
}
