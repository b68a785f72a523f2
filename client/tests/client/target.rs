//! The broker that the stories are told to.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use broker_server::{Broker, BrokerConfig};
use client::admin::NewTopic;
use client::consumer::OffsetReset;
use client::{
    Admin, ClientConfig, Connector, Consumer, ConsumerConfig, ConsumerRecord, MemoryConnector,
    Producer, ProducerConfig, Record, RecordMetadata, TopicPartition,
};
use tempfile::TempDir;
use uuid::Uuid;

/// How the client reaches the broker.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Transport {
    Memory,
    Tcp,
}

/// A broker, and how to reach it.
pub(crate) struct Target {
    pub(crate) config: ClientConfig,
}

/// A story that takes this long hangs.
const PATIENCE: Duration = Duration::from_secs(120);

/// Runs a story against a fresh broker, or against the one that the environment names.
pub(crate) async fn check<F, Fut>(transport: Transport, story: F)
where
    F: FnOnce(Arc<Target>) -> Fut,
    Fut: Future<Output = ()>,
{
    if let Ok(servers) = std::env::var("YEOUL_TEST_BOOTSTRAP") {
        let target = Arc::new(Target { config: ClientConfig::tcp(&servers) });
        tokio::time::timeout(PATIENCE, story(target)).await.expect("the story ends");
        return;
    }
    let folder = TempDir::new().unwrap();
    let broker = Arc::new(start(&folder).await);
    let config = match transport {
        Transport::Tcp => ClientConfig::tcp(&broker.address().to_string()),
        Transport::Memory => {
            let broker = Arc::downgrade(&broker);
            ClientConfig::memory(MemoryConnector::new(move || match broker.upgrade() {
                Some(broker) => Ok(broker.connect_memory()),
                None => Err(std::io::ErrorKind::ConnectionRefused.into()),
            }))
        }
    };
    let target = Arc::new(Target { config });
    tokio::time::timeout(PATIENCE, story(target)).await.expect("the story ends");
    let broker = Arc::into_inner(broker).expect("nobody opens a connection any more");
    broker.shutdown().await.unwrap();
}

/// Starts a broker on a folder, which may have data of an earlier one.
pub(crate) async fn start(folder: &TempDir) -> Broker {
    let properties = format!(
        "node.id=1\nlisteners=PLAINTEXT://127.0.0.1:0\nlog.dirs={}\n\
         offsets.topic.num.partitions=3\noffsets.topic.replication.factor=1\n\
         group.initial.rebalance.delay.ms=0\ngroup.min.session.timeout.ms=100\n",
        folder.path().display()
    );
    Broker::start(BrokerConfig::from_properties(&properties).unwrap()).await.unwrap()
}

impl Target {
    pub(crate) fn admin(&self) -> Admin {
        Admin::new(self.config.clone()).unwrap()
    }

    pub(crate) fn producer(&self) -> Producer {
        Producer::new(ProducerConfig::new(self.config.clone())).unwrap()
    }

    /// The same target through a connector of the story's own.
    pub(crate) fn through(&self, connector: Arc<dyn Connector>) -> ClientConfig {
        ClientConfig { connector, ..self.config.clone() }
    }

    /// A configuration for reading everything, in no group.
    pub(crate) fn reading(&self) -> ConsumerConfig {
        let mut config = ConsumerConfig::new(self.config.clone());
        config.offset_reset = OffsetReset::Earliest;
        config
    }

    /// A configuration for a member of `group` that heeds rebalances quickly.
    pub(crate) fn member(&self, group: &str) -> ConsumerConfig {
        let mut config = self.reading().in_group(group);
        config.group.session_timeout = Duration::from_secs(10);
        config.group.heartbeat_interval = Duration::from_millis(100);
        config
    }

    /// A topic of a name that nobody else has.
    pub(crate) async fn topic(&self, name: &str, partitions: i32) -> String {
        self.topic_with(name, partitions, &[]).await
    }

    pub(crate) async fn topic_with(
        &self,
        name: &str,
        partitions: i32,
        configs: &[(&str, &str)],
    ) -> String {
        let name = unique(name);
        let mut topic = NewTopic::new(name.as_str(), partitions, 1);
        for (key, value) in configs {
            topic = topic.config(*key, *value);
        }
        let admin = self.admin();
        let created = admin.create_topics(&[topic], false).await.unwrap();
        assert!(created.values().all(Result::is_ok), "{created:?}");
        admin.close().await;
        name
    }

    /// Sends values to one partition and waits for all of them.
    pub(crate) async fn send(
        &self,
        topic: &str,
        partition: i32,
        values: impl IntoIterator<Item = String>,
    ) -> Vec<RecordMetadata> {
        let producer = self.producer();
        let mut deliveries = Vec::new();
        for value in values {
            let record = Record::to(topic).partition(partition).value(value);
            deliveries.push(producer.send(record).await.unwrap());
        }
        let mut sent = Vec::new();
        for delivery in deliveries {
            sent.push(delivery.await.unwrap());
        }
        producer.close().await;
        sent
    }

    /// All records of a topic, by partition.
    pub(crate) async fn read_all(&self, topic: &str) -> BTreeMap<i32, Vec<ConsumerRecord>> {
        let admin = self.admin();
        let metadata = admin.cluster().with_topic(topic).await.unwrap();
        admin.close().await;
        let partitions = metadata.partitions(topic).unwrap();
        let mut consumer = Consumer::new(self.reading()).unwrap();
        consumer.assign(partitions.clone()).unwrap();
        let ends = consumer.end_offsets(&partitions).await.unwrap();
        let mut records = BTreeMap::<i32, Vec<ConsumerRecord>>::new();
        loop {
            let mut left = 0;
            for partition in &partitions {
                left += ends[partition] - consumer.position(partition).await.unwrap();
            }
            if left <= 0 {
                break;
            }
            for record in consumer.poll(Duration::from_secs(5)).await.unwrap().records() {
                let record = record.unwrap();
                records.entry(record.partition).or_default().push(record);
            }
        }
        consumer.close().await.unwrap();
        records
    }
}

pub(crate) fn unique(name: &str) -> String {
    format!("{name}-{}", Uuid::new_v4().simple())
}

pub(crate) fn partition(topic: &str, index: i32) -> TopicPartition {
    TopicPartition::new(topic, index)
}

/// The values of records as text.
pub(crate) fn values(records: &[ConsumerRecord]) -> Vec<String> {
    let text = |record: &ConsumerRecord| {
        String::from_utf8(record.value.clone().unwrap_or_default().to_vec()).unwrap()
    };
    records.iter().map(text).collect()
}

/// `prefix0`, `prefix1` and so on.
pub(crate) fn numbered(prefix: &str, count: usize) -> Vec<String> {
    (0..count).map(|n| format!("{prefix}{n}")).collect()
}
