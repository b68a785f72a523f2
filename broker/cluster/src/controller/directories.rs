//! AssignReplicasToDirs: a broker says in which of its log dirs replicas lie (KIP-858).

use std::collections::BTreeSet;

use protocol::ErrorCode;
use protocol::messages::assign_replicas_to_dirs_response::{
    DirectoryData, PartitionData, TopicData,
};
use protocol::messages::{AssignReplicasToDirsRequest, AssignReplicasToDirsResponse};
use uuid::Uuid;

use super::leaders::changes_of;
use super::partition_change::{Cause, Election, PartitionChange};
use super::{Draft, Outcome, View};

/// A replica that is said to lie in a log dir that failed leaves its ISR at once.
pub fn assign_replicas_to_dirs(
    view: &mut View<'_>,
    request: &AssignReplicasToDirsRequest,
) -> Outcome<AssignReplicasToDirsResponse> {
    let refuse = |error_code: ErrorCode| {
        Outcome::answer(AssignReplicasToDirsResponse { error_code, ..Default::default() })
    };
    let cluster = view.cluster();
    if !cluster.level.has_directories() {
        return refuse(ErrorCode::UnsupportedVersion);
    }
    let id = request.broker_id;
    let broker = match cluster.registered(id, request.broker_epoch) {
        Ok(broker) => broker,
        Err(code) => return refuse(code),
    };
    let mut draft = Draft::new(view.image, view.settings);
    let mut offline = BTreeSet::new();
    let mut directories = Vec::new();
    for dir in &request.directories {
        let mut topics = Vec::new();
        for topic in &dir.topics {
            let mut partitions = Vec::new();
            for asked in &topic.partitions {
                let partition_index = asked.partition_index;
                let error_code = assign(&mut draft, id, topic.topic_id, partition_index, dir.id);
                if error_code == ErrorCode::None && !broker.has_online_dir(dir.id) {
                    offline.insert((topic.topic_id, partition_index));
                }
                partitions.push(PartitionData { partition_index, error_code });
            }
            topics.push(TopicData { topic_id: topic.topic_id, partitions });
        }
        directories.push(DirectoryData { id: dir.id, topics });
    }
    let concerns = |topic: Uuid, index: i32| offline.contains(&(topic, index));
    let left = changes_of(&draft.cluster(), Cause::Leaves(id), concerns);
    draft.extend(left);
    let response = AssignReplicasToDirsResponse { directories, ..Default::default() };
    Outcome { records: draft.finish(), ..Outcome::answer(response) }
}

fn assign(draft: &mut Draft<'_>, broker: i32, topic: Uuid, index: i32, dir: Uuid) -> ErrorCode {
    let cluster = draft.cluster();
    let Some(topic) = cluster.image.topic_by_id(topic) else {
        return ErrorCode::UnknownTopicId;
    };
    let Some(partition) = topic.partition(index) else {
        return ErrorCode::UnknownTopicOrPartition;
    };
    if !partition.replicas.contains(&broker) {
        return ErrorCode::NotLeaderOrFollower;
    }
    let change = PartitionChange::new(&cluster, topic, index, partition);
    let record = change.election(Election::Online).directory(broker, dir).build();
    draft.extend(record.into_iter().map(Into::into).collect());
    ErrorCode::None
}
