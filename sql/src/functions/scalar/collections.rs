//! Arrays and maps.

use std::cmp::Ordering;

use formats::Value;

use super::super::signature::{Overload, Param, Returns, ScalarFunction, function, lenient, of};
use super::int;
use crate::types::SqlType;
use crate::values::{compare, same};
use Param::{A, ArrayOfA, ArrayOfString, Integer, MapOfStringA, String as Text};

const INT: Returns = Returns::Is(&SqlType::Integer);
const BOOLEAN: Returns = Returns::Is(&SqlType::Boolean);

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
        "ARRAY_EXCEPT",
        "Each item of the first array once that is not in the second",
        &[of(&[ArrayOfA, ArrayOfA], Returns::ArrayOfA, |v| kept_by(v, false))],
    ),
    function(
        "ARRAY_INTERSECT",
        "Each item of the first array once that is in the second too",
        &[of(&[ArrayOfA, ArrayOfA], Returns::ArrayOfA, |v| kept_by(v, true))],
    ),
    function(
        "AS_MAP",
        "A map of an array of keys and an array of values",
        &[of(&[ArrayOfString, ArrayOfA], Returns::Custom(map_of_items), as_map)],
    ),
    function(
        "MAP_UNION",
        "The entries of both maps; those of the second count where a key is in both",
        &[lenient(&[MapOfStringA, MapOfStringA], Returns::First, map_union)],
    ),
    function(
        "ARRAY_REMOVE",
        "The array without an item",
        &[lenient(&[ArrayOfA, A], Returns::ArrayOfA, remove)],
    ),
    function(
        "SLICE",
        "A part of an array, both ends included",
        &[lenient(&[ArrayOfA, Integer, Integer], Returns::ArrayOfA, slice)],
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

fn kept_by(v: &[Value], wanted: bool) -> Outcome {
    let others = items(&v[1])?;
    let is_kept = |item: &&Value| others.iter().any(|other| same(other, item)) == wanted;
    distinct(&[Value::Array(items(&v[0])?.iter().filter(is_kept).cloned().collect())])
}

fn map_of_items(types: &[SqlType]) -> SqlType {
    let item = match types.get(1) {
        Some(SqlType::Array(item)) => item.clone(),
        _ => Box::new(SqlType::String),
    };
    SqlType::Map(Box::new(SqlType::String), item)
}

/// Keys without a value have null; values without a key are left out.
fn as_map(v: &[Value]) -> Outcome {
    let (keys, values) = (items(&v[0])?, items(&v[1])?);
    let values = values.iter().chain(std::iter::repeat(&Value::Null));
    merged(keys.iter().zip(values).filter(|(key, _)| !key.is_null()))
}

fn map_union(v: &[Value]) -> Outcome {
    let maps: Vec<&[(Value, Value)]> = v.iter().filter_map(|map| entries(map).ok()).collect();
    if maps.is_empty() {
        return Ok(Value::Null);
    }
    merged(maps.into_iter().flatten().map(|(key, value)| (key, value)))
}

/// A map of entries, of which later ones count.
fn merged<'a>(all: impl Iterator<Item = (&'a Value, &'a Value)>) -> Outcome {
    let mut entries: Vec<(Value, Value)> = Vec::new();
    for (key, value) in all {
        match entries.iter_mut().find(|(known, _)| same(known, key)) {
            Some((_, last)) => *last = value.clone(),
            None => entries.push((key.clone(), value.clone())),
        }
    }
    Ok(Value::Map(entries))
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

/// Null bounds are the array's own; bounds outside of it give null.
fn slice(v: &[Value]) -> Outcome {
    let Value::Array(items) = &v[0] else { return Ok(Value::Null) };
    let bound = |value: &Value, missing: usize| match value {
        Value::Null => Ok(i64::try_from(missing).unwrap_or(i64::MAX)),
        other => int(other).map(i64::from),
    };
    let (from, to) = (bound(&v[1], 1)?, bound(&v[2], items.len())?);
    if from > to.saturating_add(1) {
        return Err(format!("SLICE from {from} to {to} goes backwards"));
    }
    let range = usize::try_from(from - 1).ok().zip(usize::try_from(to).ok());
    let part = range.and_then(|(from, to)| items.get(from..to));
    Ok(part.map_or(Value::Null, |part| Value::Array(part.to_vec())))
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
