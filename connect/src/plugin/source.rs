//! Sources: what reads somewhere and gives records.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

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

    /// Whether its values are plain texts, so that they are written as such where neither the
    /// connector nor the worker's file names a converter.
    fn gives_text(&self, _config: &ConfigValues) -> bool {
        false
    }

    /// The topics that it writes to, as far as its settings tell: they are looked after from the
    /// start, others from their first record on.
    fn topics(&self, _config: &ConfigValues) -> Vec<String> {
        Vec::new()
    }

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

    /// The next records, in order, of each partition no more than it has room for. May wait a
    /// little, but not for ever: the runtime looks after other things between two calls.
    async fn poll(&mut self, room: Room) -> Result<Polled, SourceError>;
}

/// How many records may be given until positions are remembered the next time: so many of each
/// source partition. A partition without room is passed over until then.
#[derive(Clone, Debug)]
pub struct Room {
    window: usize,
    /// Records given, by the partition's text. Nothing awaits under it.
    given: Arc<Mutex<HashMap<String, usize>>>,
}

impl Room {
    /// The most records of a partition are `window`.
    pub fn new(window: usize) -> Self {
        Self { window, given: Arc::default() }
    }

    /// How many records of a partition may be given.
    pub fn of(&self, partition: &SourcePartition) -> usize {
        let given = self.given.lock().unwrap_or_else(PoisonError::into_inner);
        let given = given.get(&text(partition)).copied().unwrap_or(0);
        self.window.saturating_sub(given)
    }

    /// Notes records of a partition. False: it had no room for them.
    pub(crate) fn count(&self, partition: &SourcePartition, records: usize) -> bool {
        let mut all = self.given.lock().unwrap_or_else(PoisonError::into_inner);
        let given = all.entry(text(partition)).or_insert(0);
        *given += records;
        *given <= self.window
    }

    /// All partitions have their room again.
    pub(crate) fn clear(&self) {
        self.given.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    /// Whether nothing was given since [`Room::clear`].
    pub(crate) fn is_untouched(&self) -> bool {
        self.given.lock().unwrap_or_else(PoisonError::into_inner).is_empty()
    }
}

fn text(partition: &SourcePartition) -> String {
    Json::Object(partition.clone()).to_string()
}

/// What a poll has found.
#[derive(Debug)]
pub enum Polled {
    Records(Vec<SourceRecord>),
    /// Positions of partitions of which no record was given yet, to be remembered before any is:
    /// reading on from there then gives the same records, whatever the source has become.
    Remember(Vec<(Arc<SourcePartition>, Position)>),
    /// Nothing at the moment: everything that was there when this was asked has been given, but of
    /// partitions that have no room.
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
    /// Where a person finds it, for messages.
    pub origin: Option<Origin>,
}

/// Where a record comes from, in words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    pub path: Arc<str>,
    pub line: u64,
    /// What is special about it.
    pub note: Option<Arc<str>>,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, line {}", self.path, self.line)?;
        match &self.note {
            Some(note) => write!(f, " ({note})"),
            None => Ok(()),
        }
    }
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
