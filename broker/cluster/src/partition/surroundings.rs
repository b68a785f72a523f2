//! What all partitions of a node share: who the other brokers are, the time, and where to say what
//! is to be asked of other nodes.

use std::fmt;
use std::sync::{Arc, RwLock};

use broker_metadata::Image;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use super::Partition;
use crate::clock::Clock;
use crate::lock::{read_whole, write_whole};
use crate::replica::{AlterIsr, Brokers, Moment, Standing};

/// What a partition wants of other nodes. Each partition has one change of its ISR and one leader
/// at a time, so that no more of these wait than there are partitions.
#[derive(Debug)]
pub enum ReplicaEvent {
    /// Ask the controller for another ISR.
    AlterIsr { partition: Arc<Partition>, change: AlterIsr },
    /// Fetch from this leader, in this leader epoch, from the end of the log on.
    Follow { partition: Arc<Partition>, leader: i32, epoch: i32 },
    /// Fetch no longer.
    Unfollow { partition: Arc<Partition> },
}

/// Shared by all partitions of a node.
pub struct Surroundings {
    pub(super) node_id: i32,
    clock: Arc<dyn Clock>,
    /// `replica.lag.time.max.ms`
    pub(super) lag_time_max_ms: i64,
    /// The metadata that the partitions follow. A std lock: held to look something up in it.
    image: RwLock<Arc<Image>>,
    events: UnboundedSender<ReplicaEvent>,
}

impl fmt::Debug for Surroundings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Surroundings").field("node_id", &self.node_id).finish_non_exhaustive()
    }
}

impl Surroundings {
    /// The receiver is for who carries out what partitions want of other nodes.
    pub fn new(
        node_id: i32,
        clock: Arc<dyn Clock>,
        lag_time_max_ms: i64,
    ) -> (Arc<Self>, UnboundedReceiver<ReplicaEvent>) {
        let (events, receiver) = unbounded_channel();
        let image = RwLock::default();
        (Arc::new(Self { node_id, clock, lag_time_max_ms, image, events }), receiver)
    }

    pub fn node_id(&self) -> i32 {
        self.node_id
    }

    /// The metadata that the partitions follow.
    pub fn image(&self) -> Arc<Image> {
        read_whole(&self.image).clone()
    }

    pub(super) fn take_image(&self, image: &Arc<Image>) {
        *write_whole(&self.image) = image.clone();
    }

    pub(super) fn now(&self) -> Moment<'_> {
        Moment { now_ms: self.clock.elapsed_ms(), brokers: self }
    }

    /// For how long something lasts, in milliseconds.
    pub fn elapsed_ms(&self) -> i64 {
        self.clock.elapsed_ms()
    }

    pub(super) fn say(&self, event: ReplicaEvent) {
        // A node that is stopping asks nothing of others any more.
        let _ = self.events.send(event);
    }
}

impl Brokers for Surroundings {
    fn standing(&self, broker: i32) -> Option<Standing> {
        read_whole(&self.image).standing(broker)
    }
}
