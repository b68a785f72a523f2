//! `yeoul registry`.

use anyhow::Context as _;
use clap::Args;
use registry::{Registry, RegistryConfig};

use super::Part;
use super::cluster::ClusterOptions;

/// The schema registry alone, on any Kafka cluster
#[derive(Args, Debug)]
#[command(after_help = "\
GET /health says whether it and its cluster are well (200 or 503, as JSON).
It stops at SIGTERM and SIGINT. One registry works on a topic at a time.")]
pub(crate) struct RegistryOptions {
    #[command(flatten)]
    pub(super) cluster: ClusterOptions,
    /// Where it answers; port 0 takes a free one
    #[arg(long, value_name = "HOST:PORT", default_value = "127.0.0.1:8081")]
    listen: String,
    /// The compacted topic that it keeps everything in
    #[arg(long, value_name = "TOPIC", default_value = "_schemas")]
    topic: String,
    /// Replicas of that topic if it has to be made; fewer if the cluster has fewer brokers
    #[arg(long, value_name = "N", default_value_t = 3)]
    replication_factor: i16,
    /// The compatibility of subjects that have none of their own
    #[arg(long, value_name = "LEVEL", default_value = "BACKWARD")]
    compatibility_level: String,
}

pub(super) struct Running(Registry);

impl Part for Running {
    type Options = RegistryOptions;

    async fn start(options: &RegistryOptions) -> anyhow::Result<Self> {
        let client = options.cluster.reach("schema-registry").await?;
        let config = RegistryConfig {
            listener: options.listen.clone(),
            topic: options.topic.clone(),
            replication_factor: options.replication_factor,
            compatibility_level: options.compatibility_level.clone(),
            ..RegistryConfig::default()
        };
        let started = registry::start(config, client).await;
        started.map(Self).context("the schema registry cannot start")
    }

    fn place(&self) -> String {
        format!("schema registry {}", self.0.url())
    }

    async fn stop(self) {
        self.0.shutdown().await;
    }
}
