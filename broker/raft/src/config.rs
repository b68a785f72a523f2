//! What a node is told about itself and the quorum.

use uuid::Uuid;

use crate::{Address, Endpoints, ReplicaKey, VersionRange, VoterNode};

/// The settings of a node, with Kafka's names where Kafka has them.
#[derive(Clone, Debug)]
pub struct Config {
    pub cluster_id: String,
    /// `node.id`.
    pub node: i32,
    /// The directory of the metadata log, as its `meta.properties` says; never nil.
    pub directory: Uuid,
    /// Whether the node is a controller: then what it acknowledges is synced even before it is
    /// a voter.
    pub can_become_voter: bool,
    /// The name of the listener by which controllers reach each other: the first of
    /// `controller.listener.names`.
    pub listener: String,
    /// Where this node listens as a controller; empty for a broker.
    pub endpoints: Endpoints,
    /// `controller.quorum.bootstrap.servers`, or the addresses of `controller.quorum.voters`.
    pub bootstrap: Vec<Address>,
    /// `controller.quorum.election.timeout.ms`.
    pub election_timeout_ms: i64,
    /// `controller.quorum.election.backoff.max.ms`.
    pub election_backoff_max_ms: i64,
    /// `controller.quorum.fetch.timeout.ms`.
    pub fetch_timeout_ms: i64,
    /// `controller.quorum.request.timeout.ms`.
    pub request_timeout_ms: i64,
    /// `controller.quorum.retry.backoff.ms`.
    pub retry_backoff_ms: i64,
    /// How long a leader without news may keep a fetch.
    pub fetch_max_wait_ms: i32,
    /// `controller.quorum.fetch.max.bytes`.
    pub fetch_max_bytes: i32,
    /// `controller.quorum.fetch.snapshot.max.bytes`.
    pub fetch_snapshot_max_bytes: i32,
    /// `controller.quorum.auto.join.enable`.
    pub auto_join: bool,
}

impl Config {
    /// Kafka's defaults for a node.
    pub fn new(cluster_id: &str, node: i32, directory: Uuid) -> Self {
        Self {
            cluster_id: cluster_id.to_owned(),
            node,
            directory,
            can_become_voter: true,
            listener: "CONTROLLER".to_owned(),
            endpoints: Endpoints::default(),
            bootstrap: Vec::new(),
            election_timeout_ms: 1000,
            election_backoff_max_ms: 1000,
            fetch_timeout_ms: 2000,
            request_timeout_ms: 2000,
            retry_backoff_ms: 20,
            fetch_max_wait_ms: 500,
            fetch_max_bytes: 1024 * 1024,
            fetch_snapshot_max_bytes: 1024 * 1024,
            auto_join: false,
        }
    }

    pub fn key(&self) -> ReplicaKey {
        ReplicaKey::new(self.node, self.directory)
    }

    /// This node as it wants to be known among the voters.
    pub(crate) fn voter(&self) -> VoterNode {
        VoterNode {
            key: self.key(),
            endpoints: self.endpoints.clone(),
            supported: VersionRange::SUPPORTED,
        }
    }
}
