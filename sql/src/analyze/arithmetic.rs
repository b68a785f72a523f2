//! `+ - * / %` as Java's numbers have them: integers wrap, an integer division by zero gives null
//! and a line in the processing log, DECIMALs are exact with ksqlDB's precisions.

use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, Datum};
use arrow::compute::kernels::numeric;
use arrow::datatypes::Float64Type;
use arrow::error::ArrowError;
use datafusion::common::Result as DataResult;
use datafusion::logical_expr::Expr;
use formats::{Decimal, Value};

use super::coerce::coerce;
use super::lower::Typed;
use crate::error::SqlError;
use crate::functions::row::{RowFunction, Work};
use crate::parser::ast::Arithmetic;
use crate::types::SqlType;

type Result<T> = std::result::Result<T, SqlError>;

pub(crate) fn arithmetic(op: Arithmetic, left: Typed, right: Typed) -> Result<Typed> {
    let (Some(l), Some(r)) = (left.ty.clone(), right.ty.clone()) else {
        let message = "Arithmetic on types null is not supported".to_owned();
        return Err(SqlError::statement(message));
    };
    if op == Arithmetic::Add && l == SqlType::String && r == SqlType::String {
        return Ok(concat(left.expr, right.expr));
    }
    let unsupported = || {
        SqlError::statement(format!(
            "Unsupported arithmetic types. {} {}: {l} {} {r}",
            l.base_name(),
            r.base_name(),
            op.symbol()
        ))
    };
    if !l.is_numeric() || !r.is_numeric() {
        return Err(unsupported());
    }
    let common = l.common(&r).ok_or_else(unsupported)?;
    if let SqlType::Decimal { .. } = common {
        let (left_type, right_type) = (as_decimal(&l)?, as_decimal(&r)?);
        let ty = decimal_result(op, &left_type, &right_type)?;
        let arguments = vec![coerce(left, &left_type)?, coerce(right, &right_type)?];
        return Ok(decimals(op, arguments, ty));
    }
    let arguments = vec![coerce(left, &common)?, coerce(right, &common)?];
    Ok(numbers(op, arguments, common))
}

pub(crate) fn negate(value: Typed) -> Result<Typed> {
    let Some(ty) = value.ty.clone().filter(SqlType::is_numeric) else {
        let message = format!("- takes a number, not {}", value.type_name());
        return Err(SqlError::statement(message));
    };
    let call = |v: &[Value]| {
        Ok(match &v[0] {
            Value::Int32(n) => Value::Int32(n.wrapping_neg()),
            Value::Int64(n) => Value::Int64(n.wrapping_neg()),
            Value::Float64(n) => Value::Float64(-n),
            Value::Decimal(d) => Value::Decimal(Decimal { unscaled: -d.unscaled, ..*d }),
            other => return Err(format!("{} has no negative", other.kind())),
        })
    };
    let work = Work::Rows { call: Arc::new(call), takes_nulls: false };
    Ok(Typed::new(RowFunction::new("-", ty.clone(), work).immutable().call(vec![value.expr]), ty))
}

fn concat(left: Expr, right: Expr) -> Typed {
    let call = |v: &[Value]| match (&v[0], &v[1]) {
        (Value::String(a), Value::String(b)) => Ok(Value::String(format!("{a}{b}"))),
        _ => Err("only texts can be joined".to_owned()),
    };
    let work = Work::Rows { call: Arc::new(call), takes_nulls: false };
    let function = RowFunction::new("||", SqlType::String, work).immutable();
    Typed::new(function.call(vec![left, right]), SqlType::String)
}

/// INT, BIGINT and DOUBLE: whole columns at once.
fn numbers(op: Arithmetic, arguments: Vec<Expr>, ty: SqlType) -> Typed {
    let work = match op {
        Arithmetic::Add => columns(numeric::add_wrapping),
        Arithmetic::Subtract => columns(numeric::sub_wrapping),
        Arithmetic::Multiply => columns(numeric::mul_wrapping),
        Arithmetic::Divide if ty == SqlType::Double => columns(numeric::div),
        Arithmetic::Modulo if ty == SqlType::Double => Work::Columns(Arc::new(double_modulo)),
        _ => Work::Rows { call: Arc::new(move |v| integers(op, v)), takes_nulls: false },
    };
    let function = RowFunction::new(op.symbol(), ty.clone(), work).immutable();
    Typed::new(function.call(arguments), ty)
}

type Kernel = fn(&dyn Datum, &dyn Datum) -> std::result::Result<ArrayRef, ArrowError>;

fn columns(kernel: Kernel) -> Work {
    Work::Columns(Arc::new(move |columns, _| Ok(kernel(&columns[0], &columns[1])?)))
}

fn double_modulo(columns: &[ArrayRef], _: usize) -> DataResult<ArrayRef> {
    let (a, b) =
        (columns[0].as_primitive::<Float64Type>(), columns[1].as_primitive::<Float64Type>());
    let result =
        arrow::compute::binary::<Float64Type, Float64Type, _, Float64Type>(a, b, |a, b| a % b)?;
    Ok(Arc::new(result))
}

fn integers(op: Arithmetic, v: &[Value]) -> std::result::Result<Value, String> {
    let zero = || "/ by zero".to_owned();
    Ok(match (op, &v[0], &v[1]) {
        (_, _, Value::Int32(0) | Value::Int64(0)) => return Err(zero()),
        (Arithmetic::Divide, Value::Int32(a), Value::Int32(b)) => Value::Int32(a.wrapping_div(*b)),
        (Arithmetic::Divide, Value::Int64(a), Value::Int64(b)) => Value::Int64(a.wrapping_div(*b)),
        (_, Value::Int32(a), Value::Int32(b)) => Value::Int32(a.wrapping_rem(*b)),
        (_, Value::Int64(a), Value::Int64(b)) => Value::Int64(a.wrapping_rem(*b)),
        (_, a, b) => return Err(format!("{} and {} do not divide", a.kind(), b.kind())),
    })
}

fn as_decimal(ty: &SqlType) -> Result<SqlType> {
    let (precision, scale) =
        ty.as_decimal().ok_or_else(|| SqlError::statement(format!("{ty} is no DECIMAL")))?;
    Ok(SqlType::Decimal { precision, scale })
}

/// The precision and scale of a result, by the rules of SQL Server that ksqlDB follows.
fn decimal_result(op: Arithmetic, left: &SqlType, right: &SqlType) -> Result<SqlType> {
    let none = || SqlError::statement(format!("{left} {} {right} has no type", op.symbol()));
    let (p1, s1) = left.as_decimal().map(wide).ok_or_else(none)?;
    let (p2, s2) = right.as_decimal().map(wide).ok_or_else(none)?;
    let (precision, scale) = match op {
        Arithmetic::Add | Arithmetic::Subtract => {
            let scale = s1.max(s2);
            (scale + (p1 - s1).max(p2 - s2) + 1, scale)
        }
        Arithmetic::Multiply => (p1 + p2 + 1, s1 + s2),
        Arithmetic::Divide => {
            let scale = 6.max(s1 + p2 + 1);
            (p1 - s1 + s2 + scale, scale)
        }
        Arithmetic::Modulo => ((p1 - s1).min(p2 - s2) + s1.max(s2), s1.max(s2)),
    };
    let (precision, scale) = (precision.min(38), scale.min(38));
    let narrow = |n: i32| u8::try_from(n).map_err(|_| none());
    Ok(SqlType::decimal(narrow(precision)?, narrow(scale)?))
}

fn wide((precision, scale): (u8, u8)) -> (i32, i32) {
    (i32::from(precision), i32::from(scale))
}

fn decimals(op: Arithmetic, arguments: Vec<Expr>, ty: SqlType) -> Typed {
    let target = ty.clone();
    let call = move |v: &[Value]| {
        let (Value::Decimal(a), Value::Decimal(b)) = (&v[0], &v[1]) else {
            return Err("expected DECIMALs".to_owned());
        };
        let SqlType::Decimal { precision, scale } = target else {
            return Err("expected a DECIMAL result".to_owned());
        };
        if b.unscaled == 0 && matches!(op, Arithmetic::Divide | Arithmetic::Modulo) {
            return Err("/ by zero".to_owned());
        }
        exact(op, *a, *b, scale)
            .and_then(|d| d.fit(precision, scale))
            .map(Value::Decimal)
            .ok_or_else(|| format!("Numeric field overflow: {a} {} {b}", op.symbol()))
    };
    let work = Work::Rows { call: Arc::new(call), takes_nulls: false };
    let function = RowFunction::new(op.symbol(), ty.clone(), work).immutable();
    Typed::new(function.call(arguments), ty)
}

fn exact(op: Arithmetic, a: Decimal, b: Decimal, result_scale: u8) -> Option<Decimal> {
    if op == Arithmetic::Multiply {
        let unscaled = a.unscaled.checked_mul(b.unscaled)?;
        return Some(Decimal { unscaled, scale: a.scale.checked_add(b.scale)? });
    }
    if op == Arithmetic::Divide {
        return divide(a, b, result_scale);
    }
    let scale = a.scale.max(b.scale);
    let (left, right) = (a.fit(38, scale)?.unscaled, b.fit(38, scale)?.unscaled);
    let unscaled = match op {
        Arithmetic::Add => left.checked_add(right)?,
        Arithmetic::Subtract => left.checked_sub(right)?,
        _ => left.checked_rem(right)?,
    };
    Some(Decimal { unscaled, scale })
}

/// Long division, digit by digit, rounded half up: the numerator need not fit when widened.
fn divide(a: Decimal, b: Decimal, scale: u8) -> Option<Decimal> {
    let negative = (a.unscaled < 0) != (b.unscaled < 0);
    let (numerator, denominator) = (a.unscaled.unsigned_abs(), b.unscaled.unsigned_abs());
    let mut quotient = numerator / denominator;
    let mut rest = numerator % denominator;
    let shift = i32::from(scale) + i32::from(b.scale) - i32::from(a.scale);
    for _ in 0..shift {
        rest = rest.checked_mul(10)?;
        quotient = quotient.checked_mul(10)?.checked_add(rest / denominator)?;
        rest %= denominator;
    }
    if rest >= denominator - denominator / 2 {
        quotient = quotient.checked_add(1)?;
    }
    let unscaled = i128::try_from(quotient).ok()?;
    let scale_of_quotient = if shift < 0 { a.scale.checked_sub(b.scale)? } else { scale };
    Some(Decimal {
        unscaled: if negative { -unscaled } else { unscaled },
        scale: scale_of_quotient,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimal_results_are_as_wide_as_sql_servers() {
        let (a, b) = (SqlType::decimal(4, 2), SqlType::decimal(5, 1));
        let width = |op| decimal_result(op, &a, &b).unwrap();
        assert_eq!(width(Arithmetic::Add), SqlType::decimal(7, 2));
        assert_eq!(width(Arithmetic::Multiply), SqlType::decimal(10, 3));
        assert_eq!(width(Arithmetic::Divide), SqlType::decimal(11, 8));
        assert_eq!(width(Arithmetic::Modulo), SqlType::decimal(4, 2));
    }

    #[test]
    fn division_rounds_half_up() {
        let d = |text: &str| Decimal::parse(text).unwrap();
        assert_eq!(divide(d("2"), d("3"), 4), Some(d("0.6667")));
        assert_eq!(divide(d("-1.00"), d("8.0"), 2), Some(d("-0.13")));
        assert_eq!(divide(d("10.5"), d("2"), 1), Some(d("5.3")));
    }

    #[test]
    fn integers_wrap_and_refuse_zero() {
        let max = Value::Int32(i32::MIN);
        assert_eq!(
            integers(Arithmetic::Divide, &[max, Value::Int32(-1)]),
            Ok(Value::Int32(i32::MIN))
        );
        let zero = [Value::Int64(1), Value::Int64(0)];
        assert_eq!(integers(Arithmetic::Modulo, &zero), Err("/ by zero".to_owned()));
    }
}
