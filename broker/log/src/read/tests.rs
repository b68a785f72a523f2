use std::cell::Cell;
use std::sync::Arc;

use bytes::Bytes;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use protocol::record::{BatchBuilder, BatchOptions};
use uuid::Uuid;

use super::*;
use crate::LeaderAppend;
use crate::config::LogConfig;
use crate::log::{Location, OpenOptions};
use crate::name::TopicPartition;
use crate::producers::Origin;
use crate::store::MemoryStore;

/// What is done to a log between two looks.
#[derive(Clone, Debug)]
enum Step {
    Lead {
        batches: usize,
        records: usize,
        size: usize,
    },
    /// Batches with holes between their offsets, as a compacted log has them.
    Follow {
        batches: usize,
        hole: i64,
    },
    Roll,
    /// How much is cut, in 64ths of the log.
    Truncate(i64),
    Reopen,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (1..30_usize, 1..4_usize, 0..100_usize)
            .prop_map(|(batches, records, size)| Step::Lead { batches, records, size }),
        3 => (1..30_usize, 0..5_i64).prop_map(|(batches, hole)| Step::Follow { batches, hole }),
        1 => Just(Step::Roll),
        2 => (0..=64_i64).prop_map(Step::Truncate),
        1 => Just(Step::Reopen),
    ]
}

fn batch(base_offset: i64, records: usize, size: usize) -> Bytes {
    let mut batch = BatchBuilder::new(BatchOptions { base_offset, ..Default::default() });
    for _ in 0..records {
        batch.append(0, None, Some(&vec![b'x'; size]), &[]);
    }
    batch.finish()
}

fn config() -> Arc<LogConfig> {
    let mut config = LogConfig::default();
    config.segment.bytes = 20_000;
    config.segment.index_interval_bytes = 300;
    Arc::new(config)
}

fn open(store: &MemoryStore) -> Log {
    let location = Location {
        log_dir: "data".into(),
        topic_partition: TopicPartition::new("flights", 0),
        topic_id: Uuid::from_u128(7),
    };
    let options = OpenOptions { clean_shutdown: true, ..OpenOptions::default() };
    Log::open(Arc::new(store.clone()), location, config(), options).unwrap().0
}

fn apply(mut log: Log, store: &MemoryStore, step: &Step) -> Log {
    match *step {
        Step::Lead { batches, records, size } => {
            for _ in 0..batches {
                let append = LeaderAppend { leader_epoch: 0, origin: Origin::Client, now_ms: 0 };
                log.append_as_leader(&batch(0, records, size), append).unwrap();
            }
        }
        Step::Follow { batches, hole } => {
            for _ in 0..batches {
                let base_offset = log.log_end_offset() + hole;
                log.append_as_follower(&batch(base_offset, 2, 10), 0).unwrap();
            }
        }
        Step::Roll => log.roll(log.next_offset, 0).unwrap(),
        Step::Truncate(part) => {
            let (start, end) = (log.log_start_offset(), log.log_end_offset());
            log.truncate_to(end - (end - start) * part / 64 / 4, 0).unwrap();
        }
        Step::Reopen => {
            log.close().unwrap();
            log = open(store);
        }
    }
    log
}

/// How a request is answered, and whether something was known of it without the file; asserts
/// that the file says the same.
fn check(log: &Log, request: ReadRequest) -> bool {
    let found = |read: PreparedRead| match read.locate().unwrap() {
        Located::Slice(slice) => Ok(Some((slice.position, slice.length))),
        Located::Nothing => Ok(None),
        Located::Further(further) => Err(further.offset),
    };
    let Some(read) = log.prepare_read(request).unwrap() else { return false };
    let places = [Some(&read.start), read.bound.as_ref()];
    let is_known = places.into_iter().flatten().any(|at| matches!(at, Place::Known { .. }));
    let segment = &log.segments[log.segment_of(request.offset)];
    let lookup = |offset| Place::Lookup(segment.lookup(offset).unwrap());
    let mut searched = log.prepare_read(request).unwrap().unwrap();
    searched.start = lookup(request.offset);
    searched.bound = searched.bound.map(|_| lookup(request.upper_bound));
    assert_eq!(found(read), found(searched), "{request:?}");
    is_known
}

#[test]
fn what_is_known_of_the_last_batches_is_what_the_file_says() {
    let known = Cell::new(0);
    let steps = proptest::collection::vec(step(), 1..12);
    let cases = Config { cases: 40, failure_persistence: None, ..Config::default() };
    let tested = TestRunner::new(cases).run(&steps, |steps| {
        let store = MemoryStore::default();
        let mut log = open(&store);
        for step in &steps {
            log = apply(log, &store, step);
            let end = log.log_end_offset();
            let first = log.log_start_offset().max(end - 150);
            for offset in (first..end).step_by(3) {
                for upper_bound in [end, end - 1, offset + 1, (offset + end) / 2] {
                    for (max_bytes, min_one_batch) in [(1, true), (1, false), (700, false)] {
                        let request = ReadRequest { offset, max_bytes, upper_bound, min_one_batch };
                        known.set(known.get() + usize::from(check(&log, request)));
                    }
                }
            }
        }
        Ok(())
    });
    tested.unwrap();
    assert!(known.get() > 1000, "only {} reads did without the file", known.get());
}
