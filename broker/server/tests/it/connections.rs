//! Frames, limits, pipelining, and the transport inside the process.

use std::time::Duration;

use protocol::messages::{
    ApiVersionsRequest, FetchRequest, MetadataRequest, ProduceRequest, SaslAuthenticateRequest,
};
use protocol::{ErrorCode, frame};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::support::{TestBroker, batch, fetch, produce, records_of};

#[tokio::test]
async fn bytes_that_are_no_request_close_the_connection() {
    let test = TestBroker::with(&[("socket.request.max.bytes", "1000")]).await;
    for bytes in [
        &b"\xff\xff\xff\xff"[..],
        b"\0\0\x03\xe9",
        b"\0\0\0\x01\0",
        b"\0\0\0\x0a\x03\xe7\0\0\0\0\0\x01\xff\xff",
        b"\0\0\0\x0b\0\x03\0\x09\0\0\0\x01\0\x01\x77",
    ] {
        let mut wire = test.connect().await;
        wire.stream.write_all(bytes).await.unwrap();
        assert_eq!(wire.frame().await, None, "{bytes:?}");
    }
    let mut wire = test.connect().await;
    wire.send(1, &SaslAuthenticateRequest::default()).await;
    assert_eq!(wire.frame().await, None, "an API that is not served");
    test.stop().await;
}

#[tokio::test]
async fn produce_below_version_3_is_refused_though_it_is_advertised() {
    let test = TestBroker::start().await;
    let mut wire = test.connect().await;
    // Produce v2: acks 1, timeout 1000, no topics.
    let request = b"\0\0\0\x16\0\0\0\x02\0\0\0\x01\0\x02me\0\x01\0\0\x03\xe8\0\0\0\0";
    wire.stream.write_all(request).await.unwrap();
    assert_eq!(wire.frame().await, None);
    test.stop().await;
}

#[tokio::test]
async fn pipelined_requests_are_answered_in_order() {
    let test = TestBroker::start().await;
    let mut wire = test.connect().await;
    wire.create_topic("t", 1, &[]).await;
    // The first waits for records; the second brings them; the third must wait for both.
    wire.send(12, &fetch("t", &[(0, 0)], 60_000)).await;
    wire.send(9, &produce("t", 0, -1, batch(&["a", "b"]))).await;
    wire.send(9, &MetadataRequest { topics: Some(Vec::new()), ..Default::default() }).await;
    let fetched = wire.receive::<FetchRequest>(12).await;
    assert_eq!(records_of(&fetched), [(0, "a".to_owned()), (1, "b".to_owned())]);
    let produced = wire.receive::<ProduceRequest>(9).await;
    assert_eq!(produced.responses[0].partition_responses[0].base_offset, 0);
    let metadata = wire.receive::<MetadataRequest>(9).await;
    assert_eq!(metadata.brokers.len(), 1);
    test.stop().await;
}

#[tokio::test]
async fn many_pipelined_produces_keep_their_order() {
    let test = TestBroker::start().await;
    let mut wire = test.connect().await;
    wire.create_topic("t", 1, &[]).await;
    for number in 0..300 {
        wire.send(9, &produce("t", 0, -1, batch(&[&number.to_string()]))).await;
    }
    for number in 0..300 {
        let response = wire.receive::<ProduceRequest>(9).await;
        assert_eq!(response.responses[0].partition_responses[0].base_offset, number);
    }
    let fetched = wire.fetch("t", 0, 0, 0).await;
    let expected: Vec<(i64, String)> =
        (0..300).map(|number| (number, number.to_string())).collect();
    assert_eq!(records_of(&fetched), expected);
    test.stop().await;
}

#[tokio::test]
async fn connections_over_the_limit_are_turned_away_until_one_leaves() {
    let test = TestBroker::with(&[("max.connections", "1")]).await;
    let mut first = test.connect().await;
    first.call(9, &MetadataRequest::default()).await;
    let mut second = test.connect().await;
    assert_eq!(second.frame().await, None);
    drop(first);
    // The broker learns of the end in its own time.
    loop {
        let mut next = test.connect().await;
        next.send(9, &MetadataRequest::default()).await;
        if next.frame().await.is_some() {
            break;
        }
    }
    assert_eq!(test.broker.metrics().connections_open, 1);
    test.stop().await;
}

#[tokio::test]
async fn an_idle_connection_is_closed() {
    let test = TestBroker::with(&[("connections.max.idle.ms", "50")]).await;
    let mut wire = test.connect().await;
    let closed = tokio::time::timeout(Duration::from_secs(60), wire.frame()).await;
    assert_eq!(closed.expect("an idle connection stays open"), None);
    test.stop().await;
}

#[tokio::test]
async fn the_transport_inside_the_process_speaks_the_same_protocol() {
    let test = TestBroker::start().await;
    let mut over_tcp = test.connect().await;
    over_tcp.create_topic("t", 1, &[]).await;
    over_tcp.produce("t", 0, batch(&["a"])).await;
    let mut stream = test.broker.connect_memory();
    let request = frame::encode_request(&fetch("t", &[(0, 0)], 0), 12, 7, None).unwrap();
    stream.write_all(&request.into_bytes()).await.unwrap();
    let mut length = [0; 4];
    stream.read_exact(&mut length).await.unwrap();
    let mut body = vec![0; u32::from_be_bytes(length) as usize];
    stream.read_exact(&mut body).await.unwrap();
    let (id, response) = frame::decode_response::<FetchRequest>(body.into(), 12).unwrap();
    assert_eq!((id, records_of(&response)), (7, vec![(0, "a".to_owned())]));
    test.stop().await;
}

#[tokio::test]
async fn a_stopping_broker_answers_parked_fetches() {
    let test = TestBroker::start().await;
    let mut wire = test.connect().await;
    wire.create_topic("t", 1, &[]).await;
    wire.send(12, &fetch("t", &[(0, 0)], 600_000)).await;
    // An answered request on another connection shows that the broker is reading.
    let mut other = test.connect().await;
    other
        .call(
            3,
            &ApiVersionsRequest {
                client_software_name: "a".to_owned(),
                client_software_version: "1".to_owned(),
            },
        )
        .await;
    let waiting = tokio::spawn(async move { wire.frame().await });
    test.stop().await;
    if let Some(frame) = waiting.await.unwrap() {
        let (_, response) = frame::decode_response::<FetchRequest>(frame, 12).unwrap();
        assert_eq!(response.error_code, ErrorCode::None);
    }
}
