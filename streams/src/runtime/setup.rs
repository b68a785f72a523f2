//! What an application needs before its tasks can run: partition counts and internal topics.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use super::broker::{Broker, BrokerError, InternalTopic, KnownTopic, TopicPartition, TopicRole};
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
    /// All topics, with the ids that they have now.
    pub(crate) known: BTreeMap<String, Identity>,
}

/// What tells a topic apart from a later one of its name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Identity {
    pub(crate) role: TopicRole,
    pub(crate) id: Option<String>,
    pub(crate) partitions: u32,
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

    /// The id that a topic has now.
    pub(crate) fn id(&self, topic: &str) -> Option<&str> {
        self.known.get(topic)?.id.as_deref()
    }

    /// Refuses a topic that is known under another id than `id`, where both are known.
    pub(crate) fn check_id(&self, topic: &str, id: Option<&str>) -> Result<(), AppError> {
        match (self.known.get(topic), id) {
            (Some(now), Some(id)) => now.check(topic, Some(id)),
            _ => Ok(()),
        }
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

impl Identity {
    /// Refuses to be taken for the topic that had this id.
    pub(crate) fn check(&self, topic: &str, id: Option<&str>) -> Result<(), AppError> {
        match (self.id.as_deref(), id) {
            (Some(found), Some(expected)) if found != expected => Err(AppError::TopicReplaced {
                role: self.role,
                topic: topic.to_owned(),
                expected: expected.to_owned(),
                found: found.to_owned(),
            }),
            _ => Ok(()),
        }
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
    let found = broker.topics(&external).await?;
    if let Some(missing) = topology.sink_topics().find(|topic| !found.contains_key(*topic)) {
        return Err(AppError::MissingSink { topic: missing.to_owned() });
    }
    let mut known = BTreeMap::new();
    for (role, topic) in topology
        .sink_topics()
        .map(|topic| (TopicRole::Sink, topic))
        .chain(topology.source_topics().map(|topic| (TopicRole::Source, topic)))
    {
        if let Some(found) = found.get(topic) {
            let (id, partitions) = (found.id.clone(), found.partitions);
            known.insert(topic.to_owned(), Identity { role, id, partitions });
        }
    }
    let counts = found.into_iter().map(|(topic, known)| (topic, known.partitions)).collect();
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
            let partitions = plan.sources[&index];
            let id = create(broker, &topic, partitions, &repartition_configs()).await?;
            known.insert(topic.to_string(), id);
            topics.insert(writer, topic);
        }
    }
    let logged = topology.subtopologies.iter().zip(&plan.tasks);
    let widest = logged.filter(|(sub, _)| topology.is_logged(sub)).map(|(_, &tasks)| tasks).max();
    let changelog = match widest {
        Some(partitions) if !transient => {
            let topic = changelog_topic(application_id);
            let id = create(broker, &topic, partitions, &changelog_configs()).await?;
            known.insert(topic.clone(), id);
            Some(Arc::from(topic))
        }
        _ => None,
    };
    Ok(Layout { application_id: application_id.to_owned(), plan, topics, changelog, known })
}

async fn create(
    broker: &dyn Broker,
    name: &str,
    partitions: u32,
    configs: &[(&str, String)],
) -> Result<Identity, AppError> {
    let configs: BTreeMap<String, String> =
        configs.iter().map(|(key, value)| ((*key).to_owned(), value.clone())).collect();
    let topic = InternalTopic { name: name.to_owned(), partitions, configs };
    broker.create_topic(&topic).await?;
    let mut found = broker.topics(std::slice::from_ref(&topic.name)).await?;
    match found.remove(name) {
        Some(KnownTopic { partitions: found, id }) if found == partitions => {
            Ok(Identity { role: TopicRole::Internal, id, partitions })
        }
        Some(KnownTopic { partitions: found, .. }) => {
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
