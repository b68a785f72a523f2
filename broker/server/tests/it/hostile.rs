//! Requests with flipped, cut and repeated bytes: whatever a client sends, only its own connection
//! suffers.

use std::time::Duration;

use broker_server::Broker;
use bytes::Bytes;
use protocol::frame;
use protocol::messages::*;
use protocol::{Request, Writer};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::support::{TestBroker, batch, fetch, produce};

/// Numbers without rhyme, the same in every run.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, below: usize) -> usize {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % below
    }
}

fn encode<R: Request>(version: i16, request: &R) -> Bytes {
    frame::encode_request(request, version, 1, Some("test")).map(Writer::into_bytes).unwrap()
}

/// Good requests that make nothing large when a number in them is another.
fn good() -> Vec<Bytes> {
    let groups = vec!["g".to_owned()];
    vec![
        encode(9, &produce("t", 0, -1, batch(&["a", "b"]))),
        encode(3, &produce("t", 0, 1, batch(&["a"]))),
        encode(12, &fetch("t", &[(0, 0), (1, 0)], 0)),
        encode(4, &fetch("t", &[(0, 0)], 0)),
        encode(7, &ListOffsetsRequest::default()),
        encode(12, &MetadataRequest::default()),
        encode(
            4,
            &FindCoordinatorRequest { coordinator_keys: groups.clone(), ..Default::default() },
        ),
        encode(5, &JoinGroupRequest { group_id: "g".to_owned(), ..Default::default() }),
        encode(3, &SyncGroupRequest { group_id: "g".to_owned(), ..Default::default() }),
        encode(4, &HeartbeatRequest { group_id: "g".to_owned(), ..Default::default() }),
        encode(8, &OffsetCommitRequest { group_id: "g".to_owned(), ..Default::default() }),
        encode(
            7,
            &OffsetFetchRequest { group_id: "g".to_owned(), topics: None, ..Default::default() },
        ),
        encode(5, &DescribeGroupsRequest { groups, ..Default::default() }),
        encode(4, &DescribeConfigsRequest::default()),
        encode(1, &IncrementalAlterConfigsRequest::default()),
        encode(6, &DeleteTopicsRequest::default()),
        encode(2, &DeleteRecordsRequest::default()),
        encode(4, &DescribeLogDirsRequest { topics: None }),
        encode(4, &OffsetForLeaderEpochRequest::default()),
        encode(0, &DescribeTopicPartitionsRequest::default()),
        encode(4, &InitProducerIdRequest { transactional_id: None, ..Default::default() }),
    ]
}

/// Changes some bytes behind the length, and now and then the length of the whole.
fn mutate(request: &Bytes, dice: &mut Dice) -> Vec<u8> {
    let mut bytes = request.to_vec();
    for _ in 0..=dice.roll(3) {
        let at = 4 + dice.roll(bytes.len() - 4);
        match dice.roll(4) {
            0 => bytes[at] ^= 1 << dice.roll(8),
            1 => bytes[at] = [0, 1, 0x7f, 0x80, 0xff][dice.roll(5)],
            2 => bytes.truncate(at.max(6)),
            _ => {
                let copy = bytes[at..].to_vec();
                bytes.extend(copy);
            }
        }
    }
    let length = u32::try_from(bytes.len() - 4).unwrap();
    bytes[..4].copy_from_slice(&length.to_be_bytes());
    bytes
}

/// Sends the bytes, says that nothing follows, and takes whatever comes.
async fn send(broker: &Broker, bytes: &[u8]) {
    let mut stream = broker.connect_memory();
    // The broker may have closed the connection before it read everything.
    let _ = stream.write_all(bytes).await;
    let _ = stream.shutdown().await;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.unwrap();
}

#[tokio::test]
async fn four_thousand_broken_requests_end_no_task_but_their_own_connection() {
    let test = TestBroker::start().await;
    let mut wire = test.connect().await;
    wire.create_topic("t", 2, &[]).await;
    let good = good();
    let mut dice = Dice(43);
    for round in 0..4000 {
        let bytes = mutate(&good[round % good.len()], &mut dice);
        send(&test.broker, &bytes).await;
    }
    // A task that panicked would never have noted the end of its connection.
    let all_ended = async {
        while test.broker.metrics().connections_open > 1 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), all_ended).await.expect("no task panicked");
    let response = wire.produce("t", 1, batch(&["still here"])).await;
    assert_eq!(response.error_code, protocol::ErrorCode::None);
    test.stop().await;
}
