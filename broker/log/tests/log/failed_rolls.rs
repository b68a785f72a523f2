//! A disk that fails while a segment is begun, by an append, by time or by retention: the log goes
//! on in the old one, and a restart finds what was acknowledged, all of it and nothing else.

use std::path::PathBuf;
use std::sync::Arc;

use broker_log::{FsStore, Log, LogConfig, MemoryStore, OpenOptions, Store};
use bytes::Bytes;
use protocol::record::{BatchBuilder, BatchOptions};
use testkit::disk::SimDisk;

use crate::faults::{Failing, Faults, FaultyStore};
use crate::support::*;

const PRODUCER: i64 = 5;

/// Numbers that are the same in each run, and look like chance.
struct Sizes(u64);

impl Sizes {
    fn below(&mut self, most: u64) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % most) as usize
    }
}

/// A log on a disk that fails, and what a list would hold of it.
struct Story {
    inner: MemoryStore,
    faults: Faults,
    rig: Rig,
    sizes: Sizes,
    /// Offset and value of each record that was acknowledged.
    acknowledged: Vec<(i64, String)>,
    /// The last batch that was, as it was sent.
    last: Option<(i64, Bytes)>,
    recovery_point: i64,
    log_start_offset: i64,
}

impl Story {
    fn new(seed: u64, faults: Faults) -> Self {
        let inner = MemoryStore::default();
        let store = Arc::new(FaultyStore { inner: inner.clone(), faults: faults.clone() });
        let mut config = LogConfig::default();
        config.segment.bytes = 600;
        config.segment.index_interval_bytes = 100;
        config.segment.preallocate = seed.is_multiple_of(2);
        config.retention.bytes = 1500;
        Self {
            inner,
            faults,
            rig: Rig { store, dir: PathBuf::from("data"), config },
            sizes: Sizes(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1),
            acknowledged: Vec::new(),
            last: None,
            recovery_point: 0,
            log_start_offset: 0,
        }
    }

    fn end(&self) -> i64 {
        self.acknowledged.len() as i64
    }

    /// One to three records of any size that fits a segment; a batch that was refused is followed
    /// by another one, not sent again.
    fn next_batch(&mut self) -> (Bytes, Vec<(i64, String)>) {
        let options = BatchOptions {
            producer_id: PRODUCER,
            producer_epoch: 0,
            base_sequence: self.end() as i32,
            ..BatchOptions::default()
        };
        let mut builder = BatchBuilder::new(options);
        let mut records = Vec::new();
        for number in 0..=self.sizes.below(3) as i64 {
            let offset = self.end() + number;
            let value = format!("{offset}{}", "x".repeat(self.sizes.below(170)));
            builder.append(NOW, None, Some(value.as_bytes()), &[]);
            records.push((offset, value));
        }
        (builder.finish(), records)
    }

    fn append(&mut self, log: &mut Log) {
        let (batch, records) = self.next_batch();
        if let Ok(appended) = log.append_as_leader(&batch, by_client()) {
            assert_eq!(appended.base_offset, self.end());
            self.last = Some((appended.base_offset, batch));
            self.acknowledged.extend(records);
            log.set_high_watermark(log.log_end_offset());
        }
    }

    fn retain(&mut self, log: &mut Log, bytes: i64) {
        let mut config = (**log.config()).clone();
        config.retention.bytes = bytes;
        log.update_config(config.into());
        if let Ok(Some(plan)) = log.retention(NOW)
            && let Ok(removed) = log.apply_retention(&plan, NOW)
        {
            let _ = removed.remove();
        }
        self.log_start_offset = log.log_start_offset();
    }

    /// Returns the log as it is left, unless a sync failed, after which none is gone on with.
    fn run(&mut self) -> Option<Log> {
        let options = OpenOptions { now_ms: NOW, ..OpenOptions::default() };
        let config = Arc::new(self.rig.config.clone());
        let open =
            || Log::open(self.rig.store.clone(), self.rig.location(), config.clone(), options);
        let (mut log, _) = (0..2).find_map(|_| open().ok())?;
        for step in 0..40 {
            match step % 10 {
                3 => drop(log.roll_if_due(i64::MAX / 2)),
                5 => {
                    log.flush(NOW).ok()?;
                    self.recovery_point = log.recovery_point();
                }
                7 => self.retain(&mut log, 1000),
                // Nothing is left, the active segment included.
                9 if step == 29 => self.retain(&mut log, 0),
                _ => self.append(&mut log),
            }
            self.check(&log);
        }
        Some(log)
    }

    /// All that was acknowledged is there once, in order, and nothing else.
    fn check(&self, log: &Log) {
        self.faults.paused(|| {
            assert_eq!(log.log_end_offset(), self.end());
            let start = log.log_start_offset();
            assert_eq!(read_all(log, start), self.acknowledged[start as usize..]);
        });
    }

    fn restart(&self, clean_shutdown: bool) -> Log {
        let options = OpenOptions {
            recovery_point: self.recovery_point,
            log_start_offset: self.log_start_offset,
            clean_shutdown,
            now_ms: NOW,
            ..OpenOptions::default()
        };
        let store: Arc<dyn Store> = Arc::new(self.inner.clone());
        let config = Arc::new(self.rig.config.clone());
        Log::open(store, self.rig.location(), config, options).expect("a well disk opens").0
    }

    /// What a restart finds goes on, and its producer is known.
    fn check_restart(&mut self, clean_shutdown: bool) {
        let mut log = self.restart(clean_shutdown);
        self.faults.set(i64::MAX);
        log.set_high_watermark(log.log_end_offset());
        self.check(&log);
        if let Some((base_offset, batch)) = &self.last
            && *base_offset >= log.log_start_offset()
        {
            let again = log.append_as_leader(batch, by_client()).unwrap();
            assert!(again.duplicate && again.base_offset == *base_offset, "{again:?}");
        }
        let before = self.end();
        for _ in 0..4 {
            self.append(&mut log);
        }
        assert!(self.end() >= before + 4, "all of them were taken");
        self.check(&log);
        self.recovery_point = log.close().unwrap().recovery_point;
        self.check(&self.restart(true));
    }
}

#[test]
fn whatever_fails_while_a_segment_is_begun_a_restart_finds_what_was_acknowledged() {
    for seed in 1..=3 {
        for failing in [Failing::Once, Failing::ForGood] {
            for stopped_in_order in [false, true] {
                let mut operations = 0;
                loop {
                    let mut story = Story::new(seed, Faults::after(operations, failing));
                    let left = story.run();
                    let happened = story.faults.happened();
                    story.faults.set(i64::MAX);
                    // A process that is killed closes nothing.
                    let closed = left.filter(|_| stopped_in_order).map(Log::close);
                    story.check_restart(closed.is_some_and(|closed| closed.is_ok()));
                    if !happened {
                        break;
                    }
                    operations += 1;
                }
                assert!(operations > 100, "the run has only {operations} operations");
            }
        }
    }
}

#[test]
fn a_smaller_batch_after_a_roll_that_found_no_room_is_there_after_a_restart() {
    for room in 0..300 {
        for in_order in [false, true] {
            let disk = SimDisk::default();
            let mut config = LogConfig::default();
            config.segment.bytes = 500;
            let store: Arc<dyn Store> = Arc::new(disk.clone());
            let rig = Rig { store, dir: PathBuf::from("data"), config };
            let mut log = rig.open();
            fill(&mut log, 4);
            let mut taken = 4;
            disk.leave_room(room);
            // The first needs a new segment, each of the others less than the one before.
            for size in [300, 140, 60, 1] {
                let value = format!("{taken}{}", "x".repeat(size));
                let sent = batch(&[(NOW, &value)]);
                taken += i64::from(log.append_as_leader(&sent, by_client()).is_ok());
            }
            disk.mend();
            let expected = read_all(&log, 0);
            assert_eq!(expected.len() as i64, taken);
            let mut log = if in_order {
                log.close().unwrap();
                rig.open()
            } else {
                drop(log);
                rig.open_after_crash(0).0
            };
            assert_eq!(read_all(&log, 0), expected, "room {room}");
            assert_eq!(put(&mut log, NOW, "next").base_offset, taken);
        }
    }
}

#[test]
fn an_empty_segment_that_lies_within_the_one_before_is_dropped_by_a_restart() {
    for (in_order, recovery_point) in [(true, 9), (false, 0), (false, 5), (false, 9)] {
        let folder = tempfile::tempdir().unwrap();
        let dir = folder.path().to_owned();
        let mut rig = Rig { store: Arc::new(FsStore), dir, config: LogConfig::default() };
        rig.config.segment.index_interval_bytes = 100;
        let mut log = rig.open();
        fill(&mut log, 9);
        log.close().unwrap();
        rig.overwrite("00000000000000000005.log", b"");
        let options = OpenOptions {
            recovery_point,
            clean_shutdown: in_order,
            now_ms: NOW,
            ..Default::default()
        };
        let (mut log, report) = rig.open_with(options);
        assert_eq!((log.log_end_offset(), report.bytes_cut), (9, 0));
        assert_eq!(read_all(&log, 0), filled(0..9));
        assert!(!rig.files().iter().any(|name| name == "00000000000000000005.log"));
        fill(&mut log, 2);
        log.close().unwrap();
        assert_eq!(read_all(&rig.open(), 0), filled(0..11));
    }
}

#[test]
fn a_truncation_that_failed_is_completed_before_anything_is_appended() {
    let mut operations = 0;
    loop {
        let faults = Faults::after(i64::MAX, Failing::Once);
        let store: Arc<dyn Store> =
            Arc::new(FaultyStore { inner: MemoryStore::default(), faults: faults.clone() });
        let mut rig = Rig { store, dir: PathBuf::from("data"), config: LogConfig::default() };
        rig.config.segment.bytes = 300;
        let mut log = rig.open();
        fill(&mut log, 12);
        faults.set(operations);
        let cut = log.truncate_to(3, NOW);
        let happened = faults.happened();
        faults.set(i64::MAX);
        if cut.is_err() {
            let refused = log.append_as_leader(&batch(&[(NOW, "early")]), by_client());
            assert!(refused.is_err(), "operation {operations}: {refused:?}");
            log.truncate_to(3, NOW).unwrap();
        }
        fill(&mut log, 5);
        assert_eq!(read_all(&log, 0), filled(0..8), "operation {operations}");
        drop(log);
        assert_eq!(read_all(&rig.open_after_crash(0).0, 0), filled(0..8));
        if !happened {
            break;
        }
        operations += 1;
    }
    assert!(operations > 10, "{operations}");
}
