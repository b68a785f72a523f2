//! AlterPartition: the leader of a partition asks for another ISR (KIP-497, 841, 903).
//!
//! Versions: 2 names the members of the ISR, 3 their broker epochs too, so that a broker that has
//! started anew is not taken for the one that was in sync.

use std::collections::BTreeSet;

use broker_metadata::{LeaderRecoveryState, PartitionImage, TopicImage};
use protocol::ErrorCode;
use protocol::messages::alter_partition_request::{BrokerState, PartitionData};
use protocol::messages::{
    AlterPartitionRequest, AlterPartitionResponse, PartitionChangeRecord, alter_partition_response,
};

use super::partition_change::{PartitionChange, SAME_LEADER};
use super::{Cluster, Outcome, View};

type Answer = alter_partition_response::PartitionData;

/// What a broker asks under an older epoch is refused as a whole; else each partition is changed or
/// refused by itself. A change that completes a reassignment may take the leadership from the one
/// who asks, which is told so by `NEW_LEADER_ELECTED`.
pub fn alter_partition(
    view: &mut View<'_>,
    request: &AlterPartitionRequest,
) -> Outcome<AlterPartitionResponse> {
    let cluster = view.cluster();
    let mut response = AlterPartitionResponse::default();
    if let Err(code) = cluster.registered(request.broker_id, request.broker_epoch) {
        response.error_code = code;
        return Outcome::answer(response);
    }
    let mut records = Vec::new();
    let mut seen = BTreeSet::new();
    for asked in &request.topics {
        let topic = cluster.image.topic_by_id(asked.topic_id);
        let answers = asked.partitions.iter().map(|data| {
            let index = data.partition_index;
            let decided = match topic {
                None => Err(ErrorCode::UnknownTopicId),
                // The second of two can't have been decided on what the first one changes.
                Some(topic) if !seen.insert((topic.id, index)) => Err(ErrorCode::InvalidRequest),
                Some(topic) => decide(&cluster, topic, request.broker_id, data),
            };
            let (record, answer) = match decided {
                Ok(decided) => decided,
                Err(error_code) => (None, refusal(index, error_code)),
            };
            records.extend(record.map(Into::into));
            answer
        });
        let (topic_id, partitions) = (asked.topic_id, answers.collect());
        response.topics.push(alter_partition_response::TopicData { topic_id, partitions });
    }
    Outcome { records, ..Outcome::answer(response) }
}

fn refusal(partition_index: i32, error_code: ErrorCode) -> Answer {
    Answer { partition_index, error_code, ..Answer::default() }
}

fn decide(
    cluster: &Cluster<'_>,
    topic: &TopicImage,
    broker: i32,
    data: &PartitionData,
) -> Result<(Option<PartitionChangeRecord>, Answer), ErrorCode> {
    let index = data.partition_index;
    let partition = topic.partition(index).ok_or(ErrorCode::UnknownTopicOrPartition)?;
    let members = members(data);
    let isr: Vec<i32> = members.iter().map(|member| member.broker_id).collect();
    let recovery = check(partition, broker, data, &isr)?;
    check_members(cluster, &members)?;
    let change = PartitionChange::new(cluster, topic, index, partition);
    let record = change.isr(isr).recovery(recovery).build();
    let is_deposed =
        record.as_ref().is_some_and(|one| one.leader != SAME_LEADER && one.leader != broker);
    if is_deposed {
        return Ok((record, refusal(index, ErrorCode::NewLeaderElected)));
    }
    let answer = after(partition, record.as_ref(), index);
    Ok((record, answer))
}

/// Who is to be in the ISR; version 2 says nothing of epochs.
fn members(data: &PartitionData) -> Vec<BrokerState> {
    if !data.new_isr_with_epochs.is_empty() {
        return data.new_isr_with_epochs.clone();
    }
    let members = data.new_isr.iter();
    members.map(|id| BrokerState { broker_id: *id, ..BrokerState::default() }).collect()
}

fn check(
    partition: &PartitionImage,
    broker: i32,
    data: &PartitionData,
    isr: &[i32],
) -> Result<LeaderRecoveryState, ErrorCode> {
    // It has heard of more than this node: another one leads the quorum.
    if data.leader_epoch > partition.leader_epoch
        || data.partition_epoch > partition.partition_epoch
    {
        return Err(ErrorCode::NotController);
    }
    if data.leader_epoch < partition.leader_epoch {
        return Err(ErrorCode::FencedLeaderEpoch);
    }
    if broker != partition.leader {
        return Err(ErrorCode::InvalidRequest);
    }
    if data.partition_epoch < partition.partition_epoch {
        return Err(ErrorCode::InvalidUpdateVersion);
    }
    let members: BTreeSet<&i32> = isr.iter().collect();
    let are_replicas = isr.iter().all(|id| partition.replicas.contains(id));
    if members.len() != isr.len() || !are_replicas || !members.contains(&partition.leader) {
        return Err(ErrorCode::InvalidRequest);
    }
    let recovery = LeaderRecoveryState::from_code(data.leader_recovery_state);
    let recovery = recovery.ok_or(ErrorCode::InvalidRequest)?;
    if recovery == LeaderRecoveryState::Recovering {
        // Nobody is in sync with a log that is not in order, and one in order stays so.
        let was_recovered = partition.leader_recovery_state == LeaderRecoveryState::Recovered;
        if isr.len() > 1 || was_recovered {
            return Err(ErrorCode::InvalidRequest);
        }
    }
    Ok(recovery)
}

fn check_members(cluster: &Cluster<'_>, members: &[BrokerState]) -> Result<(), ErrorCode> {
    let is_eligible = |member: &BrokerState| {
        let broker = cluster.image.broker(member.broker_id);
        let is_same = |epoch: i64| member.broker_epoch == -1 || member.broker_epoch == epoch;
        cluster.is_active(member.broker_id) && broker.is_some_and(|broker| is_same(broker.epoch))
    };
    match members.iter().all(is_eligible) {
        true => Ok(()),
        false => Err(ErrorCode::IneligibleReplica),
    }
}

/// The partition as it is when the record is committed.
fn after(partition: &PartitionImage, record: Option<&PartitionChangeRecord>, index: i32) -> Answer {
    let mut answer = Answer {
        partition_index: index,
        error_code: ErrorCode::None,
        leader_id: partition.leader,
        leader_epoch: partition.leader_epoch,
        isr: partition.isr.clone(),
        leader_recovery_state: partition.leader_recovery_state.code(),
        partition_epoch: partition.partition_epoch,
    };
    if let Some(record) = record {
        answer.partition_epoch = answer.partition_epoch.saturating_add(1);
        if record.leader != SAME_LEADER {
            answer.leader_id = record.leader;
            answer.leader_epoch = answer.leader_epoch.saturating_add(1);
        }
        if let Some(isr) = &record.isr {
            answer.isr.clone_from(isr);
        }
        if let Some(state) = LeaderRecoveryState::from_code(record.leader_recovery_state) {
            answer.leader_recovery_state = state.code();
        }
    }
    answer
}
