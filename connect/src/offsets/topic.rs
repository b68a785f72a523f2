//! Positions in a compacted topic, as Kafka Connect's distributed workers keep them: a record for
//! each partition whose position has moved. All of one change are one batch of one partition, so
//! that none is there without the others; where nothing depends on that, they are batches of a size
//! that every topic takes.

use std::collections::BTreeMap;
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
use tokio::sync::Mutex;

use super::{Changes, Checkpoint, OffsetError, OffsetStore, entries, take_entry};

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
        // Positions of many files are much alike.
        settings.compression = Compression::Lz4;
        let producer = Producer::new(settings)?;
        Ok(Self { topic: topic.to_owned(), partitions, producer, checkpoints })
    }
}

impl TopicStore {
    async fn send(&self, partition: i32, records: &[Record]) -> Result<(), OffsetError> {
        self.producer.send_batch(&self.topic, partition, records).await?.await?;
        Ok(())
    }

    async fn split(&self, partition: i32, records: &[Record]) -> Result<(), OffsetError> {
        for batch in in_batches(records, BATCH) {
            self.send(partition, batch).await?;
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
        Ok(self.checkpoints.lock().await.get(connector).cloned())
    }

    async fn save(&self, connector: &str, changes: &Changes) -> Result<(), OffsetError> {
        let mut all = self.checkpoints.lock().await;
        let partition = partition_for_key(connector.as_bytes(), self.partitions);
        let written = changes.written.as_ref();
        let records: Vec<Record> = entries(connector, &changes.positions, written)
            .into_iter()
            .map(|(key, value)| {
                let value = Bytes::from(value.to_string());
                Record::to(self.topic.as_str()).partition(partition).key(key).value(value)
            })
            .collect();
        // Positions alone are of partitions that nothing was written of: each stands for itself.
        let whole = written.is_some();
        let sent = if whole { self.send(partition, &records).await } else { Ok(()) };
        match sent {
            Ok(()) if whole => {}
            // While an interrupted run is recognised, positions of any number of files move.
            // The end offsets come last: what is read again then is recognised again.
            Err(error) if !is_too_large(&error) => return Err(error),
            _ => self.split(partition, &records).await?,
        }
        all.entry(connector.to_owned()).or_default().apply(changes);
        Ok(())
    }

    async fn close(&self) {
        self.producer.close().await;
    }
}

/// Bytes of keys and values in a batch; brokers take a megabyte where nobody says otherwise.
const BATCH: usize = 256 << 10;

/// Cuts records into runs of at most `most` bytes, or of one record.
fn in_batches(records: &[Record], most: usize) -> impl Iterator<Item = &[Record]> {
    let size = |record: &Record| {
        let length = |bytes: &Option<Bytes>| bytes.as_ref().map_or(0, Bytes::len);
        length(&record.key) + length(&record.value)
    };
    let mut rest = records;
    std::iter::from_fn(move || {
        let mut bytes = 0;
        let fits = rest.iter().take_while(|record| {
            bytes += size(record);
            bytes <= most
        });
        let count = fits.count().max(1).min(rest.len());
        let (batch, after) = rest.split_at(count);
        rest = after;
        (!batch.is_empty()).then_some(batch)
    })
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_are_cut_into_batches_of_a_size() {
        let record = |bytes: usize| Record::to("t").value(Bytes::from(vec![0; bytes]));
        let records: Vec<Record> = [3, 3, 3, 20, 1].map(record).into();
        let sizes: Vec<usize> = in_batches(&records, 7).map(<[Record]>::len).collect();
        assert_eq!(sizes, [2, 1, 1, 1]);
        assert_eq!(in_batches(&records, usize::MAX).count(), 1);
        assert_eq!(in_batches(&[], 7).count(), 0);
    }
}
