//! How records leave the log: as slices of its files.

use std::io;
use std::os::fd::RawFd;
use std::sync::Arc;

use crate::batch::HeaderWalk;
use crate::error::ReadError;
use crate::folder::OpenFile;
use crate::index::OffsetLookup;
use crate::log::Log;
use crate::segment::find_batch;
use crate::store::File;

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
    pub file: Arc<dyn File>,
    pub position: u64,
    pub length: usize,
}

impl FileSlice {
    /// Reads the slice; shorter than `length` only when the log was truncated since.
    pub fn read(&self) -> io::Result<Vec<u8>> {
        let mut bytes = vec![0; self.length];
        let read = self.file.read_at(&mut bytes, self.position)?;
        bytes.truncate(read);
        Ok(bytes)
    }

    /// For `sendfile`; `None` for a log in memory.
    pub fn as_raw_fd(&self) -> Option<RawFd> {
        self.file.as_raw_fd()
    }
}

/// A read that has only to look where in its segment the bytes lie: that may wait for the
/// disk, and needs no lock of the log.
#[derive(Debug)]
pub struct PreparedRead {
    file: OpenFile,
    /// Where the segment's batches end.
    end: u64,
    start: OffsetLookup,
    /// `None` when the whole segment is below the upper bound.
    bound: Option<OffsetLookup>,
    /// The offset to go on from when the segment has no batch at or above the one asked for.
    next_segment: Option<i64>,
    request: ReadRequest,
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
        let bound =
            if upper_bound < segment_end { Some(segment.lookup(upper_bound)?) } else { None };
        Ok(Some(PreparedRead {
            file: segment.open_log()?,
            end: segment.size(),
            start: segment.lookup(offset)?,
            bound,
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
        let mut found = Vec::new();
        let mut complete = false;
        for segment in &self.segments[self.segment_of(from)..] {
            segment.aborted.visit(|entry| {
                if entry.last_offset >= from && entry.first_offset < to {
                    let (producer_id, first_offset) = (entry.producer_id, entry.first_offset);
                    found.push(AbortedTransaction { producer_id, first_offset });
                }
                // Later entries are of transactions that began at or behind this.
                complete = entry.last_stable_offset >= to;
                !complete
            })?;
            if complete {
                break;
            }
        }
        Ok(found)
    }
}

impl PreparedRead {
    /// Looks where the bytes lie.
    pub fn locate(self) -> Result<Located, ReadError> {
        let request = self.request;
        let found = find_batch(&self.file, &self.start, self.end, request.offset)?;
        let Some((position, header)) = found else {
            return Ok(match self.next_segment {
                Some(offset) => Located::Further(ReadRequest { offset, ..request }),
                None => Located::Nothing,
            });
        };
        let fits = request.min_one_batch || header.size() <= request.max_bytes;
        let most = request.max_bytes.max(header.size()) as u64;
        let end = self.end_of_readable(position, most)?;
        if !fits || end <= position {
            return Ok(Located::Nothing);
        }
        let length = most.min(end - position) as usize;
        Ok(Located::Slice(FileSlice { file: self.file.handle, position, length }))
    }

    /// Where the upper bound lies, or an end that is `most` bytes behind the start or more.
    fn end_of_readable(&self, start: u64, most: u64) -> Result<u64, ReadError> {
        let Some(bound) = &self.bound else { return Ok(self.end) };
        let from = bound.position()?;
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
