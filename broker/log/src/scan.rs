//! Reading all of a segment's batches, checking each.

use protocol::record::{BATCH_OVERHEAD, BatchHeader};

use crate::batch::parse_header;
use crate::error::StorageError;
use crate::folder::OpenFile;

/// The CRC covers a batch from its attributes on.
const CRC_COVERS_FROM: usize = 21;

/// How much is read at once, unless a batch is larger.
const BUFFER_BYTES: usize = 256 * 1024;

/// Walks over whole batches until the file ends or one is not good.
#[derive(Debug)]
pub(crate) struct Scan<'a> {
    file: &'a OpenFile,
    end: u64,
    /// Offsets are above those before, and not too far from the segment's base.
    next_offset: i64,
    largest_offset: i64,
    buffer: Vec<u8>,
    /// Position in the file of the buffer's start, and what of the buffer is not used up.
    buffer_start: u64,
    unread: std::ops::Range<usize>,
}

/// What a scan finds next.
#[derive(Debug)]
pub(crate) enum Scanned<'a> {
    Batch {
        position: u64,
        header: BatchHeader,
        bytes: &'a [u8],
    },
    /// The file ends behind a batch.
    End,
    /// From this position on, nothing can be used.
    Damaged {
        position: u64,
        problem: String,
    },
}

impl<'a> Scan<'a> {
    pub(crate) fn new(file: &'a OpenFile, end: u64, base_offset: i64) -> Self {
        Self {
            file,
            end,
            next_offset: base_offset,
            largest_offset: base_offset.saturating_add(i32::MAX.into()),
            buffer: Vec::new(),
            buffer_start: 0,
            unread: 0..0,
        }
    }

    /// From a batch's position on.
    pub(crate) fn starting_at(self, position: u64) -> Self {
        Self { buffer_start: position, ..self }
    }

    pub(crate) fn next(&mut self) -> Result<Scanned<'_>, StorageError> {
        let position = self.buffer_start + self.unread.start as u64;
        if position == self.end {
            return Ok(Scanned::End);
        }
        let damaged = |problem| Ok(Scanned::Damaged { position, problem });
        if !self.have(BATCH_OVERHEAD)? {
            return damaged(format!("{} bytes are no batch", self.end - position));
        }
        let header = match parse_header(&self.buffer[self.unread.clone()]) {
            Ok(header) => header,
            Err(problem) => return damaged(problem),
        };
        if header.size() as u64 > self.end - position {
            let there = self.end - position;
            return damaged(format!("{there} of its {} bytes are there", header.size()));
        }
        if header.base_offset < self.next_offset || header.last_offset() > self.largest_offset {
            return damaged(format!("its base offset is {}", header.base_offset));
        }
        if !self.have(header.size())? {
            return damaged("the file became shorter".into());
        }
        let bytes = self.unread.start..self.unread.start + header.size();
        if let Err(problem) = check_crc(&header, &self.buffer[bytes.clone()]) {
            return damaged(problem);
        }
        self.unread.start = bytes.end;
        self.next_offset = header.next_offset();
        Ok(Scanned::Batch { position, header, bytes: &self.buffer[bytes] })
    }

    /// Sees to it that so many bytes are in the buffer, if the file has them.
    fn have(&mut self, count: usize) -> Result<bool, StorageError> {
        if self.unread.len() >= count {
            return Ok(true);
        }
        self.buffer.copy_within(self.unread.clone(), 0);
        self.buffer_start += self.unread.start as u64;
        self.unread = 0..self.unread.len();
        let left = self.end - self.buffer_start;
        let wanted = (count.max(BUFFER_BYTES) as u64).min(left) as usize;
        if self.buffer.len() < wanted {
            self.buffer.resize(wanted, 0);
        }
        let filled = self.unread.end;
        let from = self.buffer_start + filled as u64;
        let read = self.file.read_at(&mut self.buffer[filled..wanted], from)?;
        self.unread.end += read;
        Ok(self.unread.len() >= count)
    }
}

pub(crate) fn check_crc(header: &BatchHeader, batch: &[u8]) -> Result<(), String> {
    let computed = crc32c::crc32c(&batch[CRC_COVERS_FROM..]);
    if computed == header.crc {
        return Ok(());
    }
    Err(format!("its CRC is {}, and that of its content {computed}", header.crc))
}
