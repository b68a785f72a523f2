//! Partitions that are moved to another log dir while they are used.

use std::path::Path;

use broker_server::Broker;
use protocol::ErrorCode;
use protocol::messages::alter_replica_log_dirs_request::{
    AlterReplicaLogDir, AlterReplicaLogDirTopic,
};
use protocol::messages::{AlterReplicaLogDirsRequest, DescribeLogDirsRequest};
use tempfile::TempDir;

use crate::support::{TestBroker, Wire, batch, config_in, records_of};

struct TwoDirs {
    one: TempDir,
    two: TempDir,
}

impl TwoDirs {
    fn new() -> Self {
        Self { one: tempfile::tempdir().unwrap(), two: tempfile::tempdir().unwrap() }
    }

    async fn start(&self) -> TestBroker {
        let dirs = format!("{},{}", self.one.path().display(), self.two.path().display());
        let dir = tempfile::tempdir().unwrap();
        let broker = Broker::start(config_in(dir.path(), &[("log.dirs", &dirs)])).await.unwrap();
        TestBroker { broker, dir }
    }

    /// The folder that a partition is in, and the one that it is not in.
    fn of(&self, partition: &str) -> (&Path, &Path) {
        let (one, two) = (self.one.path(), self.two.path());
        if one.join(partition).exists() { (one, two) } else { (two, one) }
    }
}

async fn alter(wire: &mut Wire, path: &Path, topic: &str, partition: i32) -> ErrorCode {
    let request = AlterReplicaLogDirsRequest {
        dirs: vec![AlterReplicaLogDir {
            path: path.display().to_string(),
            topics: vec![AlterReplicaLogDirTopic {
                name: topic.to_owned(),
                partitions: vec![partition],
            }],
        }],
    };
    let response = wire.call(2, &request).await;
    let [result] = &response.results[..] else { panic!("{response:?}") };
    assert_eq!((&*result.topic_name, result.partitions[0].partition_index), (topic, partition));
    result.partitions[0].error_code
}

/// Dir, whether it is a copy, and lag of all replicas of a topic.
async fn replicas(wire: &mut Wire, topic: &str) -> Vec<(String, bool, i64)> {
    let described = wire.call(4, &DescribeLogDirsRequest { topics: None }).await;
    let mut found = Vec::new();
    for dir in &described.results {
        for of_topic in dir.topics.iter().filter(|found| found.name == topic) {
            found.extend(of_topic.partitions.iter().map(|partition| {
                (dir.log_dir.clone(), partition.is_future_key, partition.offset_lag)
            }));
        }
    }
    found
}

async fn wait_until_moved(wire: &mut Wire, topic: &str, to: &Path) {
    let there = [(to.display().to_string(), false, 0)];
    while replicas(wire, topic).await != there {}
}

#[tokio::test]
async fn a_partition_is_moved_while_it_is_written_and_read() {
    let dirs = TwoDirs::new();
    let test = dirs.start().await;
    let mut wire = test.connect().await;
    wire.create_topic("t", 1, &[("file.delete.delay.ms", "0")]).await;
    let mut written = 0;
    let mut write = async |wire: &mut Wire, count: i64| {
        for _ in 0..count {
            let produced = wire.produce("t", 0, batch(&[&written.to_string()])).await;
            assert_eq!((produced.error_code, produced.base_offset), (ErrorCode::None, written));
            written += 1;
        }
        written
    };
    write(&mut wire, 100).await;
    for _ in 0..3 {
        let (from, to) = dirs.of("t-0");
        assert_eq!(alter(&mut wire, to, "t", 0).await, ErrorCode::None);
        write(&mut wire, 40).await;
        wait_until_moved(&mut wire, "t", to).await;
        let total = write(&mut wire, 5).await;
        let mut found = Vec::new();
        while (found.len() as i64) < total {
            found.extend(records_of(&wire.fetch("t", 0, found.len() as i64, 0).await));
        }
        let expected: Vec<_> = (0..total).map(|number| (number, number.to_string())).collect();
        assert_eq!(found, expected);
        assert!(to.join("t-0").exists() && !from.join("t-0").exists());
    }
    test.stop().await;
    let (holder, _) = dirs.of("t-0");
    let test = dirs.start().await;
    let mut wire = test.connect().await;
    assert_eq!(replicas(&mut wire, "t").await, [(holder.display().to_string(), false, 0)]);
    let next = wire.produce("t", 0, batch(&["after"])).await;
    assert_eq!(next.base_offset, 235);
    test.stop().await;
}

#[tokio::test]
async fn a_copy_that_was_left_by_a_stop_is_gone_on_with() {
    let dirs = TwoDirs::new();
    let test = dirs.start().await;
    let mut wire = test.connect().await;
    wire.create_topic("t", 1, &[]).await;
    for number in 0..50 {
        wire.produce("t", 0, batch(&[&number.to_string()])).await;
    }
    test.stop().await;
    let (from, to) = dirs.of("t-0");
    // As a copy looks that has just begun.
    let left = to.join("t-0.00000000000000000000000000000001-future");
    std::fs::create_dir(&left).unwrap();
    let metadata = "partition.metadata";
    std::fs::copy(from.join("t-0").join(metadata), left.join(metadata)).unwrap();
    // And one of a partition that nobody knows.
    let unknown = to.join("u-0.00000000000000000000000000000001-future");
    std::fs::create_dir(&unknown).unwrap();
    let test = dirs.start().await;
    let mut wire = test.connect().await;
    wait_until_moved(&mut wire, "t", to).await;
    let expected: Vec<_> = (0..50).map(|number| (number, number.to_string())).collect();
    assert_eq!(records_of(&wire.fetch("t", 0, 0, 0).await), expected);
    assert!(to.join("t-0").exists() && !left.exists() && !unknown.exists());
    test.stop().await;
}

#[tokio::test]
async fn what_can_not_be_moved_is_refused_by_the_right_code() {
    let dirs = TwoDirs::new();
    let test = dirs.start().await;
    let mut wire = test.connect().await;
    wire.create_topic("t", 1, &[]).await;
    let long = "l".repeat(249);
    wire.create_topic(&long, 1, &[]).await;
    let (from, to) = dirs.of("t-0");
    let elsewhere = tempfile::tempdir().unwrap();
    assert_eq!(alter(&mut wire, elsewhere.path(), "t", 0).await, ErrorCode::LogDirNotFound);
    assert_eq!(alter(&mut wire, to, "t", 1).await, ErrorCode::UnknownTopicOrPartition);
    assert_eq!(alter(&mut wire, to, &long, 0).await, ErrorCode::InvalidTopicException);
    let metadata = alter(&mut wire, to, "__cluster_metadata", 0).await;
    assert_eq!(metadata, ErrorCode::UnknownTopicOrPartition);
    assert_eq!(alter(&mut wire, from, "t", 0).await, ErrorCode::None, "it is there");
    assert_eq!(replicas(&mut wire, "t").await, [(from.display().to_string(), false, 0)]);
    test.stop().await;
}

#[tokio::test]
async fn a_partition_that_is_not_there_yet_is_made_where_it_was_asked_for() {
    let dirs = TwoDirs::new();
    let test = dirs.start().await;
    let mut wire = test.connect().await;
    for topic in ["a", "b", "c"] {
        let code = alter(&mut wire, dirs.two.path(), topic, 0).await;
        assert_eq!(code, ErrorCode::UnknownTopicOrPartition);
        wire.create_topic(topic, 1, &[]).await;
    }
    for topic in ["a-0", "b-0", "c-0"] {
        assert_eq!(dirs.of(topic).0, dirs.two.path());
    }
    test.stop().await;
}

#[tokio::test]
async fn a_topic_that_is_deleted_while_it_is_moved_leaves_nothing() {
    let dirs = TwoDirs::new();
    let test = dirs.start().await;
    let mut wire = test.connect().await;
    let delay = [("file.delete.delay.ms", "0")];
    wire.create_topic("t", 4, &delay).await;
    for partition in 0..4 {
        wire.produce("t", partition, batch(&["a"])).await;
        let (_, to) = dirs.of(&format!("t-{partition}"));
        assert_eq!(alter(&mut wire, to, "t", partition).await, ErrorCode::None);
    }
    let request = protocol::messages::DeleteTopicsRequest {
        topic_names: vec!["t".to_owned()],
        timeout_ms: 1000,
        ..Default::default()
    };
    let deleted = wire.call(5, &request).await;
    assert_eq!(deleted.responses[0].error_code, ErrorCode::None);
    test.stop().await;
    for dir in [dirs.one.path(), dirs.two.path()] {
        let left: Vec<_> = std::fs::read_dir(dir)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .filter(|name| name.starts_with("t-"))
            .collect();
        assert_eq!(left, Vec::<String>::new());
    }
}
