//! Settings of a worker and of connectors, and the files they come in.

mod connector;
mod worker;

pub use javatext::properties::{PropertiesError, parse as parse_properties};

pub use connector::{ConnectorConfig, ConnectorFileError};
pub(crate) use connector::{TopicCreation, connector_def, is_checked, refused};
pub use worker::{OffsetStorage, WorkerConfig};
