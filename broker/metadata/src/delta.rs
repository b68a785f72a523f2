//! From one image to the next, record by record.

use std::collections::BTreeSet;
use std::sync::Arc;

use protocol::messages::{
    BrokerRegistrationChangeRecord, ConfigRecord, PartitionChangeRecord, PartitionRecord,
    RegisterBrokerRecord,
};
use thiserror::Error;
use uuid::Uuid;

use crate::image::{
    BrokerImage, ConfigMap, ConfigResource, Endpoint, Image, PartitionImage, TopicImage,
};
use crate::records::MetadataRecord;

/// Why a record can't follow the ones before it: the log is damaged or of another system.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ApplyError {
    #[error("a topic {name} is already there with id {id}")]
    TopicExists { name: String, id: Uuid },
    #[error("no topic has id {id}, which a {record} names")]
    UnknownTopic { record: &'static str, id: Uuid },
    #[error("partition {partition} of topic id {id} can't follow {present} partitions")]
    PartitionOrder { id: Uuid, partition: i32, present: usize },
    #[error("broker {id} is not registered, and a {record} names it")]
    UnknownBroker { record: &'static str, id: i32 },
    #[error("settings of resource type {code} are not known")]
    UnknownResource { code: i8 },
}

/// What a run of records changed, for those who act on it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Changes {
    /// Topics that are new or have new partitions, leaders or replicas.
    pub topics: BTreeSet<Uuid>,
    /// Topics that are gone, as they were.
    pub deleted: Vec<Arc<TopicImage>>,
    /// Resources whose settings differ; removed ones too.
    pub configs: BTreeSet<(ConfigResource, Arc<str>)>,
    pub brokers: BTreeSet<i32>,
}

impl Changes {
    /// These changes and then others, as one.
    #[must_use]
    pub fn then(mut self, later: Self) -> Self {
        // One that was new or changed and is gone is only gone.
        for topic in &later.deleted {
            self.topics.remove(&topic.id);
        }
        self.topics.extend(later.topics);
        self.deleted.extend(later.deleted);
        self.configs.extend(later.configs);
        self.brokers.extend(later.brokers);
        self
    }

    /// What turns one image into another, whatever records lie between them.
    pub fn between(before: &Image, after: &Image) -> Self {
        let mut changes = Self::default();
        for (id, topic) in &before.topics_by_id {
            if !after.topics_by_id.contains_key(id) {
                changes.deleted.push(topic.clone());
            }
        }
        for (id, topic) in &after.topics_by_id {
            if before.topics_by_id.get(id) != Some(topic) {
                changes.topics.insert(*id);
            }
        }
        let configs = before.configs.keys().chain(after.configs.keys());
        let differ = configs.filter(|key| before.configs.get(key) != after.configs.get(key));
        changes.configs.extend(differ.cloned());
        let brokers = before.brokers.keys().chain(after.brokers.keys());
        let differ = brokers.filter(|id| before.brokers.get(id) != after.brokers.get(id));
        changes.brokers.extend(differ);
        changes
    }
}

/// An image in the making. Start from the last one, replay records, then finish.
#[derive(Debug)]
pub struct Delta {
    image: Image,
    changes: Changes,
}

impl Delta {
    pub fn new(base: &Image) -> Self {
        Self { image: base.clone(), changes: Changes::default() }
    }

    /// Takes in one committed record. On an error the delta is of no further use.
    pub fn replay(&mut self, record: &MetadataRecord) -> Result<(), ApplyError> {
        match record {
            MetadataRecord::RegisterBroker(record) => self.register_broker(record),
            MetadataRecord::UnregisterBroker(record) => {
                self.image.brokers.remove(&record.broker_id);
                self.changes.brokers.insert(record.broker_id);
            }
            MetadataRecord::BrokerRegistrationChange(record) => self.change_broker(record)?,
            MetadataRecord::Topic(record) => self.add_topic(&record.name, record.topic_id)?,
            MetadataRecord::RemoveTopic(record) => self.remove_topic(record.topic_id)?,
            MetadataRecord::Partition(record) => self.add_partition(record)?,
            MetadataRecord::PartitionChange(record) => self.change_partition(record)?,
            MetadataRecord::Config(record) => self.set_config(record)?,
            MetadataRecord::FeatureLevel(record) => {
                if record.feature_level == 0 {
                    self.image.features.remove(&record.name);
                } else {
                    self.image.features.insert(record.name.clone(), record.feature_level);
                }
            }
            MetadataRecord::ProducerIds(record) => {
                self.image.next_producer_id = record.next_producer_id;
            }
            MetadataRecord::NoOp(_) => {}
        }
        Ok(())
    }

    /// The next image; `end_offset` is the offset after the last replayed record.
    pub fn finish(mut self, end_offset: i64) -> (Image, Changes) {
        self.image.end_offset = end_offset;
        (self.image, self.changes)
    }

    fn register_broker(&mut self, record: &RegisterBrokerRecord) {
        let endpoints = record.end_points.iter().map(|point| Endpoint {
            listener: point.name.clone(),
            host: point.host.clone(),
            port: point.port,
            security_protocol: point.security_protocol,
        });
        let broker = BrokerImage {
            id: record.broker_id,
            epoch: record.broker_epoch,
            incarnation_id: record.incarnation_id,
            endpoints: endpoints.collect(),
            rack: record.rack.clone(),
            fenced: record.fenced,
            in_controlled_shutdown: record.in_controlled_shutdown,
            log_dirs: record.log_dirs.clone(),
        };
        self.image.brokers.insert(record.broker_id, Arc::new(broker));
        self.changes.brokers.insert(record.broker_id);
    }

    fn change_broker(&mut self, record: &BrokerRegistrationChangeRecord) -> Result<(), ApplyError> {
        let id = record.broker_id;
        let unknown = ApplyError::UnknownBroker { record: "BrokerRegistrationChangeRecord", id };
        let broker = self.image.brokers.get_mut(&id).ok_or(unknown)?;
        let broker = Arc::make_mut(broker);
        match record.fenced {
            1 => broker.fenced = true,
            -1 => broker.fenced = false,
            _ => {}
        }
        if record.in_controlled_shutdown == 1 {
            broker.in_controlled_shutdown = true;
        }
        if !record.log_dirs.is_empty() {
            broker.log_dirs.clone_from(&record.log_dirs);
        }
        self.changes.brokers.insert(id);
        Ok(())
    }

    fn add_topic(&mut self, name: &str, id: Uuid) -> Result<(), ApplyError> {
        if let Some(present) = self.image.topics_by_name.get(name) {
            return Err(ApplyError::TopicExists { name: name.to_owned(), id: present.id });
        }
        self.put_topic(TopicImage { name: Arc::from(name), id, partitions: Vec::new() });
        Ok(())
    }

    fn remove_topic(&mut self, id: Uuid) -> Result<(), ApplyError> {
        let unknown = ApplyError::UnknownTopic { record: "RemoveTopicRecord", id };
        let topic = self.image.topics_by_id.remove(&id).ok_or(unknown)?;
        self.image.topics_by_name.remove(&topic.name);
        let configs = (ConfigResource::Topic, topic.name.clone());
        if self.image.configs.remove(&configs).is_some() {
            self.changes.configs.insert(configs);
        }
        self.changes.topics.remove(&id);
        self.changes.deleted.push(topic);
        Ok(())
    }

    fn add_partition(&mut self, record: &PartitionRecord) -> Result<(), ApplyError> {
        let id = record.topic_id;
        let mut topic = self.topic_for_change("PartitionRecord", id)?;
        let partition = PartitionImage {
            leader: record.leader,
            leader_epoch: record.leader_epoch,
            partition_epoch: record.partition_epoch,
            replicas: record.replicas.clone(),
            isr: record.isr.clone(),
            adding_replicas: record.adding_replicas.clone(),
            removing_replicas: record.removing_replicas.clone(),
            eligible_leader_replicas: record.eligible_leader_replicas.clone().unwrap_or_default(),
            last_known_elr: record.last_known_elr.clone().unwrap_or_default(),
            directories: record.directories.clone(),
        };
        let present = topic.partitions.len();
        match usize::try_from(record.partition_id) {
            Ok(index) if index < present => topic.partitions[index] = Arc::new(partition),
            Ok(index) if index == present => topic.partitions.push(Arc::new(partition)),
            _ => {
                let partition = record.partition_id;
                return Err(ApplyError::PartitionOrder { id, partition, present });
            }
        }
        self.put_topic(topic);
        Ok(())
    }

    fn change_partition(&mut self, record: &PartitionChangeRecord) -> Result<(), ApplyError> {
        let id = record.topic_id;
        let mut topic = self.topic_for_change("PartitionChangeRecord", id)?;
        let present = topic.partitions.len();
        let index = usize::try_from(record.partition_id).ok().filter(|index| *index < present);
        let Some(index) = index else {
            let partition = record.partition_id;
            return Err(ApplyError::PartitionOrder { id, partition, present });
        };
        change(Arc::make_mut(&mut topic.partitions[index]), record);
        self.put_topic(topic);
        Ok(())
    }

    fn set_config(&mut self, record: &ConfigRecord) -> Result<(), ApplyError> {
        let code = record.resource_type;
        let resource =
            ConfigResource::from_code(code).ok_or(ApplyError::UnknownResource { code })?;
        let key = (resource, Arc::from(record.resource_name.as_str()));
        let map: &mut ConfigMap = Arc::make_mut(self.image.configs.entry(key.clone()).or_default());
        match &record.value {
            Some(value) => map.insert(record.name.clone(), value.clone()),
            None => map.remove(&record.name),
        };
        if map.is_empty() {
            self.image.configs.remove(&key);
        }
        self.changes.configs.insert(key);
        Ok(())
    }

    /// Takes the topic out; it is copied only where the base image still holds it, so that a topic
    /// of many partitions is replayed in one copy.
    fn topic_for_change(
        &mut self,
        record: &'static str,
        id: Uuid,
    ) -> Result<TopicImage, ApplyError> {
        let topic = self.image.topics_by_id.remove(&id);
        let topic = topic.ok_or(ApplyError::UnknownTopic { record, id })?;
        self.image.topics_by_name.remove(&topic.name);
        Ok(Arc::unwrap_or_clone(topic))
    }

    fn put_topic(&mut self, topic: TopicImage) {
        let topic = Arc::new(topic);
        self.changes.topics.insert(topic.id);
        self.image.topics_by_name.insert(topic.name.clone(), topic.clone());
        self.image.topics_by_id.insert(topic.id, topic);
    }
}

/// The leader of a change record that leaves the leader as it is.
const SAME_LEADER: i32 = -2;

/// Takes a change into one partition. A new leader starts a new leader epoch, every change a new
/// partition epoch.
fn change(partition: &mut PartitionImage, record: &PartitionChangeRecord) {
    if record.leader != SAME_LEADER {
        partition.leader = record.leader;
        partition.leader_epoch += 1;
    }
    let lists = [
        (&record.isr, &mut partition.isr),
        (&record.replicas, &mut partition.replicas),
        (&record.removing_replicas, &mut partition.removing_replicas),
        (&record.adding_replicas, &mut partition.adding_replicas),
        (&record.eligible_leader_replicas, &mut partition.eligible_leader_replicas),
        (&record.last_known_elr, &mut partition.last_known_elr),
    ];
    for (new, old) in lists {
        if let Some(new) = new {
            old.clone_from(new);
        }
    }
    if let Some(directories) = &record.directories {
        partition.directories.clone_from(directories);
    }
    partition.partition_epoch += 1;
}

/// The image of a log that holds just `records`; for tests and tools.
pub fn replay_all(records: &[MetadataRecord]) -> Result<Image, ApplyError> {
    let mut delta = Delta::new(&Image::default());
    for record in records {
        delta.replay(record)?;
    }
    Ok(delta.finish(records.len() as i64).0)
}

#[cfg(test)]
#[path = "delta_tests.rs"]
mod tests;
