//! Sources: what reads somewhere and gives records.

use std::collections::HashMap;
use std::sync::Arc;

use async_trait::async_trait;
use formats::{Schema, Value};
use serde_json::{Map, Value as Json};

use super::{ConfigDef, ConfigProblem, ConfigValues};
use crate::status::Progress;

/// Names a part of the source that has its own position, for instance `{"filename": "a.csv"}`.
pub type SourcePartition = Map<String, Json>;

/// A place in a source partition, in the connector's own terms.
pub type Position = Map<String, Json>;

/// Positions by the partition's JSON text.
pub type Positions = HashMap<String, Position>;

/// A kind of source.
pub trait SourceConnector: Send + Sync {
    /// The names by which a configuration may call it, the full one first.
    fn names(&self) -> &'static [&'static str];

    /// Its own settings, besides those that every connector has.
    fn config(&self) -> ConfigDef;

    /// Makes the task; what only shows when settings are seen together is a problem here.
    fn task(
        &self,
        name: &str,
        config: &ConfigValues,
        progress: Arc<Progress>,
    ) -> Result<Box<dyn SourceTask>, Vec<ConfigProblem>>;
}

/// Reads one source.
#[async_trait]
pub trait SourceTask: Send {
    /// Called once before the first poll, with all positions that the connector has left.
    async fn start(&mut self, positions: Positions) -> Result<(), SourceError>;

    /// The next records, in order, at most `most` of them. May wait a little, but not for ever: the
    /// runtime looks after other things between two calls.
    async fn poll(&mut self, most: usize) -> Result<Polled, SourceError>;
}

/// What a poll has found.
#[derive(Debug)]
pub enum Polled {
    Records(Vec<SourceRecord>),
    /// Nothing at the moment: everything that was there when this was asked has been given.
    Idle,
    /// Nothing any more.
    Done,
}

/// A value that knows what it is.
#[derive(Clone, Debug, PartialEq)]
pub struct SchemaAndValue {
    pub schema: Arc<Schema>,
    pub value: Value,
}

/// A record for a topic, and where in the source it ended.
#[derive(Clone, Debug)]
pub struct SourceRecord {
    pub partition: Arc<SourcePartition>,
    /// Reading on from here gives the records after this one. Not every record needs one;
    /// the last one of a poll must have it.
    pub position: Option<Position>,
    pub topic: Arc<str>,
    pub key: Option<SchemaAndValue>,
    pub value: Option<SchemaAndValue>,
    pub timestamp_ms: Option<i64>,
}

/// Why a source cannot be read on. The task fails; after a restart it reads the same place again.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    #[error("{path}: {source}")]
    File { path: String, source: std::io::Error },
    #[error("{path}, line {line}: {reason}")]
    Record { path: String, line: u64, reason: String },
    #[error("{0}")]
    Position(String),
}
