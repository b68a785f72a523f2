//! Every API in every version that is advertised.

use protocol::messages::*;
use protocol::{ApiKey, ErrorCode, Request, frame};
use tokio::io::AsyncWriteExt;

use crate::support::{TestBroker, Wire, batch, create, fetch, produce};

/// Sends an empty request in all versions from `first` on and wants each answered.
async fn all<R: Request>(wire: &mut Wire, first: i16, request: impl Fn(i16) -> R) {
    let versions = R::KEY.stable_versions().unwrap();
    for version in first.max(*versions.start())..=*versions.end() {
        wire.call(version, &request(version)).await;
    }
}

#[tokio::test]
async fn every_advertised_version_of_every_api_is_answered() {
    let test = TestBroker::start().await;
    let mut wire = test.connect().await;
    wire.create_topic("t", 1, &[]).await;
    wire.produce("t", 0, batch(&["a"])).await;
    let wire = &mut wire;
    all(wire, 0, |version| {
        let mut request = produce("t", 0, 1, batch(&["b"]));
        if version >= 13 {
            request.topic_data[0].name = String::new();
        }
        request
    })
    .await;
    all(wire, 0, |version| {
        let mut request = fetch("t", &[(0, 0)], 0);
        if version >= 13 {
            request.topics[0].topic = String::new();
        }
        request
    })
    .await;
    all(wire, 0, |_| list_offsets(-1)).await;
    all(wire, 0, |_| list_offsets(1_700_000_000_000)).await;
    all(wire, 1, |_| MetadataRequest::default()).await;
    all(wire, 0, |_| MetadataRequest { topics: Some(Vec::new()), ..Default::default() }).await;
    all(wire, 0, |_| create("t", 1, &[])).await;
    all(wire, 0, |_| DeleteTopicsRequest::default()).await;
    all(wire, 0, |_| CreatePartitionsRequest::default()).await;
    all(wire, 0, |_| DeleteRecordsRequest::default()).await;
    all(wire, 0, |_| InitProducerIdRequest {
        transactional_id: None,
        producer_epoch: -1,
        ..Default::default()
    })
    .await;
    all(wire, 0, |_| OffsetForLeaderEpochRequest::default()).await;
    all(wire, 0, |_| DescribeLogDirsRequest { topics: None }).await;
    all(wire, 0, |_| DescribeClusterRequest::default()).await;
    all(wire, 0, |_| DescribeProducersRequest::default()).await;
    all(wire, 0, |_| DescribeTopicPartitionsRequest::default()).await;
    assert_eq!(wire.call(7, &create("t", 1, &[])).await.topics.len(), 1);
    test.stop().await;
}

fn list_offsets(timestamp: i64) -> ListOffsetsRequest {
    use protocol::messages::list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic};
    let partition = ListOffsetsPartition { timestamp, ..Default::default() };
    let topic = ListOffsetsTopic { name: "t".to_owned(), partitions: vec![partition] };
    ListOffsetsRequest { replica_id: -1, topics: vec![topic], ..Default::default() }
}

#[tokio::test]
async fn clients_are_told_what_is_served_and_newer_ones_in_the_oldest_form() {
    let test = TestBroker::start().await;
    let mut wire = test.connect().await;
    let request = ApiVersionsRequest {
        client_software_name: "test".to_owned(),
        client_software_version: "1".to_owned(),
    };
    let response = wire.call(4, &request).await;
    let told: Vec<(i16, i16, i16)> = response
        .api_keys
        .iter()
        .map(|api| (api.api_key, api.min_version, api.max_version))
        .collect();
    let served: Vec<(i16, i16, i16)> =
        broker_server::served(broker_server::config::Audience::Clients)
            .map(|(key, versions)| (key.code(), *versions.start(), *versions.end()))
            .collect();
    assert_eq!(told, served);
    assert!(told.contains(&(0, 0, 13)), "Produce begins at 0, though 0 to 2 are refused");

    // A request of version 99 from "c" has an answer in the form of version 0.
    let request = b"\0\0\0\x0d\0\x12\0\x63\0\0\0\x07\0\x01c\0\x01";
    wire.stream.write_all(request).await.unwrap();
    let response = wire.receive::<ApiVersionsRequest>(0).await;
    assert_eq!(response.error_code, ErrorCode::UnsupportedVersion);
    assert_eq!(response.api_keys[0].api_key, ApiKey::ApiVersions.code());
    assert_eq!(response.api_keys.len(), 1);
    test.stop().await;
}

#[tokio::test]
async fn bytes_behind_a_request_are_passed_over() {
    let test = TestBroker::start().await;
    let mut wire = test.connect().await;
    let request = MetadataRequest { topics: None, ..Default::default() };
    let encoded = frame::encode_request(&request, 13, 1, Some("test")).unwrap().into_bytes();
    let length = i32::try_from(encoded.len() - 4 + 3).unwrap();
    wire.stream.write_all(&length.to_be_bytes()).await.unwrap();
    wire.stream.write_all(&encoded[4..]).await.unwrap();
    wire.stream.write_all(&[0; 3]).await.unwrap();
    let response = wire.receive::<MetadataRequest>(13).await;
    assert_eq!(response.brokers.len(), 1);
    assert_eq!(wire.call(13, &request).await, response, "the next request is read from its start");
    test.stop().await;
}
