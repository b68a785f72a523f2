//! What an append, a read and the structures beside the records cost: `make bench-micro`.
//! Of appends and reads the allocations a call are printed as well.

use std::alloc::{GlobalAlloc, Layout, System};
use std::hint::black_box;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use broker_log::{
    FsStore, LeaderAppend, Location, Log, LogConfig, OpenOptions, Origin, ReadRequest,
    TopicPartition,
};
use bytes::Bytes;
use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, Criterion, Throughput, criterion_group, criterion_main};
use protocol::record::{BatchBuilder, BatchOptions};
use uuid::Uuid;

/// Calls over which allocations are counted.
const COUNTED: u32 = 1000;

static ALLOCATIONS: AtomicU64 = AtomicU64::new(0);

struct Counting;

// SAFETY: everything is left to the system's allocator.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.fetch_add(1, Ordering::Relaxed);
        // SAFETY: as the caller promises.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: as the caller promises.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Measures one call of `work`, and says how often it allocates.
fn measure<T>(group: &mut BenchmarkGroup<'_, WallTime>, name: &str, mut work: impl FnMut() -> T) {
    let before = ALLOCATIONS.load(Ordering::Relaxed);
    for _ in 0..COUNTED {
        black_box(work());
    }
    let made = ALLOCATIONS.load(Ordering::Relaxed) - before;
    println!("{name}: {:.3} allocations a call", made as f64 / f64::from(COUNTED));
    group.bench_function(name, |bencher| bencher.iter(&mut work));
}

fn open(dir: &std::path::Path, name: &str) -> Log {
    let location = Location {
        log_dir: dir.to_owned(),
        topic_partition: TopicPartition::new(name, 0),
        topic_id: Uuid::from_u128(1),
    };
    let mut config = LogConfig::default();
    // So that a run does not fill the disk.
    config.segment.bytes = 256 << 20;
    config.retention.bytes = 0;
    config.max_message_bytes = 2 << 20;
    let options = OpenOptions { clean_shutdown: true, ..Default::default() };
    let (log, _) = Log::open(Arc::new(FsStore), location, Arc::new(config), options)
        .expect("an empty folder opens");
    log
}

fn batch(bytes: usize) -> Bytes {
    let mut batch = BatchBuilder::new(BatchOptions::default());
    for _ in 0..bytes.div_ceil(1024) {
        batch.append(0, None, Some(&vec![b'x'; bytes.min(1024)]), &[]);
    }
    batch.finish()
}

const APPEND: LeaderAppend = LeaderAppend { leader_epoch: 0, origin: Origin::Client, now_ms: 0 };

fn append(log: &mut Log, batch: &Bytes) -> i64 {
    let appended = log.append_as_leader(batch, APPEND).expect("the disk takes it");
    if appended.rolled {
        drop_old_segments(log);
    }
    appended.last_offset
}

fn append_group(log: &mut Log, batches: &[(Bytes, LeaderAppend)]) -> i64 {
    let end = log.log_end_offset();
    for appended in log.append_group_as_leader(batches) {
        if appended.expect("the disk takes it").rolled {
            drop_old_segments(log);
        }
    }
    end
}

fn drop_old_segments(log: &mut Log) {
    log.set_high_watermark(log.log_end_offset());
    if let Some(plan) = log.retention(0).expect("the files are there") {
        let removed = log.apply_retention(&plan, 0).expect("the files are there");
        removed.remove().expect("the files are there");
    }
}

fn read(log: &Log, offset: i64) -> usize {
    let upper_bound = log.log_end_offset();
    let request = ReadRequest { offset, max_bytes: 1 << 20, upper_bound, min_one_batch: true };
    log.read(request).expect("the files are there").map_or(0, |slice| slice.length)
}

const RECORDS: i64 = 100_000;
const EPOCHS: i64 = 500;

/// A log of several segments: a record a batch, a millisecond a record, an epoch now and then.
fn history(dir: &std::path::Path) -> Log {
    let mut log = open(dir, "history");
    let mut config = LogConfig::default();
    config.segment.bytes = 16 << 20;
    log.update_config(Arc::new(config));
    for offset in 0..RECORDS {
        let mut batch = BatchBuilder::new(BatchOptions::default());
        batch.append(offset, None, Some(&[b'x'; 1024]), &[]);
        let leader_epoch = (offset * EPOCHS / RECORDS) as i32;
        let append = LeaderAppend { leader_epoch, ..APPEND };
        log.append_as_leader(&batch.finish(), append).expect("the disk takes it");
    }
    log
}

fn appends(criterion: &mut Criterion) {
    let dir = tempfile::tempdir().expect("there is a place for temporary files");
    let mut group = criterion.benchmark_group("append");
    for bytes in [100, 1024, 16 << 10, 64 << 10, 1 << 20] {
        let mut log = open(dir.path(), &format!("append-{bytes}"));
        let batch = batch(bytes);
        group.throughput(Throughput::Bytes(batch.len() as u64));
        measure(&mut group, &bytes.to_string(), || append(&mut log, &batch));
    }
    group.finish();
    let mut group = criterion.benchmark_group("append_group");
    for batches in [1, 4, 16, 64] {
        let mut log = open(dir.path(), &format!("append-group-{batches}"));
        let batches = vec![(batch(16 << 10), APPEND); batches];
        let bytes: usize = batches.iter().map(|(batch, _)| batch.len()).sum();
        group.throughput(Throughput::Bytes(bytes as u64));
        measure(&mut group, &batches.len().to_string(), || append_group(&mut log, &batches));
    }
    group.finish();
}

fn reads(criterion: &mut Criterion) {
    let dir = tempfile::tempdir().expect("there is a place for temporary files");
    let mut log = open(dir.path(), "read");
    let small = batch(1024);
    while log.size_bytes() < 200 << 20 {
        append(&mut log, &small);
    }
    let end = log.log_end_offset();
    let mut group = criterion.benchmark_group("read");
    measure(&mut group, "tail", || read(&log, end - 1));
    let mut at = 0;
    measure(&mut group, "anywhere", || {
        at = (at + 7_919_317) % end;
        read(&log, at)
    });
    group.finish();
}

/// What is found by the structures beside the records.
fn lookups(criterion: &mut Criterion) {
    let dir = tempfile::tempdir().expect("there is a place for temporary files");
    let log = history(dir.path());
    let mut at = 0;
    let mut next = |limit: i64| {
        at = (at + 7_919_317) % limit;
        at
    };
    let mut group = criterion.benchmark_group("offset_index");
    group.bench_function("any offset", |bencher| {
        bencher.iter(|| {
            let (offset, upper_bound) = (next(RECORDS), RECORDS);
            let request = ReadRequest { offset, max_bytes: 1, upper_bound, min_one_batch: true };
            log.read(request).expect("the files are there").map_or(0, |slice| slice.length)
        });
    });
    group.finish();
    let mut group = criterion.benchmark_group("time_index");
    group.bench_function("any timestamp", |bencher| {
        bencher.iter(|| log.offset_for_timestamp(next(RECORDS)).expect("the files are there"));
    });
    group.finish();
    let mut group = criterion.benchmark_group("leader_epochs");
    group.bench_function("end of any epoch", |bencher| {
        bencher.iter(|| log.epoch_end_offset(next(EPOCHS) as i32));
    });
    group.bench_function("epoch at any offset", |bencher| {
        bencher.iter(|| log.epoch_at(next(RECORDS)));
    });
    group.finish();
}

/// Appends of many idempotent producers in turns, whose sequences are watched. Each sequence may
/// be sent once, so that the batches are built anew for each round, outside of what is measured.
fn producer_states(criterion: &mut Criterion) {
    let dir = tempfile::tempdir().expect("there is a place for temporary files");
    let mut group = criterion.benchmark_group("producer_states");
    for producers in [1, 1_000] {
        let mut log = open(dir.path(), &format!("producers-{producers}"));
        let mut sent = 0;
        group.bench_function(format!("append 100 of {producers} producers"), |bencher| {
            bencher.iter_custom(|calls| {
                let mut spent = Duration::ZERO;
                for _ in 0..calls {
                    let batch = sequenced(sent % producers, sent / producers);
                    let begun = Instant::now();
                    append(&mut log, &batch);
                    spent += begun.elapsed();
                    sent += 1;
                }
                spent
            });
        });
    }
    group.finish();
}

fn sequenced(producer: u64, sequence: u64) -> Bytes {
    let mut batch = BatchBuilder::new(BatchOptions {
        producer_id: producer as i64,
        producer_epoch: 0,
        base_sequence: sequence as i32,
        ..Default::default()
    });
    batch.append(0, None, Some(&[b'x'; 100]), &[]);
    batch.finish()
}

criterion_group! {
    name = benches;
    config = Criterion::default()
        .warm_up_time(Duration::from_millis(300))
        .measurement_time(Duration::from_secs(1))
        .sample_size(20);
    targets = appends, reads, lookups, producer_states
}
criterion_main!(benches);
