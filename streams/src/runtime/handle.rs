//! [`AppHandle`]: what a running application answers.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError};

use tokio::sync::{broadcast, oneshot, watch};
use tokio::task::{AbortHandle, JoinHandle};

use super::app::{AppState, Shared};
use super::broker::{Broker, OffsetAt, Offsets, TopicPartition};
use super::error::AppError;
use super::progress::Position;
use crate::chunk::Chunk;
use crate::metrics::MetricsSnapshot;
use crate::query::{QueryError, StoreQuery};
use crate::state::StateError;
use crate::topology::Topology;

/// A running application. [`AppHandle::close`] ends it cleanly; dropping the handle ends it as a
/// crash would, without a commit.
pub struct AppHandle {
    shared: Arc<Shared>,
    abort: AbortHandle,
    /// There until somebody has seen it end; held while waiting for that.
    supervisor: tokio::sync::Mutex<Option<JoinHandle<()>>>,
}

impl Drop for AppHandle {
    fn drop(&mut self) {
        self.abort.abort();
    }
}

impl AppHandle {
    pub(crate) fn new(shared: Arc<Shared>, supervisor: JoinHandle<()>) -> Self {
        let abort = supervisor.abort_handle();
        Self { shared, abort, supervisor: tokio::sync::Mutex::new(Some(supervisor)) }
    }

    async fn ended(&self) {
        let mut supervisor = self.supervisor.lock().await;
        if let Some(running) = supervisor.as_mut() {
            let _aborted_or_done = running.await;
            *supervisor = None;
        }
    }

    pub fn state(&self) -> AppState {
        self.shared.state.borrow().clone()
    }

    /// Tells of every change of state.
    pub fn watch_state(&self) -> watch::Receiver<AppState> {
        self.shared.state.subscribe()
    }

    pub fn metrics(&self) -> MetricsSnapshot {
        self.shared.metrics.snapshot()
    }

    pub fn topology(&self) -> &Topology {
        &self.shared.topology
    }

    /// Position in each input partition, internal topics included.
    pub fn positions(&self) -> BTreeMap<TopicPartition, Position> {
        self.shared.progress.all()
    }

    /// Records of each input partition that are not committed yet.
    pub async fn lag(&self) -> Result<BTreeMap<TopicPartition, i64>, AppError> {
        let positions = self.positions();
        let partitions: Vec<TopicPartition> = positions.keys().cloned().collect();
        let ends = self.broker()?.offsets(&partitions, OffsetAt::End).await?;
        let lag = |(partition, position): (TopicPartition, Position)| {
            let end = ends.get(&partition).copied().unwrap_or(position.committed);
            (partition, (end - position.committed).max(0))
        };
        Ok(positions.into_iter().map(lag).collect())
    }

    /// Commits what all tasks have processed; queries see it afterwards.
    pub async fn commit(&self) -> Result<(), AppError> {
        let requests =
            self.shared.run.lock().unwrap_or_else(PoisonError::into_inner).requests.clone();
        let mut answers = Vec::with_capacity(requests.len());
        for request in requests {
            let (sender, answer) = oneshot::channel();
            request.send(sender).map_err(|_| self.not_running())?;
            answers.push(answer);
        }
        for answer in answers {
            answer.await.map_err(|_| self.not_running())?;
        }
        Ok(())
    }

    /// Waits until all that its source topics hold now has gone through to sinks and state, and
    /// is committed. Topics that the application both writes and reads count as they are now.
    pub async fn wait_caught_up(&self) -> Result<(), AppError> {
        let broker = self.broker()?;
        for _ in &self.shared.topology.subtopologies {
            let partitions: Vec<TopicPartition> = self.positions().into_keys().collect();
            let ends = broker.offsets(&partitions, OffsetAt::End).await?;
            self.wait_for(&ends).await?;
        }
        Ok(())
    }

    async fn wait_for(&self, ends: &Offsets) -> Result<(), AppError> {
        let mut commits = self.shared.progress.commits();
        let mut state = self.shared.state.subscribe();
        loop {
            let positions = self.positions();
            let reached = |(partition, end): (&TopicPartition, &i64)| {
                positions.get(partition).is_some_and(|position| position.committed >= *end)
            };
            if ends.iter().all(reached) {
                return Ok(());
            }
            if matches!(*state.borrow_and_update(), AppState::Failed { .. } | AppState::Closed) {
                return Err(self.not_running());
            }
            tokio::select! {
                _ = commits.changed() => {}
                _ = state.changed() => {}
            }
        }
    }

    /// Read access to a store that was given a reader.
    pub fn query(&self, store: &str) -> Result<StoreQuery, QueryError> {
        let unknown = || QueryError::UnknownStore(store.to_owned());
        let (subtopology, number, reader) =
            self.shared.topology.queryable(store).ok_or_else(unknown)?;
        let all = Arc::clone(&self.shared.run.lock().unwrap_or_else(PoisonError::into_inner).tasks);
        let tasks = all.iter().filter(|task| task.subtopology() == subtopology).cloned().collect();
        let backend = Arc::clone(&self.shared.backend);
        Ok(StoreQuery { backend, reader, tasks, store: number })
    }

    /// Shows the chunks that a node forwards from now on. A subscriber that is too slow misses
    /// some, and is told so. Chunks may come again after a restart.
    pub fn subscribe(&self, node: &str) -> Result<broadcast::Receiver<Chunk>, AppError> {
        self.shared.subscribe(node)
    }

    /// Commits, stops all tasks and makes the local state durable. An error tells why the
    /// application had failed before.
    pub async fn close(self) -> Result<(), AppError> {
        self.stop().await
    }

    /// As [`AppHandle::close`], for a handle that others hold too. The folder of its state stays
    /// locked until the last of them drops it.
    pub async fn stop(&self) -> Result<(), AppError> {
        self.shared.stop.cancel();
        self.ended().await;
        match self.state() {
            AppState::Failed { reason } => Err(AppError::NotRunning(reason)),
            _ => Ok(()),
        }
    }

    /// Stops all tasks and removes all that the application keeps: internal topics, offsets and
    /// local state. Sink topics stay. It starts from nothing under the same id afterwards.
    pub async fn remove(self) -> Result<(), AppError> {
        self.shared.stop.cancel();
        self.ended().await;
        if let Some(folder) = &self.shared.config.state_dir {
            let folder = folder.join(&self.shared.config.application_id);
            // This handle holds the state open, and queries may.
            let backend = Arc::clone(&self.shared.backend);
            let retired = self.shared.workers.run(move || backend.retire()).await;
            if let Err(message) = retired {
                tracing::warn!("the state's background work could not be ended: {message}");
            }
            let removed = tokio::fs::remove_dir_all(&folder).await;
            if let Err(error) = removed
                && error.kind() != std::io::ErrorKind::NotFound
            {
                let (path, message) = (folder.display().to_string(), error.to_string());
                return Err(AppError::State(StateError::Remove { path, message }));
            }
        }
        let broker = (self.shared.connect)()?;
        let deleted = broker.delete_topics(&self.shared.internal_topics()).await;
        let forgotten = broker.delete_group(&self.shared.config.application_id).await;
        broker.close().await;
        Ok(deleted.and(forgotten)?)
    }

    /// Ends it where it is, as a crash would, and waits until nothing of it runs any more.
    pub async fn kill(self) {
        self.abort.abort();
        self.ended().await;
        self.shared.workers.settle().await;
    }

    fn broker(&self) -> Result<Arc<dyn Broker>, AppError> {
        let run = self.shared.run.lock().unwrap_or_else(PoisonError::into_inner);
        run.broker.clone().ok_or_else(|| self.not_running())
    }

    fn not_running(&self) -> AppError {
        AppError::NotRunning(match self.state() {
            AppState::Restarting { reason } => format!("it restarts after: {reason}"),
            AppState::Failed { reason } => reason,
            other => format!("{other:?}").to_lowercase(),
        })
    }
}
