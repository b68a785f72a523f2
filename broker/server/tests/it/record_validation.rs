//! What is asked of the records of a batch, and how a producer learns which of them are to blame.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use protocol::ErrorCode;
use protocol::messages::FetchResponse;
use protocol::messages::produce_response::PartitionProduceResponse;
use protocol::record::{
    self, BATCH_OVERHEAD, BatchBuilder, BatchOptions, Compression, RecordBatch, TimestampType,
    patch,
};
use rdkafka::client::ClientContext;
use rdkafka::config::ClientConfig;
use rdkafka::message::{DeliveryResult, Message};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer, ProducerContext};
use rdkafka::types::RDKafkaErrorCode;

use crate::clocked::{BEGIN, Clocked, DAY};
use crate::support::{TestBroker, Wire, batch_of, records_of};

/// Three thousand, as years go.
const FAR: i64 = 32_503_680_000_000;

fn options(compression: Compression) -> BatchOptions {
    BatchOptions { codec: compression.into(), ..BatchOptions::default() }
}

/// Records of these times, with keys.
fn timed(compression: Compression, times: &[i64]) -> Bytes {
    let mut builder = BatchBuilder::new(options(compression));
    for time in times {
        builder.append(*time, Some(b"k"), Some(b"some value"), &[]);
    }
    builder.finish()
}

fn indexes(response: &PartitionProduceResponse) -> Vec<i32> {
    response.record_errors.iter().map(|error| error.batch_index).collect()
}

async fn stored(wire: &mut Wire, topic: &str) -> Vec<RecordBatch> {
    let response = wire.fetch(topic, 0, 0, 0).await;
    let records = response.responses[0].partitions[0].records.clone().unwrap();
    let batches = record::batches(records.bytes().unwrap());
    batches.map(|batch| batch.unwrap()).collect()
}

#[tokio::test]
async fn garbage_with_a_good_checksum_is_refused_on_any_topic_and_leaves_nothing() {
    let test = TestBroker::start().await;
    let mut wire = test.connect().await;
    wire.create_topic("t", 1, &[]).await;
    let whole = batch_of(options(Compression::None), &["a", "b", "c"]);
    let changed = |at: usize, bytes: &[u8]| {
        let mut changed = whole.to_vec();
        changed[at..at + bytes.len()].copy_from_slice(bytes);
        patch::set_crc(&mut changed);
        Bytes::from(changed)
    };
    let record = (whole.len() - BATCH_OVERHEAD) / 3;
    let second = BATCH_OVERHEAD + record;
    assert_eq!(whole[second], 2 * (record as u8 - 1), "a record begins with its length");
    let rest = vec![0x55; whole.len() - BATCH_OVERHEAD];
    for (name, records) in [
        ("all of it", changed(BATCH_OVERHEAD, &rest)),
        ("zeros", changed(BATCH_OVERHEAD, &vec![0; rest.len()])),
        ("a longer record", changed(second, &[whole[second] + 2])),
        ("a shorter record", changed(second, &[whole[second] - 2])),
        ("a negative length", changed(second, &[1])),
        ("a number without end", changed(second + 2, &[0xff; 7])),
        ("an offset twice", changed(second + 3, &[0])),
        ("a value beyond the record", changed(second + 5, &[0x7e])),
        ("a header without bytes", changed(second + record - 1, &[2])),
        ("a negative number of headers", changed(second + record - 1, &[1])),
        ("one record less", changed(57, &2_i32.to_be_bytes())),
        ("one record more", changed(57, &4_i32.to_be_bytes())),
    ] {
        let response = wire.produce("t", 0, records).await;
        assert_eq!(response.error_code, ErrorCode::InvalidRecord, "{name}");
    }
    for compression in Compression::ALL.into_iter().filter(|c| *c != Compression::None) {
        let mut records = batch_of(options(compression), &["a", "b"]).to_vec();
        records[57..61].copy_from_slice(&3_i32.to_be_bytes());
        records[23..27].copy_from_slice(&2_i32.to_be_bytes());
        patch::set_crc(&mut records);
        let response = wire.produce("t", 0, records.into()).await;
        assert_eq!(response.error_code, ErrorCode::InvalidRecord, "{compression}");
        let mut records = batch_of(options(compression), &["a", "b"]).to_vec();
        records[BATCH_OVERHEAD..].fill(0x55);
        patch::set_crc(&mut records);
        let response = wire.produce("t", 0, records.into()).await;
        assert_eq!(response.error_code, ErrorCode::CorruptMessage, "{compression}");
    }
    assert_eq!(records_of(&wire.fetch("t", 0, 0, 0).await), []);
    test.stop().await;
}

#[tokio::test]
async fn the_largest_time_that_is_kept_is_that_of_the_records_and_not_what_the_header_says() {
    let test = TestBroker::start().await;
    let mut wire = test.connect().await;
    wire.create_topic("t", 1, &[]).await;
    for compression in Compression::ALL {
        for said in [FAR, 5, -1] {
            let mut records = timed(compression, &[1_000, 3_000, 2_000]).to_vec();
            patch::set_max_timestamp(&mut records, TimestampType::CreateTime, said);
            let response = wire.produce("t", 0, records.into()).await;
            assert_eq!(response.error_code, ErrorCode::None, "{compression}");
        }
    }
    let found = stored(&mut wire, "t").await;
    assert_eq!(found.len(), 15);
    for batch in &found {
        assert_eq!((batch.max_timestamp, batch.check_crc()), (3_000, Ok(())));
    }
    test.stop().await;
}

#[tokio::test]
async fn a_header_of_a_far_year_does_not_keep_a_segment_for_ever() {
    let test = Clocked::start(&[]).await;
    let mut wire = test.connect().await;
    let settings = [("retention.ms", "86400000"), ("file.delete.delay.ms", "0")];
    wire.create_topic("t", 1, &settings).await;
    let mut records = timed(Compression::None, &[BEGIN]).to_vec();
    patch::set_max_timestamp(&mut records, TimestampType::CreateTime, FAR);
    assert_eq!(wire.produce("t", 0, records.into()).await.error_code, ErrorCode::None);
    test.clock.set(BEGIN + 2 * DAY);
    let code = |response: FetchResponse| response.responses[0].partitions[0].error_code;
    while code(wire.fetch("t", 0, 0, 0).await) != ErrorCode::OffsetOutOfRange {
        tokio::task::yield_now().await;
    }
    test.stop().await;
}

#[tokio::test]
async fn every_record_out_of_its_topics_times_is_told_whatever_the_header_says() {
    let test = Clocked::start(&[]).await;
    let mut wire = test.connect().await;
    let settings =
        [("message.timestamp.after.max.ms", "1000"), ("message.timestamp.before.max.ms", "5000")];
    wire.create_topic("t", 1, &settings).await;
    let times = [BEGIN, BEGIN + 1_001, BEGIN - 5_001, BEGIN - 5_000, -1, FAR];
    for compression in Compression::ALL {
        let mut records = timed(compression, &times).to_vec();
        // A low one hides none.
        patch::set_max_timestamp(&mut records, TimestampType::CreateTime, BEGIN);
        let response = wire.produce("t", 0, records.into()).await;
        assert_eq!(response.error_code, ErrorCode::InvalidTimestamp, "{compression}");
        assert_eq!(indexes(&response), [1, 2, 5], "{compression}");
        let text = response.record_errors[1].batch_index_error_message.clone().unwrap();
        let expected = format!(
            "Timestamp {} of message with offset 2 is out of range. The timestamp should be within \
             [{}, {}]",
            BEGIN - 5_001,
            BEGIN - 5_000,
            BEGIN + 1_000
        );
        assert_eq!(text, expected);
        let text = response.error_message.unwrap();
        assert_eq!(text, "One or more records have been rejected due to invalid timestamp");
        assert_eq!((response.base_offset, response.log_start_offset), (-1, 0));
    }
    assert_eq!(records_of(&wire.fetch("t", 0, 0, 0).await), []);
    test.stop().await;
}

#[tokio::test]
async fn many_invalid_records_are_all_told_in_no_more_bytes_than_they_came_in() {
    let test = TestBroker::start().await;
    let mut wire = test.connect().await;
    wire.create_topic("c", 1, &[("cleanup.policy", "compact")]).await;
    let mut builder = BatchBuilder::new(BatchOptions::default());
    for number in 0..20_000_i64 {
        let key = (number % 10 == 3).then_some(&b"k"[..]);
        builder.append(number, key, None, &[]);
    }
    let records = builder.finish();
    let response = wire.produce("c", 0, records.clone()).await;
    assert_eq!(response.error_code, ErrorCode::InvalidRecord);
    let expected: Vec<i32> = (0..20_000).filter(|number| number % 10 != 3).collect();
    assert_eq!(indexes(&response), expected);
    let text = |error: &protocol::messages::produce_response::BatchIndexAndErrorMessage| {
        error.batch_index_error_message.as_ref().map_or(0, String::len)
    };
    let texts: usize = response.record_errors.iter().map(text).sum();
    assert!(texts > 0 && texts < records.len() / 2, "{texts} of {}", records.len());
    assert!(response.error_message.unwrap().contains("due to 18000 record errors in total"));
    test.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn times_are_looked_up_in_large_compressed_batches_while_others_append() {
    let test = TestBroker::start().await;
    let mut wire = test.connect().await;
    wire.create_topic("t", 1, &[]).await;
    let value = "x".repeat(50_000);
    let mut builder = BatchBuilder::new(options(Compression::Zstd));
    for number in 0..200 {
        builder.append(1_000 + number, None, Some(value.as_bytes()), &[]);
    }
    assert_eq!(wire.produce("t", 0, builder.finish()).await.error_code, ErrorCode::None);
    let other = timed(Compression::None, &[5_000]);
    let mut appending = test.connect().await;
    let appends = async {
        for _ in 0..50 {
            assert_eq!(appending.produce("t", 0, other.clone()).await.error_code, ErrorCode::None);
        }
    };
    let looks = async {
        for number in 0..50 {
            let found = at_time(&mut wire, 1_000 + 3 * number).await;
            assert_eq!(found, (3 * number, 1_000 + 3 * number));
        }
    };
    futures::join!(appends, looks);
    assert_eq!(at_time(&mut wire, 1_200).await, (200, 5_000));
    test.stop().await;
}

async fn at_time(wire: &mut Wire, timestamp: i64) -> (i64, i64) {
    use protocol::messages::ListOffsetsRequest;
    use protocol::messages::list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic};
    let partition = ListOffsetsPartition { timestamp, ..Default::default() };
    let topic = ListOffsetsTopic { name: "t".to_owned(), partitions: vec![partition] };
    let request = ListOffsetsRequest { replica_id: -1, topics: vec![topic], ..Default::default() };
    let response = wire.call(7, &request).await;
    let found = &response.topics[0].partitions[0];
    (found.offset, found.timestamp)
}

/// How librdkafka told of each record, by its value.
#[derive(Clone, Default)]
struct Told(Arc<Mutex<BTreeMap<String, Option<RDKafkaErrorCode>>>>);

impl ClientContext for Told {}

impl ProducerContext for Told {
    type DeliveryOpaque = ();

    fn delivery(&self, result: &DeliveryResult<'_>, (): ()) {
        let (message, code) = match result {
            Ok(message) => (message, None),
            Err((error, message)) => (message, error.rdkafka_error_code()),
        };
        let value = String::from_utf8(message.payload().unwrap().to_vec()).unwrap();
        self.0.lock().unwrap().insert(value, code);
    }
}

/// Sends records as one batch, and returns what became of each.
async fn deliver(
    test: &TestBroker,
    topic: &'static str,
    compression: &'static str,
    records: Vec<(Option<&'static str>, Option<i64>)>,
) -> Vec<Option<RDKafkaErrorCode>> {
    let told = Told::default();
    let producer: BaseProducer<Told> = ClientConfig::new()
        .set("bootstrap.servers", test.bootstrap())
        .set("linger.ms", "5000")
        .set("batch.num.messages", records.len().to_string())
        .set("compression.type", compression)
        .create_with_context(told.clone())
        .unwrap();
    let count = records.len();
    let sent = tokio::task::spawn_blocking(move || {
        for (number, (key, time)) in records.into_iter().enumerate() {
            let value = format!("{number:03}");
            let mut record = BaseRecord::<str, str>::to(topic).partition(0).payload(&value);
            if let Some(key) = key {
                record = record.key(key);
            }
            if let Some(time) = time {
                record = record.timestamp(time);
            }
            producer.send(record).map_err(|(problem, _)| problem).unwrap();
        }
        producer.flush(Duration::from_secs(60)).unwrap();
    });
    sent.await.unwrap();
    let told = told.0.lock().unwrap();
    assert_eq!(told.len(), count);
    told.values().copied().collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn librdkafka_fails_the_records_to_blame_as_invalid_and_the_others_for_their_sake() {
    let test = TestBroker::start().await;
    let mut wire = test.connect().await;
    wire.create_topic("c", 1, &[("cleanup.policy", "compact")]).await;
    wire.create_topic("t", 1, &[("message.timestamp.before.max.ms", "60000")]).await;
    for compression in ["none", "lz4"] {
        let blamed = |number: usize| number % 10 == 4;
        let keyless = (0..100).map(|number| ((!blamed(number)).then_some("k"), None)).collect();
        let old = (0..100).map(|number| (Some("k"), blamed(number).then_some(1_000))).collect();
        for (topic, records) in [("c", keyless), ("t", old)] {
            let told = deliver(&test, topic, compression, records).await;
            for (number, told) in told.into_iter().enumerate() {
                // It has this name for whatever is wrong with one record of several.
                let expected = match blamed(number) {
                    true => RDKafkaErrorCode::InvalidRecord,
                    false => RDKafkaErrorCode::InvalidDifferentRecord,
                };
                assert_eq!(told, Some(expected), "{topic} {compression} {number}");
            }
        }
    }
    let taken = deliver(&test, "c", "none", vec![(Some("k"), None); 10]).await;
    assert_eq!(taken, vec![None; 10]);
    test.stop().await;
}
