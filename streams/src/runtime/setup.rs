//! What an application needs before its tasks can run: partition counts and internal topics.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use super::broker::{Broker, BrokerError, InternalTopic, TopicPartition};
use super::error::AppError;
use crate::operator::TaskId;
use crate::topology::{
    NodeKind, PartitionPlan, Topology, changelog_topic, repartition_topic, resolve,
};

/// An uncommitted entry must outlive the outage that left it there: it may hide a committed one.
const MIN_COMPACTION_LAG_MS: i64 = 24 * 60 * 60 * 1000;

/// Topics and tasks of an application on its cluster.
pub(crate) struct Layout {
    pub(crate) application_id: String,
    pub(crate) plan: PartitionPlan,
    /// Topic of each source, sink and repartition node.
    pub(crate) topics: HashMap<usize, Arc<str>>,
    /// The changelog, if any task needs one.
    pub(crate) changelog: Option<Arc<str>>,
}

impl Layout {
    pub(crate) fn tasks(&self) -> impl Iterator<Item = TaskId> + '_ {
        let tasks = self.plan.tasks.iter().enumerate();
        tasks.flat_map(|(subtopology, &count)| {
            let task = move |partition| TaskId { subtopology: subtopology as u16, partition };
            (0..count as i32).map(task)
        })
    }

    /// The partition that a task reads from each of its sources; `None` where the topic has
    /// fewer partitions than others.
    pub(crate) fn inputs(&self, topology: &Topology, task: &TaskId) -> Vec<Option<TopicPartition>> {
        let subtopology = &topology.subtopologies[usize::from(task.subtopology)];
        let input = |node: &usize| {
            let exists = (task.partition as u32) < self.plan.sources[node];
            exists.then(|| TopicPartition::new(Arc::clone(&self.topics[node]), task.partition))
        };
        subtopology.sources.iter().map(input).collect()
    }

    /// All topics that belong to the application.
    pub(crate) fn internal_topics(&self, topology: &Topology) -> Vec<String> {
        let sources = topology.nodes.iter().enumerate();
        let internal =
            sources.filter(|(_, node)| matches!(node.kind, NodeKind::RepartitionSource { .. }));
        let names = internal.map(|(index, _)| self.topics[&index].to_string());
        names.chain(self.changelog.iter().map(ToString::to_string)).collect()
    }
}

/// Looks the topics of a topology up and creates the internal ones.
pub(crate) async fn prepare(
    topology: &Topology,
    application_id: &str,
    transient: bool,
    broker: &dyn Broker,
) -> Result<Layout, AppError> {
    let external: Vec<String> =
        topology.source_topics().chain(topology.sink_topics()).map(str::to_owned).collect();
    let counts = broker.partitions(&external).await?;
    if let Some(missing) = topology.sink_topics().find(|topic| !counts.contains_key(*topic)) {
        return Err(AppError::MissingSink { topic: missing.to_owned() });
    }
    let plan = resolve(topology, &counts)?;
    let mut topics = HashMap::new();
    for (index, node) in topology.nodes.iter().enumerate() {
        let topic = match &node.kind {
            NodeKind::Source(spec) => spec.topic.clone(),
            NodeKind::Sink(spec) => spec.topic.clone(),
            NodeKind::RepartitionSource { .. } => repartition_topic(application_id, &node.name),
            NodeKind::RepartitionSink(_) | NodeKind::Operator { .. } | NodeKind::Merge => continue,
        };
        topics.insert(index, Arc::from(topic));
    }
    for (index, node) in topology.nodes.iter().enumerate() {
        if let NodeKind::RepartitionSource { writer, .. } = node.kind {
            let topic: Arc<str> = Arc::clone(&topics[&index]);
            create(broker, &topic, plan.sources[&index], &repartition_configs()).await?;
            topics.insert(writer, topic);
        }
    }
    let logged = topology.subtopologies.iter().zip(&plan.tasks);
    let widest = logged.filter(|(sub, _)| topology.is_logged(sub)).map(|(_, &tasks)| tasks).max();
    let changelog = match widest {
        Some(partitions) if !transient => {
            let topic = changelog_topic(application_id);
            create(broker, &topic, partitions, &changelog_configs()).await?;
            Some(Arc::from(topic))
        }
        _ => None,
    };
    Ok(Layout { application_id: application_id.to_owned(), plan, topics, changelog })
}

async fn create(
    broker: &dyn Broker,
    name: &str,
    partitions: u32,
    configs: &[(&str, String)],
) -> Result<(), AppError> {
    let configs: BTreeMap<String, String> =
        configs.iter().map(|(key, value)| ((*key).to_owned(), value.clone())).collect();
    let topic = InternalTopic { name: name.to_owned(), partitions, configs };
    broker.create_topic(&topic).await?;
    let found = broker.partitions(std::slice::from_ref(&topic.name)).await?;
    match found.get(name) {
        Some(&found) if found == partitions => Ok(()),
        Some(&found) => {
            Err(AppError::InternalTopic { topic: topic.name, found, expected: partitions })
        }
        None => Err(AppError::from(BrokerError {
            action: format!("cannot create internal topic {name}"),
            message: "the cluster does not show it".to_owned(),
            retriable: true,
        })),
    }
}

fn repartition_configs() -> [(&'static str, String); 2] {
    [("cleanup.policy", "delete".to_owned()), ("retention.ms", "-1".to_owned())]
}

fn changelog_configs() -> [(&'static str, String); 2] {
    [
        ("cleanup.policy", "compact".to_owned()),
        ("min.compaction.lag.ms", MIN_COMPACTION_LAG_MS.to_string()),
    ]
}
