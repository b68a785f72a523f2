//! Small text files that hold offsets: a version, a count, then one entry a line.
//!
//! ```text
//! 0
//! 2
//! flights 0 1042
//! flights 1 977
//! ```

use std::collections::BTreeMap;
use std::fmt::{Display, Write as _};
use std::io;
use std::path::Path;
use std::str::SplitWhitespace;

use thiserror::Error;

use crate::name::TopicPartition;
use crate::store::{self, Store};

const VERSION: &str = "0";

/// Why a checkpoint's content is none.
#[derive(Debug, Error, PartialEq, Eq)]
#[error("line {line}: {problem}")]
pub(crate) struct Malformed {
    pub(crate) line: usize,
    pub(crate) problem: String,
}

/// Why a checkpoint was not read.
#[derive(Debug, Error)]
pub(crate) enum CheckpointError {
    #[error(transparent)]
    Io(#[from] io::Error),
    #[error(transparent)]
    Malformed(#[from] Malformed),
}

/// A line of a checkpoint.
pub(crate) trait Line: Sized {
    fn parse(words: &mut SplitWhitespace<'_>) -> Option<Self>;
    fn print(&self) -> impl Display;
}

/// `topic partition offset`.
pub(crate) struct OffsetLine(pub(crate) TopicPartition, pub(crate) i64);

impl Line for OffsetLine {
    fn parse(words: &mut SplitWhitespace<'_>) -> Option<Self> {
        let topic = words.next()?;
        let partition = words.next()?.parse().ok()?;
        Some(Self(TopicPartition::new(topic, partition), words.next()?.parse().ok()?))
    }

    fn print(&self) -> impl Display {
        format!("{} {} {}", self.0.topic, self.0.partition, self.1)
    }
}

/// The lines of a checkpoint; none when the file is not there or empty.
pub(crate) fn read<L: Line>(store: &dyn Store, path: &Path) -> Result<Vec<L>, CheckpointError> {
    match store::read_all(store, path) {
        Ok(bytes) => Ok(parse(&bytes)?),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(error.into()),
    }
}

/// Replaces a checkpoint atomically.
pub(crate) fn write<L: Line>(store: &dyn Store, path: &Path, lines: &[L]) -> io::Result<()> {
    let mut text = format!("{VERSION}\n{}\n", lines.len());
    for line in lines {
        writeln!(text, "{}", line.print()).map_err(io::Error::other)?;
    }
    store::replace(store, path, text.as_bytes())
}

/// The offsets of a checkpoint by partition.
pub(crate) fn read_offsets(
    store: &dyn Store,
    path: &Path,
) -> Result<BTreeMap<TopicPartition, i64>, CheckpointError> {
    let lines = read::<OffsetLine>(store, path)?;
    Ok(lines.into_iter().map(|OffsetLine(id, offset)| (id, offset)).collect())
}

fn parse<L: Line>(bytes: &[u8]) -> Result<Vec<L>, Malformed> {
    if bytes.is_empty() {
        return Ok(Vec::new());
    }
    let malformed = |line, problem: &str| Malformed { line, problem: problem.to_owned() };
    let text = std::str::from_utf8(bytes).map_err(|_| malformed(1, "it is not text"))?;
    let mut lines = text.lines().enumerate().map(|(index, line)| (index + 1, line));
    match lines.next() {
        Some((_, VERSION)) => {}
        _ => return Err(malformed(1, "it is not the version 0")),
    }
    let count = lines.next().and_then(|(_, line)| line.trim().parse::<usize>().ok());
    let count = count.ok_or_else(|| malformed(2, "it is no count of entries"))?;
    let entries = lines
        .map(|(number, line)| {
            let mut words = line.split_whitespace();
            let entry = L::parse(&mut words).filter(|_| words.next().is_none());
            entry.ok_or_else(|| malformed(number, "it is no entry"))
        })
        .collect::<Result<Vec<_>, _>>()?;
    if entries.len() != count {
        let problem = format!("it says {count} entries, but there are {}", entries.len());
        return Err(Malformed { line: 2, problem });
    }
    Ok(entries)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::MemoryStore;

    fn offsets(text: &str) -> Result<Vec<(String, i64)>, Malformed> {
        let lines = parse::<OffsetLine>(text.as_bytes())?;
        Ok(lines.into_iter().map(|OffsetLine(id, offset)| (id.to_string(), offset)).collect())
    }

    #[test]
    fn what_is_written_is_read_back() {
        let store = MemoryStore::default();
        let path = Path::new("recovery-point-offset-checkpoint");
        let lines = [
            OffsetLine(TopicPartition::new("a-b", 3), 7),
            OffsetLine(TopicPartition::new("c", 0), i64::MAX),
        ];
        write(&store, path, &lines).unwrap();
        let text = String::from_utf8(store::read_all(&store, path).unwrap()).unwrap();
        assert_eq!(text, "0\n2\na-b 3 7\nc 0 9223372036854775807\n");
        let read = read_offsets(&store, path).unwrap();
        assert_eq!(read.len(), 2);
        assert_eq!(read[&TopicPartition::new("a-b", 3)], 7);
    }

    #[test]
    fn a_checkpoint_that_is_not_there_or_empty_has_no_entries() {
        let store = MemoryStore::default();
        assert!(read_offsets(&store, Path::new("none")).unwrap().is_empty());
        assert_eq!(offsets(""), Ok(vec![]));
    }

    #[test]
    fn a_damaged_checkpoint_says_which_line() {
        for (text, line) in [
            ("1\n0\n", 1),
            ("0\nx\n", 2),
            ("0", 2),
            ("0\n2\na 0 1\n", 2),
            ("0\n1\na 0\n", 3),
            ("0\n1\na 0 1 2\n", 3),
            ("0\n1\na b 1\n", 3),
        ] {
            assert_eq!(offsets(text).unwrap_err().line, line, "{text:?}");
        }
    }
}
