//! The quorum of the metadata on this node: the one place where the pure machine of `broker-raft`
//! meets a disk, sockets and a clock.
//!
//! ```text
//!   handlers ── Message ──▶ one thread: machine ─▶ log, quorum-state, snapshots
//!   peers    ── Message ──▶     │  active controller: decisions ─▶ records ─▶ log
//!                               └─▶ committed image ─▶ Publication ─▶ partitions, groups, readers
//! ```
//!
//! One thread owns the machine, the log and the decisions, so that all of them happen in one order.
//! It blocks for the disk; nothing else waits for it but who asked.

mod active;
mod answer;
mod committed;
mod driver;
mod log;
mod outbox;
mod snapshots;
mod start;
mod state_file;

use std::sync::Arc;
use std::sync::mpsc::Sender;

use broker_metadata::{ApplyError, Image, MetadataRecord, RecordWriteError};
use broker_raft::{Failure, Now, Request, Response};
use thiserror::Error;
use tokio::sync::{oneshot, watch};

pub use self::committed::{LoadError, Publication, Published};
pub use self::log::{LogOpenError, TOPIC_ID};
pub use self::start::{Opened, QuorumResources, QuorumSettings, QuorumStartError};
pub use self::state_file::StateFileError;
use crate::peers::Address;

/// Why nothing was decided, or why what was decided may not hold.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum DecideError {
    /// Another node leads, or nobody does. What was proposed and not committed may be lost, or
    /// may become true.
    #[error("this node is not the active controller of the cluster")]
    NotController,
    #[error("the metadata can't be changed now: {reason}")]
    Offline { reason: Arc<str> },
    #[error("a metadata record could not be encoded: {0}")]
    Encode(RecordWriteError),
    #[error("the records do not follow from the metadata: {0}")]
    Apply(ApplyError),
    #[error("the node is stopping")]
    Stopped,
}

/// Who leads the quorum, as far as this node knows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Leader {
    pub id: Option<i32>,
    pub epoch: i32,
    /// Where it listens for nodes; `None` for this node itself, or while it is not known.
    pub address: Option<Address>,
    /// Whether that is this node, and it may decide.
    pub is_active_here: bool,
}

/// What a decision rests on.
pub struct Deciding<'a> {
    /// The metadata with all that was decided before.
    pub image: &'a Arc<Image>,
    /// The offset that the first record of the decision gets.
    pub next_offset: i64,
    /// The epoch in which this node leads the quorum.
    pub epoch: i32,
    pub now: Now,
}

/// Looks at the metadata and says which records follow.
type Decide = Box<dyn FnOnce(&Deciding<'_>) -> Vec<MetadataRecord> + Send>;

/// An answer with its records filled in.
type Answered = oneshot::Sender<Response>;

/// What can happen to the thread.
enum Message {
    Request {
        listener: Arc<str>,
        version: i16,
        request: Request,
        answer: Answered,
    },
    Outcome {
        from: i32,
        correlation: u64,
        outcome: Result<Response, Failure>,
    },
    Decide {
        decide: Decide,
        told: active::Told,
    },
    /// Hand over, if this node leads, and tell when that is done.
    HandOver {
        done: oneshot::Sender<()>,
    },
    Reopen {
        answer: oneshot::Sender<Result<(), crate::partition::ReopenError>>,
        dir: usize,
    },
    Stop {
        closed: oneshot::Sender<Result<(), broker_log::StorageError>>,
    },
}

/// A handle on the quorum; cheap to clone.
#[derive(Clone)]
pub struct Quorum {
    mailbox: Sender<Message>,
    leader: watch::Receiver<Leader>,
    publication: Arc<Publication>,
}

impl Quorum {
    /// Has the machine answer a request of another node. `None` when the node stops.
    pub async fn answer(&self, listener: &str, version: i16, request: Request) -> Option<Response> {
        let (answer, answered) = oneshot::channel();
        let listener = Arc::from(listener);
        self.mailbox.send(Message::Request { listener, version, request, answer }).ok()?;
        answered.await.ok()
    }

    /// Has `decide` look at the metadata, on the thread of the quorum, and commits the records
    /// that it gives; the offset behind them. Only the active controller decides. Where this ends
    /// with an error after `decide` was called, the records may be committed all the same.
    pub async fn decide<T: Send + 'static>(
        &self,
        decide: impl FnOnce(&Deciding<'_>) -> (Vec<MetadataRecord>, T) + Send + 'static,
    ) -> Result<(T, i64), DecideError> {
        let (sender, result) = oneshot::channel();
        let decide: Decide = Box::new(move |deciding| {
            let (records, result) = decide(deciding);
            // Whoever asked may be gone.
            let _ = sender.send(result);
            records
        });
        let (told, committed) = oneshot::channel();
        let message = Message::Decide { decide, told };
        self.mailbox.send(message).map_err(|_| DecideError::Stopped)?;
        let offset = committed.await.unwrap_or(Err(DecideError::Stopped))?;
        Ok((result.await.map_err(|_| DecideError::Stopped)?, offset))
    }

    /// Who leads, and news of that.
    pub fn leader(&self) -> watch::Receiver<Leader> {
        self.leader.clone()
    }

    /// The committed metadata, step by step, for one follower.
    pub fn publication(&self) -> &Arc<Publication> {
        &self.publication
    }

    /// If this node leads, lets another one lead, within the time that a request may take.
    pub async fn hand_over(&self) {
        let (done, is_done) = oneshot::channel();
        if self.mailbox.send(Message::HandOver { done }).is_ok() {
            // Gone means stopped, which is no less.
            let _ = is_done.await;
        }
    }

    /// Opens the log anew, if it lies in a log dir that is there again.
    pub async fn reopen(&self, dir: usize) -> Result<(), crate::partition::ReopenError> {
        let (answer, answered) = oneshot::channel();
        match self.mailbox.send(Message::Reopen { answer, dir }) {
            Ok(()) => answered.await.unwrap_or(Ok(())),
            Err(_) => Ok(()),
        }
    }

    /// Stops the thread and closes the log in order.
    pub async fn stop(&self) -> Result<(), broker_log::StorageError> {
        let (closed, is_closed) = oneshot::channel();
        match self.mailbox.send(Message::Stop { closed }) {
            Ok(()) => is_closed.await.unwrap_or(Ok(())),
            Err(_) => Ok(()),
        }
    }
}
