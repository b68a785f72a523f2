//! Positions in a compacted topic, as Kafka Connect's distributed workers keep them. All entries
//! of a checkpoint are one batch of one partition, so that none is there without the others.

use std::collections::BTreeMap;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use client::admin::NewTopic;
use client::consumer::OffsetReset;
use client::producer::partition_for_key;
use client::{
    Admin, AdminError, ClientConfig, Consumer, ConsumerConfig, ConsumerRecord, Producer,
    ProducerConfig, Record, TopicPartition,
};
use tokio::sync::Mutex;

use super::{Checkpoint, OffsetError, OffsetStore, entries, take_entry};

pub(crate) struct TopicStore {
    topic: String,
    partitions: i32,
    producer: Producer,
    /// Held while a checkpoint is written, so that saves follow one another.
    checkpoints: Mutex<BTreeMap<String, Checkpoint>>,
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
        let checkpoints = Mutex::new(read(topic, partitions, client).await?);
        let mut settings = ProducerConfig::new(client.clone());
        settings.linger = Duration::ZERO;
        let producer = Producer::new(settings)?;
        Ok(Self { topic: topic.to_owned(), partitions, producer, checkpoints })
    }
}

#[async_trait]
impl OffsetStore for TopicStore {
    async fn load(&self, connector: &str) -> Result<Option<Checkpoint>, OffsetError> {
        Ok(self.checkpoints.lock().await.get(connector).cloned())
    }

    async fn save(&self, connector: &str, checkpoint: &Checkpoint) -> Result<(), OffsetError> {
        let mut all = self.checkpoints.lock().await;
        let partition = partition_for_key(connector.as_bytes(), self.partitions);
        let records: Vec<Record> = entries(connector, checkpoint)
            .into_iter()
            .map(|(key, value)| {
                let value = Bytes::from(value.to_string());
                Record::to(self.topic.as_str()).partition(partition).key(key).value(value)
            })
            .collect();
        self.producer.send_batch(&self.topic, partition, &records).await?.await?;
        all.insert(connector.to_owned(), checkpoint.clone());
        Ok(())
    }

    async fn close(&self) {
        self.producer.close().await;
    }
}

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

/// Reads the topic from its start to its end.
async fn read(
    topic: &str,
    partitions: i32,
    client: &ClientConfig,
) -> Result<BTreeMap<String, Checkpoint>, OffsetError> {
    let mut settings = ConsumerConfig::new(client.clone());
    settings.offset_reset = OffsetReset::Earliest;
    let mut consumer = Consumer::new(settings)?;
    let all: Vec<TopicPartition> =
        (0..partitions).map(|partition| TopicPartition::new(topic, partition)).collect();
    consumer.assign(all.clone())?;
    let ends = consumer.end_offsets(&all).await?;
    let mut checkpoints = BTreeMap::new();
    let take = |record: ConsumerRecord| {
        if let Some(key) = &record.key {
            take_entry(&mut checkpoints, key, record.value.as_deref());
        }
    };
    consumer.read_to(&ends, take).await?;
    consumer.close().await?;
    Ok(checkpoints)
}
