//! What partitions want of other nodes, done: records fetched from leaders, changes of the ISR
//! asked of the controller.
//!
//! ```text
//!   partitions ── ReplicaEvent ──▶ Replication ─┬─▶ Fetcher, one a leader and thread ─▶ leader
//!        ▲                                      └─▶ changes of ISRs, one request ─▶ controller
//!        └── records, answers, time ───────────────────────────────┘
//! ```

mod fetcher;
mod isr_changes;

use std::collections::HashMap;
use std::collections::hash_map::DefaultHasher;
use std::future::Future;
use std::hash::{Hash as _, Hasher as _};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use broker_metadata::config::ReplicationConfig;
use protocol::messages::{AlterPartitionRequest, AlterPartitionResponse};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use self::fetcher::{Assignment, Fetcher};
use crate::clock::Clock;
use crate::flusher::Flusher;
use crate::limits::{ISR_TICK_MAX, ISR_TICK_MIN};
use crate::partition::{Partition, Partitions, ReplicaEvent, Surroundings};
use crate::replica::PartitionKey;

/// An answer that is awaited.
pub type Awaited<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// How the active controller is reached, wherever it is. The error is a sentence.
pub trait IsrChannel: Send + Sync + 'static {
    fn alter(
        &self,
        request: AlterPartitionRequest,
    ) -> Awaited<Result<AlterPartitionResponse, String>>;
}

/// What replication needs of its node.
#[derive(Clone)]
pub struct ReplicationResources {
    pub partitions: Arc<Partitions>,
    pub surroundings: Arc<Surroundings>,
    pub settings: ReplicationConfig,
    /// The listener by which brokers reach each other.
    pub listener: Arc<str>,
    pub controller: Arc<dyn IsrChannel>,
    pub flusher: Flusher,
    pub clock: Arc<dyn Clock>,
    pub tasks: TaskTracker,
    /// Cancelled when nothing more is to be fetched.
    pub cancel: CancellationToken,
}

/// Where a partition is fetched: the leader, and which of its fetchers.
type Place = (i32, u32);

struct Replication {
    resources: ReplicationResources,
    fetchers: HashMap<Place, UnboundedSender<Assignment>>,
    /// Where partitions are fetched now.
    places: HashMap<PartitionKey, Place>,
}

/// Carries out what the partitions want, until that is cancelled.
pub fn start(resources: ReplicationResources, mut events: UnboundedReceiver<ReplicaEvent>) {
    let (tasks, cancel) = (resources.tasks.clone(), resources.cancel.clone());
    let changes = isr_changes::start(&resources);
    let mut ticks = tokio::time::interval(tick_interval(resources.settings.lag_time_max_ms));
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let partitions = resources.partitions.clone();
    let mut replication =
        Replication { resources, fetchers: HashMap::new(), places: HashMap::new() };
    tasks.spawn(async move {
        loop {
            tokio::select! {
                () = cancel.cancelled() => return,
                event = events.recv() => match event {
                    None => return,
                    Some(ReplicaEvent::AlterIsr { partition, change }) => {
                        // Its task ends with this one.
                        let _ = changes.send((partition, change));
                    }
                    Some(ReplicaEvent::Follow { partition, leader, epoch }) => {
                        replication.follow(partition, leader, epoch);
                    }
                    Some(ReplicaEvent::Unfollow { partition }) => {
                        replication.unfollow(key_of(&partition));
                    }
                },
                _ = ticks.tick() => {
                    for partition in partitions.all() {
                        partition.on_tick();
                    }
                }
            }
        }
    });
}

/// Members of the ISR that do not keep up are found within half the time that they may take, and
/// at least each second.
fn tick_interval(lag_time_max_ms: i64) -> Duration {
    let half = Duration::from_millis(u64::try_from(lag_time_max_ms / 2).unwrap_or(0));
    half.clamp(ISR_TICK_MIN, ISR_TICK_MAX)
}

fn key_of(partition: &Partition) -> PartitionKey {
    PartitionKey { topic_id: partition.topic_id, partition: partition.id.partition }
}

impl Replication {
    fn follow(&mut self, partition: Arc<Partition>, leader: i32, epoch: i32) {
        let key = key_of(&partition);
        let place = (leader, self.number(key));
        if self.places.get(&key).is_some_and(|before| *before != place) {
            self.unfollow(key);
        }
        self.places.insert(key, place);
        let mut assignment = Assignment::Follow { partition, epoch };
        if let Some(fetcher) = self.fetchers.get(&place) {
            match fetcher.send(assignment) {
                Ok(()) => return,
                // It had nothing left to do, and has ended.
                Err(unsent) => assignment = unsent.0,
            }
        }
        let (sender, assignments) = unbounded_channel();
        // The receiver is at hand.
        let _ = sender.send(assignment);
        self.fetchers.insert(place, sender);
        let fetcher = Fetcher::new(self.resources.clone(), leader, assignments);
        let cancel = self.resources.cancel.clone();
        self.resources.tasks.spawn(async move {
            tokio::select! {
                () = cancel.cancelled() => {}
                () = fetcher.run() => {}
            }
        });
    }

    fn unfollow(&mut self, key: PartitionKey) {
        let Some(place) = self.places.remove(&key) else { return };
        if let Some(fetcher) = self.fetchers.get(&place)
            && fetcher.send(Assignment::Unfollow(key)).is_err()
        {
            self.fetchers.remove(&place);
        }
    }

    /// Which of the fetchers of a leader has a partition (`num.replica.fetchers`).
    fn number(&self, key: PartitionKey) -> u32 {
        let mut hasher = DefaultHasher::new();
        key.hash(&mut hasher);
        let fetchers = u64::from(self.resources.settings.fetchers.max(1));
        u32::try_from(hasher.finish() % fetchers).unwrap_or(0)
    }
}
