//! The bytes of a snapshot to its records.

use bytes::Bytes;
use protocol::messages::{
    KRaftVersionRecord, SnapshotFooterRecord, SnapshotHeaderRecord, VotersRecord,
};
use protocol::record::control::ControlType;
use protocol::record::{self, RecordBatch};
use protocol::{DecodeError, Message, Reader};

use super::SnapshotError;
use crate::batches::{BatchError, MetadataBatch, RawBatches, decode_at};
use crate::delta::Delta;
use crate::image::Image;

/// What stands in a snapshot, in this order.
#[derive(Clone, Debug, PartialEq)]
pub enum SnapshotPart {
    /// The first control batch, as it is and as it is understood.
    Head {
        batch: RecordBatch,
        head: HeadRecords,
    },
    /// Another control batch, of records that are not known: to be passed over.
    Control {
        batch: RecordBatch,
    },
    /// `position` is the batch's place in the file.
    Records {
        position: usize,
        batch: MetadataBatch,
    },
    Footer,
}

/// The records of the first control batch.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct HeadRecords {
    pub last_contained_log_timestamp: i64,
    /// 0 where nothing is said of it.
    pub kraft_version: i16,
    pub voters: Option<VotersRecord>,
}

/// Reads a snapshot part by part. CRCs, order, header and footer are checked; ends after the
/// footer or the first error.
#[derive(Debug)]
pub struct SnapshotReader {
    batches: RawBatches,
    stage: Stage,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Head,
    Records,
    Footer,
    Done,
}

impl SnapshotReader {
    /// Of all the bytes of a file.
    pub fn new(bytes: &Bytes) -> Self {
        Self { batches: RawBatches::new(bytes, 0), stage: Stage::Head }
    }

    fn step(&mut self) -> Result<Option<SnapshotPart>, SnapshotError> {
        let Some(next) = self.batches.next() else { return self.at_end() };
        let (position, batch) = next?;
        let part = match (self.stage, batch.is_control()) {
            (Stage::Head, true) => SnapshotPart::Head { head: head(position, &batch)?, batch },
            (Stage::Head, false) => {
                let found = "a batch of metadata".to_owned();
                return Err(SnapshotError::NoHeader { found });
            }
            (Stage::Records, true) => control(position, batch)?,
            (Stage::Records, false) => match decode_at(position, &batch)? {
                Some(batch) => SnapshotPart::Records { position, batch },
                None => SnapshotPart::Control { batch },
            },
            (Stage::Footer | Stage::Done, _) => {
                return Err(SnapshotError::AfterFooter { position });
            }
        };
        self.stage = if part == SnapshotPart::Footer { Stage::Footer } else { Stage::Records };
        Ok(Some(part))
    }

    fn at_end(&self) -> Result<Option<SnapshotPart>, SnapshotError> {
        match self.stage {
            Stage::Head => Err(SnapshotError::Empty),
            Stage::Records => Err(SnapshotError::NoFooter { position: self.batches.position() }),
            Stage::Footer | Stage::Done => Ok(None),
        }
    }
}

impl Iterator for SnapshotReader {
    type Item = Result<SnapshotPart, SnapshotError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.stage == Stage::Done {
            return None;
        }
        let part = self.step();
        if !matches!(part, Ok(Some(_))) {
            self.stage = Stage::Done;
        }
        part.transpose()
    }
}

/// A snapshot as it was read.
#[derive(Clone, Debug)]
pub struct Snapshot {
    /// With the end offset that was asked for.
    pub image: Image,
    pub head: HeadRecords,
    /// The batches of control records between header and footer, for the quorum.
    pub control: Vec<RecordBatch>,
}

/// Reads a whole snapshot, the last record of which has the offset before `end_offset`.
pub fn read(bytes: &Bytes, end_offset: i64) -> Result<Snapshot, SnapshotError> {
    let mut delta = Delta::new(&Image::default());
    let (mut control, mut found) = (Vec::new(), HeadRecords::default());
    for part in SnapshotReader::new(bytes) {
        match part? {
            SnapshotPart::Head { batch, head } => {
                found = head;
                control.push(batch);
            }
            SnapshotPart::Control { batch } => control.push(batch),
            SnapshotPart::Records { position, batch } => {
                for record in &batch.records {
                    let replayed = delta.replay(record);
                    replayed.map_err(|source| SnapshotError::Apply { position, source })?;
                }
            }
            SnapshotPart::Footer => {}
        }
    }
    let (image, _) = delta.finish(end_offset);
    if image.is_in_transaction() {
        return Err(SnapshotError::OpenTransaction);
    }
    Ok(Snapshot { image, head: found, control })
}

/// The control records of a batch: kind and value.
fn control_records(
    position: usize,
    batch: &RecordBatch,
) -> Result<Vec<(ControlType, Bytes)>, SnapshotError> {
    let damaged = |source| {
        SnapshotError::Batch(BatchError::Batch { position, offset: batch.base_offset, source })
    };
    let payload = batch.payload(record::DECOMPRESSED_LIMIT).map_err(damaged)?;
    let mut found = Vec::new();
    for record in payload.records() {
        let record = record.map_err(damaged)?;
        let unread = |source| SnapshotError::Control { position, record: "control key", source };
        let kind = ControlType::parse(record.key.unwrap_or_default()).map_err(unread)?;
        let value = record.value.map(|value| payload.share(value)).unwrap_or_default();
        found.push((kind, value));
    }
    Ok(found)
}

/// Reads the value of a control record; later versions may add to the one that is known.
fn message<M: Message>(position: usize, value: &Bytes) -> Result<M, SnapshotError> {
    let unread = |source: DecodeError| SnapshotError::Control { position, record: M::NAME, source };
    M::decode(&mut Reader::new(value.clone()), *M::VERSIONS.end()).map_err(unread)
}

fn known(position: usize, record: &'static str, version: i16) -> Result<(), SnapshotError> {
    match version {
        0 => Ok(()),
        version => Err(SnapshotError::Version { position, record, version }),
    }
}

fn head(position: usize, batch: &RecordBatch) -> Result<HeadRecords, SnapshotError> {
    let records = control_records(position, batch)?;
    let mut head = HeadRecords::default();
    for (index, (kind, value)) in records.iter().enumerate() {
        let is_header = *kind == ControlType::SnapshotHeader;
        if index == 0 && !is_header {
            return Err(SnapshotError::NoHeader { found: format!("{kind:?}") });
        }
        match kind {
            ControlType::SnapshotHeader if index == 0 => {
                let header: SnapshotHeaderRecord = message(position, value)?;
                known(position, SnapshotHeaderRecord::NAME, header.version)?;
                head.last_contained_log_timestamp = header.last_contained_log_timestamp;
            }
            ControlType::SnapshotHeader => {
                let record = SnapshotHeaderRecord::NAME;
                return Err(SnapshotError::Misplaced { position, record });
            }
            ControlType::SnapshotFooter => {
                let record = SnapshotFooterRecord::NAME;
                return Err(SnapshotError::Misplaced { position, record });
            }
            ControlType::KRaftVersion => {
                let told: KRaftVersionRecord = message(position, value)?;
                known(position, KRaftVersionRecord::NAME, told.version)?;
                let version = told.k_raft_version;
                if !(0..=1).contains(&version) {
                    return Err(SnapshotError::KRaftVersion { position, version });
                }
                head.kraft_version = version;
            }
            ControlType::KRaftVoters => {
                let voters: VotersRecord = message(position, value)?;
                known(position, VotersRecord::NAME, voters.version)?;
                head.voters = Some(voters);
            }
            _ => {}
        }
    }
    match records.is_empty() {
        true => Err(SnapshotError::NoHeader { found: "an empty batch".to_owned() }),
        false => Ok(head),
    }
}

/// A control batch behind the head.
fn control(position: usize, batch: RecordBatch) -> Result<SnapshotPart, SnapshotError> {
    let records = control_records(position, &batch)?;
    for (index, (kind, value)) in records.iter().enumerate() {
        match kind {
            ControlType::SnapshotHeader => {
                let record = SnapshotHeaderRecord::NAME;
                return Err(SnapshotError::Misplaced { position, record });
            }
            ControlType::SnapshotFooter if index == 0 && records.len() == 1 => {
                let footer: SnapshotFooterRecord = message(position, value)?;
                known(position, SnapshotFooterRecord::NAME, footer.version)?;
                return Ok(SnapshotPart::Footer);
            }
            ControlType::SnapshotFooter => {
                let record = SnapshotFooterRecord::NAME;
                return Err(SnapshotError::Misplaced { position, record });
            }
            _ => {}
        }
    }
    Ok(SnapshotPart::Control { batch })
}
