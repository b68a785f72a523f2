//! `yeoul sql-server`.

use std::path::PathBuf;

use anyhow::Context as _;
use clap::Args;
use sql::{Engine, EngineConfig, Server};

use super::Part;
use super::cluster::ClusterOptions;
use crate::platform::listen_address;

/// The SQL engine alone, on any Kafka cluster
#[derive(Args, Debug)]
#[command(after_help = "\
GET /healthcheck says whether it, its cluster and its queries are well (as JSON).
`yeoul sql http://HOST:PORT` opens the shell on it. It stops at SIGTERM and SIGINT.")]
pub(crate) struct SqlServerOptions {
    #[command(flatten)]
    pub(super) cluster: ClusterOptions,
    /// Where it answers; port 0 takes a free one
    #[arg(long, value_name = "HOST:PORT", default_value = "127.0.0.1:8088")]
    listen: String,
    /// The schema registry that AVRO needs; it may be started later
    #[arg(long, value_name = "URL")]
    schema_registry: Option<String>,
    /// Where queries keep their state. A folder that was lost is restored from the cluster
    #[arg(long, value_name = "DIR", default_value = "yeoul-sql-state")]
    state: PathBuf,
    /// Tells this engine's topics from those of others on the cluster
    #[arg(long, value_name = "ID", default_value = "default_")]
    service_id: String,
    /// Replicas of the topics that it makes; -1 is the cluster's default
    #[arg(long, value_name = "N", default_value_t = -1, allow_negative_numbers = true)]
    replication_factor: i16,
}

pub(super) struct Running {
    engine: Engine,
    server: Server,
}

impl Part for Running {
    type Options = SqlServerOptions;

    async fn start(options: &SqlServerOptions) -> anyhow::Result<Self> {
        let listen = listen_address("--listen", &options.listen)?;
        let client = options.cluster.reach("sql").await?;
        let config = EngineConfig {
            state_dir: Some(options.state.clone()),
            registry_url: options.schema_registry.clone(),
            service_id: options.service_id.clone(),
            replication_factor: options.replication_factor,
            ..EngineConfig::default()
        };
        let engine = Engine::start(config, client).await;
        let engine = engine.context("the SQL engine cannot start")?;
        match Server::start(engine.clone(), listen).await {
            Ok(server) => Ok(Self { engine, server }),
            Err(error) => {
                engine.shutdown().await;
                Err(error).context("the SQL engine's REST API cannot start")
            }
        }
    }

    fn place(&self) -> String {
        format!("SQL http://{}", self.server.address())
    }

    async fn stop(self) {
        tokio::join!(self.engine.shutdown(), self.server.shutdown());
    }
}
