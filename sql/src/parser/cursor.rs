//! Reading tokens one after the other, with errors that say what would have been right.

use super::ast::Ident;
use super::lexer::{self, Token, TokenKind};
use crate::error::{ErrorKind, Span, SqlError};

/// Words that cannot be a name without quotes.
const RESERVED: [&str; 46] = [
    "ALL",
    "AND",
    "ANY",
    "AS",
    "BETWEEN",
    "BY",
    "CASE",
    "CAST",
    "CREATE",
    "CROSS",
    "DELETE",
    "DESCRIBE",
    "DISTINCT",
    "DROP",
    "ELSE",
    "END",
    "EXISTS",
    "FALSE",
    "FROM",
    "FULL",
    "GROUP",
    "HAVING",
    "IN",
    "INNER",
    "INSERT",
    "INTO",
    "IS",
    "JOIN",
    "LEFT",
    "LIKE",
    "LIMIT",
    "NOT",
    "NULL",
    "ON",
    "OR",
    "OUTER",
    "PARTITION",
    "RIGHT",
    "SELECT",
    "THEN",
    "TRUE",
    "VALUES",
    "WHEN",
    "WHERE",
    "WINDOW",
    "WITHIN",
];

/// Words that end a source's name, where an alias without AS could stand.
const NO_ALIAS: [&str; 4] = ["EMIT", "WITH", "ORDER", "GRACE"];

/// How deep expressions, types and statements may nest: a bound on the parser's own stack.
const MAX_DEPTH: usize = 96;

pub(crate) struct Cursor {
    tokens: Vec<Token>,
    at: usize,
    depth: usize,
}

impl Cursor {
    pub(crate) fn new(text: &str) -> Result<Self, SqlError> {
        Ok(Self { tokens: lexer::tokens(text)?, at: 0, depth: 0 })
    }

    pub(crate) fn peek(&self) -> &Token {
        self.peek_ahead(0)
    }

    pub(crate) fn peek_ahead(&self, ahead: usize) -> &Token {
        &self.tokens[(self.at + ahead).min(self.tokens.len() - 1)]
    }

    pub(crate) fn take(&mut self) -> Token {
        let token = self.peek().clone();
        if self.at + 1 < self.tokens.len() {
            self.at += 1;
        }
        token
    }

    /// Where the next token starts; to be given to [`Cursor::since`] later.
    pub(crate) fn start(&self) -> usize {
        self.peek().span.start
    }

    /// From `start` to the end of the token read last.
    pub(crate) fn since(&self, start: usize) -> Span {
        let end = if self.at == 0 { start } else { self.tokens[self.at - 1].span.end };
        Span::new(start, end.max(start))
    }

    pub(crate) fn position(&self) -> usize {
        self.at
    }

    pub(crate) fn rewind(&mut self, position: usize) {
        self.at = position;
    }

    pub(crate) fn at_end(&self) -> bool {
        self.peek().kind == TokenKind::End
    }

    /// Runs `read` one level deeper, and refuses a text that nests without end.
    pub(crate) fn nested<T>(
        &mut self,
        read: impl FnOnce(&mut Self) -> Result<T, SqlError>,
    ) -> Result<T, SqlError> {
        if self.depth == MAX_DEPTH {
            let message = format!("this is nested more than {MAX_DEPTH} levels deep");
            return Err(SqlError::syntax(message, self.peek().span));
        }
        self.depth += 1;
        let result = read(self);
        self.depth -= 1;
        result
    }

    pub(crate) fn is_word(&self, word: &str) -> bool {
        self.is_word_ahead(0, word)
    }

    pub(crate) fn is_word_ahead(&self, ahead: usize, word: &str) -> bool {
        matches!(&self.peek_ahead(ahead).kind, TokenKind::Word(w) if w.eq_ignore_ascii_case(word))
    }

    pub(crate) fn accept(&mut self, word: &str) -> bool {
        let found = self.is_word(word);
        if found {
            self.take();
        }
        found
    }

    /// Reads all of `words` or none of them.
    pub(crate) fn accept_all(&mut self, words: &[&str]) -> bool {
        let found = words.iter().enumerate().all(|(i, w)| self.is_word_ahead(i, w));
        if found {
            for _ in words {
                self.take();
            }
        }
        found
    }

    pub(crate) fn is_symbol(&self, symbol: &str) -> bool {
        self.is_symbol_ahead(0, symbol)
    }

    pub(crate) fn is_symbol_ahead(&self, ahead: usize, symbol: &str) -> bool {
        matches!(self.peek_ahead(ahead).kind, TokenKind::Symbol(s) if s == symbol)
    }

    pub(crate) fn accept_symbol(&mut self, symbol: &str) -> bool {
        let found = self.is_symbol(symbol);
        if found {
            self.take();
        }
        found
    }

    pub(crate) fn expect(&mut self, word: &str) -> Result<(), SqlError> {
        if self.accept(word) { Ok(()) } else { Err(self.expected(&[word])) }
    }

    pub(crate) fn expect_symbol(&mut self, symbol: &str) -> Result<(), SqlError> {
        if self.accept_symbol(symbol) {
            return Ok(());
        }
        Err(self.expected(&[&format!("'{symbol}'")]))
    }

    /// The error for the next token, naming what would have been right.
    pub(crate) fn expected(&self, wanted: &[&str]) -> SqlError {
        let token = self.peek();
        let wanted = match wanted {
            [one] => (*one).to_owned(),
            [head @ .., last] => format!("{} or {last}", head.join(", ")),
            [] => "something else".to_owned(),
        };
        let mut message = format!("Syntax error: expected {wanted}, found {}", token.describe());
        if let TokenKind::Word(word) = &token.kind
            && is_reserved(word)
        {
            message.push_str(" (a reserved word: put it in `back ticks` to use it as a name)");
        }
        SqlError::syntax(message, token.span)
    }

    pub(crate) fn unsupported(&self, what: &str, span: Span) -> SqlError {
        SqlError::new(ErrorKind::Unsupported, format!("{what} is not supported")).at(span)
    }

    /// A name: any word that is not reserved, in upper case, or a quoted one as it is.
    pub(crate) fn ident(&mut self, what: &str) -> Result<Ident, SqlError> {
        match self.any_name() {
            Some(ident) => Ok(ident),
            None => Err(self.expected(&[what])),
        }
    }

    fn any_name(&mut self) -> Option<Ident> {
        let name = match &self.peek().kind {
            TokenKind::Word(word) if !is_reserved(word) => word.to_uppercase(),
            TokenKind::Quoted(name) => name.clone(),
            _ => return None,
        };
        let span = self.take().span;
        Some(Ident { name, span })
    }

    /// A name after `->` or as a struct field: reserved words are allowed.
    pub(crate) fn field_name(&mut self) -> Result<Ident, SqlError> {
        if let TokenKind::Word(word) = &self.peek().kind {
            let name = word.to_uppercase();
            let span = self.take().span;
            return Ok(Ident { name, span });
        }
        self.ident("a field name")
    }

    pub(crate) fn alias(&mut self) -> Result<Option<Ident>, SqlError> {
        if self.accept("AS") {
            return self.ident("an alias").map(Some);
        }
        if NO_ALIAS.iter().any(|w| self.is_word(w)) {
            return Ok(None);
        }
        Ok(self.any_name())
    }

    pub(crate) fn text(&mut self, what: &str) -> Result<String, SqlError> {
        match &self.peek().kind {
            TokenKind::Text(text) => {
                let text = text.clone();
                self.take();
                Ok(text)
            }
            _ => Err(self.expected(&[what])),
        }
    }

    pub(crate) fn unsigned(&mut self, what: &str) -> Result<u64, SqlError> {
        if let TokenKind::Integer(digits) = &self.peek().kind
            && let Ok(value) = digits.parse()
        {
            self.take();
            return Ok(value);
        }
        Err(self.expected(&[what]))
    }

    /// Reads `item (, item)*`.
    pub(crate) fn list<T>(
        &mut self,
        mut item: impl FnMut(&mut Self) -> Result<T, SqlError>,
    ) -> Result<Vec<T>, SqlError> {
        let mut items = vec![item(self)?];
        while self.accept_symbol(",") {
            items.push(item(self)?);
        }
        Ok(items)
    }
}

fn is_reserved(word: &str) -> bool {
    RESERVED.iter().any(|r| r.eq_ignore_ascii_case(word))
}
