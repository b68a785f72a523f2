//! The message formats 0 and 1, which a log may still hold from before Kafka 0.11.
//!
//! ```text
//!   0        8      12    16      17           18            | format 0 has no timestamp
//!   | offset | size | crc | magic | attributes | [timestamp] | key | value |
//! ```
//! Big-endian; key and value each behind an int32 length, which is -1 where there is none. A
//! compressed message's value is a row of such messages. It has the offset of the last of them,
//! and in format 1 theirs count from the first one's.

use bytes::Bytes;
use protocol::record::Compression;

use super::batch::MOST_BYTES;

const LOG_OVERHEAD: usize = 12;
const CRC: usize = 12;
const MAGIC: usize = 16;
const ATTRIBUTES: usize = 17;
const TIMESTAMP: usize = 18;

const COMPRESSION_MASK: u8 = 0x07;
const LOG_APPEND_TIME: u8 = 0x08;

/// One message as it is in the file: a record, or a row of them under a compression.
pub(super) struct LegacyBatch {
    bytes: Bytes,
}

/// A record of such a batch.
pub(super) struct LegacyRecord {
    pub(super) offset: i64,
    pub(super) timestamp: i64,
    pub(super) key: Option<Bytes>,
    pub(super) value: Option<Bytes>,
    pub(super) crc: u32,
    pub(super) is_valid: bool,
}

impl LegacyBatch {
    /// One message, from its offset to its end.
    ///
    /// # Errors
    /// It is too short for what it says to be.
    pub(super) fn parse(bytes: Bytes) -> Result<Self, String> {
        let least = if bytes.get(MAGIC) == Some(&0) { TIMESTAMP + 8 } else { TIMESTAMP + 16 };
        if bytes.len() < least {
            return Err(format!("{} bytes are too few for a message of this format", bytes.len()));
        }
        let batch = Self { bytes };
        batch.key_and_value()?;
        Ok(batch)
    }

    pub(super) fn offset(&self) -> i64 {
        i64::from_be_bytes(self.array(0))
    }

    pub(super) fn size(&self) -> usize {
        self.bytes.len()
    }

    pub(super) fn magic(&self) -> i8 {
        self.bytes[MAGIC] as i8
    }

    pub(super) fn crc(&self) -> u32 {
        u32::from_be_bytes(self.array(CRC))
    }

    pub(super) fn is_valid(&self) -> bool {
        self.crc() == crc32(&self.bytes[MAGIC..])
    }

    /// -1 in format 0, which has none.
    pub(super) fn timestamp(&self) -> i64 {
        if self.magic() == 0 { -1 } else { i64::from_be_bytes(self.array(TIMESTAMP)) }
    }

    /// Kafka's name for who set the timestamp.
    pub(super) fn time_name(&self) -> &'static str {
        match self.magic() {
            0 => "NoTimestampType",
            _ if self.bytes[ATTRIBUTES] & LOG_APPEND_TIME == 0 => "CreateTime",
            _ => "LogAppendTime",
        }
    }

    /// The compression, or its number where there is none of that number.
    pub(super) fn compression(&self) -> Result<Compression, i16> {
        let id = i16::from(self.bytes[ATTRIBUTES] & COMPRESSION_MASK);
        Compression::from_id(id).ok_or(id)
    }

    /// The records, decompressed where they must be, with the offsets that they have in the log.
    ///
    /// # Errors
    /// What is compressed cannot be read, or is no row of messages.
    pub(super) fn records(&self) -> Result<Vec<LegacyRecord>, String> {
        let codec =
            self.compression().map_err(|id| format!("Unknown compression type id: {id}"))?;
        if codec == Compression::None {
            return Ok(vec![self.record(self.offset(), self.timestamp())?]);
        }
        let (_, value) = self.key_and_value()?;
        let value = value.ok_or("a compressed message has no value")?;
        let row = codec.decompress(&value, MOST_BYTES).map_err(|error| error.to_string())?;
        let inner = messages(row.into())?;
        let last = inner.last().ok_or("a compressed message holds no records")?.offset();
        // Some producers leave the outer offset 0; then the inner ones are right as they are.
        let base = match (self.magic(), self.offset()) {
            (0, _) | (_, 0) => 0,
            (_, offset) if offset < last => {
                return Err(format!("a message at offset {offset} holds one at {last}"));
            }
            (_, offset) => offset - last,
        };
        let is_append_time = self.time_name() == "LogAppendTime";
        let record = |message: Self| {
            let timestamp = if is_append_time && message.magic() != 0 {
                self.timestamp()
            } else {
                message.timestamp()
            };
            message.record(base.wrapping_add(message.offset()), timestamp)
        };
        inner.into_iter().map(record).collect()
    }

    fn record(&self, offset: i64, timestamp: i64) -> Result<LegacyRecord, String> {
        let (key, value) = self.key_and_value()?;
        let (crc, is_valid) = (self.crc(), self.is_valid());
        Ok(LegacyRecord { offset, timestamp, key, value, crc, is_valid })
    }

    fn key_and_value(&self) -> Result<(Option<Bytes>, Option<Bytes>), String> {
        let mut at = if self.magic() == 0 { TIMESTAMP } else { TIMESTAMP + 8 };
        let mut field = || {
            let length = self.bytes.get(at..).and_then(|rest| rest.first_chunk());
            let length = length.ok_or("the message ends within a length")?;
            at += 4;
            let Ok(length) = usize::try_from(i32::from_be_bytes(*length)) else {
                return Ok::<_, String>(None);
            };
            let end = at.checked_add(length).filter(|end| *end <= self.bytes.len());
            let end = end.ok_or("a key or value is longer than its message")?;
            let field = self.bytes.slice(at..end);
            at = end;
            Ok(Some(field))
        };
        Ok((field()?, field()?))
    }

    fn array<const N: usize>(&self, at: usize) -> [u8; N] {
        *self.bytes[at..].first_chunk().expect("the length was checked when it was parsed")
    }
}

/// The messages of a row.
fn messages(row: Bytes) -> Result<Vec<LegacyBatch>, String> {
    let mut messages = Vec::new();
    let mut at = 0;
    while at < row.len() {
        let size = row.get(at + 8..).and_then(|rest| rest.first_chunk());
        let size = size.map(|size| i32::from_be_bytes(*size));
        let size = size.and_then(|size| usize::try_from(size).ok());
        let end = size.and_then(|size| (at + LOG_OVERHEAD).checked_add(size));
        let end = end.filter(|end| *end <= row.len());
        let end = end.ok_or("a compressed message ends within a record")?;
        messages.push(LegacyBatch::parse(row.slice(at..end))?);
        at = end;
    }
    Ok(messages)
}

/// The checksum of the old formats: CRC-32 as in gzip.
fn crc32(bytes: &[u8]) -> u32 {
    const REVERSED_POLYNOMIAL: u32 = 0xedb8_8320;
    let step = |crc: u32, byte: &u8| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| match crc & 1 {
            0 => crc >> 1,
            _ => (crc >> 1) ^ REVERSED_POLYNOMIAL,
        })
    };
    !bytes.iter().fold(u32::MAX, step)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checksum_is_that_of_gzip() {
        assert_eq!(crc32(b"123456789"), 0xcbf4_3926);
    }

    #[test]
    fn what_is_too_short_is_refused() {
        let message = |magic: u8, tail: &[u8]| {
            let mut bytes = vec![0; 18];
            bytes[MAGIC] = magic;
            bytes.extend_from_slice(tail);
            LegacyBatch::parse(bytes.into())
        };
        assert!(message(0, &[0xff; 8]).is_ok_and(|batch| batch.timestamp() == -1));
        assert!(message(0, &[0xff; 7]).is_err());
        assert!(message(1, &[0xff; 15]).is_err());
        assert!(message(1, &[0xff; 16]).is_ok_and(|batch| batch.timestamp() == -1));
        let too_long = message(0, &[0, 0, 0, 9, 0, 0, 0, 0]).map(|_| ()).unwrap_err();
        assert_eq!(too_long, "a key or value is longer than its message");
    }
}
