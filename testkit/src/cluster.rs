//! [`Cluster`]: a broker in the process of a test, and the way to it.

use std::path::Path;
use std::sync::Arc;

use broker_server::Broker;
use broker_server::config::local;
use client::admin::NewTopic;
use client::consumer::OffsetReset;
use client::{
    Admin, ClientConfig, Consumer, ConsumerConfig, ConsumerRecord, MemoryConnector, TopicPartition,
};

/// A broker on a folder. End it with [`Cluster::stop`], so that the folder may have another.
pub struct Cluster {
    broker: Arc<Broker>,
    /// Reaches the broker as long as it runs.
    pub client: ClientConfig,
}

impl Cluster {
    /// Starts a broker on a folder, which may have data of an earlier one.
    pub async fn start(folder: &Path) -> Self {
        let config = local(folder, &[]).expect("a valid configuration");
        let broker = Arc::new(Broker::start(config).await.expect("a broker"));
        let inside = Arc::downgrade(&broker);
        let connector = MemoryConnector::new(move || match inside.upgrade() {
            Some(broker) => Ok(broker.connect_memory()),
            None => Err(std::io::Error::new(
                std::io::ErrorKind::NotConnected,
                "the test's broker is stopped",
            )),
        });
        Self { broker, client: ClientConfig::memory(connector) }
    }

    /// Shuts the broker down in order.
    pub async fn stop(self) {
        let broker = Arc::into_inner(self.broker).expect("nobody else holds the broker");
        broker.shutdown().await.expect("closed in order");
    }

    /// Creates topics of one replica.
    pub async fn create_topics(&self, names: &[&str], partitions: i32) {
        let admin = self.admin();
        let topics: Vec<NewTopic> =
            names.iter().map(|name| NewTopic::new(*name, partitions, 1)).collect();
        let created = admin.create_topics(&topics, false).await.expect("an answer");
        assert!(created.values().all(Result::is_ok), "{created:?}");
        admin.close().await;
    }

    /// The partitions of a topic; none if it is not there.
    pub async fn partitions(&self, topic: &str) -> Vec<TopicPartition> {
        let admin = self.admin();
        let described = admin.describe_topics(&[topic.to_owned()]).await.expect("an answer");
        let partitions = described[topic].iter().flat_map(|topic| &topic.partitions);
        let partitions = partitions.map(|p| TopicPartition::new(topic, p.partition)).collect();
        admin.close().await;
        partitions
    }

    /// The end offsets of a topic's partitions, added up.
    pub async fn end(&self, topic: &str) -> i64 {
        let partitions = self.partitions(topic).await;
        let consumer = self.consumer();
        let ends = consumer.end_offsets(&partitions).await.expect("ends");
        consumer.close().await.expect("closed");
        ends.values().sum()
    }

    /// Everything on a topic, partition by partition.
    pub async fn records(&self, topic: &str) -> Vec<ConsumerRecord> {
        let partitions = self.partitions(topic).await;
        let mut consumer = self.consumer();
        consumer.assign(partitions.clone()).expect("assigned");
        let ends = consumer.end_offsets(&partitions).await.expect("ends");
        let mut records = Vec::new();
        consumer.read_to(&ends, |record| records.push(record)).await.expect("read");
        consumer.close().await.expect("closed");
        records.sort_by_key(|record| (record.partition, record.offset));
        records
    }

    fn admin(&self) -> Admin {
        Admin::new(self.client.clone()).expect("an admin client")
    }

    fn consumer(&self) -> Consumer {
        let mut config = ConsumerConfig::new(self.client.clone());
        config.offset_reset = OffsetReset::Earliest;
        Consumer::new(config).expect("a consumer")
    }
}
