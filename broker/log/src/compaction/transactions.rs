//! Which transactions a pass has come across, and what may go of them.

use std::collections::{HashMap, HashSet};
use std::ops::Range;

use protocol::record::BatchHeader;

use crate::index::AbortedEntry;

/// What a control batch says, as far as it matters here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ControlBatch {
    Commit,
    Abort,
    /// A marker of which an earlier pass left no more than the header.
    Empty,
    /// It ends no transaction.
    Other,
}

/// Follows a walk over all batches of a stretch of the log, in order.
#[derive(Debug)]
pub(super) struct Transactions<'a> {
    /// The aborted transactions, in the order of their first offsets.
    aborted: &'a [AbortedEntry],
    /// So many of them have begun.
    begun: usize,
    /// By producer; whether a batch of them was seen.
    open_aborted: HashMap<i64, (AbortedEntry, bool)>,
    open_committed: HashSet<i64>,
    /// Aborted transactions of which a batch was seen, in the order of their markers.
    with_data: Vec<AbortedEntry>,
}

/// Puts transactions in order; those that ended before an offset are of no concern.
pub(super) fn in_order(mut aborted: Vec<AbortedEntry>, from: i64) -> Vec<AbortedEntry> {
    aborted.retain(|entry| entry.last_offset >= from);
    aborted.sort_by_key(|entry| (entry.first_offset, entry.last_offset));
    aborted
}

impl<'a> Transactions<'a> {
    pub(super) fn new(aborted: &'a [AbortedEntry]) -> Self {
        Self {
            aborted,
            begun: 0,
            open_aborted: HashMap::new(),
            open_committed: HashSet::new(),
            with_data: Vec::new(),
        }
    }

    /// Takes note of a batch of records. Returns whether its transaction was aborted.
    pub(super) fn on_data(&mut self, header: &BatchHeader) -> bool {
        self.begin_up_to(header.last_offset());
        if !header.is_transactional() {
            return false;
        }
        match self.open_aborted.get_mut(&header.producer_id) {
            Some((_, has_data)) => {
                *has_data = true;
                true
            }
            None => {
                self.open_committed.insert(header.producer_id);
                false
            }
        }
    }

    /// Takes note of a control batch. Returns whether nothing is left of what it ended.
    pub(super) fn on_control(&mut self, header: &BatchHeader, what: ControlBatch) -> bool {
        self.begin_up_to(header.last_offset());
        match what {
            ControlBatch::Commit => !self.open_committed.remove(&header.producer_id),
            ControlBatch::Abort => match self.open_aborted.remove(&header.producer_id) {
                Some((entry, true)) => {
                    self.with_data.push(entry);
                    false
                }
                Some((_, false)) | None => true,
            },
            ControlBatch::Empty => true,
            ControlBatch::Other => false,
        }
    }

    fn begin_up_to(&mut self, offset: i64) {
        let ahead = &self.aborted[self.begun..];
        let begin = ahead.iter().take_while(|entry| entry.first_offset <= offset);
        for entry in begin {
            self.begun += 1;
            self.open_aborted.entry(entry.producer_id).or_insert((*entry, false));
        }
    }

    /// The aborted transactions that ended since this was last asked and have batches left, and
    /// those whose marker lies in a stretch that was not walked over.
    pub(super) fn take_with_data(&mut self, not_walked: Range<i64>) -> Vec<AbortedEntry> {
        let mut found = std::mem::take(&mut self.with_data);
        let rest = self.aborted.iter().filter(|entry| not_walked.contains(&entry.last_offset));
        let at = found.len();
        found.extend(rest);
        found[at..].sort_by_key(|entry| entry.last_offset);
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(producer_id: i64, first_offset: i64, last_offset: i64) -> AbortedEntry {
        AbortedEntry { producer_id, first_offset, last_offset, last_stable_offset: last_offset }
    }

    fn header(producer_id: i64, offset: i64, transactional: bool) -> BatchHeader {
        BatchHeader {
            base_offset: offset,
            length: 49,
            leader_epoch: 0,
            crc: 0,
            attributes: if transactional { 0x10 } else { 0 },
            last_offset_delta: 0,
            base_timestamp: 0,
            max_timestamp: 0,
            producer_id,
            producer_epoch: 0,
            base_sequence: 0,
            count: 1,
        }
    }

    #[test]
    fn data_is_aborted_between_a_transactions_first_offset_and_its_marker() {
        let aborted = in_order(vec![entry(1, 6, 8), entry(1, 0, 3), entry(2, 1, 9)], 0);
        let mut transactions = Transactions::new(&aborted);
        assert!(transactions.on_data(&header(1, 0, true)));
        assert!(transactions.on_data(&header(2, 1, true)));
        assert!(!transactions.on_data(&header(1, 2, false)));
        assert!(!transactions.on_control(&header(1, 3, true), ControlBatch::Abort));
        assert!(!transactions.on_data(&header(1, 4, true)), "the next one committed");
        assert!(!transactions.on_control(&header(1, 5, true), ControlBatch::Commit));
        assert!(transactions.on_control(&header(1, 8, true), ControlBatch::Abort), "no data");
        assert!(!transactions.on_control(&header(2, 9, true), ControlBatch::Abort));
        let left = transactions.take_with_data(0..0);
        assert_eq!(left, [entry(1, 0, 3), entry(2, 1, 9)]);
        assert_eq!(transactions.take_with_data(0..0), []);
    }

    #[test]
    fn a_marker_whose_transaction_left_nothing_is_told() {
        let mut transactions = Transactions::new(&[]);
        assert!(transactions.on_control(&header(1, 0, true), ControlBatch::Commit));
        assert!(transactions.on_control(&header(1, 1, true), ControlBatch::Abort));
        assert!(transactions.on_control(&header(1, 2, true), ControlBatch::Empty));
        assert!(!transactions.on_control(&header(1, 3, true), ControlBatch::Other));
        assert!(!transactions.on_data(&header(1, 4, true)));
        assert!(!transactions.on_control(&header(1, 5, true), ControlBatch::Commit));
        assert!(transactions.on_control(&header(1, 6, true), ControlBatch::Commit));
    }

    #[test]
    fn transactions_with_a_marker_where_the_walk_did_not_go_stay() {
        let aborted = in_order(vec![entry(1, 0, 20), entry(2, 1, 12), entry(3, 2, 5)], 3);
        let mut transactions = Transactions::new(&aborted);
        assert!(transactions.on_data(&header(3, 2, true)));
        assert!(!transactions.on_control(&header(3, 5, true), ControlBatch::Abort));
        let left = transactions.take_with_data(10..21);
        assert_eq!(left, [entry(3, 2, 5), entry(2, 1, 12), entry(1, 0, 20)]);
        assert_eq!(in_order(left, 6).len(), 2, "the first one ended before");
    }
}
