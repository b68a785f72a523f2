//! Records about topics and partitions.

use std::collections::BTreeMap;
use std::sync::Arc;

use imbl::Vector;
use protocol::messages::{PartitionChangeRecord, PartitionRecord, TopicRecord};
use uuid::Uuid;

use super::{ApplyError, Delta};
use crate::image::{ConfigResource, PartitionImage, TopicImage};

impl Delta {
    pub(super) fn add_topic(&mut self, record: &TopicRecord) -> Result<(), ApplyError> {
        let (name, id) = (&record.name, record.topic_id);
        let topics = &mut self.image.topics;
        if let Some(present) = topics.by_name(name).or_else(|| topics.by_id(id)) {
            return Err(ApplyError::TopicExists { name: present.name.to_string(), id: present.id });
        }
        topics.add(TopicImage {
            name: Arc::from(name.as_str()),
            id,
            partitions: Vector::new(),
            early: BTreeMap::new(),
        });
        self.changes.topics.entry(id).or_default();
        Ok(())
    }

    pub(super) fn remove_topic(&mut self, id: Uuid) -> Result<(), ApplyError> {
        let unknown = ApplyError::UnknownTopic { record: "RemoveTopicRecord", id };
        let topic = self.image.topics.remove(id).ok_or(unknown)?;
        let configs = (ConfigResource::Topic, topic.name.clone());
        if self.image.configs.remove(&configs) {
            self.changes.configs.insert(configs);
        }
        self.changes.topics.remove(&id);
        self.changes.deleted.push(topic);
        Ok(())
    }

    pub(super) fn add_partition(&mut self, record: &PartitionRecord) -> Result<(), ApplyError> {
        let (id, index) = (record.topic_id, record.partition_id);
        let partition = PartitionImage::from_record(record)?;
        let topic = self.topic_for_change("PartitionRecord", id)?;
        if index < 0 {
            return Err(ApplyError::NegativePartition { id, partition: index });
        }
        topic.put(index, Arc::new(partition));
        self.changes.topics.entry(id).or_default().insert(index);
        Ok(())
    }

    pub(super) fn change_partition(
        &mut self,
        record: &PartitionChangeRecord,
    ) -> Result<(), ApplyError> {
        let (id, index) = (record.topic_id, record.partition_id);
        let topic = self.topic_for_change("PartitionChangeRecord", id)?;
        let present = topic.partitions.len();
        let unknown = ApplyError::UnknownPartition { id, partition: index, present };
        let partition = topic.get_mut(index).ok_or(unknown)?;
        Arc::make_mut(partition).merge(record)?;
        self.changes.topics.entry(id).or_default().insert(index);
        Ok(())
    }

    /// Forgets who may lead without being in sync, in the topic of that name or, for "", in all.
    pub(super) fn clear_elr(&mut self, name: &str) -> Result<(), ApplyError> {
        if !name.is_empty() {
            let topic = self.image.topics.by_name(name);
            let unknown = || ApplyError::UnknownTopicName { name: name.to_owned() };
            let id = topic.ok_or_else(unknown)?.id;
            return self.clear_elr_of(id);
        }
        let ids: Vec<_> = self.image.topics.by_id.keys().copied().collect();
        ids.into_iter().try_for_each(|id| self.clear_elr_of(id))
    }

    fn clear_elr_of(&mut self, id: Uuid) -> Result<(), ApplyError> {
        let record = "ClearElrRecord";
        let topic = self.image.topics.by_id(id).ok_or(ApplyError::UnknownTopic { record, id })?;
        let mut cleared = Vec::new();
        for (index, partition) in topic.all() {
            let mut partition = partition.clone();
            let with_elr = !partition.eligible_leader_replicas.is_empty();
            if (with_elr || !partition.last_known_elr.is_empty())
                && Arc::make_mut(&mut partition).clear_elr()?
            {
                cleared.push((index, partition));
            }
        }
        if cleared.is_empty() {
            return Ok(());
        }
        let changed = self.changes.topics.entry(id).or_default();
        changed.extend(cleared.iter().map(|(index, _)| *index));
        let topic = self.topic_for_change(record, id)?;
        for (index, partition) in cleared {
            topic.put(index, partition);
        }
        Ok(())
    }

    fn topic_for_change(
        &mut self,
        record: &'static str,
        id: Uuid,
    ) -> Result<&mut TopicImage, ApplyError> {
        self.image.topics.get_mut(id).ok_or(ApplyError::UnknownTopic { record, id })
    }
}
