//! The records that the quorum writes for itself, and what they say at which offset.

use std::collections::BTreeMap;

use bytes::Bytes;
use protocol::messages::{KRaftVersionRecord, LeaderChangeMessage, VotersRecord};
use protocol::record::control::ControlType;
use protocol::record::{BatchBuilder, BatchError, BatchOptions, DECOMPRESSED_LIMIT, RecordBatch};
use protocol::{DecodeError, Message, Reader, Writer};

use crate::{VersionRange, VoterSet};

/// A record of the quorum that cannot be followed.
#[derive(Debug, thiserror::Error)]
pub enum ControlError {
    #[error("the control batch at offset {offset} cannot be read: {source}")]
    Batch { offset: i64, source: BatchError },
    #[error("the control record at offset {offset} cannot be read: {source}")]
    Record { offset: i64, source: DecodeError },
    #[error("kraft.version at offset {offset} is {version}, and this node supports up to 1")]
    Version { offset: i64, version: i16 },
}

/// A control record to be written.
pub(crate) enum Control {
    LeaderChange(LeaderChangeMessage),
    Version(i16),
    Voters(VotersRecord),
}

impl Control {
    fn encode(&self) -> (ControlType, Bytes) {
        match self {
            Control::LeaderChange(message) => (ControlType::LeaderChange, encode(message)),
            Control::Version(version) => {
                let record = KRaftVersionRecord { version: 0, k_raft_version: *version };
                (ControlType::KRaftVersion, encode(&record))
            }
            Control::Voters(record) => (ControlType::KRaftVoters, encode(record)),
        }
    }
}

fn encode<M: Message>(message: &M) -> Bytes {
    let mut writer = Writer::with_capacity(64);
    message.encode(&mut writer, 0).expect("version 0 has all fields that are set");
    writer.into_bytes()
}

/// One batch of control records.
pub(crate) fn batch(base_offset: i64, epoch: i32, timestamp: i64, records: &[Control]) -> Bytes {
    let mut builder = BatchBuilder::new(BatchOptions {
        base_offset,
        leader_epoch: epoch,
        is_control: true,
        ..BatchOptions::default()
    });
    for record in records {
        let (kind, value) = record.encode();
        builder.append(timestamp, Some(&kind.key()), Some(&value), &[]);
    }
    builder.finish()
}

/// The voters and the level of `kraft.version` by the offset from which on they hold. Both hold
/// from the moment they are in the log, committed or not.
#[derive(Clone, Debug, Default)]
pub struct History {
    static_voters: VoterSet,
    voters: BTreeMap<i64, VoterSet>,
    versions: BTreeMap<i64, i16>,
}

impl History {
    /// Without anything in the log, the voters are those of `controller.quorum.voters`.
    pub fn new(static_voters: VoterSet) -> Self {
        Self { static_voters, ..Self::default() }
    }

    /// Starts again from a snapshot: `batches` are its batches, of which the control ones count.
    /// `end_offset` is that of its id; the bootstrap snapshot has 0.
    pub fn load_snapshot(
        &mut self,
        end_offset: i64,
        batches: &[RecordBatch],
    ) -> Result<(), ControlError> {
        self.voters.clear();
        self.versions.clear();
        batches.iter().try_for_each(|batch| self.read_at(batch, Some(end_offset - 1)))
    }

    /// Takes in a batch of the log.
    pub fn read(&mut self, batch: &RecordBatch) -> Result<(), ControlError> {
        self.read_at(batch, None)
    }

    fn read_at(&mut self, batch: &RecordBatch, at: Option<i64>) -> Result<(), ControlError> {
        if !batch.is_control() {
            return Ok(());
        }
        let failed = |source| ControlError::Batch { offset: batch.base_offset, source };
        let payload = batch.payload(DECOMPRESSED_LIMIT).map_err(failed)?;
        for record in payload.records() {
            let record = record.map_err(failed)?;
            let offset = record.offset;
            let failed = |source| ControlError::Record { offset, source };
            let kind = ControlType::parse(record.key.unwrap_or_default()).map_err(failed)?;
            let value = record.value.unwrap_or_default();
            let at = at.unwrap_or(offset);
            match kind {
                ControlType::KRaftVoters => {
                    let voters: VotersRecord = decode(value).map_err(failed)?;
                    self.voters.insert(at, VoterSet::from_record(&voters));
                }
                ControlType::KRaftVersion => {
                    let record: KRaftVersionRecord = decode(value).map_err(failed)?;
                    let version = record.k_raft_version;
                    if !VersionRange::SUPPORTED.contains(version) {
                        return Err(ControlError::Version { offset, version });
                    }
                    self.versions.insert(at, version);
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// The voters that hold now.
    pub fn voters(&self) -> &VoterSet {
        self.voters.last_key_value().map_or(&self.static_voters, |(_, voters)| voters)
    }

    /// Where the voters that hold now were written, if they are in the log or a snapshot: -1 for
    /// the snapshot that a node is formatted with.
    pub fn voters_offset(&self) -> Option<i64> {
        self.voters.last_key_value().map(|(offset, _)| *offset)
    }

    /// The voters before those that hold now, if the log has both.
    pub(crate) fn voters_before(&self) -> Option<&VoterSet> {
        self.voters.iter().rev().nth(1).map(|(_, voters)| voters)
    }

    /// The level of `kraft.version` that holds now.
    pub fn version(&self) -> i16 {
        self.versions.last_key_value().map_or(0, |(_, version)| *version)
    }

    /// The voters that a snapshot of all records up to `offset`, inclusive, has to contain.
    pub fn voters_at(&self, offset: i64) -> Option<&VoterSet> {
        self.voters.range(..=offset).next_back().map(|(_, voters)| voters)
    }

    /// The level of `kraft.version` at `offset`.
    pub fn version_at(&self, offset: i64) -> i16 {
        self.versions.range(..=offset).next_back().map_or(0, |(_, version)| *version)
    }

    /// Whether voters can be added and removed.
    pub fn is_reconfigurable(&self) -> bool {
        self.version() >= 1
    }

    /// Forgets what was written from `end_offset` on.
    pub(crate) fn truncate(&mut self, end_offset: i64) {
        self.voters.split_off(&end_offset);
        self.versions.split_off(&end_offset);
    }

    /// Forgets what holds nowhere from `start_offset` on.
    pub(crate) fn forget_before(&mut self, start_offset: i64) {
        forget_before(&mut self.voters, start_offset);
        forget_before(&mut self.versions, start_offset);
    }
}

fn forget_before<T>(history: &mut BTreeMap<i64, T>, start_offset: i64) {
    let holds = history.range(..=start_offset).next_back().map(|(offset, _)| *offset);
    if let Some(holds) = holds {
        *history = history.split_off(&holds);
    }
}

fn decode<M: Message>(value: &[u8]) -> Result<M, DecodeError> {
    // The first field is the version that wrote the record; later ones only add to the first.
    M::decode(&mut Reader::new(Bytes::copy_from_slice(value)), 0)
}
