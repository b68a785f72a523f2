//! One change of one partition, as a record: who leads after it, who is in sync, who else may
//! lead, and which epochs are raised.
//!
//! ```text
//!   wanted ISR, replicas ─▶ reassignment complete? ─▶ eligible replicas ─▶ election ─▶ epochs
//! ```
//!
//! A record without a leader leaves the leader epoch as it is, one with a leader raises it, even if
//! it is the one there was. Every record raises the partition epoch.

use std::collections::{BTreeMap, BTreeSet};

use broker_metadata::{
    LeaderRecoveryState, MetadataVersion, PartitionImage, TopicImage, directory,
};
use protocol::messages::PartitionChangeRecord;
use uuid::Uuid;

use super::Cluster;

/// The leader of a partition that has none.
pub(super) const NO_LEADER: i32 = -1;
/// The leader in a record that does not speak of it.
pub(super) const SAME_LEADER: i32 = -2;

/// Who may become the leader.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Election {
    /// The first of the replicas, if it may lead; else as [`Election::Online`].
    Preferred,
    /// Whoever has all committed records, the present leader first.
    Online,
    /// If there is no such replica, any that is active.
    Unclean,
}

/// Why a partition changes: what is not true of the image yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cause {
    Request,
    /// The broker will not be there, and keeps what it has.
    Leaves(i32),
    /// The broker may have lost what it had.
    LostData(i32),
    /// The broker is there, though the image says that it is fenced.
    Returns(i32),
}

struct Elected {
    leader: i32,
    is_unclean: bool,
}

/// What a partition is to be. Whatever is not set stays as it is.
pub(super) struct PartitionChange<'a> {
    cluster: &'a Cluster<'a>,
    topic: &'a TopicImage,
    index: i32,
    partition: &'a PartitionImage,
    min_isr: usize,
    cause: Cause,
    election: Election,
    isr: Vec<i32>,
    replicas: Vec<i32>,
    removing: Vec<i32>,
    adding: Vec<i32>,
    elr: Vec<i32>,
    recovery: LeaderRecoveryState,
    directories: BTreeMap<i32, Uuid>,
}

impl<'a> PartitionChange<'a> {
    pub(super) fn new(
        cluster: &'a Cluster<'a>,
        topic: &'a TopicImage,
        index: i32,
        partition: &'a PartitionImage,
    ) -> Self {
        let directories = partition.replicas.iter().zip(&partition.directories);
        let election = match cluster.allows_unclean_leaders(topic) {
            true => Election::Unclean,
            false => Election::Online,
        };
        Self {
            cluster,
            topic,
            index,
            partition,
            min_isr: cluster.min_isr(topic, partition),
            cause: Cause::Request,
            election,
            isr: partition.isr.clone(),
            replicas: partition.replicas.clone(),
            removing: partition.removing_replicas.clone(),
            adding: partition.adding_replicas.clone(),
            elr: partition.eligible_leader_replicas.clone(),
            recovery: partition.leader_recovery_state,
            directories: directories.map(|(id, dir)| (*id, *dir)).collect(),
        }
    }

    /// Takes the broker of `cause` out of the ISR, if it leaves or lost something.
    pub(super) fn because(mut self, cause: Cause) -> Self {
        if let Cause::Leaves(id) | Cause::LostData(id) = cause {
            self.isr.retain(|member| *member != id);
        }
        Self { cause, ..self }
    }

    pub(super) fn election(self, election: Election) -> Self {
        Self { election, ..self }
    }

    pub(super) fn isr(self, isr: Vec<i32>) -> Self {
        Self { isr, ..self }
    }

    pub(super) fn recovery(self, recovery: LeaderRecoveryState) -> Self {
        Self { recovery, ..self }
    }

    pub(super) fn directory(mut self, broker: i32, dir: Uuid) -> Self {
        self.directories.insert(broker, dir);
        self
    }

    /// The replicas, with those that are to be removed, and those that are added to them.
    pub(super) fn assignment(
        self,
        replicas: Vec<i32>,
        adding: Vec<i32>,
        removing: Vec<i32>,
    ) -> Self {
        Self { replicas, adding, removing, ..self }
    }

    /// The record, unless nothing changes.
    pub(super) fn build(mut self) -> Option<PartitionChangeRecord> {
        let mut record = PartitionChangeRecord {
            topic_id: self.topic.id,
            partition_id: self.index,
            ..PartitionChangeRecord::default()
        };
        self.complete_reassignment();
        self.keep_eligible();
        self.elect_leader(&mut record);
        self.raise_epoch_for_replicas(&mut record);
        self.tell_eligible(&mut record);
        let is_told = !self.isr.is_empty() || self.cluster.has_elr;
        if record.isr.is_none() && is_told && self.isr != self.partition.isr {
            record.isr = Some(self.isr.clone());
        }
        self.raise_epoch_for_isr(&mut record);
        self.remember_leader(&mut record);
        self.tell_assignment(&mut record);
        if self.recovery != self.partition.leader_recovery_state {
            record.leader_recovery_state = self.recovery.code();
        }
        let nothing = PartitionChangeRecord {
            topic_id: record.topic_id,
            partition_id: record.partition_id,
            ..PartitionChangeRecord::default()
        };
        (record != nothing).then_some(record)
    }

    /// A reassignment is complete when all that were added are in sync; where there become fewer
    /// replicas, when all that stay are.
    fn complete_reassignment(&mut self) {
        if self.adding.is_empty() && self.removing.is_empty() {
            return;
        }
        let without = |list: &[i32]| -> Vec<i32> {
            list.iter().copied().filter(|id| !self.removing.contains(id)).collect()
        };
        let (isr, replicas) = (without(&self.isr), without(&self.replicas));
        let in_sync = |ids: &[i32]| ids.iter().all(|id| isr.contains(id));
        let is_smaller = self.adding.len() < self.removing.len();
        if isr.is_empty() || !in_sync(&self.adding) || (is_smaller && !in_sync(&replicas)) {
            return;
        }
        self.isr = isr;
        self.replicas = replicas;
        self.removing.clear();
        self.adding.clear();
    }

    /// Who leaves an ISR that gets too small may still lead: no record was committed without it.
    fn keep_eligible(&mut self) {
        if !self.cluster.has_elr {
            return;
        }
        if self.isr.len() >= self.min_isr {
            self.elr.clear();
            return;
        }
        let candidates: BTreeSet<i32> =
            self.elr.iter().chain(&self.partition.isr).copied().collect();
        let stays = |id: &i32| {
            !self.isr.contains(id)
                && self.cause != Cause::LostData(*id)
                && self.replicas.contains(id)
        };
        self.elr = candidates.into_iter().filter(stays).collect();
    }

    fn elect_leader(&mut self, record: &mut PartitionChangeRecord) {
        let elected = self.elect();
        if elected.leader == self.partition.leader {
            return;
        }
        if self.elr.contains(&elected.leader) {
            self.isr = vec![elected.leader];
            self.elr.retain(|id| *id != elected.leader);
        }
        record.leader = elected.leader;
        if elected.is_unclean {
            record.isr = Some(vec![elected.leader]);
            if self.partition.leader_recovery_state != LeaderRecoveryState::Recovering {
                record.leader_recovery_state = LeaderRecoveryState::Recovering.code();
            }
        }
    }

    fn elect(&self) -> Elected {
        let clean = |leader: i32| Elected { leader, is_unclean: false };
        let unclean = |leader: i32| Elected { leader, is_unclean: true };
        let present = Some(self.partition.leader);
        let mut preferred = self.replicas.first().copied();
        if self.election != Election::Preferred {
            preferred = None;
        }
        let mut candidates =
            preferred.into_iter().chain(present).chain(self.replicas.iter().copied());
        if let Some(leader) = candidates.find(|id| self.has_committed(*id) && self.accepts(*id)) {
            return clean(leader);
        }
        if let Some(leader) = self.last_known_leader() {
            return unclean(leader);
        }
        let mut any = self.replicas.iter().copied();
        match self.election {
            Election::Unclean => match any.find(|id| self.accepts(*id)) {
                Some(leader) => unclean(leader),
                None => clean(NO_LEADER),
            },
            Election::Preferred | Election::Online => clean(NO_LEADER),
        }
    }

    fn has_committed(&self, id: i32) -> bool {
        match self.isr.is_empty() {
            false => self.isr.contains(&id),
            true => self.elr.contains(&id),
        }
    }

    /// Whether the broker and the log dir of its replica are there. One that is only now assigned
    /// has nothing to lead with.
    fn accepts(&self, id: i32) -> bool {
        if !self.partition.replicas.contains(&id) {
            return false;
        }
        let is_there = match self.cause {
            Cause::Leaves(gone) | Cause::LostData(gone) if gone == id => false,
            Cause::Returns(back) if back == id => true,
            _ => self.cluster.is_active(id),
        };
        let dir = self.directories.get(&id).copied().unwrap_or(directory::UNASSIGNED);
        let broker = self.cluster.image.broker(id);
        is_there && broker.is_some_and(|broker| broker.has_online_dir(dir))
    }

    /// When all replicas that might lead have lost something, the one that led last has the most.
    fn last_known_leader(&self) -> Option<i32> {
        let is_last_resort = self.cluster.has_elr && self.elr.is_empty() && self.isr.is_empty();
        match self.partition.last_known_elr.as_slice() {
            [leader] if is_last_resort && self.replicas.contains(leader) => {
                self.accepts(*leader).then_some(*leader)
            }
            _ => None,
        }
    }

    /// A leader has to hear that replicas are gone.
    fn raise_epoch_for_replicas(&self, record: &mut PartitionChangeRecord) {
        let stays = |id: &i32| self.replicas.contains(id);
        if record.leader == SAME_LEADER && !self.partition.replicas.iter().all(stays) {
            record.leader = self.partition.leader;
        }
    }

    /// Brokers of old levels take a smaller ISR for true only in a new leader epoch.
    fn raise_epoch_for_isr(&self, record: &mut PartitionChangeRecord) {
        if !self.cluster.level.raises_epoch_when_isr_shrinks() || record.leader != SAME_LEADER {
            return;
        }
        if let Some(isr) = &record.isr
            && !self.partition.isr.iter().all(|id| isr.contains(id))
        {
            record.leader = self.partition.leader;
        }
    }

    fn tell_eligible(&mut self, record: &mut PartitionChangeRecord) {
        let was_unclean = record.isr.is_some();
        if was_unclean || !self.cluster.has_elr {
            self.elr.clear();
        }
        if self.elr != self.partition.eligible_leader_replicas {
            record.eligible_leader_replicas = Some(self.elr.clone());
        }
    }

    fn remember_leader(&self, record: &mut PartitionChangeRecord) {
        if !self.cluster.has_elr {
            return;
        }
        let is_known = !self.partition.last_known_elr.is_empty();
        if record.leader == NO_LEADER && !is_known && self.partition.has_leader() {
            record.last_known_elr = Some(vec![self.partition.leader]);
        } else if record.leader >= 0 && is_known {
            record.last_known_elr = Some(Vec::new());
        }
    }

    fn tell_assignment(&self, record: &mut PartitionChangeRecord) {
        let was = self.partition;
        if self.cluster.level >= MetadataVersion::V3_7_IV2 && !self.replicas.is_empty() {
            let of = |id: &i32| self.directories.get(id).copied();
            let dirs = self.replicas.iter();
            let dirs: Vec<Uuid> =
                dirs.map(|id| of(id).unwrap_or_else(|| self.cluster.default_dir(*id))).collect();
            record.directories = (dirs != was.directories).then_some(dirs);
        }
        let changed = |is: &Vec<i32>, was: &Vec<i32>| (is != was).then(|| is.clone());
        record.replicas = changed(&self.replicas, &was.replicas);
        record.removing_replicas = changed(&self.removing, &was.removing_replicas);
        record.adding_replicas = changed(&self.adding, &was.adding_replicas);
    }
}
