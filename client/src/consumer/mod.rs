//! Reading records, alone or in a group.
//!
//! ```text
//!            subscribe           assign / seek
//!                |                     |
//!   group task --+-- notices --> poll -+--> state (partitions, positions, chunks)
//!   (joins, beats)                             ^
//!                                  fetcher ----+   (looks positions up, fetches ahead)
//! ```

pub(crate) mod assignor;
mod config;
pub(crate) mod embedded;
mod fetch;
mod group;
pub(crate) mod offsets;
mod positions;
mod rebalance;
mod records;
mod shared;
mod state;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, sleep_until, timeout};

pub use self::assignor::AssignorKind;
pub use self::config::{ConsumerConfig, FetchConfig, GroupConfig, IsolationLevel, OffsetReset};
use self::group::{Command, Notice, Topics};
pub use self::offsets::{CommittedOffset, OffsetToCommit};
use self::rebalance::Phase;
pub use self::records::{ConsumerRecord, FetchedBatch, PartitionRecords, Polled, RebalanceEvent};
use self::shared::Shared;
use self::state::Seek;
use crate::cluster::Cluster;
use crate::error::{ConsumeError, RequestError};
use crate::{TopicPartition, is_topic_name};

/// Reads records. Call [`Consumer::close`] before dropping it, so that its group goes on at once.
pub struct Consumer {
    shared: Arc<Shared>,
    /// Of the group task, which starts with the first subscription.
    group: Option<Group>,
    subscription: Option<Topics>,
    phase: Phase,
    commit_at: Option<Instant>,
    _stop_when_dropped: tokio_util::sync::DropGuard,
}

struct Group {
    commands: mpsc::UnboundedSender<Command>,
    notices: mpsc::UnboundedReceiver<Notice>,
}

impl std::fmt::Debug for Consumer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Consumer").field("config", &self.shared.config).finish_non_exhaustive()
    }
}

impl Consumer {
    /// Starts a consumer on the current runtime; it connects on first use.
    pub fn new(config: ConsumerConfig) -> Result<Self, ConsumeError> {
        let shared = Arc::new(Shared::new(config)?);
        shared.tracker.spawn(fetch::run(shared.clone()));
        let guard = shared.cancel.clone().drop_guard();
        Ok(Self {
            shared,
            group: None,
            subscription: None,
            phase: Phase::Out,
            commit_at: None,
            _stop_when_dropped: guard,
        })
    }

    /// The cluster beneath, for requests that have no method here.
    pub fn cluster(&self) -> &Cluster {
        &self.shared.cluster
    }

    /// Subscribes to topics as a member of the group, in place of what was subscribed to before.
    pub fn subscribe<T: Into<Arc<str>>>(
        &mut self,
        topics: impl IntoIterator<Item = T>,
    ) -> Result<(), ConsumeError> {
        let topics: BTreeSet<Arc<str>> = topics.into_iter().map(Into::into).collect();
        if let Some(topic) = topics.iter().find(|topic| !is_topic_name(topic)) {
            return Err(ConsumeError::InvalidTopic { topic: topic.to_string() });
        }
        self.set_subscription(Topics::Named(topics.into_iter().collect()))
    }

    /// Subscribes to all topics whose name matches, those of the future too. The pattern matches
    /// anywhere in a name unless it is anchored.
    pub fn subscribe_pattern(&mut self, pattern: regex::Regex) -> Result<(), ConsumeError> {
        self.set_subscription(Topics::Pattern(pattern))
    }

    /// Takes exactly these partitions, without a group's help.
    pub fn assign(
        &mut self,
        partitions: impl IntoIterator<Item = TopicPartition>,
    ) -> Result<(), ConsumeError> {
        if self.subscription.is_some() {
            return Err(illegal("Subscription to topics, partitions and pattern are exclusive"));
        }
        self.shared.state().replace(partitions.into_iter().collect(), Seek::Committed);
        self.shared.work.notify_one();
        Ok(())
    }

    /// Gives up all partitions, and leaves the group.
    pub async fn unsubscribe(&mut self) -> Result<(), ConsumeError> {
        let committed = self.commit_if_automatic(None).await;
        self.leave("the consumer unsubscribed from all topics").await;
        self.subscription = None;
        self.phase = Phase::Out;
        let mut state = self.shared.state();
        let owned = state.owned();
        state.remove(&owned);
        drop(state);
        committed
    }

    /// The topics subscribed to by name.
    pub fn subscription(&self) -> Vec<Arc<str>> {
        match &self.subscription {
            Some(Topics::Named(topics)) => topics.clone(),
            Some(Topics::Pattern(_)) | None => Vec::new(),
        }
    }

    /// Waits up to `timeout` for records or a rebalance. Whoever is in a group must call it at
    /// least every `max.poll.interval.ms`. Dropping the future loses nothing.
    pub async fn poll(&mut self, timeout: Duration) -> Result<Polled, ConsumeError> {
        if self.shared.cancel.is_cancelled() {
            return Err(ConsumeError::Closed);
        }
        let deadline = Instant::now() + timeout;
        let shared = self.shared.clone();
        if self.subscription.is_none() && shared.state().partitions.is_empty() {
            return Err(illegal(
                "Consumer is not subscribed to any topics or assigned any partitions",
            ));
        }
        loop {
            shared.state().last_poll = Some(Instant::now());
            let events = self.rebalance().await?;
            if !events.is_empty() {
                shared.work.notify_one();
                return Ok(Polled { events, partitions: Vec::new() });
            }
            self.commit_when_due();
            let polled = shared.state().take(shared.config.max_poll_records)?;
            shared.work.notify_one();
            if !polled.is_empty() || Instant::now() >= deadline {
                return Ok(polled);
            }
            tokio::select! {
                () = shared.news.notified() => {}
                () = sleep_until(self.look_again_at(deadline)) => {}
                () = shared.cancel.cancelled() => return Err(ConsumeError::Closed),
            }
        }
    }

    /// Waiting within a poll counts as polling, and automatic commits go on meanwhile.
    fn look_again_at(&self, deadline: Instant) -> Instant {
        let half = Instant::now() + self.shared.config.group.max_poll_interval / 2;
        let wake_at = deadline.min(half);
        self.commit_at.map_or(wake_at, |at| wake_at.min(at))
    }

    /// The partitions that the consumer has, in order.
    pub fn assignment(&self) -> Vec<TopicPartition> {
        self.shared.state().owned()
    }

    /// Shows nothing of these partitions until they are resumed.
    pub fn pause(&mut self, partitions: &[TopicPartition]) -> Result<(), ConsumeError> {
        let mut state = self.shared.state();
        partitions.iter().try_for_each(|p| state.get(p).map(|assigned| assigned.is_paused = true))
    }

    /// Ends a pause.
    pub fn resume(&mut self, partitions: &[TopicPartition]) -> Result<(), ConsumeError> {
        let mut state = self.shared.state();
        partitions
            .iter()
            .try_for_each(|p| state.get(p).map(|assigned| assigned.is_paused = false))?;
        drop(state);
        self.shared.work.notify_one();
        Ok(())
    }

    /// The partitions that are paused.
    pub fn paused(&self) -> Vec<TopicPartition> {
        let state = self.shared.state();
        let paused = state.partitions.iter().filter(|(_, assigned)| assigned.is_paused);
        paused.map(|(partition, _)| partition.clone()).collect()
    }

    /// Commits the positions: everything that `poll` has returned counts as read.
    pub async fn commit(&self) -> Result<(), ConsumeError> {
        let offsets = self.shared.state().to_commit(None);
        self.shared.commit(offsets).await
    }

    /// Commits these offsets, each of the next record to read.
    pub async fn commit_offsets(
        &self,
        offsets: BTreeMap<TopicPartition, OffsetToCommit>,
    ) -> Result<(), ConsumeError> {
        self.shared.commit(offsets).await
    }

    /// The group's committed offsets of these partitions; those without one are absent.
    pub async fn committed(
        &self,
        partitions: &[TopicPartition],
    ) -> Result<BTreeMap<TopicPartition, CommittedOffset>, ConsumeError> {
        self.shared.committed(partitions).await
    }

    /// Commits if that is automatic, leaves the group and closes all connections.
    pub async fn close(mut self) -> Result<(), ConsumeError> {
        let committed = self.commit_last().await;
        self.leave("the consumer is being closed").await;
        self.shared.cancel.cancel();
        self.shared.tracker.close();
        self.shared.tracker.wait().await;
        self.shared.cluster.close().await;
        committed
    }

    fn set_subscription(&mut self, topics: Topics) -> Result<(), ConsumeError> {
        self.shared.group()?;
        if self.subscription.is_none() && !self.shared.state().partitions.is_empty() {
            return Err(illegal("Subscription to topics, partitions and pattern are exclusive"));
        }
        if self.group.is_none() {
            let (commands, receiver) = mpsc::unbounded_channel();
            let (sender, notices) = mpsc::unbounded_channel();
            self.shared.tracker.spawn(group::run(self.shared.clone(), receiver, sender));
            self.group = Some(Group { commands, notices });
        }
        self.subscription = Some(topics);
        self.shared.state().last_poll = Some(Instant::now());
        self.phase = self.phase.after_subscribe();
        Ok(())
    }

    /// The last automatic commit, which does not outlast one request.
    async fn commit_last(&mut self) -> Result<(), ConsumeError> {
        let after = self.shared.config.client.request_timeout;
        let committed = timeout(after, self.commit_if_automatic(None)).await;
        committed.unwrap_or_else(|_| {
            Err(ConsumeError::Request(RequestError::TimedOut {
                api: "OffsetCommit",
                subject: self.shared.config.group.id.clone().unwrap_or_default(),
                after,
                last: "the consumer was being closed".to_owned(),
                code: None,
            }))
        })
    }

    async fn leave(&mut self, reason: &'static str) {
        let Some(group) = &mut self.group else { return };
        let (done, is_done) = oneshot::channel();
        if group.commands.send(Command::Leave { reason, done }).is_ok() {
            // The task answers, or is gone.
            let _ = is_done.await;
        }
        while group.notices.try_recv().is_ok() {}
    }
}

fn illegal(text: &str) -> ConsumeError {
    ConsumeError::IllegalState(text.to_owned())
}
