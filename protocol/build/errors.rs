//! Generates `ErrorCode` from `schema/error_codes.txt`.

use std::fmt::Write;

struct Entry {
    code: i16,
    name: String,
    retriable: bool,
    text: String,
}

pub(crate) fn error_codes(table: &str) -> String {
    let entries: Vec<Entry> = table
        .lines()
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .map(|line| parse(line).unwrap_or_else(|| panic!("error_codes.txt: {line}")))
        .collect();
    let mut out = String::new();
    emit(&mut out, &entries).expect("a String can be written to");
    out
}

fn parse(line: &str) -> Option<Entry> {
    let (head, text) = line.split_once(':')?;
    let mut words = head.split_whitespace();
    Some(Entry {
        code: words.next()?.parse().ok()?,
        name: words.next()?.to_string(),
        retriable: words.next() == Some("retriable"),
        text: text.trim().to_string(),
    })
}

/// `NOT_COORDINATOR` becomes `NotCoordinator`.
fn variant(name: &str) -> String {
    let capital = |word: &str| format!("{}{}", &word[..1], word[1..].to_ascii_lowercase());
    name.split('_').map(capital).collect()
}

fn emit(out: &mut String, entries: &[Entry]) -> std::fmt::Result {
    writeln!(out, "/// What a response says about success or failure: Kafka's error codes.")?;
    writeln!(out, "#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]")?;
    writeln!(out, "pub enum ErrorCode {{")?;
    for e in entries {
        if e.code == 0 {
            writeln!(out, "    /// No error.\n    #[default]")?;
        } else {
            writeln!(out, "    /// {}: {}", e.code, e.text)?;
        }
        writeln!(out, "    {},", variant(&e.name))?;
    }
    writeln!(out, "    /// A code that Kafka 4.3 does not define.\n    Other(i16),\n}}\n")?;

    writeln!(out, "impl ErrorCode {{")?;
    writeln!(out, "    /// All that have a name, by number.")?;
    writeln!(out, "    pub const ALL: [ErrorCode; {}] = [", entries.len())?;
    for e in entries {
        writeln!(out, "        ErrorCode::{},", variant(&e.name))?;
    }
    writeln!(out, "    ];\n")?;
    lookup(
        out,
        entries,
        "/// The number on the wire.\npub const fn code(self) -> i16",
        |e| e.code.to_string(),
        "code",
    )?;
    lookup(
        out,
        entries,
        "/// Kafka's name, such as `NOT_COORDINATOR`.\npub const fn name(self) -> &'static str",
        |e| format!("{:?}", e.name),
        "\"UNKNOWN\"",
    )?;
    lookup(
        out,
        entries,
        "/// The text that Kafka gives with the code; empty for `None`.\n\
         pub const fn message(self) -> &'static str",
        |e| format!("{:?}", e.text),
        "\"The error code is not known.\"",
    )?;
    let retriable: Vec<String> = entries
        .iter()
        .filter(|e| e.retriable)
        .map(|e| format!("ErrorCode::{}", variant(&e.name)))
        .collect();
    writeln!(out, "    /// Whether the same request may succeed when it is sent again.")?;
    writeln!(out, "    pub const fn is_retriable(self) -> bool {{")?;
    writeln!(out, "        matches!(self, {})\n    }}\n}}\n", retriable.join(" | "))?;

    writeln!(out, "impl From<i16> for ErrorCode {{\n    fn from(code: i16) -> Self {{")?;
    writeln!(out, "        match code {{")?;
    for e in entries {
        writeln!(out, "            {} => ErrorCode::{},", e.code, variant(&e.name))?;
    }
    writeln!(out, "            code => ErrorCode::Other(code),\n        }}\n    }}\n}}")
}

fn lookup(
    out: &mut String,
    entries: &[Entry],
    signature: &str,
    value: impl Fn(&Entry) -> String,
    other: &str,
) -> std::fmt::Result {
    for line in signature.lines() {
        write!(out, "    {line}")?;
        writeln!(out, "{}", if line.starts_with("pub") { " {" } else { "" })?;
    }
    writeln!(out, "        match self {{")?;
    for e in entries {
        writeln!(out, "            ErrorCode::{} => {},", variant(&e.name), value(e))?;
    }
    let binding = if other == "code" { "code" } else { "_" };
    writeln!(out, "            ErrorCode::Other({binding}) => {other},\n        }}\n    }}\n")
}
