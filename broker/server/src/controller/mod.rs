//! How the cluster's metadata changes: a decision on the current image gives records, the records
//! are written to the metadata log and synced, and only then make the next image.
//!
//! ```text
//!   commit(decide) -> decide(image) -> records -> log, synced -> partitions follow -> next image
//! ```
//!
//! One commit runs at a time. On one node the log is committed as soon as it is written; a quorum
//! of nodes puts its agreement between the write and what follows.

mod bootstrap;
pub(crate) mod configs;
mod log;
mod producer_ids;
pub(crate) mod topics;

use std::sync::{Arc, Mutex, MutexGuard, RwLock};

use broker_cluster::Clock;
use broker_cluster::lock::{read_whole, whole, write_whole};
use broker_cluster::partition::{DataDir, Partitions, ReopenError};
use broker_log::{AppendError, StorageError};
use broker_metadata::{ApplyError, Delta, Image, MetadataRecord};
use protocol::EncodeError;
use thiserror::Error;
use tracing::error;

pub(crate) use self::bootstrap::{FEATURES, Identity};
pub(crate) use self::log::{LoadError, MetadataLog};
pub(crate) use self::producer_ids::ProducerIds;
pub(crate) use self::topics::TopicError;
use crate::upkeep::Janitor;

/// Why a decision did not become true.
#[derive(Debug, Error)]
pub(crate) enum CommitError {
    #[error("the metadata log could not be written: {0}")]
    Append(#[from] AppendError),
    #[error("the metadata log could not be synced: {0}")]
    Storage(#[from] StorageError),
    #[error("the metadata can't be changed now: {reason}")]
    Offline { reason: Arc<str> },
    #[error("a metadata record could not be encoded: {0}")]
    Encode(#[from] EncodeError),
    #[error("the records do not follow from the metadata: {0}")]
    Apply(#[from] ApplyError),
    #[error("the broker is stopping")]
    Stopped,
}

impl CommitError {
    /// Whether the disk is what keeps the metadata from being changed.
    pub(crate) fn is_of_storage(&self) -> bool {
        matches!(
            self,
            Self::Offline { .. } | Self::Storage(_) | Self::Append(AppendError::Storage(_))
        )
    }
}

/// A handle on the metadata; cheap to clone.
#[derive(Clone)]
pub(crate) struct Controller {
    shared: Arc<Shared>,
}

struct Shared {
    /// A std mutex: held while a commit is written and followed, on a thread that may block.
    log: Mutex<Committer>,
    /// Records that hold already, and go before those of the next commit.
    /// A std mutex: held to take them out or put them in.
    unwritten: Mutex<Vec<MetadataRecord>>,
    /// A std lock: held to copy the pointer out or in.
    image: RwLock<Arc<Image>>,
    partitions: Arc<Partitions>,
    janitor: Janitor,
    clock: Arc<dyn Clock>,
}

/// Who writes the metadata log.
struct Committer {
    /// `None` once the broker has stopped.
    log: Option<MetadataLog>,
    /// A commit is being written and followed. If it is so when nobody is at it, a panic cut it
    /// short: the log may hold what the image does not, and decisions on that would contradict it.
    is_committing: bool,
}

impl Committer {
    /// An error where a panic cut a commit short.
    fn check(&self) -> Result<(), CommitError> {
        if !self.is_committing {
            return Ok(());
        }
        let reason = "a panic cut an earlier change of the metadata short, see the broker's log; \
                      what is committed can be read, and changes are taken after a restart";
        Err(CommitError::Offline { reason: reason.into() })
    }
}

impl Controller {
    pub(crate) fn new(
        log: MetadataLog,
        image: Arc<Image>,
        partitions: Arc<Partitions>,
        janitor: Janitor,
        clock: Arc<dyn Clock>,
    ) -> Self {
        let shared = Shared {
            log: Mutex::new(Committer { log: Some(log), is_committing: false }),
            unwritten: Mutex::default(),
            image: RwLock::new(image),
            partitions,
            janitor,
            clock,
        };
        Self { shared: Arc::new(shared) }
    }

    /// The metadata as committed.
    pub(crate) fn image(&self) -> Arc<Image> {
        read_whole(&self.shared.image).clone()
    }

    /// Has `decide` look at the current image and commits the records that it gives. When this
    /// returns, they survive a loss of power, the partitions have followed, and every reader sees
    /// them. Dropping the future does not stop a commit that has begun.
    pub(crate) async fn commit<T: Send + 'static>(
        &self,
        decide: impl FnOnce(&Image) -> (Vec<MetadataRecord>, T) + Send + 'static,
    ) -> Result<T, CommitError> {
        let shared = self.shared.clone();
        let commit = tokio::task::spawn_blocking(move || shared.commit(decide));
        commit.await.unwrap_or_else(|ended| {
            if ended.is_panic() {
                error!("a change of the metadata ended with a panic: {ended}");
            }
            Err(CommitError::Stopped)
        })
    }

    /// Makes records hold for this run although the metadata log can't be written to; they are
    /// written with the next commit. Only for what this node says of itself. Blocks.
    pub(crate) fn assume(
        &self,
        decide: impl FnOnce(&Image) -> Vec<MetadataRecord>,
    ) -> Result<(), CommitError> {
        let held = self.shared.committer();
        held.check()?;
        let image = self.image();
        let records = decide(&image);
        let mut delta = Delta::new(&image);
        for record in &records {
            delta.replay(record)?;
        }
        let (next, _) = delta.finish(image.end_offset());
        *write_whole(&self.shared.image) = Arc::new(next);
        whole(&self.shared.unwritten).extend(records);
        Ok(())
    }

    /// Writes what could not be written when it was assumed. Blocks.
    pub(crate) fn write_assumed(&self) -> Result<(), CommitError> {
        let is_empty = whole(&self.shared.unwritten).is_empty();
        if is_empty { Ok(()) } else { self.shared.commit(|_| (Vec::new(), ())) }
    }

    /// Opens the metadata log anew, if it lies in a log dir that is there again. Blocks.
    pub(crate) fn reopen(&self, dir: &DataDir, now_ms: i64) -> Result<(), ReopenError> {
        let mut held = self.shared.committer();
        match (held.log.as_mut(), dir.opened()) {
            (Some(log), Some(opened)) if log.dir().number() == dir.number() => {
                log.reopen(&opened, now_ms)
            }
            _ => Ok(()),
        }
    }

    /// Closes the metadata log; later commits are refused. Blocks.
    pub(crate) fn close(&self) -> Result<(), StorageError> {
        let mut held = self.shared.committer();
        let log = held.log.take();
        if held.is_committing {
            let source = std::io::Error::other("a panic cut an earlier change short");
            let path = log.map(|log| log.path().to_owned()).unwrap_or_default();
            return Err(StorageError { operation: "close", path, source });
        }
        log.map_or(Ok(()), |log| log.close(self.shared.clock.now_ms()))
    }
}

impl Shared {
    fn commit<T>(
        &self,
        decide: impl FnOnce(&Image) -> (Vec<MetadataRecord>, T),
    ) -> Result<T, CommitError> {
        let mut held = self.committer();
        held.check()?;
        let Committer { log, is_committing } = &mut *held;
        let log = log.as_mut().ok_or(CommitError::Stopped)?;
        let image = read_whole(&self.image).clone();
        let (decided, result) = decide(&image);
        let mut unwritten = whole(&self.unwritten);
        let mut records = unwritten.clone();
        records.extend(decided);
        if records.is_empty() {
            return Ok(result);
        }
        // Replayed before it is written: what does not follow must not be in the log.
        let mut delta = Delta::new(&image);
        for record in &records {
            delta.replay(record)?;
        }
        let now_ms = self.clock.now_ms();
        *is_committing = true;
        let appended = log.append(&records, now_ms);
        let end_offset = appended.inspect_err(|_| *is_committing = false)?;
        unwritten.clear();
        drop(unwritten);
        let (next, changes) = delta.finish(end_offset);
        let next = Arc::new(next);
        for (files, delay_ms) in self.partitions.follow(&next, &changes, now_ms) {
            self.janitor.remove_later(files, delay_ms);
        }
        *write_whole(&self.image) = next;
        *is_committing = false;
        Ok(result)
    }

    /// A panic that came before or after a commit leaves nothing half done.
    fn committer(&self) -> MutexGuard<'_, Committer> {
        whole(&self.log)
    }
}
