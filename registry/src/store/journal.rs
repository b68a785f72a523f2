//! The registry's topic on a Kafka cluster: one partition, compacted, written with acks=all.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use client::admin::NewTopic;
use client::consumer::{ConsumerConfig, OffsetReset};
use client::{
    Admin, AdminError, ClientConfig, ConfigError, ConsumeError, Consumer, ProduceError, Producer,
    ProducerConfig, Record, TopicPartition,
};
use tokio_util::sync::CancellationToken;

use super::stored::{Entry, Journal, StoreError};
use crate::RegistryConfig;
use crate::api::Services;

/// How long one poll waits for records.
const POLL: Duration = Duration::from_secs(5);
/// Between two polls after an error.
const PAUSE: Duration = Duration::from_secs(1);

/// Why the topic cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    #[error(transparent)]
    Config(#[from] ConfigError),
    #[error(transparent)]
    Admin(#[from] AdminError),
    #[error(transparent)]
    Produce(#[from] ProduceError),
    #[error(transparent)]
    Consume(#[from] ConsumeError),
    #[error("it has {found} partitions, the registry needs exactly one")]
    Partitions { found: usize },
    #[error("{0}")]
    Store(String),
}

impl From<StoreError> for OpenError {
    fn from(error: StoreError) -> Self {
        Self::Store(error.to_string())
    }
}

pub(crate) struct KafkaJournal {
    topic: Arc<str>,
    producer: Producer,
}

#[async_trait]
impl Journal for KafkaJournal {
    async fn append(&self, entries: Vec<Entry>) -> Result<i64, StoreError> {
        let failed = |error: ProduceError| StoreError::Write(error.to_string());
        let mut deliveries = Vec::with_capacity(entries.len());
        for (key, value) in entries {
            let mut record = Record::to(Arc::clone(&self.topic)).partition(0).key(key);
            record.value = value;
            deliveries.push(self.producer.send(record).await.map_err(failed)?);
        }
        let mut last = -1;
        for delivery in deliveries {
            let unknown = || StoreError::Write("the broker told no offset".to_owned());
            last = delivery.await.map_err(failed)?.offset.ok_or_else(unknown)?;
        }
        Ok(last)
    }

    async fn close(&self) {
        self.producer.close().await;
    }
}

/// Creates the topic if it is not there, and opens it for writing and from its start for reading.
pub(crate) async fn open(
    config: &RegistryConfig,
    client: &ClientConfig,
) -> Result<(KafkaJournal, Consumer), OpenError> {
    let client = client.clone().named("schema-registry");
    create(config, &client).await?;
    let mut settings = ProducerConfig::new(client.clone());
    settings.linger = Duration::ZERO;
    let producer = Producer::new(settings)?;
    let mut settings = ConsumerConfig::new(client);
    settings.offset_reset = OffsetReset::Earliest;
    let mut consumer = Consumer::new(settings)?;
    let partition = TopicPartition::new(config.topic.as_str(), 0);
    consumer.assign([partition])?;
    Ok((KafkaJournal { topic: config.topic.as_str().into(), producer }, consumer))
}

async fn create(config: &RegistryConfig, client: &ClientConfig) -> Result<(), OpenError> {
    let admin = Admin::new(client.clone())?;
    let outcome = ensure(config, &admin).await;
    admin.close().await;
    outcome
}

async fn ensure(config: &RegistryConfig, admin: &Admin) -> Result<(), OpenError> {
    let name = &config.topic;
    if !admin.topic_exists(name).await? {
        let brokers = admin.describe_cluster().await?.brokers.len();
        let brokers = i16::try_from(brokers).unwrap_or(i16::MAX).max(1);
        let replicas = config.replication_factor.clamp(1, brokers);
        if replicas < config.replication_factor {
            tracing::warn!(
                topic = %name, replicas, wanted = config.replication_factor,
                "the registry's topic has fewer replicas than wanted: the cluster has no more \
                 brokers"
            );
        }
        let topic = NewTopic::new(name, 1, replicas).config("cleanup.policy", "compact");
        for created in admin.create_topics(&[topic], false).await?.into_values() {
            let exists = |error: &AdminError| {
                error.code().is_some_and(|code| code.name() == "TOPIC_ALREADY_EXISTS")
            };
            match created {
                Err(error) if !exists(&error) => return Err(error.into()),
                _ => {}
            }
        }
    }
    for described in admin.describe_topics(std::slice::from_ref(name)).await?.into_values() {
        let found = described?.partitions.len();
        if found != 1 {
            return Err(OpenError::Partitions { found });
        }
    }
    Ok(())
}

/// Applies what is on the topic, and what comes, until the token is cancelled.
pub(crate) async fn follow(
    services: Arc<Services>,
    mut consumer: Consumer,
    stop: CancellationToken,
) {
    loop {
        let polled = tokio::select! {
            polled = consumer.poll(POLL) => polled,
            () = stop.cancelled() => break,
        };
        match polled {
            Ok(polled) => {
                for record in polled.records() {
                    match record {
                        Ok(record) => services.store.apply(
                            record.offset,
                            record.key.as_deref(),
                            record.value.as_deref(),
                        ),
                        Err(error) => tracing::error!(%error, "a batch of records was left out"),
                    }
                }
            }
            Err(error) => {
                tracing::error!(%error, "the registry's topic cannot be read; trying again");
                tokio::select! {
                    () = tokio::time::sleep(PAUSE) => {}
                    () = stop.cancelled() => break,
                }
            }
        }
    }
    if let Err(error) = consumer.close().await {
        tracing::warn!(%error, "the registry's consumer did not close");
    }
}
