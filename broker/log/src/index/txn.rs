//! `.txnindex`: the transactions that were aborted, in the order of their markers.
//!
//! ```text
//!   0         2             10             18            26                   34
//!   | version | producer id | first offset | last offset | last stable offset |
//! ```
//! Big-endian. The last offset is that of the marker; the last stable offset is what it was
//! once the marker was written. The file is not there until there is an entry.

use std::sync::Arc;

use super::{Entries, EntriesSnapshot};
use crate::error::StorageError;
use crate::folder::{Folder, OpenFile};
use crate::name::FileKind;

pub(crate) const ENTRY: usize = 34;
const VERSION: i16 = 0;

#[derive(Debug)]
pub(crate) struct TxnIndex {
    entries: Entries<ENTRY>,
    /// A file that could not be removed holds entries that are none.
    stale: bool,
}

/// One aborted transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct AbortedEntry {
    pub(crate) producer_id: i64,
    pub(crate) first_offset: i64,
    pub(crate) last_offset: i64,
    pub(crate) last_stable_offset: i64,
}

impl TxnIndex {
    pub(crate) fn empty(folder: Arc<Folder>, base_offset: i64) -> Self {
        Self { entries: Entries::empty(folder, FileKind::TxnIndex, base_offset), stale: false }
    }

    /// Begins anew beside a file that could not be removed; sealing empties it.
    pub(crate) fn beside_stale_file(self) -> Self {
        Self { stale: true, ..self }
    }

    pub(crate) fn of_file(folder: Arc<Folder>, base_offset: i64, bytes: u64) -> Self {
        let entries = Entries::of_file(folder, FileKind::TxnIndex, base_offset, bytes);
        Self { entries, stale: false }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    pub(crate) fn push(&mut self, entry: AbortedEntry) {
        self.entries.push(encode(&entry));
    }

    /// All entries as they are now, readable without the log's lock.
    pub(crate) fn snapshot(&self) -> Result<EntriesSnapshot<ENTRY>, StorageError> {
        self.entries.snapshot()
    }

    /// Forgets transactions whose marker is at or above an offset.
    pub(crate) fn truncate(&mut self, offset: i64) -> Result<(), StorageError> {
        let keep = self.entries.count_while(|entry| decode(entry).last_offset < offset)?;
        self.entries.truncate(keep)
    }

    /// Whether the file holds what this does.
    pub(crate) fn is_sealed(&self) -> bool {
        self.is_empty() && !self.stale || self.entries.is_sealed()
    }

    /// Writes all entries; creates no file where there are none.
    pub(crate) fn seal(&mut self) -> Result<(), StorageError> {
        if self.is_empty() && !self.stale {
            return Ok(());
        }
        self.entries.seal()?;
        self.stale = false;
        Ok(())
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

fn encode(entry: &AbortedEntry) -> [u8; ENTRY] {
    let mut bytes = [0; ENTRY];
    bytes[..2].copy_from_slice(&VERSION.to_be_bytes());
    bytes[2..10].copy_from_slice(&entry.producer_id.to_be_bytes());
    bytes[10..18].copy_from_slice(&entry.first_offset.to_be_bytes());
    bytes[18..26].copy_from_slice(&entry.last_offset.to_be_bytes());
    bytes[26..].copy_from_slice(&entry.last_stable_offset.to_be_bytes());
    bytes
}

pub(crate) fn decode(bytes: &[u8; ENTRY]) -> AbortedEntry {
    let number = |at: usize| {
        let mut eight = [0; 8];
        eight.copy_from_slice(&bytes[at..at + 8]);
        i64::from_be_bytes(eight)
    };
    AbortedEntry {
        producer_id: number(2),
        first_offset: number(10),
        last_offset: number(18),
        last_stable_offset: number(26),
    }
}
