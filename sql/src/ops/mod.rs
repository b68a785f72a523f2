//! Operators that hold expressions, one a file.

mod aggregate;
mod evaluate;
mod filter;
mod project;
mod pseudo;
mod sink_timestamp;
mod tap;

pub(crate) use aggregate::GroupAggregator;
pub(crate) use evaluate::Evaluator;
pub(crate) use filter::Condition;
pub(crate) use project::Projection;
pub(crate) use pseudo::AddPseudoColumns;
pub(crate) use sink_timestamp::SinkTimestamp;
pub(crate) use tap::Tap;
