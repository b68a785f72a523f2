//! kafka-topics --describe.

use std::collections::{BTreeMap, BTreeSet};

use client::TopicPartition;
use client::admin::{
    ConfigEntry, ConfigResource, ConfigSource, DescribeConfigs, PartitionDescription, Reassignment,
    TopicDescription,
};
use protocol::ErrorCode;

use super::Topics;
use crate::tools::connection::{id_text, java_map_order, words};

/// What is known of the cluster while topics are described.
struct Cluster {
    live: BTreeSet<i32>,
    configs: BTreeMap<String, Vec<ConfigEntry>>,
    reassignments: BTreeMap<TopicPartition, Reassignment>,
}

impl Topics {
    pub(super) async fn describe(&self) -> Result<(), String> {
        let names = self.names_to_describe().await?;
        let topics = self.describe_named(&names).await?;
        if topics.is_empty() {
            return Ok(());
        }
        let cluster = self.cluster(&topics).await?;
        for topic in java_map_order(topics, |topic| &topic.name) {
            self.print(&topic, &cluster);
        }
        Ok(())
    }

    async fn names_to_describe(&self) -> Result<Vec<String>, String> {
        let topics = self.matching("listTopics").await?;
        if let Some(id) = self.parsed.get("topic-id") {
            let found = topics.into_iter().find(|topic| topic.id.is_some_and(|i| id_text(i) == id));
            return match found {
                Some(topic) => Ok(vec![topic.name]),
                None if self.parsed.has("if-exists") => Ok(Vec::new()),
                None => Err(format!("TopicId '{id}' does not exist as expected")),
            };
        }
        self.must_exist(&topics)?;
        Ok(topics.into_iter().map(|topic| topic.name).collect())
    }

    /// The topics of these names; one that was deleted meanwhile is left out.
    pub(super) async fn describe_named(
        &self,
        names: &[String],
    ) -> Result<Vec<TopicDescription>, String> {
        let call = "describeTopics";
        let described = self.admin.describe_topics(names).await.map_err(|e| words(&e, call))?;
        let mut topics = Vec::with_capacity(described.len());
        for result in described.into_values() {
            match result {
                Ok(topic) => topics.push(topic),
                Err(error) if error.code() == Some(ErrorCode::UnknownTopicOrPartition) => {}
                Err(error) => return Err(words(&error, call)),
            }
        }
        Ok(topics)
    }

    async fn cluster(&self, topics: &[TopicDescription]) -> Result<Cluster, String> {
        let described = self.admin.describe_cluster().await;
        let described = described.map_err(|error| words(&error, "describeCluster"))?;
        let resources: Vec<ConfigResource> =
            topics.iter().map(|topic| ConfigResource::topic(topic.name.as_str())).collect();
        let call = "describeConfigs";
        let entries = self.admin.describe_configs(&resources, &DescribeConfigs::default()).await;
        let mut configs = BTreeMap::new();
        for (resource, result) in entries.map_err(|error| words(&error, call))? {
            let entries = result.map_err(|error| words(&error, call))?;
            configs.insert(resource.name, java_map_order(entries, |entry| &entry.name));
        }
        let partitions: Vec<TopicPartition> = topics
            .iter()
            .flat_map(|topic| {
                let numbers = topic.partitions.iter().map(|partition| partition.partition);
                numbers.map(|number| TopicPartition::new(topic.name.as_str(), number))
            })
            .collect();
        let reassignments = self.admin.list_partition_reassignments(Some(&partitions)).await;
        let reassignments = reassignments.map_err(|e| words(&e, "listPartitionReassignments"))?;
        Ok(Cluster {
            live: described.brokers.iter().map(|node| node.id).collect(),
            configs,
            reassignments: reassignments.unwrap_or_default(),
        })
    }

    fn print(&self, topic: &TopicDescription, cluster: &Cluster) {
        let no_entries = Vec::new();
        let entries = cluster.configs.get(&topic.name).unwrap_or(&no_entries);
        let overrides: Vec<String> = entries
            .iter()
            .filter(|entry| entry.source != ConfigSource::Default)
            .map(|entry| format!("{}={}", entry.name, entry.value.as_deref().unwrap_or("null")))
            .collect();
        let reports = [
            "under-replicated-partitions",
            "unavailable-partitions",
            "under-min-isr-partitions",
            "at-min-isr-partitions",
        ];
        let reports_partitions = reports.iter().any(|report| self.parsed.has(report));
        let only_overrides = self.parsed.has("topics-with-overrides");
        if !reports_partitions && (!only_overrides || !overrides.is_empty()) {
            let id = id_text(topic.id.unwrap_or_default());
            println!(
                "Topic: {}\tTopicId: {id}\tPartitionCount: {}\tReplicationFactor: {}\tConfigs: {}",
                topic.name,
                topic.partitions.len(),
                topic.partitions.first().map_or(0, |first| factor(topic, first, cluster)),
                overrides.join(","),
            );
        }
        if only_overrides {
            return;
        }
        let min_isr = entries
            .iter()
            .find(|entry| entry.name == "min.insync.replicas")
            .and_then(|entry| entry.value.as_deref()?.parse().ok())
            .unwrap_or(1);
        for partition in &topic.partitions {
            if self.wanted(topic, partition, cluster, min_isr) {
                println!("{}", partition_line(topic, partition, cluster));
            }
        }
    }

    /// Whether the report that was asked for names this partition.
    fn wanted(
        &self,
        topic: &TopicDescription,
        partition: &PartitionDescription,
        cluster: &Cluster,
        min_isr: usize,
    ) -> bool {
        let in_sync = partition.isr.len();
        if self.parsed.has("under-replicated-partitions") {
            return in_sync < factor(topic, partition, cluster);
        }
        if self.parsed.has("unavailable-partitions") {
            return partition.leader.is_none_or(|leader| !cluster.live.contains(&leader));
        }
        if self.parsed.has("under-min-isr-partitions") {
            return in_sync < min_isr;
        }
        if self.parsed.has("at-min-isr-partitions") {
            return in_sync == min_isr;
        }
        true
    }
}

/// How many replicas a partition is to have: those that are being added do not count yet.
fn factor(topic: &TopicDescription, partition: &PartitionDescription, cluster: &Cluster) -> usize {
    let adding = reassignment(topic, partition, cluster).map_or(0, |moving| moving.adding.len());
    partition.replicas.len() - adding.min(partition.replicas.len())
}

fn reassignment<'cluster>(
    topic: &TopicDescription,
    partition: &PartitionDescription,
    cluster: &'cluster Cluster,
) -> Option<&'cluster Reassignment> {
    let name = TopicPartition::new(topic.name.as_str(), partition.partition);
    cluster.reassignments.get(&name)
}

fn partition_line(
    topic: &TopicDescription,
    partition: &PartitionDescription,
    cluster: &Cluster,
) -> String {
    let leader = partition.leader.map_or_else(|| "none".to_owned(), |leader| leader.to_string());
    let mut line = format!(
        "\tTopic: {}\tPartition: {}\tLeader: {leader}\tReplicas: {}\tIsr: {}",
        topic.name,
        partition.partition,
        list(&partition.replicas),
        list(&partition.isr),
    );
    if let Some(moving) = reassignment(topic, partition, cluster) {
        line.push_str(&format!("\tAdding Replicas: {}", list(&moving.adding)));
        line.push_str(&format!("\tRemoving Replicas: {}", list(&moving.removing)));
    }
    let or_not_known =
        |ids: &Option<Vec<i32>>| ids.as_deref().map_or_else(|| "N/A".to_owned(), list);
    line.push_str(&format!(
        "\tElr: {}\tLastKnownElr: {}",
        or_not_known(&partition.eligible_leader_replicas),
        or_not_known(&partition.last_known_elr),
    ));
    line
}

fn list(ids: &[i32]) -> String {
    let ids: Vec<String> = ids.iter().map(i32::to_string).collect();
    ids.join(",")
}
