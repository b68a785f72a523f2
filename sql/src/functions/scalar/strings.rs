//! Texts. Positions count from 1 and, as in Java, in UTF-16 units.

use formats::Value;

use super::super::signature::{Call, Overload, Param, Returns, ScalarFunction};
use super::{int, regex, text};
use crate::types::SqlType;
use Param::{ArrayOfString, Bytes, Integer, String as Text};

const STRING: Returns = Returns::Is(&SqlType::String);
const INT: Returns = Returns::Is(&SqlType::Integer);

const fn of(parameters: &'static [Param], returns: Returns, call: Call) -> Overload {
    Overload { parameters, variadic: false, returns, takes_nulls: false, call }
}

const fn many(parameters: &'static [Param], call: Call) -> Overload {
    Overload { parameters, variadic: true, returns: STRING, takes_nulls: true, call }
}

const fn function(
    name: &'static str,
    description: &'static str,
    overloads: &'static [Overload],
) -> ScalarFunction {
    ScalarFunction { name, aliases: &[], category: "STRING", description, overloads }
}

pub(super) const FUNCTIONS: &[ScalarFunction] = &[
    function("UCASE", "The text in upper case", &[of(&[Text], STRING, upper)]),
    function("LCASE", "The text in lower case", &[of(&[Text], STRING, lower)]),
    function("TRIM", "The text without blanks at its ends", &[of(&[Text], STRING, trim)]),
    function("INITCAP", "Each word with a capital", &[of(&[Text], STRING, initcap)]),
    function(
        "LEN",
        "The length of a text or of bytes",
        &[of(&[Text], INT, length), of(&[Bytes], INT, length)],
    ),
    function("CONCAT", "The texts one after the other", &[many(&[Text], concat)]),
    function(
        "CONCAT_WS",
        "The texts with a separator between them",
        &[many(&[Text, Text], concat_with_separator)],
    ),
    function(
        "SUBSTRING",
        "A part of a text, from a position that counts from 1, or from the end if negative",
        &[
            of(&[Text, Integer], STRING, substring),
            of(&[Text, Integer, Integer], STRING, substring),
        ],
    ),
    function("REPLACE", "Replaces all occurrences", &[of(&[Text, Text, Text], STRING, replace)]),
    function(
        "LPAD",
        "Fills a text up from the left",
        &[of(&[Text, Integer, Text], STRING, |v| pad(v, true))],
    ),
    function(
        "RPAD",
        "Fills a text up from the right",
        &[of(&[Text, Integer, Text], STRING, |v| pad(v, false))],
    ),
    function(
        "INSTR",
        "The position of a text in another, 0 if it is not there",
        &[
            of(&[Text, Text], INT, instr),
            of(&[Text, Text, Integer], INT, instr),
            of(&[Text, Text, Integer, Integer], INT, instr),
        ],
    ),
    function(
        "SPLIT",
        "The parts between separators",
        &[of(&[Text, Text], Returns::Custom(|_| SqlType::Array(Box::new(SqlType::String))), split)],
    ),
    function("CHR", "The character of a code point", &[of(&[Integer], STRING, character)]),
    function(
        "REGEXP_REPLACE",
        "Replaces what a regular expression finds",
        &[of(&[Text, Text, Text], STRING, regexp_replace)],
    ),
    function(
        "REGEXP_EXTRACT",
        "What a regular expression (or one of its groups) finds first",
        &[
            of(&[Text, Text], STRING, regexp_extract),
            of(&[Text, Text, Integer], STRING, regexp_extract),
        ],
    ),
    function(
        "ARRAY_JOIN",
        "The items of an array with a separator between them",
        &[
            of(&[ArrayOfString], STRING, array_join),
            Overload {
                parameters: &[ArrayOfString, Text],
                variadic: false,
                returns: STRING,
                takes_nulls: false,
                call: array_join,
            },
        ],
    ),
    function("UUID", "A new random identifier", &[of(&[], STRING, uuid)]),
];

type Outcome = Result<Value, String>;

fn upper(v: &[Value]) -> Outcome {
    Ok(Value::String(text(&v[0])?.to_uppercase()))
}

fn lower(v: &[Value]) -> Outcome {
    Ok(Value::String(text(&v[0])?.to_lowercase()))
}

fn trim(v: &[Value]) -> Outcome {
    Ok(Value::String(text(&v[0])?.trim().to_owned()))
}

fn initcap(v: &[Value]) -> Outcome {
    let mut start = true;
    let mut out = String::new();
    for c in text(&v[0])?.chars() {
        if start {
            out.extend(c.to_uppercase());
        } else {
            out.extend(c.to_lowercase());
        }
        start = c.is_whitespace();
    }
    Ok(Value::String(out))
}

fn length(v: &[Value]) -> Outcome {
    let length = match &v[0] {
        Value::Bytes(bytes) => bytes.len(),
        other => text(other)?.encode_utf16().count(),
    };
    i32::try_from(length).map(Value::Int32).map_err(|_| "the text is too long".to_owned())
}

fn concat(v: &[Value]) -> Outcome {
    Ok(Value::String(v.iter().filter_map(Value::as_str).collect()))
}

fn concat_with_separator(v: &[Value]) -> Outcome {
    let Some(separator) = v.first().and_then(Value::as_str) else { return Ok(Value::Null) };
    let parts: Vec<&str> = v[1..].iter().filter_map(Value::as_str).collect();
    Ok(Value::String(parts.join(separator)))
}

fn substring(v: &[Value]) -> Outcome {
    let units: Vec<u16> = text(&v[0])?.encode_utf16().collect();
    let position = i64::from(int(&v[1])?);
    let total = units.len() as i64;
    let start = if position > 0 { position - 1 } else { (total + position).max(0) }.min(total);
    let length = match v.get(2) {
        Some(length) => i64::from(int(length)?).max(0),
        None => total,
    };
    let end = (start + length).min(total);
    let (Ok(start), Ok(end)) = (usize::try_from(start), usize::try_from(end)) else {
        return Ok(Value::Null);
    };
    Ok(Value::String(String::from_utf16_lossy(&units[start..end.max(start)])))
}

fn replace(v: &[Value]) -> Outcome {
    Ok(Value::String(text(&v[0])?.replace(text(&v[1])?, text(&v[2])?)))
}

/// The longest text that LPAD and RPAD make.
const MAX_PADDED: usize = 1 << 20;

fn pad(v: &[Value], left: bool) -> Outcome {
    let (input, fill) = (text(&v[0])?, text(&v[2])?);
    let Ok(wanted) = usize::try_from(int(&v[1])?) else { return Ok(Value::Null) };
    if fill.is_empty() || wanted > MAX_PADDED {
        return Ok(Value::Null);
    }
    let length = input.chars().count();
    if length >= wanted {
        return Ok(Value::String(input.chars().take(wanted).collect()));
    }
    let padding: String = fill.chars().cycle().take(wanted - length).collect();
    Ok(Value::String(if left { padding + input } else { input.to_owned() + &padding }))
}

fn instr(v: &[Value]) -> Outcome {
    let haystack: Vec<u16> = text(&v[0])?.encode_utf16().collect();
    let needle: Vec<u16> = text(&v[1])?.encode_utf16().collect();
    let position = v.get(2).map_or(Ok(1), int)?;
    let occurrence = v.get(3).map_or(Ok(1), int)?;
    if needle.is_empty() || needle.len() > haystack.len() || occurrence < 1 {
        return Ok(Value::Int32(0));
    }
    let last = haystack.len() - needle.len();
    let matches = |start: &usize| haystack[*start..*start + needle.len()] == needle[..];
    let skip = usize::try_from(occurrence - 1).unwrap_or(0);
    let found = if position > 0 {
        let from = usize::try_from(position - 1).unwrap_or(0);
        (from..=last).filter(matches).nth(skip)
    } else {
        let back = usize::try_from(position.unsigned_abs()).unwrap_or(usize::MAX);
        let until = haystack.len().checked_sub(back).unwrap_or(usize::MAX);
        (0..=last.min(until)).rev().filter(matches).nth(skip).filter(|_| until != usize::MAX)
    };
    Ok(Value::Int32(found.and_then(|at| i32::try_from(at + 1).ok()).unwrap_or(0)))
}

fn split(v: &[Value]) -> Outcome {
    let (input, separator) = (text(&v[0])?, text(&v[1])?);
    let parts: Vec<Value> = if separator.is_empty() {
        input.chars().map(|c| Value::String(c.to_string())).collect()
    } else {
        input.split(separator).map(|part| Value::String(part.to_owned())).collect()
    };
    Ok(Value::Array(parts))
}

fn character(v: &[Value]) -> Outcome {
    let code = u32::try_from(int(&v[0])?).ok();
    Ok(code.and_then(char::from_u32).map_or(Value::Null, |c| Value::String(c.to_string())))
}

fn regexp_replace(v: &[Value]) -> Outcome {
    let pattern = regex(text(&v[1])?)?;
    Ok(Value::String(pattern.replace_all(text(&v[0])?, text(&v[2])?).into_owned()))
}

fn regexp_extract(v: &[Value]) -> Outcome {
    let pattern = regex(text(&v[0])?)?;
    let group = usize::try_from(v.get(2).map_or(Ok(0), int)?).unwrap_or(usize::MAX);
    let found =
        pattern.captures(text(&v[1])?).and_then(|c| c.get(group).map(|m| m.as_str().to_owned()));
    Ok(found.map_or(Value::Null, Value::String))
}

fn array_join(v: &[Value]) -> Outcome {
    let Value::Array(items) = &v[0] else { return Ok(Value::Null) };
    let separator = v.get(1).map_or(Ok(","), text)?;
    let parts: Vec<&str> = items.iter().map(|i| i.as_str().unwrap_or("null")).collect();
    Ok(Value::String(parts.join(separator)))
}

fn uuid(_: &[Value]) -> Outcome {
    Ok(Value::String(uuid::Uuid::new_v4().to_string()))
}
