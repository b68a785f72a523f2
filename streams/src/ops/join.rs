//! Stream-table join: each row of the stream looks its key up in the table as it is then.

use std::sync::Arc;

use arrow::array::{ArrayRef, BooleanArray, RecordBatch, UInt32Array};
use arrow::compute::{nullif, take};
use arrow::datatypes::SchemaRef;
use bytes::Bytes;

use super::TableLayout;
use crate::chunk::{Changes, Chunk};
use crate::operator::{Operator, OperatorContext, OperatorError};

/// What becomes of a row of the stream that finds nothing in the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JoinKind {
    /// It is left out.
    Inner,
    /// It goes on with nulls in the table's columns.
    Left,
}

/// A stream-table join.
#[derive(Clone)]
pub struct StreamTableJoinSpec {
    /// Store that a [`Materialize`](super::Materialize) keeps the table in.
    pub store: String,
    /// The table, without windows.
    pub table: Arc<TableLayout>,
    /// Columns of the stream that are looked up, of the types of the table's key columns.
    pub stream_key: Vec<usize>,
    pub kind: JoinKind,
    /// The stream's columns, then all of the table's, nullable.
    pub schema: SchemaRef,
}

/// Port 0 is the stream, port 1 the materialised table, whose changes give no output.
/// A row with a null key column finds nothing.
pub struct StreamTableJoin {
    spec: StreamTableJoinSpec,
}

impl StreamTableJoin {
    pub fn new(spec: StreamTableJoinSpec) -> Result<Self, OperatorError> {
        if spec.table.windows().is_some() {
            let message = "a stream cannot be joined with a windowed table".to_owned();
            return Err(OperatorError::Failed(message));
        }
        Ok(Self { spec })
    }

    fn look_up(
        &self,
        key: &[ArrayRef],
        rows: usize,
        context: &mut OperatorContext<'_>,
    ) -> Result<Vec<Option<Bytes>>, OperatorError> {
        let keys = self.spec.table.keys(key)?;
        let store = context.store(&self.spec.store)?;
        let mut bytes = Vec::new();
        let mut find = |row| {
            if keys.has_null(row) {
                return Ok(None);
            }
            bytes.clear();
            keys.write(row, &mut bytes);
            Ok(store.get(&bytes)?)
        };
        (0..rows).map(&mut find).collect()
    }
}

impl Operator for StreamTableJoin {
    fn process(
        &mut self,
        port: usize,
        chunk: Chunk,
        context: &mut OperatorContext<'_>,
    ) -> Result<(), OperatorError> {
        if port != 0 {
            return Ok(());
        }
        if !matches!(chunk.changes(), Changes::Appends) {
            let message = "the left side of a stream-table join must be a stream".to_owned();
            return Err(OperatorError::Failed(message));
        }
        let rows = chunk.rows();
        let key: Vec<ArrayRef> =
            self.spec.stream_key.iter().map(|&column| Arc::clone(rows.column(column))).collect();
        let mut found = self.look_up(&key, chunk.len(), context)?;
        let missed: BooleanArray = found.iter().map(|value| Some(value.is_none())).collect();
        let mut columns = rows.columns().to_vec();
        for column in &key {
            columns.push(nullif(column, &missed)?);
        }
        let all = missed.false_count() == missed.len();
        if self.spec.kind == JoinKind::Inner && !all {
            let kept: Vec<usize> = (0..found.len()).filter(|&row| found[row].is_some()).collect();
            let indices: UInt32Array = kept.iter().map(|&row| row as u32).collect();
            for column in &mut columns {
                *column = take(column, &indices, None)?;
            }
            found.retain(Option::is_some);
            columns.extend(self.spec.table.read_values(&found)?);
            return self.forward(&chunk, &kept, columns, context);
        }
        columns.extend(self.spec.table.read_values(&found)?);
        let kept: Vec<usize> = (0..chunk.len()).collect();
        self.forward(&chunk, &kept, columns, context)
    }
}

impl StreamTableJoin {
    fn forward(
        &self,
        chunk: &Chunk,
        kept: &[usize],
        columns: Vec<ArrayRef>,
        context: &mut OperatorContext<'_>,
    ) -> Result<(), OperatorError> {
        let rows = RecordBatch::try_new(Arc::clone(&self.spec.schema), columns)?;
        let timestamps: Vec<i64> = kept.iter().map(|&row| chunk.timestamps()[row]).collect();
        context.forward(Chunk::appends(rows, timestamps, chunk.origin().pick(kept))?);
        Ok(())
    }
}
