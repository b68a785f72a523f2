//! How fast messages and batches go through: `make bench-micro`.

use std::time::Duration;

use bytes::Bytes;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use protocol::frame::{encode_request, encode_response};
use protocol::messages::fetch_response::{FetchableTopicResponse, PartitionData};
use protocol::messages::produce_request::{PartitionProduceData, TopicProduceData};
use protocol::messages::{FetchRequest, FetchResponse, ProduceRequest};
use protocol::record::{
    BatchBuilder, BatchOptions, Compression, RecordBatch, RecordRules, Records, validate,
    validate_records,
};
use protocol::{Message, Reader};

const PARTITIONS: usize = 100;
const LIMIT: usize = 1 << 24;

fn batch(compression: Compression, records: usize) -> Bytes {
    let options = BatchOptions { codec: compression.into(), ..BatchOptions::default() };
    let mut builder = BatchBuilder::new(options);
    for index in 0..records {
        let value = format!("{{\"flight\":{index},\"carrier\":\"UA\",\"delay\":{}}}", index % 97);
        let value = value.repeat(2);
        builder.append(index as i64, Some(b"EWR"), Some(value.as_bytes()), &[]);
    }
    builder.finish()
}

fn messages(criterion: &mut Criterion) {
    let records = batch(Compression::None, 1_000);
    let partition = |index: usize| PartitionProduceData {
        index: index as i32,
        records: Some(Records::Bytes(records.clone())),
    };
    let topic = TopicProduceData {
        name: "flights".into(),
        partition_data: (0..PARTITIONS).map(partition).collect(),
        ..TopicProduceData::default()
    };
    let produce = ProduceRequest { topic_data: vec![topic], acks: -1, ..Default::default() };
    let frame = encode_request(&produce, 9, 1, Some("bench")).expect("it fits").into_bytes();
    let body = frame.slice(frame.len() - encoded_length(&produce, 9)..);
    criterion.bench_function("messages/decode Produce 9, 100 partitions", |bencher| {
        bencher.iter(|| {
            ProduceRequest::decode(&mut Reader::new(body.clone()), 9).expect("it is whole")
        });
    });

    let length = records.len();
    let partition = |index: usize| PartitionData {
        partition_index: index as i32,
        records: Some(Records::Elsewhere { length }),
        ..PartitionData::default()
    };
    let topic = FetchableTopicResponse {
        partitions: (0..PARTITIONS).map(partition).collect(),
        ..FetchableTopicResponse::default()
    };
    let fetch = FetchResponse { responses: vec![topic], ..FetchResponse::default() };
    criterion.bench_function("messages/encode Fetch 13, 100 partitions elsewhere", |bencher| {
        bencher.iter(|| encode_response::<FetchRequest>(&fetch, 13, 1).expect("it fits"));
    });
}

fn encoded_length<M: Message>(message: &M, version: i16) -> usize {
    let mut writer = protocol::Writer::new();
    message.encode(&mut writer, version).expect("it fits");
    writer.total_length()
}

fn batches(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("record_batch");
    for (compression, records) in Compression::ALL.into_iter().flat_map(|c| [(c, 1), (c, 1_000)]) {
        let bytes = batch(compression, records);
        let batch = RecordBatch::parse(&bytes).expect("it is whole");
        let rules = RecordRules { keys: true, times: Some(0..=i64::MAX), listed_at_most: 9 };
        let plain = batch.payload(LIMIT).expect("it is read").bytes().len();
        group.throughput(Throughput::Bytes(plain as u64));
        group.bench_function(format!("build, {records} records, {compression}"), |bencher| {
            bencher.iter(|| self::batch(compression, records));
        });
        group.bench_function(format!("validate, {records} records, {compression}"), |bencher| {
            bencher.iter(|| validate_records(&batch, &rules, LIMIT).expect("it is valid"));
        });
    }
    let bytes = batch(Compression::None, 1_000);
    let batch = RecordBatch::parse(&bytes).expect("it is whole");
    group.throughput(Throughput::Bytes(bytes.len() as u64));
    group.bench_function("check the CRC, 1000 records", |bencher| {
        bencher.iter(|| validate(&batch));
    });
    group.finish();
}

criterion_group! {
    name = benches;
    config = Criterion::default()
        .warm_up_time(Duration::from_millis(200))
        .measurement_time(Duration::from_secs(1))
        .sample_size(20);
    targets = messages, batches
}
criterion_main!(benches);
