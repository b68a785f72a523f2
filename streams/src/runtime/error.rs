//! Why an application does not run.

use thiserror::Error;

use super::broker::{BrokerError, TopicRole};
use super::engine::EngineError;
use crate::state::StateError;
use crate::topology::TopologyError;

/// An application that cannot start, or cannot go on.
#[derive(Debug, Error)]
pub enum AppError {
    #[error("{0}")]
    Config(String),
    #[error(transparent)]
    Topology(#[from] TopologyError),
    #[error("sink topic {topic} does not exist; create it first")]
    MissingSink { topic: String },
    #[error(
        "internal topic {topic} has {found} partitions, but {expected} are needed; the inputs of \
         the application were repartitioned: start it anew under another application id"
    )]
    InternalTopic { topic: String, found: u32, expected: u32 },
    #[error(transparent)]
    State(#[from] StateError),
    #[error("{message}")]
    Broker { message: String, retriable: bool },
    #[error("task {task}: {message}")]
    Task { task: String, message: String },
    /// Something that records are converted with does not answer.
    #[error("task {task}: {message}")]
    Outside { task: String, message: String },
    #[error("{role} topic {topic} does not exist any more: it was deleted")]
    TopicGone { role: TopicRole, topic: String },
    #[error(
        "{role} topic {topic} is not the one that this application worked with: it was deleted and \
         created anew (its id is {found}, not {expected}); what is known of the former one does \
         not fit it: start the application anew under another id"
    )]
    TopicReplaced { role: TopicRole, topic: String, expected: String, found: String },
    /// Starting again reads them all, unless the state is spread over the partitions that were.
    #[error("source topic {topic} has {now} partitions now, not {before}")]
    Repartitioned { topic: String, before: u32, now: u32 },
    #[error("the topology has no node {0}")]
    UnknownNode(String),
    #[error("the application is not running: {0}")]
    NotRunning(String),
}

impl AppError {
    /// Whether starting again from the last commit may help.
    pub fn is_retriable(&self) -> bool {
        matches!(
            self,
            Self::Broker { retriable: true, .. }
                | Self::Outside { .. }
                | Self::Repartitioned { .. }
        )
    }

    pub(crate) fn task(task: &crate::TaskId, error: EngineError) -> Self {
        match error {
            EngineError::State(error) => Self::State(error),
            other if other.is_retriable() => {
                Self::Outside { task: task.to_string(), message: other.to_string() }
            }
            other => Self::Task { task: task.to_string(), message: other.to_string() },
        }
    }
}

impl From<BrokerError> for AppError {
    fn from(error: BrokerError) -> Self {
        Self::Broker { message: error.to_string(), retriable: error.retriable }
    }
}
