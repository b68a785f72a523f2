//! All groups of one partition of `__consumer_offsets`: a replicated state machine.
//!
//! A request makes an [`Outcome`]: records to append, and answers that wait for them. Time and
//! fresh ids are arguments; nothing here waits, sleeps or guesses. After a restart the replay of
//! the log, followed by [`Shard::start`], gives the same groups, assignments and offsets again.

mod commit;
mod delete;
#[cfg(test)]
mod invariants;
mod membership;
#[cfg(test)]
mod offset_scenarios;
#[cfg(test)]
mod random;
#[cfg(test)]
mod scenarios;
#[cfg(test)]
mod testing;

use std::collections::HashMap;

use protocol::messages::describe_groups_response::DescribedGroup;
use protocol::messages::list_groups_response::ListedGroup;

pub use commit::{CommitPartition, CommitRequest, CommitTopic};

use crate::group::{Group, Step};
use crate::limits::APPEND_RETRY_MS;
use crate::offsets::{Committed, Offsets};
use crate::outcome::{Effects, Outcome};
use crate::record::Record;
use crate::timers::{Timer, Timers};
use crate::{Now, Settings};

#[derive(Debug)]
pub struct Shard {
    settings: Settings,
    groups: HashMap<String, Group>,
    offsets: Offsets,
    timers: Timers,
}

impl Shard {
    pub fn new(settings: Settings) -> Self {
        Self {
            settings,
            groups: HashMap::new(),
            offsets: Offsets::default(),
            timers: Timers::default(),
        }
    }

    /// Takes over a record that is in the log: the only way by which persistent state changes.
    pub fn replay(&mut self, record: &Record) {
        match record {
            Record::Group { group, value: Some(value) } => {
                let group = entry(&mut self.groups, group);
                group.replay(value);
            }
            Record::Group { group, value: None } => self.forget(group),
            Record::Offset { group, topic, partition, value } => {
                if value.is_some() {
                    entry(&mut self.groups, group);
                }
                self.offsets.replay(group, topic, *partition, value.as_ref());
            }
        }
    }

    /// Begins the sessions of all members after the log was replayed.
    pub fn start(&mut self, now: Now) -> Outcome<()> {
        let ids: Vec<String> = self.groups.keys().cloned().collect();
        let mut effects = Effects::default();
        for id in ids {
            let Some(mut step) = self.step(&id, &mut effects, now) else { continue };
            let members: Vec<String> = step.group.members.keys().cloned().collect();
            for member_id in &members {
                step.expect_heartbeat(member_id);
            }
            if members.len() > step.settings.max_size as usize {
                step.prepare_rebalance();
            }
        }
        effects.outcome(())
    }

    /// Acts on one timer whose deadline has come; `None` when there is no more.
    pub fn advance(&mut self, now: Now) -> Option<Outcome<()>> {
        let timer = self.timers.pop_due(now.elapsed_ms)?;
        let mut effects = Effects::default();
        let (Timer::Session { group, .. }
        | Timer::Join { group }
        | Timer::InitialJoin { group, .. }
        | Timer::Sync { group }) = &timer;
        if let Some(mut step) = self.step(group, &mut effects, now) {
            match &timer {
                Timer::Session { member, .. } => step.session_over(member),
                Timer::Join { .. } => step.complete_join(),
                Timer::InitialJoin { delay_ms, rest_ms, .. } => {
                    step.initial_wait_over(*delay_ms, *rest_ms);
                }
                Timer::Sync { .. } => step.sync_time_over(),
            }
        }
        Some(effects.outcome(()))
    }

    /// When [`Shard::advance`] is due next, in elapsed milliseconds.
    pub fn next_deadline(&self) -> Option<i64> {
        self.timers.next_deadline()
    }

    /// Reports that records of an outcome did not come into the log; to be said before anything
    /// else is asked. Members try again; a group that everybody left does by itself after a while;
    /// one that nobody joined is as if it had never been, and a static member keeps its former id.
    pub fn append_failed(&mut self, records: &[Record], now: Now) {
        for record in records {
            // A group that was to be deleted is still there.
            let Record::Group { group: id, value: Some(_) } = record else { continue };
            let mut effects = Effects::default();
            if let Some(mut step) = self.step(id, &mut effects, now) {
                step.take_back_replacement();
            }
            let Some(group) = self.groups.get(id) else { continue };
            if !group.members.is_empty() {
                continue;
            }
            if group.is_preparing() {
                self.timers.set(Timer::join(id), now.elapsed_ms + APPEND_RETRY_MS);
            } else if !group.recorded && group.pending_joins.is_empty() {
                self.groups.remove(id);
            }
        }
    }

    pub fn describe(&self, group_id: &str) -> Option<DescribedGroup> {
        self.groups.get(group_id).map(Group::described)
    }

    pub fn list(&self) -> impl Iterator<Item = ListedGroup> {
        self.groups.values().map(Group::listed)
    }

    /// What a group committed for a partition.
    pub fn committed(&self, group_id: &str, topic: &str, partition: i32) -> Option<&Committed> {
        self.offsets.get(group_id, topic, partition)
    }

    /// All that a group committed, by topic and partition.
    pub fn all_committed(&self, group_id: &str) -> impl Iterator<Item = (&str, i32, &Committed)> {
        self.offsets.of_group(group_id)
    }

    fn step<'a>(
        &'a mut self,
        group_id: &str,
        effects: &'a mut Effects,
        now: Now,
    ) -> Option<Step<'a>> {
        let group = self.groups.get_mut(group_id)?;
        Some(Step { group, timers: &mut self.timers, effects, settings: &self.settings, now })
    }

    fn forget(&mut self, group_id: &str) {
        let Some(group) = self.groups.remove(group_id) else { return };
        self.timers.cancel(&Timer::join(group_id));
        self.timers.cancel(&Timer::sync(group_id));
        for member_id in group.members.keys().chain(&group.pending_joins) {
            self.timers.cancel(&Timer::session(group_id, member_id));
        }
    }
}

fn entry<'a>(groups: &'a mut HashMap<String, Group>, id: &str) -> &'a mut Group {
    groups.entry(id.to_owned()).or_insert_with(|| Group::new(id))
}
