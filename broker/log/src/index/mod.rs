//! The three indexes of a segment: files of entries of a fixed size, in ascending order.
//!
//! The newest entries are kept in memory and written some hundreds at a time, so that an
//! append costs one write. What a crash takes of them is found again: the segments that may
//! lack entries are those that recovery scans.

pub(crate) mod offset;
pub(crate) mod time;
pub(crate) mod txn;

use std::ops::ControlFlow;
use std::sync::Arc;

pub(crate) use offset::{OffsetIndex, OffsetLookup, OffsetView};
pub(crate) use time::{TimeEntry, TimeIndex, TimeView};
pub(crate) use txn::{AbortedEntry, TxnIndex};

use crate::error::StorageError;
use crate::folder::{Folder, OpenFile, SegmentFile};
use crate::name::FileKind;

/// Entries in memory are written out when they take this many bytes.
const TAIL_BYTES: usize = 4096;

/// Binary search ends with reading this many entries at once.
const BLOCK_ENTRIES: u64 = 256;

/// Entries of `N` bytes.
#[derive(Debug)]
pub(crate) struct Entries<const N: usize> {
    file: SegmentFile,
    /// Entries that the file holds.
    written: u64,
    /// Entries that it does not hold yet.
    tail: Vec<u8>,
    /// The file may hold bytes behind its entries.
    may_exceed: bool,
}

/// The entries that a file holds, readable without the log's lock.
#[derive(Clone, Debug)]
pub(crate) struct WrittenEntries<const N: usize> {
    file: OpenFile,
    count: u64,
}

/// All entries of one moment.
#[derive(Debug)]
pub(crate) struct EntriesSnapshot<const N: usize> {
    written: Option<WrittenEntries<N>>,
    tail: Vec<u8>,
}

impl<const N: usize> EntriesSnapshot<N> {
    /// The last of the entries at the front that satisfy a predicate that holds for none behind
    /// them.
    pub(crate) fn last_while(
        &self,
        holds: impl Fn(&[u8; N]) -> bool,
    ) -> Result<Option<[u8; N]>, StorageError> {
        let in_tail = self.tail.as_chunks().0.partition_point(&holds);
        if let Some(last) = in_tail.checked_sub(1) {
            return Ok(Some(tail_entry(&self.tail, last)));
        }
        let Some(written) = &self.written else { return Ok(None) };
        let count = written.count_while(holds)?;
        count.checked_sub(1).map(|last| written.get(last)).transpose()
    }

    /// Visits the entries in order, until `see` breaks off.
    pub(crate) fn visit(
        &self,
        mut see: impl FnMut(&[u8; N]) -> ControlFlow<()>,
    ) -> Result<ControlFlow<()>, StorageError> {
        let count = self.written.as_ref().map_or(0, |written| written.count);
        let mut block = [[0; N]; BLOCK_ENTRIES as usize];
        let mut at = 0;
        while let Some(written) = self.written.as_ref().filter(|_| at < count) {
            let entries = &mut block[..(count - at).min(BLOCK_ENTRIES) as usize];
            written.read(at, entries.as_flattened_mut())?;
            if entries.iter().try_for_each(&mut see).is_break() {
                return Ok(ControlFlow::Break(()));
            }
            at += entries.len() as u64;
        }
        Ok(self.tail.as_chunks().0.iter().try_for_each(see))
    }
}

impl<const N: usize> Entries<N> {
    /// An index without entries; a file that is there counts for nothing until it is
    /// overwritten.
    pub(crate) fn empty(folder: Arc<Folder>, kind: FileKind, base_offset: i64) -> Self {
        let file = SegmentFile::new(folder, kind, base_offset);
        Self { file, written: 0, tail: Vec::new(), may_exceed: true }
    }

    /// The entries of a file of `bytes`; an incomplete one at the end is ignored.
    pub(crate) fn of_file(
        folder: Arc<Folder>,
        kind: FileKind,
        base_offset: i64,
        bytes: u64,
    ) -> Self {
        let written = bytes / N as u64;
        let may_exceed = !bytes.is_multiple_of(N as u64);
        Self { written, may_exceed, ..Self::empty(folder, kind, base_offset) }
    }

    pub(crate) fn len(&self) -> u64 {
        self.written + (self.tail.len() / N) as u64
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Adds an entry, in memory at first.
    pub(crate) fn push(&mut self, entry: [u8; N]) {
        self.tail.extend_from_slice(&entry);
        if self.tail.len() >= TAIL_BYTES && self.write_tail().is_err() {
            // The entries stay in memory, and the next flush or roll reports what is wrong.
            tracing::debug!(file = %self.file.id().path().display(), "index entries wait in memory");
        }
    }

    /// Writes what is in memory to the file.
    pub(crate) fn write_tail(&mut self) -> Result<(), StorageError> {
        if self.tail.is_empty() {
            return Ok(());
        }
        let position = self.written * N as u64;
        self.file.write_at(&self.tail, position)?;
        self.written += (self.tail.len() / N) as u64;
        self.tail.clear();
        Ok(())
    }

    /// Writes everything, cuts what lies behind, and lets go of the memory.
    pub(crate) fn seal(&mut self) -> Result<(), StorageError> {
        self.write_tail()?;
        self.tail = Vec::new();
        if self.may_exceed {
            let size = self.written * N as u64;
            if self.file.size()? != size {
                self.file.set_size(size)?;
            }
            self.may_exceed = false;
        }
        Ok(())
    }

    pub(crate) fn renamed(&mut self, folder: &Arc<Folder>) {
        self.file.renamed(folder);
    }

    /// Whether the file holds all entries and nothing else.
    pub(crate) fn is_sealed(&self) -> bool {
        self.tail.is_empty() && !self.may_exceed
    }

    pub(crate) fn release(&mut self) {
        self.file.release();
    }

    /// All entries as they are now, readable without the log's lock.
    pub(crate) fn snapshot(&self) -> Result<EntriesSnapshot<N>, StorageError> {
        Ok(EntriesSnapshot { written: self.written_or_none()?, tail: self.tail.clone() })
    }

    /// As [`Self::snapshot`]; the file is closed with it, unless it is open already.
    pub(crate) fn snapshot_once(&self) -> Result<EntriesSnapshot<N>, StorageError> {
        let written = match self.written {
            0 => None,
            count => Some(WrittenEntries { file: self.file.open_once()?, count }),
        };
        Ok(EntriesSnapshot { written, tail: self.tail.clone() })
    }

    /// The open file, for syncing.
    pub(crate) fn open(&self) -> Result<OpenFile, StorageError> {
        self.file.open()
    }

    pub(crate) fn get(&self, index: u64) -> Result<Option<[u8; N]>, StorageError> {
        if index >= self.len() {
            return Ok(None);
        }
        if let Some(in_tail) = index.checked_sub(self.written) {
            return Ok(Some(tail_entry(&self.tail, in_tail as usize)));
        }
        self.written_entries()?.get(index).map(Some)
    }

    pub(crate) fn last(&self) -> Result<Option<[u8; N]>, StorageError> {
        match self.len().checked_sub(1) {
            Some(index) => self.get(index),
            None => Ok(None),
        }
    }

    /// The last entry, of which the file is closed again.
    pub(crate) fn last_once(&self) -> Result<Option<[u8; N]>, StorageError> {
        if !self.tail.is_empty() || self.written == 0 {
            return self.last();
        }
        let entries = WrittenEntries { file: self.file.open_once()?, count: self.written };
        entries.get(self.written - 1).map(Some)
    }

    /// How many entries at the front satisfy a predicate that holds for none behind them.
    pub(crate) fn count_while(
        &self,
        holds: impl Fn(&[u8; N]) -> bool,
    ) -> Result<u64, StorageError> {
        if let Some(in_tail) = self.count_in_tail(&holds) {
            return Ok(self.written + in_tail);
        }
        if self.written == 0 { Ok(0) } else { self.written_entries()?.count_while(holds) }
    }

    /// As [`Self::count_while`], where the answer lies among the entries in memory.
    fn count_in_tail(&self, holds: impl Fn(&[u8; N]) -> bool) -> Option<u64> {
        let count = self.tail.len() / N;
        if count == 0 || !holds(&tail_entry(&self.tail, 0)) {
            return None;
        }
        let (mut low, mut high) = (1, count);
        while low < high {
            let middle = low + (high - low) / 2;
            if holds(&tail_entry(&self.tail, middle)) { low = middle + 1 } else { high = middle }
        }
        Some(low as u64)
    }

    /// The last entry in memory that satisfies such a predicate, if any does.
    pub(crate) fn last_in_tail(&self, holds: impl Fn(&[u8; N]) -> bool) -> Option<[u8; N]> {
        let count = self.count_in_tail(holds)?;
        Some(tail_entry(&self.tail, count as usize - 1))
    }

    fn written_entries(&self) -> Result<WrittenEntries<N>, StorageError> {
        Ok(WrittenEntries { file: self.file.open()?, count: self.written })
    }

    /// `Some` when the file holds entries.
    pub(crate) fn written_or_none(&self) -> Result<Option<WrittenEntries<N>>, StorageError> {
        if self.written == 0 { Ok(None) } else { self.written_entries().map(Some) }
    }

    /// Keeps the first `count` entries.
    pub(crate) fn truncate(&mut self, count: u64) -> Result<(), StorageError> {
        if let Some(in_tail) = count.checked_sub(self.written) {
            self.tail.truncate(in_tail as usize * N);
            return Ok(());
        }
        self.file.set_size(count * N as u64)?;
        self.written = count;
        self.tail.clear();
        Ok(())
    }
}

impl<const N: usize> WrittenEntries<N> {
    /// The same, whose reads fail rather than wait for a disk.
    pub(crate) fn cached_only(&self) -> Self {
        Self { file: self.file.cached_only(), count: self.count }
    }

    pub(crate) fn get(&self, index: u64) -> Result<[u8; N], StorageError> {
        let mut entry = [0; N];
        self.read(index, &mut entry)?;
        Ok(entry)
    }

    /// See [`Entries::count_while`].
    pub(crate) fn count_while(
        &self,
        holds: impl Fn(&[u8; N]) -> bool,
    ) -> Result<u64, StorageError> {
        let (mut low, mut high) = (0, self.count);
        while high - low > BLOCK_ENTRIES {
            let middle = low + (high - low) / 2;
            if holds(&self.get(middle)?) { low = middle + 1 } else { high = middle }
        }
        let mut block = [[0; N]; BLOCK_ENTRIES as usize];
        let entries = &mut block[..(high - low) as usize];
        self.read(low, entries.as_flattened_mut())?;
        Ok(low + entries.partition_point(holds) as u64)
    }

    fn read(&self, index: u64, buffer: &mut [u8]) -> Result<(), StorageError> {
        self.file.read_exact_at(buffer, index * N as u64)
    }
}

fn tail_entry<const N: usize>(tail: &[u8], index: usize) -> [u8; N] {
    let mut entry = [0; N];
    entry.copy_from_slice(&tail[index * N..(index + 1) * N]);
    entry
}

#[cfg(test)]
mod tests;
