//! What a follower asks of one leader broker: a fetch session (KIP-227), so that each request
//! names only what has changed.

mod names;
mod session;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use protocol::ErrorCode;
use protocol::messages::fetch_request::{
    FetchPartition, FetchRequest, FetchTopic, ForgottenTopic, ReplicaState,
};
use thiserror::Error;
use uuid::Uuid;

use self::names::TopicNames;
use self::session::Session;

/// The first version that names topics by id.
const BY_ID: i16 = 13;
/// The first version that says which broker fetches under which epoch.
const WITH_EPOCH: i16 = 15;

/// A partition of a topic.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PartitionKey {
    pub topic_id: Uuid,
    pub partition: i32,
}

/// Where a follower is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FetchPosition {
    /// The leader epoch in which it follows.
    pub leader_epoch: i32,
    /// The end of its log.
    pub fetch_offset: i64,
    /// The epoch of its last record; -1: it has none.
    pub last_fetched_epoch: i32,
    pub log_start_offset: i64,
    /// What it knows as replicated (KIP-1166).
    pub high_watermark: i64,
    /// The log dir of its log (KIP-853 gives it to replicas of the quorum); nil: not said.
    pub directory: Uuid,
}

/// What all requests of a fetcher say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FetcherSettings {
    pub node: i32,
    /// The epoch under which this broker is registered (KIP-903).
    pub broker_epoch: i64,
    pub cluster_id: Option<Arc<str>>,
    /// `replica.fetch.wait.max.ms`
    pub max_wait_ms: i32,
    /// `replica.fetch.min.bytes`
    pub min_bytes: i32,
    /// `replica.fetch.response.max.bytes`
    pub max_bytes: i32,
    /// `replica.fetch.max.bytes`
    pub partition_max_bytes: i32,
}

/// Why an answer is of no use; the next request starts a new session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum ResponseError {
    #[error("nothing was asked")]
    NothingAsked,
    #[error("the leader refused the fetch: {0}")]
    Refused(ErrorCode),
    #[error("the answer is of session {found}, and session {asked} was asked")]
    OtherSession { asked: i32, found: i32 },
    #[error("the answer tells of partition {} of topic {}, which is not followed", .0.partition, .0.topic_id)]
    Unasked(PartitionKey),
    #[error("the answer tells of {found} partitions, and {asked} were asked for")]
    Incomplete { asked: usize, found: usize },
}

/// A request that is not answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outstanding {
    is_full: bool,
    /// How many partitions it names.
    asked: usize,
}

/// The partitions that are followed from one leader by one fetcher, one request at a time.
///
/// A partition whose turn gave records goes to the end of the row, so that none is starved when
/// an answer has no room for all. A request costs what has changed since the last one.
#[derive(Debug)]
pub struct LeaderFetcher {
    settings: FetcherSettings,
    session: Session,
    names: TopicNames,
    partitions: HashMap<PartitionKey, Entry>,
    /// Those that are asked for, in the order of their turns.
    ready: BTreeSet<(u64, PartitionKey)>,
    /// Those of them that the next request of the session names.
    changed: BTreeSet<(u64, PartitionKey)>,
    /// Those that are not asked for until some time.
    held: BTreeSet<(i64, PartitionKey)>,
    /// Those that the leader's session has and should not.
    to_forget: BTreeMap<PartitionKey, Arc<str>>,
    last_turn: u64,
    outstanding: Option<Outstanding>,
}

#[derive(Clone, Debug)]
struct Entry {
    topic: Arc<str>,
    position: FetchPosition,
    turn: u64,
    held_until_ms: Option<i64>,
    /// What was asked last, and in which session.
    asked: Option<(u64, FetchPosition)>,
}

impl LeaderFetcher {
    pub fn new(settings: FetcherSettings) -> Self {
        Self {
            settings,
            session: Session::default(),
            names: TopicNames::default(),
            partitions: HashMap::new(),
            ready: BTreeSet::new(),
            changed: BTreeSet::new(),
            held: BTreeSet::new(),
            to_forget: BTreeMap::new(),
            last_turn: 0,
            outstanding: None,
        }
    }

    /// This broker is registered anew, under another epoch.
    pub fn set_broker_epoch(&mut self, broker_epoch: i64) {
        self.settings.broker_epoch = broker_epoch;
    }

    pub fn len(&self) -> usize {
        self.partitions.len()
    }

    pub fn is_empty(&self) -> bool {
        self.partitions.is_empty()
    }

    /// Follows a partition from a position on; one that is followed already begins anew there, and
    /// is held back no longer.
    pub fn assign(&mut self, key: PartitionKey, topic: &Arc<str>, position: FetchPosition) {
        let asked = self.take_out(key).and_then(|entry| entry.asked);
        self.names.add(topic, key.topic_id);
        // What the leader still has of it is replaced by what the next request says.
        self.to_forget.remove(&key);
        let turn = self.next_turn();
        let topic = topic.clone();
        self.partitions.insert(key, Entry { topic, position, turn, held_until_ms: None, asked });
        self.enqueue(key);
    }

    /// Follows a partition no longer.
    pub fn remove(&mut self, key: PartitionKey) {
        let Some(entry) = self.take_out(key) else { return };
        if self.is_in_session(&entry) {
            self.to_forget.insert(key, entry.topic);
        }
    }

    /// The follower's log is elsewhere. `has_had_records`: the partition goes to the end of the
    /// row. A partition that is not followed is passed over.
    pub fn update(&mut self, key: PartitionKey, position: FetchPosition, has_had_records: bool) {
        let turn = if has_had_records { Some(self.next_turn()) } else { None };
        let Some(entry) = self.partitions.get_mut(&key) else { return };
        let place = (entry.turn, key);
        entry.position = position;
        entry.turn = turn.unwrap_or(entry.turn);
        if entry.held_until_ms.is_none() {
            self.ready.remove(&place);
            self.changed.remove(&place);
            self.enqueue(key);
        }
    }

    /// Does not ask for a partition until that time: after an error, or because it is throttled.
    pub fn hold(&mut self, key: PartitionKey, until_ms: i64) {
        let Some(entry) = self.partitions.get_mut(&key) else { return };
        if let Some(before) = entry.held_until_ms.replace(until_ms) {
            self.held.remove(&(before, key));
        }
        self.held.insert((until_ms, key));
        self.ready.remove(&(entry.turn, key));
        self.changed.remove(&(entry.turn, key));
        let topic = entry.topic.clone();
        let in_session = entry.asked.is_some_and(|(session, _)| session == self.session.number());
        if in_session {
            self.to_forget.insert(key, topic);
        }
    }

    /// When the first partition that is held back is asked for again.
    pub fn next_release_ms(&self) -> Option<i64> {
        self.held.first().map(|(until_ms, _)| *until_ms)
    }

    /// What was asked last of a partition, for [`FollowerState::on_answer`]; `None`: it is not
    /// followed, or was not asked for in this session.
    ///
    /// [`FollowerState::on_answer`]: super::FollowerState::on_answer
    pub fn asked(&self, key: PartitionKey) -> Option<FetchPosition> {
        let entry = self.partitions.get(&key).filter(|entry| self.is_in_session(entry))?;
        entry.asked.map(|(_, position)| position)
    }

    /// The topic of an answer in a version that names topics.
    pub fn topic_id(&self, topic: &str) -> Option<Uuid> {
        self.names.id(topic)
    }

    /// The next request, in a version from 12 to 18; `None`: one is on its way, or no partition is
    /// to be asked for now.
    pub fn next_request(&mut self, version: i16, now_ms: i64) -> Option<FetchRequest> {
        if self.outstanding.is_some() {
            return None;
        }
        self.release(now_ms);
        if self.ready.is_empty() {
            return None;
        }
        let by_id = version >= BY_ID;
        if !self.session.continues(by_id) || (!by_id && self.forgets_what_it_names()) {
            self.session.close(by_id);
        }
        let mut request = self.head(version);
        let is_full = self.session.is_new();
        let named = if is_full { self.ready.clone() } else { std::mem::take(&mut self.changed) };
        self.changed.clear();
        let forgotten = std::mem::take(&mut self.to_forget);
        for (key, topic) in forgotten {
            // One that is held back is no longer in the session; one that is named is, again.
            if let Some(entry) = self.partitions.get_mut(&key) {
                entry.asked = None;
            }
            if !is_full {
                forget(&mut request.forgotten_topics_data, key, &topic, by_id);
            }
        }
        let asked = named.len();
        for (_, key) in named {
            self.name(&mut request.topics, key, by_id);
        }
        self.outstanding = Some(Outstanding { is_full, asked });
        Some(request)
    }

    /// Takes the head of an answer and the partitions that it tells of. Without an error each of
    /// them is to be judged by what was [asked](LeaderFetcher::asked) of it; with one the answer
    /// is to be dropped, and the next request starts a new session.
    pub fn on_response(
        &mut self,
        error: ErrorCode,
        session_id: i32,
        answered: &[PartitionKey],
    ) -> Result<(), ResponseError> {
        let Some(outstanding) = self.outstanding.take() else {
            return Err(ResponseError::NothingAsked);
        };
        let judged = self.judge(outstanding, error, session_id, answered);
        match judged {
            Ok(()) => self.session.advance(session_id),
            Err(ResponseError::Refused(ErrorCode::FetchSessionIdNotFound)) => self.session.drop(),
            Err(_) => self.session.close(self.session.by_id()),
        }
        judged
    }

    /// There will be no answer: the connection is lost, or the time is over.
    pub fn on_failure(&mut self) {
        self.outstanding = None;
        self.session.close(self.session.by_id());
    }

    fn judge(
        &self,
        outstanding: Outstanding,
        error: ErrorCode,
        session_id: i32,
        answered: &[PartitionKey],
    ) -> Result<(), ResponseError> {
        if error != ErrorCode::None {
            return Err(ResponseError::Refused(error));
        }
        let (asked, found) = (self.session.id(), session_id);
        if !outstanding.is_full && found != 0 && found != asked {
            return Err(ResponseError::OtherSession { asked, found });
        }
        // A partition may have been given up since it was asked for: that is no fault of the
        // leader's, and `asked` has nothing of it.
        let unknown = |key: &&PartitionKey| {
            !self.partitions.contains_key(key) && !self.to_forget.contains_key(key)
        };
        if let Some(key) = answered.iter().find(unknown) {
            return Err(ResponseError::Unasked(*key));
        }
        let (asked, found) = (outstanding.asked, answered.len());
        if outstanding.is_full && asked != found {
            return Err(ResponseError::Incomplete { asked, found });
        }
        Ok(())
    }

    fn head(&self, version: i16) -> FetchRequest {
        let FetcherSettings { node, broker_epoch, .. } = self.settings;
        let with_epoch = version >= WITH_EPOCH;
        FetchRequest {
            cluster_id: self.settings.cluster_id.as_deref().map(str::to_owned),
            replica_id: if with_epoch { -1 } else { node },
            replica_state: if with_epoch {
                ReplicaState { replica_id: node, replica_epoch: broker_epoch }
            } else {
                ReplicaState::default()
            },
            max_wait_ms: self.settings.max_wait_ms,
            min_bytes: self.settings.min_bytes,
            max_bytes: self.settings.max_bytes,
            session_id: self.session.id(),
            session_epoch: self.session.epoch(),
            ..FetchRequest::default()
        }
    }

    fn name(&mut self, topics: &mut Vec<FetchTopic>, key: PartitionKey, by_id: bool) {
        let Some(entry) = self.partitions.get_mut(&key) else { return };
        let position = entry.position;
        entry.asked = Some((self.session.number(), position));
        let partition = FetchPartition {
            partition: key.partition,
            current_leader_epoch: position.leader_epoch,
            fetch_offset: position.fetch_offset,
            last_fetched_epoch: position.last_fetched_epoch,
            log_start_offset: position.log_start_offset,
            partition_max_bytes: self.settings.partition_max_bytes,
            replica_directory_id: position.directory,
            high_watermark: position.high_watermark,
        };
        let (topic, topic_id) = wire_name(key, &entry.topic, by_id);
        match topics.last_mut().filter(|last| last.topic == topic && last.topic_id == topic_id) {
            Some(last) => last.partitions.push(partition),
            None => topics.push(FetchTopic { topic, topic_id, partitions: vec![partition] }),
        }
    }

    fn release(&mut self, now_ms: i64) {
        while let Some((until_ms, key)) = self.held.first().copied() {
            if until_ms > now_ms {
                return;
            }
            self.held.remove(&(until_ms, key));
            if let Some(entry) = self.partitions.get_mut(&key) {
                entry.held_until_ms = None;
                // The leader was not told of the hold: it still has the partition.
                self.to_forget.remove(&key);
                self.enqueue(key);
            }
        }
    }

    /// Puts a partition that is not held back into its place in the row.
    fn enqueue(&mut self, key: PartitionKey) {
        let Some(entry) = self.partitions.get(&key) else { return };
        self.ready.insert((entry.turn, key));
        if entry.asked != Some((self.session.number(), entry.position)) {
            self.changed.insert((entry.turn, key));
        }
    }

    fn take_out(&mut self, key: PartitionKey) -> Option<Entry> {
        let entry = self.partitions.remove(&key)?;
        self.ready.remove(&(entry.turn, key));
        self.changed.remove(&(entry.turn, key));
        if let Some(until_ms) = entry.held_until_ms {
            self.held.remove(&(until_ms, key));
        }
        self.names.remove(&entry.topic, key.topic_id);
        Some(entry)
    }

    /// Whether a name stands for a partition that is to be forgotten and for one that is to be
    /// fetched: the topic was deleted and made anew.
    fn forgets_what_it_names(&self) -> bool {
        let forgotten = self.to_forget.iter().map(|(key, topic)| (topic, key.partition));
        let forgotten: HashSet<(&Arc<str>, i32)> = forgotten.collect();
        let named = self.changed.iter().filter_map(|(_, key)| {
            let entry = self.partitions.get(key)?;
            Some((&entry.topic, key.partition))
        });
        !forgotten.is_empty() && named.into_iter().any(|named| forgotten.contains(&named))
    }

    fn is_in_session(&self, entry: &Entry) -> bool {
        entry.asked.is_some_and(|(session, _)| session == self.session.number())
    }

    fn next_turn(&mut self) -> u64 {
        self.last_turn += 1;
        self.last_turn
    }
}

fn forget(topics: &mut Vec<ForgottenTopic>, key: PartitionKey, topic: &Arc<str>, by_id: bool) {
    let (topic, topic_id) = wire_name(key, topic, by_id);
    match topics.last_mut().filter(|last| last.topic == topic && last.topic_id == topic_id) {
        Some(last) => last.partitions.push(key.partition),
        None => {
            topics.push(ForgottenTopic { topic, topic_id, partitions: vec![key.partition] });
        }
    }
}

fn wire_name(key: PartitionKey, topic: &Arc<str>, by_id: bool) -> (String, Uuid) {
    if by_id { (String::new(), key.topic_id) } else { (topic.to_string(), Uuid::nil()) }
}
