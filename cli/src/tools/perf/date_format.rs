//! `--date-format`: times by a pattern of Java's `SimpleDateFormat`, in this machine's zone.

use chrono::{DateTime, Local};
use javatext::pattern::Pattern;

/// A pattern that was understood.
#[derive(Debug, PartialEq)]
pub(super) struct DateFormat(Pattern);

impl DateFormat {
    /// # Errors
    /// The pattern has a letter that is not served, or an open quote: one sentence.
    pub(super) fn parse(pattern: &str) -> Result<Self, String> {
        let compiled = Pattern::simple_date_format(pattern);
        compiled.map(Self).map_err(|error| format!("--date-format {pattern}: {error}"))
    }

    pub(super) fn print(&self, at: DateTime<Local>) -> String {
        let zone_seconds = i64::from(at.offset().local_minus_utc());
        let printed = self.0.format(at.timestamp_millis(), zone_seconds);
        printed.expect("the clock shows a time of the calendar")
    }
}

#[cfg(test)]
mod tests {
    use chrono::TimeZone as _;

    use super::*;

    #[test]
    fn a_time_is_printed_by_its_pattern_in_the_zone_of_the_machine() {
        let at = Local.with_ymd_and_hms(2026, 3, 9, 14, 5, 7).single().expect("a time");
        let at = at + chrono::Duration::milliseconds(42);
        let check = |pattern: &str, expected: &str| {
            assert_eq!(DateFormat::parse(pattern).expect("a pattern").print(at), expected);
        };
        check("yyyy-MM-dd HH:mm:ss:SSS", "2026-03-09 14:05:07:042");
        check("EEE, d MMM yy h:mm a", "Mon, 9 Mar 26 2:05 PM");
        check("yyyy Z", &at.format("%Y %z").to_string());
    }

    #[test]
    fn what_is_not_served_is_named_with_the_option() {
        let refused = |pattern: &str| DateFormat::parse(pattern).expect_err("refused");
        assert!(refused("ww").starts_with("--date-format ww: the pattern's ww is not served"));
        assert!(refused("yyyy 'x").contains("quote"));
    }
}
