//! What `flush.messages` promises: nothing is acknowledged or read before it is synced, and many
//! producers share a sync.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use broker_server::Broker;
use protocol::ErrorCode;
use protocol::messages::offset_commit_request::{
    OffsetCommitRequestPartition, OffsetCommitRequestTopic,
};
use protocol::messages::{
    FetchResponse, FindCoordinatorRequest, OffsetCommitRequest, ProduceRequest,
};
use tokio::task::JoinSet;

use crate::disk::{Disk, Gate};
use crate::support::{Wire, batch, config_in, produce, records_of};

async fn start(disk: &Disk, settings: &[(&str, &str)]) -> Broker {
    let mut config = config_in(Path::new("/data"), settings);
    config.environment.store = Arc::new(disk.clone());
    config.environment.log_dir_check = Duration::from_millis(5);
    Broker::start(config).await.unwrap()
}

async fn connect(broker: &Broker) -> Wire {
    Wire::new(tokio::net::TcpStream::connect(broker.address()).await.unwrap())
}

/// Waits for something that the broker does by itself.
async fn until(mut happened: impl FnMut() -> bool) {
    while !happened() {
        tokio::task::yield_now().await;
    }
}

/// What a fetch of the first partition is told, whose end has moved there or not.
fn visible(response: &FetchResponse) -> (usize, i64) {
    let partition = &response.responses[0].partitions[0];
    (records_of(response).len(), partition.high_watermark)
}

#[tokio::test]
async fn what_is_acknowledged_is_synced_whoever_asks_for_how_many_replicas() {
    let disk = Disk::default();
    let broker = start(&disk, &[]).await;
    connect(&broker).await.create_topic("t", 3, &[("flush.messages", "1")]).await;
    let size = batch(&["0"]).len() as i64;
    let mut producers = JoinSet::new();
    for producer in 0..6 {
        let (mut wire, disk) = (connect(&broker).await, disk.clone());
        producers.spawn(async move {
            for _ in 0..10 {
                let (partition, acks) = (producer % 3, if producer < 3 { 1 } else { -1 });
                let request = produce("t", partition, acks, batch(&["0"]));
                let response = wire.call(9, &request).await;
                let answer = &response.responses[0].partition_responses[0];
                assert_eq!(answer.error_code, ErrorCode::None);
                let synced = disk.synced(&format!("t-{partition}")).bytes as i64;
                let end = (answer.base_offset + 1) * size;
                assert!(synced >= end, "{synced} of {end} bytes are synced");
            }
        });
    }
    producers.join_all().await;
    assert_eq!(broker.metrics().records_appended, 60);
    broker.shutdown().await.unwrap();
}

/// `count` producers have sent a record each and wait; the first one's sync is held up.
async fn held_up(broker: &Broker, disk: &Disk, count: u64) -> Vec<Wire> {
    connect(broker).await.create_topic("t", 1, &[("flush.messages", "1")]).await;
    disk.set(Gate::Closed);
    let mut producers = Vec::new();
    for number in 1..=count {
        let mut wire = connect(broker).await;
        wire.send(9, &produce("t", 0, 1, batch(&["x"]))).await;
        producers.push(wire);
        until(|| broker.metrics().records_appended == number).await;
        until(|| disk.synced("t-0").begun == 1).await;
    }
    producers
}

#[tokio::test]
async fn producers_that_wait_share_a_sync_and_consumers_see_nothing_before_it() {
    let disk = Disk::default();
    let broker = start(&disk, &[]).await;
    let producers = held_up(&broker, &disk, 20).await;
    let mut consumer = connect(&broker).await;
    assert_eq!(visible(&consumer.fetch("t", 0, 0, 0).await), (0, 0));
    // One that waits for records is woken by the sync.
    let waiting = tokio::spawn(async move { visible(&consumer.fetch("t", 0, 0, 60_000).await) });
    disk.set(Gate::Open);
    for mut wire in producers {
        let answer = wire.receive::<ProduceRequest>(9).await;
        assert_eq!(answer.responses[0].partition_responses[0].error_code, ErrorCode::None);
    }
    assert!(waiting.await.unwrap().0 > 0);
    let mut consumer = connect(&broker).await;
    assert_eq!(visible(&consumer.fetch("t", 0, 0, 0).await), (20, 20));
    let synced = disk.synced("t-0");
    assert_eq!((synced.begun, synced.done), (2, 2), "the first, and one for the other 19");
    broker.shutdown().await.unwrap();
}

#[tokio::test]
async fn a_sync_that_fails_is_told_to_all_that_wait_and_nothing_is_taken_after_it() {
    let disk = Disk::default();
    let broker = start(&disk, &[]).await;
    let producers = held_up(&broker, &disk, 5).await;
    disk.set(Gate::Failing);
    let code = |response: &protocol::messages::ProduceResponse| {
        response.responses[0].partition_responses[0].error_code
    };
    for mut wire in producers {
        let answer = wire.receive::<ProduceRequest>(9).await;
        assert_eq!(code(&answer), ErrorCode::KafkaStorageError);
    }
    let mut wire = connect(&broker).await;
    let answer = wire.call(9, &produce("t", 0, -1, batch(&["y"]))).await;
    assert_eq!(code(&answer), ErrorCode::KafkaStorageError);
    assert_eq!(visible(&wire.fetch("t", 0, 0, 0).await), (0, 0));
    assert_eq!(disk.synced("t-0").done, 0);
    // The disk is well again: what it may have dropped is written again before anything is taken.
    disk.set(Gate::Open);
    while code(&wire.call(9, &produce("t", 0, -1, batch(&["z"]))).await) != ErrorCode::None {}
    assert_eq!(visible(&wire.fetch("t", 0, 0, 0).await), (6, 6));
    broker.shutdown().await.unwrap();
}

#[tokio::test]
async fn the_record_that_completes_flush_messages_waits_for_the_sync_of_all() {
    let disk = Disk::default();
    let broker = start(&disk, &[]).await;
    let mut wire = connect(&broker).await;
    wire.create_topic("t", 1, &[("flush.messages", "3")]).await;
    for number in 1..=7 {
        wire.produce("t", 0, batch(&["x"])).await;
        assert_eq!(disk.synced("t-0").done, number / 3, "after {number} records");
    }
    assert_eq!(visible(&wire.fetch("t", 0, 0, 0).await), (7, 7));
    broker.shutdown().await.unwrap();
}

#[tokio::test]
async fn records_that_nobody_waits_for_are_synced_too() {
    let disk = Disk::default();
    let broker = start(&disk, &[]).await;
    let mut wire = connect(&broker).await;
    wire.create_topic("t", 1, &[("flush.messages", "1")]).await;
    let records = batch(&["x"]);
    let size = records.len() as u64;
    wire.send(9, &produce("t", 0, 0, records)).await;
    until(|| disk.synced("t-0").bytes == size).await;
    assert_eq!(broker.metrics().records_appended, 1);
    broker.shutdown().await.unwrap();
}

#[tokio::test]
async fn the_broker_wide_setting_holds_for_committed_offsets() {
    let disk = Disk::default();
    let settings = [("log.flush.interval.messages", "1"), ("offsets.topic.num.partitions", "1")];
    let broker = start(&disk, &settings).await;
    let mut wire = connect(&broker).await;
    wire.create_topic("t", 1, &[]).await;
    let find = FindCoordinatorRequest {
        coordinator_keys: vec!["g".to_owned()],
        ..FindCoordinatorRequest::default()
    };
    assert_eq!(wire.call(4, &find).await.coordinators[0].error_code, ErrorCode::None);
    let before = disk.synced("__consumer_offsets-0").bytes;
    let commit = OffsetCommitRequest {
        group_id: "g".to_owned(),
        topics: vec![OffsetCommitRequestTopic {
            name: "t".to_owned(),
            partitions: vec![OffsetCommitRequestPartition {
                committed_offset: 7,
                ..OffsetCommitRequestPartition::default()
            }],
            ..OffsetCommitRequestTopic::default()
        }],
        ..OffsetCommitRequest::default()
    };
    let answer = wire.call(8, &commit).await;
    assert_eq!(answer.topics[0].partitions[0].error_code, ErrorCode::None);
    assert!(disk.synced("__consumer_offsets-0").bytes > before);
    broker.shutdown().await.unwrap();
}
