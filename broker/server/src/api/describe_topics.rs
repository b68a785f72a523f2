//! DescribeTopicPartitions 0 (KIP-966): topics by name, in pages of partitions.
//!
//! - No topics means all. A page ends when the limit of the request or of the broker
//!   (`max.request.partition.size.limit`) is reached; the cursor says where the next one begins.

use std::collections::BTreeSet;

use broker_metadata::{Image, TopicImage, names};
use protocol::ErrorCode;
use protocol::messages::describe_topic_partitions_response::{
    Cursor, DescribeTopicPartitionsResponsePartition, DescribeTopicPartitionsResponseTopic,
};
use protocol::messages::{DescribeTopicPartitionsRequest, DescribeTopicPartitionsResponse};

use super::metadata::{Health, health};
use super::topics::TOPIC_OPERATIONS;
use crate::request::RequestContext;
use crate::services::Services;

pub(super) async fn handle(
    _context: RequestContext,
    services: &Services,
    request: DescribeTopicPartitionsRequest,
) -> DescribeTopicPartitionsResponse {
    let image = services.image();
    let (from, mut first) = match &request.cursor {
        Some(cursor) => (cursor.topic_name.as_str(), cursor.partition_index.max(0)),
        None => ("", 0),
    };
    let wanted = wanted(&image, &request, from);
    let allowed = services.config.settings.topics.max_request_partition_size_limit;
    let limit = match request.response_partition_limit {
        asked if asked > 0 => asked.min(allowed),
        _ => allowed,
    };
    let mut left = usize::try_from(limit).unwrap_or(1);
    let mut response = DescribeTopicPartitionsResponse::default();
    for name in wanted {
        if name != from {
            first = 0;
        }
        let Some(topic) = image.topic(&name) else {
            response.topics.push(missing(&name));
            continue;
        };
        let start = usize::try_from(first).unwrap_or(0);
        let more = topic.partitions.len().saturating_sub(start);
        if left == 0 && more > 0 {
            response.next_cursor = Some(Cursor { topic_name: name, partition_index: first });
            break;
        }
        let count = more.min(left);
        response.topics.push(describe(services, topic, start, count));
        left -= count;
        if count < more {
            let partition_index = i32::try_from(start + count).unwrap_or(i32::MAX);
            response.next_cursor = Some(Cursor { topic_name: name, partition_index });
            break;
        }
    }
    response
}

/// Names in order, from the cursor's on.
fn wanted(image: &Image, request: &DescribeTopicPartitionsRequest, from: &str) -> Vec<String> {
    if request.topics.is_empty() {
        return image.topics_from(from).map(|topic| topic.name.to_string()).collect();
    }
    let names: BTreeSet<&str> = request.topics.iter().map(|topic| topic.name.as_str()).collect();
    names.into_iter().filter(|name| *name >= from).map(str::to_owned).collect()
}

fn missing(name: &str) -> DescribeTopicPartitionsResponseTopic {
    let error_code = match names::validate(name) {
        Ok(()) => ErrorCode::UnknownTopicOrPartition,
        Err(_) => ErrorCode::InvalidTopicException,
    };
    DescribeTopicPartitionsResponseTopic {
        error_code,
        name: Some(name.to_owned()),
        is_internal: names::is_internal(name),
        topic_authorized_operations: TOPIC_OPERATIONS,
        ..DescribeTopicPartitionsResponseTopic::default()
    }
}

fn describe(
    services: &Services,
    topic: &TopicImage,
    start: usize,
    count: usize,
) -> DescribeTopicPartitionsResponseTopic {
    let range = topic.partitions.iter().enumerate().skip(start).take(count);
    let partitions = range.map(|(index, partition)| {
        let partition_index = i32::try_from(index).unwrap_or(i32::MAX);
        let Health { error_code, leader_id, offline_replicas } =
            health(services, topic, partition_index, partition);
        DescribeTopicPartitionsResponsePartition {
            error_code,
            partition_index,
            leader_id,
            leader_epoch: partition.leader_epoch,
            replica_nodes: partition.replicas.clone(),
            isr_nodes: partition.isr.clone(),
            eligible_leader_replicas: Some(partition.eligible_leader_replicas.clone()),
            last_known_elr: Some(partition.last_known_elr.clone()),
            offline_replicas,
        }
    });
    DescribeTopicPartitionsResponseTopic {
        name: Some(topic.name.to_string()),
        topic_id: topic.id,
        is_internal: names::is_internal(&topic.name),
        partitions: partitions.collect(),
        topic_authorized_operations: TOPIC_OPERATIONS,
        ..DescribeTopicPartitionsResponseTopic::default()
    }
}
