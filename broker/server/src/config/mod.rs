//! What a broker is told at its start: a `server.properties` file or the same keys by hand, read
//! and checked into typed settings, with addresses parsed.
//!
//! - `listeners`: addresses to listen on and to tell clients · `quorum`: roles, and where the
//!   controllers are

mod listeners;
mod quorum;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use broker_cluster::{Clock, SystemClock};
use broker_log::{FsStore, Store};
use broker_metadata::config::{
    self as keys, BrokerLayers, Finding, Layer, PropertiesError, Value, ValueError, examine,
    parse_properties,
};
use thiserror::Error;

pub use self::listeners::{Audience, Listener, ListenerError, Listeners};
pub use self::quorum::{Quorum, Roles, Voter};
use crate::limits::LOG_DIR_CHECK;

/// The node id of a broker that is given none.
const DEFAULT_NODE_ID: i32 = 1;

/// Why a configuration starts no broker.
#[derive(Debug, Error)]
pub enum ConfigError {
    #[error("{0}")]
    Properties(#[from] PropertiesError),
    #[error("{0}")]
    Value(#[from] ValueError),
    #[error(transparent)]
    Listener(#[from] ListenerError),
    #[error("{0}")]
    Unfit(String),
}

/// A broker's configuration, ready for [`Broker::start`](crate::Broker::start).
#[derive(Clone, Debug)]
pub struct BrokerConfig {
    /// What was set, by Kafka's keys: the lowest layer of every setting.
    pub file: Layer,
    /// The same, resolved with defaults and typed.
    pub settings: keys::BrokerConfig,
    pub cluster: keys::ClusterConfig,
    pub node_id: i32,
    pub roles: Roles,
    pub quorum: Quorum,
    pub listeners: Listeners,
    pub log_dirs: Vec<PathBuf>,
    pub recovery_threads: usize,
    pub transaction_max_timeout_ms: i64,
    /// What the user should know about the file, a sentence each; the broker logs them at its
    /// start.
    pub notes: Vec<String>,
    pub environment: Environment,
}

/// What a test puts in place of the machine.
#[derive(Clone)]
pub struct Environment {
    pub store: Arc<dyn Store>,
    pub clock: Arc<dyn Clock>,
    /// How often log dirs are looked at, and those in trouble tried again.
    pub log_dir_check: Duration,
}

impl Default for Environment {
    fn default() -> Self {
        Self {
            store: Arc::new(FsStore),
            clock: Arc::new(SystemClock),
            log_dir_check: LOG_DIR_CHECK,
        }
    }
}

impl std::fmt::Debug for Environment {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Environment").field("store", &self.store).finish_non_exhaustive()
    }
}

impl BrokerConfig {
    /// Whether nothing says that there is another node.
    pub fn is_alone(&self) -> bool {
        self.quorum == Quorum::Alone
    }

    /// From the text of a `server.properties`.
    pub fn from_properties(text: &str) -> Result<Self, ConfigError> {
        Self::from_layer(parse_properties(text)?)
    }

    /// From keys and values.
    pub fn from_pairs<K: Into<String>, V: Into<String>>(
        pairs: impl IntoIterator<Item = (K, V)>,
    ) -> Result<Self, ConfigError> {
        Self::from_layer(pairs.into_iter().map(|(key, value)| (key.into(), value.into())).collect())
    }

    /// From a layer of settings. Values that can't be are errors; what is merely without effect
    /// becomes a note.
    pub fn from_layer(file: Layer) -> Result<Self, ConfigError> {
        let mut notes = notes(&file)?;
        let empty = Layer::new();
        let layers = BrokerLayers { broker: &empty, cluster: &empty, file: &file };
        let settings = keys::BrokerConfig::resolve(layers)?;
        settings.validate().map_err(ConfigError::Unfit)?;
        let topics = keys::TopicConfig::resolve(&empty, layers)?;
        topics.validate().map_err(ConfigError::Unfit)?;
        keys::CleanerConfig::resolve(layers)?.validate().map_err(ConfigError::Unfit)?;
        let node_id = settings.node.id.unwrap_or(DEFAULT_NODE_ID);
        let cluster = keys::ClusterConfig::resolve(layers)?;
        cluster.validate().map_err(ConfigError::Unfit)?;
        let (roles, quorum) = quorum::resolve(node_id, &settings.node, &cluster.quorum)
            .map_err(ConfigError::Unfit)?;
        settings.node.log_dirs.iter().try_for_each(|dir| check_log_dir(dir))?;
        if file.contains_key("zookeeper.connect") {
            notes.push(stands_alone(node_id));
        }
        let listeners = listeners::resolve(&settings.node, roles, &mut notes)?;
        let recovery_threads = number(layers, "num.recovery.threads.per.data.dir")?.max(1);
        let transaction_max_timeout_ms = number(layers, "transaction.max.timeout.ms")?;
        Ok(Self {
            node_id,
            roles,
            quorum,
            cluster,
            listeners,
            log_dirs: settings.node.log_dirs.iter().map(PathBuf::from).collect(),
            recovery_threads: usize::try_from(recovery_threads).unwrap_or(1),
            transaction_max_timeout_ms,
            notes,
            settings,
            file,
            environment: Environment::default(),
        })
    }
}

fn number(layers: BrokerLayers<'_>, key: &'static str) -> Result<i64, ConfigError> {
    match layers.value(key)? {
        Some(Value::Number(number)) => Ok(number),
        other => Err(ConfigError::Unfit(format!("{key} must be a number, not {other:?}"))),
    }
}

/// Brokers that book after book starts on one ZooKeeper look like a cluster to whoever starts them.
fn stands_alone(node_id: i32) -> String {
    format!(
        "brokers that share a zookeeper.connect are no cluster here: broker {node_id} stands alone \
         and has its own topics, and so has each of the others. To make them one cluster, give \
         each, in place of zookeeper.connect and broker.id, process.roles=broker,controller, a \
         node.id of its own, controller.listener.names=CONTROLLER, listeners with a \
         CONTROLLER://:9093, and the same controller.quorum.voters=1@HOST1:9093,2@HOST2:9093,.."
    )
}

/// What a shell, another system or a browser takes for the place of a folder would only make one
/// of that name below the present folder.
fn check_log_dir(dir: &str) -> Result<(), ConfigError> {
    let mut start = dir.bytes();
    let drive = start.next().is_some_and(|byte| byte.is_ascii_alphabetic());
    let problem = if drive && start.next() == Some(b':') {
        "is a path of Windows, and this is another system: name a folder of this machine, \
         as log.dirs=/var/lib/yeoul"
    } else if dir == "~" || dir.starts_with("~/") {
        "begins with ~, which only a shell understands: write the whole path"
    } else if dir.starts_with("file:") {
        "is a URL: write the path alone"
    } else {
        return Ok(());
    };
    Err(ConfigError::Unfit(format!("log.dirs holds {dir}, which {problem}")))
}

/// Sentences about what a file says without effect; a value that can't be is an error.
fn notes(file: &Layer) -> Result<Vec<String>, ConfigError> {
    let mut notes = Vec::new();
    let (mut hints, mut zookeeper) = (Vec::new(), Vec::new());
    for finding in examine(file) {
        match finding {
            Finding::Invalid(error) => return Err(error.into()),
            Finding::Unknown { name } => {
                notes.push(format!(
                    "{name} is not a configuration key of a broker; it does nothing"
                ));
            }
            Finding::NoEffect { name, value } => {
                notes.push(format!("{name}={value} has no effect yet; the default holds"));
            }
            Finding::Hint { name } => hints.push(name),
            Finding::Zookeeper { name } => zookeeper.push(name),
            Finding::Outdated { name, instead } => {
                notes.push(format!("{name} is of earlier versions and does nothing: {instead}"));
            }
        }
    }
    if !hints.is_empty() {
        notes.push(hint_note(&hints));
    }
    if !zookeeper.is_empty() {
        notes.push(format!("{}: no ZooKeeper is needed, none is used", zookeeper.join(", ")));
    }
    Ok(notes)
}

/// A sentence about settings that are taken and change nothing.
pub(crate) fn hint_note(names: &[&str]) -> String {
    format!(
        "these settings size Kafka's thread pools and buffers; they change nothing here: {}",
        names.join(", ")
    )
}

/// The settings of a broker on a free port of the loopback, with its data below `dir`; for tests
/// and for programs that hold a broker. Further keys replace these.
pub fn local(dir: &std::path::Path, more: &[(&str, &str)]) -> Result<BrokerConfig, ConfigError> {
    let mut pairs = BTreeMap::from([
        ("listeners".to_owned(), "PLAINTEXT://127.0.0.1:0".to_owned()),
        ("log.dirs".to_owned(), dir.display().to_string()),
        ("group.initial.rebalance.delay.ms".to_owned(), "0".to_owned()),
        ("offsets.topic.num.partitions".to_owned(), "4".to_owned()),
    ]);
    pairs.extend(more.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())));
    BrokerConfig::from_pairs(pairs)
}

#[cfg(test)]
mod tests;
