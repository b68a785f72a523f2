//! Making an expression another type: silently where that loses nothing, by CAST otherwise.

use std::sync::Arc;

use datafusion::common::ScalarValue;
use datafusion::logical_expr::{Expr, cast as arrow_cast, lit};
use formats::Value;

use super::lower::Typed;
use crate::error::SqlError;
use crate::functions::row::{RowFunction, Work};
use crate::types::SqlType;
use crate::values;

type Result<T> = std::result::Result<T, SqlError>;

/// The expression as `target`, which its type must widen to.
pub(crate) fn coerce(typed: Typed, target: &SqlType) -> Result<Expr> {
    match &typed.ty {
        None => null_of(target),
        Some(ty) if ty == target => Ok(typed.expr),
        Some(_) => Ok(cast(typed, target)?.expr),
    }
}

/// NULL with a type.
pub(crate) fn null_of(ty: &SqlType) -> Result<Expr> {
    let null = ScalarValue::try_new_null(&ty.arrow()).map_err(SqlError::server)?;
    Ok(lit(null))
}

/// CAST: a value that has no form in the target type becomes null and is logged.
pub(crate) fn cast(typed: Typed, target: &SqlType) -> Result<Typed> {
    let Some(from) = typed.ty else { return Ok(Typed::new(null_of(target)?, target.clone())) };
    if from == *target {
        return Ok(Typed::new(typed.expr, from));
    }
    if !values::can_cast(&from, target) {
        return Err(SqlError::statement(format!("Cast of {from} to {target} is not supported")));
    }
    if let Expr::Literal(value, _) = &typed.expr
        && *target != SqlType::String
        && let Some(constant) = literal(value, &from, target)
    {
        return Ok(Typed::new(constant, target.clone()));
    }
    let exact = matches!(
        (&from, target),
        (SqlType::Integer, SqlType::Bigint | SqlType::Double) | (SqlType::Bigint, SqlType::Double)
    );
    if exact {
        return Ok(Typed::new(arrow_cast(typed.expr, target.arrow()), target.clone()));
    }
    let name = format!("CAST {from} AS");
    let to = target.clone();
    let call = move |v: &[Value]| values::cast(&v[0], &from, &to);
    let work = Work::Rows { call: Arc::new(call), takes_nulls: false };
    let function = RowFunction::new(name, target.clone(), work).immutable();
    Ok(Typed::new(function.call(vec![typed.expr]), target.clone()))
}

/// A literal in another type; what has no form there fails when it is evaluated. A text would be
/// taken for one that the statement states, and be read as any type.
fn literal(value: &ScalarValue, from: &SqlType, target: &SqlType) -> Option<Expr> {
    let value = values::value_at(&value.to_array_of_size(1).ok()?, 0);
    constant(&values::cast(&value, from, target).ok()?, target).ok()
}

/// The type that all widen to; text literals follow the others. `None` if there is none.
pub(crate) fn common_type(items: &[Typed]) -> Result<Option<SqlType>> {
    let mut common: Option<SqlType> = None;
    for ty in items.iter().filter_map(|i| i.ty.as_ref()) {
        common = match common {
            None => Some(ty.clone()),
            Some(known) => match known.common(ty) {
                Some(both) => Some(both),
                None => return Ok(None),
            },
        };
    }
    Ok(common)
}

/// A text literal's text.
pub(crate) fn literal_text(expr: &Expr) -> Option<&str> {
    match expr {
        Expr::Literal(ScalarValue::Utf8(Some(text)), _) => Some(text),
        _ => None,
    }
}

/// A list of values with one type: that of the values that are no text literals, if there are
/// any, which the text literals are then read as.
pub(crate) fn one_type(items: Vec<Typed>) -> Result<(Vec<Expr>, SqlType)> {
    let is_text = |t: &Typed| literal_text(&t.expr).is_some();
    let firm: Vec<Typed> = items.iter().filter(|t| !is_text(t)).cloned().collect();
    let texts = first_is_text_and_others_constant(&items);
    let ty = match common_type(&firm)? {
        Some(ty) => ty,
        None if texts => SqlType::String,
        None if firm.iter().all(|t| t.ty.is_none()) => SqlType::String,
        None => {
            let names: Vec<String> = firm.iter().map(Typed::type_name).collect();
            let message = format!("these types have none in common: {}", names.join(", "));
            return Err(SqlError::statement(message));
        }
    };
    let mut exprs = Vec::with_capacity(items.len());
    for item in items {
        exprs.push(match literal_text(&item.expr) {
            Some(text) if ty != SqlType::String => text_as(text, &ty)?,
            _ if ty == SqlType::String => cast(item, &ty)?.expr,
            _ => coerce(item, &ty)?,
        });
    }
    Ok((exprs, ty))
}

/// Constants beside a text are read as texts.
fn first_is_text_and_others_constant(items: &[Typed]) -> bool {
    let text = |t: &Typed| t.ty == Some(SqlType::String);
    let constant = |t: &Typed| matches!(t.expr, Expr::Literal(..));
    items.first().is_some_and(text) && items.iter().all(|t| text(t) || constant(t))
}

/// A text literal read as a value of a type when the statement is analysed.
pub(crate) fn text_as(text: &str, ty: &SqlType) -> Result<Expr> {
    if *ty == SqlType::Boolean && values::exact_boolean(text).is_none() {
        let message = format!("invalid input syntax for type BOOLEAN: \"{text}\".");
        return Err(SqlError::statement(message));
    }
    let value = values::cast(&Value::String(text.to_owned()), &SqlType::String, ty)
        .map_err(|e| SqlError::statement(format!("invalid input syntax for type {ty}: {e}")))?;
    constant(&value, ty)
}

/// A value as a literal.
pub(crate) fn constant(value: &Value, ty: &SqlType) -> Result<Expr> {
    let array = values::array_of(ty, [value]);
    ScalarValue::try_from_array(&array, 0).map(lit).map_err(SqlError::server)
}
