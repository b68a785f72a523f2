//! Java's `.properties` text.

use std::collections::BTreeMap;

/// Text that is no list of properties.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: \\u must be followed by four hex digits")]
pub struct PropertiesError {
    pub line: usize,
}

/// Keys and values: `key=value`, `key:value` or `key value`, comments from `#` or `!`, lines that
/// go on after a backslash, Java's escapes.
pub fn parse_properties(text: &str) -> Result<BTreeMap<String, String>, PropertiesError> {
    let mut values = BTreeMap::new();
    let mut lines = text.lines().enumerate();
    while let Some((number, line)) = lines.next() {
        let mut logical = line.trim_start().to_owned();
        if logical.is_empty() || logical.starts_with(['#', '!']) {
            continue;
        }
        while goes_on(&logical) {
            logical.pop();
            match lines.next() {
                Some((_, more)) => logical.push_str(more.trim_start()),
                None => break,
            }
        }
        let (key, value) = split(&logical);
        let unescaped = |text: &str| unescape(text).ok_or(PropertiesError { line: number + 1 });
        values.insert(unescaped(key)?, unescaped(value)?);
    }
    Ok(values)
}

/// An odd number of backslashes ends the line.
fn goes_on(line: &str) -> bool {
    line.bytes().rev().take_while(|byte| *byte == b'\\').count() % 2 == 1
}

fn split(line: &str) -> (&str, &str) {
    let mut escaped = false;
    for (at, c) in line.char_indices() {
        if !escaped && (matches!(c, '=' | ':') || c.is_ascii_whitespace()) {
            let rest = line[at..].trim_start();
            let rest = rest.strip_prefix(['=', ':']).unwrap_or(rest);
            return (&line[..at], rest.trim_start());
        }
        escaped = c == '\\' && !escaped;
    }
    (line, "")
}

fn unescape(text: &str) -> Option<String> {
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        if c != '\\' {
            out.push(c);
            continue;
        }
        match chars.next() {
            Some('t') => out.push('\t'),
            Some('n') => out.push('\n'),
            Some('r') => out.push('\r'),
            Some('f') => out.push('\u{c}'),
            Some('u') => {
                let hex: String = chars.by_ref().take(4).collect();
                let code = (hex.len() == 4).then(|| u32::from_str_radix(&hex, 16).ok())??;
                out.push(char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER));
            }
            Some(other) => out.push(other),
            None => {}
        }
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn properties_are_read_as_java_reads_them() {
        let text = "# comment\n! too\n\n a = 1 \nb:2\nc 3\nd\\ e=x\\u00e9\\ty\nf=one,\\\n   two\ng\n\
                    url=http://h:1/?a=b\n";
        let values = parse_properties(text).expect("valid");
        let pairs: Vec<(&str, &str)> =
            values.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
        assert_eq!(
            pairs,
            [
                ("a", "1 "),
                ("b", "2"),
                ("c", "3"),
                ("d e", "xé\ty"),
                ("f", "one,two"),
                ("g", ""),
                ("url", "http://h:1/?a=b"),
            ]
        );
        assert_eq!(parse_properties("a=1\nb=\\u12"), Err(PropertiesError { line: 2 }));
    }
}
