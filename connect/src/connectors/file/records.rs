//! The records of one open file: its lines, or delimited records that may have line ends in quoted
//! values.

use std::path::Path;

use formats::delimited::Reader;

use super::charset::Charset;
use super::cursor::{Cursor, CursorError};
use crate::plugin::SourceError;

/// A record may go on over so many lines before it is told that its quotation mark is open.
const LINES_UNTIL_TOLD: u64 = 1000;

/// How a file is cut into records.
#[derive(Debug)]
pub(super) enum Cut {
    /// Each line is a record, an empty one too.
    Lines,
    /// Blank lines between records are no records.
    Delimited(Reader),
}

/// Reads one file's records from a place on; the place moves with each record.
#[derive(Debug)]
pub(super) struct Records {
    pub(super) cursor: Cursor,
    cut: Cut,
    shown: String,
    /// The line of the quotation mark that is not closed, once it was told.
    told: Option<u64>,
}

/// A whole record.
#[derive(Debug)]
pub(super) enum Record<'a> {
    Line(String),
    Delimited(&'a Reader),
}

impl Records {
    pub(super) fn open(
        path: &Path,
        (position, line): (u64, u64),
        charset: Charset,
        cut: Cut,
    ) -> Result<Self, SourceError> {
        let shown = path.display().to_string();
        match Cursor::open(path, position, line, charset) {
            Ok(cursor) => Ok(Self { cursor, cut, shown, told: None }),
            Err(source) => Err(SourceError::File { path: shown, source }),
        }
    }

    /// The next record and the line that it begins on; none at the end of the file. `last`: what
    /// stands there without a line end is a record too.
    pub(super) fn next(&mut self, last: bool) -> Result<Option<(u64, Record<'_>)>, SourceError> {
        let begins = match self.advance(last) {
            Ok(Some(begins)) => begins,
            Ok(None) => {
                self.tell_of_open_quote();
                return if last { self.end().map(|()| None) } else { Ok(None) };
            }
            Err(error) => return Err(self.failed(error)),
        };
        Ok(Some(match &self.cut {
            // The text was put aside by `advance`.
            Cut::Delimited(reader) => (begins.0, Record::Delimited(reader)),
            Cut::Lines => (begins.0, Record::Line(begins.1)),
        }))
    }

    /// The line that the record begins on, and the text of a record that is a line.
    fn advance(&mut self, last: bool) -> Result<Option<(u64, String)>, CursorError> {
        loop {
            let begins = self.cursor.line();
            let Some(line) = self.cursor.next(last)? else { return Ok(None) };
            let reader = match &mut self.cut {
                Cut::Lines => {
                    let text = line.text.into_owned();
                    self.cursor.take();
                    return Ok(Some((begins, text)));
                }
                Cut::Delimited(reader) => reader,
            };
            let number = line.number;
            let blank = line.text.is_empty() && !reader.is_open();
            let whole = !blank
                && reader
                    .line(&line.text, line.end)
                    .map_err(|error| CursorError::Line { number, reason: error.to_string() })?;
            let open = reader.is_open();
            if whole || blank {
                self.cursor.take();
            }
            if whole {
                self.told = None;
                return Ok(Some((begins, String::new())));
            }
            if open && number - begins == LINES_UNTIL_TOLD {
                self.tell_of_open_quote();
            }
        }
    }

    /// A record whose quotation mark is open waits for more of the file: that is told once.
    fn tell_of_open_quote(&mut self) {
        let line = self.cursor.line();
        let open = matches!(&self.cut, Cut::Delimited(reader) if reader.is_open());
        if open && self.told != Some(line) {
            self.told = Some(line);
            tracing::warn!(
                path = self.shown,
                line,
                "a quotation mark opens a value in the record on this line and is not closed yet; \
                 nothing behind it is read until it is"
            );
        }
    }

    /// Nothing comes any more: an open record is none.
    fn end(&mut self) -> Result<(), SourceError> {
        match &mut self.cut {
            Cut::Delimited(reader) if reader.is_open() => {
                reader.reset();
                let reason = "a quotation mark opens a value in this record and is not closed up \
                              to the end of the file; inside a value write it twice, in a value \
                              that begins with it quote the whole value"
                    .to_owned();
                Err(SourceError::Record {
                    path: self.shown.clone(),
                    line: self.cursor.line(),
                    reason,
                })
            }
            _ => Ok(()),
        }
    }

    fn failed(&self, error: CursorError) -> SourceError {
        let path = self.shown.clone();
        match error {
            CursorError::File(source) => SourceError::File { path, source },
            CursorError::Line { number, reason } => {
                let begins = self.cursor.line();
                let open = matches!(&self.cut, Cut::Delimited(reader) if reader.is_open());
                if open && number > begins {
                    let reason = format!(
                        "{reason} (a quotation mark opens a value in the record on line {begins}, \
                         and was not closed up to here)"
                    );
                    return SourceError::Record { path, line: number, reason };
                }
                SourceError::Record { path, line: number, reason }
            }
        }
    }
}

#[cfg(test)]
mod tests;
