//! JoinGroup, SyncGroup, Heartbeat and LeaveGroup as requests to responses.

use protocol::ErrorCode;
use protocol::messages::heartbeat_request::HeartbeatRequest;
use protocol::messages::heartbeat_response::HeartbeatResponse;
use protocol::messages::join_group_request::JoinGroupRequest;
use protocol::messages::join_group_response::JoinGroupResponse;
use protocol::messages::leave_group_request::MemberIdentity;
use protocol::messages::leave_group_response::LeaveGroupResponse;
use protocol::messages::sync_group_request::SyncGroupRequest;
use protocol::messages::sync_group_response::SyncGroupResponse;
use tracing::{debug, warn};
use uuid::Uuid;

use super::{Groups, Unavailable};
use crate::group::{refused_join, refused_sync};
use crate::limits::PROTOCOLS_PER_MEMBER;
use crate::{Caller, JoinContext};

/// The first version whose clients come back with the id that they are given.
const REQUIRED_ID_FROM: i16 = 4;
/// The first version whose clients know how to skip the assignment.
const SKIP_ASSIGNMENT_FROM: i16 = 9;

impl Groups {
    /// Answers when the join phase ends, which may take as long as the group's rebalance timeout.
    pub async fn join(
        &self,
        request: &JoinGroupRequest,
        version: i16,
        caller: Caller,
    ) -> JoinGroupResponse {
        let prefix = request.group_instance_id.as_ref().unwrap_or(&caller.client_id);
        let context = JoinContext {
            fresh_id: format!("{prefix}-{}", Uuid::new_v4()),
            knows_required_id: version >= REQUIRED_ID_FROM,
            can_skip_assignment: version >= SKIP_ASSIGNMENT_FROM,
            caller,
        };
        let answer = self.try_join(request, context).await;
        answer.unwrap_or_else(|error| refused_join(&request.member_id, error.code()))
    }

    async fn try_join(
        &self,
        request: &JoinGroupRequest,
        context: JoinContext,
    ) -> Result<JoinGroupResponse, Unavailable> {
        if request.group_id.is_empty() {
            return Ok(refused_join(&request.member_id, ErrorCode::InvalidGroupId));
        }
        if request.protocols.len() > PROTOCOLS_PER_MEMBER {
            let (group, count) = (&request.group_id, request.protocols.len());
            warn!(
                "a member of group {group} names {count} protocols, and may name \
                 {PROTOCOLS_PER_MEMBER}: its JoinGroup is refused"
            );
            return Ok(refused_join(&request.member_id, ErrorCode::InvalidRequest));
        }
        if let Some(reason) = &request.reason {
            let member =
                if request.member_id.is_empty() { "a new one" } else { &request.member_id };
            debug!("member {member} joins group {}: {reason}", request.group_id);
        }
        let cell = self.shard_of(&request.group_id).await?;
        let answer = cell
            .park_join(&self.inner, |shard, now, ticket| shard.join(now, ticket, request, context));
        answer.await.map_err(|_| Unavailable::Stopping)?
    }

    /// Answers when the leader's assignment is committed.
    pub async fn sync(&self, request: &SyncGroupRequest) -> SyncGroupResponse {
        let answer = self.try_sync(request).await;
        answer.unwrap_or_else(|error| refused_sync(error.code()))
    }

    async fn try_sync(&self, request: &SyncGroupRequest) -> Result<SyncGroupResponse, Unavailable> {
        if request.group_id.is_empty() {
            return Ok(refused_sync(ErrorCode::InvalidGroupId));
        }
        let cell = self.shard_of(&request.group_id).await?;
        let answer =
            cell.park_sync(&self.inner, |shard, now, ticket| shard.sync(now, ticket, request));
        answer.await.map_err(|_| Unavailable::Stopping)?
    }

    pub async fn heartbeat(&self, request: &HeartbeatRequest) -> HeartbeatResponse {
        let refuse = |error_code| HeartbeatResponse { error_code, ..HeartbeatResponse::default() };
        if request.group_id.is_empty() {
            return refuse(ErrorCode::InvalidGroupId);
        }
        let cell = match self.shard_of(&request.group_id).await {
            Ok(cell) => cell,
            Err(error) => return refuse(error.code()),
        };
        let stepped = self.step(&cell, |shard, now| shard.heartbeat(now, request)).await;
        stepped.unwrap_or_else(|error| refuse(error.code()))
    }

    /// The response in the form of version 3 and later: one code per member.
    pub async fn leave(&self, group_id: &str, members: &[MemberIdentity]) -> LeaveGroupResponse {
        let refuse =
            |error_code| LeaveGroupResponse { error_code, ..LeaveGroupResponse::default() };
        if group_id.is_empty() {
            return refuse(ErrorCode::InvalidGroupId);
        }
        for MemberIdentity { member_id, reason, .. } in members {
            let reason = reason.as_deref().unwrap_or("no reason given");
            debug!("member {member_id} leaves group {group_id}: {reason}");
        }
        let cell = match self.shard_of(group_id).await {
            Ok(cell) => cell,
            Err(error) => return refuse(error.code()),
        };
        match self.step(&cell, |shard, now| shard.leave(now, group_id, members)).await {
            Ok(members) => LeaveGroupResponse { members, ..LeaveGroupResponse::default() },
            Err(error) => refuse(error.code()),
        }
    }
}
