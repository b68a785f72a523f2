//! Queries that run until they are terminated.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use client::ClientConfig;
use streams::{App, AppConfig, AppHandle, AppState, Topology};

use crate::error::SqlError;
use crate::plan::statement::PersistentQuery;

/// How persistent queries run.
#[derive(Clone)]
pub(crate) struct Runtime {
    pub(crate) client: ClientConfig,
    pub(crate) state_dir: Option<PathBuf>,
    pub(crate) replication_factor: i16,
    /// The beginning of all application ids.
    pub(crate) prefix: String,
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
        let query = id.to_owned();
        config.processing_log = Some(Arc::new(move |report: &streams::Report| {
            tracing::warn!(
                target: "sql.processing",
                query = query.as_str(),
                node = report.node.as_str(),
                partition = report.partition,
                offset = report.offset,
                "{}",
                report.message
            );
        }));
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
        let app = open.await.map_err(SqlError::server)?.map_err(SqlError::server)?;
        app.run().await.map_err(SqlError::server)
    }

    /// Removes the local state of a query that is no more.
    pub(crate) fn forget(&self, id: &str) {
        let Some(folder) = &self.state_dir else { return };
        let folder = folder.join(self.application_id(id));
        remove(&folder);
    }
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
    /// `RUNNING` or `ERROR`, as SHOW QUERIES says it.
    pub(crate) fn state(&self) -> (&'static str, Option<String>) {
        match &self.handle {
            None => ("ERROR", self.failure.clone()),
            Some(handle) => match handle.state() {
                AppState::Failed { reason } => ("ERROR", Some(reason)),
                AppState::Restarting { reason } => ("RUNNING", Some(reason)),
                _ => ("RUNNING", None),
            },
        }
    }
}
