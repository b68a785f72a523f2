//! A cluster reached with the `client` crate.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use client::admin::{NewTopic, OffsetToCommit, Placement};
use client::consumer::{Consumer, ConsumerConfig, IsolationLevel};
use client::{
    Admin, AdminError, ClientConfig, ConsumeError, OffsetSpec, ProduceError, Producer,
    ProducerConfig, Record,
};

use super::broker::{
    Broker, BrokerError, Fetched, GroupOffset, GroupOffsets, InternalTopic, KnownTopic, OffsetAt,
    Offsets, Reader, Receipt, TopicPartition,
};
use crate::record::{Header, InputRecord, OutputRecord};

/// How long a new topic may take until all brokers know it.
const CREATION_TRIES: usize = 100;
const CREATION_PAUSE: Duration = Duration::from_millis(100);

const CLOSE_PATIENCE: Duration = Duration::from_secs(5);

const BATCH_BYTES: usize = 64 << 10;
const POLL_RECORDS: usize = 5_000;
const MAX_WAIT: Duration = Duration::from_millis(100);

pub(crate) struct KafkaBroker {
    client: ClientConfig,
    admin: Admin,
    producer: Producer,
    replication_factor: i16,
}

impl KafkaBroker {
    /// Connects on first use; must be called within a tokio runtime.
    pub(crate) fn new(client: ClientConfig, replication_factor: i16) -> Result<Self, BrokerError> {
        let action = "cannot set up the clients";
        let admin = Admin::new(client.clone()).map_err(|error| failure(action, error, false))?;
        let mut config = ProducerConfig::new(client.clone());
        config.linger = Duration::ZERO;
        config.batch_size = BATCH_BYTES;
        let producer = Producer::new(config).map_err(|error| failure(action, error, false))?;
        Ok(Self { client, admin, producer, replication_factor })
    }

    async fn known_topics(
        &self,
        topics: &[String],
    ) -> Result<HashMap<String, KnownTopic>, BrokerError> {
        let action = "cannot describe topics";
        let described = self.admin.describe_topics(topics).await;
        let mut known = HashMap::new();
        for (topic, description) in described.map_err(|error| admin(action, error))? {
            match description {
                Ok(description) => {
                    let partitions = description.partitions.len() as u32;
                    let id = description.id.map(|id| URL_SAFE_NO_PAD.encode(id.as_bytes()));
                    known.insert(topic, KnownTopic { partitions, id });
                }
                Err(error) if is_unknown(&error) => {}
                Err(error) => return Err(admin(&format!("cannot describe {topic}"), error)),
            }
        }
        Ok(known)
    }
}

fn failure(action: &str, error: impl ToString, retriable: bool) -> BrokerError {
    BrokerError { action: action.to_owned(), message: error.to_string(), retriable }
}

fn admin(action: &str, error: AdminError) -> BrokerError {
    let retriable = error.is_retriable();
    failure(action, error, retriable)
}

fn produce(action: &str, error: ProduceError) -> BrokerError {
    let retriable = error.is_retriable();
    failure(action, error, retriable)
}

fn consume(action: &str, error: ConsumeError) -> BrokerError {
    let out_of_range = matches!(error, ConsumeError::OffsetOutOfRange { .. });
    let retriable = error.is_retriable() || out_of_range;
    failure(action, error, retriable)
}

fn has_code(error: &AdminError, name: &str) -> bool {
    error.code().is_some_and(|code| code.name() == name)
}

fn is_unknown(error: &AdminError) -> bool {
    has_code(error, "UNKNOWN_TOPIC_OR_PARTITION")
}

fn already_exists(error: &AdminError) -> bool {
    has_code(error, "TOPIC_ALREADY_EXISTS")
}

fn record(topic: &Arc<str>, record: OutputRecord) -> Record {
    let header = |Header { key, value }| client::Header { key, value };
    Record {
        topic: Arc::clone(topic),
        partition: record.partition,
        key: record.key,
        value: record.value,
        headers: record.headers.into_iter().map(header).collect(),
        timestamp_ms: Some(record.timestamp.max(0)),
    }
}

#[async_trait]
impl Broker for KafkaBroker {
    async fn topics(&self, names: &[String]) -> Result<HashMap<String, KnownTopic>, BrokerError> {
        self.known_topics(names).await
    }

    async fn create_topic(&self, topic: &InternalTopic) -> Result<(), BrokerError> {
        let action = format!("cannot create internal topic {}", topic.name);
        let wanted = NewTopic {
            name: topic.name.clone(),
            placement: Placement::Automatic {
                partitions: Some(topic.partitions as i32),
                replication_factor: Some(self.replication_factor),
            },
            configs: topic.configs.clone(),
        };
        let names = std::slice::from_ref(&topic.name);
        if self.known_topics(names).await?.contains_key(&topic.name) {
            return Ok(());
        }
        let created = self.admin.create_topics(std::slice::from_ref(&wanted), false).await;
        for (_, result) in created.map_err(|error| admin(&action, error))? {
            match result {
                Err(error) if !already_exists(&error) => return Err(admin(&action, error)),
                _ => {}
            }
        }
        for _ in 0..CREATION_TRIES {
            if self.known_topics(names).await?.contains_key(&topic.name) {
                return Ok(());
            }
            tokio::time::sleep(CREATION_PAUSE).await;
        }
        Err(failure(&action, "the brokers do not show it", true))
    }

    async fn delete_topics(&self, topics: &[String]) -> Result<(), BrokerError> {
        let action = "cannot delete internal topics";
        let deleted = self.admin.delete_topics(topics).await.map_err(|e| admin(action, e))?;
        for (topic, result) in deleted {
            match result {
                Err(error) if !is_unknown(&error) => {
                    return Err(admin(&format!("cannot delete internal topic {topic}"), error));
                }
                _ => {}
            }
        }
        Ok(())
    }

    async fn delete_records(&self, before: &Offsets) -> Result<(), BrokerError> {
        let action = "cannot delete processed records of internal topics";
        let before: BTreeMap<_, _> =
            before.iter().map(|(partition, offset)| (partition.clone(), *offset)).collect();
        let deleted = self.admin.delete_records(&before).await.map_err(|e| admin(action, e))?;
        let failed = deleted.into_values().find_map(Result::err);
        failed.map_or(Ok(()), |error| Err(admin(action, error)))
    }

    async fn offsets(
        &self,
        partitions: &[TopicPartition],
        at: OffsetAt,
    ) -> Result<Offsets, BrokerError> {
        let spec = match at {
            OffsetAt::Beginning => OffsetSpec::Earliest,
            OffsetAt::End => OffsetSpec::Latest,
        };
        let wanted: BTreeMap<_, _> =
            partitions.iter().map(|partition| (partition.clone(), spec)).collect();
        let listed = self.admin.list_offsets(&wanted, IsolationLevel::ReadCommitted).await;
        let listed = listed.map_err(|error| admin("cannot list offsets", error))?;
        let mut offsets = HashMap::new();
        for (partition, result) in listed {
            let action = format!("cannot find the offsets of {partition}");
            let listed = result.map_err(|error| admin(&action, error))?;
            offsets.extend(listed.offset.map(|offset| (partition, offset)));
        }
        Ok(offsets)
    }

    async fn committed(
        &self,
        group: &str,
        partitions: &[TopicPartition],
    ) -> Result<GroupOffsets, BrokerError> {
        let action = format!("cannot read the offsets of group {group}");
        let committed = self.admin.list_group_offsets(group, Some(partitions)).await;
        let mut offsets = HashMap::new();
        for (partition, result) in committed.map_err(|error| admin(&action, error))? {
            let committed = result.map_err(|error| admin(&action, error))?;
            if committed.offset >= 0 {
                let topic_id = Some(committed.metadata).filter(|id| !id.is_empty());
                offsets.insert(partition, GroupOffset { offset: committed.offset, topic_id });
            }
        }
        Ok(offsets)
    }

    async fn commit(&self, group: &str, offsets: &GroupOffsets) -> Result<(), BrokerError> {
        let action = format!("cannot commit the offsets of group {group}");
        let commit = |committed: &GroupOffset| OffsetToCommit {
            metadata: committed.topic_id.clone().unwrap_or_default(),
            ..committed.offset.into()
        };
        let offsets: BTreeMap<_, _> =
            offsets.iter().map(|(partition, offset)| (partition.clone(), commit(offset))).collect();
        let committed = self.admin.alter_group_offsets(group, &offsets).await;
        let committed = committed.map_err(|error| admin(&action, error))?;
        let failed = committed.into_values().find_map(Result::err);
        failed.map_or(Ok(()), |error| Err(admin(&action, error)))
    }

    async fn reader(&self, from: &Offsets) -> Result<Box<dyn Reader>, BrokerError> {
        let action = "cannot read the input topics";
        let mut config = ConsumerConfig::new(self.client.clone());
        config.fetch.isolation = IsolationLevel::ReadCommitted;
        config.fetch.max_wait = MAX_WAIT;
        config.max_poll_records = POLL_RECORDS;
        config.offset_reset = client::consumer::OffsetReset::None;
        config.allow_auto_create_topics = false;
        let mut consumer = Consumer::new(config).map_err(|error| consume(action, error))?;
        consumer.assign(from.keys().cloned()).map_err(|error| consume(action, error))?;
        for (partition, offset) in from {
            let sought = consumer.seek(partition, *offset);
            sought.map_err(|error| consume(action, error))?;
        }
        Ok(Box::new(KafkaReader { consumer: Some(consumer), positions: from.clone() }))
    }

    async fn send(&self, topic: &Arc<str>, output: OutputRecord) -> Result<Receipt, BrokerError> {
        let failed = |topic: &str, error| produce(&format!("cannot write to topic {topic}"), error);
        let delivery = self.producer.send(record(topic, output)).await;
        let delivery = delivery.map_err(|error| failed(topic, error))?;
        let topic = Arc::clone(topic);
        Ok(Box::pin(async move { delivery.await.map(drop).map_err(|error| failed(&topic, error)) }))
    }

    async fn append(
        &self,
        partition: &TopicPartition,
        records: Vec<OutputRecord>,
    ) -> Result<i64, BrokerError> {
        let action = format!("cannot write the changelog {partition}");
        let topic = &partition.topic;
        let records: Vec<Record> = records.into_iter().map(|r| record(topic, r)).collect();
        let sent = self.producer.send_batch(topic, partition.partition, &records).await;
        let delivery = sent.map_err(|error| produce(&action, error))?;
        let metadata = delivery.await.map_err(|error| produce(&action, error))?;
        metadata
            .offset
            .ok_or_else(|| failure(&action, "the broker did not say where the batch went", true))
    }

    async fn delete_group(&self, group: &str) -> Result<(), BrokerError> {
        let action = format!("cannot delete group {group}");
        let deleted = self.admin.delete_groups(&[group.to_owned()]).await;
        for (_, result) in deleted.map_err(|error| admin(&action, error))? {
            match result {
                Err(error) if !has_code(&error, "GROUP_ID_NOT_FOUND") => {
                    return Err(admin(&action, error));
                }
                _ => {}
            }
        }
        Ok(())
    }

    async fn close(&self) {
        // With the cluster gone, what was not delivered is not waited for.
        let _late = tokio::time::timeout(CLOSE_PATIENCE, self.producer.close()).await;
        self.admin.close().await;
    }
}

struct KafkaReader {
    /// There until it is closed.
    consumer: Option<Consumer>,
    /// The next offset of each partition as last reported.
    positions: Offsets,
}

#[async_trait]
impl Reader for KafkaReader {
    async fn poll(&mut self, wait: Duration) -> Result<Vec<Fetched>, BrokerError> {
        let Some(consumer) = &mut self.consumer else { return Ok(Vec::new()) };
        let polled = consumer.poll(wait).await.map_err(|error| consume("cannot read", error))?;
        let mut fetched = Vec::with_capacity(polled.partitions.len());
        for found in polled.partitions {
            let partition = found.partition.clone();
            let mut records = Vec::with_capacity(found.count_at_most());
            for record in found.records() {
                let action = format!("cannot read {partition}");
                records.push(input(record.map_err(|error| consume(&action, error))?));
            }
            self.positions.insert(partition.clone(), found.next_offset);
            fetched.push(Fetched {
                partition,
                records,
                next_offset: found.next_offset,
                end_offset: found.last_stable_offset,
            });
        }
        // Markers of transactions and aborted records move a position without a record. A task
        // waits for it, however much there is to read elsewhere.
        for (partition, position) in &mut self.positions {
            let now = consumer.position(partition).await;
            let now = now.map_err(|error| consume("cannot read", error))?;
            if now > *position {
                *position = now;
                let (partition, records) = (partition.clone(), Vec::new());
                fetched.push(Fetched { partition, records, next_offset: now, end_offset: now });
            }
        }
        Ok(fetched)
    }

    fn pause(&mut self, partitions: &[TopicPartition], paused: bool) {
        let Some(consumer) = &mut self.consumer else { return };
        let done = if paused { consumer.pause(partitions) } else { consumer.resume(partitions) };
        if let Err(error) = done {
            tracing::warn!("{error}");
        }
    }

    async fn close(&mut self) {
        if let Some(consumer) = self.consumer.take()
            && let Err(error) = consumer.close().await
        {
            tracing::debug!("closing a consumer: {error}");
        }
    }
}

fn input(record: client::consumer::ConsumerRecord) -> InputRecord {
    let header = |client::Header { key, value }| Header { key, value };
    InputRecord {
        key: record.key,
        value: record.value,
        headers: record.headers.into_iter().map(header).collect(),
        timestamp: record.timestamp_ms,
        offset: record.offset,
    }
}
