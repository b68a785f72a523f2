//! `.timeindex`: from a time to an offset.
//!
//! ```text
//!   0           8        12
//!   | timestamp | offset |   big-endian; the offset is relative to the segment's base
//! ```
//! An entry says: up to and with this offset, no record is later than this timestamp. The
//! last entry of a sealed segment holds its largest timestamp.

use std::sync::Arc;

use super::{Entries, EntriesSnapshot};
use crate::error::StorageError;
use crate::folder::{Folder, OpenFile};
use crate::name::FileKind;

pub(crate) const ENTRY: usize = 12;

#[derive(Debug)]
pub(crate) struct TimeIndex {
    base_offset: i64,
    entries: Entries<ENTRY>,
    /// The timestamp of the last entry; see [`Self::load_last`].
    last_timestamp: i64,
}

/// A timestamp, and the last offset of the batch that it is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TimeEntry {
    pub(crate) timestamp: i64,
    pub(crate) offset: i64,
}

/// See [`TimeIndex::view`].
#[derive(Debug)]
pub(crate) struct TimeView {
    base_offset: i64,
    entries: EntriesSnapshot<ENTRY>,
}

impl TimeView {
    /// The offset up to which all records are earlier than a time.
    pub(crate) fn offset_before(&self, timestamp: i64) -> Result<i64, StorageError> {
        let entry = self.entries.last_while(|entry| decode(entry).0 <= timestamp)?;
        Ok(entry.map_or(self.base_offset, |entry| self.base_offset + decode(&entry).1))
    }

    pub(crate) fn last(&self) -> Result<Option<TimeEntry>, StorageError> {
        let last = self.entries.last_while(|_| true)?;
        Ok(last.map(|entry| {
            let (timestamp, relative) = decode(&entry);
            TimeEntry { timestamp, offset: self.base_offset + relative }
        }))
    }
}

impl TimeIndex {
    pub(crate) fn empty(folder: Arc<Folder>, base_offset: i64) -> Self {
        let entries = Entries::empty(folder, FileKind::TimeIndex, base_offset);
        Self { base_offset, entries, last_timestamp: -1 }
    }

    pub(crate) fn of_file(folder: Arc<Folder>, base_offset: i64, bytes: u64) -> Self {
        let entries = Entries::of_file(folder, FileKind::TimeIndex, base_offset, bytes);
        Self { base_offset, entries, last_timestamp: -1 }
    }

    /// Bytes that the index takes on disk when all is written.
    pub(crate) fn size(&self) -> u64 {
        self.entries.len() * ENTRY as u64
    }

    /// Adds an entry if its time is later than that of the last.
    pub(crate) fn push(&mut self, entry: TimeEntry) {
        if entry.timestamp > self.last_timestamp
            && let Ok(relative) = i32::try_from(entry.offset - self.base_offset)
        {
            self.entries.push(encode(entry.timestamp, relative));
            self.last_timestamp = entry.timestamp;
        }
    }

    /// The last entry, which is then known to [`Self::push`]: call this once before pushing
    /// to an index that has a file.
    pub(crate) fn load_last(&mut self) -> Result<Option<TimeEntry>, StorageError> {
        let last = self.last()?;
        self.last_timestamp = last.map_or(-1, |entry| entry.timestamp);
        Ok(last)
    }

    /// The index as it is now, readable without the log's lock.
    pub(crate) fn view(&self) -> Result<TimeView, StorageError> {
        Ok(TimeView { base_offset: self.base_offset, entries: self.entries.snapshot_once()? })
    }

    /// The last entry; leaves no file open for it.
    pub(crate) fn last(&self) -> Result<Option<TimeEntry>, StorageError> {
        let last = self.entries.last_once()?;
        Ok(last.map(|entry| {
            let (timestamp, relative) = decode(&entry);
            TimeEntry { timestamp, offset: self.base_offset + relative }
        }))
    }

    /// Forgets entries of offsets at or above one.
    pub(crate) fn truncate(&mut self, offset: i64) -> Result<(), StorageError> {
        let relative = offset - self.base_offset;
        let keep = self.entries.count_while(|entry| decode(entry).1 < relative)?;
        self.entries.truncate(keep)?;
        self.load_last().map(drop)
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

fn encode(timestamp: i64, relative: i32) -> [u8; ENTRY] {
    let mut entry = [0; ENTRY];
    entry[..8].copy_from_slice(&timestamp.to_be_bytes());
    entry[8..].copy_from_slice(&relative.to_be_bytes());
    entry
}

pub(crate) fn decode(entry: &[u8; ENTRY]) -> (i64, i64) {
    let [a, b, c, d, e, f, g, h, i, j, k, l] = *entry;
    let timestamp = i64::from_be_bytes([a, b, c, d, e, f, g, h]);
    (timestamp, i32::from_be_bytes([i, j, k, l]).into())
}
