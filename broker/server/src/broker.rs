//! The life of a broker: start, serve, stop.
//!
//! ```text
//!   start: sockets -> folders -> metadata -> partitions -> registration -> serving
//!   stop:  no new connections -> open requests answered -> logs synced and closed -> marked clean
//! ```

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use broker_cluster::partition::{DataDir, Partitions};
use broker_cluster::{Flusher, LogConfigs};
use broker_coordinator::Groups;
use broker_log::{DirError, LogDir, MetaProperties, StorageError, Store, print_id};
use broker_metadata::config::Value;
use broker_metadata::{Image, names};
use protocol::messages::register_broker_record::BrokerEndpoint;
use protocol::record::Compression;
use thiserror::Error;
use tokio::io::DuplexStream;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{info, warn};
use uuid::Uuid;

use crate::config::BrokerConfig;
use crate::connection::Stream;
use crate::controller::{CommitError, Controller, Identity, LoadError, MetadataLog, ProducerIds};
use crate::fetch_session::FetchSessions;
use crate::limits::{LOCK_ATTEMPTS, LOCK_PAUSE, MEMORY_PIPE, OPEN_FILES};
use crate::listener::{self, BindError, Bound, ConnectionCounts};
use crate::metrics::{Metrics, Snapshot};
use crate::offsets_log::{CoordinatorClock, OffsetsLog};
use crate::request::Peer;
use crate::services::Services;
use crate::upkeep::{self, Cleaner, Janitor};

/// Why a broker does not start.
#[derive(Debug, Error)]
pub enum StartError {
    #[error(transparent)]
    Dir(#[from] DirError),
    #[error(transparent)]
    Metadata(#[from] LoadError),
    #[error("none of the log.dirs can be used: {0}")]
    NoDir(String),
    #[error(
        "the metadata log, __cluster_metadata-0, is in none of the log.dirs that can be used, and \
         may be in one that can't: {0}"
    )]
    MetadataOffline(String),
    #[error(transparent)]
    Bind(#[from] BindError),
    #[error("the broker can't register itself: {0}")]
    Registration(String),
    #[error(
        "{first} and {other} are of different clusters; a broker's log.dirs belong together, so \
         name only those of one"
    )]
    MixedClusters { first: String, other: String },
    #[error(
        "{dir} holds {partition}, but none of the log.dirs holds __cluster_metadata-0, which says what \
         the partitions are: name the log dir that has it too, or an empty one to begin anew"
    )]
    NoMetadata { dir: String, partition: String },
    #[error(
        "{dir} holds {partition}, but the metadata log, {log}, has no record, which says what the \
         partitions are: put back a copy of its files"
    )]
    EmptyMetadata { dir: String, partition: String, log: String },
    #[error("the start was cut short: {0}")]
    Interrupted(String),
}

/// A running broker. Dropping it stops nothing; call [`Broker::shutdown`].
pub struct Broker {
    services: Arc<Services>,
    addresses: Vec<SocketAddr>,
}

/// What is on disk, opened.
struct Opened {
    partitions: Arc<Partitions>,
    log: MetadataLog,
    image: Image,
    cluster_id: String,
    log_dirs: Vec<Uuid>,
    configs: LogConfigs,
}

impl Broker {
    /// Starts a broker on the runtime that this is called in. When it returns, clients can connect.
    pub async fn start(config: BrokerConfig) -> Result<Self, StartError> {
        let begun = Instant::now();
        for note in &config.notes {
            warn!("{note}");
        }
        raise_open_files();
        let config = Arc::new(config);
        // First what most often fails, before anything on disk is touched.
        let mut bound = Vec::new();
        for listener in &config.listeners {
            bound.push(listener::bind(listener, &config.settings.sockets).await?);
        }
        let opening = config.clone();
        let opened = tokio::task::spawn_blocking(move || open(&opening));
        let opened = opened.await.map_err(|e| StartError::Interrupted(e.to_string()))??;
        let identity = identity(&config, &bound, &opened.log_dirs);
        let services = assemble(config, opened);
        register(&services, identity).await?;
        let addresses: Vec<SocketAddr> = bound.iter().map(|bound| bound.address).collect();
        let counts = Arc::new(ConnectionCounts::new(&services.config.settings.sockets));
        let listening = bound.into_iter().map(Bound::listen).collect::<Result<Vec<_>, _>>()?;
        for listening in listening {
            let accepting = listener::accept(listening, services.clone(), counts.clone());
            services.tasks.spawn(accepting);
        }
        services.tasks.spawn(load_groups(services.groups.clone()));
        let janitor = Janitor::new(services.tasks.clone(), services.stopping.clone());
        upkeep::start(&services, &janitor);
        info!(
            "node {} of cluster {} serves {:?} after {} ms",
            services.config.node_id,
            services.cluster_id,
            addresses,
            begun.elapsed().as_millis()
        );
        Ok(Self { services, addresses })
    }

    /// The address that the first listener is bound to, its real port included.
    pub fn address(&self) -> SocketAddr {
        self.addresses[0]
    }

    /// The addresses of all listeners, in the order of the configuration.
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    pub fn node_id(&self) -> i32 {
        self.services.config.node_id
    }

    pub fn cluster_id(&self) -> &str {
        &self.services.cluster_id
    }

    /// A connection inside the process: the same protocol, without a socket.
    pub fn connect_memory(&self) -> DuplexStream {
        let (client, server) = tokio::io::duplex(MEMORY_PIPE);
        let peer = Peer {
            host: "/127.0.0.1".to_owned(),
            address: "in this process".to_owned(),
            listener: self.services.config.listeners[0].name.clone(),
        };
        let services = self.services.clone();
        self.services.tasks.spawn(listener::run(Stream::Memory(server), peer, services));
        client
    }

    pub fn metrics(&self) -> Snapshot {
        self.services.metrics.snapshot()
    }

    /// Answers what is open, closes all logs and marks them as closed in order.
    pub async fn shutdown(self) -> Result<(), StorageError> {
        let services = self.services;
        services.stopping.cancel();
        services.groups.shutdown().await;
        services.tasks.close();
        services.tasks.wait().await;
        let closing = tokio::task::spawn_blocking(move || {
            // Written here if it could not be at the start.
            if let Err(problem) = services.controller.write_assumed() {
                warn!("what this node says of itself is not in the metadata log: {problem}");
            }
            // Whatever can be closed is, also where the other can't.
            let metadata = services.controller.close();
            services.partitions.close(metadata.is_ok()).and(metadata)
        });
        match closing.await {
            Ok(closed) => closed?,
            Err(problem) => warn!("the logs were not closed in order: {problem}"),
        }
        info!("stopped");
        Ok(())
    }
}

/// Opens the folders, replays the metadata, opens the partitions. Blocks.
fn open(config: &BrokerConfig) -> Result<Opened, StartError> {
    let now_ms = config.environment.clock.now_ms();
    let (dirs, cluster_id) = open_dirs(config)?;
    let opened = dirs.iter().filter_map(|dir| dir.opened());
    let log_dirs = opened.filter_map(|dir| dir.properties().directory_id).collect();
    let (dir, opened) = metadata_dir(&dirs)?;
    let (log, image) = MetadataLog::load(&dir, &opened, now_ms)?;
    drop(opened);
    if image.end_offset() == 0 {
        refuse_partitions(&dirs, &dir)?;
    }
    let configs = LogConfigs::new(config.node_id, config.file.clone());
    let partitions = Partitions::new(config.node_id, dirs, configs.clone());
    partitions.load(&image, config.recovery_threads, now_ms);
    Ok(Opened { partitions: Arc::new(partitions), log, image, cluster_id, log_dirs, configs })
}

/// Opens a log dir; one in use is asked for again, because a broker that was just killed holds its
/// lock until the system has cleared it away.
fn open_dir(
    store: &Arc<dyn Store>,
    path: &Path,
    properties: &MetaProperties,
) -> Result<LogDir, DirError> {
    for _ in 0..LOCK_ATTEMPTS {
        match LogDir::open(store.clone(), path, properties.clone()) {
            Err(DirError::InUse { .. }) => std::thread::sleep(LOCK_PAUSE),
            other => return other,
        }
    }
    LogDir::open(store.clone(), path, properties.clone())
}

/// The log dir that has the metadata log: of a new broker the first. Partitions without any
/// metadata are no new broker's: it would take them for strays.
fn metadata_dir(dirs: &[Arc<DataDir>]) -> Result<(Arc<DataDir>, Arc<LogDir>), StartError> {
    let mut partitions = None;
    let mut unusable = Vec::new();
    let mut first = None;
    for dir in dirs {
        let Some(opened) = dir.opened() else {
            unusable.extend(dir.admit().err().map(|reason| reason.to_string()));
            continue;
        };
        let found = opened.partitions().map_err(DirError::from)?;
        if found.iter().any(|id| &*id.topic == names::CLUSTER_METADATA) {
            return Ok((dir.clone(), opened));
        }
        let of_dir = || found.first().map(|id| (dir.path().display().to_string(), id.to_string()));
        partitions = partitions.or_else(of_dir);
        first = first.or_else(|| Some((dir.clone(), opened)));
    }
    if !unusable.is_empty() {
        return Err(StartError::MetadataOffline(unusable.join("; ")));
    }
    match (partitions, first) {
        (Some((dir, partition)), _) => Err(StartError::NoMetadata { dir, partition }),
        (None, Some(first)) => Ok(first),
        (None, None) => Err(StartError::NoDir("log.dirs is empty".to_owned())),
    }
}

/// A metadata log without a record is that of a new broker only where there is no partition.
fn refuse_partitions(dirs: &[Arc<DataDir>], of_log: &DataDir) -> Result<(), StartError> {
    for dir in dirs {
        let Some(opened) = dir.opened() else { continue };
        let found = opened.partitions().map_err(DirError::from)?;
        if let Some(id) = found.iter().find(|id| &*id.topic != names::CLUSTER_METADATA) {
            return Err(StartError::EmptyMetadata {
                dir: dir.path().display().to_string(),
                partition: id.to_string(),
                log: of_log.path().join(names::CLUSTER_METADATA).display().to_string() + "-0",
            });
        }
    }
    Ok(())
}

/// The first log dir that can be used decides the cluster; a new one founds one. Of several dirs,
/// those that can't be opened are offline.
fn open_dirs(config: &BrokerConfig) -> Result<(Vec<Arc<DataDir>>, String), StartError> {
    let mut first: Option<String> = None;
    let mut found = Vec::new();
    let mut cluster_id = print_id(Uuid::new_v4());
    while cluster_id.starts_with('-') {
        cluster_id = print_id(Uuid::new_v4());
    }
    for path in &config.log_dirs {
        let properties = MetaProperties {
            cluster_id: cluster_id.clone(),
            node_id: config.node_id,
            directory_id: Some(Uuid::new_v4()),
        };
        let dir = match open_dir(&config.environment.store, path, &properties) {
            Ok(dir) => dir,
            Err(DirError::Storage(problem)) => {
                found.push(Err(problem));
                continue;
            }
            Err(other) => return Err(other.into()),
        };
        let of_dir = &dir.properties().cluster_id;
        match &first {
            None => cluster_id.clone_from(of_dir),
            Some(first) if *of_dir != cluster_id => {
                let (first, other) = (first.clone(), path.display().to_string());
                return Err(StartError::MixedClusters { first, other });
            }
            Some(_) => {}
        }
        first.get_or_insert_with(|| path.display().to_string());
        found.push(Ok(dir));
    }
    if first.is_none() {
        let problems: Vec<_> =
            found.iter().filter_map(|dir| dir.as_ref().err().map(ToString::to_string)).collect();
        return Err(StartError::NoDir(problems.join("; ")));
    }
    let dirs =
        found.into_iter().zip(&config.log_dirs).enumerate().map(|(number, (found, path))| {
            let store = config.environment.store.clone();
            let (path, node_id) = (path.clone(), config.node_id);
            Arc::new(DataDir::new(number, path, store, &cluster_id, node_id, found))
        });
    let dirs = dirs.collect();
    Ok((dirs, cluster_id))
}

fn identity(config: &BrokerConfig, bound: &[Bound], log_dirs: &[Uuid]) -> Identity {
    let endpoints = bound.iter().map(|bound| BrokerEndpoint {
        name: bound.listener.name.clone(),
        host: bound.listener.advertised_host.clone(),
        port: bound.listener.advertised_port.unwrap_or_else(|| bound.address.port()),
        security_protocol: 0,
    });
    Identity {
        node_id: config.node_id,
        incarnation_id: Uuid::new_v4(),
        rack: config.settings.node.rack.clone(),
        endpoints: endpoints.collect(),
        log_dirs: log_dirs.to_vec(),
    }
}

fn assemble(config: Arc<BrokerConfig>, opened: Opened) -> Arc<Services> {
    let tasks = TaskTracker::new();
    let stopping = CancellationToken::new();
    let clock = config.environment.clock.clone();
    let controller = Controller::new(
        opened.log,
        Arc::new(opened.image),
        opened.partitions.clone(),
        Janitor::new(tasks.clone(), stopping.clone()),
        clock.clone(),
    );
    let slots = config.settings.fetch.session_slots as usize;
    let flusher = Flusher::new(opened.partitions.clone(), clock.clone(), tasks.clone());
    let groups = start_groups(&config, &controller, &opened.partitions, &flusher);
    Arc::new(Services {
        groups,
        cluster_id: opened.cluster_id,
        clock,
        metrics: Metrics::default(),
        controller,
        partitions: opened.partitions,
        configs: opened.configs,
        producer_ids: ProducerIds::default(),
        fetch_sessions: FetchSessions::new(slots),
        flusher,
        cleaner: Cleaner::default(),
        stopping,
        tasks,
        config,
    })
}

fn start_groups(
    config: &BrokerConfig,
    controller: &Controller,
    partitions: &Arc<Partitions>,
    flusher: &Flusher,
) -> Groups {
    let clock = config.environment.clock.clone();
    let settings = config.settings.groups.clone();
    let patience = u64::try_from(settings.offsets_commit_timeout_ms).unwrap_or(0);
    let log = OffsetsLog::new(
        controller.clone(),
        partitions.clone(),
        clock.clone(),
        flusher.clone(),
        Duration::from_millis(patience),
    );
    let compression = i16::try_from(config.settings.offsets_topic.compression_codec).ok();
    let codec = compression.and_then(Compression::from_id).unwrap_or(Compression::None).into();
    Groups::start(settings, codec, Arc::new(log), Arc::new(CoordinatorClock(clock)))
}

/// Reads what the groups were, so that the first request of each need not wait for it.
async fn load_groups(groups: Groups) {
    if let Err(problem) = groups.load_all().await {
        warn!("groups are read when they are asked for: {problem}");
    }
}

async fn register(services: &Arc<Services>, identity: Identity) -> Result<(), StartError> {
    let held = services.configs.layers(&services.image());
    let min = held.layers().value("min.insync.replicas").ok().flatten();
    let min = min.as_ref().map_or_else(|| "1".to_owned(), Value::to_text);
    let (known, again) = (identity.clone(), min.clone());
    let committed =
        services.controller.commit(move |image| (identity.records(image, &min), ())).await;
    let is_new = services.image().end_offset() == 0;
    let registered = match committed {
        // A broker that has been here before can be one although it can't write that down yet.
        Err(problem) if problem.is_of_storage() && !is_new => {
            warn!("this node's registration is written later: {problem}");
            let controller = services.controller.clone();
            let assume = move || controller.assume(|image| known.records(image, &again));
            tokio::task::spawn_blocking(assume).await.unwrap_or(Err(CommitError::Stopped))
        }
        committed => committed,
    };
    registered.map_err(|problem: CommitError| StartError::Registration(problem.to_string()))
}

/// Each partition holds files open, and each connection a socket.
fn raise_open_files() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    let wanted = limit.maximum.map_or(OPEN_FILES, |most| most.min(OPEN_FILES));
    if limit.current.is_some_and(|current| current < wanted) {
        let raised = Rlimit { current: Some(wanted), maximum: limit.maximum };
        if let Err(problem) = setrlimit(Resource::Nofile, raised) {
            let current = limit.current.map_or_else(|| "none".to_owned(), |n| n.to_string());
            warn!("the limit of open files stays at {current}: {problem}");
        }
    }
}
