//! The task that keeps a consumer in its group: joins when told to, beats, and tells when the
//! group rebalances.

mod join;
mod membership;
mod topics;

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use futures::future::BoxFuture;
use protocol::ErrorCode;
use protocol::messages::heartbeat_request::HeartbeatRequest;
use protocol::messages::leave_group_request::{LeaveGroupRequest, MemberIdentity};
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, sleep_until, timeout};

use self::join::{Joined, Outcome, Ticket, join};
use self::membership::{Clock, Due, Stage, Verdict, judge};
pub(super) use self::topics::Topics;
use super::offsets::Committer;
use super::shared::Shared;
use crate::TopicPartition;
use crate::cluster::{CoordinatorKind, Lane};
use crate::error::{ConsumeError, RequestError};

/// What the consumer tells its group task.
#[derive(Debug)]
pub(super) enum Command {
    /// Join, or join again, with these subscriptions and owning these partitions.
    Join { topics: Topics, owned: Vec<TopicPartition>, reason: &'static str },
    /// Leave; answers when the coordinator knows, or when it could not be told.
    Leave { reason: &'static str, done: oneshot::Sender<()> },
}

/// What the group task tells the consumer.
#[derive(Debug)]
pub(super) enum Notice {
    /// The group rebalances: give up what is to be given up, then join again.
    Rebalance,
    Joined(Vec<TopicPartition>),
    /// What is owned belongs to others; join again.
    Lost,
    Failed(ConsumeError),
}

/// A missing topic may appear at any time.
const MISSING_TOPIC_CHECK: Duration = Duration::from_secs(1);

/// How long leaving may take.
const LEAVE_PATIENCE: Duration = Duration::from_secs(5);

struct Task {
    shared: Arc<Shared>,
    notices: mpsc::UnboundedSender<Notice>,
    stage: Stage,
    clock: Clock,
    member_id: String,
    /// The member id that a join under way was given.
    given_id: Arc<OnceLock<String>>,
    generation: i32,
    remembered: Vec<TopicPartition>,
    topics: Option<Topics>,
    /// The subscribed topics when joining, and the partitions that were assigned as leader.
    joined_topics: Vec<Arc<str>>,
    assigned_from: Option<BTreeMap<Arc<str>, i32>>,
    check_topics_at: Instant,
    joining: Option<BoxFuture<'static, Outcome>>,
    beside: Option<BoxFuture<'static, Beside>>,
}

/// What runs beside a membership, one at a time.
enum Beside {
    Heartbeat(Result<ErrorCode, RequestError>),
    /// Whether the topics have changed since joining, and whether some are missing.
    Topics {
        has_changed: bool,
        is_missing: bool,
    },
}

/// Runs until the consumer is closed or dropped.
pub(super) async fn run(
    shared: Arc<Shared>,
    mut commands: mpsc::UnboundedReceiver<Command>,
    notices: mpsc::UnboundedSender<Notice>,
) {
    let group = &shared.config.group;
    let now = Instant::now();
    let clock =
        Clock::new(group.heartbeat_interval, group.session_timeout, group.max_poll_interval, now);
    let mut task = Task {
        notices,
        stage: Stage::Out,
        clock,
        member_id: String::new(),
        given_id: Arc::default(),
        generation: -1,
        remembered: Vec::new(),
        topics: None,
        joined_topics: Vec::new(),
        assigned_from: None,
        check_topics_at: now,
        joining: None,
        beside: None,
        shared: shared.clone(),
    };
    loop {
        let wake_at = task.on_clock(Instant::now()).await;
        tokio::select! {
            () = shared.cancel.cancelled() => return,
            command = commands.recv() => match command {
                Some(command) => task.on_command(command).await,
                None => return,
            },
            () = sleep_until(wake_at) => {}
            outcome = maybe(&mut task.joining) => task.on_join(outcome),
            done = maybe(&mut task.beside) => task.on_beside(done),
        }
    }
}

/// Waits for what is there; forever where nothing is.
async fn maybe<T>(future: &mut Option<BoxFuture<'static, T>>) -> T {
    match future {
        Some(running) => {
            let output = running.await;
            *future = None;
            output
        }
        None => std::future::pending().await,
    }
}

impl Task {
    fn tell(&self, notice: Notice) {
        // The consumer may be gone already.
        let _ = self.notices.send(notice);
        self.shared.news.notify_one();
    }

    async fn on_command(&mut self, command: Command) {
        match command {
            Command::Join { topics, owned, reason } => {
                self.topics = Some(topics.clone());
                self.stage = Stage::Joining;
                self.beside = None;
                self.given_id = Arc::default();
                let ticket = Ticket {
                    member_id: self.member_id.clone(),
                    generation: self.generation,
                    topics,
                    owned,
                    remembered: self.remembered.clone(),
                    reason,
                    given_id: self.given_id.clone(),
                };
                self.joining = Some(Box::pin(join(self.shared.clone(), ticket)));
            }
            Command::Leave { reason, done } => {
                self.leave(reason).await;
                self.topics = None;
                // Who asked may have stopped waiting.
                let _ = done.send(());
            }
        }
    }

    fn on_join(&mut self, outcome: Outcome) {
        match outcome {
            Outcome::Joined(joined) => self.on_joined(joined),
            Outcome::Lost => self.lose(),
            Outcome::Failed(error) => {
                self.forget_membership();
                self.tell(Notice::Failed(error));
            }
        }
    }

    fn on_joined(&mut self, joined: Joined) {
        let now = Instant::now();
        self.stage = Stage::Member;
        self.clock.restart(now);
        self.member_id = joined.member_id;
        self.generation = joined.generation;
        self.remembered = joined.assignment.clone();
        self.joined_topics = joined.topics;
        self.assigned_from = joined.assigned_from;
        self.check_topics_at = now + self.topic_check_interval(false);
        let group = &self.shared.config.group;
        self.shared.state().committer = Some(Committer {
            group: group.id.clone().unwrap_or_default(),
            generation: self.generation,
            member_id: self.member_id.clone(),
            instance_id: group.instance_id.clone(),
        });
        self.tell(Notice::Joined(joined.assignment));
    }

    /// Does what is due by the clock; answers when to look again.
    async fn on_clock(&mut self, now: Instant) -> Instant {
        let last_poll = self.shared.state().last_poll.unwrap_or(now);
        match self.clock.due(self.stage, last_poll, now) {
            Due::At(at) => {
                if self.stage != Stage::Member || self.beside.is_some() {
                    return at;
                }
                if self.check_topics_at <= now {
                    self.beside = Some(Box::pin(self.check_topics()));
                    return at;
                }
                at.min(self.check_topics_at)
            }
            Due::Heartbeat => {
                self.clock.heartbeat_sent(now);
                if self.beside.is_none() {
                    self.beside = Some(Box::pin(self.heartbeat()));
                }
                now + self.clock.heartbeat_interval
            }
            Due::LeaveAsLate => {
                tracing::warn!(
                    interval = ?self.clock.max_poll_interval,
                    "no poll within max.poll.interval.ms, leaving the group"
                );
                self.leave("consumer poll timeout has expired.").await;
                self.tell(Notice::Lost);
                now + self.clock.heartbeat_interval
            }
            Due::FindCoordinator => {
                self.forget_coordinator();
                self.clock.restart(now);
                now
            }
        }
    }

    fn heartbeat(&self) -> impl Future<Output = Beside> + Send + 'static {
        let shared = self.shared.clone();
        let request = HeartbeatRequest {
            group_id: shared.config.group.id.clone().unwrap_or_default(),
            generation_id: self.generation,
            member_id: self.member_id.clone(),
            group_instance_id: shared.config.group.instance_id.clone(),
        };
        async move {
            let beat = async {
                let group = &request.group_id;
                let node = shared.cluster.coordinator(CoordinatorKind::Group, group).await?;
                let connection = shared.cluster.connection(node, Lane::Group).await?;
                let response = connection.send(&request).await?;
                Ok(response.error_code)
            };
            Beside::Heartbeat(beat.await)
        }
    }

    fn check_topics(&self) -> impl Future<Output = Beside> + Send + 'static {
        let shared = self.shared.clone();
        let topics = self.topics.clone();
        let joined = self.joined_topics.clone();
        let assigned_from = self.assigned_from.clone();
        async move {
            let unchanged = Beside::Topics { has_changed: false, is_missing: false };
            let Some(topics) = topics else { return unchanged };
            let Ok(now) = topics.resolve(&shared).await else { return unchanged };
            let watched: Vec<Arc<str>> = match &assigned_from {
                Some(counts) => counts.keys().chain(&now).cloned().collect(),
                None => now.clone(),
            };
            let Ok(counts) = topics::partition_counts(&shared, watched).await else {
                return unchanged;
            };
            let is_missing = now.iter().any(|topic| !counts.contains_key(topic));
            let has_changed = now != joined || assigned_from.is_some_and(|from| from != counts);
            Beside::Topics { has_changed, is_missing }
        }
    }

    fn topic_check_interval(&self, is_missing: bool) -> Duration {
        let max_age = self.shared.config.client.metadata_max_age;
        let known = self.assigned_from.as_ref();
        let was_missing =
            known.is_some_and(|known| self.joined_topics.iter().any(|t| !known.contains_key(t)));
        if is_missing || was_missing { max_age.min(MISSING_TOPIC_CHECK) } else { max_age }
    }

    fn on_beside(&mut self, done: Beside) {
        let now = Instant::now();
        match done {
            Beside::Heartbeat(Ok(code)) => {
                self.clock.answered(now);
                self.on_heartbeat(code);
            }
            Beside::Heartbeat(Err(error)) => {
                tracing::debug!(%error, "heartbeat failed");
                self.forget_coordinator();
            }
            Beside::Topics { has_changed, is_missing } => {
                self.check_topics_at = now + self.topic_check_interval(is_missing);
                if has_changed && self.stage == Stage::Member {
                    self.stage = Stage::Rebalancing;
                    self.tell(Notice::Rebalance);
                }
            }
        }
    }

    fn on_heartbeat(&mut self, code: ErrorCode) {
        match judge(code) {
            Verdict::Fine | Verdict::Retry | Verdict::TakeId => {}
            Verdict::Rejoin => {
                if self.stage == Stage::Member {
                    self.stage = Stage::Rebalancing;
                    self.tell(Notice::Rebalance);
                }
            }
            Verdict::FindCoordinator => self.forget_coordinator(),
            Verdict::Lost => self.lose(),
            Verdict::Fatal(code) => {
                self.forget_membership();
                let group = self.shared.config.group.id.clone().unwrap_or_default();
                self.tell(Notice::Failed(ConsumeError::Group { group, code, message: None }));
            }
        }
    }

    fn forget_coordinator(&self) {
        let group = self.shared.config.group.id.as_deref().unwrap_or_default();
        self.shared.cluster.forget_coordinator(CoordinatorKind::Group, group);
    }

    fn lose(&mut self) {
        self.forget_membership();
        self.tell(Notice::Lost);
    }

    fn forget_membership(&mut self) {
        self.stage = Stage::Out;
        self.joining = None;
        self.beside = None;
        self.member_id.clear();
        self.generation = -1;
        self.shared.state().committer = None;
    }

    /// Tells the coordinator, unless the member is static: that one comes back.
    async fn leave(&mut self, reason: &'static str) {
        let known = std::mem::take(&mut self.member_id);
        let is_joining = self.joining.is_some();
        self.forget_membership();
        let given = self.given_id.get().filter(|_| is_joining);
        let member_id = given.cloned().unwrap_or(known);
        let group = &self.shared.config.group;
        if member_id.is_empty() || group.instance_id.is_some() {
            return;
        }
        let group_id = group.id.clone().unwrap_or_default();
        let left: Result<Result<(), RequestError>, _> = timeout(LEAVE_PATIENCE, async {
            let node = self.shared.cluster.coordinator(CoordinatorKind::Group, &group_id).await?;
            let connection = self.shared.cluster.connection(node, Lane::General).await?;
            let version = connection.version::<LeaveGroupRequest>()?;
            let mut request = LeaveGroupRequest { group_id, ..Default::default() };
            if version >= 3 {
                request.members = vec![MemberIdentity {
                    member_id,
                    group_instance_id: None,
                    reason: (version >= 5).then(|| reason.to_owned()),
                }];
            } else {
                request.member_id = member_id;
            }
            connection.send_at(version, &request).await?;
            Ok(())
        })
        .await;
        if !matches!(left, Ok(Ok(()))) {
            tracing::debug!("the coordinator was not told, it will find out by itself");
        }
    }
}
