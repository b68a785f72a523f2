//! The service around the shards: finds the shard of a group, loads it once from its log, lets one
//! request at a time step it, appends what comes of it, and answers when that is committed.
//!
//! ```text
//!   request ─▶ shard (under a short lock): step ─▶ LogWriter::append ─▶ replay
//!                │ parked (join, sync)                   │ commit future
//!                ▼                                       ▼
//!             ticket ◀──────────────── answers, in the order of the appends
//! ```
//!
//! One task runs the timers of all shards; nothing sleeps inside a request.

mod admin;
mod batches;
mod cell;
mod loading;
mod membership;
mod offsets;
#[cfg(test)]
mod tests;
mod timer_task;
mod writer;

use std::collections::HashMap;
use std::sync::atomic::AtomicI64;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use protocol::ErrorCode;
use protocol::record::Codec;
use thiserror::Error;
use tokio::sync::Notify;
use tokio::task::JoinHandle;

pub use offsets::{FetchedOffset, FetchedTopic};
pub use writer::{AppendError, Clock, Commit, LogWriter, ReadError};

use self::cell::ShardCell;
use self::loading::Slot;
use crate::{Now, Outcome, Settings, Shard};

/// Why a request to a group could not be served here; the caller may try again, elsewhere or later.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Unavailable {
    #[error("The topic __consumer_offsets does not exist yet.")]
    NoOffsetsTopic,
    #[error("This broker does not coordinate the group.")]
    NotCoordinator,
    #[error("The groups of partition {partition} are being read.")]
    Loading { partition: i32 },
    #[error("The groups of partition {partition} cannot be read: {reason}")]
    Load { partition: i32, reason: String },
    #[error(transparent)]
    Append(#[from] AppendError),
    #[error("The coordinator is stopping.")]
    Stopping,
}

impl Unavailable {
    pub fn code(&self) -> ErrorCode {
        match self {
            Unavailable::NoOffsetsTopic => ErrorCode::CoordinatorNotAvailable,
            Unavailable::NotCoordinator => ErrorCode::NotCoordinator,
            Unavailable::Loading { .. } => ErrorCode::CoordinatorLoadInProgress,
            Unavailable::Load { .. } => ErrorCode::CoordinatorNotAvailable,
            Unavailable::Append(AppendError::NotLeader) => ErrorCode::NotCoordinator,
            Unavailable::Append(AppendError::Timeout) => ErrorCode::CoordinatorNotAvailable,
            Unavailable::Append(AppendError::TooLarge { .. }) => ErrorCode::UnknownServerError,
            Unavailable::Append(AppendError::Storage { .. }) => ErrorCode::CoordinatorNotAvailable,
            Unavailable::Stopping => ErrorCode::CoordinatorNotAvailable,
        }
    }
}

/// The groups of this broker. Clones are handles to the same.
#[derive(Clone)]
pub struct Groups {
    inner: Arc<Inner>,
}

struct Inner {
    settings: Settings,
    /// The codec of the batches that are appended.
    codec: Codec,
    writer: Arc<dyn LogWriter>,
    clock: Arc<dyn Clock>,
    /// A std mutex: it is held to look up or insert a cell, never across an await, so that a panic
    /// leaves the map whole.
    cells: Mutex<HashMap<i32, Slot>>,
    wakeup: Wakeup,
    timers: Mutex<Option<JoinHandle<()>>>,
}

/// How the timer task learns that a deadline came before the one that it waits for.
#[derive(Default)]
struct Wakeup {
    /// In elapsed milliseconds.
    planned_ms: AtomicI64,
    notify: Notify,
    stopping: std::sync::atomic::AtomicBool,
}

impl Groups {
    /// Starts the service and its timer task; must be called inside a tokio runtime. Shards load as
    /// they are asked for, or when [`Groups::follow_leaders`] finds them led here.
    pub fn start(
        settings: Settings,
        codec: Codec,
        writer: Arc<dyn LogWriter>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        let inner = Arc::new(Inner {
            settings,
            codec,
            writer,
            clock,
            cells: Mutex::new(HashMap::new()),
            wakeup: Wakeup { planned_ms: AtomicI64::new(i64::MAX), ..Wakeup::default() },
            timers: Mutex::new(None),
        });
        let task = tokio::spawn(timer_task::run(inner.clone()));
        *inner.timers.lock().unwrap_or_else(PoisonError::into_inner) = Some(task);
        Self { inner }
    }

    /// Stops the timers. Requests that are parked are answered with an error.
    pub async fn shutdown(&self) {
        self.inner.wakeup.stop();
        let task = self.inner.timers.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(task) = task {
            // The task ends by itself; one that panicked has nothing left to stop.
            let _ = task.await;
        }
        self.unload();
    }

    /// Forgets all groups, for their topic is gone; what is parked is answered with an error.
    pub fn unload(&self) {
        let cells = {
            let mut cells = self.inner.cells();
            std::mem::take(&mut *cells)
        };
        cells.into_values().for_each(|slot| slot.stop());
    }

    /// The partitions of `__consumer_offsets` may have other leaders now. Those that this broker
    /// leads no longer, or in another leader epoch, answer all that waits with NOT_COORDINATOR;
    /// those that it has begun to lead are read in the background.
    pub fn follow_leaders(&self) {
        let writer = &self.inner.writer;
        let resigned: Vec<Slot> = {
            let mut cells = self.inner.cells();
            let is_led =
                |partition: &i32, slot: &Slot| writer.leader_epoch(*partition) == Some(slot.epoch);
            let over = cells.iter().filter(|(partition, slot)| !is_led(partition, slot));
            let over: Vec<i32> = over.map(|(partition, _)| *partition).collect();
            over.iter().filter_map(|partition| cells.remove(partition)).collect()
        };
        resigned.into_iter().for_each(|slot| slot.resign());
        for partition in 0..writer.partition_count().unwrap_or(0) {
            // What is not led here is nothing to read; what can't be read is asked for again.
            let _ = self.slot(partition);
        }
    }

    /// The partition of `__consumer_offsets` that a group's records are in.
    pub fn partition_of(&self, group_id: &str) -> Result<i32, Unavailable> {
        let count = self.inner.writer.partition_count().ok_or(Unavailable::NoOffsetsTopic)?;
        Ok(partition_of(group_id, count))
    }

    async fn shard_of(&self, group_id: &str) -> Result<Arc<ShardCell>, Unavailable> {
        self.cell(self.partition_of(group_id)?).await
    }

    /// The cells of all partitions that this broker leads.
    async fn all_cells(&self) -> Result<Vec<Arc<ShardCell>>, Unavailable> {
        let count = self.inner.writer.partition_count().unwrap_or(0);
        let mut cells = Vec::new();
        for partition in 0..count {
            match self.cell(partition).await {
                Ok(cell) => cells.push(cell),
                Err(Unavailable::NotCoordinator) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(cells)
    }

    /// The shard of a partition that this broker leads. While it is being read a request waits for
    /// a moment, which most often is enough.
    async fn cell(&self, partition: i32) -> Result<Arc<ShardCell>, Unavailable> {
        self.slot(partition)?.cell(partition).await
    }

    /// The place of a partition that this broker leads; what is not there yet begins to be read.
    fn slot(&self, partition: i32) -> Result<Slot, Unavailable> {
        if self.inner.wakeup.is_stopping() {
            return Err(Unavailable::Stopping);
        }
        let epoch = self.inner.writer.leader_epoch(partition);
        let epoch = epoch.ok_or(Unavailable::NotCoordinator)?;
        let (slot, before) = {
            let mut cells = self.inner.cells();
            match cells.get(&partition) {
                // An older epoch than that of the cell is what this request saw before.
                Some(slot) if slot.epoch > epoch => return Err(Unavailable::NotCoordinator),
                Some(slot) if slot.epoch == epoch && !slot.is_over() => return Ok(slot.clone()),
                _ => {
                    let slot = self.inner.begin_load(partition, epoch);
                    let before = cells.insert(partition, slot.clone());
                    (slot, before)
                }
            }
        };
        if let Some(before) = before {
            before.resign();
        }
        Ok(slot)
    }

    /// Lets a request step the shard; the response once the records of the step are committed.
    async fn step<R>(
        &self,
        cell: &Arc<ShardCell>,
        step: impl FnOnce(&mut Shard, Now) -> Outcome<R>,
    ) -> Result<R, Unavailable> {
        let (response, committed) = cell.step(&self.inner, step)?;
        committed.wait().await?;
        Ok(response)
    }

    /// Lets a request read the shard; what it read is in the log for good.
    async fn read<R>(
        &self,
        cell: &Arc<ShardCell>,
        read: impl FnOnce(&Shard) -> R,
    ) -> Result<R, Unavailable> {
        let (response, committed) = cell.read(read)?;
        committed.wait().await?;
        Ok(response)
    }
}

impl Inner {
    /// The map, which is whole also after a panic: it is held for single operations.
    fn cells(&self) -> MutexGuard<'_, HashMap<i32, Slot>> {
        self.cells.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn now(&self) -> Now {
        Now { timestamp_ms: self.clock.now_ms(), elapsed_ms: self.clock.elapsed_ms() }
    }

    fn loaded_cells(&self) -> Vec<Arc<ShardCell>> {
        let cells = self.cells();
        let loaded = cells.values().filter_map(Slot::loaded);
        loaded.filter(|cell| !cell.is_over()).collect()
    }
}

/// Kafka's choice: the group's Java hash over the number of partitions.
pub fn partition_of(group_id: &str, partitions: i32) -> i32 {
    let hash = group_id
        .encode_utf16()
        .fold(0i32, |hash, unit| hash.wrapping_mul(31).wrapping_add(i32::from(unit)));
    let positive = if hash == i32::MIN { 0 } else { hash.abs() };
    positive % partitions.max(1)
}

impl std::fmt::Debug for Groups {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Groups").field("settings", &self.inner.settings).finish_non_exhaustive()
    }
}
