//! How the cluster's metadata changes: a decision on the metadata gives records, the quorum commits
//! them, and only then do this node's partitions and its readers follow.
//!
//! ```text
//!   commit(decide) -> quorum: decide(image) -> records -> committed -> partitions follow -> image
//! ```

mod bootstrap;
pub(crate) mod configs;
mod producer_ids;
pub(crate) mod topics;

use std::sync::{Arc, Mutex, RwLock};

use broker_cluster::Clock;
use broker_cluster::lock::{read_whole, whole, write_whole};
use broker_cluster::partition::Partitions;
use broker_cluster::quorum::{DecideError, Published, Quorum};
use broker_metadata::{ApplyError, Delta, Image, MetadataRecord};
use thiserror::Error;
use tokio::sync::watch;
use tracing::error;

pub(crate) use self::bootstrap::{FEATURES, Identity};
pub(crate) use self::producer_ids::ProducerIds;
pub(crate) use self::topics::TopicError;
use crate::upkeep::Janitor;

/// Why a decision did not become true.
#[derive(Debug, Error)]
pub(crate) enum CommitError {
    #[error(transparent)]
    Decide(#[from] DecideError),
    #[error("the records do not follow from the metadata: {0}")]
    Apply(#[from] ApplyError),
    #[error("the broker is stopping")]
    Stopped,
}

impl CommitError {
    /// Whether the disk is what keeps the metadata from being changed.
    pub(crate) fn is_of_storage(&self) -> bool {
        matches!(self, Self::Decide(DecideError::Offline { .. }))
    }
}

/// A handle on the metadata; cheap to clone.
#[derive(Clone)]
pub(crate) struct Controller {
    shared: Arc<Shared>,
}

struct Shared {
    quorum: Quorum,
    /// Records that hold on this node although they can't be committed yet.
    /// A std mutex: held to take them out or put them in.
    assumed: Mutex<Vec<MetadataRecord>>,
    /// The metadata that partitions have followed. A std lock: held to copy the pointer.
    image: RwLock<Arc<Image>>,
    /// How far into the metadata log that goes.
    followed: watch::Sender<i64>,
    partitions: Arc<Partitions>,
    janitor: Janitor,
    clock: Arc<dyn Clock>,
}

impl Controller {
    pub(crate) fn new(
        quorum: Quorum,
        partitions: Arc<Partitions>,
        janitor: Janitor,
        clock: Arc<dyn Clock>,
    ) -> Self {
        let shared = Shared {
            quorum,
            assumed: Mutex::default(),
            image: RwLock::default(),
            followed: watch::Sender::new(-1),
            partitions,
            janitor,
            clock,
        };
        Self { shared: Arc::new(shared) }
    }

    pub(crate) fn quorum(&self) -> &Quorum {
        &self.shared.quorum
    }

    /// The metadata as committed, and as far as this node has followed it.
    pub(crate) fn image(&self) -> Arc<Image> {
        read_whole(&self.shared.image).clone()
    }

    /// Has `decide` look at the metadata with all that was decided before, and commits the records
    /// that it gives. When this returns, they are committed, the partitions of this node have
    /// followed, and every reader here sees them. Dropping the future does not stop a commit that
    /// has begun. Only the active controller can.
    pub(crate) async fn commit<T: Send + 'static>(
        &self,
        decide: impl FnOnce(&Image) -> (Vec<MetadataRecord>, T) + Send + 'static,
    ) -> Result<T, CommitError> {
        let decided = self.shared.quorum.decide(move |deciding| decide(deciding.image));
        let (result, offset) = decided.await?;
        self.followed(offset).await?;
        Ok(result)
    }

    /// Waits until this node has followed the metadata up to an offset.
    pub(crate) async fn followed(&self, offset: i64) -> Result<(), CommitError> {
        let mut followed = self.shared.followed.subscribe();
        let reached = followed.wait_for(|followed| *followed >= offset).await;
        reached.map(|_| ()).map_err(|_| CommitError::Stopped)
    }

    /// Makes the metadata that is there at the start of the node the one that readers see.
    pub(crate) fn begin(&self, image: &Arc<Image>) {
        self.shared.show(image);
    }

    /// Lets the partitions and the readers of this node follow the committed metadata, until the
    /// quorum ends.
    pub(crate) async fn follow(self) {
        loop {
            let published = self.shared.quorum.publication().next().await;
            let shared = self.shared.clone();
            let followed = tokio::task::spawn_blocking(move || shared.follow(&published));
            if let Err(problem) = followed.await {
                error!("following a change of the metadata failed: {problem}");
            }
        }
    }

    /// Makes records hold on this node although they can't be committed now. Only for what this
    /// node says of itself.
    pub(crate) fn assume(&self, records: Vec<MetadataRecord>) -> Result<(), CommitError> {
        let shown = self.image();
        let image = assuming(&shown, &records)?;
        whole(&self.shared.assumed).extend(records);
        *write_whole(&self.shared.image) = image;
        Ok(())
    }

    /// What could not be committed when it was assumed.
    pub(crate) fn take_assumed(&self) -> Vec<MetadataRecord> {
        std::mem::take(&mut whole(&self.shared.assumed))
    }
}

impl Shared {
    /// Blocks for the disk.
    fn follow(&self, Published { image, changes }: &Published) {
        let now_ms = self.clock.now_ms();
        for (files, delay_ms) in self.partitions.follow(image, changes, now_ms) {
            self.janitor.remove_later(files, delay_ms);
        }
        self.show(image);
    }

    fn show(&self, image: &Arc<Image>) {
        let assumed = whole(&self.assumed);
        // What does not follow any more is settled by who registers again.
        let shown = assuming(image, &assumed).unwrap_or_else(|_| image.clone());
        *write_whole(&self.image) = shown;
        drop(assumed);
        self.followed.send_replace(image.end_offset());
    }
}

/// The metadata with records on top that are not in the log.
fn assuming(image: &Arc<Image>, records: &[MetadataRecord]) -> Result<Arc<Image>, ApplyError> {
    if records.is_empty() {
        return Ok(image.clone());
    }
    let mut delta = Delta::new(image);
    for record in records {
        delta.replay(record)?;
    }
    Ok(Arc::new(delta.finish(image.end_offset()).0))
}
