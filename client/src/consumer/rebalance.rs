//! How `poll` carries a consumer through its group's rebalances.
//!
//! Eager: everything is revoked, then the group is joined again. Cooperative (KIP-429): the
//! group is joined with what is owned; only what the new assignment lacks is revoked, and the
//! group joined once more so that others can have it. A revocation is shown by one poll and done
//! by the next.

use std::collections::BTreeSet;
use std::time::Duration;

use tokio::time::{Instant, timeout};

use super::group::{Command, Notice, Topics};
use super::records::RebalanceEvent;
use super::state::Seek;
use super::{Consumer, illegal};
use crate::TopicPartition;
use crate::error::ConsumeError;

/// How soon a commit that is due is tried again while another is under way.
const COMMIT_PAUSE: Duration = Duration::from_millis(100);

/// Where the consumer is between two assignments.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Phase {
    /// In no group.
    Out,
    /// The subscription is new: the group is to be joined.
    Subscribed,
    /// The group task is joining.
    Joining,
    /// It has its assignment.
    Member,
    /// The next poll gives these up and joins again.
    Revoking(Vec<TopicPartition>),
}

impl Phase {
    /// A new subscription joins the group; one that changes it does so again.
    pub(super) fn after_subscribe(&self) -> Self {
        match self {
            // What was shown as being revoked is given up first.
            Self::Revoking(partitions) => Self::Revoking(partitions.clone()),
            Self::Out | Self::Subscribed | Self::Joining | Self::Member => Self::Subscribed,
        }
    }
}

impl Consumer {
    /// Goes on with a rebalance, as far as it goes without waiting; answers what has happened.
    pub(super) async fn rebalance(&mut self) -> Result<Vec<RebalanceEvent>, ConsumeError> {
        if self.subscription.is_none() {
            return Ok(Vec::new());
        }
        if let Phase::Revoking(partitions) = &self.phase {
            let partitions = partitions.clone();
            self.shared.state().remove(&partitions);
            self.join("need to revoke partitions and re-join")?;
        }
        if self.phase == Phase::Subscribed {
            let events = self.begin("the subscription has changed").await?;
            if !events.is_empty() {
                return Ok(events);
            }
        }
        while let Some(group) = &mut self.group
            && let Ok(notice) = group.notices.try_recv()
        {
            let events = self.on_notice(notice).await?;
            if !events.is_empty() {
                return Ok(events);
            }
        }
        Ok(Vec::new())
    }

    async fn on_notice(&mut self, notice: Notice) -> Result<Vec<RebalanceEvent>, ConsumeError> {
        match notice {
            Notice::Rebalance => self.begin("group is already rebalancing").await,
            Notice::Joined(assignment) => self.end(assignment).await,
            Notice::Lost => {
                let mut state = self.shared.state();
                let lost = state.owned();
                state.remove(&lost);
                drop(state);
                self.join("partitions were lost")?;
                let is_empty = lost.is_empty();
                Ok(if is_empty { Vec::new() } else { vec![RebalanceEvent::Lost(lost)] })
            }
            Notice::Failed(error) => {
                let mut state = self.shared.state();
                let owned = state.owned();
                state.remove(&owned);
                drop(state);
                // The next poll tries again, with whatever has been changed by then.
                self.phase = Phase::Subscribed;
                Err(error)
            }
        }
    }

    /// Before joining: an eager member gives everything up.
    async fn begin(&mut self, reason: &'static str) -> Result<Vec<RebalanceEvent>, ConsumeError> {
        let owned = self.shared.state().owned();
        if self.is_cooperative() || owned.is_empty() {
            self.join(reason)?;
            return Ok(Vec::new());
        }
        self.commit_before_revoking(None).await;
        self.phase = Phase::Revoking(owned.clone());
        Ok(vec![RebalanceEvent::Revoking(owned)])
    }

    /// After joining: takes the assignment over.
    async fn end(
        &mut self,
        assignment: Vec<TopicPartition>,
    ) -> Result<Vec<RebalanceEvent>, ConsumeError> {
        let assigned: BTreeSet<TopicPartition> = assignment.into_iter().collect();
        if !self.is_subscribed_to(&assigned) {
            tracing::info!("the assignment is of another subscription: joining again");
            return self.begin("received assignments do not match the subscription").await;
        }
        let owned = self.shared.state().owned();
        let is_new = |partition: &&TopicPartition| !owned.contains(partition);
        let added: Vec<TopicPartition> = assigned.iter().filter(is_new).cloned().collect();
        let revoked: Vec<TopicPartition> =
            owned.iter().filter(|partition| !assigned.contains(partition)).cloned().collect();
        self.shared.state().add(added.iter().cloned(), Seek::Committed);
        let mut events = Vec::new();
        self.phase = Phase::Member;
        if !revoked.is_empty() {
            self.commit_before_revoking(Some(&revoked)).await;
            self.phase = Phase::Revoking(revoked.clone());
            events.push(RebalanceEvent::Revoking(revoked));
        }
        events.push(RebalanceEvent::Assigned(added));
        Ok(events)
    }

    /// Whether an assignment has only what is subscribed to: the subscription may have changed
    /// since the group was joined.
    fn is_subscribed_to(&self, assigned: &BTreeSet<TopicPartition>) -> bool {
        assigned.iter().all(|partition| match &self.subscription {
            Some(Topics::Named(topics)) => topics.contains(&partition.topic),
            Some(Topics::Pattern(pattern)) => pattern.is_match(&partition.topic),
            None => false,
        })
    }

    fn join(&mut self, reason: &'static str) -> Result<(), ConsumeError> {
        let (Some(group), Some(topics)) = (&self.group, &self.subscription) else {
            return Err(illegal("there is no subscription to join a group with"));
        };
        let owned = self.shared.state().owned();
        let command = Command::Join { topics: topics.clone(), owned, reason };
        group.commands.send(command).map_err(|_| ConsumeError::Closed)?;
        self.phase = Phase::Joining;
        Ok(())
    }

    /// The protocol is cooperative if every assignor on offer is.
    fn is_cooperative(&self) -> bool {
        self.shared.config.group.assignors.iter().all(|kind| kind.is_cooperative())
    }

    /// Commits what is about to be revoked, if commits are automatic. A failure is no reason to
    /// keep the group waiting.
    async fn commit_before_revoking(&mut self, only: Option<&[TopicPartition]>) {
        let patience = self.shared.config.client.request_timeout;
        match timeout(patience, self.commit_if_automatic(only)).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::warn!(%error, "offsets not committed before a rebalance"),
            Err(_) => tracing::warn!(?patience, "offsets not committed before a rebalance"),
        }
    }

    /// Commits the positions if commits are automatic.
    pub(super) async fn commit_if_automatic(
        &mut self,
        only: Option<&[TopicPartition]>,
    ) -> Result<(), ConsumeError> {
        let group = &self.shared.config.group;
        if !group.auto_commit || group.id.is_none() {
            return Ok(());
        }
        let offsets = self.shared.state().to_commit(only);
        self.shared.commit(offsets).await
    }

    /// Starts an automatic commit when it is time for one.
    pub(super) fn commit_when_due(&mut self) {
        let group = &self.shared.config.group;
        if !group.auto_commit || group.id.is_none() {
            return;
        }
        let now = Instant::now();
        let commit_at = *self.commit_at.get_or_insert(now + group.auto_commit_interval);
        if commit_at > now {
            return;
        }
        // While one is under way, look again soon.
        let interval = group.auto_commit_interval;
        let Some(turn) = self.shared.turn_to_commit() else {
            self.commit_at = Some(now + interval.min(COMMIT_PAUSE));
            return;
        };
        self.commit_at = Some(now + interval);
        let offsets = self.shared.state().to_commit(None);
        let shared = self.shared.clone();
        self.shared.tracker.spawn(async move {
            tokio::select! {
                () = shared.cancel.cancelled() => {}
                committed = shared.commit_in_turn(offsets, turn) => {
                    if let Err(error) = committed {
                        tracing::warn!(%error, "automatic commit failed");
                    }
                }
            }
        });
    }
}
