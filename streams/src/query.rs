//! Pull queries: committed state of a store, read beside the tasks that change it.

use std::ops::ControlFlow;
use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch};
use arrow::datatypes::SchemaRef;
use thiserror::Error;
use tokio::sync::mpsc;

use crate::limits::QUERY_ROWS;
use crate::operator::OperatorError;
use crate::state::{
    Entry, KeyRange, StateBackend, StateError, StateView, TaskSpace, decode_store_key,
    store_prefix, windows_of,
};

/// Name of the last column of what a query reads: the row's timestamp.
pub const ROWTIME: &str = "ROWTIME";

/// Batches that wait for a reader of [`StoreQuery::stream`].
const WAITING_BATCHES: usize = 4;

/// How the entries of a store become rows.
pub trait StoreReader: Send + Sync {
    /// Columns of the rows: key columns, value columns, [`ROWTIME`].
    fn schema(&self) -> SchemaRef;

    /// Whether the store keeps rows by key and window.
    fn is_windowed(&self) -> bool;

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
        self.reader.is_windowed()
    }

    /// All rows: task by task, in key order within a task.
    pub async fn all(&self) -> Result<Vec<RecordBatch>, QueryError> {
        let mut stream = self.stream();
        let mut batches = Vec::new();
        while let Some(batch) = stream.recv().await {
            batches.push(batch?);
        }
        Ok(batches)
    }

    /// All rows, as they are read; dropping the receiver ends the query. Must be called within
    /// a tokio runtime.
    pub fn stream(&self) -> mpsc::Receiver<Result<RecordBatch, QueryError>> {
        let (sender, receiver) = mpsc::channel(WAITING_BATCHES);
        let query = self.clone();
        tokio::task::spawn_blocking(move || {
            let mut send = |batch| match sender.blocking_send(Ok(batch)) {
                Ok(()) => ControlFlow::Continue(()),
                Err(_) => ControlFlow::Break(()),
            };
            if let Err(error) = query.scan(&mut send) {
                let _gone = sender.blocking_send(Err(error));
            }
        });
        receiver
    }

    /// The rows of one key: one, or with windows one for each; none if there is no such key.
    /// `key` is one row of the key columns, without those of a window.
    pub async fn get(&self, key: Vec<ArrayRef>) -> Result<RecordBatch, QueryError> {
        let query = self.clone();
        let get = tokio::task::spawn_blocking(move || query.get_blocking(&key));
        get.await.map_err(|_| QueryError::Cancelled)?
    }

    /// As [`StoreQuery::get`], on this thread.
    pub fn get_blocking(&self, key: &[ArrayRef]) -> Result<RecordBatch, QueryError> {
        let key = self.reader.key(key)?;
        let mut found = Ok(Vec::new());
        self.backend.view(&mut |view| found = self.find(view, &key));
        Ok(self.reader.read(&found?)?)
    }

    fn find(&self, view: &dyn StateView, key: &[u8]) -> Result<Vec<Entry>, StateError> {
        let mut entries = Vec::new();
        for task in self.tasks.iter() {
            let prefix = store_prefix(task, self.store);
            if self.reader.is_windowed() {
                entries.extend(windows_of(view, &prefix, key)?);
            } else if let Some(value) = view.get(&[&prefix, key].concat())? {
                entries.push((key.to_vec().into(), value));
            }
        }
        Ok(entries)
    }

    /// Gives all rows to `each`, batch by batch, on this thread, until it breaks off.
    pub fn scan(
        &self,
        each: &mut dyn FnMut(RecordBatch) -> ControlFlow<()>,
    ) -> Result<(), QueryError> {
        let mut result = Ok(());
        self.backend.view(&mut |view| result = self.scan_view(view, each));
        result
    }

    fn scan_view(
        &self,
        view: &dyn StateView,
        each: &mut dyn FnMut(RecordBatch) -> ControlFlow<()>,
    ) -> Result<(), QueryError> {
        let mut entries: Vec<Entry> = Vec::with_capacity(QUERY_ROWS);
        for task in self.tasks.iter() {
            for entry in view.range(&KeyRange::prefix(&store_prefix(task, self.store))) {
                let (key, value) = entry?;
                entries.push((decode_store_key(&key), value));
                if entries.len() == QUERY_ROWS {
                    if each(self.reader.read(&entries)?).is_break() {
                        return Ok(());
                    }
                    entries.clear();
                }
            }
        }
        if !entries.is_empty() {
            let _last = each(self.reader.read(&entries)?);
        }
        Ok(())
    }
}
