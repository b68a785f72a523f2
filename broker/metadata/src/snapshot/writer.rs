//! Records to the bytes of a snapshot.

use bytes::Bytes;
use protocol::messages::{
    KRaftVersionRecord, SnapshotFooterRecord, SnapshotHeaderRecord, VotersRecord,
};
use protocol::record::control::ControlType;
use protocol::record::{BatchBuilder, BatchOptions};
use protocol::{EncodeError, Message, Writer};
use thiserror::Error;

use super::{BATCH_BYTES, MAX_BATCH_BYTES};
use crate::records::{MetadataRecord, RecordWriteError};
use crate::version::MetadataVersion;

/// What a snapshot says before its records.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SnapshotHead {
    /// The epoch in the snapshot's name, with which its batches are marked.
    pub epoch: i32,
    /// When the last record of the log that is in it was written.
    pub last_contained_log_timestamp: i64,
    /// 1 where the log says who votes.
    pub kraft_version: i16,
    /// Who votes, with kraft.version 1.
    pub voters: Option<VotersRecord>,
    /// The timestamp of all that is written.
    pub now_ms: i64,
}

/// Why a snapshot can't be written.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum SnapshotWriteError {
    #[error(transparent)]
    Record(#[from] RecordWriteError),
    #[error("a {record} takes {bytes} bytes, and a batch at most {MAX_BATCH_BYTES}")]
    TooLarge { record: &'static str, bytes: usize },
    #[error("a {record} can't be written: {source}")]
    Control { record: &'static str, source: EncodeError },
    #[error("the voters are a part of a snapshot from kraft.version 1 on only")]
    Voters,
}

/// The batches of a snapshot, one after the other, for whoever writes them to a file. Ends after
/// the footer, or after an error: what was written until then is of no use.
#[derive(Debug)]
pub struct SnapshotWriter<I> {
    head: SnapshotHead,
    level: MetadataVersion,
    records: I,
    batch_bytes: usize,
    next_offset: i64,
    /// A record that did not fit the batch before.
    left: Option<Bytes>,
    stage: Stage,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Head,
    Records,
    Done,
}

impl<I: Iterator<Item = MetadataRecord>> SnapshotWriter<I> {
    /// A snapshot of `records`, in the versions of a level.
    pub fn new(head: SnapshotHead, level: MetadataVersion, records: I) -> Self {
        Self {
            head,
            level,
            records,
            batch_bytes: BATCH_BYTES,
            next_offset: 0,
            left: None,
            stage: Stage::Head,
        }
    }

    /// Ends batches at this size instead of [`BATCH_BYTES`]; a larger record has one of its own.
    #[must_use]
    pub fn batch_bytes(mut self, bytes: usize) -> Self {
        self.batch_bytes = bytes.min(MAX_BATCH_BYTES);
        self
    }

    fn builder(&self, is_control: bool) -> BatchBuilder {
        BatchBuilder::new(BatchOptions {
            base_offset: self.next_offset,
            leader_epoch: self.head.epoch,
            is_control,
            ..BatchOptions::default()
        })
    }

    fn finish(&mut self, batch: BatchBuilder) -> Bytes {
        self.next_offset += batch.count() as i64;
        batch.finish()
    }

    fn control<M: Message>(
        &self,
        batch: &mut BatchBuilder,
        kind: ControlType,
        message: &M,
    ) -> Result<(), SnapshotWriteError> {
        let mut writer = Writer::new();
        message
            .encode(&mut writer, *M::VERSIONS.end())
            .map_err(|source| SnapshotWriteError::Control { record: M::NAME, source })?;
        batch.append(self.head.now_ms, Some(&kind.key()), Some(writer.buffered()), &[]);
        Ok(())
    }

    fn head(&mut self) -> Result<Bytes, SnapshotWriteError> {
        let mut batch = self.builder(true);
        let head = &self.head;
        let last_contained_log_timestamp = head.last_contained_log_timestamp;
        let header = SnapshotHeaderRecord { version: 0, last_contained_log_timestamp };
        self.control(&mut batch, ControlType::SnapshotHeader, &header)?;
        if head.kraft_version > 0 {
            let version = KRaftVersionRecord { version: 0, k_raft_version: head.kraft_version };
            self.control(&mut batch, ControlType::KRaftVersion, &version)?;
            if let Some(voters) = &head.voters {
                self.control(&mut batch, ControlType::KRaftVoters, voters)?;
            }
        } else if head.voters.is_some() {
            return Err(SnapshotWriteError::Voters);
        }
        Ok(self.finish(batch))
    }

    fn footer(&mut self) -> Result<Bytes, SnapshotWriteError> {
        let mut batch = self.builder(true);
        let footer = SnapshotFooterRecord { version: 0 };
        self.control(&mut batch, ControlType::SnapshotFooter, &footer)?;
        Ok(self.finish(batch))
    }

    fn encoded(&mut self) -> Result<Option<Bytes>, SnapshotWriteError> {
        if let Some(left) = self.left.take() {
            return Ok(Some(left));
        }
        let Some(record) = self.records.next() else { return Ok(None) };
        let bytes = record.encode_at(self.level)?;
        let most = self.builder(false).size() + BatchBuilder::most_bytes(None, Some(&bytes), &[]);
        if most > MAX_BATCH_BYTES {
            let record = record.name();
            return Err(SnapshotWriteError::TooLarge { record, bytes: bytes.len() });
        }
        Ok(Some(bytes))
    }

    /// A batch of records, or nothing where none are left.
    fn records(&mut self) -> Result<Option<Bytes>, SnapshotWriteError> {
        let mut batch = self.builder(false);
        while let Some(bytes) = self.encoded()? {
            let most = batch.size() + BatchBuilder::most_bytes(None, Some(&bytes), &[]);
            if most > self.batch_bytes && !batch.is_empty() {
                self.left = Some(bytes);
                break;
            }
            batch.append(self.head.now_ms, None, Some(&bytes), &[]);
        }
        Ok((!batch.is_empty()).then(|| self.finish(batch)))
    }

    fn step(&mut self) -> Result<Bytes, SnapshotWriteError> {
        if self.stage == Stage::Head {
            self.stage = Stage::Records;
            return self.head();
        }
        match self.records()? {
            Some(batch) => Ok(batch),
            None => {
                self.stage = Stage::Done;
                self.footer()
            }
        }
    }
}

impl<I: Iterator<Item = MetadataRecord>> Iterator for SnapshotWriter<I> {
    type Item = Result<Bytes, SnapshotWriteError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.stage == Stage::Done {
            return None;
        }
        let batch = self.step();
        if batch.is_err() {
            self.stage = Stage::Done;
        }
        Some(batch)
    }
}
