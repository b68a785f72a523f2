//! All parts in one process on one data folder: broker, schema registry, connectors, SQL.
//!
//! ```text
//!   DATA/log        the broker's partitions and metadata
//!   DATA/state      the state of continuous queries
//! ```
//!
//! The parts above the broker reach it over the in-memory transport, with the protocol that any
//! client speaks. They stop in the opposite order of their start.

pub(crate) mod connectors;
mod memory;
mod options;
mod server;

use std::net::SocketAddr;
use std::path::PathBuf;

use anyhow::Context as _;
use broker_server::{Broker, BrokerConfig};
use client::ClientConfig;
use connect::{ConnectorConfig, Worker, WorkerConfig};
use registry::{Registry, RegistryConfig};
use sql::{Engine, EngineConfig};

use self::memory::BrokerSlot;
pub(crate) use self::options::{ServerOptions, listen_address};
pub(crate) use self::server::serve;

/// What a platform is started with.
pub(crate) struct PlatformConfig {
    pub(crate) broker: BrokerConfig,
    /// `host:port` of the registry; port 0 takes a free one.
    pub(crate) registry_listen: String,
    /// Address of the SQL engine's REST API; port 0 takes a free one.
    pub(crate) sql_listen: SocketAddr,
    /// Where queries keep their state.
    pub(crate) state_dir: PathBuf,
    /// Connectors to run.
    pub(crate) connectors: Vec<ConnectorConfig>,
}

/// The parts, running.
pub(crate) struct Platform {
    broker: BrokerSlot,
    /// Where Kafka clients connect.
    pub(crate) broker_address: SocketAddr,
    registry: Registry,
    /// The connectors.
    pub(crate) worker: Worker,
    /// The continuous queries.
    pub(crate) engine: Engine,
    rest: sql::Server,
}

impl Platform {
    /// Starts all parts. When it returns, each of them serves.
    ///
    /// # Errors
    /// The first part that cannot start, with what is in its way; those before it are stopped.
    pub(crate) async fn start(config: PlatformConfig) -> anyhow::Result<Self> {
        let PlatformConfig { broker, registry_listen, sql_listen, state_dir, connectors } = config;
        let broker = Broker::start(broker).await.context("the broker cannot start")?;
        let broker_address = broker.address();
        let broker = BrokerSlot::new(broker);
        let registry = match start_registry(&broker.client(), registry_listen).await {
            Ok(registry) => registry,
            Err(error) => return Err(broker.stop_after(error).await),
        };
        let worker = match start_worker(&broker.client(), &registry, connectors).await {
            Ok(worker) => worker,
            Err(error) => {
                registry.shutdown().await;
                return Err(broker.stop_after(error).await);
            }
        };
        match start_sql(&broker.client(), &registry, sql_listen, state_dir).await {
            Ok((engine, rest)) => {
                Ok(Self { broker, broker_address, registry, worker, engine, rest })
            }
            Err(error) => {
                worker.shutdown().await;
                registry.shutdown().await;
                Err(broker.stop_after(error).await)
            }
        }
    }

    /// Where the registry answers.
    pub(crate) fn registry_url(&self) -> String {
        self.registry.url()
    }

    /// Where the SQL engine answers.
    pub(crate) fn sql_url(&self) -> String {
        format!("http://{}", self.rest.address())
    }

    /// Stops all parts; what they hold is on disk afterwards.
    ///
    /// # Errors
    /// The broker's logs could not be closed in order.
    pub(crate) async fn shutdown(self) -> anyhow::Result<()> {
        self.worker.shutdown().await;
        tokio::join!(self.engine.shutdown(), self.rest.shutdown());
        self.registry.shutdown().await;
        self.broker.stop().await
    }
}

async fn start_registry(client: &ClientConfig, listener: String) -> anyhow::Result<Registry> {
    let config = RegistryConfig { listener, replication_factor: 1, ..RegistryConfig::default() };
    let client = client.clone().named("schema-registry");
    registry::start(config, client).await.context("the schema registry cannot start")
}

async fn start_worker(
    client: &ClientConfig,
    registry: &Registry,
    connectors: Vec<ConnectorConfig>,
) -> anyhow::Result<Worker> {
    let converters = [
        ("key.converter", "StringConverter".to_owned()),
        ("value.converter", "AvroConverter".to_owned()),
        ("value.converter.schema.registry.url", registry.url()),
    ];
    // A line of a file is text for everybody; Avro's framing would make it look like none.
    let config = WorkerConfig::new(converters).with_text_converter("StringConverter");
    let client = client.clone().named("connect");
    connect::start(config, connectors, client).await.context("a connector cannot start")
}

async fn start_sql(
    client: &ClientConfig,
    registry: &Registry,
    listen: SocketAddr,
    state_dir: PathBuf,
) -> anyhow::Result<(Engine, sql::Server)> {
    let config = EngineConfig {
        state_dir: Some(state_dir),
        registry_url: Some(registry.url()),
        replication_factor: 1,
        ..EngineConfig::default()
    };
    let started = Engine::start(config, client.clone().named("sql")).await;
    let engine = started.context("the SQL engine cannot start")?;
    match sql::Server::start(engine.clone(), listen).await {
        Ok(rest) => Ok((engine, rest)),
        Err(error) => {
            engine.shutdown().await;
            Err(error).context("the SQL engine's REST API cannot start")
        }
    }
}
