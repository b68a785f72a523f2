//! The leader of a partition: who is in sync, and up to where records are replicated.

mod fetches;
mod isr_changes;
#[cfg(test)]
mod tests;
mod watermark;

use std::collections::BTreeMap;

use broker_metadata::PartitionImage;
use thiserror::Error;

pub use self::fetches::{FetchOutcome, FetchRefusal, ReplicaFetch};
use super::isr::{AlterIsr, Isr};
use super::progress::FollowerProgress;
use super::rules::{Rule, holds};
use super::{Brokers, LogView};

/// The settings that a leader decides by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LeaderSettings {
    /// `min.insync.replicas` of the topic.
    pub min_insync_replicas: i32,
    /// `replica.lag.time.max.ms`
    pub lag_time_max_ms: i64,
}

/// What is to be done, in the order given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LeaderAction {
    /// All below the offset is replicated: the log takes it, and whoever waits for it in this
    /// leader epoch is answered, fetches of followers that do not know of it among them.
    AdvanceHighWatermark(i64),
    /// No living replica has records below the offset any more: DeleteRecords up to it is done.
    AdvanceLowWatermark(i64),
    /// To be sent to the controller. What comes of it goes to
    /// [`LeaderState::on_alter_partition_answer`], a lost connection too.
    AlterPartition(AlterIsr),
}

/// Fewer replicas are in sync than `min.insync.replicas` wants.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error(
    "{in_sync} replicas of the partition are in sync, and min.insync.replicas asks for {wanted}: \
     bring back the brokers of the others, or write with acks=1"
)]
pub struct NotEnoughReplicas {
    pub in_sync: usize,
    pub wanted: usize,
}

/// What the leader of a partition knows, for one leader epoch after the other.
///
/// The high watermark never goes back. Every method that may move something returns the actions
/// for it; all of them are to be carried out before the next call.
#[derive(Clone, Debug)]
pub struct LeaderState {
    node: i32,
    settings: LeaderSettings,
    epoch: i32,
    epoch_start_offset: i64,
    partition_epoch: i32,
    isr: Isr,
    /// The replicas but this one.
    followers: BTreeMap<i32, FollowerProgress>,
    log_end: i64,
    /// Up to where the leader's own records count as replicated.
    safe_end: i64,
    log_start: i64,
    high_watermark: i64,
    low_watermark: i64,
    last_proposal: u64,
}

impl LeaderState {
    /// `node` leads the partition from the end of its log on; `image` names it as the leader. The
    /// log's high watermark is what the node knew as a follower, or what its checkpoint says: as
    /// long as others are in the ISR, the log's end is not taken for replicated.
    pub fn on_become_leader(
        node: i32,
        settings: LeaderSettings,
        image: &PartitionImage,
        log: &dyn LogView,
        at: Moment<'_>,
    ) -> (Self, Vec<LeaderAction>) {
        let end = log.log_end_offset();
        let mut state = Self {
            node,
            settings,
            epoch: image.leader_epoch,
            epoch_start_offset: end,
            partition_epoch: image.partition_epoch,
            isr: Isr::new(&image.isr),
            followers: BTreeMap::new(),
            log_end: end,
            safe_end: log.safe_end_offset(),
            log_start: log.log_start_offset(),
            high_watermark: log.high_watermark().min(end),
            low_watermark: -1,
            last_proposal: 0,
        };
        state.take_replicas(image, at.now_ms);
        let actions = state.advance(at);
        (state, actions)
    }

    /// The image has the partition otherwise, with this node as its leader still.
    ///
    /// A change that is older than what is known is passed over. One of the same partition epoch
    /// is what AlterPartition answered already: it tells of replicas, and leaves alone what was
    /// asked since. A newer leader epoch begins at the log's end, and every follower has to fetch
    /// in it before its position counts: another node may have led in between.
    pub fn on_partition_change(
        &mut self,
        image: &PartitionImage,
        log: &dyn LogView,
        at: Moment<'_>,
    ) -> Vec<LeaderAction> {
        if image.leader_epoch < self.epoch || image.partition_epoch < self.partition_epoch {
            return Vec::new();
        }
        self.look_at(log);
        let is_newer = image.partition_epoch > self.partition_epoch;
        if is_newer || !holds(Rule::SameEpochKeepsPending) {
            self.isr.commit(&image.isr);
        }
        self.partition_epoch = image.partition_epoch;
        if image.leader_epoch > self.epoch {
            self.epoch = image.leader_epoch;
            self.epoch_start_offset = self.log_end;
            if holds(Rule::PositionsOfTheEpoch) {
                self.followers.clear();
            }
        }
        self.take_replicas(image, at.now_ms);
        self.advance(at)
    }

    /// Records were appended, or more of them are synced.
    pub fn on_append(&mut self, log: &dyn LogView, at: Moment<'_>) -> Vec<LeaderAction> {
        self.look_at(log);
        self.advance(at)
    }

    /// The start of the log moved, by retention or by DeleteRecords.
    pub fn on_log_start(&mut self, log_start: i64, at: Moment<'_>) -> Vec<LeaderAction> {
        self.log_start = self.log_start.max(log_start);
        self.advance(at)
    }

    pub fn on_settings(&mut self, settings: LeaderSettings, at: Moment<'_>) -> Vec<LeaderAction> {
        self.settings = settings;
        self.advance(at)
    }

    /// Brokers came, went, or are about to: what waited for one of them may go on.
    pub fn on_brokers_change(&mut self, at: Moment<'_>) -> Vec<LeaderAction> {
        self.advance(at)
    }

    pub fn epoch(&self) -> i32 {
        self.epoch
    }

    /// Where the log ended when this leader epoch began.
    pub fn epoch_start_offset(&self) -> i64 {
        self.epoch_start_offset
    }

    pub fn partition_epoch(&self) -> i32 {
        self.partition_epoch
    }

    pub fn isr(&self) -> &Isr {
        &self.isr
    }

    /// The replicas but the leader itself, by broker id.
    pub fn followers(&self) -> impl Iterator<Item = (i32, &FollowerProgress)> {
        self.followers.iter().map(|(id, progress)| (*id, progress))
    }

    pub fn high_watermark(&self) -> i64 {
        self.high_watermark
    }

    /// Up to where records are gone from every replica whose broker is alive.
    pub fn low_watermark(&self) -> i64 {
        self.low_watermark
    }

    /// Takes the replicas of the image: new ones are not in sync before they are in the ISR.
    fn take_replicas(&mut self, image: &PartitionImage, now_ms: i64) {
        self.followers.retain(|id, _| image.replicas.contains(id));
        for id in image.replicas.iter().filter(|id| **id != self.node) {
            let in_sync = self.isr.committed().contains(id);
            let fresh = || FollowerProgress::at_epoch_start(in_sync, now_ms);
            self.followers.entry(*id).or_insert_with(fresh);
        }
    }

    fn look_at(&mut self, log: &dyn LogView) {
        self.log_end = self.log_end.max(log.log_end_offset());
        self.safe_end = self.safe_end.max(log.safe_end_offset());
        self.log_start = self.log_start.max(log.log_start_offset());
    }
}

/// The time and the brokers of an event.
#[derive(Clone, Copy)]
pub struct Moment<'a> {
    /// Milliseconds of a clock that only goes forward.
    pub now_ms: i64,
    pub brokers: &'a dyn Brokers,
}
