//! A worker: connectors that run in this process.

use std::collections::BTreeMap;
use std::sync::Arc;

use client::{ClientConfig, ConfigError, ProducerConfig};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{Duration, Instant, timeout, timeout_at};
use tokio_util::sync::CancellationToken;

use crate::config::{
    ConnectorConfig, WorkerConfig, connector_def, connector_settings, is_of_connector, refused,
    worker_settings,
};
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
    #[error("Worker configuration is invalid: {0}")]
    Worker(ConfigProblem),
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
    let producers = worker_settings(&worker, client.clone()).map_err(StartError::Worker)?;
    for key in &producers.unknown {
        tracing::warn!(key, "no producer knows this setting of the worker: no effect");
    }
    let mut checked = Vec::with_capacity(connectors.len());
    for config in &connectors {
        if checked.iter().any(|known: &Checked| known.name == config.name) {
            return Err(StartError::Twice(config.name.clone()));
        }
        let Findings { unknown, outcome } = check(&worker, config, &client);
        for key in unknown {
            tracing::warn!(connector = config.name, key, "this setting is not known: no effect");
        }
        checked.push(outcome.map_err(|problems| StartError::Connector {
            connector: config.name.clone(),
            problems,
        })?);
    }
    let offsets = offsets::open(&worker.offsets, &client.clone().named("connect-offsets")).await?;
    let offsets: Arc<dyn OffsetStore> = offsets.into();
    let stop = CancellationToken::new();
    let mut running = Vec::with_capacity(checked.len());
    for connector in checked {
        running.push(run(connector, &worker, &offsets, &stop));
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
    pub(crate) producer: ProducerConfig,
}

/// What a look at a connector's settings gives.
struct Findings {
    /// Settings that nobody knows, each of which is named once.
    unknown: Vec<String>,
    outcome: Result<Checked, Vec<ConfigProblem>>,
}

fn check(worker: &WorkerConfig, config: &ConnectorConfig, client: &ClientConfig) -> Findings {
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
    let client = client.clone().named(format!("connector-producer-{}-0", config.name));
    let producer = connector_settings(worker, settings, client);
    let producer = producer.map_err(|wrong| problems.extend(wrong)).ok();
    let mut unknown = producer.as_ref().map_or_else(Vec::new, |found| found.unknown.clone());
    // Of a class that is not there nobody knows the settings.
    if connector.is_some() {
        unknown.extend(unknown_keys(config, &def));
        // A setting that is refused is told once, with the reason.
        unknown.retain(|key| problems.iter().all(|problem| problem.key != *key));
    }
    let outcome = match (connector, values, key, value, producer) {
        (Some(connector), Ok(values), Some(key), Some(value), Some(producer))
            if problems.is_empty() =>
        {
            let name = config.name.clone();
            // A task that is thrown away: it finds what only shows in all settings together.
            connector.task(&name, &values, Arc::default()).map(|_| Checked {
                name,
                connector,
                values,
                key: key.into(),
                value: value.into(),
                producer: producer.config,
            })
        }
        _ => Err(problems),
    };
    Findings { unknown, outcome }
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
) -> impl Iterator<Item = String> {
    let served = ["key.converter.", "value.converter.", "topic.creation.default."];
    let unknown = config.settings.keys().filter(move |key| {
        let inside = served.iter().any(|prefix| key.starts_with(prefix)) || is_of_connector(key);
        !def.has(key) && !crate::config::is_checked(key) && !inside
    });
    unknown.cloned()
}

fn run(
    checked: Checked,
    worker: &WorkerConfig,
    offsets: &Arc<dyn OffsetStore>,
    stop: &CancellationToken,
) -> Running {
    let status = Shared::new(&checked.name);
    let supervisor = Supervisor {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::OverridePolicy;

    fn look(worker: &WorkerConfig, own: &[(&str, &str)]) -> (Vec<String>, Vec<String>) {
        let base = [("connector.class", "FileStreamSource"), ("file", "f"), ("topic", "t")];
        let config = ConnectorConfig::new("c", base.iter().chain(own).copied());
        let found = check(worker, &config, &ClientConfig::tcp("a:1"));
        let problems = found.outcome.map(|_| ()).err().unwrap_or_default();
        (found.unknown, problems.into_iter().map(|problem| problem.key).collect())
    }

    fn strings() -> WorkerConfig {
        let class = "StringConverter";
        WorkerConfig::new([("key.converter", class), ("value.converter", class)])
    }

    #[test]
    fn a_setting_that_is_refused_is_not_called_unknown_too() {
        let refused = [
            ("producer.override.acks", "0"),
            ("transforms.a.type", "x"),
            ("errors.deadletterqueue.topic.name", "d"),
            ("topic.creation.groups", "g"),
            ("errors.tolerance", "all"),
            ("tasks.max", "many"),
        ];
        for setting in refused {
            let told = (Vec::new(), vec![setting.0.to_owned()]);
            assert_eq!(look(&strings(), &[setting]), told, "{setting:?}");
        }
        let mut none = strings();
        none.override_policy = OverridePolicy::None;
        let own = [("producer.override.max.request.size", "5"), ("batch.sice", "2")];
        let told =
            (vec!["batch.sice".to_owned()], vec!["producer.override.max.request.size".to_owned()]);
        assert_eq!(look(&none, &own), told);
    }

    #[test]
    fn each_setting_that_nobody_knows_is_named_once() {
        let mut worker = strings();
        worker.producer.insert("max.request.sice".into(), "5".into());
        let own = [("producer.override.akcs", "1"), ("producer.acks", "1"), ("batch.sice", "2")];
        let names = ["producer.override.akcs", "batch.sice", "producer.acks"];
        assert_eq!(look(&worker, &own), (names.map(str::to_owned).into(), Vec::new()));
    }
}
