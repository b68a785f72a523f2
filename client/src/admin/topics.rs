//! Creating, deleting, growing and describing topics.

use std::collections::BTreeMap;

use protocol::messages::create_partitions_request::{
    CreatePartitionsAssignment, CreatePartitionsRequest, CreatePartitionsTopic,
};
use protocol::messages::create_topics_request::{
    CreatableReplicaAssignment, CreatableTopic, CreatableTopicConfig, CreateTopicsRequest,
};
use protocol::messages::delete_topics_request::{DeleteTopicState, DeleteTopicsRequest};
use protocol::messages::describe_topic_partitions_request::{
    Cursor, DescribeTopicPartitionsRequest, TopicRequest,
};
use protocol::messages::describe_topic_partitions_response as paged;
use protocol::messages::metadata_request::{MetadataRequest, MetadataRequestTopic};
use protocol::messages::metadata_response::MetadataResponseTopic;
use protocol::{ErrorCode, Message as _};
use uuid::Uuid;

use super::{Admin, PerItem, complete, item};
use crate::cluster::Lane;
use crate::error::{AdminError, RequestError};
use crate::limits;

/// How many partitions a new topic has and where their replicas are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Placement {
    /// The brokers place the replicas; `None` takes the broker's default.
    Automatic {
        /// How many partitions.
        partitions: Option<i32>,
        /// How many replicas of each.
        replication_factor: Option<i16>,
    },
    /// Replicas by partition, the preferred leader first.
    Assigned(BTreeMap<i32, Vec<i32>>),
}

/// A topic to create.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewTopic {
    /// Its name.
    pub name: String,
    /// Its partitions.
    pub placement: Placement,
    /// Its configuration where it differs from the broker's.
    pub configs: BTreeMap<String, String>,
}

impl NewTopic {
    /// A topic placed by the brokers.
    pub fn new(name: impl Into<String>, partitions: i32, replication_factor: i16) -> Self {
        let placement = Placement::Automatic {
            partitions: Some(partitions),
            replication_factor: Some(replication_factor),
        };
        Self { name: name.into(), placement, configs: BTreeMap::new() }
    }

    /// The same with a configuration.
    pub fn config(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.configs.insert(key.into(), value.into());
        self
    }
}

/// What the broker says of a topic that it has created, or would create.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CreatedTopic {
    /// Its id, where the broker gives one.
    pub id: Option<Uuid>,
    /// How many partitions, where the broker says so.
    pub partitions: Option<i32>,
    /// How many replicas of each, where the broker says so.
    pub replication_factor: Option<i16>,
}

/// A topic that is to have more partitions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewPartitions {
    /// How many it is to have in all.
    pub total: i32,
    /// Replicas of each partition that is added, where the brokers are not to place them.
    pub assignments: Option<Vec<Vec<i32>>>,
}

/// A topic's name among all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TopicListing {
    /// Its name.
    pub name: String,
    /// Its id, where the broker gives one.
    pub id: Option<Uuid>,
    /// Whether Kafka itself made it.
    pub is_internal: bool,
}

/// A topic with its partitions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TopicDescription {
    /// Its name.
    pub name: String,
    /// Its id, where the broker gives one.
    pub id: Option<Uuid>,
    /// Whether Kafka itself made it.
    pub is_internal: bool,
    /// Its partitions in order.
    pub partitions: Vec<PartitionDescription>,
}

/// A partition and its replicas.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartitionDescription {
    /// Its number.
    pub partition: i32,
    /// The leader, unless there is none at the moment.
    pub leader: Option<i32>,
    /// The leader's epoch.
    pub leader_epoch: i32,
    /// All replicas.
    pub replicas: Vec<i32>,
    /// The replicas that are in sync.
    pub isr: Vec<i32>,
    /// Eligible leader replicas (KIP-966), where the broker says.
    pub eligible_leader_replicas: Option<Vec<i32>>,
    /// Last known eligible leader replicas, where the broker says.
    pub last_known_elr: Option<Vec<i32>>,
    /// Replicas that are not available.
    pub offline: Vec<i32>,
}

impl Admin {
    /// Creates topics, or only checks that it could.
    pub async fn create_topics(
        &self,
        topics: &[NewTopic],
        validate_only: bool,
    ) -> Result<PerItem<String, CreatedTopic>, AdminError> {
        let request = CreateTopicsRequest {
            topics: topics.iter().map(creatable).collect(),
            timeout_ms: self.timeout_ms(),
            validate_only,
        };
        let subject = joined(topics.iter().map(|topic| topic.name.as_str()));
        let codes = |response: &protocol::messages::CreateTopicsResponse| {
            response.topics.iter().map(|topic| topic.error_code).collect()
        };
        let response = self.on_controller(&subject, &request, codes).await?;
        let mut results = BTreeMap::new();
        for topic in response.topics {
            let created = CreatedTopic {
                id: (!topic.topic_id.is_nil()).then_some(topic.topic_id),
                partitions: (topic.num_partitions > 0).then_some(topic.num_partitions),
                replication_factor: (topic.replication_factor > 0)
                    .then_some(topic.replication_factor),
            };
            let api = CreateTopicsRequest::NAME;
            let (code, message) = (topic.error_code, topic.error_message);
            let result = item(api, &topic.name, code, message, created);
            results.insert(topic.name, result);
        }
        complete(CreateTopicsRequest::NAME, topics.iter().map(|t| t.name.clone()), &mut results);
        Ok(results)
    }

    /// Deletes topics by name.
    pub async fn delete_topics(
        &self,
        topics: &[String],
    ) -> Result<PerItem<String, ()>, AdminError> {
        let states = topics
            .iter()
            .map(|name| DeleteTopicState { name: Some(name.clone()), ..Default::default() });
        let by_state = DeleteTopicsRequest {
            topics: states.collect(),
            timeout_ms: self.timeout_ms(),
            ..Default::default()
        };
        let by_name = DeleteTopicsRequest {
            topic_names: topics.to_vec(),
            timeout_ms: self.timeout_ms(),
            ..Default::default()
        };
        let connection = self.cluster.any_connection().await?;
        let version = connection.version::<DeleteTopicsRequest>().map_err(RequestError::from)?;
        let request = if version >= 6 { by_state } else { by_name };
        let codes = |response: &protocol::messages::DeleteTopicsResponse| {
            response.responses.iter().map(|topic| topic.error_code).collect()
        };
        let subject = joined(topics.iter().map(String::as_str));
        let response = self.on_controller(&subject, &request, codes).await?;
        let mut results = BTreeMap::new();
        for topic in response.responses {
            let name = topic.name.unwrap_or_default();
            let api = DeleteTopicsRequest::NAME;
            let result = item(api, &name, topic.error_code, topic.error_message, ());
            results.insert(name, result);
        }
        complete(DeleteTopicsRequest::NAME, topics.iter().cloned(), &mut results);
        Ok(results)
    }

    /// Adds partitions to topics, or only checks that it could.
    pub async fn create_partitions(
        &self,
        topics: &BTreeMap<String, NewPartitions>,
        validate_only: bool,
    ) -> Result<PerItem<String, ()>, AdminError> {
        let wanted = topics.iter().map(|(name, new)| CreatePartitionsTopic {
            name: name.clone(),
            count: new.total,
            assignments: new.assignments.as_ref().map(|assignments| {
                let brokers = assignments.iter().cloned();
                brokers.map(|broker_ids| CreatePartitionsAssignment { broker_ids }).collect()
            }),
        });
        let request = CreatePartitionsRequest {
            topics: wanted.collect(),
            timeout_ms: self.timeout_ms(),
            validate_only,
        };
        let codes = |response: &protocol::messages::CreatePartitionsResponse| {
            response.results.iter().map(|topic| topic.error_code).collect()
        };
        let subject = joined(topics.keys().map(String::as_str));
        let response = self.on_controller(&subject, &request, codes).await?;
        let mut results = BTreeMap::new();
        let api = CreatePartitionsRequest::NAME;
        for topic in response.results {
            let result = item(api, &topic.name, topic.error_code, topic.error_message, ());
            results.insert(topic.name, result);
        }
        complete(api, topics.keys().cloned(), &mut results);
        Ok(results)
    }

    /// The names of all topics, in order.
    pub async fn list_topics(&self) -> Result<Vec<TopicListing>, AdminError> {
        let request = MetadataRequest { topics: None, ..no_creation() };
        let attempt = || self.cluster.send_any(&request);
        let response = self.cluster.retrying(MetadataRequest::NAME, "all topics", attempt).await?;
        let mut listings: Vec<TopicListing> = response
            .topics
            .into_iter()
            .filter_map(|topic| {
                let id = (!topic.topic_id.is_nil()).then_some(topic.topic_id);
                Some(TopicListing { name: topic.name?, id, is_internal: topic.is_internal })
            })
            .collect();
        listings.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(listings)
    }

    /// Describes topics by name: page by page where the broker can, else by Metadata.
    pub async fn describe_topics(
        &self,
        topics: &[String],
    ) -> Result<PerItem<String, TopicDescription>, AdminError> {
        if topics.is_empty() {
            return Ok(BTreeMap::new());
        }
        let subject = joined(topics.iter().map(String::as_str));
        let api = DescribeTopicPartitionsRequest::NAME;
        let paged = self.cluster.retrying(api, &subject, || self.describe_paged(topics));
        let mut results = match paged.await {
            Err(error) if error.is_unsupported() => self.describe_by_metadata(topics).await?,
            described => described?,
        };
        complete(api, topics.iter().cloned(), &mut results);
        Ok(results)
    }

    async fn describe_paged(
        &self,
        topics: &[String],
    ) -> Result<PerItem<String, TopicDescription>, RequestError> {
        let mut names: Vec<String> = topics.to_vec();
        names.sort_unstable();
        names.dedup();
        let mut results = BTreeMap::new();
        let mut cursor: Option<Cursor> = None;
        let connection = self.cluster.any_connection().await?;
        for _ in 0..limits::DESCRIBE_PAGES_MAX {
            let from = cursor.as_ref().map_or("", |cursor| cursor.topic_name.as_str());
            let rest = names.iter().filter(|name| name.as_str() >= from);
            let request = DescribeTopicPartitionsRequest {
                topics: rest.map(|name| TopicRequest { name: name.clone() }).collect(),
                response_partition_limit: limits::DESCRIBE_PAGE_PARTITIONS,
                cursor: cursor.take(),
            };
            let response = connection.send(&request).await?;
            for topic in response.topics {
                add_page(&mut results, topic);
            }
            match response.next_cursor {
                None => break,
                Some(next) => {
                    cursor = Some(Cursor {
                        topic_name: next.topic_name,
                        partition_index: next.partition_index,
                    });
                }
            }
        }
        Ok(results)
    }

    async fn describe_by_metadata(
        &self,
        topics: &[String],
    ) -> Result<PerItem<String, TopicDescription>, AdminError> {
        let named = topics
            .iter()
            .map(|name| MetadataRequestTopic { name: Some(name.clone()), ..Default::default() });
        let request = MetadataRequest { topics: Some(named.collect()), ..no_creation() };
        let subject = joined(topics.iter().map(String::as_str));
        let attempt = || self.cluster.send_any(&request);
        let response = self.cluster.retrying(MetadataRequest::NAME, &subject, attempt).await?;
        let described = response.topics.into_iter().filter_map(|topic| {
            let name = topic.name.clone()?;
            let code = topic.error_code;
            let result =
                item(MetadataRequest::NAME, &name, code, None, from_metadata(&name, topic));
            Some((name, result))
        });
        Ok(described.collect())
    }

    /// The versions that one broker serves, through a connection of the admin's own.
    pub(super) async fn connection(
        &self,
        node: i32,
    ) -> Result<crate::connection::Connection, RequestError> {
        self.cluster.connection(node, Lane::General).await
    }
}

fn no_creation() -> MetadataRequest {
    MetadataRequest { allow_auto_topic_creation: false, ..Default::default() }
}

fn joined<'a>(names: impl Iterator<Item = &'a str>) -> String {
    names.collect::<Vec<_>>().join(",")
}

fn creatable(topic: &NewTopic) -> CreatableTopic {
    let configs = topic.configs.iter().map(|(name, value)| CreatableTopicConfig {
        name: name.clone(),
        value: Some(value.clone()),
    });
    let mut creatable = CreatableTopic {
        name: topic.name.clone(),
        num_partitions: -1,
        replication_factor: -1,
        configs: configs.collect(),
        ..Default::default()
    };
    match &topic.placement {
        Placement::Automatic { partitions, replication_factor } => {
            creatable.num_partitions = partitions.unwrap_or(-1);
            creatable.replication_factor = replication_factor.unwrap_or(-1);
        }
        Placement::Assigned(replicas) => {
            let assignments = replicas.iter().map(|(index, brokers)| CreatableReplicaAssignment {
                partition_index: *index,
                broker_ids: brokers.clone(),
            });
            creatable.assignments = assignments.collect();
        }
    }
    creatable
}

/// Adds one page's part of a topic, whose earlier partitions may have come with the page before.
fn add_page(
    results: &mut PerItem<String, TopicDescription>,
    topic: paged::DescribeTopicPartitionsResponseTopic,
) {
    let Some(name) = topic.name else { return };
    let partitions = topic.partitions.into_iter().map(|partition| PartitionDescription {
        partition: partition.partition_index,
        leader: (partition.leader_id >= 0).then_some(partition.leader_id),
        leader_epoch: partition.leader_epoch,
        replicas: partition.replica_nodes,
        isr: partition.isr_nodes,
        eligible_leader_replicas: partition.eligible_leader_replicas,
        last_known_elr: partition.last_known_elr,
        offline: partition.offline_replicas,
    });
    if let Some(Ok(known)) = results.get_mut(&name) {
        known.partitions.extend(partitions);
        return;
    }
    let description = TopicDescription {
        name: name.clone(),
        id: (!topic.topic_id.is_nil()).then_some(topic.topic_id),
        is_internal: topic.is_internal,
        partitions: partitions.collect(),
    };
    let api = DescribeTopicPartitionsRequest::NAME;
    let result = item(api, &name, topic.error_code, None, description);
    results.insert(name, result);
}

fn from_metadata(name: &str, topic: MetadataResponseTopic) -> TopicDescription {
    let partitions = topic.partitions.into_iter().map(|partition| PartitionDescription {
        partition: partition.partition_index,
        leader: (partition.leader_id >= 0).then_some(partition.leader_id),
        leader_epoch: partition.leader_epoch,
        replicas: partition.replica_nodes,
        isr: partition.isr_nodes,
        eligible_leader_replicas: None,
        last_known_elr: None,
        offline: partition.offline_replicas,
    });
    let mut partitions: Vec<PartitionDescription> = partitions.collect();
    partitions.sort_by_key(|partition| partition.partition);
    TopicDescription {
        name: name.to_owned(),
        id: (!topic.topic_id.is_nil()).then_some(topic.topic_id),
        is_internal: topic.is_internal,
        partitions,
    }
}

/// Whether a topic is there; other errors stay errors.
impl Admin {
    /// Whether `topic` exists.
    pub async fn topic_exists(&self, topic: &str) -> Result<bool, AdminError> {
        let name = topic.to_owned();
        let mut described = self.describe_topics(std::slice::from_ref(&name)).await?;
        match described.remove(&name) {
            Some(Ok(_)) => Ok(true),
            Some(Err(error)) if error.code() == Some(ErrorCode::UnknownTopicOrPartition) => {
                Ok(false)
            }
            Some(Err(error)) => Err(error),
            None => Ok(false),
        }
    }
}
