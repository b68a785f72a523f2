//! Moments and durations, as `--to-datetime` and `--by-duration` take them.

use chrono::{DateTime, NaiveDateTime, Utc};

/// `YYYY-MM-DDTHH:mm:SS.sss`, with or without an offset from UTC, which is the default.
///
/// # Errors
/// It is no such text: one sentence.
pub(super) fn datetime_ms(text: &str) -> Result<i64, String> {
    let wrong = || {
        format!(
            "Invalid datetime {text}: write it as 2024-01-31T12:00:00.000, with Z or +01:00 after it"
        )
    };
    if let Ok(with_offset) = DateTime::parse_from_rfc3339(text) {
        return Ok(with_offset.timestamp_millis());
    }
    if let Ok(with_offset) = DateTime::parse_from_str(text, "%Y-%m-%dT%H:%M:%S%.f%z") {
        return Ok(with_offset.timestamp_millis());
    }
    let naive = NaiveDateTime::parse_from_str(text, "%Y-%m-%dT%H:%M:%S%.f").map_err(|_| wrong())?;
    Ok(naive.and_utc().timestamp_millis())
}

/// The moment that is an ISO duration before now.
///
/// # Errors
/// It is no duration: one sentence.
pub(super) fn before_now_ms(text: &str) -> Result<i64, String> {
    Ok(Utc::now().timestamp_millis().saturating_sub(duration_ms(text)?))
}

/// `PnDTnHnMnS` in milliseconds; any part may be left out, seconds may have a fraction.
fn duration_ms(text: &str) -> Result<i64, String> {
    let wrong = || format!("Invalid duration {text}: write it as PnDTnHnMnS, for example P1DT12H");
    let rest = text.strip_prefix('P').ok_or_else(wrong)?;
    let (days, time) = rest.split_once('T').unwrap_or((rest, ""));
    if rest.is_empty() || rest.ends_with('T') {
        return Err(wrong());
    }
    let mut total = 0.0;
    for (part, units) in [(days, &[('D', 86_400_000.0)][..]), (time, TIME_UNITS)] {
        let mut units = units.iter();
        let mut number = String::new();
        for character in part.chars() {
            if character.is_ascii_digit() || ['.', '-'].contains(&character) {
                number.push(character);
                continue;
            }
            let (_, millis) = units.find(|(unit, _)| *unit == character).ok_or_else(wrong)?;
            total += number.parse::<f64>().map_err(|_| wrong())? * millis;
            number.clear();
        }
        if !number.is_empty() {
            return Err(wrong());
        }
    }
    Ok(total as i64)
}

const TIME_UNITS: &[(char, f64)] = &[('H', 3_600_000.0), ('M', 60_000.0), ('S', 1000.0)];

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
        assert!(datetime_ms("yesterday").unwrap_err().contains("yesterday"));
    }

    #[test]
    fn a_duration_has_days_and_a_time() {
        let check = |text: &str, ms: i64| assert_eq!(duration_ms(text), Ok(ms), "{text}");
        check("P1D", 86_400_000);
        check("PT1H30M", 5_400_000);
        check("P1DT0.5S", 86_400_500);
        for text in ["P", "1D", "PT", "P1H", "PT1M1H", "P1"] {
            assert!(duration_ms(text).is_err(), "{text}");
        }
    }
}
