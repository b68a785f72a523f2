//! What can be seen of a connector while it runs.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::watch;

/// States as Kafka Connect names them, and one more: a task that has read all there is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TaskState {
    Unassigned,
    Running,
    /// Stopped by something that may pass; it is started again after a pause.
    Restarting(String),
    /// Everything is read, written and remembered.
    Done,
    /// With what stopped it.
    Failed(String),
    Stopped,
}

/// Counters that a source moves as it reads.
#[derive(Debug, Default)]
pub struct Progress {
    bytes_read: AtomicU64,
    bytes_total: AtomicU64,
}

impl Progress {
    /// How much of the source is read: all of it, and of it so far.
    pub fn set_bytes(&self, read: u64, total: u64) {
        self.bytes_total.store(total.max(read), Ordering::Relaxed);
        self.bytes_read.store(read, Ordering::Relaxed);
    }
}

/// A moment of one connector.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConnectorStatus {
    pub name: String,
    pub state: TaskState,
    /// Records on their topics since the start, acknowledged.
    pub records_written: u64,
    /// Records that an earlier run had written already.
    pub records_recovered: u64,
    pub bytes_read: u64,
    pub bytes_total: u64,
}

/// What the task writes and the handle reads.
#[derive(Debug)]
pub(crate) struct Shared {
    name: String,
    pub(crate) progress: Arc<Progress>,
    written: AtomicU64,
    recovered: AtomicU64,
    state: watch::Sender<TaskState>,
}

impl Shared {
    pub(crate) fn new(name: &str) -> Arc<Self> {
        Arc::new(Self {
            name: name.to_owned(),
            progress: Arc::default(),
            written: AtomicU64::new(0),
            recovered: AtomicU64::new(0),
            state: watch::Sender::new(TaskState::Unassigned),
        })
    }

    pub(crate) fn add_written(&self, records: u64) {
        self.written.fetch_add(records, Ordering::Relaxed);
    }

    pub(crate) fn add_recovered(&self, records: u64) {
        self.recovered.fetch_add(records, Ordering::Relaxed);
    }

    pub(crate) fn set_state(&self, state: TaskState) {
        self.state.send_replace(state);
    }

    pub(crate) fn states(&self) -> watch::Receiver<TaskState> {
        self.state.subscribe()
    }

    pub(crate) fn status(&self) -> ConnectorStatus {
        ConnectorStatus {
            name: self.name.clone(),
            state: self.state.borrow().clone(),
            records_written: self.written.load(Ordering::Relaxed),
            records_recovered: self.recovered.load(Ordering::Relaxed),
            bytes_read: self.progress.bytes_read.load(Ordering::Relaxed),
            bytes_total: self.progress.bytes_total.load(Ordering::Relaxed),
        }
    }
}
