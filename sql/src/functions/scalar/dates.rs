//! Dates (days since 1970) and times of day (milliseconds since midnight).

use formats::Value;

use super::super::signature::{Param, Returns, ScalarFunction, function, of};
use super::times::STRING;
use super::{int, pattern, text};
use crate::types::SqlType;
use Param::{Date, Integer, String as Text, Time};

const DATE: Returns = Returns::Is(&SqlType::Date);
const TIME: Returns = Returns::Is(&SqlType::Time);
const INT: Returns = Returns::Is(&SqlType::Integer);
const DAY_MS: i64 = 86_400_000;

pub(super) const FUNCTIONS: &[ScalarFunction] = &[
    function("FROM_DAYS", "The date of days since 1970", &[of(&[Integer], DATE, from_days)]),
    function(
        "UNIX_DATE",
        "Today, or a date, in days since 1970",
        &[of(&[], INT, today), of(&[Date], INT, |v| days(&v[0]).map(Value::Int32))],
    ),
    function(
        "FORMAT_DATE",
        "A date as text, by a pattern",
        &[of(&[Date, Text], STRING, write_date)],
    ),
    function("PARSE_DATE", "The date that a text says", &[of(&[Text, Text], DATE, read_date)]),
    function(
        "DATETOSTRING",
        "Days since 1970 as text, by a pattern",
        &[of(&[Integer, Text], STRING, write_date)],
    ),
    function(
        "STRINGTODATE",
        "The days since 1970 that a text says",
        &[of(&[Text, Text], INT, |v| days(&read_date(v)?).map(Value::Int32))],
    ),
    function(
        "FORMAT_TIME",
        "A time as text, by a pattern",
        &[of(&[Time, Text], STRING, write_time)],
    ),
    function("PARSE_TIME", "The time that a text says", &[of(&[Text, Text], TIME, read_time)]),
];

type Outcome = Result<Value, String>;

fn days(value: &Value) -> Result<i32, String> {
    match value {
        Value::Date(days) => Ok(*days),
        other => int(other),
    }
}

fn from_days(v: &[Value]) -> Outcome {
    Ok(Value::Date(int(&v[0])?))
}

fn today(_: &[Value]) -> Outcome {
    let days = crate::clock::now_ms().div_euclid(DAY_MS);
    i32::try_from(days).map(Value::Int32).map_err(|e| e.to_string())
}

fn write_date(v: &[Value]) -> Outcome {
    let pattern = pattern(text(&v[1])?)?;
    pattern.format(i64::from(days(&v[0])?) * DAY_MS, 0).map(Value::String)
}

fn read_date(v: &[Value]) -> Outcome {
    let pattern = pattern(text(&v[1])?)?;
    let days = pattern.parse_date(text(&v[0])?)?;
    let millis = pattern.parse_timestamp(text(&v[0])?, 0)?;
    if millis.rem_euclid(DAY_MS) != 0 {
        return Err("Date format contains time field.".to_owned());
    }
    Ok(Value::Date(days))
}

fn write_time(v: &[Value]) -> Outcome {
    let Value::Time(ms) = &v[0] else { return Ok(Value::Null) };
    pattern(text(&v[1])?)?.format(i64::from(*ms), 0).map(Value::String)
}

/// Whether a pattern has letters of a date outside of quoted texts.
fn has_date(pattern: &str) -> bool {
    let unquoted = pattern.split('\'').step_by(2);
    unquoted.into_iter().any(|part| part.contains(|c| "GuyDMLQqYwWdEecF".contains(c)))
}

fn read_time(v: &[Value]) -> Outcome {
    if has_date(text(&v[1])?) {
        return Err("Time format contains date field.".to_owned());
    }
    pattern(text(&v[1])?)?.parse_time(text(&v[0])?).map(Value::Time)
}
