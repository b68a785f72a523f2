//! A cursor over JSON text: it knows the grammar, not what the values are for. What it returns
//! points into the text.

use std::borrow::Cow;

const MAX_DEPTH: usize = 128;

/// Text that is not JSON, and where that shows.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not valid JSON at byte {at}: {reason}")]
pub struct JsonError {
    pub at: usize,
    pub reason: &'static str,
}

/// What the next value is, by its first character.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Token {
    Null,
    True,
    False,
    Number,
    String,
    Array,
    Object,
}

pub(crate) struct Scanner<'a> {
    text: &'a [u8],
    at: usize,
}

type Scan<T> = Result<T, JsonError>;

impl<'a> Scanner<'a> {
    pub(crate) fn new(text: &'a [u8]) -> Self {
        Self { text, at: 0 }
    }

    fn fail<T>(&self, reason: &'static str) -> Scan<T> {
        Err(JsonError { at: self.at, reason })
    }

    fn space(&mut self) {
        while matches!(self.text.get(self.at), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    pub(crate) fn peek(&mut self) -> Scan<Token> {
        self.space();
        Ok(match self.text.get(self.at) {
            Some(b'n') => Token::Null,
            Some(b't') => Token::True,
            Some(b'f') => Token::False,
            Some(b'"') => Token::String,
            Some(b'[') => Token::Array,
            Some(b'{') => Token::Object,
            Some(b'-' | b'0'..=b'9') => Token::Number,
            Some(_) => return self.fail("a value was expected"),
            None => return self.fail("the text ends where a value was expected"),
        })
    }

    /// Takes `null`, `true` or `false`.
    pub(crate) fn word(&mut self) -> Scan<Token> {
        let token = self.peek()?;
        let word: &[u8] = match token {
            Token::Null => b"null",
            Token::True => b"true",
            Token::False => b"false",
            _ => return self.fail("null, true or false was expected"),
        };
        if !self.text[self.at..].starts_with(word) {
            return self.fail("null, true or false was expected");
        }
        self.at += word.len();
        Ok(token)
    }

    pub(crate) fn number(&mut self) -> Scan<&'a str> {
        self.space();
        let start = self.at;
        self.take_if(|byte| byte == b'-');
        let whole = self.digits();
        if whole == 0 {
            return self.fail("a digit was expected");
        }
        if whole > 1 && self.text[self.at - whole] == b'0' {
            return self.fail("a number does not start with 0");
        }
        if self.take_if(|byte| byte == b'.') && self.digits() == 0 {
            return self.fail("a digit was expected after the point");
        }
        if self.take_if(|byte| matches!(byte, b'e' | b'E')) {
            self.take_if(|byte| matches!(byte, b'+' | b'-'));
            if self.digits() == 0 {
                return self.fail("a digit was expected in the exponent");
            }
        }
        Ok(std::str::from_utf8(&self.text[start..self.at]).expect("digits are ASCII"))
    }

    fn take_if(&mut self, test: impl Fn(u8) -> bool) -> bool {
        let taken = self.text.get(self.at).is_some_and(|byte| test(*byte));
        self.at += usize::from(taken);
        taken
    }

    fn digits(&mut self) -> usize {
        let start = self.at;
        while matches!(self.text.get(self.at), Some(b'0'..=b'9')) {
            self.at += 1;
        }
        self.at - start
    }

    pub(crate) fn string(&mut self) -> Scan<Cow<'a, str>> {
        self.space();
        if self.text.get(self.at) != Some(&b'"') {
            return self.fail("a string was expected");
        }
        self.at += 1;
        let start = self.at;
        let escaped = self.find_end_of_plain()?;
        let plain = &self.text[start..self.at];
        let Ok(plain) = std::str::from_utf8(plain) else {
            self.at = start;
            return self.fail("the string is not valid UTF-8");
        };
        if !escaped {
            self.at += 1;
            return Ok(Cow::Borrowed(plain));
        }
        let mut out = String::from(plain);
        while self.text.get(self.at) == Some(&b'\\') {
            self.at += 1;
            self.escape(&mut out)?;
            let start = self.at;
            self.find_end_of_plain()?;
            match std::str::from_utf8(&self.text[start..self.at]) {
                Ok(plain) => out.push_str(plain),
                Err(_) => return self.fail("the string is not valid UTF-8"),
            }
        }
        self.at += 1;
        Ok(Cow::Owned(out))
    }

    /// Stops at the closing quote (false) or a backslash (true).
    fn find_end_of_plain(&mut self) -> Scan<bool> {
        loop {
            match self.text.get(self.at) {
                Some(b'"') => return Ok(false),
                Some(b'\\') => return Ok(true),
                Some(0..=0x1f) => return self.fail("a control character inside a string"),
                Some(_) => self.at += 1,
                None => return self.fail("the text ends inside a string"),
            }
        }
    }

    fn escape(&mut self, out: &mut String) -> Scan<()> {
        let Some(letter) = self.text.get(self.at) else {
            return self.fail("the text ends inside a string");
        };
        self.at += 1;
        out.push(match letter {
            b'"' => '"',
            b'\\' => '\\',
            b'/' => '/',
            b'b' => '\u{8}',
            b'f' => '\u{c}',
            b'n' => '\n',
            b'r' => '\r',
            b't' => '\t',
            b'u' => self.unicode()?,
            _ => return self.fail("an unknown escape"),
        });
        Ok(())
    }

    fn unicode(&mut self) -> Scan<char> {
        let first = self.hex4()?;
        let code = if (0xd800..0xdc00).contains(&first) {
            if !self.text[self.at..].starts_with(b"\\u") {
                return Ok(char::REPLACEMENT_CHARACTER);
            }
            self.at += 2;
            let second = self.hex4()?;
            if !(0xdc00..0xe000).contains(&second) {
                return Ok(char::REPLACEMENT_CHARACTER);
            }
            0x10000 + ((first - 0xd800) << 10) + (second - 0xdc00)
        } else {
            first
        };
        Ok(char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER))
    }

    fn hex4(&mut self) -> Scan<u32> {
        let mut code = 0;
        for _ in 0..4 {
            let digit = self.text.get(self.at).and_then(|byte| (*byte as char).to_digit(16));
            let Some(digit) = digit else { return self.fail("four hex digits were expected") };
            code = code * 16 + digit;
            self.at += 1;
        }
        Ok(code)
    }

    /// Steps over one value and returns its text.
    pub(crate) fn skip(&mut self) -> Scan<&'a [u8]> {
        self.space();
        let start = self.at;
        self.skip_nested(0)?;
        Ok(&self.text[start..self.at])
    }

    fn skip_nested(&mut self, depth: usize) -> Scan<()> {
        if depth > MAX_DEPTH {
            return self.fail("nested too deeply");
        }
        match self.peek()? {
            Token::String => self.string().map(|_| ()),
            Token::Number => self.number().map(|_| ()),
            Token::Array => {
                let mut more = self.enter(b'[', b']')?;
                while more {
                    self.skip_nested(depth + 1)?;
                    more = self.next_of(b']')?;
                }
                Ok(())
            }
            Token::Object => {
                let mut more = self.enter(b'{', b'}')?;
                while more {
                    self.key()?;
                    self.skip_nested(depth + 1)?;
                    more = self.next_of(b'}')?;
                }
                Ok(())
            }
            _ => self.word().map(|_| ()),
        }
    }

    /// Takes the opening bracket; true if there is a first item.
    pub(crate) fn enter(&mut self, open: u8, close: u8) -> Scan<bool> {
        self.space();
        if self.text.get(self.at) != Some(&open) {
            return self.fail("an array or object was expected");
        }
        self.at += 1;
        self.space();
        Ok(!self.take_if(|byte| byte == close))
    }

    /// Takes the comma or the closing bracket; true if another item follows.
    pub(crate) fn next_of(&mut self, close: u8) -> Scan<bool> {
        self.space();
        if self.take_if(|byte| byte == b',') {
            return Ok(true);
        }
        if self.take_if(|byte| byte == close) {
            return Ok(false);
        }
        self.fail("a comma or the closing bracket was expected")
    }

    /// Takes an object's key and its colon.
    pub(crate) fn key(&mut self) -> Scan<Cow<'a, str>> {
        let key = self.string()?;
        self.space();
        if !self.take_if(|byte| byte == b':') {
            return self.fail("a colon was expected after the key");
        }
        Ok(key)
    }

    /// Nothing but white space may follow.
    pub(crate) fn end(&mut self) -> Scan<()> {
        self.space();
        if self.at < self.text.len() {
            return self.fail("more text after the value");
        }
        Ok(())
    }
}

/// The value's text without the white space between its parts.
pub(crate) fn compact(text: &[u8]) -> String {
    let mut out = Vec::with_capacity(text.len());
    let (mut inside, mut escaped) = (false, false);
    for byte in text {
        if !inside && byte.is_ascii_whitespace() {
            continue;
        }
        if inside && !escaped && *byte == b'"' {
            inside = false;
        } else if !inside && *byte == b'"' {
            inside = true;
        }
        escaped = inside && !escaped && *byte == b'\\';
        out.push(*byte);
    }
    String::from_utf8_lossy(&out).into_owned()
}
