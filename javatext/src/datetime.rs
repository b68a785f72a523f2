//! The date-time of Kafka's tools (`--to-datetime`): `YYYY-MM-DDTHH:mm:ss.SSS`, in UTC unless an
//! offset stands behind it.
//!
//! Kafka reads it by `SimpleDateFormat`, strictly as to the calendar and loosely as to the digits:
//! `2020-9-1T5:8:4.1` is 1 ms behind the second. So does this. Kafka passes over whatever stands
//! behind what it understood; here that is an error, and minutes without a colon (`+0530`), which
//! Kafka drops, count.

use crate::iso::days_since_1970;
use crate::zone;

/// The offsets that Java's calendar knows, in seconds: those that some place on earth has had.
const OFFSETS: std::ops::RangeInclusive<i64> = -13 * 3600..=14 * 3600;

/// Milliseconds since 1970.
///
/// # Errors
/// It is no such text, in the words of Kafka and with how to write it.
pub fn datetime_ms(text: &str) -> Result<i64, String> {
    let Some((_, time)) = text.split_once('T') else {
        return Err(
            "Error parsing timestamp. It does not contain a 'T' according to ISO8601 format; write \
             it as 2024-01-31T12:00:00.000, with Z or +01:00 behind it"
                .to_owned(),
        );
    };
    parse(text, time.contains(['+', '-', 'Z'])).ok_or_else(|| {
        format!(
            "Unparseable date: \"{text}\": write it as 2024-01-31T12:00:00.000, with Z or +01:00 \
             behind it"
        )
    })
}

fn parse(text: &str, has_zone: bool) -> Option<i64> {
    let mut rest = text;
    let year = number(&mut rest, "-")?;
    let month = number(&mut rest, "-")?;
    let day = number(&mut rest, "T")?;
    let hour = number(&mut rest, ":")?;
    let minute = number(&mut rest, ":")?;
    let second = number(&mut rest, ".")?;
    let millis = number(&mut rest, "")?;
    if year < 1 || hour > 23 || minute > 59 || second > 59 || millis > 999 {
        return None;
    }
    let days = days_since_1970(
        i32::try_from(year).ok()?,
        u32::try_from(month).ok()?,
        u32::try_from(day).ok()?,
    )?;
    let zone = rest.trim_start_matches([' ', '\t']);
    let offset_seconds = match zone {
        "" if !has_zone => 0,
        "z" => return None,
        zone => zone::offset(zone).filter(|seconds| OFFSETS.contains(seconds))?,
    };
    let seconds = i64::from(days) * 86_400 + (hour * 60 + minute) * 60 + second - offset_seconds;
    Some(seconds * 1000 + millis)
}

/// Takes a number and the mark behind it off the front of the text.
fn number(rest: &mut &str, mark: &str) -> Option<i64> {
    let text = rest.trim_start_matches([' ', '\t']);
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let value = text[..end].parse().ok()?;
    *rest = text[end..].strip_prefix(mark)?;
    Some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_utc_unless_it_says_otherwise() {
        let check = |text: &str, ms: i64| assert_eq!(datetime_ms(text), Ok(ms), "{text}");
        check("2020-01-01T00:00:00.000", 1_577_836_800_000);
        check("2020-01-01T00:00:00.000Z", 1_577_836_800_000);
        check("2020-01-01T01:00:00.000+0100", 1_577_836_800_000);
        check("2020-01-01T01:00:00.000+01:00", 1_577_836_800_000);
        check("2020-09-13T05:28:40.001-07", 1_600_000_120_001);
        check("2020-09-13T05:28:40.001+05", 1_599_956_920_001);
        check("2020-09-13T05:28:40.001+0530", 1_599_955_120_001);
    }

    #[test]
    fn what_is_no_moment_is_told_with_what_to_write() {
        for text in [
            "yesterday",
            "2020-09-13",
            "2020-09-13T05:28",
            "2020-09-13T05:28:40",
            "2020-09-13T05:28:40.001z",
            "2020-09-13T05:28:40.001Zgarbage",
            "2020-09-13T05:28:40.001+5",
            "2020-02-30T05:28:40.001",
            "99999999999999999999-01-01T00:00:00.000",
            "2020-09-13Té",
            "T",
            "",
        ] {
            let error = datetime_ms(text).expect_err(text);
            assert!(error.contains("2024-01-31T12:00:00.000"), "{error}");
        }
    }
}
