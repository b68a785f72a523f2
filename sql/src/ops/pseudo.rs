//! ROWTIME, ROWPARTITION and ROWOFFSET as columns, for expressions that name them.

use std::sync::Arc;

use arrow::array::{ArrayRef, Int32Array, Int64Array, RecordBatch};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use streams::{Chunk, Operator, OperatorContext, OperatorError};

/// Appends pseudo columns to the rows of a source.
pub(crate) struct AddPseudoColumns {
    names: Vec<&'static str>,
    schema: SchemaRef,
}

impl AddPseudoColumns {
    /// `names` are some of ROWTIME, ROWPARTITION and ROWOFFSET.
    pub(crate) fn new(names: Vec<&'static str>, input: &SchemaRef) -> Self {
        let mut fields: Vec<Field> = input.fields().iter().map(|f| f.as_ref().clone()).collect();
        fields.extend(names.iter().map(|name| {
            let ty = if *name == "ROWPARTITION" { DataType::Int32 } else { DataType::Int64 };
            Field::new(*name, ty, true)
        }));
        Self { names, schema: Arc::new(Schema::new(fields)) }
    }

    /// Schema of the rows that come out.
    pub(crate) fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }
}

impl Operator for AddPseudoColumns {
    fn process(
        &mut self,
        _port: usize,
        chunk: Chunk,
        context: &mut OperatorContext<'_>,
    ) -> Result<(), OperatorError> {
        let origin = chunk.origin().clone();
        let times = chunk.timestamps().clone();
        let extended = chunk.project(|rows| {
            let mut columns = rows.columns().to_vec();
            for name in &self.names {
                let column: ArrayRef = match *name {
                    "ROWTIME" => Arc::new(Int64Array::new(times.clone(), None)),
                    "ROWOFFSET" => Arc::new(Int64Array::new(origin.offsets.clone(), None)),
                    _ => Arc::new(Int32Array::from(vec![origin.partition; rows.num_rows()])),
                };
                columns.push(column);
            }
            Ok::<_, OperatorError>(RecordBatch::try_new(self.schema(), columns)?)
        })?;
        context.forward(extended);
        Ok(())
    }
}
