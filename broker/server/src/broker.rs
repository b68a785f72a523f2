//! The life of a broker: start, serve, stop.
//!
//! ```text
//!   start: sockets -> folders -> metadata -> partitions -> registration -> serving
//!   stop:  no new connections -> open requests answered -> logs synced and closed -> marked clean
//! ```

use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use broker_cluster::controller::ControllerSettings;
use broker_cluster::partition::{Partitions, ReplicaEvent, Surroundings};
use broker_cluster::quorum::{self, Quorum, QuorumResources, QuorumSettings, QuorumStartError};
use broker_cluster::replication::{self, Awaited, IsrChannel, ReplicationResources};
use broker_cluster::{Flusher, LogConfigs, Peers};
use broker_coordinator::Groups;
use broker_log::{DirError, LogDir, StorageError};
use broker_metadata::config::Value;
use broker_metadata::{FeatureRange, Image};
use broker_raft::{Endpoints, VoterSet};
use protocol::messages::register_broker_record::BrokerEndpoint;
use protocol::messages::{AlterPartitionRequest, AlterPartitionResponse};
use protocol::record::Compression;
use thiserror::Error;
use tokio::io::DuplexStream;
use tokio::runtime::Handle;
use tokio::sync::mpsc::UnboundedReceiver;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{info, warn};
use uuid::Uuid;

use crate::config::{self, Audience, BrokerConfig};
use crate::connection::Stream;
use crate::controller::{
    CommitError, Controller, ControllerChannel, ControllerIdentity, Identity, ProducerIds,
    begins_with, features,
};
use crate::fetch_session::FetchSessions;
use crate::folders::{Folders, refuse_partitions};
use crate::founding;
use crate::limits::{CONTROLLER_PATIENCE, MEMORY_PIPE, OPEN_FILES};
use crate::listener::{self, BindError, Bound, ConnectionCounts};
use crate::membership;
use crate::metrics::{Metrics, Snapshot};
use crate::offsets_log::{CoordinatorClock, OffsetsLog};
use crate::request::{HeardOf, Peer};
use crate::services::Services;
use crate::upkeep::{self, Cleaner, Janitor};

/// Why a broker does not start.
#[derive(Debug, Error)]
pub enum StartError {
    #[error(transparent)]
    Dir(#[from] DirError),
    #[error(transparent)]
    Metadata(#[from] QuorumStartError),
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

impl Broker {
    /// Starts a node on the runtime that this is called in. When it returns, clients can connect.
    pub async fn start(config: BrokerConfig) -> Result<Self, StartError> {
        let begun = Instant::now();
        for note in &config.notes {
            warn!("{note}");
        }
        raise_open_files();
        let config = Arc::new(config);
        // First what most often fails, before anything on disk is touched.
        let mut bound = Vec::new();
        for listener in config.listeners.all() {
            bound.push(listener::bind(listener, &config.settings.sockets).await?);
        }
        let (opening, cluster_id) = (config.clone(), founding::cluster_id(&config).await);
        let folders = tokio::task::spawn_blocking(move || Folders::open(&opening, cluster_id));
        let folders = folders.await.map_err(|e| StartError::Interrupted(e.to_string()))??;
        let identity = identity(&config, &bound, &folders);
        let controller_endpoints = endpoints(&bound, Audience::Controllers);
        let tasks = TaskTracker::new();
        let links = CancellationToken::new();
        let quorum = start_quorum(&config, &folders, &bound, &tasks, &links).await?;
        let (services, events) = assemble(config, folders, quorum, tasks, links);
        let addresses: Vec<SocketAddr> = bound.iter().map(|bound| bound.address).collect();
        let counts = Arc::new(ConnectionCounts::new(&services.config.settings.sockets));
        let (for_controllers, for_clients): (Vec<_>, Vec<_>) =
            bound.into_iter().partition(|bound| bound.listener.audience == Audience::Controllers);
        // Without them no quorum of several nodes comes about.
        serve(for_controllers, &services, &counts)?;
        load_partitions(&services).await?;
        services.tasks.spawn(until(services.links.clone(), services.controller.clone().follow()));
        start_replication(&services, events);
        if services.config.roles.controller && !services.config.is_alone() {
            let staying = membership::stay_registered(services.clone(), controller_endpoints);
            services.tasks.spawn(until(services.stopping.clone(), staying));
        }
        if services.config.roles.broker {
            let joined = membership::join(&services, identity).await?;
            // Before others are told that it is there.
            serve(for_clients, &services, &counts)?;
            membership::begin(&services, joined).await;
            let groups = follow_groups(services.groups.clone(), services.controller.clone());
            services.tasks.spawn(until(services.stopping.clone(), groups));
        }
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
            listener: self.services.config.listeners.inter_broker.clone(),
            audience: Audience::Clients,
            heard_of: HeardOf::default(),
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
        membership::leave(&services).await;
        services.stopping.cancel();
        services.groups.shutdown().await;
        // Written here if it could not be at the start.
        if let Err(problem) = commit_assumed(&services).await {
            warn!("what this node says of itself is not in the metadata log: {problem}");
        }
        let own = services.image().broker(services.config.node_id).map(|own| own.epoch);
        let quorum = services.controller.quorum().clone();
        quorum.hand_over().await;
        let metadata = quorum.stop().await;
        services.links.cancel();
        services.tasks.close();
        services.tasks.wait().await;
        let closing = tokio::task::spawn_blocking(move || {
            // Whatever can be closed is, also where the other can't.
            services.partitions.close(metadata.is_ok(), own.unwrap_or(-1)).and(metadata)
        });
        match closing.await {
            Ok(closed) => closed?,
            Err(problem) => warn!("the logs were not closed in order: {problem}"),
        }
        info!("stopped");
        Ok(())
    }
}

/// Runs something until a token is cancelled.
async fn until(token: CancellationToken, work: impl Future<Output = ()>) {
    tokio::select! {
        () = work => {}
        () = token.cancelled() => {}
    }
}

/// Lets clients or controllers connect.
fn serve(
    bound: Vec<Bound>,
    services: &Arc<Services>,
    counts: &Arc<ConnectionCounts>,
) -> Result<(), StartError> {
    let listening = bound.into_iter().map(Bound::listen).collect::<Result<Vec<_>, _>>()?;
    for listening in listening {
        services.tasks.spawn(listener::accept(listening, services.clone(), counts.clone()));
    }
    Ok(())
}

/// Opens the files of the metadata, and starts the quorum on them.
async fn start_quorum(
    config: &Arc<BrokerConfig>,
    folders: &Folders,
    bound: &[Bound],
    tasks: &TaskTracker,
    links: &CancellationToken,
) -> Result<Quorum, StartError> {
    let (dir, opened) = folders.of_metadata.clone();
    let settings = quorum_settings(config, &folders.cluster_id, &opened, bound);
    let clock = config.environment.clock.clone();
    let (tasks, cancel) = (tasks.clone(), links.clone());
    let resources = QuorumResources { dir: dir.clone(), clock, tasks, cancel };
    let dirs = folders.dirs.clone();
    let runtime = Handle::current();
    let starting = tokio::task::spawn_blocking(move || {
        let _entered = runtime.enter();
        let prepared = quorum::Opened::open(settings, &opened, resources)?;
        if prepared.is_empty() && prepared.is_only_voter() {
            refuse_partitions(&dirs, &dir)?;
        }
        Ok(prepared.start()?)
    });
    starting.await.map_err(|problem| StartError::Interrupted(problem.to_string()))?
}

fn quorum_settings(
    config: &BrokerConfig,
    cluster_id: &str,
    opened: &LogDir,
    bound: &[Bound],
) -> QuorumSettings {
    let node_id = config.node_id;
    let listener = config.listeners.controller.clone().unwrap_or_else(|| "CONTROLLER".to_owned());
    let own = bound.iter().filter(|bound| bound.listener.audience == Audience::Controllers);
    let endpoints = own.map(|bound| {
        let Bound { listener, address, .. } = bound;
        let port = listener.advertised_port.unwrap_or_else(|| address.port());
        let host = listener.advertised_host.clone();
        (listener.name.clone(), broker_raft::Address { host, port })
    });
    let endpoints = Endpoints::new(endpoints);
    let (voters, bootstrap) = match &config.quorum {
        // Nobody has to find it.
        config::Quorum::Alone => {
            (VoterSet::from_static(&listener, [(node_id, "localhost", 0)]), vec![])
        }
        config::Quorum::Voters(voters) => {
            let voters = voters.iter().map(|voter| (voter.id, &*voter.host, voter.port));
            (VoterSet::from_static(&listener, voters), vec![])
        }
        config::Quorum::Servers(servers) => {
            let own = |(host, port): &(String, u16)| {
                let mut endpoints = endpoints.iter().map(|(_, address)| address);
                endpoints.any(|address| address.host == *host && address.port == *port)
            };
            // Whoever names nobody but itself stands alone, unless its log says otherwise.
            let voters = match &servers[..] {
                [one] if own(one) => VoterSet::from_static(&listener, [(node_id, &*one.0, one.1)]),
                _ => VoterSet::default(),
            };
            let address = |(host, port): &(String, u16)| broker_raft::Address {
                host: host.clone(),
                port: *port,
            };
            (voters, servers.iter().map(address).collect())
        }
    };
    QuorumSettings {
        cluster_id: cluster_id.to_owned(),
        node_id,
        directory: opened.properties().directory_id.unwrap_or_default(),
        is_controller: config.roles.controller,
        listener,
        endpoints,
        voters,
        bootstrap,
        quorum: config.cluster.quorum.clone(),
        metadata_log: config.cluster.metadata_log.clone(),
        seed: rand::random(),
    }
}

/// Waits for the metadata, and opens the partitions that it gives to this node.
async fn load_partitions(services: &Arc<Services>) -> Result<(), StartError> {
    let image = services.controller.quorum().publication().next().await.image;
    let loading = services.clone();
    let opened = tokio::task::spawn_blocking(move || {
        let threads = loading.config.recovery_threads;
        loading.partitions.load(&image, threads, loading.now_ms());
        loading.controller.begin(&image);
    });
    opened.await.map_err(|problem| StartError::Interrupted(problem.to_string()))
}

fn endpoints(bound: &[Bound], audience: Audience) -> Vec<BrokerEndpoint> {
    let bound = bound.iter().filter(|bound| bound.listener.audience == audience);
    let endpoints = bound.map(|bound| BrokerEndpoint {
        name: bound.listener.name.clone(),
        host: bound.listener.advertised_host.clone(),
        port: bound.listener.advertised_port.unwrap_or_else(|| bound.address.port()),
        security_protocol: 0,
    });
    endpoints.collect()
}

fn identity(config: &BrokerConfig, bound: &[Bound], folders: &Folders) -> Identity {
    Identity {
        node_id: config.node_id,
        cluster_id: folders.cluster_id.clone(),
        incarnation_id: Uuid::new_v4(),
        previous_epoch: folders.previous_epoch,
        rack: config.settings.node.rack.clone(),
        endpoints: endpoints(bound, Audience::Clients),
        log_dirs: folders.ids.clone(),
    }
}

fn assemble(
    config: Arc<BrokerConfig>,
    folders: Folders,
    quorum: Quorum,
    tasks: TaskTracker,
    links: CancellationToken,
) -> (Arc<Services>, UnboundedReceiver<ReplicaEvent>) {
    let stopping = CancellationToken::new();
    let clock = config.environment.clock.clone();
    let configs = LogConfigs::new(config.node_id, config.file.clone());
    let lag_ms = config.cluster.replication.lag_time_max_ms;
    let (surroundings, events) = Surroundings::new(config.node_id, clock.clone(), lag_ms);
    let partitions = Arc::new(Partitions::new(surroundings.clone(), folders.dirs, configs.clone()));
    let janitor = Janitor::new(tasks.clone(), stopping.clone());
    let defaults = configs.topic(&Image::default(), "");
    let deciding = ControllerIdentity {
        settings: ControllerSettings {
            cluster_id: folders.cluster_id.clone(),
            node_id: config.node_id,
            own_broker: config.roles.broker.then_some(config.node_id),
            session_timeout_ms: config.cluster.membership.session_timeout_ms,
            min_insync_replicas: defaults.min_insync_replicas,
            unclean_leader_election: defaults.unclean_leader_election,
            features: features()
                .map(|(name, min, max)| (name.to_owned(), FeatureRange { min, max }))
                .collect(),
        },
        begins_with: folders
            .begins_with
            .clone()
            .unwrap_or_else(|| begins_with(&min_insync_replicas(&configs))),
    };
    let controller = Controller::new(quorum, partitions.clone(), janitor, clock.clone(), deciding);
    let patience = u64::try_from(config.cluster.replication.socket_timeout_ms).unwrap_or(0);
    let patience = Duration::from_millis(patience.max(1));
    let client_id = format!("broker-{}-to-controller", config.node_id);
    let peers = Peers::new(&client_id, patience, tasks.clone(), links.clone());
    let channel = ControllerChannel::new(peers);
    let slots = config.settings.fetch.session_slots as usize;
    let flusher = Flusher::new(partitions.clone(), clock.clone(), tasks.clone());
    let groups = start_groups(&config, &controller, &partitions, &flusher);
    let services = Arc::new(Services {
        channel,
        surroundings,
        groups,
        cluster_id: folders.cluster_id,
        clock,
        metrics: Metrics::default(),
        controller,
        partitions,
        configs,
        producer_ids: ProducerIds::default(),
        fetch_sessions: FetchSessions::new(slots),
        flusher,
        cleaner: Cleaner::default(),
        stopping,
        links,
        tasks,
        config,
    });
    (services, events)
}

/// What a new cluster takes for its `min.insync.replicas`.
fn min_insync_replicas(configs: &LogConfigs) -> String {
    let held = configs.layers(&Image::default());
    let min = held.layers().value("min.insync.replicas").ok().flatten();
    min.as_ref().map_or_else(|| "1".to_owned(), Value::to_text)
}

/// The controller as replication asks it.
struct Changes(Arc<Services>);

impl IsrChannel for Changes {
    fn alter(
        &self,
        request: AlterPartitionRequest,
    ) -> Awaited<Result<AlterPartitionResponse, String>> {
        let services = self.0.clone();
        Box::pin(async move {
            let answered = services.channel.send(&services, &request, CONTROLLER_PATIENCE).await;
            answered.map_err(|problem| problem.to_string())
        })
    }
}

fn start_replication(services: &Arc<Services>, events: UnboundedReceiver<ReplicaEvent>) {
    let resources = ReplicationResources {
        partitions: services.partitions.clone(),
        surroundings: services.surroundings.clone(),
        settings: services.config.cluster.replication.clone(),
        listener: Arc::from(services.config.listeners.inter_broker.as_str()),
        controller: Arc::new(Changes(services.clone())),
        flusher: services.flusher.clone(),
        clock: services.clock.clone(),
        tasks: services.tasks.clone(),
        cancel: services.links.clone(),
    };
    replication::start(resources, events);
}

fn start_groups(
    config: &BrokerConfig,
    controller: &Controller,
    partitions: &Arc<Partitions>,
    flusher: &Flusher,
) -> Groups {
    let clock = config.environment.clock.clone();
    let settings = config.settings.groups.clone();
    let log =
        OffsetsLog::new(controller.clone(), partitions.clone(), clock.clone(), flusher.clone());
    let compression = i16::try_from(config.settings.offsets_topic.compression_codec).ok();
    let codec = compression.and_then(Compression::from_id).unwrap_or(Compression::None).into();
    Groups::start(settings, codec, Arc::new(log), Arc::new(CoordinatorClock(clock)))
}

/// Lets the groups move with the leaders of their partitions, and reads those that are led here, so
/// that the first request of each need not wait for it. What they have committed for topics that
/// are gone is forgotten, whichever node was asked to delete them.
async fn follow_groups(groups: Groups, controller: Controller) {
    let mut news = controller.news();
    loop {
        groups.follow_leaders();
        let deleted = controller.take_deleted();
        if !deleted.is_empty()
            && let Err(problem) = groups.forget_topics(&deleted).await
        {
            warn!("offsets committed for {} stay: {problem}", deleted.join(", "));
        }
        if news.changed().await.is_err() {
            return;
        }
    }
}

/// Commits what could not be committed when it was assumed.
pub(crate) async fn commit_assumed(services: &Services) -> Result<(), CommitError> {
    let assumed = services.controller.take_assumed();
    if assumed.is_empty() {
        return Ok(());
    }
    let again = assumed.clone();
    let committed = services.controller.commit(move |_| (assumed, ())).await;
    if committed.is_err() {
        services.controller.assume(again)?;
    }
    committed
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
