//! A group as its record, and the record as a group: the only way by which an assignment comes to
//! hold.

use std::collections::HashMap;

use bytes::Bytes;
use protocol::messages::group_metadata_value::{GroupMetadataValue, MemberMetadata};
use protocol::messages::join_group_request::JoinGroupRequestProtocol;

use super::{Caller, Group, Member, Phase};
use crate::record::Record;

impl Group {
    /// The record of the present generation with these assignments; a member without one gets none.
    pub(crate) fn to_record(&self, assignments: &HashMap<String, Bytes>, now_ms: i64) -> Record {
        let protocol = self.protocol.as_deref().unwrap_or_default();
        let member = |member: &Member| MemberMetadata {
            member_id: member.id.clone(),
            group_instance_id: member.instance_id.clone(),
            client_id: member.caller.client_id.clone(),
            client_host: member.caller.client_host.clone(),
            rebalance_timeout: member.rebalance_timeout_ms,
            session_timeout: member.session_timeout_ms,
            subscription: member.metadata(protocol).cloned().unwrap_or_default(),
            assignment: assignments.get(&member.id).cloned().unwrap_or_default(),
        };
        Record::Group {
            group: self.id.clone(),
            value: Some(GroupMetadataValue {
                protocol_type: self.protocol_type.clone().unwrap_or_default(),
                generation: self.generation,
                protocol: self.protocol.clone(),
                leader: self.leader.clone(),
                current_state_timestamp: now_ms,
                members: self.members.values().map(member).collect(),
            }),
        }
    }

    pub(crate) fn assignments(&self) -> HashMap<String, Bytes> {
        let pair = |member: &Member| (member.id.clone(), member.assignment.clone());
        self.members.values().map(pair).collect()
    }

    /// Whether the record tells of this very generation and membership, so that those who wait need
    /// not be disturbed by its replay.
    fn is_told_by(&self, value: &GroupMetadataValue) -> bool {
        self.generation == value.generation
            && self.members.len() == value.members.len()
            && value.members.iter().all(|member| self.members.contains_key(&member.member_id))
    }

    /// The record that notes the birth of a group, before anybody is a member.
    pub(crate) fn birth_record(group: &str, now_ms: i64) -> Record {
        let value = GroupMetadataValue {
            protocol: None,
            leader: None,
            current_state_timestamp: now_ms,
            ..GroupMetadataValue::default()
        };
        Record::Group { group: group.to_owned(), value: Some(value) }
    }

    /// Takes the record as the truth.
    pub(crate) fn replay(&mut self, value: &GroupMetadataValue) {
        self.replacement = None;
        if value.generation == 0 && value.members.is_empty() && self.generation == 0 {
            // A birth says nothing about who joins meanwhile.
            self.note(value);
            return;
        }
        if !self.is_told_by(value) {
            *self = Self::loaded(&self.id, value);
            return;
        }
        for member in &value.members {
            if let Some(known) = self.members.get_mut(&member.member_id) {
                known.assignment = member.assignment.clone();
            }
        }
        self.settle(value);
    }

    fn loaded(id: &str, value: &GroupMetadataValue) -> Self {
        let mut group = Self::new(id);
        group.generation = value.generation;
        for member in &value.members {
            group.add(loaded_member(member, value), &value.protocol_type);
        }
        group.protocol_type = Some(value.protocol_type.clone()).filter(|kind| !kind.is_empty());
        group.protocol.clone_from(&value.protocol);
        group.leader.clone_from(&value.leader);
        group.settle(value);
        group.compute_subscription();
        group
    }

    fn settle(&mut self, value: &GroupMetadataValue) {
        self.note(value);
        self.phase = if value.members.is_empty() { Phase::Empty } else { Phase::Stable };
    }

    fn note(&mut self, value: &GroupMetadataValue) {
        self.recorded = true;
        self.state_since_ms =
            Some(value.current_state_timestamp).filter(|timestamp| *timestamp >= 0);
    }
}

fn loaded_member(member: &MemberMetadata, value: &GroupMetadataValue) -> Member {
    let session_timeout_ms = member.session_timeout;
    let rebalance_timeout_ms = match member.rebalance_timeout {
        -1 => session_timeout_ms,
        timeout => timeout,
    };
    Member {
        id: member.member_id.clone(),
        instance_id: member.group_instance_id.clone(),
        caller: Caller {
            client_id: member.client_id.clone(),
            client_host: member.client_host.clone(),
        },
        rebalance_timeout_ms,
        session_timeout_ms,
        protocols: vec![JoinGroupRequestProtocol {
            name: value.protocol.clone().unwrap_or_default(),
            metadata: member.subscription.clone(),
        }],
        assignment: member.assignment.clone(),
        awaiting_join: None,
        awaiting_sync: None,
        is_new: false,
    }
}
