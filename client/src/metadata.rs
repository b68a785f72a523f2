//! What the cluster looks like: brokers, topics, leaders. Immutable; a refresh makes a new one.

use std::collections::BTreeMap;
use std::sync::Arc;

use protocol::ErrorCode;
use protocol::messages::metadata_response::{MetadataResponse, MetadataResponseTopic};
use uuid::Uuid;

use crate::TopicPartition;

/// A view of the cluster at one time.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Metadata {
    /// Id of the cluster, where the broker gives one.
    pub cluster_id: Option<String>,
    /// The broker that takes requests for the controller.
    pub controller_id: Option<i32>,
    /// Brokers by node id.
    pub brokers: BTreeMap<i32, Node>,
    /// The topics that were asked for and exist.
    pub topics: BTreeMap<Arc<str>, Topic>,
}

/// A broker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    /// `node.id`.
    pub id: i32,
    /// Advertised host.
    pub host: String,
    /// Advertised port.
    pub port: u16,
    /// `broker.rack`.
    pub rack: Option<String>,
}

/// A topic.
#[derive(Debug, Clone, PartialEq)]
pub struct Topic {
    /// Its name.
    pub name: Arc<str>,
    /// Its id, where the broker gives one.
    pub id: Option<Uuid>,
    /// Whether Kafka itself made it.
    pub is_internal: bool,
    /// Its partitions in order.
    pub partitions: Vec<Partition>,
}

/// A partition.
#[derive(Debug, Clone, PartialEq)]
pub struct Partition {
    /// Its number.
    pub index: i32,
    /// The leader, unless there is none at the moment.
    pub leader: Option<i32>,
    /// The leader's epoch, -1 where the broker does not say.
    pub leader_epoch: i32,
    /// All replicas.
    pub replicas: Vec<i32>,
    /// The replicas that are in sync.
    pub isr: Vec<i32>,
    /// Replicas that are not available.
    pub offline: Vec<i32>,
    /// What is wrong with it.
    pub error_code: ErrorCode,
}

impl Topic {
    /// The partition numbered `index`.
    pub fn partition(&self, index: i32) -> Option<&Partition> {
        let at = self.partitions.binary_search_by_key(&index, |partition| partition.index).ok()?;
        self.partitions.get(at)
    }

    /// How many partitions there are.
    pub fn partition_count(&self) -> i32 {
        i32::try_from(self.partitions.len()).unwrap_or(i32::MAX)
    }
}

impl Metadata {
    /// The leader of a partition and its epoch.
    pub fn leader(&self, topic: &str, partition: i32) -> Option<(i32, i32)> {
        let partition = self.topics.get(topic)?.partition(partition)?;
        Some((partition.leader?, partition.leader_epoch))
    }

    /// Every partition of a topic.
    pub fn partitions(&self, topic: &str) -> Option<Vec<TopicPartition>> {
        let topic = self.topics.get(topic)?;
        let all = topic.partitions.iter();
        Some(all.map(|p| TopicPartition::new(topic.name.clone(), p.index)).collect())
    }

    /// The name of the topic with this id.
    pub fn topic_name(&self, id: Uuid) -> Option<&Arc<str>> {
        self.topics.values().find(|topic| topic.id == Some(id)).map(|topic| &topic.name)
    }

    /// This view with a response merged in, and the topics that the response reports as failed.
    /// `complete` says that the response speaks of all topics. A leader never goes back to an
    /// older epoch of the same topic id, since brokers learn of elections at different times.
    pub(crate) fn merged(
        &self,
        response: MetadataResponse,
        complete: bool,
    ) -> (Self, Vec<(Arc<str>, ErrorCode)>) {
        let brokers = response.brokers.into_iter().filter_map(|broker| {
            let port = u16::try_from(broker.port).ok()?;
            let id = broker.node_id;
            Some((id, Node { id, host: broker.host, port, rack: broker.rack }))
        });
        let mut merged = Self {
            cluster_id: response.cluster_id.or_else(|| self.cluster_id.clone()),
            controller_id: (response.controller_id >= 0).then_some(response.controller_id),
            brokers: brokers.collect(),
            topics: if complete { BTreeMap::new() } else { self.topics.clone() },
        };
        let mut failed = Vec::new();
        for topic in response.topics {
            let Some(name) = topic.name.as_deref() else { continue };
            if topic.error_code == ErrorCode::None {
                let known = self.topics.get(name);
                let topic = to_topic(known, topic);
                merged.topics.insert(topic.name.clone(), topic);
            } else {
                let name: Arc<str> = name.into();
                if topic.error_code == ErrorCode::UnknownTopicOrPartition {
                    merged.topics.remove(&name);
                }
                failed.push((name, topic.error_code));
            }
        }
        (merged, failed)
    }
}

fn to_topic(known: Option<&Topic>, answer: MetadataResponseTopic) -> Topic {
    let name = match known {
        Some(known) => known.name.clone(),
        None => answer.name.unwrap_or_default().into(),
    };
    let id = (!answer.topic_id.is_nil()).then_some(answer.topic_id);
    let known = known.filter(|known| known.id == id);
    let mut partitions: Vec<Partition> = answer
        .partitions
        .into_iter()
        .map(|partition| {
            let fresh = Partition {
                index: partition.partition_index,
                leader: (partition.leader_id >= 0).then_some(partition.leader_id),
                leader_epoch: partition.leader_epoch,
                replicas: partition.replica_nodes,
                isr: partition.isr_nodes,
                offline: partition.offline_replicas,
                error_code: partition.error_code,
            };
            match known.and_then(|topic| topic.partition(fresh.index)) {
                Some(old) if fresh.leader_epoch >= 0 && fresh.leader_epoch < old.leader_epoch => {
                    old.clone()
                }
                _ => fresh,
            }
        })
        .collect();
    partitions.sort_by_key(|partition| partition.index);
    Topic { name, id, is_internal: answer.is_internal, partitions }
}

#[cfg(test)]
mod tests {
    use super::*;
    use protocol::messages::metadata_response::{
        MetadataResponseBroker, MetadataResponsePartition,
    };

    fn answer(id: u128, leader_id: i32, leader_epoch: i32) -> MetadataResponse {
        let partition = MetadataResponsePartition { leader_id, leader_epoch, ..Default::default() };
        MetadataResponse {
            brokers: vec![MetadataResponseBroker {
                node_id: 1,
                host: "a".to_owned(),
                port: 9092,
                ..Default::default()
            }],
            controller_id: 1,
            topics: vec![MetadataResponseTopic {
                name: Some("t".to_owned()),
                topic_id: Uuid::from_u128(id),
                partitions: vec![partition],
                ..Default::default()
            }],
            ..Default::default()
        }
    }

    #[test]
    fn a_leader_never_goes_back_to_an_older_epoch_of_the_same_topic() {
        let (first, failed) = Metadata::default().merged(answer(7, 1, 5), true);
        assert_eq!((first.leader("t", 0), failed), (Some((1, 5)), vec![]));
        let (stale, _) = first.merged(answer(7, 2, 4), true);
        assert_eq!(stale.leader("t", 0), Some((1, 5)));
        let (newer, _) = first.merged(answer(7, 2, 6), true);
        assert_eq!(newer.leader("t", 0), Some((2, 6)));
        let (recreated, _) = first.merged(answer(8, 2, 0), true);
        assert_eq!(recreated.leader("t", 0), Some((2, 0)));
        let (leaderless, _) = first.merged(answer(7, -1, 6), true);
        assert_eq!(leaderless.leader("t", 0), None);
    }

    #[test]
    fn a_partial_answer_keeps_other_topics_and_drops_unknown_ones() {
        let (first, _) = Metadata::default().merged(answer(7, 1, 5), true);
        let mut unknown = answer(0, -1, 0);
        unknown.topics[0].error_code = ErrorCode::UnknownTopicOrPartition;
        let (without, failed) = first.merged(unknown, false);
        assert!(without.topics.is_empty());
        assert_eq!(failed, [("t".into(), ErrorCode::UnknownTopicOrPartition)]);
        let (kept, _) = first.merged(MetadataResponse { topics: vec![], ..answer(7, 1, 5) }, false);
        assert!(kept.topics.contains_key("t"));
    }
}
