//! Comparisons, IN, BETWEEN and LIKE. They are true or false, never null.

use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, BooleanArray, StringArray};
use arrow::compute::kernels::comparison as kernels;
use datafusion::logical_expr::{Expr, Operator, binary_expr, lit};
use formats::Value;

use super::coerce::{coerce, literal_text, one_type, text_as};
use super::lower::{Lowerer, Typed};
use super::render::shown;
use crate::error::SqlError;
use crate::functions::row::{ColumnCall, RowFunction, Work};
use crate::parser::ast::{self, Comparison, ExprKind};
use crate::types::SqlType;
use crate::values::{parse_timestamp, same};

type Result<T> = std::result::Result<T, SqlError>;

pub(crate) fn compare(
    lowerer: &Lowerer<'_>,
    op: Comparison,
    left: &ast::Expr,
    right: &ast::Expr,
) -> Result<Typed> {
    let (l, r) = (lowerer.lower(left)?, lowerer.lower(right)?);
    let distinct = matches!(op, Comparison::IsDistinct | Comparison::IsNotDistinct);
    if (l.ty.is_none() || r.ty.is_none()) && !distinct {
        let message = format!(
            "Comparison with NULL not supported: {} {} {}",
            shown(left),
            op.symbol(),
            shown(right)
        );
        return Err(SqlError::statement(message));
    }
    let (left_type, right_type) = (time_type(left, &l), time_type(right, &r));
    let (l, r) = (as_time(l, right_type)?, as_time(r, left_type)?);
    let Some((left_expr, right_expr, ty)) = same_type(l.clone(), r.clone())? else {
        return Err(mismatch(op, (left, &l), (right, &r)));
    };
    let ordered = !matches!(ty, SqlType::Array(_) | SqlType::Map(..) | SqlType::Struct(_));
    let equality = matches!(op, Comparison::Equal | Comparison::NotEqual) || distinct;
    if !equality && (!ordered || ty == SqlType::Boolean) {
        return Err(mismatch(op, (left, &l), (right, &r)));
    }
    let expr = if ordered {
        let test = binary_expr(left_expr, operator(op), right_expr);
        if distinct { test } else { Expr::IsTrue(Box::new(test)) }
    } else {
        nested(op, left_expr, right_expr)
    };
    Ok(Typed::new(expr, SqlType::Boolean))
}

/// The type that a text literal on the other side is read as: a time's own, and a timestamp
/// beside ROWTIME and the window's bounds, which hold one as BIGINT.
fn time_type(expr: &ast::Expr, typed: &Typed) -> Option<SqlType> {
    let bound = matches!(&expr.kind, ExprKind::Column { name, .. }
        if matches!(name.name.as_str(), "ROWTIME" | "WINDOWSTART" | "WINDOWEND"));
    typed.ty.clone().filter(|ty| ty.is_time() || (bound && *ty == SqlType::Bigint))
}

fn as_time(value: Typed, wanted: Option<SqlType>) -> Result<Typed> {
    let (Some(text), Some(ty)) = (literal_text(&value.expr), wanted) else { return Ok(value) };
    if ty == SqlType::Bigint {
        let millis = parse_timestamp(text).map_err(SqlError::statement)?;
        return Ok(Typed::new(lit(millis), ty));
    }
    Ok(Typed::new(text_as(text, &ty)?, ty))
}

fn same_type(left: Typed, right: Typed) -> Result<Option<(Expr, Expr, SqlType)>> {
    let ty = match (&left.ty, &right.ty) {
        (Some(SqlType::Date), Some(SqlType::Timestamp))
        | (Some(SqlType::Timestamp), Some(SqlType::Date)) => Some(SqlType::Timestamp),
        (Some(l), Some(r)) => l.common(r),
        (Some(one), None) | (None, Some(one)) => Some(one.clone()),
        (None, None) => Some(SqlType::String),
    };
    match ty {
        Some(ty) => Ok(Some((coerce(left, &ty)?, coerce(right, &ty)?, ty))),
        None => Ok(None),
    }
}

fn mismatch(op: Comparison, left: (&ast::Expr, &Typed), right: (&ast::Expr, &Typed)) -> SqlError {
    let word = match op {
        Comparison::Equal => "EQUAL",
        Comparison::NotEqual => "NOT_EQUAL",
        Comparison::Less => "LESS_THAN",
        Comparison::LessOrEqual => "LESS_THAN_OR_EQUAL",
        Comparison::Greater => "GREATER_THAN",
        Comparison::GreaterOrEqual => "GREATER_THAN_OR_EQUAL",
        Comparison::IsDistinct => "IS_DISTINCT_FROM",
        Comparison::IsNotDistinct => "IS_NOT_DISTINCT_FROM",
    };
    SqlError::statement(format!(
        "Cannot compare {} ({}) to {} ({}) with {word}.",
        shown(left.0),
        left.1.type_name(),
        shown(right.0),
        right.1.type_name()
    ))
}

fn operator(op: Comparison) -> Operator {
    match op {
        Comparison::Equal => Operator::Eq,
        Comparison::NotEqual => Operator::NotEq,
        Comparison::Less => Operator::Lt,
        Comparison::LessOrEqual => Operator::LtEq,
        Comparison::Greater => Operator::Gt,
        Comparison::GreaterOrEqual => Operator::GtEq,
        Comparison::IsDistinct => Operator::IsDistinctFrom,
        Comparison::IsNotDistinct => Operator::IsNotDistinctFrom,
    }
}

/// Equality of arrays, maps and structs.
fn nested(op: Comparison, left: Expr, right: Expr) -> Expr {
    let call = move |v: &[Value]| {
        let nulls = v[0].is_null() || v[1].is_null();
        let equal = same(&v[0], &v[1]);
        Ok(Value::Boolean(match op {
            Comparison::Equal => !nulls && equal,
            Comparison::NotEqual => !nulls && !equal,
            Comparison::IsNotDistinct => equal,
            _ => !equal,
        }))
    };
    let work = Work::Rows { call: Arc::new(call), takes_nulls: true };
    RowFunction::new(op.symbol(), SqlType::Boolean, work).immutable().call(vec![left, right])
}

pub(crate) fn between(
    lowerer: &Lowerer<'_>,
    value: &ast::Expr,
    (low, high): (&ast::Expr, &ast::Expr),
    negated: bool,
) -> Result<Typed> {
    let above = compare(lowerer, Comparison::GreaterOrEqual, value, low)?.expr;
    let below = compare(lowerer, Comparison::LessOrEqual, value, high)?.expr;
    let test = binary_expr(above, Operator::And, below);
    Ok(Typed::new(if negated { Expr::Not(Box::new(test)) } else { test }, SqlType::Boolean))
}

pub(crate) fn is_in(
    lowerer: &Lowerer<'_>,
    value: &ast::Expr,
    list: &[ast::Expr],
    negated: bool,
) -> Result<Typed> {
    let mut items = vec![lowerer.lower(value)?];
    for item in list {
        items.push(lowerer.lower(item)?);
    }
    let invalid =
        |e: SqlError| SqlError { message: format!("Invalid Predicate: {}", e.message), ..e };
    let (mut exprs, ty) = one_type(items).map_err(invalid)?;
    let value = exprs.remove(0);
    let nested_type = matches!(ty, SqlType::Array(_) | SqlType::Map(..) | SqlType::Struct(_));
    let test = if nested_type {
        let equal = |item| nested(Comparison::Equal, value.clone(), item);
        any_of(exprs.into_iter().map(equal).collect())
    } else {
        Expr::IsTrue(Box::new(value.in_list(exprs, false)))
    };
    Ok(Typed::new(if negated { Expr::Not(Box::new(test)) } else { test }, SqlType::Boolean))
}

/// Whether one of the tests holds; the tree of them is as low as it can be.
fn any_of(mut tests: Vec<Expr>) -> Expr {
    while tests.len() > 1 {
        let mut pairs = Vec::with_capacity(tests.len().div_ceil(2));
        let mut rest = tests.into_iter();
        while let Some(test) = rest.next() {
            pairs.push(match rest.next() {
                Some(other) => binary_expr(test, Operator::Or, other),
                None => test,
            });
        }
        tests = pairs;
    }
    tests.pop().unwrap_or_else(|| lit(false))
}

pub(crate) fn like(
    lowerer: &Lowerer<'_>,
    value: &ast::Expr,
    pattern: &ast::Expr,
    escape: Option<char>,
    negated: bool,
) -> Result<Typed> {
    let mut arguments = Vec::with_capacity(2);
    for expr in [value, pattern] {
        let typed = lowerer.lower(expr)?;
        if !matches!(typed.ty, Some(SqlType::String) | None) {
            let message = format!(
                "Like condition must be between strings, but {} is of type {}",
                shown(expr),
                typed.type_name()
            );
            return Err(SqlError::statement(message).at(expr.span));
        }
        arguments.push(coerce(typed, &SqlType::String)?);
    }
    let literal = literal_text(&arguments[1]).map(|text| arrow_pattern(text, escape)).transpose();
    let pattern = literal.map_err(|e| SqlError::statement(e).at(pattern.span))?;
    let call: ColumnCall = match pattern {
        Some(pattern) => {
            let pattern = StringArray::new_scalar(pattern);
            Arc::new(move |columns, _| known(kernels::like(&columns[0], &pattern)?))
        }
        None => Arc::new(move |columns, _| {
            let patterns = columns[1].as_string::<i32>().iter();
            // A pattern that is none matches nothing.
            let patterns: StringArray =
                patterns.map(|p| p.and_then(|p| arrow_pattern(p, escape).ok())).collect();
            known(kernels::like(&columns[0], &patterns)?)
        }),
    };
    let name = format!("LIKE{}", escape.map_or(String::new(), |e| format!(" ESCAPE {e}")));
    let function = RowFunction::new(name, SqlType::Boolean, Work::Columns(call));
    let test = function.immutable().call(arguments);
    Ok(Typed::new(if negated { Expr::Not(Box::new(test)) } else { test }, SqlType::Boolean))
}

/// False where there is no answer.
fn known(found: BooleanArray) -> datafusion::common::Result<ArrayRef> {
    let known: BooleanArray = found.iter().map(|one| Some(one == Some(true))).collect();
    Ok(Arc::new(known))
}

/// A pattern as Arrow's kernel has it, which always takes `\` for the escape. Here `%` is any text,
/// `_` any character, and there is no escape but the one that ESCAPE names.
fn arrow_pattern(pattern: &str, escape: Option<char>) -> std::result::Result<String, String> {
    let mut translated = String::with_capacity(pattern.len());
    let mut characters = pattern.chars();
    while let Some(c) = characters.next() {
        let plain = match c {
            c if Some(c) == escape => characters
                .next()
                .ok_or_else(|| "LIKE pattern must not end with escape character".to_owned())?,
            '%' | '_' => {
                translated.push(c);
                continue;
            }
            c => c,
        };
        if matches!(plain, '%' | '_' | '\\') {
            translated.push('\\');
        }
        translated.push(plain);
    }
    Ok(translated)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn like_knows_wildcards_and_escapes() {
        let check = |text: &str, pattern: &str, escape, expected| {
            let pattern = arrow_pattern(pattern, escape).unwrap();
            let texts = StringArray::from(vec![Some(text), None]);
            let found = kernels::like(&texts, &StringArray::new_scalar(&pattern)).unwrap();
            let found = known(found).unwrap();
            assert_eq!(found.as_boolean().value(0), expected, "{text} LIKE {pattern}");
            assert!(!found.as_boolean().value(1), "null");
        };
        check("hello", "h%o", None, true);
        check("hello", "h_llo", None, true);
        check("hello", "%ell%", None, true);
        check("hello", "ell", None, false);
        check("", "%", None, true);
        check("", "_", None, false);
        check("a\nb", "a%b", None, true);
        check("100%", "100!%", Some('!'), true);
        check("1000", "100!%", Some('!'), false);
        check("a!b", "a!!b", Some('!'), true);
        check("axb", "a!_b", Some('!'), false);
        check("a\\b", "a\\b", None, true);
        check("a\\", "a\\%", None, true);
        check("a%", "a\\%", None, false);
        check("a%", "a\\%", Some('\\'), true);
        check("a.c", "a.c", None, true);
        check("abc", "a.c", None, false);
        check("é😀x", "__x", None, true);
        check("aaab", "%a%a%b", None, true);
        assert!(arrow_pattern("a!", Some('!')).is_err());
    }
}
