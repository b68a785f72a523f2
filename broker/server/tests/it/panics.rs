//! A panic between a write and its bookkeeping: the log is failed as after an error of the disk,
//! and what goes on is what its files say.

use std::sync::Arc;
use std::time::Duration;

use broker_log::Store;
use broker_server::Broker;
use protocol::ErrorCode;
use protocol::messages::offset_fetch_request::OffsetFetchRequestTopics;
use testkit::disk::SimDisk;
use uuid::Uuid;

use crate::groups::{committing, fetching, find_coordinator, offsets};
use crate::support::{TestBroker, Wire, batch, config_in, create, produce, records_of};

async fn start(disk: &SimDisk) -> TestBroker {
    start_with(disk, &[("log.dirs", "/data")]).await
}

async fn start_with(disk: &SimDisk, settings: &[(&str, &str)]) -> TestBroker {
    let dir = tempfile::tempdir().unwrap();
    let mut config = config_in(dir.path(), settings);
    config.environment.store = Arc::new(disk.clone()) as Arc<dyn Store>;
    config.environment.log_dir_check = Duration::from_millis(5);
    TestBroker { broker: Broker::start(config).await.unwrap(), dir }
}

async fn produce_until_taken(wire: &mut Wire, value: &str) -> (i64, bool) {
    let mut was_refused = false;
    loop {
        let produced = wire.produce("t", 0, batch(&[value])).await;
        match produced.error_code {
            ErrorCode::None => return (produced.base_offset, was_refused),
            ErrorCode::KafkaStorageError => was_refused = true,
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn a_log_that_a_panic_left_half_changed_takes_nothing_until_it_was_read_anew() {
    let disk = SimDisk::default();
    let test = start(&disk).await;
    let mut wire = test.connect().await;
    wire.create_topic("t", 1, &[]).await;
    for value in ["a", "b"] {
        wire.produce("t", 0, batch(&[value])).await;
    }
    disk.panic_after_write("/data/t-0");
    let mut victim = test.connect().await;
    victim.send(9, &produce("t", 0, -1, batch(&["c"]))).await;
    assert_eq!(victim.frame().await, None, "its connection ends, and nothing is acknowledged");
    let (offset, was_refused) = produce_until_taken(&mut wire, "d").await;
    assert!(was_refused, "the log dir has failed");
    // The batch is in the file, whole, and its producer will send it again.
    assert_eq!(offset, 3);
    let expected: Vec<_> =
        (0..).zip(["a", "b", "c", "d"]).map(|(at, value)| (at, value.to_owned())).collect();
    assert_eq!(records_of(&wire.fetch("t", 0, 0, 0).await), expected);
    test.stop().await;
    let test = start(&disk).await;
    let mut wire = test.connect().await;
    assert_eq!(records_of(&wire.fetch("t", 0, 0, 0).await), expected);
    test.stop().await;
}

#[tokio::test]
async fn a_log_that_a_panic_left_half_changed_is_not_closed_in_order() {
    let disk = SimDisk::default();
    let test = start(&disk).await;
    let mut wire = test.connect().await;
    wire.create_topic("t", 1, &[]).await;
    wire.produce("t", 0, batch(&["a"])).await;
    disk.panic_after_write("/data/t-0");
    wire.send(9, &produce("t", 0, -1, batch(&["b"]))).await;
    assert_eq!(wire.frame().await, None);
    // It may have been read anew by now, or not; either way it is what its file says.
    test.broker.shutdown().await.ok();
    let test = start(&disk).await;
    let mut wire = test.connect().await;
    let found = records_of(&wire.fetch("t", 0, 0, 0).await);
    assert_eq!(found, [(0, "a".to_owned()), (1, "b".to_owned())]);
    assert_eq!(wire.produce("t", 0, batch(&["c"])).await.base_offset, 2);
    test.stop().await;
}

#[tokio::test]
async fn a_batch_that_waits_behind_a_panic_is_answered() {
    let disk = SimDisk::default();
    let test = start(&disk).await;
    let mut wire = test.connect().await;
    wire.create_topic("t", 1, &[]).await;
    wire.produce("t", 0, batch(&["a"])).await;
    for round in 0..20 {
        disk.panic_after_write("/data/t-0");
        // Several connections bring theirs at the same time; each is answered or ends.
        let mut others = Vec::new();
        for _ in 0..4 {
            let mut other = test.connect().await;
            other.send(9, &produce("t", 0, -1, batch(&["x"]))).await;
            others.push(other);
        }
        for mut other in others {
            let answered = tokio::time::timeout(Duration::from_secs(20), other.frame()).await;
            assert!(answered.is_ok(), "round {round}: a producer waits for ever");
        }
        produce_until_taken(&mut wire, "next").await;
    }
    test.stop().await;
}

#[tokio::test]
async fn a_change_of_the_metadata_that_a_panic_cut_short_ends_all_changes_until_a_restart() {
    let disk = SimDisk::default();
    let test = start(&disk).await;
    let mut wire = test.connect().await;
    wire.create_topic("t", 1, &[]).await;
    disk.panic_after_write("/data/__cluster_metadata-0");
    let cut_short = wire.call(7, &create("u", 1, &[])).await;
    assert_ne!(cut_short.topics[0].error_code, ErrorCode::None);
    let refused = wire.call(7, &create("v", 1, &[])).await;
    assert_eq!(refused.topics[0].error_code, ErrorCode::KafkaStorageError);
    assert_eq!(wire.produce("t", 0, batch(&["a"])).await.error_code, ErrorCode::None);
    // It can't be stopped in order, for its log is read anew.
    let _ = test.broker.shutdown().await;
    let test = start(&disk).await;
    let mut wire = test.connect().await;
    let again = wire.call(7, &create("u", 1, &[])).await.topics[0].error_code;
    assert!(matches!(again, ErrorCode::None | ErrorCode::TopicAlreadyExists), "{again:?}");
    wire.create_topic("v", 1, &[]).await;
    assert_eq!(records_of(&wire.fetch("t", 0, 0, 0).await), [(0, "a".to_owned())]);
    test.stop().await;
}

#[tokio::test]
async fn groups_that_a_panic_left_half_changed_are_read_anew() {
    let disk = SimDisk::default();
    let settings = [("log.dirs", "/data"), ("offsets.topic.num.partitions", "1")];
    let test = start_with(&disk, &settings).await;
    let mut wire = test.connect().await;
    wire.create_topic("t", 1, &[]).await;
    find_coordinator(&mut wire, "g").await;
    commit_until_taken(&mut wire, 5).await;
    disk.panic_after_write("/data/__consumer_offsets-0");
    let mut victim = test.connect().await;
    victim.send(9, &committing("g", ("t", Uuid::nil()), 6)).await;
    assert_eq!(victim.frame().await, None, "its connection ends, and nothing is acknowledged");
    // The commit is in the log, and may hold.
    let found = committed(&mut wire).await;
    assert!(found == 6 || found == 5, "{found}");
    commit_until_taken(&mut wire, 7).await;
    assert_eq!(committed(&mut wire).await, 7);
    test.stop().await;
    let test = start_with(&disk, &settings).await;
    let mut wire = test.connect().await;
    find_coordinator(&mut wire, "g").await;
    assert_eq!(committed(&mut wire).await, 7);
    test.stop().await;
}

async fn commit_until_taken(wire: &mut Wire, offset: i64) {
    loop {
        let response = wire.call(9, &committing("g", ("t", Uuid::nil()), offset)).await;
        match response.topics[0].partitions[0].error_code {
            ErrorCode::None => return,
            ErrorCode::CoordinatorNotAvailable | ErrorCode::CoordinatorLoadInProgress => {}
            other => panic!("{other:?}"),
        }
        tokio::task::yield_now().await;
    }
}

/// The offset that a group has committed, once its coordinator answers.
async fn committed(wire: &mut Wire) -> i64 {
    let topic = OffsetFetchRequestTopics {
        name: "t".to_owned(),
        partition_indexes: vec![0],
        ..OffsetFetchRequestTopics::default()
    };
    loop {
        let response = wire.call(9, &fetching("g", Some(vec![topic.clone()]))).await;
        if response.groups[0].error_code == ErrorCode::None {
            return offsets(&response)[0].1;
        }
        tokio::task::yield_now().await;
    }
}
