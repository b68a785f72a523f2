//! The topics that a task writes to: made if need be, their ends, and what lies behind an offset.

use std::collections::BTreeMap;
use std::time::Duration;

use client::admin::{NewTopic, Placement};
use client::consumer::OffsetReset;
use client::{
    Admin, AdminError, ClientConfig, ConfigError, ConsumeError, Consumer, ConsumerConfig,
    ConsumerRecord, TopicPartition,
};

use super::recovery::{Tail, TailRecord};
use crate::config::TopicCreation;

/// Why a topic cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TargetError {
    #[error(transparent)]
    Config(#[from] ConfigError),
    #[error(transparent)]
    Admin(#[from] AdminError),
    #[error(transparent)]
    Consume(#[from] ConsumeError),
}

impl TargetError {
    pub(crate) fn is_retriable(&self) -> bool {
        match self {
            Self::Admin(error) => error.is_retriable(),
            Self::Consume(error) => error.is_retriable(),
            Self::Config(_) => false,
        }
    }
}

pub(crate) struct Targets {
    client: ClientConfig,
    admin: Admin,
    creation: TopicCreation,
}

type Ends = BTreeMap<i32, i64>;

/// Requests of a killed run may still be on their way into the log: its end counts once it has
/// stayed the same for this long.
const SETTLE: Duration = Duration::from_millis(100);

impl Targets {
    pub(crate) fn new(client: ClientConfig, creation: TopicCreation) -> Result<Self, TargetError> {
        let admin = Admin::new(client.clone())?;
        Ok(Self { client, admin, creation })
    }

    pub(crate) async fn close(&self) {
        self.admin.close().await;
    }

    /// Creates the topic if it is not there; where its partitions end.
    pub(crate) async fn prepare(&self, topic: &str) -> Result<Ends, TargetError> {
        if !self.admin.topic_exists(topic).await? {
            let new = NewTopic {
                name: topic.to_owned(),
                placement: Placement::Automatic {
                    partitions: self.creation.partitions,
                    replication_factor: self.creation.replication_factor,
                },
                configs: self.creation.configs.clone(),
            };
            for created in self.admin.create_topics(&[new], false).await?.into_values() {
                let exists = |error: &AdminError| {
                    error.code().is_some_and(|code| code.name() == "TOPIC_ALREADY_EXISTS")
                };
                match created {
                    Err(error) if !exists(&error) => return Err(error.into()),
                    _ => tracing::info!(topic, "created the topic"),
                }
            }
        }
        self.ends(topic).await
    }

    /// The offsets after the last records of all partitions.
    pub(crate) async fn ends(&self, topic: &str) -> Result<Ends, TargetError> {
        let consumer = Consumer::new(ConsumerConfig::new(self.client.clone()))?;
        let found = self.partition_ends(&consumer, topic).await;
        consumer.close().await?;
        found
    }

    async fn partition_ends(&self, consumer: &Consumer, topic: &str) -> Result<Ends, TargetError> {
        let partitions = self.partitions(topic).await?;
        let ends = consumer.end_offsets(&partitions).await?;
        Ok(ends.into_iter().map(|(place, end)| (place.partition, end)).collect())
    }

    async fn partitions(&self, topic: &str) -> Result<Vec<TopicPartition>, TargetError> {
        let described = self.admin.describe_topics(&[topic.to_owned()]).await?;
        let mut partitions = Vec::new();
        for description in described.into_values() {
            let list = description?.partitions.into_iter();
            partitions.extend(list.map(|p| TopicPartition::new(topic, p.partition)));
        }
        Ok(partitions)
    }

    /// What lies behind the given ends of the topics, as far as they are still there.
    pub(crate) async fn tail(&self, from: &BTreeMap<String, Ends>) -> Result<Tail, TargetError> {
        let mut settings = ConsumerConfig::new(self.client.clone());
        settings.offset_reset = OffsetReset::Earliest;
        let mut consumer = Consumer::new(settings)?;
        let mut starts = BTreeMap::new();
        let mut left = BTreeMap::new();
        for (topic, from) in from {
            if !self.admin.topic_exists(topic).await? {
                continue;
            }
            let ends = self.settled_ends(&consumer, topic).await?;
            let places = ends.keys().map(|p| TopicPartition::new(topic.as_str(), *p)).collect();
            let firsts = consumer.beginning_offsets(&Vec::clone(&places)).await?;
            for place in places {
                let first = firsts.get(&place).copied().unwrap_or(0);
                let start = from.get(&place.partition).copied().unwrap_or(0).max(first);
                let end = ends.get(&place.partition).copied().unwrap_or(0);
                if start < end {
                    left.insert(place.clone(), end);
                    starts.insert(place, start);
                }
            }
        }
        consumer.assign(starts.keys().cloned())?;
        for (place, start) in &starts {
            consumer.seek(place, *start)?;
        }
        let (mut tail, mut records) = (Tail::default(), 0_usize);
        let note = |record: ConsumerRecord| {
            let (key, value) = (record.key.as_deref(), record.value.as_deref());
            tail.note(&TailRecord { topic: &record.topic, key, value });
            records += 1;
        };
        consumer.read_to(&left, note).await?;
        consumer.close().await?;
        tracing::info!(records, "an interrupted run has left records to recognise");
        Ok(tail)
    }

    async fn settled_ends(&self, consumer: &Consumer, topic: &str) -> Result<Ends, TargetError> {
        let mut ends = self.partition_ends(consumer, topic).await?;
        loop {
            tokio::time::sleep(SETTLE).await;
            let again = self.partition_ends(consumer, topic).await?;
            if again == ends {
                return Ok(ends);
            }
            ends = again;
        }
    }
}
