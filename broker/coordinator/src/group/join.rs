//! JoinGroup.

use protocol::ErrorCode;
use protocol::messages::join_group_request::JoinGroupRequest;
use protocol::messages::join_group_response::JoinGroupResponse;

use super::{Caller, Member, Phase, Replacement, Step};
use crate::Ticket;
use crate::limits::PENDING_JOINS;
use crate::timers::Timer;

/// What a JoinGroup request brings beside its fields.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct JoinContext {
    pub caller: Caller,
    /// The id of the member, if it turns out to be new. Unique.
    pub fresh_id: String,
    /// The client can come back with the id that it is given (since version 4, KIP-394).
    pub knows_required_id: bool,
    /// The client understands that it leads but need not assign (since version 9).
    pub can_skip_assignment: bool,
}

impl Step<'_> {
    /// Admits a member or refuses it; the answer comes when the join phase ends.
    pub(crate) fn join(&mut self, ticket: Ticket, request: &JoinGroupRequest, with: JoinContext) {
        let member_id = request.member_id.as_str();
        let is_full = self.group.pending_joins.len() >= PENDING_JOINS && member_id.is_empty();
        if is_full || !self.group.has_room_for(member_id, self.settings.max_size) {
            self.drop_member(member_id);
            self.refuse_join(ticket, "", ErrorCode::GroupMaxSizeReached);
        } else if !self.group.supports(request) {
            self.refuse_join(ticket, member_id, ErrorCode::InconsistentGroupProtocol);
        } else if member_id.is_empty() {
            self.join_as_new(ticket, request, with);
        } else {
            self.join_again(ticket, request, with);
        }
    }

    fn join_as_new(&mut self, ticket: Ticket, request: &JoinGroupRequest, with: JoinContext) {
        let instance_id = request.group_instance_id.as_deref();
        let current = instance_id.and_then(|id| self.group.static_members.get(id)).cloned();
        match current {
            Some(current) => self.replace_static(ticket, request, &current, with),
            None if instance_id.is_none() && with.knows_required_id => {
                let deadline = self.now.elapsed_ms + i64::from(request.session_timeout_ms);
                self.timers.set(Timer::session(&self.group.id, &with.fresh_id), deadline);
                self.group.pending_joins.insert(with.fresh_id.clone());
                self.refuse_join(ticket, &with.fresh_id, ErrorCode::MemberIdRequired);
            }
            None => self.admit(ticket, request, with.fresh_id, with.caller),
        }
    }

    fn admit(&mut self, ticket: Ticket, request: &JoinGroupRequest, id: String, caller: Caller) {
        let mut member = Member::joining(id.clone(), request, caller);
        member.awaiting_join = Some(ticket);
        if self.group.phase == (Phase::Preparing { initial: true }) {
            self.group.new_member_added = true;
        }
        self.group.add(member, &request.protocol_type);
        self.expect_heartbeat(&id);
        self.rebalance_or_complete();
    }

    fn join_again(&mut self, ticket: Ticket, request: &JoinGroupRequest, with: JoinContext) {
        let member_id = request.member_id.as_str();
        let instance_id = request.group_instance_id.as_deref();
        if instance_id.is_none() && self.group.pending_joins.contains(member_id) {
            self.admit(ticket, request, member_id.to_owned(), with.caller);
            return;
        }
        if let Err(error) = self.group.validate_member(member_id, instance_id) {
            self.refuse_join(ticket, member_id, error);
            return;
        }
        let same = self.group.members[member_id].protocols == request.protocols;
        match self.group.phase {
            Phase::Empty => self.refuse_join(ticket, member_id, ErrorCode::UnknownMemberId),
            Phase::Preparing { .. } => self.rejoin(ticket, request),
            Phase::Completing if same => {
                let response = self.joined(member_id);
                self.answer_join(ticket, response);
            }
            Phase::Stable if same && !self.group.is_leader(member_id) => {
                let response = self.joined(member_id);
                self.answer_join(ticket, response);
            }
            Phase::Completing | Phase::Stable => self.rejoin(ticket, request),
        }
    }

    fn rejoin(&mut self, ticket: Ticket, request: &JoinGroupRequest) {
        self.update(ticket, request, &request.member_id);
        self.rebalance_or_complete();
    }

    fn update(&mut self, ticket: Ticket, request: &JoinGroupRequest, member_id: &str) {
        let group = &mut *self.group;
        if let Some(member) = group.members.get_mut(member_id) {
            let before = std::mem::take(&mut member.protocols);
            member.update(request);
            group.discount_protocols(&before);
            group.count_protocols(&request.protocols);
        }
        if let Some(earlier) = group.await_join(member_id, ticket) {
            self.refuse_join(earlier, member_id, ErrorCode::RebalanceInProgress);
        }
    }

    /// A static member came back under its instance id: it gets a new member id, and whoever still
    /// uses the old one is fenced. If nothing changes for the group, there is no rebalance.
    fn replace_static(
        &mut self,
        ticket: Ticket,
        request: &JoinGroupRequest,
        old_id: &str,
        with: JoinContext,
    ) {
        let new_id = with.fresh_id;
        let before = (self.group.phase == Phase::Stable).then(|| self.group.clone());
        let leader_before = self.group.leader.clone().unwrap_or_default();
        self.rename_static(old_id, &new_id, with.caller);
        self.update(ticket, request, &new_id);
        self.expect_heartbeat(&new_id);
        match self.group.phase {
            Phase::Stable if self.group.elect_protocol() == self.group.protocol => {
                let record = self.group.to_record(&self.group.assignments(), self.now.timestamp_ms);
                self.effects.records.push(record);
                self.group.take_join(&new_id);
                self.group.replacement = before.map(|before| {
                    let (old_id, new_id) = (old_id.to_owned(), new_id.clone());
                    Box::new(Replacement { old_id, new_id, before })
                });
                let response =
                    self.rejoined_static(&new_id, leader_before, with.can_skip_assignment);
                self.answer_join(ticket, response);
            }
            Phase::Stable | Phase::Completing => self.prepare_rebalance(),
            Phase::Empty | Phase::Preparing { .. } => self.complete_if_all_joined(),
        }
    }

    /// A static member's new id did not come into the log: the group is as it was, and as a restart
    /// would find it. The former id holds on for its session timeout.
    pub(crate) fn take_back_replacement(&mut self) {
        let Some(replacement) = self.group.replacement.take() else { return };
        let Replacement { old_id, new_id, before } = *replacement;
        *self.group = before;
        self.timers.cancel(&Timer::session(&self.group.id, &new_id));
        self.expect_heartbeat(&old_id);
    }

    fn rejoined_static(
        &self,
        member_id: &str,
        leader_before: String,
        can_skip: bool,
    ) -> JoinGroupResponse {
        let mut response = self.joined(member_id);
        if can_skip {
            response.skip_assignment = self.group.is_leader(member_id);
        } else {
            // Told its former id as the leader's, a client that can't skip does not assign.
            response.leader = leader_before;
            response.members.clear();
        }
        response
    }

    fn rename_static(&mut self, old_id: &str, new_id: &str, caller: Caller) {
        let was_leader = self.group.is_leader(old_id);
        let in_sync = self.group.pending_syncs.contains(old_id);
        self.timers.cancel(&Timer::session(&self.group.id, old_id));
        let Some(mut member) = self.group.remove(old_id) else { return };
        if let Some(ticket) = member.awaiting_join.take() {
            self.refuse_join(ticket, old_id, ErrorCode::FencedInstanceId);
        }
        if let Some(ticket) = member.awaiting_sync.take() {
            self.refuse_sync(ticket, ErrorCode::FencedInstanceId);
        }
        new_id.clone_into(&mut member.id);
        member.caller = caller;
        member.is_new = false;
        let protocol_type = self.group.protocol_type.clone().unwrap_or_default();
        self.group.add(member, &protocol_type);
        if was_leader {
            self.group.leader = Some(new_id.to_owned());
        }
        if in_sync {
            self.group.pending_syncs.insert(new_id.to_owned());
        }
    }
}
