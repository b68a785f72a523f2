//! Delimiter-separated text (RFC 4180): the one reader of records, for files and for ksqlDB's
//! DELIMITED. Headers, types and encodings are the business of who reads.
//!
//! The rules are those on which Apache Commons CSV, Python's csv and DuckDB agree, and Commons
//! CSV's where they do not, as ksqlDB reads with it:
//!
//! - A quotation mark opens a quoted value only where the value begins; anywhere else it is a
//!   character like others, as in `24" monitor`.
//! - In a quoted value two quotation marks are one, and delimiters and line ends are characters.
//! - A record ends at LF, CR LF or CR outside of a quoted value.
//! - Between a closing quotation mark and the next delimiter there is at most white space, which is
//!   dropped; other text is an error.

/// Text that is not one delimited record.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DelimitedError {
    #[error("a quoted value is not closed")]
    Open,
    #[error(
        "value {position} has text after its closing quotation mark (inside a quoted value a \
         quotation mark is written twice)"
    )]
    AfterQuote { position: usize },
}

/// The delimiter that a user names: one character, or `SPACE` or `TAB`.
pub fn delimiter(text: &str) -> Option<char> {
    match text {
        "SPACE" => Some(' '),
        "TAB" => Some('\t'),
        _ => {
            let mut chars = text.chars();
            let first = chars.next()?;
            (chars.next().is_none() && !matches!(first, '"' | '\n' | '\r')).then_some(first)
        }
    }
}

/// Cuts the first line off: the line, its line end (empty if the text ends without one), and what
/// comes after it.
pub fn split_line(text: &str) -> (&str, &str, &str) {
    let Some(at) = memchr::memchr2(b'\n', b'\r', text.as_bytes()) else { return (text, "", "") };
    let end = if text[at..].starts_with("\r\n") { at + 2 } else { at + 1 };
    (&text[..at], &text[at..end], &text[end..])
}

/// Reads records, a line at a time; it may be used for one after the other.
#[derive(Clone, Debug)]
pub struct Reader {
    delimiter: char,
    /// The values of the record, one after the other, without their quotation marks.
    text: String,
    /// Where in `text` each value ends.
    ends: Vec<usize>,
    /// The quotation mark of the value after the last one of `ends` is not closed.
    open: bool,
}

/// What follows a value.
enum Next<'a> {
    Value(&'a str),
    RecordEnd,
    LineEnd,
}

impl Reader {
    pub fn new(delimiter: char) -> Self {
        Self { delimiter, text: String::new(), ends: Vec::new(), open: false }
    }

    /// Takes a line without its line end. True: the record is whole, and its values are there until
    /// the next line. False: a quotation mark is open, so that `line_end` belongs to its value and
    /// the record goes on with the next line.
    ///
    /// # Errors
    /// [`DelimitedError::AfterQuote`]; the next line begins a record then.
    pub fn line(&mut self, line: &str, line_end: &str) -> Result<bool, DelimitedError> {
        if !self.open {
            self.reset();
        }
        let mut rest = line;
        loop {
            let next = match rest.strip_prefix('"') {
                _ if self.open => self.quoted(rest, line_end)?,
                Some(inside) => {
                    self.open = true;
                    self.quoted(inside, line_end)?
                }
                None => self.plain(rest),
            };
            match next {
                Next::Value(text) => rest = text,
                Next::RecordEnd => return Ok(true),
                Next::LineEnd => return Ok(false),
            }
        }
    }

    /// Takes the first record of a text that has all of it. Blank lines before it are no records,
    /// and what follows it is not looked at.
    ///
    /// # Errors
    /// It is no record.
    pub fn record(&mut self, text: &str) -> Result<(), DelimitedError> {
        self.reset();
        let mut rest = text;
        loop {
            let (line, line_end, after) = split_line(rest);
            rest = after;
            let blank = line.is_empty() && !self.open && !rest.is_empty();
            if !blank && self.line(line, line_end)? {
                return Ok(());
            }
            if rest.is_empty() {
                self.reset();
                return Err(DelimitedError::Open);
            }
        }
    }

    /// Whether the record goes on after the last line.
    pub fn is_open(&self) -> bool {
        self.open
    }

    /// Forgets a record that is not whole.
    pub fn reset(&mut self) {
        self.text.clear();
        self.ends.clear();
        self.open = false;
    }

    /// The values of the record that is whole.
    pub fn values(&self) -> impl ExactSizeIterator<Item = &str> {
        let start = |index: usize| if index == 0 { 0 } else { self.ends[index - 1] };
        self.ends.iter().enumerate().map(move |(index, end)| &self.text[start(index)..*end])
    }

    fn plain<'a>(&mut self, text: &'a str) -> Next<'a> {
        let end = text.find(self.delimiter);
        self.text.push_str(&text[..end.unwrap_or(text.len())]);
        self.ends.push(self.text.len());
        match end {
            Some(at) => Next::Value(&text[at + self.delimiter.len_utf8()..]),
            None => Next::RecordEnd,
        }
    }

    fn quoted<'a>(
        &mut self,
        mut text: &'a str,
        line_end: &str,
    ) -> Result<Next<'a>, DelimitedError> {
        loop {
            let Some(at) = text.find('"') else {
                self.text.push_str(text);
                self.text.push_str(line_end);
                return Ok(Next::LineEnd);
            };
            self.text.push_str(&text[..at]);
            let after = &text[at + 1..];
            if let Some(more) = after.strip_prefix('"') {
                self.text.push('"');
                text = more;
                continue;
            }
            self.open = false;
            self.ends.push(self.text.len());
            let white = |c: char| c.is_whitespace() && c != self.delimiter;
            let after = after.trim_start_matches(white);
            return match after.strip_prefix(self.delimiter) {
                Some(next) => Ok(Next::Value(next)),
                None if after.is_empty() => Ok(Next::RecordEnd),
                None => Err(DelimitedError::AfterQuote { position: self.ends.len() }),
            };
        }
    }
}

/// Appends one value, quoted where Commons CSV 1.4 does it, whose bytes ksqlDB writes. `first`: it
/// starts the record, where anything but a Latin letter or a digit is quoted.
pub fn write_value(out: &mut Vec<u8>, value: &str, delimiter: char, first: bool) {
    let special = |c: char| c == delimiter || matches!(c, '"' | '\n' | '\r');
    let quote = match (value.chars().next(), value.chars().next_back()) {
        (Some(start), Some(end)) => {
            (first && !start.is_ascii_alphanumeric())
                || start <= '#'
                || end <= ' '
                || value.contains(special)
        }
        _ => first,
    };
    if !quote {
        return out.extend_from_slice(value.as_bytes());
    }
    out.push(b'"');
    for byte in value.bytes() {
        if byte == b'"' {
            out.push(b'"');
        }
        out.push(byte);
    }
    out.push(b'"');
}

#[cfg(test)]
mod tests;
