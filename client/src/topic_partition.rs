//! The name of a partition.

use std::fmt;
use std::sync::Arc;

/// A partition of a topic; prints as `topic-partition`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TopicPartition {
    /// The topic.
    pub topic: Arc<str>,
    /// Its number.
    pub partition: i32,
}

impl TopicPartition {
    /// Partition `partition` of `topic`.
    pub fn new(topic: impl Into<Arc<str>>, partition: i32) -> Self {
        Self { topic: topic.into(), partition }
    }
}

impl fmt::Display for TopicPartition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.topic, self.partition)
    }
}

/// Groups partitions by topic, in order.
pub(crate) fn by_topic<'a, T>(
    items: impl IntoIterator<Item = (&'a TopicPartition, T)>,
) -> std::collections::BTreeMap<&'a str, Vec<(i32, T)>> {
    let mut topics = std::collections::BTreeMap::<&str, Vec<(i32, T)>>::new();
    for (partition, item) in items {
        topics.entry(&partition.topic).or_default().push((partition.partition, item));
    }
    topics
}
