//! Telling the torn end of a write that a crash cut short from damage to what was there.

use protocol::record::BATCH_OVERHEAD;

use crate::batch::parse_header;
use crate::error::StorageError;
use crate::folder::OpenFile;
use crate::scan::check_crc;

/// What a disk writes whole or not at all.
const SECTOR: u64 = 512;

/// A shorter run of zeros may be the end of a batch as well as what was never written.
const LEAST_UNWRITTEN: usize = 8;

/// A file from the place on where its batches are not good.
#[derive(Debug)]
pub(super) struct Damage<'a> {
    pub(super) file: &'a OpenFile,
    pub(super) position: u64,
    /// Where the file ends.
    pub(super) end: u64,
    /// The offset that the next batch should have.
    pub(super) next_offset: i64,
}

impl Damage<'_> {
    /// Whether it can be the rest of one append, of at most so many bytes, that never was
    /// acknowledged: the file ends within it, or a part of it did not reach the disk and reads as
    /// zeros. What has a good batch behind it, or is there to its last byte, is neither.
    pub(super) fn is_torn_append(&self, most: u64) -> Result<bool, StorageError> {
        let length = self.end - self.position;
        if length > most {
            return Ok(false);
        }
        let mut rest = vec![0; length as usize];
        self.file.read_exact_at(&mut rest, self.position)?;
        if (1..rest.len()).any(|at| self.is_batch(&rest[at..])) {
            return Ok(false);
        }
        Ok(ends_within(&rest) || self.has_unwritten(&rest))
    }

    /// A whole batch that may follow in this log.
    fn is_batch(&self, bytes: &[u8]) -> bool {
        let Ok(header) = parse_header(bytes) else { return false };
        header.base_offset > self.next_offset
            && header.size() <= bytes.len()
            && check_crc(&header, &bytes[..header.size()]).is_ok()
    }

    fn has_unwritten(&self, rest: &[u8]) -> bool {
        let until_sector = (SECTOR - self.position % SECTOR) as usize;
        let (first, others) = rest.split_at(until_sector.min(rest.len()));
        std::iter::once(first)
            .chain(others.chunks(SECTOR as usize))
            .any(|part| part.len() >= LEAST_UNWRITTEN && part.iter().all(|byte| *byte == 0))
    }
}

/// Whether it is the beginning of a batch.
fn ends_within(rest: &[u8]) -> bool {
    if rest.len() < BATCH_OVERHEAD {
        return true;
    }
    parse_header(rest).is_ok_and(|header| {
        // If all of it is there, it is the length that is wrong.
        header.size() > rest.len() && check_crc(&header, rest).is_err()
    })
}
