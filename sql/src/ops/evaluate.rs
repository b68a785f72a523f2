//! Expressions of DataFusion over a batch of rows.

use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch};
use arrow::datatypes::{DataType, SchemaRef};
use datafusion::common::DFSchema;
use datafusion::logical_expr::Expr;
use datafusion::logical_expr::execution_props::ExecutionProps;
use datafusion::logical_expr::physical_planning_context::PhysicalPlanningContext;
use datafusion::physical_expr::{PhysicalExpr, create_physical_expr};
use streams::OperatorError;

use crate::error::SqlError;
use crate::functions::row::take_reports;

/// Expressions made for rows of one schema. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Evaluator {
    expressions: Vec<Arc<dyn PhysicalExpr>>,
    types: Vec<DataType>,
}

/// Columns, and the rows (with reasons) where an expression failed and gave null.
pub(crate) struct Evaluated {
    pub(crate) columns: Vec<ArrayRef>,
    pub(crate) failures: Vec<(usize, String)>,
}

impl Evaluator {
    pub(crate) fn new<'a>(
        expressions: impl IntoIterator<Item = (&'a Expr, DataType)>,
        input: &SchemaRef,
    ) -> Result<Self, SqlError> {
        let (properties, planning) = (ExecutionProps::new(), PhysicalPlanningContext::default());
        let schema = DFSchema::try_from(Arc::clone(input)).map_err(SqlError::server)?;
        let (mut made, mut types) = (Vec::new(), Vec::new());
        for (expression, ty) in expressions {
            let physical = create_physical_expr(expression, &schema, &properties, &planning)
                .map_err(|e| SqlError::server(format!("{expression}: {e}")))?;
            made.push(physical);
            types.push(ty);
        }
        Ok(Self { expressions: made, types })
    }

    pub(crate) fn evaluate(&self, rows: &RecordBatch) -> Result<Evaluated, OperatorError> {
        take_reports();
        let mut columns = Vec::with_capacity(self.expressions.len());
        for (expression, ty) in self.expressions.iter().zip(&self.types) {
            let array = expression
                .evaluate(rows)
                .and_then(|value| value.into_array(rows.num_rows()))
                .map_err(|e| OperatorError::Failed(format!("{expression}: {e}")))?;
            let array =
                if array.data_type() == ty { array } else { arrow::compute::cast(&array, ty)? };
            columns.push(array);
        }
        Ok(Evaluated { columns, failures: take_reports() })
    }
}
