//! How fast messages and batches go through: `cargo bench -p protocol`. Each line is the best of
//! several runs, since noise only ever adds.

use std::hint::black_box;
use std::time::{Duration, Instant};

use bytes::Bytes;
use protocol::frame::{encode_request, encode_response};
use protocol::messages::fetch_response::{FetchableTopicResponse, PartitionData};
use protocol::messages::produce_request::{PartitionProduceData, TopicProduceData};
use protocol::messages::{FetchRequest, FetchResponse, ProduceRequest};
use protocol::record::{
    BatchBuilder, BatchOptions, Compression, RecordBatch, Records, validate, validate_records,
};
use protocol::{Message, Reader};

const RUNS: usize = 7;
const RUN: Duration = Duration::from_millis(60);
const PARTITIONS: usize = 100;
const LIMIT: usize = 1 << 24;

/// Prints the time of one call of `work`, and the rate if it goes through `bytes`.
fn measure<T>(name: &str, bytes: usize, mut work: impl FnMut() -> T) {
    let mut best = f64::INFINITY;
    for _ in 0..RUNS {
        let start = Instant::now();
        let mut calls = 0_u32;
        while start.elapsed() < RUN {
            black_box(work());
            calls += 1;
        }
        best = best.min(start.elapsed().as_secs_f64() / f64::from(calls));
    }
    let rate = bytes as f64 / best / 1e6;
    let rate = if bytes > 0 { format!("{rate:10.0} MB/s") } else { String::new() };
    println!("{name:<44} {:12.2} us {rate}", best * 1e6);
}

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

fn messages() {
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
    measure("decode Produce 9, 100 partitions", 0, || {
        ProduceRequest::decode(&mut Reader::new(body.clone()), 9).expect("it is whole")
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
    measure("encode Fetch 13, 100 partitions elsewhere", 0, || {
        encode_response::<FetchRequest>(&fetch, 13, 1).expect("it fits")
    });
}

fn encoded_length<M: Message>(message: &M, version: i16) -> usize {
    let mut writer = protocol::Writer::new();
    message.encode(&mut writer, version).expect("it fits");
    writer.total_length()
}

fn batches() {
    for (compression, records) in Compression::ALL.into_iter().flat_map(|c| [(c, 1), (c, 1_000)]) {
        let bytes = batch(compression, records);
        let batch = RecordBatch::parse(&bytes).expect("it is whole");
        let plain = batch.payload(LIMIT).expect("it is read").bytes().len();
        let name = |what: &str| format!("{what} {records} records, {compression}");
        measure(&name("build"), plain, || self::batch(compression, records));
        measure(&name("read"), plain, || validate_records(&batch, LIMIT).expect("it is valid"));
    }
    let bytes = batch(Compression::None, 1_000);
    let batch = RecordBatch::parse(&bytes).expect("it is whole");
    measure("check the CRC of 1000 records", bytes.len(), || validate(&batch));
}

fn main() {
    messages();
    batches();
}
