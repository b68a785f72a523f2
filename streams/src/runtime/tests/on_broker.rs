//! Applications on a broker in this process, over the protocol.

use std::collections::BTreeMap;

use client::{Admin, ClientConfig, Producer, ProducerConfig, Record};

use super::fixture::config;
use crate::ops::tests::fixture::*;
use crate::*;

const PARTITIONS: i32 = 3;

struct Cluster {
    broker: testkit::Cluster,
    client: ClientConfig,
    _folder: tempfile::TempDir,
}

impl Cluster {
    async fn start(topics: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let broker = testkit::Cluster::start(folder.path()).await;
        broker.create_topics(topics, PARTITIONS).await;
        let client = broker.client.clone();
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
        let text = |bytes: bytes::Bytes| String::from_utf8(bytes.to_vec()).unwrap();
        let records = self.broker.records("OUT").await.into_iter();
        records.map(|record| (text(record.key.unwrap()), text(record.value.unwrap()))).collect()
    }

    async fn stop(self) {
        self.broker.stop().await;
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
    let input = TopicPartition::new("IN", 1);
    assert_eq!(committed[&input].as_ref().unwrap().offset, fed as i64 / 3);
    admin.close().await;
    cluster.stop().await;
}
