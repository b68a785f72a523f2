//! AlterPartitionReassignments and ListPartitionReassignments: replicas move to other brokers
//! (KIP-455, 860).
//!
//! While they move, a partition has the replicas of both: `adding` are those that come, `removing`
//! those that go. It is complete with the change of the ISR that has all that come.

use std::collections::BTreeSet;

use broker_metadata::{Image, PartitionImage, TopicImage};
use protocol::ErrorCode;
use protocol::messages::alter_partition_reassignments_request::ReassignablePartition;
use protocol::messages::alter_partition_reassignments_response::{
    ReassignablePartitionResponse, ReassignableTopicResponse,
};
use protocol::messages::list_partition_reassignments_response::{
    OngoingPartitionReassignment, OngoingTopicReassignment,
};
use protocol::messages::{
    AlterPartitionReassignmentsRequest, AlterPartitionReassignmentsResponse,
    ListPartitionReassignmentsRequest, ListPartitionReassignmentsResponse, PartitionChangeRecord,
};

use super::draft::TOO_MANY;
use super::partition_change::{Election, PartitionChange};
use super::{Cluster, Draft, Outcome, View};

type Refused = (ErrorCode, String);

/// Starts, changes or cancels the reassignment of each partition by itself.
pub fn alter_partition_reassignments(
    view: &mut View<'_>,
    request: &AlterPartitionReassignmentsRequest,
) -> Outcome<AlterPartitionReassignmentsResponse> {
    let mut draft = Draft::new(view.image, view.settings);
    let may_resize = request.allow_replication_factor_change;
    let responses = request.topics.iter().map(|topic| {
        let answers = topic.partitions.iter().map(|asked| {
            let decided = decide(&draft.cluster(), &topic.name, asked, may_resize);
            let (error_code, error_message) = match decided {
                Ok(record) => {
                    draft.extend(record.into_iter().map(Into::into).collect());
                    (ErrorCode::None, None)
                }
                Err((code, message)) => (code, Some(message)),
            };
            let partition_index = asked.partition_index;
            ReassignablePartitionResponse { partition_index, error_code, error_message }
        });
        ReassignableTopicResponse { name: topic.name.clone(), partitions: answers.collect() }
    });
    let responses = responses.collect();
    if draft.is_too_large() {
        return Outcome::answer(AlterPartitionReassignmentsResponse {
            allow_replication_factor_change: may_resize,
            error_code: ErrorCode::PolicyViolation,
            error_message: Some(TOO_MANY.to_owned()),
            ..Default::default()
        });
    }
    let response = AlterPartitionReassignmentsResponse {
        allow_replication_factor_change: may_resize,
        responses,
        ..Default::default()
    };
    Outcome { records: draft.finish(), ..Outcome::answer(response) }
}

fn decide(
    cluster: &Cluster<'_>,
    name: &str,
    asked: &ReassignablePartition,
    may_resize: bool,
) -> Result<Option<PartitionChangeRecord>, Refused> {
    let unknown = |what: String| (ErrorCode::UnknownTopicOrPartition, what);
    let topic = cluster.image.topic(name);
    let topic = topic.ok_or_else(|| unknown(format!("Unable to find a topic named {name}.")))?;
    let index = asked.partition_index;
    let partition = topic
        .partition(index)
        .ok_or_else(|| unknown(format!("Unable to find partition {name}:{index}.")))?;
    match &asked.replicas {
        Some(target) => change(cluster, topic, index, partition, target, may_resize),
        None => cancel(cluster, topic, index, partition),
    }
}

fn is_under_way(partition: &PartitionImage) -> bool {
    !partition.adding_replicas.is_empty() || !partition.removing_replicas.is_empty()
}

fn change(
    cluster: &Cluster<'_>,
    topic: &TopicImage,
    index: i32,
    partition: &PartitionImage,
    target: &[i32],
    may_resize: bool,
) -> Result<Option<PartitionChangeRecord>, Refused> {
    check_target(cluster.image, target)
        .map_err(|why| (ErrorCode::InvalidReplicaAssignment, why))?;
    let was_before = |id: &i32| !partition.adding_replicas.contains(id);
    let kept = |id: &i32| !partition.removing_replicas.contains(id);
    let present = partition.replicas.iter().filter(|id| kept(id)).count();
    if !may_resize && target.len() != present {
        return Err((
            ErrorCode::InvalidReplicationFactor,
            format!("The replication factor is changed from {present} to {}", target.len()),
        ));
    }
    let set: BTreeSet<i32> = target.iter().copied().collect();
    // What was to come and is not wanted any more goes at once, if others are in sync.
    let is_dropped = |id: &i32| !was_before(id) && !set.contains(id);
    let mut isr: Vec<i32> = partition.isr.iter().copied().filter(|id| !is_dropped(id)).collect();
    let may_drop = !isr.is_empty() || partition.isr.is_empty();
    if !may_drop {
        isr.clone_from(&partition.isr);
    }
    let present = partition.replicas.iter().copied();
    let present: BTreeSet<i32> = present.filter(|id| !(may_drop && is_dropped(id))).collect();
    // What comes already for another target still has to come, if it is of this one too.
    let comes = |id: &i32| !present.contains(id) || !was_before(id);
    let adding = set.iter().copied().filter(comes).collect();
    let removing: Vec<i32> = present.difference(&set).copied().collect();
    let replicas = target.iter().chain(&removing).copied().collect();
    let change = PartitionChange::new(cluster, topic, index, partition).election(Election::Online);
    Ok(change.isr(isr).assignment(replicas, adding, removing).build())
}

fn check_target(image: &Image, target: &[i32]) -> Result<(), String> {
    let what = "The manual partition assignment includes";
    if target.is_empty() {
        return Err(format!("{what} an empty replica list."));
    }
    let mut seen = BTreeSet::new();
    for id in target {
        if image.broker(*id).is_none() {
            return Err(format!("{what} broker {id}, but no such broker is registered."));
        }
        if !seen.insert(id) {
            return Err(format!("{what} the broker {id} more than once."));
        }
    }
    Ok(())
}

fn cancel(
    cluster: &Cluster<'_>,
    topic: &TopicImage,
    index: i32,
    partition: &PartitionImage,
) -> Result<Option<PartitionChangeRecord>, Refused> {
    if !is_under_way(partition) {
        let text = "No partition reassignment is in progress.";
        return Err((ErrorCode::NoReassignmentInProgress, text.to_owned()));
    }
    let without = |list: &[i32]| -> Vec<i32> {
        list.iter().copied().filter(|id| !partition.adding_replicas.contains(id)).collect()
    };
    let (replicas, mut isr) = (without(&partition.replicas), without(&partition.isr));
    let refuse = |why: String| Err((ErrorCode::InvalidReplicaAssignment, why));
    let Some(first) = replicas.first() else {
        return refuse("Invalid replica assignment: addingReplicas contains all replicas.".into());
    };
    let change = PartitionChange::new(cluster, topic, index, partition);
    if isr.is_empty() && !partition.isr.is_empty() {
        // Only replicas that have just come are in sync: the others may lack records.
        if !cluster.allows_unclean_leaders(topic) {
            return refuse(format!(
                "Unable to revert partition assignment for {}:{index} because it would require an \
                 unclean leader election.",
                topic.name
            ));
        }
        isr.push(*first);
    }
    Ok(change.isr(isr).assignment(replicas, Vec::new(), Vec::new()).build())
}

/// The reassignments that are under way, of the named partitions or of all.
pub fn list_partition_reassignments(
    image: &Image,
    request: &ListPartitionReassignmentsRequest,
) -> ListPartitionReassignmentsResponse {
    let of = |topic: &TopicImage, indexes: &mut dyn Iterator<Item = i32>| {
        let found = indexes.filter_map(|partition_index| {
            let partition = topic.partition(partition_index)?;
            is_under_way(partition).then(|| OngoingPartitionReassignment {
                partition_index,
                replicas: partition.replicas.clone(),
                adding_replicas: partition.adding_replicas.clone(),
                removing_replicas: partition.removing_replicas.clone(),
            })
        });
        OngoingTopicReassignment { name: topic.name.to_string(), partitions: found.collect() }
    };
    let topics: Vec<OngoingTopicReassignment> = match &request.topics {
        None => {
            let topics = image.topics();
            topics.map(|topic| of(topic, &mut (0..).take(topic.partitions.len()))).collect()
        }
        Some(asked) => {
            let found = asked.iter().filter_map(|asked| {
                let topic = image.topic(&asked.name)?;
                let indexes: BTreeSet<i32> = asked.partition_indexes.iter().copied().collect();
                Some(of(topic, &mut indexes.into_iter()))
            });
            found.collect()
        }
    };
    let topics = topics.into_iter().filter(|topic| !topic.partitions.is_empty()).collect();
    ListPartitionReassignmentsResponse { topics, ..Default::default() }
}
