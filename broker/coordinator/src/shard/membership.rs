//! Requests of members: JoinGroup, SyncGroup, Heartbeat, LeaveGroup.

use protocol::ErrorCode;
use protocol::messages::heartbeat_request::HeartbeatRequest;
use protocol::messages::heartbeat_response::HeartbeatResponse;
use protocol::messages::join_group_request::JoinGroupRequest;
use protocol::messages::leave_group_request::MemberIdentity;
use protocol::messages::leave_group_response::MemberResponse;
use protocol::messages::sync_group_request::SyncGroupRequest;

use super::{Shard, entry};
use crate::group::{Group, JoinContext};
use crate::outcome::{Effects, Outcome, Parked};
use crate::{Now, Ticket};

impl Shard {
    /// Answered by ticket: at once, or when the join phase of the group ends.
    pub fn join(
        &mut self,
        now: Now,
        ticket: Ticket,
        request: &JoinGroupRequest,
        with: JoinContext,
    ) -> Outcome<()> {
        let mut effects = Effects::default();
        let id = request.group_id.as_str();
        let refusal = self.refuse_join(request);
        if let Some(error_code) = refusal {
            let response = crate::group::refused_join(&request.member_id, error_code);
            effects.replies.push(Parked::Join(ticket, response));
            return effects.outcome(());
        }
        if !self.groups.contains_key(id) {
            entry(&mut self.groups, id);
            effects.records.push(Group::birth_record(id, now.timestamp_ms));
        }
        if let Some(mut step) = self.step(id, &mut effects, now) {
            step.join(ticket, request, with);
        }
        effects.outcome(())
    }

    fn refuse_join(&self, request: &JoinGroupRequest) -> Option<ErrorCode> {
        let timeout_ms = i64::from(request.session_timeout_ms);
        let allowed = self.settings.min_session_timeout_ms..=self.settings.max_session_timeout_ms;
        if request.group_id.is_empty() {
            Some(ErrorCode::InvalidGroupId)
        } else if !allowed.contains(&timeout_ms) {
            Some(ErrorCode::InvalidSessionTimeout)
        } else if !request.member_id.is_empty() && !self.groups.contains_key(&request.group_id) {
            Some(ErrorCode::UnknownMemberId)
        } else {
            None
        }
    }

    /// Answered by ticket: at once, or when the leader's assignment is known.
    pub fn sync(&mut self, now: Now, ticket: Ticket, request: &SyncGroupRequest) -> Outcome<()> {
        let mut effects = Effects::default();
        match self.step(&request.group_id, &mut effects, now) {
            Some(mut step) => step.sync(ticket, request),
            None => {
                let error_code = match request.group_id.is_empty() {
                    true => ErrorCode::InvalidGroupId,
                    false => ErrorCode::UnknownMemberId,
                };
                let response = crate::group::refused_sync(error_code);
                effects.replies.push(Parked::Sync(ticket, response));
            }
        }
        effects.outcome(())
    }

    pub fn heartbeat(
        &mut self,
        now: Now,
        request: &HeartbeatRequest,
    ) -> Outcome<HeartbeatResponse> {
        let mut effects = Effects::default();
        let result = match self.step(&request.group_id, &mut effects, now) {
            Some(mut step) => step.heartbeat(request),
            None if request.group_id.is_empty() => Err(ErrorCode::InvalidGroupId),
            None => Err(ErrorCode::UnknownMemberId),
        };
        let error_code = result.err().unwrap_or_default();
        effects.outcome(HeartbeatResponse { error_code, ..HeartbeatResponse::default() })
    }

    /// Each member's own answer; of a group that is not there, nobody is a member.
    pub fn leave(
        &mut self,
        now: Now,
        group_id: &str,
        members: &[MemberIdentity],
    ) -> Outcome<Vec<MemberResponse>> {
        let mut effects = Effects::default();
        let responses = match self.step(group_id, &mut effects, now) {
            Some(mut step) => step.leave(members),
            None => members
                .iter()
                .map(|identity| MemberResponse {
                    member_id: identity.member_id.clone(),
                    group_instance_id: identity.group_instance_id.clone(),
                    error_code: ErrorCode::UnknownMemberId,
                })
                .collect(),
        };
        effects.outcome(responses)
    }
}
