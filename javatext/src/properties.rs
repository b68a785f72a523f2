//! Files in the form of Java's `.properties`.
//!
//! A line is `key=value`, `key:value` or `key value`, blanks around the sign left out. A line that
//! begins with `#` or `!` is a comment; one that ends in an odd number of backslashes goes on in
//! the next, whose leading blanks are left out. `\t \n \r \f`, and `\u` with four hexadecimal
//! digits, stand for characters, any other character after a backslash for itself. Lines end with
//! LF, CR or both; blanks are space, tab and form feed.
//!
//! [`load`] reads the bytes of a file as Kafka does: each byte is a character of ISO 8859-1.
//! [`parse`] reads text. [`decode`] is for files that Kafka has no say in: UTF-8, and ISO 8859-1
//! where the bytes are none, as Java itself reads resource bundles (JEP 226).

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::iter::Peekable;
use std::str::Chars;

use thiserror::Error;

/// Why a file cannot be read. Lines count from 1.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum PropertiesError {
    #[error("line {line}: \\u must be followed by four hexadecimal digits")]
    Escape { line: usize },
    #[error(
        "line {line}: \\u{unit:04x} is half of a character; write the other half behind it, as in \
         \\ud83d\\ude00"
    )]
    HalfCharacter { line: usize, unit: u32 },
}

/// One property of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Where it begins, from 1.
    pub line: usize,
    pub key: String,
    pub value: String,
}

/// Reads the bytes of a file as `Properties.load` reads a stream; of a key that comes twice the
/// last one holds.
///
/// # Errors
/// An escape that stands for no character.
pub fn load(bytes: &[u8]) -> Result<BTreeMap<String, String>, PropertiesError> {
    parse(&latin_1(bytes))
}

/// Reads text as `Properties.load` reads a reader; of a key that comes twice the last one holds.
///
/// # Errors
/// An escape that stands for no character.
pub fn parse(text: &str) -> Result<BTreeMap<String, String>, PropertiesError> {
    Ok(entries(text)?.into_iter().map(|entry| (entry.key, entry.value)).collect())
}

/// All properties in the order of the text.
///
/// # Errors
/// An escape that stands for no character.
pub fn entries(text: &str) -> Result<Vec<Entry>, PropertiesError> {
    let mut entries = Vec::new();
    let mut lines = Lines { left: text, number: 0, is_at_end: false };
    while let Some(first) = lines.next() {
        let line = lines.number;
        // To Java, a backslash that ends the text is something, though it stands for nothing; also
        // with a CR or a LF behind it, but not with both.
        let mut ends_in_backslash = false;
        let mut logical = Cow::Borrowed(first.trim_start_matches(is_blank));
        while goes_on(&logical) {
            let text = logical.to_mut();
            text.pop();
            let Some(next) = lines.next() else {
                ends_in_backslash = lines.is_at_end;
                break;
            };
            text.push_str(next.trim_start_matches(is_blank));
        }
        if logical.is_empty() && !ends_in_backslash || logical.starts_with(['#', '!']) {
            continue;
        }
        let (key, value) = pair(&logical, line)?;
        entries.push(Entry { line, key, value });
    }
    Ok(entries)
}

/// The text of a file: UTF-8 with or without a byte order mark, else ISO 8859-1.
pub fn decode(bytes: &[u8]) -> Cow<'_, str> {
    match std::str::from_utf8(bytes) {
        Ok(text) => Cow::Borrowed(text.strip_prefix('\u{feff}').unwrap_or(text)),
        Err(_) => Cow::Owned(latin_1(bytes)),
    }
}

/// The first line, from 1, with a byte beyond ASCII: [`load`] reads it as ISO 8859-1, and whoever
/// wrote it may have meant something else.
pub fn first_line_beyond_ascii(bytes: &[u8]) -> Option<usize> {
    let at = bytes.iter().position(|byte| !byte.is_ascii())?;
    let text = latin_1(&bytes[..at]);
    let mut lines = Lines { left: &text, number: 0, is_at_end: false };
    while lines.next().is_some() {}
    let begins_a_line = text.is_empty() || text.ends_with(['\n', '\r']);
    Some(lines.number + usize::from(begins_a_line))
}

fn latin_1(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| char::from(*byte)).collect()
}

fn is_blank(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\u{c}')
}

/// The lines of a text, and of the last one that was taken its number and whether no more than one
/// character is behind it.
struct Lines<'text> {
    left: &'text str,
    number: usize,
    is_at_end: bool,
}

impl<'text> Lines<'text> {
    fn next(&mut self) -> Option<&'text str> {
        if self.left.is_empty() {
            return None;
        }
        self.number += 1;
        let end = self.left.find(['\n', '\r']).unwrap_or(self.left.len());
        let (line, rest) = self.left.split_at(end);
        self.is_at_end = rest.len() <= 1;
        let ending = if rest.starts_with("\r\n") { 2 } else { rest.len().min(1) };
        self.left = &rest[ending..];
        Some(line)
    }
}

/// An odd number of backslashes ends the line, and it is no comment (which it may also turn out to
/// be when nothing but a backslash stands before it).
fn goes_on(line: &str) -> bool {
    !line.starts_with(['#', '!'])
        && line.bytes().rev().take_while(|byte| *byte == b'\\').count() % 2 == 1
}

fn pair(line: &str, number: usize) -> Result<(String, String), PropertiesError> {
    let blank = |c: &char| is_blank(*c);
    let mut chars = line.chars().peekable();
    let mut key = String::new();
    while let Some(c) = chars.next_if(|c| !is_blank(*c) && !matches!(c, '=' | ':')) {
        key.push(if c == '\\' { escaped(&mut chars, number)? } else { c });
    }
    while chars.next_if(blank).is_some() {}
    chars.next_if(|c| matches!(c, '=' | ':'));
    while chars.next_if(blank).is_some() {}
    let mut value = String::new();
    while let Some(c) = chars.next() {
        value.push(if c == '\\' { escaped(&mut chars, number)? } else { c });
    }
    Ok((key, value))
}

/// The character that an escape stands for; a surrogate pair is two escapes.
fn escaped(chars: &mut Peekable<Chars<'_>>, line: usize) -> Result<char, PropertiesError> {
    let escape = PropertiesError::Escape { line };
    match chars.next() {
        // A backslash at the very end is what `goes_on` has taken away.
        None => Ok('\\'),
        Some('t') => Ok('\t'),
        Some('n') => Ok('\n'),
        Some('r') => Ok('\r'),
        Some('f') => Ok('\u{c}'),
        Some('u') => {
            let high = unit(chars).ok_or(escape)?;
            if let Some(c) = char::from_u32(high) {
                return Ok(c);
            }
            let half = PropertiesError::HalfCharacter { line, unit: high };
            let mut ahead = chars.clone();
            let low = (ahead.next() == Some('\\') && ahead.next() == Some('u'))
                .then(|| unit(&mut ahead))
                .flatten()
                .filter(|low| high < 0xdc00 && (0xdc00..0xe000).contains(low));
            let low = low.ok_or_else(|| half.clone())?;
            *chars = ahead;
            char::from_u32(0x10000 + ((high - 0xd800) << 10) + (low - 0xdc00)).ok_or(half)
        }
        Some(other) => Ok(other),
    }
}

fn unit(chars: &mut Peekable<Chars<'_>>) -> Option<u32> {
    let mut number = 0;
    for _ in 0..4 {
        number = number * 16 + chars.next()?.to_digit(16)?;
    }
    Some(number)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn pairs(text: &str) -> Vec<(String, String)> {
        parse(text).expect("a file").into_iter().collect()
    }

    fn owned(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn every_form_of_a_line_is_read() {
        let text = "# a comment\n! another\\\n\n  broker.id = 3 \r\nlog.dirs:/a,\\\r   /b\r\
                    key\\ with\\=signs  value\nempty\nunicode=\\u00e9\\uD83D\\uDE00\ntwice=1\n\
                    twice=2\npath=C\\:\\\\temp\ntail=odd\\\\\\\n";
        let expected = owned(&[
            ("broker.id", "3 "),
            ("empty", ""),
            ("key with=signs", "value"),
            ("log.dirs", "/a,/b"),
            ("path", "C:\\temp"),
            ("tail", "odd\\"),
            ("twice", "2"),
            ("unicode", "é😀"),
        ]);
        assert_eq!(pairs(text), expected);
    }

    #[test]
    fn a_backslash_at_the_end_of_the_text_is_a_property_without_a_name() {
        for (text, is_one) in [
            ("\\", true),
            (" \\", true),
            ("\\\n", true),
            ("\\\r", true),
            ("\\\r\n", false),
            ("\\\n\n", false),
            ("#\\", false),
        ] {
            let expected = if is_one { owned(&[("", "")]) } else { Vec::new() };
            assert_eq!(pairs(text), expected, "{text:?}");
        }
    }

    #[test]
    fn what_stands_for_no_character_is_named_with_its_line() {
        assert_eq!(parse("a=1\nb=\\u12x4"), Err(PropertiesError::Escape { line: 2 }));
        assert_eq!(parse("a=1\r\rb\\\n=\\u1"), Err(PropertiesError::Escape { line: 3 }));
        let half = |line, unit| Err(PropertiesError::HalfCharacter { line, unit });
        assert_eq!(parse("a=\\ud83dx"), half(1, 0xd83d));
        assert_eq!(parse("\na=\\ude00\\ud83d"), half(2, 0xde00));
        assert_eq!(
            PropertiesError::HalfCharacter { line: 3, unit: 0xd83d }.to_string(),
            "line 3: \\ud83d is half of a character; write the other half behind it, as in \
             \\ud83d\\ude00"
        );
    }

    #[test]
    fn a_file_of_kafkas_is_latin_1_and_any_other_what_it_looks_like() {
        let utf_8 = "name=né".as_bytes();
        let latin_1 = b"name=n\xe9";
        assert_eq!(load(latin_1).expect("a file")["name"], "né");
        assert_eq!(load(utf_8).expect("a file")["name"], "n\u{c3}\u{a9}");
        assert_eq!(decode(utf_8), "name=né");
        assert_eq!(decode("\u{feff}a=1".as_bytes()), "a=1");
        assert_eq!(decode(latin_1), "name=né");
    }

    #[test]
    fn the_line_that_may_be_misread_is_found() {
        assert_eq!(first_line_beyond_ascii(b"a=1\nb=2\n"), None);
        assert_eq!(first_line_beyond_ascii("a=1\r\n\nb=é\n".as_bytes()), Some(3));
        assert_eq!(first_line_beyond_ascii("é=1".as_bytes()), Some(1));
        assert_eq!(first_line_beyond_ascii("a\né".as_bytes()), Some(2));
    }

    /// As `Properties.store` writes it, in the forms that are hardest to read.
    fn written(text: &str) -> String {
        let mut out = String::new();
        for c in text.chars() {
            match c {
                '\n' => out.push_str("\\n"),
                '\r' => out.push_str("\\r"),
                '\t' => out.push_str("\\t"),
                '\u{c}' => out.push_str("\\f"),
                ' ' | '=' | ':' | '#' | '!' | '\\' => {
                    out.push('\\');
                    out.push(c);
                }
                c if (' '..='~').contains(&c) => out.push(c),
                c => {
                    let mut units = [0; 2];
                    for unit in c.encode_utf16(&mut units) {
                        out.push_str(&format!("\\u{unit:04X}"));
                    }
                }
            }
        }
        out
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(key in "\\PC{1,12}", value in "(?s).{0,24}") {
            let line = format!("{}={}", written(&key), written(&value));
            prop_assert_eq!(pairs(&line), vec![(key, value)]);
        }

        #[test]
        fn no_text_panics_and_lines_are_those_of_the_text(
            text in "[ab=: \\t\\f\\\\\\n\\r#!u0d8é]{0,40}"
        ) {
            if let Ok(found) = entries(&text) {
                let count = text.split(['\n', '\r']).count();
                prop_assert!(found.iter().all(|entry| (1..=count).contains(&entry.line)));
            }
            let _ = load(text.as_bytes());
        }
    }
}
