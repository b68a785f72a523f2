//! Batches and their records as views of bytes that are elsewhere.

use std::ops::Deref;

use bytes::Bytes;

use crate::record::header::{ATTRIBUTES_OFFSET, BATCH_OVERHEAD, BatchHeader};
use crate::record::item::RecordIter;
use crate::record::walk::LEAST_RECORD;
use crate::record::{BatchError, Compression};

/// A batch whose bytes are all there. Its header's accessors can be called on it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordBatch {
    header: BatchHeader,
    bytes: Bytes,
}

impl RecordBatch {
    /// The batch at the start of `bytes`.
    pub fn parse(bytes: &Bytes) -> Result<Self, BatchError> {
        let header = BatchHeader::parse(bytes)?;
        let (wanted, left) = (header.size(), bytes.len());
        if wanted > left {
            return Err(BatchError::Truncated { wanted, left });
        }
        Ok(Self { header, bytes: bytes.slice(..wanted) })
    }

    pub fn header(&self) -> &BatchHeader {
        &self.header
    }

    /// The whole batch.
    pub fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    pub fn check_crc(&self) -> Result<(), BatchError> {
        let (stored, computed) =
            (self.header.crc, crc32c::crc32c(&self.bytes[ATTRIBUTES_OFFSET..]));
        if stored == computed { Ok(()) } else { Err(BatchError::Checksum { stored, computed }) }
    }

    /// The records, decompressed where they must be, to at most `limit` bytes.
    pub fn payload(&self, limit: usize) -> Result<Payload, BatchError> {
        let bytes = self.bytes.slice(BATCH_OVERHEAD..);
        let bytes = match self.header.compression()? {
            Compression::None => bytes,
            codec => Bytes::from(codec.decompress(&bytes, limit)?),
        };
        Payload::new(self.header, bytes)
    }
}

impl Deref for RecordBatch {
    type Target = BatchHeader;

    fn deref(&self) -> &BatchHeader {
        &self.header
    }
}

/// The uncompressed records of a batch.
#[derive(Clone, Debug)]
pub struct Payload {
    header: BatchHeader,
    bytes: Bytes,
}

impl Payload {
    fn new(header: BatchHeader, bytes: Bytes) -> Result<Self, BatchError> {
        let error = BatchError::Count { count: header.count, bytes: bytes.len() };
        let count = usize::try_from(header.count).map_err(|_| error.clone())?;
        if count > bytes.len() / LEAST_RECORD {
            return Err(error);
        }
        Ok(Self { header, bytes })
    }

    pub fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// The records in order. Keys, values and headers are slices of the payload; see
    /// [`share`](Self::share) for keeping one.
    pub fn records(&self) -> RecordIter<'_> {
        RecordIter::new(&self.header, &self.bytes)
    }

    /// A key or value of this payload as bytes that keep it alive.
    ///
    /// # Panics
    /// If `part` is not a slice of this payload.
    pub fn share(&self, part: &[u8]) -> Bytes {
        self.bytes.slice_ref(part)
    }
}

/// The batches in `bytes`, one after the other. Ends after the first error; bytes that do not
/// hold a whole batch, as at the end of a fetch, are [`BatchError::Truncated`].
pub fn batches(bytes: &Bytes) -> Batches {
    Batches { rest: bytes.clone() }
}

/// See [`batches`].
#[derive(Clone, Debug)]
pub struct Batches {
    rest: Bytes,
}

impl Iterator for Batches {
    type Item = Result<RecordBatch, BatchError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let batch = RecordBatch::parse(&self.rest);
        match &batch {
            Ok(batch) => self.rest = self.rest.slice(batch.size()..),
            Err(_) => self.rest = Bytes::new(),
        }
        Some(batch)
    }
}
