//! [`App`]: a topology running against a cluster, from start to close.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use client::ClientConfig;
use tokio::sync::{broadcast, mpsc, watch};
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::broker::{Broker, Fetched, Offsets};
use super::config::AppConfig;
use super::error::AppError;
use super::handle::AppHandle;
use super::kafka::KafkaBroker;
use super::progress::Progress;
use super::pump::pump;
use super::restore::{Restored, Sources, restore};
use super::setup::{Identity, Layout, prepare};
use super::task::{CommitRequest, Task, TaskEnvironment};
use super::waits::Waits;
use super::watch::watch;
use super::workers::Workers;
use crate::chunk::Chunk;
use crate::limits::SUBSCRIBER_CHUNKS;
use crate::metrics::Metrics;
use crate::state::{MemoryBackend, RocksDbBackend, StateBackend, StateError, TaskSpace};
use crate::topology::Topology;

const FIRST_BACKOFF: Duration = Duration::from_millis(200);
const LONGEST_BACKOFF: Duration = Duration::from_secs(10);

/// How long the end of a transient application may wait for the cluster.
const CLEAN_UP_PATIENCE: Duration = Duration::from_secs(5);

/// How an application is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AppState {
    Starting,
    Running,
    /// It runs, but something that its records are converted with (a schema registry, for one)
    /// does not answer. It is asked again with growing pauses, and all goes on where it was.
    Waiting {
        reason: String,
    },
    /// The cluster failed it; it starts again from its last commit after a pause.
    Restarting {
        reason: String,
    },
    /// It has stopped for good. State and positions are as of the last commit.
    Failed {
        reason: String,
    },
    Closed,
}

/// Connects to the cluster, each time the application starts.
pub(crate) type Connect = Arc<dyn Fn() -> Result<Arc<dyn Broker>, AppError> + Send + Sync>;

/// A topology and its settings, not running yet.
pub struct App {
    shared: Arc<Shared>,
}

/// What an application, its handle and its tasks share.
pub(crate) struct Shared {
    pub(crate) config: AppConfig,
    pub(crate) topology: Arc<Topology>,
    pub(crate) backend: Arc<dyn StateBackend>,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) progress: Arc<Progress>,
    pub(crate) taps: Arc<Taps>,
    pub(crate) state: watch::Sender<AppState>,
    pub(crate) stop: CancellationToken,
    /// What belongs to the current run; a short lock, nothing awaits under it.
    pub(crate) run: Mutex<RunInfo>,
    pub(crate) connect: Connect,
    pub(crate) workers: Workers,
    pub(crate) waits: Arc<Waits>,
    /// The topics of the run before; a short lock, nothing awaits under it.
    topics: Mutex<BTreeMap<String, Identity>>,
}

/// The current run as others see it.
#[derive(Default)]
pub(crate) struct RunInfo {
    pub(crate) broker: Option<Arc<dyn Broker>>,
    pub(crate) tasks: Arc<[TaskSpace]>,
    pub(crate) requests: Vec<mpsc::UnboundedSender<CommitRequest>>,
    pub(crate) internal_topics: Vec<String>,
}

/// Subscriptions to what nodes forward.
#[derive(Default)]
pub(crate) struct Taps(RwLock<HashMap<usize, broadcast::Sender<Chunk>>>);

impl Taps {
    pub(crate) fn subscribe(&self, node: usize) -> broadcast::Receiver<Chunk> {
        let mut taps = self.0.write().unwrap_or_else(PoisonError::into_inner);
        let tap = taps.entry(node).or_insert_with(|| broadcast::Sender::new(SUBSCRIBER_CHUNKS));
        tap.subscribe()
    }

    fn show(&self, node: usize, chunk: &Chunk) {
        let taps = self.0.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(tap) = taps.get(&node) {
            let _nobody_listens = tap.send(chunk.clone());
        }
    }
}

impl App {
    /// Checks the settings and opens the state folder, which may block for a moment. Connects
    /// to nothing yet.
    pub fn new(
        config: AppConfig,
        client: ClientConfig,
        topology: Topology,
    ) -> Result<Self, AppError> {
        let client = client.named(&config.application_id);
        let replication_factor = config.replication_factor;
        let connect: Connect = Arc::new(move || {
            let broker = KafkaBroker::new(client.clone(), replication_factor)?;
            Ok(Arc::new(broker) as Arc<dyn Broker>)
        });
        Self::with_broker(config, topology, connect)
    }

    pub(crate) fn with_broker(
        config: AppConfig,
        topology: Topology,
        connect: Connect,
    ) -> Result<Self, AppError> {
        config.validate().map_err(AppError::Config)?;
        let has_state = !topology.stores.is_empty()
            || topology.subtopologies.iter().any(|sub| topology.is_logged(sub));
        let backend: Arc<dyn StateBackend> = match &config.state_dir {
            Some(folder) if has_state && !config.transient => {
                Arc::new(open(&folder.join(&config.application_id))?)
            }
            _ => Arc::new(MemoryBackend::default()),
        };
        let state = watch::Sender::new(AppState::Starting);
        Ok(Self {
            shared: Arc::new(Shared {
                waits: Arc::new(Waits::new(state.clone())),
                topics: Mutex::default(),
                config,
                topology: Arc::new(topology),
                backend,
                metrics: Arc::default(),
                progress: Arc::new(Progress::new()),
                taps: Arc::default(),
                state,
                stop: CancellationToken::new(),
                run: Mutex::default(),
                connect,
                workers: Workers::new(),
            }),
        })
    }

    /// Shows the chunks that a node forwards, from the first on.
    pub fn subscribe(&self, node: &str) -> Result<broadcast::Receiver<Chunk>, AppError> {
        self.shared.subscribe(node)
    }

    /// Creates internal topics, restores state and starts the tasks. When this returns, they
    /// run. An error of the cluster that may pass is retried until `close`, after the first
    /// start it is an error.
    pub async fn run(self) -> Result<AppHandle, AppError> {
        let shared = self.shared;
        let running = Running::start(&shared).await?;
        shared.state.send_replace(AppState::Running);
        let supervisor = tokio::spawn(supervise(Arc::clone(&shared), running));
        Ok(AppHandle::new(shared, supervisor))
    }
}

/// Opens the state folder. An application that was just dropped may hold it for a moment more.
fn open(path: &std::path::Path) -> Result<RocksDbBackend, StateError> {
    let mut tries = 0;
    loop {
        match RocksDbBackend::open(path) {
            Err(StateError::InUse(_)) if tries < 50 => {
                tries += 1;
                std::thread::sleep(Duration::from_millis(100));
            }
            other => return other,
        }
    }
}

impl Shared {
    pub(crate) fn subscribe(&self, node: &str) -> Result<broadcast::Receiver<Chunk>, AppError> {
        let found = self.topology.nodes.iter().position(|other| other.name == node);
        let node = found.ok_or_else(|| AppError::UnknownNode(node.to_owned()))?;
        Ok(self.taps.subscribe(node))
    }

    fn note(&self, run: RunInfo) {
        *self.run.lock().unwrap_or_else(PoisonError::into_inner) = run;
    }
}

/// Runs until the application is closed, or fails for good.
async fn supervise(shared: Arc<Shared>, mut running: Running) {
    let mut backoff = FIRST_BACKOFF;
    loop {
        let commits = shared.metrics.snapshot().commits;
        let ended = running.wait(&shared).await;
        shared.stopped();
        if shared.metrics.snapshot().commits > commits {
            backoff = FIRST_BACKOFF;
        }
        let mut reason = match ended {
            Ok(()) => {
                shared.state.send_replace(AppState::Closed);
                return;
            }
            // A transient application would show again what it has shown, or pass over some.
            Err(error) if error.is_retriable() && !shared.config.transient => error.to_string(),
            Err(error) => return shared.fail(error),
        };
        running = loop {
            tracing::warn!(application = %shared.config.application_id, "restarting: {reason}");
            shared.state.send_replace(AppState::Restarting { reason });
            tokio::select! {
                () = tokio::time::sleep(backoff) => {}
                () = shared.stop.cancelled() => {
                    shared.state.send_replace(AppState::Closed);
                    return;
                }
            }
            backoff = (backoff * 2).min(LONGEST_BACKOFF);
            let started = tokio::select! {
                started = Running::start(&shared) => started,
                () = shared.stop.cancelled() => {
                    shared.workers.settle().await;
                    shared.state.send_replace(AppState::Closed);
                    return;
                }
            };
            match started {
                Ok(running) => break running,
                Err(error) if error.is_retriable() => reason = error.to_string(),
                Err(error) => return shared.fail(error),
            }
            // What it began to restore must not be written below the next start.
            shared.workers.settle().await;
        };
        shared.state.send_replace(AppState::Running);
    }
}

impl Shared {
    fn fail(&self, error: AppError) {
        tracing::error!(application = %self.config.application_id, "failed: {error}");
        self.state.send_replace(AppState::Failed { reason: error.to_string() });
    }

    /// Refuses topics that are not those of the run before.
    fn check_topics(&self, layout: &Layout) -> Result<(), AppError> {
        let mut before = self.topics.lock().unwrap_or_else(PoisonError::into_inner);
        for (topic, known) in before.iter() {
            layout.check_id(topic, known.id.as_deref())?;
        }
        before.clone_from(&layout.known);
        Ok(())
    }

    /// Nobody reaches the run any more; what it had stays known.
    fn stopped(&self) {
        let mut run = self.run.lock().unwrap_or_else(PoisonError::into_inner);
        run.broker = None;
        run.requests.clear();
    }

    pub(crate) fn internal_topics(&self) -> Vec<String> {
        self.run.lock().unwrap_or_else(PoisonError::into_inner).internal_topics.clone()
    }
}

/// Tasks and pump of one run. Dropped, they end where they are, without a commit.
struct Running {
    tasks: JoinSet<Result<(), AppError>>,
    pump: JoinHandle<Result<(), AppError>>,
    watch: JoinHandle<AppError>,
    broker: Arc<dyn Broker>,
}

impl Running {
    async fn start(shared: &Arc<Shared>) -> Result<Self, AppError> {
        let broker = (shared.connect)()?;
        let config = &shared.config;
        let topology = &shared.topology;
        let id = &config.application_id;
        let layout = prepare(topology, id, config.transient, broker.as_ref()).await?;
        shared.check_topics(&layout)?;
        let restored = restore_all(shared, &layout, &broker).await?;
        let environment = environment(shared, &layout, &broker);
        shared.progress.clear();
        shared.waits.clear();
        let mut info = RunInfo {
            broker: Some(Arc::clone(&broker)),
            tasks: layout.tasks().map(|task| TaskSpace::new(&task)).collect(),
            requests: Vec::new(),
            internal_topics: layout.internal_topics(topology),
        };
        let mut inboxes = HashMap::new();
        let mut start: Offsets = HashMap::new();
        let mut tasks = JoinSet::new();
        for restored in restored {
            for warning in &restored.warnings {
                tracing::warn!(application = %id, "{warning}");
            }
            let positions: Vec<i64> =
                restored.group.inputs.iter().map(|input| input.position).collect();
            shared.progress.committed(&restored.inputs, &positions);
            let (inbox, batches) = mpsc::unbounded_channel::<Fetched>();
            for (input, position) in restored.inputs.iter().zip(positions) {
                let Some(input) = input else { continue };
                start.insert(input.clone(), position);
                inboxes.insert(input.clone(), inbox.clone());
            }
            let (request, requests) = mpsc::unbounded_channel();
            info.requests.push(request);
            let task = Task::new(restored, environment.clone(), batches, requests);
            tasks.spawn(shared.workers.track(task.run()));
        }
        let reader = broker.reader(&start).await?;
        let pump = tokio::spawn(pump(reader, inboxes, Arc::clone(&shared.progress)));
        shared.note(info);
        let check = config.topic_check_interval;
        let watch = tokio::spawn(watch(Arc::clone(&broker), layout.known, check));
        Ok(Self { tasks, pump, watch, broker })
    }

    /// Waits for the end: all tasks stopped and committed, or the first failure.
    async fn wait(mut self, shared: &Shared) -> Result<(), AppError> {
        let ended = self.ended(&shared.stop).await;
        self.pump.abort();
        self.watch.abort();
        self.tasks.shutdown().await;
        shared.workers.settle().await;
        if ended.is_ok() {
            let backend = Arc::clone(&shared.backend);
            let persisted = shared.workers.run(move || backend.persist()).await;
            if let Err(error) = persisted.unwrap_or(Ok(())) {
                tracing::warn!("{error}; the changelog has the state");
            }
        }
        if shared.config.transient {
            let topics = shared.internal_topics();
            let deleted = timeout(CLEAN_UP_PATIENCE, self.broker.delete_topics(&topics)).await;
            match deleted {
                Ok(Ok(())) => {}
                Ok(Err(error)) => tracing::warn!("{error}"),
                Err(_) => tracing::warn!(?topics, "internal topics stay behind"),
            }
        }
        self.broker.close().await;
        ended
    }

    /// Tasks end well when they are told to, or when nothing is pumped to them any more: then it
    /// is for the pump to say why.
    async fn ended(&mut self, stop: &CancellationToken) -> Result<(), AppError> {
        let failed = |what: &str, message| Err(AppError::Task { task: what.to_owned(), message });
        let mut pumping = true;
        loop {
            tokio::select! {
                task = self.tasks.join_next(), if !self.tasks.is_empty() => match task {
                    Some(Ok(Err(error))) => return Err(error),
                    Some(Err(error)) => return failed("?", error.to_string()),
                    Some(Ok(Ok(()))) | None => {}
                },
                pump = &mut self.pump, if pumping => {
                    pumping = false;
                    match pump {
                        Ok(Ok(())) => {}
                        Ok(Err(error)) => return Err(error),
                        Err(error) => return failed("reading", error.to_string()),
                    }
                }
                gone = &mut self.watch => return match gone {
                    Ok(error) => Err(error),
                    Err(error) => failed("watching topics", error.to_string()),
                },
                () = stop.cancelled(), if self.tasks.is_empty() => {}
            }
            if self.tasks.is_empty() && (stop.is_cancelled() || !pumping) {
                return Ok(());
            }
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.pump.abort();
        self.watch.abort();
    }
}

async fn restore_all(
    shared: &Arc<Shared>,
    layout: &Layout,
    broker: &Arc<dyn Broker>,
) -> Result<Vec<Restored>, AppError> {
    let sources = Sources {
        topology: &shared.topology,
        layout,
        broker,
        backend: &shared.backend,
        metrics: &shared.metrics,
        workers: &shared.workers,
        transient: shared.config.transient,
    };
    let all = layout.tasks().map(|task| restore(&sources, task));
    let mut all = futures::future::try_join_all(all).await?;
    for restored in &mut all {
        let taps = Arc::clone(&shared.taps);
        restored.engine.tap = Some(Arc::new(move |node, chunk| taps.show(node, chunk)));
    }
    Ok(all)
}

fn environment(shared: &Shared, layout: &Layout, broker: &Arc<dyn Broker>) -> TaskEnvironment {
    TaskEnvironment {
        group_id: Arc::from(shared.config.application_id.as_str()),
        broker: Arc::clone(broker),
        backend: Arc::clone(&shared.backend),
        metrics: Arc::clone(&shared.metrics),
        progress: Arc::clone(&shared.progress),
        topics: Arc::new(layout.topics.clone()),
        processing_log: shared.config.processing_log.clone(),
        commit_interval: shared.config.commit_interval,
        transient: shared.config.transient,
        workers: shared.workers.clone(),
        waits: Arc::clone(&shared.waits),
        stop: shared.stop.clone(),
    }
}
