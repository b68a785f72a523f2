//! Committed offsets, changed by replay alone.

use std::collections::{BTreeMap, HashMap};

use protocol::messages::offset_commit_value::OffsetCommitValue;
use uuid::Uuid;

use crate::group::ExpiryBase;

/// How far a group has read a partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Committed {
    pub offset: i64,
    /// -1 when the consumer did not say.
    pub leader_epoch: i32,
    pub metadata: String,
    pub commit_ms: i64,
    /// When the offset expires whatever the retention is; only old clients say so.
    pub expire_ms: Option<i64>,
    pub topic_id: Uuid,
}

type ByTopic = BTreeMap<String, BTreeMap<i32, Committed>>;

#[derive(Debug, Default)]
pub(crate) struct Offsets {
    by_group: HashMap<String, ByTopic>,
}

impl Offsets {
    pub(crate) fn replay(
        &mut self,
        group: &str,
        topic: &str,
        partition: i32,
        value: Option<&OffsetCommitValue>,
    ) {
        match value {
            Some(value) => {
                let topics = self.by_group.entry(group.to_owned()).or_default();
                let partitions = topics.entry(topic.to_owned()).or_default();
                partitions.insert(partition, Committed::from(value));
            }
            None => self.remove(group, topic, partition),
        }
    }

    fn remove(&mut self, group: &str, topic: &str, partition: i32) {
        let Some(topics) = self.by_group.get_mut(group) else { return };
        let Some(partitions) = topics.get_mut(topic) else { return };
        partitions.remove(&partition);
        if partitions.is_empty() {
            topics.remove(topic);
        }
        if topics.is_empty() {
            self.by_group.remove(group);
        }
    }

    pub(crate) fn get(&self, group: &str, topic: &str, partition: i32) -> Option<&Committed> {
        self.by_group.get(group)?.get(topic)?.get(&partition)
    }

    /// All of a group: by topic, then by partition.
    pub(crate) fn of_group(&self, group: &str) -> impl Iterator<Item = (&str, i32, &Committed)> {
        self.by_group.get(group).into_iter().flatten().flat_map(|(topic, partitions)| {
            partitions
                .iter()
                .map(move |(partition, committed)| (topic.as_str(), *partition, committed))
        })
    }

    /// Those of one topic in all groups.
    pub(crate) fn of_topic(&self, topic: &str) -> Vec<(String, i32)> {
        let mut found = Vec::new();
        for (group, topics) in &self.by_group {
            if let Some(partitions) = topics.get(topic) {
                found.extend(partitions.keys().map(|partition| (group.clone(), *partition)));
            }
        }
        found.sort();
        found
    }
}

impl Committed {
    pub(crate) fn is_expired(&self, base: ExpiryBase, now_ms: i64, retention_ms: i64) -> bool {
        let since_ms = match (self.expire_ms, base) {
            (Some(expire_ms), _) => return now_ms >= expire_ms,
            (None, ExpiryBase::EmptySince(since_ms)) => since_ms,
            (None, ExpiryBase::Commit) => self.commit_ms,
        };
        now_ms.saturating_sub(since_ms) >= retention_ms
    }
}

impl From<&OffsetCommitValue> for Committed {
    fn from(value: &OffsetCommitValue) -> Self {
        Self {
            offset: value.offset,
            leader_epoch: value.leader_epoch,
            metadata: value.metadata.clone(),
            commit_ms: value.commit_timestamp,
            expire_ms: Some(value.expire_timestamp).filter(|expire_ms| *expire_ms != -1),
            topic_id: value.topic_id,
        }
    }
}

impl From<&Committed> for OffsetCommitValue {
    fn from(committed: &Committed) -> Self {
        Self {
            offset: committed.offset,
            leader_epoch: committed.leader_epoch,
            metadata: committed.metadata.clone(),
            commit_timestamp: committed.commit_ms,
            expire_timestamp: committed.expire_ms.unwrap_or(-1),
            topic_id: committed.topic_id,
        }
    }
}
