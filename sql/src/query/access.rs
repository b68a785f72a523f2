//! What of a table's store a pull query has to read: the keys that its condition names, and the
//! windows that it asks for. More may be read than meets the condition, never less.

use std::collections::HashSet;
use std::ops::RangeInclusive;
use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, RecordBatchOptions};
use arrow::datatypes::Schema;
use datafusion::common::{DFSchema, ScalarValue};
use datafusion::logical_expr::expr::InList;
use datafusion::logical_expr::{BinaryExpr, Expr, ExprSchemable, Operator};
use streams::Selection;

use crate::catalog::source::{Column, Source};
use crate::ops::Evaluator;
use crate::types::SqlType;
use crate::values::{array_of, cast, same, value_at};

/// More keys than this are found by reading all of them.
const MAX_LOOKUPS: usize = 10_000;

/// The largest DOUBLE from which on two BIGINTs may be the same DOUBLE.
const EXACT_DOUBLES: f64 = 9_007_199_254_740_992.0;

/// The rows that a condition over a table needs.
pub(super) fn selection(filter: Option<&Expr>, source: &Source) -> Selection {
    let Some(filter) = filter else { return Selection::default() };
    let starts = match source.window.as_ref().and_then(|window| window.size_ms()) {
        Some(size_ms) => starts_of(filter, size_ms),
        None => ALL_STARTS,
    };
    let keys = if starts.is_empty() { Some(Vec::new()) } else { keys_of(filter, source) };
    Selection { keys, starts }
}

/// How the rows of a selection are found, in words.
pub(super) fn words(selection: &Selection, source: &Source) -> String {
    let windows = source.window.is_some();
    let range = match (*selection.starts.start(), *selection.starts.end()) {
        (0, i64::MAX) => String::new(),
        (first, last) if first > last => " OF NO WINDOW".to_owned(),
        (first, i64::MAX) => format!(" OF WINDOWS FROM {first} ON"),
        (first, last) => format!(" OF WINDOWS FROM {first} TO {last}"),
    };
    match &selection.keys {
        Some(keys) if keys.len() == 1 => format!("LOOKUP OF 1 KEY{range}"),
        Some(keys) => format!("LOOKUP OF {} KEYS{range}", keys.len()),
        None if windows && !range.is_empty() => format!("SCAN{range}"),
        None => "SCAN OF THE WHOLE TABLE".to_owned(),
    }
}

/// Each combination of the values that the key columns may have; `None`: any.
fn keys_of(filter: &Expr, source: &Source) -> Option<Vec<Vec<ArrayRef>>> {
    let mut keys: Vec<Vec<ArrayRef>> = vec![Vec::new()];
    if source.key.is_empty() {
        return None;
    }
    for column in &source.key {
        let values: HashSet<ScalarValue> = values_of(filter, column)?.into_iter().collect();
        if keys.len().saturating_mul(values.len()) > MAX_LOOKUPS {
            return None;
        }
        let arrays = values.iter().map(|value| value.to_array_of_size(1));
        let arrays: Vec<ArrayRef> = arrays.collect::<Result<_, _>>().ok()?;
        let longer = |key: &Vec<ArrayRef>| {
            let key = key.clone();
            arrays.iter().map(move |last| [key.as_slice(), &[Arc::clone(last)]].concat())
        };
        keys = keys.iter().flat_map(longer).collect();
    }
    Some(keys)
}

/// The values that a key column has in all rows that meet the condition; `None`: any.
fn values_of(condition: &Expr, key: &Column) -> Option<Vec<ScalarValue>> {
    match condition {
        Expr::IsTrue(inner) => values_of(inner, key),
        Expr::Literal(ScalarValue::Boolean(Some(false) | None), _) => Some(Vec::new()),
        Expr::BinaryExpr(BinaryExpr { left, op, right }) => match op {
            Operator::And => match (values_of(left, key), values_of(right, key)) {
                (Some(a), Some(b)) => Some(if a.len() <= b.len() { a } else { b }),
                (one, other) => one.or(other),
            },
            Operator::Or => Some([values_of(left, key)?, values_of(right, key)?].concat()),
            Operator::Eq | Operator::IsNotDistinctFrom => equal(left, right, key),
            _ => None,
        },
        Expr::InList(InList { expr, list, negated: false }) if is_key(expr, key) => {
            let values = list.iter().map(|item| key_value(&constant(item)?, key));
            Some(values.collect::<Option<Vec<_>>>()?.into_iter().flatten().collect())
        }
        // Equality of arrays, maps and structs.
        Expr::ScalarFunction(call) if call.func.name() == "=" => match call.args.as_slice() {
            [left, right] => equal(left, right, key),
            _ => None,
        },
        _ => None,
    }
}

fn equal(left: &Expr, right: &Expr, key: &Column) -> Option<Vec<ScalarValue>> {
    let other = match (is_key(left, key), is_key(right, key)) {
        (true, false) => right,
        (false, true) => left,
        _ => return None,
    };
    Some(key_value(&constant(other)?, key)?.into_iter().collect())
}

/// Whether an expression is the key column, or the key column made a wider type.
fn is_key(expr: &Expr, key: &Column) -> bool {
    match expr {
        Expr::Column(column) => column.name == key.name,
        Expr::Cast(cast) => is_key(&cast.expr, key),
        Expr::ScalarFunction(call) if call.func.name().starts_with("CAST ") => {
            matches!(call.args.as_slice(), [only] if is_key(only, key))
        }
        _ => false,
    }
}

/// The value of the key column that equals `value` once it is made the type of `value`: there may
/// be none. The outer `None` says that it cannot be told.
fn key_value(value: &ScalarValue, key: &Column) -> Option<Option<ScalarValue>> {
    if value.is_null() {
        return Some(None);
    }
    if value.data_type() == key.ty.arrow() {
        return Some(Some(value.clone()));
    }
    let ty = formats::typed(&key.name, &value.data_type()).ok()?;
    let ty = SqlType::from_typed(&ty);
    let wide = value_at(&value.to_array_of_size(1).ok()?, 0);
    let same_for_each = match (&key.ty, &ty) {
        (SqlType::Decimal { .. }, SqlType::Double) => false,
        (SqlType::Bigint, SqlType::Double) => {
            matches!(wide, formats::Value::Float64(n) if n.abs() < EXACT_DOUBLES)
        }
        (SqlType::Date, SqlType::Timestamp) => true,
        (narrow, wide) => narrow.widens_to(wide),
    };
    if !same_for_each {
        return None;
    }
    let narrow = cast(&wide, &ty, &key.ty);
    let back = narrow.as_ref().ok().and_then(|narrow| cast(narrow, &key.ty, &ty).ok());
    Some(match (narrow, back) {
        (Ok(narrow), Some(back)) if same(&back, &wide) => {
            Some(ScalarValue::try_from_array(&array_of(&key.ty, [&narrow]), 0).ok()?)
        }
        _ => None,
    })
}

/// The value of an expression that names no column and always gives the same.
fn constant(expr: &Expr) -> Option<ScalarValue> {
    if let Expr::Literal(value, _) = expr {
        return Some(value.clone());
    }
    if !expr.column_refs().is_empty() || expr.is_volatile() {
        return None;
    }
    let schema = Arc::new(Schema::empty());
    let ty = expr.get_type(&DFSchema::empty()).ok()?;
    let evaluator = Evaluator::new([(expr, ty)], &schema).ok()?;
    let one = RecordBatchOptions::new().with_row_count(Some(1));
    let row = RecordBatch::try_new_with_options(schema, Vec::new(), &one).ok()?;
    let evaluated = evaluator.evaluate(&row).ok()?;
    ScalarValue::try_from_array(evaluated.columns.first()?, 0).ok()
}

const ALL_STARTS: RangeInclusive<i64> = 0..=i64::MAX;

/// The starts of the windows of all rows that meet the condition; windows are `size_ms` long.
fn starts_of(condition: &Expr, size_ms: i64) -> RangeInclusive<i64> {
    match condition {
        Expr::IsTrue(inner) => starts_of(inner, size_ms),
        Expr::BinaryExpr(BinaryExpr { left, op, right }) => match op {
            Operator::And => {
                let (a, b) = (starts_of(left, size_ms), starts_of(right, size_ms));
                *a.start().max(b.start())..=*a.end().min(b.end())
            }
            Operator::Or => {
                let (a, b) = (starts_of(left, size_ms), starts_of(right, size_ms));
                *a.start().min(b.start())..=*a.end().max(b.end())
            }
            _ => bound(left, *op, right, size_ms)
                .or_else(|| bound(right, op.swap()?, left, size_ms))
                .unwrap_or(ALL_STARTS),
        },
        _ => ALL_STARTS,
    }
}

/// What a comparison of one of the window's bounds with a constant says about its start.
fn bound(left: &Expr, op: Operator, right: &Expr, size_ms: i64) -> Option<RangeInclusive<i64>> {
    let Expr::Column(column) = left else { return None };
    let ahead = match column.name.as_str() {
        "WINDOWSTART" => 0,
        "WINDOWEND" => size_ms,
        _ => return None,
    };
    let ScalarValue::Int64(Some(time)) = constant(right)? else { return None };
    let start = time.saturating_sub(ahead);
    Some(match op {
        Operator::Eq => start..=start,
        Operator::Lt => 0..=start.saturating_sub(1),
        Operator::LtEq => 0..=start,
        Operator::Gt => start.saturating_add(1)..=i64::MAX,
        Operator::GtEq => start..=i64::MAX,
        _ => return None,
    })
}

#[cfg(test)]
mod tests;
