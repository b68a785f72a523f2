//! What a consumer's handle and its tasks share.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use protocol::ErrorCode;
use tokio::sync::{Notify, OwnedMutexGuard};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::config::{ConsumerConfig, IsolationLevel};
use super::offsets::{self, CommittedOffset, Committer, OffsetToCommit};
use super::state::State;
use crate::TopicPartition;
use crate::cluster::Cluster;
use crate::error::{ConsumeError, RequestError};

pub(super) struct Shared {
    pub(super) config: ConsumerConfig,
    pub(super) cluster: Cluster,
    /// Held for a map operation at a time; nothing awaits under it.
    state: Mutex<State>,
    /// Tells the fetcher that there is something new to look at.
    pub(super) work: Notify,
    /// Tells `poll` the same.
    pub(super) news: Notify,
    /// One commit at a time, so that an older one never overwrites a newer one.
    committing: Arc<tokio::sync::Mutex<()>>,
    pub(super) cancel: CancellationToken,
    pub(super) tracker: TaskTracker,
}

impl Shared {
    pub(super) fn new(config: ConsumerConfig) -> Result<Self, ConsumeError> {
        config.validate()?;
        Ok(Self {
            cluster: Cluster::new(config.client.clone())?,
            config,
            state: Mutex::new(State::default()),
            work: Notify::new(),
            news: Notify::new(),
            committing: Arc::default(),
            cancel: CancellationToken::new(),
            tracker: TaskTracker::new(),
        })
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn group(&self) -> Result<&str, ConsumeError> {
        self.config.group.id.as_deref().ok_or_else(|| {
            let text = "To use the group management or offset commit APIs, \
                        you must provide a valid group.id in the consumer configuration.";
            ConsumeError::IllegalState(text.to_owned())
        })
    }

    /// Commits when those before are done, as the member that this consumer is, or as nobody where
    /// it assigns itself.
    pub(super) async fn commit(
        &self,
        commits: BTreeMap<TopicPartition, OffsetToCommit>,
    ) -> Result<(), ConsumeError> {
        let turn = self.committing.clone().lock_owned().await;
        self.commit_in_turn(commits, turn).await
    }

    /// The turn to commit, if no commit is under way. Who takes it and looks at the positions then
    /// has older ones than all who commit later.
    pub(super) fn turn_to_commit(&self) -> Option<OwnedMutexGuard<()>> {
        self.committing.clone().try_lock_owned().ok()
    }

    pub(super) async fn commit_in_turn(
        &self,
        commits: BTreeMap<TopicPartition, OffsetToCommit>,
        _turn: OwnedMutexGuard<()>,
    ) -> Result<(), ConsumeError> {
        let group = self.group()?;
        if commits.is_empty() {
            return Ok(());
        }
        let committed = self.cluster.on_group_coordinator("OffsetCommit", group, async |node| {
            let committer = self.state().committer.clone();
            let committer = committer.unwrap_or_else(|| Committer::outside_of(group));
            let answers = offsets::commit(&self.cluster, node, &committer, &commits).await?;
            let failed = answers.into_iter().find(|(_, code)| *code != ErrorCode::None);
            match failed {
                Some((partition, code)) => {
                    RequestError::check("OffsetCommit", partition.to_string(), code, None)
                }
                None => Ok(()),
            }
        });
        let group = group.to_owned();
        committed.await.map_err(|error| match error.code() {
            Some(
                code @ (ErrorCode::IllegalGeneration
                | ErrorCode::UnknownMemberId
                | ErrorCode::RebalanceInProgress
                | ErrorCode::FencedInstanceId),
            ) => ConsumeError::CommitFailed { group, code },
            _ => ConsumeError::Request(error),
        })
    }

    /// The committed offsets of these partitions; those without one are absent.
    pub(super) async fn committed(
        &self,
        partitions: &[TopicPartition],
    ) -> Result<BTreeMap<TopicPartition, CommittedOffset>, ConsumeError> {
        let group = self.group()?;
        let stable = self.config.fetch.isolation == IsolationLevel::ReadCommitted;
        let fetched = self.cluster.on_group_coordinator("OffsetFetch", group, async |node| {
            let wanted = Some(partitions);
            let answers = offsets::fetch(&self.cluster, node, group, wanted, stable).await?;
            let mut committed = BTreeMap::new();
            for (partition, answer) in answers {
                match answer {
                    Ok(offset) => committed.extend(offset.map(|offset| (partition, offset))),
                    Err(code) => {
                        RequestError::check("OffsetFetch", partition.to_string(), code, None)?;
                    }
                }
            }
            Ok(committed)
        });
        Ok(fetched.await?)
    }
}
