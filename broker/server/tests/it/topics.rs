//! Topics are made, described, grown and deleted.

use protocol::ErrorCode;
use protocol::messages::create_partitions_request::CreatePartitionsTopic;
use protocol::messages::delete_topics_request::DeleteTopicState;
use protocol::messages::describe_topic_partitions_request::{Cursor, TopicRequest};
use protocol::messages::metadata_request::MetadataRequestTopic;
use protocol::messages::metadata_response::MetadataResponseTopic;
use protocol::messages::{
    CreatePartitionsRequest, DeleteTopicsRequest, DescribeClusterRequest,
    DescribeTopicPartitionsRequest, MetadataRequest, MetadataResponse,
};
use tokio::task::JoinSet;
use uuid::Uuid;

use crate::support::{TestBroker, Wire, batch, create, records_of};

async fn metadata(wire: &mut Wire, name: &str, create: bool) -> MetadataResponse {
    let topic = MetadataRequestTopic { name: Some(name.to_owned()), ..Default::default() };
    let request = MetadataRequest {
        topics: Some(vec![topic]),
        allow_auto_topic_creation: create,
        ..Default::default()
    };
    wire.call(12, &request).await
}

/// A restart begins leader epochs.
fn without_epochs(mut topics: Vec<MetadataResponseTopic>) -> Vec<MetadataResponseTopic> {
    for partition in topics.iter_mut().flat_map(|topic| &mut topic.partitions) {
        partition.leader_epoch = 0;
    }
    topics
}

#[tokio::test]
async fn a_topic_and_its_records_survive_a_restart() {
    let test = TestBroker::start().await;
    let mut wire = test.connect().await;
    wire.create_topic("t", 3, &[("retention.ms", "1000000000000")]).await;
    wire.produce("t", 2, batch(&["a", "b"])).await;
    let before = metadata(&mut wire, "t", false).await;
    let test = test.restart().await;
    let mut wire = test.connect().await;
    let after = metadata(&mut wire, "t", false).await;
    assert_eq!(without_epochs(after.topics.clone()), without_epochs(before.topics));
    // Nobody led while the broker was down.
    assert!(after.topics[0].partitions[0].leader_epoch > 0);
    assert_eq!(after.cluster_id, before.cluster_id);
    assert_eq!(after.topics[0].partitions.len(), 3);
    let fetched = wire.fetch("t", 2, 0, 0).await;
    assert_eq!(records_of(&fetched), [(0, "a".to_owned()), (1, "b".to_owned())]);
    assert_eq!(wire.produce("t", 2, batch(&["c"])).await.base_offset, 2);
    test.stop().await;
}

#[tokio::test]
async fn topics_that_are_created_at_the_same_time_are_all_there_also_after_a_restart() {
    const TOPICS: usize = 60;
    let test = TestBroker::start().await;
    let mut creating = JoinSet::new();
    for number in 0..TOPICS {
        let mut wire = test.connect().await;
        creating.spawn(async move { wire.create_topic(&format!("t{number}"), 1, &[]).await });
    }
    creating.join_all().await;
    let all = MetadataRequest { topics: None, ..Default::default() };
    let before = test.connect().await.call(12, &all).await.topics;
    assert_eq!(before.len(), TOPICS);
    let test = test.restart().await;
    let after = test.connect().await.call(12, &all).await.topics;
    assert_eq!(without_epochs(after), without_epochs(before));
    test.stop().await;
}

#[tokio::test]
async fn a_topic_is_created_by_asking_for_it_if_both_sides_allow_it() {
    let test = TestBroker::with(&[("num.partitions", "2")]).await;
    let mut wire = test.connect().await;
    let refused = metadata(&mut wire, "born", false).await;
    assert_eq!(refused.topics[0].error_code, ErrorCode::UnknownTopicOrPartition);
    let born = metadata(&mut wire, "born", true).await;
    assert_eq!(born.topics[0].error_code, ErrorCode::None);
    assert_eq!(born.topics[0].partitions.len(), 2);
    assert_eq!(born.topics[0].partitions[0].leader_id, 1);
    let bad = metadata(&mut wire, "no/good", true).await;
    assert_eq!(bad.topics[0].error_code, ErrorCode::InvalidTopicException);
    test.stop().await;

    let test = TestBroker::with(&[("auto.create.topics.enable", "false")]).await;
    let mut wire = test.connect().await;
    let refused = metadata(&mut wire, "born", true).await;
    assert_eq!(refused.topics[0].error_code, ErrorCode::UnknownTopicOrPartition);
    test.stop().await;
}

#[tokio::test]
async fn topics_that_can_not_be_are_refused_with_kafkas_codes() {
    let test = TestBroker::start().await;
    let mut wire = test.connect().await;
    wire.create_topic("a.b", 1, &[]).await;
    for (request, code) in [
        (create("a.b", 1, &[]), ErrorCode::TopicAlreadyExists),
        (create("a_b", 1, &[]), ErrorCode::InvalidTopicException),
        (create("__cluster_metadata", 1, &[]), ErrorCode::TopicAuthorizationFailed),
        (create("x", 0, &[]), ErrorCode::InvalidPartitions),
        (create("x", 20_000, &[]), ErrorCode::PolicyViolation),
        (create("x", 1, &[("no.such", "1")]), ErrorCode::InvalidConfig),
        (create("x", 1, &[("retention.ms", "soon")]), ErrorCode::InvalidConfig),
        (
            create("x", 1, &[("min.compaction.lag.ms", "9"), ("max.compaction.lag.ms", "8")]),
            ErrorCode::InvalidConfig,
        ),
    ] {
        let result = wire.call(7, &request).await.topics.remove(0);
        assert_eq!(result.error_code, code, "{request:?}");
        assert!(result.error_message.is_some_and(|text| !text.is_empty()), "{request:?}");
    }
    let checked = protocol::messages::CreateTopicsRequest {
        validate_only: true,
        ..create("only-checked", 1, &[])
    };
    assert_eq!(wire.call(7, &checked).await.topics[0].error_code, ErrorCode::None);
    let missing = metadata(&mut wire, "only-checked", false).await;
    assert_eq!(missing.topics[0].error_code, ErrorCode::UnknownTopicOrPartition);
    test.stop().await;
}

#[tokio::test]
async fn a_topic_grows_and_goes_and_its_name_is_free_again() {
    let test = TestBroker::with(&[("log.segment.delete.delay.ms", "0")]).await;
    let mut wire = test.connect().await;
    wire.create_topic("t", 1, &[]).await;
    wire.produce("t", 0, batch(&["old"])).await;
    let grow = |count| CreatePartitionsRequest {
        topics: vec![CreatePartitionsTopic { name: "t".to_owned(), count, assignments: None }],
        ..Default::default()
    };
    assert_eq!(wire.call(3, &grow(3)).await.results[0].error_code, ErrorCode::None);
    assert_eq!(wire.call(3, &grow(2)).await.results[0].error_code, ErrorCode::InvalidPartitions);
    assert_eq!(wire.produce("t", 2, batch(&["new"])).await.error_code, ErrorCode::None);

    let id = metadata(&mut wire, "t", false).await.topics[0].topic_id;
    let by_id = |topic_id| DeleteTopicsRequest {
        topics: vec![DeleteTopicState { name: None, topic_id }],
        ..Default::default()
    };
    let unknown = wire.call(6, &by_id(Uuid::from_u128(5))).await;
    assert_eq!(unknown.responses[0].error_code, ErrorCode::UnknownTopicId);
    let gone = wire.call(6, &by_id(id)).await.responses.remove(0);
    assert_eq!((gone.error_code, gone.name.as_deref()), (ErrorCode::None, Some("t")));
    assert!(!test.dir.path().join("t-0").exists());
    wire.create_topic("t", 1, &[]).await;
    assert_ne!(metadata(&mut wire, "t", false).await.topics[0].topic_id, id);
    assert_eq!(records_of(&wire.fetch("t", 0, 0, 0).await), []);
    test.stop().await;
}

#[tokio::test]
async fn partitions_are_described_in_pages() {
    let test = TestBroker::start().await;
    let mut wire = test.connect().await;
    wire.create_topic("b", 3, &[]).await;
    wire.create_topic("a", 1, &[]).await;
    let mut cursor = None;
    let mut pages = Vec::new();
    loop {
        let request = DescribeTopicPartitionsRequest {
            topics: ["b", "a"].map(|name| TopicRequest { name: name.to_owned() }).into(),
            response_partition_limit: 2,
            cursor: cursor.take(),
        };
        let response = wire.call(0, &request).await;
        let page = response.topics.iter().map(|topic| {
            let indexes: Vec<i32> =
                topic.partitions.iter().map(|partition| partition.partition_index).collect();
            (topic.name.clone().unwrap(), indexes)
        });
        pages.push(page.collect::<Vec<_>>());
        match response.next_cursor {
            None => break,
            Some(next) => {
                cursor = Some(Cursor {
                    topic_name: next.topic_name,
                    partition_index: next.partition_index,
                });
            }
        }
    }
    let (a, b) = ("a".to_owned(), "b".to_owned());
    assert_eq!(pages, [vec![(a, vec![0]), (b.clone(), vec![0])], vec![(b, vec![1, 2])]]);
    test.stop().await;
}

#[tokio::test]
async fn the_cluster_is_described_with_addresses_that_clients_can_use() {
    let test = TestBroker::start().await;
    let mut wire = test.connect().await;
    let cluster = wire.call(1, &DescribeClusterRequest::default()).await;
    assert_eq!(cluster.cluster_id, test.broker.cluster_id());
    assert_eq!(cluster.cluster_id.len(), 22);
    let broker = &cluster.brokers[0];
    assert_eq!(broker.host, "127.0.0.1");
    assert_eq!(broker.port, i32::from(test.broker.address().port()));
    let controllers = DescribeClusterRequest { endpoint_type: 2, ..Default::default() };
    let refused = wire.call(1, &controllers).await;
    assert_eq!(refused.error_code, ErrorCode::MismatchedEndpointType);
    test.stop().await;
}

#[tokio::test]
async fn topics_of_the_brokers_own_are_made_with_their_settings_and_not_written_by_clients() {
    let test = TestBroker::start().await;
    let mut wire = test.connect().await;
    let made = metadata(&mut wire, "__consumer_offsets", true).await.topics.remove(0);
    assert_eq!((made.error_code, made.is_internal), (ErrorCode::None, true));
    assert_eq!(made.partitions.len(), 4, "offsets.topic.num.partitions of the tests");
    for name in ["__transaction_state", "__cluster_metadata"] {
        let code = metadata(&mut wire, name, true).await.topics[0].error_code;
        assert_ne!(code, ErrorCode::None, "{name}");
    }
    let refused = wire.produce("__consumer_offsets", 0, batch(&["a"])).await;
    assert_eq!(refused.error_code, ErrorCode::InvalidTopicException);
    test.stop().await;
}

#[tokio::test]
async fn each_listener_tells_its_own_address() {
    let settings = [
        ("listeners", "IN://127.0.0.1:0,OUT://127.0.0.1:0"),
        ("advertised.listeners", "IN://inside:1,OUT://outside:2"),
        ("listener.security.protocol.map", "IN:PLAINTEXT,OUT:PLAINTEXT"),
        ("inter.broker.listener.name", "IN"),
    ];
    let test = TestBroker::with(&settings).await;
    let mut told = Vec::new();
    for address in test.broker.addresses() {
        let mut wire = Wire::new(tokio::net::TcpStream::connect(address).await.unwrap());
        let broker = wire.call(9, &MetadataRequest::default()).await.brokers.remove(0);
        told.push((broker.host, broker.port));
    }
    assert_eq!(told, [("inside".to_owned(), 1), ("outside".to_owned(), 2)]);
    test.stop().await;
}
