//! OffsetFetch 1-10.
//!
//! - v2: all topics of a group · v7: stable offsets only; without transactions all are · v8: many
//!   groups (KIP-709) · v9: member id and epoch, which matter to groups of the new protocol alone ·
//!   v10: topic ids

use broker_coordinator::{Committed, FetchedTopic};
use broker_metadata::Image;
use indexmap::IndexMap;
use indexmap::map::Entry;
use protocol::ErrorCode;
use protocol::messages::offset_fetch_request::{OffsetFetchRequestGroup, OffsetFetchRequestTopics};
use protocol::messages::offset_fetch_response::{
    OffsetFetchResponseGroup, OffsetFetchResponsePartition, OffsetFetchResponsePartitions,
    OffsetFetchResponseTopic, OffsetFetchResponseTopics,
};
use protocol::messages::{OffsetFetchRequest, OffsetFetchResponse};

use super::repeats::partitions_once;
use crate::request::RequestContext;
use crate::services::Services;

/// The first version that asks for many groups.
const GROUPS_FROM: i16 = 8;
/// The first version that names topics by id.
const TOPIC_IDS_FROM: i16 = 10;
/// The first version with a code for the whole response.
const ERROR_CODE_FROM: i16 = 2;

pub(super) async fn handle(
    context: RequestContext,
    services: &Services,
    request: OffsetFetchRequest,
) -> OffsetFetchResponse {
    let image = services.image();
    if context.version >= GROUPS_FROM {
        let by_id = context.version >= TOPIC_IDS_FROM;
        let asked = groups_once(request.groups);
        let mut groups = Vec::with_capacity(asked.len());
        for group in asked {
            groups.push(fetch_group(services, &image, group, by_id).await);
        }
        return OffsetFetchResponse { groups, ..OffsetFetchResponse::default() };
    }
    let topics = request.topics.map(|topics| {
        let topics = topics.into_iter().map(|topic| OffsetFetchRequestTopics {
            name: topic.name,
            partition_indexes: topic.partition_indexes,
            ..OffsetFetchRequestTopics::default()
        });
        topics.collect()
    });
    let group = OffsetFetchRequestGroup {
        group_id: request.group_id,
        topics,
        ..OffsetFetchRequestGroup::default()
    };
    let group = groups_once(vec![group]).remove(0);
    let asked = group.topics.clone().unwrap_or_default();
    let group = fetch_group(services, &image, group, false).await;
    if context.version < ERROR_CODE_FROM && group.error_code != ErrorCode::None {
        return failed_by_partition(asked, group.error_code);
    }
    OffsetFetchResponse {
        topics: group.topics.into_iter().map(single_group_topic).collect(),
        error_code: group.error_code,
        ..OffsetFetchResponse::default()
    }
}

/// Each group once, and of each what it was asked for anywhere, once.
fn groups_once(asked: Vec<OffsetFetchRequestGroup>) -> Vec<OffsetFetchRequestGroup> {
    let mut once: IndexMap<String, OffsetFetchRequestGroup> = IndexMap::new();
    for mut group in asked {
        match once.entry(group.group_id.clone()) {
            Entry::Vacant(place) => {
                place.insert(group);
            }
            Entry::Occupied(mut place) => match (&mut place.get_mut().topics, &mut group.topics) {
                (Some(topics), Some(more)) => topics.append(more),
                (all, _) => *all = None,
            },
        }
    }
    let once = once.into_values().map(|mut group| {
        group.topics = group.topics.map(topics_once);
        group
    });
    once.collect()
}

fn topics_once(asked: Vec<OffsetFetchRequestTopics>) -> Vec<OffsetFetchRequestTopics> {
    let topics = asked.into_iter();
    let topics = topics.map(|topic| ((topic.name, topic.topic_id), topic.partition_indexes));
    let once = partitions_once(topics).into_iter();
    let once = once.map(|((name, topic_id), partition_indexes)| OffsetFetchRequestTopics {
        name,
        topic_id,
        partition_indexes,
    });
    once.collect()
}

async fn fetch_group(
    services: &Services,
    image: &Image,
    group: OffsetFetchRequestGroup,
    by_id: bool,
) -> OffsetFetchResponseGroup {
    let group_id = group.group_id;
    let mut topics = Vec::new();
    let fetched = match group.topics {
        None => services.groups.fetch_all(&group_id).await,
        Some(asked) => {
            let mut known = Vec::with_capacity(asked.len());
            for topic in asked {
                let name = match by_id {
                    true => image.topic_by_id(topic.topic_id).map(|topic| topic.name.to_string()),
                    false => Some(topic.name.clone()),
                };
                match name {
                    Some(name) => known.push((name, topic.partition_indexes)),
                    None => topics.push(unknown_topic(topic)),
                }
            }
            services.groups.fetch(&group_id, &known).await
        }
    };
    match fetched {
        Ok(fetched) => {
            topics.extend(
                fetched.into_iter().filter_map(|topic| response_topic(image, topic, by_id)),
            );
            OffsetFetchResponseGroup { group_id, topics, error_code: ErrorCode::None }
        }
        Err(error) => {
            let error_code = error.code();
            OffsetFetchResponseGroup { group_id, topics: Vec::new(), error_code }
        }
    }
}

/// `None` for a topic that has no id to name it by, because it is gone.
fn response_topic(
    image: &Image,
    topic: FetchedTopic,
    by_id: bool,
) -> Option<OffsetFetchResponseTopics> {
    let topic_id = match image.topic(&topic.name) {
        Some(topic) => topic.id,
        None if by_id => return None,
        None => uuid::Uuid::nil(),
    };
    let partitions = topic.partitions.into_iter();
    let partitions = partitions.map(|offset| partition(offset.partition, offset.committed));
    Some(OffsetFetchResponseTopics { name: topic.name, topic_id, partitions: partitions.collect() })
}

fn partition(partition_index: i32, committed: Option<Committed>) -> OffsetFetchResponsePartitions {
    match committed {
        Some(committed) => OffsetFetchResponsePartitions {
            partition_index,
            committed_offset: committed.offset,
            committed_leader_epoch: committed.leader_epoch,
            metadata: Some(committed.metadata),
            error_code: ErrorCode::None,
        },
        None => nothing(partition_index, ErrorCode::None),
    }
}

fn nothing(partition_index: i32, error_code: ErrorCode) -> OffsetFetchResponsePartitions {
    OffsetFetchResponsePartitions {
        partition_index,
        committed_offset: -1,
        committed_leader_epoch: -1,
        metadata: Some(String::new()),
        error_code,
    }
}

fn unknown_topic(asked: OffsetFetchRequestTopics) -> OffsetFetchResponseTopics {
    let partitions = asked.partition_indexes.into_iter();
    OffsetFetchResponseTopics {
        name: asked.name,
        topic_id: asked.topic_id,
        partitions: partitions.map(|index| nothing(index, ErrorCode::UnknownTopicId)).collect(),
    }
}

fn single_group_topic(topic: OffsetFetchResponseTopics) -> OffsetFetchResponseTopic {
    let partitions = topic.partitions.into_iter().map(|partition| OffsetFetchResponsePartition {
        partition_index: partition.partition_index,
        committed_offset: partition.committed_offset,
        committed_leader_epoch: partition.committed_leader_epoch,
        metadata: partition.metadata,
        error_code: partition.error_code,
    });
    OffsetFetchResponseTopic { name: topic.name, partitions: partitions.collect() }
}

fn failed_by_partition(
    asked: Vec<OffsetFetchRequestTopics>,
    error_code: ErrorCode,
) -> OffsetFetchResponse {
    let failed = |topic: OffsetFetchRequestTopics| {
        let partitions = topic.partition_indexes.into_iter();
        let partitions = partitions.map(|index| nothing(index, error_code)).collect();
        single_group_topic(OffsetFetchResponseTopics {
            name: topic.name,
            topic_id: topic.topic_id,
            partitions,
        })
    };
    OffsetFetchResponse {
        topics: asked.into_iter().map(failed).collect(),
        ..OffsetFetchResponse::default()
    }
}
