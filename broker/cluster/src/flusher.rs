//! Syncs partitions that ask for it, outside of their locks and of the threads that serve requests.
//!
//! - A partition that must be synced before its appends are acknowledged is urgent. It stands in
//!   the queue once; whatever is appended until its flush begins shares it, and what is appended
//!   while it runs shares the next. So one sync answers many producers.
//! - Up to [`FLUSH_THREADS`] flushes run at once. A file system with a journal commits it once for
//!   all syncs that wait, so that many partitions cost little more than one.
//! - What nobody waits for (segments that are full, `flush.ms`) comes after that, and takes few
//!   of the threads: such a flush may be of a whole segment.
//!
//! Threads are those of the runtime that may block; none is held while there is nothing to do.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, MutexGuard};

use broker_log::StorageError;
use tokio::runtime::Handle;
use tokio_util::task::TaskTracker;

use crate::clock::Clock;
use crate::limits::{FLUSH_THREADS, LATER_FLUSH_THREADS};
use crate::lock::whole;
use crate::partition::{Partition, Partitions};

/// A handle; cheap to clone.
#[derive(Clone)]
pub struct Flusher {
    shared: Arc<Shared>,
}

struct Shared {
    /// A std mutex: held to take a partition in or out.
    queue: Mutex<Queue>,
    partitions: Arc<Partitions>,
    clock: Arc<dyn Clock>,
    /// Where flushes run; the broker waits for them when it stops.
    tasks: TaskTracker,
    runtime: Handle,
}

/// Each partition stands in each list at most once, so that they never grow beyond the number of
/// partitions.
#[derive(Default)]
struct Queue {
    urgent: VecDeque<Arc<Partition>>,
    later: VecDeque<Arc<Partition>>,
    threads: usize,
    later_threads: usize,
}

enum Job {
    Urgent(Arc<Partition>),
    Later(Arc<Partition>),
}

impl Flusher {
    /// Must be called in the runtime whose threads are to be used.
    pub fn new(partitions: Arc<Partitions>, clock: Arc<dyn Clock>, tasks: TaskTracker) -> Self {
        let (queue, runtime) = (Mutex::default(), Handle::current());
        Self { shared: Arc::new(Shared { queue, partitions, clock, tasks, runtime }) }
    }

    /// Has a partition synced as soon as can be: somebody waits for it.
    pub fn urge(&self, partition: &Arc<Partition>) {
        if partition.flush_turn.ask() {
            let mut queue = self.lock();
            queue.urgent.push_back(partition.clone());
            self.man(queue);
        }
    }

    /// Has the full segments of a partition synced soon, and where `flush.ms` are over all of it.
    pub fn request(&self, partition: &Arc<Partition>) {
        if partition.later_turn.ask() {
            let mut queue = self.lock();
            queue.later.push_back(partition.clone());
            self.man(queue);
        }
    }

    /// Gives the queue a thread more, where one has something to do.
    fn man(&self, mut queue: MutexGuard<'_, Queue>) {
        let waits = !queue.urgent.is_empty() || queue.later_threads < LATER_FLUSH_THREADS;
        if queue.threads >= FLUSH_THREADS || !waits {
            return;
        }
        queue.threads += 1;
        drop(queue);
        let flusher = self.clone();
        self.shared.tasks.spawn_blocking_on(move || flusher.work(), &self.shared.runtime);
    }

    fn work(&self) {
        while let Some(job) = self.next() {
            match job {
                Job::Urgent(partition) => {
                    partition.flush_turn.begin();
                    let flushed = self.flush(&partition, true);
                    if partition.flush_turn.end() {
                        self.lock().urgent.push_back(partition);
                    } else if flushed && partition.wants_sync() {
                        // A truncation came between, and the flush gained nothing.
                        self.urge(&partition);
                    }
                }
                Job::Later(partition) => {
                    partition.later_turn.begin();
                    self.flush(&partition, false);
                    let again = partition.later_turn.end();
                    let mut queue = self.lock();
                    queue.later_threads -= 1;
                    if again {
                        queue.later.push_back(partition);
                    }
                }
            }
        }
    }

    fn next(&self) -> Option<Job> {
        let mut queue = self.lock();
        if let Some(partition) = queue.urgent.pop_front() {
            return Some(Job::Urgent(partition));
        }
        if queue.later_threads < LATER_FLUSH_THREADS
            && let Some(partition) = queue.later.pop_front()
        {
            queue.later_threads += 1;
            return Some(Job::Later(partition));
        }
        queue.threads -= 1;
        None
    }

    /// Syncs one partition and tells who waits for it; returns whether it could. Blocks, but not
    /// under the partition's lock.
    fn flush(&self, partition: &Arc<Partition>, all: bool) -> bool {
        let now_ms = self.shared.clock.now_ms();
        // A panic must not take the thread, and the partition's turn, with it.
        let flushed = catch_unwind(AssertUnwindSafe(|| partition.flush(all, now_ms)));
        let flushed = flushed.unwrap_or_else(|_| {
            let source = std::io::Error::other("a panic cut it short");
            let path = partition.dir().path().join(partition.id.folder());
            Err(StorageError { operation: "sync", path, source })
        });
        if let Err(problem) = &flushed {
            partition.flush_failed(problem);
            self.shared.partitions.storage_failed(partition, problem);
        }
        flushed.is_ok()
    }

    fn lock(&self) -> MutexGuard<'_, Queue> {
        whole(&self.shared.queue)
    }
}
