//! All records that wait to be sent, and what is to be sent next. Pure: time, randomness and the
//! view of the cluster come in as arguments.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use protocol::record::{BATCH_OVERHEAD, BatchBuilder, Codec};
use tokio::sync::oneshot;
use tokio::time::Instant;

use super::batch::Batch;
use super::partitioner::{Load, StickyPartition};
use super::queue::{ProducerId, Queue, Readiness, Taken};
use super::record::{Record, RecordMetadata};
use super::reply::Reply;
use crate::TopicPartition;
use crate::error::ProduceError;
use crate::metadata::{Metadata, Topic};

/// What the accumulator takes from the producer's configuration.
#[derive(Debug, Clone)]
pub(super) struct Settings {
    pub(super) batch_size: usize,
    pub(super) linger: Duration,
    pub(super) codec: Codec,
    pub(super) is_idempotent: bool,
    pub(super) max_in_flight: usize,
    pub(super) max_request_size: usize,
    pub(super) delivery_timeout: Duration,
    pub(super) adaptive_partitioning: bool,
}

/// Who decides about a record's partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Choice {
    Fixed(i32),
    Sticky,
    InTurn,
}

/// When and where a record is appended.
#[derive(Debug, Clone, Copy)]
pub(super) struct Moment {
    pub(super) now: Instant,
    pub(super) now_ms: i64,
    /// Asked only where a partition is to be chosen.
    pub(super) random: fn() -> u32,
}

/// How a record, or a whole batch, will be answered.
pub(super) type Receiver = oneshot::Receiver<Result<RecordMetadata, ProduceError>>;

#[derive(Debug, Default)]
struct TopicState {
    sticky: Option<StickyPartition>,
    next_in_turn: usize,
    /// Compressed size per uncompressed size, as seen of late.
    ratio: Option<f64>,
    queues: BTreeMap<i32, Queue>,
}

#[derive(Debug)]
pub(super) struct Accumulator {
    pub(super) settings: Settings,
    topics: HashMap<Arc<str>, TopicState>,
    next_id: u64,
    /// Batches that are not done, by id.
    incomplete: BTreeMap<u64, usize>,
    /// While positive, nothing waits for more records.
    hurried: usize,
    /// Whether nobody will send what is appended.
    is_closed: bool,
}

/// What to do next.
#[derive(Debug, Default)]
pub(super) struct Plan {
    /// Batches to send, by broker; one for each partition.
    pub(super) requests: BTreeMap<i32, Vec<Taken>>,
    /// Brokers that batches wait for.
    pub(super) awaited_nodes: BTreeSet<i32>,
    /// Topics with batches whose leader is not known.
    pub(super) leaderless: BTreeSet<Arc<str>>,
    /// Whether some sequence can only go on under a new epoch.
    pub(super) wants_new_epoch: bool,
    /// When something else becomes ready.
    pub(super) wake_at: Option<Instant>,
}

impl Accumulator {
    pub(super) fn new(settings: Settings) -> Self {
        Self {
            settings,
            topics: HashMap::new(),
            next_id: 0,
            incomplete: BTreeMap::new(),
            hurried: 0,
            is_closed: false,
        }
    }

    /// The most bytes that the record takes in a batch of its own.
    pub(super) fn most_bytes(record: &Record) -> usize {
        let headers = record.wire_headers();
        let (key, value) = (record.key.as_deref(), record.value.as_deref());
        BATCH_OVERHEAD + BatchBuilder::most_bytes(key, value, &headers)
    }

    /// Appends a record, unless the accumulator is closed; true says that the sender has something
    /// new to look at.
    pub(super) fn append(
        &mut self,
        topic: &Topic,
        record: &Record,
        choice: Choice,
        moment: Moment,
        reply: Reply,
    ) -> Option<bool> {
        if self.is_closed {
            return None;
        }
        let settings = &self.settings;
        let name = &topic.name;
        if !self.topics.contains_key(name) {
            self.topics.insert(name.clone(), TopicState::default());
        }
        let state = self.topics.get_mut(name).expect("inserted where it was missing");
        let partition = state.choose(topic, choice, settings, moment.random);
        let limit = state.uncompressed_limit(settings);
        let queue = state.queues.entry(partition).or_default();
        let bytes = Self::most_bytes(record);
        let timestamp_ms = record.timestamp_ms.unwrap_or(moment.now_ms);
        let last = queue.waiting.back_mut();
        let fits = last.is_some_and(|b| b.try_append(record, timestamp_ms, bytes, limit));
        if !fits {
            let place = TopicPartition::new(name.clone(), partition);
            let capacity = limit.min(settings.batch_size).max(bytes);
            let mut batch = Batch::new(self.next_id, place, settings.codec, capacity, moment.now);
            assert!(
                batch.try_append(record, timestamp_ms, bytes, limit),
                "the first record always fits"
            );
            self.incomplete.insert(self.next_id, 1);
            self.next_id += 1;
            queue.waiting.push_back(batch);
        }
        let batch = queue.waiting.back_mut().expect("it has the record just appended");
        batch.replies.push((reply, timestamp_ms));
        let is_full = batch.size() >= limit;
        if choice == Choice::Sticky
            && let Some(sticky) = &mut state.sticky
            && sticky.appended(bytes, settings.batch_size, is_full || !fits)
        {
            state.sticky = None;
        }
        Some(!fits || is_full)
    }

    /// Appends records as one batch with one answer, unless the accumulator is closed: false.
    pub(super) fn append_whole(&mut self, mut batch: Batch) -> bool {
        if self.is_closed {
            return false;
        }
        batch.id = self.next_id;
        self.next_id += 1;
        self.incomplete.insert(batch.id, 1);
        let state = self.topics.entry(batch.partition.topic.clone()).or_default();
        let queue = state.queues.entry(batch.partition.partition).or_default();
        queue.waiting.push_back(batch);
        true
    }

    /// Takes nothing more.
    pub(super) fn close(&mut self) {
        self.is_closed = true;
    }

    /// What to send now to the brokers that `can_take` more.
    pub(super) fn plan(
        &mut self,
        metadata: &Metadata,
        producer: Option<ProducerId>,
        now: Instant,
        can_take: impl Fn(i32) -> bool,
    ) -> Plan {
        let mut plan = Plan::default();
        let mut sizes = BTreeMap::<i32, usize>::new();
        let hurry = self.hurried > 0;
        for (topic, state) in &mut self.topics {
            for (partition, queue) in &mut state.queues {
                plan.wants_new_epoch |= queue.wants_new_epoch(producer);
                match queue.readiness(&self.settings, producer, now, hurry) {
                    Readiness::Idle => continue,
                    Readiness::At(at) => {
                        plan.wake_at = Some(plan.wake_at.map_or(at, |other| other.min(at)));
                        continue;
                    }
                    Readiness::Now => {}
                }
                let Some((node, _)) = metadata.leader(topic, *partition) else {
                    plan.leaderless.insert(topic.clone());
                    continue;
                };
                if !can_take(node) {
                    plan.awaited_nodes.insert(node);
                    continue;
                }
                let size = sizes.entry(node).or_default();
                let next = queue.waiting.front().map_or(0, Batch::size);
                if *size > 0 && *size + next > self.settings.max_request_size {
                    plan.wake_at = Some(now);
                    continue;
                }
                *size += next;
                plan.requests.entry(node).or_default().extend(queue.take(producer));
            }
        }
        plan
    }

    /// Removes the batches whose time is up, and answers when the next one's is.
    pub(super) fn expire(&mut self, now: Instant) -> (Vec<Batch>, Option<Instant>) {
        let mut expired = Vec::new();
        let mut next = None;
        for queue in self.topics.values_mut().flat_map(|state| state.queues.values_mut()) {
            expired.extend(queue.expire(&self.settings, now));
            if let Some(first) = queue.waiting.front() {
                let at = first.expires_at(self.settings.delivery_timeout);
                next = Some(next.map_or(at, |other: Instant| other.min(at)));
            }
        }
        (expired, next)
    }

    /// Every batch that waits, for a producer that cannot go on.
    pub(super) fn drain(&mut self) -> Vec<Batch> {
        let queues = self.topics.values_mut().flat_map(|state| state.queues.values_mut());
        queues.flat_map(|queue| queue.waiting.drain(..)).collect()
    }

    /// The topics in use.
    pub(super) fn topics(&self) -> Vec<Arc<str>> {
        self.topics.keys().cloned().collect()
    }

    /// The queue that a batch was taken from.
    pub(super) fn queue(&mut self, partition: &TopicPartition) -> &mut Queue {
        let state = self.topics.entry(partition.topic.clone()).or_default();
        state.queues.entry(partition.partition).or_default()
    }

    /// Notes how well a batch was compressed: quickly up, slowly down, as a batch that turns out
    /// too large costs more than one that could have been larger.
    pub(super) fn observe_ratio(&mut self, topic: &str, uncompressed: usize, compressed: usize) {
        let Some(state) = self.topics.get_mut(topic) else { return };
        let observed = compressed as f64 / uncompressed.max(1) as f64;
        let current = state.ratio.unwrap_or(1.0);
        let ratio = if observed > current { observed } else { (current - 0.005).max(observed) };
        state.ratio = Some(ratio.clamp(0.05, 1.0));
    }

    /// Notes that a batch was split: its records compress worse than thought.
    pub(super) fn was_split(&mut self, id: u64, topic: &str, parts: usize) {
        if let Some(count) = self.incomplete.get_mut(&id) {
            *count += parts.saturating_sub(1);
        }
        if let Some(state) = self.topics.get_mut(topic) {
            state.ratio = Some(1.0);
        }
    }

    /// Notes that a batch is done, one way or the other.
    pub(super) fn done(&mut self, id: u64) {
        if let Some(count) = self.incomplete.get_mut(&id) {
            *count -= 1;
            if *count == 0 {
                self.incomplete.remove(&id);
            }
        }
    }

    /// From now on nothing waits for more records; answers the id below which all must be done.
    pub(super) fn hurry(&mut self) -> u64 {
        self.hurried += 1;
        self.next_id
    }

    /// Takes one [`Self::hurry`] back.
    pub(super) fn relax(&mut self) {
        self.hurried -= 1;
    }

    /// Whether all batches with an id below `id` are done.
    pub(super) fn is_done_below(&self, id: u64) -> bool {
        self.incomplete.first_key_value().is_none_or(|(first, _)| *first >= id)
    }
}

impl TopicState {
    fn choose(
        &mut self,
        topic: &Topic,
        choice: Choice,
        settings: &Settings,
        random: fn() -> u32,
    ) -> i32 {
        match choice {
            Choice::Fixed(partition) => partition,
            Choice::InTurn => {
                let with_leader = topic.partitions.iter().filter(|p| p.leader.is_some());
                let mut available: Vec<i32> = with_leader.map(|p| p.index).collect();
                if available.is_empty() {
                    available.extend(topic.partitions.iter().map(|p| p.index));
                }
                self.next_in_turn = self.next_in_turn.wrapping_add(1);
                let at = self.next_in_turn.wrapping_sub(1) % available.len().max(1);
                available.get(at).copied().unwrap_or(0)
            }
            Choice::Sticky => {
                if self.sticky.is_none() {
                    self.sticky = StickyPartition::new(&self.loads(topic, settings), random());
                }
                self.sticky.as_ref().map_or(0, StickyPartition::partition)
            }
        }
    }

    /// The partitions with a leader, or all where none has one.
    fn loads(&self, topic: &Topic, settings: &Settings) -> Vec<Load> {
        let load = |partition: i32| {
            let waiting = self.queues.get(&partition).map_or(0, |queue| queue.waiting.len());
            let counted = if settings.adaptive_partitioning { waiting } else { 0 };
            Load { partition, waiting_batches: u32::try_from(counted).unwrap_or(u32::MAX) }
        };
        let with_leader = topic.partitions.iter().filter(|p| p.leader.is_some());
        let loads: Vec<Load> = with_leader.map(|p| load(p.index)).collect();
        if loads.is_empty() {
            return topic.partitions.iter().map(|p| load(p.index)).collect();
        }
        loads
    }

    /// How large a batch may be before compression.
    fn uncompressed_limit(&self, settings: &Settings) -> usize {
        let ratio = self.ratio.unwrap_or(1.0);
        ((settings.batch_size as f64 / ratio) as usize).max(1)
    }
}

#[cfg(test)]
mod tests;
