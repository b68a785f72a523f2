//! A group as DescribeGroups and ListGroups show it.

use protocol::messages::describe_groups_response::{DescribedGroup, DescribedGroupMember};
use protocol::messages::list_groups_response::ListedGroup;

use super::{Group, Member, Phase};

/// Kafka's name of the state.
fn state_name(phase: Phase) -> &'static str {
    match phase {
        Phase::Empty => "Empty",
        Phase::Preparing { .. } => "PreparingRebalance",
        Phase::Completing => "CompletingRebalance",
        Phase::Stable => "Stable",
    }
}

impl Group {
    pub(crate) fn listed(&self) -> ListedGroup {
        ListedGroup {
            group_id: self.id.clone(),
            protocol_type: self.protocol_type.clone().unwrap_or_default(),
            group_state: state_name(self.phase).to_owned(),
            group_type: "classic".to_owned(),
        }
    }

    /// Metadata and protocol are shown of a Stable group alone: before that they may still change.
    pub(crate) fn described(&self) -> DescribedGroup {
        let protocol = self.protocol.as_deref().filter(|_| self.phase == Phase::Stable);
        let member = |member: &Member| DescribedGroupMember {
            member_id: member.id.clone(),
            group_instance_id: member.instance_id.clone(),
            client_id: member.caller.client_id.clone(),
            client_host: member.caller.client_host.clone(),
            member_metadata: protocol
                .and_then(|protocol| member.metadata(protocol))
                .cloned()
                .unwrap_or_default(),
            member_assignment: member.assignment.clone(),
        };
        DescribedGroup {
            group_id: self.id.clone(),
            group_state: state_name(self.phase).to_owned(),
            protocol_type: self.protocol_type.clone().unwrap_or_default(),
            protocol_data: protocol.unwrap_or_default().to_owned(),
            members: self.members.values().map(member).collect(),
            ..DescribedGroup::default()
        }
    }
}
