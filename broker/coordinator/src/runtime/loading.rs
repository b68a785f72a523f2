//! The place of a partition in one leader epoch, from the moment on at which its log is being read.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::AbortHandle;
use tracing::debug;

use super::cell::ShardCell;
use super::{Inner, Unavailable, batches};
use crate::limits::LOAD_PATIENCE;

type Loaded = Result<Arc<ShardCell>, Unavailable>;

/// The shard of a partition in one leader epoch: another broker may have led it before and after.
#[derive(Clone)]
pub(super) struct Slot {
    pub(super) epoch: i32,
    load: Arc<Load>,
}

struct Load {
    /// `None` while the log is being read. It becomes a shard only while the slot has its place in
    /// the map, whose lock is held for that: so whoever takes it out knows whom to tell.
    done: watch::Sender<Option<Loaded>>,
    task: OnceLock<AbortHandle>,
}

impl Slot {
    /// Whether another attempt to read the log is due.
    pub(super) fn is_over(&self) -> bool {
        match &*self.load.done.borrow() {
            None => false,
            Some(Ok(cell)) => cell.is_over(),
            Some(Err(_)) => true,
        }
    }

    pub(super) fn loaded(&self) -> Option<Arc<ShardCell>> {
        match &*self.load.done.borrow() {
            Some(Ok(cell)) => Some(cell.clone()),
            _ => None,
        }
    }

    pub(super) async fn cell(&self, partition: i32) -> Loaded {
        let mut news = self.load.done.subscribe();
        let waited = tokio::time::timeout(LOAD_PATIENCE, news.wait_for(Option::is_some)).await;
        match waited {
            Ok(Ok(done)) => done.clone().unwrap_or(Err(Unavailable::Stopping)),
            Ok(Err(_)) => Err(Unavailable::Stopping),
            Err(_) => Err(Unavailable::Loading { partition }),
        }
    }

    /// This broker leads the partition no longer, or in another leader epoch. To be called when the
    /// slot has lost its place in the map.
    pub(super) fn resign(&self) {
        match self.end(Unavailable::NotCoordinator) {
            Some(cell) if cell.is_broken() => cell.stop(),
            Some(cell) => cell.resign(),
            None => {}
        }
    }

    /// As [`Slot::resign`], where there is no other broker to ask.
    pub(super) fn stop(&self) {
        if let Some(cell) = self.end(Unavailable::Stopping) {
            cell.stop();
        }
    }

    /// Ends the reading of the log, if it is still being read.
    fn end(&self, unavailable: Unavailable) -> Option<Arc<ShardCell>> {
        if let Some(task) = self.load.task.get() {
            task.abort();
        }
        self.load.done.send_if_modified(|done| {
            let reads = done.is_none();
            if reads {
                *done = Some(Err(unavailable));
            }
            reads
        });
        self.loaded()
    }
}

impl Inner {
    /// Begins to read a partition's log, in the background.
    pub(super) fn begin_load(self: &Arc<Self>, partition: i32, epoch: i32) -> Slot {
        let load = Arc::new(Load { done: watch::Sender::new(None), task: OnceLock::new() });
        let slot = Slot { epoch, load };
        let loading = tokio::spawn(self.clone().load(partition, epoch));
        // It is set only here.
        let _ = slot.load.task.set(loading.abort_handle());
        let (inner, place) = (self.clone(), slot.clone());
        tokio::spawn(async move {
            let loaded = loading.await.unwrap_or_else(|problem| {
                Err(Unavailable::Load { partition, reason: problem.to_string() })
            });
            inner.install(partition, &place, loaded);
        });
        slot
    }

    async fn load(self: Arc<Self>, partition: i32, epoch: i32) -> Loaded {
        let failed = |reason: String| Unavailable::Load { partition, reason };
        let inner = self.clone();
        let work = move || batches::load(&inner.settings, &*inner.writer, partition);
        let loaded = tokio::task::spawn_blocking(work).await;
        let (shard, end) = loaded
            .map_err(|error| failed(error.to_string()))?
            .map_err(|error| failed(error.to_string()))?;
        // What an earlier leader has left may not be committed yet, and is told to nobody before.
        self.writer.committed(partition, epoch, end).await?;
        let patience = u64::try_from(self.settings.offsets_commit_timeout_ms).unwrap_or(0);
        let patience = Duration::from_millis(patience.max(1));
        let cell = Arc::new(ShardCell::new(partition, epoch, shard, patience));
        // Whoever is answered waits for what this appends.
        let ((), _) = cell.step(&self, |shard, now| shard.start(now))?;
        Ok(cell)
    }

    /// Makes what was loaded the partition's, unless its epoch is over.
    fn install(&self, partition: i32, slot: &Slot, loaded: Loaded) {
        let cells = self.cells();
        let holds = |held: &Slot| Arc::ptr_eq(&held.load, &slot.load);
        if !cells.get(&partition).is_some_and(holds) {
            drop(cells);
            if let Ok(cell) = loaded {
                cell.resign();
            }
            return;
        }
        if let Err(problem) = &loaded {
            debug!("the groups of partition {partition} are read later: {problem}");
        }
        let deadline_ms = loaded.as_ref().ok().and_then(|cell| cell.next_deadline());
        slot.load.done.send_replace(Some(loaded));
        drop(cells);
        if let Some(deadline_ms) = deadline_ms {
            self.wakeup.not_later_than(deadline_ms);
        }
    }
}
