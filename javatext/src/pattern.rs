//! Patterns of `java.time.format.DateTimeFormatter`, for reading and writing dates and times, and
//! of the older `SimpleDateFormat`, for writing them.

use chrono::{DateTime, Datelike, NaiveDate, Timelike, Utc};

use crate::zone::leading_offset;

const DAY_MS: i64 = 86_400_000;

const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];
const DAYS: [&str; 7] =
    ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"];

/// A compiled pattern.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Pattern {
    parts: Vec<Part>,
    source: String,
}

/// Whose letters a pattern is made of.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Letters {
    DateTimeFormatter,
    SimpleDateFormat,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Part {
    Text(String),
    Field { letter: char, count: usize },
    Optional(Vec<Part>),
}

/// What a text said, by field.
#[derive(Clone, Debug, Default)]
struct Read {
    year: Option<i64>,
    month: Option<i64>,
    day: Option<i64>,
    day_of_year: Option<i64>,
    hour: Option<i64>,
    half_day_hour: Option<i64>,
    afternoon: Option<bool>,
    minute: Option<i64>,
    second: Option<i64>,
    nano: Option<i64>,
    offset_seconds: Option<i64>,
}

impl Pattern {
    /// Compiles a pattern of `DateTimeFormatter`.
    ///
    /// # Errors
    /// A letter has no meaning or is not supported, or a quote or section is not closed.
    pub fn new(source: &str) -> Result<Self, String> {
        Self::compiled(source, Letters::DateTimeFormatter)
    }

    /// Compiles a pattern of `SimpleDateFormat`, to print by: `S` is a number of milliseconds
    /// there, and brackets are text.
    ///
    /// # Errors
    /// A letter has no meaning or is not supported, or a quote is not closed.
    pub fn simple_date_format(source: &str) -> Result<Self, String> {
        Self::compiled(source, Letters::SimpleDateFormat)
    }

    fn compiled(source: &str, letters: Letters) -> Result<Self, String> {
        let characters: Vec<char> = source.chars().collect();
        let mut at = 0;
        let parts = compile(&characters, &mut at, 0, letters)?;
        if at < characters.len() {
            return Err(format!("the pattern '{source}' closes a section that it did not open"));
        }
        Ok(Self { parts, source: source.to_owned() })
    }

    /// Milliseconds since 1970 in UTC; fields that the pattern lacks are those of 1970-01-01T00:00,
    /// an offset that it lacks is `zone_seconds`.
    ///
    /// # Errors
    /// The text does not follow the pattern, or names a day that there is not.
    pub fn parse_timestamp(&self, text: &str, zone_seconds: i64) -> Result<i64, String> {
        let read = self.read(text)?;
        let date = read.date().ok_or_else(|| self.bad(text))?;
        let millis = read.millis_of_day().ok_or_else(|| self.bad(text))?;
        let offset = read.offset_seconds.unwrap_or(zone_seconds);
        Ok(date * DAY_MS + millis - offset * 1000)
    }

    /// Days since 1970.
    ///
    /// # Errors
    /// As [`Self::parse_timestamp`].
    pub fn parse_date(&self, text: &str) -> Result<i32, String> {
        let days = self.read(text)?.date();
        days.and_then(|d| i32::try_from(d).ok()).ok_or_else(|| self.bad(text))
    }

    /// Milliseconds since midnight.
    ///
    /// # Errors
    /// As [`Self::parse_timestamp`].
    pub fn parse_time(&self, text: &str) -> Result<i32, String> {
        let millis = self.read(text)?.millis_of_day();
        millis.and_then(|ms| i32::try_from(ms).ok()).ok_or_else(|| self.bad(text))
    }

    /// The text of an instant at an offset from UTC.
    ///
    /// # Errors
    /// The instant is outside of the calendar.
    pub fn format(&self, millis: i64, zone_seconds: i64) -> Result<String, String> {
        let local = millis.checked_add(zone_seconds * 1000);
        let time = local
            .and_then(DateTime::from_timestamp_millis)
            .ok_or_else(|| format!("{millis} ms is out of the range of a calendar"))?;
        let mut out = String::new();
        write_parts(&self.parts, &time, zone_seconds, &mut out)?;
        Ok(out)
    }

    fn read(&self, text: &str) -> Result<Read, String> {
        let characters: Vec<char> = text.chars().collect();
        let mut read = Read::default();
        match read_parts(&self.parts, &characters, 0, &mut read) {
            Some(end) if end == characters.len() => Ok(read),
            _ => Err(self.bad(text)),
        }
    }

    fn bad(&self, text: &str) -> String {
        format!("'{text}' does not follow the pattern '{}'", self.source)
    }
}

fn compile(
    source: &[char],
    at: &mut usize,
    depth: usize,
    letters: Letters,
) -> Result<Vec<Part>, String> {
    let has_sections = letters == Letters::DateTimeFormatter;
    let mut parts = Vec::new();
    while let Some(&c) = source.get(*at) {
        match c {
            ']' if has_sections => return Ok(parts),
            '[' if has_sections && depth < 16 => {
                *at += 1;
                let inner = compile(source, at, depth + 1, letters)?;
                if source.get(*at) != Some(&']') {
                    return Err("the pattern opens a section with [ and does not close it".into());
                }
                *at += 1;
                parts.push(Part::Optional(inner));
            }
            '[' | '{' | '}' | '#' if has_sections => {
                return Err(format!("the pattern has a {c} that means nothing"));
            }
            '\'' => parts.push(Part::Text(quoted(source, at)?)),
            c if c.is_ascii_alphabetic() => {
                let count = source[*at..].iter().take_while(|n| **n == c).count();
                parts.push(match letters {
                    Letters::DateTimeFormatter => field(c, count)?,
                    Letters::SimpleDateFormat => simple_field(c, count)?,
                });
                *at += count;
            }
            c => {
                parts.push(Part::Text(c.to_string()));
                *at += 1;
            }
        }
    }
    Ok(parts)
}

fn quoted(source: &[char], at: &mut usize) -> Result<String, String> {
    *at += 1;
    if source.get(*at) == Some(&'\'') {
        *at += 1;
        return Ok("'".to_owned());
    }
    let mut text = String::new();
    while let Some(&c) = source.get(*at) {
        *at += 1;
        if c != '\'' {
            text.push(c);
        } else if source.get(*at) == Some(&'\'') {
            text.push('\'');
            *at += 1;
        } else {
            return Ok(text);
        }
    }
    Err("the pattern opens a quote and does not close it".to_owned())
}

fn field(letter: char, count: usize) -> Result<Part, String> {
    let most = match letter {
        'y' | 'u' | 'n' | 'A' => 19,
        'S' => 9,
        'M' | 'L' | 'E' | 'x' | 'X' | 'Z' => 5,
        'D' => 3,
        'd' | 'H' | 'h' | 'k' | 'K' | 'm' | 's' | 'V' => 2,
        'a' => 1,
        'z' => 4,
        _ => return Err(format!("the pattern letter {letter} is not supported")),
    };
    if count > most {
        return Err(format!("too many pattern letters: {letter} repeats {count} times"));
    }
    Ok(Part::Field { letter, count })
}

/// The letter that stands for the milliseconds as a number; no pattern has it.
const MILLIS: char = '\u{2030}';

fn simple_field(letter: char, count: usize) -> Result<Part, String> {
    let known = "yMLdHhkKmsSDaEXZz";
    if !known.contains(letter) {
        let field = letter.to_string().repeat(count);
        return Err(format!("the pattern's {field} is not served; the letters {known} are"));
    }
    // No number of a date has more digits, and names are short or full.
    Ok(match letter {
        'S' => Part::Field { letter: MILLIS, count: count.min(19) },
        'M' | 'L' | 'E' => Part::Field { letter, count: count.min(4) },
        'y' if count == 2 => Part::Field { letter, count },
        'y' | 'd' | 'H' | 'h' | 'k' | 'K' | 'm' | 's' | 'D' => {
            Part::Field { letter, count: count.min(19) }
        }
        'X' if count > 3 => {
            return Err(format!("the pattern has {count} X, at most 3 mean something"));
        }
        'Z' => Part::Field { letter, count: 1 },
        _ => Part::Field { letter, count },
    })
}

fn read_parts(parts: &[Part], text: &[char], mut at: usize, read: &mut Read) -> Option<usize> {
    for (i, part) in parts.iter().enumerate() {
        match part {
            Part::Text(wanted) => {
                let wanted: Vec<char> = wanted.chars().collect();
                if text.get(at..at + wanted.len())? != wanted.as_slice() {
                    return None;
                }
                at += wanted.len();
            }
            Part::Optional(inner) => {
                let mut attempt = read.clone();
                if let Some(end) = read_parts(inner, text, at, &mut attempt) {
                    *read = attempt;
                    at = end;
                }
            }
            Part::Field { letter, count } => {
                let adjacent = matches!(parts.get(i + 1), Some(next) if is_numeric(next));
                at = read_field(*letter, *count, adjacent, text, at, read)?;
            }
        }
    }
    Some(at)
}

fn is_numeric(part: &Part) -> bool {
    match part {
        Part::Field { letter: 'M' | 'L', count } => *count < 3,
        Part::Field { letter, .. } => !"aExXZzV".contains(*letter),
        _ => false,
    }
}

fn read_field(
    letter: char,
    count: usize,
    adjacent: bool,
    text: &[char],
    at: usize,
    read: &mut Read,
) -> Option<usize> {
    match letter {
        'M' | 'L' if count >= 3 => {
            let (index, end) = read_name(&MONTHS, count, text, at)?;
            read.month = Some(index as i64 + 1);
            return Some(end);
        }
        'E' => return read_name(&DAYS, count, text, at).map(|(_, end)| end),
        'a' => {
            let word: String = text.get(at..at + 2)?.iter().collect();
            read.afternoon = Some(match word.to_uppercase().as_str() {
                "AM" => false,
                "PM" => true,
                _ => return None,
            });
            return Some(at + 2);
        }
        'x' | 'X' | 'Z' | 'z' | 'V' => return read_zone(letter, text, at, read),
        'S' => {
            let (digits, end) = digits(text, at, count, count)?;
            let scale = 10i64.checked_pow(9 - u32::try_from(count).ok()?)?;
            read.nano = Some(digits * scale);
            return Some(end);
        }
        _ => {}
    }
    let (least, most) = match (letter, count) {
        ('y' | 'u', 2) => (2, 2),
        ('y' | 'u', n) => (n, if adjacent { n } else { 19.min(n.max(10)) }),
        (_, n) if adjacent => (n, n),
        (_, 1) => (1, 19),
        (_, n) => (n, n),
    };
    let (value, end) = digits(text, at, least, most)?;
    match letter {
        'y' | 'u' if count == 2 => read.year = Some(2000 + value),
        'y' | 'u' => read.year = Some(value),
        'M' | 'L' => read.month = Some(value),
        'd' => read.day = Some(value),
        'D' => read.day_of_year = Some(value),
        'H' => read.hour = Some(value),
        'k' => read.hour = Some(value % 24),
        'h' | 'K' => read.half_day_hour = Some(value % 12),
        'm' => read.minute = Some(value),
        's' => read.second = Some(value),
        'n' => read.nano = Some(value),
        'A' => {
            read.hour = Some(value / 3_600_000);
            read.minute = Some(value / 60_000 % 60);
            read.second = Some(value / 1000 % 60);
            read.nano = Some(value % 1000 * 1_000_000);
        }
        _ => return None,
    }
    Some(end)
}

fn digits(text: &[char], at: usize, least: usize, most: usize) -> Option<(i64, usize)> {
    let count = text.get(at..)?.iter().take(most).take_while(|c| c.is_ascii_digit()).count();
    if count < least {
        return None;
    }
    let number: String = text[at..at + count].iter().collect();
    Some((number.parse().ok()?, at + count))
}

fn read_name(names: &[&str], count: usize, text: &[char], at: usize) -> Option<(usize, usize)> {
    names.iter().enumerate().find_map(|(i, name)| {
        let shown = if count == 4 { name } else { &name[..3] };
        let end = at + shown.len();
        let found: String = text.get(at..end)?.iter().collect();
        found.eq_ignore_ascii_case(shown).then_some((i, end))
    })
}

fn read_zone(letter: char, text: &[char], at: usize, read: &mut Read) -> Option<usize> {
    let rest: String = text.get(at..)?.iter().take_while(|c| c.is_ascii()).take(16).collect();
    if let Some((seconds, length)) = leading_offset(&rest) {
        read.offset_seconds = Some(seconds);
        return Some(at + length);
    }
    let names = if letter == 'X' { &["Z"][..] } else { &["UTC", "GMT", "UT", "Z"][..] };
    let name = names.iter().find(|name| {
        let part: Option<String> = text.get(at..at + name.len()).map(|c| c.iter().collect());
        part.is_some_and(|part| part.eq_ignore_ascii_case(name))
    })?;
    read.offset_seconds = Some(0);
    Some(at + name.len())
}

impl Read {
    fn date(&self) -> Option<i64> {
        let year = i32::try_from(self.year.unwrap_or(1970)).ok()?;
        let date = match self.day_of_year {
            Some(day) => NaiveDate::from_yo_opt(year, u32::try_from(day).ok()?)?,
            None => NaiveDate::from_ymd_opt(
                year,
                u32::try_from(self.month.unwrap_or(1)).ok()?,
                u32::try_from(self.day.unwrap_or(1)).ok()?,
            )?,
        };
        Some(date.signed_duration_since(NaiveDate::default()).num_days())
    }

    fn millis_of_day(&self) -> Option<i64> {
        let half = if self.afternoon == Some(true) { 12 } else { 0 };
        let hour = self.hour.or_else(|| self.half_day_hour.map(|h| h + half)).unwrap_or(0);
        let (minute, second) = (self.minute.unwrap_or(0), self.second.unwrap_or(0));
        if hour > 23 || minute > 59 || second > 59 {
            return None;
        }
        Some((hour * 3600 + minute * 60 + second) * 1000 + self.nano.unwrap_or(0) / 1_000_000)
    }
}

fn write_parts(
    parts: &[Part],
    time: &DateTime<Utc>,
    zone_seconds: i64,
    out: &mut String,
) -> Result<(), String> {
    for part in parts {
        match part {
            Part::Text(text) => out.push_str(text),
            Part::Optional(inner) => write_parts(inner, time, zone_seconds, out)?,
            Part::Field { letter, count } => {
                out.push_str(&field_text(*letter, *count, time, zone_seconds)?);
            }
        }
    }
    Ok(())
}

fn field_text(
    letter: char,
    count: usize,
    time: &DateTime<Utc>,
    zone_seconds: i64,
) -> Result<String, String> {
    let padded = |value: i64| format!("{value:0count$}");
    let name = |name: &str| if count == 4 { name.to_owned() } else { name[..3].to_owned() };
    Ok(match letter {
        'y' | 'u' if count == 2 => format!("{:02}", time.year().rem_euclid(100)),
        'y' | 'u' => padded(i64::from(time.year())),
        'M' | 'L' if count >= 3 => name(MONTHS[time.month0() as usize]),
        'M' | 'L' => padded(i64::from(time.month())),
        'd' => padded(i64::from(time.day())),
        'D' => padded(i64::from(time.ordinal())),
        'E' => name(DAYS[time.weekday().num_days_from_monday() as usize]),
        'a' => if time.hour() < 12 { "AM" } else { "PM" }.to_owned(),
        'H' => padded(i64::from(time.hour())),
        'k' => padded(i64::from(if time.hour() == 0 { 24 } else { time.hour() })),
        'h' => {
            padded(i64::from(if time.hour().is_multiple_of(12) { 12 } else { time.hour() % 12 }))
        }
        'K' => padded(i64::from(time.hour() % 12)),
        'm' => padded(i64::from(time.minute())),
        's' => padded(i64::from(time.second())),
        'n' => padded(i64::from(time.nanosecond())),
        'S' => format!("{:09}", time.nanosecond()).chars().take(count).collect(),
        MILLIS => padded(i64::from(time.timestamp_subsec_millis())),
        'A' => padded(time.timestamp_millis().rem_euclid(DAY_MS)),
        'z' | 'V' if zone_seconds == 0 => "UTC".to_owned(),
        'X' if zone_seconds == 0 => "Z".to_owned(),
        'x' | 'X' | 'Z' | 'z' | 'V' => offset_text(letter, count, zone_seconds),
        other => return Err(format!("the pattern letter {other} is not supported")),
    })
}

fn offset_text(letter: char, count: usize, seconds: i64) -> String {
    let sign = if seconds < 0 { '-' } else { '+' };
    let (hours, minutes) = (seconds.abs() / 3600, seconds.abs() / 60 % 60);
    let colon = matches!((letter, count), ('x' | 'X', 3 | 5) | ('Z', 5) | ('z' | 'V', _));
    match (letter, count) {
        ('x' | 'X', 1) if minutes == 0 => format!("{sign}{hours:02}"),
        ('Z', 4) => format!("GMT{sign}{hours:02}:{minutes:02}"),
        _ if colon => format!("{sign}{hours:02}:{minutes:02}"),
        _ => format!("{sign}{hours:02}{minutes:02}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(pattern: &str, text: &str, millis: i64) {
        let compiled = Pattern::new(pattern).expect("a pattern");
        assert_eq!(compiled.parse_timestamp(text, 0), Ok(millis), "{pattern}: {text}");
        assert_eq!(compiled.format(millis, 0).as_deref(), Ok(text), "{pattern}");
    }

    #[test]
    fn timestamps_are_read_and_written_by_pattern() {
        check("yyyy-MM-dd'T'HH:mm:ssX", "2013-01-01T10:00:00Z", 1_357_034_400_000);
        check("yyyy-MM-dd HH:mm:ss.SSS", "2021-05-11 12:34:56.789", 1_620_736_496_789);
        check("yyyyMMddHHmmss", "20210511123456", 1_620_736_496_000);
        check("dd/MMM/yy h:mm a", "11/May/21 1:05 PM", 1_620_738_300_000);
        check("EEEE, d MMMM yyyy", "Tuesday, 11 May 2021", 1_620_691_200_000);
        check("yyyy-MM-dd'T''quoted'''", "2021-05-11T'quoted'", 1_620_691_200_000);
    }

    #[test]
    fn offsets_and_optional_parts_are_understood() {
        let pattern = Pattern::new("yyyy-MM-dd[' 'HH:mm[:ss]][XXX]").expect("a pattern");
        assert_eq!(pattern.parse_timestamp("2021-05-11", 0), Ok(1_620_691_200_000));
        assert_eq!(pattern.parse_timestamp("2021-05-11 01:00", 0), Ok(1_620_694_800_000));
        assert_eq!(pattern.parse_timestamp("2021-05-11 01:00+01:00", 0), Ok(1_620_691_200_000));
        let zoned = Pattern::new("HH:mmxxx").expect("a pattern");
        assert_eq!(zoned.format(0, -5400).as_deref(), Ok("22:30-01:30"));
    }

    #[test]
    fn what_does_not_follow_the_pattern_is_refused() {
        let pattern = Pattern::new("yyyy-MM-dd").expect("a pattern");
        for text in ["2021-5-11", "2021-13-01", "2021-02-30", "2021-05-11 ", "", "x"] {
            assert!(pattern.parse_timestamp(text, 0).is_err(), "{text}");
        }
        for bad in ["yyyy-'open", "[yyyy", "b", "yyyy]", "HHH"] {
            assert!(Pattern::new(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn the_older_patterns_print_milliseconds_as_a_number() {
        let check = |source: &str, expected: &str| {
            let pattern = Pattern::simple_date_format(source).expect(source);
            assert_eq!(pattern.format(1_773_065_107_042, 0).as_deref(), Ok(expected), "{source}");
        };
        check("yyyy-MM-dd HH:mm:ss:SSS", "2026-03-09 14:05:07:042");
        check("d.M.yy h:mm a S SSSS", "9.3.26 2:05 PM 42 0042");
        check("EEE, d MMM yyyy [HH] {z} X Z", "Mon, 9 Mar 2026 [14] {UTC} Z +0000");
        check("yyyy-MM-dd'T'HH 'o''clock'", "2026-03-09T14 o'clock");
        for (source, named) in [("yyyy 'x", "quote"), ("w", "w is not"), ("XXXX", "4 X")] {
            let error = Pattern::simple_date_format(source).expect_err(source);
            assert!(error.contains(named), "{error}");
        }
    }
}
