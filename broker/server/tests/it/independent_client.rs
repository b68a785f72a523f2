//! librdkafka, which knows nothing of this project, against the broker.

use std::collections::BTreeSet;
use std::time::Duration;

use rdkafka::admin::{
    AdminClient, AdminOptions, AlterConfig, NewPartitions, NewTopic, ResourceSpecifier,
    TopicReplication,
};
use rdkafka::client::DefaultClientContext;
use rdkafka::config::{ClientConfig, FromClientConfig};
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer};
use rdkafka::message::{Header, Headers, Message, OwnedHeaders};
use rdkafka::producer::{FutureProducer, FutureRecord};
use rdkafka::util::Timeout;
use rdkafka::{Offset, TopicPartitionList};

use crate::support::TestBroker;

const LONG: Duration = Duration::from_secs(60);

fn client<T: FromClientConfig>(test: &TestBroker, settings: &[(&str, &str)]) -> T {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", test.bootstrap());
    for (key, value) in settings {
        config.set(*key, *value);
    }
    config.create().unwrap()
}

fn consumer(test: &TestBroker, group: &str) -> BaseConsumer {
    client(
        test,
        &[
            ("group.id", group),
            ("auto.offset.reset", "earliest"),
            ("enable.auto.commit", "false"),
            ("session.timeout.ms", "10000"),
            ("heartbeat.interval.ms", "200"),
        ],
    )
}

async fn create(test: &TestBroker, name: &str, partitions: i32) {
    let admin: AdminClient<DefaultClientContext> = client(test, &[]);
    let topic = NewTopic::new(name, partitions, TopicReplication::Fixed(1));
    let results = admin.create_topics([&topic], &AdminOptions::new()).await.unwrap();
    assert_eq!(results, [Ok(name.to_owned())]);
}

async fn send(producer: &FutureProducer, topic: &str, partition: i32, value: &str) -> i64 {
    let record = FutureRecord::<str, str>::to(topic).partition(partition).key("k").payload(value);
    producer.send(record, Timeout::After(LONG)).await.unwrap().offset
}

/// Polls until `count` records are there; blocks the thread, so it runs on one of its own.
fn poll(consumer: &BaseConsumer, count: usize) -> Vec<(i32, i64, String)> {
    let mut found = Vec::new();
    let begun = std::time::Instant::now();
    while found.len() < count {
        assert!(begun.elapsed() < LONG, "{count} records in time, not only {found:?}");
        // It may come back early, when the group is at work.
        let Some(message) = consumer.poll(LONG) else { continue };
        let message = message.unwrap();
        let value = String::from_utf8(message.payload().unwrap().to_vec()).unwrap();
        found.push((message.partition(), message.offset(), value));
    }
    found
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn records_in_every_compression_keep_keys_headers_and_times() {
    let test = TestBroker::start().await;
    create(&test, "t", 1).await;
    let codecs = ["none", "gzip", "snappy", "lz4"];
    for (offset, codec) in (0..).zip(codecs) {
        let producer: FutureProducer =
            client(&test, &[("compression.type", codec), ("enable.idempotence", "true")]);
        let headers = OwnedHeaders::new().insert(Header { key: "h", value: Some(codec) });
        let value = codec.repeat(100);
        let record = FutureRecord::<str, str>::to("t")
            .key(codec)
            .payload(&value)
            .timestamp(1_700_000_000_000 + offset)
            .headers(headers);
        let delivered = producer.send(record, Timeout::After(LONG)).await.unwrap();
        assert_eq!(delivered.offset, offset);
    }
    let consumer = consumer(&test, "any");
    let read = tokio::task::spawn_blocking(move || {
        let mut assignment = TopicPartitionList::new();
        assignment.add_partition_offset("t", 0, Offset::Beginning).unwrap();
        consumer.assign(&assignment).unwrap();
        for (offset, codec) in (0..).zip(codecs) {
            let message = consumer.poll(LONG).expect("a record in time").unwrap();
            assert_eq!(message.offset(), offset);
            assert_eq!(message.key(), Some(codec.as_bytes()));
            assert_eq!(message.payload(), Some(codec.repeat(100).as_bytes()));
            assert_eq!(message.timestamp().to_millis(), Some(1_700_000_000_000 + offset));
            let header = message.headers().unwrap().get(0);
            assert_eq!((header.key, header.value), ("h", Some(codec.as_bytes())));
        }
        assert_eq!(consumer.fetch_watermarks("t", 0, LONG).unwrap(), (0, 4));
        let mut times = TopicPartitionList::new();
        times.add_partition_offset("t", 0, Offset::Offset(1_700_000_000_002)).unwrap();
        let found = consumer.offsets_for_times(times, LONG).unwrap();
        assert_eq!(found.elements()[0].offset(), Offset::Offset(2));
    });
    read.await.unwrap();
    test.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn topics_and_their_settings_are_administered() {
    let test = TestBroker::start().await;
    create(&test, "t", 1).await;
    let admin: AdminClient<DefaultClientContext> = client(&test, &[]);
    let options = AdminOptions::new();
    let topic = NewTopic::new("t", 1, TopicReplication::Fixed(1));
    let again = admin.create_topics([&topic], &options).await.unwrap().remove(0);
    let (_, code) = again.unwrap_err();
    assert_eq!(code, rdkafka::types::RDKafkaErrorCode::TopicAlreadyExists);
    let grown = admin.create_partitions([&NewPartitions::new("t", 3)], &options).await.unwrap();
    assert_eq!(grown, [Ok("t".to_owned())]);

    let change = AlterConfig::new(ResourceSpecifier::Topic("t")).set("retention.ms", "123456");
    let altered = admin.alter_configs([&change], &options).await.unwrap();
    assert!(altered[0].is_ok(), "{altered:?}");
    let resource = ResourceSpecifier::Topic("t");
    let described = admin.describe_configs([&resource], &options).await.unwrap().remove(0).unwrap();
    let retention = described.get("retention.ms").unwrap();
    assert_eq!(retention.value.as_deref(), Some("123456"));
    assert!(!retention.is_default);

    let consumer = consumer(&test, "any");
    let metadata = consumer.fetch_metadata(Some("t"), LONG).unwrap();
    assert_eq!(metadata.topics()[0].partitions().len(), 3);
    let deleted = admin.delete_topics(&["t"], &options).await.unwrap();
    assert_eq!(deleted, [Ok("t".to_owned())]);
    test.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_group_commits_and_resumes_where_it_was() {
    let test = TestBroker::start().await;
    create(&test, "t", 1).await;
    let producer: FutureProducer = client(&test, &[]);
    for value in ["a", "b", "c"] {
        send(&producer, "t", 0, value).await;
    }
    let first = consumer(&test, "g");
    let read = tokio::task::spawn_blocking(move || {
        first.subscribe(&["t"]).unwrap();
        let found = poll(&first, 2);
        let mut offsets = TopicPartitionList::new();
        offsets.add_partition_offset("t", 0, Offset::Offset(2)).unwrap();
        first.commit(&offsets, CommitMode::Sync).unwrap();
        found
    });
    let found = read.await.unwrap();
    assert_eq!(found, [(0, 0, "a".to_owned()), (0, 1, "b".to_owned())]);

    // Also after the broker was started anew.
    let test = test.restart().await;
    let second = consumer(&test, "g");
    let read = tokio::task::spawn_blocking(move || {
        second.subscribe(&["t"]).unwrap();
        poll(&second, 1)
    });
    assert_eq!(read.await.unwrap(), [(0, 2, "c".to_owned())]);
    test.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_members_share_a_topic_and_one_takes_over() {
    let test = TestBroker::start().await;
    create(&test, "t", 4).await;
    let producer: FutureProducer = client(&test, &[]);
    let (first, second) = (consumer(&test, "g"), consumer(&test, "g"));
    let shared = tokio::task::spawn_blocking(move || {
        first.subscribe(&["t"]).unwrap();
        second.subscribe(&["t"]).unwrap();
        let partitions = |consumer: &BaseConsumer| -> BTreeSet<i32> {
            let assignment = consumer.assignment().unwrap();
            assignment.elements().iter().map(|element| element.partition()).collect()
        };
        loop {
            // Polling is what lets a member take part; nothing is produced yet.
            assert!(first.poll(Duration::from_millis(10)).is_none());
            assert!(second.poll(Duration::from_millis(10)).is_none());
            let (one, other) = (partitions(&first), partitions(&second));
            if one.len() == 2 && other.len() == 2 {
                assert!(one.is_disjoint(&other));
                break;
            }
        }
        drop(second);
        while partitions(&first).len() < 4 {
            assert!(first.poll(Duration::from_millis(10)).is_none());
        }
        first
    });
    let first = shared.await.unwrap();
    for partition in 0..4 {
        send(&producer, "t", partition, "x").await;
    }
    let found = tokio::task::spawn_blocking(move || poll(&first, 4)).await.unwrap();
    let partitions: BTreeSet<i32> = found.into_iter().map(|(partition, ..)| partition).collect();
    assert_eq!(partitions, BTreeSet::from([0, 1, 2, 3]));
    test.stop().await;
}
