//! From the files of a node to a running quorum.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::sync::mpsc::channel;
use std::time::Duration;

use broker_log::{LogDir, StorageError};
use broker_metadata::config::{MetadataLogConfig, QuorumConfig};
use broker_metadata::{Image, snapshot};
use broker_raft::{
    Config, ElectionState, Endpoints, History, LogView as _, Now, OffsetAndEpoch, Raft, ReplicaKey,
    VoterSet,
};
use protocol::record::RecordBatch;
use thiserror::Error;
use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use uuid::Uuid;

use super::committed::{Committed, LoadError, Publication, each_batch};
use super::driver::Driver;
use super::log::{LogOpenError, MetadataLog};
use super::outbox::Outbox;
use super::state_file::{StateFile, StateFileError};
use super::{Leader, Quorum};
use crate::clock::Clock;
use crate::limits::METADATA_READ_BYTES;
use crate::partition::DataDir;
use crate::peers::Peers;

/// Why the quorum does not start on this node.
#[derive(Debug, Error)]
pub enum QuorumStartError {
    #[error(transparent)]
    Log(#[from] LogOpenError),
    #[error(transparent)]
    State(#[from] StateFileError),
    #[error(transparent)]
    Load(#[from] LoadError),
    #[error("a snapshot of the metadata can't be read: {0}")]
    Snapshot(#[from] StorageError),
    #[error("the thread of the quorum could not be started: {0}")]
    Thread(std::io::Error),
}

/// What a node is told of itself and of the quorum.
pub struct QuorumSettings {
    pub cluster_id: String,
    pub node_id: i32,
    /// The directory id of the log dir that has the metadata.
    pub directory: Uuid,
    pub is_controller: bool,
    /// The listener by which controllers are reached.
    pub listener: String,
    /// Where this node listens as a controller.
    pub endpoints: Endpoints,
    /// Those of `controller.quorum.voters`; empty where the log says who votes.
    pub voters: VoterSet,
    pub bootstrap: Vec<broker_raft::Address>,
    pub quorum: QuorumConfig,
    pub metadata_log: MetadataLogConfig,
    /// Drawn at random: nodes with the same seed would be candidates at the same time.
    pub seed: u64,
}

/// What a quorum needs of its node.
pub struct QuorumResources {
    pub dir: Arc<DataDir>,
    pub clock: Arc<dyn Clock>,
    pub tasks: TaskTracker,
    /// Cancelled when connections to other nodes are to end.
    pub cancel: CancellationToken,
}

/// The files of the metadata, opened, before anything is decided.
pub struct Opened {
    settings: QuorumSettings,
    resources: QuorumResources,
    log: MetadataLog,
    state_file: StateFile,
    election: Option<ElectionState>,
    history: History,
    image: Image,
    applied: i64,
}

impl Opened {
    /// Opens the log and the files beside it. Blocks.
    pub fn open(
        settings: QuorumSettings,
        opened: &LogDir,
        resources: QuorumResources,
    ) -> Result<Self, QuorumStartError> {
        let dir = &resources.dir;
        let now_ms = resources.clock.now_ms();
        let log = MetadataLog::open(dir, opened, &settings.metadata_log, now_ms)?;
        let state_file = StateFile::new(dir.store().clone(), log.path());
        let election = state_file.read()?;
        let mut history = History::new(settings.voters.clone());
        let (image, applied) = match log.snapshots().latest() {
            Some(id) => {
                let (image, control) = load_snapshot(&log, id)?;
                history.load_snapshot(id.offset, &control).map_err(LoadError::from)?;
                (image, id.offset)
            }
            None => (Image::default(), 0),
        };
        read_history(&log, applied, &mut history)?;
        Ok(Self { settings, resources, log, state_file, election, history, image, applied })
    }

    /// Whether no node has ever written metadata here.
    pub fn is_empty(&self) -> bool {
        self.log.end_offset() == 0
    }

    /// Whether nobody else has a vote: what is synced here is committed.
    pub fn is_only_voter(&self) -> bool {
        let Self { settings, history, .. } = self;
        let key = ReplicaKey::new(settings.node_id, settings.directory);
        history.voters().is_only_voter(&key)
    }

    /// Starts the thread that owns all of it. Reads what is committed for sure already, and says
    /// what is wrong with it. Must be called where a runtime is at hand; blocks.
    pub fn start(self) -> Result<Quorum, QuorumStartError> {
        let is_only_voter = self.is_only_voter();
        let Self { settings, resources, log, state_file, election, history, image, applied } = self;
        let QuorumResources { clock, tasks, cancel, .. } = resources;
        let now = Now { timestamp_ms: clock.now_ms(), elapsed_ms: clock.elapsed_ms() };
        let publication = Arc::new(Publication::default());
        let end = log.end_offset();
        let mut committed = Committed::new(Arc::new(image), applied, publication.clone(), end);
        if is_only_voter {
            committed.follow(&log, end)?;
        }
        let config = machine_config(&settings);
        let (raft, first) = Raft::new(config, election, history, &log, settings.seed, now);
        let (mailbox, messages) = channel();
        let timeout = u64::try_from(settings.quorum.request_timeout_ms).unwrap_or(0).max(1);
        let client_id = format!("raft-client-{}", settings.node_id);
        let peers = Peers::new(&client_id, Duration::from_millis(timeout), tasks, cancel);
        let outbox =
            Outbox { peers: Arc::new(peers), runtime: Handle::current(), mailbox: mailbox.clone() };
        let (leader, leader_news) = watch::channel(Leader::default());
        let driver = Driver {
            raft,
            node_id: settings.node_id,
            listener: settings.listener,
            log,
            state_file,
            mailbox: messages,
            held: VecDeque::new(),
            outbox,
            answers: HashMap::new(),
            handles: 0,
            due: Vec::new(),
            committed,
            active: None,
            leader,
            clock,
            handing_over: Vec::new(),
            is_lost: false,
        };
        let thread = std::thread::Builder::new().name("quorum".to_owned());
        thread.spawn(move || driver.run(first)).map_err(QuorumStartError::Thread)?;
        Ok(Quorum { mailbox, leader: leader_news, publication })
    }
}

fn machine_config(settings: &QuorumSettings) -> Config {
    let quorum = &settings.quorum;
    let bytes = |count: u32| i32::try_from(count).unwrap_or(i32::MAX);
    Config {
        can_become_voter: settings.is_controller,
        listener: settings.listener.clone(),
        endpoints: settings.endpoints.clone(),
        bootstrap: settings.bootstrap.clone(),
        election_timeout_ms: quorum.election_timeout_ms,
        election_backoff_max_ms: quorum.election_backoff_max_ms,
        fetch_timeout_ms: quorum.fetch_timeout_ms,
        request_timeout_ms: quorum.request_timeout_ms,
        retry_backoff_ms: quorum.retry_backoff_ms,
        fetch_max_bytes: bytes(quorum.fetch_max_bytes),
        fetch_snapshot_max_bytes: bytes(quorum.fetch_snapshot_max_bytes),
        auto_join: quorum.auto_join,
        ..Config::new(&settings.cluster_id, settings.node_id, settings.directory)
    }
}

/// Reads what the log says of the quorum itself. Records of metadata are not looked at.
fn read_history(
    log: &MetadataLog,
    from: i64,
    history: &mut History,
) -> Result<(), QuorumStartError> {
    let (mut offset, end) = (from, log.end_offset());
    while offset < end {
        let slice = log.read(offset, end, METADATA_READ_BYTES).map_err(LoadError::from)?;
        let Some(slice) = slice else { break };
        offset = each_batch(&slice, offset, |batch| {
            Ok(history.read(batch).map_err(LoadError::from)?)
        })?;
    }
    Ok(())
}

/// The metadata of a snapshot, and its batches of control records.
pub(super) fn load_snapshot(
    log: &MetadataLog,
    id: OffsetAndEpoch,
) -> Result<(Image, Vec<RecordBatch>), QuorumStartError> {
    let (path, bytes) = log.snapshots().whole(id)?;
    let read = snapshot::read(&bytes, id.offset);
    let read = read.map_err(|source| LoadError::Snapshot { path, source })?;
    Ok((read.image, read.control))
}
