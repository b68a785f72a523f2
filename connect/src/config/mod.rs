//! Settings of a worker and of connectors, and the files they come in.

mod connector;
mod properties;
mod worker;

pub use connector::{ConnectorConfig, ConnectorFileError};
pub(crate) use connector::{TopicCreation, connector_def, is_checked, refused};
pub use properties::{PropertiesError, parse_properties};
pub use worker::{OffsetStorage, WorkerConfig};
