//! What becomes of requests to change configurations: pure decisions on an image.
//!
//! A request changes many resources; each is changed as a whole or refused as a whole, whatever
//! becomes of the others.

use std::collections::{HashMap, HashSet};

use broker_metadata::config::{
    self, Change, ChangeError, Effect, Layer, broker_table, change, check_dynamic, group_table,
    topic_table,
};
use broker_metadata::names::{self, InvalidTopicName};
use broker_metadata::{ConfigResource, Feature, Image, MetadataRecord};
use protocol::messages::{ClearElrRecord, ConfigRecord};
use thiserror::Error;

/// Why configurations are not described or changed. The texts are Kafka's, where it has one.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub(crate) enum ConfigError {
    #[error("Unexpected resource type {0}.")]
    ResourceType(i8),
    #[error("Each resource must appear at most once.")]
    DuplicateResource,
    #[error("Error due to duplicate config keys")]
    DuplicateKey,
    #[error("Null value not supported for : {0}")]
    NullValue(String),
    #[error("Unknown operation {code} on {name}.")]
    Operation { code: i8, name: String },
    #[error(transparent)]
    TopicName(#[from] InvalidTopicName),
    #[error("The topic '{name}' does not exist.")]
    UnknownTopic { name: String },
    #[error("Broker id must be an integer, but it is: {0}")]
    BrokerId(String),
    #[error("Unexpected broker id, expected {expected} or empty string, but received {received}")]
    OtherBroker { expected: i32, received: i32 },
    #[error("Group name must not be empty.")]
    EmptyGroup,
    #[error("This broker does not collect client metrics yet, so there is nothing to configure.")]
    ClientMetrics,
    #[error("The levels of loggers are set when the broker starts, by RUST_LOG.")]
    Loggers,
    #[error(
        "{0} takes effect when the broker starts: set it in the broker's file and start the broker \
         anew."
    )]
    OnlyAtStart(String),
    #[error(transparent)]
    Dynamic(ChangeError),
    #[error(transparent)]
    Change(#[from] ChangeError),
    #[error("{0}")]
    Unfit(String),
    #[error("The answer is full: ask for fewer resources, or for single keys, at once.")]
    AnswerFull,
}

/// What a configuration belongs to, by its code on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum ResourceType {
    Topic,
    Broker,
    BrokerLogger,
    ClientMetrics,
    Group,
}

impl ResourceType {
    pub(crate) fn of(code: i8) -> Result<Self, ConfigError> {
        match code {
            2 => Ok(ResourceType::Topic),
            4 => Ok(ResourceType::Broker),
            8 => Ok(ResourceType::BrokerLogger),
            16 => Ok(ResourceType::ClientMetrics),
            32 => Ok(ResourceType::Group),
            other => Err(ConfigError::ResourceType(other)),
        }
    }

    pub(crate) fn code(self) -> i8 {
        match self {
            ResourceType::Topic => 2,
            ResourceType::Broker => 4,
            ResourceType::BrokerLogger => 8,
            ResourceType::ClientMetrics => 16,
            ResourceType::Group => 32,
        }
    }
}

/// A resource, as a request names it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Resource {
    pub(crate) type_code: i8,
    pub(crate) name: String,
}

/// One operation of IncrementalAlterConfigs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Operation {
    pub(crate) name: String,
    /// 0 set, 1 delete, 2 append, 3 subtract.
    pub(crate) code: i8,
    pub(crate) value: Option<String>,
}

/// What a request asks of one resource.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Alteration {
    /// AlterConfigs: these are all settings that the resource has from now on.
    Replace(Vec<(String, Option<String>)>),
    Adjust(Vec<Operation>),
}

/// Whether the settings of a topic, or of the named broker, go together; the error is a sentence.
pub(crate) type FitCheck<'a> = &'a dyn Fn(ConfigResource, &str, &Layer) -> Result<(), String>;

/// Records to commit, and a result per resource in the order of the request.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Altered {
    pub(crate) records: Vec<MetadataRecord>,
    pub(crate) results: Vec<Result<(), ConfigError>>,
}

/// Keys that a request sets for brokers and that change nothing, to be told of.
pub(crate) fn hints(resources: &[(Resource, Alteration)]) -> Vec<&'static str> {
    let of_brokers =
        resources.iter().filter(|(resource, _)| resource.type_code == ResourceType::Broker.code());
    let set = of_brokers.flat_map(|(_, alteration)| match alteration {
        Alteration::Replace(pairs) => {
            pairs.iter().map(|(name, value)| (name, value)).collect::<Vec<_>>()
        }
        Alteration::Adjust(operations) => {
            operations.iter().map(|one| (&one.name, &one.value)).collect()
        }
    });
    let set = set.filter_map(|(name, value)| Some((name.as_str(), value.as_deref()?)));
    config::hints(broker_table(), set)
}

pub(crate) fn alter(
    image: &Image,
    node_id: i32,
    resources: &[(Resource, Alteration)],
    fit: FitCheck<'_>,
) -> Altered {
    let mut times: HashMap<&Resource, usize> = HashMap::new();
    for (resource, _) in resources {
        *times.entry(resource).or_default() += 1;
    }
    let mut altered = Altered { records: Vec::new(), results: Vec::new() };
    for (resource, alteration) in resources {
        let result = match times[resource] {
            1 => alter_one(image, node_id, resource, alteration, fit),
            _ => Err(ConfigError::DuplicateResource),
        };
        altered.results.push(result.map(|records| altered.records.extend(records)));
    }
    if has_eligible_replicas(image) {
        let forgotten = forget_eligible(&altered.records);
        altered.records.extend(forgotten);
    }
    altered
}

const MIN_ISR: &str = "min.insync.replicas";

/// Whether replicas that are not in sync may lead, by which `min.insync.replicas` was (KIP-966).
fn has_eligible_replicas(image: &Image) -> bool {
    let level = image.features().get(Feature::EligibleLeaderReplicasVersion.name());
    level.is_some_and(|level| *level >= 1)
}

/// Who was eligible under another `min.insync.replicas` may lack what was committed since.
fn forget_eligible(changes: &[MetadataRecord]) -> Vec<MetadataRecord> {
    let changed = changes.iter().filter_map(|record| match record {
        MetadataRecord::Config(record) if record.name == MIN_ISR => Some(record),
        _ => None,
    });
    let cleared = changed.map(|record| {
        let is_topic = record.resource_type == ConfigResource::Topic.code();
        let topic_name = if is_topic { record.resource_name.clone() } else { String::new() };
        MetadataRecord::ClearElr(ClearElrRecord { topic_name })
    });
    cleared.collect()
}

/// All controllers have to take the same for `min.insync.replicas` while others may be eligible.
fn check_min_isr(image: &Image, broker: &str, after: &[MetadataRecord]) -> Result<(), ConfigError> {
    let mut changed = after.iter().filter_map(|record| match record {
        MetadataRecord::Config(record) if record.name == MIN_ISR => Some(record),
        _ => None,
    });
    let Some(record) = changed.next() else {
        return Ok(());
    };
    if !has_eligible_replicas(image) {
        return Ok(());
    }
    let refused = match (broker.is_empty(), &record.value) {
        (true, Some(_)) => return Ok(()),
        (true, None) => "Cluster-level min.insync.replicas cannot be removed while ELR is enabled.",
        (false, _) => "Broker-level min.insync.replicas cannot be altered while ELR is enabled.",
    };
    Err(ConfigError::Unfit(refused.to_owned()))
}

fn alter_one(
    image: &Image,
    node_id: i32,
    resource: &Resource,
    alteration: &Alteration,
    fit: FitCheck<'_>,
) -> Result<Vec<MetadataRecord>, ConfigError> {
    let resource_type = ResourceType::of(resource.type_code)?;
    check_keys(alteration)?;
    let name = resource.name.as_str();
    let stored = match resource_type {
        ResourceType::Topic => ConfigResource::Topic,
        ResourceType::Broker => ConfigResource::Broker,
        ResourceType::Group if name.is_empty() => return Err(ConfigError::EmptyGroup),
        ResourceType::Group => ConfigResource::Group,
        ResourceType::BrokerLogger => return Err(ConfigError::Loggers),
        ResourceType::ClientMetrics => return Err(ConfigError::ClientMetrics),
    };
    let before = image.configs(stored, name).map(|layer| (**layer).clone()).unwrap_or_default();
    let changes = changes(alteration, &before)?;
    let after = match stored {
        ConfigResource::Topic => {
            names::validate(name)?;
            image.topic(name).ok_or_else(|| ConfigError::UnknownTopic { name: name.to_owned() })?;
            let after = change(topic_table(), "topic", &before, &changes)?;
            fit(stored, name, &after).map_err(ConfigError::Unfit)?;
            after
        }
        ConfigResource::Group => change(group_table(), "group", &before, &changes)?,
        ConfigResource::Broker | ConfigResource::ClientMetrics => {
            check_broker(node_id, name, &changes)?;
            let after = change(broker_table(), "broker", &before, &changes)?;
            fit(stored, name, &after).map_err(ConfigError::Unfit)?;
            after
        }
    };
    let records = difference(stored, name, &before, &after);
    if stored == ConfigResource::Broker {
        check_min_isr(image, name, &records)?;
    }
    Ok(records)
}

fn check_keys(alteration: &Alteration) -> Result<(), ConfigError> {
    let names: Vec<&str> = match alteration {
        Alteration::Replace(pairs) => pairs.iter().map(|(name, _)| name.as_str()).collect(),
        Alteration::Adjust(operations) => operations.iter().map(|one| one.name.as_str()).collect(),
    };
    let mut seen = HashSet::new();
    match names.into_iter().all(|name| seen.insert(name)) {
        true => Ok(()),
        false => Err(ConfigError::DuplicateKey),
    }
}

fn changes(alteration: &Alteration, before: &Layer) -> Result<Vec<(String, Change)>, ConfigError> {
    match alteration {
        Alteration::Replace(pairs) => {
            let named: HashSet<&str> = pairs.iter().map(|(name, _)| name.as_str()).collect();
            let gone = before.keys().filter(|name| !named.contains(name.as_str()));
            let mut changes: Vec<_> = gone.map(|name| (name.clone(), Change::Delete)).collect();
            for (name, value) in pairs {
                let value = value.clone().ok_or_else(|| ConfigError::NullValue(name.clone()))?;
                changes.push((name.clone(), Change::Set(value)));
            }
            Ok(changes)
        }
        Alteration::Adjust(operations) => operations.iter().map(operation).collect(),
    }
}

fn operation(operation: &Operation) -> Result<(String, Change), ConfigError> {
    let Operation { name, code, value } = operation;
    let value = || value.clone().ok_or_else(|| ConfigError::NullValue(name.clone()));
    let change = match code {
        0 => Change::Set(value()?),
        1 => Change::Delete,
        2 => Change::Append(value()?),
        3 => Change::Subtract(value()?),
        other => return Err(ConfigError::Operation { code: *other, name: name.clone() }),
    };
    Ok((name.clone(), change))
}

fn check_broker(node_id: i32, name: &str, changes: &[(String, Change)]) -> Result<(), ConfigError> {
    let of_one = !name.is_empty();
    if of_one {
        let received = parse_node(name)?;
        if received != node_id {
            return Err(ConfigError::OtherBroker { expected: node_id, received });
        }
    }
    let keys = changes.iter().map(|(key, _)| key.as_str());
    check_dynamic(broker_table(), keys, of_one).map_err(ConfigError::Dynamic)?;
    for (key, change) in changes {
        if *change != Change::Delete && only_at_start(key) {
            return Err(ConfigError::OnlyAtStart(key.clone()));
        }
    }
    Ok(())
}

fn only_at_start(name: &str) -> bool {
    broker_table().get(name).is_some_and(|key| key.effect == Effect::AtStart)
}

pub(crate) fn parse_node(name: &str) -> Result<i32, ConfigError> {
    name.parse().map_err(|_| ConfigError::BrokerId(name.to_owned()))
}

/// A record for each key that is not as it was.
fn difference(
    resource: ConfigResource,
    name: &str,
    before: &Layer,
    after: &Layer,
) -> Vec<MetadataRecord> {
    let record = |key: &String, value: Option<String>| {
        MetadataRecord::Config(ConfigRecord {
            resource_type: resource.code(),
            resource_name: name.to_owned(),
            name: key.clone(),
            value,
        })
    };
    let gone = before.keys().filter(|key| !after.contains_key(*key)).map(|key| record(key, None));
    let set = after.iter().filter(|(key, value)| before.get(*key) != Some(value));
    gone.chain(set.map(|(key, value)| record(key, Some(value.clone())))).collect()
}

#[cfg(test)]
mod tests {
    use broker_metadata::replay_all;
    use protocol::messages::{FeatureLevelRecord, TopicRecord};
    use uuid::Uuid;

    use super::*;

    /// A topic `t`; `min.insync.replicas` is 1 for the cluster.
    fn image(elr: i16) -> Image {
        let feature = |name: &str, feature_level: i16| {
            let name = name.to_owned();
            MetadataRecord::FeatureLevel(FeatureLevelRecord { name, feature_level })
        };
        let config = ConfigRecord {
            resource_type: ConfigResource::Broker.code(),
            name: MIN_ISR.to_owned(),
            value: Some("1".to_owned()),
            ..ConfigRecord::default()
        };
        let topic = TopicRecord { name: "t".to_owned(), topic_id: Uuid::from_u128(5) };
        let elr = feature("eligible.leader.replicas.version", elr);
        let level = feature("metadata.version", 30);
        replay_all(&[level, elr, config.into(), topic.into()]).unwrap()
    }

    fn set(image: &Image, kind: ResourceType, name: &str, value: Option<&str>) -> Altered {
        let resource = Resource { type_code: kind.code(), name: name.to_owned() };
        let operation = Operation {
            name: MIN_ISR.to_owned(),
            code: i8::from(value.is_none()),
            value: value.map(str::to_owned),
        };
        let asked = [(resource, Alteration::Adjust(vec![operation]))];
        alter(image, 1, &asked, &|_, _, _| Ok(()))
    }

    #[test]
    fn who_was_eligible_under_another_min_isr_is_forgotten() {
        let cleared = |altered: &Altered| match altered.records.last() {
            Some(MetadataRecord::ClearElr(record)) => Some(record.topic_name.clone()),
            _ => None,
        };
        let image = image(1);
        let of_topic = set(&image, ResourceType::Topic, "t", Some("2"));
        assert_eq!((of_topic.records.len(), cleared(&of_topic)), (2, Some("t".to_owned())));
        let of_all = set(&image, ResourceType::Broker, "", Some("2"));
        assert_eq!((of_all.records.len(), cleared(&of_all)), (2, Some(String::new())));
        assert_eq!(set(&image, ResourceType::Broker, "", Some("1")).records, []);
        let without = set(&self::image(0), ResourceType::Topic, "t", Some("2"));
        assert_eq!((without.records.len(), cleared(&without)), (1, None));
    }

    #[test]
    fn min_isr_is_one_for_the_cluster_while_replicas_may_be_eligible() {
        let refused = |image: &Image, name: &str, value: Option<&str>| {
            let altered = set(image, ResourceType::Broker, name, value);
            altered.results[0].clone().err().map(|error| error.to_string())
        };
        let (with, without) = (image(1), image(0));
        let removed = "Cluster-level min.insync.replicas cannot be removed while ELR is enabled.";
        assert_eq!(refused(&with, "", None).as_deref(), Some(removed));
        let of_one = "Broker-level min.insync.replicas cannot be altered while ELR is enabled.";
        let told = refused(&with, "1", Some("2"));
        assert_eq!(told.as_deref(), Some(of_one));
        assert_eq!((refused(&with, "", Some("2")), refused(&without, "", None)), (None, None));
    }
}
