//! Timestamps: epoch milliseconds without a zone.

use formats::Value;
use javatext::zone::zone_offset;

use super::super::signature::{Param, Returns, ScalarFunction, function, of};
use super::{int, pattern, text};
use crate::types::SqlType;
use Param::{Bigint, Date, Integer, String as Text, Time, Timestamp};

pub(super) const STRING: Returns = Returns::Is(&SqlType::String);
const BIGINT: Returns = Returns::Is(&SqlType::Bigint);
pub(super) const TIMESTAMP: Returns = Returns::Is(&SqlType::Timestamp);

pub(super) const FUNCTIONS: &[ScalarFunction] = &[
    function(
        "UNIX_TIMESTAMP",
        "The time now, or a timestamp, in milliseconds since 1970",
        &[of(&[], BIGINT, now), of(&[Timestamp], BIGINT, millis)],
    ),
    function(
        "FROM_UNIXTIME",
        "The timestamp of milliseconds since 1970",
        &[of(&[Bigint], TIMESTAMP, |v| Ok(Value::Timestamp(bigint(&v[0])?)))],
    ),
    function(
        "FORMAT_TIMESTAMP",
        "A timestamp as text, by a pattern, in a time zone",
        &[of(&[Timestamp, Text], STRING, format), of(&[Timestamp, Text, Text], STRING, format)],
    ),
    function(
        "PARSE_TIMESTAMP",
        "The timestamp that a text says, by a pattern",
        &[
            of(&[Text, Text], TIMESTAMP, |v| parse(v).map(Value::Timestamp)),
            of(&[Text, Text, Text], TIMESTAMP, |v| parse(v).map(Value::Timestamp)),
        ],
    ),
    function(
        "TIMESTAMPTOSTRING",
        "Milliseconds since 1970 as text, by a pattern",
        &[of(&[Bigint, Text], STRING, format), of(&[Bigint, Text, Text], STRING, format)],
    ),
    function(
        "STRINGTOTIMESTAMP",
        "The milliseconds since 1970 that a text says, by a pattern",
        &[
            of(&[Text, Text], BIGINT, |v| parse(v).map(Value::Int64)),
            of(&[Text, Text, Text], BIGINT, |v| parse(v).map(Value::Int64)),
        ],
    ),
    function(
        "TIMESTAMPADD",
        "A timestamp later by a number of units",
        &[of(&[Text, Integer, Timestamp], TIMESTAMP, |v| shift(v, 1))],
    ),
    function(
        "TIMESTAMPSUB",
        "A timestamp earlier by a number of units",
        &[of(&[Text, Integer, Timestamp], TIMESTAMP, |v| shift(v, -1))],
    ),
    function(
        "CONVERT_TZ",
        "The local time in another zone",
        &[of(&[Timestamp, Text, Text], TIMESTAMP, convert_zone)],
    ),
    function(
        "DATEADD",
        "A date later by a number of units",
        &[of(&[Text, Integer, Date], Returns::Is(&SqlType::Date), |v| shift(v, 1))],
    ),
    function(
        "DATESUB",
        "A date earlier by a number of units",
        &[of(&[Text, Integer, Date], Returns::Is(&SqlType::Date), |v| shift(v, -1))],
    ),
    function(
        "TIMEADD",
        "A time of day later by a number of units",
        &[of(&[Text, Integer, Time], Returns::Is(&SqlType::Time), |v| shift(v, 1))],
    ),
    function(
        "TIMESUB",
        "A time of day earlier by a number of units",
        &[of(&[Text, Integer, Time], Returns::Is(&SqlType::Time), |v| shift(v, -1))],
    ),
];

type Outcome = Result<Value, String>;

pub(super) fn bigint(value: &Value) -> Result<i64, String> {
    match value {
        Value::Int64(n) | Value::Timestamp(n) => Ok(*n),
        other => Err(format!("expected a BIGINT, found {}", other.kind())),
    }
}

fn now(_: &[Value]) -> Outcome {
    Ok(Value::Int64(crate::clock::now_ms()))
}

fn millis(v: &[Value]) -> Outcome {
    Ok(Value::Int64(bigint(&v[0])?))
}

fn zone(v: &[Value], at: usize) -> Result<i64, String> {
    v.get(at).map_or(Ok(0), |zone| zone_offset(text(zone)?))
}

fn format(v: &[Value]) -> Outcome {
    let pattern = pattern(text(&v[1])?)?;
    pattern.format(bigint(&v[0])?, zone(v, 2)?).map(Value::String)
}

fn parse(v: &[Value]) -> Result<i64, String> {
    pattern(text(&v[1])?)?.parse_timestamp(text(&v[0])?, zone(v, 2)?)
}

fn convert_zone(v: &[Value]) -> Outcome {
    let shift = zone(v, 2)? - zone(v, 1)?;
    let moved = bigint(&v[0])?.checked_add(shift * 1000);
    moved.map(Value::Timestamp).ok_or_else(too_far)
}

const DAY_MS: i64 = 86_400_000;

/// Milliseconds of a unit of time that has a fixed length.
fn unit_ms(unit: &str) -> Option<i64> {
    Some(match unit {
        "MILLISECONDS" => 1,
        "SECONDS" => 1000,
        "MINUTES" => 60_000,
        "HOURS" => 3_600_000,
        "HALF_DAYS" => 43_200_000,
        "DAYS" => DAY_MS,
        "WEEKS" => 7 * DAY_MS,
        _ => return None,
    })
}

fn shift(v: &[Value], sign: i64) -> Outcome {
    let unit = text(&v[0])?.to_uppercase();
    let amount = sign * i64::from(int(&v[1])?);
    let ms = unit_ms(&unit);
    match &v[2] {
        Value::Time(time) => {
            let by = ms.ok_or_else(|| bad_unit(&unit))?;
            let moved = (i64::from(*time) + amount * by).rem_euclid(DAY_MS);
            i32::try_from(moved).map(Value::Time).map_err(|e| e.to_string())
        }
        Value::Date(days) => {
            let start = i64::from(*days) * DAY_MS;
            let moved = match ms {
                Some(by) => start + amount * by,
                None => months_later(start, &unit, amount)?,
            };
            // Parts of a day are cut off, as Java's division cuts.
            i32::try_from(moved / DAY_MS).map(Value::Date).map_err(|_| too_far())
        }
        other => {
            let start = bigint(other)?;
            let moved = match ms {
                Some(by) => amount.checked_mul(by).and_then(|by| start.checked_add(by)),
                None => Some(months_later(start, &unit, amount)?),
            };
            moved.map(Value::Timestamp).ok_or_else(too_far)
        }
    }
}

fn too_far() -> String {
    "the timestamp is too far away".to_owned()
}

fn bad_unit(unit: &str) -> String {
    format!("Unsupported unit: {unit}")
}

fn months_later(start: i64, unit: &str, amount: i64) -> Result<i64, String> {
    let months = match unit {
        "MONTHS" => 1,
        "YEARS" => 12,
        "DECADES" => 120,
        "CENTURIES" => 1200,
        _ => return Err(bad_unit(unit)),
    };
    let date = chrono::DateTime::from_timestamp_millis(start);
    let by = amount.checked_mul(months).and_then(|m| u32::try_from(m.unsigned_abs()).ok());
    let moved = date.zip(by).and_then(|(date, by)| {
        let by = chrono::Months::new(by);
        if amount < 0 { date.checked_sub_months(by) } else { date.checked_add_months(by) }
    });
    moved.map(|m| m.timestamp_millis()).ok_or_else(|| "the date is too far away".to_owned())
}
