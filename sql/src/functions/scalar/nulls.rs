//! Nulls, and AS_VALUE, which changes nothing but the column's place.

use formats::Value;

use super::super::signature::{Overload, Param, Returns, ScalarFunction, function};
use crate::values::same;
use Param::A;

const fn lenient(
    parameters: &'static [Param],
    variadic: bool,
    call: fn(&[Value]) -> Result<Value, String>,
) -> Overload {
    Overload { parameters, variadic, returns: Returns::A, takes_nulls: true, call }
}

pub(super) const FUNCTIONS: &[ScalarFunction] = &[
    function(
        "COALESCE",
        "The first argument that is not null",
        &[lenient(&[A, A], true, coalesce)],
    ),
    function(
        "IFNULL",
        "The first argument, or the second if that is null",
        &[lenient(&[A, A], false, coalesce)],
    ),
    function(
        "NULLIF",
        "Null if both arguments are equal, else the first",
        &[lenient(&[A, A], false, null_if)],
    ),
];

pub(super) const OTHERS: &[ScalarFunction] = &[function(
    "AS_VALUE",
    "Makes a key column available in the value",
    &[lenient(&[A], false, |v| Ok(v[0].clone()))],
)];

fn coalesce(v: &[Value]) -> Result<Value, String> {
    Ok(v.iter().find(|v| !v.is_null()).cloned().unwrap_or(Value::Null))
}

fn null_if(v: &[Value]) -> Result<Value, String> {
    let equal = !v[0].is_null() && same(&v[0], &v[1]);
    Ok(if equal { Value::Null } else { v[0].clone() })
}
