//! The text forms of values, as ksqlDB (that is, Java) writes and reads them.

use chrono::{DateTime, Days, NaiveDate, NaiveTime, Timelike};
use formats::{Value, java_double, java_float};

use crate::types::SqlType;

/// The text of any value, `null` included, nested ones in Java's notation.
pub(crate) fn shown(value: &Value, ty: &SqlType) -> String {
    match (value, ty) {
        (Value::Null, _) => "null".to_owned(),
        (Value::Boolean(b), _) => b.to_string(),
        (Value::Int8(n), _) => n.to_string(),
        (Value::Int16(n), _) => n.to_string(),
        (Value::Int32(n), _) => n.to_string(),
        (Value::Int64(n), _) => n.to_string(),
        (Value::Float32(n), _) => java_float(*n),
        (Value::Float64(n), _) => java_double(*n),
        (Value::Decimal(d), _) => d.to_string(),
        (Value::String(s), _) => s.clone(),
        (Value::Bytes(b), _) => base64(b),
        (Value::Date(days), _) => date_text(*days),
        (Value::Time(ms), _) => time_text(*ms),
        (Value::Timestamp(ms), _) => timestamp_text(*ms),
        (Value::Array(items), SqlType::Array(item)) => {
            let items: Vec<_> = items.iter().map(|v| shown(v, item)).collect();
            format!("[{}]", items.join(", "))
        }
        (Value::Map(entries), SqlType::Map(key, value)) => {
            let entry = |(k, v): &(Value, Value)| format!("{}={}", shown(k, key), shown(v, value));
            let entries: Vec<_> = entries.iter().map(entry).collect();
            format!("{{{}}}", entries.join(", "))
        }
        (Value::Struct(members), SqlType::Struct(fields)) => {
            let pair = |(value, (name, ty)): (&Value, &(String, SqlType))| {
                format!("{name}={}", shown(value, ty))
            };
            let members: Vec<_> = members.iter().zip(fields).map(pair).collect();
            format!("Struct{{{}}}", members.join(","))
        }
        (other, _) => format!("{other:?}"),
    }
}

fn base64(bytes: &[u8]) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD.encode(bytes)
}

fn epoch() -> NaiveDate {
    NaiveDate::default()
}

fn date_text(days: i32) -> String {
    let shift = Days::new(u64::from(days.unsigned_abs()));
    let date =
        if days < 0 { epoch().checked_sub_days(shift) } else { epoch().checked_add_days(shift) };
    date.map_or_else(|| days.to_string(), |d| d.format("%Y-%m-%d").to_string())
}

/// As `java.time.LocalTime` prints it: the shortest form that loses nothing.
fn time_text(ms: i32) -> String {
    let (seconds, rest) = (ms.max(0).unsigned_abs() / 1000, ms.max(0).unsigned_abs() % 1000);
    let time = NaiveTime::from_num_seconds_from_midnight_opt(seconds, rest * 1_000_000);
    let Some(time) = time else { return ms.to_string() };
    match (time.second(), rest) {
        (0, 0) => time.format("%H:%M").to_string(),
        (_, 0) => time.format("%H:%M:%S").to_string(),
        _ => time.format("%H:%M:%S%.3f").to_string(),
    }
}

fn timestamp_text(ms: i64) -> String {
    DateTime::from_timestamp_millis(ms)
        .map_or_else(|| ms.to_string(), |t| t.format("%Y-%m-%dT%H:%M:%S%.3f").to_string())
}

/// Reads `2020-01-02T03:04:05.678+01:00`; everything after the year may be missing.
pub(crate) fn parse_timestamp(text: &str) -> Result<i64, String> {
    let bad = || format!("'{text}' is not a timestamp such as 2020-01-02T03:04:05.678Z");
    let (date, time) = text.split_once(['T', ' ']).unwrap_or((text, ""));
    let mut parts = date.splitn(3, '-');
    let number = |part: Option<&str>, missing: u32| match part {
        None | Some("") => Ok(missing),
        Some(digits) => digits.parse::<u32>().map_err(|_| bad()),
    };
    let year: i32 = parts.next().and_then(|y| y.parse().ok()).ok_or_else(bad)?;
    let (month, day) = (number(parts.next(), 1)?, number(parts.next(), 1)?);
    let date = NaiveDate::from_ymd_opt(year, month, day).ok_or_else(bad)?;
    let zone_at = time.find(['Z', 'z', '+', '-']).unwrap_or(time.len());
    let (clock, zone) = time.split_at(zone_at);
    let millis = parse_clock(clock).ok_or_else(bad)?;
    let offset_ms = parse_zone(zone).ok_or_else(bad)?;
    let days = date.signed_duration_since(epoch()).num_days();
    Ok(days * 86_400_000 + millis - offset_ms)
}

/// `HH[:mm[:ss[.SSS]]]` in milliseconds; nothing is midnight.
fn parse_clock(text: &str) -> Option<i64> {
    if text.is_empty() {
        return Some(0);
    }
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let mut units = [0i64; 3];
    let parts: Vec<&str> = whole.split(':').collect();
    if parts.len() > 3 {
        return None;
    }
    for (unit, part) in units.iter_mut().zip(&parts) {
        *unit = part.parse().ok().filter(|n| (0..60).contains(n))?;
    }
    let digits: String = fraction.chars().chain("000".chars()).take(3).collect();
    let millis: i64 = digits.parse().ok()?;
    (units[0] < 24).then_some(units[0] * 3_600_000 + units[1] * 60_000 + units[2] * 1000 + millis)
}

fn parse_zone(text: &str) -> Option<i64> {
    if text.is_empty() || text.eq_ignore_ascii_case("z") {
        return Some(0);
    }
    let sign = if text.starts_with('-') { -1 } else { 1 };
    let digits: String = text[1..].chars().filter(|c| *c != ':').collect();
    let hours: i64 = digits.get(..2)?.parse().ok()?;
    let minutes: i64 =
        digits.get(2..).filter(|m| !m.is_empty()).map_or(Some(0), |m| m.parse().ok())?;
    let is_zone = (0..=18).contains(&hours) && (0..60).contains(&minutes);
    is_zone.then(|| sign * (hours * 60 + minutes) * 60_000)
}

pub(crate) fn parse_date(text: &str) -> Result<i32, String> {
    let millis = parse_timestamp(text).map_err(|_| format!("'{text}' is not a date"))?;
    i32::try_from(millis.div_euclid(86_400_000)).map_err(|_| format!("'{text}' is too far away"))
}

pub(crate) fn parse_time(text: &str) -> Result<i32, String> {
    let bad = || format!("'{text}' is not a time such as 03:04:05.678");
    let clock = text.split_once('T').map_or(text, |(_, clock)| clock);
    if clock.is_empty() {
        return Err(bad());
    }
    parse_clock(clock).and_then(|ms| i32::try_from(ms).ok()).ok_or_else(bad)
}
