//! A topology in words, for EXPLAIN and logs.

use std::fmt;

use super::{Node, NodeKind, Topology};

impl fmt::Display for Topology {
    /// The layout that Kafka Streams' description has.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "Topologies:")?;
        for (number, subtopology) in self.subtopologies.iter().enumerate() {
            writeln!(f, "   Sub-topology: {number}")?;
            for &index in &subtopology.nodes {
                self.node(f, &self.nodes[index])?;
            }
        }
        Ok(())
    }
}

impl Topology {
    fn node(&self, f: &mut fmt::Formatter<'_>, node: &Node) -> fmt::Result {
        let name = &node.name;
        match &node.kind {
            NodeKind::Source(spec) => writeln!(f, "    Source: {name} (topics: [{}])", spec.topic)?,
            NodeKind::RepartitionSource { .. } => {
                writeln!(f, "    Source: {name} (topics: [{name}-repartition])")?;
            }
            NodeKind::Operator { stores, .. } => {
                writeln!(f, "    Processor: {name} (stores: [{}])", stores.join(", "))?;
            }
            NodeKind::Merge => writeln!(f, "    Processor: {name} (stores: [])")?,
            NodeKind::Sink(spec) => writeln!(f, "    Sink: {name} (topic: {})", spec.topic)?,
            NodeKind::RepartitionSink(_) => {
                let topic = name.trim_end_matches("-sink");
                writeln!(f, "    Sink: {name} (topic: {topic}-repartition)")?;
            }
        }
        if !matches!(node.kind, NodeKind::Sink(_) | NodeKind::RepartitionSink(_)) {
            let names = node.outputs.iter().map(|(next, _)| self.nodes[*next].name.as_str());
            writeln!(f, "      --> {}", list(names))?;
        }
        if !matches!(node.kind, NodeKind::Source(_) | NodeKind::RepartitionSource { .. }) {
            let names = node.inputs.iter().map(|&input| self.nodes[input].name.as_str());
            writeln!(f, "      <-- {}", list(names))?;
        }
        Ok(())
    }
}

fn list<'a>(names: impl Iterator<Item = &'a str>) -> String {
    let names: Vec<&str> = names.collect();
    if names.is_empty() { "none".to_owned() } else { names.join(", ") }
}
