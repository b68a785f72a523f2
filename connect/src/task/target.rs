//! The topics that a task writes to: made if need be, their ends, and what lies behind an offset.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use client::admin::{NewTopic, Placement, TopicDescription};
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
    #[error(
        "topic {topic} is gone: it was deleted after this connector wrote to it; a connector with \
         another name reads its source from the start, and creates the topic anew"
    )]
    Gone { topic: String },
    #[error(
        "topic {topic} is not the one that this connector wrote to: it was deleted and created \
         anew (its id was {was} and is {now}); a connector with another name reads its source from \
         the start into the new one"
    )]
    Replaced { topic: String, was: String, now: String },
}

impl TargetError {
    pub(crate) fn is_retriable(&self) -> bool {
        match self {
            Self::Admin(error) => error.is_retriable(),
            Self::Consume(error) => error.is_retriable(),
            Self::Config(_) | Self::Gone { .. } | Self::Replaced { .. } => false,
        }
    }
}

/// A topic as it is found.
pub(crate) struct Found {
    /// The offsets after the last records of all partitions.
    pub(crate) ends: Ends,
    pub(crate) id: Option<String>,
}

pub(crate) struct Targets {
    client: ClientConfig,
    admin: Admin,
    creation: TopicCreation,
    /// The ids of the topics that are written to. Nothing awaits under it.
    ids: Mutex<BTreeMap<String, String>>,
}

type Ends = BTreeMap<i32, i64>;

/// How often topics are looked at while nothing else tells of them.
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// Requests of a killed run may still be on their way into the log: its end counts once it has
/// stayed the same for this long.
const SETTLE: Duration = Duration::from_millis(100);

fn is_unknown(error: &AdminError) -> bool {
    error.code().is_some_and(|code| code.name() == "UNKNOWN_TOPIC_OR_PARTITION")
}

impl Targets {
    pub(crate) fn new(client: ClientConfig, creation: TopicCreation) -> Result<Self, TargetError> {
        let admin = Admin::new(client.clone())?;
        Ok(Self { client, admin, creation, ids: Mutex::default() })
    }

    /// Takes a topic that an earlier run has written to.
    pub(crate) fn know(&self, topic: &str, id: &str) {
        self.ids().insert(topic.to_owned(), id.to_owned());
    }

    fn ids(&self) -> MutexGuard<'_, BTreeMap<String, String>> {
        self.ids.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns when a topic that is written to was deleted, or is another one by now.
    pub(crate) async fn until_lost(&self) -> TargetError {
        loop {
            tokio::time::sleep(LOOK_EVERY).await;
            if let Err(error) = self.check().await
                && !error.is_retriable()
            {
                return error;
            }
        }
    }

    /// Finds that the topics that are written to are still those that they were.
    pub(crate) async fn check(&self) -> Result<(), TargetError> {
        match self.look().await {
            // A broker that has just started may not know of it yet.
            Err(TargetError::Gone { .. }) => {
                tokio::time::sleep(SETTLE * 5).await;
                self.look().await
            }
            looked => looked,
        }
    }

    async fn look(&self) -> Result<(), TargetError> {
        let known: Vec<(String, String)> =
            self.ids().iter().map(|(topic, id)| (topic.clone(), id.clone())).collect();
        let topics: Vec<String> = known.iter().map(|(topic, _)| topic.clone()).collect();
        let mut described = self.admin.describe_topics(&topics).await?;
        for (topic, was) in known {
            match described.remove(&topic) {
                Some(Ok(TopicDescription { id: Some(id), .. })) if id.to_string() != was => {
                    return Err(TargetError::Replaced { topic, was, now: id.to_string() });
                }
                Some(Err(error)) if is_unknown(&error) => {
                    return Err(TargetError::Gone { topic });
                }
                Some(Err(error)) => return Err(error.into()),
                Some(Ok(_)) | None => {}
            }
        }
        Ok(())
    }

    pub(crate) async fn close(&self) {
        self.admin.close().await;
    }

    /// Creates the topic if it is not there, unless it was there for this connector: `known` is its
    /// id then.
    pub(crate) async fn prepare(
        &self,
        topic: &str,
        known: Option<&str>,
    ) -> Result<Found, TargetError> {
        if let Some(id) = known {
            self.know(topic, id);
            self.check().await?;
        } else if !self.admin.topic_exists(topic).await? {
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
        let described = self.describe(topic).await?;
        let id = described.id.map(|id| id.to_string());
        if let Some(id) = &id {
            self.ids().insert(topic.to_owned(), id.clone());
        }
        Ok(Found { ends: self.ends(topic).await?, id })
    }

    /// The offsets after the last records of all partitions.
    pub(crate) async fn ends(&self, topic: &str) -> Result<Ends, TargetError> {
        let consumer = Consumer::new(ConsumerConfig::new(self.client.clone()))?;
        let found = self.partition_ends(&consumer, topic).await;
        consumer.close().await?;
        found
    }

    /// The same; none if the topic is not there any more.
    pub(crate) async fn ends_if_there(&self, topic: &str) -> Result<Option<Ends>, TargetError> {
        match self.ends(topic).await {
            Ok(ends) => Ok(Some(ends)),
            Err(TargetError::Admin(error)) if is_unknown(&error) => Ok(None),
            Err(error) => Err(error),
        }
    }

    async fn partition_ends(&self, consumer: &Consumer, topic: &str) -> Result<Ends, TargetError> {
        let partitions = self.partitions(topic).await?;
        let ends = consumer.end_offsets(&partitions).await?;
        Ok(ends.into_iter().map(|(place, end)| (place.partition, end)).collect())
    }

    async fn partitions(&self, topic: &str) -> Result<Vec<TopicPartition>, TargetError> {
        let partitions = self.describe(topic).await?.partitions.into_iter();
        Ok(partitions.map(|p| TopicPartition::new(topic, p.partition)).collect())
    }

    async fn describe(&self, topic: &str) -> Result<TopicDescription, TargetError> {
        let described = self.admin.describe_topics(&[topic.to_owned()]).await?;
        let gone = || TargetError::Gone { topic: topic.to_owned() };
        Ok(described.into_values().next().ok_or_else(gone)??)
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
