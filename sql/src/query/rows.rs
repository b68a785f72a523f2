//! The rows that a query shows, as they go to the REST API.

use arrow::array::RecordBatch;
use serde_json::Value as Json;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::catalog::source::Column;
use crate::types::SqlType;
use crate::values::{api_node, value_at};

/// How many rows wait for a slow reader.
pub(crate) const WAITING_ROWS: usize = 1024;

/// A column of a result.
#[derive(Clone, Debug, PartialEq)]
pub struct ResultColumn {
    pub name: String,
    pub ty: SqlType,
    pub is_key: bool,
}

impl ResultColumn {
    pub(crate) fn of(column: &Column, is_key: bool) -> Self {
        Self { name: column.name.clone(), ty: column.ty.clone(), is_key }
    }
}

/// What a running query says.
#[derive(Clone, Debug, PartialEq)]
pub enum RowEvent {
    /// A row; its columns are those of the header.
    Row(Vec<Json>),
    /// A row of a table was removed: its key columns, the others null.
    Tombstone(Vec<Json>),
    /// The end, and why: the limit was reached, the query is complete.
    Final(String),
    /// The query failed.
    Error(String),
}

/// A query whose rows are read as they come. Dropping it ends the query.
#[derive(Debug)]
pub struct QueryStream {
    pub id: String,
    pub columns: Vec<ResultColumn>,
    pub rows: mpsc::Receiver<RowEvent>,
    closed: CancellationToken,
    _stop: tokio_util::sync::DropGuard,
}

impl QueryStream {
    /// Is cancelled when the stream is dropped.
    pub(crate) fn closed(&self) -> CancellationToken {
        self.closed.clone()
    }

    pub(crate) fn new(
        id: String,
        columns: Vec<ResultColumn>,
    ) -> (Self, mpsc::Sender<RowEvent>, CancellationToken) {
        let (sender, rows) = mpsc::channel(WAITING_ROWS);
        let token = CancellationToken::new();
        let stop = token.clone().drop_guard();
        (Self { id, columns, rows, closed: token.clone(), _stop: stop }, sender, token)
    }
}

/// Lines of PRINT as they come. Dropping it ends it.
#[derive(Debug)]
pub struct PrintStream {
    pub lines: mpsc::Receiver<Result<String, String>>,
    pub(crate) _stop: tokio_util::sync::DropGuard,
}

/// One row as JSON; `positions` are those of the shown columns.
pub(crate) fn row(
    batch: &RecordBatch,
    row: usize,
    columns: &[ResultColumn],
    positions: &[usize],
) -> Vec<Json> {
    let shown = columns.iter().zip(positions);
    shown.map(|(c, at)| api_node(&value_at(batch.column(*at), row), &c.ty)).collect()
}
