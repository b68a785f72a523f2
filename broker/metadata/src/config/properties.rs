//! Files in the form of Java's `.properties`.
//!
//! A line is `key=value`, `key:value` or `key value`. A line that begins with `#` or `!` is a
//! comment; one that ends in an odd number of backslashes goes on in the next. `\t \n \r \f`, and
//! `\u` with four hexadecimal digits, stand for characters, any other character after a backslash
//! for itself.

use std::iter::Peekable;
use std::str::Chars;

use thiserror::Error;

use super::layer::Layer;

/// Why a file cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum PropertiesError {
    #[error("line {line}: \\u must be followed by four hexadecimal digits")]
    Escape { line: usize },
}

/// Reads a file; of a key that comes twice the last one holds.
pub fn parse_properties(text: &str) -> Result<Layer, PropertiesError> {
    let mut layer = Layer::new();
    let mut lines = text.lines().enumerate();
    while let Some((number, first)) = lines.next() {
        let mut line = first.trim_start_matches([' ', '\t', '\u{c}']).to_owned();
        if line.is_empty() || line.starts_with(['#', '!']) {
            continue;
        }
        while goes_on(&line) {
            line.pop();
            let Some((_, next)) = lines.next() else { break };
            line.push_str(next.trim_start_matches([' ', '\t', '\u{c}']));
        }
        let (key, value) = pair(&line).ok_or(PropertiesError::Escape { line: number + 1 })?;
        layer.insert(key, value);
    }
    Ok(layer)
}

fn goes_on(line: &str) -> bool {
    line.bytes().rev().take_while(|byte| *byte == b'\\').count() % 2 == 1
}

fn pair(line: &str) -> Option<(String, String)> {
    let blank = |c: &char| matches!(c, ' ' | '\t' | '\u{c}');
    let mut chars = line.chars().peekable();
    let mut key = String::new();
    while let Some(c) = chars.next_if(|c| !blank(c) && !matches!(c, '=' | ':')) {
        key.push(if c == '\\' { escaped(&mut chars)? } else { c });
    }
    while chars.next_if(blank).is_some() {}
    chars.next_if(|c| matches!(c, '=' | ':'));
    while chars.next_if(blank).is_some() {}
    let mut value = String::new();
    while let Some(c) = chars.next() {
        value.push(if c == '\\' { escaped(&mut chars)? } else { c });
    }
    Some((key, value))
}

/// The character that an escape stands for; a surrogate pair is two escapes.
fn escaped(chars: &mut Peekable<Chars<'_>>) -> Option<char> {
    match chars.next() {
        None => Some('\\'),
        Some('t') => Some('\t'),
        Some('n') => Some('\n'),
        Some('r') => Some('\r'),
        Some('f') => Some('\u{c}'),
        Some('u') => {
            let high = unit(chars)?;
            if !(0xd800..0xdc00).contains(&high) {
                return char::from_u32(high);
            }
            let mut ahead = chars.clone();
            let low = (ahead.next() == Some('\\') && ahead.next() == Some('u'))
                .then(|| unit(&mut ahead))
                .flatten()
                .filter(|low| (0xdc00..0xe000).contains(low))?;
            *chars = ahead;
            char::from_u32(0x10000 + ((high - 0xd800) << 10) + (low - 0xdc00))
        }
        Some(other) => Some(other),
    }
}

fn unit(chars: &mut Peekable<Chars<'_>>) -> Option<u32> {
    let mut number = 0;
    for _ in 0..4 {
        number = number * 16 + chars.next()?.to_digit(16)?;
    }
    Some(number)
}
