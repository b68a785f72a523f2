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
    /// How long a query that somebody reads waits for something outside.
    pub(crate) reader_patience: Duration,
}

impl Runtime {
    /// Names a query's consumer group, internal topics and state folder.
    pub(crate) fn application_id(&self, id: &str) -> String {
        named_as(format!("{}query_{id}", self.prefix))
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

/// A name for groups, topics and folders. One with other characters than they may have, or too
/// long for them, gets `_` in their place and the hash of the whole behind it.
fn named_as(name: String) -> String {
    let is_legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    if name.len() <= MAX_NAME && name.chars().all(is_legal) {
        return name;
    }
    let legal = name.chars().map(|c| if is_legal(c) { c } else { '_' });
    let head: String = legal.take(MAX_NAME - 17).collect();
    format!("{head}-{:016x}", fnv1a(name.as_bytes()))
}

/// The longest name of an application: with what streams puts behind it, it names topics.
const MAX_NAME: usize = 150;

/// FNV-1a: the same at every start, as the names of what lasts have to be.
fn fnv1a(bytes: &[u8]) -> u64 {
    let step = |hash: u64, byte: &u8| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, step)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_over_any_name_has_a_name_that_topics_may_have_and_its_own() {
        assert_eq!(named_as("_yeoul_query_CTAS_A_3".to_owned()), "_yeoul_query_CTAS_A_3");
        let names = ["CST_표", "CST_글", "CST_ ", "CST__", &format!("CST_{}", "x".repeat(400))];
        let named: Vec<String> = names.iter().map(|name| named_as((*name).to_owned())).collect();
        for name in &named {
            assert!(name.len() <= MAX_NAME && client::is_topic_name(name), "{name}");
        }
        let distinct: std::collections::BTreeSet<&String> = named.iter().collect();
        assert_eq!(distinct.len(), names.len(), "{named:?}");
        assert_eq!(named[0], "CST__-2ba1c47cad2db2cc");
    }
}
