//! Who gets which partition: the leader of a group decides, by the assignor that all know.
//!
//! Pure: subscriptions and partition counts in, assignments out, the same for the same input.
//! Range and round robin give exactly what Java's assignors give.

mod range;
mod round_robin;
mod sticky;

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;

use super::embedded::Subscription;
use crate::TopicPartition;
use crate::error::ConfigError;

/// An assignor that this client knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AssignorKind {
    /// Topic by topic, each member a contiguous range.
    Range,
    /// All partitions of all topics dealt out in turn.
    RoundRobin,
    /// Balanced, and as few moves as possible; everything is revoked before each rebalance.
    Sticky,
    /// Balanced, and only what moves is revoked (KIP-429).
    CooperativeSticky,
}

impl AssignorKind {
    const ALL: [Self; 4] = [Self::Range, Self::RoundRobin, Self::Sticky, Self::CooperativeSticky];

    /// The name in the group protocol.
    pub fn name(self) -> &'static str {
        match self {
            Self::Range => "range",
            Self::RoundRobin => "roundrobin",
            Self::Sticky => "sticky",
            Self::CooperativeSticky => "cooperative-sticky",
        }
    }

    /// By protocol name or by the name of Java's class.
    pub fn from_name(name: &str) -> Result<Self, ConfigError> {
        let short = name.rsplit('.').next().unwrap_or_default();
        let class = match short {
            "RangeAssignor" => "range",
            "RoundRobinAssignor" => "roundrobin",
            "StickyAssignor" => "sticky",
            "CooperativeStickyAssignor" => "cooperative-sticky",
            other => other,
        };
        let known = Self::ALL.into_iter().find(|kind| kind.name() == class);
        known.ok_or_else(|| ConfigError::Unsupported {
            key: "partition.assignment.strategy".to_owned(),
            value: name.to_owned(),
            reason: "known are range, roundrobin, sticky and cooperative-sticky".to_owned(),
        })
    }

    /// Whether members keep their partitions while the group rebalances.
    pub(crate) fn is_cooperative(self) -> bool {
        self == Self::CooperativeSticky
    }

    /// What a member adds to its subscription, given what it had in the generation before.
    pub(crate) fn user_data(self, owned: &[TopicPartition], generation: i32) -> Option<Bytes> {
        match self {
            Self::Range | Self::RoundRobin => None,
            Self::Sticky => sticky::encode_memory(owned, generation),
            Self::CooperativeSticky => Some(Bytes::copy_from_slice(&generation.to_be_bytes())),
        }
    }
}

/// A member of the group, as the leader sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Member {
    pub(crate) id: String,
    pub(crate) instance_id: Option<String>,
    pub(crate) subscription: Subscription,
}

impl Member {
    /// Java's order of members: static ones by instance id, then the others by member id.
    fn rank(&self) -> (bool, &str) {
        match &self.instance_id {
            Some(instance_id) => (false, instance_id),
            None => (true, &self.id),
        }
    }
}

/// Partitions by member id.
pub(crate) type Assignment = BTreeMap<String, Vec<TopicPartition>>;

/// Assigns the partitions of the subscribed topics that exist; each member has an entry.
pub(crate) fn assign(
    kind: AssignorKind,
    partition_counts: &BTreeMap<Arc<str>, i32>,
    members: &[Member],
) -> Assignment {
    match kind {
        AssignorKind::Range => range::assign(partition_counts, members),
        AssignorKind::RoundRobin => round_robin::assign(partition_counts, members),
        AssignorKind::Sticky => sticky::assign(partition_counts, members),
        AssignorKind::CooperativeSticky => sticky::assign_cooperatively(partition_counts, members),
    }
}

/// An entry without partitions for each member.
fn empty(members: &[Member]) -> Assignment {
    members.iter().map(|member| (member.id.clone(), Vec::new())).collect()
}

#[cfg(test)]
mod tests;
