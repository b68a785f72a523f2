//! From the bytes of a partition in a fetch to the batches that the consumer shows. Pure.

use std::collections::{BTreeMap, HashSet, VecDeque};

use bytes::Bytes;
use protocol::messages::fetch_response::AbortedTransaction;
use protocol::record::control::ControlType;
use protocol::record::{BatchError, RecordBatch, batches};

use crate::TopicPartition;
use crate::consumer::records::FetchedBatch;
use crate::error::ConsumeError;
use crate::limits;

/// A batch that was fetched, or a gap where there is nothing to show.
#[derive(Debug, Clone)]
pub(in crate::consumer) struct Entry {
    /// The position after it.
    pub(in crate::consumer) next_offset: i64,
    pub(in crate::consumer) leader_epoch: i32,
    /// `None` for control batches and aborted transactions.
    pub(in crate::consumer) batch: Option<FetchedBatch>,
}

/// What one fetch brought for one partition.
#[derive(Debug, Clone)]
pub(in crate::consumer) struct Chunk {
    pub(in crate::consumer) entries: VecDeque<Entry>,
    pub(in crate::consumer) high_watermark: i64,
    pub(in crate::consumer) last_stable_offset: i64,
    /// What is wrong with the bytes after the entries.
    pub(in crate::consumer) error: Option<ConsumeError>,
}

/// How to read the bytes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Reading {
    /// The offset asked for; the first batch may start before it.
    pub(super) from_offset: i64,
    pub(super) check_crcs: bool,
    /// Whether aborted transactions are left out.
    pub(super) is_read_committed: bool,
}

/// Reads the whole batches in `bytes`.
pub(super) fn decode(
    partition: &TopicPartition,
    bytes: &Bytes,
    aborted: Vec<AbortedTransaction>,
    reading: Reading,
) -> (VecDeque<Entry>, Option<ConsumeError>) {
    let mut filter = Filter::new(aborted);
    let mut entries = VecDeque::new();
    let corrupt = |offset, error: BatchError| ConsumeError::Corrupt {
        partition: partition.clone(),
        offset,
        reason: error.to_string(),
    };
    let mut at = reading.from_offset;
    for batch in batches(bytes) {
        let batch = match batch {
            Ok(batch) => batch,
            // The broker cuts the last batch where the limit of bytes is reached.
            Err(BatchError::Truncated { .. }) if !entries.is_empty() => break,
            Err(error) => return (entries, Some(corrupt(at, error))),
        };
        if reading.check_crcs
            && let Err(error) = batch.check_crc()
        {
            return (entries, Some(corrupt(batch.base_offset, error)));
        }
        at = batch.next_offset();
        if at <= reading.from_offset {
            continue;
        }
        let leader_epoch = batch.leader_epoch;
        let is_hidden = reading.is_read_committed && filter.hides(&batch);
        let is_shown = !batch.is_control() && !is_hidden && batch.count > 0;
        let batch = is_shown.then(|| FetchedBatch::new(partition, batch, reading.from_offset));
        entries.push_back(Entry { next_offset: at, leader_epoch, batch });
    }
    (entries, None)
}

/// Which producers are within an aborted transaction, batch by batch.
struct Filter {
    /// Producers by first offset of their aborted transactions.
    to_come: BTreeMap<i64, Vec<i64>>,
    within: HashSet<i64>,
}

impl Filter {
    fn new(aborted: Vec<AbortedTransaction>) -> Self {
        let mut to_come = BTreeMap::<i64, Vec<i64>>::new();
        for transaction in aborted {
            to_come.entry(transaction.first_offset).or_default().push(transaction.producer_id);
        }
        Self { to_come, within: HashSet::new() }
    }

    fn hides(&mut self, batch: &RecordBatch) -> bool {
        while let Some(first) = self.to_come.first_entry()
            && *first.key() <= batch.last_offset()
        {
            self.within.extend(first.remove());
        }
        if !batch.is_transactional() {
            return false;
        }
        if batch.is_control() {
            if is_abort_marker(batch) {
                self.within.remove(&batch.producer_id);
            }
            return true;
        }
        self.within.contains(&batch.producer_id)
    }
}

fn is_abort_marker(batch: &RecordBatch) -> bool {
    let Ok(payload) = batch.payload(limits::BATCH_UNCOMPRESSED_BYTES_MAX) else { return false };
    let Some(Ok(marker)) = payload.records().next() else { return false };
    let kind = marker.key.and_then(|key| ControlType::parse(key).ok());
    kind == Some(ControlType::Abort)
}

#[cfg(test)]
mod tests {
    use super::*;
    use protocol::record::control::{Marker, marker_batch};
    use protocol::record::{BatchBuilder, BatchOptions};

    fn batch(base_offset: i64, producer_id: i64, is_transactional: bool) -> Bytes {
        let options = BatchOptions {
            base_offset,
            producer_id,
            producer_epoch: 0,
            base_sequence: 0,
            is_transactional,
            ..BatchOptions::default()
        };
        let mut builder = BatchBuilder::new(options);
        builder.append(0, None, Some(b"a"), &[]);
        builder.append(0, None, Some(b"b"), &[]);
        builder.finish()
    }

    fn abort(base_offset: i64, producer_id: i64) -> Bytes {
        let marker = Marker { producer_id, producer_epoch: 0, commit: false, coordinator_epoch: 0 };
        marker_batch(&marker, base_offset, 0, 0)
    }

    fn offsets(
        bytes: &[Bytes],
        aborted: &[(i64, i64)],
        reading: Reading,
    ) -> (Vec<i64>, i64, Option<String>) {
        let aborted = aborted
            .iter()
            .map(|(producer_id, first_offset)| AbortedTransaction {
                producer_id: *producer_id,
                first_offset: *first_offset,
            })
            .collect();
        let partition = TopicPartition::new("t", 0);
        let (entries, error) = decode(&partition, &bytes.concat().into(), aborted, reading);
        let next = entries.back().map_or(-1, |entry| entry.next_offset);
        let shown = entries.iter().filter_map(|entry| entry.batch.as_ref());
        let records = shown.flat_map(|batch| batch.records().unwrap());
        (records.map(|record| record.offset).collect(), next, error.map(|e| e.to_string()))
    }

    const ALL: Reading = Reading { from_offset: 0, check_crcs: true, is_read_committed: false };
    const COMMITTED: Reading = Reading { is_read_committed: true, ..ALL };

    #[test]
    fn records_before_the_position_are_left_out() {
        let log = [batch(0, -1, false), batch(2, -1, false)];
        assert_eq!(offsets(&log, &[], ALL), (vec![0, 1, 2, 3], 4, None));
        let from_three = Reading { from_offset: 3, ..ALL };
        assert_eq!(offsets(&log, &[], from_three), (vec![3], 4, None));
    }

    #[test]
    fn a_cut_last_batch_is_left_for_the_next_fetch() {
        let cut = batch(2, -1, false).slice(..30);
        assert_eq!(offsets(&[batch(0, -1, false), cut], &[], ALL), (vec![0, 1], 2, None));
    }

    #[test]
    fn a_damaged_batch_ends_what_is_shown() {
        let mut damaged = batch(2, -1, false).to_vec();
        let last = damaged.len() - 1;
        damaged[last] ^= 1;
        let (shown, next, error) = offsets(&[batch(0, -1, false), damaged.into()], &[], ALL);
        assert_eq!((shown, next), (vec![0, 1], 2));
        assert!(error.unwrap().starts_with("t-0 holds a damaged batch at offset 2"));
    }

    #[test]
    fn aborted_transactions_are_hidden_from_read_committed_only() {
        let log = [
            batch(0, 7, true),
            batch(2, 8, true),
            batch(4, -1, false),
            abort(6, 7),
            batch(7, 7, true),
        ];
        let aborted = [(7, 0)];
        let committed = offsets(&log, &aborted, COMMITTED);
        assert_eq!(committed, (vec![2, 3, 4, 5, 7, 8], 9, None));
        let all = offsets(&log, &[], ALL);
        assert_eq!(all, (vec![0, 1, 2, 3, 4, 5, 7, 8], 9, None));
    }
}
