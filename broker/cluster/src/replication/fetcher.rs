//! One fetcher of one leader: asks for what its partitions lack, and hands it to them.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use client::{Connection, ConnectionError};
use protocol::ErrorCode;
use protocol::messages::fetch_response::{FetchResponse, PartitionData};
use protocol::messages::list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic};
use protocol::messages::{FetchRequest, ListOffsetsRequest};
use protocol::record::Records;
use thiserror::Error;
use tokio::sync::mpsc::UnboundedReceiver;
use tracing::{debug, info, warn};

use super::{ReplicationResources, key_of};
use crate::limits::{FAILURES_TOLD, FETCHER_IDLE, FETCHER_RETRY};
use crate::partition::{FollowError, FollowedTo, Partition};
use crate::peers::{Address, Peers};
use crate::replica::{
    FetchAnswer, FetcherSettings, FollowerStep, LeaderFetcher, LeaderOffsets, PartitionKey,
};

/// The newest version of Fetch that is spoken between brokers.
const VERSION_MAX: i16 = 18;
/// In ListOffsets, the start and the end of a log.
const EARLIEST: i64 = -2;
const LATEST: i64 = -1;

/// Whom to follow.
pub(super) enum Assignment {
    Follow { partition: Arc<Partition>, epoch: i32 },
    Unfollow(PartitionKey),
}

/// Why nothing came of a request.
#[derive(Debug, Error)]
enum FetchFailure {
    #[error("broker {leader} has no listener {listener}, or is not known")]
    NoAddress { leader: i32, listener: Arc<str> },
    #[error(transparent)]
    Connection(#[from] ConnectionError),
}

struct Followed {
    partition: Arc<Partition>,
    epoch: i32,
}

pub(super) struct Fetcher {
    resources: ReplicationResources,
    leader: i32,
    assignments: UnboundedReceiver<Assignment>,
    peers: Peers,
    fetcher: LeaderFetcher,
    followed: HashMap<PartitionKey, Followed>,
    /// Rounds that have failed since one did not.
    failures: u32,
}

impl Fetcher {
    pub(super) fn new(
        resources: ReplicationResources,
        leader: i32,
        assignments: UnboundedReceiver<Assignment>,
    ) -> Self {
        let settings = &resources.settings;
        let node = resources.surroundings.node_id();
        let client_id = format!("broker-{node}-fetcher-{leader}");
        let timeout = millis(settings.socket_timeout_ms.max(1));
        let (tasks, cancel) = (resources.tasks.clone(), resources.cancel.clone());
        let bytes = |count: u32| i32::try_from(count).unwrap_or(i32::MAX);
        let fetcher = LeaderFetcher::new(FetcherSettings {
            node,
            broker_epoch: -1,
            cluster_id: None,
            max_wait_ms: i32::try_from(settings.fetch_wait_max_ms).unwrap_or(i32::MAX),
            min_bytes: settings.fetch_min_bytes,
            max_bytes: bytes(settings.fetch_response_max_bytes),
            partition_max_bytes: bytes(settings.fetch_max_bytes),
        });
        let peers = Peers::new(&client_id, timeout, tasks, cancel);
        let followed = HashMap::new();
        Self { resources, leader, assignments, peers, fetcher, followed, failures: 0 }
    }

    /// Follows until there has been nothing to follow for a while.
    pub(super) async fn run(mut self) {
        loop {
            while let Ok(assignment) = self.assignments.try_recv() {
                self.take(assignment);
            }
            if self.followed.is_empty() {
                match tokio::time::timeout(FETCHER_IDLE, self.assignments.recv()).await {
                    Ok(Some(assignment)) => self.take(assignment),
                    // Whoever assigns more finds the channel closed, and starts another one.
                    Ok(None) | Err(_) => {
                        self.assignments.close();
                        if self.assignments.is_empty() {
                            return;
                        }
                        while let Ok(assignment) = self.assignments.try_recv() {
                            self.take(assignment);
                        }
                    }
                }
                continue;
            }
            match self.round().await {
                Ok(()) => self.failures = 0,
                Err(failure) => {
                    self.fetcher.on_failure();
                    self.failures = self.failures.saturating_add(1);
                    // A connection that just ended is opened anew; what goes on is said once.
                    if self.failures == FAILURES_TOLD {
                        info!("nothing is fetched from broker {} now: {failure}", self.leader);
                    }
                    self.pause(FETCHER_RETRY).await;
                }
            }
        }
    }

    fn take(&mut self, assignment: Assignment) {
        match assignment {
            Assignment::Follow { partition, epoch } => {
                let key = key_of(&partition);
                // It may have another part by now.
                let Some(position) = partition.follower_position(epoch) else { return };
                self.fetcher.assign(key, &partition.id.topic, position);
                self.followed.insert(key, Followed { partition, epoch });
            }
            Assignment::Unfollow(key) => {
                self.fetcher.remove(key);
                self.followed.remove(&key);
            }
        }
    }

    fn now_ms(&self) -> i64 {
        self.resources.surroundings.elapsed_ms()
    }

    /// Waits, or until there is an assignment.
    async fn pause(&mut self, time: Duration) {
        if let Ok(Some(assignment)) = tokio::time::timeout(time, self.assignments.recv()).await {
            self.take(assignment);
        }
    }

    async fn connection(&self) -> Result<Connection, FetchFailure> {
        let listener = &self.resources.listener;
        let image = self.resources.surroundings.image();
        let endpoint = image.broker(self.leader).and_then(|broker| broker.endpoint(listener));
        let Some(endpoint) = endpoint else {
            let listener = listener.clone();
            return Err(FetchFailure::NoAddress { leader: self.leader, listener });
        };
        let address = Address::new(&endpoint.host, endpoint.port);
        Ok(self.peers.connection(&address).await?)
    }

    /// One request and its answer.
    async fn round(&mut self) -> Result<(), FetchFailure> {
        let connection = self.connection().await?;
        let version = connection.version_up_to::<FetchRequest>(VERSION_MAX)?;
        let image = self.resources.surroundings.image();
        let own = image.broker(self.resources.surroundings.node_id());
        self.fetcher.set_broker_epoch(own.map_or(-1, |broker| broker.epoch));
        let Some(request) = self.fetcher.next_request(version, self.now_ms()) else {
            let until = self.fetcher.next_release_ms();
            let left = until.map_or(1000, |until| until - self.now_ms()).max(1);
            self.pause(millis(left)).await;
            return Ok(());
        };
        let answer = connection.send_at(version, &request);
        tokio::pin!(answer);
        let answered = tokio::select! {
            answered = &mut answer => answered?,
            assignment = self.assignments.recv() => {
                let Some(assignment) = assignment else { return Ok(()) };
                let is_new = matches!(assignment, Assignment::Follow { .. });
                self.take(assignment);
                if is_new {
                    // The leader holds the request until there is something to send, and would
                    // not learn of the new partition meanwhile: the session begins anew.
                    connection.close();
                    self.fetcher.on_failure();
                    return Ok(());
                }
                answer.await?
            }
        };
        self.take_answer(&connection, answered).await;
        Ok(())
    }

    async fn take_answer(&mut self, connection: &Connection, response: FetchResponse) {
        let mut answered = Vec::new();
        for topic in response.responses {
            let id = match topic.topic_id.is_nil() {
                true => self.fetcher.topic_id(&topic.topic),
                false => Some(topic.topic_id),
            };
            let Some(topic_id) = id else { continue };
            answered.extend(topic.partitions.into_iter().map(|partition| {
                (PartitionKey { topic_id, partition: partition.partition_index }, partition)
            }));
        }
        let keys: Vec<PartitionKey> = answered.iter().map(|(key, _)| *key).collect();
        let head = (response.error_code, response.session_id);
        if let Err(problem) = self.fetcher.on_response(head.0, head.1, &keys) {
            debug!("broker {}: {problem}", self.leader);
            if head.0 != ErrorCode::FetchSessionIdNotFound {
                self.pause(FETCHER_RETRY).await;
            }
            return;
        }
        for (key, data) in answered {
            self.take_partition(connection, key, data).await;
        }
    }

    async fn take_partition(
        &mut self,
        connection: &Connection,
        key: PartitionKey,
        data: PartitionData,
    ) {
        let (Some(followed), Some(asked)) = (self.followed.get(&key), self.fetcher.asked(key))
        else {
            return;
        };
        let partition = followed.partition.clone();
        let diverging = &data.diverging_epoch;
        let diverging = (diverging.end_offset >= 0).then_some(broker_log::EpochEnd {
            leader_epoch: diverging.epoch,
            end_offset: diverging.end_offset,
        });
        let answer = FetchAnswer {
            asked_epoch: asked.leader_epoch,
            asked_offset: asked.fetch_offset,
            error: data.error_code,
            diverging,
            high_watermark: data.high_watermark,
            log_start_offset: data.log_start_offset,
        };
        let records = data.records.as_ref().and_then(Records::bytes).cloned();
        let records = records.unwrap_or_else(Bytes::new);
        let now_ms = self.resources.clock.now_ms();
        let taken = partition.follow(&answer, &records, now_ms, &self.resources.flusher);
        let taken = match taken {
            Ok(FollowedTo { step: FollowerStep::AskLeaderOffsets, .. }) => {
                self.ask_offsets(connection, &partition, asked.leader_epoch).await
            }
            taken => taken,
        };
        self.go_on(key, &partition, taken, !records.is_empty());
    }

    fn go_on(
        &mut self,
        key: PartitionKey,
        partition: &Partition,
        taken: Result<FollowedTo, FollowError>,
        had_records: bool,
    ) {
        match taken {
            Ok(FollowedTo {
                step: FollowerStep::Wait(_) | FollowerStep::AskLeaderOffsets, ..
            }) => {
                self.hold(key);
            }
            // Somebody else moved it: it is asked for from where it is.
            Ok(FollowedTo { step: FollowerStep::Ignore, .. }) => {
                let epoch = self.followed.get(&key).map_or(-1, |followed| followed.epoch);
                match partition.follower_position(epoch) {
                    Some(position) => self.fetcher.update(key, position, false),
                    None => self.hold(key),
                }
            }
            Ok(FollowedTo { position, .. }) => self.fetcher.update(key, position, had_records),
            Err(FollowError::Leadership(_)) => self.hold(key),
            Err(problem) => {
                warn!("{} does not follow broker {}: {problem}", partition.id, self.leader);
                self.hold(key);
            }
        }
    }

    fn hold(&mut self, key: PartitionKey) {
        let until = self.now_ms().saturating_add(self.resources.settings.fetch_backoff_ms);
        self.fetcher.hold(key, until);
    }

    /// Where the leader's log starts and ends.
    async fn ask_offsets(
        &self,
        connection: &Connection,
        partition: &Arc<Partition>,
        epoch: i32,
    ) -> Result<FollowedTo, FollowError> {
        let start = self.offset(connection, partition, epoch, EARLIEST).await;
        let end = self.offset(connection, partition, epoch, LATEST).await;
        let (start, end) = (start.unwrap_or(-1), end.unwrap_or(-1));
        let offsets = LeaderOffsets { start, end };
        partition.follow_offsets(epoch, offsets, self.resources.clock.now_ms())
    }

    async fn offset(
        &self,
        connection: &Connection,
        partition: &Partition,
        epoch: i32,
        timestamp: i64,
    ) -> Option<i64> {
        let asked = ListOffsetsPartition {
            partition_index: partition.id.partition,
            current_leader_epoch: epoch,
            timestamp,
        };
        let topic =
            ListOffsetsTopic { name: partition.id.topic.to_string(), partitions: vec![asked] };
        let replica_id = self.resources.surroundings.node_id();
        let request =
            ListOffsetsRequest { replica_id, topics: vec![topic], ..ListOffsetsRequest::default() };
        let answer = connection.send(&request).await.ok()?;
        let found = answer.topics.into_iter().flat_map(|topic| topic.partitions).next()?;
        (!found.error_code.is_error()).then_some(found.offset)
    }
}

fn millis(count: i64) -> Duration {
    Duration::from_millis(u64::try_from(count).unwrap_or(0))
}
