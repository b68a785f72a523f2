//! Record batches (magic 2): read as views, built, validated, compressed, patched in place.
//!
//! ```text
//!  0 base offset     i64 | patched when the leader appends; the CRC starts
//!  8 length          i32 | after them: it counts the bytes that follow it
//! 12 leader epoch    i32 |
//! 16 magic           i8
//! 17 CRC-32C         u32   of all bytes from 21 on
//! 21 attributes      i16   compression, timestamp type, transactional, control, delete horizon
//! 23 last delta      i32   last offset - base offset
//! 27 base timestamp  i64   or the delete horizon
//! 35 max timestamp   i64
//! 43 producer id     i64
//! 51 producer epoch  i16
//! 53 base sequence   i32
//! 57 record count    i32
//! 61 records               compressed together, if at all
//! ```

mod batch;
mod builder;
mod codec;
pub mod control;
mod error;
mod gzip;
mod header;
mod item;
mod lz4;
mod lz4_high;
pub mod patch;
mod snappy;
mod unpacked;
mod validate;
mod varint;
mod walk;
mod zstandard;

use bytes::Bytes;

pub use batch::{Batches, Payload, RecordBatch, batches};
pub use builder::{BatchBuilder, BatchOptions};
pub use codec::{Codec, Compression, LevelError, UnknownCompression};
pub use error::BatchError;
pub use header::{BATCH_OVERHEAD, BatchHeader, LOG_OVERHEAD, MAGIC_OFFSET, TimestampType};
pub use item::{Header, Headers, Record, RecordIter};
pub use validate::{
    BrokenRules, InvalidRecord, RecordProblem, RecordRules, RecordsSummary, validate,
    validate_header, validate_records,
};
pub use walk::{RecordFacts, visit_records};

/// What a broker lets the records of a batch take that it has to decompress.
pub const DECOMPRESSED_LIMIT: usize = 256 * 1024 * 1024;

/// The records of a partition in a message: batches, one after the other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Records {
    /// A slice of the frame that was decoded, or what is to be copied into the one being built.
    Bytes(Bytes),
    /// For encoding: `length` bytes that are sent from where they are.
    Elsewhere { length: usize },
}

impl Records {
    pub fn len(&self) -> usize {
        match self {
            Records::Bytes(bytes) => bytes.len(),
            Records::Elsewhere { length } => *length,
        }
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The bytes, unless they are elsewhere.
    pub fn bytes(&self) -> Option<&Bytes> {
        match self {
            Records::Bytes(bytes) => Some(bytes),
            Records::Elsewhere { .. } => None,
        }
    }
}

impl From<Bytes> for Records {
    fn from(bytes: Bytes) -> Self {
        Records::Bytes(bytes)
    }
}
