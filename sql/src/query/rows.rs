//! The rows that a query shows, as they go to the REST API.

use arrow::array::{Array, ArrayRef, RecordBatch};
use serde_json::Value as Json;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::catalog::source::Column;
use crate::types::SqlType;
use crate::values::{api_node, value_at};

/// How many rows wait for a slow reader. Each may be as large as a record.
pub(crate) const WAITING_ROWS: usize = 64;

/// What readers are told when the engine stops under them.
pub(crate) const STOPPING: &str =
    "The server is shutting down, which ends the query. Run it again when the server is back.";

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

/// Rows on their way to a reader, up to a limit.
pub(crate) struct RowSender {
    columns: Vec<ResultColumn>,
    limit: Option<u64>,
    sent: u64,
    rows: mpsc::Sender<RowEvent>,
}

impl RowSender {
    pub(crate) fn new(
        columns: Vec<ResultColumn>,
        limit: Option<u64>,
        rows: mpsc::Sender<RowEvent>,
    ) -> Self {
        Self { columns, limit, sent: 0, rows }
    }

    /// Sends rows, each a value of every column, waiting for the reader; false when there is
    /// nothing more to do.
    pub(crate) async fn show(&mut self, columns: &[ArrayRef]) -> bool {
        for at in 0..columns.first().map_or(0, |column| column.len()) {
            if self.limit.is_some_and(|limit| self.sent >= limit) {
                self.end("Limit Reached").await;
                return false;
            }
            let shown = self.columns.iter().zip(columns);
            let shown = shown.map(|(c, array)| api_node(&value_at(array, at), &c.ty)).collect();
            if self.rows.send(RowEvent::Row(shown)).await.is_err() {
                return false;
            }
            self.sent += 1;
        }
        true
    }

    /// Says why the query ends under its reader. A reader that has not made room by now finds the
    /// end without a reason.
    pub(crate) fn last_words(&self) -> LastWords {
        LastWords(self.rows.clone())
    }

    pub(crate) async fn end(&self, message: &str) {
        let _gone = self.rows.send(RowEvent::Final(message.to_owned())).await;
    }

    pub(crate) async fn fail(&self, message: String) {
        let _gone = self.rows.send(RowEvent::Error(message)).await;
    }
}

/// What a reader is told when its query is ended from outside.
pub(crate) struct LastWords(pub(super) mpsc::Sender<RowEvent>);

impl LastWords {
    pub(crate) fn stopped(self, engine_stop: &CancellationToken) {
        let event = if engine_stop.is_cancelled() {
            RowEvent::Error(STOPPING.to_owned())
        } else {
            RowEvent::Final("Query terminated".to_owned())
        };
        let _full = self.0.try_send(event);
    }
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
