//! A disk on which the n-th operation fails, for every n.

use std::fmt::Debug;
use std::io::{self, IoSlice};
use std::os::fd::RawFd;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use broker_log::{
    AppendError, Entry, File, Log, LogConfig, MemoryStore, OpenOptions, Space, Store,
    TopicPartition,
};

use crate::support::*;

/// How a disk fails.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Failing {
    /// One operation, and all is well again.
    Once,
    /// From one operation on, until the broker is started anew.
    ForGood,
}

/// Counts what changes the disk, and fails when the count is used up.
#[derive(Clone, Debug)]
pub(crate) struct Faults {
    left: Arc<AtomicI64>,
    failing: Failing,
    /// How much room the disk says that it has; `u64::MAX`: what it has.
    usable_bytes: Arc<AtomicU64>,
}

impl Faults {
    pub(crate) fn after(operations: i64, failing: Failing) -> Self {
        let usable_bytes = Arc::new(AtomicU64::new(u64::MAX));
        Self { left: Arc::new(AtomicI64::new(operations)), failing, usable_bytes }
    }

    /// Begins anew: the next operation but so many fails.
    pub(crate) fn set(&self, operations: i64) {
        self.left.store(operations, Ordering::SeqCst);
    }

    /// How many operations are left before one fails.
    pub(crate) fn left(&self) -> i64 {
        self.left.load(Ordering::SeqCst)
    }

    /// Lets the disk say that it has so much room.
    pub(crate) fn set_usable(&self, bytes: u64) {
        self.usable_bytes.store(bytes, Ordering::SeqCst);
    }

    /// Does something to which nothing happens.
    pub(crate) fn paused(&self, work: impl FnOnce()) {
        let left = self.left.swap(i64::MAX, Ordering::SeqCst);
        work();
        self.set(left);
    }

    pub(crate) fn happened(&self) -> bool {
        self.left.load(Ordering::SeqCst) < 0
    }

    fn check(&self) -> io::Result<()> {
        let left = self.left.fetch_sub(1, Ordering::SeqCst);
        if left == 0 || (left < 0 && self.failing == Failing::ForGood) {
            return Err(io::Error::new(io::ErrorKind::StorageFull, "injected"));
        }
        Ok(())
    }
}

#[derive(Debug)]
pub(crate) struct FaultyStore {
    pub(crate) inner: MemoryStore,
    pub(crate) faults: Faults,
}

#[derive(Debug)]
struct FaultyFile {
    inner: Arc<dyn File>,
    faults: Faults,
}

impl FaultyStore {
    fn file(&self, inner: Arc<dyn File>) -> Arc<dyn File> {
        Arc::new(FaultyFile { inner, faults: self.faults.clone() })
    }
}

impl Store for FaultyStore {
    fn open(&self, path: &Path) -> io::Result<Arc<dyn File>> {
        self.faults.check()?;
        Ok(self.file(self.inner.open(path)?))
    }

    fn create(&self, path: &Path) -> io::Result<Arc<dyn File>> {
        self.faults.check()?;
        Ok(self.file(self.inner.create(path)?))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.faults.check()?;
        self.inner.rename(from, to)
    }

    fn remove_file(&self, path: &Path) -> io::Result<()> {
        self.faults.check()?;
        self.inner.remove_file(path)
    }

    fn create_dir_all(&self, path: &Path) -> io::Result<()> {
        self.faults.check()?;
        self.inner.create_dir_all(path)
    }

    fn remove_dir_all(&self, path: &Path) -> io::Result<()> {
        self.faults.check()?;
        self.inner.remove_dir_all(path)
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<Entry>> {
        self.faults.check()?;
        self.inner.list(dir)
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        self.faults.check()?;
        self.inner.sync_dir(dir)
    }

    fn lock(&self, path: &Path) -> io::Result<Box<dyn Debug + Send + Sync>> {
        self.inner.lock(path)
    }

    fn space(&self, path: &Path) -> io::Result<Space> {
        let space = self.inner.space(path)?;
        let usable_bytes = self.faults.usable_bytes.load(Ordering::SeqCst).min(space.usable_bytes);
        Ok(Space { usable_bytes, ..space })
    }
}

impl File for FaultyFile {
    fn read_at(&self, buffer: &mut [u8], position: u64) -> io::Result<usize> {
        self.faults.check()?;
        self.inner.read_at(buffer, position)
    }

    /// A write that fails has written a part.
    fn write_at(&self, bytes: &[u8], position: u64) -> io::Result<()> {
        if let Err(error) = self.faults.check() {
            self.inner.write_at(&bytes[..bytes.len() / 2], position)?;
            return Err(error);
        }
        self.inner.write_at(bytes, position)
    }

    fn write_parts_at(&self, parts: &mut [IoSlice<'_>], position: u64) -> io::Result<()> {
        let whole: Vec<u8> = parts.iter().flat_map(|part| part.to_vec()).collect();
        self.write_at(&whole, position)
    }

    fn size(&self) -> io::Result<u64> {
        self.inner.size()
    }

    fn set_size(&self, size: u64) -> io::Result<()> {
        self.faults.check()?;
        self.inner.set_size(size)
    }

    fn reserve(&self, size: u64) -> io::Result<()> {
        self.faults.check()?;
        self.inner.reserve(size)
    }

    fn sync(&self) -> io::Result<()> {
        self.faults.check()?;
        self.inner.sync()
    }

    fn as_raw_fd(&self) -> Option<RawFd> {
        None
    }
}

/// A broker's life with one partition, and what it has acknowledged in it.
struct Life {
    inner: MemoryStore,
    faults: Faults,
    rig: Rig,
    acknowledged: Vec<(i64, String)>,
    recovery_point: i64,
    log_start_offset: i64,
}

impl Life {
    fn new(faults: Faults) -> Self {
        let inner = MemoryStore::default();
        let store = Arc::new(FaultyStore { inner: inner.clone(), faults: faults.clone() });
        let mut config = LogConfig::default();
        config.segment.bytes = 300;
        config.segment.index_interval_bytes = 100;
        config.retention.bytes = 900;
        let rig = Rig { store, dir: PathBuf::from("data"), config };
        Self {
            inner,
            faults,
            rig,
            acknowledged: Vec::new(),
            recovery_point: 0,
            log_start_offset: 0,
        }
    }

    fn options(&self) -> OpenOptions {
        OpenOptions {
            recovery_point: self.recovery_point,
            log_start_offset: self.log_start_offset,
            clean_shutdown: false,
            now_ms: NOW,
            ..OpenOptions::default()
        }
    }

    fn open(&self, store: Arc<dyn Store>) -> Option<Log> {
        let config = Arc::new(self.rig.config.clone());
        Log::open(store, self.rig.location(), config, self.options()).ok().map(|(log, _)| log)
    }

    /// Appends an idempotent producer's records, each until it is acknowledged; flushes and
    /// retains now and then. Whatever fails is tried again once.
    fn run(&mut self) {
        let opened = (0..2).find_map(|_| self.open(self.rig.store.clone()));
        let Some(mut log) = opened else { return };
        for number in 0..24 {
            for _ in 0..2 {
                let sent = produced(5, 0, number, 1);
                let Ok(appended) = log.append_as_leader(&sent, by_client()) else { continue };
                self.acknowledged.push((appended.base_offset, "x".to_owned()));
                break;
            }
            if self.acknowledged.len() != number as usize + 1 {
                break;
            }
            log.set_high_watermark(log.log_end_offset());
            if number % 5 == 4 {
                log = match log.flush(NOW) {
                    Ok(()) => log,
                    // What a failed sync left is not trusted: the files are read anew.
                    Err(_) => match self.open(self.rig.store.clone()) {
                        Some(log) => log,
                        None => return,
                    },
                };
                self.recovery_point = log.recovery_point();
            }
            if number % 7 == 6 {
                self.retain(&mut log);
            }
            self.check(&log);
        }
        self.check(&log);
        // A log that does not close is one that the next start recovers.
        let _ = log.close();
    }

    fn retain(&mut self, log: &mut Log) {
        for _ in 0..2 {
            if let Ok(Some(plan)) = log.retention(NOW)
                && let Ok(removed) = log.apply_retention(&plan, NOW)
                && removed.remove().is_ok()
            {
                break;
            }
        }
        self.log_start_offset = log.log_start_offset();
    }

    /// All that was acknowledged is there once, in order, and nothing else.
    fn check(&self, log: &Log) {
        if self.faults.failing == Failing::ForGood {
            return;
        }
        let start = log.log_start_offset();
        let expected: Vec<_> =
            self.acknowledged.iter().filter(|(offset, _)| *offset >= start).cloned().collect();
        let read = |request| log.read(request).or_else(|_| log.read(request));
        let mut found = Vec::new();
        let mut offset = start;
        while let Some(slice) = read(from_offset(log, offset, 1 << 20)).unwrap() {
            let bytes = slice.read().or_else(|_| slice.read()).unwrap();
            found.extend(decode(&bytes));
            offset = found.last().unwrap().0 + 1;
        }
        assert_eq!(found, expected);
    }

    /// Starts the broker anew, on a disk that is well.
    fn check_after_restart(&self) {
        let log = self.open(Arc::new(self.inner.clone())).expect("a well disk opens");
        let start = log.log_start_offset();
        assert!(start <= self.acknowledged.len() as i64);
        let mut found = read_all(&log, start);
        let expected: Vec<_> =
            self.acknowledged.iter().filter(|(offset, _)| *offset >= start).cloned().collect();
        found.truncate(expected.len());
        assert_eq!(found, expected);
        assert_eq!(log.topic_partition(), &TopicPartition::new("flights", 0));
    }
}

#[test]
fn whatever_operation_fails_nothing_acknowledged_is_lost() {
    for failing in [Failing::Once, Failing::ForGood] {
        let mut operations = 0;
        loop {
            let faults = Faults::after(operations, failing);
            let mut life = Life::new(faults.clone());
            life.run();
            life.check_after_restart();
            if !faults.happened() {
                assert_eq!(life.acknowledged.len(), 24);
                break;
            }
            if failing == Failing::Once {
                assert_eq!(life.acknowledged.len(), 24, "operation {operations} is tried again");
            }
            operations += 1;
        }
        assert!(operations > 100, "the run has only {operations} operations");
    }
}

#[test]
fn after_a_sync_that_failed_nothing_is_taken_or_trusted_until_the_log_is_opened_anew() {
    let faults = Faults::after(i64::MAX, Failing::Once);
    let store: Arc<dyn Store> =
        Arc::new(FaultyStore { inner: MemoryStore::default(), faults: faults.clone() });
    let rig = Rig { store, dir: PathBuf::from("data"), config: LogConfig::default() };
    let mut log = rig.open();
    fill(&mut log, 3);
    let flush = log.prepare_flush(3).unwrap().unwrap();
    faults.left.store(0, Ordering::SeqCst);
    assert!(log.finish_flush(flush.run(), NOW).is_err());
    let refused = log.append_as_leader(&batch(&[(NOW, "x")]), by_client());
    assert!(matches!(refused, Err(AppendError::Storage(_))), "{refused:?}");
    assert!(log.flush(NOW).is_err());
    assert_eq!(log.recovery_point(), 0);
    assert_eq!(read_all(&log, 0), filled(0..3));
    assert!(log.close().is_err());
    let (mut log, _) = rig.open_after_crash(0);
    fill(&mut log, 1);
    assert_eq!(read_all(&log, 0), filled(0..4));
}

#[test]
fn an_idle_log_is_closed_without_a_touch_of_the_disk() {
    let faults = Faults::after(i64::MAX, Failing::Once);
    let store: Arc<dyn Store> =
        Arc::new(FaultyStore { inner: MemoryStore::default(), faults: faults.clone() });
    let rig = Rig { store, dir: PathBuf::from("data"), config: LogConfig::default() };
    let operations_of_close = |log: Log| {
        let before = faults.left.load(Ordering::SeqCst);
        log.close().unwrap();
        before - faults.left.load(Ordering::SeqCst)
    };
    let mut empty = rig.open();
    empty.assign_epoch(0);
    assert_eq!(operations_of_close(empty), 0);
    let mut used = rig.open();
    fill(&mut used, 3);
    assert!(operations_of_close(used) > 0);
    assert_eq!(operations_of_close(rig.open()), 0);
}
