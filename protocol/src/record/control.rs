//! Control batches: markers that end transactions, and the metadata quorum's own records.

use bytes::Bytes;

use crate::messages::{ControlRecordTypeSchema, EndTxnMarker};
use crate::record::{BatchBuilder, BatchOptions};
use crate::{DecodeError, Message, Reader, Writer};

/// What a control record is about: the int16 after the version in its key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ControlType {
    Abort,
    Commit,
    LeaderChange,
    SnapshotHeader,
    SnapshotFooter,
    KRaftVersion,
    KRaftVoters,
    /// One that Kafka 4.3 does not define; to be passed over.
    Unknown(i16),
}

const NAMED: [ControlType; 7] = [
    ControlType::Abort,
    ControlType::Commit,
    ControlType::LeaderChange,
    ControlType::SnapshotHeader,
    ControlType::SnapshotFooter,
    ControlType::KRaftVersion,
    ControlType::KRaftVoters,
];

const KEY_VERSION: i16 = 0;
const MARKER_VERSION: i16 = 0;

impl ControlType {
    pub fn code(self) -> i16 {
        match self {
            ControlType::Abort => 0,
            ControlType::Commit => 1,
            ControlType::LeaderChange => 2,
            ControlType::SnapshotHeader => 3,
            ControlType::SnapshotFooter => 4,
            ControlType::KRaftVersion => 5,
            ControlType::KRaftVoters => 6,
            ControlType::Unknown(code) => code,
        }
    }

    /// Reads the key of a control record.
    pub fn parse(key: &[u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(Bytes::copy_from_slice(key));
        let _version = reader.i16()?;
        let code = ControlRecordTypeSchema::decode(&mut reader, KEY_VERSION)?.r#type;
        let named = usize::try_from(code).ok().and_then(|code| NAMED.get(code));
        Ok(named.copied().unwrap_or(ControlType::Unknown(code)))
    }

    /// The key of a control record.
    pub fn key(self) -> Bytes {
        let mut writer = Writer::with_capacity(4);
        writer.i16(KEY_VERSION);
        writer.i16(self.code());
        writer.into_bytes()
    }
}

/// The coordinator epoch in the value of a commit or abort marker.
pub fn parse_marker(value: &[u8]) -> Result<i32, DecodeError> {
    let mut reader = Reader::new(Bytes::copy_from_slice(value));
    let version = reader.i16()?;
    // Later versions only add to the first one.
    let version = version.clamp(*EndTxnMarker::VERSIONS.start(), *EndTxnMarker::VERSIONS.end());
    Ok(EndTxnMarker::decode(&mut reader, version)?.coordinator_epoch)
}

/// Who ends a transaction, and how.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Marker {
    pub producer_id: i64,
    pub producer_epoch: i16,
    pub commit: bool,
    pub coordinator_epoch: i32,
}

/// The batch that ends a producer's transaction in a partition.
pub fn marker_batch(marker: &Marker, base_offset: i64, leader_epoch: i32, now_ms: i64) -> Bytes {
    let kind = if marker.commit { ControlType::Commit } else { ControlType::Abort };
    let mut value = Writer::with_capacity(6);
    value.i16(MARKER_VERSION);
    value.i32(marker.coordinator_epoch);
    let mut builder = BatchBuilder::new(BatchOptions {
        base_offset,
        leader_epoch,
        producer_id: marker.producer_id,
        producer_epoch: marker.producer_epoch,
        is_transactional: true,
        is_control: true,
        ..BatchOptions::default()
    });
    builder.append(now_ms, Some(&kind.key()), Some(value.buffered()), &[]);
    builder.finish()
}
