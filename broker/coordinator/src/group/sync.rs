//! SyncGroup.

use std::collections::HashMap;

use bytes::Bytes;
use protocol::ErrorCode;
use protocol::messages::sync_group_request::SyncGroupRequest;
use protocol::messages::sync_group_response::SyncGroupResponse;

use super::{Phase, Step};
use crate::Ticket;

impl Step<'_> {
    /// Hands a member its assignment, once the leader's SyncGroup is in the log.
    pub(crate) fn sync(&mut self, ticket: Ticket, request: &SyncGroupRequest) {
        if let Err(error) = self.validate_sync(request) {
            self.refuse_sync(ticket, error);
            return;
        }
        let member_id = request.member_id.as_str();
        match self.group.phase {
            Phase::Empty => self.refuse_sync(ticket, ErrorCode::UnknownMemberId),
            Phase::Preparing { .. } => self.refuse_sync(ticket, ErrorCode::RebalanceInProgress),
            Phase::Completing => {
                self.synced(member_id);
                let member = self.group.members.get_mut(member_id);
                let earlier = member.and_then(|member| member.awaiting_sync.replace(ticket));
                if let Some(earlier) = earlier {
                    self.refuse_sync(earlier, ErrorCode::RebalanceInProgress);
                }
                if self.group.is_leader(member_id) {
                    self.assign(request);
                }
            }
            Phase::Stable => {
                self.synced(member_id);
                let assignment = self.group.members[member_id].assignment.clone();
                let response = self.assigned(assignment);
                self.answer_sync(ticket, response);
            }
        }
    }

    fn validate_sync(&self, request: &SyncGroupRequest) -> Result<(), ErrorCode> {
        let instance_id = request.group_instance_id.as_deref();
        self.group.validate_member(&request.member_id, instance_id)?;
        if request.generation_id != self.group.generation {
            return Err(ErrorCode::IllegalGeneration);
        }
        let differs = |asked: &Option<String>, holds: &Option<String>| {
            asked.as_ref().is_some_and(|asked| holds.as_ref() != Some(asked))
        };
        if differs(&request.protocol_type, &self.group.protocol_type)
            || differs(&request.protocol_name, &self.group.protocol)
        {
            return Err(ErrorCode::InconsistentGroupProtocol);
        }
        Ok(())
    }

    /// Records the leader's assignment and answers all who wait for theirs. Its replay makes the
    /// group Stable, which answers those who come later.
    fn assign(&mut self, request: &SyncGroupRequest) {
        let mut given: HashMap<String, Bytes> = HashMap::new();
        for item in &request.assignments {
            if self.group.members.contains_key(&item.member_id) {
                given.insert(item.member_id.clone(), item.assignment.clone());
            }
        }
        let record = self.group.to_record(&given, self.now.timestamp_ms);
        self.effects.records.push(record);
        let waiting: Vec<(String, Ticket)> = self
            .group
            .members
            .values_mut()
            .filter_map(|member| Some((member.id.clone(), member.awaiting_sync.take()?)))
            .collect();
        for (member_id, ticket) in waiting {
            let assignment = given.get(&member_id).cloned().unwrap_or_default();
            let response = self.assigned(assignment);
            self.answer_sync(ticket, response);
            self.expect_heartbeat(&member_id);
        }
    }

    fn assigned(&self, assignment: Bytes) -> SyncGroupResponse {
        SyncGroupResponse {
            protocol_type: self.group.protocol_type.clone(),
            protocol_name: self.group.protocol.clone(),
            assignment,
            ..Default::default()
        }
    }
}
