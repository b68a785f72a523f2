//! JSON in texts. A text that is no JSON has no parts.

use formats::Value;
use serde_json::Value as Json;

use super::super::signature::{Overload, Param, Returns, ScalarFunction, function, of};
use super::text;
use crate::types::SqlType;
use Param::String as Text;

const STRING: Returns = Returns::Is(&SqlType::String);
const INT: Returns = Returns::Is(&SqlType::Integer);
const BOOLEAN: Returns = Returns::Is(&SqlType::Boolean);

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
        let next = match at {
            Json::Array(items) => step.parse::<usize>().ok().and_then(|index| items.get(index)),
            other => other.get(step.as_str()),
        };
        let Some(next) = next else { return Ok(Value::Null) };
        at = next;
    }
    Ok(Value::String(match at {
        Json::String(text) => text.clone(),
        other => other.to_string(),
    }))
}

/// `$.name[0].other["any name"]`: names of members and numbers of items.
fn steps(path: &str) -> Result<Vec<String>, String> {
    let bad = || format!("Invalid JSON path: '{path}'; a path is such as $.a.b[0][\"a name\"]");
    let mut rest = path.strip_prefix('$').ok_or_else(bad)?;
    let mut steps = Vec::new();
    while !rest.is_empty() {
        let (step, after) = if let Some(member) = rest.strip_prefix('.') {
            plain_step(member, |c| c == '_' || c == ':' || c == '@' || c.is_alphanumeric())
        } else {
            let inside = rest.strip_prefix('[').ok_or_else(bad)?;
            let (step, after) = match inside.strip_prefix('"') {
                Some(quoted) => quoted_step(quoted).ok_or_else(bad)?,
                None => plain_step(inside, |c| c == '_' || c.is_alphanumeric()),
            };
            (step, after.strip_prefix(']').ok_or_else(bad)?)
        };
        if step.is_empty() && !rest.starts_with("[\"") {
            return Err(bad());
        }
        steps.push(step);
        rest = after;
    }
    Ok(steps)
}

fn plain_step(text: &str, belongs: impl Fn(char) -> bool) -> (String, &str) {
    let end = text.find(|c| !belongs(c)).unwrap_or(text.len());
    (text[..end].to_owned(), &text[end..])
}

/// A name up to its closing quotation mark; `\` stands before one that belongs to it.
fn quoted_step(text: &str) -> Option<(String, &str)> {
    let mut name = String::new();
    let mut characters = text.char_indices();
    while let Some((at, c)) = characters.next() {
        match c {
            '"' => return Some((name, &text[at + 1..])),
            '\\' => name.push(characters.next().map(|(_, c)| c).filter(|c| "\"\\".contains(*c))?),
            c => name.push(c),
        }
    }
    None
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_found_by_all_forms_of_a_path() {
        let json = r#"{"a":[1,{"b":"x"}],"0":"zero","@t":null,"s p\"":[1.50,true],"n":{}}"#;
        for (path, expected) in [
            ("$.a[1].b", Ok(Some("x"))),
            ("$.a.0", Ok(Some("1"))),
            ("$[0]", Ok(Some("zero"))),
            ("$.@t", Ok(Some("null"))),
            (r#"$["s p\""][0]"#, Ok(Some("1.50"))),
            ("$.a[x]", Ok(None)),
            ("$.a[9]", Ok(None)),
            ("$.a.b.c", Ok(None)),
            ("$.n", Ok(Some("{}"))),
            ("a", Err(())),
            ("", Err(())),
            ("$.", Err(())),
            ("$.a[", Err(())),
            ("$.a[]", Err(())),
            ("$..a", Err(())),
            (r#"$["a"#, Err(())),
        ] {
            let found = extract(&[Value::String(json.into()), Value::String(path.into())]);
            let expected = expected.map(|e| e.map_or(Value::Null, |e| Value::String(e.into())));
            assert_eq!(found.map_err(|_| ()), expected, "{path}");
        }
        let whole = extract(&[Value::String("[1]".into()), Value::String("$".into())]);
        assert_eq!(whole, Ok(Value::String("[1]".into())));
        let none = extract(&[Value::String("no json".into()), Value::String("$".into())]);
        assert_eq!(none, Ok(Value::Null));
    }
}
