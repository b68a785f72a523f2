//! `.snapshot`: the producers of a log up to the offset that is the file's name.
//!
//! ```text
//!   0         2     6       10
//!   | version | crc | count | entries of 46 bytes ...      big-endian
//! ```
//! `protocol`'s `ProducerSnapshot` has the fields. The CRC-32C covers all behind it. An entry
//! holds the producer's last batch; its last offset is -1 when there is none.

use bytes::Bytes;
use protocol::messages::ProducerSnapshot;
use protocol::messages::producer_snapshot::ProducerEntry;
use protocol::{DecodeError, Message, Reader, Writer};

use super::{BatchMeta, Producer, ProducerStates};

const VERSION: i16 = 1;
const CRC_AT: usize = 2;
const CRC_COVERS_FROM: usize = 6;

impl ProducerStates {
    /// The content of a snapshot file.
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut producers: Vec<_> = self.producers.values().collect();
        producers.sort_by_key(|producer| producer.id);
        let producer_entries = producers.into_iter().map(entry).collect();
        let mut writer = Writer::with_capacity(CRC_COVERS_FROM);
        writer.i16(VERSION);
        let snapshot = ProducerSnapshot { crc: 0, producer_entries };
        snapshot.encode(&mut writer, VERSION).expect("all of its fields have a fixed size");
        let mut bytes = writer.buffered().to_vec();
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
        let snapshot = decode_snapshot(bytes).map_err(|error| error.to_string())?;
        self.reset(offset);
        for producer in snapshot.producer_entries.iter().map(producer) {
            if keep(&producer) {
                self.restore(producer);
            }
        }
        Ok(())
    }
}

/// What is wrong with the content of a snapshot file.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SnapshotError {
    #[error("its version is {version}, not {VERSION}")]
    Version { version: i16 },
    #[error("its CRC is {stored}, and that of its content {computed}")]
    Checksum { stored: u32, computed: u32 },
    #[error(transparent)]
    Content(#[from] DecodeError),
}

/// Reads and checks the content of a snapshot file.
pub(crate) fn decode_snapshot(bytes: &[u8]) -> Result<ProducerSnapshot, SnapshotError> {
    let mut reader = Reader::new(Bytes::copy_from_slice(bytes));
    let version = reader.i16()?;
    if version != VERSION {
        return Err(SnapshotError::Version { version });
    }
    let snapshot = ProducerSnapshot::decode(&mut reader, VERSION)?;
    let (stored, computed) = (snapshot.crc, crc32c::crc32c(&bytes[CRC_COVERS_FROM..]));
    if stored != computed {
        return Err(SnapshotError::Checksum { stored, computed });
    }
    Ok(snapshot)
}

fn entry(producer: &Producer) -> ProducerEntry {
    let none = BatchMeta { last_sequence: -1, last_offset: -1, offset_delta: 0, timestamp: -1 };
    let last = producer.last_batch().unwrap_or(&none);
    ProducerEntry {
        producer_id: producer.id,
        epoch: producer.epoch,
        last_sequence: last.last_sequence,
        last_offset: last.last_offset,
        offset_delta: last.offset_delta,
        timestamp: producer.last_timestamp,
        coordinator_epoch: producer.coordinator_epoch,
        current_txn_first_offset: producer.transaction_start().unwrap_or(-1),
    }
}

fn producer(entry: &ProducerEntry) -> Producer {
    let mut producer = Producer::new(entry.producer_id);
    producer.epoch = entry.epoch;
    producer.last_timestamp = entry.timestamp;
    producer.coordinator_epoch = entry.coordinator_epoch;
    let last = BatchMeta {
        last_sequence: entry.last_sequence,
        last_offset: entry.last_offset,
        offset_delta: entry.offset_delta,
        timestamp: entry.timestamp,
    };
    producer.with((entry.last_offset >= 0).then_some(last), entry.current_txn_first_offset)
}
