//! Connectors on a broker, and with a registry, in the same process.

mod avro;
mod kills;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use broker_server::{Broker, BrokerConfig};
use client::{
    Admin, ClientConfig, Consumer, ConsumerConfig, ConsumerRecord, MemoryConnector, TopicPartition,
};
use connect::{ConnectorConfig, OffsetStorage, Worker, WorkerConfig};

/// A broker and the way to it.
struct Cluster {
    broker: Arc<Broker>,
    client: ClientConfig,
}

impl Cluster {
    async fn start(dir: &Path) -> Self {
        let log_dirs = dir.display().to_string();
        let config = BrokerConfig::from_pairs([
            ("node.id", "1"),
            ("listeners", "PLAINTEXT://127.0.0.1:0"),
            ("log.dirs", log_dirs.as_str()),
        ]);
        let broker = Broker::start(config.expect("a valid config")).await.expect("a broker");
        let broker = Arc::new(broker);
        let inside = Arc::downgrade(&broker);
        let connector = MemoryConnector::new(move || match inside.upgrade() {
            Some(broker) => Ok(broker.connect_memory()),
            None => Err(std::io::Error::from(std::io::ErrorKind::NotConnected)),
        });
        Self { broker, client: ClientConfig::memory(connector) }
    }

    async fn stop(self) {
        let broker = Arc::into_inner(self.broker).expect("nobody else holds the broker");
        broker.shutdown().await.expect("closed in order");
    }

    /// The partitions of a topic; none if it is not there.
    async fn places(&self, topic: &str) -> Vec<TopicPartition> {
        let admin = Admin::new(self.client.clone()).expect("an admin client");
        let described = admin.describe_topics(&[topic.to_owned()]).await.expect("described");
        let partitions = described[topic].iter().flat_map(|topic| &topic.partitions);
        let places = partitions.map(|p| TopicPartition::new(topic, p.partition)).collect();
        admin.close().await;
        places
    }

    /// How many records a topic has got in all.
    async fn end(&self, topic: &str) -> i64 {
        let places = self.places(topic).await;
        let consumer = Consumer::new(ConsumerConfig::new(self.client.clone()));
        let consumer = consumer.expect("a consumer");
        let ends = consumer.end_offsets(&places).await.expect("ends");
        consumer.close().await.expect("closed");
        ends.values().sum()
    }

    /// Everything on a topic, partition by partition.
    async fn records(&self, topic: &str) -> Vec<ConsumerRecord> {
        let places = self.places(topic).await;
        let mut consumer =
            Consumer::new(ConsumerConfig::new(self.client.clone())).expect("a consumer");
        consumer.assign(places.clone()).expect("assigned");
        consumer.seek_to_beginning(&places).expect("sought");
        let mut left: BTreeMap<TopicPartition, i64> =
            consumer.end_offsets(&places).await.expect("ends");
        left.retain(|_, end| *end > 0);
        let mut records = Vec::new();
        while !left.is_empty() {
            let polled = consumer.poll(Duration::from_secs(5)).await.expect("polled");
            records.extend(polled.records().map(|record| record.expect("a record")));
            for (place, next) in polled.next_offsets() {
                if left.get(&place).is_some_and(|end| next >= *end) {
                    left.remove(&place);
                }
            }
        }
        consumer.close().await.expect("closed");
        records.sort_by_key(|record| (record.partition, record.offset));
        records
    }
}

/// A worker that keeps its positions in a topic and remembers them as often as it can.
fn worker(converters: &[(&str, &str)]) -> WorkerConfig {
    let mut config = WorkerConfig::new(converters.iter().copied());
    config.offset_flush_interval = Duration::ZERO;
    assert!(matches!(config.offsets, OffsetStorage::Topic { .. }));
    config
}

async fn run(cluster: &Cluster, worker: &WorkerConfig, connector: ConnectorConfig) -> Worker {
    let started = connect::start(worker.clone(), vec![connector], cluster.client.clone()).await;
    started.expect("a worker")
}
