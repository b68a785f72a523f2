//! What is wrong with a statement, where, and how it is shown to a person.

use std::fmt;

/// A range of bytes in the text of a script.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Span {
    pub start: usize,
    pub end: usize,
}

impl Span {
    pub fn new(start: usize, end: usize) -> Self {
        Self { start, end }
    }

    /// The smallest range that covers both.
    pub fn to(self, other: Self) -> Self {
        Self { start: self.start.min(other.start), end: self.end.max(other.end) }
    }
}

/// Which of ksqlDB's families of errors this is; decides the REST error code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorKind {
    /// The text does not follow the grammar.
    Syntax,
    /// The text is a statement, but cannot be carried out.
    Statement,
    /// The statement belongs to another endpoint.
    WrongEndpoint,
    /// ksqlDB has it and this engine does not.
    Unsupported,
    /// The broker, the registry or the disk failed.
    Server,
    /// As many push queries run as may run.
    TooManyQueries,
    /// The engine is stopping.
    Stopping,
}

/// A refused statement: the reason in a sentence and, where known, its place in the text.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("{message}")]
pub struct SqlError {
    pub kind: ErrorKind,
    pub message: String,
    pub span: Option<Span>,
}

impl SqlError {
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), span: None }
    }

    pub fn statement(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Statement, message)
    }

    pub fn server(message: impl fmt::Display) -> Self {
        Self::new(ErrorKind::Server, message.to_string())
    }

    /// A refusal that comes from another part.
    pub(crate) fn statement_from(error: impl fmt::Display) -> Self {
        Self::statement(error.to_string())
    }

    pub(crate) fn unsupported(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Unsupported, message)
    }

    pub(crate) fn syntax(message: impl Into<String>, span: Span) -> Self {
        Self { kind: ErrorKind::Syntax, message: message.into(), span: Some(span) }
    }

    /// Names the place, unless a closer one is already named.
    #[must_use]
    pub fn at(mut self, span: Span) -> Self {
        self.span.get_or_insert(span);
        self
    }

    /// The message, the line of `text` that it is about, and a caret under the place:
    ///
    /// ```text
    /// line 1:8: expected FROM, found FORM
    ///   SELECT a FORM t;
    ///            ^^^^
    /// ```
    pub fn render(&self, text: &str) -> String {
        let Some(span) = self.span else { return self.message.clone() };
        let start = floor_boundary(text, span.start);
        let place = Place::of(text, start);
        let end = floor_boundary(text, span.end.max(start)).min(place.line_end);
        let width = text.get(start..end).map_or(0, |s| s.chars().count()).max(1);
        let (shown, column) = place.shortened(text);
        let pad: String =
            shown.chars().take(column).map(|c| if c == '\t' { '\t' } else { ' ' }).collect();
        format!(
            "line {}:{}: {}\n  {shown}\n  {pad}{}",
            place.line,
            place.column + 1,
            self.message,
            "^".repeat(width.min(60)),
        )
    }
}

fn floor_boundary(text: &str, mut at: usize) -> usize {
    at = at.min(text.len());
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    at
}

struct Place {
    line: usize,
    /// Characters before the place in its line.
    column: usize,
    line_start: usize,
    line_end: usize,
}

impl Place {
    fn of(text: &str, at: usize) -> Self {
        let line_start = text[..at].rfind('\n').map_or(0, |i| i + 1);
        let line_end = text[at..].find('\n').map_or(text.len(), |i| at + i);
        Self {
            line: text[..at].matches('\n').count() + 1,
            column: text[line_start..at].chars().count(),
            line_start,
            line_end,
        }
    }

    /// The line, cut to a window around the place if it is very long.
    fn shortened(&self, text: &str) -> (String, usize) {
        const WIDTH: usize = 160;
        let line = text[self.line_start..self.line_end].trim_end_matches('\r');
        let length = line.chars().count();
        if length <= WIDTH {
            return (line.to_owned(), self.column);
        }
        let skip = self.column.saturating_sub(WIDTH / 2);
        let shown: String = line.chars().skip(skip).take(WIDTH).collect();
        (shown, self.column - skip)
    }
}

/// The names of `known` that are most like `name`, best first, at most three.
pub(crate) fn near_names<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> Vec<String> {
    let upper = name.to_uppercase();
    let limit = (upper.chars().count() / 3).max(1) + 1;
    let mut scored: Vec<(usize, &str)> = known
        .map(|k| (distance(&upper, &k.to_uppercase()), k))
        .filter(|(d, k)| *d <= limit || (upper.len() > 2 && k.to_uppercase().contains(&upper)))
        .collect();
    scored.sort();
    scored.into_iter().take(3).map(|(_, k)| k.to_owned()).collect()
}

/// `" Did you mean A or B?"`, or nothing.
pub(crate) fn did_you_mean(names: &[String]) -> String {
    match names {
        [] => String::new(),
        [one] => format!(" Did you mean {one}?"),
        [head @ .., last] => format!(" Did you mean {} or {last}?", head.join(", ")),
    }
}

fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, ca) in a.chars().enumerate() {
        let mut corner = row[0];
        row[0] = i + 1;
        for (j, cb) in b.iter().enumerate() {
            let substituted = corner + usize::from(ca != *cb);
            corner = row[j + 1];
            row[j + 1] = substituted.min(corner + 1).min(row[j] + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_caret_stands_under_the_place() {
        let text = "SELECT a\n  FORM t;";
        let error = SqlError::syntax("expected FROM", Span::new(11, 15));
        assert_eq!(error.render(text), "line 2:3: expected FROM\n    FORM t;\n    ^^^^");
    }

    #[test]
    fn a_place_past_the_end_and_inside_a_character_is_shown_without_panic() {
        let error = SqlError::syntax("x", Span::new(1, 99));
        assert_eq!(error.render("é"), "line 1:1: x\n  é\n  ^");
        let end = SqlError::syntax("x", Span::new(7, 9));
        assert_eq!(end.render("ab"), "line 1:3: x\n  ab\n    ^");
    }

    #[test]
    fn near_names_come_best_first() {
        let names = ["UCASE", "LCASE", "SUBSTRING", "LEN"];
        assert_eq!(near_names("ucas", names.into_iter()), ["UCASE", "LCASE"]);
        assert!(near_names("zzzzzz", names.into_iter()).is_empty());
    }
}
