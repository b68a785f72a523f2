//! Expressions of DataFusion over a batch of rows.

use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, RecordBatchOptions, UInt32Array};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::common::{Column, DFSchema};
use datafusion::error::DataFusionError;
use datafusion::logical_expr::Expr;
use datafusion::logical_expr::execution_props::ExecutionProps;
use datafusion::logical_expr::physical_planning_context::PhysicalPlanningContext;
use datafusion::physical_expr::{PhysicalExpr, create_physical_expr};
use streams::OperatorError;

use crate::error::SqlError;
use crate::functions::row::{number_rows, take_reports};

/// The column behind the others that numbers the rows: a row that fails is known by it even where
/// an expression is evaluated over some rows only (CASE, AND, OR).
const ROW_NUMBER: &str = "ROW NUMBER";

/// Expressions made for rows of one schema. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Evaluator {
    expressions: Vec<Arc<dyn PhysicalExpr>>,
    types: Vec<DataType>,
    /// Whether some expression takes the rows' numbers.
    numbered: bool,
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
        let schema = DFSchema::try_from(with_numbers(input)).map_err(SqlError::server)?;
        let number = Expr::Column(Column::new_unqualified(ROW_NUMBER));
        let (mut made, mut types, mut any) = (Vec::new(), Vec::new(), false);
        for (expression, ty) in expressions {
            let failed = |e: DataFusionError| SqlError::server(format!("{expression}: {e}"));
            let mut numbered = expression.clone();
            any |= number_rows(&mut numbered, &number);
            let physical = create_physical_expr(&numbered, &schema, &properties, &planning);
            made.push(physical.map_err(failed)?);
            types.push(ty);
        }
        Ok(Self { expressions: made, types, numbered: any })
    }

    pub(crate) fn evaluate(&self, rows: &RecordBatch) -> Result<Evaluated, OperatorError> {
        take_reports();
        let numbered = if self.numbered { Some(with_row_numbers(rows)?) } else { None };
        let rows = numbered.as_ref().unwrap_or(rows);
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

fn with_numbers(schema: &SchemaRef) -> SchemaRef {
    let number = Arc::new(Field::new(ROW_NUMBER, DataType::UInt32, false));
    Arc::new(Schema::new(schema.fields().iter().cloned().chain([number]).collect::<Vec<_>>()))
}

/// The same rows with their numbers in a column of its own.
fn with_row_numbers(rows: &RecordBatch) -> Result<RecordBatch, OperatorError> {
    let numbers = UInt32Array::from_iter_values((0..).take(rows.num_rows()));
    let columns = rows.columns().iter().cloned().chain([Arc::new(numbers) as ArrayRef]);
    let options = RecordBatchOptions::new().with_row_count(Some(rows.num_rows()));
    let schema = with_numbers(&rows.schema());
    Ok(RecordBatch::try_new_with_options(schema, columns.collect(), &options)?)
}

#[cfg(test)]
mod tests {
    use arrow::array::Array;
    use formats::Value;

    use super::*;
    use crate::analyze::lower::Lowerer;
    use crate::analyze::scope::Scope;
    use crate::analyze::with::DefaultFormats;
    use crate::harness::Harness;
    use crate::parser;
    use crate::parser::ast::{SelectItem, Statement};
    use crate::types::SqlType;
    use crate::values::array_of;

    /// The rows that an expression fails on, with the reasons, and how many of its results are not
    /// null; T is `x` in every other row, I the number of the row.
    fn failures(expression: &str) -> (Vec<(usize, String)>, usize) {
        let mut harness = Harness::new(DefaultFormats::default());
        let create = "CREATE STREAM s (i INT, t VARCHAR) WITH (kafka_topic='s', \
                      value_format='JSON');";
        harness.execute(create).unwrap();
        let text = format!("SELECT {expression} FROM s EMIT CHANGES;");
        let statement = parser::parse(&text).unwrap().remove(0).statement;
        let Statement::Select(query) = statement else { panic!("{text}") };
        let SelectItem::Expression { value, .. } = &query.items[0] else { panic!("{text}") };
        let source = harness.catalog().find("S").unwrap().clone();
        let scope = Scope::of_source(&source, "S");
        let typed = Lowerer::new(&scope, harness.catalog()).lower(value).unwrap();
        let numbers: Vec<Value> = (0..8).map(Value::Int32).collect();
        let texts: Vec<Value> =
            (0..8).map(|n| Value::String(if n % 2 == 0 { "x" } else { "7" }.into())).collect();
        let rows = RecordBatch::try_from_iter_with_nullable([
            ("I", array_of(&SqlType::Integer, &numbers), true),
            ("T", array_of(&SqlType::String, &texts), true),
        ])
        .unwrap();
        let ty = typed.ty.as_ref().unwrap().arrow();
        let evaluator = Evaluator::new([(&typed.expr, ty)], &rows.schema()).unwrap();
        let Evaluated { columns, failures } = evaluator.evaluate(&rows).unwrap();
        (failures, columns[0].len() - columns[0].null_count())
    }

    #[test]
    fn a_row_that_fails_is_known_by_its_number_in_every_branch() {
        let rows = |expression: &str| {
            let (failures, _) = failures(expression);
            failures.into_iter().map(|(row, _)| row).collect::<Vec<_>>()
        };
        assert_eq!(rows("CAST(t AS INT)"), [0, 2, 4, 6]);
        assert_eq!(rows("CASE WHEN i > 3 THEN CAST(t AS INT) ELSE 0 END"), [4, 6]);
        assert_eq!(rows("CASE WHEN i < 6 THEN 0 ELSE CAST(t AS INT) END"), [6]);
        assert_eq!(rows("CASE WHEN i = 5 THEN CAST('y' AS INT) END"), [5]);
        assert_eq!(rows("CASE WHEN i = 9 THEN CAST('y' AS INT) END"), [0usize; 0]);
        let nested = "CASE WHEN i > 1 THEN CASE WHEN i < 6 THEN CAST(t AS INT) ELSE 1 END END";
        assert_eq!(rows(nested), [2, 4]);
        assert_eq!(rows("CASE i WHEN 6 THEN 1 / (i - 6) END"), [6]);
        assert_eq!(rows("i = 6 AND CAST(t AS INT) = 7"), [6]);
        assert_eq!(rows("i < 6 OR CAST(t AS INT) = 7"), [6]);
        assert_eq!(rows("LPAD(t, 2000000, 'x')")[..2], [0, 1]);
    }

    #[test]
    fn a_reason_stands_beside_its_row() {
        let (failures, results) = failures("CASE WHEN i > 5 THEN CAST(t AS BIGINT) ELSE 3 END");
        assert_eq!(failures, [(6, "Cannot cast 'x' to BIGINT.".to_owned())]);
        assert_eq!(results, 7);
    }
}
