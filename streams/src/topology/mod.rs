//! [`Topology`]: sources, operators, stores and sinks, and how they hang together.
//!
//! ```text
//!   source ─► operator ─► repartition ─ ─(internal topic)─ ─► aggregate ─► materialise ─► sink
//!   └────── sub-topology 0 ─────────┘                       └──── sub-topology 1 ─────────────┘
//! ```
//!
//! Nodes that are joined by edges or share a store make a sub-topology. It runs as one task for
//! each partition of its inputs, and a task has its own operators and stores.

mod builder;
mod describe;
mod partitions;
mod repartition;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use thiserror::Error;

pub use builder::TopologyBuilder;
pub(crate) use partitions::{PartitionPlan, resolve};
pub(crate) use repartition::{RepartitionReader, RepartitionWriter, RowOrigin, SeenKey};

use crate::chunk::Chunk;
use crate::operator::OperatorFactory;
use crate::query::StoreReader;
use crate::record::{CodecError, RecordDecoder, RecordEncoder};
use crate::state::CodecFailure;

/// A node of a [`TopologyBuilder`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct NodeId(pub(crate) usize);

/// Where a source begins when the application has no position yet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum StartFrom {
    #[default]
    Earliest,
    /// Only records that come after the first start.
    Latest,
}

/// What a source's records mean, and when they are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SourceRole {
    /// Records are taken in the order of their timestamps among all inputs of the task.
    Stream,
    /// As a stream's, but records are changes by key.
    Table,
    /// A table that is read up to what its topic holds at the first start before any stream,
    /// whatever the timestamps; from then on as [`SourceRole::Table`].
    TableReadFirst,
}

/// A topic that a topology reads.
#[derive(Clone)]
pub struct SourceSpec {
    pub topic: String,
    pub decoder: Arc<dyn RecordDecoder>,
    pub role: SourceRole,
    pub start: StartFrom,
}

/// A topic that a topology writes. It must exist when the application starts.
#[derive(Clone)]
pub struct SinkSpec {
    pub topic: String,
    pub encoder: Arc<dyn RecordEncoder>,
}

/// A store of a topology.
#[derive(Clone)]
pub struct StoreSpec {
    pub name: String,
    /// Whether its changes go to the changelog topic. A store without is lost with the local
    /// state, so that it must be one that the operator can do without.
    pub logged: bool,
    /// How pull queries read it; `None`: not for queries.
    pub reader: Option<Arc<dyn StoreReader>>,
}

impl StoreSpec {
    pub fn new(name: impl Into<String>) -> Self {
        Self { name: name.into(), logged: true, reader: None }
    }

    pub fn without_changelog(self) -> Self {
        Self { logged: false, ..self }
    }

    pub fn with_reader(self, reader: Arc<dyn StoreReader>) -> Self {
        Self { reader: Some(reader), ..self }
    }
}

/// Keys by which rows are spread over partitions: those of the topic that the rows are to meet.
pub trait PartitionKeys: Send + Sync {
    /// One key a row, as a producer of that topic would write it; `None`: any partition.
    fn keys(&self, chunk: &Chunk) -> Result<Vec<Option<bytes::Bytes>>, CodecError>;
}

/// An internal topic between two sub-topologies. Rows travel in an internal format, and a
/// restart neither loses nor doubles one.
#[derive(Clone)]
pub struct RepartitionSpec {
    /// Schema of the rows: key columns first.
    pub schema: SchemaRef,
    pub key_columns: usize,
    /// How partitions are chosen: `None` takes the key columns in the internal format, which is
    /// right unless the rows are joined with those of another topic.
    pub keys: Option<Arc<dyn PartitionKeys>>,
    /// `None`: as many partitions as the other inputs of the sub-topology behind it, or if
    /// there are none, as the widest input of the one before it.
    pub partitions: Option<u32>,
}

/// A topology that cannot be built.
#[derive(Debug, Error)]
pub enum TopologyError {
    #[error("the topology has two {what} named {name}")]
    Duplicate { what: &'static str, name: String },
    #[error("topic {0} is read by two sources; use one source for both")]
    TopicReadTwice(String),
    #[error("operator {node} names store {store}, which the topology does not have")]
    UnknownStore { node: String, store: String },
    #[error("store {0} is not connected to any operator")]
    UnusedStore(String),
    #[error("node {node} has no input; every operator and sink needs one")]
    NoInput { node: String },
    #[error("node {node} takes input from sink {input}; a sink has no output")]
    InputFromSink { node: String, input: String },
    #[error("the topology has no source")]
    Empty,
    #[error("the rows of repartition {node} cannot be written: {source}")]
    Repartition { node: String, source: CodecFailure },
    #[error(
        "topics {left} with {left_partitions} partitions and {right} with {right_partitions} \
         meet in {node}, which needs the same number; repartition one of them"
    )]
    NotCopartitioned {
        node: String,
        left: String,
        left_partitions: u32,
        right: String,
        right_partitions: u32,
    },
    #[error("source topic {0} does not exist; create it first")]
    MissingTopic(String),
    #[error("the partitions of the internal topics depend on each other in a circle: {0}")]
    Circle(String),
}

/// A checked topology, ready to be started any number of times.
#[derive(Clone)]
pub struct Topology {
    pub(crate) nodes: Vec<Node>,
    pub(crate) stores: Vec<StoreSpec>,
    pub(crate) subtopologies: Vec<SubTopology>,
}

#[derive(Clone)]
pub(crate) struct Node {
    pub(crate) name: String,
    pub(crate) kind: NodeKind,
    pub(crate) inputs: Vec<usize>,
    /// Nodes behind this one, with the port that it is there.
    pub(crate) outputs: Vec<(usize, usize)>,
    pub(crate) subtopology: u16,
    /// How many rows one row becomes here at most.
    pub(crate) expansion: usize,
}

#[derive(Clone)]
pub(crate) enum NodeKind {
    Source(SourceSpec),
    Operator {
        factory: OperatorFactory,
        stores: Vec<String>,
        /// Whether all inputs must have the same number of partitions.
        copartitioned: bool,
    },
    Merge,
    Sink(SinkSpec),
    RepartitionSink(Arc<RepartitionWriter>),
    /// The reading end; `writer` is the node of the writing end.
    RepartitionSource {
        reader: Arc<RepartitionReader>,
        writer: usize,
    },
}

#[derive(Clone, Debug, Default)]
pub(crate) struct SubTopology {
    /// Nodes, those in front first.
    pub(crate) nodes: Vec<usize>,
    /// The sources among them: the inputs of a task, by number.
    pub(crate) sources: Vec<usize>,
    /// Indexes of its stores; the position is the store's number in state and changelog.
    pub(crate) stores: Vec<usize>,
    /// Whether a source reaches a node over two ways, so that only one row at a time keeps
    /// the order of a record's effects.
    pub(crate) row_by_row: bool,
    /// How many rows one row becomes at most on its way through all nodes.
    pub(crate) expansion: usize,
}

impl Topology {
    /// Whether tasks commit to the changelog: those with stores, and those at internal topics.
    pub(crate) fn is_logged(&self, subtopology: &SubTopology) -> bool {
        let at_internal_topic = |&node: &usize| match self.nodes[node].kind {
            NodeKind::RepartitionSource { .. } | NodeKind::RepartitionSink(_) => true,
            NodeKind::Source(_) | NodeKind::Operator { .. } => false,
            NodeKind::Merge | NodeKind::Sink(_) => false,
        };
        subtopology.stores.iter().any(|&store| self.stores[store].logged)
            || subtopology.nodes.iter().any(at_internal_topic)
    }

    /// External topics that are read.
    pub fn source_topics(&self) -> impl Iterator<Item = &str> {
        self.nodes.iter().filter_map(|node| match &node.kind {
            NodeKind::Source(spec) => Some(spec.topic.as_str()),
            _ => None,
        })
    }

    /// Topics that are written, internal ones aside.
    pub fn sink_topics(&self) -> impl Iterator<Item = &str> {
        self.nodes.iter().filter_map(|node| match &node.kind {
            NodeKind::Sink(spec) => Some(spec.topic.as_str()),
            _ => None,
        })
    }
}

/// Name of the internal topic of repartition node `node`.
pub(crate) fn repartition_topic(application_id: &str, node: &str) -> String {
    format!("{application_id}-{node}-repartition")
}

/// Name of an application's changelog topic.
pub(crate) fn changelog_topic(application_id: &str) -> String {
    format!("{application_id}-changelog")
}

impl Topology {
    /// Sub-topology, number and reader of a store that can be queried.
    pub(crate) fn queryable(&self, name: &str) -> Option<(u16, u16, Arc<dyn StoreReader>)> {
        let index = self.stores.iter().position(|store| store.name == name)?;
        let reader = self.stores[index].reader.clone()?;
        self.subtopologies.iter().enumerate().find_map(|(task, subtopology)| {
            let number = subtopology.stores.iter().position(|&store| store == index)?;
            Some((task as u16, number as u16, Arc::clone(&reader)))
        })
    }

    /// The reading end of the internal topic that `writer` writes.
    pub(crate) fn repartition_reader(&self, writer: usize) -> Option<usize> {
        self.nodes.iter().position(|node| match node.kind {
            NodeKind::RepartitionSource { writer: other, .. } => other == writer,
            _ => false,
        })
    }
}
