//! What an application counts while it runs.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Counters of an application; shared by its tasks, read at any time.
#[derive(Debug, Default)]
pub struct Metrics {
    records_in: AtomicU64,
    records_out: AtomicU64,
    bad_records: AtomicU64,
    late_rows: AtomicU64,
    duplicates: AtomicU64,
    commits: AtomicU64,
    restored: AtomicU64,
}

/// The counters at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MetricsSnapshot {
    /// Records read from source topics, internal ones included.
    pub records_in: u64,
    /// Records given to the producer for sink and internal topics.
    pub records_out: u64,
    /// Records that could not be decoded.
    pub bad_records: u64,
    /// Rows that came after their window had closed.
    pub late_rows: u64,
    /// Records of internal topics that had been processed before a restart.
    pub duplicates: u64,
    pub commits: u64,
    /// Changelog entries applied when tasks started.
    pub restored: u64,
}

impl Metrics {
    pub fn snapshot(&self) -> MetricsSnapshot {
        MetricsSnapshot {
            records_in: self.records_in.load(Relaxed),
            records_out: self.records_out.load(Relaxed),
            bad_records: self.bad_records.load(Relaxed),
            late_rows: self.late_rows.load(Relaxed),
            duplicates: self.duplicates.load(Relaxed),
            commits: self.commits.load(Relaxed),
            restored: self.restored.load(Relaxed),
        }
    }

    pub(crate) fn add_records_in(&self, count: usize) {
        self.records_in.fetch_add(count as u64, Relaxed);
    }

    pub(crate) fn add_records_out(&self, count: usize) {
        self.records_out.fetch_add(count as u64, Relaxed);
    }

    pub(crate) fn add_bad_records(&self, count: usize) {
        self.bad_records.fetch_add(count as u64, Relaxed);
    }

    /// Counts rows that came after their window had closed.
    pub fn add_late_rows(&self, count: usize) {
        self.late_rows.fetch_add(count as u64, Relaxed);
    }

    pub(crate) fn add_duplicates(&self, count: usize) {
        self.duplicates.fetch_add(count as u64, Relaxed);
    }

    pub(crate) fn add_commit(&self) {
        self.commits.fetch_add(1, Relaxed);
    }

    pub(crate) fn add_restored(&self, count: usize) {
        self.restored.fetch_add(count as u64, Relaxed);
    }
}
