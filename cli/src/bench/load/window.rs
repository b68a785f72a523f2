//! What went through in a stretch of time, and what it cost both sides.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::bench::interrupt;
use crate::bench::usage;

/// What the threads of a load count while it runs.
#[derive(Debug, Default)]
pub(super) struct Progress {
    /// The threads end when they see it.
    stop: AtomicBool,
    /// Latencies count only while it is set.
    measuring: AtomicBool,
    records: AtomicU64,
    bytes: AtomicU64,
    requests: AtomicU64,
}

impl Progress {
    pub(super) fn add(&self, records: u64, bytes: u64) {
        self.records.fetch_add(records, Ordering::Relaxed);
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
        self.requests.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn is_measuring(&self) -> bool {
        self.measuring.load(Ordering::Relaxed)
    }

    pub(super) fn has_ended(&self) -> bool {
        self.stop.load(Ordering::Relaxed) || interrupt::requested()
    }

    pub(super) fn end(&self) {
        self.stop.store(true, Ordering::Relaxed);
    }

    /// Lets the load run for its warm-up, then watches it for `measured` or until `is_over`.
    pub(super) fn watch(
        &self,
        broker: Option<u32>,
        extent: Extent,
        is_over: impl Fn() -> bool,
    ) -> Window {
        let over = || is_over() || interrupt::requested();
        pause(extent.warm_up, &over);
        let before = self.sample(broker);
        self.measuring.store(true, Ordering::Relaxed);
        pause(extent.measured, &over);
        let after = self.sample(broker);
        self.measuring.store(false, Ordering::Relaxed);
        after.since(&before)
    }

    fn sample(&self, broker: Option<u32>) -> Sample {
        Sample {
            at: Instant::now(),
            records: self.records.load(Ordering::Relaxed),
            bytes: self.bytes.load(Ordering::Relaxed),
            requests: self.requests.load(Ordering::Relaxed),
            client_cpu: usage::cpu_seconds(std::process::id()).unwrap_or(0.0),
            broker_cpu: broker.and_then(|pid| usage::cpu_seconds(pid).ok()),
        }
    }
}

fn pause(length: Duration, over: &impl Fn() -> bool) {
    let until = Instant::now().checked_add(length);
    loop {
        let left = until.map_or(Duration::MAX, |u| u.saturating_duration_since(Instant::now()));
        if left.is_zero() || over() {
            return;
        }
        std::thread::sleep(left.min(Duration::from_millis(2)));
    }
}

/// How long a load runs.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Extent {
    /// Left out of the figures.
    pub(crate) warm_up: Duration,
    pub(crate) measured: Duration,
}

impl Extent {
    /// From the first byte until the load is over by itself.
    pub(crate) const WHOLE: Self = Self { warm_up: Duration::ZERO, measured: Duration::MAX };

    pub(crate) fn whole(&self) -> Duration {
        self.warm_up.saturating_add(self.measured)
    }
}

struct Sample {
    at: Instant,
    records: u64,
    bytes: u64,
    requests: u64,
    client_cpu: f64,
    broker_cpu: Option<f64>,
}

impl Sample {
    fn since(&self, before: &Self) -> Window {
        let broker = self.broker_cpu.zip(before.broker_cpu);
        Window {
            seconds: (self.at - before.at).as_secs_f64().max(1e-9),
            records: self.records - before.records,
            bytes: self.bytes - before.bytes,
            requests: self.requests - before.requests,
            client_cpu: self.client_cpu - before.client_cpu,
            broker_cpu: broker.map(|(after, before)| after - before),
        }
    }
}

/// What went through.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Window {
    pub(crate) seconds: f64,
    pub(crate) records: u64,
    /// Of batches, as they are on the wire and on disk.
    pub(crate) bytes: u64,
    pub(crate) requests: u64,
    /// Processor seconds of the load client.
    pub(crate) client_cpu: f64,
    /// Processor seconds of the broker, where its process is known.
    pub(crate) broker_cpu: Option<f64>,
}

impl Window {
    /// Megabytes (10^6) of batches a second.
    pub(crate) fn megabytes_per_second(&self) -> f64 {
        self.bytes as f64 / 1e6 / self.seconds
    }

    pub(crate) fn records_per_second(&self) -> f64 {
        self.records as f64 / self.seconds
    }

    pub(crate) fn requests_per_second(&self) -> f64 {
        self.requests as f64 / self.seconds
    }

    /// Processor seconds of the broker for each gigabyte (10^9).
    pub(crate) fn broker_cpu_per_gigabyte(&self) -> Option<f64> {
        (self.bytes > 0).then_some(())?;
        Some(self.broker_cpu? / (self.bytes as f64 / 1e9))
    }

    /// Cores that the broker kept busy.
    pub(crate) fn broker_cores(&self) -> Option<f64> {
        Some(self.broker_cpu? / self.seconds)
    }

    /// Cores that the load client kept busy.
    pub(crate) fn client_cores(&self) -> f64 {
        self.client_cpu / self.seconds
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_counts_what_happened_in_it() {
        let progress = Progress::default();
        progress.add(1, 1_000);
        let over = || {
            progress.add(10, 1_000_000);
            assert!(progress.is_measuring());
            true
        };
        let extent = Extent { warm_up: Duration::ZERO, measured: Duration::from_secs(60) };
        let window = progress.watch(Some(std::process::id()), extent, over);
        assert_eq!((window.records, window.bytes, window.requests), (10, 1_000_000, 1));
        assert!(!progress.has_ended() && !progress.is_measuring());
        progress.end();
        assert!(progress.has_ended());
        assert!(window.broker_cpu.is_some_and(|seconds| seconds >= 0.0));
    }

    #[test]
    fn rates_are_of_seconds_and_decimal_units() {
        let window = Window {
            seconds: 2.0,
            records: 4_000,
            bytes: 500_000_000,
            requests: 100,
            client_cpu: 1.0,
            broker_cpu: Some(3.0),
        };
        assert_eq!(window.megabytes_per_second(), 250.0);
        assert_eq!(window.records_per_second(), 2_000.0);
        assert_eq!(window.requests_per_second(), 50.0);
        assert_eq!(window.broker_cpu_per_gigabyte(), Some(6.0));
        assert_eq!((window.broker_cores(), window.client_cores()), (Some(1.5), 0.5));
    }
}
