//! A consumer's membership in its group (classic protocol). Pure: codes and time in, what to do
//! next out.
//!
//! ```text
//!  Out --join--> Joining --assigned--> Member --told to--> Rebalancing --join--> Joining
//!   ^                                    |
//!   +------ lost: fenced, late, left ----+
//! ```

use std::time::Duration;

use protocol::ErrorCode;
use tokio::time::Instant;

/// Where the member stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    /// In no group.
    Out,
    /// On its way in; the coordinator waits for the others.
    Joining,
    /// In, with an assignment.
    Member,
    /// In, but the consumer has to join again.
    Rebalancing,
}

/// What is to be done by the clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Due {
    /// Nothing before this time.
    At(Instant),
    Heartbeat,
    /// The consumer has not polled for too long.
    LeaveAsLate,
    /// The coordinator has not answered for a session.
    FindCoordinator,
}

/// What an answer of the coordinator means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    Fine,
    /// The group rebalances: join again.
    Rejoin,
    /// The coordinator is elsewhere, or not ready.
    FindCoordinator,
    /// The same again, later.
    Retry,
    /// Join again with the id that the answer gives (KIP-394).
    TakeId,
    /// The member is not one any more: what it had belongs to others.
    Lost,
    Fatal(ErrorCode),
}

/// What the coordinator says to a join, a sync or a heartbeat.
pub(super) fn judge(code: ErrorCode) -> Verdict {
    match code {
        ErrorCode::None => Verdict::Fine,
        ErrorCode::RebalanceInProgress => Verdict::Rejoin,
        ErrorCode::NotCoordinator | ErrorCode::CoordinatorNotAvailable => Verdict::FindCoordinator,
        ErrorCode::CoordinatorLoadInProgress => Verdict::Retry,
        ErrorCode::MemberIdRequired => Verdict::TakeId,
        ErrorCode::UnknownMemberId | ErrorCode::IllegalGeneration => Verdict::Lost,
        code if code.is_retriable() => Verdict::Retry,
        code => Verdict::Fatal(code),
    }
}

/// The clock of a membership.
#[derive(Debug)]
pub(super) struct Clock {
    pub(super) heartbeat_interval: Duration,
    pub(super) session_timeout: Duration,
    pub(super) max_poll_interval: Duration,
    last_heartbeat: Instant,
    last_answer: Instant,
}

impl Clock {
    pub(super) fn new(
        heartbeat_interval: Duration,
        session_timeout: Duration,
        max_poll_interval: Duration,
        now: Instant,
    ) -> Self {
        Self {
            heartbeat_interval,
            session_timeout,
            max_poll_interval,
            last_heartbeat: now,
            last_answer: now,
        }
    }

    /// Starts a session anew.
    pub(super) fn restart(&mut self, now: Instant) {
        self.last_heartbeat = now;
        self.last_answer = now;
    }

    pub(super) fn heartbeat_sent(&mut self, now: Instant) {
        self.last_heartbeat = now;
    }

    pub(super) fn answered(&mut self, now: Instant) {
        self.last_answer = now;
    }

    /// What is to be done now, for a member that polled last at `last_poll`.
    pub(super) fn due(&self, stage: Stage, last_poll: Instant, now: Instant) -> Due {
        if matches!(stage, Stage::Out | Stage::Joining) {
            return Due::At(now + self.heartbeat_interval);
        }
        let late_at = last_poll + self.max_poll_interval;
        let silent_at = self.last_answer + self.session_timeout;
        let beat_at = self.last_heartbeat + self.heartbeat_interval;
        if late_at <= now {
            Due::LeaveAsLate
        } else if silent_at <= now {
            Due::FindCoordinator
        } else if beat_at <= now {
            Due::Heartbeat
        } else {
            Due::At(beat_at.min(late_at).min(silent_at))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_say_what_to_do_next() {
        let check = |code, expected| assert_eq!(judge(code), expected);
        check(ErrorCode::None, Verdict::Fine);
        check(ErrorCode::RebalanceInProgress, Verdict::Rejoin);
        check(ErrorCode::NotCoordinator, Verdict::FindCoordinator);
        check(ErrorCode::CoordinatorLoadInProgress, Verdict::Retry);
        check(ErrorCode::MemberIdRequired, Verdict::TakeId);
        check(ErrorCode::UnknownMemberId, Verdict::Lost);
        check(ErrorCode::IllegalGeneration, Verdict::Lost);
        let fenced = ErrorCode::FencedInstanceId;
        check(fenced, Verdict::Fatal(fenced));
        let mixed = ErrorCode::InconsistentGroupProtocol;
        check(mixed, Verdict::Fatal(mixed));
    }

    #[test]
    fn a_member_beats_leaves_when_late_and_looks_for_a_silent_coordinator() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let seconds = Duration::from_secs;
        let mut clock = Clock::new(seconds(3), seconds(10), seconds(60), start);
        assert_eq!(clock.due(Stage::Member, start, at(1)), Due::At(at(3)));
        assert_eq!(clock.due(Stage::Member, start, at(3)), Due::Heartbeat);
        clock.heartbeat_sent(at(3));
        assert_eq!(clock.due(Stage::Rebalancing, start, at(4)), Due::At(at(6)));
        assert_eq!(clock.due(Stage::Member, start, at(10)), Due::FindCoordinator);
        clock.answered(at(10));
        assert_eq!(clock.due(Stage::Member, start, at(10)), Due::Heartbeat);
        assert_eq!(clock.due(Stage::Member, start, at(60)), Due::LeaveAsLate);
        assert_eq!(clock.due(Stage::Joining, start, at(60)), Due::At(at(63)));
    }
}
