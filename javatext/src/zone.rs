//! Offsets from UTC: `Z`, `+05`, `+0530`, `+05:30`, `-05:30:15`, and names that stand for UTC.

/// The largest offset that Java knows, 18 hours, in seconds.
const MOST_SECONDS: i64 = 18 * 3600;

/// The offset that a text begins with, in seconds, and how many bytes it has: a sign, two digits
/// of hours and, with or without colons, two of minutes and two of seconds. `None` where there is
/// none, or one of more than 18 hours.
pub fn leading_offset(text: &str) -> Option<(i64, usize)> {
    let bytes = text.as_bytes();
    let sign = match bytes.first()? {
        b'+' => 1,
        b'-' => -1,
        _ => return None,
    };
    let two = |at: usize| {
        let digits = bytes.get(at..at + 2)?;
        let is_number = digits.iter().all(u8::is_ascii_digit);
        is_number.then(|| i64::from(digits[0] - b'0') * 10 + i64::from(digits[1] - b'0'))
    };
    let mut seconds = two(1)? * 3600;
    let mut end = 3;
    for unit in [60, 1] {
        let at = if bytes.get(end) == Some(&b':') { end + 1 } else { end };
        let Some(value) = two(at).filter(|value| *value < 60) else { break };
        seconds += value * unit;
        end = at + 2;
    }
    (seconds <= MOST_SECONDS).then_some((sign * seconds, end))
}

/// The offset that is the whole text, `Z` or `z` among them, in seconds.
pub fn offset(text: &str) -> Option<i64> {
    if matches!(text, "Z" | "z") {
        return Some(0);
    }
    let (seconds, end) = leading_offset(text)?;
    (end == text.len()).then_some(seconds)
}

/// The offset of a zone named `UTC`, `GMT`, `Z` or `+01:00`, in seconds.
///
/// # Errors
/// Another name, with what may stand there.
pub fn zone_offset(name: &str) -> Result<i64, String> {
    let upper = name.trim().to_uppercase();
    let rest = ["UTC", "GMT", "UT"].iter().find_map(|p| upper.strip_prefix(p)).unwrap_or(&upper);
    if rest.is_empty() {
        return Ok(0);
    }
    offset(rest).ok_or_else(|| {
        format!("the time zone '{name}' is not known; use UTC or an offset as +01:00")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zones_are_offsets_from_utc() {
        assert_eq!(zone_offset("utc"), Ok(0));
        assert_eq!(zone_offset("Z"), Ok(0));
        assert_eq!(zone_offset("GMT+02:00"), Ok(7200));
        assert_eq!(zone_offset("-0130"), Ok(-5400));
        assert_eq!(zone_offset("+05"), Ok(18_000));
        assert_eq!(zone_offset("+05:30:15"), Ok(19_815));
        for text in ["Mars/Base", "+5", "+19:00", "+05:60", "+05:3", "+", "GMT+", "+0é"] {
            assert!(zone_offset(text).is_err(), "{text}");
        }
    }

    #[test]
    fn an_offset_may_have_something_behind_it() {
        assert_eq!(leading_offset("+01:00]"), Some((3600, 6)));
        assert_eq!(leading_offset("-07 "), Some((-25_200, 3)));
        assert_eq!(leading_offset("+0530x"), Some((19_800, 5)));
        assert_eq!(leading_offset("0530"), None);
    }
}
