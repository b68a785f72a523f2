//! The order and equality of values of one type.

use std::cmp::Ordering;

use formats::{Decimal, Value};

/// The order of two values; `None` if they have none (nulls, structs, different types).
pub(crate) fn compare(a: &Value, b: &Value) -> Option<Ordering> {
    Some(match (a, b) {
        (Value::Boolean(a), Value::Boolean(b)) => a.cmp(b),
        (Value::Int32(a), Value::Int32(b)) => a.cmp(b),
        (Value::Int64(a), Value::Int64(b)) => a.cmp(b),
        (Value::Float64(a), Value::Float64(b)) => a.total_cmp(b),
        (Value::Decimal(a), Value::Decimal(b)) => compare_decimals(*a, *b),
        (Value::String(a), Value::String(b)) => a.cmp(b),
        (Value::Bytes(a), Value::Bytes(b)) => a.cmp(b),
        (Value::Date(a), Value::Date(b)) | (Value::Time(a), Value::Time(b)) => a.cmp(b),
        (Value::Timestamp(a), Value::Timestamp(b)) => a.cmp(b),
        _ => return None,
    })
}

fn compare_decimals(a: Decimal, b: Decimal) -> Ordering {
    let scale = a.scale.max(b.scale);
    let widened = |d: Decimal| {
        10i128.checked_pow(u32::from(scale - d.scale)).and_then(|f| d.unscaled.checked_mul(f))
    };
    match (widened(a), widened(b)) {
        (Some(a), Some(b)) => a.cmp(&b),
        _ => approximate(a).total_cmp(&approximate(b)),
    }
}

fn approximate(d: Decimal) -> f64 {
    d.unscaled as f64 / 10f64.powi(i32::from(d.scale))
}

/// Equality of values, nested ones too; maps in any order of their keys.
pub(crate) fn same(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Map(a), Value::Map(b)) => {
            a.len() == b.len()
                && a.iter().all(|(k, v)| b.iter().any(|(l, w)| same(k, l) && same(v, w)))
        }
        (Value::Array(a), Value::Array(b)) | (Value::Struct(a), Value::Struct(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b))
        }
        _ => compare(a, b).map_or_else(|| a == b, Ordering::is_eq),
    }
}
