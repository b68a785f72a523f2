//! The records of a refused batch that are to blame, as their producer is told of them (KIP-467):
//! it fails those for good, and knows that the others were refused for their sake.

use std::fmt;
use std::ops::RangeInclusive;

use protocol::messages::produce_response::BatchIndexAndErrorMessage;
use protocol::record::{BrokenRules, InvalidRecord, RecordProblem};

/// As many records' errors the text of the whole batch has.
const IN_TEXT: usize = 3;

/// Records that break rules of their topic, in the words of Kafka.
#[derive(Debug)]
pub(crate) struct RefusedRecords {
    broken: BrokenRules,
    partition: String,
    times: Option<RangeInclusive<i64>>,
}

impl RefusedRecords {
    pub(super) fn new(
        broken: BrokenRules,
        partition: String,
        times: Option<RangeInclusive<i64>>,
    ) -> Self {
        Self { broken, partition, times }
    }

    /// Whether a timestamp is among what is wrong, which names the error then.
    pub(super) fn has_wrong_times(&self) -> bool {
        self.broken.times > 0
    }

    /// How many records are listed.
    pub(super) fn listed(&self) -> usize {
        self.broken.listed.len()
    }

    /// The listed records, with a text each as long as there are `texts` left.
    pub(super) fn entries(&self, texts: &mut usize) -> Vec<BatchIndexAndErrorMessage> {
        let entry = |record: &InvalidRecord| BatchIndexAndErrorMessage {
            batch_index: i32::try_from(record.index).unwrap_or(i32::MAX),
            batch_index_error_message: texts.checked_sub(1).map(|left| {
                *texts = left;
                self.text(record)
            }),
        };
        self.broken.listed.iter().map(entry).collect()
    }

    fn text(&self, record: &InvalidRecord) -> String {
        match record.problem {
            RecordProblem::WithoutKey => format!(
                "Compacted topic cannot accept message without key in topic partition {}.",
                self.partition
            ),
            RecordProblem::Time { timestamp } => {
                let (earliest, latest) =
                    self.times.as_ref().map_or((0, 0), |times| (*times.start(), *times.end()));
                format!(
                    "Timestamp {timestamp} of message with offset {} is out of range. The timestamp \
                     should be within [{earliest}, {latest}]",
                    record.index
                )
            }
        }
    }
}

impl fmt::Display for RefusedRecords {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.has_wrong_times() {
            return f.write_str("One or more records have been rejected due to invalid timestamp");
        }
        write!(
            f,
            "One or more records have been rejected due to {} record errors in total, and only \
             showing the first three errors at most: [",
            self.broken.count
        )?;
        for (number, record) in self.broken.listed.iter().take(IN_TEXT).enumerate() {
            let (comma, text) = (if number > 0 { ", " } else { "" }, self.text(record));
            write!(f, "{comma}RecordError(batchIndex={}, message='{text}')", record.index)?;
        }
        f.write_str("]")
    }
}

impl std::error::Error for RefusedRecords {}
