//! CreateTopics 2-7, DeleteTopics 1-6, CreatePartitions 0-3.
//!
//! - A topic is answered when its partitions can be written to; the time-out of the request is not
//!   needed.
//! - CreateTopics v5: the settings of the new topic (KIP-525) · v7: its id
//! - DeleteTopics v5: error texts · v6: topics by name or by id (KIP-516)

use std::collections::HashMap;
use std::sync::Arc;

use broker_cluster::HeldLayers;
use broker_metadata::config::{Entry, Source, describe_topic};
use broker_metadata::{ConfigMap, Image, names};
use protocol::ErrorCode;
use protocol::messages::create_partitions_response::CreatePartitionsTopicResult;
use protocol::messages::create_topics_request::{CreatableTopic, CreatableTopicConfig};
use protocol::messages::create_topics_response::{CreatableTopicConfigs, CreatableTopicResult};
use protocol::messages::delete_topics_response::DeletableTopicResult;
use protocol::messages::{
    CreatePartitionsRequest, CreatePartitionsResponse, CreateTopicsRequest, CreateTopicsResponse,
    DeleteTopicsRequest, DeleteTopicsResponse,
};
use tracing::error;
use uuid::Uuid;

use super::error::{code_of_channel_error, code_of_commit_error, code_of_topic_error};
use crate::controller::topics::{self as decide, CreateResult, Created, Defaults, TopicRef};
use crate::controller::{CommitError, TopicError};
use crate::limits::{CONTROLLER_PATIENCE, NEWS_PATIENCE};
use crate::request::RequestContext;
use crate::services::Services;

/// The operations on a topic, a bit each, that everybody has while there is no authoriser: read,
/// write, create, delete, alter, describe, and those on its configs.
pub(super) const TOPIC_OPERATIONS: i32 =
    1 << 3 | 1 << 4 | 1 << 5 | 1 << 6 | 1 << 7 | 1 << 8 | 1 << 10 | 1 << 11;

pub(super) async fn create(
    _context: RequestContext,
    services: &Services,
    request: CreateTopicsRequest,
) -> CreateTopicsResponse {
    create_here(services, request).await
}

/// Creates topics as the active controller.
pub(super) async fn create_here(
    services: &Services,
    request: CreateTopicsRequest,
) -> CreateTopicsResponse {
    let topics = request.topics.clone();
    let results = match commit_create(services, request.topics, request.validate_only).await {
        Ok(results) => results,
        Err(problem) => {
            let error_code = code_of_commit_error(&problem);
            error!("topics could not be created: {problem}");
            let failed = topics.into_iter().map(|topic| CreatableTopicResult {
                name: topic.name,
                error_code,
                error_message: Some(problem.to_string()),
                ..CreatableTopicResult::default()
            });
            return CreateTopicsResponse {
                topics: failed.collect(),
                ..CreateTopicsResponse::default()
            };
        }
    };
    let held = services.configs.layers(&services.image());
    let mut described = HashMap::new();
    let topics = results.into_iter().map(|(name, result)| match result {
        Ok(created) => created_result(&held, &mut described, name, created),
        Err(problem) => CreatableTopicResult {
            name,
            error_code: code_of_topic_error(&problem),
            error_message: Some(problem.to_string()),
            configs: Some(Vec::new()),
            ..CreatableTopicResult::default()
        },
    });
    CreateTopicsResponse { topics: topics.collect(), ..CreateTopicsResponse::default() }
}

/// Creates topics that were only mentioned, with the broker's defaults; `__consumer_offsets` and
/// its like with the settings that they need.
///
/// The controller does that, wherever it is; what it refused is told by name. What was created is
/// known here when this returns, as a rule.
pub(crate) async fn create_automatically(
    services: &Arc<Services>,
    names: &[String],
) -> HashMap<String, (ErrorCode, String)> {
    let topics = names.iter().map(|name| automatic(services, name.clone())).collect();
    let timeout_ms = i32::try_from(CONTROLLER_PATIENCE.as_millis()).unwrap_or(i32::MAX);
    let request = CreateTopicsRequest { topics, timeout_ms, validate_only: false };
    let created = services.channel.send(services, &request, CONTROLLER_PATIENCE).await;
    let failed: HashMap<String, (ErrorCode, String)> = match created {
        Ok(response) => {
            let failed = response.topics.into_iter().filter(|topic| topic.error_code.is_error());
            failed
                .map(|topic| {
                    let text = topic.error_message.unwrap_or_default();
                    (topic.name, (topic.error_code, text))
                })
                .collect()
        }
        Err(problem) => {
            let (code, text) = (code_of_channel_error(&problem), problem.to_string());
            names.iter().map(|name| (name.clone(), (code, text.clone()))).collect()
        }
    };
    let awaited: Vec<&String> = names.iter().filter(|name| !failed.contains_key(*name)).collect();
    let is_known = |image: &Image| awaited.iter().all(|name| image.topic(name).is_some());
    services.controller.until(is_known, NEWS_PATIENCE).await;
    failed
}

fn automatic(services: &Services, name: String) -> CreatableTopic {
    let mut topic = CreatableTopic {
        name,
        num_partitions: -1,
        replication_factor: -1,
        ..CreatableTopic::default()
    };
    if topic.name == names::CONSUMER_OFFSETS {
        let offsets = &services.config.settings.offsets_topic;
        topic.num_partitions = offsets.partitions;
        // Books leave this at 3 on a single node, where only 1 can be.
        let alive = services.image().brokers().filter(|broker| !broker.fenced).count();
        let most = i16::try_from(alive).unwrap_or(i16::MAX).max(1);
        topic.replication_factor = offsets.replication_factor.min(most);
        let config = |name: &str, value: &str| CreatableTopicConfig {
            name: name.to_owned(),
            value: Some(value.to_owned()),
        };
        topic.configs = vec![
            config("cleanup.policy", "compact"),
            config("segment.bytes", &offsets.segment_bytes.to_string()),
        ];
    }
    topic
}

async fn commit_create(
    services: &Services,
    topics: Vec<CreatableTopic>,
    validate_only: bool,
) -> Result<Vec<CreateResult>, CommitError> {
    let config = &services.config.settings.topics;
    let defaults = Defaults {
        partitions: config.partitions,
        replication_factor: config.replication_factor,
        start: rand::random::<u16>().into(),
    };
    let configs = services.configs.clone();
    let decision = services.controller.commit(move |image| {
        let fit = |layer: &_| configs.check_topic(image, layer).map_err(TopicError::Unfit);
        let mut outcome = decide::create(image, &topics, defaults, fit);
        if validate_only {
            outcome.records.clear();
        }
        (outcome.records, outcome.results)
    });
    decision.await
}

/// What topics with the same settings are all told of them.
type Described = HashMap<ConfigMap, Vec<CreatableTopicConfigs>>;

fn created_result(
    held: &HeldLayers,
    described: &mut Described,
    name: String,
    created: Created,
) -> CreatableTopicResult {
    let configs = described.entry(created.configs).or_insert_with_key(|own| {
        let mut entries = describe_topic(own, &held.layers());
        // As Kafka orders them: the topic's own, the broker's, then defaults; by name within each.
        entries.sort_by_key(|entry| (entry.source.code(), entry.key.name));
        entries.into_iter().map(topic_config).collect()
    });
    CreatableTopicResult {
        name,
        error_message: None,
        topic_id: created.id,
        num_partitions: i32::try_from(created.partitions).unwrap_or(i32::MAX),
        replication_factor: i16::try_from(created.replication_factor).unwrap_or(i16::MAX),
        configs: Some(configs.clone()),
        ..CreatableTopicResult::default()
    }
}

fn topic_config(entry: Entry) -> CreatableTopicConfigs {
    CreatableTopicConfigs {
        name: entry.key.name.to_owned(),
        value: entry.value,
        read_only: false,
        config_source: Source::code(entry.source),
        is_sensitive: entry.key.is_sensitive(),
    }
}

pub(super) async fn delete(
    context: RequestContext,
    services: &Services,
    request: DeleteTopicsRequest,
) -> DeleteTopicsResponse {
    let mut wanted = Vec::new();
    let mut responses = Vec::new();
    for name in request.topic_names {
        wanted.push(TopicRef::Name(name));
    }
    for topic in request.topics {
        match (topic.name, topic.topic_id) {
            (Some(name), id) if id == Uuid::nil() => wanted.push(TopicRef::Name(name)),
            (None, id) if id != Uuid::nil() => wanted.push(TopicRef::Id(id)),
            (name, topic_id) => {
                let text = match &name {
                    Some(_) => "You may not specify both topic name and topic id.",
                    None => "Neither topic name nor id were specified.",
                };
                responses.push(DeletableTopicResult {
                    name,
                    topic_id,
                    error_code: ErrorCode::InvalidRequest,
                    error_message: Some(text.to_owned()),
                });
            }
        }
    }
    if !services.config.settings.topics.delete {
        let code = match context.version {
            ..3 => ErrorCode::InvalidRequest,
            _ => code_of_topic_error(&TopicError::DeletionDisabled),
        };
        let text = TopicError::DeletionDisabled.to_string();
        responses.extend(wanted.into_iter().map(|topic| not_deleted(topic, code, &text)));
        return DeleteTopicsResponse { responses, ..DeleteTopicsResponse::default() };
    }
    let asked = wanted.clone();
    let decision = services.controller.commit(move |image| {
        let outcome = decide::delete(image, &asked);
        (outcome.records, outcome.results)
    });
    match decision.await {
        Ok(results) => {
            let gone = results.iter().filter_map(|(_, result)| result.as_ref().ok());
            forget_offsets(services, gone.map(|topic| topic.name.to_string()).collect()).await;
            responses.extend(results.into_iter().map(|(topic, result)| match result {
                Ok(gone) => DeletableTopicResult {
                    name: Some(gone.name.to_string()),
                    topic_id: gone.id,
                    ..DeletableTopicResult::default()
                },
                Err(problem) => {
                    not_deleted(topic, code_of_topic_error(&problem), &problem.to_string())
                }
            }));
        }
        Err(problem) => {
            error!("topics could not be deleted: {problem}");
            let (code, text) = (code_of_commit_error(&problem), problem.to_string());
            responses.extend(wanted.into_iter().map(|topic| not_deleted(topic, code, &text)));
        }
    }
    DeleteTopicsResponse { responses, ..DeleteTopicsResponse::default() }
}

/// What groups committed for topics that are gone is removed; without its own topic nothing of them
/// is left.
async fn forget_offsets(services: &Services, gone: Vec<String>) {
    if gone.iter().any(|name| name == names::CONSUMER_OFFSETS) {
        services.groups.unload();
        return;
    }
    if let Err(problem) = services.groups.forget_topics(&gone).await {
        error!("offsets committed for {} stay: {problem}", gone.join(", "));
    }
}

fn not_deleted(topic: TopicRef, error_code: ErrorCode, text: &str) -> DeletableTopicResult {
    let (name, topic_id) = match topic {
        TopicRef::Name(name) => (Some(name), Uuid::nil()),
        TopicRef::Id(id) => (None, id),
    };
    DeletableTopicResult { name, topic_id, error_code, error_message: Some(text.to_owned()) }
}

pub(super) async fn create_partitions(
    _context: RequestContext,
    services: &Services,
    request: CreatePartitionsRequest,
) -> CreatePartitionsResponse {
    let names: Vec<String> = request.topics.iter().map(|topic| topic.name.clone()).collect();
    let start = rand::random::<u16>().into();
    let decision = services.controller.commit(move |image| {
        let mut outcome = decide::grow(image, &request.topics, start);
        if request.validate_only {
            outcome.records.clear();
        }
        (outcome.records, outcome.results)
    });
    let results = match decision.await {
        Ok(results) => results
            .into_iter()
            .map(|(name, result)| {
                let error_code = result.as_ref().err().map_or(ErrorCode::None, code_of_topic_error);
                // Of an unknown topic Kafka sends the code alone.
                let told = result.err().filter(|problem| *problem != TopicError::UnknownTopic);
                let error_message = told.map(|problem| problem.to_string());
                CreatePartitionsTopicResult { name, error_code, error_message }
            })
            .collect(),
        Err(problem) => {
            error!("partitions could not be created: {problem}");
            let error_code = code_of_commit_error(&problem);
            let failed = names.into_iter().map(|name| CreatePartitionsTopicResult {
                name,
                error_code,
                error_message: Some(problem.to_string()),
            });
            failed.collect()
        }
    };
    CreatePartitionsResponse { results, ..CreatePartitionsResponse::default() }
}
