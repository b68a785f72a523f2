//! INSERT INTO .. VALUES: one row of constants.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, RecordBatch, RecordBatchOptions};
use arrow::datatypes::Schema;
use formats::Value;
use streams::{Chunk, Origin, OutputRecord, RecordEncoder};

use super::coerce::cast;
use super::lower::Lowerer;
use super::render::shown;
use super::scope::Scope;
use crate::catalog::Catalog;
use crate::catalog::source::{Column, Source};
use crate::error::SqlError;
use crate::ops::Evaluator;
use crate::parser::ast::{Expr, Ident, SourceKind};
use crate::plan::logical::Rows;
use crate::records::{Schemas, SinkEncoder};
use crate::types::SqlType;
use crate::values::{array_of, value_at};

type Result<T> = std::result::Result<T, SqlError>;

/// The record that the statement writes. May register schemas: blocks.
pub(crate) fn insert_values(
    catalog: &Catalog,
    target: &Ident,
    (columns, values): (&[Ident], &[Expr]),
    now_ms: i64,
    schemas: &dyn Schemas,
) -> Result<(String, OutputRecord)> {
    let source = catalog.source(&target.name).map_err(|e| e.at(target.span))?;
    if source.read_only {
        let message =
            format!("Cannot insert values into read-only {}: {}", source.kind.lower(), source.name);
        return Err(SqlError::statement(message).at(target.span));
    }
    if source.window.is_some() {
        let message = "Cannot insert values into windowed stream/table!";
        return Err(SqlError::statement(message).at(target.span));
    }
    let rows = assigned(source, target, columns, values)?;
    let mut row = vec![Value::Null; source.key.len() + source.value.len()];
    let mut timestamp = now_ms;
    for (column, expr) in rows {
        let value = constant(catalog, expr, &column)?;
        if column.name == "ROWTIME" {
            if let Value::Int64(millis) = value {
                timestamp = millis;
            }
            continue;
        }
        let all = source.key.iter().chain(&source.value);
        if let Some(at) = all.into_iter().position(|c| c.name == column.name) {
            row[at] = value;
        }
    }
    if source.kind == SourceKind::Table && row[..source.key.len()].iter().any(Value::is_null) {
        let names: Vec<&str> = source.key.iter().map(|c| c.name.as_str()).collect();
        let message = format!(
            "Failed to insert values into '{}'. Value for primary key column(s) {} is required \
             for tables",
            source.name,
            names.join(", ")
        );
        return Err(SqlError::statement(message).at(target.span));
    }
    let record = encode(source, &row, timestamp, schemas)?;
    Ok((source.topic.clone(), record))
}

/// Which column each value is for.
fn assigned<'a>(
    source: &Source,
    target: &Ident,
    columns: &[Ident],
    values: &'a [Expr],
) -> Result<Vec<(Column, &'a Expr)>> {
    let all: Vec<&Column> = source.key.iter().chain(&source.value).collect();
    if columns.is_empty() {
        if values.len() != all.len() {
            let message = format!(
                "Expected a value for each column. Expected Columns: [{}]. Got {} values",
                all.iter().map(|c| c.name.as_str()).collect::<Vec<_>>().join(", "),
                values.len()
            );
            return Err(SqlError::statement(message).at(target.span));
        }
        return Ok(all.into_iter().cloned().zip(values).collect());
    }
    if columns.len() != values.len() {
        let message = format!(
            "Expected number columns and values to match: {} columns, {} values",
            columns.len(),
            values.len()
        );
        return Err(SqlError::statement(message).at(target.span));
    }
    let mut pairs = Vec::with_capacity(columns.len());
    for (name, value) in columns.iter().zip(values) {
        let column = if name.name == "ROWTIME" {
            Column::new("ROWTIME", SqlType::Bigint)
        } else {
            let found = all.iter().find(|c| c.name == name.name);
            (*found.ok_or_else(|| {
                let message = format!("Column name {} does not exist.", name.name);
                SqlError::statement(message).at(name.span)
            })?)
            .clone()
        };
        pairs.push((column, value));
    }
    Ok(pairs)
}

fn constant(catalog: &Catalog, expr: &Expr, column: &Column) -> Result<Value> {
    let scope = Scope::default();
    let typed = Lowerer::new(&scope, catalog).lower(expr)?;
    let mismatch = || {
        SqlError::statement(format!(
            "Expected type {} for field `{}` but got {}({})",
            column.ty,
            column.name,
            typed.type_name(),
            shown(expr)
        ))
        .at(expr.span)
    };
    if let Some(ty) = &typed.ty {
        let text = *ty == SqlType::String && column.ty.is_time();
        let narrow =
            ty.is_numeric() && column.ty.as_decimal().is_some() && ty.as_decimal().is_some();
        let nested = matches!(
            (ty, &column.ty),
            (SqlType::Array(_), SqlType::Array(_))
                | (SqlType::Map(..), SqlType::Map(..))
                | (SqlType::Struct(_), SqlType::Struct(_))
        );
        if !(text || narrow || nested || ty.widens_to(&column.ty)) {
            return Err(mismatch());
        }
    }
    let null = typed.ty.is_none();
    let cast = cast(typed.clone(), &column.ty)?;
    let empty = Arc::new(Schema::empty());
    let evaluator = Evaluator::new([(&cast.expr, column.ty.arrow())], &empty)?;
    let options = RecordBatchOptions::new().with_row_count(Some(1));
    let batch =
        RecordBatch::try_new_with_options(empty, vec![], &options).map_err(SqlError::server)?;
    let evaluated = evaluator.evaluate(&batch).map_err(|e| SqlError::statement(e.to_string()))?;
    if let Some((_, message)) = evaluated.failures.first() {
        return Err(SqlError::statement(message.clone()).at(expr.span));
    }
    let result = evaluated.columns.first().map_or(Value::Null, |c| value_at(c as &dyn Array, 0));
    if result.is_null() && !null && matches!(expr.kind, crate::parser::ast::ExprKind::Literal(_)) {
        return Err(mismatch());
    }
    Ok(result)
}

/// One row as the record that a query would write.
pub(crate) fn encode(
    source: &Source,
    row: &[Value],
    timestamp: i64,
    schemas: &dyn Schemas,
) -> Result<OutputRecord> {
    let rows = Rows {
        kind: source.kind,
        key: source.key.clone(),
        windowed: false,
        value: source.value.clone(),
    };
    let columns = source.key.iter().chain(&source.value);
    let arrays: Vec<ArrayRef> = columns.zip(row).map(|(c, v)| array_of(&c.ty, [v])).collect();
    let batch = RecordBatch::try_new(rows.schema(), arrays).map_err(SqlError::server)?;
    let origin = Origin::new(0, vec![0]);
    let chunk = Chunk::appends(batch, vec![timestamp], origin).map_err(SqlError::server)?;
    let records = SinkEncoder::new(source, schemas)?.encode(&chunk).map_err(SqlError::server)?;
    records.into_iter().next().ok_or_else(|| SqlError::server("the row gave no record"))
}
