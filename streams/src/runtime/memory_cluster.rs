//! A cluster in memory for tests: it can refuse appends, lose its memory of nothing, and compact.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::Notify;

use super::broker::*;
use crate::record::{InputRecord, OutputRecord};

#[derive(Default)]
pub(crate) struct MemoryCluster {
    state: Mutex<State>,
    news: Notify,
}

#[derive(Default)]
struct State {
    topics: BTreeMap<String, Vec<Log>>,
    ids: HashMap<String, usize>,
    created: usize,
    groups: HashMap<(String, TopicPartition), GroupOffset>,
    /// Atomic appends until they fail; `None`: they never do.
    appends_left: Option<usize>,
    appends: usize,
    /// Whether polls fail.
    reads_fail: bool,
}

#[derive(Default)]
struct Log {
    records: Vec<InputRecord>,
    start: i64,
    end: i64,
}

impl Log {
    fn append(&mut self, record: OutputRecord) {
        let OutputRecord { key, value, headers, timestamp, .. } = record;
        self.records.push(InputRecord { key, value, headers, timestamp, offset: self.end });
        self.end += 1;
    }
}

fn error(action: &str, retriable: bool) -> BrokerError {
    BrokerError { action: action.to_owned(), message: "as the test wants".to_owned(), retriable }
}

impl MemoryCluster {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    pub(crate) fn create(&self, topic: &str, partitions: usize) {
        let logs = (0..partitions).map(|_| Log::default()).collect();
        let mut state = self.lock();
        state.topics.insert(topic.to_owned(), logs);
        state.created += 1;
        let id = state.created;
        state.ids.insert(topic.to_owned(), id);
    }

    pub(crate) fn add_partition(&self, topic: &str) {
        self.lock().topics.get_mut(topic).unwrap().push(Log::default());
    }

    pub(crate) fn delete(&self, topic: &str) {
        self.lock().topics.remove(topic);
    }

    pub(crate) fn write(&self, topic: &str, partition: usize, record: OutputRecord) {
        self.lock().topics.get_mut(topic).unwrap()[partition].append(record);
        self.news.notify_waiters();
    }

    /// All records of a topic, partition by partition.
    pub(crate) fn read(&self, topic: &str) -> Vec<InputRecord> {
        let state = self.lock();
        state.topics[topic].iter().flat_map(|log| log.records.clone()).collect()
    }

    pub(crate) fn topics(&self) -> Vec<String> {
        self.lock().topics.keys().cloned().collect()
    }

    /// Lets that many atomic appends through, then fails all further ones.
    pub(crate) fn fail_appends_after(&self, appends: Option<usize>) {
        self.lock().appends_left = appends;
    }

    /// Makes all polls fail from now on, or no more.
    pub(crate) fn fail_reads(&self, fail: bool) {
        self.lock().reads_fail = fail;
        self.news.notify_waiters();
    }

    /// Atomic appends so far.
    pub(crate) fn appends(&self) -> usize {
        self.lock().appends
    }

    /// Keeps only the last record of each key, as a cleaner would.
    pub(crate) fn compact(&self, topic: &str) {
        for log in self.lock().topics.get_mut(topic).unwrap() {
            let last: HashMap<_, i64> =
                log.records.iter().map(|record| (record.key.clone(), record.offset)).collect();
            log.records.retain(|record| last[&record.key] == record.offset);
        }
    }

    /// As [`MemoryCluster::compact`], with deletions so old that they go as well.
    pub(crate) fn compact_deletions(&self, topic: &str) {
        self.compact(topic);
        for log in self.lock().topics.get_mut(topic).unwrap() {
            log.records.retain(|record| record.value.is_some());
        }
    }

    pub(crate) fn committed_offset(&self, group: &str, partition: &TopicPartition) -> Option<i64> {
        self.group_offset(group, partition).map(|committed| committed.offset)
    }

    fn group_offset(&self, group: &str, partition: &TopicPartition) -> Option<GroupOffset> {
        self.lock().groups.get(&(group.to_owned(), partition.clone())).cloned()
    }
}

#[async_trait]
impl Broker for Arc<MemoryCluster> {
    async fn topics(&self, names: &[String]) -> Result<HashMap<String, KnownTopic>, BrokerError> {
        let state = self.lock();
        let known = |name: &String| {
            let partitions = state.topics.get(name)?.len() as u32;
            let id = state.ids.get(name).map(ToString::to_string);
            Some((name.clone(), KnownTopic { partitions, id }))
        };
        Ok(names.iter().filter_map(known).collect())
    }

    async fn create_topic(&self, topic: &InternalTopic) -> Result<(), BrokerError> {
        if !self.lock().topics.contains_key(&topic.name) {
            self.create(&topic.name, topic.partitions as usize);
        }
        Ok(())
    }

    async fn delete_topics(&self, topics: &[String]) -> Result<(), BrokerError> {
        let mut state = self.lock();
        topics.iter().for_each(|topic| drop(state.topics.remove(topic)));
        Ok(())
    }

    async fn delete_group(&self, group: &str) -> Result<(), BrokerError> {
        self.lock().groups.retain(|(other, _), _| other != group);
        Ok(())
    }

    async fn delete_records(&self, before: &Offsets) -> Result<(), BrokerError> {
        let mut state = self.lock();
        for (at, offset) in before {
            let log = &mut state.topics.get_mut(&*at.topic).unwrap()[at.partition as usize];
            log.records.retain(|record| record.offset >= *offset);
            log.start = log.start.max(*offset);
        }
        Ok(())
    }

    async fn offsets(
        &self,
        partitions: &[TopicPartition],
        at: OffsetAt,
    ) -> Result<Offsets, BrokerError> {
        let state = self.lock();
        let offset = |partition: &TopicPartition| {
            let log = state.topics.get(&*partition.topic)?.get(partition.partition as usize)?;
            let offset = if at == OffsetAt::End { log.end } else { log.start };
            Some((partition.clone(), offset))
        };
        Ok(partitions.iter().filter_map(offset).collect())
    }

    async fn committed(
        &self,
        group: &str,
        partitions: &[TopicPartition],
    ) -> Result<GroupOffsets, BrokerError> {
        let offset = |at: &TopicPartition| Some((at.clone(), self.group_offset(group, at)?));
        Ok(partitions.iter().filter_map(offset).collect())
    }

    async fn commit(&self, group: &str, offsets: &GroupOffsets) -> Result<(), BrokerError> {
        let mut state = self.lock();
        let entry = |(at, offset): (&TopicPartition, &GroupOffset)| {
            ((group.to_owned(), at.clone()), offset.clone())
        };
        state.groups.extend(offsets.iter().map(entry));
        Ok(())
    }

    async fn reader(&self, from: &Offsets) -> Result<Box<dyn Reader>, BrokerError> {
        let cluster = Arc::clone(self);
        let positions = from.iter().map(|(at, offset)| (at.clone(), (*offset, false))).collect();
        Ok(Box::new(MemoryReader { cluster, positions }))
    }

    async fn send(&self, topic: &Arc<str>, record: OutputRecord) -> Result<Receipt, BrokerError> {
        let partitions = self.lock().topics.get(&**topic).map(Vec::len);
        let partitions = partitions.ok_or_else(|| error("cannot send", false))?;
        let hash = record
            .key
            .iter()
            .flatten()
            .fold(7_usize, |hash, byte| hash.wrapping_mul(31).wrapping_add(usize::from(*byte)));
        let partition = record.partition.map_or(hash % partitions, |partition| partition as usize);
        self.write(topic, partition, record);
        Ok(Box::pin(async { Ok(()) }))
    }

    async fn append(
        &self,
        partition: &TopicPartition,
        records: Vec<OutputRecord>,
    ) -> Result<i64, BrokerError> {
        let mut state = self.lock();
        if let Some(left) = &mut state.appends_left {
            *left = left.checked_sub(1).ok_or_else(|| error("cannot append", true))?;
        }
        state.appends += 1;
        let logs = state.topics.get_mut(&*partition.topic).unwrap();
        let log = &mut logs[partition.partition as usize];
        let base = log.end;
        records.into_iter().for_each(|record| log.append(record));
        Ok(base)
    }

    async fn close(&self) {}
}

/// At most so many records at a time, so that many cuts between chunks occur.
const FETCH: usize = 37;

struct MemoryReader {
    cluster: Arc<MemoryCluster>,
    positions: BTreeMap<TopicPartition, (i64, bool)>,
}

#[async_trait]
impl Reader for MemoryReader {
    async fn poll(&mut self, wait: Duration) -> Result<Vec<Fetched>, BrokerError> {
        let cluster = Arc::clone(&self.cluster);
        let news = cluster.news.notified();
        let found = self.fetch()?;
        if !found.is_empty() {
            tokio::task::yield_now().await;
            return Ok(found);
        }
        let _news_or_late = tokio::time::timeout(wait, news).await;
        self.fetch()
    }

    fn pause(&mut self, partitions: &[TopicPartition], paused: bool) {
        for partition in partitions {
            self.positions.get_mut(partition).unwrap().1 = paused;
        }
    }

    async fn close(&mut self) {}
}

impl MemoryReader {
    fn fetch(&mut self) -> Result<Vec<Fetched>, BrokerError> {
        let state = self.cluster.lock();
        if state.reads_fail {
            return Err(error("cannot read", true));
        }
        let mut found = Vec::new();
        for (at, (position, paused)) in &mut self.positions {
            // As a broker does it: a topic that is not there has nothing to read.
            let Some(log) = state.topics.get(&*at.topic) else { continue };
            let log = &log[at.partition as usize];
            if *paused || *position >= log.end {
                continue;
            }
            let first = log.records.partition_point(|record| record.offset < *position);
            let records: Vec<_> = log.records[first..].iter().take(FETCH).cloned().collect();
            let reached_end = first + records.len() == log.records.len();
            let next_offset = match records.last() {
                Some(last) if !reached_end => last.offset + 1,
                _ => log.end,
            };
            *position = next_offset;
            let partition = at.clone();
            found.push(Fetched { partition, records, next_offset, end_offset: log.end });
        }
        Ok(found)
    }
}
