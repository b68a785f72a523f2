//! A table's changes taken apart for an aggregate over it.

use arrow::array::RecordBatch;
use arrow::compute::interleave_record_batch;

use crate::chunk::{Changes, Chunk};
use crate::operator::{Operator, OperatorContext, OperatorError};

/// Turns each change of a materialised table into: the old row to subtract, if there was one,
/// then the new row to add, unless it is a deletion. Streams pass unchanged.
pub struct Deltas;

impl Operator for Deltas {
    fn process(
        &mut self,
        _port: usize,
        chunk: Chunk,
        context: &mut OperatorContext<'_>,
    ) -> Result<(), OperatorError> {
        let Changes::Table { deleted, old } = chunk.changes() else {
            context.forward(chunk);
            return Ok(());
        };
        let Some(old) = old else {
            let message = "deltas need the old rows; materialise the table in front of them";
            return Err(OperatorError::Failed(message.to_owned()));
        };
        let mut picks: Vec<(usize, usize)> = Vec::with_capacity(2 * chunk.len());
        for row in 0..chunk.len() {
            if old.present.value(row) {
                picks.push((0, row));
            }
            if !deleted.value(row) {
                picks.push((1, row));
            }
        }
        let sides: [&RecordBatch; 2] = [&old.rows, chunk.rows()];
        let rows = interleave_record_batch(&sides, &picks)?;
        let source: Vec<usize> = picks.iter().map(|(_, row)| *row).collect();
        let timestamps: Vec<i64> = source.iter().map(|&row| chunk.timestamps()[row]).collect();
        let retract = picks.iter().map(|(side, _)| *side == 0).collect();
        let origin = chunk.origin().pick(&source);
        context.forward(Chunk::new(rows, timestamps, origin, Changes::Deltas { retract })?);
        Ok(())
    }
}
