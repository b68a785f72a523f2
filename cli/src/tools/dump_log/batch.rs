//! A batch of any format that Kafka wrote, and the batches of a file one after the other.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;

use bytes::Bytes;
use protocol::record::{MAGIC_OFFSET, RecordBatch};

use super::legacy::LegacyBatch;
use super::{Failure, Source};

/// Base offset, length, and what stands in front of the magic byte.
const UP_TO_MAGIC: u64 = 17;
const LOG_OVERHEAD: u64 = 12;
/// The smallest record of the oldest format.
const LEAST_SIZE: i32 = 14;
/// What a batch may become when it is decompressed.
pub(super) const MOST_BYTES: usize = 1 << 30;

/// A batch whose bytes are all there.
pub(super) enum Batch {
    /// Of the format that is written today. A higher magic byte is read as if it were 2.
    Current { batch: RecordBatch, magic: u8 },
    /// Of the two formats before it.
    Legacy(LegacyBatch),
}

impl Batch {
    fn parse(mut bytes: Vec<u8>) -> Result<Self, String> {
        let magic = bytes[MAGIC_OFFSET];
        if (magic as i8) < 2 {
            return LegacyBatch::parse(bytes.into()).map(Self::Legacy);
        }
        // The checksum does not cover the magic byte.
        bytes[MAGIC_OFFSET] = 2;
        let batch = RecordBatch::parse(&Bytes::from(bytes)).map_err(|error| error.to_string())?;
        Ok(Self::Current { batch, magic })
    }

    pub(super) fn last_offset(&self) -> i64 {
        match self {
            Self::Current { batch, .. } => batch.last_offset(),
            Self::Legacy(batch) => batch.offset(),
        }
    }

    /// The largest timestamp of the records, as they say themselves; -1 where there are none.
    pub(super) fn largest_timestamp(&self) -> Result<i64, Failure> {
        let mut largest = -1;
        match self {
            Self::Current { batch, .. } => {
                let payload = batch.payload(MOST_BYTES);
                let payload = payload.map_err(|error| Failure(error.to_string()))?;
                for record in payload.records() {
                    let record = record.map_err(|error| Failure(error.to_string()))?;
                    largest = largest.max(record.timestamp);
                }
            }
            Self::Legacy(batch) => {
                for record in batch.records().map_err(Failure)? {
                    largest = largest.max(record.timestamp);
                }
            }
        }
        Ok(largest)
    }
}

/// The batches of a file, one in memory at a time.
pub(super) struct Walk {
    file: File,
    name: String,
    position: u64,
    end: u64,
}

impl Walk {
    pub(super) fn open(source: &Source<'_>, max_bytes: u64) -> Result<Self, Failure> {
        Self::open_at(source, source.path, 0, max_bytes)
    }

    /// Reads no more than `max_bytes` from a position on.
    pub(super) fn open_at(
        source: &Source<'_>,
        path: &Path,
        position: u64,
        max_bytes: u64,
    ) -> Result<Self, Failure> {
        let failed = |error| Failure(format!("{}: {error}", path.display()));
        let file = File::open(path).map_err(failed)?;
        let size = file.metadata().map_err(failed)?.len();
        let end = position.saturating_add(max_bytes).min(size);
        let name = if path == source.path { source.absolute() } else { path.display().to_string() };
        Ok(Self { file, name, position, end })
    }

    /// The bytes that were not walked over: too few for a batch, or for the one they begin.
    pub(super) fn left(&self) -> u64 {
        self.end - self.position
    }

    /// The next batch that is there as a whole, and its position.
    pub(super) fn next(&mut self) -> Result<Option<(u64, Batch)>, Failure> {
        let position = self.position;
        if position + UP_TO_MAGIC >= self.end {
            return Ok(None);
        }
        let mut fixed = [0; UP_TO_MAGIC as usize];
        self.file.read_exact_at(&mut fixed, position)?;
        let size = i32::from_be_bytes([fixed[8], fixed[9], fixed[10], fixed[11]]);
        if size < LEAST_SIZE {
            return Err(Failure(format!(
                "Found record size {size} smaller than minimum record overhead ({LEAST_SIZE}) \
                 in file {}.",
                self.name
            )));
        }
        let size = LOG_OVERHEAD + size.unsigned_abs() as u64;
        if position + size > self.end {
            return Ok(None);
        }
        let mut bytes = vec![0; size as usize];
        self.file.read_exact_at(&mut bytes, position)?;
        self.position += size;
        let batch = Batch::parse(bytes).map_err(|problem| {
            Failure(format!("{}: the batch at position {position}: {problem}", self.name))
        })?;
        Ok(Some((position, batch)))
    }
}
