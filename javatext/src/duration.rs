//! Durations as `java.time.Duration.parse` reads them: `PnDTnHnMn.nS`, in any case of letters.

/// A duration in milliseconds, finer digits cut. Any part may be left out, each may have a sign,
/// and so may the whole; seconds may have a fraction.
///
/// # Errors
/// It is no duration, or one beyond the range of 64 bits: one sentence.
pub fn duration_ms(text: &str) -> Result<i64, String> {
    let wrong = || format!("Invalid duration {text}: write it as PnDTnHnMnS, for example P1DT12H");
    let nanos = parse(text).ok_or_else(wrong)?;
    i64::try_from(nanos / 1_000_000).map_err(|_| wrong())
}

const NANOS: i128 = 1_000_000_000;

fn parse(text: &str) -> Option<i128> {
    let upper = text.to_ascii_uppercase();
    let (negative, rest) = signed(&upper);
    let rest = rest.strip_prefix('P')?;
    let (days, time) = match rest.split_once('T') {
        Some((_, "")) => return None,
        Some((days, time)) => (days, time),
        None => (rest, ""),
    };
    if days.is_empty() && time.is_empty() {
        return None;
    }
    let mut total = 0_i128;
    let mut days = days;
    total += part(&mut days, 'D', 86_400)?;
    let mut time = time;
    total += part(&mut time, 'H', 3600)?;
    total += part(&mut time, 'M', 60)?;
    total += seconds(&mut time)?;
    let nothing_left = days.is_empty() && time.is_empty();
    nothing_left.then_some(if negative { -total } else { total })
}

/// Whether a minus stands before the rest.
fn signed(text: &str) -> (bool, &str) {
    match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    }
}

/// The number before a unit, taken off the front of the text, in nanoseconds; 0 where the unit is
/// not there.
fn part(text: &mut &str, unit: char, unit_seconds: i128) -> Option<i128> {
    let Some((number, rest)) = text.split_once(unit) else { return Some(0) };
    // Another unit, or a fraction, is no number.
    *text = rest;
    let (negative, digits) = signed(number);
    let value = i128::from(whole(digits)?) * unit_seconds * NANOS;
    Some(if negative { -value } else { value })
}

fn seconds(text: &mut &str) -> Option<i128> {
    let Some((number, rest)) = text.split_once('S') else { return Some(0) };
    *text = rest;
    let (negative, digits) = signed(number);
    let (seconds, fraction) = digits.split_once(['.', ',']).unwrap_or((digits, ""));
    if fraction.len() > 9 || !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let nanos = i128::from(whole(&format!("{fraction:0<9}"))?);
    let value = i128::from(whole(seconds)?) * NANOS + nanos;
    Some(if negative { -value } else { value })
}

fn whole(digits: &str) -> Option<i64> {
    let is_number = digits.bytes().all(|byte| byte.is_ascii_digit());
    if is_number { digits.parse().ok() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_has_days_and_a_time() {
        let check = |text: &str, ms: i64| assert_eq!(duration_ms(text), Ok(ms), "{text}");
        check("P1D", 86_400_000);
        check("PT1H30M", 5_400_000);
        check("P1DT0.5S", 86_400_500);
        check("-PT1,5S", -1500);
        for text in ["P", "1D", "PT", "P1H", "PT1M1H", "P1", "PTé", "", "PT9223372036854775807H"] {
            let error = duration_ms(text).expect_err(text);
            assert!(error.contains("PnDTnHnMnS"), "{error}");
        }
    }
}
