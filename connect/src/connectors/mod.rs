//! The connectors that come with the platform, and how a configuration names them.

mod file;

use std::sync::Arc;

use crate::plugin::SourceConnector;
pub(crate) use file::{DelimitedFileSource, FileStreamSource};

/// The connector of a `connector.class`: its full name or one of its short ones.
pub(crate) fn find(class: &str) -> Option<Arc<dyn SourceConnector>> {
    all().into_iter().find(|connector| connector.names().contains(&class))
}

pub(crate) fn all() -> Vec<Arc<dyn SourceConnector>> {
    vec![Arc::new(FileStreamSource), Arc::new(DelimitedFileSource)]
}
