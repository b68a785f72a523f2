//! Dates and times in text (ISO 8601), without a calendar library: proleptic Gregorian, UTC.

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
    if parts.next().is_some() || !(1..=12).contains(&month) {
        return None;
    }
    if day < 1 || day > days_in_month(year, month) {
        return None;
    }
    i32::try_from(days_from_civil(year, month, day)).ok()
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
        Some(at) => (&rest[..at], offset_ms(&rest[at..])?),
    };
    let midnight = i64::from(parse_date(date)?) * DAY_MS;
    Some(midnight + i64::from(parse_time(time.trim_end())?) - offset_ms)
}

fn offset_ms(text: &str) -> Option<i64> {
    if matches!(text, "Z" | "z") {
        return Some(0);
    }
    let sign = if text.starts_with('-') { -1 } else { 1 };
    let digits = text.get(1..)?;
    let (hours, minutes) = match digits.split_once(':') {
        Some(parts) => parts,
        None if digits.len() == 4 && digits.is_ascii() => digits.split_at(2),
        None => (digits, "00"),
    };
    let (hours, minutes) = (number(hours, 2..=2)?, number(minutes, 2..=2)?);
    (hours <= 18 && minutes <= 59).then_some(sign * (hours * 60 + minutes) * 60_000)
}

fn number(text: &str, width: std::ops::RangeInclusive<usize>) -> Option<i64> {
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    if digits && width.contains(&text.len()) { text.parse().ok() } else { None }
}

fn days_in_month(year: i64, month: i64) -> i64 {
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    match month {
        2 => 28 + i64::from(leap),
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Counts from March, so that the leap day is a year's last.
fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let of_era = year.rem_euclid(400);
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
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
