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
mod membership;
mod offsets;
#[cfg(test)]
mod tests;
mod timer_task;
mod writer;

use std::collections::HashMap;
use std::sync::atomic::AtomicI64;
use std::sync::{Arc, Mutex, PoisonError};

use protocol::ErrorCode;
use protocol::record::Codec;
use thiserror::Error;
use tokio::sync::{Notify, OnceCell};
use tokio::task::JoinHandle;
use tracing::debug;

pub use offsets::{FetchedOffset, FetchedTopic};
pub use writer::{AppendError, Clock, Commit, LogWriter, ReadError};

use self::cell::ShardCell;
use crate::{Now, Outcome, Settings, Shard};

/// Why a request to a group could not be served here; the caller may try again, elsewhere or later.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Unavailable {
    #[error("The topic __consumer_offsets does not exist yet.")]
    NoOffsetsTopic,
    #[error("This broker does not coordinate the group.")]
    NotCoordinator,
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

/// The shard of a partition in one leader epoch: another broker may have led it before and after.
#[derive(Clone, Default)]
struct Slot {
    epoch: i32,
    cell: Arc<OnceCell<Arc<ShardCell>>>,
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
        for cell in self.inner.loaded_cells() {
            cell.stop();
        }
    }

    /// Forgets all groups, for their topic is gone; what is parked is answered with an error.
    pub fn unload(&self) {
        let cells = {
            let mut cells = self.inner.cells.lock().unwrap_or_else(PoisonError::into_inner);
            std::mem::take(&mut *cells)
        };
        for slot in cells.into_values() {
            if let Some(cell) = slot.cell.get() {
                cell.stop();
            }
        }
    }

    /// The partitions of `__consumer_offsets` may have other leaders now. Those that this broker
    /// leads no longer, or in another leader epoch, answer all that waits with NOT_COORDINATOR;
    /// those that it has begun to lead are read in the background.
    pub fn follow_leaders(&self) {
        let writer = &self.inner.writer;
        let resigned: Vec<Slot> = {
            let mut cells = self.inner.cells.lock().unwrap_or_else(PoisonError::into_inner);
            let is_led =
                |partition: &i32, slot: &Slot| writer.leader_epoch(*partition) == Some(slot.epoch);
            let over = cells.iter().filter(|(partition, slot)| !is_led(partition, slot));
            let over: Vec<i32> = over.map(|(partition, _)| *partition).collect();
            over.iter().filter_map(|partition| cells.remove(partition)).collect()
        };
        for slot in resigned {
            if let Some(cell) = slot.cell.get() {
                cell.resign();
            }
        }
        for partition in 0..writer.partition_count().unwrap_or(0) {
            let is_known = || {
                let cells = self.inner.cells.lock().unwrap_or_else(PoisonError::into_inner);
                cells.contains_key(&partition)
            };
            if writer.leader_epoch(partition).is_some() && !is_known() {
                let groups = self.clone();
                tokio::spawn(async move {
                    if let Err(problem) = groups.cell(partition).await {
                        debug!("the groups of partition {partition} are read later: {problem}");
                    }
                });
            }
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

    async fn cell(&self, partition: i32) -> Result<Arc<ShardCell>, Unavailable> {
        if self.inner.wakeup.is_stopping() {
            return Err(Unavailable::Stopping);
        }
        let epoch = self.inner.writer.leader_epoch(partition);
        let epoch = epoch.ok_or(Unavailable::NotCoordinator)?;
        let (slot, before) = {
            let mut cells = self.inner.cells.lock().unwrap_or_else(PoisonError::into_inner);
            let fresh = || Slot { epoch, cell: Arc::default() };
            let slot = cells.entry(partition).or_insert_with(fresh);
            // An older epoch than that of the cell is what this request saw before it waited.
            if slot.epoch > epoch {
                return Err(Unavailable::NotCoordinator);
            }
            let is_over = slot.epoch < epoch || slot.cell.get().is_some_and(|it| it.is_broken());
            let before = is_over.then(|| std::mem::replace(slot, fresh()));
            (slot.clone(), before)
        };
        if let Some(cell) = before.as_ref().and_then(|before| before.cell.get()) {
            cell.resign();
        }
        let load = || self.inner.clone().load(partition, epoch);
        let cell = slot.cell.get_or_try_init(load).await?;
        if cell.has_resigned() {
            return Err(Unavailable::NotCoordinator);
        }
        Ok(cell.clone())
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
        let (response, committed) = cell.read(read);
        cell.check()?;
        committed.wait().await?;
        Ok(response)
    }
}

impl Inner {
    async fn load(
        self: Arc<Self>,
        partition: i32,
        epoch: i32,
    ) -> Result<Arc<ShardCell>, Unavailable> {
        let failed = |reason: String| Unavailable::Load { partition, reason };
        let inner = self.clone();
        let work = move || batches::load(&inner.settings, &*inner.writer, partition);
        let loaded = tokio::task::spawn_blocking(work).await;
        let (shard, end) = loaded
            .map_err(|error| failed(error.to_string()))?
            .map_err(|error| failed(error.to_string()))?;
        // What an earlier leader has left may not be committed yet, and is told to nobody before.
        self.writer.committed(partition, epoch, end).await?;
        let cell = Arc::new(ShardCell::new(partition, epoch, shard));
        let (_, committed) = cell.step(&self, |shard, now| shard.start(now))?;
        committed.wait().await?;
        Ok(cell)
    }

    fn now(&self) -> Now {
        Now { timestamp_ms: self.clock.now_ms(), elapsed_ms: self.clock.elapsed_ms() }
    }

    fn loaded_cells(&self) -> Vec<Arc<ShardCell>> {
        let cells = self.cells.lock().unwrap_or_else(PoisonError::into_inner);
        let loaded = cells.values().filter_map(|slot| slot.cell.get());
        let works = |cell: &&Arc<ShardCell>| !cell.is_broken() && !cell.has_resigned();
        loaded.filter(works).cloned().collect()
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
