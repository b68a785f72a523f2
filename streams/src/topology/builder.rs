//! [`TopologyBuilder`]: a topology node by node, from the sources on.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use super::{
    Node, NodeId, NodeKind, RepartitionReader, RepartitionSpec, RepartitionWriter, SinkSpec,
    SourceSpec, StoreSpec, SubTopology, Topology, TopologyError,
};
use crate::operator::OperatorFactory;

/// Builds a [`Topology`]. Node names must be unique; they name internal topics and saved
/// notes, so that a later version of a topology should keep them.
#[derive(Default)]
pub struct TopologyBuilder {
    nodes: Vec<Node>,
    stores: Vec<StoreSpec>,
}

impl TopologyBuilder {
    pub fn new() -> Self {
        Self::default()
    }

    /// Reads a topic.
    pub fn source(&mut self, name: impl Into<String>, spec: SourceSpec) -> NodeId {
        self.add(name.into(), &[], NodeKind::Source(spec))
    }

    /// Adds an operator. Chunks of `inputs[i]` come to its port i; it may use `stores`.
    /// Where there are several inputs, their topics must have the same number of partitions.
    pub fn operator(
        &mut self,
        name: impl Into<String>,
        inputs: &[NodeId],
        stores: &[&str],
        factory: OperatorFactory,
    ) -> NodeId {
        let stores = stores.iter().map(|&store| store.to_owned()).collect();
        let kind = NodeKind::Operator { factory, stores, copartitioned: inputs.len() > 1 };
        self.add(name.into(), inputs, kind)
    }

    /// Says that one row becomes up to `rows` rows in a node (a row of hopping windows, for one),
    /// so that fewer rows are taken at once the more come out of each.
    pub fn expands(&mut self, node: NodeId, rows: usize) {
        self.nodes[node.0].expansion = rows.max(1);
    }

    /// Puts streams of the same schema together, whatever their partitions.
    pub fn merge(&mut self, name: impl Into<String>, inputs: &[NodeId]) -> NodeId {
        self.add(name.into(), inputs, NodeKind::Merge)
    }

    /// Spreads rows anew by their key over an internal topic; what is behind it sees all rows
    /// of a key in one task.
    pub fn repartition(
        &mut self,
        name: impl Into<String>,
        input: NodeId,
        spec: RepartitionSpec,
    ) -> Result<NodeId, TopologyError> {
        let name = name.into();
        let failed = |source| TopologyError::Repartition { node: name.clone(), source };
        let writer = RepartitionWriter::new(&spec).map_err(failed)?;
        let reader = RepartitionReader::new(&spec).map_err(failed)?;
        let sink = NodeKind::RepartitionSink(Arc::new(writer));
        let NodeId(writer) = self.add(format!("{name}-sink"), &[input], sink);
        let source = NodeKind::RepartitionSource { reader: Arc::new(reader), writer };
        Ok(self.add(name, &[], source))
    }

    /// Writes a topic.
    pub fn sink(&mut self, name: impl Into<String>, input: NodeId, spec: SinkSpec) -> NodeId {
        self.add(name.into(), &[input], NodeKind::Sink(spec))
    }

    /// Declares a store; operators are connected to it by name, before or after.
    pub fn store(&mut self, spec: StoreSpec) {
        self.stores.push(spec);
    }

    fn add(&mut self, name: String, inputs: &[NodeId], kind: NodeKind) -> NodeId {
        let id = self.nodes.len();
        for (port, input) in inputs.iter().enumerate() {
            self.nodes[input.0].outputs.push((id, port));
        }
        let inputs = inputs.iter().map(|input| input.0).collect();
        let outputs = Vec::new();
        self.nodes.push(Node { name, kind, inputs, outputs, subtopology: 0, expansion: 1 });
        NodeId(id)
    }

    /// Checks the topology and cuts it into sub-topologies.
    pub fn build(mut self) -> Result<Topology, TopologyError> {
        self.check_names()?;
        self.check_edges()?;
        let groups = self.groups();
        let mut subtopologies: Vec<SubTopology> = Vec::new();
        let mut numbers: BTreeMap<usize, usize> = BTreeMap::new();
        for (node, group) in groups.into_iter().enumerate() {
            let number = *numbers.entry(group).or_insert(subtopologies.len());
            if number == subtopologies.len() {
                subtopologies.push(SubTopology::default());
            }
            self.nodes[node].subtopology = number as u16;
            let subtopology = &mut subtopologies[number];
            subtopology.nodes.push(node);
            if is_source(&self.nodes[node].kind) {
                subtopology.sources.push(node);
            }
        }
        for (index, store) in self.stores.iter().enumerate() {
            let user = self.nodes.iter().find(|node| uses(node, &store.name));
            let user = user.ok_or_else(|| TopologyError::UnusedStore(store.name.clone()))?;
            subtopologies[usize::from(user.subtopology)].stores.push(index);
        }
        for subtopology in &mut subtopologies {
            let ways = |&source: &usize| reached_twice(&self.nodes, source);
            subtopology.row_by_row = subtopology.sources.iter().any(ways);
            let factors = subtopology.nodes.iter().map(|&node| self.nodes[node].expansion);
            subtopology.expansion = factors.fold(1, usize::saturating_mul);
        }
        Ok(Topology { nodes: self.nodes, stores: self.stores, subtopologies })
    }

    fn check_names(&self) -> Result<(), TopologyError> {
        let duplicate = |what, name: &str| TopologyError::Duplicate { what, name: name.to_owned() };
        let mut seen = HashSet::new();
        for node in &self.nodes {
            if !seen.insert(node.name.as_str()) {
                return Err(duplicate("nodes", &node.name));
            }
        }
        let mut seen = HashSet::new();
        for store in &self.stores {
            if !seen.insert(store.name.as_str()) {
                return Err(duplicate("stores", &store.name));
            }
        }
        let mut seen = HashSet::new();
        for node in &self.nodes {
            let NodeKind::Source(spec) = &node.kind else { continue };
            if !seen.insert(spec.topic.as_str()) {
                return Err(TopologyError::TopicReadTwice(spec.topic.clone()));
            }
        }
        Ok(())
    }

    fn check_edges(&self) -> Result<(), TopologyError> {
        if !self.nodes.iter().any(|node| is_source(&node.kind)) {
            return Err(TopologyError::Empty);
        }
        for node in &self.nodes {
            if node.inputs.is_empty() && !is_source(&node.kind) {
                return Err(TopologyError::NoInput { node: node.name.clone() });
            }
            for &input in &node.inputs {
                let input = &self.nodes[input];
                if matches!(input.kind, NodeKind::Sink(_) | NodeKind::RepartitionSink(_)) {
                    let (node, input) = (node.name.clone(), input.name.clone());
                    return Err(TopologyError::InputFromSink { node, input });
                }
            }
            let NodeKind::Operator { stores, .. } = &node.kind else { continue };
            for store in stores {
                if !self.stores.iter().any(|spec| spec.name == *store) {
                    let (node, store) = (node.name.clone(), store.clone());
                    return Err(TopologyError::UnknownStore { node, store });
                }
            }
        }
        Ok(())
    }

    /// For each node the first node of its sub-topology.
    fn groups(&self) -> Vec<usize> {
        let mut first: Vec<usize> = (0..self.nodes.len()).collect();
        let mut join = |a: usize, b: usize| {
            let (from, to) = (first[a].max(first[b]), first[a].min(first[b]));
            first.iter_mut().filter(|group| **group == from).for_each(|group| *group = to);
        };
        for (index, node) in self.nodes.iter().enumerate() {
            node.inputs.iter().for_each(|&input| join(index, input));
        }
        for store in &self.stores {
            let users: Vec<usize> = (0..self.nodes.len())
                .filter(|&node| uses(&self.nodes[node], &store.name))
                .collect();
            users.windows(2).for_each(|pair| join(pair[0], pair[1]));
        }
        first
    }
}

fn is_source(kind: &NodeKind) -> bool {
    matches!(kind, NodeKind::Source(_) | NodeKind::RepartitionSource { .. })
}

fn uses(node: &Node, store: &str) -> bool {
    matches!(&node.kind, NodeKind::Operator { stores, .. } if stores.iter().any(|s| s == store))
}

/// True where two ways lead from `source` to one node.
fn reached_twice(nodes: &[Node], source: usize) -> bool {
    let mut ways = vec![0_u32; nodes.len()];
    ways[source] = 1;
    for node in source..nodes.len() {
        if ways[node] > 1 {
            return true;
        }
        for &(next, _) in &nodes[node].outputs {
            ways[next] += ways[node];
        }
    }
    false
}
