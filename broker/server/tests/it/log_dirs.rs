//! Several log dirs, what is told of them, and folders that belong to another broker.

use std::path::Path;

use broker_server::{Broker, BrokerConfig};
use protocol::messages::DescribeLogDirsRequest;

use crate::support::{TestBroker, batch, config_in};

#[tokio::test]
async fn partitions_are_spread_over_the_log_dirs_and_their_sizes_told() {
    let second = tempfile::tempdir().unwrap();
    let first = tempfile::tempdir().unwrap();
    let dirs = format!("{},{}", first.path().display(), second.path().display());
    let test = TestBroker::with(&[("log.dirs", &dirs)]).await;
    let mut wire = test.connect().await;
    wire.create_topic("t", 4, &[]).await;
    wire.produce("t", 3, batch(&["a"])).await;
    let described = wire.call(4, &DescribeLogDirsRequest { topics: None }).await;
    let mut sizes = Vec::new();
    for dir in &described.results {
        assert!(dir.total_bytes > 0 && dir.usable_bytes >= 0, "{dir:?}");
        let partitions = &dir.topics[0].partitions;
        assert_eq!(partitions.len(), 2, "{dir:?}");
        sizes.extend(partitions.iter().map(|p| (p.partition_index, p.partition_size > 0)));
    }
    sizes.sort_unstable();
    assert_eq!(sizes, [(0, false), (1, false), (2, false), (3, true)]);
    test.stop().await;
}

#[tokio::test]
async fn a_folder_of_another_node_or_in_use_starts_no_broker() {
    let test = TestBroker::start().await;
    let dir = test.dir.path();
    let in_use = Broker::start(config_in(dir, &[])).await.err().unwrap().to_string();
    assert!(in_use.contains("in use"), "{in_use}");
    let TestBroker { broker, dir } = test;
    broker.shutdown().await.unwrap();
    let other = Broker::start(config_in(dir.path(), &[("node.id", "5")])).await;
    let other = other.err().unwrap().to_string();
    assert!(other.contains("node 1") && other.contains("node.id"), "{other}");
}

#[tokio::test]
async fn a_port_in_use_is_named() {
    let test = TestBroker::start().await;
    let dir = tempfile::tempdir().unwrap();
    let listeners = format!("PLAINTEXT://{}", test.bootstrap());
    let refused = Broker::start(config_in(dir.path(), &[("listeners", &listeners)])).await;
    let refused = refused.err().unwrap().to_string();
    assert!(refused.contains(&test.bootstrap()), "{refused}");
    test.stop().await;
}

#[tokio::test]
async fn log_dirs_may_change_places_but_not_lose_the_metadata() {
    let (first, second) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (first, second) = (first.path(), second.path());
    let both = |one: &Path, other: &Path| format!("{},{}", one.display(), other.display());
    let start = async |dirs: &str| Broker::start(config_in(first, &[("log.dirs", dirs)])).await;
    let broker = start(&both(first, second)).await.unwrap();
    let dir = tempfile::tempdir().unwrap();
    let test = TestBroker { broker, dir };
    test.connect().await.create_topic("t", 2, &[]).await;
    test.stop().await;

    let broker = start(&both(second, first)).await.unwrap();
    let dir = tempfile::tempdir().unwrap();
    let test = TestBroker { broker, dir };
    let produced = test.connect().await.produce("t", 1, batch(&["a"])).await;
    assert_eq!(produced.error_code, protocol::ErrorCode::None);
    test.stop().await;

    let refused = start(&second.display().to_string()).await.err().unwrap().to_string();
    assert!(refused.contains("__cluster_metadata-0"), "{refused}");
    assert!(first.join("t-0").exists() != second.join("t-0").exists(), "nothing was set aside");
}

#[tokio::test]
async fn a_partition_that_no_topic_knows_is_set_aside_and_stays_on_disk() {
    let test = TestBroker::start().await;
    let mut wire = test.connect().await;
    wire.create_topic("t", 1, &[]).await;
    wire.produce("t", 0, batch(&["a"])).await;
    let TestBroker { broker, dir } = test;
    broker.shutdown().await.unwrap();
    let unknown = dir.path().join("unknown-0");
    std::fs::create_dir(&unknown).unwrap();
    for entry in std::fs::read_dir(dir.path().join("t-0")).unwrap() {
        let entry = entry.unwrap();
        std::fs::copy(entry.path(), unknown.join(entry.file_name())).unwrap();
    }
    let broker = Broker::start(config_in(dir.path(), &[])).await.unwrap();
    let test = TestBroker { broker, dir };
    assert!(!unknown.exists());
    let names = std::fs::read_dir(test.dir.path()).unwrap();
    let names: Vec<String> =
        names.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    let stray = names.iter().find(|name| name.ends_with("-stray")).expect("a stray");
    assert!(stray.starts_with("unknown-0."), "{stray}");
    let mut wire = test.connect().await;
    wire.create_topic("unknown", 1, &[]).await;
    assert_eq!(wire.produce("unknown", 0, batch(&["b"])).await.base_offset, 0);
    test.stop().await;
}

#[tokio::test]
async fn a_file_as_books_print_it_starts_a_broker() {
    let dir = tempfile::tempdir().unwrap();
    let file = format!(
        "# Licensed to whom it may concern\n\
         broker.id=0\n\
         listeners=PLAINTEXT://127.0.0.1:0\n\
         num.network.threads=3\nnum.io.threads=8\n\
         socket.send.buffer.bytes=102400\nsocket.receive.buffer.bytes=102400\n\
         socket.request.max.bytes=104857600\n\
         log.dirs={}\n\
         num.partitions=1\nnum.recovery.threads.per.data.dir=1\n\
         offsets.topic.replication.factor=1\ntransaction.state.log.replication.factor=1\n\
         transaction.state.log.min.isr=1\n\
         log.retention.hours=168\nlog.segment.bytes=1073741824\n\
         log.retention.check.interval.ms=300000\n\
         zookeeper.connect=localhost:2181\nzookeeper.connection.timeout.ms=18000\n\
         group.initial.rebalance.delay.ms=0\n",
        dir.path().join("new/kafka-logs").display()
    );
    let config = BrokerConfig::from_properties(&file).unwrap();
    let on_zookeeper = |note: &String| note.contains("ooKeeper") || note.contains("zookeeper");
    assert!(config.notes.iter().all(on_zookeeper), "words on ZooKeeper alone: {:?}", config.notes);
    let broker = Broker::start(config).await.unwrap();
    assert_eq!(broker.node_id(), 0);
    let test = TestBroker { broker, dir };
    let mut wire = test.connect().await;
    wire.create_topic("t", 1, &[]).await;
    assert_eq!(wire.produce("t", 0, batch(&["a"])).await.base_offset, 0);
    let properties = test.dir.path().join("new/kafka-logs/meta.properties");
    let properties = std::fs::read_to_string(properties).unwrap();
    assert!(properties.contains("node.id=0") && properties.contains(test.broker.cluster_id()));
    test.stop().await;
}
