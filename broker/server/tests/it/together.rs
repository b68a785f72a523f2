//! Produce requests that come to a partition at the same time.

use std::path::Path;
use std::sync::Arc;

use broker_server::Broker;
use bytes::Bytes;
use protocol::messages::ProduceRequest;
use protocol::record::{BatchBuilder, BatchOptions};
use protocol::{ErrorCode, frame};
use tokio::io::AsyncWriteExt;
use tokio::task::JoinSet;

use crate::disk::Disk;
use crate::support::{TestBroker, Wire, batch, config_in, produce, records_of};

const VERSION: i16 = 9;

/// A batch of one record that an idempotent producer sends.
fn sent(producer_id: i64, sequence: i32, value: &str) -> Bytes {
    let mut builder = BatchBuilder::new(BatchOptions {
        producer_id,
        producer_epoch: 0,
        base_sequence: sequence,
        ..BatchOptions::default()
    });
    builder.append(1, None, Some(value.as_bytes()), &[]);
    builder.finish()
}

/// The values that a fetch from an offset on brings.
async fn values(wire: &mut Wire, offset: usize, max_wait_ms: i32) -> Vec<String> {
    let fetched = wire.fetch("t", 0, offset as i64, max_wait_ms).await;
    records_of(&fetched).into_iter().map(|(_, value)| value).collect()
}

/// The frames of several requests, to be sent at once.
fn frames(requests: impl IntoIterator<Item = ProduceRequest>) -> Vec<u8> {
    let encoded = requests.into_iter().map(|request| {
        frame::encode_request(&request, VERSION, 1, Some("test")).unwrap().into_bytes()
    });
    encoded.flat_map(|bytes| bytes.to_vec()).collect()
}

async fn answers(wire: &mut Wire, count: usize) -> Vec<(ErrorCode, i64)> {
    let mut answers = Vec::new();
    for _ in 0..count {
        let response = wire.receive::<ProduceRequest>(VERSION).await;
        let partition = &response.responses[0].partition_responses[0];
        answers.push((partition.error_code, partition.base_offset));
    }
    answers
}

#[tokio::test]
async fn batches_that_come_together_are_one_write_and_are_refused_one_by_one() {
    let disk = Disk::default();
    let mut config = config_in(Path::new("/data"), &[]);
    config.environment.store = Arc::new(disk.clone());
    let broker = Broker::start(config).await.unwrap();
    let stream = tokio::net::TcpStream::connect(broker.address()).await.unwrap();
    let mut wire = Wire::new(stream);
    wire.create_topic("t", 1, &[]).await;
    assert_eq!(wire.produce("t", 0, batch(&["first"])).await.base_offset, 0);
    let before = disk.writes("t-0");
    let together = frames([
        produce("t", 0, 1, batch(&["a"])),
        produce("t", 0, -1, sent(900, 0, "b")),
        produce("no-topic", 0, 1, batch(&["x"])),
        produce("t", 0, -1, sent(900, 1, "c")),
        produce("t", 0, 1, batch(&["d", "e"])),
    ]);
    wire.stream.write_all(&together).await.unwrap();
    let expected = [
        (ErrorCode::None, 1),
        (ErrorCode::None, 2),
        (ErrorCode::UnknownTopicOrPartition, -1),
        (ErrorCode::None, 3),
        (ErrorCode::None, 4),
    ];
    assert_eq!(answers(&mut wire, expected.len()).await, expected);
    assert_eq!(disk.writes("t-0") - before, 1);
    // One of them is out of order: only that one is refused.
    let together = frames([
        produce("t", 0, -1, sent(900, 2, "f")),
        produce("t", 0, -1, sent(900, 9, "x")),
        produce("t", 0, -1, sent(900, 2, "f")),
        produce("t", 0, -1, sent(900, 3, "g")),
    ]);
    wire.stream.write_all(&together).await.unwrap();
    let expected = [
        (ErrorCode::None, 6),
        (ErrorCode::OutOfOrderSequenceNumber, -1),
        (ErrorCode::None, 6),
        (ErrorCode::None, 7),
    ];
    assert_eq!(answers(&mut wire, expected.len()).await, expected);
    assert_eq!(values(&mut wire, 0, 0).await, ["first", "a", "b", "c", "d", "e", "f", "g"]);
    assert_eq!(broker.metrics().records_appended, 8);
    broker.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn many_producers_of_one_partition_keep_their_order_and_lose_nothing() {
    const PRODUCERS: i64 = 8;
    const BATCHES: i32 = 120;
    let test = TestBroker::start().await;
    test.connect().await.create_topic("t", 1, &[("segment.bytes", "1048576")]).await;
    let mut producers = JoinSet::new();
    for producer in 0..PRODUCERS {
        let mut wire = test.connect().await;
        producers.spawn(async move {
            for first in (0..BATCHES).step_by(5) {
                let together = frames((first..first + 5).map(|sequence| {
                    // Long enough for several segments.
                    let value = format!("{producer}-{sequence:2000}");
                    produce("t", 0, -1, sent(900 + producer, sequence, &value))
                }));
                wire.stream.write_all(&together).await.unwrap();
                for (error, _) in answers(&mut wire, 5).await {
                    assert_eq!(error, ErrorCode::None);
                }
            }
        });
    }
    while let Some(done) = producers.join_next().await {
        done.unwrap();
    }
    let mut wire = test.connect().await;
    let mut found = Vec::new();
    while found.len() < PRODUCERS as usize * BATCHES as usize {
        found.extend(values(&mut wire, found.len(), 0).await);
    }
    for producer in 0..PRODUCERS {
        let prefix = format!("{producer}-");
        let of_one: Vec<_> =
            found.iter().filter_map(|value| value.strip_prefix(&prefix)).map(str::trim).collect();
        let expected: Vec<_> = (0..BATCHES).map(|sequence| sequence.to_string()).collect();
        assert_eq!(of_one, expected);
    }
    test.stop().await;
}

#[tokio::test]
async fn batches_of_a_client_that_leaves_without_waiting_are_appended() {
    let test = TestBroker::start().await;
    let mut wire = test.connect().await;
    wire.create_topic("t", 1, &[]).await;
    let mut hasty = test.connect().await;
    let together = frames(["a", "b", "c"].map(|value| produce("t", 0, 0, batch(&[value]))));
    hasty.stream.write_all(&together).await.unwrap();
    drop(hasty);
    let mut found = Vec::new();
    while found.len() < 3 {
        found.extend(values(&mut wire, found.len(), 1000).await);
    }
    assert_eq!(found, ["a", "b", "c"]);
    test.stop().await;
}
