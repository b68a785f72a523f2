//! Arrays and maps.

use std::cmp::Ordering;

use formats::Value;

use super::super::signature::{Call, Overload, Param, Returns, ScalarFunction};
use super::int;
use crate::types::SqlType;
use crate::values::{compare, same};
use Param::{A, ArrayOfA, Integer, MapOfStringA, String as Text};

const INT: Returns = Returns::Is(&SqlType::Integer);
const BOOLEAN: Returns = Returns::Is(&SqlType::Boolean);

const fn of(parameters: &'static [Param], returns: Returns, call: Call) -> Overload {
    Overload { parameters, variadic: false, returns, takes_nulls: false, call }
}

const fn lenient(parameters: &'static [Param], returns: Returns, call: Call) -> Overload {
    Overload { parameters, variadic: false, returns, takes_nulls: true, call }
}

const fn function(
    name: &'static str,
    description: &'static str,
    overloads: &'static [Overload],
) -> ScalarFunction {
    ScalarFunction { name, aliases: &[], category: "COLLECTION", description, overloads }
}

pub(super) const FUNCTIONS: &[ScalarFunction] = &[
    function(
        "ARRAY_LENGTH",
        "The number of items",
        &[of(&[ArrayOfA], INT, |v| length(items(&v[0])?.len()))],
    ),
    function(
        "ARRAY_CONTAINS",
        "Whether an item is in the array",
        &[lenient(&[ArrayOfA, A], BOOLEAN, contains)],
    ),
    function(
        "ARRAY_MAX",
        "The greatest item",
        &[of(&[ArrayOfA], Returns::A, |v| extreme(v, Ordering::Greater))],
    ),
    function(
        "ARRAY_MIN",
        "The least item",
        &[of(&[ArrayOfA], Returns::A, |v| extreme(v, Ordering::Less))],
    ),
    function("ARRAY_DISTINCT", "Each item once", &[of(&[ArrayOfA], Returns::ArrayOfA, distinct)]),
    function(
        "ARRAY_SORT",
        "The items in order, nulls last",
        &[of(&[ArrayOfA], Returns::ArrayOfA, sort), of(&[ArrayOfA, Text], Returns::ArrayOfA, sort)],
    ),
    function(
        "ARRAY_CONCAT",
        "The items of both arrays",
        &[lenient(&[ArrayOfA, ArrayOfA], Returns::ArrayOfA, concat)],
    ),
    function(
        "ARRAY_UNION",
        "Each item of both arrays once",
        &[of(&[ArrayOfA, ArrayOfA], Returns::ArrayOfA, |v| distinct(&[concat(v)?]))],
    ),
    function(
        "ARRAY_REMOVE",
        "The array without an item",
        &[lenient(&[ArrayOfA, A], Returns::ArrayOfA, remove)],
    ),
    function(
        "SLICE",
        "A part of an array, both ends included",
        &[of(&[ArrayOfA, Integer, Integer], Returns::ArrayOfA, slice)],
    ),
    function(
        "MAP_KEYS",
        "The keys of a map",
        &[of(
            &[MapOfStringA],
            Returns::Custom(|_| SqlType::Array(Box::new(SqlType::String))),
            |v| Ok(Value::Array(entries(&v[0])?.iter().map(|(k, _)| k.clone()).collect())),
        )],
    ),
    function(
        "MAP_VALUES",
        "The values of a map",
        &[of(&[MapOfStringA], Returns::ArrayOfA, |v| {
            Ok(Value::Array(entries(&v[0])?.iter().map(|(_, v)| v.clone()).collect()))
        })],
    ),
    function(
        "ELT",
        "The argument at a position",
        &[Overload {
            parameters: &[Integer, Text],
            variadic: true,
            returns: Returns::Is(&SqlType::String),
            takes_nulls: true,
            call: elt,
        }],
    ),
    function(
        "FIELD",
        "The position of the first argument among the others, 0 if it is not there",
        &[Overload {
            parameters: &[Text, Text],
            variadic: true,
            returns: INT,
            takes_nulls: true,
            call: field,
        }],
    ),
];

type Outcome = Result<Value, String>;

fn items(value: &Value) -> Result<&[Value], String> {
    match value {
        Value::Array(items) => Ok(items),
        other => Err(format!("expected an ARRAY, found {}", other.kind())),
    }
}

fn entries(value: &Value) -> Result<&[(Value, Value)], String> {
    match value {
        Value::Map(entries) => Ok(entries),
        other => Err(format!("expected a MAP, found {}", other.kind())),
    }
}

fn length(count: usize) -> Outcome {
    i32::try_from(count).map(Value::Int32).map_err(|e| e.to_string())
}

fn contains(v: &[Value]) -> Outcome {
    let Value::Array(items) = &v[0] else { return Ok(Value::Boolean(false)) };
    Ok(Value::Boolean(items.iter().any(|item| same(item, &v[1]))))
}

fn extreme(v: &[Value], wanted: Ordering) -> Outcome {
    let mut best = &Value::Null;
    for item in items(&v[0])?.iter().filter(|i| !i.is_null()) {
        if best.is_null() || compare(item, best) == Some(wanted) {
            best = item;
        }
    }
    Ok(best.clone())
}

fn distinct(v: &[Value]) -> Outcome {
    let mut kept: Vec<Value> = Vec::new();
    let Value::Array(items) = &v[0] else { return Ok(Value::Null) };
    for item in items {
        if !kept.iter().any(|known| same(known, item)) {
            kept.push(item.clone());
        }
    }
    Ok(Value::Array(kept))
}

fn sort(v: &[Value]) -> Outcome {
    let descending = match v.get(1).and_then(Value::as_str).map(str::to_uppercase).as_deref() {
        None | Some("ASC" | "ASCENDING") => false,
        Some("DESC" | "DESCENDING") => true,
        Some(_) => return Ok(Value::Null),
    };
    let mut sorted = items(&v[0])?.to_vec();
    sorted.sort_by(|a, b| match (a.is_null(), b.is_null()) {
        (false, false) => {
            let order = compare(a, b).unwrap_or(Ordering::Equal);
            if descending { order.reverse() } else { order }
        }
        (a, b) => a.cmp(&b),
    });
    Ok(Value::Array(sorted))
}

fn concat(v: &[Value]) -> Outcome {
    let parts: Vec<&[Value]> = v.iter().filter_map(|v| items(v).ok()).collect();
    Ok(if parts.is_empty() { Value::Null } else { Value::Array(parts.concat()) })
}

fn remove(v: &[Value]) -> Outcome {
    let Value::Array(items) = &v[0] else { return Ok(Value::Null) };
    Ok(Value::Array(items.iter().filter(|item| !same(item, &v[1])).cloned().collect()))
}

fn slice(v: &[Value]) -> Outcome {
    let items = items(&v[0])?;
    let (from, to) = (int(&v[1])?.max(1), int(&v[2])?);
    let start = usize::try_from(from - 1).unwrap_or(0).min(items.len());
    let end = usize::try_from(to).unwrap_or(0).min(items.len());
    Ok(if end < start { Value::Null } else { Value::Array(items[start..end].to_vec()) })
}

fn elt(v: &[Value]) -> Outcome {
    let Ok(position) = int(&v[0]) else { return Ok(Value::Null) };
    let at = usize::try_from(position).ok().filter(|at| *at > 0);
    Ok(at.and_then(|at| v.get(at)).cloned().unwrap_or(Value::Null))
}

fn field(v: &[Value]) -> Outcome {
    let found = v[1..].iter().position(|item| !v[0].is_null() && same(item, &v[0]));
    length(found.map_or(0, |at| at + 1))
}
