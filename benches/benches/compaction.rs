//! What a pass of compaction costs: `make bench-micro`. Throughput
//! counts the records of the log; each is read once for its key and once more if it may stay.

use std::sync::Arc;
use std::time::{Duration, Instant};

use broker_log::{
    FsStore, LeaderAppend, Location, Log, LogConfig, OffsetMap, OpenOptions, Origin,
    TopicPartition, Unhurried,
};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use protocol::record::{BatchBuilder, BatchOptions, Compression};
use uuid::Uuid;

const RECORDS: usize = 500_000;
const IN_A_BATCH: usize = 100;
const MAP_BYTES: usize = 128 << 20;

/// A log of records of 100 bytes, whose keys come again after so many records.
fn filled(dir: &std::path::Path, name: &str, keys: usize, codec: Compression) -> Log {
    let location = Location {
        log_dir: dir.to_owned(),
        topic_partition: TopicPartition::new(name, 0),
        topic_id: Uuid::from_u128(1),
    };
    let mut config = LogConfig::default();
    config.segment.bytes = 32 << 20;
    config.retention.compact = true;
    let options = OpenOptions { clean_shutdown: true, ..Default::default() };
    let (mut log, _) = Log::open(Arc::new(FsStore), location, Arc::new(config), options)
        .expect("an empty folder opens");
    let append = LeaderAppend { leader_epoch: 0, origin: Origin::Client, now_ms: 0 };
    for start in (0..RECORDS).step_by(IN_A_BATCH) {
        let options = BatchOptions { codec: codec.into(), ..Default::default() };
        let mut batch = BatchBuilder::new(options);
        for number in start..start + IN_A_BATCH {
            // In no order, as hashes and ids are.
            let key = (number % keys).wrapping_mul(0x9e37_79b9_7f4a_7c15).to_be_bytes();
            let value: Vec<u8> = (0..80).map(|at| (number >> (at % 20)) as u8).collect();
            batch.append(0, Some(&key), Some(&value), &[]);
        }
        log.append_as_leader(&batch.finish(), append).expect("the disk takes it");
    }
    log.set_high_watermark(log.log_end_offset());
    log.roll_if_due(i64::MAX / 2).expect("the disk takes it");
    log
}

fn compaction(criterion: &mut Criterion) {
    let dir = tempfile::tempdir().expect("there is a place for temporary files");
    let mut map = OffsetMap::new(MAP_BYTES, 0.9);
    let mut group = criterion.benchmark_group("compaction");
    group.throughput(Throughput::Elements(RECORDS as u64));
    for codec in [Compression::None, Compression::Lz4, Compression::Zstd] {
        for (name, keys) in [("all stay", RECORDS), ("half go", RECORDS / 2), ("most go", 1000)] {
            let mut log = filled(dir.path(), &format!("{codec}-{keys}"), keys, codec);
            group.bench_function(format!("{codec}, {name}"), |bencher| {
                bencher.iter_custom(|passes| (0..passes).map(|_| pass(&mut log, &mut map)).sum());
            });
        }
    }
    group.finish();
}

/// One pass, whose result is not put in the log's place: the next one finds the same.
fn pass(log: &mut Log, map: &mut OffsetMap) -> Duration {
    let cleanable = log.cleanable(None, 0).expect("the files are there");
    let cleanable = cleanable.expect("the log is compacted");
    let prepared = log.prepare_compaction(&cleanable, 0).expect("the files are there");
    let begun = Instant::now();
    let written = prepared.run(map, &mut Unhurried).expect("the log is whole");
    let spent = begun.elapsed();
    drop(written);
    spent
}

criterion_group! {
    name = benches;
    config = Criterion::default()
        .warm_up_time(Duration::from_millis(500))
        .measurement_time(Duration::from_secs(5))
        .sample_size(10);
    targets = compaction
}
criterion_main!(benches);
