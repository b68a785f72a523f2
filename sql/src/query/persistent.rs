//! Queries that run until they are terminated.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use client::ClientConfig;
use streams::{App, AppConfig, AppError, AppHandle, AppState, Topology};

use crate::error::{ErrorKind, SqlError};
use crate::plan::statement::PersistentQuery;
use crate::processing_log::Counts;

/// How persistent queries run.
#[derive(Clone)]
pub(crate) struct Runtime {
    pub(crate) client: ClientConfig,
    pub(crate) state_dir: Option<PathBuf>,
    pub(crate) replication_factor: i16,
    /// The beginning of all application ids.
    pub(crate) prefix: String,
    pub(crate) topic_check_interval: Duration,
}

impl Runtime {
    /// Names a query's consumer group, internal topics and state folder.
    pub(crate) fn application_id(&self, id: &str) -> String {
        format!("{}query_{id}", self.prefix)
    }

    pub(crate) fn config(&self, id: &str) -> AppConfig {
        let mut config = AppConfig::new(self.application_id(id));
        config.state_dir.clone_from(&self.state_dir);
        config.replication_factor = self.replication_factor;
        config.topic_check_interval = self.topic_check_interval;
        config.processing_log = Some(processing_log(id.to_owned()));
        config
    }

    /// Starts an application. Opening its state may block, so that a thread of its own does.
    pub(crate) async fn start(
        &self,
        config: AppConfig,
        topology: Topology,
    ) -> Result<AppHandle, SqlError> {
        let client = self.client.clone();
        let open = tokio::task::spawn_blocking(move || App::new(config, client, topology));
        let app = open.await.map_err(SqlError::server)?.map_err(refused)?;
        app.run().await.map_err(refused)
    }

    /// Removes the local state of a query that is no more.
    pub(crate) fn forget(&self, id: &str) {
        let Some(folder) = &self.state_dir else { return };
        let folder = folder.join(self.application_id(id));
        remove(&folder);
    }
}

/// Tells of a query's rows that were left out, though not of each of many.
fn processing_log(query: String) -> streams::ProcessingLog {
    // Nothing awaits under it, and only rows that are left out take it.
    let counts = Mutex::new(Counts::default());
    Arc::new(move |report: &streams::Report| {
        let mut counts = counts.lock().unwrap_or_else(PoisonError::into_inner);
        let told = counts.note(&report.node, &report.message);
        drop(counts);
        let (query, node) = (query.as_str(), report.node.as_str());
        let (partition, offset) = (report.partition, report.offset);
        match told {
            Some(text) => tracing::warn!(
                target: "sql.processing",
                query, node, partition, offset, "{text}"
            ),
            None => tracing::debug!(
                target: "sql.processing",
                query, node, partition, offset, "{}", report.message
            ),
        }
    })
}

fn refused(error: AppError) -> SqlError {
    let retriable = error.is_retriable();
    let kind = if retriable { ErrorKind::Unavailable } else { ErrorKind::Server };
    SqlError::new(kind, error.to_string())
}

fn remove(folder: &Path) {
    if let Err(error) = std::fs::remove_dir_all(folder)
        && error.kind() != std::io::ErrorKind::NotFound
    {
        tracing::warn!(folder = %folder.display(), %error, "the state of a query stays behind");
    }
}

/// A persistent query, running or failed.
pub(crate) struct Running {
    pub(crate) query: Arc<PersistentQuery>,
    /// Why there is no handle.
    pub(crate) failure: Option<String>,
    pub(crate) handle: Option<Arc<AppHandle>>,
    pub(crate) topology: String,
}

impl Running {
    /// `RUNNING` or `ERROR`, as SHOW QUERIES says it. A query that runs has a reason too while it
    /// waits for the cluster or the registry.
    pub(crate) fn state(&self) -> (&'static str, Option<String>) {
        match &self.handle {
            None => ("ERROR", self.failure.clone()),
            Some(handle) => match handle.state() {
                AppState::Failed { reason } => ("ERROR", Some(reason)),
                AppState::Restarting { reason } | AppState::Waiting { reason } => {
                    ("RUNNING", Some(reason))
                }
                _ => ("RUNNING", None),
            },
        }
    }
}
