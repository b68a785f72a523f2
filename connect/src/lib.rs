//! Sources and sinks: a runtime for connectors in the manner of Kafka Connect, and the connectors
//! that come with it. It reaches the broker only as a client, so it works on any Kafka cluster.
//!
//! There are sources so far; a REST API, several workers sharing the work, transformations and
//! sinks are not served, and settings that ask for them are refused by name.
//!
//! ```text
//! plugin      what the author of a connector reads: traits, records, settings
//! connectors  one folder each
//! converters  values to bytes: Avro with a registry, JSON, text, bytes
//! config      worker.properties, connector files, checks
//! worker      start, status, shutdown  ->  supervisor (again after what may pass)
//!             ->  task (poll, convert, send, remember)  ->  offsets
//! ```

mod config;
mod connectors;
mod converters;
mod offsets;
pub mod plugin;
mod status;
mod supervisor;
mod task;
mod worker;

pub use config::{
    ConnectorConfig, ConnectorFileError, OffsetStorage, OverridePolicy, PropertiesError,
    WorkerConfig, parse_properties,
};
pub use offsets::OffsetError;
pub use status::{ConnectorStatus, Progress, TaskState};
pub use task::WINDOW;
pub use worker::{ConnectorFailed, StartError, Worker, start};
