//! [`Operator`]: one step of a topology, and what it may reach while it works.

use std::fmt;
use std::sync::Arc;

use arrow::error::ArrowError;
use thiserror::Error;

use crate::chunk::{Chunk, ChunkError};
use crate::metrics::Metrics;
use crate::state::{CodecFailure, KeyValueStore, StateError, Stores};

/// Which task an operator is built for.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TaskId {
    /// Number of the sub-topology.
    pub subtopology: u16,
    /// Partition of all the task's inputs.
    pub partition: i32,
}

impl fmt::Display for TaskId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}_{}", self.subtopology, self.partition)
    }
}

/// Why an operator could not go on. It ends the query; what concerns one row only is for
/// [`OperatorContext::report`].
#[derive(Debug, Error)]
pub enum OperatorError {
    #[error(transparent)]
    State(#[from] StateError),
    #[error("stored state cannot be read: {0}")]
    Codec(#[from] CodecFailure),
    #[error(transparent)]
    Chunk(#[from] ChunkError),
    #[error(transparent)]
    Arrow(#[from] ArrowError),
    #[error("{0}")]
    Failed(String),
}

/// One step of a topology, owned by one task: chunks in by port, chunks out by
/// [`OperatorContext::forward`].
///
/// The rules that keep a query exact:
/// - output depends on input rows, in their order, and on state in stores; not on the clock;
/// - how rows are cut into chunks must not show in the output;
/// - all state that must outlive a crash is in a store by the end of [`Operator::flush`], or in
///   what [`Operator::save`] returns.
pub trait Operator: Send {
    /// Takes a chunk that came over input `port` (position among the node's inputs).
    fn process(
        &mut self,
        port: usize,
        chunk: Chunk,
        context: &mut OperatorContext<'_>,
    ) -> Result<(), OperatorError>;

    /// Called before each commit: writes state that is only in memory to the stores.
    /// Must not forward.
    fn flush(&mut self, context: &mut OperatorContext<'_>) -> Result<(), OperatorError> {
        let _ = context;
        Ok(())
    }

    /// A small note (a stream time, a counter) that is committed with the state.
    fn save(&self) -> Option<serde_json::Value> {
        None
    }

    /// Gets the note of the last commit back, before the first chunk after a start.
    fn restore(&mut self, saved: &serde_json::Value) -> Result<(), OperatorError> {
        let _ = saved;
        Ok(())
    }
}

/// Builds a node's operator for a task; called once a task, at its start.
pub type OperatorFactory =
    Arc<dyn Fn(&TaskId) -> Result<Box<dyn Operator>, OperatorError> + Send + Sync>;

/// What an operator reaches while it works.
pub struct OperatorContext<'a> {
    pub(crate) node: &'a str,
    pub(crate) task: &'a TaskId,
    pub(crate) allowed: &'a [String],
    pub(crate) stores: &'a mut Stores,
    pub(crate) stream_time: i64,
    pub(crate) metrics: &'a Metrics,
    pub(crate) forwarded: &'a mut Vec<Chunk>,
    pub(crate) reports: &'a mut Vec<Report>,
}

/// A message about a row that was left out, for the processing log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// Node (source or operator) that says it.
    pub node: String,
    /// Where the row came from, as far as is known: partition and offset.
    pub partition: i32,
    pub offset: Option<i64>,
    pub message: String,
}

impl OperatorContext<'_> {
    /// Sends a chunk to the nodes behind this one. An empty chunk goes nowhere.
    pub fn forward(&mut self, chunk: Chunk) {
        if !chunk.is_empty() {
            self.forwarded.push(chunk);
        }
    }

    /// A store that the node was connected to when the topology was built.
    pub fn store(&mut self, name: &str) -> Result<&mut dyn KeyValueStore, OperatorError> {
        if !self.allowed.iter().any(|allowed| allowed == name) {
            return Err(OperatorError::Failed(format!(
                "operator {} is not connected to store {name}; name it in its stores",
                self.node
            )));
        }
        Ok(self.stores.get_mut(name)?)
    }

    /// Largest timestamp that the task has been given so far, this chunk included;
    /// [`NO_TIME`](crate::NO_TIME) before the first record.
    pub fn stream_time(&self) -> i64 {
        self.stream_time
    }

    pub fn task(&self) -> &TaskId {
        self.task
    }

    pub fn metrics(&self) -> &Metrics {
        self.metrics
    }

    /// Tells the processing log about a row that is left out.
    pub fn report(&mut self, offset: Option<i64>, message: impl Into<String>) {
        self.reports.push(Report {
            node: self.node.to_owned(),
            partition: self.task.partition,
            offset,
            message: message.into(),
        });
    }
}
