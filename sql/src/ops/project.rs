//! SELECT: new columns from the old ones, row by row.

use arrow::array::{RecordBatch, RecordBatchOptions};
use arrow::datatypes::SchemaRef;
use streams::{Chunk, Operator, OperatorContext, OperatorError};

use super::Evaluator;

/// Replaces the columns of a chunk, and of the old rows of a table, by what its expressions give.
/// A row where one fails has null there, and the processing log is told.
pub(crate) struct Projection {
    pub(crate) evaluator: Evaluator,
    /// Schema of the rows that come out.
    pub(crate) schema: SchemaRef,
}

impl Operator for Projection {
    fn process(
        &mut self,
        _port: usize,
        chunk: Chunk,
        context: &mut OperatorContext<'_>,
    ) -> Result<(), OperatorError> {
        let offsets = chunk.origin().offsets.clone();
        let mut old = false;
        let projected = chunk.project(|rows| {
            let evaluated = self.evaluator.evaluate(rows)?;
            if !old {
                for (row, message) in evaluated.failures {
                    context.report(offsets.get(row).copied(), message);
                }
                old = true;
            }
            let options = RecordBatchOptions::new().with_row_count(Some(rows.num_rows()));
            let schema = SchemaRef::clone(&self.schema);
            let batch = RecordBatch::try_new_with_options(schema, evaluated.columns, &options)?;
            Ok::<_, OperatorError>(batch)
        })?;
        context.forward(projected);
        Ok(())
    }
}
