//! Metadata 0-13.
//!
//! - v0: no topics means all; from v1 null means all and an empty list none.
//! - v4: a client says whether missing topics may be created · v8: authorised operations
//! - v12: topics by id (KIP-516); before that an id is INVALID_REQUEST.
//! - A topic that is named many times is answered once, as in Kafka.
//! - A missing topic is created where client and broker allow it, and is answered as it then is.

use std::collections::HashMap;
use std::sync::Arc;

use broker_metadata::{Image, PartitionImage, TopicImage, names};
use protocol::ErrorCode;
use protocol::messages::metadata_request::MetadataRequestTopic;
use protocol::messages::metadata_response::{
    MetadataResponseBroker, MetadataResponsePartition, MetadataResponseTopic,
};
use protocol::messages::{MetadataRequest, MetadataResponse};
use uuid::Uuid;

use super::cluster::{CLUSTER_OPERATIONS, brokers};
use super::repeats::once;
use super::topics::{TOPIC_OPERATIONS, create_automatically};
use crate::request::RequestContext;
use crate::services::Services;

pub(super) async fn handle(
    context: RequestContext,
    services: &Arc<Services>,
    request: MetadataRequest,
) -> MetadataResponse {
    let all = match &request.topics {
        None => true,
        Some(topics) => context.version == 0 && topics.is_empty(),
    };
    let wanted = request.topics.unwrap_or_default();
    let wanted = once(wanted, |topic| (topic.name.clone(), topic.topic_id));
    let mut failures = HashMap::new();
    if !all && request.allow_auto_topic_creation && services.config.settings.topics.auto_create {
        failures = create_missing(services, &wanted).await;
    }
    let image = services.image();
    let mut topics: Vec<MetadataResponseTopic> = if all {
        image.topics().map(|topic| describe(services, topic)).collect()
    } else {
        wanted
            .iter()
            .map(|topic| find(services, &image, topic, context.version, &failures))
            .collect()
    };
    if request.include_topic_authorized_operations {
        for topic in topics.iter_mut().filter(|topic| topic.error_code == ErrorCode::None) {
            topic.topic_authorized_operations = TOPIC_OPERATIONS;
        }
    }
    let operations = match request.include_cluster_authorized_operations {
        true => CLUSTER_OPERATIONS,
        false => i32::MIN,
    };
    let brokers = brokers(&image, &context.peer.listener, false).map(|broker| {
        let (node_id, host, port, rack) = broker.parts();
        MetadataResponseBroker { node_id, host, port, rack }
    });
    MetadataResponse {
        brokers: brokers.collect(),
        cluster_id: Some(services.cluster_id.clone()),
        controller_id: services.config.node_id,
        topics,
        cluster_authorized_operations: operations,
        ..MetadataResponse::default()
    }
}

/// Creates what is asked for by name and not there; the names that could not be, with their codes.
async fn create_missing(
    services: &Arc<Services>,
    topics: &[MetadataRequestTopic],
) -> HashMap<String, ErrorCode> {
    let image = services.image();
    // Of the brokers' own topics only that of groups can come into being here.
    let theirs = |name: &str| names::is_internal(name) && name != names::CONSUMER_OFFSETS;
    let named = topics.iter().filter_map(|topic| topic.name.as_deref());
    let missing = named.filter(|name| {
        image.topic(name).is_none() && names::validate(name).is_ok() && !theirs(name)
    });
    let missing: Vec<String> = missing.map(str::to_owned).collect();
    if missing.is_empty() {
        return HashMap::new();
    }
    let failed = create_automatically(services, &missing).await.into_iter();
    let failed = failed.map(|(name, (code, _))| (name, code));
    // Another request may have been faster.
    failed.filter(|(_, code)| *code != ErrorCode::TopicAlreadyExists).collect()
}

fn find(
    services: &Services,
    image: &Image,
    wanted: &MetadataRequestTopic,
    version: i16,
    failures: &HashMap<String, ErrorCode>,
) -> MetadataResponseTopic {
    let by_id = wanted.topic_id != Uuid::nil();
    let refuse = |error_code| MetadataResponseTopic {
        error_code,
        // Before v12 a name can't be null.
        name: wanted.name.clone().or_else(|| (version < 12).then(String::new)),
        topic_id: wanted.topic_id,
        is_internal: wanted.name.as_deref().is_some_and(names::is_internal),
        ..MetadataResponseTopic::default()
    };
    match &wanted.name {
        _ if by_id && version < 12 => refuse(ErrorCode::InvalidRequest),
        None if !by_id => refuse(ErrorCode::InvalidRequest),
        None => match image.topic_by_id(wanted.topic_id) {
            Some(topic) => describe(services, topic),
            None => refuse(ErrorCode::UnknownTopicId),
        },
        Some(name) => match image.topic(name) {
            Some(topic) => describe(services, topic),
            None if names::validate(name).is_err() => refuse(ErrorCode::InvalidTopicException),
            None => {
                let failed = failures.get(name).copied();
                refuse(failed.unwrap_or(ErrorCode::UnknownTopicOrPartition))
            }
        },
    }
}

fn describe(services: &Services, topic: &Arc<TopicImage>) -> MetadataResponseTopic {
    let partitions = (0..).zip(&topic.partitions).map(|(partition_index, partition)| {
        let Health { error_code, leader_id, offline_replicas } =
            health(services, topic, partition_index, partition);
        MetadataResponsePartition {
            error_code,
            partition_index,
            leader_id,
            leader_epoch: partition.leader_epoch,
            replica_nodes: partition.replicas.clone(),
            isr_nodes: partition.isr.clone(),
            offline_replicas,
        }
    });
    MetadataResponseTopic {
        name: Some(topic.name.to_string()),
        topic_id: topic.id,
        is_internal: names::is_internal(&topic.name),
        partitions: partitions.collect(),
        ..MetadataResponseTopic::default()
    }
}

/// What is told of a partition beside what the image says.
pub(super) struct Health {
    pub(super) error_code: ErrorCode,
    pub(super) leader_id: i32,
    pub(super) offline_replicas: Vec<i32>,
}

/// A partition that this broker could not open has no leader. One in a log dir that failed has, as
/// long as it can be read, though its replica is offline.
pub(super) fn health(
    services: &Services,
    topic: &TopicImage,
    index: i32,
    partition: &PartitionImage,
) -> Health {
    let own = services.config.node_id;
    let image = services.image();
    let is_alive = |id: &i32| image.broker(*id).is_some_and(|broker| !broker.fenced);
    let mut leader_id = if is_alive(&partition.leader) { partition.leader } else { -1 };
    let away = partition.replicas.iter().copied().filter(|id| *id != own && !is_alive(id));
    let mut offline_replicas: Vec<i32> = away.collect();
    if partition.replicas.contains(&own) {
        match services.partitions.find(&topic.name, index) {
            Ok(open) if open.dir().has_failed() => offline_replicas.push(own),
            Ok(_) => {}
            Err(_) => {
                offline_replicas.push(own);
                leader_id = if leader_id == own { -1 } else { leader_id };
            }
        }
    }
    let error_code = match leader_id {
        -1 => ErrorCode::LeaderNotAvailable,
        _ => ErrorCode::None,
    };
    Health { error_code, leader_id, offline_replicas }
}
