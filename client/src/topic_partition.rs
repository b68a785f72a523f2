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

/// What a topic may be called, in a sentence for people.
pub const TOPIC_NAME_RULE: &str = "a topic's name has 1 to 249 ASCII letters, digits, '.', '_' and \
                                   '-', and is not '.' or '..'";

/// Whether a topic may have this name, by [`TOPIC_NAME_RULE`].
pub fn is_topic_name(name: &str) -> bool {
    let is_legal = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
    (1..=249).contains(&name.len()) && !matches!(name, "." | "..") && name.bytes().all(is_legal)
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
