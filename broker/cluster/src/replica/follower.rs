//! A follower of a partition: what the leader's answers mean for its log.

use broker_log::EpochEnd;
use protocol::ErrorCode;

use super::rules::{Rule, holds};
use super::{LogView, truncation};

/// What a follower knows of its partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FollowerState {
    epoch: i32,
    partition_epoch: i32,
    leader: Option<i32>,
}

/// What a leader answered to a fetch, and what was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FetchAnswer {
    /// The leader epoch in which the follower asked.
    pub asked_epoch: i32,
    /// The offset from which it asked.
    pub asked_offset: i64,
    pub error: ErrorCode,
    pub diverging: Option<EpochEnd>,
    pub high_watermark: i64,
    pub log_start_offset: i64,
}

/// Where the leader's log starts and ends, as ListOffsets gives it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LeaderOffsets {
    pub start: i64,
    pub end: i64,
}

/// Why a partition is not fetched for a while.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pause {
    /// For the back-off, then again.
    BackOff,
    /// Until a new image says who leads: the leader knows a newer epoch.
    NewImage,
}

/// What a follower does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FollowerStep {
    /// The answer is to what is no longer asked: nothing.
    Ignore,
    /// Append the batches, if there are any, and then take over [`FollowerState::marks`].
    Append,
    /// Cut the log at the offset, with the high watermark and the producers' state, and fetch
    /// from there.
    Truncate {
        offset: i64,
        /// What this replica took for replicated goes with it: the leader was elected without it.
        loses_committed: bool,
    },
    /// Drop the whole log and begin at the offset.
    RestartAt {
        offset: i64,
    },
    /// Ask the leader where its log starts and ends, and go on with
    /// [`FollowerState::on_leader_offsets`].
    AskLeaderOffsets,
    /// Nothing is to be done with the log; fetch on from its end.
    FetchOn,
    Wait(Pause),
}

/// What a follower's log is told after an append; both only go forward.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FollowerMarks {
    pub high_watermark: i64,
    pub log_start_offset: i64,
}

impl FollowerState {
    /// `leader`: nobody leads while it is `None`.
    pub fn new(epoch: i32, partition_epoch: i32, leader: Option<i32>) -> Self {
        Self { epoch, partition_epoch, leader }
    }

    pub fn epoch(&self) -> i32 {
        self.epoch
    }

    pub fn partition_epoch(&self) -> i32 {
        self.partition_epoch
    }

    pub fn leader(&self) -> Option<i32> {
        self.leader
    }

    /// Judges the answer to a fetch. The log may have changed since it was asked: the answer only
    /// counts in the epoch and at the end of the log for which it is meant.
    pub fn on_answer(&self, answer: &FetchAnswer, log: &dyn LogView) -> FollowerStep {
        let is_of_epoch = answer.asked_epoch == self.epoch || !holds(Rule::AnswerOfTheEpoch);
        if !is_of_epoch || answer.asked_offset != log.log_end_offset() {
            return FollowerStep::Ignore;
        }
        match answer.error {
            ErrorCode::None => self.on_records(answer, log),
            ErrorCode::OffsetOutOfRange => FollowerStep::AskLeaderOffsets,
            ErrorCode::FencedLeaderEpoch => FollowerStep::Wait(Pause::NewImage),
            _ => FollowerStep::Wait(Pause::BackOff),
        }
    }

    fn on_records(&self, answer: &FetchAnswer, log: &dyn LogView) -> FollowerStep {
        let Some(diverging) = answer.diverging else { return FollowerStep::Append };
        if !holds(Rule::FollowerCuts) {
            return FollowerStep::Append;
        }
        match truncation(log, diverging) {
            // A leader that says where nothing ends is asked for its bounds.
            None => FollowerStep::AskLeaderOffsets,
            Some(cut) => cut_at(cut.offset, log),
        }
    }

    /// Goes on after [`FollowerStep::AskLeaderOffsets`] with the leader's answer.
    ///
    /// - The leader's log ends before this one: what is beyond it was never replicated to it.
    /// - It starts after the end of this one: the records in between are gone, and so is the use
    ///   of the ones here.
    /// - Otherwise the end of this log is within the leader's, and the fetch that failed is late.
    pub fn on_leader_offsets(
        &self,
        asked_epoch: i32,
        leader: LeaderOffsets,
        log: &dyn LogView,
    ) -> FollowerStep {
        if asked_epoch != self.epoch {
            return FollowerStep::Ignore;
        }
        let end = log.log_end_offset();
        if leader.start < 0 || leader.end < leader.start {
            FollowerStep::Wait(Pause::BackOff)
        } else if leader.end < end {
            cut_at(leader.end, log)
        } else if leader.start > end {
            FollowerStep::RestartAt { offset: leader.start }
        } else {
            FollowerStep::FetchOn
        }
    }

    /// What the log takes over from an answer after its batches are appended: the leader's high
    /// watermark as far as this log reaches, and the leader's start as far as records are
    /// replicated.
    pub fn marks(&self, answer: &FetchAnswer, log: &dyn LogView) -> FollowerMarks {
        let known = log.high_watermark();
        let bound = if holds(Rule::WatermarkWithinLog) { log.log_end_offset() } else { i64::MAX };
        let high_watermark = answer.high_watermark.min(bound).max(known);
        let start = answer.log_start_offset.min(high_watermark);
        FollowerMarks { high_watermark, log_start_offset: start.max(log.log_start_offset()) }
    }
}

/// A log that starts after the cut has nothing of what is left.
fn cut_at(offset: i64, log: &dyn LogView) -> FollowerStep {
    if offset < log.log_start_offset() {
        return FollowerStep::RestartAt { offset };
    }
    FollowerStep::Truncate { offset, loses_committed: offset < log.high_watermark() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::replica::test_view::LogFacts;

    const EPOCH: i32 = 5;

    fn follower() -> FollowerState {
        FollowerState::new(EPOCH, 9, Some(1))
    }

    fn log() -> LogFacts {
        LogFacts::new(10, 40).with_epochs(&[(1, 10), (3, 20), (5, 30)]).with_high_watermark(25)
    }

    fn answer(error: ErrorCode) -> FetchAnswer {
        FetchAnswer {
            asked_epoch: EPOCH,
            asked_offset: 40,
            error,
            diverging: None,
            high_watermark: 35,
            log_start_offset: 12,
        }
    }

    #[test]
    fn each_error_has_its_consequence() {
        let back_off = FollowerStep::Wait(Pause::BackOff);
        let cases = [
            (ErrorCode::None, FollowerStep::Append),
            (ErrorCode::OffsetOutOfRange, FollowerStep::AskLeaderOffsets),
            (ErrorCode::FencedLeaderEpoch, FollowerStep::Wait(Pause::NewImage)),
            (ErrorCode::UnknownLeaderEpoch, back_off),
            (ErrorCode::NotLeaderOrFollower, back_off),
            (ErrorCode::UnknownTopicOrPartition, back_off),
            (ErrorCode::UnknownTopicId, back_off),
            (ErrorCode::InconsistentTopicId, back_off),
            (ErrorCode::KafkaStorageError, back_off),
            (ErrorCode::CorruptMessage, back_off),
            (ErrorCode::OffsetMovedToTieredStorage, back_off),
            (ErrorCode::UnknownServerError, back_off),
            (ErrorCode::Other(999), back_off),
        ];
        for (error, expected) in cases {
            assert_eq!(follower().on_answer(&answer(error), &log()), expected, "{error}");
        }
    }

    #[test]
    fn an_answer_to_another_epoch_or_offset_is_ignored_whatever_it_says() {
        for error in [ErrorCode::None, ErrorCode::OffsetOutOfRange, ErrorCode::FencedLeaderEpoch] {
            let old = FetchAnswer { asked_epoch: EPOCH - 1, ..answer(error) };
            let elsewhere = FetchAnswer { asked_offset: 39, ..answer(error) };
            assert_eq!(follower().on_answer(&old, &log()), FollowerStep::Ignore, "{error}");
            assert_eq!(follower().on_answer(&elsewhere, &log()), FollowerStep::Ignore, "{error}");
        }
        let offsets = LeaderOffsets { start: 0, end: 5 };
        let step = follower().on_leader_offsets(EPOCH - 1, offsets, &log());
        assert_eq!(step, FollowerStep::Ignore);
    }

    #[test]
    fn a_diverging_epoch_says_where_to_cut() {
        let cut = |offset, loses_committed| FollowerStep::Truncate { offset, loses_committed };
        let cases = [
            ((5, 33), cut(33, false)),
            ((4, 99), cut(30, false)),
            ((3, 25), cut(25, false)),
            ((3, 24), cut(24, true)),
            ((1, 9), FollowerStep::RestartAt { offset: 9 }),
            ((0, 4), FollowerStep::RestartAt { offset: 4 }),
            ((-1, -1), FollowerStep::AskLeaderOffsets),
        ];
        for ((leader_epoch, end_offset), expected) in cases {
            let diverging = Some(EpochEnd { leader_epoch, end_offset });
            let found = FetchAnswer { diverging, ..answer(ErrorCode::None) };
            let step = follower().on_answer(&found, &log());
            assert_eq!(step, expected, "epoch {leader_epoch} ends at {end_offset}");
        }
    }

    #[test]
    fn a_log_out_of_the_leaders_range_is_cut_or_begun_anew() {
        let cut = |offset, loses_committed| FollowerStep::Truncate { offset, loses_committed };
        let cases = [
            ((0, 39), cut(39, false)),
            ((0, 24), cut(24, true)),
            ((0, 10), cut(10, true)),
            ((0, 9), FollowerStep::RestartAt { offset: 9 }),
            ((41, 90), FollowerStep::RestartAt { offset: 41 }),
            ((40, 90), FollowerStep::FetchOn),
            ((0, 40), FollowerStep::FetchOn),
            ((-1, 40), FollowerStep::Wait(Pause::BackOff)),
            ((50, 40), FollowerStep::Wait(Pause::BackOff)),
            ((0, -1), FollowerStep::Wait(Pause::BackOff)),
        ];
        for ((start, end), expected) in cases {
            let step = follower().on_leader_offsets(EPOCH, LeaderOffsets { start, end }, &log());
            assert_eq!(step, expected, "{start} to {end}");
        }
    }

    #[test]
    fn the_marks_of_the_leader_are_taken_as_far_as_the_own_log_goes() {
        // The leader's high watermark and start -> those of a log from 10 to 40 that knows 25.
        let cases = [
            ((35, 12), (35, 12)),
            ((90, 12), (40, 12)),
            ((20, 12), (25, 12)),
            ((-1, -1), (25, 10)),
            ((90, 60), (40, 40)),
            ((30, 5), (30, 10)),
        ];
        for ((high_watermark, log_start_offset), expected) in cases {
            let found = FetchAnswer { high_watermark, log_start_offset, ..answer(ErrorCode::None) };
            let marks = follower().marks(&found, &log());
            let marks = (marks.high_watermark, marks.log_start_offset);
            assert_eq!(marks, expected, "{high_watermark}, {log_start_offset}");
        }
    }
}
