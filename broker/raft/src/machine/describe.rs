//! What an administrator is told of the quorum.

use protocol::ErrorCode;
use protocol::messages::describe_quorum_response::{
    Listener, Node, PartitionData, ReplicaState, TopicData,
};
use protocol::messages::{DescribeQuorumRequest, DescribeQuorumResponse};

use super::answers::{Asker, TOPIC, metadata_partition};
use super::{Raft, Step};
use crate::Now;
use crate::leader::Replica;
use crate::role::Role;

/// From which version on directories, messages and nodes are told.
const DIRECTORIES_FROM: i16 = 2;

impl Raft {
    pub(super) fn describe_requested(
        &mut self,
        step: &Step<'_>,
        from: &Asker,
        request: &DescribeQuorumRequest,
    ) -> DescribeQuorumResponse {
        if metadata_partition!(request.topics, topic_name, partition_index).is_none() {
            return unknown_partitions(request);
        }
        let me = self.config.node;
        let epoch = self.epoch;
        let Role::Leader(leader) = &mut self.role else {
            let partition = PartitionData {
                partition_index: 0,
                error_code: ErrorCode::NotLeaderOrFollower,
                error_message: message(ErrorCode::NotLeaderOrFollower),
                ..PartitionData::default()
            };
            return one_partition(partition);
        };
        leader.forget_silent_observers(step.ms());
        let state = |replica: &Replica| state(replica, me, step.now, from.version);
        let mut response = one_partition(PartitionData {
            partition_index: 0,
            leader_id: me,
            leader_epoch: epoch,
            high_watermark: leader.high_watermark.unwrap_or(-1),
            current_voters: leader.voters.values().map(state).collect(),
            observers: leader.observers.values().map(state).collect(),
            ..PartitionData::default()
        });
        if from.version >= DIRECTORIES_FROM {
            response.nodes = leader.voters.values().map(node).collect();
        }
        response
    }
}

fn one_partition(partition: PartitionData) -> DescribeQuorumResponse {
    DescribeQuorumResponse {
        topics: vec![TopicData { topic_name: TOPIC.to_owned(), partitions: vec![partition] }],
        ..DescribeQuorumResponse::default()
    }
}

fn unknown_partitions(request: &DescribeQuorumRequest) -> DescribeQuorumResponse {
    let error_code = ErrorCode::UnknownTopicOrPartition;
    let topics = request.topics.iter().map(|topic| TopicData {
        topic_name: topic.topic_name.clone(),
        partitions: topic
            .partitions
            .iter()
            .map(|partition| PartitionData {
                partition_index: partition.partition_index,
                error_code,
                error_message: message(error_code),
                ..PartitionData::default()
            })
            .collect(),
    });
    DescribeQuorumResponse { topics: topics.collect(), ..DescribeQuorumResponse::default() }
}

fn message(error: ErrorCode) -> Option<String> {
    let text = match error {
        ErrorCode::NotLeaderOrFollower => {
            "For requests intended only for the leader, this error indicates that the broker is \
             not the current leader. For requests intended for any replica, this error indicates \
             that the broker is not a replica of the topic partition."
        }
        ErrorCode::UnknownTopicOrPartition => "This server does not host this topic-partition.",
        _ => return None,
    };
    Some(text.to_owned())
}

fn state(replica: &Replica, me: i32, now: Now, version: i16) -> ReplicaState {
    let time = |at: Option<Now>| match at {
        _ if replica.key.id == me => now.timestamp_ms,
        Some(at) => at.timestamp_ms,
        None => -1,
    };
    let directory = replica.key.directory_or_nil();
    ReplicaState {
        replica_id: replica.key.id,
        replica_directory_id: if version >= DIRECTORIES_FROM {
            directory
        } else {
            uuid::Uuid::nil()
        },
        log_end_offset: replica.end.unwrap_or(-1),
        last_fetch_timestamp: time(replica.last_fetch),
        last_caught_up_timestamp: time(replica.last_caught_up),
    }
}

fn node(replica: &Replica) -> Node {
    let listeners = replica.endpoints.iter().map(|(name, address)| Listener {
        name: name.to_owned(),
        host: address.host.clone(),
        port: address.port,
    });
    Node { node_id: replica.key.id, listeners: listeners.collect() }
}
