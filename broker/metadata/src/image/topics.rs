//! Topics and their partitions.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::Arc;

use imbl::{OrdMap, Vector};
use protocol::messages::{PartitionChangeRecord, PartitionRecord};
use uuid::Uuid;

use crate::delta::ApplyError;
use crate::version::MetadataVersion;

/// Ids that stand for something else than a log dir.
pub mod directory {
    use uuid::Uuid;

    /// Nobody has said yet, for the partition is older than directories in the metadata.
    pub const MIGRATING: Uuid = Uuid::from_u128(0);
    /// The broker has not chosen yet.
    pub const UNASSIGNED: Uuid = Uuid::from_u128(1);
    /// One that failed.
    pub const LOST: Uuid = Uuid::from_u128(2);
}

/// Whether a leader was elected that may lack records which had been committed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LeaderRecoveryState {
    #[default]
    Recovered,
    /// Elected uncleanly; it says so when it has put its log in order.
    Recovering,
}

impl LeaderRecoveryState {
    /// The code on the wire and in the metadata log.
    pub fn code(self) -> i8 {
        match self {
            Self::Recovered => 0,
            Self::Recovering => 1,
        }
    }

    pub fn from_code(code: i8) -> Option<Self> {
        match code {
            0 => Some(Self::Recovered),
            1 => Some(Self::Recovering),
            _ => None,
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartitionImage {
    /// -1 while nobody leads.
    pub leader: i32,
    pub leader_recovery_state: LeaderRecoveryState,
    pub leader_epoch: i32,
    pub partition_epoch: i32,
    pub replicas: Vec<i32>,
    pub isr: Vec<i32>,
    pub adding_replicas: Vec<i32>,
    pub removing_replicas: Vec<i32>,
    pub eligible_leader_replicas: Vec<i32>,
    pub last_known_elr: Vec<i32>,
    /// The log directory of each replica, in the order of `replicas`.
    pub directories: Vec<Uuid>,
}

/// The leader of a change record that leaves the leader as it is.
const SAME_LEADER: i32 = -2;
/// The recovery state of one that leaves it as it is.
const SAME_RECOVERY_STATE: i8 = -1;

impl PartitionImage {
    pub fn has_leader(&self) -> bool {
        self.leader >= 0
    }

    /// Where the replica of a broker lies; `None` where it has none.
    pub fn directory(&self, broker: i32) -> Option<Uuid> {
        let index = self.replicas.iter().position(|replica| *replica == broker)?;
        self.directories.get(index).copied()
    }

    pub(crate) fn from_record(record: &PartitionRecord) -> Result<Self, ApplyError> {
        let state = record.leader_recovery_state;
        Ok(Self {
            leader: record.leader,
            leader_recovery_state: LeaderRecoveryState::from_code(state)
                .ok_or(ApplyError::RecoveryState { record: "PartitionRecord", code: state })?,
            leader_epoch: record.leader_epoch,
            partition_epoch: record.partition_epoch,
            directories: directories(
                "PartitionRecord",
                record.directories.clone(),
                record.replicas.len(),
            )?,
            replicas: record.replicas.clone(),
            isr: record.isr.clone(),
            adding_replicas: record.adding_replicas.clone(),
            removing_replicas: record.removing_replicas.clone(),
            eligible_leader_replicas: record.eligible_leader_replicas.clone().unwrap_or_default(),
            last_known_elr: record.last_known_elr.clone().unwrap_or_default(),
        })
    }

    /// Takes a change in. A change that names a leader starts a leader epoch, even if it is the
    /// one there was; every change starts a partition epoch.
    pub(crate) fn merge(&mut self, record: &PartitionChangeRecord) -> Result<(), ApplyError> {
        let name = "PartitionChangeRecord";
        if let Some(replicas) = &record.replicas {
            self.replicas.clone_from(replicas);
        }
        let listed = record.directories.as_ref().unwrap_or(&self.directories);
        self.directories = directories(name, listed.clone(), self.replicas.len())?;
        if record.leader != SAME_LEADER {
            self.leader = record.leader;
            self.leader_epoch = next(self.leader_epoch)?;
        }
        if record.leader_recovery_state != SAME_RECOVERY_STATE {
            let code = record.leader_recovery_state;
            let state = LeaderRecoveryState::from_code(code);
            self.leader_recovery_state =
                state.ok_or(ApplyError::RecoveryState { record: name, code })?;
        }
        let lists = [
            (&record.isr, &mut self.isr),
            (&record.removing_replicas, &mut self.removing_replicas),
            (&record.adding_replicas, &mut self.adding_replicas),
            (&record.eligible_leader_replicas, &mut self.eligible_leader_replicas),
            (&record.last_known_elr, &mut self.last_known_elr),
        ];
        for (new, old) in lists {
            if let Some(new) = new {
                old.clone_from(new);
            }
        }
        self.partition_epoch = next(self.partition_epoch)?;
        Ok(())
    }

    /// Whether there was anything to forget of who may lead without being in sync.
    pub(crate) fn clear_elr(&mut self) -> Result<bool, ApplyError> {
        if self.eligible_leader_replicas.is_empty() && self.last_known_elr.is_empty() {
            return Ok(false);
        }
        self.eligible_leader_replicas.clear();
        self.last_known_elr.clear();
        self.partition_epoch = next(self.partition_epoch)?;
        Ok(true)
    }

    /// Whether it is said of no replica where it lies.
    pub(crate) fn is_migrating(&self) -> bool {
        self.directories.iter().all(|dir| *dir == directory::MIGRATING)
    }

    /// The record of this partition, without what a level does not have.
    pub(crate) fn to_record(
        &self,
        topic_id: Uuid,
        partition_id: i32,
        level: MetadataVersion,
    ) -> PartitionRecord {
        let listed = |list: &Vec<i32>| {
            let is_told = level.has_eligible_leader_replicas() && !list.is_empty();
            is_told.then(|| list.clone())
        };
        let directories =
            if level.has_directories() { self.directories.clone() } else { Vec::new() };
        PartitionRecord {
            partition_id,
            topic_id,
            replicas: self.replicas.clone(),
            isr: self.isr.clone(),
            removing_replicas: self.removing_replicas.clone(),
            adding_replicas: self.adding_replicas.clone(),
            leader: self.leader,
            leader_recovery_state: self.leader_recovery_state.code(),
            leader_epoch: self.leader_epoch,
            partition_epoch: self.partition_epoch,
            directories,
            eligible_leader_replicas: listed(&self.eligible_leader_replicas),
            last_known_elr: listed(&self.last_known_elr),
        }
    }
}

/// The directories of so many replicas. Where nothing is said of any, there may be more or fewer.
fn directories(
    record: &'static str,
    mut listed: Vec<Uuid>,
    replicas: usize,
) -> Result<Vec<Uuid>, ApplyError> {
    if listed.iter().all(|dir| *dir == directory::MIGRATING) {
        listed.resize(replicas, directory::MIGRATING);
    }
    match listed.len() {
        directories if directories != replicas => {
            Err(ApplyError::Directories { record, directories, replicas })
        }
        _ => Ok(listed),
    }
}

fn next(epoch: i32) -> Result<i32, ApplyError> {
    epoch.checked_add(1).ok_or(ApplyError::EpochsUsedUp)
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopicImage {
    pub name: Arc<str>,
    pub id: Uuid,
    /// By partition number, without holes.
    pub partitions: Vector<Arc<PartitionImage>>,
    /// Partitions whose predecessors have not come yet: Kafka writes those of a topic with more
    /// than 65,536 in an order of its own.
    pub(crate) early: BTreeMap<i32, Arc<PartitionImage>>,
}

impl TopicImage {
    pub fn partition(&self, index: i32) -> Option<&Arc<PartitionImage>> {
        usize::try_from(index).ok().and_then(|index| self.partitions.get(index))
    }

    /// Adds a partition, or puts it in place of the one there is.
    pub(crate) fn put(&mut self, index: i32, partition: Arc<PartitionImage>) {
        match usize::try_from(index) {
            Ok(place) if place < self.partitions.len() => {
                self.partitions.set(place, partition);
            }
            Ok(place) if place == self.partitions.len() => {
                self.partitions.push_back(partition);
                while let Some(next) = self.early.remove(&(self.partitions.len() as i32)) {
                    self.partitions.push_back(next);
                }
            }
            _ => {
                self.early.insert(index, partition);
            }
        }
    }

    pub(crate) fn get_mut(&mut self, index: i32) -> Option<&mut Arc<PartitionImage>> {
        match usize::try_from(index) {
            Ok(place) if place < self.partitions.len() => self.partitions.get_mut(place),
            _ => self.early.get_mut(&index),
        }
    }

    /// All of them with their numbers, those at the end which can't be seen yet, too.
    pub(crate) fn all(&self) -> impl Iterator<Item = (i32, &Arc<PartitionImage>)> {
        let early = self.early.iter().map(|(index, partition)| (*index, partition));
        (0..).zip(self.partitions.iter()).chain(early)
    }
}

#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct TopicsImage {
    pub(crate) by_id: OrdMap<Uuid, Arc<TopicImage>>,
    ids: OrdMap<Arc<str>, Uuid>,
}

impl TopicsImage {
    pub(crate) fn count(&self) -> usize {
        self.by_id.len()
    }

    pub(crate) fn by_id(&self, id: Uuid) -> Option<&Arc<TopicImage>> {
        self.by_id.get(&id)
    }

    pub(crate) fn by_name(&self, name: &str) -> Option<&Arc<TopicImage>> {
        self.ids.get(name).and_then(|id| self.by_id.get(id))
    }

    /// By name, from the first one that is not before `name`.
    pub(crate) fn from(&self, name: &str) -> impl Iterator<Item = &Arc<TopicImage>> {
        let bounds = (Bound::Included(name), Bound::Unbounded);
        self.ids.range::<_, str>(bounds).filter_map(|(_, id)| self.by_id.get(id))
    }

    /// The topic to be changed: copied where another image holds it.
    pub(crate) fn get_mut(&mut self, id: Uuid) -> Option<&mut TopicImage> {
        self.by_id.get_mut(&id).map(Arc::make_mut)
    }

    pub(crate) fn add(&mut self, topic: TopicImage) {
        self.ids.insert(topic.name.clone(), topic.id);
        self.by_id.insert(topic.id, Arc::new(topic));
    }

    pub(crate) fn remove(&mut self, id: Uuid) -> Option<Arc<TopicImage>> {
        let topic = self.by_id.remove(&id)?;
        self.ids.remove(&*topic.name);
        Some(topic)
    }
}
