//! A worker: connectors that run in this process.

use std::collections::BTreeMap;
use std::sync::Arc;

use client::{ClientConfig, ConfigError};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{Duration, Instant, timeout, timeout_at};
use tokio_util::sync::CancellationToken;

use crate::config::{ConnectorConfig, WorkerConfig, connector_def, refused};
use crate::connectors;
use crate::converters::{self, Converter, Side};
use crate::offsets::{self, OffsetError, OffsetStore};
use crate::plugin::{ConfigProblem, ConfigValues, SourceConnector};
use crate::status::{ConnectorStatus, Shared, TaskState};
use crate::supervisor::Supervisor;

/// Why a worker did not start. No connector runs then.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error(
        "Connector configuration of {connector} is invalid and contains the following {} \
         error(s):\n{}", problems.len(), lines(problems)
    )]
    Connector { connector: String, problems: Vec<ConfigProblem> },
    #[error("Connector {0} already exists")]
    Twice(String),
    #[error("the positions' storage cannot be opened: {0}")]
    Offsets(#[from] OffsetError),
    #[error(transparent)]
    Client(#[from] ConfigError),
}

fn lines(problems: &[ConfigProblem]) -> String {
    problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

/// A handle to running connectors. Dropping it without [`Worker::shutdown`] breaks them off where
/// they are; the next start recognises what they have written.
#[derive(Debug)]
pub struct Worker {
    connectors: Vec<Running>,
    stop: CancellationToken,
    offsets: OffsetsHandle,
}

struct OffsetsHandle(Arc<dyn OffsetStore>);

impl std::fmt::Debug for OffsetsHandle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("OffsetStore")
    }
}

#[derive(Debug)]
struct Running {
    status: Arc<Shared>,
    task: Option<JoinHandle<()>>,
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(task) = &self.task {
            task.abort();
        }
    }
}

/// How long a shutdown waits for connectors to come to an end.
const GRACE: Duration = Duration::from_secs(10);

/// A connector that failed, and why.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("connector {connector} failed: {reason}")]
pub struct ConnectorFailed {
    pub connector: String,
    pub reason: String,
}

/// Checks all connectors, then runs them, each in a task of its own.
pub async fn start(
    worker: WorkerConfig,
    connectors: Vec<ConnectorConfig>,
    client: ClientConfig,
) -> Result<Worker, StartError> {
    client.validate()?;
    let mut checked = Vec::with_capacity(connectors.len());
    for config in &connectors {
        if checked.iter().any(|known: &Checked| known.name == config.name) {
            return Err(StartError::Twice(config.name.clone()));
        }
        checked.push(check(&worker, config).map_err(|problems| StartError::Connector {
            connector: config.name.clone(),
            problems,
        })?);
    }
    let offsets = offsets::open(&worker.offsets, &client.clone().named("connect-offsets")).await?;
    let offsets: Arc<dyn OffsetStore> = offsets.into();
    let stop = CancellationToken::new();
    let mut running = Vec::with_capacity(checked.len());
    for connector in checked {
        running.push(run(connector, &worker, &client, &offsets, &stop));
    }
    Ok(Worker { connectors: running, stop, offsets: OffsetsHandle(offsets) })
}

/// A connector whose settings are right.
pub(crate) struct Checked {
    pub(crate) name: String,
    pub(crate) connector: Arc<dyn SourceConnector>,
    pub(crate) values: ConfigValues,
    pub(crate) key: Arc<dyn Converter>,
    pub(crate) value: Arc<dyn Converter>,
}

fn check(worker: &WorkerConfig, config: &ConnectorConfig) -> Result<Checked, Vec<ConfigProblem>> {
    let settings = &config.settings;
    let mut problems = refused(settings);
    let class = settings.get("connector.class").map_or("", String::as_str);
    let connector = connectors::find(class.trim());
    let mut def = connector_def();
    match &connector {
        Some(connector) => def = def.and(connector.config()),
        None if class.trim().is_empty() => {}
        None => problems.push(ConfigProblem::new(
            "connector.class",
            format!(
                "Failed to find any class that implements Connector and which name matches \
                 {class}, available connectors are: {}",
                available()
            ),
        )),
    }
    let values = def.parse(settings);
    if let Err(wrong) = &values {
        problems.extend(wrong.iter().cloned());
    }
    let text = match (&connector, &values) {
        (Some(connector), Ok(values)) => connector.gives_text(values),
        _ => false,
    };
    let mut converter = |side: Side| {
        let found = find_converter(worker, config, side, text);
        found.map_err(|problem| problems.push(problem)).ok()
    };
    let (key, value) = (converter(Side::Key), converter(Side::Value));
    // Of a class that is not there nobody knows the settings.
    if connector.is_some() {
        for key in unknown_keys(config, &def) {
            tracing::warn!(connector = config.name, key, "this setting is not known: no effect");
        }
    }
    match (connector, values, key, value) {
        (Some(connector), Ok(values), Some(key), Some(value)) if problems.is_empty() => {
            let name = config.name.clone();
            // A task that is thrown away: it finds what only shows in all settings together.
            connector.task(&name, &values, Arc::default())?;
            Ok(Checked { name, connector, values, key: key.into(), value: value.into() })
        }
        _ => Err(problems),
    }
}

fn available() -> String {
    let names = connectors::all().into_iter().filter_map(|c| c.names().first().copied());
    names.collect::<Vec<_>>().join(", ")
}

/// The connector's own converter with its settings, or the worker's with the worker's. `text`: the
/// connector's values are plain texts.
fn find_converter(
    worker: &WorkerConfig,
    config: &ConnectorConfig,
    side: Side,
    text: bool,
) -> Result<Box<dyn Converter>, ConfigProblem> {
    let key = side.setting();
    let own = config.settings.get(key).filter(|class| !class.is_empty());
    if own.is_none()
        && side == Side::Value
        && text
        && let Some(class) = &worker.text_converter
    {
        return converters::find(class, side, &BTreeMap::new());
    }
    let from = if own.is_some() { &config.settings } else { &worker.converters };
    let Some(class) = own.or_else(|| worker.converters.get(key)) else {
        let message =
            format!("Missing required configuration \"{key}\" which has no default value.");
        return Err(ConfigProblem::new(key, message));
    };
    let prefix = format!("{key}.");
    let inside = from.iter().filter_map(|(name, value)| {
        name.strip_prefix(&prefix).map(|name| (name.to_owned(), value.clone()))
    });
    converters::find(class.trim(), side, &inside.collect())
}

fn unknown_keys<'a>(
    config: &'a ConnectorConfig,
    def: &'a crate::plugin::ConfigDef,
) -> impl Iterator<Item = &'a str> {
    let served = ["key.converter.", "value.converter.", "topic.creation.default."];
    config.settings.keys().map(String::as_str).filter(move |key| {
        let inside = served.iter().any(|prefix| key.starts_with(prefix));
        !def.has(key) && !crate::config::is_checked(key) && !inside
    })
}

fn run(
    checked: Checked,
    worker: &WorkerConfig,
    client: &ClientConfig,
    offsets: &Arc<dyn OffsetStore>,
    stop: &CancellationToken,
) -> Running {
    let status = Shared::new(&checked.name);
    let supervisor = Supervisor {
        client: client.clone().named(format!("connector-producer-{}-0", checked.name)),
        checked,
        offsets: Arc::clone(offsets),
        flush_interval: worker.offset_flush_interval,
        status: Arc::clone(&status),
    };
    let task = tokio::spawn(supervisor.run(stop.clone()));
    Running { status, task: Some(task) }
}

impl Worker {
    /// Where all connectors stand, in the order in which they were given.
    pub fn status(&self) -> Vec<ConnectorStatus> {
        self.connectors.iter().map(|running| running.status.status()).collect()
    }

    /// Waits until every connector has read all there is, has failed or was stopped; a connector
    /// that follows its files never ends by itself. The first failure is the error.
    pub async fn wait_done(&self) -> Result<(), ConnectorFailed> {
        let states: Vec<(String, watch::Receiver<TaskState>)> = self
            .connectors
            .iter()
            .map(|running| (running.status.status().name, running.status.states()))
            .collect();
        for (connector, mut states) in states {
            let ended = |state: &TaskState| {
                matches!(state, TaskState::Done | TaskState::Failed(_) | TaskState::Stopped)
            };
            if let Ok(state) = states.wait_for(ended).await
                && let TaskState::Failed(reason) = &*state
            {
                return Err(ConnectorFailed { connector, reason: reason.clone() });
            }
        }
        Ok(())
    }

    /// Stops all connectors: what they have read is written, and positions remembered. One that
    /// takes too long, as when the broker is gone, is broken off.
    pub async fn shutdown(mut self) {
        self.stop.cancel();
        let deadline = Instant::now() + GRACE;
        for running in &mut self.connectors {
            if let Some(mut task) = running.task.take()
                && timeout_at(deadline, &mut task).await.is_err()
            {
                tracing::warn!(connector = running.status.status().name, "stopped without waiting");
                task.abort();
            }
        }
        let _ = timeout(GRACE, self.offsets.0.close()).await;
    }
}
