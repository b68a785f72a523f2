//! Texts, and bytes where they are taken apart in the same way. Positions count from 1 and, as in
//! Java, in UTF-16 units.

use ::bytes::Bytes;
use formats::Value;

use super::super::signature::{
    Call, Overload, Param, Returns, ScalarFunction, function, lenient, of,
};
use super::{int, room, text};
use crate::types::SqlType;
use crate::values::shown;
use Param::{ArrayOfA, Bytes as Blob, Integer, String as Text};

const STRING: Returns = Returns::Is(&SqlType::String);
const BYTES: Returns = Returns::Is(&SqlType::Bytes);
const INT: Returns = Returns::Is(&SqlType::Integer);
const STRINGS: Returns = Returns::Custom(|_| SqlType::Array(Box::new(SqlType::String)));
const TEXT_MAP: Returns =
    Returns::Custom(|_| SqlType::Map(Box::new(SqlType::String), Box::new(SqlType::String)));
const BLOBS: Returns = Returns::Custom(|_| SqlType::Array(Box::new(SqlType::Bytes)));

const fn many(parameters: &'static [Param], returns: Returns, call: Call) -> Overload {
    Overload { parameters, variadic: true, returns, takes_nulls: true, call }
}

pub(super) const FUNCTIONS: &[ScalarFunction] = &[
    function("UCASE", "The text in upper case", &[of(&[Text], STRING, upper)]),
    function("LCASE", "The text in lower case", &[of(&[Text], STRING, lower)]),
    function("TRIM", "The text without blanks at its ends", &[of(&[Text], STRING, trim)]),
    function("INITCAP", "Each word with a capital", &[of(&[Text], STRING, initcap)]),
    function(
        "LEN",
        "The length of a text or of bytes",
        &[of(&[Text], INT, length), of(&[Blob], INT, length)],
    ),
    function(
        "CONCAT",
        "The texts (or bytes) one after the other",
        &[many(&[Text], STRING, concat), many(&[Blob], BYTES, concat)],
    ),
    function(
        "CONCAT_WS",
        "The texts (or bytes) with a separator between them",
        &[
            many(&[Text, Text], STRING, concat_with_separator),
            many(&[Blob, Blob], BYTES, concat_with_separator),
        ],
    ),
    function(
        "SUBSTRING",
        "A part of a text or of bytes, from a position that counts from 1, or from the end if \
         negative",
        &[
            of(&[Text, Integer], STRING, substring),
            of(&[Text, Integer, Integer], STRING, substring),
            of(&[Blob, Integer], BYTES, substring),
            of(&[Blob, Integer, Integer], BYTES, substring),
        ],
    ),
    function("REPLACE", "Replaces all occurrences", &[of(&[Text, Text, Text], STRING, replace)]),
    function(
        "LPAD",
        "Fills a text or bytes up from the left",
        &[
            of(&[Text, Integer, Text], STRING, |v| pad(v, true)),
            of(&[Blob, Integer, Blob], BYTES, |v| pad(v, true)),
        ],
    ),
    function(
        "RPAD",
        "Fills a text or bytes up from the right",
        &[
            of(&[Text, Integer, Text], STRING, |v| pad(v, false)),
            of(&[Blob, Integer, Blob], BYTES, |v| pad(v, false)),
        ],
    ),
    function(
        "INSTR",
        "The position of a text in another, 0 if it is not there",
        &[
            lenient(&[Text, Text], INT, instr),
            lenient(&[Text, Text, Integer], INT, instr),
            lenient(&[Text, Text, Integer, Integer], INT, instr),
        ],
    ),
    function(
        "SPLIT",
        "The parts between separators",
        &[of(&[Text, Text], STRINGS, split), of(&[Blob, Blob], BLOBS, split_bytes)],
    ),
    function(
        "SPLIT_TO_MAP",
        "The entries of a text as a map, given what stands between entries and in them",
        &[of(&[Text, Text, Text], TEXT_MAP, split_to_map)],
    ),
    function(
        "CHR",
        "The character of a code point, or of escapes such as \\u004b",
        &[of(&[Integer], STRING, character), of(&[Text], STRING, escaped)],
    ),
    function(
        "ARRAY_JOIN",
        "The items of an array with a separator between them",
        &[lenient(&[ArrayOfA], STRING, array_join), lenient(&[ArrayOfA, Text], STRING, array_join)],
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

/// As Java's `trim`: what is not above a blank goes, other white space stays.
fn trim(v: &[Value]) -> Outcome {
    Ok(Value::String(text(&v[0])?.trim_matches(|c| c <= ' ').to_owned()))
}

/// White space before the first word is left out.
fn initcap(v: &[Value]) -> Outcome {
    let is_blank = |c: char| matches!(c, ' ' | '\t' | '\n' | '\u{b}' | '\u{c}' | '\r');
    let lower = text(&v[0])?.to_lowercase();
    let mut start = true;
    let mut out = String::with_capacity(lower.len());
    for c in lower.trim_start_matches(is_blank).chars() {
        if start {
            out.extend(c.to_uppercase());
        } else {
            out.push(c);
        }
        start = is_blank(c);
    }
    Ok(Value::String(out))
}

fn units(text: &str) -> Vec<u16> {
    text.encode_utf16().collect()
}

fn length(v: &[Value]) -> Outcome {
    let length = match &v[0] {
        Value::Bytes(bytes) => bytes.len(),
        other => text(other)?.encode_utf16().count(),
    };
    i32::try_from(length).map(Value::Int32).map_err(|_| "the text is too long".to_owned())
}

/// Texts, or bytes, one after the other with `separator` in between; nulls are left out.
fn joined(parts: &[Value], separator: &Value, v: &[Value]) -> Outcome {
    let parts: Vec<&Value> = parts.iter().filter(|part| !part.is_null()).collect();
    let size = |part: &Value| match part {
        Value::Bytes(bytes) => bytes.len(),
        other => other.as_str().map_or(0, str::len),
    };
    let between = size(separator).saturating_mul(parts.len().saturating_sub(1));
    room(parts.iter().map(|part| size(part)).fold(between, usize::saturating_add), v)?;
    if v.iter().any(|value| matches!(value, Value::Bytes(_))) {
        let bytes = |value: &Value| match value {
            Value::Bytes(bytes) => bytes.clone(),
            _ => Bytes::new(),
        };
        let all: Vec<Bytes> = parts.into_iter().map(bytes).collect();
        return Ok(Value::Bytes(all.join(&bytes(separator)[..]).into()));
    }
    let all: Vec<&str> = parts.into_iter().filter_map(Value::as_str).collect();
    Ok(Value::String(all.join(separator.as_str().unwrap_or_default())))
}

fn concat(v: &[Value]) -> Outcome {
    joined(v, &Value::Null, v)
}

fn concat_with_separator(v: &[Value]) -> Outcome {
    match v {
        [] | [Value::Null, ..] => Ok(Value::Null),
        [separator, parts @ ..] => joined(parts, separator, v),
    }
}

fn substring(v: &[Value]) -> Outcome {
    let position = i64::from(int(&v[1])?);
    let wanted = v.get(2).map(|length| int(length).map(i64::from)).transpose()?;
    let range = |total: usize| {
        let total = i64::try_from(total).unwrap_or(i64::MAX);
        let start =
            if position < 0 { (total + position).max(0) } else { (position - 1).clamp(0, total) };
        let end = wanted.map_or(total, |length| (start + length).clamp(start, total));
        let at = |n: i64| usize::try_from(n).unwrap_or(0);
        at(start)..at(end)
    };
    Ok(match &v[0] {
        Value::Bytes(bytes) => Value::Bytes(bytes.slice(range(bytes.len()))),
        other => {
            let units = units(text(other)?);
            Value::String(String::from_utf16_lossy(&units[range(units.len())]))
        }
    })
}

fn replace(v: &[Value]) -> Outcome {
    let (input, old, new) = (text(&v[0])?, text(&v[1])?, text(&v[2])?);
    if new.len() > old.len() {
        let growth = input.matches(old).count().saturating_mul(new.len() - old.len());
        room(input.len().saturating_add(growth), v)?;
    }
    Ok(Value::String(input.replace(old, new)))
}

/// The longest text that LPAD and RPAD make.
const MAX_PADDED: usize = 1 << 20;

fn pad(v: &[Value], left: bool) -> Outcome {
    let Ok(wanted) = usize::try_from(int(&v[1])?) else { return Ok(Value::Null) };
    if wanted > MAX_PADDED {
        return Err(format!("a padded length of {wanted} is more than {MAX_PADDED}"));
    }
    match (&v[0], &v[2]) {
        (Value::Bytes(input), Value::Bytes(fill)) => {
            let padded = padded(input, wanted, fill, left);
            Ok(padded.map_or(Value::Null, |bytes| Value::Bytes(bytes.into())))
        }
        (input, fill) => {
            let padded = padded(&units(text(input)?), wanted, &units(text(fill)?), left);
            Ok(padded.map_or(Value::Null, |units| Value::String(String::from_utf16_lossy(&units))))
        }
    }
}

fn padded<T: Copy>(input: &[T], wanted: usize, fill: &[T], left: bool) -> Option<Vec<T>> {
    if fill.is_empty() {
        return None;
    }
    let kept = &input[..input.len().min(wanted)];
    let padding = fill.iter().copied().cycle().take(wanted - kept.len());
    Some(if left {
        padding.chain(kept.iter().copied()).collect()
    } else {
        kept.iter().copied().chain(padding).collect()
    })
}

fn instr(v: &[Value]) -> Outcome {
    let (Some(haystack), Some(needle)) = (v[0].as_str(), v[1].as_str()) else {
        return Ok(Value::Int32(0));
    };
    let (haystack, needle) = (units(haystack), units(needle));
    let position = i64::from(v.get(2).map_or(Ok(1), int)?);
    let occurrence = v.get(3).map_or(Ok(1), int)?;
    let back = usize::try_from(position.unsigned_abs()).unwrap_or(usize::MAX);
    let Some(skip) = usize::try_from(occurrence).ok().and_then(|n| n.checked_sub(1)) else {
        return Ok(Value::Int32(0));
    };
    // Nothing is found wherever it is looked for.
    let skip = if needle.is_empty() { 0 } else { skip };
    let last = haystack.len().checked_sub(needle.len());
    let within = (1..=haystack.len()).contains(&back);
    let (Some(last), true) = (last, within) else { return Ok(Value::Int32(0)) };
    let matches = |start: &usize| haystack[*start..].starts_with(&needle);
    let found = if position < 0 {
        // What is found from the end ends at that position or before it.
        let until = haystack.len() - (back - 1);
        let first = until.checked_sub(needle.len());
        first.and_then(|first| (0..=first).rev().filter(matches).nth(skip))
    } else {
        (back - 1..=last).filter(matches).nth(skip)
    };
    Ok(Value::Int32(found.and_then(|at| i32::try_from(at + 1).ok()).unwrap_or(0)))
}

fn split(v: &[Value]) -> Outcome {
    let (input, separator) = (text(&v[0])?, text(&v[1])?);
    let parts: Vec<Value> = if separator.is_empty() && !input.is_empty() {
        input.chars().map(|c| Value::String(c.to_string())).collect()
    } else if separator.is_empty() {
        vec![Value::String(String::new())]
    } else {
        input.split(separator).map(|part| Value::String(part.to_owned())).collect()
    };
    Ok(Value::Array(parts))
}

fn split_bytes(v: &[Value]) -> Outcome {
    let (Value::Bytes(input), Value::Bytes(separator)) = (&v[0], &v[1]) else {
        return Ok(Value::Null);
    };
    let mut parts = Vec::new();
    let mut from = 0;
    if separator.is_empty() && !input.is_empty() {
        parts.extend((0..input.len()).map(|at| Value::Bytes(input.slice(at..at + 1))));
        return Ok(Value::Array(parts));
    }
    let mut at = 0;
    while !separator.is_empty() && at + separator.len() <= input.len() {
        if input[at..].starts_with(separator) {
            parts.push(Value::Bytes(input.slice(from..at)));
            at += separator.len();
            from = at;
        } else {
            at += 1;
        }
    }
    parts.push(Value::Bytes(input.slice(from..)));
    Ok(Value::Array(parts))
}

/// What has no separator of its own is left out; of entries with the same key the last one counts.
fn split_to_map(v: &[Value]) -> Outcome {
    let (input, between, inside) = (text(&v[0])?, text(&v[1])?, text(&v[2])?);
    if between.is_empty() || inside.is_empty() || between == inside {
        return Ok(Value::Null);
    }
    let mut entries: Vec<(Value, Value)> = Vec::new();
    for entry in input.split(between) {
        let mut parts = entry.split(inside);
        let (Some(key), Some(value)) = (parts.next(), parts.next()) else { continue };
        let (key, value) = (Value::String(key.to_owned()), Value::String(value.to_owned()));
        match entries.iter_mut().find(|(known, _)| *known == key) {
            Some((_, last)) => *last = value,
            None => entries.push((key, value)),
        }
    }
    Ok(Value::Map(entries))
}

fn character(v: &[Value]) -> Outcome {
    let code = u32::try_from(int(&v[0])?).ok();
    Ok(code.and_then(char::from_u32).map_or(Value::Null, |c| Value::String(c.to_string())))
}

/// Java's escapes in a text that begins with a `\u` escape.
fn escaped(v: &[Value]) -> Outcome {
    let source = text(&v[0])?;
    if !source.starts_with("\\u") || source.encode_utf16().count() < 6 {
        return Ok(Value::Null);
    }
    let mut units: Vec<u16> = Vec::new();
    let mut rest = source;
    while let Some(c) = rest.chars().next() {
        rest = &rest[c.len_utf8()..];
        let next = rest.chars().next();
        let plain = match (c, next) {
            ('\\', Some('u')) => {
                let digits = rest.trim_start_matches('u').trim_start_matches('+');
                let code = digits.get(..4).and_then(|hex| u16::from_str_radix(hex, 16).ok());
                units.push(code.ok_or_else(|| format!("'{source}' has a \\u without 4 digits"))?);
                rest = &digits[4..];
                continue;
            }
            ('\\', Some('n')) => '\n',
            ('\\', Some('t')) => '\t',
            ('\\', Some('r')) => '\r',
            ('\\', Some('b')) => '\u{8}',
            ('\\', Some('f')) => '\u{c}',
            ('\\', Some(other)) => other,
            (other, _) => {
                units.extend_from_slice(other.encode_utf16(&mut [0; 2]));
                continue;
            }
        };
        units.extend_from_slice(plain.encode_utf16(&mut [0; 2]));
        rest = &rest[next.map_or(0, char::len_utf8)..];
    }
    Ok(Value::String(String::from_utf16_lossy(&units)))
}

fn array_join(v: &[Value]) -> Outcome {
    let Value::Array(items) = &v[0] else { return Ok(Value::Null) };
    let separator = v.get(1).map_or(",", |separator| separator.as_str().unwrap_or_default());
    let mut out = String::new();
    for (i, item) in items.iter().enumerate() {
        if matches!(item, Value::Array(_) | Value::Map(_) | Value::Struct(_) | Value::Bytes(_)) {
            return Err(format!("ARRAY_JOIN does not take items of type {}", item.kind()));
        }
        out.push_str(if i == 0 { "" } else { separator });
        out.push_str(&shown(item, &SqlType::String));
        room(out.len(), v)?;
    }
    Ok(Value::String(out))
}

fn uuid(_: &[Value]) -> Outcome {
    Ok(Value::String(uuid::Uuid::new_v4().to_string()))
}
