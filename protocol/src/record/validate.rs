//! What a leader checks before it appends a batch that a producer made.

use std::ops::{ControlFlow, RangeInclusive};

use crate::record::walk::walk;
use crate::record::{BatchError, RecordBatch};

/// What a topic asks of each record; by default nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RecordRules {
    /// Each has a key.
    pub keys: bool,
    /// A timestamp, where a record has one, lies in this range.
    pub times: Option<RangeInclusive<i64>>,
    /// Of the records that break a rule, so many are listed.
    pub listed_at_most: usize,
}

/// What a walk over all records of a batch found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RecordsSummary {
    pub count: usize,
    /// The bytes of the records when they are not compressed.
    pub uncompressed_size: usize,
    /// The greatest timestamp, and the offset of the first record that has it; -1 without any.
    pub max_timestamp: i64,
    pub offset_of_max_timestamp: i64,
    pub broken: BrokenRules,
}

/// The records that break a rule of their topic. With any, the whole batch is refused.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BrokenRules {
    pub count: usize,
    /// How many of them have a timestamp out of range.
    pub times: usize,
    /// The first of them, in their order.
    pub listed: Vec<InvalidRecord>,
}

/// A record that breaks a rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InvalidRecord {
    /// Its place in the batch.
    pub index: usize,
    pub problem: RecordProblem,
}

/// The first rule that a record breaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RecordProblem {
    WithoutKey,
    Time { timestamp: i64 },
}

/// Everything that can be told without decompressing: the CRC and [`validate_header`].
pub fn validate(batch: &RecordBatch) -> Result<(), BatchError> {
    batch.check_crc()?;
    validate_header(batch)
}

/// Checks that the number of records, the offsets and the sequence numbers agree. This is for
/// batches from producers: compaction leaves offsets out, which is right in a log.
pub fn validate_header(batch: &RecordBatch) -> Result<(), BatchError> {
    let header = batch.header();
    let (count, last_offset_delta) = (header.count, header.last_offset_delta);
    let bytes = header.size() - super::BATCH_OVERHEAD;
    if count <= 0 || bytes == 0 {
        return Err(BatchError::Count { count, bytes });
    }
    if i64::from(last_offset_delta) + 1 != i64::from(count) {
        return Err(BatchError::OffsetRange { count, last_offset_delta });
    }
    if header.has_producer_id() && header.base_sequence < 0 && !header.is_control() {
        return Err(BatchError::Sequence { base_sequence: header.base_sequence });
    }
    header.compression().map(|_| ())
}

/// Walks over all records once, decompressed piece by piece to at most `limit` bytes: each must be
/// whole, their offsets must go up one by one, and nothing may follow the last. Those that break a
/// rule are told in the summary.
pub fn validate_records(
    batch: &RecordBatch,
    rules: &RecordRules,
    limit: usize,
) -> Result<RecordsSummary, BatchError> {
    let mut summary = RecordsSummary {
        max_timestamp: -1,
        offset_of_max_timestamp: -1,
        ..RecordsSummary::default()
    };
    let mut wrong_offset = None;
    let walked = walk(batch, limit, |record| {
        if usize::try_from(record.offset_delta) != Ok(record.index) {
            wrong_offset = Some((record.index, record.offset_delta));
            return ControlFlow::Break(());
        }
        let timestamp = record.timestamp;
        if timestamp > summary.max_timestamp {
            summary.max_timestamp = timestamp;
            summary.offset_of_max_timestamp = record.offset;
        }
        if rules.keys && !record.has_key {
            let problem = RecordProblem::WithoutKey;
            summary.broken.add(InvalidRecord { index: record.index, problem }, rules);
        } else if let Some(times) = &rules.times
            && timestamp != -1
            && !times.contains(&timestamp)
        {
            let problem = RecordProblem::Time { timestamp };
            summary.broken.add(InvalidRecord { index: record.index, problem }, rules);
        }
        summary.count += 1;
        ControlFlow::Continue(())
    })?;
    if let Some((index, delta)) = wrong_offset {
        return Err(BatchError::OffsetDelta { index, delta });
    }
    let walked = walked.expect("only a wrong offset ends the walk early");
    match walked.unread {
        0 => Ok(RecordsSummary { uncompressed_size: walked.bytes, ..summary }),
        bytes => Err(BatchError::Trailing { bytes }),
    }
}

impl BrokenRules {
    #[cold]
    fn add(&mut self, record: InvalidRecord, rules: &RecordRules) {
        self.count += 1;
        self.times += usize::from(matches!(record.problem, RecordProblem::Time { .. }));
        if self.listed.len() < rules.listed_at_most {
            self.listed.push(record);
        }
    }
}
