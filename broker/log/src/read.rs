//! How records leave the log: as slices of its files.

use std::io::ErrorKind;
use std::ops::ControlFlow;
use std::os::fd::RawFd;

use crate::batch::HeaderWalk;
use crate::error::{ReadError, StorageError};
use crate::folder::OpenFile;
use crate::index::{EntriesSnapshot, OffsetLookup, TxnIndex, txn};
use crate::log::Log;
use crate::segment::{Segment, find_batch};

/// What to read.
#[derive(Clone, Copy, Debug)]
pub struct ReadRequest {
    pub offset: i64,
    pub max_bytes: usize,
    /// Nothing at or above is returned: high watermark, last stable offset or log end.
    pub upper_bound: i64,
    /// Return the first batch even where it is larger than `max_bytes`.
    pub min_one_batch: bool,
}

/// Bytes of a file that may be read or sent without the log's lock.
#[derive(Clone, Debug)]
pub struct FileSlice {
    file: OpenFile,
    pub position: u64,
    pub length: usize,
}

impl FileSlice {
    /// Another range of the same file.
    #[must_use]
    pub fn range(&self, position: u64, length: usize) -> Self {
        Self { file: self.file.clone(), position, length }
    }

    /// The file that it is of, under the name that it had.
    pub fn path(&self) -> std::path::PathBuf {
        self.file.id.path()
    }

    /// Reads the slice; shorter than `length` only when the log was truncated since.
    pub fn read(&self) -> Result<Vec<u8>, StorageError> {
        let mut bytes = vec![0; self.length];
        let read = self.file.read_at(&mut bytes, self.position)?;
        bytes.truncate(read);
        Ok(bytes)
    }

    /// As [`Self::read`], where that does not wait for a disk; else `None`.
    pub fn read_cached(&self) -> Result<Option<Vec<u8>>, StorageError> {
        let mut bytes = vec![0; self.length];
        let read = self.file.handle.read_cached_at(&mut bytes, self.position);
        let read = read.map_err(self.file.id.failed("read"))?;
        Ok(read.map(|read| {
            bytes.truncate(read);
            bytes
        }))
    }

    /// Whether reading or sending the slice would not wait for a disk, as far as can be told
    /// quickly.
    pub fn is_cached(&self) -> bool {
        self.file.handle.is_cached(self.position, self.length)
    }

    /// Has the slice read into memory. Blocks.
    pub fn load(&self) -> Result<(), StorageError> {
        self.file.handle.load(self.position, self.length).map_err(self.file.id.failed("read"))
    }

    /// For `sendfile`; `None` for a log in memory.
    pub fn as_raw_fd(&self) -> Option<RawFd> {
        self.file.handle.as_raw_fd()
    }
}

/// A read that has only to look where in its segment the bytes lie: that may wait for the
/// disk, and needs no lock of the log.
#[derive(Debug)]
pub struct PreparedRead {
    file: OpenFile,
    /// Where the segment's batches end.
    end: u64,
    start: Place,
    /// `None` when the whole segment is below the upper bound.
    bound: Option<Place>,
    /// The offset to go on from when the segment has no batch at or above the one asked for.
    next_segment: Option<i64>,
    request: ReadRequest,
}

/// Where the first batch lies that ends at or above an offset.
#[derive(Debug)]
enum Place {
    /// It begins and ends at these positions.
    Known { start: u64, end: u64 },
    /// It is to be looked for.
    Lookup(OffsetLookup),
}

impl Place {
    fn of(segment: &Segment, offset: i64) -> Result<Self, StorageError> {
        Ok(match segment.find_recent(offset) {
            Some((start, end)) => Self::Known { start, end },
            None => Self::Lookup(segment.lookup(offset)?),
        })
    }

    /// The same, whose search fails rather than wait for a disk.
    fn cached_only(&self) -> Self {
        match self {
            Self::Known { start, end } => Self::Known { start: *start, end: *end },
            Self::Lookup(lookup) => Self::Lookup(lookup.cached_only()),
        }
    }
}

/// What became of a prepared read.
#[derive(Clone, Debug)]
pub enum Located {
    Slice(FileSlice),
    /// The first batch lies at the upper bound, or is larger than `max_bytes` and
    /// `min_one_batch` is unset.
    Nothing,
    /// The segment ends before the offset: prepare a read of this instead.
    Further(ReadRequest),
}

/// A transaction that was aborted, as a Fetch response names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AbortedTransaction {
    pub producer_id: i64,
    pub first_offset: i64,
}

/// A search for aborted transactions in what the indexes were at one moment.
#[derive(Debug)]
pub struct AbortedSearch {
    indexes: Vec<EntriesSnapshot<{ txn::ENTRY }>>,
    from: i64,
    to: i64,
}

impl Log {
    /// Finds the bytes that begin with the batch holding `offset`. They lie in one segment,
    /// begin with a batch, and may end within one. `None`: there is nothing to read at that
    /// offset yet, or the first batch is too large and `min_one_batch` is unset.
    pub fn read(&self, request: ReadRequest) -> Result<Option<FileSlice>, ReadError> {
        let mut request = request;
        while let Some(read) = self.prepare_read(request)? {
            match read.locate()? {
                Located::Slice(slice) => return Ok(Some(slice)),
                Located::Nothing => return Ok(None),
                Located::Further(further) => request = further,
            }
        }
        Ok(None)
    }

    /// The part of a read that needs the log, and seldom the disk. `None`: there is nothing
    /// to read at that offset yet.
    pub fn prepare_read(&self, request: ReadRequest) -> Result<Option<PreparedRead>, ReadError> {
        let ReadRequest { offset, upper_bound, .. } = request;
        if offset < self.log_start_offset || offset > self.next_offset {
            return Err(ReadError::OffsetOutOfRange {
                offset,
                log_start_offset: self.log_start_offset,
                log_end_offset: self.next_offset,
            });
        }
        if offset >= upper_bound.min(self.next_offset) {
            return Ok(None);
        }
        let index = self.segment_of(offset);
        let segment = &self.segments[index];
        let segment_end = self.end_of_segment(index);
        let is_last = index + 1 == self.segments.len();
        let is_bounded = upper_bound < segment_end;
        Ok(Some(PreparedRead {
            file: segment.open_log()?,
            end: segment.size(),
            start: Place::of(segment, offset)?,
            bound: is_bounded.then(|| Place::of(segment, upper_bound)).transpose()?,
            next_segment: (!is_last).then_some(segment_end),
            request,
        }))
    }

    /// Transactions that were aborted and have batches between two offsets, the upper one
    /// exclusive.
    pub fn aborted_transactions(
        &self,
        from: i64,
        to: i64,
    ) -> Result<Vec<AbortedTransaction>, ReadError> {
        self.prepare_aborted(from, to)?.find()
    }

    /// The part of [`Self::aborted_transactions`] that needs the log; reads no file.
    pub fn prepare_aborted(&self, from: i64, to: i64) -> Result<AbortedSearch, ReadError> {
        let segments = self.segments[self.segment_of(from)..].iter();
        let indexes = segments.map(|segment| &segment.aborted).filter(|index| !index.is_empty());
        let indexes = indexes.map(TxnIndex::snapshot).collect::<Result<_, _>>()?;
        Ok(AbortedSearch { indexes, from, to })
    }
}

impl AbortedSearch {
    /// Whether no transaction was aborted.
    pub fn is_empty(&self) -> bool {
        self.indexes.is_empty()
    }

    /// Reads the indexes of aborted transactions. Blocks.
    pub fn find(&self) -> Result<Vec<AbortedTransaction>, ReadError> {
        let mut found = Vec::new();
        for index in &self.indexes {
            let seen = index.visit(|entry| {
                let entry = txn::decode(entry);
                if entry.last_offset >= self.from && entry.first_offset < self.to {
                    let (producer_id, first_offset) = (entry.producer_id, entry.first_offset);
                    found.push(AbortedTransaction { producer_id, first_offset });
                }
                // Later entries are of transactions that began at or behind this.
                match entry.last_stable_offset >= self.to {
                    true => ControlFlow::Break(()),
                    false => ControlFlow::Continue(()),
                }
            })?;
            if seen.is_break() {
                break;
            }
        }
        Ok(found)
    }
}

impl PreparedRead {
    /// As [`Self::locate`], where that does not wait for a disk; else `None`.
    pub fn locate_cached(&self) -> Result<Option<Located>, ReadError> {
        let looks = |place: &Place| matches!(place, Place::Lookup(_));
        if !looks(&self.start) && !self.bound.as_ref().is_some_and(looks) {
            return self.locate().map(Some);
        }
        let cached = Self {
            file: self.file.cached_only(),
            start: self.start.cached_only(),
            bound: self.bound.as_ref().map(Place::cached_only),
            ..*self
        };
        match cached.locate() {
            Ok(Located::Slice(slice)) => {
                let file = self.file.clone();
                Ok(Some(Located::Slice(FileSlice { file, ..slice })))
            }
            Ok(other) => Ok(Some(other)),
            Err(ReadError::Storage(error)) if error.source.kind() == ErrorKind::WouldBlock => {
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    /// Looks where the bytes lie.
    pub fn locate(&self) -> Result<Located, ReadError> {
        let request = self.request;
        let Some((start, batch_end)) = self.first_batch()? else {
            return Ok(match self.next_segment {
                Some(offset) => Located::Further(ReadRequest { offset, ..request }),
                None => Located::Nothing,
            });
        };
        let first = batch_end - start;
        let fits = request.min_one_batch || first <= request.max_bytes as u64;
        let most = first.max(request.max_bytes as u64);
        let end = self.end_of_readable(start, most)?;
        if !fits || end <= start {
            return Ok(Located::Nothing);
        }
        let length = most.min(end - start) as usize;
        Ok(Located::Slice(FileSlice { file: self.file.clone(), position: start, length }))
    }

    /// The positions between which the first batch lies.
    fn first_batch(&self) -> Result<Option<(u64, u64)>, ReadError> {
        match &self.start {
            Place::Known { start, end } => Ok(Some((*start, *end))),
            Place::Lookup(lookup) => {
                let found = find_batch(&self.file, lookup, self.end, self.request.offset)?;
                Ok(found.map(|(position, header)| (position, position + header.size() as u64)))
            }
        }
    }

    /// Where the upper bound lies, or an end that is `most` bytes behind the start or more.
    fn end_of_readable(&self, start: u64, most: u64) -> Result<u64, ReadError> {
        let from = match &self.bound {
            None => return Ok(self.end),
            Some(Place::Known { start, .. }) => return Ok(*start),
            Some(Place::Lookup(lookup)) => lookup.position()?,
        };
        if from > start && from - start >= most {
            return Ok(from);
        }
        let mut walk = HeaderWalk::new(&self.file, from.max(start), self.end);
        while let Some((position, header)) = walk.next()? {
            if header.last_offset() >= self.request.upper_bound {
                return Ok(position);
            }
        }
        Ok(self.end)
    }
}

#[cfg(test)]
mod tests;
