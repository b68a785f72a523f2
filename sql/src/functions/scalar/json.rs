//! JSON in texts. A text that is no JSON has no parts.

use formats::Value;
use serde_json::Value as Json;

use super::super::signature::{Call, Overload, Param, Returns, ScalarFunction};
use super::text;
use crate::types::SqlType;
use Param::String as Text;

const STRING: Returns = Returns::Is(&SqlType::String);
const INT: Returns = Returns::Is(&SqlType::Integer);
const BOOLEAN: Returns = Returns::Is(&SqlType::Boolean);

const fn of(parameters: &'static [Param], returns: Returns, call: Call) -> Overload {
    Overload { parameters, variadic: false, returns, takes_nulls: false, call }
}

const fn function(
    name: &'static str,
    description: &'static str,
    overloads: &'static [Overload],
) -> ScalarFunction {
    ScalarFunction { name, aliases: &[], category: "JSON", description, overloads }
}

pub(super) const FUNCTIONS: &[ScalarFunction] = &[
    function(
        "EXTRACTJSONFIELD",
        "The part of a JSON text at a path such as $.a.b[0], as text",
        &[of(&[Text, Text], STRING, extract)],
    ),
    function(
        "IS_JSON_STRING",
        "Whether a text is JSON",
        &[Overload { takes_nulls: true, ..of(&[Text], BOOLEAN, is_json) }],
    ),
    function(
        "JSON_ARRAY_LENGTH",
        "The number of items of a JSON array",
        &[of(&[Text], INT, array_length)],
    ),
    function(
        "JSON_KEYS",
        "The names of a JSON object's members",
        &[of(&[Text], Returns::Custom(|_| SqlType::Array(Box::new(SqlType::String))), keys)],
    ),
];

type Outcome = Result<Value, String>;

fn parsed(value: &Value) -> Option<Json> {
    serde_json::from_str(value.as_str()?).ok()
}

fn extract(v: &[Value]) -> Outcome {
    let steps = steps(text(&v[1])?)?;
    let Some(root) = parsed(&v[0]) else { return Ok(Value::Null) };
    let mut at = &root;
    for step in &steps {
        let next = match step {
            Step::Member(name) => at.get(name.as_str()),
            Step::Item(index) => at.get(*index),
        };
        let Some(next) = next else { return Ok(Value::Null) };
        at = next;
    }
    Ok(match at {
        Json::Null => Value::Null,
        Json::String(text) => Value::String(text.clone()),
        other => Value::String(other.to_string()),
    })
}

enum Step {
    Member(String),
    Item(usize),
}

/// `$.name[0].other`
fn steps(path: &str) -> Result<Vec<Step>, String> {
    let bad = || format!("'{path}' is not a path such as $.a.b[0]");
    let mut rest = path.strip_prefix('$').ok_or_else(bad)?;
    let mut steps = Vec::new();
    while !rest.is_empty() {
        if let Some(member) = rest.strip_prefix('.') {
            let end = member.find(['.', '[']).unwrap_or(member.len());
            steps.push(Step::Member(member[..end].to_owned()));
            rest = &member[end..];
        } else {
            let item = rest.strip_prefix('[').ok_or_else(bad)?;
            let (index, after) = item.split_once(']').ok_or_else(bad)?;
            steps.push(Step::Item(index.parse().map_err(|_| bad())?));
            rest = after;
        }
    }
    Ok(steps)
}

fn is_json(v: &[Value]) -> Outcome {
    Ok(Value::Boolean(parsed(&v[0]).is_some()))
}

fn array_length(v: &[Value]) -> Outcome {
    let length = parsed(&v[0]).and_then(|json| Some(json.as_array()?.len()));
    Ok(length.and_then(|n| i32::try_from(n).ok()).map_or(Value::Null, Value::Int32))
}

fn keys(v: &[Value]) -> Outcome {
    let json = parsed(&v[0]);
    let object = json.as_ref().and_then(Json::as_object);
    Ok(object.map_or(Value::Null, |members| {
        Value::Array(members.keys().map(|name| Value::String(name.clone())).collect())
    }))
}
