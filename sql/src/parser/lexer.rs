//! Text to tokens. Keywords are not told apart from names here: the parser decides by place.

use crate::error::{Span, SqlError};

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum TokenKind {
    /// An unquoted word, as written.
    Word(String),
    /// A name in back ticks or double quotes, unescaped.
    Quoted(String),
    Text(String),
    Integer(String),
    Decimal(String),
    Float(String),
    /// `${name}`, before substitution.
    Variable(String),
    Symbol(&'static str),
    End,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Token {
    pub(crate) kind: TokenKind,
    pub(crate) span: Span,
}

impl Token {
    /// How an error names the token.
    pub(crate) fn describe(&self) -> String {
        match &self.kind {
            TokenKind::Word(w) => w.clone(),
            TokenKind::Quoted(q) => format!("`{q}`"),
            TokenKind::Text(t) => format!("'{t}'"),
            TokenKind::Integer(n) | TokenKind::Decimal(n) | TokenKind::Float(n) => n.clone(),
            TokenKind::Variable(v) => format!("${{{v}}}"),
            TokenKind::Symbol(s) => format!("'{s}'"),
            TokenKind::End => "the end of the input".to_owned(),
        }
    }
}

/// Longest first, so that `<=` is not read as `<`.
const SYMBOLS: [&str; 30] = [
    "->", "=>", ":=", "<>", "!=", "<=", ">=", "||", "==", "(", ")", "[", "]", "{", "}", ",", ";",
    ".", "+", "-", "*", "/", "%", "=", "<", ">", ":", "@", "?", "$",
];

/// All tokens of `text`, the last one being [`TokenKind::End`].
pub(crate) fn tokens(text: &str) -> Result<Vec<Token>, SqlError> {
    let mut found = Vec::new();
    Lexer::new(text).read(&mut found).map(|()| found)
}

/// Whether `text` holds at least one statement and ends with a `;` outside quotes and comments.
/// Used by the shell to know when a script is whole.
pub(crate) fn is_complete(text: &str) -> bool {
    let Ok(found) = tokens(text) else { return false };
    ends_statement(&found)
}

/// Where the next statement of a script begins, from `at` on: behind blanks, comments and `;`.
pub(crate) fn next_begin(text: &str, at: usize) -> Result<usize, SqlError> {
    let mut lexer = Lexer { at, ..Lexer::new(text) };
    lexer.skip_blank()?;
    while lexer.rest().starts_with(';') {
        lexer.at += 1;
        lexer.skip_blank()?;
    }
    Ok(lexer.at)
}

/// Where the statement that begins at `at` ends, without parsing it: behind its `;`, or with the
/// text.
pub(crate) fn statement_end(text: &str, at: usize) -> Result<usize, SqlError> {
    let mut lexer = Lexer { at, ..Lexer::new(text) };
    loop {
        lexer.skip_blank()?;
        match lexer.next_kind()? {
            TokenKind::Symbol(";") => return Ok(lexer.at),
            TokenKind::End => return Ok(text.trim_end().len().max(at)),
            _ => {}
        }
    }
}

fn ends_statement(found: &[Token]) -> bool {
    matches!(found, [.., Token { kind: TokenKind::Symbol(";"), .. }, _])
}

/// What can become of a text that is typed line by line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Typed {
    /// Nothing but blanks and comments.
    Nothing,
    /// It ends with a `;`, right or wrong.
    Whole,
    /// A statement, quotation or comment that is not at its end yet.
    Open,
    /// No further line makes a statement of it.
    Hopeless,
}

/// Judges a text that is typed line by line.
pub(crate) fn typed(text: &str) -> Typed {
    let mut found = Vec::new();
    let mut lexer = Lexer::new(text);
    let read = lexer.read(&mut found);
    let begins = match found.first() {
        Some(Token { kind: TokenKind::Word(word), .. }) => super::begins_statement(word),
        Some(Token { kind: TokenKind::End, .. }) => return Typed::Nothing,
        Some(Token { kind: TokenKind::Symbol(";"), .. }) => true,
        Some(_) => false,
        None => lexer.open_ended,
    };
    match read {
        Ok(()) if ends_statement(&found) => Typed::Whole,
        _ if !begins => Typed::Hopeless,
        Err(_) if !lexer.open_ended && text.trim_end().ends_with(';') => Typed::Whole,
        _ => Typed::Open,
    }
}

struct Lexer<'a> {
    text: &'a str,
    at: usize,
    /// Whether a quotation, comment or variable has no end.
    open_ended: bool,
}

impl<'a> Lexer<'a> {
    fn new(text: &'a str) -> Self {
        Self { text, at: 0, open_ended: false }
    }

    /// Reads to the end, or to the first thing that is no token.
    fn read(&mut self, found: &mut Vec<Token>) -> Result<(), SqlError> {
        loop {
            self.skip_blank()?;
            let start = self.at;
            let kind = self.next_kind()?;
            let end = kind == TokenKind::End;
            found.push(Token { kind, span: Span::new(start, self.at) });
            if end {
                return Ok(());
            }
        }
    }

    fn rest(&self) -> &str {
        &self.text[self.at..]
    }

    fn skip_blank(&mut self) -> Result<(), SqlError> {
        loop {
            let rest = &self.text[self.at..];
            let trimmed = rest.trim_start();
            self.at += rest.len() - trimmed.len();
            if trimmed.starts_with("--") {
                self.at += trimmed.find('\n').unwrap_or(trimmed.len());
            } else if trimmed.starts_with("/*") {
                let Some(end) = trimmed.find("*/") else {
                    let span = Span::new(self.at, self.at + 2);
                    self.open_ended = true;
                    return Err(SqlError::syntax("this comment has no end: add */", span));
                };
                self.at += end + 2;
            } else {
                return Ok(());
            }
        }
    }

    fn next_kind(&mut self) -> Result<TokenKind, SqlError> {
        let Some(first) = self.rest().chars().next() else { return Ok(TokenKind::End) };
        match first {
            '\'' => self.quoted('\'').map(TokenKind::Text),
            '`' | '"' => self.quoted(first).map(TokenKind::Quoted),
            c if c.is_ascii_digit() => Ok(self.number_or_word()),
            '.' if self.digit_at(1) => Ok(self.number_or_word()),
            c if c.is_alphabetic() || c == '_' => Ok(TokenKind::Word(self.word())),
            '$' if self.rest().starts_with("${") => self.variable(),
            _ => self.symbol(),
        }
    }

    fn digit_at(&self, ahead: usize) -> bool {
        self.text.as_bytes().get(self.at + ahead).is_some_and(u8::is_ascii_digit)
    }

    fn quoted(&mut self, quote: char) -> Result<String, SqlError> {
        let start = self.at;
        let mut value = String::new();
        self.at += 1;
        loop {
            let Some(c) = self.rest().chars().next() else {
                let message = format!("this quote has no end: add a closing {quote}");
                self.open_ended = true;
                return Err(SqlError::syntax(message, Span::new(start, start + 1)));
            };
            self.at += c.len_utf8();
            if c != quote {
                value.push(c);
            } else if self.rest().starts_with(quote) {
                value.push(quote);
                self.at += 1;
            } else {
                return Ok(value);
            }
        }
    }

    fn word(&mut self) -> String {
        let rest = self.rest();
        let end = rest
            .find(|c: char| !(c.is_alphanumeric() || c == '_' || c == '@'))
            .unwrap_or(rest.len());
        let word = rest[..end].to_owned();
        self.at += end;
        word
    }

    fn number_or_word(&mut self) -> TokenKind {
        let bytes = self.text.as_bytes();
        let start = self.at;
        let digits = |mut at: usize| {
            while bytes.get(at).is_some_and(u8::is_ascii_digit) {
                at += 1;
            }
            at
        };
        let mut end = digits(start);
        let mut point = false;
        if bytes.get(end) == Some(&b'.') {
            point = true;
            end = digits(end + 1);
        }
        let mut exponent = false;
        if matches!(bytes.get(end), Some(b'e' | b'E')) {
            let sign = usize::from(matches!(bytes.get(end + 1), Some(b'+' | b'-')));
            let after = digits(end + 1 + sign);
            if after > end + 1 + sign {
                exponent = true;
                end = after;
            }
        }
        let next = self.text[end..].chars().next();
        if !point && !exponent && next.is_some_and(|c| c.is_alphabetic() || c == '_') {
            return TokenKind::Word(self.word());
        }
        self.at = end;
        let number = self.text[start..end].to_owned();
        match (exponent, point) {
            (true, _) => TokenKind::Float(number),
            (false, true) => TokenKind::Decimal(number),
            (false, false) => TokenKind::Integer(number),
        }
    }

    fn variable(&mut self) -> Result<TokenKind, SqlError> {
        let start = self.at;
        let Some(end) = self.rest().find('}') else {
            self.open_ended = true;
            return Err(SqlError::syntax("this ${ has no }", Span::new(start, start + 2)));
        };
        let name = self.rest()[2..end].to_owned();
        self.at += end + 1;
        Ok(TokenKind::Variable(name))
    }

    fn symbol(&mut self) -> Result<TokenKind, SqlError> {
        let rest = self.rest();
        if let Some(symbol) = SYMBOLS.iter().find(|s| rest.starts_with(**s)) {
            self.at += symbol.len();
            return Ok(TokenKind::Symbol(symbol));
        }
        let c = rest.chars().next().unwrap_or(' ');
        let span = Span::new(self.at, self.at + c.len_utf8());
        Err(SqlError::syntax(format!("the character '{}' has no meaning here", shown(c)), span))
    }
}

/// The character itself, or its number where it cannot be seen.
fn shown(c: char) -> String {
    let invisible = c.is_control() || (c.is_whitespace() && c != ' ');
    if invisible { format!("U+{:04X}", u32::from(c)) } else { c.to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kinds(text: &str) -> Vec<TokenKind> {
        tokens(text).unwrap().into_iter().map(|t| t.kind).collect()
    }

    #[test]
    fn words_numbers_quotes_and_comments_are_told_apart() {
        use TokenKind::*;
        let text = "a.1b /* x */ `c``d` 'it''s' 1 2.5 1e3 .5 -- end\n<=";
        let expected = vec![
            Word("a".into()),
            Decimal(".1".into()),
            Word("b".into()),
            Quoted("c`d".into()),
            Text("it's".into()),
            Integer("1".into()),
            Decimal("2.5".into()),
            Float("1e3".into()),
            Decimal(".5".into()),
            Symbol("<="),
            End,
        ];
        assert_eq!(kinds(text), expected);
    }

    #[test]
    fn an_open_quote_and_an_open_comment_are_refused_at_their_start() {
        assert_eq!(tokens("ab 'c").unwrap_err().span, Some(Span::new(3, 4)));
        assert_eq!(tokens("ab /* c").unwrap_err().span, Some(Span::new(3, 5)));
    }

    #[test]
    fn a_statement_is_complete_at_a_semicolon_outside_quotes_and_comments() {
        assert!(is_complete("SHOW TOPICS;  -- all"));
        assert!(!is_complete("SHOW TOPICS -- ;"));
        assert!(!is_complete("SELECT ';"));
        assert!(!is_complete("SELECT /* ; "));
    }

    #[test]
    fn a_line_that_no_further_line_completes_is_told_at_once() {
        for text in ["\\h", "?", "hello", "'x'", "SELCT * FROM t", "(", "SELECT # FROM t;"] {
            assert!(matches!(typed(text), Typed::Hopeless | Typed::Whole), "{text}");
        }
        for text in ["SELECT *", "create stream s", "SELECT 'a;", "/* x", "SELECT # FROM t"] {
            assert_eq!(typed(text), Typed::Open, "{text}");
        }
        assert_eq!(typed("-- note\n SELECT 1;"), Typed::Whole);
        assert_eq!(typed("  -- note"), Typed::Nothing);
        assert_eq!(typed(";"), Typed::Whole);
    }

    #[test]
    fn a_character_without_meaning_is_shown_as_it_is_or_by_its_number() {
        let message = |text| tokens(text).unwrap_err().message;
        assert_eq!(message("\\h"), "the character '\\' has no meaning here");
        assert_eq!(message("a \u{1b}"), "the character 'U+001B' has no meaning here");
        assert_eq!(message("a ❤"), "the character '❤' has no meaning here");
    }
}
