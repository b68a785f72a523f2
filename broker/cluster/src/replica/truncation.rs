//! Where a follower cuts its log when the leader says that the two part (KIP-101, KIP-279,
//! KIP-595).

use broker_log::EpochEnd;

use super::LogView;

/// Where to cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Truncation {
    /// The log ends there afterwards; never beyond its end.
    pub offset: i64,
    /// Whether all that is left is the leader's. Otherwise the next fetch, which names the epoch
    /// of the last record that is left, finds the next difference.
    pub is_complete: bool,
}

/// Where a follower cuts its log on the leader's `diverging` answer: the largest epoch of the
/// leader that is not above the follower's last one, and where it ends in the leader's log.
///
/// - The follower has records of that epoch: what both have of it stays.
/// - It has none of it: its records of greater epochs go, and it asks again with what is left.
/// - It knows of no epoch that is not greater, as a log without epochs does: the leader's end is
///   all there is to go by.
///
/// `None`: the answer names no epoch or no offset, so that it says nothing.
pub fn truncation(log: &dyn LogView, diverging: EpochEnd) -> Option<Truncation> {
    if diverging.leader_epoch < 0 || diverging.end_offset < 0 {
        return None;
    }
    let end = log.log_end_offset();
    let own = log.epoch_end(diverging.leader_epoch);
    let (offset, is_complete) = if own.leader_epoch < 0 || own.end_offset < 0 {
        (diverging.end_offset, true)
    } else if own.leader_epoch == diverging.leader_epoch {
        (diverging.end_offset.min(own.end_offset), true)
    } else {
        (own.end_offset, false)
    };
    Some(Truncation { offset: offset.min(end), is_complete })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::replica::test_view::LogFacts;

    #[test]
    fn a_log_is_cut_where_both_have_the_same_records_of_an_epoch() {
        let log = LogFacts::new(0, 40).with_epochs(&[(1, 0), (3, 20), (5, 30)]);
        // Epoch and end that the leader names -> where to cut, and whether that is all.
        let cases = [
            ((5, 35), Some((35, true))),
            ((5, 99), Some((40, true))),
            ((3, 25), Some((25, true))),
            ((3, 33), Some((30, true))),
            ((4, 33), Some((30, false))),
            ((2, 33), Some((20, false))),
            ((1, 5), Some((5, true))),
            ((0, 5), Some((0, true))),
            ((7, 12), Some((12, true))),
            ((-1, -1), None),
            ((3, -1), None),
            ((-1, 9), None),
        ];
        for ((leader_epoch, end_offset), expected) in cases {
            let found = truncation(&log, EpochEnd { leader_epoch, end_offset });
            let found = found.map(|it| (it.offset, it.is_complete));
            assert_eq!(found, expected, "epoch {leader_epoch} ends at {end_offset}");
        }
    }

    #[test]
    fn a_log_without_epochs_is_cut_at_the_leaders_end() {
        let log = LogFacts::new(0, 40);
        let cut = |end_offset| truncation(&log, EpochEnd { leader_epoch: 3, end_offset });
        assert_eq!(cut(12), Some(Truncation { offset: 12, is_complete: true }));
        assert_eq!(cut(50), Some(Truncation { offset: 40, is_complete: true }));
    }
}
