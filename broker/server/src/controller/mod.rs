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

use std::sync::{Arc, Mutex, PoisonError, RwLock};

use broker_log::{AppendError, StorageError};
use broker_metadata::{ApplyError, Delta, Image, MetadataRecord};
use protocol::EncodeError;
use thiserror::Error;

pub(crate) use self::bootstrap::{FEATURES, Identity};
pub(crate) use self::log::{LoadError, MetadataLog};
pub(crate) use self::producer_ids::ProducerIds;
pub(crate) use self::topics::TopicError;
use crate::clock::Clock;
use crate::partition::Partitions;
use crate::upkeep::Janitor;

/// Why a decision did not become true.
#[derive(Debug, Error)]
pub(crate) enum CommitError {
    #[error("the metadata log could not be written: {0}")]
    Append(#[from] AppendError),
    #[error("the metadata log could not be synced: {0}")]
    Storage(#[from] StorageError),
    #[error("a metadata record could not be encoded: {0}")]
    Encode(#[from] EncodeError),
    #[error("the records do not follow from the metadata: {0}")]
    Apply(#[from] ApplyError),
    #[error("the broker is stopping")]
    Stopped,
}

/// A handle on the metadata; cheap to clone.
#[derive(Clone)]
pub(crate) struct Controller {
    shared: Arc<Shared>,
}

struct Shared {
    /// A std mutex: held while a commit is written and followed, on a thread that may block. `None`
    /// once the broker has stopped.
    log: Mutex<Option<MetadataLog>>,
    /// A std lock: held to copy the pointer out or in.
    image: RwLock<Arc<Image>>,
    partitions: Arc<Partitions>,
    janitor: Janitor,
    clock: Arc<dyn Clock>,
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
            log: Mutex::new(Some(log)),
            image: RwLock::new(image),
            partitions,
            janitor,
            clock,
        };
        Self { shared: Arc::new(shared) }
    }

    /// The metadata as committed.
    pub(crate) fn image(&self) -> Arc<Image> {
        self.shared.image.read().unwrap_or_else(PoisonError::into_inner).clone()
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
        commit.await.unwrap_or(Err(CommitError::Stopped))
    }

    /// Closes the metadata log; later commits are refused. Blocks.
    pub(crate) fn close(&self) -> Result<(), StorageError> {
        let log = self.shared.log.lock().unwrap_or_else(PoisonError::into_inner).take();
        log.map_or(Ok(()), MetadataLog::close)
    }
}

impl Shared {
    fn commit<T>(
        &self,
        decide: impl FnOnce(&Image) -> (Vec<MetadataRecord>, T),
    ) -> Result<T, CommitError> {
        let mut log = self.log.lock().unwrap_or_else(PoisonError::into_inner);
        let log = log.as_mut().ok_or(CommitError::Stopped)?;
        let image = self.image.read().unwrap_or_else(PoisonError::into_inner).clone();
        let (records, result) = decide(&image);
        if records.is_empty() {
            return Ok(result);
        }
        // Replayed before it is written: what does not follow must not be in the log.
        let mut delta = Delta::new(&image);
        for record in &records {
            delta.replay(record)?;
        }
        let now_ms = self.clock.now_ms();
        let end_offset = log.append(&records, now_ms)?;
        let (next, changes) = delta.finish(end_offset);
        let next = Arc::new(next);
        for (files, delay_ms) in self.partitions.follow(&next, &changes, now_ms) {
            self.janitor.remove_later(files, delay_ms);
        }
        *self.image.write().unwrap_or_else(PoisonError::into_inner) = next;
        Ok(result)
    }
}
