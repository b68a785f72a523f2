//! `.snapshot`: the producers of a log up to the offset that is the file's name.
//!
//! ```text
//!   0         2     6       10
//!   | version | crc | count | entries of 46 bytes ...      big-endian
//!
//!   0             8       10              14            22             26          34
//!   | producer id | epoch | last sequence | last offset | offset delta | timestamp | ...
//!
//!   34                  38                           46
//!   | coordinator epoch | transaction's first offset |
//! ```
//! The CRC-32C covers all behind it. The offset delta is that of the last batch; its last
//! offset is -1 when there is none, and so is the transaction's first offset.

use super::{BatchMeta, Producer, ProducerStates};

const VERSION: i16 = 1;
const HEADER: usize = 10;
const CRC_AT: usize = 2;
const CRC_COVERS_FROM: usize = 6;
const ENTRY: usize = 46;

impl ProducerStates {
    /// The content of a snapshot file.
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut producers: Vec<_> = self.producers.values().collect();
        producers.sort_by_key(|producer| producer.id);
        let mut bytes = Vec::with_capacity(HEADER + producers.len() * ENTRY);
        bytes.extend(VERSION.to_be_bytes());
        bytes.extend([0; 4]);
        bytes.extend((producers.len() as u32).to_be_bytes());
        for producer in producers {
            encode_entry(producer, &mut bytes);
        }
        let crc = crc32c::crc32c(&bytes[CRC_COVERS_FROM..]);
        bytes[CRC_AT..CRC_COVERS_FROM].copy_from_slice(&crc.to_be_bytes());
        bytes
    }

    /// Replaces the state by that of a snapshot, without the producers that `keep` refuses.
    /// The error says what is wrong with the file, and the state is as it was.
    pub(crate) fn decode(
        &mut self,
        bytes: &[u8],
        offset: i64,
        keep: impl Fn(&Producer) -> bool,
    ) -> Result<(), String> {
        let mut fields = Fields(bytes);
        let version = i16::from_be_bytes(fields.take()?);
        if version != VERSION {
            return Err(format!("its version is {version}, not {VERSION}"));
        }
        let crc = u32::from_be_bytes(fields.take()?);
        let computed = crc32c::crc32c(fields.0);
        if crc != computed {
            return Err(format!("its CRC is {crc}, and that of its content {computed}"));
        }
        let count = i32::from_be_bytes(fields.take()?);
        if usize::try_from(count).ok().and_then(|count| count.checked_mul(ENTRY))
            != Some(fields.0.len())
        {
            return Err(format!("{count} entries do not take {} bytes", fields.0.len()));
        }
        self.reset(offset);
        while !fields.0.is_empty() {
            let producer = decode_entry(&mut fields)?;
            if keep(&producer) {
                self.restore(producer);
            }
        }
        Ok(())
    }
}

fn encode_entry(producer: &Producer, bytes: &mut Vec<u8>) {
    let none = BatchMeta { last_sequence: -1, last_offset: -1, offset_delta: 0, timestamp: -1 };
    let last = producer.last_batch().unwrap_or(&none);
    bytes.extend(producer.id.to_be_bytes());
    bytes.extend(producer.epoch.to_be_bytes());
    bytes.extend(last.last_sequence.to_be_bytes());
    bytes.extend(last.last_offset.to_be_bytes());
    bytes.extend(last.offset_delta.to_be_bytes());
    bytes.extend(producer.last_timestamp.to_be_bytes());
    bytes.extend(producer.coordinator_epoch.to_be_bytes());
    bytes.extend(producer.transaction_start().unwrap_or(-1).to_be_bytes());
}

fn decode_entry(fields: &mut Fields<'_>) -> Result<Producer, String> {
    let mut producer = Producer::new(i64::from_be_bytes(fields.take()?));
    producer.epoch = i16::from_be_bytes(fields.take()?);
    let last_sequence = i32::from_be_bytes(fields.take()?);
    let last_offset = i64::from_be_bytes(fields.take()?);
    let offset_delta = i32::from_be_bytes(fields.take()?);
    producer.last_timestamp = i64::from_be_bytes(fields.take()?);
    producer.coordinator_epoch = i32::from_be_bytes(fields.take()?);
    let transaction_start = i64::from_be_bytes(fields.take()?);
    let timestamp = producer.last_timestamp;
    let last = BatchMeta { last_sequence, last_offset, offset_delta, timestamp };
    Ok(producer.with((last_offset >= 0).then_some(last), transaction_start))
}

struct Fields<'a>(&'a [u8]);

impl Fields<'_> {
    fn take<const N: usize>(&mut self) -> Result<[u8; N], String> {
        let (field, rest) = self.0.split_first_chunk().ok_or("it ends too early")?;
        self.0 = rest;
        Ok(*field)
    }
}
