//! One open file, read line by line from a place on.

use std::borrow::Cow;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use super::charset::{Charset, Unit};
use super::identity::{Identity, Stamp};

/// The longest record, in bytes; a longer one is an unclosed quotation mark or no text at all.
pub(super) const LONGEST: usize = 16 << 20;
const CHUNK: usize = 128 << 10;

/// A line without its line end.
#[derive(Debug)]
pub(super) struct Line<'a> {
    pub(super) text: Cow<'a, str>,
    /// Empty for the last line of a file that has none.
    pub(super) end: &'static str,
    /// From 1.
    pub(super) number: u64,
}

/// Why there is no line.
#[derive(Debug)]
pub(super) enum CursorError {
    File(std::io::Error),
    /// The bytes of a line are no text, or too many.
    Line {
        number: u64,
        reason: String,
    },
}

impl From<std::io::Error> for CursorError {
    fn from(error: std::io::Error) -> Self {
        Self::File(error)
    }
}

/// What became of the path of an open file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    Same,
    /// Another file stands there, or none.
    Replaced,
    /// A longer copy of the file stands there.
    Copied,
    /// What was read of it is not in it any more.
    Rewritten,
}

/// ```text
///          position          looked at        read
/// file  ------|--- line ---- line --|-----------|-------
///             '-- not taken yet ----'
/// ```
#[derive(Debug)]
pub(super) struct Cursor {
    path: PathBuf,
    file: File,
    charset: Charset,
    /// Whether the file's first bytes have told its byte order.
    ordered: bool,
    /// Bytes read and not taken, from `position` on, behind the first `taken`.
    buffer: Vec<u8>,
    taken: usize,
    position: u64,
    line: u64,
    /// Bytes and lines given since the last [`Cursor::take`].
    ahead: usize,
    lines_ahead: u64,
    /// The file at its end, when that was reached.
    at_end: Option<Stamp>,
}

impl Cursor {
    /// Reads on at `position`, which is the start of line `line` (from 1).
    pub(super) fn open(
        path: &Path,
        position: u64,
        line: u64,
        charset: Charset,
    ) -> std::io::Result<Self> {
        let mut file = File::open(path)?;
        file.seek(SeekFrom::Start(position))?;
        Ok(Self {
            path: path.to_owned(),
            file,
            charset,
            ordered: charset.unit() == Unit::Byte,
            buffer: Vec::new(),
            taken: 0,
            position,
            line,
            ahead: 0,
            lines_ahead: 0,
            at_end: None,
        })
    }

    /// The place after the last line taken.
    pub(super) fn position(&self) -> u64 {
        self.position
    }

    /// The number of the line that is not taken yet.
    pub(super) fn line(&self) -> u64 {
        self.line
    }

    /// What the open file is known by when it was read up to `place`, whatever stands at its path
    /// by now.
    pub(super) fn identity(&self, place: u64) -> std::io::Result<Identity> {
        Identity::of(&self.file, place)
    }

    /// The next line; none at the end of the file. `last`: what stands there without a line end is
    /// a line too. The place stays until the lines are taken.
    pub(super) fn next(&mut self, last: bool) -> Result<Option<Line<'_>>, CursorError> {
        if !self.find_order()? {
            return Ok(None);
        }
        let unit = self.charset.unit();
        let mut scanned = 0;
        let (length, end) = loop {
            let rest = &self.buffer[self.taken + self.ahead..];
            if let Some(at) = unit.line_end(rest, scanned) {
                let after = at + unit.bytes();
                if unit.is_at(rest, at, b'\n') {
                    break (at, "\n");
                }
                // A CR may be the first half of CR LF.
                if rest.len() >= after + unit.bytes() {
                    break (at, if unit.is_at(rest, after, b'\n') { "\r\n" } else { "\r" });
                }
                scanned = at;
            } else {
                scanned = rest.len() - rest.len() % unit.bytes();
            }
            if self.ahead + scanned > LONGEST {
                let reason = "the record has more than 16 MiB".to_owned();
                return Err(CursorError::Line { number: self.line + self.lines_ahead, reason });
            }
            if !self.fill()? {
                let rest = &self.buffer[self.taken + self.ahead..];
                match (last && !rest.is_empty(), unit.line_end(rest, scanned)) {
                    (false, _) => return Ok(None),
                    (true, Some(at)) => break (at, "\r"),
                    (true, None) => break (rest.len(), ""),
                }
            }
        };
        self.give(length, end).map(Some)
    }

    fn give(&mut self, length: usize, end: &'static str) -> Result<Line<'_>, CursorError> {
        let (start, number) = (self.taken + self.ahead, self.line + self.lines_ahead);
        let begins = self.position == 0 && self.ahead == 0;
        self.ahead += length + end.len() * self.charset.unit().bytes();
        self.lines_ahead += 1;
        let bytes = &self.buffer[start..start + length];
        let mark: &[u8] = if begins { self.charset.byte_order_mark() } else { b"" };
        let bytes = bytes.strip_prefix(mark).unwrap_or(bytes);
        let wrong = |at: usize| {
            let shown = bytes.get(at).map_or_else(String::new, |byte| format!(" (0x{byte:02X})"));
            let name = self.charset.name();
            let hint = match bytes {
                [0xff, 0xfe, ..] | [0xfe, 0xff, ..] if begins => {
                    "the file begins with the byte order mark of UTF-16: set charset=UTF-16"
                }
                _ => "set charset if the file has another, as charset=windows-1252",
            };
            let reason = format!("byte {}{shown} of the line is not valid {name}; {hint}", at + 1);
            CursorError::Line { number, reason }
        };
        let text = self.charset.decode(bytes).map_err(wrong)?;
        Ok(Line { text, end, number })
    }

    /// Moves the place behind all lines that were given.
    pub(super) fn take(&mut self) {
        self.taken += self.ahead;
        self.position += self.ahead as u64;
        self.line += self.lines_ahead;
        (self.ahead, self.lines_ahead) = (0, 0);
    }

    /// Looks for a byte order mark in a file of wide characters; false while it is too short.
    fn find_order(&mut self) -> std::io::Result<bool> {
        if !self.ordered {
            let mut first = [0; 2];
            let read = self.file.read_at(&mut first, 0)?;
            self.ordered = read == 2;
            self.charset = self.charset.ordered_by(first);
        }
        Ok(self.ordered)
    }

    /// False at the end of the file.
    fn fill(&mut self) -> std::io::Result<bool> {
        self.buffer.drain(..self.taken);
        self.taken = 0;
        let before = self.buffer.len();
        if self.buffer.capacity() > 8 * CHUNK && before < CHUNK {
            self.buffer.shrink_to(2 * CHUNK);
        }
        self.buffer.resize(before + CHUNK, 0);
        // Before the read, so that what is written after it is seen to have come later.
        let stamp = Stamp::of(&self.file.metadata()?);
        let read = self.file.read(&mut self.buffer[before..]);
        self.buffer.truncate(before + *read.as_ref().unwrap_or(&0));
        let more = read? > 0;
        self.at_end = (!more).then_some(stamp);
        Ok(more)
    }

    /// The file as it was when its end was reached and nothing has been read since; none while
    /// there is more to read.
    pub(super) fn rests_at(&self) -> Option<Stamp> {
        let read = self.position + (self.buffer.len() - self.taken) as u64;
        self.at_end.filter(|stamp| stamp.len == read)
    }

    /// Whether the end was reached and nothing has been read since.
    pub(super) fn is_at_end(&self) -> bool {
        self.at_end.is_some()
    }

    /// What happened to the file that was `known` at `place`. To be asked before anything more is
    /// read: what stands behind the place is the file's only if what stands before it still is.
    pub(super) fn fate(&self, place: u64, known: &Identity) -> std::io::Result<Fate> {
        let open = Stamp::of(&self.file.metadata()?);
        let Some(named) = Stamp::at(&self.path)? else { return Ok(Fate::Replaced) };
        if self.at_end == Some(named) {
            return Ok(Fate::Same);
        }
        if named.is_file_of(&open) {
            let same = known.is_of(&self.file, place)?;
            return Ok(if same { Fate::Same } else { Fate::Rewritten });
        }
        match File::open(&self.path) {
            Ok(named) if known.is_of(&named, place)? => Ok(Fate::Copied),
            Ok(_) => Ok(Fate::Replaced),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Fate::Replaced),
            Err(error) => Err(error),
        }
    }
}
