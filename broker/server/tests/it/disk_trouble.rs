//! Disks that are full, broken or gone under a broker that serves.

use std::sync::Arc;
use std::time::Duration;

use broker_log::Store;
use broker_server::Broker;
use protocol::ErrorCode;
use protocol::messages::metadata_request::MetadataRequestTopic;
use protocol::messages::{DescribeLogDirsRequest, MetadataRequest};
use tempfile::TempDir;
use testkit::disk::{Broken, SimDisk};

use crate::support::{TestBroker, Wire, batch, config_in, create, fetch, produce, records_of};

/// Starts a broker whose folders are on a disk in memory.
async fn start_on(disk: &SimDisk, dirs: &str) -> Result<TestBroker, String> {
    start_with(disk, dirs, Duration::from_millis(5)).await
}

/// As [`start_on`], with a look at the dirs as often as is said.
async fn start_with(disk: &SimDisk, dirs: &str, check: Duration) -> Result<TestBroker, String> {
    let dir: TempDir = tempfile::tempdir().unwrap();
    let mut config = config_in(dir.path(), &[("log.dirs", dirs)]);
    config.environment.store = Arc::new(disk.clone()) as Arc<dyn Store>;
    config.environment.log_dir_check = check;
    let broker = Broker::start(config).await.map_err(|problem| problem.to_string())?;
    Ok(TestBroker { broker, dir })
}

/// Produces until it succeeds, as clients do that are told to try again.
async fn produce_until_taken(wire: &mut Wire, topic: &str, partition: i32, value: &str) -> i64 {
    loop {
        let produced = wire.produce(topic, partition, batch(&[value])).await;
        match produced.error_code {
            ErrorCode::None => return produced.base_offset,
            ErrorCode::KafkaStorageError => {}
            other => panic!("{other:?}"),
        }
    }
}

async fn values(wire: &mut Wire, topic: &str, partition: i32) -> Vec<(i64, String)> {
    records_of(&wire.fetch(topic, partition, 0, 0).await)
}

fn numbered(values: &[&str]) -> Vec<(i64, String)> {
    (0..).zip(values).map(|(offset, value)| (offset, (*value).to_owned())).collect()
}

#[tokio::test]
async fn a_full_disk_refuses_writes_serves_reads_and_goes_on_when_there_is_room() {
    let disk = SimDisk::default();
    let test = start_on(&disk, "/data").await.unwrap();
    let mut wire = test.connect().await;
    wire.create_topic("t", 1, &[]).await;
    wire.produce("t", 0, batch(&["a"])).await;
    disk.leave_room(20);
    for _ in 0..3 {
        let refused = wire.produce("t", 0, batch(&["b"])).await;
        assert_eq!(refused.error_code, ErrorCode::KafkaStorageError);
        assert_eq!(refused.base_offset, -1);
    }
    let told = wire.produce("t", 0, batch(&["b"])).await.error_message.unwrap();
    assert!(told.contains("/data is full"), "{told}");
    assert_eq!(values(&mut wire, "t", 0).await, numbered(&["a"]));
    let created = wire.call(7, &create("u", 1, &[])).await;
    assert_eq!(created.topics[0].error_code, ErrorCode::KafkaStorageError);
    let described = wire.call(4, &DescribeLogDirsRequest { topics: None }).await;
    assert_eq!(described.results[0].error_code, ErrorCode::None, "it is full, not broken");
    assert!(described.results[0].usable_bytes <= 20);

    disk.mend();
    assert_eq!(produce_until_taken(&mut wire, "t", 0, "b").await, 1);
    wire.create_topic("u", 1, &[]).await;
    assert_eq!(values(&mut wire, "t", 0).await, numbered(&["a", "b"]));
    let TestBroker { broker, dir: _ } = test;
    broker.shutdown().await.unwrap();
    let test = start_on(&disk, "/data").await.unwrap();
    let mut wire = test.connect().await;
    assert_eq!(values(&mut wire, "t", 0).await, numbered(&["a", "b"]));
    assert_eq!(wire.produce("u", 0, batch(&["c"])).await.base_offset, 0);
    test.stop().await;
}

#[tokio::test]
async fn a_broker_starts_on_a_full_disk_reads_and_writes_later() {
    for in_order in [true, false] {
        let disk = SimDisk::default();
        let test = start_on(&disk, "/data").await.unwrap();
        let mut wire = test.connect().await;
        wire.create_topic("t", 2, &[]).await;
        wire.produce("t", 0, batch(&["a"])).await;
        test.stop().await;
        if !in_order {
            disk.remove_file("/data/.kafka_cleanshutdown".as_ref()).unwrap();
        }
        disk.leave_room(0);
        let test = start_on(&disk, "/data").await.unwrap();
        let mut wire = test.connect().await;
        let metadata = MetadataRequest {
            topics: Some(vec![MetadataRequestTopic {
                name: Some("t".to_owned()),
                ..MetadataRequestTopic::default()
            }]),
            ..MetadataRequest::default()
        };
        let told = wire.call(9, &metadata).await;
        let port = i32::from(test.broker.address().port());
        assert_eq!(told.brokers[0].port, port, "it is told where it is now");
        assert_eq!(told.topics[0].partitions[0].leader_id, 1);
        assert_eq!(values(&mut wire, "t", 0).await, numbered(&["a"]));
        let refused = wire.produce("t", 0, batch(&["b"])).await;
        assert_eq!(refused.error_code, ErrorCode::KafkaStorageError);
        // A start and a stop more change nothing.
        test.broker.shutdown().await.ok();
        let test = start_on(&disk, "/data").await.unwrap();
        let mut wire = test.connect().await;
        disk.mend();
        assert_eq!(produce_until_taken(&mut wire, "t", 0, "b").await, 1);
        assert_eq!(produce_until_taken(&mut wire, "t", 1, "c").await, 0);
        wire.create_topic("u", 1, &[]).await;
        test.stop().await;
        let test = start_on(&disk, "/data").await.unwrap();
        let mut wire = test.connect().await;
        assert_eq!(values(&mut wire, "t", 0).await, numbered(&["a", "b"]));
        test.stop().await;
    }
}

#[tokio::test]
async fn of_two_dirs_one_that_is_gone_takes_only_its_partitions_with_it_until_it_is_back() {
    let disk = SimDisk::default();
    let test = start_on(&disk, "/one,/two").await.unwrap();
    let mut wire = test.connect().await;
    wire.create_topic("t", 2, &[]).await;
    for partition in [0, 1] {
        wire.produce("t", partition, batch(&["a"])).await;
    }
    let gone = if disk.list("/two/t-1".as_ref()).is_ok() { 1 } else { 0 };
    let stays = 1 - gone;
    disk.break_folder("/two", Broken::Gone);
    let mut codes = Vec::new();
    for partition in [gone, stays] {
        codes.push(wire.produce("t", partition, batch(&["b"])).await.error_code);
    }
    assert_eq!(codes, [ErrorCode::KafkaStorageError, ErrorCode::None]);
    let described = wire.call(4, &DescribeLogDirsRequest { topics: None }).await;
    let codes: Vec<_> = described.results.iter().map(|dir| dir.error_code).collect();
    assert_eq!(codes, [ErrorCode::None, ErrorCode::KafkaStorageError]);
    assert!(described.results[1].topics.is_empty());
    let told = wire.call(9, &MetadataRequest { topics: None, ..Default::default() }).await;
    let offline = |partition: i32| {
        let partitions = &told.topics[0].partitions;
        let found = partitions.iter().find(|found| found.partition_index == partition).unwrap();
        found.offline_replicas.clone()
    };
    assert_eq!((offline(gone), offline(stays)), (vec![1], vec![]));
    // New partitions go to the dir that is there.
    wire.create_topic("u", 2, &[]).await;
    for partition in [0, 1] {
        assert_eq!(wire.produce("u", partition, batch(&["n"])).await.error_code, ErrorCode::None);
    }
    disk.mend();
    assert_eq!(produce_until_taken(&mut wire, "t", gone, "b").await, 1);
    assert_eq!(values(&mut wire, "t", gone).await, numbered(&["a", "b"]));
    assert_eq!(values(&mut wire, "t", stays).await, numbered(&["a", "b"]));
    test.stop().await;
    let test = start_on(&disk, "/one,/two").await.unwrap();
    let mut wire = test.connect().await;
    assert_eq!(values(&mut wire, "t", gone).await, numbered(&["a", "b"]));
    test.stop().await;
}

#[tokio::test]
async fn a_dir_that_is_missing_at_the_start_hides_nothing_and_comes_back() {
    let disk = SimDisk::default();
    let test = start_on(&disk, "/one,/two").await.unwrap();
    let mut wire = test.connect().await;
    wire.create_topic("t", 2, &[]).await;
    for partition in [0, 1] {
        wire.produce("t", partition, batch(&["a"])).await;
    }
    test.stop().await;
    disk.break_folder("/two", Broken::Io);
    let test = start_on(&disk, "/one,/two").await.unwrap();
    let mut wire = test.connect().await;
    let mut codes = Vec::new();
    let mut leaders = Vec::new();
    let told = wire.call(9, &MetadataRequest { topics: None, ..Default::default() }).await;
    for partition in [0, 1] {
        let found = &told.topics[0].partitions[partition as usize];
        leaders.push((found.leader_id, found.error_code));
        let fetched = wire.fetch("t", partition, 0, 0).await;
        codes.push(fetched.responses[0].partitions[0].error_code);
    }
    leaders.sort();
    codes.sort();
    assert_eq!(codes, [ErrorCode::None, ErrorCode::KafkaStorageError]);
    assert_eq!(leaders, [(-1, ErrorCode::LeaderNotAvailable), (1, ErrorCode::None)]);
    disk.mend();
    for partition in [0, 1] {
        assert_eq!(produce_until_taken(&mut wire, "t", partition, "b").await, 1);
        assert_eq!(values(&mut wire, "t", partition).await, numbered(&["a", "b"]));
    }
    test.stop().await;

    for broken in ["/one", "/"] {
        disk.break_folder(broken, Broken::Io);
        let refused = start_on(&disk, "/one,/two").await.err().unwrap();
        let told = if broken == "/" { "none of the log.dirs" } else { "__cluster_metadata-0" };
        assert!(refused.contains(told) && refused.contains("/one"), "{refused}");
        disk.mend();
    }
}

#[tokio::test]
async fn after_a_failed_sync_nothing_is_taken_until_all_was_written_again() {
    let disk = SimDisk::default();
    let test = start_on(&disk, "/one,/two").await.unwrap();
    let mut wire = test.connect().await;
    // The metadata is in the first dir, this in the second.
    wire.create_topic("other", 1, &[]).await;
    wire.create_topic("t", 1, &[("flush.messages", "1")]).await;
    assert!(disk.list("/two/t-0".as_ref()).is_ok());
    assert_eq!(wire.produce("t", 0, batch(&["a"])).await.error_code, ErrorCode::None);
    disk.break_folder("/two", Broken::Sync);
    for value in ["b", "c"] {
        let refused = wire.produce("t", 0, batch(&[value])).await;
        assert_eq!(refused.error_code, ErrorCode::KafkaStorageError);
    }
    assert_eq!(values(&mut wire, "t", 0).await, numbered(&["a"]));
    disk.mend();
    produce_until_taken(&mut wire, "t", 0, "d").await;
    // What was not acknowledged may be there as well, once.
    let found: Vec<_> = values(&mut wire, "t", 0).await.into_iter().map(|found| found.1).collect();
    assert_eq!(found, ["a", "b", "d"]);
    let disk = disk.after_power_loss(7);
    test.stop().await;
    let test = start_on(&disk, "/one,/two").await.unwrap();
    let mut wire = test.connect().await;
    let found: Vec<_> = values(&mut wire, "t", 0).await.into_iter().map(|found| found.1).collect();
    assert_eq!(found, ["a", "b", "d"]);
    test.stop().await;
}

#[tokio::test]
async fn a_commit_of_the_metadata_that_failed_is_not_true_later() {
    let disk = SimDisk::default();
    let test = start_on(&disk, "/data").await.unwrap();
    let mut wire = test.connect().await;
    disk.break_folder("/data/__cluster_metadata-0", Broken::Sync);
    let refused = wire.call(7, &create("t", 1, &[])).await;
    assert_eq!(refused.topics[0].error_code, ErrorCode::KafkaStorageError);
    disk.mend();
    loop {
        let created = wire.call(7, &create("t", 3, &[])).await.topics[0].error_code;
        if created == ErrorCode::None {
            break;
        }
        assert_eq!(created, ErrorCode::KafkaStorageError);
    }
    let disk = disk.after_power_loss(3);
    test.stop().await;
    let test = start_on(&disk, "/data").await.unwrap();
    let mut wire = test.connect().await;
    let told = wire.call(9, &MetadataRequest { topics: None, ..Default::default() }).await;
    assert_eq!(told.topics[0].partitions.len(), 3);
    let sent = wire.call(9, &produce("t", 2, -1, batch(&["a"]))).await;
    assert_eq!(sent.responses[0].partition_responses[0].error_code, ErrorCode::None);
    test.stop().await;
}

/// Waits until a log dir has the code that it is expected to have.
async fn dir_becomes(wire: &mut Wire, number: usize, code: ErrorCode) {
    loop {
        let described = wire.call(4, &DescribeLogDirsRequest { topics: None }).await;
        if described.results[number].error_code == code {
            return;
        }
    }
}

#[tokio::test]
async fn records_that_can_not_be_read_are_said_to_be_so_and_their_dir_is_looked_after() {
    let disk = SimDisk::default();
    let test = start_on(&disk, "/one,/two").await.unwrap();
    let mut wire = test.connect().await;
    // The metadata is in the first dir, this in the second.
    wire.create_topic("other", 1, &[]).await;
    wire.create_topic("t", 1, &[]).await;
    assert!(disk.list("/two/t-0".as_ref()).is_ok());
    wire.produce("t", 0, batch(&["a"])).await;
    disk.break_folder("/two", Broken::Io);
    let fetched = wire.fetch("t", 0, 0, 0).await;
    let partition = &fetched.responses[0].partitions[0];
    assert_eq!(partition.error_code, ErrorCode::KafkaStorageError);
    assert_eq!(partition.high_watermark, -1);
    assert!(records_of(&fetched).is_empty());
    dir_becomes(&mut wire, 1, ErrorCode::KafkaStorageError).await;
    disk.mend();
    assert_eq!(produce_until_taken(&mut wire, "t", 0, "b").await, 1);
    assert_eq!(values(&mut wire, "t", 0).await, numbered(&["a", "b"]));
    dir_becomes(&mut wire, 1, ErrorCode::None).await;
    test.stop().await;
}

#[tokio::test]
async fn an_answer_that_can_not_be_completed_ends_and_the_next_says_why() {
    let disk = SimDisk::default();
    // Nobody but the fetch finds out.
    let never = Duration::from_secs(100_000);
    let test = start_with(&disk, "/one,/two", never).await.unwrap();
    let mut wire = test.connect().await;
    wire.create_topic("other", 1, &[]).await;
    wire.create_topic("t", 1, &[]).await;
    assert!(disk.list("/two/t-0".as_ref()).is_ok());
    let large = "x".repeat(200_000);
    wire.produce("t", 0, batch(&[&large])).await;
    disk.break_folder("/two", Broken::Io);
    wire.send(12, &fetch("t", &[(0, 0)], 0)).await;
    assert!(wire.frame().await.is_none(), "its head is out, and its records can't be read");
    let mut wire = test.connect().await;
    dir_becomes(&mut wire, 1, ErrorCode::KafkaStorageError).await;
    let fetched = wire.fetch("t", 0, 0, 0).await;
    assert_eq!(fetched.responses[0].partitions[0].error_code, ErrorCode::KafkaStorageError);
    disk.mend();
    assert_eq!(values(&mut wire, "t", 0).await, numbered(&[&large]), "what can be read is read");
    test.stop().await;
}
