//! OffsetCommit 2-10, OffsetDelete 0.
//!
//! - A commit is answered when it is in the log; offsets of partitions that are not there are
//!   refused one by one.
//! - OffsetCommit v5: no retention of its own · v6: leader epochs (KIP-320) · v7: static members ·
//!   v10: topic ids (KIP-848)

use broker_coordinator::{CommitPartition, CommitRequest, CommitTopic};
use broker_metadata::{Image, TopicImage};
use protocol::ErrorCode;
use protocol::messages::offset_commit_request::OffsetCommitRequestTopic;
use protocol::messages::offset_commit_response::{
    OffsetCommitResponsePartition, OffsetCommitResponseTopic,
};
use protocol::messages::offset_delete_request::OffsetDeleteRequestTopic;
use protocol::messages::offset_delete_response::{
    OffsetDeleteResponsePartition, OffsetDeleteResponseTopic,
};
use protocol::messages::{
    OffsetCommitRequest, OffsetCommitResponse, OffsetDeleteRequest, OffsetDeleteResponse,
};

use crate::request::RequestContext;
use crate::services::Services;

/// The first version that names topics by id.
const TOPIC_IDS_FROM: i16 = 10;

pub(super) async fn commit(
    context: RequestContext,
    services: &Services,
    request: OffsetCommitRequest,
) -> OffsetCommitResponse {
    let image = services.image();
    let by_id = context.version >= TOPIC_IDS_FROM;
    let mut commit = CommitRequest {
        group_id: request.group_id,
        member_id: request.member_id,
        instance_id: request.group_instance_id,
        generation: request.generation_id_or_member_epoch,
        retention_ms: Some(request.retention_time_ms).filter(|retention_ms| *retention_ms != -1),
        topics: Vec::new(),
    };
    let mut topics = Vec::with_capacity(request.topics.len());
    for asked in &request.topics {
        let (response, exists) = sort_out(&image, asked, by_id);
        commit.topics.extend(exists);
        topics.push(response);
    }
    if !commit.topics.is_empty() {
        let result = services.groups.commit(&commit).await;
        let mut codes = Codes::of(result);
        let partitions = topics.iter_mut().flat_map(|topic| topic.partitions.iter_mut());
        for partition in partitions.filter(|partition| partition.error_code == ErrorCode::None) {
            partition.error_code = codes.next();
        }
    }
    OffsetCommitResponse { topics, ..OffsetCommitResponse::default() }
}

/// The response for one topic, with the codes of what does not exist, and what is left to commit.
fn sort_out(
    image: &Image,
    asked: &OffsetCommitRequestTopic,
    by_id: bool,
) -> (OffsetCommitResponseTopic, Option<CommitTopic>) {
    let topic = match by_id {
        true => image.topic_by_id(asked.topic_id),
        false => image.topic(&asked.name),
    };
    let unknown = match by_id {
        true => ErrorCode::UnknownTopicId,
        false => ErrorCode::UnknownTopicOrPartition,
    };
    let mut commit = Vec::new();
    let mut partitions = Vec::with_capacity(asked.partitions.len());
    for partition in &asked.partitions {
        let error_code = match topic {
            None => unknown,
            Some(topic) if topic.partition(partition.partition_index).is_none() => {
                ErrorCode::UnknownTopicOrPartition
            }
            Some(_) => {
                commit.push(CommitPartition {
                    index: partition.partition_index,
                    offset: partition.committed_offset,
                    leader_epoch: partition.committed_leader_epoch,
                    metadata: partition.committed_metadata.clone().unwrap_or_default(),
                });
                ErrorCode::None
            }
        };
        let partition_index = partition.partition_index;
        partitions.push(OffsetCommitResponsePartition { partition_index, error_code });
    }
    let response = OffsetCommitResponseTopic {
        name: asked.name.clone(),
        topic_id: asked.topic_id,
        partitions,
    };
    let named = |topic: &TopicImage| CommitTopic {
        name: topic.name.to_string(),
        id: topic.id,
        partitions: commit,
    };
    let commit = topic.map(|topic| named(topic)).filter(|topic| !topic.partitions.is_empty());
    (response, commit)
}

pub(super) async fn delete(
    _context: RequestContext,
    services: &Services,
    request: OffsetDeleteRequest,
) -> OffsetDeleteResponse {
    let image = services.image();
    let mut topics = Vec::with_capacity(request.topics.len());
    let mut delete = Vec::new();
    for asked in request.topics {
        let (response, exist) = sort_out_delete(&image, asked);
        if !exist.is_empty() {
            delete.push((response.name.clone(), exist));
        }
        topics.push(response);
    }
    match services.groups.delete_offsets(&request.group_id, &delete).await {
        Ok(codes) => {
            let mut codes = Codes::of(Ok(codes));
            let partitions = topics.iter_mut().flat_map(|topic| topic.partitions.iter_mut());
            for partition in partitions.filter(|partition| partition.error_code == ErrorCode::None)
            {
                partition.error_code = codes.next();
            }
            OffsetDeleteResponse { topics, ..OffsetDeleteResponse::default() }
        }
        Err(error_code) => OffsetDeleteResponse { error_code, ..OffsetDeleteResponse::default() },
    }
}

fn sort_out_delete(
    image: &Image,
    asked: OffsetDeleteRequestTopic,
) -> (OffsetDeleteResponseTopic, Vec<i32>) {
    let topic = image.topic(&asked.name);
    let mut exist = Vec::new();
    let mut partitions = Vec::with_capacity(asked.partitions.len());
    for partition in asked.partitions {
        let partition_index = partition.partition_index;
        let error_code = match topic.and_then(|topic| topic.partition(partition_index)) {
            None => ErrorCode::UnknownTopicOrPartition,
            Some(_) => {
                exist.push(partition_index);
                ErrorCode::None
            }
        };
        partitions.push(OffsetDeleteResponsePartition { partition_index, error_code });
    }
    (OffsetDeleteResponseTopic { name: asked.name, partitions }, exist)
}

/// The coordinator's codes, one after the other.
enum Codes {
    Each(std::vec::IntoIter<ErrorCode>),
    All(ErrorCode),
}

impl Codes {
    fn of(result: Result<Vec<Vec<ErrorCode>>, ErrorCode>) -> Self {
        match result {
            Ok(codes) => Codes::Each(codes.into_iter().flatten().collect::<Vec<_>>().into_iter()),
            Err(code) => Codes::All(code),
        }
    }

    fn next(&mut self) -> ErrorCode {
        match self {
            Codes::Each(codes) => codes.next().unwrap_or(ErrorCode::UnknownServerError),
            Codes::All(code) => *code,
        }
    }
}
