//! One member of a classic group.

use bytes::Bytes;
use protocol::messages::join_group_request::{JoinGroupRequest, JoinGroupRequestProtocol};

use crate::Ticket;

/// Who sends a request, as DescribeGroups shows it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Caller {
    pub client_id: String,
    /// The address of the client's socket, after a slash as Java prints it.
    pub client_host: String,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Member {
    pub(crate) id: String,
    pub(crate) instance_id: Option<String>,
    pub(crate) caller: Caller,
    pub(crate) rebalance_timeout_ms: i32,
    pub(crate) session_timeout_ms: i32,
    /// In the order of the member's preference.
    pub(crate) protocols: Vec<JoinGroupRequestProtocol>,
    /// What the leader of the present generation gave it; changed by replay alone.
    pub(crate) assignment: Bytes,
    pub(crate) awaiting_join: Option<Ticket>,
    pub(crate) awaiting_sync: Option<Ticket>,
    /// It waits for its first JoinGroup answer: it cannot send heartbeats yet, so that waiting does
    /// not count as a sign of life.
    pub(crate) is_new: bool,
}

impl Member {
    pub(crate) fn joining(id: String, request: &JoinGroupRequest, caller: Caller) -> Self {
        let mut member = Self {
            id,
            instance_id: request.group_instance_id.clone(),
            caller,
            rebalance_timeout_ms: 0,
            session_timeout_ms: 0,
            protocols: Vec::new(),
            assignment: Bytes::new(),
            awaiting_join: None,
            awaiting_sync: None,
            is_new: true,
        };
        member.update(request);
        member
    }

    /// Takes over what a JoinGroup request says about protocols and timeouts.
    pub(crate) fn update(&mut self, request: &JoinGroupRequest) {
        self.session_timeout_ms = request.session_timeout_ms;
        self.rebalance_timeout_ms = match request.rebalance_timeout_ms {
            -1 => request.session_timeout_ms,
            timeout => timeout,
        };
        self.protocols.clone_from(&request.protocols);
    }

    pub(crate) fn is_static(&self) -> bool {
        self.instance_id.is_some()
    }

    pub(crate) fn metadata(&self, protocol: &str) -> Option<&Bytes> {
        self.protocols.iter().find(|item| item.name == protocol).map(|item| &item.metadata)
    }

    /// A member that waits for others is alive without heartbeats, unless it never had an answer.
    pub(crate) fn is_excused(&self) -> bool {
        !self.is_new && (self.awaiting_join.is_some() || self.awaiting_sync.is_some())
    }
}
