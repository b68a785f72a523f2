//! WHERE and HAVING.

use arrow::array::{Array, BooleanArray, RecordBatch};
use arrow::buffer::BooleanBuffer;

use crate::chunk::{Changes, Chunk, OldRows};
use crate::operator::{Operator, OperatorContext, OperatorError};

/// A condition over rows.
pub trait Predicate: Send {
    /// One value a row; null counts as false. Rows that it failed on go to `failed`, with the
    /// reason: the processing log is told.
    fn evaluate(
        &mut self,
        rows: &RecordBatch,
        failed: &mut Vec<(usize, String)>,
    ) -> Result<BooleanArray, OperatorError>;
}

impl<F> Predicate for F
where
    F: FnMut(&RecordBatch) -> Result<BooleanArray, OperatorError> + Send,
{
    fn evaluate(
        &mut self,
        rows: &RecordBatch,
        _failed: &mut Vec<(usize, String)>,
    ) -> Result<BooleanArray, OperatorError> {
        self(rows)
    }
}

/// Keeps the rows of a stream that meet a predicate. Of a table, a row that does not meet it
/// becomes a deletion; where the old rows are known, a deletion of what was not there before is
/// left out.
pub struct Filter<P>(pub P);

impl<P: Predicate> Operator for Filter<P> {
    fn process(
        &mut self,
        _port: usize,
        chunk: Chunk,
        context: &mut OperatorContext<'_>,
    ) -> Result<(), OperatorError> {
        let mut failed = Vec::new();
        let keep = self.0.evaluate(chunk.rows(), &mut failed)?;
        for (row, message) in failed.drain(..) {
            context.report(chunk.origin().offsets.get(row).copied(), message);
        }
        let Changes::Table { deleted, old } = chunk.changes() else {
            context.forward(chunk.filter(&keep)?);
            return Ok(());
        };
        let removed: BooleanBuffer =
            (0..chunk.len()).map(|row| deleted.value(row) || !holds(&keep, row)).collect();
        let Some(old) = old else {
            let changes = Changes::Table { deleted: removed, old: None };
            context.forward(chunk.with_changes(changes)?);
            return Ok(());
        };
        // What fails there failed when the row was new.
        let kept_before = self.0.evaluate(&old.rows, &mut failed)?;
        let present: BooleanBuffer = (0..chunk.len())
            .map(|row| old.present.value(row) && holds(&kept_before, row))
            .collect();
        let matters: BooleanArray =
            (0..chunk.len()).map(|row| Some(!removed.value(row) || present.value(row))).collect();
        let old = Some(OldRows { rows: old.rows.clone(), present });
        let chunk = chunk.with_changes(Changes::Table { deleted: removed, old })?;
        context.forward(chunk.filter(&matters)?);
        Ok(())
    }
}

fn holds(values: &BooleanArray, row: usize) -> bool {
    values.is_valid(row) && values.value(row)
}
