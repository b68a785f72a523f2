//! How many tasks a topology needs: partitions of its inputs, external and internal.

use std::collections::HashMap;

use super::{Node, NodeKind, Topology, TopologyError};

/// Partition counts by node of a topology.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct PartitionPlan {
    /// Tasks of each sub-topology.
    pub(crate) tasks: Vec<u32>,
    /// Partitions of each source node's topic, internal topics included.
    pub(crate) sources: HashMap<usize, u32>,
}

/// Works the counts out, given those of the external topics, and checks that what is joined is
/// partitioned alike.
pub(crate) fn resolve(
    topology: &Topology,
    external: &HashMap<String, u32>,
) -> Result<PartitionPlan, TopologyError> {
    let mut sources = HashMap::new();
    for (index, node) in topology.nodes.iter().enumerate() {
        match &node.kind {
            NodeKind::Source(spec) => {
                let count = external.get(&spec.topic);
                let missing = || TopologyError::MissingTopic(spec.topic.clone());
                sources.insert(index, *count.ok_or_else(missing)?);
            }
            NodeKind::RepartitionSource { reader, .. } => {
                if let Some(count) = reader.partitions {
                    sources.insert(index, count);
                }
            }
            _ => {}
        }
    }
    while let Some(open) = first_open(topology, &sources) {
        let next = topology.subtopologies.iter().find_map(|sub| {
            let node = *sub.sources.iter().find(|source| !sources.contains_key(source))?;
            Some((node, width(topology, node, &sources)?))
        });
        let circle = || TopologyError::Circle(topology.nodes[open].name.clone());
        let (node, count) = next.ok_or_else(circle)?;
        sources.insert(node, count);
    }
    for index in 0..topology.nodes.len() {
        check_inputs(topology, index, &sources)?;
    }
    let widest = |nodes: &[usize]| nodes.iter().map(|node| sources[node]).max().unwrap_or(0);
    let tasks = topology.subtopologies.iter().map(|sub| widest(&sub.sources)).collect();
    Ok(PartitionPlan { tasks, sources })
}

fn first_open(topology: &Topology, sources: &HashMap<usize, u32>) -> Option<usize> {
    let mut all = topology.subtopologies.iter().flat_map(|sub| &sub.sources);
    all.find(|source| !sources.contains_key(source)).copied()
}

/// Partitions for the internal topic read by `node`, once they can be told.
fn width(topology: &Topology, node: usize, sources: &HashMap<usize, u32>) -> Option<u32> {
    let NodeKind::RepartitionSource { writer, .. } = topology.nodes[node].kind else { return None };
    let around = &topology.subtopologies[usize::from(topology.nodes[node].subtopology)];
    let known = around.sources.iter().filter_map(|source| sources.get(source)).max();
    if known.is_some() {
        return known.copied();
    }
    let before = &topology.subtopologies[usize::from(topology.nodes[writer].subtopology)];
    let known: Option<Vec<u32>> =
        before.sources.iter().map(|source| sources.get(source).copied()).collect();
    known?.into_iter().max()
}

fn check_inputs(
    topology: &Topology,
    index: usize,
    sources: &HashMap<usize, u32>,
) -> Result<(), TopologyError> {
    let node = &topology.nodes[index];
    if !matches!(node.kind, NodeKind::Operator { copartitioned: true, .. }) {
        return Ok(());
    }
    let mut fed = Vec::new();
    feeding(topology, index, &mut fed);
    let counted = |&source: &usize| (name(&topology.nodes[source]), sources[&source]);
    let mut fed = fed.iter().map(counted);
    let Some((left, left_partitions)) = fed.next() else { return Ok(()) };
    match fed.find(|(_, count)| *count != left_partitions) {
        None => Ok(()),
        Some((right, right_partitions)) => Err(TopologyError::NotCopartitioned {
            node: node.name.clone(),
            left: left.to_owned(),
            left_partitions,
            right: right.to_owned(),
            right_partitions,
        }),
    }
}

fn name(node: &Node) -> &str {
    match &node.kind {
        NodeKind::Source(spec) => &spec.topic,
        _ => &node.name,
    }
}

/// Collects the sources that feed `node`.
fn feeding(topology: &Topology, node: usize, found: &mut Vec<usize>) {
    let inputs = &topology.nodes[node].inputs;
    if inputs.is_empty() && !found.contains(&node) {
        found.push(node);
    }
    for &input in inputs {
        feeding(topology, input, found);
    }
}
