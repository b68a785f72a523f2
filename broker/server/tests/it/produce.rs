//! Produce: what is taken, what is refused and how, and idempotent producers.

use bytes::Bytes;
use protocol::ErrorCode;
use protocol::messages::produce_request::{PartitionProduceData, TopicProduceData};
use protocol::messages::{
    DescribeProducersRequest, InitProducerIdRequest, ListOffsetsRequest, ProduceRequest,
};
use protocol::record::{self, BatchBuilder, BatchOptions, Compression, Records};

use crate::support::{TestBroker, Wire, batch, batch_of, produce, records_of};

#[tokio::test]
async fn batches_in_all_compressions_come_back_as_they_were_sent() {
    let test = TestBroker::start().await;
    let mut wire = test.connect().await;
    wire.create_topic("t", 1, &[]).await;
    let mut expected = Vec::new();
    for (number, compression) in (0..).zip(Compression::ALL) {
        let options = BatchOptions { codec: compression.into(), ..BatchOptions::default() };
        let text = compression.name().repeat(50);
        let response = wire.produce("t", 0, batch_of(options, &[&text, "x"])).await;
        assert_eq!((response.error_code, response.base_offset), (ErrorCode::None, 2 * number));
        expected.extend([(2 * number, text), (2 * number + 1, "x".to_owned())]);
    }
    assert_eq!(records_of(&wire.fetch("t", 0, 0, 0).await), expected);
    test.stop().await;
}

#[tokio::test]
async fn broken_batches_are_refused_with_kafkas_codes_and_leave_nothing() {
    let test = TestBroker::start().await;
    let mut wire = test.connect().await;
    wire.create_topic("t", 1, &[("max.message.bytes", "1000")]).await;
    let good = batch(&["a"]);
    let changed = |at: usize, value: u8| {
        let mut bytes = good.to_vec();
        bytes[at] = value;
        Bytes::from(bytes)
    };
    let two = Bytes::from([&good[..], &good[..]].concat());
    for (name, records, code) in [
        ("CRC", changed(66, b'b'), ErrorCode::CorruptMessage),
        ("magic", changed(16, 1), ErrorCode::InvalidRecord),
        ("length", changed(11, 1), ErrorCode::CorruptMessage),
        ("cut", good.slice(..good.len() - 1), ErrorCode::CorruptMessage),
        ("two batches", two, ErrorCode::InvalidRecord),
        ("nothing", Bytes::new(), ErrorCode::InvalidRecord),
        ("large", batch(&["x".repeat(1000).as_str()]), ErrorCode::MessageTooLarge),
        ("control", control(), ErrorCode::InvalidRecord),
    ] {
        let response = wire.produce("t", 0, records).await;
        assert_eq!((response.error_code, response.base_offset), (code, -1), "{name}");
    }
    let response = wire.produce("t", 7, good.clone()).await;
    assert_eq!(response.error_code, ErrorCode::UnknownTopicOrPartition);
    let acks = wire.call(9, &produce("t", 0, 2, good)).await;
    let response = &acks.responses[0].partition_responses[0];
    assert_eq!(response.error_code, ErrorCode::InvalidRequiredAcks);
    assert_eq!(records_of(&wire.fetch("t", 0, 0, 0).await), []);
    test.stop().await;
}

fn control() -> Bytes {
    batch_of(BatchOptions { is_control: true, ..BatchOptions::default() }, &["a"])
}

#[tokio::test]
async fn a_compacted_topic_refuses_records_without_a_key_also_compressed_ones() {
    let test = TestBroker::start().await;
    let mut wire = test.connect().await;
    wire.create_topic("c", 1, &[("cleanup.policy", "compact")]).await;
    for compression in Compression::ALL {
        let options = BatchOptions { codec: compression.into(), ..BatchOptions::default() };
        let mut builder = BatchBuilder::new(options);
        builder.append(1, Some(b"k"), Some(b"v"), &[]);
        builder.append(1, None, Some(b"keyless"), &[]);
        let response = wire.produce("c", 0, builder.finish()).await;
        assert_eq!(response.error_code, ErrorCode::InvalidRecord, "{compression}");
        let errors: Vec<i32> = response.record_errors.iter().map(|e| e.batch_index).collect();
        assert_eq!(errors, [1]);
        assert!(response.error_message.unwrap().contains("without key"));
    }
    test.stop().await;
}

#[tokio::test]
async fn acks_0_is_not_answered_and_a_failure_of_it_closes_the_connection() {
    let test = TestBroker::start().await;
    let mut wire = test.connect().await;
    wire.create_topic("t", 1, &[]).await;
    wire.send(9, &produce("t", 0, 0, batch(&["a"]))).await;
    // The next answer is that of the fetch.
    let fetched = wire.fetch("t", 0, 0, 10_000).await;
    assert_eq!(records_of(&fetched), [(0, "a".to_owned())]);
    wire.send(9, &produce("missing", 0, 0, batch(&["a"]))).await;
    assert_eq!(wire.frame().await, None);
    test.stop().await;
}

#[tokio::test]
async fn a_topics_own_compression_replaces_the_producers() {
    let test = TestBroker::start().await;
    let mut wire = test.connect().await;
    let settings = [("compression.type", "zstd"), ("compression.zstd.level", "5")];
    wire.create_topic("t", 1, &settings).await;
    for compression in Compression::ALL {
        let options = BatchOptions { codec: compression.into(), ..BatchOptions::default() };
        let text = compression.name().repeat(50);
        wire.produce("t", 0, batch_of(options, &[&text, "x"])).await;
    }
    let response = wire.fetch("t", 0, 0, 0).await;
    let records = response.responses[0].partitions[0].records.as_ref().unwrap();
    let batches: Vec<_> = record::batches(records.bytes().unwrap()).map(Result::unwrap).collect();
    assert_eq!(batches.len(), 5);
    assert!(batches.iter().all(|batch| batch.compression() == Ok(Compression::Zstd)));
    let expected: Vec<String> =
        Compression::ALL.iter().flat_map(|c| [c.name().repeat(50), "x".to_owned()]).collect();
    let found: Vec<String> = records_of(&response).into_iter().map(|(_, value)| value).collect();
    assert_eq!(found, expected);
    test.stop().await;
}

#[tokio::test]
async fn append_time_is_the_brokers_where_the_topic_says_so() {
    let test = TestBroker::start().await;
    let mut wire = test.connect().await;
    wire.create_topic("t", 1, &[("message.timestamp.type", "LogAppendTime")]).await;
    let response = wire.produce("t", 0, batch(&["a", "b"])).await;
    assert!(response.log_append_time_ms > 1_700_000_000_000, "{response:?}");
    let mut found = latest_time(&mut wire).await;
    assert_eq!(found.remove(0), response.log_append_time_ms);
    test.stop().await;
}

async fn latest_time(wire: &mut Wire) -> Vec<i64> {
    use protocol::messages::list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic};
    let partition = ListOffsetsPartition { timestamp: -3, ..Default::default() };
    let topic = ListOffsetsTopic { name: "t".to_owned(), partitions: vec![partition] };
    let request = ListOffsetsRequest { replica_id: -1, topics: vec![topic], ..Default::default() };
    let response = wire.call(7, &request).await;
    response.topics[0].partitions.iter().map(|partition| partition.timestamp).collect()
}

async fn producer_id(wire: &mut Wire) -> i64 {
    let request = InitProducerIdRequest {
        transactional_id: None,
        producer_id: -1,
        producer_epoch: -1,
        ..Default::default()
    };
    let response = wire.call(4, &request).await;
    assert_eq!((response.error_code, response.producer_epoch), (ErrorCode::None, 0));
    response.producer_id
}

fn sequenced(producer_id: i64, producer_epoch: i16, base_sequence: i32, values: &[&str]) -> Bytes {
    let options =
        BatchOptions { producer_id, producer_epoch, base_sequence, ..BatchOptions::default() };
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    let mut builder = BatchBuilder::new(options);
    for value in values {
        // Producers are remembered by the time of their records.
        builder.append(now.as_millis() as i64, None, Some(value.as_bytes()), &[]);
    }
    builder.finish()
}

#[tokio::test]
async fn an_idempotent_producers_batches_are_written_once_and_in_order_also_after_a_restart() {
    let test = TestBroker::start().await;
    let mut wire = test.connect().await;
    wire.create_topic("t", 1, &[]).await;
    let id = producer_id(&mut wire).await;
    let first = sequenced(id, 0, 0, &["a", "b"]);
    for _ in 0..2 {
        let response = wire.produce("t", 0, first.clone()).await;
        assert_eq!((response.error_code, response.base_offset), (ErrorCode::None, 0));
    }
    let gap = wire.produce("t", 0, sequenced(id, 0, 5, &["f"])).await;
    assert_eq!(gap.error_code, ErrorCode::OutOfOrderSequenceNumber);

    let test = test.restart().await;
    let mut wire = test.connect().await;
    let again = wire.produce("t", 0, first).await;
    assert_eq!((again.error_code, again.base_offset), (ErrorCode::None, 0));
    let next = wire.produce("t", 0, sequenced(id, 0, 2, &["c"])).await;
    assert_eq!((next.error_code, next.base_offset), (ErrorCode::None, 2));
    let epoch = wire.produce("t", 0, sequenced(id, 1, 0, &["d"])).await;
    assert_eq!((epoch.error_code, epoch.base_offset), (ErrorCode::None, 3));
    let fenced = wire.produce("t", 0, sequenced(id, 0, 3, &["e"])).await;
    assert_eq!(fenced.error_code, ErrorCode::InvalidProducerEpoch);
    assert!(producer_id(&mut wire).await > id, "an id is never given twice");

    let request = DescribeProducersRequest {
        topics: vec![protocol::messages::describe_producers_request::TopicRequest {
            name: "t".to_owned(),
            partition_indexes: vec![0],
        }],
    };
    let described = wire.call(0, &request).await;
    let producers = &described.topics[0].partitions[0].active_producers;
    assert_eq!((producers[0].producer_id, producers[0].producer_epoch), (id, 1));
    test.stop().await;
}

#[tokio::test]
async fn transactions_are_refused_in_words_of_the_protocol() {
    let test = TestBroker::start().await;
    let mut wire = test.connect().await;
    wire.create_topic("t", 1, &[]).await;
    let init = |transactional_id: &str, transaction_timeout_ms| InitProducerIdRequest {
        transactional_id: Some(transactional_id.to_owned()),
        transaction_timeout_ms,
        producer_id: -1,
        producer_epoch: -1,
        ..Default::default()
    };
    for (id, timeout, code) in [
        ("", 60_000, ErrorCode::InvalidRequest),
        ("tx", 0, ErrorCode::InvalidTransactionTimeout),
        ("tx", 99_999_999, ErrorCode::InvalidTransactionTimeout),
        ("tx", 60_000, ErrorCode::ClusterAuthorizationFailed),
    ] {
        assert_eq!(wire.call(4, &init(id, timeout)).await.error_code, code, "{id} {timeout}");
    }
    let options = BatchOptions {
        producer_id: 1,
        producer_epoch: 0,
        base_sequence: 0,
        is_transactional: true,
        ..BatchOptions::default()
    };
    let response = wire.produce("t", 0, batch_of(options, &["a"])).await;
    assert_eq!(response.error_code, ErrorCode::InvalidTxnState);
    test.stop().await;
}

#[tokio::test]
async fn topics_by_id_are_found_and_unknown_ids_named() {
    let test = TestBroker::start().await;
    let mut wire = test.connect().await;
    let created = wire.call(7, &crate::support::create("t", 1, &[])).await;
    let data = |topic_id| TopicProduceData {
        topic_id,
        partition_data: vec![PartitionProduceData {
            index: 0,
            records: Some(Records::Bytes(batch(&["a"]))),
        }],
        ..TopicProduceData::default()
    };
    let request = ProduceRequest {
        acks: 1,
        timeout_ms: 1000,
        topic_data: vec![data(created.topics[0].topic_id), data(uuid::Uuid::from_u128(9))],
        ..ProduceRequest::default()
    };
    let response = wire.call(13, &request).await;
    let codes: Vec<ErrorCode> =
        response.responses.iter().map(|topic| topic.partition_responses[0].error_code).collect();
    assert_eq!(codes, [ErrorCode::None, ErrorCode::UnknownTopicId]);
    test.stop().await;
}
