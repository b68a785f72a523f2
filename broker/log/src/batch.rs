//! Walks over the batches of a request and of a file.

use protocol::record::{BATCH_OVERHEAD, BatchHeader};

use crate::error::{StorageError, WalkError};
use crate::folder::OpenFile;

/// Reads the header at the start of `bytes`; its offsets are such that a log can hold them.
pub(crate) fn parse_header(bytes: &[u8]) -> Result<BatchHeader, String> {
    let header = BatchHeader::parse(bytes).map_err(|error| error.to_string())?;
    let (base, delta) = (header.base_offset, header.last_offset_delta);
    let fits = base >= 0 && delta >= 0 && base < i64::MAX - i64::from(delta);
    if fits { Ok(header) } else { Err(format!("its offsets are {base} and {delta} more")) }
}

/// Walks over the headers of the batches in `bytes`, which have to be whole. An error has the
/// position of the batch, and ends the walk.
pub(crate) fn headers(
    bytes: &[u8],
) -> impl Iterator<Item = Result<(usize, BatchHeader), (usize, String)>> {
    let mut position = 0;
    std::iter::from_fn(move || {
        let rest = bytes.get(position..).filter(|rest| !rest.is_empty())?;
        let header = parse_header(rest).and_then(|header| {
            if header.size() <= rest.len() {
                return Ok(header);
            }
            Err(format!("it is {} bytes long, and {} are there", header.size(), rest.len()))
        });
        let at = position;
        position = header.as_ref().map_or(bytes.len(), |header| at + header.size());
        Some(header.map(|header| (at, header)).map_err(|problem| (at, problem)))
    })
}

const CHUNK_BYTES: usize = 4096;

/// Walks over the headers of a file's batches, reading little more than them.
#[derive(Debug)]
pub(crate) struct HeaderWalk<'a> {
    file: &'a OpenFile,
    position: u64,
    end: u64,
    chunk: [u8; CHUNK_BYTES],
    /// The part of the file that the chunk holds.
    chunk_start: u64,
    chunk_length: usize,
}

impl<'a> HeaderWalk<'a> {
    /// From a batch's position to the end of the file's batches.
    pub(crate) fn new(file: &'a OpenFile, position: u64, end: u64) -> Self {
        let chunk = [0; CHUNK_BYTES];
        Self { file, position, end, chunk, chunk_start: position, chunk_length: 0 }
    }

    /// The next batch's position and header.
    pub(crate) fn next(&mut self) -> Result<Option<(u64, BatchHeader)>, WalkError> {
        let position = self.position;
        if position >= self.end {
            return Ok(None);
        }
        let in_chunk = position.checked_sub(self.chunk_start).map(|at| at as usize);
        let at = match in_chunk.filter(|at| at + BATCH_OVERHEAD <= self.chunk_length) {
            Some(at) => at,
            None => {
                self.fill()?;
                0
            }
        };
        let header = parse_header(&self.chunk[at..self.chunk_length]).and_then(|header| {
            let fits = header.size() as u64 <= self.end - position;
            if fits { Ok(header) } else { Err(format!("it is {} bytes long", header.size())) }
        });
        let header = header.map_err(|problem| self.corrupt(problem))?;
        self.position += header.size() as u64;
        Ok(Some((position, header)))
    }

    fn fill(&mut self) -> Result<(), StorageError> {
        let most = CHUNK_BYTES.min((self.end - self.position) as usize);
        self.chunk_start = self.position;
        self.chunk_length = self.file.read_at(&mut self.chunk[..most], self.position)?;
        Ok(())
    }

    fn corrupt(&self, problem: String) -> WalkError {
        let path = self.file.id.path();
        WalkError::CorruptBatch { path, position: self.position, problem }
    }
}

#[cfg(test)]
mod tests;
