//! What is wrong with a statement, where, and how it is shown to a person.

use std::fmt;

use crate::display::{char_width, width};

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
    /// The broker or the registry does not answer now; the same may be done later.
    Unavailable,
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
        let length = text.get(start..end).map_or(0, width).max(1);
        let (shown, column) = place.shortened(text);
        let shown: String = shown.chars().map(|c| if c == '\t' { c } else { visible(c) }).collect();
        let pad: String = shown.chars().take(column).map(blank).collect();
        format!(
            "line {}:{}: {}\n  {shown}\n  {pad}{}",
            place.line,
            place.column + 1,
            self.message,
            "^".repeat(length.min(60)),
        )
    }
}

/// As many blanks as a terminal gives the character columns; a tab stays one.
fn blank(c: char) -> String {
    if c == '\t' { c.to_string() } else { " ".repeat(char_width(c)) }
}

/// A control character would move the cursor, and the caret from its place.
fn visible(c: char) -> char {
    if c.is_control() { '\u{fffd}' } else { c }
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

/// The names of `known` that `name` may be a slip of, best first, at most three: a third of its
/// characters may be wrong, no more than three. A name that it begins counts too.
pub(crate) fn near_names<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> Vec<String> {
    let wanted: Vec<char> = name.to_uppercase().chars().collect();
    let limit = (wanted.len() / 3).min(3);
    let mut scored: Vec<(usize, &str)> = known
        .filter_map(|known| {
            let found: Vec<char> = known.to_uppercase().chars().collect();
            if found.len().abs_diff(wanted.len()) <= limit {
                let wrong = distance(&wanted, &found);
                return (wrong <= limit).then_some((wrong, known));
            }
            let begins = wanted.len() >= MIN_BEGINNING && found.starts_with(&wanted);
            begins.then_some((limit + 1, known))
        })
        .collect();
    scored.sort();
    scored.into_iter().take(3).map(|(_, k)| k.to_owned()).collect()
}

/// How many characters a beginning needs to suggest the whole.
const MIN_BEGINNING: usize = 4;

/// `" Did you mean A or B?"`, or nothing.
pub(crate) fn did_you_mean(names: &[String]) -> String {
    match names {
        [] => String::new(),
        [one] => format!(" Did you mean {one}?"),
        [head @ .., last] => format!(" Did you mean {} or {last}?", head.join(", ")),
    }
}

/// How many characters are to be put in, left out, replaced, or exchanged with their neighbour.
fn distance(a: &[char], b: &[char]) -> usize {
    let mut before_last: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=b.len()).collect();
    for i in 1..=a.len() {
        let mut row = vec![i];
        for j in 1..=b.len() {
            let replaced = last[j - 1] + usize::from(a[i - 1] != b[j - 1]);
            let mut best = replaced.min(last[j] + 1).min(row[j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                best = best.min(before_last[j - 2] + 1);
            }
            row.push(best);
        }
        before_last = std::mem::replace(&mut last, row);
    }
    last[b.len()]
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
    fn the_caret_stands_under_the_place_behind_wide_characters_too() {
        let text = "SELECT 이름, 나이 FORM t;";
        let at = text.find("FORM").unwrap();
        let error = SqlError::syntax("x", Span::new(at, at + 4));
        let pad = " ".repeat("SELECT ".len() + 4 + 2 + 4 + 1);
        assert_eq!(error.render(text), format!("line 1:15: x\n  {text}\n  {pad}^^^^"));
        let name = SqlError::syntax("x", Span::new(7, 13));
        assert_eq!(name.render(text), format!("line 1:8: x\n  {text}\n  {}^^^^", " ".repeat(7)));
    }

    #[test]
    fn a_mark_takes_no_column_and_a_control_character_one() {
        let error = |at| SqlError::syntax("x", Span::new(at, at + 1));
        let mark = "e\u{301} !";
        assert_eq!(error(4).render(mark), format!("line 1:4: x\n  {mark}\n    ^"));
        assert_eq!(error(2).render("\u{7}a!"), "line 1:3: x\n  \u{fffd}a!\n    ^");
        assert_eq!(error(2).render("\ta!"), "line 1:3: x\n  \ta!\n  \t ^");
    }

    #[test]
    fn near_names_come_best_first_and_what_is_not_like_it_is_not_suggested() {
        let near = |name: &str, known: &[&str]| near_names(name, known.iter().copied());
        assert_eq!(near("ucas", &["UCASE", "LCASE", "SUBSTRING", "LEN"]), ["UCASE"]);
        assert_eq!(near("clikcs", &["CLICKS", "CLOCKS"]), ["CLICKS", "CLOCKS"]);
        assert_eq!(near("FLIGHT", &["FLIGHTS_BY_HOUR", "FLIGHTS"]), ["FLIGHTS", "FLIGHTS_BY_HOUR"]);
        assert_eq!(near("한글토픽", &["한글토픽2", "글", "이름"]), ["한글토픽2"]);
        assert_eq!(near("이름", &["나이", "금액", "S1"]), [""; 0]);
        assert_eq!(near("foo", &["BAR", "ABS", "LEN", "__consumer_offsets", "FO"]), ["FO"]);
        assert_eq!(near("s1", &["T1", "S2"]), [""; 0]);
        assert_eq!(near("zzzzzz", &["UCASE", "LCASE"]), [""; 0]);
        assert_eq!(near("", &["A"]), [""; 0]);
    }
}
