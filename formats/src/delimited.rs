//! One record of delimiter-separated text (RFC 4180), as ksqlDB's DELIMITED reads and writes it.
//! Whole files with headers are the business of who reads them.

use std::borrow::Cow;

/// Text that is not one delimited record.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DelimitedError {
    #[error("a quoted value is not closed")]
    Open,
    #[error("value {position} has text after its closing quote")]
    AfterQuote { position: usize },
}

/// The delimiter that a user names: one character, or `SPACE` or `TAB`.
pub fn delimiter(text: &str) -> Option<char> {
    match text {
        "SPACE" => Some(' '),
        "TAB" => Some('\t'),
        _ => {
            let mut chars = text.chars();
            let first = chars.next()?;
            (chars.next().is_none() && !matches!(first, '"' | '\n' | '\r')).then_some(first)
        }
    }
}

/// The record's values; quotes are taken off. A line end behind the last value is dropped.
pub fn split(text: &str, delimiter: char) -> Result<Vec<Cow<'_, str>>, DelimitedError> {
    let text = text.strip_suffix('\n').unwrap_or(text);
    let text = text.strip_suffix('\r').unwrap_or(text);
    let mut values = Vec::new();
    let mut rest = text;
    loop {
        let (value, next) = match rest.strip_prefix('"') {
            Some(quoted) => quoted_value(quoted, delimiter, values.len() + 1)?,
            None => match rest.find(delimiter) {
                Some(at) => (rest[..at].into(), Some(&rest[at + delimiter.len_utf8()..])),
                None => (rest.into(), None),
            },
        };
        values.push(value);
        match next {
            Some(next) => rest = next,
            None => return Ok(values),
        }
    }
}

type Parted<'a> = (Cow<'a, str>, Option<&'a str>);

fn quoted_value(
    text: &str,
    delimiter: char,
    position: usize,
) -> Result<Parted<'_>, DelimitedError> {
    let mut unquoted = String::new();
    let mut from = 0;
    loop {
        let end = from + text[from..].find('"').ok_or(DelimitedError::Open)?;
        let after = &text[end + 1..];
        if after.starts_with('"') {
            unquoted.push_str(&text[from..=end]);
            from = end + 2;
            continue;
        }
        let value = if unquoted.is_empty() {
            Cow::Borrowed(&text[from..end])
        } else {
            unquoted.push_str(&text[from..end]);
            Cow::Owned(unquoted)
        };
        return match after.strip_prefix(delimiter) {
            Some(next) => Ok((value, Some(next))),
            None if after.trim().is_empty() => Ok((value, None)),
            None => Err(DelimitedError::AfterQuote { position }),
        };
    }
}

/// Appends one value, quoted where it must be. `first`: it starts the record.
pub fn write_value(out: &mut Vec<u8>, value: &str, delimiter: char, first: bool) {
    let special = |c: char| c == delimiter || matches!(c, '"' | '\n' | '\r');
    let quote = match (value.chars().next(), value.chars().next_back()) {
        (Some(start), Some(end)) => start <= '#' || end <= ' ' || value.contains(special),
        _ => first,
    };
    if !quote {
        return out.extend_from_slice(value.as_bytes());
    }
    out.push(b'"');
    for byte in value.bytes() {
        if byte == b'"' {
            out.push(b'"');
        }
        out.push(byte);
    }
    out.push(b'"');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_split_and_unquoted() {
        assert_eq!(split("a,,c", ',').unwrap(), ["a", "", "c"]);
        assert_eq!(split("\"a,\"\"b\"\"\",2\r\n", ',').unwrap(), ["a,\"b\"", "2"]);
        assert_eq!(split("a\tb c", '\t').unwrap(), ["a", "b c"]);
        assert_eq!(split("", ',').unwrap(), [""]);
        assert_eq!(split("\"a", ','), Err(DelimitedError::Open));
        assert_eq!(split("1,\"a\"b", ','), Err(DelimitedError::AfterQuote { position: 2 }));
    }

    #[test]
    fn written_values_come_back() {
        for value in ["plain", "a,b", "say \"hi\"", "two\nlines", "#1", " lead", "trail ", "é"] {
            let mut out = Vec::new();
            write_value(&mut out, value, ',', true);
            out.push(b',');
            let text = String::from_utf8(out).unwrap();
            assert_eq!(split(&text, ',').unwrap(), [value, ""]);
        }
    }

    #[test]
    fn delimiters_have_names() {
        assert_eq!(delimiter("TAB"), Some('\t'));
        assert_eq!(delimiter("|"), Some('|'));
        assert_eq!(delimiter("||"), None);
        assert_eq!(delimiter(""), None);
    }
}
