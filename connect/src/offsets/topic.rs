//! Positions in a compacted topic, as Kafka Connect's distributed workers keep them: a record for
//! each partition whose position has moved. All of one change are one batch of one partition, so
//! that none is there without the others. Where that would be too large for the topic they are
//! several, of a size that every topic takes, in an order that comes to the same.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use client::admin::NewTopic;
use client::consumer::OffsetReset;
use client::producer::{Compression, partition_for_key};
use client::{
    Admin, AdminError, ClientConfig, Consumer, ConsumerConfig, ConsumerRecord, ProduceError,
    Producer, ProducerConfig, Record, TopicPartition,
};
use serde_json::Value as Json;
use tokio::sync::Mutex;

use super::journal::{Entry, Stored, entries, in_batches};
use super::{Changes, Checkpoint, OffsetError, OffsetStore, take_entry};

pub(crate) struct TopicStore {
    topic: String,
    partitions: i32,
    client: ClientConfig,
    producer: Producer,
    /// Held while a checkpoint is written, so that saves follow one another.
    known: Mutex<Known>,
}

/// What is on the topic.
#[derive(Default)]
struct Known {
    stored: BTreeMap<String, Stored>,
    /// Connectors of which a batch failed that may have been written all the same.
    doubtful: BTreeSet<String>,
}

impl TopicStore {
    pub(crate) async fn open(
        topic: &str,
        partitions: i32,
        replication_factor: i16,
        client: &ClientConfig,
    ) -> Result<Self, OffsetError> {
        let admin = Admin::new(client.clone())?;
        let ensured = ensure(&admin, topic, partitions, replication_factor).await;
        admin.close().await;
        let partitions = ensured?;
        let stored = read(topic, 0..partitions, client).await?;
        let mut settings = ProducerConfig::new(client.clone());
        settings.linger = Duration::ZERO;
        // Positions of many files are much alike.
        settings.compression = Compression::Lz4;
        let producer = Producer::new(settings)?;
        Ok(Self {
            topic: topic.to_owned(),
            partitions,
            client: client.clone(),
            producer,
            known: Mutex::new(Known { stored, doubtful: BTreeSet::new() }),
        })
    }
}

impl TopicStore {
    fn partition(&self, connector: &str) -> i32 {
        partition_for_key(connector.as_bytes(), self.partitions)
    }

    /// Sends one batch, and knows it from then on.
    async fn send(
        &self,
        connector: &str,
        known: &mut Known,
        batch: &[Entry],
    ) -> Result<(), OffsetError> {
        let partition = self.partition(connector);
        let record = |(key, value): &Entry| {
            let mut record = Record::to(self.topic.as_str()).partition(partition).key(key.clone());
            record.value = value.as_ref().map(|value| Bytes::from(value.to_string()));
            record
        };
        let records: Vec<Record> = batch.iter().map(record).collect();
        let sent = match self.producer.send_batch(&self.topic, partition, &records).await {
            Ok(delivery) => delivery.await.map(drop),
            Err(error) => Err(error),
        };
        if let Err(error) = sent {
            let error = OffsetError::from(error);
            if !is_too_large(&error) {
                known.doubtful.insert(connector.to_owned());
            }
            return Err(error);
        }
        for (key, value) in batch {
            let value = value.as_ref().map(Json::to_string);
            let value = value.as_deref().map(str::as_bytes);
            take_entry(&mut known.stored, key.as_bytes(), value);
        }
        Ok(())
    }

    async fn send_all(
        &self,
        connector: &str,
        known: &mut Known,
        batches: Vec<Vec<Entry>>,
    ) -> Result<(), OffsetError> {
        for batch in batches {
            self.send(connector, known, &batch).await?;
        }
        Ok(())
    }

    /// Reads a connector's entries again after a batch of which nobody knows whether it is there.
    async fn settle(&self, connector: &str, known: &mut Known) -> Result<(), OffsetError> {
        if known.doubtful.contains(connector) {
            let partition = self.partition(connector);
            let mut read = read(&self.topic, partition..partition + 1, &self.client).await?;
            let found = read.remove(connector).unwrap_or_default();
            known.stored.insert(connector.to_owned(), found);
            known.doubtful.remove(connector);
        }
        Ok(())
    }
}

fn is_too_large(error: &OffsetError) -> bool {
    match error {
        OffsetError::Produce(ProduceError::TooLarge { .. }) => true,
        OffsetError::Produce(error) => {
            error.code().is_some_and(|code| code.name() == "MESSAGE_TOO_LARGE")
        }
        _ => false,
    }
}

#[async_trait]
impl OffsetStore for TopicStore {
    async fn load(&self, connector: &str) -> Result<Option<Checkpoint>, OffsetError> {
        let mut known = self.known.lock().await;
        self.settle(connector, &mut known).await?;
        Ok(known.stored.get(connector).map(Stored::checkpoint))
    }

    async fn save(&self, connector: &str, changes: &Changes) -> Result<(), OffsetError> {
        let mut known = self.known.lock().await;
        self.settle(connector, &mut known).await?;
        let stored = known.stored.entry(connector.to_owned()).or_default();
        let unfinished = stored.unfinished(connector, BATCH);
        self.send_all(connector, &mut known, unfinished).await?;
        let Some(written) = &changes.written else {
            // Positions of partitions that nothing was written of: each stands for itself.
            let batches = in_batches(entries(connector, changes), BATCH);
            return self.send_all(connector, &mut known, batches).await;
        };
        let whole = known.stored.entry(connector.to_owned()).or_default().whole(connector, changes);
        match self.send(connector, &mut known, &whole).await {
            // While an interrupted run is recognised, positions of any number of files move.
            Err(error) if is_too_large(&error) => {
                let stored = known.stored.entry(connector.to_owned()).or_default();
                let batches = stored.split(connector, &changes.positions, written, BATCH);
                self.send_all(connector, &mut known, batches).await
            }
            sent => sent,
        }
    }

    async fn close(&self) {
        self.producer.close().await;
    }
}

/// Bytes of keys and values in a batch; brokers take a megabyte where nobody says otherwise.
const BATCH: usize = 256 << 10;

/// Creates the topic if it is not there; how many partitions it has.
async fn ensure(
    admin: &Admin,
    topic: &str,
    partitions: i32,
    replication_factor: i16,
) -> Result<i32, OffsetError> {
    if !admin.topic_exists(topic).await? {
        let brokers = admin.describe_cluster().await?.brokers.len();
        let brokers = i16::try_from(brokers).unwrap_or(i16::MAX).max(1);
        let new = NewTopic::new(topic, partitions, replication_factor.clamp(1, brokers));
        let new = new.config("cleanup.policy", "compact");
        for created in admin.create_topics(&[new], false).await?.into_values() {
            let exists = |error: &AdminError| {
                error.code().is_some_and(|code| code.name() == "TOPIC_ALREADY_EXISTS")
            };
            match created {
                Err(error) if !exists(&error) => return Err(error.into()),
                _ => {}
            }
        }
    }
    let described = admin.describe_topics(&[topic.to_owned()]).await?;
    let mut found = 0;
    for description in described.into_values() {
        found = description?.partitions.len();
    }
    Ok(i32::try_from(found).unwrap_or(i32::MAX))
}

/// Reads partitions of the topic from their start to their end.
async fn read(
    topic: &str,
    partitions: Range<i32>,
    client: &ClientConfig,
) -> Result<BTreeMap<String, Stored>, OffsetError> {
    let mut settings = ConsumerConfig::new(client.clone());
    settings.offset_reset = OffsetReset::Earliest;
    let mut consumer = Consumer::new(settings)?;
    let all: Vec<TopicPartition> =
        partitions.map(|partition| TopicPartition::new(topic, partition)).collect();
    consumer.assign(all.clone())?;
    let ends = consumer.end_offsets(&all).await?;
    let mut stored = BTreeMap::new();
    let take = |record: ConsumerRecord| {
        if let Some(key) = &record.key {
            take_entry(&mut stored, key, record.value.as_deref());
        }
    };
    consumer.read_to(&ends, take).await?;
    consumer.close().await?;
    Ok(stored)
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use testkit::Cluster;

    use super::super::Written;
    use super::*;
    use crate::plugin::Positions;

    async fn open(cluster: &Cluster) -> TopicStore {
        TopicStore::open("positions", 1, 1, &cluster.client).await.expect("opened")
    }

    /// Positions of so many files that they take more than a message may be long.
    fn many(at: u64) -> Positions {
        let position = |file: u64| {
            let at = json!({"position": at, "text": format!("{:x}", hash(file)).repeat(10)});
            let name = format!("{:x}-{file}", hash(file)).repeat(8);
            let position = at.as_object().cloned().expect("an object");
            (json!({"filename": name}).to_string(), position)
        };
        (0..3500).map(position).collect()
    }

    fn hash(n: u64) -> u64 {
        let mixed = (n + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        (mixed ^ (mixed >> 29)).wrapping_mul(0xbf58_476d_1ce4_e5b9)
    }

    fn at(at: u64, end: i64) -> Changes {
        let ends = BTreeMap::from([("t".into(), BTreeMap::from([(0, end)]))]);
        let written = Written { ends, ids: BTreeMap::new(), open: true };
        Changes { positions: many(at), written: Some(written) }
    }

    fn is(found: Option<Checkpoint>, changes: &Changes) -> bool {
        found.is_some_and(|found| {
            found.positions == changes.positions && Some(&found.written) == changes.written.as_ref()
        })
    }

    #[tokio::test]
    async fn changes_that_are_broken_off_on_their_way_are_there_as_a_whole_or_not_at_all() {
        let dir = tempfile::tempdir().expect("a folder");
        let cluster = Cluster::start(&dir.path().join("data")).await;
        let mut before = at(1, 10);
        open(&cluster).await.save("c", &before).await.expect("saved");
        let (mut kill, mut number) = (1, 2);
        loop {
            let store = open(&cluster).await;
            assert!(is(store.load("c").await.expect("loaded"), &before), "before {kill}");
            let after = at(number, 10 * i64::try_from(number).expect("small"));
            let batches = {
                let mut known = store.known.lock().await;
                let unfinished = known.stored["c"].unfinished("c", BATCH);
                store.send_all("c", &mut known, unfinished).await.expect("finished");
                let written = after.written.as_ref().expect("given");
                let batches = known.stored["c"].split("c", &after.positions, written, BATCH);
                let some = batches.iter().take(kill).cloned().collect();
                store.send_all("c", &mut known, some).await.expect("sent");
                batches.len()
            };
            assert!(batches > 6, "{batches} batches");
            let found = open(&cluster).await.load("c").await.expect("loaded");
            if is(found.clone(), &after) {
                before = after;
            } else {
                assert!(is(found, &before), "{kill} of {batches}");
            }
            if kill >= batches {
                break;
            }
            // Every other place, and the last.
            (kill, number) = ((kill + 2).min(batches), number + 1);
        }
        let last = at(99, 990);
        let store = open(&cluster).await;
        store.save("c", &last).await.expect("saved");
        assert!(is(open(&cluster).await.load("c").await.expect("loaded"), &last));
        cluster.stop().await;
    }

    #[tokio::test]
    async fn what_may_have_been_written_all_the_same_is_read_again() {
        let dir = tempfile::tempdir().expect("a folder");
        let cluster = Cluster::start(&dir.path().join("data")).await;
        let store = open(&cluster).await;
        let small = |end| Changes { positions: Positions::new(), ..at(0, end) };
        store.save("c", &small(1)).await.expect("saved");
        open(&cluster).await.save("c", &small(2)).await.expect("saved");
        assert!(is(store.load("c").await.expect("loaded"), &small(1)), "it knows what it wrote");
        store.known.lock().await.doubtful.insert("c".into());
        assert!(is(store.load("c").await.expect("loaded"), &small(2)));
        cluster.stop().await;
    }
}
