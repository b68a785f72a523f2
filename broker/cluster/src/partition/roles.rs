//! A partition's part: it leads, follows, or is offline. What that means is worked out by
//! [`Replica`], which is pure; here it is done.
//!
//! ```text
//!   image, append, fetch, time ─▶ Replica (under the partition's lock) ─▶ actions
//!        those on the log: at once        the others: Effects, when the lock is given back
//! ```

use std::sync::Arc;

use broker_log::Log;
use broker_metadata::PartitionImage;
use protocol::ErrorCode;

use super::surroundings::ReplicaEvent;
use super::{LeadershipError, Partition};
use crate::replica::{
    AlterIsr, IsrAnswer, LeaderAction, LeaderSettings, Replica, ReplicaAction, ReplicaContext, Role,
};

/// The log with what is known of its replicas; both change under one lock.
#[derive(Debug)]
pub(super) struct Held {
    pub(super) log: Log,
    pub(super) replica: Replica,
}

/// What is to be done when the lock is given back.
#[derive(Debug, Default)]
#[must_use]
pub(super) struct Effects {
    /// The leader epoch, and up to where all is committed in it.
    committed: Option<(i32, i64)>,
    /// Whoever waits in an older leader epoch is told that it is over.
    fence: Option<(i32, i64)>,
    close: bool,
    /// Whoever reads what is committed looks again.
    wake: bool,
    /// Followers look again.
    wake_followers: bool,
    alter: Vec<AlterIsr>,
    /// Whom to fetch from: `Some(None)` is nobody.
    follow: Option<Option<(i32, i32)>>,
    /// This node is no replica any more.
    pub(super) is_gone: bool,
}

impl Held {
    /// A log that was opened, with no part yet.
    pub(super) fn new(log: Log, node_id: i32, settings: LeaderSettings) -> Self {
        Self { log, replica: Replica::new(node_id, settings) }
    }

    pub(super) fn leader_epoch(&self) -> i32 {
        self.replica.image().map_or(-1, |image| image.leader_epoch)
    }

    /// Does what belongs to the log, and notes the rest.
    pub(super) fn act(&mut self, actions: Vec<ReplicaAction>, effects: &mut Effects) {
        for action in actions {
            match action {
                // The log is there: who opens it calls `opened`.
                ReplicaAction::OpenLog => {}
                ReplicaAction::FenceWaits { epoch } => {
                    effects.fence = Some((epoch, self.log.high_watermark()));
                    effects.wake = true;
                }
                ReplicaAction::CloseWaits => (effects.close, effects.wake) = (true, true),
                ReplicaAction::AssignEpoch { epoch } => {
                    if self.log.latest_epoch() != Some(epoch) {
                        self.log.assign_epoch(epoch);
                    }
                }
                ReplicaAction::StartFetching { leader, epoch } => {
                    effects.follow = Some(Some((leader, epoch)));
                }
                ReplicaAction::StopFetching => effects.follow = Some(None),
                ReplicaAction::Leader(action) => self.lead(action, effects),
                ReplicaAction::Delete => effects.is_gone = true,
            }
        }
    }

    pub(super) fn act_as_leader(&mut self, actions: Vec<LeaderAction>, effects: &mut Effects) {
        for action in actions {
            self.lead(action, effects);
        }
    }

    fn lead(&mut self, action: LeaderAction, effects: &mut Effects) {
        match action {
            LeaderAction::AdvanceHighWatermark(offset) => {
                let offset = self.log.set_high_watermark(offset);
                effects.committed = Some((self.leader_epoch(), offset));
                effects.wake = true;
            }
            // DeleteRecords is answered by the leader's own start.
            LeaderAction::AdvanceLowWatermark(_) => {}
            LeaderAction::AlterPartition(change) => effects.alter.push(change),
        }
    }
}

impl Effects {
    /// The log or its watermark is elsewhere: whoever reads looks again.
    pub(super) fn note_moved(&mut self) {
        self.wake = true;
    }

    /// Followers have something to fetch.
    pub(super) fn note_appended(&mut self) {
        self.wake_followers = true;
    }
}

impl Partition {
    /// The log has more records, or more of them are synced.
    pub(super) fn on_log_moved(&self, held: &mut Held, effects: &mut Effects) {
        let Held { log, replica } = &mut *held;
        let at = self.surroundings.now();
        let moved = replica.leader_mut().map(|leader| leader.on_append(log, at));
        held.act_as_leader(moved.unwrap_or_default(), effects);
    }

    /// Runs something on the log and the replica's state, and does what comes of it.
    pub(super) fn with_held<T>(
        self: &Arc<Self>,
        run: impl FnOnce(&mut Held, &mut Effects) -> T,
    ) -> Result<T, LeadershipError> {
        let mut effects = Effects::default();
        let result = {
            let mut held = self.lock();
            let held = held.as_mut().ok_or(LeadershipError::Gone)?;
            run(held, &mut effects)
        };
        self.settle(effects);
        Ok(result)
    }

    /// Tells whom it concerns. Without the lock.
    pub(super) fn settle(self: &Arc<Self>, effects: Effects) {
        if let Some((epoch, committed)) = effects.fence {
            self.commits.fence(epoch, committed);
        }
        if effects.close {
            self.commits.close();
        }
        if let Some((epoch, offset)) = effects.committed {
            self.commits.reached(epoch, offset);
        }
        if effects.wake {
            self.waiters.wake();
        }
        if effects.wake || effects.wake_followers {
            self.replica_waiters.wake();
        }
        for change in effects.alter {
            let partition = self.clone();
            self.surroundings.say(ReplicaEvent::AlterIsr { partition, change });
        }
        let partition = self.clone();
        match effects.follow {
            None => {}
            Some(Some((leader, epoch))) => {
                self.surroundings.say(ReplicaEvent::Follow { partition, leader, epoch });
            }
            Some(None) => self.surroundings.say(ReplicaEvent::Unfollow { partition }),
        }
    }

    /// Takes the part that the metadata gives to this node; `true`: it has none any more, and the
    /// partition is to be taken off.
    pub(super) fn take_part(
        self: &Arc<Self>,
        image: Option<&Arc<PartitionImage>>,
    ) -> Result<bool, LeadershipError> {
        self.with_held(|held, effects| {
            let at = self.surroundings.now();
            let is_new = held.replica.image().is_none();
            let context = ReplicaContext { log: Some(&held.log), at };
            let mut actions = held.replica.on_image(image, context);
            if is_new {
                actions.extend(held.replica.on_log_opened(&held.log, at));
            }
            held.act(actions, effects);
            effects.is_gone
        })
    }

    /// Takes over `min.insync.replicas` and `replica.lag.time.max.ms`.
    pub(super) fn take_settings(self: &Arc<Self>, settings: LeaderSettings) {
        // A partition that is gone needs no settings.
        let _ = self.with_held(|held, effects| {
            let actions = held.replica.on_settings(settings, self.surroundings.now());
            held.act(actions, effects);
        });
    }

    /// The brokers of the cluster are others, or some of them are fenced now or no longer.
    pub(super) fn on_brokers_change(self: &Arc<Self>) {
        let _ = self.with_held(|held, effects| {
            let at = self.surroundings.now();
            let moved = held.replica.leader_mut().map(|leader| leader.on_brokers_change(at));
            held.act_as_leader(moved.unwrap_or_default(), effects);
        });
    }

    /// Time has passed: members of the ISR that do not keep up leave, and what the controller did
    /// not answer is asked again.
    pub fn on_tick(self: &Arc<Self>) {
        let _ = self.with_held(|held, effects| {
            let at = self.surroundings.now();
            let moved = held.replica.leader_mut().map(|leader| leader.on_tick(at));
            held.act_as_leader(moved.unwrap_or_default(), effects);
        });
    }

    /// What the controller said to a change of the ISR.
    pub fn on_alter_answer(self: &Arc<Self>, proposal: u64, answer: Result<&IsrAnswer, ErrorCode>) {
        let _ = self.with_held(|held, effects| {
            let at = self.surroundings.now();
            let leader = held.replica.leader_mut();
            let moved = leader.map(|leader| leader.on_alter_partition_answer(proposal, answer, at));
            held.act_as_leader(moved.unwrap_or_default(), effects);
        });
    }

    /// The log's dir is gone or can't be written to. Where other nodes have the partition too, one
    /// of them is to lead; where none has, what can be read is read here.
    pub(super) fn on_log_failed(self: &Arc<Self>) {
        let _ = self.with_held(|held, effects| {
            let image = held.replica.image();
            if image.is_some_and(|image| image.replicas.len() > 1) {
                let actions = held.replica.on_log_failed();
                held.act(actions, effects);
            }
        });
    }

    /// The log is open again after its dir had failed.
    pub(super) fn on_log_back(self: &Arc<Self>) {
        let _ = self.with_held(|held, effects| {
            if matches!(held.replica.role(), Role::Offline) {
                let actions = held.replica.on_log_opened(&held.log, self.surroundings.now());
                held.act(actions, effects);
            }
        });
    }

    /// The leader epoch in which this node leads it; `None`: it does not.
    pub fn led_epoch(&self) -> Option<i32> {
        let held = self.lock();
        held.as_ref()?.replica.leader().map(crate::replica::LeaderState::epoch)
    }

    /// The leader epoch that this node knows of; -1: it has no part yet.
    pub fn leader_epoch(&self) -> i32 {
        self.lock().as_ref().map_or(-1, Held::leader_epoch)
    }

    /// This node must lead it, and a client's idea of the leader epoch, -1 for none, must be this
    /// broker's.
    pub fn check_leader(&self, given: i32) -> Result<(), LeadershipError> {
        let held = self.lock();
        let held = held.as_ref().ok_or(LeadershipError::Gone)?;
        check_epoch(held.leader_epoch(), given)?;
        match held.replica.role() {
            Role::Leader(_) => Ok(()),
            Role::Follower(_) => Err(LeadershipError::NotLeader),
            Role::Offline => Err(LeadershipError::Offline),
        }
    }

    /// How far each follower's log goes, by broker id; `None`: this node does not lead.
    pub fn follower_ends(&self) -> Option<Vec<(i32, Option<i64>)>> {
        let held = self.lock();
        let leader = held.as_ref()?.replica.leader()?;
        Some(leader.followers().map(|(id, progress)| (id, progress.log_end())).collect())
    }
}

/// Compares the leader epoch that a request names (-1: none) with the known one.
pub(super) fn check_epoch(current: i32, given: i32) -> Result<(), LeadershipError> {
    match given {
        -1 => Ok(()),
        given if given < current => Err(LeadershipError::FencedEpoch { given, current }),
        given if given > current => Err(LeadershipError::UnknownEpoch { given, current }),
        _ => Ok(()),
    }
}
