//! Leaders and ISRs of all partitions that a broker leaves, or comes back to.

use broker_metadata::{MetadataRecord, PartitionImage};
use uuid::Uuid;

use super::Cluster;
use super::partition_change::{Cause, PartitionChange};

/// A change for each partition that `concerns` and that `cause` changes, up to `limit` of them.
pub(super) fn changes(
    cluster: &Cluster<'_>,
    cause: Cause,
    concerns: impl Fn(&PartitionImage) -> bool,
    limit: usize,
) -> Vec<MetadataRecord> {
    let concerned = cluster.partitions().filter(|(_, _, partition)| concerns(partition));
    let changed = concerned.filter_map(|(topic, index, partition)| {
        PartitionChange::new(cluster, topic, index, partition).because(cause).build()
    });
    changed.take(limit).map(MetadataRecord::PartitionChange).collect()
}

/// The same for partitions that are named by their topics' ids and their numbers.
pub(super) fn changes_of(
    cluster: &Cluster<'_>,
    cause: Cause,
    concerns: impl Fn(Uuid, i32) -> bool,
) -> Vec<MetadataRecord> {
    let concerned = cluster.partitions().filter(|(topic, index, _)| concerns(topic.id, *index));
    let changed = concerned.filter_map(|(topic, index, partition)| {
        PartitionChange::new(cluster, topic, index, partition).because(cause).build()
    });
    changed.map(MetadataRecord::PartitionChange).collect()
}

/// A broker leaves the ISRs that it is in, and what it leads.
pub(super) fn broker_leaves(cluster: &Cluster<'_>, id: i32, limit: usize) -> Vec<MetadataRecord> {
    changes(cluster, Cause::Leaves(id), |partition| partition.isr.contains(&id), limit)
}

/// A broker comes back and may lead what nobody leads.
pub(super) fn broker_returns(cluster: &Cluster<'_>, id: i32) -> Vec<MetadataRecord> {
    changes(cluster, Cause::Returns(id), |partition| !partition.has_leader(), usize::MAX)
}

/// The earlier process of a broker ended: in good order, or it may have lost what it had.
pub(super) fn process_ended(
    cluster: &Cluster<'_>,
    id: i32,
    was_clean: bool,
) -> Vec<MetadataRecord> {
    if was_clean || !cluster.has_elr {
        return broker_leaves(cluster, id, usize::MAX);
    }
    let may_have_lost = |partition: &PartitionImage| {
        partition.isr.contains(&id) || partition.eligible_leader_replicas.contains(&id)
    };
    changes(cluster, Cause::LostData(id), may_have_lost, usize::MAX)
}
