//! Fetch 4-18.
//!
//! - A fetch that finds less than `min_bytes` is parked until one of its partitions moves, its time
//!   is up or the broker stops, and then looks again. Nothing polls.
//! - The first batch of the first partition that has one comes whole, whatever the limits.
//! - v7: sessions (KIP-227) · v9: leader epochs · v12: diverging epochs (KIP-595) · v13: topics by
//!   id
//! - A broker that follows reads to the end of the log, and what it says of its own is noted. It is
//!   answered too when the high watermark is news for it (v18, KIP-1166) · v15: broker epochs
//!   (KIP-903)
//! - v11: clients may read from a follower (KIP-392)

use std::future::{Future, poll_fn};
use std::sync::{Arc, Mutex};
use std::task::Poll;
use std::time::Duration;

use broker_cluster::lock::whole;
use broker_cluster::partition::{
    FetchSpec, Fetched, FollowerReader, Isolation, Partition, Reader, RecordRange, Waiters, Wake,
};
use broker_metadata::Image;
use bytes::Bytes;
use indexmap::IndexMap;
use protocol::ErrorCode;
use protocol::messages::fetch_request::FetchPartition;
use protocol::messages::fetch_response::{
    AbortedTransaction, EpochEndOffset, FetchableTopicResponse, PartitionData,
};
use protocol::messages::{FetchRequest, FetchResponse};
use protocol::record::Records;
use tokio::time::Instant;
use uuid::Uuid;

use super::error::{code_of_fetch_error, code_of_leadership_error, code_of_session_error};
use super::fetch_records::{Part, read_small};
use crate::answer::Chunk;
use crate::fetch_session::{
    Asked, FINAL_EPOCH, FetchKey, INITIAL_EPOCH, Session, SessionChanges, Told, TopicKey,
};
use crate::request::{self, Outcome, RequestContext};
use crate::services::Services;

/// A response, and the records that fill the gaps in it.
pub(super) struct FetchReply {
    response: FetchResponse,
    records: Vec<Chunk>,
}

impl FetchReply {
    pub(super) fn outcome(self, version: i16, correlation_id: i32) -> Outcome {
        request::encode::<FetchRequest>(&self.response, version, correlation_id, self.records)
    }

    fn error(error_code: ErrorCode) -> Self {
        let response = FetchResponse { error_code, ..FetchResponse::default() };
        Self { response, records: Vec::new() }
    }
}

pub(super) async fn handle(
    context: RequestContext,
    services: &Services,
    request: FetchRequest,
) -> FetchReply {
    let who = match (request.replica_id, &request.replica_state) {
        (-1, state) if state.replica_id >= 0 => {
            Who::Follower { node: state.replica_id, broker_epoch: state.replica_epoch }
        }
        (node @ 0.., _) => Who::Follower { node, broker_epoch: -1 },
        _ => Who::Client {
            isolation: Isolation::from_wire(request.isolation_level),
            any_replica: context.version >= ANY_REPLICA_FROM,
        },
    };
    let limits = Limits {
        who,
        max_bytes: usize::try_from(request.max_bytes)
            .unwrap_or(0)
            .min(services.config.settings.fetch.max_bytes as usize),
        min_bytes: usize::try_from(request.min_bytes).unwrap_or(0),
        max_wait: Duration::from_millis(u64::try_from(request.max_wait_ms).unwrap_or(0)),
    };
    let scope = match Scope::of(&context, services, request) {
        Ok(scope) => scope,
        Err(code) => return FetchReply::error(code),
    };
    let found = wait_and_read(services, &scope, limits).await;
    let keys = scope.partitions.iter().map(|(key, _)| key);
    let mut parts: Vec<Part> =
        keys.zip(found).map(|(key, found)| part(key.partition, found)).collect();
    read_small(&mut parts).await;
    scope.reply(context.version, parts)
}

/// The first version in which a client may be sent to a follower.
const ANY_REPLICA_FROM: i16 = 11;

/// Who asks.
#[derive(Clone, Copy, Debug)]
enum Who {
    Client { isolation: Isolation, any_replica: bool },
    Follower { node: i32, broker_epoch: i64 },
}

#[derive(Clone, Copy, Debug)]
struct Limits {
    who: Who,
    max_bytes: usize,
    min_bytes: usize,
    max_wait: Duration,
}

/// What a request is about: its partitions in the order of their turn, and the session that it
/// belongs to.
struct Scope {
    partitions: Vec<(FetchKey, Asked)>,
    session_id: i32,
    session: Option<Arc<Mutex<Session>>>,
    /// The session was opened by this request: all its partitions are told.
    full: bool,
}

impl Scope {
    fn of(
        context: &RequestContext,
        services: &Services,
        request: FetchRequest,
    ) -> Result<Self, ErrorCode> {
        let uses_ids = context.version >= 13;
        let (id, epoch) = (request.session_id, request.session_epoch);
        let elapsed_ms = services.elapsed_ms();
        let sessions = &services.fetch_sessions;
        let changes = changes(request, uses_ids);
        match epoch {
            FINAL_EPOCH | INITIAL_EPOCH => {
                if id != 0 {
                    sessions.close(id);
                }
                let partitions = changes.put;
                let mut scope = Self { partitions, session_id: 0, session: None, full: true };
                if epoch == INITIAL_EPOCH && context.version >= 7 && !scope.partitions.is_empty() {
                    let remembered = scope.partitions.clone();
                    let opened = sessions.open(uses_ids, remembered, elapsed_ms, rand::random);
                    if let Some((id, session)) = opened {
                        scope.session_id = id;
                        scope.session = Some(session);
                    }
                }
                Ok(scope)
            }
            _ => {
                let resumed = sessions.resume(id, epoch, uses_ids, changes, elapsed_ms);
                let session = resumed.map_err(|error| code_of_session_error(&error))?;
                let partitions = session.as_ref().map(|session| lock(session).partitions());
                Ok(Self {
                    partitions: partitions.unwrap_or_default(),
                    session_id: if session.is_some() { id } else { 0 },
                    session,
                    full: false,
                })
            }
        }
    }

    /// Makes the response; of a session only what is new in it.
    fn reply(self, version: i16, parts: Vec<Part>) -> FetchReply {
        let mut response =
            FetchResponse { session_id: self.session_id, ..FetchResponse::default() };
        let mut all = Vec::new();
        for ((key, _), Part { data, records }) in self.partitions.into_iter().zip(parts) {
            if let Some(session) = &self.session {
                let told = Told {
                    error: data.error_code,
                    high_watermark: data.high_watermark,
                    log_start_offset: data.log_start_offset,
                };
                let news = records.is_some() || data.diverging_epoch != EpochEndOffset::default();
                let must = lock(session).tell(&key, told, news);
                if !must && !self.full {
                    continue;
                }
            }
            put(&mut response.responses, key.topic, version, data);
            all.extend(records);
        }
        FetchReply { response, records: all }
    }
}

fn lock(session: &Mutex<Session>) -> std::sync::MutexGuard<'_, Session> {
    whole(session)
}

fn changes(request: FetchRequest, uses_ids: bool) -> SessionChanges {
    let topic_key = |name: &str, id: Uuid| match uses_ids {
        true => TopicKey::Id(id),
        false => TopicKey::Name(Arc::from(name)),
    };
    let mut put = IndexMap::new();
    for topic in request.topics {
        let key = topic_key(&topic.topic, topic.topic_id);
        // Of a partition that is named many times the last mention counts, as in Kafka.
        put.extend(topic.partitions.iter().map(|partition| {
            let key = FetchKey { topic: key.clone(), partition: partition.partition };
            (key, asked(partition))
        }));
    }
    let mut changes = SessionChanges { put: put.into_iter().collect(), ..Default::default() };
    for topic in request.forgotten_topics_data {
        let key = topic_key(&topic.topic, topic.topic_id);
        let gone = topic.partitions.iter();
        changes
            .forget
            .extend(gone.map(|partition| FetchKey { topic: key.clone(), partition: *partition }));
    }
    changes
}

fn asked(partition: &FetchPartition) -> Asked {
    Asked {
        fetch_offset: partition.fetch_offset,
        max_bytes: partition.partition_max_bytes,
        current_leader_epoch: partition.current_leader_epoch,
        last_fetched_epoch: partition.last_fetched_epoch,
        log_start_offset: partition.log_start_offset,
        high_watermark: partition.high_watermark,
    }
}

/// What was read of a partition, or why nothing was.
enum Found {
    Read(Fetched),
    /// The partition can't be read at the place asked for.
    Failed(ErrorCode),
    /// There is no such partition.
    Missing(ErrorCode),
}

impl Found {
    /// Bytes of records.
    fn length(&self) -> usize {
        match self {
            Found::Read(fetched) => fetched.records.as_ref().map_or(0, RecordRange::length),
            Found::Failed(_) | Found::Missing(_) => 0,
        }
    }
}

/// Reads until there is enough, something is wrong, or the time is up. While it waits, only the
/// partitions that move are looked at again.
async fn wait_and_read(services: &Services, scope: &Scope, limits: Limits) -> Vec<Found> {
    let deadline = Instant::now() + limits.max_wait;
    let mut reading = Reading::begin(services, scope, limits);
    if reading.is_enough() || limits.max_wait.is_zero() {
        return reading.found;
    }
    let wake = Arc::new(Wake::default());
    let park = |(number, (target, moves)): (usize, &(Target, u64))| {
        let partition = target.as_ref().ok()?;
        Some(waiters(partition, limits.who).park(&wake, number, *moves))
    };
    let _parked: Vec<_> = reading.targets.iter().enumerate().filter_map(park).collect();
    let time_is_up = tokio::time::sleep_until(deadline);
    tokio::pin!(time_is_up);
    loop {
        let (moved, over) = tokio::select! {
            biased;
            moved = wake.moved() => (moved, false),
            () = &mut time_is_up => (wake.take(), true),
            () = stops(services) => (wake.take(), true),
        };
        for number in moved {
            reading.look(number);
        }
        if over || reading.is_enough() {
            return reading.found;
        }
    }
}

/// Those of a partition that wait for the same as who asks.
fn waiters(partition: &Partition, who: Who) -> &Arc<Waiters> {
    match who {
        Who::Client { .. } => partition.waiters(),
        Who::Follower { .. } => partition.replica_waiters(),
    }
}

/// Ready once the broker stops. Every connection is woken then, and looks at its requests: for each
/// fetch to wait for it too would be to enter and leave a list of the whole broker.
fn stops(services: &Services) -> impl Future<Output = ()> {
    poll_fn(|_| match services.stopping.is_cancelled() {
        true => Poll::Ready(()),
        false => Poll::Pending,
    })
}

/// A partition, or why there is none.
type Target = Result<Arc<Partition>, ErrorCode>;

fn find(services: &Services, image: &Image, key: &FetchKey) -> Target {
    let topic = match &key.topic {
        TopicKey::Name(name) => image.topic(name).ok_or(ErrorCode::UnknownTopicOrPartition),
        TopicKey::Id(id) => image.topic_by_id(*id).ok_or(ErrorCode::UnknownTopicId),
    }?;
    let partition = services.partitions.find(&topic.name, key.partition);
    let partition = partition.map_err(|error| code_of_leadership_error(&error))?;
    let same = partition.topic_id == topic.id;
    if same { Ok(partition) } else { Err(ErrorCode::UnknownTopicOrPartition) }
}

/// What was found so far.
struct Reading<'a> {
    scope: &'a Scope,
    limits: Limits,
    /// The partitions, and how often each had moved when it was looked at first.
    targets: Vec<(Target, u64)>,
    found: Vec<Found>,
    /// Bytes of records.
    total: usize,
    /// Something is to be told that does not wait for records.
    at_once: bool,
}

impl<'a> Reading<'a> {
    /// Looks at all partitions, in the order of their turn.
    fn begin(services: &Services, scope: &'a Scope, limits: Limits) -> Self {
        let count = scope.partitions.len();
        let (targets, found) = (Vec::with_capacity(count), Vec::with_capacity(count));
        let mut reading = Self { scope, limits, targets, found, total: 0, at_once: count == 0 };
        let image = services.image();
        for (number, (key, _)) in scope.partitions.iter().enumerate() {
            let target = find(services, &image, key);
            let moves = |partition: &Arc<Partition>| waiters(partition, limits.who).moves();
            let moves = target.as_ref().map_or(0, moves);
            reading.targets.push((target, moves));
            let found = reading.read(number, false);
            reading.found.push(found);
        }
        reading
    }

    /// Looks at one partition again.
    fn look(&mut self, number: usize) {
        self.total -= self.found[number].length();
        self.found[number] = self.read(number, true);
    }

    /// Reads as much of a partition as the others leave of the response. A follower's position is
    /// noted at the first look.
    fn read(&mut self, number: usize, is_noted: bool) -> Found {
        let partition = match &self.targets[number].0 {
            Ok(partition) => partition,
            Err(code) => {
                self.at_once = true;
                return Found::Missing(*code);
            }
        };
        let asked = &self.scope.partitions[number].1;
        let left = self.limits.max_bytes.saturating_sub(self.total);
        let reader = match self.limits.who {
            Who::Client { isolation, any_replica } => Reader::Client { isolation, any_replica },
            Who::Follower { node, broker_epoch } => Reader::Follower(FollowerReader {
                node,
                broker_epoch,
                log_start_offset: asked.log_start_offset,
                high_watermark: asked.high_watermark,
                is_noted,
            }),
        };
        let fetched = partition.fetch(FetchSpec {
            offset: asked.fetch_offset,
            max_bytes: usize::try_from(asked.max_bytes).unwrap_or(0).min(left),
            min_one_batch: self.total == 0,
            current_leader_epoch: asked.current_leader_epoch,
            last_fetched_epoch: asked.last_fetched_epoch,
            reader,
        });
        match fetched {
            Ok(fetched) => {
                self.at_once |= fetched.diverging.is_some() || fetched.is_news;
                let found = Found::Read(fetched);
                self.total += found.length();
                found
            }
            Err(error) => {
                self.at_once = true;
                Found::Failed(code_of_fetch_error(&error))
            }
        }
    }

    fn is_enough(&self) -> bool {
        self.at_once || self.total >= self.limits.min_bytes
    }
}

fn part(partition_index: i32, found: Found) -> Part {
    match found {
        Found::Missing(error_code) => Part::missing(partition_index, error_code),
        Found::Failed(error_code) => Part::failed(partition_index, error_code),
        Found::Read(Fetched { marks, records, aborted, diverging, .. }) => {
            let aborted = aborted.map(|all| {
                let all = all.iter().map(|one| AbortedTransaction {
                    producer_id: one.producer_id,
                    first_offset: one.first_offset,
                });
                all.collect()
            });
            let diverging = diverging
                .map(|end| EpochEndOffset { epoch: end.leader_epoch, end_offset: end.end_offset });
            let records = records.filter(|range| range.length() > 0);
            let data = PartitionData {
                partition_index,
                high_watermark: marks.high_watermark,
                last_stable_offset: marks.last_stable_offset,
                log_start_offset: marks.log_start_offset,
                aborted_transactions: aborted,
                diverging_epoch: diverging.unwrap_or_default(),
                records: Some(match &records {
                    Some(range) => Records::Elsewhere { length: range.length() },
                    None => Records::Bytes(Bytes::new()),
                }),
                ..PartitionData::default()
            };
            Part { data, records: records.map(Chunk::File) }
        }
    }
}

/// Adds a partition, to its topic's entry if that is the last one.
fn put(
    responses: &mut Vec<FetchableTopicResponse>,
    topic: TopicKey,
    version: i16,
    data: PartitionData,
) {
    let (name, topic_id) = match topic {
        TopicKey::Name(name) => (name.to_string(), Uuid::nil()),
        TopicKey::Id(id) => (String::new(), id),
    };
    match responses.last_mut() {
        Some(last) if last.topic == name && last.topic_id == topic_id => last.partitions.push(data),
        _ => {
            let topic = if version >= 13 { String::new() } else { name };
            responses.push(FetchableTopicResponse { topic, topic_id, partitions: vec![data] });
        }
    }
}
