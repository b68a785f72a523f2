//! Batches: built and read, against the crate `kafka-protocol`, and against bytes that Apache
//! Kafka's Java client made.

use bytes::{Bytes, BytesMut};
use kafka_protocol::records as theirs;
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use protocol::record::{
    BatchBuilder, BatchOptions, Codec, Compression, Header, Payload, RecordBatch, RecordRules,
    batches, validate, validate_records,
};

const LIMIT: usize = 1 << 22;

type Pairs = Vec<(String, Option<Vec<u8>>)>;

#[derive(Clone, Debug, PartialEq)]
struct Item {
    timestamp: i64,
    key: Option<Vec<u8>>,
    value: Option<Vec<u8>>,
    headers: Pairs,
}

fn item() -> impl Strategy<Value = Item> {
    let bytes = || option::of(vec(any::<u8>(), 0..200));
    let headers = vec(("[a-c]{0,3}", option::of(vec(any::<u8>(), 0..9))), 0..4);
    (0..i64::MAX / 2, bytes(), bytes(), headers).prop_map(|(timestamp, key, value, headers)| Item {
        timestamp,
        key,
        value,
        headers,
    })
}

fn build(options: BatchOptions, items: &[Item]) -> Bytes {
    let mut builder = BatchBuilder::new(options);
    for item in items {
        let headers: Vec<Header> =
            item.headers.iter().map(|(key, value)| Header::new(key, value.as_deref())).collect();
        let most = BatchBuilder::most_bytes(item.key.as_deref(), item.value.as_deref(), &headers);
        let before = builder.size();
        builder.append(item.timestamp, item.key.as_deref(), item.value.as_deref(), &headers);
        assert!(builder.size() <= before + most);
    }
    builder.finish()
}

fn only_batch(bytes: &Bytes) -> RecordBatch {
    let mut all = batches(bytes);
    let batch = all.next().expect("a batch").expect("a whole one");
    assert!(all.next().is_none());
    batch
}

fn items(payload: &Payload) -> Vec<Item> {
    let own = |bytes: Option<&[u8]>| bytes.map(<[u8]>::to_vec);
    let item = |record: protocol::record::Record| Item {
        timestamp: record.timestamp,
        key: own(record.key),
        value: own(record.value),
        headers: record.headers.map(|h| (h.name().into_owned(), own(h.value))).collect(),
    };
    payload.records().map(|record| item(record.expect("it is whole"))).collect()
}

fn compression() -> impl Strategy<Value = Compression> {
    proptest::sample::select(Compression::ALL.to_vec())
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..Default::default() })]

    #[test]
    fn what_goes_into_a_batch_comes_out(
        given in vec(item(), 1..12),
        compression in compression(),
        base_offset in 0..i64::MAX / 2,
        producer_id in -1..1000_i64,
        transactional in any::<bool>(),
    ) {
        let bytes = build(
            BatchOptions {
                base_offset,
                leader_epoch: 7,
                codec: compression.into(),
                producer_id,
                producer_epoch: 3,
                base_sequence: if producer_id < 0 { -1 } else { 11 },
                is_transactional: transactional,
                ..BatchOptions::default()
            },
            &given,
        );
        let batch = only_batch(&bytes);
        prop_assert_eq!(validate(&batch), Ok(()));
        prop_assert_eq!(batch.compression(), Ok(compression));
        prop_assert_eq!(batch.base_offset, base_offset);
        prop_assert_eq!(batch.last_offset(), base_offset + given.len() as i64 - 1);
        prop_assert_eq!(batch.is_transactional(), transactional);
        let latest = given.iter().map(|i| i.timestamp).max().unwrap_or(-1);
        prop_assert_eq!(batch.max_timestamp, latest);

        let rules = RecordRules { keys: true, times: None, listed_at_most: 100 };
        let summary = validate_records(&batch, &rules, LIMIT).expect("it is valid");
        prop_assert_eq!(summary.count, given.len());
        prop_assert_eq!(summary.max_timestamp, latest);
        let keyless: Vec<usize> =
            (0..given.len()).filter(|index| given[*index].key.is_none()).collect();
        let listed: Vec<usize> = summary.broken.listed.iter().map(|record| record.index).collect();
        prop_assert_eq!((summary.broken.count, listed), (keyless.len(), keyless));
        prop_assert_eq!(items(&batch.payload(LIMIT).expect("it is read")), given);
    }

    #[test]
    fn another_codec_reads_our_batches_and_we_read_its(
        given in vec(item(), 1..8),
        compression in compression().prop_filter("not built in", |c| *c != Compression::Lz4),
        base_offset in 0..1_000_000_i64,
    ) {
        // That crate keeps headers in a map: names must not repeat.
        let given: Vec<Item> = given.into_iter().map(|mut item| {
            item.headers.sort();
            item.headers.dedup_by(|a, b| a.0 == b.0);
            item
        }).collect();
        let options = BatchOptions { base_offset, codec: compression.into(), ..Default::default() };
        let mut bytes = build(options, &given);
        let set = theirs::RecordBatchDecoder::decode(&mut bytes).expect("they read it");
        let read: Vec<Item> = set.records.iter().map(|record| Item {
            timestamp: record.timestamp,
            key: record.key.as_ref().map(|b| b.to_vec()),
            value: record.value.as_ref().map(|b| b.to_vec()),
            headers: record.headers.iter()
                .map(|(name, value)| (name.to_string(), value.as_ref().map(|b| b.to_vec())))
                .collect(),
        }).collect();
        prop_assert_eq!(&read, &given);
        prop_assert_eq!(set.records[0].offset, base_offset);

        let mut back = BytesMut::new();
        let options = theirs::RecordEncodeOptions { version: 2, compression: set.compression };
        theirs::RecordBatchEncoder::encode(&mut back, set.records.iter(), &options)
            .expect("they write it");
        let back = back.freeze();
        let mut again = Vec::new();
        for batch in batches(&back) {
            let batch = batch.expect("it is whole");
            prop_assert_eq!(batch.check_crc(), Ok(()));
            again.extend(items(&batch.payload(LIMIT).expect("it is read")));
        }
        prop_assert_eq!(again, given);
    }
}

/// What the Java client's `MemoryRecordsBuilder` made of [`java_items`]: long ones, so that there
/// are several blocks, where they are compressed.
const FROM_JAVA: [(Compression, &[u8]); 5] = [
    (Compression::None, include_bytes!("java/none.batch")),
    (Compression::Gzip, include_bytes!("java/gzip.batch")),
    (Compression::Snappy, include_bytes!("java/snappy.batch")),
    (Compression::Lz4, include_bytes!("java/lz4.batch")),
    (Compression::Zstd, include_bytes!("java/zstd.batch")),
];

fn java_items(compression: Compression) -> Vec<Item> {
    let repeat = if compression == Compression::None { 20 } else { 20_000 };
    let text = |s: &str| Some(s.as_bytes().to_vec());
    vec![
        Item { timestamp: 1_700_000_000_000, key: text("k1"), value: text("v1"), headers: vec![] },
        Item {
            timestamp: 1_700_000_000_005,
            key: None,
            value: Some(b"0123456789".repeat(repeat)),
            headers: vec![("h".into(), text("x")), ("h".into(), None)],
        },
        Item { timestamp: 1_699_999_999_999, key: text("k3"), value: None, headers: vec![] },
    ]
}

#[test]
fn batches_of_the_java_client_are_read_and_built_alike() {
    for (compression, bytes) in FROM_JAVA {
        let batch = only_batch(&Bytes::from_static(bytes));
        assert_eq!(validate(&batch), Ok(()), "{compression}");
        assert_eq!(batch.compression(), Ok(compression));
        assert_eq!((batch.base_offset, batch.producer_id, batch.base_sequence), (42, 9, 5));
        assert_eq!(items(&batch.payload(LIMIT).expect("it is read")), java_items(compression));
    }
    let ours = build(
        BatchOptions {
            base_offset: 42,
            codec: Codec::default(),
            producer_id: 9,
            producer_epoch: 1,
            base_sequence: 5,
            ..BatchOptions::default()
        },
        &java_items(Compression::None),
    );
    assert_eq!(&ours[..], FROM_JAVA[0].1);
}
