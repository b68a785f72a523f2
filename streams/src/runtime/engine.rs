//! [`Engine`]: one task's operators and stores. Pure of I/O but for the state backend: chunks
//! in, records out, so that the test driver and the runtime do the very same.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use arrow::array::RecordBatch;
use client::FailureKind;
use thiserror::Error;

use crate::chunk::{Chunk, ChunkError, Origin};
use crate::metrics::Metrics;
use crate::operator::{Operator, OperatorContext, OperatorError, Report, TaskId};
use crate::record::{BadRecord, CodecError, InputRecord, OutputRecord};
use crate::state::{Checkpoint, Seen, StateBackend, StateError, Stores, TaskSpace, Written};
use crate::time::NO_TIME;
use crate::topology::{
    NodeKind, RepartitionWriter, RowOrigin, SeenKey, SinkSpec, SubTopology, Topology,
};

/// Why a task cannot go on.
#[derive(Debug, Error)]
pub(crate) enum EngineError {
    #[error("operator {node} failed: {source}")]
    Operator { node: String, source: OperatorError },
    #[error("{node} cannot convert records: {source}")]
    Codec { node: String, source: CodecError },
    #[error(transparent)]
    State(#[from] StateError),
    #[error(
        "the state of this application is of another topology: its stores are {}, here they are \
         {}; give the changed query another application id",
        found.join(", "),
        expected.join(", ")
    )]
    OtherTopology { found: Vec<String>, expected: Vec<String> },
}

impl EngineError {
    /// Whether the same may succeed once something outside is back.
    pub(crate) fn is_retriable(&self) -> bool {
        matches!(self, Self::Codec { source, .. } if source.kind == FailureKind::Retry)
    }
}

/// A record for the topic of a sink or repartition node.
#[derive(Debug)]
pub(crate) struct Outgoing {
    pub(crate) node: usize,
    pub(crate) record: OutputRecord,
}

/// Rows of an input, with their origins where they come over an internal topic.
#[derive(Debug)]
pub(crate) struct Decoded {
    pub(crate) chunk: Chunk,
    pub(crate) origins: Option<Vec<RowOrigin>>,
}

impl Decoded {
    /// Takes the first `count` rows off.
    pub(crate) fn split_front(&mut self, count: usize) -> Self {
        let chunk = self.chunk.slice(0..count);
        self.chunk = self.chunk.slice(count..self.chunk.len());
        let origins = self.origins.as_mut().map(|origins| {
            let rest = origins.split_off(count);
            std::mem::replace(origins, rest)
        });
        Self { chunk, origins }
    }
}

/// Sees the chunks that a node forwards (push queries).
pub(crate) type Tap = Arc<dyn Fn(usize, &Chunk) + Send + Sync>;

/// The operators and stores of a task.
pub(crate) struct Engine {
    topology: Arc<Topology>,
    task: TaskId,
    nodes: HashMap<usize, Work>,
    stores: Stores,
    store_names: Vec<String>,
    stream_time: i64,
    /// Last origin of what came over internal topics, by number of the input.
    seen: HashMap<(u16, SeenKey), (i64, u32)>,
    /// Last origin written, by node and number of the input it descends from.
    written: HashMap<(usize, u16), (i64, u32)>,
    metrics: Arc<Metrics>,
    pub(crate) tap: Option<Tap>,
    pub(crate) outgoing: Vec<Outgoing>,
    pub(crate) reports: Vec<Report>,
}

enum Work {
    Pass,
    Operator { operator: Box<dyn Operator>, stores: Vec<String> },
    Sink(SinkSpec),
    Repartition(Arc<RepartitionWriter>),
}

impl Engine {
    pub(crate) fn new(
        topology: &Arc<Topology>,
        task: TaskId,
        backend: &Arc<dyn StateBackend>,
        metrics: &Arc<Metrics>,
    ) -> Result<Self, EngineError> {
        let subtopology = &topology.subtopologies[usize::from(task.subtopology)];
        let mut nodes = HashMap::new();
        for &index in &subtopology.nodes {
            let node = &topology.nodes[index];
            let work = match &node.kind {
                NodeKind::Source(_) | NodeKind::RepartitionSource { .. } | NodeKind::Merge => {
                    Work::Pass
                }
                NodeKind::Operator { factory, stores, .. } => {
                    let failed = |source| EngineError::Operator { node: node.name.clone(), source };
                    let operator = factory(&task).map_err(failed)?;
                    Work::Operator { operator, stores: stores.clone() }
                }
                NodeKind::Sink(spec) => Work::Sink(spec.clone()),
                NodeKind::RepartitionSink(writer) => Work::Repartition(Arc::clone(writer)),
            };
            nodes.insert(index, work);
        }
        let specs = subtopology.stores.iter().enumerate().map(|(number, &store)| {
            let spec = &topology.stores[store];
            (spec.name.clone(), number as u16, spec.logged)
        });
        let stores = Stores::new(backend, &TaskSpace::new(&task), specs.clone());
        Ok(Self {
            store_names: specs.map(|(name, ..)| name).collect(),
            topology: Arc::clone(topology),
            task,
            nodes,
            stores,
            stream_time: NO_TIME,
            seen: HashMap::new(),
            written: HashMap::new(),
            metrics: Arc::clone(metrics),
            tap: None,
            outgoing: Vec::new(),
            reports: Vec::new(),
        })
    }

    pub(crate) fn task(&self) -> &TaskId {
        &self.task
    }

    pub(crate) fn subtopology(&self) -> &SubTopology {
        &self.topology.subtopologies[usize::from(self.task.subtopology)]
    }

    /// Whether an input is an internal topic.
    pub(crate) fn is_internal(&self, input: u16) -> bool {
        let node = self.subtopology().sources[usize::from(input)];
        matches!(self.topology.nodes[node].kind, NodeKind::RepartitionSource { .. })
    }

    pub(crate) fn stores(&self) -> &Stores {
        &self.stores
    }

    pub(crate) fn stores_mut(&mut self) -> &mut Stores {
        &mut self.stores
    }

    /// Decodes records of input `input`. Does not touch what is committed, and leaves no trace
    /// where it fails: the same records may be given again.
    pub(crate) fn decode(
        &mut self,
        input: u16,
        partition: i32,
        records: &[InputRecord],
    ) -> Result<Decoded, EngineError> {
        let index = self.subtopology().sources[usize::from(input)];
        let node = &self.topology.nodes[index];
        let mut bad = Vec::new();
        let decoded = match &node.kind {
            NodeKind::Source(spec) if records.is_empty() => {
                let none = RecordBatch::new_empty(spec.decoder.schema());
                let origin = Origin::new(partition, Vec::new());
                let chunk = Chunk::appends(none, Vec::new(), origin);
                let chunk = chunk.map_err(|error| CodecError::fatal(error.to_string()));
                chunk.map(|chunk| Decoded { chunk, origins: None })
            }
            NodeKind::Source(spec) => spec
                .decoder
                .decode(partition, records, &mut bad)
                .map(|chunk| Decoded { chunk, origins: None }),
            NodeKind::RepartitionSource { reader, .. } => reader
                .decode(partition, records, &mut bad)
                .map(|(chunk, origins)| Decoded { chunk, origins: Some(origins) }),
            _ => unreachable!("inputs are sources"),
        };
        let failed = |source| EngineError::Codec { node: node.name.clone(), source };
        let Decoded { chunk, origins } = decoded.map_err(failed)?;
        self.metrics.add_records_in(records.len());
        self.metrics.add_bad_records(bad.len());
        let report = |BadRecord { offset, message }| Report {
            node: node.name.clone(),
            partition,
            offset: Some(offset),
            message,
        };
        self.reports.extend(bad.into_iter().map(report));
        Ok(Decoded { chunk: chunk.with_input(input), origins })
    }

    /// Runs rows of input `input` through the operators; output waits in `outgoing`.
    pub(crate) fn process(&mut self, input: u16, decoded: Decoded) -> Result<(), EngineError> {
        let source = self.subtopology().sources[usize::from(input)];
        let chunk = self.unseen(input, decoded)?;
        if self.subtopology().row_by_row {
            for row in 0..chunk.len() {
                self.run(source, chunk.slice(row..row + 1))?;
            }
            return Ok(());
        }
        self.run(source, chunk)
    }

    /// Leaves out the rows of an internal topic that went into the state before.
    fn unseen(&mut self, input: u16, decoded: Decoded) -> Result<Chunk, EngineError> {
        let Decoded { chunk, origins: Some(origins) } = decoded else { return Ok(decoded.chunk) };
        let mut kept = Vec::with_capacity(chunk.len());
        for (row, (key, at)) in origins.into_iter().enumerate() {
            let last = self.seen.entry((input, key)).or_insert((-1, 0));
            if at > *last {
                *last = at;
                kept.push(row);
            }
        }
        self.metrics.add_duplicates(chunk.len() - kept.len());
        if kept.len() == chunk.len() {
            return Ok(chunk);
        }
        let failed = |source: ChunkError| EngineError::Operator {
            node: "internal topic".to_owned(),
            source: source.into(),
        };
        chunk.take(&kept).map_err(failed)
    }

    fn run(&mut self, source: usize, chunk: Chunk) -> Result<(), EngineError> {
        if chunk.is_empty() {
            return Ok(());
        }
        let latest = chunk.timestamps().iter().copied().max().unwrap_or(NO_TIME);
        self.stream_time = self.stream_time.max(latest);
        let mut open: Vec<(usize, usize, Chunk)> = vec![(source, 0, chunk)];
        while let Some((index, port, chunk)) = open.pop() {
            let mut forwarded = Vec::new();
            self.step(index, port, chunk, &mut forwarded)?;
            if let Some(tap) = &self.tap {
                forwarded.iter().for_each(|chunk| tap(index, chunk));
            }
            let outputs = &self.topology.nodes[index].outputs;
            for chunk in forwarded.iter().rev() {
                open.extend(outputs.iter().rev().map(|&(next, port)| (next, port, chunk.clone())));
            }
        }
        Ok(())
    }

    fn step(
        &mut self,
        index: usize,
        port: usize,
        chunk: Chunk,
        forwarded: &mut Vec<Chunk>,
    ) -> Result<(), EngineError> {
        let name = &self.topology.nodes[index].name;
        match self.nodes.get_mut(&index) {
            None | Some(Work::Pass) => {
                forwarded.push(chunk);
                Ok(())
            }
            Some(Work::Operator { operator, stores }) => {
                let mut context = OperatorContext {
                    node: name,
                    task: &self.task,
                    allowed: stores,
                    stores: &mut self.stores,
                    stream_time: self.stream_time,
                    metrics: &self.metrics,
                    forwarded,
                    reports: &mut self.reports,
                };
                let failed = |source| EngineError::Operator { node: name.clone(), source };
                operator.process(port, chunk, &mut context).map_err(failed)
            }
            Some(Work::Sink(spec)) => {
                let failed = |source| EngineError::Codec { node: name.clone(), source };
                let records = spec.encoder.encode(&chunk).map_err(failed)?;
                self.send(index, records);
                Ok(())
            }
            Some(Work::Repartition(writer)) => {
                let last = self.written.entry((index, chunk.origin().input)).or_insert((-1, 0));
                let failed = |source| EngineError::Codec { node: name.clone(), source };
                let records = writer.encode(&self.task, &chunk, last).map_err(failed)?;
                self.send(index, records);
                Ok(())
            }
        }
    }

    fn send(&mut self, node: usize, records: Vec<OutputRecord>) {
        self.metrics.add_records_out(records.len());
        self.outgoing.extend(records.into_iter().map(|record| Outgoing { node, record }));
    }

    /// Lets the operators write what they hold in memory to their stores.
    pub(crate) fn flush(&mut self) -> Result<(), EngineError> {
        let mut forwarded = Vec::new();
        for &index in &self.topology.subtopologies[usize::from(self.task.subtopology)].nodes {
            let name = &self.topology.nodes[index].name;
            let Some(Work::Operator { operator, stores }) = self.nodes.get_mut(&index) else {
                continue;
            };
            let mut context = OperatorContext {
                node: name,
                task: &self.task,
                allowed: stores,
                stores: &mut self.stores,
                stream_time: self.stream_time,
                metrics: &self.metrics,
                forwarded: &mut forwarded,
                reports: &mut self.reports,
            };
            let failed = |source| EngineError::Operator { node: name.clone(), source };
            operator.flush(&mut context).map_err(failed)?;
            if !forwarded.is_empty() {
                let message = "it forwarded rows while it was flushed".to_owned();
                return Err(failed(OperatorError::Failed(message)));
            }
        }
        Ok(())
    }

    /// What is to be committed with the state, input positions aside. Call after `flush`.
    pub(crate) fn checkpoint(&self) -> Checkpoint {
        let operators = self.nodes.iter().filter_map(|(index, work)| match work {
            Work::Operator { operator, .. } => {
                Some((self.topology.nodes[*index].name.clone(), operator.save()?))
            }
            _ => None,
        });
        let seen = self.seen.iter().map(|((input, key), (offset, index))| Seen {
            input_number: *input,
            task: (key.task.subtopology, key.task.partition),
            input: key.input,
            offset: *offset,
            index: *index,
        });
        let written = self.written.iter().map(|((node, input), (offset, index))| Written {
            node: self.topology.nodes[*node].name.clone(),
            input: *input,
            offset: *offset,
            index: *index,
        });
        Checkpoint {
            stores: self.store_names.clone(),
            stream_time: self.stream_time,
            operators: operators.collect::<BTreeMap<_, _>>(),
            seen: seen.collect(),
            written: written.collect(),
            ..Checkpoint::default()
        }
    }

    /// Takes back what was committed.
    pub(crate) fn restore(&mut self, checkpoint: &Checkpoint) -> Result<(), EngineError> {
        if checkpoint.stores != self.store_names {
            return Err(EngineError::OtherTopology {
                found: checkpoint.stores.clone(),
                expected: self.store_names.clone(),
            });
        }
        self.stream_time = checkpoint.stream_time;
        for seen in &checkpoint.seen {
            let (subtopology, partition) = seen.task;
            let key = SeenKey { task: TaskId { subtopology, partition }, input: seen.input };
            self.seen.insert((seen.input_number, key), (seen.offset, seen.index));
        }
        for written in &checkpoint.written {
            let nodes = &self.topology.nodes;
            if let Some(node) = nodes.iter().position(|node| node.name == written.node) {
                let last = (written.offset, written.index);
                self.written.insert((node, written.input), last);
            }
        }
        for (index, work) in &mut self.nodes {
            let node = &self.topology.nodes[*index].name;
            let Work::Operator { operator, .. } = work else { continue };
            let Some(saved) = checkpoint.operators.get(node) else { continue };
            let failed = |source| EngineError::Operator { node: node.clone(), source };
            operator.restore(saved).map_err(failed)?;
        }
        Ok(())
    }
}
