//! Regular expressions, in Java's notation: look-around and back references too.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

use fancy_regex::{Captures, Regex};
use formats::Value;

use super::super::signature::{Param, Returns, ScalarFunction, function, of};
use super::{cached, int, room, text};
use crate::types::SqlType;
use Param::{Integer, String as Text};

const STRING: Returns = Returns::Is(&SqlType::String);
const STRINGS: Returns = Returns::Custom(|_| SqlType::Array(Box::new(SqlType::String)));

pub(super) const FUNCTIONS: &[ScalarFunction] = &[
    function(
        "REGEXP_REPLACE",
        "Replaces what a regular expression finds; $1 and ${name} stand for its groups",
        &[of(&[Text, Text, Text], STRING, replace)],
    ),
    function(
        "REGEXP_EXTRACT",
        "What a regular expression (or one of its groups) finds first",
        &[of(&[Text, Text], STRING, extract), of(&[Text, Text, Integer], STRING, extract)],
    ),
    function(
        "REGEXP_EXTRACT_ALL",
        "All that a regular expression (or one of its groups) finds",
        &[
            of(&[Text, Text], STRINGS, extract_all),
            of(&[Text, Text, Integer], STRINGS, extract_all),
        ],
    ),
    function(
        "REGEXP_SPLIT_TO_ARRAY",
        "The parts between what a regular expression finds",
        &[of(&[Text, Text], STRINGS, split)],
    ),
];

type Outcome = Result<Value, String>;

thread_local! {
    static REGEXES: RefCell<HashMap<String, Rc<Regex>>> = RefCell::new(HashMap::new());
}

/// The compiled form of a regular expression, made once a thread.
fn regex(source: &str) -> Result<Rc<Regex>, String> {
    cached(&REGEXES, source, |source| {
        Regex::new(&translated(source))
            .map_err(|e| format!("Invalid regular expression pattern: {source}: {e}"))
    })
}

/// Java's notation where it is another: `\Q..\E` quotes, and `\d`, `\s`, `\w` are of ASCII alone.
fn translated(source: &str) -> String {
    let mut out = String::with_capacity(source.len());
    let mut rest = source;
    while let Some(at) = rest.find('\\') {
        out.push_str(&rest[..at]);
        let after = &rest[at + 1..];
        let Some(escaped) = after.chars().next() else {
            rest = &rest[at..];
            break;
        };
        rest = &after[escaped.len_utf8()..];
        match escaped {
            'Q' => {
                let (quoted, behind) = rest.split_once("\\E").unwrap_or((rest, ""));
                out.push_str(&fancy_regex::escape(quoted));
                rest = behind;
            }
            'd' => out.push_str("[0-9]"),
            'D' => out.push_str("[^0-9]"),
            's' => out.push_str("[ \\t\\n\\x0B\\f\\r]"),
            'S' => out.push_str("[^ \\t\\n\\x0B\\f\\r]"),
            'w' => out.push_str("[a-zA-Z0-9_]"),
            'W' => out.push_str("[^a-zA-Z0-9_]"),
            'h' => out.push_str(
                "[ \\t\\u{A0}\\u{1680}\\u{180E}\\u{2000}-\\u{200A}\\u{202F}\\u{205F}\\u{3000}]",
            ),
            other => out.extend(['\\', other]),
        }
    }
    out.push_str(rest);
    out
}

/// Gives each match to `each` in order, as Java's `Matcher.find` finds them: an empty one right
/// behind another match counts.
fn each_match<'t>(
    regex: &Regex,
    input: &'t str,
    mut each: impl FnMut(&Captures<'t>) -> Result<(), String>,
) -> Result<(), String> {
    let mut from = 0;
    while from <= input.len() {
        let found = regex.captures_from_pos(input, from).map_err(|e| e.to_string())?;
        let Some(found) = found else { return Ok(()) };
        let Some(whole) = found.get(0) else { return Ok(()) };
        each(&found)?;
        from = if whole.end() > whole.start() {
            whole.end()
        } else {
            let step = input[whole.end()..].chars().next().map_or(1, char::len_utf8);
            whole.end() + step
        };
    }
    Ok(())
}

/// A part of a replacement.
#[derive(Debug, PartialEq)]
enum Part {
    Text(String),
    Group(usize),
}

/// A replacement in Java's notation: `$1`, `${name}`, and `\` before a character that is meant as
/// it is. Further digits belong to a group's number as long as there is such a group.
fn replacement(source: &str, regex: &Regex) -> Result<Vec<Part>, String> {
    let groups = regex.captures_len();
    let mut parts = Vec::new();
    let mut plain = String::new();
    let mut characters = source.chars().peekable();
    while let Some(c) = characters.next() {
        match c {
            '\\' => plain.push(characters.next().ok_or("character to be escaped is missing")?),
            '$' => {
                if !plain.is_empty() {
                    parts.push(Part::Text(std::mem::take(&mut plain)));
                }
                if characters.next_if_eq(&'{').is_some() {
                    let name: String =
                        std::iter::from_fn(|| characters.next_if(|c| *c != '}')).collect();
                    let closed = characters.next().is_some();
                    let number = regex.capture_names().position(|n| n == Some(name.as_str()));
                    let number = number.filter(|_| closed);
                    parts.push(Part::Group(
                        number.ok_or_else(|| format!("No group with name {{{name}}}"))?,
                    ));
                    continue;
                }
                let digit = characters.next_if(char::is_ascii_digit);
                let digit = digit.and_then(|c| c.to_digit(10)).ok_or("Illegal group reference")?;
                let mut number = digit as usize;
                if number >= groups {
                    return Err(format!("No group {number}"));
                }
                while let Some(digit) = characters.peek().and_then(|c| c.to_digit(10)) {
                    let longer = number * 10 + digit as usize;
                    if longer >= groups {
                        break;
                    }
                    number = longer;
                    characters.next();
                }
                parts.push(Part::Group(number));
            }
            c => plain.push(c),
        }
    }
    if !plain.is_empty() {
        parts.push(Part::Text(plain));
    }
    Ok(parts)
}

fn replace(v: &[Value]) -> Outcome {
    let (input, regex) = (text(&v[0])?, regex(text(&v[1])?)?);
    let mut parts = None;
    let mut out = String::new();
    let mut copied = 0;
    each_match(&regex, input, |found| {
        let parts = match &mut parts {
            Some(parts) => &*parts,
            none => &*none.insert(replacement(text(&v[2])?, &regex)?),
        };
        let whole = found.get(0).map_or(copied..copied, |m| m.start()..m.end());
        out.push_str(&input[copied..whole.start]);
        copied = whole.end;
        for part in parts {
            out.push_str(match part {
                Part::Text(text) => text,
                Part::Group(number) => found.get(*number).map_or("", |group| group.as_str()),
            });
        }
        room(out.len(), v)
    })?;
    out.push_str(&input[copied..]);
    Ok(Value::String(out))
}

/// The group that is asked for; `None` if the expression has fewer.
fn group(v: &[Value], regex: &Regex) -> Result<Option<usize>, String> {
    let number = v.get(2).map_or(Ok(0), int)?;
    let number = usize::try_from(number).map_err(|_| format!("No group {number}"))?;
    Ok((number < regex.captures_len()).then_some(number))
}

fn extract(v: &[Value]) -> Outcome {
    let regex = regex(text(&v[0])?)?;
    let Some(group) = group(v, &regex)? else { return Ok(Value::Null) };
    let found = regex.captures(text(&v[1])?).map_err(|e| e.to_string())?;
    let part = found.as_ref().and_then(|found| found.get(group));
    Ok(part.map_or(Value::Null, |part| Value::String(part.as_str().to_owned())))
}

fn extract_all(v: &[Value]) -> Outcome {
    let regex = regex(text(&v[0])?)?;
    let Some(group) = group(v, &regex)? else { return Ok(Value::Null) };
    let mut parts = Vec::new();
    let mut bytes = 0;
    each_match(&regex, text(&v[1])?, |found| {
        let part = found.get(group).map(|part| part.as_str());
        parts.push(part.map_or(Value::Null, |part| Value::String(part.to_owned())));
        bytes += part.map_or(0, str::len);
        room(bytes, v)
    })?;
    Ok(Value::Array(parts))
}

/// What can be empty splits between all characters, and leaves empty parts at the end out.
fn split(v: &[Value]) -> Outcome {
    let (input, source) = (text(&v[0])?, text(&v[1])?);
    let regex = regex(source)?;
    let between = match regex.find("") {
        Ok(found) => found.is_some(),
        Err(error) => return Err(error.to_string()),
    };
    let mut parts: Vec<&str> = Vec::new();
    let mut from = 0;
    each_match(&regex, input, |found| {
        let Some(whole) = found.get(0) else { return Ok(()) };
        let at_start = between && whole.end() == 0;
        let at_end = whole.start() == whole.end() && whole.start() == input.len();
        if !at_start && !at_end {
            parts.push(&input[from..whole.start()]);
            from = whole.end();
        }
        Ok(())
    })?;
    parts.push(&input[from..]);
    if between {
        while parts.len() > 1 && parts.last().is_some_and(|part| part.is_empty()) {
            parts.pop();
        }
    }
    Ok(Value::Array(parts.into_iter().map(|part| Value::String(part.to_owned())).collect()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(values: &[&str]) -> Vec<Value> {
        values.iter().map(|v| Value::String((*v).to_owned())).collect()
    }

    #[test]
    fn replacements_follow_java() {
        for (input, pattern, by, expected) in [
            ("foo", "(o+)", "$1_", Ok("foo_")),
            ("foo", "(f)(o+)", "$2$1", Ok("oof")),
            ("foo", "(?<os>o+)", "<${os}>", Ok("f<oo>")),
            ("foo", "o", "$0$0", Ok("foooo")),
            ("foo", "(o)", "$11", Ok("fo1o1")),
            ("foo", "o", "\\$1", Ok("f$1$1")),
            ("a.b", "\\.", "\\\\", Ok("a\\b")),
            ("baaac", "a*", "-", Ok("-b--c-")),
            ("abc", "", "-", Ok("-a-b-c-")),
            ("é😀", "", "-", Ok("-é-😀-")),
            ("ab", "(a)|(b)", "[$2]", Ok("[][b]")),
            ("price: 100$", "(?<=: )\\d+(?=\\$)", "5", Ok("price: 5$")),
            ("abab", "(ab)\\1", "x", Ok("x")),
            ("a+b", "\\Qa+\\E", "", Ok("b")),
            ("٣3", "\\d", "n", Ok("٣n")),
            ("xyz", "q", "$9", Ok("xyz")),
            ("foo", "o", "$1", Err("No group 1")),
            ("foo", "o", "$", Err("Illegal group reference")),
            ("foo", "o", "$x", Err("Illegal group reference")),
            ("foo", "o", "${x}", Err("No group with name {x}")),
            ("foo", "o", "\\", Err("character to be escaped is missing")),
        ] {
            let found = replace(&texts(&[input, pattern, by]));
            let expected = expected.map(|e| Value::String(e.to_owned())).map_err(str::to_owned);
            assert_eq!(found, expected, "{input} {pattern} {by}");
        }
        let error = replace(&texts(&["x", "(", "y"])).unwrap_err();
        assert!(error.starts_with("Invalid regular expression pattern: ("), "{error}");
    }

    #[test]
    fn a_replacement_cannot_fill_the_memory() {
        let long = "x".repeat(1 << 16);
        let error = replace(&texts(&[&long, "x", &long])).unwrap_err();
        assert!(error.contains("longer than"), "{error}");
    }

    #[test]
    fn an_expression_that_goes_back_without_end_is_given_up() {
        let error = replace(&texts(&[&"ab".repeat(64), "(a|b|ab)*(?=c)", "x"])).unwrap_err();
        assert!(error.contains("backtrack"), "{error}");
    }

    #[test]
    fn parts_are_extracted_and_split_as_in_java() {
        let all = |group: i32| {
            let mut v = texts(&["(\\w)(\\d)?", "a1 b"]);
            v.push(Value::Int32(group));
            extract_all(&v)
        };
        assert_eq!(all(0), Ok(Value::Array(texts(&["a1", "b"]))));
        let second = Value::Array(vec![Value::String("1".to_owned()), Value::Null]);
        assert_eq!(all(2), Ok(second));
        assert_eq!(all(3), Ok(Value::Null));
        assert_eq!(all(-1), Err("No group -1".to_owned()));
        for (input, pattern, expected) in [
            ("a1b22c", "[0-9]+", &["a", "b", "c"][..]),
            ("1a1", "1", &["", "a", ""]),
            ("abc", "", &["a", "b", "c"]),
            ("aXbX", "X*", &["a", "", "b"]),
            ("", "", &[""]),
            ("", "x", &[""]),
        ] {
            let found = split(&texts(&[input, pattern]));
            assert_eq!(found, Ok(Value::Array(texts(expected))), "{input} by {pattern}");
        }
    }
}
