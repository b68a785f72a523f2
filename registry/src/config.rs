//! What a registry is started with.

use std::time::Duration;

/// Where the registry listens, where it keeps its records, and its defaults.
#[derive(Clone, Debug)]
pub struct RegistryConfig {
    /// `host:port`; port 0 takes a free one.
    pub listener: String,
    /// The compacted topic with one partition.
    pub topic: String,
    /// Replicas of the topic, if it has to be created; fewer if the cluster has fewer brokers.
    pub replication_factor: i16,
    /// The level where none is set, as `PUT /config` takes it.
    pub compatibility_level: String,
    /// Whether modes may be changed.
    pub mode_mutability: bool,
    /// The most schemas that `GET /schemas` gives at once.
    pub schema_search_max_limit: usize,
    /// How long the start may wait for the topic.
    pub init_timeout: Duration,
}

impl Default for RegistryConfig {
    fn default() -> Self {
        Self {
            listener: "0.0.0.0:8081".into(),
            topic: "_schemas".into(),
            replication_factor: 3,
            compatibility_level: "BACKWARD".into(),
            mode_mutability: true,
            schema_search_max_limit: 1000,
            init_timeout: Duration::from_secs(60),
        }
    }
}
