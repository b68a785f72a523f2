//! Dates and times as data has them (ISO 8601): proleptic Gregorian, UTC unless they say otherwise.

use chrono::{Datelike as _, NaiveDate};

use crate::zone;

const DAY_MS: i64 = 86_400_000;

/// `2013-01-31` as days since 1970-01-01.
pub fn parse_date(text: &str) -> Option<i32> {
    let (negative, digits) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    let mut parts = digits.split('-');
    let year: i64 = number(parts.next()?, 4..=6)?;
    let month: i64 = number(parts.next()?, 1..=2)?;
    let day: i64 = number(parts.next()?, 1..=2)?;
    let year = if negative { -year } else { year };
    if parts.next().is_some() {
        return None;
    }
    let (month, day) = (u32::try_from(month).ok()?, u32::try_from(day).ok()?);
    days_since_1970(i32::try_from(year).ok()?, month, day)
}

/// The days from 1970-01-01 to a date, if there is such a date.
pub(crate) fn days_since_1970(year: i32, month: u32, day: u32) -> Option<i32> {
    let date = NaiveDate::from_ymd_opt(year, month, day)?;
    Some(date.num_days_from_ce() - NaiveDate::default().num_days_from_ce())
}

/// `13:45`, `13:45:10` or `13:45:10.123` as milliseconds since midnight; finer digits are cut.
pub fn parse_time(text: &str) -> Option<i32> {
    let mut parts = text.split(':');
    let hour: i64 = number(parts.next()?, 1..=2)?;
    let minute: i64 = number(parts.next()?, 2..=2)?;
    let (second, milli) = match parts.next() {
        None => (0, 0),
        Some(seconds) => match seconds.split_once('.') {
            None => (number(seconds, 2..=2)?, 0),
            Some((second, fraction)) => {
                number(fraction, 1..=9)?;
                let digits = format!("{fraction:0<3}");
                (number(second, 2..=2)?, number(&digits[..3], 3..=3)?)
            }
        },
    };
    if parts.next().is_some() || hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    i32::try_from(((hour * 60 + minute) * 60 + second) * 1000 + milli).ok()
}

/// A date, `T` or a space, a time, and perhaps `Z` or an offset such as `+02:00`, as milliseconds
/// since 1970; without an offset it is UTC. A date alone is its midnight.
pub fn parse_timestamp(text: &str) -> Option<i64> {
    let Some(at) = text.find(['T', 't', ' ']) else {
        return Some(i64::from(parse_date(text)?) * DAY_MS);
    };
    let (date, rest) = (&text[..at], &text[at + 1..]);
    let (time, offset_ms) = match rest.find(['Z', 'z', '+', '-']) {
        None => (rest, 0),
        Some(at) => (&rest[..at], zone::offset(&rest[at..])? * 1000),
    };
    let midnight = i64::from(parse_date(date)?) * DAY_MS;
    Some(midnight + i64::from(parse_time(time.trim_end())?) - offset_ms)
}

fn number(text: &str, width: std::ops::RangeInclusive<usize>) -> Option<i64> {
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    if digits && width.contains(&text.len()) { text.parse().ok() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_and_times_are_counted_from_1970() {
        assert_eq!(parse_date("1970-01-01"), Some(0));
        assert_eq!(parse_date("2013-01-01"), Some(15706));
        assert_eq!(parse_date("1969-12-31"), Some(-1));
        assert_eq!(parse_date("2000-02-29"), Some(11016));
        assert_eq!(parse_time("05:15"), Some(18_900_000));
        assert_eq!(parse_time("23:59:59.9999"), Some(86_399_999));
        let expected = Some(15706 * DAY_MS + 36_000_000);
        for text in [
            "2013-01-01T10:00:00Z",
            "2013-01-01 10:00:00",
            "2013-01-01T12:00:00.000+02:00",
            "2013-01-01 05:00-0500",
        ] {
            assert_eq!(parse_timestamp(text), expected, "{text}");
        }
        assert_eq!(parse_timestamp("2013-01-01"), Some(15706 * DAY_MS));
    }

    #[test]
    fn what_is_no_date_is_refused() {
        for text in ["", "2013-13-01", "2013-02-29", "13-1-1", "2013-01", "2013-01-01-01", "x"] {
            assert_eq!(parse_date(text), None, "{text}");
        }
        for text in ["", "24:00", "5", "05:1", "05:10:60", "05:10:00:00", "05:10:00."] {
            assert_eq!(parse_time(text), None, "{text}");
        }
        for text in ["2013-01-01T", "2013-01-01T10:00+99:00", "2013-01-01Té"] {
            assert_eq!(parse_timestamp(text), None, "{text}");
        }
    }
}
