//! The compressions that a batch may have.

use std::fmt;
use std::str::FromStr;

use crate::record::{BatchError, gzip, lz4, snappy, zstandard};

/// How the records of a batch are compressed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Compression {
    #[default]
    None,
    Gzip,
    Snappy,
    Lz4,
    Zstd,
}

impl Compression {
    pub const ALL: [Compression; 5] = [
        Compression::None,
        Compression::Gzip,
        Compression::Snappy,
        Compression::Lz4,
        Compression::Zstd,
    ];

    /// The number in a batch's attributes.
    pub fn id(self) -> i16 {
        self as i16
    }

    pub fn from_id(id: i16) -> Option<Self> {
        Self::ALL.get(usize::try_from(id).ok()?).copied()
    }

    /// The name in configurations.
    pub fn name(self) -> &'static str {
        match self {
            Compression::None => "none",
            Compression::Gzip => "gzip",
            Compression::Snappy => "snappy",
            Compression::Lz4 => "lz4",
            Compression::Zstd => "zstd",
        }
    }

    /// The content of `input`, if it is no longer than `limit` bytes. What is allocated stays
    /// in proportion to the input and below the limit, also where the input lies.
    pub fn decompress(self, input: &[u8], limit: usize) -> Result<Vec<u8>, BatchError> {
        let result = match self {
            Compression::None if input.len() > limit => Err(Failure::TooLarge),
            Compression::None => Ok(input.to_vec()),
            Compression::Gzip => gzip::decompress(input, limit),
            Compression::Snappy => snappy::decompress(input, limit),
            Compression::Lz4 => lz4::decompress(input, limit),
            Compression::Zstd => zstandard::decompress(input, limit),
        };
        result.map_err(|failure| failure.of(self, limit))
    }
}

impl fmt::Display for Compression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Compression {
    type Err = UnknownCompression;

    fn from_str(name: &str) -> Result<Self, UnknownCompression> {
        let found = Self::ALL.into_iter().find(|c| c.name() == name);
        found.ok_or_else(|| UnknownCompression(name.to_string()))
    }
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("compression {0:?} is not known: use none, gzip, snappy, lz4 or zstd")]
pub struct UnknownCompression(pub String);

/// A level that a compression does not have.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LevelError {
    #[error("{compression} has levels {first} to {last}, not {level}")]
    Range { compression: Compression, level: i32, first: i32, last: i32 },
    #[error("{compression} has no levels: leave the level out")]
    NoLevels { compression: Compression },
}

/// A compression with its level.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Codec {
    compression: Compression,
    level: Option<i32>,
}

impl Codec {
    pub fn with_level(compression: Compression, level: i32) -> Result<Self, LevelError> {
        let (first, last) = match compression {
            Compression::Gzip => (gzip::FIRST_LEVEL, gzip::LAST_LEVEL),
            Compression::Lz4 => (lz4::FIRST_LEVEL, lz4::LAST_LEVEL),
            Compression::Zstd => zstandard::levels(),
            Compression::None | Compression::Snappy => {
                return Err(LevelError::NoLevels { compression });
            }
        };
        if (first..=last).contains(&level) {
            Ok(Self { compression, level: Some(level) })
        } else {
            Err(LevelError::Range { compression, level, first, last })
        }
    }

    pub fn compression(self) -> Compression {
        self.compression
    }

    /// Appends the compressed form of `input` to `out`, as Kafka's Java client reads it.
    pub(crate) fn compress(self, input: &[u8], out: &mut Vec<u8>) {
        match self.compression {
            Compression::None => out.extend_from_slice(input),
            Compression::Gzip => gzip::compress(input, self.level, out),
            Compression::Snappy => snappy::compress(input, out),
            Compression::Lz4 => lz4::compress(input, self.level, out),
            Compression::Zstd => zstandard::compress(input, self.level, out),
        }
    }
}

impl From<Compression> for Codec {
    fn from(compression: Compression) -> Self {
        Self { compression, level: None }
    }
}

/// Why a decompressor gave up.
pub(crate) enum Failure {
    TooLarge,
    Data(String),
}

impl Failure {
    pub(crate) fn data(reason: impl fmt::Display) -> Self {
        Failure::Data(reason.to_string())
    }

    pub(crate) fn of(self, codec: Compression, limit: usize) -> BatchError {
        match self {
            Failure::TooLarge => BatchError::TooLarge { limit },
            Failure::Data(reason) => BatchError::Compressed { codec, reason },
        }
    }
}

/// Reads all of `source`, growing as it goes.
pub(crate) fn read_limited(
    mut source: impl std::io::Read,
    input: usize,
    limit: usize,
) -> Result<Vec<u8>, Failure> {
    let mut out = vec![0; (input * 4).clamp(256, 64 * 1024).min(limit.saturating_add(1))];
    let mut length = 0;
    loop {
        match source.read(&mut out[length..]) {
            Ok(0) => break,
            Ok(read) => length += read,
            Err(e) => return Err(Failure::data(e)),
        }
        if length > limit {
            return Err(Failure::TooLarge);
        }
        if length == out.len() {
            out.resize((length * 2).min(limit.saturating_add(1)), 0);
        }
    }
    out.truncate(length);
    Ok(out)
}
