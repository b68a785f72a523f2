//! JoinGroup 0-9, SyncGroup 0-5, Heartbeat 0-4, LeaveGroup 0-5.
//!
//! - A join is answered when all members have joined or the time for it is over; a sync, when the
//!   leader's assignment is in the log. Neither holds a thread meanwhile.
//! - JoinGroup v4: required member ids (KIP-394) · v5: static members (KIP-345) · v7: the protocol
//!   type (KIP-559) · v8: reasons (KIP-800) · v9: a leader that need not assign (KIP-814)
//! - LeaveGroup v3: many members, by instance id too

use broker_coordinator::Caller;
use protocol::messages::leave_group_request::MemberIdentity;
use protocol::messages::{
    HeartbeatRequest, HeartbeatResponse, JoinGroupRequest, JoinGroupResponse, LeaveGroupRequest,
    LeaveGroupResponse, SyncGroupRequest, SyncGroupResponse,
};

use crate::request::RequestContext;
use crate::services::Services;

/// The first version whose protocol name may be absent.
const NULL_PROTOCOL_FROM: i16 = 7;
/// The first version that names many members.
const MANY_LEAVE_FROM: i16 = 3;

pub(super) async fn join(
    context: RequestContext,
    services: &Services,
    request: JoinGroupRequest,
) -> JoinGroupResponse {
    let caller = Caller {
        client_id: context.client_id.clone().unwrap_or_default(),
        client_host: context.peer.host.clone(),
    };
    let mut response = services.groups.join(&request, context.version, caller).await;
    if context.version < NULL_PROTOCOL_FROM && response.protocol_name.is_none() {
        response.protocol_name = Some(String::new());
    }
    response
}

pub(super) async fn sync(
    _context: RequestContext,
    services: &Services,
    request: SyncGroupRequest,
) -> SyncGroupResponse {
    services.groups.sync(&request).await
}

pub(super) async fn heartbeat(
    _context: RequestContext,
    services: &Services,
    request: HeartbeatRequest,
) -> HeartbeatResponse {
    services.groups.heartbeat(&request).await
}

pub(super) async fn leave(
    context: RequestContext,
    services: &Services,
    request: LeaveGroupRequest,
) -> LeaveGroupResponse {
    if context.version >= MANY_LEAVE_FROM {
        return services.groups.leave(&request.group_id, &request.members).await;
    }
    let member = MemberIdentity { member_id: request.member_id, ..MemberIdentity::default() };
    let mut response = services.groups.leave(&request.group_id, &[member]).await;
    if let Some(member) = response.members.pop() {
        response.error_code = member.error_code;
    }
    response
}
