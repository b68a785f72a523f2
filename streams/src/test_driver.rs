//! [`TestDriver`]: a topology without a broker, record by record.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;

use thiserror::Error;

use crate::metrics::{Metrics, MetricsSnapshot};
use crate::operator::{Report, TaskId};
use crate::query::{QueryError, StoreQuery};
use crate::record::{InputRecord, OutputRecord};
use crate::runtime::{Engine, EngineError, Outgoing};
use crate::state::{MemoryBackend, StateBackend, TaskSpace};
use crate::topology::{NodeKind, Topology};

/// What made the driver stop.
#[derive(Debug, Error)]
#[error("{0}")]
pub struct TestDriverError(String);

impl From<EngineError> for TestDriverError {
    fn from(error: EngineError) -> Self {
        Self(error.to_string())
    }
}

/// Runs a topology with one task for each sub-topology and state in memory. Each record that is
/// piped in goes all the way before the next: through internal topics, and through sinks whose
/// topic the topology also reads. Nothing is coalesced, nothing depends on the clock.
pub struct TestDriver {
    topology: Arc<Topology>,
    engines: Vec<Engine>,
    backend: Arc<dyn StateBackend>,
    metrics: Arc<Metrics>,
    offsets: HashMap<usize, i64>,
    outputs: BTreeMap<String, VecDeque<OutputRecord>>,
    reports: Vec<Report>,
}

impl TestDriver {
    pub fn new(topology: Topology) -> Result<Self, TestDriverError> {
        let topology = Arc::new(topology);
        let backend: Arc<dyn StateBackend> = Arc::new(MemoryBackend::default());
        let metrics = Arc::new(Metrics::default());
        let engine = |number| {
            let task = TaskId { subtopology: number as u16, partition: 0 };
            Engine::new(&topology, task, &backend, &metrics)
        };
        let engines =
            (0..topology.subtopologies.len()).map(engine).collect::<Result<Vec<_>, _>>()?;
        Ok(Self {
            engines,
            topology,
            backend,
            metrics,
            offsets: HashMap::new(),
            outputs: BTreeMap::new(),
            reports: Vec::new(),
        })
    }

    /// Whether the topology reads `topic`.
    pub fn reads(&self, topic: &str) -> bool {
        self.topology.source_topics().any(|source| source == topic)
    }

    /// Pipes a record in; its offset is set by the driver. Records of topics that the topology
    /// does not read are ignored.
    pub fn pipe(&mut self, topic: &str, record: InputRecord) -> Result<(), TestDriverError> {
        let mut open = VecDeque::new();
        open.extend(self.source(topic).map(|node| (node, record)));
        while let Some((node, record)) = open.pop_front() {
            for outgoing in self.process(node, record)? {
                self.route(outgoing, &mut open);
            }
        }
        Ok(())
    }

    /// Takes the records written to `topic` since the last call, in order.
    pub fn read(&mut self, topic: &str) -> Vec<OutputRecord> {
        self.outputs.remove(topic).map(Vec::from).unwrap_or_default()
    }

    /// Takes what the processing log was told.
    pub fn take_reports(&mut self) -> Vec<Report> {
        std::mem::take(&mut self.reports)
    }

    pub fn metrics(&self) -> MetricsSnapshot {
        self.metrics.snapshot()
    }

    /// Read access to a store, as it is now.
    pub fn query(&mut self, store: &str) -> Result<StoreQuery, QueryError> {
        for engine in &mut self.engines {
            engine.flush().map_err(|error| {
                QueryError::Rows(crate::OperatorError::Failed(error.to_string()))
            })?;
            self.backend.write(&engine.stores().writes())?;
            engine.stores_mut().committed();
        }
        let unknown = || QueryError::UnknownStore(store.to_owned());
        let (task, number, reader) = self.topology.queryable(store).ok_or_else(unknown)?;
        let task = TaskSpace::new(&TaskId { subtopology: task, partition: 0 });
        let backend = Arc::clone(&self.backend);
        Ok(StoreQuery { backend, reader, tasks: Arc::new([task]), store: number })
    }

    fn source(&self, topic: &str) -> Option<usize> {
        self.topology
            .nodes
            .iter()
            .position(|node| matches!(&node.kind, NodeKind::Source(spec) if spec.topic == topic))
    }

    fn process(
        &mut self,
        node: usize,
        mut record: InputRecord,
    ) -> Result<Vec<Outgoing>, TestDriverError> {
        let offset = self.offsets.entry(node).or_insert(0);
        record.offset = *offset;
        *offset += 1;
        let engine = &mut self.engines[usize::from(self.topology.nodes[node].subtopology)];
        let input = engine.subtopology().sources.iter().position(|&source| source == node);
        let input = input.expect("a source is an input of its sub-topology") as u16;
        let decoded = engine.decode(input, 0, &[record])?;
        engine.process(input, decoded)?;
        self.reports.append(&mut engine.reports);
        Ok(std::mem::take(&mut engine.outgoing))
    }

    fn route(&mut self, outgoing: Outgoing, open: &mut VecDeque<(usize, InputRecord)>) {
        let Outgoing { node, record } = outgoing;
        let target = match &self.topology.nodes[node].kind {
            NodeKind::Sink(spec) => {
                let topic = spec.topic.clone();
                let target = self.source(&topic);
                self.outputs.entry(topic).or_default().push_back(record.clone());
                target
            }
            _ => self.topology.repartition_reader(node),
        };
        let OutputRecord { key, value, headers, timestamp, .. } = record;
        let record = InputRecord { key, value, headers, timestamp, offset: 0 };
        open.extend(target.map(|node| (node, record)));
    }
}
