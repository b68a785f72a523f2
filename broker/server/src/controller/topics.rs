//! What becomes of requests to create, grow and delete topics: pure decisions on an image.
//!
//! Each takes one request, all its topics at once, and gives the records to commit and a result a
//! topic, in the order of the request. Refused topics leave no record.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use broker_cluster::controller::{new_partitions, usable_brokers};
use broker_metadata::config::{ChangeError, check_layer, topic_table};
use broker_metadata::names::{self, InvalidTopicName};
use broker_metadata::placement::{PlacementError, place};
use broker_metadata::{ConfigMap, Image, MetadataRecord, TopicImage};
use protocol::messages::create_partitions_request::CreatePartitionsTopic;
use protocol::messages::create_topics_request::CreatableTopic;
use protocol::messages::{ConfigRecord, RemoveTopicRecord, TopicRecord};
use thiserror::Error;
use uuid::Uuid;

use crate::limits::PARTITIONS_PER_REQUEST;

/// Why a topic is not created, grown or deleted. The texts are Kafka's, where it has one.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub(crate) enum TopicError {
    #[error(transparent)]
    Name(#[from] InvalidTopicName),
    #[error("Topic {name} is the cluster's own log and can't be created as a topic.")]
    Reserved { name: String },
    #[error("Topic '{name}' already exists.")]
    Exists { name: String },
    #[error("Topic '{name}' collides with existing topic: {other}")]
    Collides { name: String, other: String },
    #[error("Duplicate topic name.")]
    Duplicate,
    #[error("{0}")]
    PartitionCount(String),
    #[error("Replication factor must be larger than 0, or -1 to use the default value.")]
    ReplicationFactor,
    #[error(transparent)]
    Placement(#[from] PlacementError),
    #[error("{0}")]
    Assignment(String),
    #[error("{0}")]
    Request(String),
    #[error(transparent)]
    Config(#[from] ChangeError),
    #[error("{0}")]
    Unfit(String),
    #[error("Null value not supported for topic configs: {name}")]
    NullConfig { name: String },
    #[error(
        "Excessively large number of partitions per request: {count}, the limit is {limit}.",
        limit = PARTITIONS_PER_REQUEST
    )]
    TooManyPartitions { count: usize },
    #[error("This server does not host this topic-partition.")]
    UnknownTopic,
    #[error("This server does not host this topic ID.")]
    UnknownTopicId,
    #[error("Topic deletion is disabled: delete.topic.enable is false.")]
    DeletionDisabled,
}

/// What a topic gets where its request leaves it to the broker.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Defaults {
    pub(crate) partitions: i32,
    pub(crate) replication_factor: i16,
    /// Chance, drawn by the caller: where the placement of replicas begins.
    pub(crate) start: usize,
}

/// A topic that the records make.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Created {
    pub(crate) id: Uuid,
    pub(crate) partitions: usize,
    pub(crate) replication_factor: usize,
    pub(crate) configs: ConfigMap,
}

/// Records to commit and what to answer.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Outcome<T> {
    pub(crate) records: Vec<MetadataRecord>,
    pub(crate) results: Vec<T>,
}

pub(crate) type CreateResult = (String, Result<Created, TopicError>);

/// CreateTopics. A name that the request holds twice has one result, a refusal. A request for more
/// partitions than one may make is refused as a whole, before anything else is looked at, as
/// Kafka's controller does. `fit` says whether settings that are right each by itself go together;
/// it is asked once for all topics that have the same.
pub(crate) fn create(
    image: &Image,
    topics: &[CreatableTopic],
    defaults: Defaults,
    fit: impl Fn(&ConfigMap) -> Result<(), TopicError>,
) -> Outcome<CreateResult> {
    let mut seen: HashMap<&str, usize> = HashMap::new();
    for topic in topics {
        *seen.entry(&topic.name).or_default() += 1;
    }
    let mut outcome = Outcome { records: Vec::new(), results: Vec::new() };
    let mut done = HashSet::new();
    let count = topics.iter().map(|topic| partitions_asked(topic, defaults)).sum();
    if count > PARTITIONS_PER_REQUEST {
        let names =
            topics.iter().map(|topic| &topic.name).filter(|name| done.insert(name.as_str()));
        let refuse = |name: &String| (name.clone(), Err(TopicError::TooManyPartitions { count }));
        outcome.results.extend(names.map(refuse));
        return outcome;
    }
    let collisions = collision_index(image, topics);
    let mut fitting: HashMap<ConfigMap, Result<(), TopicError>> = HashMap::new();
    for topic in topics {
        if !done.insert(topic.name.as_str()) {
            continue;
        }
        let result = if seen[topic.name.as_str()] > 1 {
            Err(TopicError::Duplicate)
        } else {
            create_one(image, topic, defaults, &collisions)
        };
        let result = result.and_then(|(created, records)| {
            match fitting.get(&created.configs) {
                Some(known) => known.clone()?,
                None => {
                    let known = fit(&created.configs);
                    fitting.insert(created.configs.clone(), known.clone());
                    known?;
                }
            }
            outcome.records.extend(records);
            Ok(created)
        });
        outcome.results.push((topic.name.clone(), result));
    }
    outcome
}

/// How many partitions a topic is to have; one that can't be counts for none.
fn partitions_asked(topic: &CreatableTopic, defaults: Defaults) -> usize {
    let asked = match (topic.assignments.len(), topic.num_partitions) {
        (0, -1) => defaults.partitions,
        (0, asked) => asked,
        (assigned, _) => return assigned,
    };
    usize::try_from(asked).unwrap_or(0)
}

fn create_one(
    image: &Image,
    topic: &CreatableTopic,
    defaults: Defaults,
    collisions: &HashMap<String, Arc<str>>,
) -> Result<(Created, Vec<MetadataRecord>), TopicError> {
    let name = &topic.name;
    names::validate(name)?;
    if name == names::CLUSTER_METADATA {
        return Err(TopicError::Reserved { name: name.clone() });
    }
    if image.topic(name).is_some() {
        return Err(TopicError::Exists { name: name.clone() });
    }
    if let Some(other) = collisions.get(&names::collision_key(name)) {
        return Err(TopicError::Collides { name: name.clone(), other: other.to_string() });
    }
    let replicas = if topic.assignments.is_empty() {
        placed(image, topic, defaults)?
    } else {
        assigned(image, topic)?
    };
    let configs = configs_of(topic)?;
    check_layer(topic_table(), "topic", &configs)?;
    let id = new_topic_id(image);
    let mut records = vec![MetadataRecord::Topic(TopicRecord { name: name.clone(), topic_id: id })];
    records.extend(configs.iter().map(|(key, value)| {
        MetadataRecord::Config(ConfigRecord {
            resource_type: broker_metadata::ConfigResource::Topic.code(),
            resource_name: name.clone(),
            name: key.clone(),
            value: Some(value.clone()),
        })
    }));
    records.extend(partition_records(image, id, 0, &replicas)?);
    let replication_factor = replicas.first().map_or(0, Vec::len);
    let created = Created { id, partitions: replicas.len(), replication_factor, configs };
    Ok((created, records))
}

/// Existing topics that any of the new names could collide with, by their common form.
fn collision_index(image: &Image, topics: &[CreatableTopic]) -> HashMap<String, Arc<str>> {
    if !topics.iter().any(|topic| names::has_collision_chars(&topic.name)) {
        return HashMap::new();
    }
    let existing = image.topics().filter(|topic| names::has_collision_chars(&topic.name));
    existing.map(|topic| (names::collision_key(&topic.name), topic.name.clone())).collect()
}

fn placed(
    image: &Image,
    topic: &CreatableTopic,
    defaults: Defaults,
) -> Result<Vec<Vec<i32>>, TopicError> {
    let count = match topic.num_partitions {
        -1 => defaults.partitions,
        count => count,
    };
    let count = usize::try_from(count).ok().filter(|count| *count > 0).ok_or_else(|| {
        let text = "Number of partitions was set to an invalid non-positive value.";
        TopicError::PartitionCount(text.to_owned())
    })?;
    let factor = match topic.replication_factor {
        -1 => defaults.replication_factor,
        factor => factor,
    };
    let factor = usize::try_from(factor).ok().filter(|factor| *factor > 0);
    let factor = factor.ok_or(TopicError::ReplicationFactor)?;
    Ok(place(&usable_brokers(image), count, factor, defaults.start)?)
}

fn assigned(image: &Image, topic: &CreatableTopic) -> Result<Vec<Vec<i32>>, TopicError> {
    if topic.replication_factor != -1 || topic.num_partitions != -1 {
        let field =
            if topic.replication_factor != -1 { "replication factor" } else { "numPartitions" };
        return Err(TopicError::Request(format!(
            "A manual partition assignment was specified, but {field} was not set to -1."
        )));
    }
    let mut by_index = BTreeMap::new();
    for assignment in &topic.assignments {
        let index = assignment.partition_index;
        if by_index.insert(index, assignment.broker_ids.clone()).is_some() {
            return Err(TopicError::Assignment(format!(
                "Found multiple manual partition assignments for partition {index}"
            )));
        }
    }
    let consecutive =
        by_index.keys().enumerate().all(|(place, index)| place as i64 == i64::from(*index));
    if !consecutive {
        let text = "partitions should be a consecutive 0-based integer sequence";
        return Err(TopicError::Assignment(text.to_owned()));
    }
    let replicas: Vec<Vec<i32>> = by_index.into_values().collect();
    let factor = replicas.first().map_or(0, Vec::len);
    check_assignments(image, &replicas, factor)?;
    Ok(replicas)
}

/// Each assignment must name `factor` brokers, all registered, none twice.
fn check_assignments(image: &Image, all: &[Vec<i32>], factor: usize) -> Result<(), TopicError> {
    for replicas in all {
        let problem = if replicas.is_empty() {
            Some("The manual partition assignment includes an empty replica list.".to_owned())
        } else if replicas.len() != factor {
            Some(format!(
                "The manual partition assignment includes a partition with {} replica(s), but \
                 this is not consistent with previous partitions, which have {factor} replica(s).",
                replicas.len()
            ))
        } else {
            assignment_problem(image, replicas)
        };
        if let Some(problem) = problem {
            return Err(TopicError::Assignment(problem));
        }
    }
    Ok(())
}

fn assignment_problem(image: &Image, replicas: &[i32]) -> Option<String> {
    let mut seen = BTreeSet::new();
    replicas.iter().find_map(|id| {
        if image.broker(*id).is_none() {
            return Some(format!(
                "The manual partition assignment includes broker {id}, but no such broker is \
                 registered."
            ));
        }
        (!seen.insert(id)).then(|| {
            format!("The manual partition assignment includes the broker {id} more than once.")
        })
    })
}

fn configs_of(topic: &CreatableTopic) -> Result<ConfigMap, TopicError> {
    let mut configs = ConfigMap::new();
    for config in &topic.configs {
        let name = config.name.clone();
        match &config.value {
            Some(value) => configs.insert(name, value.clone()),
            None => return Err(TopicError::NullConfig { name }),
        };
    }
    Ok(configs)
}

/// Random ids that look like options on a command line, or stand for "none", are drawn again.
fn new_topic_id(image: &Image) -> Uuid {
    loop {
        let id = Uuid::new_v4();
        if image.topic_by_id(id).is_none() && !broker_log::print_id(id).starts_with('-') {
            return id;
        }
    }
}

fn partition_records(
    image: &Image,
    topic_id: Uuid,
    first: usize,
    all: &[Vec<i32>],
) -> Result<Vec<MetadataRecord>, TopicError> {
    let first = i32::try_from(first).expect("a topic has no more partitions than numbers");
    let made = new_partitions(image, topic_id, first, all);
    made.map_err(|nobody| TopicError::Assignment(nobody.to_string()))
}

pub(crate) type GrowResult = (String, Result<(), TopicError>);

/// CreatePartitions.
pub(crate) fn grow(
    image: &Image,
    topics: &[CreatePartitionsTopic],
    start: usize,
) -> Outcome<GrowResult> {
    let mut outcome = Outcome { records: Vec::new(), results: Vec::new() };
    let mut seen: HashMap<&str, usize> = HashMap::new();
    for topic in topics {
        *seen.entry(&topic.name).or_default() += 1;
    }
    let mut done = HashSet::new();
    let mut total = 0;
    for topic in topics {
        if !done.insert(topic.name.as_str()) {
            continue;
        }
        let result = if seen[topic.name.as_str()] > 1 {
            Err(TopicError::Duplicate)
        } else {
            grow_one(image, topic, start).and_then(|records| {
                total += records.len();
                if total > PARTITIONS_PER_REQUEST {
                    return Err(TopicError::TooManyPartitions { count: total });
                }
                outcome.records.extend(records);
                Ok(())
            })
        };
        outcome.results.push((topic.name.clone(), result));
    }
    outcome
}

fn grow_one(
    image: &Image,
    request: &CreatePartitionsTopic,
    start: usize,
) -> Result<Vec<MetadataRecord>, TopicError> {
    let topic = image.topic(&request.name).ok_or(TopicError::UnknownTopic)?;
    let present = topic.partitions.len();
    let wanted = usize::try_from(request.count).unwrap_or(0);
    if wanted == present {
        let text = format!("Topic already has {present} partition(s).");
        return Err(TopicError::PartitionCount(text));
    }
    if wanted < present {
        return Err(TopicError::PartitionCount(format!(
            "The topic {} currently has {present} partition(s); {} would not be an increase.",
            request.name, request.count
        )));
    }
    let more = wanted - present;
    if more > PARTITIONS_PER_REQUEST {
        return Err(TopicError::TooManyPartitions { count: more });
    }
    let factor = topic.partitions.front().map_or(1, |partition| partition.replicas.len());
    let replicas = match &request.assignments {
        None => place(&usable_brokers(image), more, factor, start + present)?,
        Some(given) => {
            let given: Vec<Vec<i32>> = given.iter().map(|one| one.broker_ids.clone()).collect();
            if given.len() != more {
                return Err(TopicError::Assignment(format!(
                    "Attempted to add {more} additional partition(s), but only {} assignment(s) \
                     were specified.",
                    given.len()
                )));
            }
            check_assignments(image, &given, factor)?;
            given
        }
    };
    partition_records(image, topic.id, present, &replicas)
}

/// A topic of a DeleteTopics request, by whichever of the two was given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum TopicRef {
    Name(String),
    Id(Uuid),
}

pub(crate) type DeleteResult = (TopicRef, Result<Arc<TopicImage>, TopicError>);

/// DeleteTopics.
pub(crate) fn delete(image: &Image, topics: &[TopicRef]) -> Outcome<DeleteResult> {
    let mut outcome = Outcome { records: Vec::new(), results: Vec::new() };
    let mut gone = HashSet::new();
    for topic in topics {
        let found = match topic {
            TopicRef::Name(name) => image.topic(name).ok_or(TopicError::UnknownTopic),
            TopicRef::Id(id) => image.topic_by_id(*id).ok_or(TopicError::UnknownTopicId),
        };
        let result = found.cloned().and_then(|found| {
            if !gone.insert(found.id) {
                return Err(TopicError::Duplicate);
            }
            let record = RemoveTopicRecord { topic_id: found.id };
            outcome.records.push(MetadataRecord::RemoveTopic(record));
            Ok(found)
        });
        outcome.results.push((topic.clone(), result));
    }
    outcome
}

#[cfg(test)]
#[path = "topics_tests.rs"]
mod tests;
