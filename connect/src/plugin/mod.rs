//! All that the author of a connector reads.
//!
//! A [`SourceConnector`] says what it is called and which settings it takes, and makes the task
//! that reads. The runtime asks a [`SourceTask`] for records, converts and sends them, and
//! remembers its positions; after a restart, clean or not, the task is given the positions up to
//! which everything is on the topic, and goes on from there. What was written after the last
//! remembered position is recognised and not written again, so **a task must give the same
//! records, in the same order for each source partition, when it reads the same source again from
//! the same position**.

mod config_def;
mod source;

pub use config_def::{ConfigDef, ConfigKey, ConfigProblem, ConfigType, ConfigValues, Importance};
pub use source::{
    Origin, Polled, Position, Positions, Room, SchemaAndValue, SourceConnector, SourceError,
    SourcePartition, SourceRecord, SourceTask,
};
