//! Applications on a broker in this process, over the protocol.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use broker_server::Broker;
use broker_server::config::local;
use client::admin::NewTopic;
use client::consumer::{Consumer, ConsumerConfig};
use client::{Admin, ClientConfig, MemoryConnector, Producer, ProducerConfig, Record};

use super::fixture::config;
use crate::ops::tests::fixture::*;
use crate::*;

const PARTITIONS: i32 = 3;

struct Cluster {
    broker: Arc<Broker>,
    client: ClientConfig,
    _folder: tempfile::TempDir,
}

impl Cluster {
    async fn start(topics: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let broker = Broker::start(local(folder.path(), &[]).unwrap()).await.unwrap();
        let broker = Arc::new(broker);
        let opened = Arc::downgrade(&broker);
        let connector = MemoryConnector::new(move || {
            let gone = || std::io::Error::other("the broker is gone");
            Ok(opened.upgrade().ok_or_else(gone)?.connect_memory())
        });
        let client = ClientConfig::memory(connector);
        let admin = Admin::new(client.clone()).unwrap();
        let topics: Vec<NewTopic> =
            topics.iter().map(|name| NewTopic::new(*name, PARTITIONS, 1)).collect();
        let created = admin.create_topics(&topics, false).await.unwrap();
        assert!(created.values().all(Result::is_ok), "{created:?}");
        admin.close().await;
        Self { broker, client, _folder: folder }
    }

    async fn feed(&self, records: impl Iterator<Item = (i32, String)>) {
        let producer = Producer::new(ProducerConfig::new(self.client.clone())).unwrap();
        for (partition, value) in records {
            let record = Record::to("IN").partition(partition).key("x").value(value);
            producer.send(record.timestamp_ms(5)).await.unwrap();
        }
        producer.close().await;
    }

    /// The last value of each key of OUT.
    async fn table(&self) -> BTreeMap<String, String> {
        let mut consumer = Consumer::new(ConsumerConfig::new(self.client.clone())).unwrap();
        let partitions = (0..PARTITIONS).map(|p| client::TopicPartition::new("OUT", p));
        let partitions: Vec<_> = partitions.collect();
        let ends = consumer.end_offsets(&partitions).await.unwrap();
        consumer.assign(partitions.clone()).unwrap();
        consumer.seek_to_beginning(&[]).unwrap();
        let mut left: i64 = ends.values().sum();
        let mut table = BTreeMap::new();
        let text = |bytes: bytes::Bytes| String::from_utf8(bytes.to_vec()).unwrap();
        while left > 0 {
            let polled = consumer.poll(Duration::from_millis(100)).await.unwrap();
            for record in polled.records() {
                let record = record.unwrap();
                table.insert(text(record.key.unwrap()), text(record.value.unwrap()));
                left -= 1;
            }
        }
        consumer.close().await.unwrap();
        table
    }

    async fn stop(self) {
        let broker = Arc::into_inner(self.broker).expect("the connector holds no broker");
        broker.shutdown().await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn counts_are_exact_on_a_real_broker_after_kills_and_a_lost_folder() {
    let cluster = Cluster::start(&["IN", "OUT"]).await;
    let folder = tempfile::tempdir().unwrap();
    let state_dir = folder.path().join("state");
    let start = || async {
        let config = config(Some(&state_dir));
        App::new(config, cluster.client.clone(), counting(None)).unwrap().run().await.unwrap()
    };
    let mut fed = 0;
    for round in 0..4 {
        let records = (0..600).map(|n| (n % PARTITIONS, format!("g{},1", n % 4)));
        cluster.feed(records).await;
        fed += 600;
        let handle = start().await;
        let commits = async {
            while handle.metrics().commits < 2 * round {
                tokio::task::yield_now().await;
            }
        };
        tokio::select! {
            () = commits => {}
            caught_up = handle.wait_caught_up() => caught_up.unwrap(),
        }
        handle.kill().await;
        if round == 2 {
            std::fs::remove_dir_all(&state_dir).unwrap();
        }
    }
    let handle = start().await;
    handle.wait_caught_up().await.unwrap();
    let count = fed / 4;
    let expected: BTreeMap<String, String> =
        (0..4).map(|group| (format!("g{group}"), format!("{count},{count}"))).collect();
    assert_eq!(cluster.table().await, expected);
    let mut rows = rows_of(&handle.query("RESULT").unwrap().all().await.unwrap());
    rows.sort();
    let wanted: Vec<String> =
        expected.iter().map(|(group, value)| format!("{group},{value},5")).collect();
    assert_eq!(rows, wanted);
    assert!(handle.lag().await.unwrap().values().all(|lag| *lag == 0));
    handle.close().await.unwrap();

    let admin = Admin::new(cluster.client.clone()).unwrap();
    let committed = admin.list_group_offsets("app", None).await.unwrap();
    let input = client::TopicPartition::new("IN", 1);
    assert_eq!(committed[&input].as_ref().unwrap().offset, fed as i64 / 3);
    admin.close().await;
    cluster.stop().await;
}
