//! Which file stands at a path: the one that was read, a longer copy of it, or another.

use std::fs::{File, Metadata};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::Path;
use std::time::SystemTime;

use serde_json::{Value as Json, json};

/// How much of its beginning, and of what was read last, a file is known by.
const SPAN: u64 = 1024;

/// Some bytes of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Print {
    bytes: u64,
    hash: u64,
}

impl Print {
    /// Of `bytes` bytes from `from` on, or of as many as there are.
    fn of(file: &File, from: u64, bytes: u64) -> std::io::Result<Self> {
        let mut span = vec![0; usize::try_from(bytes.min(SPAN)).unwrap_or(0)];
        let mut length = 0;
        while length < span.len() {
            match file.read_at(&mut span[length..], from + length as u64)? {
                0 => break,
                read => length += read,
            }
        }
        let fnv = |hash: u64, byte: &u8| (hash ^ u64::from(*byte)).wrapping_mul(0x100_0000_01b3);
        let hash = span[..length].iter().fold(0xcbf2_9ce4_8422_2325, fnv);
        Ok(Self { bytes: length as u64, hash })
    }

    fn to_json(self) -> Json {
        json!({"bytes": self.bytes, "hash": format!("{:016x}", self.hash)})
    }

    fn from_json(json: &Json) -> Option<Self> {
        let bytes = json.get("bytes")?.as_u64()?;
        let hash = u64::from_str_radix(json.get("hash")?.as_str()?, 16).ok()?;
        Some(Self { bytes, hash })
    }
}

/// What a file that was read up to a position is known by: its beginning, and the bytes before the
/// position.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Identity {
    head: Print,
    last: Option<Print>,
}

impl Identity {
    pub(super) fn of(file: &File, position: u64) -> std::io::Result<Self> {
        let span = position.min(SPAN);
        let last = Print::of(file, position - span, span)?;
        Ok(Self { head: Print::of(file, 0, SPAN)?, last: Some(last) })
    }

    pub(super) fn head_json(&self) -> Json {
        self.head.to_json()
    }

    pub(super) fn last_json(&self) -> Option<Json> {
        self.last.map(Print::to_json)
    }

    /// As remembered: `last` may be missing, and the beginning too, where nothing is known.
    pub(super) fn from_json(head: Option<&Json>, last: Option<&Json>) -> Option<Self> {
        let head = head.and_then(Print::from_json)?;
        Some(Self { head, last: last.and_then(Print::from_json) })
    }

    /// Whether the file has these bytes, so that it is the same or a longer copy.
    pub(super) fn is_of(&self, file: &File, position: u64) -> std::io::Result<bool> {
        if file.metadata()?.len() < position || Print::of(file, 0, self.head.bytes)? != self.head {
            return Ok(false);
        }
        let Some(last) = self.last else { return Ok(true) };
        let from = position.saturating_sub(last.bytes);
        Ok(Print::of(file, from, last.bytes)? == last)
    }
}

/// What of a file changes when somebody writes to it, or puts another in its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stamp {
    file: (u64, u64),
    pub(super) len: u64,
    modified: Option<SystemTime>,
}

impl Stamp {
    pub(super) fn of(metadata: &Metadata) -> Self {
        let file = (metadata.dev(), metadata.ino());
        Self { file, len: metadata.len(), modified: metadata.modified().ok() }
    }

    /// None where no file stands.
    pub(super) fn at(path: &Path) -> std::io::Result<Option<Self>> {
        match std::fs::metadata(path) {
            Ok(metadata) => Ok(Some(Self::of(&metadata))),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    pub(super) fn is_file_of(&self, other: &Self) -> bool {
        self.file == other.file
    }
}
