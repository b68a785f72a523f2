//! Changes to a batch where it lies. All of them take the bytes of a whole batch, whose header
//! was parsed before, and panic if they are shorter than a header.

use crate::record::TimestampType;
use crate::record::header::{
    ATTRIBUTES_OFFSET, CRC_OFFSET, LOG_APPEND_TIME, LOG_OVERHEAD, MAGIC_OFFSET,
    MAX_TIMESTAMP_OFFSET, PRODUCER_ID_OFFSET,
};

/// Sets the base offset, which the CRC does not cover.
pub fn set_base_offset(batch: &mut [u8], offset: i64) {
    batch[..8].copy_from_slice(&offset.to_be_bytes());
}

/// Sets the partition leader epoch, which the CRC does not cover.
pub fn set_leader_epoch(batch: &mut [u8], epoch: i32) {
    batch[LOG_OVERHEAD..MAGIC_OFFSET].copy_from_slice(&epoch.to_be_bytes());
}

/// The first bytes of `batch` with other values for what the CRC does not cover, for writing
/// them in place of the batch's own while the batch itself stays as it is.
pub fn prefix(batch: &[u8], base_offset: i64, leader_epoch: i32) -> [u8; MAGIC_OFFSET] {
    let mut bytes = [0; MAGIC_OFFSET];
    bytes.copy_from_slice(&batch[..MAGIC_OFFSET]);
    set_base_offset(&mut bytes, base_offset);
    bytes[LOG_OVERHEAD..].copy_from_slice(&leader_epoch.to_be_bytes());
    bytes
}

/// Sets type and maximum of the timestamps and computes the CRC anew. With `LogAppendTime` the
/// maximum is the timestamp of every record.
pub fn set_max_timestamp(batch: &mut [u8], kind: TimestampType, timestamp: i64) {
    let low = &mut batch[ATTRIBUTES_OFFSET + 1];
    match kind {
        TimestampType::CreateTime => *low &= !(LOG_APPEND_TIME as u8),
        TimestampType::LogAppendTime => *low |= LOG_APPEND_TIME as u8,
    }
    batch[MAX_TIMESTAMP_OFFSET..MAX_TIMESTAMP_OFFSET + 8].copy_from_slice(&timestamp.to_be_bytes());
    set_crc(batch);
}

/// Sets who made the batch and its place in the producer's sequence, and computes the CRC anew.
pub fn set_producer(batch: &mut [u8], id: i64, epoch: i16, base_sequence: i32) {
    batch[PRODUCER_ID_OFFSET..PRODUCER_ID_OFFSET + 8].copy_from_slice(&id.to_be_bytes());
    batch[PRODUCER_ID_OFFSET + 8..PRODUCER_ID_OFFSET + 10].copy_from_slice(&epoch.to_be_bytes());
    let sequence = PRODUCER_ID_OFFSET + 10..PRODUCER_ID_OFFSET + 14;
    batch[sequence].copy_from_slice(&base_sequence.to_be_bytes());
    set_crc(batch);
}

/// Computes the CRC anew, after a change to what it covers.
pub fn set_crc(batch: &mut [u8]) {
    let crc = crc32c::crc32c(&batch[ATTRIBUTES_OFFSET..]);
    batch[CRC_OFFSET..ATTRIBUTES_OFFSET].copy_from_slice(&crc.to_be_bytes());
}
