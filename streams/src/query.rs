//! Pull queries: committed state of a store, read beside the tasks that change it.

use std::ops::{ControlFlow, RangeInclusive};
use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch};
use arrow::compute::concat_batches;
use arrow::datatypes::SchemaRef;
use thiserror::Error;
use tokio::sync::mpsc;

use crate::limits::{QUERY_BYTES, QUERY_ROWS};
use crate::operator::OperatorError;
use crate::state::{
    Entry, KeyRange, StateBackend, StateError, StateView, TaskSpace, WindowRange, decode_store_key,
    store_prefix, windows_of,
};

/// Name of the last column of what a query reads: the row's timestamp.
pub const ROWTIME: &str = "ROWTIME";

/// Batches that wait for a reader of [`StoreQuery::select`].
const WAITING_BATCHES: usize = 2;

/// How the entries of a store become rows.
pub trait StoreReader: Send + Sync {
    /// Columns of the rows: key columns, value columns, [`ROWTIME`].
    fn schema(&self) -> SchemaRef;

    /// How long windows are kept; `None` if the store does not keep rows by key and window.
    fn retention_ms(&self) -> Option<i64>;

    /// The bytes of a key, given one row of key columns without those of a window.
    fn key(&self, key: &[ArrayRef]) -> Result<Vec<u8>, OperatorError>;

    /// The rows of entries, in their order.
    fn read(&self, entries: &[Entry]) -> Result<RecordBatch, OperatorError>;
}

/// A query that could not be answered.
#[derive(Debug, Error)]
pub enum QueryError {
    #[error("the application has no store {0} that can be queried")]
    UnknownStore(String),
    #[error(transparent)]
    State(#[from] StateError),
    #[error(transparent)]
    Rows(#[from] OperatorError),
    #[error("the query was cancelled")]
    Cancelled,
}

/// Which rows of a store are read.
#[derive(Clone, Debug)]
pub struct Selection {
    /// The keys that are looked up, each as one row of the key columns without those of a window;
    /// `None` reads all of them.
    pub keys: Option<Vec<Vec<ArrayRef>>>,
    /// The first and the last start of a window that is wanted. Rows of other windows may come
    /// too; without windows it means nothing.
    pub starts: RangeInclusive<i64>,
}

impl Default for Selection {
    /// All rows.
    fn default() -> Self {
        Self { keys: None, starts: 0..=i64::MAX }
    }
}

/// Read access to one store over all tasks of an application. Cheap to clone.
///
/// A query sees the state between two commits, the same moment in all tasks. What a task has
/// done since its last commit does not show; [`AppHandle::commit`](crate::AppHandle::commit)
/// first, if it should.
#[derive(Clone)]
pub struct StoreQuery {
    pub(crate) backend: Arc<dyn StateBackend>,
    pub(crate) reader: Arc<dyn StoreReader>,
    pub(crate) tasks: Arc<[TaskSpace]>,
    pub(crate) store: u16,
}

impl StoreQuery {
    pub fn schema(&self) -> SchemaRef {
        self.reader.schema()
    }

    pub fn is_windowed(&self) -> bool {
        self.reader.retention_ms().is_some()
    }

    /// All rows: task by task, in key order within a task. They are in memory at once.
    pub async fn all(&self) -> Result<Vec<RecordBatch>, QueryError> {
        let mut stream = self.stream();
        let mut batches = Vec::new();
        while let Some(batch) = stream.recv().await {
            batches.push(batch?);
        }
        Ok(batches)
    }

    /// All rows, as they are read; as [`StoreQuery::select`].
    pub fn stream(&self) -> mpsc::Receiver<Result<RecordBatch, QueryError>> {
        self.select(Selection::default())
    }

    /// The selected rows, as they are read: a reader that is slow holds the query up, and dropping
    /// the receiver ends it. Must be called within a tokio runtime; a thread for blocking work is
    /// taken as long as the query goes on.
    pub fn select(&self, selection: Selection) -> mpsc::Receiver<Result<RecordBatch, QueryError>> {
        let (sender, receiver) = mpsc::channel(WAITING_BATCHES);
        let query = self.clone();
        tokio::task::spawn_blocking(move || {
            let mut send = |batch| match sender.blocking_send(Ok(batch)) {
                Ok(()) => ControlFlow::Continue(()),
                Err(_) => ControlFlow::Break(()),
            };
            if let Err(error) = query.scan(&selection, &mut send) {
                let _gone = sender.blocking_send(Err(error));
            }
        });
        receiver
    }

    /// The rows of one key: one, or with windows one for each; none if there is no such key.
    /// `key` is one row of the key columns, without those of a window.
    pub async fn get(&self, key: Vec<ArrayRef>) -> Result<RecordBatch, QueryError> {
        let query = self.clone();
        let get = tokio::task::spawn_blocking(move || query.get_blocking(key));
        get.await.map_err(|_| QueryError::Cancelled)?
    }

    /// As [`StoreQuery::get`], on this thread.
    pub fn get_blocking(&self, key: Vec<ArrayRef>) -> Result<RecordBatch, QueryError> {
        let mut batches = Vec::new();
        let selection = Selection { keys: Some(vec![key]), ..Selection::default() };
        self.scan(&selection, &mut |batch| {
            batches.push(batch);
            ControlFlow::Continue(())
        })?;
        let schema = self.reader.schema();
        Ok(concat_batches(&schema, &batches).map_err(OperatorError::from)?)
    }

    /// Gives the selected rows to `each`, batch by batch, on this thread, until it breaks off.
    pub fn scan(
        &self,
        selection: &Selection,
        each: &mut dyn FnMut(RecordBatch) -> ControlFlow<()>,
    ) -> Result<(), QueryError> {
        let mut result = Ok(());
        self.backend.view(&mut |view| result = self.scan_view(view, selection, each));
        result
    }

    fn scan_view(
        &self,
        view: &dyn StateView,
        selection: &Selection,
        each: &mut dyn FnMut(RecordBatch) -> ControlFlow<()>,
    ) -> Result<(), QueryError> {
        let mut rows = Rows::new(self.reader.as_ref(), each);
        let windows = self
            .reader
            .retention_ms()
            .map(|retention_ms| WindowRange { retention_ms, starts: selection.starts.clone() });
        let prefixes = || self.tasks.iter().map(|task| store_prefix(task, self.store));
        let Some(keys) = &selection.keys else {
            let range = windows.map_or_else(KeyRange::all, |windows| windows.segments());
            for prefix in prefixes() {
                for entry in view.range(&range.within(&prefix)) {
                    let (key, value) = entry?;
                    if rows.push((decode_store_key(&key), value)).is_break() {
                        return rows.end();
                    }
                }
            }
            return rows.end();
        };
        for key in keys {
            let key = self.reader.key(key)?;
            for prefix in prefixes() {
                let flow = match &windows {
                    Some(windows) => {
                        windows_of(view, (&prefix, &key), windows, &mut |row| rows.push(row))?
                    }
                    None => match view.get(&[prefix.as_slice(), &key].concat())? {
                        Some(value) => rows.push((key.clone().into(), value)),
                        None => ControlFlow::Continue(()),
                    },
                };
                if flow.is_break() {
                    return rows.end();
                }
            }
        }
        rows.end()
    }
}

/// Entries on their way into batches.
struct Rows<'a> {
    reader: &'a dyn StoreReader,
    entries: Vec<Entry>,
    bytes: usize,
    each: &'a mut dyn FnMut(RecordBatch) -> ControlFlow<()>,
    /// Broken off by a failure or by the reader.
    ended: Result<ControlFlow<()>, QueryError>,
}

impl<'a> Rows<'a> {
    fn new(
        reader: &'a dyn StoreReader,
        each: &'a mut dyn FnMut(RecordBatch) -> ControlFlow<()>,
    ) -> Self {
        let ended = Ok(ControlFlow::Continue(()));
        Self { reader, entries: Vec::new(), bytes: 0, each, ended }
    }

    fn push(&mut self, entry: Entry) -> ControlFlow<()> {
        self.bytes += entry.0.len() + entry.1.len();
        self.entries.push(entry);
        if self.entries.len() < QUERY_ROWS && self.bytes < QUERY_BYTES {
            return ControlFlow::Continue(());
        }
        self.flush()
    }

    fn flush(&mut self) -> ControlFlow<()> {
        self.bytes = 0;
        self.ended = match self.reader.read(&self.entries) {
            Ok(batch) => Ok((self.each)(batch)),
            Err(error) => Err(error.into()),
        };
        self.entries.clear();
        match &self.ended {
            Ok(flow) => *flow,
            Err(_) => ControlFlow::Break(()),
        }
    }

    fn end(mut self) -> Result<(), QueryError> {
        if matches!(self.ended, Ok(ControlFlow::Continue(()))) && !self.entries.is_empty() {
            let _last = self.flush();
        }
        self.ended.map(|_| ())
    }
}
