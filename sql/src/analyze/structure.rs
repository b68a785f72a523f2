//! Arrays, maps and structs: making them and reaching into them.

use std::sync::Arc;

use datafusion::logical_expr::Expr;
use formats::Value;

use super::coerce::{coerce, one_type};
use super::lower::{Lowerer, Typed};
use super::render::shown;
use crate::error::SqlError;
use crate::functions::row::{RowCall, RowFunction, Work};
use crate::parser::ast::{self, Ident};
use crate::types::SqlType;
use crate::values::{same, struct_member};

type Result<T> = std::result::Result<T, SqlError>;

fn rows(name: &str, ty: &SqlType, takes_nulls: bool, call: RowCall, arguments: Vec<Expr>) -> Typed {
    let work = Work::Rows { call, takes_nulls };
    let function = RowFunction::new(name, ty.clone(), work).immutable();
    Typed::new(function.call(arguments), ty.clone())
}

/// `array[1]`, `array[-1]`, `map['key']`; null where there is nothing.
pub(crate) fn subscript(base: Typed, index: Typed) -> Result<Typed> {
    match base.ty.clone() {
        Some(SqlType::Array(item)) => {
            let bigint = index.ty.as_ref().is_some_and(|t| t.widens_to(&SqlType::Bigint));
            if !bigint {
                let message = format!("an ARRAY's index is an INTEGER, not {}", index.type_name());
                return Err(SqlError::statement(message));
            }
            let index = coerce(index, &SqlType::Bigint)?;
            let call = |v: &[Value]| Ok(item_at(&v[0], &v[1]));
            Ok(rows("[]", &item, false, Arc::new(call), vec![base.expr, index]))
        }
        Some(SqlType::Map(key, value)) => {
            let index = coerce(index, &key)?;
            let call = |v: &[Value]| {
                let Value::Map(entries) = &v[0] else { return Ok(Value::Null) };
                let found = entries.iter().find(|(k, _)| same(k, &v[1]));
                Ok(found.map_or(Value::Null, |(_, value)| value.clone()))
            };
            Ok(rows("[]", &value, false, Arc::new(call), vec![base.expr, index]))
        }
        _ => {
            let message = format!("[..] reaches into an ARRAY or a MAP, not {}", base.type_name());
            Err(SqlError::statement(message))
        }
    }
}

fn item_at(array: &Value, index: &Value) -> Value {
    let (Value::Array(items), Value::Int64(index)) = (array, index) else { return Value::Null };
    let at = match *index {
        i if i > 0 => usize::try_from(i - 1).ok(),
        i if i < 0 => {
            usize::try_from(i.unsigned_abs()).ok().and_then(|b| items.len().checked_sub(b))
        }
        _ => None,
    };
    at.and_then(|at| items.get(at)).cloned().unwrap_or(Value::Null)
}

/// `base->name`
pub(crate) fn field(base: Typed, shown_base: &ast::Expr, name: &str) -> Result<Typed> {
    let Some(SqlType::Struct(fields)) = &base.ty else {
        let message =
            format!("Expected STRUCT type, got: {} for {}", base.type_name(), shown(shown_base));
        return Err(SqlError::statement(message));
    };
    let Some(index) = fields.iter().position(|(known, _)| known == name) else {
        let known: Vec<&str> = fields.iter().map(|(known, _)| known.as_str()).collect();
        return Err(SqlError::statement(format!(
            "Could not find field '{name}' in '{}'. Available fields: {}",
            shown(shown_base),
            known.join(", ")
        )));
    };
    let ty = fields[index].1.clone();
    let work = Work::Columns(Arc::new(move |columns, _| Ok(struct_member(&columns[0], index))));
    let function = RowFunction::new(format!("->{index} {name}"), ty.clone(), work).immutable();
    Ok(Typed::new(function.call(vec![base.expr]), ty))
}

pub(crate) fn array(lowerer: &Lowerer<'_>, items: &[ast::Expr]) -> Result<Typed> {
    let typed = items.iter().map(|i| lowerer.lower(i)).collect::<Result<Vec<Typed>>>()?;
    if typed.iter().all(|t| t.ty.is_none()) {
        return Err(SqlError::statement(
            "Array constructor cannot be empty. Please supply at least one element (see \
             https://github.com/confluentinc/ksql/issues/4239).",
        ));
    }
    let (exprs, ty) = one_type(typed).map_err(|e| invalid("array", e))?;
    let ty = SqlType::Array(Box::new(ty));
    Ok(rows("ARRAY", &ty, true, Arc::new(|v: &[Value]| Ok(Value::Array(v.to_vec()))), exprs))
}

pub(crate) fn map(lowerer: &Lowerer<'_>, entries: &[(ast::Expr, ast::Expr)]) -> Result<Typed> {
    let (mut keys, mut values) = (Vec::new(), Vec::new());
    for (key, value) in entries {
        keys.push(lowerer.lower(key)?);
        values.push(lowerer.lower(value)?);
    }
    if keys.is_empty() || values.iter().all(|v| v.ty.is_none()) {
        return Err(SqlError::statement(
            "Map constructor cannot be empty. Please supply at least one key value pair (see \
             https://github.com/confluentinc/ksql/issues/4239).",
        ));
    }
    let (keys, key_type) = one_type(keys).map_err(|e| invalid("map", e))?;
    let (values, value_type) = one_type(values).map_err(|e| invalid("map", e))?;
    let count = keys.len();
    let call = move |v: &[Value]| {
        let pairs = v[..count].iter().cloned().zip(v[count..].iter().cloned());
        let named = |(key, value): (Value, Value)| match key {
            Value::Null => (Value::String("null".to_owned()), value),
            key => (key, value),
        };
        Ok(Value::Map(pairs.map(named).collect()))
    };
    let ty = SqlType::Map(Box::new(key_type), Box::new(value_type));
    Ok(rows("MAP", &ty, true, Arc::new(call), [keys, values].concat()))
}

fn invalid(what: &str, error: SqlError) -> SqlError {
    let message = format!("Invalid {what} expression: {}", error.message);
    SqlError { message, ..error }
}

pub(crate) fn structure(lowerer: &Lowerer<'_>, members: &[(Ident, ast::Expr)]) -> Result<Typed> {
    let (mut fields, mut exprs) = (Vec::new(), Vec::new());
    for (name, value) in members {
        let typed = lowerer.lower(value)?;
        let ty = typed.ty.clone().unwrap_or(SqlType::String);
        if fields.iter().any(|(known, _)| *known == name.name) {
            let message = format!("Duplicate field names found in STRUCT: '{}'", name.name);
            return Err(SqlError::statement(message).at(name.span));
        }
        exprs.push(coerce(typed, &ty)?);
        fields.push((name.name.clone(), ty));
    }
    let ty = SqlType::Struct(fields);
    Ok(rows("STRUCT", &ty, true, Arc::new(|v: &[Value]| Ok(Value::Struct(v.to_vec()))), exprs))
}
