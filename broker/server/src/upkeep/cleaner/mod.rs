//! The log cleaner: compacts logs whose `cleanup.policy` says so, the filthiest first.
//!
//! ```text
//!   look round -> choice -> compaction (a thread that may block) -> checkpoint -> look round
//!        \-- nothing to do: wait for log.cleaner.backoff.ms, a change of settings, the end
//! ```
//!
//! One task looks round, starts as many compactions as `log.cleaner.threads` says, and remembers
//! what failed. The table of keys is there only while a compaction runs. A compaction ends early
//! when its log is removed or no longer to be compacted, and when the broker stops.
//!
//! - `choice`: which logs · `compaction`: one log
//! - `setbacks`: logs that failed · `throttle`: how fast

mod choice;
mod compaction;
mod setbacks;
mod throttle;

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use broker_cluster::lock::whole;
use broker_cluster::partition::Partition;
use broker_log::{CompactionError, StorageError, TopicPartition};
use broker_metadata::config::CleanerConfig;
use tokio::sync::Notify;
use tokio::task::{Id, JoinError, JoinSet};
use tokio::time::Instant;
use tracing::{error, info};

use self::choice::{Choice, choose};
use self::compaction::{CleanError, Ended, compact};
use self::setbacks::Setbacks;
use self::throttle::Throttle;
use super::Janitor;
use crate::services::Services;

/// What the rest of the broker knows of the cleaner.
#[derive(Debug, Default)]
pub(crate) struct Cleaner {
    changed: Notify,
    /// A std mutex: held for a change or a look-up of the set.
    compacting: Mutex<HashSet<TopicPartition>>,
}

impl Cleaner {
    /// Has it look round now: settings have changed.
    pub(crate) fn wake(&self) {
        self.changed.notify_one();
    }

    /// Whether a log's segments are being compacted, so that none may be taken away. Holds for as
    /// long as the log is locked.
    pub(crate) fn is_compacting(&self, id: &TopicPartition) -> bool {
        self.compacting().contains(id)
    }

    fn compacting(&self) -> MutexGuard<'_, HashSet<TopicPartition>> {
        whole(&self.compacting)
    }
}

/// Starts the cleaner; it ends when the broker stops.
pub(super) fn start(services: &Arc<Services>, janitor: &Janitor) {
    if !services.configs.cleaner(&services.image()).enable {
        info!("log.cleaner.enable is false: topics with cleanup.policy=compact keep every record");
        return;
    }
    let rounds = Rounds {
        services: services.clone(),
        janitor: janitor.clone(),
        throttle: Arc::new(Throttle::new(Instant::now())),
        setbacks: Setbacks::default(),
        running: JoinSet::new(),
        logs: HashMap::new(),
    };
    services.tasks.spawn(rounds.run());
}

/// The task's own state.
struct Rounds {
    services: Arc<Services>,
    janitor: Janitor,
    throttle: Arc<Throttle>,
    setbacks: Setbacks,
    running: JoinSet<Ended>,
    /// Which log each running compaction has.
    logs: HashMap<Id, TopicPartition>,
}

impl Rounds {
    async fn run(mut self) {
        let services = self.services.clone();
        while !services.stopping.is_cancelled() {
            let config = services.configs.cleaner(&services.image());
            self.throttle.set_rate(config.max_bytes_per_second);
            self.start_compactions(&config).await;
            let backoff = Duration::from_millis(u64::try_from(config.backoff_ms).unwrap_or(0));
            tokio::select! {
                biased;
                () = services.stopping.cancelled() => {}
                Some(ended) = self.running.join_next_with_id() => self.finish(ended),
                () = services.cleaner.changed.notified() => {}
                () = tokio::time::sleep(backoff.max(Duration::from_millis(1))) => {}
            }
        }
        while let Some(ended) = self.running.join_next_with_id().await {
            self.finish(ended);
        }
    }

    async fn start_compactions(&mut self, config: &CleanerConfig) {
        let threads = usize::try_from(config.threads).unwrap_or(usize::MAX);
        let room = threads.saturating_sub(self.running.len());
        if room == 0 {
            return;
        }
        let elapsed_ms = self.services.elapsed_ms();
        self.setbacks.forget_ended(elapsed_ms);
        let waiting = self.setbacks.waiting(elapsed_ms);
        let services = self.services.clone();
        let looking = tokio::task::spawn_blocking(move || choose(&services, &waiting, room));
        for choice in looking.await.unwrap_or_default() {
            self.start_one(choice, config.clone());
        }
    }

    fn start_one(&mut self, choice: Choice, config: CleanerConfig) {
        let id = choice.partition.id.clone();
        self.services.cleaner.compacting().insert(id.clone());
        let (services, janitor) = (self.services.clone(), self.janitor.clone());
        let throttle = self.throttle.clone();
        let task = self
            .running
            .spawn_blocking(move || compact(&services, &janitor, &throttle, choice, &config));
        self.logs.insert(task.id(), id);
    }

    /// Has the log's dir take note of a disk in trouble. A pass that only found no room for its new
    /// segments gives that back, and says nothing of the dir.
    fn tell_disk(&self, id: &TopicPartition, problem: &CleanError) {
        let (CleanError::Storage(problem)
        | CleanError::Compaction(CompactionError::Storage(problem))) = problem
        else {
            return;
        };
        let partition = self.services.partitions.get(&id.topic, id.partition);
        if let Some(partition) = partition.filter(|_| !problem.is_out_of_space()) {
            self.services.partitions.storage_failed(&partition, problem);
        }
    }

    /// Takes note of how a compaction went.
    fn finish(&mut self, ended: Result<(Id, Ended), JoinError>) {
        let (task, outcome) = match ended {
            Ok((task, ended)) => {
                if let (Err(problem), Some(id)) = (&ended, self.logs.get(&task)) {
                    self.tell_disk(id, problem);
                }
                (task, ended.map_err(|problem| problem.to_string()))
            }
            Err(problem) => (problem.id(), Err(problem.to_string())),
        };
        let Some(id) = self.logs.remove(&task) else { return };
        self.services.cleaner.compacting().remove(&id);
        match outcome {
            Ok(()) => self.setbacks.clear(&id),
            Err(problem) => {
                let pause = self.setbacks.note(id.clone(), self.services.elapsed_ms());
                error!(
                    "{id} can't be compacted and stays as it is; tried again in {} s: {problem}",
                    pause.as_secs()
                );
            }
        }
    }
}

/// Writes down how far a log is clean. Blocks.
fn note_cleaned(
    services: &Services,
    partition: &Partition,
    offset: i64,
) -> Result<(), StorageError> {
    let (id, dirs) = (&partition.id, services.partitions.dirs());
    let cleaned = services.partitions.cleaned();
    cleaned.set(dirs, partition.dir().number(), id, offset)?;
    // A log that was removed meanwhile had its line removed before.
    match partition.with_log(|_| ()) {
        Ok(()) => Ok(()),
        Err(_) => cleaned.keep(dirs, |other| other != id),
    }
}
