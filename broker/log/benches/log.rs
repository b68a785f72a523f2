//! What an append and a read cost: `cargo bench -p broker-log`. Each line is the best of several
//! runs, since noise only ever adds; the last column counts allocations a call.

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
use protocol::record::{BatchBuilder, BatchOptions};
use uuid::Uuid;

const RUNS: usize = 5;
const RUN: Duration = Duration::from_millis(100);

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

/// Prints the time of one call of `work`, and the rate if it goes through `bytes`.
fn measure<T>(name: &str, bytes: usize, mut work: impl FnMut() -> T) {
    let mut best = f64::INFINITY;
    let mut allocations = f64::INFINITY;
    for _ in 0..RUNS {
        let (start, before) = (Instant::now(), ALLOCATIONS.load(Ordering::Relaxed));
        let mut calls = 0_u32;
        while start.elapsed() < RUN {
            black_box(work());
            calls += 1;
        }
        let made = ALLOCATIONS.load(Ordering::Relaxed) - before;
        best = best.min(start.elapsed().as_secs_f64() / f64::from(calls));
        allocations = allocations.min(made as f64 / f64::from(calls));
    }
    let rate = bytes as f64 / best / 1e6;
    println!("{name:<32} {:8.2} us {rate:8.0} MB/s {allocations:8.3} allocations", best * 1e6);
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

fn batch(bytes: usize, producer: Option<i32>) -> Bytes {
    let mut batch = BatchBuilder::new(BatchOptions {
        producer_id: producer.map_or(-1, |_| 7),
        producer_epoch: producer.map_or(-1, |_| 0),
        base_sequence: producer.unwrap_or(-1),
        ..Default::default()
    });
    for _ in 0..bytes.div_ceil(1024) {
        batch.append(0, None, Some(&vec![b'x'; bytes.min(1024)]), &[]);
    }
    batch.finish()
}

const APPEND: LeaderAppend = LeaderAppend { leader_epoch: 0, origin: Origin::Client, now_ms: 0 };

fn append(log: &mut Log, batch: &Bytes) -> i64 {
    let appended = log.append_as_leader(batch, APPEND).expect("the disk takes it");
    if appended.rolled {
        log.set_high_watermark(log.log_end_offset());
        if let Some(plan) = log.retention(0).expect("the files are there") {
            let removed = log.apply_retention(&plan, 0).expect("the files are there");
            removed.remove().expect("the files are there");
        }
    }
    appended.last_offset
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

/// What is found by the structures beside the records.
fn lookups(dir: &std::path::Path) {
    let log = history(dir);
    let mut at = 0;
    let mut next = |limit: i64| {
        at = (at + 7_919_317) % limit;
        at
    };
    measure("offset index, any offset", 0, || {
        let offset = next(RECORDS);
        let request =
            ReadRequest { offset, max_bytes: 1, upper_bound: RECORDS, min_one_batch: true };
        log.read(request).expect("the files are there").map_or(0, |slice| slice.length)
    });
    measure("time index, any timestamp", 0, || {
        log.offset_for_timestamp(next(RECORDS)).expect("the files are there")
    });
    measure("epoch cache, end of any epoch", 0, || log.epoch_end_offset(next(EPOCHS) as i32));
    measure("epoch cache, epoch at any offset", 0, || log.epoch_at(next(RECORDS)));
}

/// Appends of many producers in turns, whose sequences are watched.
fn producer_state(dir: &std::path::Path, producers: usize) {
    const EACH: i32 = 200;
    let mut log = open(dir, &format!("producers-{producers}"));
    let batch = |producer: usize, base_sequence: i32| {
        let mut batch = BatchBuilder::new(BatchOptions {
            producer_id: producer as i64,
            producer_epoch: 0,
            base_sequence,
            ..Default::default()
        });
        batch.append(0, None, Some(&[b'x'; 100]), &[]);
        batch.finish()
    };
    let batches: Vec<_> = (0..EACH)
        .flat_map(|sequence| (0..producers).map(move |producer| (producer, sequence)))
        .map(|(producer, sequence)| batch(producer, sequence))
        .collect();
    let begun = Instant::now();
    for batch in &batches {
        append(&mut log, batch);
    }
    let each = begun.elapsed().as_secs_f64() / batches.len() as f64;
    println!("{:<32} {:8.2} us", format!("producer state, {producers} producers"), each * 1e6);
}

fn main() {
    let dir = tempfile::tempdir().expect("there is a place for temporary files");
    for bytes in [100, 1024, 16 << 10, 64 << 10, 1 << 20] {
        let mut log = open(dir.path(), &format!("append-{bytes}"));
        let batch = batch(bytes, None);
        measure(&format!("append {bytes}"), batch.len(), || append(&mut log, &batch));
    }
    let mut log = open(dir.path(), "idempotent");
    let batches: Vec<_> = (0..500_000).map(|sequence| batch(100, Some(sequence))).collect();
    let mut next = batches.iter();
    measure("append 100, idempotent", batches[0].len(), || {
        append(&mut log, next.next().expect("there are enough for all runs"))
    });
    let mut log = open(dir.path(), "read");
    let small = batch(1024, None);
    while log.size_bytes() < 200 << 20 {
        append(&mut log, &small);
    }
    let end = log.log_end_offset();
    measure("read, tail", 0, || read(&log, end - 1));
    let mut at = 0;
    measure("read, anywhere", 0, || {
        at = (at + 7_919_317) % end;
        read(&log, at)
    });
    lookups(dir.path());
    for producers in [1, 1_000] {
        producer_state(dir.path(), producers);
    }
}
