//! One node's replica of a partition: whether it leads, follows, or can do neither.

#[cfg(test)]
mod tests;

use std::sync::Arc;

use broker_metadata::PartitionImage;

use super::LogView;
use super::follower::FollowerState;
use super::leader::{LeaderAction, LeaderSettings, LeaderState, Moment};

/// What a replica is.
#[derive(Clone, Debug)]
pub enum Role {
    Leader(LeaderState),
    /// Also of a partition that nobody leads.
    Follower(FollowerState),
    /// The log is not open: it is being opened, could not be, or its log dir is gone. It answers
    /// nobody.
    Offline,
}

/// What is to be done, in the order given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReplicaAction {
    /// Open the log, or make one if there is none. What comes of it is told by
    /// [`Replica::on_log_opened`] or [`Replica::on_log_failed`].
    OpenLog,
    /// Whoever waits for an offset of an older leader epoch is told that it is over; waits of this
    /// one are let in.
    FenceWaits { epoch: i32 },
    /// Whoever waits is told that the partition can't be used here; nobody may wait any more.
    CloseWaits,
    /// Note in the log that the leader epoch begins at its end.
    AssignEpoch { epoch: i32 },
    /// Fetch from the end of the log on, in this leader epoch.
    StartFetching { leader: i32, epoch: i32 },
    /// Fetch no longer; answers that are on their way change nothing.
    StopFetching,
    /// What the leader has to do.
    Leader(LeaderAction),
    /// The partition is no longer on this node: close the log and remove it.
    Delete,
}

/// What a change of the image is judged with.
#[derive(Clone, Copy)]
pub struct ReplicaContext<'a> {
    /// The log, once it is open.
    pub log: Option<&'a dyn LogView>,
    pub at: Moment<'a>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum LogState {
    Unopened,
    Opening,
    Open,
    Failed,
}

/// A node's replica of a partition of one topic id. A topic that is created anew under its name is
/// another partition, and so is a replica that comes back after it was deleted.
///
/// The images that are handed in are those of this life of the broker: the first one has its own
/// registration in it, so that a leader epoch of an earlier life, whose last records may be lost,
/// is not led again.
#[derive(Debug)]
pub struct Replica {
    node: i32,
    settings: LeaderSettings,
    /// The newest state of the partition that was heard of.
    image: Option<Arc<PartitionImage>>,
    log_state: LogState,
    role: Role,
    /// The leader epoch in which waits are let in.
    open_epoch: Option<i32>,
    /// The leader epoch in which the log failed.
    failed_epoch: Option<i32>,
    deleted: bool,
}

impl Replica {
    pub fn new(node: i32, settings: LeaderSettings) -> Self {
        Self {
            node,
            settings,
            image: None,
            log_state: LogState::Unopened,
            role: Role::Offline,
            open_epoch: None,
            failed_epoch: None,
            deleted: false,
        }
    }

    pub fn role(&self) -> &Role {
        &self.role
    }

    pub fn leader(&self) -> Option<&LeaderState> {
        match &self.role {
            Role::Leader(leader) => Some(leader),
            Role::Follower(_) | Role::Offline => None,
        }
    }

    /// The events of a leader go to it directly.
    pub fn leader_mut(&mut self) -> Option<&mut LeaderState> {
        match &mut self.role {
            Role::Leader(leader) => Some(leader),
            Role::Follower(_) | Role::Offline => None,
        }
    }

    pub fn follower(&self) -> Option<&FollowerState> {
        match &self.role {
            Role::Follower(follower) => Some(follower),
            Role::Leader(_) | Role::Offline => None,
        }
    }

    /// The newest image that was taken in.
    pub fn image(&self) -> Option<&Arc<PartitionImage>> {
        self.image.as_ref()
    }

    pub fn on_settings(&mut self, settings: LeaderSettings, at: Moment<'_>) -> Vec<ReplicaAction> {
        self.settings = settings;
        let moved = self.leader_mut().map(|leader| leader.on_settings(settings, at));
        as_actions(moved.unwrap_or_default())
    }

    /// The image has the partition so; `None`: the topic is deleted.
    ///
    /// An older state than the one that is known is passed over, a deletion is for good. A replica
    /// whose log is not open takes the role that the newest image gives it as soon as it is.
    pub fn on_image(
        &mut self,
        image: Option<&Arc<PartitionImage>>,
        context: ReplicaContext<'_>,
    ) -> Vec<ReplicaAction> {
        if self.deleted {
            return Vec::new();
        }
        let hosted = image.filter(|image| image.replicas.contains(&self.node));
        let known = self.image.as_ref();
        let is_old = |new: &Arc<PartitionImage>| known.is_some_and(|known| is_older(new, known));
        if image.is_some_and(is_old) {
            return Vec::new();
        }
        let Some(image) = hosted else { return self.leave() };
        self.image = Some(image.clone());
        match self.log_state {
            LogState::Unopened => {
                self.log_state = LogState::Opening;
                vec![ReplicaAction::OpenLog]
            }
            LogState::Opening | LogState::Failed => Vec::new(),
            LogState::Open => self.take_role(image, context),
        }
    }

    /// The log is open, for the first time or again after its log dir was away.
    pub fn on_log_opened(&mut self, log: &dyn LogView, at: Moment<'_>) -> Vec<ReplicaAction> {
        if self.deleted {
            return Vec::new();
        }
        self.log_state = LogState::Open;
        let context = ReplicaContext { log: Some(log), at };
        let image = self.image.clone();
        image.map(|image| self.take_role(&image, context)).unwrap_or_default()
    }

    /// The log could not be opened, or its log dir is gone.
    ///
    /// A log that comes back may lack the last records that it had. Its node does not lead on in
    /// the same epoch, unless it is the only replica: another log could have other records of
    /// that epoch at the same offsets. It waits for the controller to elect a leader.
    pub fn on_log_failed(&mut self) -> Vec<ReplicaAction> {
        if self.deleted {
            return Vec::new();
        }
        self.log_state = LogState::Failed;
        self.failed_epoch = self.leader().map(LeaderState::epoch).or(self.failed_epoch);
        let mut actions = self.stop_fetching();
        actions.extend(self.close());
        self.role = Role::Offline;
        actions
    }

    /// The partition is not here any more: the topic is gone, or this node no replica of it.
    fn leave(&mut self) -> Vec<ReplicaAction> {
        let mut actions = self.stop_fetching();
        actions.extend(self.close());
        if self.log_state != LogState::Unopened {
            actions.push(ReplicaAction::Delete);
        }
        (self.role, self.deleted) = (Role::Offline, true);
        actions
    }

    fn take_role(
        &mut self,
        image: &PartitionImage,
        context: ReplicaContext<'_>,
    ) -> Vec<ReplicaAction> {
        let Some(log) = context.log else { return Vec::new() };
        if image.leader == self.node {
            let failed_in_it = self.failed_epoch.is_some_and(|epoch| image.leader_epoch <= epoch);
            if failed_in_it && image.replicas.len() > 1 {
                return Vec::new();
            }
            self.lead(image, log, context.at)
        } else {
            self.follow(image)
        }
    }

    fn lead(
        &mut self,
        image: &PartitionImage,
        log: &dyn LogView,
        at: Moment<'_>,
    ) -> Vec<ReplicaAction> {
        let mut actions = self.stop_fetching();
        actions.extend(self.fence(image.leader_epoch));
        let moved = match &mut self.role {
            Role::Leader(leader) => {
                if image.leader_epoch > leader.epoch() {
                    actions.push(ReplicaAction::AssignEpoch { epoch: image.leader_epoch });
                }
                leader.on_partition_change(image, log, at)
            }
            Role::Follower(_) | Role::Offline => {
                actions.push(ReplicaAction::AssignEpoch { epoch: image.leader_epoch });
                let settings = self.settings;
                let led = LeaderState::on_become_leader(self.node, settings, image, log, at);
                self.role = Role::Leader(led.0);
                led.1
            }
        };
        actions.extend(as_actions(moved));
        actions
    }

    fn follow(&mut self, image: &PartitionImage) -> Vec<ReplicaAction> {
        let leader = (image.leader >= 0).then_some(image.leader);
        let epoch = image.leader_epoch;
        let next = FollowerState::new(epoch, image.partition_epoch, leader);
        let goes_on =
            self.follower().is_some_and(|it| it.epoch() == epoch && it.leader() == leader);
        let mut actions = Vec::new();
        if !goes_on {
            actions.extend(self.stop_fetching());
            actions.extend(self.fence(epoch));
            actions.extend(leader.map(|leader| ReplicaAction::StartFetching { leader, epoch }));
        }
        self.role = Role::Follower(next);
        actions
    }

    fn stop_fetching(&self) -> Vec<ReplicaAction> {
        let fetches = self.follower().is_some_and(|follower| follower.leader().is_some());
        if fetches { vec![ReplicaAction::StopFetching] } else { Vec::new() }
    }

    fn fence(&mut self, epoch: i32) -> Vec<ReplicaAction> {
        if self.open_epoch.is_some_and(|open| epoch <= open) {
            return Vec::new();
        }
        self.open_epoch = Some(epoch);
        vec![ReplicaAction::FenceWaits { epoch }]
    }

    fn close(&mut self) -> Vec<ReplicaAction> {
        let was_open = self.open_epoch.take().is_some();
        if was_open { vec![ReplicaAction::CloseWaits] } else { Vec::new() }
    }
}

/// Both epochs only grow, and a newer leader epoch comes with a newer partition epoch.
fn is_older(image: &PartitionImage, than: &PartitionImage) -> bool {
    let age = |image: &PartitionImage| (image.leader_epoch, image.partition_epoch);
    age(image) < age(than)
}

fn as_actions(actions: Vec<LeaderAction>) -> Vec<ReplicaAction> {
    actions.into_iter().map(ReplicaAction::Leader).collect()
}
