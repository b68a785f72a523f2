//! The files of a log as plain values, for tools that print them. A log itself does not read
//! whole files; see [`crate::Log`].

use protocol::messages::ProducerSnapshot;

use crate::index::{AbortedEntry, offset, time, txn};
use crate::name::FileKind;
use crate::producers;
pub use crate::producers::SnapshotError;

/// Base offset of a segment's file by its name, which is digits and a known suffix.
pub fn base_offset(file_name: &str) -> Option<i64> {
    FileKind::parse(file_name).map(|(_, base_offset)| base_offset)
}

/// The entries of a `.index`: last offset of a batch, and its position in the `.log`.
pub fn offset_index(content: &[u8], base_offset: i64) -> impl Iterator<Item = (i64, u32)> {
    let (entries, _) = content.as_chunks::<{ offset::ENTRY }>();
    entries.iter().map(move |entry| {
        let (relative, position) = offset::decode(entry);
        (base_offset + i64::from(relative), position)
    })
}

/// The entries of a `.timeindex`: a timestamp, and the last offset of the batch that has it.
pub fn time_index(content: &[u8], base_offset: i64) -> impl Iterator<Item = (i64, i64)> {
    let (entries, _) = content.as_chunks::<{ time::ENTRY }>();
    entries.iter().map(move |entry| {
        let (timestamp, relative) = time::decode(entry);
        (timestamp, base_offset + relative)
    })
}

/// An entry of a `.txnindex`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AbortedTransactionEntry {
    pub version: i16,
    pub producer_id: i64,
    pub first_offset: i64,
    pub last_offset: i64,
    pub last_stable_offset: i64,
}

/// The entries of a `.txnindex`.
pub fn txn_index(content: &[u8]) -> impl Iterator<Item = AbortedTransactionEntry> {
    let (entries, _) = content.as_chunks::<{ txn::ENTRY }>();
    entries.iter().map(|entry| {
        let AbortedEntry { producer_id, first_offset, last_offset, last_stable_offset } =
            txn::decode(entry);
        AbortedTransactionEntry {
            version: i16::from_be_bytes([entry[0], entry[1]]),
            producer_id,
            first_offset,
            last_offset,
            last_stable_offset,
        }
    })
}

/// The content of a `.snapshot`.
///
/// # Errors
/// What is wrong with it.
pub fn snapshot(content: &[u8]) -> Result<ProducerSnapshot, SnapshotError> {
    producers::decode_snapshot(content)
}
