//! Settings of a worker and of connectors, and the files they come in.

mod connector;
mod producers;
mod worker;

pub use javatext::properties::{PropertiesError, parse as parse_properties};

pub use connector::{ConnectorConfig, ConnectorFileError};
pub(crate) use connector::{TopicCreation, connector_def, is_checked, refused};
pub use producers::OverridePolicy;
pub(crate) use producers::{connector_settings, is_of_connector, worker_settings};
pub use worker::{OffsetStorage, WorkerConfig};
