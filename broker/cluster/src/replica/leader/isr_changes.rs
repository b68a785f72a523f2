//! Changes of the ISR: who joins, who leaves, and what the controller says to it (KIP-497).

use protocol::ErrorCode;

use super::super::isr::{AlterIsr, IsrAnswer, IsrMember, Pending, is_eligible};
use super::super::rules::{Rule, holds};
use super::{LeaderAction, LeaderState, Moment};

/// How long after an answer that leaves the outcome open the same is asked again.
const RETRY_MS: i64 = 50;

impl LeaderState {
    /// The time has come that [`LeaderState::next_deadline_ms`] named, or some other: members that
    /// have not been caught up for the lag time leave, and what has to be asked again is.
    pub fn on_tick(&mut self, at: Moment<'_>) -> Vec<LeaderAction> {
        let mut actions = self.advance(at);
        if let Some(pending) = &mut self.isr.pending {
            if pending.retry_at_ms.is_some_and(|due| due <= at.now_ms) {
                pending.retry_at_ms = None;
                actions.push(LeaderAction::AlterPartition(pending.request.clone()));
            }
            return actions;
        }
        let stays = |id: &i32| *id == self.node || !self.is_out_of_sync(*id, at.now_ms);
        let rest: Vec<i32> = self.isr.committed().iter().copied().filter(stays).collect();
        if rest.len() < self.isr.committed().len() {
            actions.push(self.propose(&rest, at));
        }
        actions
    }

    /// When [`LeaderState::on_tick`] has something to do, if nothing else happens.
    pub fn next_deadline_ms(&self) -> Option<i64> {
        if let Some(pending) = &self.isr.pending {
            return pending.retry_at_ms;
        }
        let members = self.isr.committed().iter().filter_map(|id| self.followers.get(id));
        let behind = members.filter(|member| member.log_end() != Some(self.log_end));
        let leaves = behind.map(|member| {
            let since = member.last_caught_up_ms().unwrap_or(0);
            since.saturating_add(self.settings.lag_time_max_ms).saturating_add(1)
        });
        leaves.min()
    }

    /// The controller's answer to the proposal of that number, or why there is none: a lost
    /// connection is an error that a retry may mend.
    ///
    /// Only an answer that says so means that nothing was changed; any other failure leaves open
    /// whether it was, and the high watermark goes on waiting for what was asked until the image
    /// tells. An answer to what is no longer asked changes nothing.
    pub fn on_alter_partition_answer(
        &mut self,
        proposal: u64,
        answer: Result<&IsrAnswer, ErrorCode>,
        at: Moment<'_>,
    ) -> Vec<LeaderAction> {
        let Some(pending) = &mut self.isr.pending else { return Vec::new() };
        if pending.request.proposal != proposal {
            return Vec::new();
        }
        match answer {
            Ok(answer) => self.take_answer(answer),
            Err(ErrorCode::OperationNotAttempted | ErrorCode::IneligibleReplica) => {
                self.isr.pending = None;
            }
            Err(_) if !holds(Rule::UnclearAnswerKeepsPending) => self.isr.pending = None,
            // The controller has another state than this leader: the image brings it.
            Err(
                ErrorCode::UnknownTopicOrPartition
                | ErrorCode::UnknownTopicId
                | ErrorCode::FencedLeaderEpoch
                | ErrorCode::InvalidUpdateVersion
                | ErrorCode::InvalidRequest
                | ErrorCode::NewLeaderElected,
            ) => pending.retry_at_ms = None,
            Err(_) => pending.retry_at_ms = Some(at.now_ms.saturating_add(RETRY_MS)),
        }
        self.advance(at)
    }

    /// Takes the ISR that the controller has made. One of another leader epoch, of an older state
    /// or without this leader in it is left to the image.
    fn take_answer(&mut self, answer: &IsrAnswer) {
        let is_of_this = answer.leader_epoch == self.epoch
            && answer.partition_epoch >= self.partition_epoch
            && answer.isr.contains(&self.node);
        if is_of_this {
            self.partition_epoch = answer.partition_epoch;
            self.isr.commit(&answer.isr);
        }
    }

    /// Asks for a follower to be taken in, if it has all that it needs and may be.
    pub(super) fn propose_join(&mut self, id: i32, at: Moment<'_>) -> Option<LeaderAction> {
        if self.isr.pending.is_some() || self.isr.committed().contains(&id) {
            return None;
        }
        let progress = self.followers.get(&id)?;
        let end = progress.log_end()?;
        let has_watermark = end >= self.high_watermark || !holds(Rule::JoinsAtHighWatermark);
        let has_epoch = end >= self.epoch_start_offset || !holds(Rule::JoinsAtEpochStart);
        if !has_watermark || !has_epoch || !is_eligible(id, progress, at.brokers) {
            return None;
        }
        let with_it: Vec<i32> = self.isr.committed().iter().copied().chain([id]).collect();
        Some(self.propose(&with_it, at))
    }

    fn propose(&mut self, isr: &[i32], at: Moment<'_>) -> LeaderAction {
        let member = |id: &i32| {
            let registered = || at.brokers.standing(*id).map(|standing| standing.epoch);
            let fetches_as = || self.followers.get(id).and_then(|it| it.broker_epoch());
            let epoch = if *id == self.node { registered() } else { fetches_as() };
            IsrMember { broker: *id, broker_epoch: epoch.unwrap_or(-1) }
        };
        let isr = isr.iter().map(member).collect();
        self.last_proposal += 1;
        let request = AlterIsr {
            proposal: self.last_proposal,
            leader_epoch: self.epoch,
            partition_epoch: self.partition_epoch,
            isr,
        };
        self.isr.pending = Some(Pending { request: request.clone(), retry_at_ms: None });
        LeaderAction::AlterPartition(request)
    }

    fn is_out_of_sync(&self, id: i32, now_ms: i64) -> bool {
        let lag_max_ms = self.settings.lag_time_max_ms;
        let caught_up =
            |it: &super::FollowerProgress| it.is_caught_up(self.log_end, lag_max_ms, now_ms);
        !self.followers.get(&id).is_some_and(caught_up)
    }
}
