//! [`Engine`]: statements in, results out; queries that go on.
//!
//! ```text
//!   text ─► parse ─► define ─► topics ─► command log ─► catalog ─► query (a streams application)
//!                 └► select: push, pull    └► show, describe, print
//! ```
//!
//! One statement changes the catalog at a time; readers hold an immutable snapshot of it.

mod bring_up;
mod config;
mod define;
mod describe;
mod entity;
mod execute;
mod replay;
mod show;
pub(crate) mod topics;
mod trial;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use client::{Admin, ClientConfig, Producer, ProducerConfig};
use datafusion::execution::runtime_env::RuntimeEnv;
use indexmap::IndexMap;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

pub use config::EngineConfig;
pub(crate) use config::{PROPERTIES, Session};
pub(crate) use entity::header_schema;
pub use execute::{ExecuteError, Outcome};

use crate::catalog::Catalog;
use crate::command_log::CommandLog;
use crate::error::SqlError;
use crate::query::persistent::{Running, Runtime};
use crate::query::store_table;
use crate::records::{HttpSchemas, NoSchemas, Schemas};
use topics::Topics;

/// A running SQL engine. Clones share it.
#[derive(Clone)]
pub struct Engine {
    shared: Arc<Shared>,
}

pub(crate) struct Shared {
    pub(crate) config: EngineConfig,
    pub(crate) client: ClientConfig,
    pub(crate) topics: Topics,
    pub(crate) producer: Producer,
    pub(crate) schemas: Arc<dyn Schemas>,
    pub(crate) runtime: Runtime,
    /// Held while a statement changes the catalog: one at a time.
    pub(crate) log: tokio::sync::Mutex<CommandLog>,
    /// A short lock: the snapshot is only swapped under it.
    catalog: RwLock<Arc<Catalog>>,
    /// A short lock: nothing awaits under it.
    running: Mutex<IndexMap<String, Running>>,
    pub(crate) transient: Mutex<HashMap<String, CancellationToken>>,
    /// One permit for each pull query that may run.
    pub(crate) pulls: Arc<Semaphore>,
    pub(crate) pull_resources: Arc<RuntimeEnv>,
    pub(crate) stop: CancellationToken,
    pub(crate) tracker: TaskTracker,
}

impl Engine {
    /// Connects, reads the command log and starts all queries that it holds. A query that cannot
    /// start is kept in state ERROR and tried again at the next start.
    pub async fn start(config: EngineConfig, client: ClientConfig) -> Result<Self, SqlError> {
        let admin = Admin::new(client.clone()).map_err(SqlError::server)?;
        let topics = Topics { admin, replication_factor: config.replication_factor };
        let schemas: Arc<dyn Schemas> = match &config.registry_url {
            Some(url) => Arc::new(HttpSchemas::new(url)?),
            None => Arc::new(NoSchemas),
        };
        Session::new(&config.defaults, &HashMap::new())?;
        let prefix = format!("_yeoul_sql_{}", config.service_id);
        let log_topic = format!("{prefix}commands");
        let (log, commands) = CommandLog::open(&log_topic, &client, &topics).await?;
        let producer = ProducerConfig::new(client.clone());
        let producer = Producer::new(producer).map_err(SqlError::server)?;
        let runtime = Runtime {
            client: client.clone(),
            state_dir: config.state_dir.clone(),
            replication_factor: config.replication_factor,
            prefix,
            topic_check_interval: config.topic_check_interval,
            reader_patience: config.reader_patience,
        };
        let shared = Arc::new(Shared {
            config,
            client,
            topics,
            producer,
            schemas,
            runtime,
            log: tokio::sync::Mutex::new(log),
            catalog: RwLock::default(),
            running: Mutex::default(),
            transient: Mutex::default(),
            pulls: Arc::new(Semaphore::new(execute::MAX_PULL_QUERIES)),
            pull_resources: store_table::resources().map_err(SqlError::server)?,
            stop: CancellationToken::new(),
            tracker: TaskTracker::new(),
        });
        replay::replay(&shared, commands).await?;
        Ok(Self { shared })
    }

    /// Stops all queries cleanly; their state and positions stay for the next start.
    pub async fn shutdown(&self) {
        self.shared.stop.cancel();
        self.shared.tracker.close();
        self.shared.tracker.wait().await;
        let running: Vec<Running> =
            std::mem::take(&mut *self.shared.running()).into_values().collect();
        for query in running {
            close(query).await;
        }
        self.shared.log.lock().await.close().await;
        self.shared.producer.close().await;
        self.shared.topics.admin.close().await;
    }

    /// Waits until what the sources of all running queries hold now has gone through to their
    /// results, one query after the other in the order of their creation.
    pub async fn wait_caught_up(&self) -> Result<(), SqlError> {
        let handles: Vec<_> =
            self.shared.running().values().filter_map(|query| query.handle.clone()).collect();
        for handle in handles {
            handle.wait_caught_up().await.map_err(SqlError::server)?;
        }
        Ok(())
    }

    pub(crate) fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }
}

/// Stops a query's application.
pub(crate) async fn close(query: Running) {
    let Some(handle) = query.handle else { return };
    if let Err(error) = handle.stop().await {
        tracing::warn!(query = %query.query.id, %error, "a query had failed");
    }
}

impl Shared {
    pub(crate) fn catalog(&self) -> Arc<Catalog> {
        Arc::clone(&self.catalog.read().unwrap_or_else(PoisonError::into_inner))
    }

    pub(crate) fn set_catalog(&self, catalog: Catalog) {
        *self.catalog.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(catalog);
    }

    pub(crate) fn running(&self) -> std::sync::MutexGuard<'_, IndexMap<String, Running>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn transient(
        &self,
    ) -> std::sync::MutexGuard<'_, HashMap<String, CancellationToken>> {
        self.transient.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
