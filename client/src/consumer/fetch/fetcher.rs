//! The task that looks positions up and fetches ahead: per broker one request at a time, the next
//! one as soon as no partition of it has more than one answer waiting for `poll`.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt as _;
use futures::future::BoxFuture;
use futures::stream::FuturesUnordered;
use protocol::ErrorCode;
use protocol::messages::fetch_request::FetchRequest;
use protocol::messages::fetch_response::{FetchResponse, PartitionData};
use tokio::time::{Instant, sleep_until};

use super::decode::{Chunk, Reading, decode};
use super::lookup::{self, Found};
use super::session::{Session, Wanted};
use crate::TopicPartition;
use crate::cluster::{Lane, Refreshed, TopicSelection};
use crate::connection::Connection;
use crate::consumer::config::IsolationLevel;
use crate::consumer::shared::Shared;
use crate::error::{ConnectionError, ConsumeError, RequestError};
use crate::limits;

/// From this version on topics are named by id.
const BY_ID_FROM: i16 = 13;

/// The turn and offset for which each partition was asked.
type Asked = BTreeMap<TopicPartition, (u64, i64)>;

/// What happens beside the fetcher.
enum Event {
    Connected(i32, Result<Connection, RequestError>),
    Fetched(i32, Asked, Result<FetchResponse, ConnectionError>),
    LookedUp(Vec<Found>),
    Refreshed(Result<Refreshed, RequestError>),
}

#[derive(Default)]
struct Node {
    connection: Option<Connection>,
    session: Session,
    is_busy: bool,
    failures: u32,
    not_before: Option<Instant>,
}

struct Fetcher {
    shared: Arc<Shared>,
    nodes: HashMap<i32, Node>,
    looking: BTreeSet<(TopicPartition, u64)>,
    is_refreshing: bool,
    refresh_failures: u32,
    beside: FuturesUnordered<BoxFuture<'static, Event>>,
}

/// What one broker could be asked for.
#[derive(Default)]
struct Candidate {
    wanted: BTreeMap<TopicPartition, Wanted>,
    asked: Asked,
    /// Whether `poll` still has to take what was fetched before.
    is_full: bool,
}

/// Runs until the consumer is closed or dropped.
pub(in crate::consumer) async fn run(shared: Arc<Shared>) {
    let mut fetcher = Fetcher {
        nodes: HashMap::new(),
        looking: BTreeSet::new(),
        is_refreshing: false,
        refresh_failures: 0,
        beside: FuturesUnordered::new(),
        shared,
    };
    let shared = fetcher.shared.clone();
    loop {
        let wake_at = fetcher.round();
        tokio::select! {
            () = shared.cancel.cancelled() => return,
            () = shared.work.notified() => {}
            () = sleep_until(wake_at) => {}
            Some(event) = fetcher.beside.next() => fetcher.on_event(event),
        }
    }
}

impl Fetcher {
    /// Starts what can be started, and answers when to look again if nothing happens before.
    fn round(&mut self) -> Instant {
        let now = Instant::now();
        self.look_up(now);
        let mut wake_at = now + self.shared.config.client.metadata_max_age;
        let (candidates, is_stale) = self.candidates(now, &mut wake_at);
        for (id, candidate) in candidates {
            let node = self.nodes.entry(id).or_default();
            if let Some(at) = node.not_before.filter(|at| *at > now) {
                wake_at = wake_at.min(at);
                continue;
            }
            if node.is_busy || candidate.is_full {
                continue;
            }
            node.is_busy = true;
            match node.connection.clone().filter(Connection::is_open) {
                Some(connection) => self.fetch(id, &connection, candidate),
                None => self.connect(id),
            }
        }
        let fetched_at = self.shared.cluster.metadata_fetched_at();
        let max_age = self.shared.config.client.metadata_max_age;
        let is_old = fetched_at.is_some_and(|at| at + max_age <= now);
        if is_stale || is_old {
            self.refresh();
        }
        wake_at
    }

    fn look_up(&mut self, now: Instant) {
        let mut wanted = self.shared.state().to_look_up(now);
        wanted.retain(|(partition, turn, _)| !self.looking.contains(&(partition.clone(), *turn)));
        if wanted.is_empty() {
            return;
        }
        self.looking.extend(wanted.iter().map(|(p, turn, _)| (p.clone(), *turn)));
        let shared = self.shared.clone();
        self.beside
            .push(Box::pin(async move { Event::LookedUp(lookup::look_up(&shared, wanted).await) }));
    }

    /// What could be fetched, by broker, and whether some leader is not known.
    fn candidates(&self, now: Instant, wake_at: &mut Instant) -> (BTreeMap<i32, Candidate>, bool) {
        let metadata = self.shared.cluster.metadata();
        let max_bytes = self.shared.config.fetch.max_partition_bytes;
        let mut candidates = BTreeMap::<i32, Candidate>::new();
        let mut is_stale = false;
        let mut state = self.shared.state();
        for (partition, assigned) in &mut state.partitions {
            if let Some(at) = assigned.not_before.filter(|at| *at > now) {
                *wake_at = (*wake_at).min(at);
                continue;
            }
            if assigned.position.is_none() || assigned.is_paused {
                continue;
            }
            let topic = metadata.topics.get(&partition.topic);
            let Some((leader, leader_epoch)) =
                metadata.leader(&partition.topic, partition.partition)
            else {
                is_stale = true;
                continue;
            };
            let preferred = assigned
                .preferred
                .filter(|(id, until)| *until > now && metadata.brokers.contains_key(id));
            let node = preferred.map_or(leader, |(id, _)| id);
            let candidate = candidates.entry(node).or_default();
            candidate.is_full |=
                assigned.chunks.len() >= limits::PREFETCHED_RESPONSES_PER_PARTITION;
            let wanted = Wanted {
                offset: assigned.fetch_offset,
                leader_epoch,
                max_bytes,
                topic_id: topic.and_then(|topic| topic.id),
            };
            candidate.wanted.insert(partition.clone(), wanted);
            candidate.asked.insert(partition.clone(), (assigned.turn, assigned.fetch_offset));
        }
        (candidates, is_stale)
    }

    fn connect(&mut self, id: i32) {
        let cluster = self.shared.cluster.clone();
        self.beside.push(Box::pin(async move {
            Event::Connected(id, cluster.connection(id, Lane::Fetch).await)
        }));
    }

    fn fetch(&mut self, id: i32, connection: &Connection, candidate: Candidate) {
        let config = &self.shared.config.fetch;
        let by_name = connection.version_up_to::<FetchRequest>(BY_ID_FROM - 1);
        let has_ids = candidate.wanted.values().all(|wanted| wanted.topic_id.is_some());
        let version = match connection.version::<FetchRequest>() {
            Ok(version) if version < BY_ID_FROM || has_ids => Ok(version),
            Ok(_) => by_name,
            Err(error) => Err(error),
        };
        let version = match version {
            Ok(version) => version,
            Err(error) => {
                let failed = Event::Fetched(id, candidate.asked, Err(error));
                return self.beside.push(Box::pin(async move { failed }));
            }
        };
        let max_wait = config.max_wait;
        let mut request = FetchRequest {
            max_wait_ms: i32::try_from(max_wait.as_millis()).unwrap_or(i32::MAX),
            min_bytes: config.min_bytes,
            max_bytes: config.max_bytes,
            isolation_level: config.isolation.wire(),
            rack_id: if version >= 11 { config.rack.clone() } else { String::new() },
            ..Default::default()
        };
        let Candidate { wanted, asked, .. } = candidate;
        let node = self.nodes.entry(id).or_default();
        node.session.fill(&mut request, wanted, version >= BY_ID_FROM);
        let connection = connection.clone();
        self.beside.push(Box::pin(async move {
            let response = async {
                let pending = connection.enqueue(version, &request).await?;
                pending.allow(max_wait).wait().await
            };
            Event::Fetched(id, asked, response.await)
        }));
    }

    /// Fetches the metadata of all topics that are assigned, unless that is under way.
    fn refresh(&mut self) {
        if self.is_refreshing {
            return;
        }
        self.is_refreshing = true;
        let topics: BTreeSet<Arc<str>> =
            self.shared.state().partitions.keys().map(|p| p.topic.clone()).collect();
        let create = self.shared.config.allow_auto_create_topics;
        let cluster = self.shared.cluster.clone();
        let pause = cluster.backoff(self.refresh_failures);
        self.refresh_failures += 1;
        self.beside.push(Box::pin(async move {
            tokio::time::sleep(pause).await;
            let wanted = TopicSelection::Named { topics: topics.into_iter().collect(), create };
            Event::Refreshed(cluster.refresh(wanted).await)
        }));
    }

    fn on_event(&mut self, event: Event) {
        match event {
            Event::Connected(id, result) => {
                let node = self.nodes.entry(id).or_default();
                node.is_busy = false;
                match result {
                    Ok(connection) => {
                        node.connection = Some(connection);
                        node.session.reset();
                        node.failures = 0;
                    }
                    Err(error) => self.on_failure(id, &error),
                }
            }
            Event::Fetched(id, asked, result) => {
                let node = self.nodes.entry(id).or_default();
                node.is_busy = false;
                match result {
                    Ok(response) => self.on_response(id, &asked, response),
                    Err(error) => {
                        node.session.reset();
                        self.on_failure(id, &error.into());
                    }
                }
            }
            Event::LookedUp(found) => self.on_found(found),
            Event::Refreshed(result) => {
                self.is_refreshing = false;
                self.on_refreshed(result);
            }
        }
    }

    /// A broker that cannot be reached rests; perhaps another one leads by then.
    fn on_failure(&mut self, id: i32, error: &RequestError) {
        tracing::debug!(node = id, %error, "fetch failed");
        let node = self.nodes.entry(id).or_default();
        node.failures += 1;
        node.not_before = Some(Instant::now() + self.shared.cluster.backoff(node.failures));
        if !error.is_retriable() {
            self.shared.state().errors.push_back(ConsumeError::Request(error.clone()));
            self.shared.news.notify_one();
        }
        for assigned in self.shared.state().partitions.values_mut() {
            assigned.preferred = assigned.preferred.filter(|(preferred, _)| *preferred != id);
        }
        self.refresh();
    }

    fn on_refreshed(&mut self, result: Result<Refreshed, RequestError>) {
        let Ok(refreshed) = result else { return };
        let mut is_complete = true;
        for (topic, code) in refreshed.failed {
            is_complete = false;
            let is_fatal = matches!(
                code,
                ErrorCode::TopicAuthorizationFailed | ErrorCode::InvalidTopicException
            );
            if is_fatal {
                let partition = TopicPartition::new(topic, -1);
                self.shared.state().errors.push_back(ConsumeError::Fetch { partition, code });
                self.shared.news.notify_one();
            }
        }
        if is_complete {
            self.refresh_failures = 0;
        }
    }

    fn on_found(&mut self, found: Vec<Found>) {
        let pause = Instant::now() + self.shared.cluster.backoff(2);
        let mut state = self.shared.state();
        for (partition, turn, result) in found {
            self.looking.remove(&(partition.clone(), turn));
            match result {
                Ok(position) => state.found(&partition, turn, position),
                Err(error) => {
                    let current = state.partitions.get_mut(&partition);
                    let Some(assigned) = current.filter(|assigned| assigned.turn == turn) else {
                        continue;
                    };
                    assigned.not_before = Some(pause);
                    if error.is_retriable() {
                        tracing::debug!(%partition, %error, "position not found yet");
                    } else {
                        assigned.failure = Some(error);
                    }
                }
            }
        }
        drop(state);
        self.shared.news.notify_one();
    }

    fn on_response(&mut self, id: i32, asked: &Asked, response: FetchResponse) {
        let node = self.nodes.entry(id).or_default();
        let mut answers = Vec::new();
        for topic in response.responses {
            for data in topic.partitions {
                let (name, id, index) = (&topic.topic, topic.topic_id, data.partition_index);
                if let Some(partition) = node.session.partition(name, id, index) {
                    answers.push((partition, data));
                }
            }
        }
        node.session.on_response(response.error_code, response.session_id);
        node.failures = 0;
        if response.error_code.is_error() {
            tracing::debug!(node = id, code = %response.error_code, "fetch session ended");
            let is_known = matches!(
                response.error_code,
                ErrorCode::FetchSessionIdNotFound | ErrorCode::InvalidFetchSessionEpoch
            );
            if !is_known {
                node.not_before = Some(Instant::now() + self.shared.cluster.backoff(1));
                self.refresh();
            }
            return;
        }
        for (partition, data) in answers {
            if let Some((turn, offset)) = asked.get(&partition) {
                self.on_data(&partition, *turn, *offset, data);
            }
        }
        self.shared.news.notify_one();
    }

    /// Takes one partition's answer, unless the consumer has moved on since it was asked for.
    fn on_data(&mut self, partition: &TopicPartition, turn: u64, offset: i64, data: PartitionData) {
        let config = &self.shared.config;
        let code = data.error_code;
        if code != ErrorCode::None {
            return self.on_error(partition, turn, code);
        }
        let reading = Reading {
            from_offset: offset,
            check_crcs: config.fetch.check_crcs,
            is_read_committed: config.fetch.isolation == IsolationLevel::ReadCommitted,
        };
        let bytes = data.records.as_ref().and_then(|records| records.bytes());
        let aborted = data.aborted_transactions.unwrap_or_default();
        let (entries, error) = match bytes {
            Some(bytes) => decode(partition, bytes, aborted, reading),
            None => Default::default(),
        };
        let max_age = config.client.metadata_max_age;
        let mut state = self.shared.state();
        let current = state.partitions.get_mut(partition).filter(|assigned| assigned.turn == turn);
        let Some(assigned) = current.filter(|assigned| assigned.fetch_offset == offset) else {
            return;
        };
        assigned.high_watermark = Some(data.high_watermark);
        if data.preferred_read_replica >= 0 {
            let until = Instant::now() + max_age;
            assigned.preferred = Some((data.preferred_read_replica, until));
        }
        if let Some(last) = entries.back() {
            assigned.fetch_offset = last.next_offset;
        }
        if error.is_some() {
            // No more is fetched of it until `poll` has reported the error.
            assigned.not_before = Some(Instant::now() + Duration::from_secs(1));
        }
        if !entries.is_empty() || error.is_some() {
            assigned.chunks.push_back(Chunk {
                entries,
                high_watermark: data.high_watermark,
                last_stable_offset: data.last_stable_offset,
                error,
            });
        }
    }

    fn on_error(&mut self, partition: &TopicPartition, turn: u64, code: ErrorCode) {
        tracing::debug!(%partition, %code, "fetch of a partition failed");
        let pause = Instant::now() + self.shared.cluster.backoff(1);
        let mut state = self.shared.state();
        let Some(assigned) = state.partitions.get_mut(partition).filter(|a| a.turn == turn) else {
            return;
        };
        assigned.not_before = Some(pause);
        let was_follower = assigned.preferred.take().is_some();
        match code {
            ErrorCode::OffsetOutOfRange => {
                // A follower may be behind; the leader knows.
                if !was_follower {
                    state.out_of_range(partition, self.shared.config.offset_reset);
                }
            }
            code if code.is_retriable() || code == ErrorCode::UnknownServerError => {
                drop(state);
                self.refresh();
            }
            code => {
                let partition = partition.clone();
                assigned.failure = Some(ConsumeError::Fetch { partition, code });
            }
        }
    }
}
