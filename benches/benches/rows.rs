//! How fast records become Arrow columns and columns records, on rows like the demo's flights.

use std::hint::black_box;
use std::sync::Arc;
use std::time::Duration;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use formats::{Field, Format, RowDecoder, RowEncoder, Schema, Type, Wrapping, avro};

const ROWS: usize = 1000;

fn fields() -> Vec<Field> {
    let column = |name: &str, ty: Type| Field::new(name, Schema::optional(ty));
    let mut fields: Vec<Field> = ["YEAR", "MONTH", "DAY", "DEP_TIME", "DEP_DELAY", "DISTANCE"]
        .into_iter()
        .map(|name| column(name, Type::Int64))
        .collect();
    fields.extend(["CARRIER", "TAILNUM", "ORIGIN"].map(|name| column(name, Type::String)));
    fields.push(column("AIR_TIME", Type::Float64));
    fields.push(column("TIME_HOUR", Type::Timestamp));
    fields
}

fn json_records() -> Vec<Vec<u8>> {
    let record = |n: usize| {
        let (day, minute) = (n % 28 + 1, n % 1440);
        format!(
            r#"{{"year":2013,"month":1,"day":{day},"dep_time":{minute},"dep_delay":null,"distance":{n},"carrier":"UA","tailnum":"N{n}","origin":"EWR","air_time":{n}.5,"time_hour":1357034400000}}"#
        )
        .into_bytes()
    };
    (0..ROWS).map(record).collect()
}

fn decode(decoder: &mut RowDecoder, records: &[Vec<u8>]) {
    for record in records {
        decoder.append(Some(record)).expect("a valid record");
    }
    black_box(decoder.finish());
}

fn rows(criterion: &mut Criterion) {
    let fields = fields();
    let json = json_records();
    let mut json_decoder =
        RowDecoder::new(Format::Json, &fields, Wrapping::Record).expect("a decoder");
    for record in &json {
        json_decoder.append(Some(record)).expect("a valid record");
    }
    let columns = json_decoder.finish();
    let row = Schema::required(Type::Struct(fields.clone()));
    let schema = Arc::new(avro::from_typed(&row, "Row").expect("a schema"));
    let target = Some((1, Arc::clone(&schema)));
    let avro_encoder =
        RowEncoder::new(Format::Avro, &fields, Wrapping::Record, target).expect("an encoder");
    let json_encoder =
        RowEncoder::new(Format::Json, &fields, Wrapping::Record, None).expect("an encoder");
    let encode = |encoder: &RowEncoder| -> Vec<Vec<u8>> {
        let one = |row| {
            let mut out = Vec::new();
            encoder.encode(&columns, row, &mut out).expect("a row");
            out
        };
        (0..ROWS).map(one).collect()
    };
    let avro = encode(&avro_encoder);
    let mut avro_decoder =
        RowDecoder::new(Format::Avro, &fields, Wrapping::Record).expect("a decoder");
    avro_decoder.add_writer(1, schema);

    let mut group = criterion.benchmark_group("rows");
    group.throughput(Throughput::Elements(ROWS as u64));
    group.bench_function("decode json", |bencher| {
        bencher.iter(|| decode(&mut json_decoder, &json));
    });
    group.bench_function("decode avro", |bencher| {
        bencher.iter(|| decode(&mut avro_decoder, &avro));
    });
    group.bench_function("encode json", |bencher| bencher.iter(|| encode(&json_encoder)));
    group.bench_function("encode avro", |bencher| bencher.iter(|| encode(&avro_encoder)));
    group.finish();
}

criterion_group! {
    name = benches;
    config = Criterion::default().measurement_time(Duration::from_secs(2)).sample_size(20);
    targets = rows
}
criterion_main!(benches);
