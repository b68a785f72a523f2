//! What a handler may use, and what it knows of the request beside its body.

use std::sync::Arc;

use broker_cluster::Clock;
use broker_cluster::Flusher;
use broker_cluster::LogConfigs;
use broker_cluster::partition::{Partitions, Surroundings};
use broker_coordinator::Groups;
use broker_metadata::Image;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::config::BrokerConfig;
use crate::controller::{Controller, ControllerChannel, ProducerIds};
use crate::fetch_session::FetchSessions;
use crate::metrics::Metrics;
use crate::upkeep::Cleaner;

/// The parts of the broker, shared by all requests.
pub(crate) struct Services {
    pub(crate) config: Arc<BrokerConfig>,
    pub(crate) cluster_id: String,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) metrics: Metrics,
    pub(crate) controller: Controller,
    /// The way to the controller that decides, wherever it is.
    pub(crate) channel: ControllerChannel,
    pub(crate) partitions: Arc<Partitions>,
    pub(crate) surroundings: Arc<Surroundings>,
    pub(crate) groups: Groups,
    /// Settings as they hold for a topic or for this broker.
    pub(crate) configs: LogConfigs,
    pub(crate) producer_ids: ProducerIds,
    pub(crate) fetch_sessions: FetchSessions,
    pub(crate) flusher: Flusher,
    pub(crate) cleaner: Cleaner,
    /// Cancelled when the broker stops: whatever is parked answers with what it has.
    pub(crate) stopping: CancellationToken,
    /// Cancelled later than that: what is said to other nodes until the very end ends with it.
    pub(crate) links: CancellationToken,
    /// Background work that the broker waits for when it stops.
    pub(crate) tasks: TaskTracker,
}

impl Services {
    /// The cluster as it is now; hold it for one request, so that its answers agree with each
    /// other.
    pub(crate) fn image(&self) -> Arc<Image> {
        self.controller.image()
    }

    /// The time of day, for what is written down or compared with that.
    pub(crate) fn now_ms(&self) -> i64 {
        self.clock.now_ms()
    }

    /// For how long something lasts.
    pub(crate) fn elapsed_ms(&self) -> i64 {
        self.clock.elapsed_ms()
    }
}
