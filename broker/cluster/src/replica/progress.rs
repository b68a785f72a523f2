//! How far one follower is, as its leader knows from the follower's fetches.

/// What the fetches of one follower have told its leader in this leader epoch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FollowerProgress {
    log_end: Option<i64>,
    log_start: Option<i64>,
    last_caught_up_ms: Option<i64>,
    last_fetch_ms: Option<i64>,
    /// Where the leader's log ended at the follower's last fetch.
    last_fetch_leader_end: Option<i64>,
    /// The epoch under which the broker fetches; -1: it does not say.
    broker_epoch: Option<i64>,
}

impl FollowerProgress {
    /// At the start of a leader epoch nothing is known of where a follower is. A member of the ISR
    /// gets the full lag time to fetch; the others were not caught up.
    pub(super) fn at_epoch_start(in_sync: bool, now_ms: i64) -> Self {
        Self { last_caught_up_ms: in_sync.then_some(now_ms), ..Self::default() }
    }

    /// The follower has all below `offset`, and asked while the leader's log ended at
    /// `leader_end`.
    ///
    /// It was caught up now, if it has all of the leader's log, or at its last fetch, if it has
    /// what the log had then: a follower that always fetches what was there is in sync however
    /// fast the log grows.
    pub(super) fn note_fetch(&mut self, fetch: Fetched, leader_end: i64, now_ms: i64) {
        let caught_up = if fetch.offset >= leader_end {
            Some(now_ms)
        } else if self.last_fetch_leader_end.is_some_and(|end| fetch.offset >= end) {
            self.last_fetch_ms
        } else {
            None
        };
        self.last_caught_up_ms = self.last_caught_up_ms.max(caught_up);
        self.log_end = Some(fetch.offset);
        self.log_start = Some(fetch.log_start);
        self.last_fetch_ms = Some(now_ms);
        self.last_fetch_leader_end = self.last_fetch_leader_end.max(Some(leader_end));
        self.broker_epoch = Some(fetch.broker_epoch);
    }

    /// Where the follower's log ends; `None` until it has fetched in this leader epoch.
    pub fn log_end(&self) -> Option<i64> {
        self.log_end
    }

    /// Where the follower's log starts; `None` until it has fetched in this leader epoch.
    pub fn log_start(&self) -> Option<i64> {
        self.log_start
    }

    /// When it last had all of the leader's log; `None`: not yet.
    pub fn last_caught_up_ms(&self) -> Option<i64> {
        self.last_caught_up_ms
    }

    /// The broker epoch of its last fetch; `None`: it has not fetched, -1: it did not say.
    pub fn broker_epoch(&self) -> Option<i64> {
        self.broker_epoch
    }

    /// Whether it has the whole log, or had it no longer than `lag_max_ms` ago.
    pub fn is_caught_up(&self, leader_end: i64, lag_max_ms: i64, now_ms: i64) -> bool {
        self.log_end == Some(leader_end)
            || self.last_caught_up_ms.is_some_and(|at| now_ms.saturating_sub(at) <= lag_max_ms)
    }
}

/// The part of a fetch that is about the follower.
#[derive(Clone, Copy, Debug)]
pub(super) struct Fetched {
    pub(super) offset: i64,
    pub(super) log_start: i64,
    pub(super) broker_epoch: i64,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fetch(progress: &mut FollowerProgress, offset: i64, leader_end: i64, now_ms: i64) {
        let fetched = Fetched { offset, log_start: 0, broker_epoch: 7 };
        progress.note_fetch(fetched, leader_end, now_ms);
    }

    #[test]
    fn a_follower_that_fetches_what_was_there_at_its_last_fetch_was_caught_up_then() {
        // Offset, leader's end, time -> last caught up.
        type Fetches<'a> = &'a [(i64, i64, i64)];
        let cases: [(Fetches<'_>, Option<i64>); 6] = [
            (&[(10, 10, 5)], Some(5)),
            (&[(8, 10, 5)], None),
            (&[(8, 10, 5), (10, 20, 6)], Some(5)),
            (&[(8, 10, 5), (9, 20, 6)], None),
            (&[(10, 10, 5), (10, 20, 6), (20, 30, 7), (30, 40, 8)], Some(7)),
            (&[(10, 10, 5), (3, 20, 9), (4, 20, 10)], Some(5)),
        ];
        for (fetches, expected) in cases {
            let mut progress = FollowerProgress::at_epoch_start(false, 0);
            for (offset, end, now) in fetches {
                fetch(&mut progress, *offset, *end, *now);
            }
            assert_eq!(progress.last_caught_up_ms(), expected, "{fetches:?}");
        }
    }

    #[test]
    fn only_members_of_the_isr_count_as_caught_up_at_the_start_of_an_epoch() {
        let member = FollowerProgress::at_epoch_start(true, 100);
        let other = FollowerProgress::at_epoch_start(false, 100);
        assert!(member.is_caught_up(50, 10, 110));
        assert!(!member.is_caught_up(50, 10, 111));
        assert!(!other.is_caught_up(50, 10, 100));
        assert_eq!((member.log_end(), member.broker_epoch()), (None, None));
    }

    #[test]
    fn whoever_has_the_whole_log_is_caught_up_however_long_it_was_silent() {
        let mut progress = FollowerProgress::at_epoch_start(false, 0);
        fetch(&mut progress, 10, 10, 5);
        assert!(progress.is_caught_up(10, 1, 1_000_000));
        assert!(!progress.is_caught_up(11, 1, 1_000_000));
    }
}
