//! Up to where records are replicated, and what that means for producers and followers.

use super::super::isr::is_eligible;
use super::super::rules::{Rule, holds};
use super::{FollowerProgress, LeaderAction, LeaderState, Moment, NotEnoughReplicas};

impl LeaderState {
    /// The in-sync replicas that a write needs: never more than there are replicas.
    fn wanted_in_sync(&self) -> usize {
        let wanted = usize::try_from(self.settings.min_insync_replicas).unwrap_or(0);
        wanted.min(self.followers.len() + 1)
    }

    /// Whether a write that waits for all may be appended: to be asked before the append, and
    /// refused with `NOT_ENOUGH_REPLICAS`.
    pub fn admit(&self) -> Result<(), NotEnoughReplicas> {
        let (in_sync, wanted) = (self.isr.committed().len(), self.wanted_in_sync());
        if in_sync < wanted { Err(NotEnoughReplicas { in_sync, wanted }) } else { Ok(()) }
    }

    /// What a write that waits for all is told, whose records end at `end_offset` and were
    /// appended in this leader epoch: nothing yet, that they are replicated, or that they are
    /// with too few in sync left (`NOT_ENOUGH_REPLICAS_AFTER_APPEND`).
    pub fn write_outcome(&self, end_offset: i64) -> Option<Result<(), NotEnoughReplicas>> {
        (self.high_watermark >= end_offset).then(|| self.admit())
    }

    /// Whether the leader has something for a follower that has all records: the high watermark is
    /// further than the follower knows, and the follower has records up to it. Such a fetch is
    /// answered at once (KIP-1166). `known` is what the follower says; the largest offset is one
    /// that does not say, and waits for records only.
    pub fn has_news(&self, fetch_offset: i64, known: i64) -> bool {
        known < self.high_watermark.min(fetch_offset)
    }

    /// Moves both watermarks as far as they go. The high one stays where it is while too few are
    /// in sync (KIP-966).
    pub(super) fn advance(&mut self, at: Moment<'_>) -> Vec<LeaderAction> {
        let mut actions = Vec::new();
        if self.admit().is_ok() {
            let replicated = self.replicated(at);
            if replicated > self.high_watermark {
                self.high_watermark = replicated;
                actions.push(LeaderAction::AdvanceHighWatermark(replicated));
            }
        }
        let low = self.lowest_start(at);
        if low > self.low_watermark {
            self.low_watermark = low;
            actions.push(LeaderAction::AdvanceLowWatermark(low));
        }
        actions
    }

    /// The least end of the logs that count: of all that may be in the ISR, and of those that are
    /// about to join it, which could never catch up with a watermark that does not wait for them.
    fn replicated(&self, at: Moment<'_>) -> i64 {
        let unknown = if holds(Rule::UnknownPositionHolds) { -1 } else { self.log_end };
        let mut least = self.safe_end;
        for member in self.isr.maximal().filter(|id| *id != self.node) {
            let end = self.followers.get(&member).and_then(FollowerProgress::log_end);
            least = least.min(end.unwrap_or(unknown));
        }
        for (id, progress) in &self.followers {
            let Some(end) = progress.log_end().filter(|end| *end < least) else { continue };
            if !self.isr.may_have(*id) && self.is_joining(*id, progress, at) {
                least = end;
            }
        }
        least
    }

    fn is_joining(&self, id: i32, progress: &FollowerProgress, at: Moment<'_>) -> bool {
        let lag_max_ms = self.settings.lag_time_max_ms;
        progress.is_caught_up(self.log_end, lag_max_ms, at.now_ms)
            && is_eligible(id, progress, at.brokers)
    }

    /// The least start of the logs whose brokers are alive; one that has not fetched holds it.
    fn lowest_start(&self, at: Moment<'_>) -> i64 {
        let alive = |id: i32| at.brokers.standing(id).is_some_and(|standing| !standing.fenced);
        let others = self.followers.iter().filter(|(id, _)| alive(**id));
        let starts = others.map(|(_, progress)| progress.log_start().unwrap_or(-1));
        starts.fold(self.log_start, i64::min)
    }
}
