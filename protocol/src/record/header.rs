//! The fixed part of a batch.

use crate::record::{BatchError, Compression, patch};

/// Base offset and length: what precedes the bytes that the length counts.
pub const LOG_OVERHEAD: usize = 12;

/// The bytes of a batch before its records.
pub const BATCH_OVERHEAD: usize = 61;

/// Where every format, the retired ones too, has its magic byte.
pub const MAGIC_OFFSET: usize = 16;

pub(crate) const CRC_OFFSET: usize = 17;
pub(crate) const ATTRIBUTES_OFFSET: usize = 21;
pub(crate) const MAX_TIMESTAMP_OFFSET: usize = 35;
pub(crate) const PRODUCER_ID_OFFSET: usize = 43;
pub(crate) const MAGIC: i8 = 2;

const COMPRESSION_MASK: i16 = 0x07;
pub(crate) const LOG_APPEND_TIME: i16 = 0x08;
const TRANSACTIONAL: i16 = 0x10;
const CONTROL: i16 = 0x20;
const DELETE_HORIZON: i16 = 0x40;

/// Who set the timestamps of a batch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TimestampType {
    #[default]
    CreateTime,
    LogAppendTime,
}

/// The fixed part of a batch, in order of its bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BatchHeader {
    pub base_offset: i64,
    /// The bytes after this field; see [`size`](Self::size).
    pub length: i32,
    pub leader_epoch: i32,
    pub crc: u32,
    pub attributes: i16,
    pub last_offset_delta: i32,
    /// What record timestamps count from; see [`delete_horizon`](Self::delete_horizon) too.
    pub base_timestamp: i64,
    pub max_timestamp: i64,
    pub producer_id: i64,
    pub producer_epoch: i16,
    pub base_sequence: i32,
    pub count: i32,
}

impl BatchHeader {
    /// Reads the header from the start of `bytes`, which may end with it or go on. Checks the
    /// format and that the length is possible, not that all bytes of the batch are there.
    pub fn parse(bytes: &[u8]) -> Result<Self, BatchError> {
        let left = bytes.len();
        if left > MAGIC_OFFSET {
            match bytes[MAGIC_OFFSET] as i8 {
                MAGIC => {}
                magic @ 0..MAGIC => return Err(BatchError::OldFormat { magic }),
                magic => return Err(BatchError::UnknownFormat { magic }),
            }
        }
        let Some(fixed) = bytes.first_chunk::<BATCH_OVERHEAD>() else {
            return Err(BatchError::Truncated { wanted: BATCH_OVERHEAD, left });
        };
        let header = Self {
            base_offset: i64::from_be_bytes(part(fixed, 0)),
            length: i32::from_be_bytes(part(fixed, 8)),
            leader_epoch: i32::from_be_bytes(part(fixed, 12)),
            crc: u32::from_be_bytes(part(fixed, CRC_OFFSET)),
            attributes: i16::from_be_bytes(part(fixed, ATTRIBUTES_OFFSET)),
            last_offset_delta: i32::from_be_bytes(part(fixed, 23)),
            base_timestamp: i64::from_be_bytes(part(fixed, 27)),
            max_timestamp: i64::from_be_bytes(part(fixed, MAX_TIMESTAMP_OFFSET)),
            producer_id: i64::from_be_bytes(part(fixed, 43)),
            producer_epoch: i16::from_be_bytes(part(fixed, 51)),
            base_sequence: i32::from_be_bytes(part(fixed, 53)),
            count: i32::from_be_bytes(part(fixed, 57)),
        };
        if header.length < (BATCH_OVERHEAD - LOG_OVERHEAD) as i32 {
            return Err(BatchError::Length { length: header.length });
        }
        Ok(header)
    }

    /// The header's bytes, with the CRC that is in it.
    pub fn encode(&self) -> [u8; BATCH_OVERHEAD] {
        let mut bytes = [0; BATCH_OVERHEAD];
        bytes[..8].copy_from_slice(&self.base_offset.to_be_bytes());
        bytes[8..12].copy_from_slice(&self.length.to_be_bytes());
        bytes[12..16].copy_from_slice(&self.leader_epoch.to_be_bytes());
        bytes[16] = MAGIC as u8;
        bytes[17..21].copy_from_slice(&self.crc.to_be_bytes());
        bytes[21..23].copy_from_slice(&self.attributes.to_be_bytes());
        bytes[23..27].copy_from_slice(&self.last_offset_delta.to_be_bytes());
        bytes[27..35].copy_from_slice(&self.base_timestamp.to_be_bytes());
        bytes[35..43].copy_from_slice(&self.max_timestamp.to_be_bytes());
        bytes[43..51].copy_from_slice(&self.producer_id.to_be_bytes());
        bytes[51..53].copy_from_slice(&self.producer_epoch.to_be_bytes());
        bytes[53..57].copy_from_slice(&self.base_sequence.to_be_bytes());
        bytes[57..].copy_from_slice(&self.count.to_be_bytes());
        bytes
    }

    /// What compaction leaves of a batch whose records are all gone, so that its last offset and
    /// its producer's sequence stay known: a header with its CRC.
    pub fn without_records(&self) -> [u8; BATCH_OVERHEAD] {
        let mut bytes = Self {
            length: (BATCH_OVERHEAD - LOG_OVERHEAD) as i32,
            attributes: self.attributes & !(COMPRESSION_MASK | DELETE_HORIZON),
            base_timestamp: -1,
            count: 0,
            ..*self
        }
        .encode();
        patch::set_crc(&mut bytes);
        bytes
    }

    /// The size of the whole batch in bytes.
    pub fn size(&self) -> usize {
        LOG_OVERHEAD + self.length as usize
    }

    pub fn last_offset(&self) -> i64 {
        self.base_offset.wrapping_add(i64::from(self.last_offset_delta))
    }

    pub fn next_offset(&self) -> i64 {
        self.last_offset().wrapping_add(1)
    }

    /// The sequence number of the last record; -1 where there are none. They wrap to 0.
    pub fn last_sequence(&self) -> i32 {
        match self.base_sequence {
            -1 => -1,
            base => base.wrapping_add(self.last_offset_delta) & i32::MAX,
        }
    }

    pub fn compression(&self) -> Result<Compression, BatchError> {
        let id = self.attributes & COMPRESSION_MASK;
        Compression::from_id(id).ok_or(BatchError::UnknownCompression { id })
    }

    pub fn timestamp_type(&self) -> TimestampType {
        if self.attributes & LOG_APPEND_TIME == 0 {
            TimestampType::CreateTime
        } else {
            TimestampType::LogAppendTime
        }
    }

    pub fn is_transactional(&self) -> bool {
        self.attributes & TRANSACTIONAL != 0
    }

    pub fn is_control(&self) -> bool {
        self.attributes & CONTROL != 0
    }

    pub fn has_producer_id(&self) -> bool {
        self.producer_id >= 0
    }

    /// When compaction may drop the batch's tombstones and markers (KIP-534).
    pub fn delete_horizon(&self) -> Option<i64> {
        (self.attributes & DELETE_HORIZON != 0).then_some(self.base_timestamp)
    }
}

/// The attributes of a batch that is built here.
pub(crate) fn attributes(
    compression: Compression,
    timestamps: TimestampType,
    transactional: bool,
    control: bool,
    delete_horizon: bool,
) -> i16 {
    let flag = |set: bool, bit: i16| if set { bit } else { 0 };
    compression.id()
        | flag(timestamps == TimestampType::LogAppendTime, LOG_APPEND_TIME)
        | flag(transactional, TRANSACTIONAL)
        | flag(control, CONTROL)
        | flag(delete_horizon, DELETE_HORIZON)
}

fn part<const N: usize>(fixed: &[u8; BATCH_OVERHEAD], at: usize) -> [u8; N] {
    let mut part = [0; N];
    part.copy_from_slice(&fixed[at..at + N]);
    part
}
