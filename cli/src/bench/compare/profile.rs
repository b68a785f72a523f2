//! How long each thing is measured.

use std::time::Duration;

use crate::bench::load::window::Extent;

/// The lengths of runs, and how much data they have.
#[derive(Clone, Copy, Debug)]
pub(super) struct Profile {
    /// How often each cell is measured, each system in its turn.
    pub(super) runs: usize,
    /// Load on a new broker before anything counts: Kafka's code is compiled meanwhile.
    pub(super) first_warm_up: Duration,
    pub(super) produce: Extent,
    pub(super) consume: Extent,
    /// Batches that are written to be read.
    pub(super) consume_bytes: u64,
    pub(super) latency: Extent,
    pub(super) fsync: Extent,
    /// Silence before memory counts as idle.
    pub(super) idle: Duration,
    pub(super) load: Extent,
    /// Batches that are written before each kill.
    pub(super) crash_bytes: u64,
    pub(super) floor_gigabytes: f64,
}

const fn extent(warm_up_ms: u64, measured_ms: u64) -> Extent {
    Extent {
        warm_up: Duration::from_millis(warm_up_ms),
        measured: Duration::from_millis(measured_ms),
    }
}

pub(super) const QUICK: Profile = Profile {
    runs: 3,
    first_warm_up: Duration::from_secs(24),
    produce: extent(250, 1_000),
    consume: extent(300, 1_500),
    consume_bytes: 600_000_000,
    latency: extent(750, 3_000),
    fsync: extent(300, 1_500),
    idle: Duration::from_secs(3),
    load: extent(0, 3_000),
    crash_bytes: 1_000_000_000,
    floor_gigabytes: 1.0,
};

pub(super) const FULL: Profile = Profile {
    runs: 3,
    first_warm_up: Duration::from_secs(48),
    produce: extent(1_000, 5_000),
    consume: extent(1_000, 5_000),
    consume_bytes: 2_000_000_000,
    latency: extent(3_000, 15_000),
    fsync: extent(1_000, 5_000),
    idle: Duration::from_secs(10),
    load: extent(0, 10_000),
    crash_bytes: 3_000_000_000,
    floor_gigabytes: 3.0,
};
