//! Removes files for good, some time after they lost their name.

use std::time::Duration;

use broker_log::RemovedFiles;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::warn;

/// A handle; cheap to clone. Must be used where a tokio runtime is at hand.
#[derive(Clone, Debug)]
pub(crate) struct Janitor {
    tasks: TaskTracker,
    stopping: CancellationToken,
}

impl Janitor {
    pub(crate) fn new(tasks: TaskTracker, stopping: CancellationToken) -> Self {
        Self { tasks, stopping }
    }

    /// Removes the files after a while; at once when the broker stops.
    pub(crate) fn remove_later(&self, files: RemovedFiles, delay_ms: i64) {
        let delay = Duration::from_millis(u64::try_from(delay_ms).unwrap_or(0));
        let stopping = self.stopping.clone();
        self.tasks.spawn(async move {
            tokio::select! {
                () = tokio::time::sleep(delay) => {}
                () = stopping.cancelled() => {}
            }
            let removed = tokio::task::spawn_blocking(|| files.remove()).await;
            if let Ok(Err(problem)) = removed {
                warn!("files that are no longer needed stay: {problem}");
            }
        });
    }
}
