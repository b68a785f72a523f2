//! One open file, read record by record from a place on.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};

use serde_json::{Value as Json, json};

/// The longest record, in bytes; a longer one is an unclosed quote or no text at all.
const LONGEST: usize = 16 << 20;
const CHUNK: usize = 128 << 10;
/// How much of its beginning a file is known by.
const HEAD: usize = 1024;

/// A record's bytes without its line end.
#[derive(Debug)]
pub(super) struct Line {
    pub(super) bytes: Vec<u8>,
    /// The line it starts on, from 1.
    pub(super) number: u64,
}

/// What a file begins with: the same file has it, a new one under the same name has not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Head {
    bytes: usize,
    hash: u64,
}

impl Head {
    fn of(file: &File, limit: usize) -> std::io::Result<Self> {
        let mut start = vec![0; limit.min(HEAD)];
        let mut length = 0;
        loop {
            match file.read_at(&mut start[length..], length as u64)? {
                0 => break,
                read => length += read,
            }
        }
        start.truncate(length);
        let fnv = |hash: u64, byte: &u8| (hash ^ u64::from(*byte)).wrapping_mul(0x100_0000_01b3);
        let hash = start.iter().fold(0xcbf2_9ce4_8422_2325, fnv);
        Ok(Self { bytes: start.len(), hash })
    }

    pub(super) fn to_json(self) -> Json {
        json!({"bytes": self.bytes, "hash": format!("{:016x}", self.hash)})
    }

    pub(super) fn from_json(json: &Json) -> Option<Self> {
        let bytes = usize::try_from(json.get("bytes")?.as_u64()?).ok()?;
        let hash = u64::from_str_radix(json.get("hash")?.as_str()?, 16).ok()?;
        Some(Self { bytes, hash })
    }

    /// Whether the file at `path` still begins like this.
    pub(super) fn is_of(self, path: &Path) -> std::io::Result<bool> {
        Ok(Self::of(&File::open(path)?, self.bytes)? == self)
    }

    /// Whether a file that grows is known by as much as it ever will be.
    pub(super) fn is_whole(self) -> bool {
        self.bytes == HEAD
    }
}

/// What became of the path of an open file whose end was reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    Same,
    /// Another file stands there, or none.
    Replaced,
    /// It is shorter than what was read of it.
    Truncated,
}

#[derive(Debug)]
pub(super) struct Cursor {
    path: PathBuf,
    file: File,
    /// Bytes read and not taken, from `position` on.
    buffer: Vec<u8>,
    taken: usize,
    position: u64,
    line: u64,
    /// A record may go on over a line end inside quotes.
    quotes: bool,
}

impl Cursor {
    /// Reads on at `position`, which is the start of line `line` (from 1).
    pub(super) fn open(
        path: &Path,
        position: u64,
        line: u64,
        quotes: bool,
    ) -> std::io::Result<Self> {
        let mut file = File::open(path)?;
        file.seek(SeekFrom::Start(position))?;
        let path = path.to_owned();
        Ok(Self { path, file, buffer: Vec::new(), taken: 0, position, line, quotes })
    }

    /// What the open file begins with, whatever stands at its path by now.
    pub(super) fn head(&self) -> std::io::Result<Head> {
        Head::of(&self.file, HEAD)
    }

    /// The place after the last record given.
    pub(super) fn position(&self) -> u64 {
        self.position
    }

    /// The line that comes next.
    pub(super) fn line(&self) -> u64 {
        self.line
    }

    /// The next whole record; none at the end of the file. `last`: what stands there without a
    /// line end is a record too.
    pub(super) fn next(&mut self, last: bool) -> std::io::Result<Option<Line>> {
        let (mut scanned, mut open, mut lines) = (0, false, 0);
        loop {
            let rest = &self.buffer[self.taken..];
            let end = rest[scanned..].iter().position(|byte| match byte {
                b'"' if self.quotes => {
                    open = !open;
                    false
                }
                b'\n' => {
                    lines += 1;
                    !open
                }
                _ => false,
            });
            if let Some(end) = end {
                return Ok(Some(self.take(scanned + end, 1, lines)));
            }
            scanned = rest.len();
            if scanned > LONGEST {
                let reason = format!("the record on line {} has more than 16 MiB", self.line);
                return Err(std::io::Error::new(std::io::ErrorKind::InvalidData, reason));
            }
            if !self.fill()? {
                return Ok((last && scanned > 0).then(|| self.take(scanned, 0, lines + 1)));
            }
        }
    }

    fn take(&mut self, len: usize, line_end: usize, lines: u64) -> Line {
        let bytes = &self.buffer[self.taken..self.taken + len];
        let bytes = bytes.strip_suffix(b"\r").unwrap_or(bytes).to_vec();
        let line = Line { bytes, number: self.line };
        self.taken += len + line_end;
        self.position += (len + line_end) as u64;
        self.line += lines;
        line
    }

    /// False at the end of the file.
    fn fill(&mut self) -> std::io::Result<bool> {
        self.buffer.drain(..self.taken);
        self.taken = 0;
        let before = self.buffer.len();
        self.buffer.resize(before + CHUNK, 0);
        let read = self.file.read(&mut self.buffer[before..]);
        self.buffer.truncate(before + *read.as_ref().unwrap_or(&0));
        read.map(|read| read > 0)
    }

    pub(super) fn fate(&self) -> std::io::Result<Fate> {
        let open = self.file.metadata()?;
        let named = match std::fs::metadata(&self.path) {
            Ok(named) => named,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return Ok(Fate::Replaced);
            }
            Err(error) => return Err(error),
        };
        if (open.dev(), open.ino()) != (named.dev(), named.ino()) {
            return Ok(Fate::Replaced);
        }
        Ok(if named.len() < self.position { Fate::Truncated } else { Fate::Same })
    }
}
