//! `yeoul connect`.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Context as _;
use clap::Args;
use connect::{ConnectorConfig, OffsetStorage, Worker, WorkerConfig};

use super::Part;
use super::cluster::ClusterOptions;
use super::worker_api::WorkerApi;
use crate::properties_file;

/// Connectors alone, on any Kafka cluster
#[derive(Args, Debug)]
#[command(after_help = "\
GET /health says whether all connectors are well (200 or 503, as JSON), GET /connectors names
them, GET /connectors/NAME/status says how one is. It stops at SIGTERM and SIGINT.")]
pub(crate) struct ConnectOptions {
    #[command(flatten)]
    pub(super) cluster: ClusterOptions,
    /// Where it says how it is; port 0 takes a free one
    #[arg(long, value_name = "HOST:PORT", default_value = "127.0.0.1:8083")]
    listen: String,
    /// A connector to run: a properties or JSON file; may be repeated
    #[arg(long, value_name = "FILE", required = true)]
    connector: Vec<PathBuf>,
    /// A worker.properties: converters, where positions are kept, producer.* and clients' settings.
    /// --bootstrap-server and --command-config win over it
    #[arg(long, value_name = "FILE")]
    config: Option<String>,
    /// The schema registry of values in Avro. Without it, and without a worker.properties, values
    /// are JSON without schema. Keys, and lines of files, are texts either way
    #[arg(long, value_name = "URL", conflicts_with = "config")]
    schema_registry: Option<String>,
    /// Replicas of the topic of positions if it has to be made; fewer if the cluster has fewer
    /// brokers
    #[arg(long, value_name = "N", default_value_t = 3, conflicts_with = "config")]
    replication_factor: i16,
}

impl ConnectOptions {
    /// The worker's settings, and those of its clients that stand in its file.
    fn worker(&self) -> anyhow::Result<(WorkerConfig, BTreeMap<String, String>)> {
        if let Some(path) = &self.config {
            let properties = properties_file::read(path).map_err(anyhow::Error::msg)?;
            let config = WorkerConfig::from_properties(&properties).map_err(|problems| {
                let lines: Vec<String> = problems.iter().map(ToString::to_string).collect();
                anyhow::anyhow!("{path}: {}", lines.join("; "))
            })?;
            return Ok((config, WorkerConfig::client_settings(&properties)));
        }
        let mut converters = vec![("key.converter", "StringConverter")];
        match &self.schema_registry {
            Some(url) => converters.extend([
                ("value.converter", "AvroConverter"),
                ("value.converter.schema.registry.url", url),
            ]),
            None => converters.extend([
                ("value.converter", "JsonConverter"),
                ("value.converter.schemas.enable", "false"),
            ]),
        }
        let mut config = WorkerConfig::new(converters).with_text_converter("StringConverter");
        if let OffsetStorage::Topic { replication_factor, .. } = &mut config.offsets {
            *replication_factor = self.replication_factor;
        }
        Ok((config, BTreeMap::new()))
    }
}

pub(super) struct Running {
    worker: Arc<Worker>,
    api: WorkerApi,
}

impl Part for Running {
    type Options = ConnectOptions;

    async fn start(options: &ConnectOptions) -> anyhow::Result<Self> {
        let (config, clients) = options.worker()?;
        let connectors: Result<Vec<ConnectorConfig>, _> =
            options.connector.iter().map(|path| ConnectorConfig::read(path)).collect();
        let connectors = connectors?;
        let listener = WorkerApi::bind(&options.listen).await?;
        let client = options.cluster.reach_with("connect", clients).await?;
        let worker = connect::start(config, connectors, client).await;
        let worker = Arc::new(worker.context("a connector cannot start")?);
        let api = WorkerApi::serve(listener, Arc::clone(&worker));
        Ok(Self { worker, api })
    }

    fn place(&self) -> String {
        format!("connectors http://{}", self.api.address())
    }

    async fn tell(&self) -> Infallible {
        crate::platform::connectors::tell(&self.worker).await
    }

    async fn stop(self) {
        self.api.stop().await;
        match Arc::into_inner(self.worker) {
            Some(worker) => worker.shutdown().await,
            None => tracing::warn!("connectors are stopped without waiting"),
        }
    }
}
