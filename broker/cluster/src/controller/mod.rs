//! What the active controller decides: a command and an image go in, records and an answer come
//! out. Nothing here waits, reads a clock, a file or a socket, or draws a random number.
//!
//! ```text
//!   BrokerRegistration   registration     BrokerHeartbeat  heartbeat    sessions that end  fencing
//!   UnregisterBroker     unregister       AlterPartition   alter_partition
//!   AllocateProducerIds  producer_ids     ElectLeaders     elections
//!   AlterPartitionReassignments, ListPartitionReassignments               reassignment
//!   AssignReplicasToDirs directories      UpdateFeatures   features
//!   ControllerRegistration controller_registration
//!   CreateTopics, CreatePartitions: new_partitions
//! ```
//!
//! - `liveness`: which brokers were heard of, and when; the only thing here that is not in the log
//! - `partition_change`: one change of one partition, as Kafka's controller would write it
//! - `leaders`: such changes for all partitions that a broker leaves or comes back to
//! - `cluster`: what decisions ask of an image · `draft`: records of a decision of several steps
//!
//! Each decision is made with a [`View`] on the image with all that was proposed, so that it runs
//! inside `Quorum::decide`.

mod alter_partition;
mod cluster;
mod controller_registration;
mod directories;
mod draft;
mod elections;
mod features;
mod fencing;
mod heartbeat;
mod leaders;
mod liveness;
mod new_partitions;
mod partition_change;
mod producer_ids;
mod reassignment;
mod registration;
#[cfg(test)]
mod tests;
mod unregister;

use std::collections::BTreeMap;

use broker_metadata::{FeatureRange, Image, MetadataRecord};
use broker_raft::Now;

pub use alter_partition::alter_partition;
use cluster::Cluster;
pub use controller_registration::controller_registration;
pub use directories::assign_replicas_to_dirs;
use draft::Draft;
pub use elections::{elect_leaders, elect_unclean_leaders, rebalance_leaders};
pub use features::update_features;
pub use fencing::{connection_refused, tick};
pub use heartbeat::broker_heartbeat;
pub use liveness::Liveness;
pub use new_partitions::{NobodyActive, new_partitions, usable_brokers};
pub use producer_ids::allocate_producer_ids;
pub use reassignment::{alter_partition_reassignments, list_partition_reassignments};
pub use registration::broker_registration;
pub use unregister::unregister_broker;

/// What the file of this node says, as far as decisions depend on it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ControllerSettings {
    pub cluster_id: String,
    pub node_id: i32,
    /// The broker in the process of this controller: it is there as long as decisions are made, and
    /// no other run of it can be.
    pub own_broker: Option<i32>,
    /// `broker.session.timeout.ms`.
    pub session_timeout_ms: i64,
    /// `min.insync.replicas`, for topics of which the metadata says nothing.
    pub min_insync_replicas: i32,
    /// `unclean.leader.election.enable`, likewise.
    pub unclean_leader_election: bool,
    /// The levels of features that this node can work at.
    pub features: BTreeMap<String, FeatureRange>,
}

/// What a decision looks at.
pub struct View<'a> {
    /// The metadata with all that was decided before.
    pub image: &'a Image,
    /// The offset that the first record of the decision gets.
    pub next_offset: i64,
    pub now: Now,
    pub settings: &'a ControllerSettings,
    pub liveness: &'a mut Liveness,
}

impl<'a> View<'a> {
    fn cluster(&self) -> Cluster<'a> {
        Cluster::new(self.image, self.settings)
    }
}

/// What becomes of a command.
#[derive(Clone, Debug, PartialEq)]
pub struct Outcome<R> {
    /// To be committed, all or none, before the response goes out.
    pub records: Vec<MetadataRecord>,
    pub response: R,
    /// Sentences for the log of this node.
    pub notes: Vec<String>,
}

impl<R> Outcome<R> {
    fn answer(response: R) -> Self {
        Self { records: Vec::new(), response, notes: Vec::new() }
    }
}
