//! OffsetFetch and OffsetCommit as requests to a known coordinator.

use std::collections::BTreeMap;

use protocol::ErrorCode;
use protocol::messages::offset_commit_request::{
    OffsetCommitRequest, OffsetCommitRequestPartition, OffsetCommitRequestTopic,
};
use protocol::messages::offset_fetch_request::{
    OffsetFetchRequest, OffsetFetchRequestGroup, OffsetFetchRequestTopic, OffsetFetchRequestTopics,
};
use protocol::messages::offset_fetch_response::OffsetFetchResponse;

use crate::TopicPartition;
use crate::cluster::{Cluster, Lane};
use crate::error::RequestError;
use crate::topic_partition::by_topic;

/// An offset to commit: the next record to read.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct OffsetToCommit {
    /// The offset of the next record.
    pub offset: i64,
    /// Leader epoch of the last record read, where known.
    pub leader_epoch: Option<i32>,
    /// Free text kept with it.
    pub metadata: String,
}

impl From<i64> for OffsetToCommit {
    fn from(offset: i64) -> Self {
        Self { offset, ..Self::default() }
    }
}

/// An offset that was committed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommittedOffset {
    /// The offset of the next record.
    pub offset: i64,
    /// Leader epoch of the last record read, where known.
    pub leader_epoch: Option<i32>,
    /// Free text kept with it.
    pub metadata: String,
}

/// Who commits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Committer {
    pub(crate) group: String,
    pub(crate) generation: i32,
    pub(crate) member_id: String,
    pub(crate) instance_id: Option<String>,
}

impl Committer {
    /// Somebody who is no member: for groups without members.
    pub(crate) fn outside_of(group: &str) -> Self {
        let group = group.to_owned();
        Self { group, generation: -1, member_id: String::new(), instance_id: None }
    }
}

/// The versions above these name topics by id.
const COMMIT_BY_NAME_UP_TO: i16 = 9;
const FETCH_BY_NAME_UP_TO: i16 = 9;
/// From this version OffsetFetch speaks of several groups.
const FETCH_GROUPS_FROM: i16 = 8;
/// From this version OffsetFetch can insist on offsets of decided transactions.
const FETCH_STABLE_FROM: i16 = 7;

/// Commits; the answer has a code per partition.
pub(crate) async fn commit(
    cluster: &Cluster,
    node: i32,
    committer: &Committer,
    offsets: &BTreeMap<TopicPartition, OffsetToCommit>,
) -> Result<Vec<(TopicPartition, ErrorCode)>, RequestError> {
    let topics = by_topic(offsets).into_iter().map(|(topic, partitions)| {
        let partitions =
            partitions.into_iter().map(|(partition_index, commit)| OffsetCommitRequestPartition {
                partition_index,
                committed_offset: commit.offset,
                committed_leader_epoch: commit.leader_epoch.unwrap_or(-1),
                committed_metadata: Some(commit.metadata.clone()),
            });
        OffsetCommitRequestTopic {
            name: topic.to_owned(),
            partitions: partitions.collect(),
            ..Default::default()
        }
    });
    let request = OffsetCommitRequest {
        group_id: committer.group.clone(),
        generation_id_or_member_epoch: committer.generation,
        member_id: committer.member_id.clone(),
        group_instance_id: committer.instance_id.clone(),
        topics: topics.collect(),
        ..Default::default()
    };
    let connection = cluster.connection(node, Lane::General).await?;
    let version = connection.version_up_to::<OffsetCommitRequest>(COMMIT_BY_NAME_UP_TO)?;
    let mut request = request;
    if version < 6 {
        let partitions = request.topics.iter_mut().flat_map(|topic| &mut topic.partitions);
        partitions.for_each(|partition| partition.committed_leader_epoch = -1);
    }
    let response = connection.send_at(version, &request).await?;
    let mut answers = Vec::new();
    for topic in response.topics {
        let partitions = topic.partitions.into_iter();
        answers.extend(partitions.map(|result| {
            (TopicPartition::new(topic.name.as_str(), result.partition_index), result.error_code)
        }));
    }
    Ok(answers)
}

/// What OffsetFetch says of a partition: an offset, that there is none, or an error.
pub(crate) type Fetched = (TopicPartition, Result<Option<CommittedOffset>, ErrorCode>);

/// Fetches committed offsets of these partitions, or of all.
pub(crate) async fn fetch(
    cluster: &Cluster,
    node: i32,
    group: &str,
    partitions: Option<&[TopicPartition]>,
    require_stable: bool,
) -> Result<Vec<Fetched>, RequestError> {
    let connection = cluster.connection(node, Lane::General).await?;
    let version = connection.version_up_to::<OffsetFetchRequest>(FETCH_BY_NAME_UP_TO)?;
    let topics = partitions.map(|partitions| by_topic(partitions.iter().map(|p| (p, ()))));
    let indexes = |partitions: &[(i32, ())]| partitions.iter().map(|(index, ())| *index).collect();
    let mut request = OffsetFetchRequest {
        require_stable: require_stable && version >= FETCH_STABLE_FROM,
        ..Default::default()
    };
    if version >= FETCH_GROUPS_FROM {
        let topics = topics.map(|topics| {
            let named = topics.iter().map(|(topic, partitions)| OffsetFetchRequestTopics {
                name: (*topic).to_owned(),
                partition_indexes: indexes(partitions),
                ..Default::default()
            });
            named.collect()
        });
        let group =
            OffsetFetchRequestGroup { group_id: group.to_owned(), topics, ..Default::default() };
        request.groups = vec![group];
    } else {
        request.group_id = group.to_owned();
        request.topics = topics.map(|topics| {
            let named = topics.iter().map(|(topic, partitions)| OffsetFetchRequestTopic {
                name: (*topic).to_owned(),
                partition_indexes: indexes(partitions),
            });
            named.collect()
        });
    }
    let response = connection.send_at(version, &request).await?;
    read_response(group, version, response)
}

fn read_response(
    group: &str,
    version: i16,
    response: OffsetFetchResponse,
) -> Result<Vec<Fetched>, RequestError> {
    let mut fetched = Vec::new();
    let mut add =
        |topic: &str, index, code, offset, leader_epoch: i32, metadata: Option<String>| {
            let answer = match code {
                ErrorCode::None if offset < 0 => Ok(None),
                ErrorCode::None => Ok(Some(CommittedOffset {
                    offset,
                    leader_epoch: (leader_epoch >= 0).then_some(leader_epoch),
                    metadata: metadata.unwrap_or_default(),
                })),
                code => Err(code),
            };
            fetched.push((TopicPartition::new(topic, index), answer));
        };
    if version >= FETCH_GROUPS_FROM {
        let answer = response.groups.into_iter().next().unwrap_or_default();
        RequestError::check("OffsetFetch", group, answer.error_code, None)?;
        for topic in answer.topics {
            for p in topic.partitions {
                let (offset, epoch) = (p.committed_offset, p.committed_leader_epoch);
                add(&topic.name, p.partition_index, p.error_code, offset, epoch, p.metadata);
            }
        }
    } else {
        RequestError::check("OffsetFetch", group, response.error_code, None)?;
        for topic in response.topics {
            for p in topic.partitions {
                let (offset, epoch) = (p.committed_offset, p.committed_leader_epoch);
                add(&topic.name, p.partition_index, p.error_code, offset, epoch, p.metadata);
            }
        }
    }
    Ok(fetched)
}
