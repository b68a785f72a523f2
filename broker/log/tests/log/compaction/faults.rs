//! A disk on which the n-th operation of a compaction fails, for every n.

use std::path::PathBuf;
use std::sync::Arc;

use broker_log::{MemoryStore, OpenOptions, RecoveryReport, Store};

use super::*;
use crate::faults::{Failing, Faults, FaultyStore};

struct Life {
    inner: MemoryStore,
    rig: Rig,
    /// The values of keys, as they must be at any time.
    expected: Vec<(String, Option<String>)>,
    end: i64,
}

impl Life {
    fn new(faults: &Faults) -> Self {
        let inner = MemoryStore::default();
        let store = Arc::new(FaultyStore { inner: inner.clone(), faults: faults.clone() });
        let config = broker_log::LogConfig::default();
        let mut rig = Rig { store, dir: PathBuf::from("data"), config };
        compacted(&mut rig);
        rig.config.compaction.delete_retention_ms = 10;
        Self { inner, rig, expected: Vec::new(), end: 0 }
    }

    /// Writes a log of some segments, on a disk that is well.
    fn write(&mut self) -> Log {
        let well = Rig {
            store: Arc::new(self.inner.clone()),
            dir: self.rig.dir.clone(),
            config: self.rig.config.clone(),
        };
        let mut log = well.open();
        for number in 0..16 {
            let key = format!("k{}", number % 5);
            let value = (number % 4 != 3).then(|| number.to_string());
            append(&mut log, &[(&key, value.as_deref()), ("same", Some(&number.to_string()))]);
        }
        append_bytes(&mut log, &transactional(7, 0, 0));
        append_marker(&mut log, 7, 0, false);
        roll(&mut log);
        self.expected = latest(&committed(&log));
        self.end = log.log_end_offset();
        log.close().unwrap();
        self.open(self.rig.store.clone()).expect("faults come later")
    }

    fn open(&self, store: Arc<dyn Store>) -> Option<Log> {
        let options = OpenOptions { recovery_point: 0, now_ms: NOW, ..Default::default() };
        let config = Arc::new(self.rig.config.clone());
        let (mut log, report) = Log::open(store, self.rig.location(), config, options).ok()?;
        assert_eq!(report.bytes_cut, 0);
        log.set_high_watermark(log.log_end_offset());
        Some(log)
    }

    fn check(&self, log: &Log) {
        assert_eq!(log.log_end_offset(), self.end);
        assert_eq!(latest(&committed(log)), self.expected);
    }
}

/// The last value of each key; tombstones count for nothing.
fn latest(records: &[Seen]) -> Vec<(String, Option<String>)> {
    let mut last = std::collections::BTreeMap::new();
    for record in records {
        last.insert(record.key.clone(), record.value.clone());
    }
    last.retain(|_, value| value.is_some());
    last.into_iter().collect()
}

/// A pass, or why there was none.
fn try_pass(log: &mut Log, cleaner: &mut Cleaner, now_ms: i64) -> Result<(), CompactionError> {
    let Some(cleanable) = log.cleanable(cleaner.checkpoint, now_ms)? else { return Ok(()) };
    let written =
        log.prepare_compaction(&cleanable, now_ms)?.run(&mut cleaner.map, &mut Unhurried)?;
    let end_offset = written.stats.end_offset;
    let removed = log.finish_compaction(written)?;
    cleaner.checkpoint = Some(end_offset);
    Ok(removed.remove()?)
}

#[test]
fn whatever_operation_fails_the_log_is_the_old_one_or_the_new_one() {
    for failing in [Failing::Once, Failing::ForGood] {
        let mut operations = 0;
        loop {
            let faults = Faults::after(i64::MAX, failing);
            let mut life = Life::new(&faults);
            let mut log = life.write();
            life.check(&log);
            faults.set(operations);
            let mut cleaner = Cleaner::with_room_for(4);
            let mut failed = 0;
            for pass in 0..8 {
                failed += usize::from(try_pass(&mut log, &mut cleaner, NOW + pass * 6).is_err());
                if failing == Failing::Once || !faults.happened() {
                    faults.paused(|| life.check(&log));
                }
            }
            if failing == Failing::Once {
                assert!(failed <= 1, "operation {operations}: the pass is made again");
                assert!(log.segment_count() <= 4, "{}", log.segment_count());
            }
            drop(log);
            let log = life.open(Arc::new(life.inner.clone())).expect("a well disk opens");
            life.check(&log);
            let files = life.inner.list(log.dir()).unwrap();
            let left: Vec<_> = files.iter().filter(|file| !is_of_a_log(&file.name)).collect();
            assert!(left.is_empty(), "{left:?}");
            if !faults.happened() {
                break;
            }
            operations += 1;
        }
        assert!(operations > 100, "the run has only {operations} operations");
    }
}

/// A crash at the n-th operation, and life goes on after it.
#[test]
fn a_log_is_compacted_on_after_a_crash_at_any_operation() {
    for operations in (0..).step_by(3) {
        let faults = Faults::after(i64::MAX, Failing::ForGood);
        let mut life = Life::new(&faults);
        let mut log = life.write();
        faults.set(operations);
        let mut cleaner = Cleaner::with_room_for(4);
        for pass in 0..4 {
            let _ = try_pass(&mut log, &mut cleaner, NOW + pass * 6);
        }
        drop(log);
        let happened = faults.happened();
        faults.set(i64::MAX);
        let mut log = life.open(life.rig.store.clone()).unwrap();
        life.check(&log);
        for pass in 10..30 {
            try_pass(&mut log, &mut cleaner, NOW + pass * 6).unwrap();
        }
        life.check(&log);
        let left = committed(&log);
        let values = left.iter().filter(|record| record.value.is_some()).count();
        assert_eq!((values, left.len()), (life.expected.len(), life.expected.len()));
        if !happened {
            break;
        }
    }
}

#[test]
fn a_log_is_cut_and_closed_after_a_pass_that_failed_at_any_operation() {
    for operations in 0.. {
        let faults = Faults::after(i64::MAX, Failing::Once);
        let mut life = Life::new(&faults);
        let mut log = life.write();
        faults.set(operations);
        let _ = try_pass(&mut log, &mut Cleaner::new(), NOW);
        let happened = faults.happened();
        faults.set(i64::MAX);
        life.check(&log);
        append(&mut log, &[("same", Some("cut"))]);
        log.truncate_to(life.end, NOW).unwrap();
        life.check(&log);
        log.close().unwrap();
        let options = OpenOptions { clean_shutdown: true, now_ms: NOW, ..Default::default() };
        let (mut log, report) = life.rig.open_with(options);
        assert_eq!(report, RecoveryReport::default(), "operation {operations}");
        log.set_high_watermark(life.end);
        life.check(&log);
        if !happened {
            break;
        }
    }
}

#[test]
fn a_disk_without_room_for_a_second_log_is_compacted_part_by_part() {
    let faults = Faults::after(i64::MAX, Failing::Once);
    let mut life = Life::new(&faults);
    let mut log = life.write();
    faults.set_usable(100);
    let mut cleaner = Cleaner::new();
    let mut stats = cleaner.pass(&mut log, NOW);
    assert!(stats.short_of_space);
    assert_eq!((stats.end_offset, stats.segments_written), (0, 1), "what is done is in its place");
    for _ in 0..20 {
        stats = cleaner.pass(&mut log, NOW);
        life.check(&log);
        if !stats.short_of_space {
            break;
        }
    }
    assert_eq!(stats.end_offset, log.log_end_offset());
    assert_eq!(cleaner.cleanable(&log, NOW).dirty_bytes, 0);
}

fn is_of_a_log(name: &str) -> bool {
    let ends = [".log", ".index", ".timeindex", ".txnindex", ".snapshot"];
    ends.iter().any(|end| name.ends_with(end))
        || ["partition.metadata", "leader-epoch-checkpoint"].contains(&name)
}
