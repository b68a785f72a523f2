//! `--date-format`: the patterns of Java's `SimpleDateFormat`, as far as they are numbers.

use std::fmt::Write as _;

use chrono::{DateTime, Datelike as _, Local, Timelike as _};

/// A pattern that was understood.
#[derive(Debug, PartialEq)]
pub(super) struct DateFormat(Vec<Part>);

#[derive(Debug, PartialEq)]
enum Part {
    /// A letter and how often it stands there: the least number of digits.
    Field(char, usize),
    Text(String),
}

const FIELDS: &str = "yMdHhkKmsSDaZ";

impl DateFormat {
    /// # Errors
    /// The pattern has a letter that is not served: one sentence.
    pub(super) fn parse(pattern: &str) -> Result<Self, String> {
        let mut parts = Vec::new();
        let mut left = pattern.chars().peekable();
        while let Some(letter) = left.next() {
            match letter {
                '\'' => parts.push(Part::Text(quoted(&mut left, pattern)?)),
                letter if letter.is_ascii_alphabetic() => {
                    let mut count = 1;
                    while left.next_if_eq(&letter).is_some() {
                        count += 1;
                    }
                    if !FIELDS.contains(letter) || (letter == 'M' && count > 2) {
                        let field = letter.to_string().repeat(count);
                        return Err(format!(
                            "--date-format {pattern}: {field} is not served; the letters {FIELDS} \
                             are, and M only as a number"
                        ));
                    }
                    parts.push(Part::Field(letter, count));
                }
                other => parts.push(Part::Text(other.to_string())),
            }
        }
        Ok(Self(parts))
    }

    pub(super) fn print(&self, at: DateTime<Local>) -> String {
        let mut text = String::new();
        for part in &self.0 {
            let (letter, width) = match part {
                Part::Text(fixed) => {
                    text.push_str(fixed);
                    continue;
                }
                Part::Field(letter, width) => (*letter, *width),
            };
            let number = match letter {
                'y' if width == 2 => (at.year() % 100).unsigned_abs(),
                'y' => at.year().unsigned_abs(),
                'M' => at.month(),
                'd' => at.day(),
                'D' => at.ordinal(),
                'H' => at.hour(),
                'k' => (at.hour() + 23) % 24 + 1,
                'K' => at.hour() % 12,
                'h' => (at.hour() + 11) % 12 + 1,
                'm' => at.minute(),
                's' => at.second(),
                'S' => at.timestamp_subsec_millis(),
                'a' => {
                    text.push_str(if at.hour() < 12 { "AM" } else { "PM" });
                    continue;
                }
                _ => {
                    text.push_str(&at.format("%z").to_string());
                    continue;
                }
            };
            // Writing to a text cannot fail.
            let _ = write!(text, "{number:0width$}");
        }
        text
    }
}

/// What stands between two quotes; two quotes in a row are one.
fn quoted(
    left: &mut std::iter::Peekable<std::str::Chars<'_>>,
    pattern: &str,
) -> Result<String, String> {
    if left.next_if_eq(&'\'').is_some() {
        return Ok("'".to_owned());
    }
    let mut text = String::new();
    loop {
        match left.next() {
            Some('\'') if left.next_if_eq(&'\'').is_some() => text.push('\''),
            Some('\'') => return Ok(text),
            Some(letter) => text.push(letter),
            None => return Err(format!("--date-format {pattern}: a quote is not closed")),
        }
    }
}

#[cfg(test)]
mod tests {
    use chrono::TimeZone as _;

    use super::*;

    #[test]
    fn a_time_is_printed_by_its_pattern() {
        let at = Local.with_ymd_and_hms(2026, 3, 9, 14, 5, 7).single().expect("a time");
        let at = at + chrono::Duration::milliseconds(42);
        let check = |pattern: &str, expected: &str| {
            assert_eq!(DateFormat::parse(pattern).expect("a pattern").print(at), expected);
        };
        check("yyyy-MM-dd HH:mm:ss:SSS", "2026-03-09 14:05:07:042");
        check("d.M.yy h:mm a", "9.3.26 2:05 PM");
        check("yyyy-MM-dd'T'HH 'o''clock'", "2026-03-09T14 o'clock");
    }

    #[test]
    fn what_is_not_served_is_named() {
        let refused = |pattern: &str| DateFormat::parse(pattern).expect_err("refused");
        assert!(refused("EEE, d MMM").contains("EEE is not served"));
        assert!(refused("d MMM").contains("MMM is not served"));
        assert!(refused("yyyy 'x").contains("not closed"));
    }
}
