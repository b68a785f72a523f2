//! What moves a group from one phase to the next.

use protocol::ErrorCode;
use protocol::messages::join_group_response::JoinGroupResponse;
use protocol::messages::sync_group_response::SyncGroupResponse;

use super::{Group, Member, Phase};
use crate::limits::NEW_MEMBER_JOIN_TIMEOUT_MS;
use crate::outcome::{Effects, Parked};
use crate::timers::{Timer, Timers};
use crate::{Now, Settings, Ticket};

/// One group and all that a request to it may touch.
pub(crate) struct Step<'a> {
    pub(crate) group: &'a mut Group,
    pub(crate) timers: &'a mut Timers,
    pub(crate) effects: &'a mut Effects,
    pub(crate) settings: &'a Settings,
    pub(crate) now: Now,
}

impl Step<'_> {
    pub(crate) fn answer_join(&mut self, ticket: Ticket, response: JoinGroupResponse) {
        self.effects.replies.push(Parked::Join(ticket, response));
    }

    pub(crate) fn refuse_join(&mut self, ticket: Ticket, member_id: &str, error_code: ErrorCode) {
        self.answer_join(ticket, refused_join(member_id, error_code));
    }

    pub(crate) fn answer_sync(&mut self, ticket: Ticket, response: SyncGroupResponse) {
        self.effects.replies.push(Parked::Sync(ticket, response));
    }

    pub(crate) fn refuse_sync(&mut self, ticket: Ticket, error_code: ErrorCode) {
        self.answer_sync(ticket, refused_sync(error_code));
    }

    /// Starts a rebalance, or looks whether the one that runs is complete.
    pub(crate) fn rebalance_or_complete(&mut self) {
        match self.group.phase {
            Phase::Preparing { .. } => self.complete_if_all_joined(),
            Phase::Empty | Phase::Completing | Phase::Stable => self.prepare_rebalance(),
        }
    }

    /// Asks all members to join again. An Empty group waits a while for more members first.
    pub(crate) fn prepare_rebalance(&mut self) {
        let initial = self.group.phase == Phase::Empty;
        if self.group.phase == Phase::Completing {
            self.fail_waiting_syncs(ErrorCode::RebalanceInProgress);
        }
        self.timers.cancel(&Timer::sync(&self.group.id));
        self.group.pending_syncs.clear();
        self.group.phase = Phase::Preparing { initial };
        if initial {
            let delay_ms = self.settings.initial_rebalance_delay_ms;
            let rest_ms = (self.group.rebalance_timeout_ms() - delay_ms).max(0);
            self.group.new_member_added = false;
            let timer = Timer::initial_join(&self.group.id, delay_ms, rest_ms);
            self.timers.set(timer, self.now.elapsed_ms + delay_ms);
            return;
        }
        if self.group.all_joined() {
            self.complete_join();
        } else {
            self.wait_for_joins();
        }
    }

    fn wait_for_joins(&mut self) {
        let deadline = self.now.elapsed_ms + self.group.rebalance_timeout_ms();
        self.timers.set(Timer::join(&self.group.id), deadline);
    }

    /// Ends the join phase when nobody is missing; the initial wait is not cut short.
    pub(crate) fn complete_if_all_joined(&mut self) {
        if self.group.phase == (Phase::Preparing { initial: false }) && self.group.all_joined() {
            self.complete_join();
        }
    }

    /// The initial wait is over: once more if somebody came meanwhile and time is left.
    pub(crate) fn initial_wait_over(&mut self, delay_ms: i64, rest_ms: i64) {
        if !self.group.is_preparing() {
            return;
        }
        if self.group.new_member_added && rest_ms > 0 {
            self.group.new_member_added = false;
            let again_ms = self.settings.initial_rebalance_delay_ms.min(rest_ms);
            let left_ms = (rest_ms - delay_ms).max(0);
            let timer = Timer::initial_join(&self.group.id, again_ms, left_ms);
            self.timers.set(timer, self.now.elapsed_ms + again_ms);
        } else {
            self.complete_join();
        }
    }

    /// Ends the join phase with those who came: dynamic members that did not are out, static ones
    /// stay until their session ends.
    pub(crate) fn complete_join(&mut self) {
        if !self.group.is_preparing() {
            return;
        }
        self.timers.cancel(&Timer::join(&self.group.id));
        let absent = |member: &&Member| member.awaiting_join.is_none() && !member.is_static();
        let gone: Vec<String> =
            self.group.members.values().filter(absent).map(|member| member.id.clone()).collect();
        for member_id in gone {
            self.drop_member(&member_id);
        }
        if !self.group.elect_joined_leader() && !self.group.members.is_empty() {
            self.wait_for_joins();
            return;
        }
        self.begin_generation();
    }

    fn begin_generation(&mut self) {
        self.group.generation = next_generation(self.group.generation);
        self.group.pending_syncs.clear();
        self.group.protocol = self.group.elect_protocol();
        self.group.compute_subscription();
        if self.group.members.is_empty() {
            self.group.leader = None;
            let record = self.group.to_record(&Default::default(), self.now.timestamp_ms);
            self.effects.records.push(record);
            return;
        }
        self.group.phase = Phase::Completing;
        let ids: Vec<String> = self.group.members.keys().cloned().collect();
        for member_id in &ids {
            if let Some(ticket) = self.group.take_join(member_id) {
                let response = self.joined(member_id);
                self.answer_join(ticket, response);
            }
            if let Some(member) = self.group.members.get_mut(member_id) {
                member.is_new = false;
            }
            self.expect_heartbeat(member_id);
        }
        self.group.pending_syncs = ids.into_iter().collect();
        let deadline = self.now.elapsed_ms + self.group.rebalance_timeout_ms();
        self.timers.set(Timer::sync(&self.group.id), deadline);
    }

    /// What a member of the present generation is told; the leader, about all.
    pub(crate) fn joined(&self, member_id: &str) -> JoinGroupResponse {
        let is_leader = self.group.is_leader(member_id);
        JoinGroupResponse {
            generation_id: self.group.generation,
            protocol_type: self.group.protocol_type.clone(),
            protocol_name: self.group.protocol.clone(),
            leader: self.group.leader.clone().unwrap_or_default(),
            member_id: member_id.to_owned(),
            members: if is_leader { self.group.join_members() } else { Vec::new() },
            ..Default::default()
        }
    }

    /// Some members of the generation never asked for their assignment: the others go on without.
    pub(crate) fn sync_time_over(&mut self) {
        if !matches!(self.group.phase, Phase::Completing | Phase::Stable) {
            return;
        }
        let missing: Vec<String> = self.group.pending_syncs.iter().cloned().collect();
        if missing.is_empty() {
            return;
        }
        for member_id in &missing {
            self.drop_member(member_id);
        }
        self.prepare_rebalance();
    }

    pub(crate) fn synced(&mut self, member_id: &str) {
        self.group.pending_syncs.remove(member_id);
        if self.group.pending_syncs.is_empty() {
            self.timers.cancel(&Timer::sync(&self.group.id));
        }
    }

    pub(crate) fn fail_waiting_syncs(&mut self, error_code: ErrorCode) {
        let waiting = self.group.members.values_mut();
        let tickets: Vec<Ticket> =
            waiting.filter_map(|member| member.awaiting_sync.take()).collect();
        for ticket in tickets {
            self.refuse_sync(ticket, error_code);
        }
    }

    /// A session, or the wait for a member's first join, ran out.
    pub(crate) fn session_over(&mut self, member_id: &str) {
        if self.group.pending_joins.remove(member_id) {
            self.complete_if_all_joined();
            return;
        }
        let Some(member) = self.group.members.get(member_id) else { return };
        if !member.is_excused() {
            self.drop_member(member_id);
            self.rebalance_or_complete();
        }
    }

    /// Takes a member out. If it waits for an answer, it is told to start anew.
    pub(crate) fn drop_member(&mut self, member_id: &str) {
        self.timers.cancel(&Timer::session(&self.group.id, member_id));
        let Some(member) = self.group.remove(member_id) else { return };
        if let Some(ticket) = member.awaiting_join {
            self.refuse_join(ticket, "", ErrorCode::UnknownMemberId);
        }
        if let Some(ticket) = member.awaiting_sync {
            self.refuse_sync(ticket, ErrorCode::UnknownMemberId);
        }
    }

    /// The member must be heard of within its session timeout, a new one within its first join's.
    pub(crate) fn expect_heartbeat(&mut self, member_id: &str) {
        let Some(member) = self.group.members.get(member_id) else { return };
        let timeout_ms = match member.is_new {
            true => NEW_MEMBER_JOIN_TIMEOUT_MS,
            false => i64::from(member.session_timeout_ms),
        };
        let timer = Timer::session(&self.group.id, member_id);
        self.timers.set(timer, self.now.elapsed_ms + timeout_ms);
    }
}

pub(crate) fn refused_join(member_id: &str, error_code: ErrorCode) -> JoinGroupResponse {
    JoinGroupResponse { error_code, member_id: member_id.to_owned(), ..Default::default() }
}

pub(crate) fn refused_sync(error_code: ErrorCode) -> SyncGroupResponse {
    SyncGroupResponse { error_code, ..Default::default() }
}

/// Generations start anew after the last number rather than become negative.
fn next_generation(generation: i32) -> i32 {
    generation.checked_add(1).unwrap_or(1)
}
