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
    /// nobody waits for it any more; what it returns is then dropped on its thread.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        job: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, String> {
        let permit = Arc::clone(&self.permits).acquire_owned().await;
        let tracked = self.tracker.token();
        // Fields are dropped in order: a result that nobody takes goes before the job counts as
        // settled, for it may be the last that holds the state open.
        let job = move || {
            let _held_while_it_runs = permit;
            (job(), tracked)
        };
        match tokio::task::spawn_blocking(job).await {
            Ok((result, _tracked)) => Ok(result),
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

    /// Waits for tasks to end or be dropped, and for jobs that nobody waits for, with what they
    /// return.
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

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    /// Says that its drop has begun, and ends it when it is told to.
    struct Slow {
        begun: tokio::sync::mpsc::UnboundedSender<()>,
        end: mpsc::Receiver<()>,
    }

    impl Drop for Slow {
        fn drop(&mut self) {
            self.begun.send(()).unwrap();
            self.end.recv().unwrap();
        }
    }

    #[tokio::test]
    async fn a_result_that_nobody_takes_is_gone_when_all_has_settled() {
        let workers = Workers::new();
        let (begun, mut drops) = tokio::sync::mpsc::unbounded_channel();
        let (end, ends) = mpsc::channel();
        let (go, goes) = mpsc::channel::<()>();
        let (started, mut starts) = tokio::sync::mpsc::unbounded_channel();
        let mut run = Box::pin(workers.run(move || {
            started.send(()).unwrap();
            goes.recv().unwrap();
            Slow { begun, end: ends }
        }));
        tokio::select! {
            _ = &mut run => panic!("it waits to be let go"),
            _ = starts.recv() => {}
        }
        drop(run);
        go.send(()).unwrap();
        drops.recv().await.unwrap();
        let mut settled = Box::pin(workers.settle());
        assert!(futures::poll!(&mut settled).is_pending());
        end.send(()).unwrap();
        settled.await;
    }
}
