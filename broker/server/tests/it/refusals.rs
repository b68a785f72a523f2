//! What is not there is refused so that a client says it at once: by librdkafka, which is the one
//! most inclined to ask again without end, and by raw requests.

use std::time::Duration;

use protocol::messages::{
    ConsumerGroupHeartbeatRequest, FindCoordinatorRequest, InitProducerIdRequest,
    SaslHandshakeRequest,
};
use protocol::{ApiKey, ErrorCode, Request};
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::config::{ClientConfig, FromClientConfig};
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::producer::{BaseProducer, Producer};
use rdkafka::types::RDKafkaErrorCode;
use rdkafka::util::Timeout;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::support::TestBroker;

/// Beyond what any answer takes: a client that gives up needs none of it.
const PATIENCE: Duration = Duration::from_secs(120);

fn client<T: FromClientConfig>(test: &TestBroker, settings: &[(&str, &str)]) -> T {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", test.bootstrap());
    for (key, value) in settings {
        config.set(*key, *value);
    }
    config.create().unwrap()
}

/// The first error that a consumer of the topic `t` is told.
async fn first_error(test: &TestBroker, settings: &[(&str, &str)]) -> KafkaError {
    let consumer: BaseConsumer = client(test, settings);
    consumer.subscribe(&["t"]).unwrap();
    let polled = tokio::task::spawn_blocking(move || {
        let begun = std::time::Instant::now();
        loop {
            match consumer.poll(PATIENCE) {
                Some(Err(error)) => return error,
                Some(Ok(message)) => panic!("nothing was written: {message:?}"),
                None => assert!(begun.elapsed() < PATIENCE, "an error in time"),
            }
        }
    });
    polled.await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_transactional_producer_is_told_that_there_are_no_transactions() {
    let test = TestBroker::start().await;
    let producer: BaseProducer = client(&test, &[("transactional.id", "pay")]);
    let begun = tokio::task::spawn_blocking(move || {
        producer.init_transactions(Timeout::After(PATIENCE)).unwrap_err()
    });
    let KafkaError::Transaction(error) = begun.await.unwrap() else { panic!("another error") };
    assert!(error.is_fatal() && !error.is_retriable(), "{error:?}");
    let text = error.string();
    assert!(text.contains("This broker does not serve transactions yet"), "{text}");
    assert!(text.contains("use a producer without a transactional.id"), "{text}");
    test.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_consumer_of_the_new_group_protocol_is_told_that_it_is_not_served() {
    let test = TestBroker::start().await;
    test.connect().await.create_topic("t", 1, &[]).await;
    let settings = [("group.id", "g"), ("group.protocol", "consumer")];
    let error = first_error(&test, &settings).await;
    // Its own events hold no more than that there was a fatal error; the client has the reason.
    assert!(matches!(error, KafkaError::MessageConsumptionFatal(_)), "{error:?}");
    test.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_logs_in_is_told_that_the_listener_knows_no_login() {
    let test = TestBroker::start().await;
    let settings = [
        ("group.id", "g"),
        ("security.protocol", "SASL_PLAINTEXT"),
        ("sasl.mechanisms", "PLAIN"),
        ("sasl.username", "ann"),
        ("sasl.password", "secret"),
    ];
    let error = first_error(&test, &settings).await;
    assert_eq!(error.rdkafka_error_code(), Some(RDKafkaErrorCode::Authentication), "{error}");
    test.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_topic_of_three_replicas_is_refused_by_its_number() {
    let test = TestBroker::start().await;
    let admin: AdminClient<DefaultClientContext> = client(&test, &[]);
    let topic = NewTopic::new("t", 1, TopicReplication::Fixed(3));
    let refused = admin.create_topics([&topic], &AdminOptions::new()).await.unwrap();
    let expected = Err(("t".to_owned(), RDKafkaErrorCode::InvalidReplicationFactor));
    assert_eq!(refused, [expected]);
    test.stop().await;
}

#[tokio::test]
async fn what_is_refused_has_its_code_and_a_sentence_in_every_version() {
    let test = TestBroker::start().await;
    let mut wire = test.connect().await;
    for version in 1..=6 {
        let asked = FindCoordinatorRequest {
            key: if version < 4 { "pay".to_owned() } else { String::new() },
            key_type: 1,
            coordinator_keys: if version < 4 { Vec::new() } else { vec!["pay".to_owned()] },
        };
        let found = wire.call(version, &asked).await;
        let (code, text) = match found.coordinators.into_iter().next() {
            Some(coordinator) => (coordinator.error_code, coordinator.error_message),
            None => (found.error_code, found.error_message),
        };
        assert_eq!(code, ErrorCode::ClusterAuthorizationFailed, "version {version}");
        assert!(text.unwrap().contains("transactions"), "version {version}");
    }
    for version in InitProducerIdRequest::KEY.stable_versions().unwrap() {
        let request = InitProducerIdRequest {
            transactional_id: Some("pay".to_owned()),
            transaction_timeout_ms: 1000,
            producer_epoch: -1,
            ..InitProducerIdRequest::default()
        };
        let response = wire.call(version, &request).await;
        assert_eq!(response.error_code, ErrorCode::ClusterAuthorizationFailed);
        assert_eq!((response.producer_id, response.producer_epoch), (-1, -1));
    }
    for version in 0..=1 {
        let beat = wire.call(version, &ConsumerGroupHeartbeatRequest::default()).await;
        assert_eq!(beat.error_code, ErrorCode::UnsupportedVersion);
        assert!(beat.error_message.unwrap().contains("group.protocol=classic"));
        let request = SaslHandshakeRequest { mechanism: "PLAIN".to_owned() };
        let login = wire.call(version, &request).await;
        assert_eq!((login.error_code, login.mechanisms), (ErrorCode::IllegalSaslState, vec![]));
    }
    test.stop().await;
}

/// Clients look into ApiVersions for these, and say by themselves that they are missing.
#[test]
fn what_clients_look_for_before_they_ask_is_not_advertised() {
    let served: Vec<ApiKey> = broker_server::served(broker_server::config::Audience::Clients)
        .map(|(key, _)| key)
        .collect();
    for key in [
        ApiKey::AddPartitionsToTxn,
        ApiKey::AddOffsetsToTxn,
        ApiKey::EndTxn,
        ApiKey::TxnOffsetCommit,
        ApiKey::SaslHandshake,
        ApiKey::SaslAuthenticate,
        ApiKey::DescribeAcls,
        ApiKey::CreateAcls,
        ApiKey::DeleteAcls,
        ApiKey::CreateDelegationToken,
        ApiKey::DescribeDelegationToken,
        ApiKey::DescribeClientQuotas,
        ApiKey::AlterClientQuotas,
        ApiKey::DescribeUserScramCredentials,
        ApiKey::AlterUserScramCredentials,
        ApiKey::DescribeTransactions,
        ApiKey::ListTransactions,
        ApiKey::ConsumerGroupDescribe,
        ApiKey::GetTelemetrySubscriptions,
        ApiKey::PushTelemetry,
        ApiKey::ShareGroupHeartbeat,
        ApiKey::ShareFetch,
        ApiKey::StreamsGroupHeartbeat,
    ] {
        assert!(!served.contains(&key), "{key}");
    }
}

/// A client of TLS that is only disconnected connects again without end.
#[tokio::test]
async fn a_client_of_another_protocol_is_told_so_in_its_own() {
    let test = TestBroker::start().await;
    let hello = b"\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03";
    let alert = b"\x15\x03\x03\0\x02\x02\x28";
    let request = b"GET / HTTP/1.1\r\nHost: broker\r\n\r\n";
    for (first, told) in [(&hello[..], &alert[..]), (request, b"HTTP/1.1 400 Bad Request\r\n")] {
        let mut stream = test.connect().await.stream;
        stream.write_all(first).await.unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await.unwrap();
        assert!(answer.starts_with(told), "{answer:?}");
    }
    test.stop().await;
}
