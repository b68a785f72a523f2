//! Worker threads: where operators and RocksDB may block.

use std::sync::Arc;

use tokio::sync::Semaphore;
use tokio_util::task::TaskTracker;

/// Runs jobs on blocking threads, only so many at a time.
#[derive(Clone)]
pub(crate) struct Workers {
    permits: Arc<Semaphore>,
    tracker: TaskTracker,
}

impl Workers {
    pub(crate) fn new() -> Self {
        let threads = std::thread::available_parallelism().map_or(2, usize::from);
        Self { permits: Arc::new(Semaphore::new(threads)), tracker: TaskTracker::new() }
    }

    /// Runs a job; an error is the message of its panic. A job that has begun goes on even if
    /// nobody waits for it any more.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        job: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, String> {
        let permit = Arc::clone(&self.permits).acquire_owned().await;
        let job = move || {
            let _held_while_it_runs = permit;
            job()
        };
        match self.tracker.spawn_blocking(job).await {
            Ok(result) => Ok(result),
            Err(error) => match error.try_into_panic() {
                Ok(panic) => Err(format!("it panicked: {}", message(panic.as_ref()))),
                Err(_) => Err("the runtime is shutting down".to_owned()),
            },
        }
    }

    /// Makes [`Workers::settle`] wait for a task, too.
    pub(crate) fn track<F: Future>(&self, task: F) -> impl Future<Output = F::Output> + use<F> {
        self.tracker.track_future(task)
    }

    /// Waits for tasks to end or be dropped, and for jobs that nobody waits for.
    pub(crate) async fn settle(&self) {
        self.tracker.close();
        self.tracker.wait().await;
        self.tracker.reopen();
    }
}

fn message(panic: &(dyn std::any::Any + Send)) -> &str {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("no message")
}
