//! How the cluster's metadata changes: a decision on the metadata gives records, the quorum commits
//! them, and only then do this node's partitions and its readers follow.
//!
//! ```text
//!   commit(decide) -> quorum: decide(image) -> records -> committed -> partitions follow -> image
//! ```

mod bootstrap;
mod channel;
pub(crate) mod configs;
mod producer_ids;
pub(crate) mod topics;

use std::sync::{Arc, Mutex, RwLock};
use std::time::Duration;

use broker_cluster::Clock;
use broker_cluster::controller::{ControllerSettings, Liveness, Outcome, View};
use broker_cluster::lock::{read_whole, whole, write_whole};
use broker_cluster::partition::Partitions;
use broker_cluster::quorum::{DecideError, Published, Quorum};
use broker_metadata::{ApplyError, Delta, Image, MetadataRecord};
use thiserror::Error;
use tokio::sync::watch;
use tracing::{debug, error, info};

pub(crate) use self::bootstrap::{Identity, begins_with, features};
pub(crate) use self::channel::{ChannelError, ControllerChannel, ControllerRequest};
pub(crate) use self::producer_ids::{NoProducerId, ProducerIds};
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
    /// Topics that were deleted, and of which not everybody here has been told. A std mutex: held
    /// to take them out or put them in.
    deleted: Mutex<Vec<String>>,
    partitions: Arc<Partitions>,
    janitor: Janitor,
    clock: Arc<dyn Clock>,
    active: Arc<Active>,
}

/// What this node decides with while it is the active controller.
struct Active {
    settings: ControllerSettings,
    /// What settings a new cluster begins with.
    begins_with: Vec<MetadataRecord>,
    /// The epoch of the controller, and which brokers it has heard of in that. A std mutex: held
    /// for one decision, on the quorum's thread.
    liveness: Mutex<(Option<i32>, Liveness)>,
}

/// What a controller is told of itself and of the cluster.
pub(crate) struct ControllerIdentity {
    pub(crate) settings: ControllerSettings,
    pub(crate) begins_with: Vec<MetadataRecord>,
}

impl Controller {
    pub(crate) fn new(
        quorum: Quorum,
        partitions: Arc<Partitions>,
        janitor: Janitor,
        clock: Arc<dyn Clock>,
        identity: ControllerIdentity,
    ) -> Self {
        let ControllerIdentity { settings, begins_with } = identity;
        let liveness = Mutex::default();
        let active = Arc::new(Active { settings, begins_with, liveness });
        let shared = Shared {
            active,
            quorum,
            assumed: Mutex::default(),
            image: RwLock::default(),
            followed: watch::Sender::new(-1),
            deleted: Mutex::default(),
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

    /// Has the active controller's rules look at the metadata, and commits what they decide; the
    /// response is to be sent when this returns. A metadata log that begins gets first what a new
    /// cluster begins with. Only the active controller decides.
    pub(crate) async fn decide<R: Send + 'static>(
        &self,
        decide: impl FnOnce(&mut View<'_>) -> Outcome<R> + Send + 'static,
    ) -> Result<R, CommitError> {
        self.begin_cluster().await?;
        let active = self.shared.active.clone();
        let decided = self.shared.quorum.decide(move |deciding| {
            let mut liveness = whole(&active.liveness);
            if liveness.0 != Some(deciding.epoch) {
                let begun = Liveness::begin(deciding.image, deciding.now.elapsed_ms);
                *liveness = (Some(deciding.epoch), begun);
            }
            let mut view = View {
                image: deciding.image,
                next_offset: deciding.next_offset,
                now: deciding.now,
                settings: &active.settings,
                liveness: &mut liveness.1,
            };
            let Outcome { records, response, notes } = decide(&mut view);
            let changes = !records.is_empty();
            (records, (response, notes, changes))
        });
        let (response, notes, changes) = decided.await?.0;
        for note in notes {
            // Who is refused asks again, and is told each time.
            if changes { info!("{note}") } else { debug!("{note}") }
        }
        Ok(response)
    }

    /// Gives a new cluster its features and settings.
    async fn begin_cluster(&self) -> Result<(), CommitError> {
        if self.image().metadata_version().is_some() {
            return Ok(());
        }
        let active = self.shared.active.clone();
        let begun = self.shared.quorum.decide(move |deciding| {
            let is_new = deciding.image.metadata_version().is_none();
            (if is_new { active.begins_with.clone() } else { Vec::new() }, ())
        });
        begun.await?;
        Ok(())
    }

    /// Whether this node decides now.
    pub(crate) fn is_active(&self) -> bool {
        self.shared.quorum.leader().borrow().is_active_here
    }

    /// Waits until this node has followed the metadata up to an offset.
    pub(crate) async fn followed(&self, offset: i64) -> Result<(), CommitError> {
        let mut followed = self.shared.followed.subscribe();
        let reached = followed.wait_for(|followed| *followed >= offset).await;
        reached.map(|_| ()).map_err(|_| CommitError::Stopped)
    }

    /// News of how far this node has followed the metadata.
    pub(crate) fn news(&self) -> watch::Receiver<i64> {
        self.shared.followed.subscribe()
    }

    /// The topics that were deleted since this was last asked; for one follower.
    pub(crate) fn take_deleted(&self) -> Vec<String> {
        std::mem::take(&mut whole(&self.shared.deleted))
    }

    /// Waits until the metadata is as asked, but no longer than that.
    pub(crate) async fn until(&self, is_so: impl Fn(&Image) -> bool, patience: Duration) {
        let mut followed = self.shared.followed.subscribe();
        // Nobody is told whether it came true: whoever asks looks again.
        let _ = tokio::time::timeout(patience, async {
            while !is_so(&self.image()) && followed.changed().await.is_ok() {}
        })
        .await;
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
        let deleted = changes.deleted.iter().map(|topic| topic.name.to_string());
        whole(&self.deleted).extend(deleted);
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
