//! `.index`: from an offset to a position in the segment's file.
//!
//! ```text
//!   0        4        8
//!   | offset | position |   big-endian; the offset is relative to the segment's base
//! ```
//! An entry's offset is the last one of the batch that begins at its position.

use std::sync::Arc;

use super::{Entries, EntriesSnapshot, WrittenEntries};
use crate::error::StorageError;
use crate::folder::{Folder, OpenFile};
use crate::name::FileKind;

pub(crate) const ENTRY: usize = 8;

#[derive(Debug)]
pub(crate) struct OffsetIndex {
    base_offset: i64,
    entries: Entries<ENTRY>,
}

/// A search that may still have to read the index's file.
#[derive(Debug)]
pub(crate) enum OffsetLookup {
    /// The batch is at this position or later.
    From(u64),
    /// The file's entries decide.
    InFile { entries: WrittenEntries<ENTRY>, relative: u32 },
}

impl OffsetLookup {
    /// The same, which fails rather than wait for a disk.
    pub(crate) fn cached_only(&self) -> Self {
        match self {
            Self::From(position) => Self::From(*position),
            Self::InFile { entries, relative } => {
                Self::InFile { entries: entries.cached_only(), relative: *relative }
            }
        }
    }

    /// A position at or before the batch that holds the offset.
    pub(crate) fn position(&self) -> Result<u64, StorageError> {
        match self {
            Self::From(position) => Ok(*position),
            Self::InFile { entries, relative } => {
                let count = entries.count_while(|entry| decode(entry).0 <= *relative)?;
                match count.checked_sub(1) {
                    Some(index) => Ok(decode(&entries.get(index)?).1.into()),
                    None => Ok(0),
                }
            }
        }
    }
}

/// See [`OffsetIndex::view`].
#[derive(Debug)]
pub(crate) struct OffsetView {
    base_offset: i64,
    entries: EntriesSnapshot<ENTRY>,
}

impl OffsetView {
    /// Where to begin the search for the batch that holds an offset.
    pub(crate) fn lookup(&self, offset: i64) -> Result<OffsetLookup, StorageError> {
        let Some(relative) = relative(self.base_offset, offset) else {
            return Ok(OffsetLookup::From(0));
        };
        let entry = self.entries.last_while(|entry| decode(entry).0 <= relative)?;
        Ok(OffsetLookup::From(entry.map_or(0, |entry| decode(&entry).1.into())))
    }
}

impl OffsetIndex {
    pub(crate) fn empty(folder: Arc<Folder>, base_offset: i64) -> Self {
        Self { base_offset, entries: Entries::empty(folder, FileKind::OffsetIndex, base_offset) }
    }

    pub(crate) fn of_file(folder: Arc<Folder>, base_offset: i64, bytes: u64) -> Self {
        let kind = FileKind::OffsetIndex;
        Self { base_offset, entries: Entries::of_file(folder, kind, base_offset, bytes) }
    }

    /// Bytes that the index takes on disk when all is written.
    pub(crate) fn size(&self) -> u64 {
        self.entries.len() * ENTRY as u64
    }

    /// Whether an offset can be told relative to the segment's base.
    pub(crate) fn can_hold(&self, offset: i64) -> bool {
        relative(self.base_offset, offset).is_some()
    }

    /// Notes that the batch with this last offset begins at a position.
    pub(crate) fn push(&mut self, last_offset: i64, position: u64) {
        let (Some(relative), Ok(position)) =
            (relative(self.base_offset, last_offset), u32::try_from(position))
        else {
            return;
        };
        self.entries.push(encode(relative, position));
    }

    /// Where to begin the search for the batch that holds an offset. Reads no file.
    pub(crate) fn lookup(&self, offset: i64) -> Result<OffsetLookup, StorageError> {
        let Some(relative) = relative(self.base_offset, offset) else {
            return Ok(OffsetLookup::From(0));
        };
        if let Some(entry) = self.entries.last_in_tail(|entry| decode(entry).0 <= relative) {
            return Ok(OffsetLookup::From(decode(&entry).1.into()));
        }
        Ok(match self.entries.written_or_none()? {
            Some(entries) => OffsetLookup::InFile { entries, relative },
            None => OffsetLookup::From(0),
        })
    }

    /// The index as it is now, readable without the log's lock.
    pub(crate) fn view(&self) -> Result<OffsetView, StorageError> {
        Ok(OffsetView { base_offset: self.base_offset, entries: self.entries.snapshot_once()? })
    }

    /// The last entry: a batch's last offset and position.
    pub(crate) fn last(&self) -> Result<Option<(i64, u64)>, StorageError> {
        let last = self.entries.last()?;
        Ok(last.map(|entry| {
            let (relative, position) = decode(&entry);
            (self.base_offset + i64::from(relative), position.into())
        }))
    }

    /// Forgets entries of offsets at or above one.
    pub(crate) fn truncate(&mut self, offset: i64) -> Result<(), StorageError> {
        let relative = relative(self.base_offset, offset).unwrap_or(0);
        let keep = self.entries.count_while(|entry| decode(entry).0 < relative)?;
        self.entries.truncate(keep)
    }

    pub(crate) fn is_sealed(&self) -> bool {
        self.entries.is_sealed()
    }

    pub(crate) fn seal(&mut self) -> Result<(), StorageError> {
        self.entries.seal()
    }

    pub(crate) fn renamed(&mut self, folder: &Arc<Folder>) {
        self.entries.renamed(folder);
    }

    pub(crate) fn release(&mut self) {
        self.entries.release();
    }

    pub(crate) fn open(&self) -> Result<OpenFile, StorageError> {
        self.entries.open()
    }
}

fn relative(base_offset: i64, offset: i64) -> Option<u32> {
    let relative = offset.checked_sub(base_offset)?;
    i32::try_from(relative).ok().and_then(|relative| u32::try_from(relative).ok())
}

fn encode(relative: u32, position: u32) -> [u8; ENTRY] {
    (u64::from(relative) << 32 | u64::from(position)).to_be_bytes()
}

pub(crate) fn decode(entry: &[u8; ENTRY]) -> (u32, u32) {
    let both = u64::from_be_bytes(*entry);
    ((both >> 32) as u32, both as u32)
}
