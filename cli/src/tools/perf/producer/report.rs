//! What becomes of the records, as lines: one for each interval, and one or two at the end.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use client::{DeliveryObserver, ProduceError, RecordMetadata};

use crate::latencies::Latencies;

/// Takes the outcome of each record. A record's tag says when it was sent, in microseconds from
/// the start, and its size; see [`tag`].
pub(super) struct Report {
    begun: Instant,
    interval: Duration,
    counts: Mutex<Counts>,
}

struct Counts {
    all: Window,
    /// When the records that warm up were sent, in microseconds, and what was sent after that.
    steady: Option<(u64, Window)>,
    window: Window,
    /// Whether a line of the steady state has been printed.
    is_steady: bool,
    failed: u64,
}

const SIZE_BITS: u32 = 26;

/// The most that a value may have for [`tag`].
pub(super) const MOST_BYTES: usize = (1 << SIZE_BITS) - 1;

/// The moment and the size of a record in one number.
pub(super) fn tag(sent_us: u64, bytes: usize) -> u64 {
    sent_us << SIZE_BITS | bytes.min(MOST_BYTES) as u64
}

impl DeliveryObserver for Report {
    fn delivered(&self, tag: u64, outcome: Result<&RecordMetadata, &ProduceError>) {
        let now = Instant::now();
        let mut counts = self.counts();
        if let Err(error) = outcome {
            if counts.failed == 0 {
                eprintln!("{error}");
            }
            counts.failed += 1;
            return;
        }
        let elapsed = now.duration_since(self.begun).as_micros();
        let elapsed_us = u64::try_from(elapsed).unwrap_or(u64::MAX);
        let sent_us = tag >> SIZE_BITS;
        counts.add(sent_us, elapsed_us.saturating_sub(sent_us), tag & MOST_BYTES as u64);
        if now.duration_since(counts.window.begun) >= self.interval {
            counts.end_window(now);
        }
    }
}

impl Report {
    pub(super) fn new(begun: Instant, interval: Duration) -> Self {
        let counts = Counts {
            all: Window::new(begun),
            steady: None,
            window: Window::new(begun),
            is_steady: false,
            failed: 0,
        };
        Self { begun, interval, counts: Mutex::new(counts) }
    }

    /// From now on there is a second account, of what is sent from here on.
    pub(super) fn warmed_up(&self) {
        let now = Instant::now();
        let from_us = u64::try_from(now.duration_since(self.begun).as_micros());
        let mut counts = self.counts();
        counts.steady = Some((from_us.unwrap_or(u64::MAX), Window::new(now)));
        counts.window = Window::new(now);
    }

    /// Prints the last lines; answers how many records were not written.
    pub(super) fn end(&self) -> u64 {
        let (counts, now) = (self.counts(), Instant::now());
        println!("{}", counts.all.total("", now));
        if let Some((_, steady)) = &counts.steady {
            println!("{}", steady.total(" steady state", now));
        }
        counts.failed
    }

    /// Nothing awaits under it, and printing a line is rare.
    fn counts(&self) -> MutexGuard<'_, Counts> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Counts {
    fn add(&mut self, sent_us: u64, latency_us: u64, bytes: u64) {
        self.all.add(latency_us, bytes);
        match &mut self.steady {
            None => self.window.add(latency_us, bytes),
            Some((from_us, steady)) if sent_us >= *from_us => {
                steady.add(latency_us, bytes);
                self.window.add(latency_us, bytes);
            }
            Some(_) => {}
        }
    }

    fn end_window(&mut self, now: Instant) {
        if self.steady.is_some() && !self.is_steady {
            println!("In steady state.");
            self.is_steady = true;
        }
        println!("{}", self.window.line(now));
        self.window = Window::new(now);
    }
}

struct Window {
    begun: Instant,
    latencies: Latencies,
    bytes: u64,
}

impl Window {
    fn new(begun: Instant) -> Self {
        Self { begun, latencies: Latencies::new(), bytes: 0 }
    }

    fn add(&mut self, latency_us: u64, bytes: u64) {
        self.latencies.add(latency_us);
        self.bytes += bytes;
    }

    fn rates(&self, now: Instant) -> (f64, f64) {
        let seconds = now.duration_since(self.begun).as_secs_f64().max(1e-9);
        let records = self.latencies.count() as f64 / seconds;
        (records, self.bytes as f64 / seconds / (1024.0 * 1024.0))
    }

    fn line(&self, now: Instant) -> String {
        let (records, megabytes) = self.rates(now);
        format!(
            "{} records sent, {records:.1} records/sec ({megabytes:.2} MB/sec), {:.1} ms avg \
             latency, {:.1} ms max latency.",
            self.latencies.count(),
            self.latencies.mean_ms(),
            self.latencies.most_ms(),
        )
    }

    fn total(&self, state: &str, now: Instant) -> String {
        let (records, megabytes) = self.rates(now);
        let at = |share| self.latencies.quantile_ms(share).round();
        format!(
            "{}{state} records sent, {records:.6} records/sec ({megabytes:.2} MB/sec), {:.2} ms \
             avg latency, {:.2} ms max latency, {} ms 50th, {} ms 95th, {} ms 99th, {} ms 99.9th.",
            self.latencies.count(),
            self.latencies.mean_ms(),
            self.latencies.most_ms(),
            at(0.5),
            at(0.95),
            at(0.99),
            at(0.999),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_line_has_rates_and_percentiles_in_the_form_of_kafka() {
        let begun = Instant::now();
        let mut window = Window::new(begun);
        (1..=100).for_each(|ms| window.add(ms * 1000, 1 << 20));
        let end = begun + Duration::from_secs(10);
        assert_eq!(
            window.line(end),
            "100 records sent, 10.0 records/sec (10.00 MB/sec), 50.5 ms avg latency, 100.0 ms max \
             latency."
        );
        assert_eq!(
            window.total(" steady state", end),
            "100 steady state records sent, 10.000000 records/sec (10.00 MB/sec), 50.50 ms avg \
             latency, 100.00 ms max latency, 50 ms 50th, 95 ms 95th, 99 ms 99th, 100 ms 99.9th."
        );
    }

    #[test]
    fn what_is_sent_after_the_warm_up_is_counted_twice() {
        let report = Report::new(Instant::now(), Duration::from_secs(3600));
        let written =
            RecordMetadata { topic: "t".into(), partition: 0, offset: Some(0), timestamp_ms: 0 };
        report.delivered(tag(0, 5), Ok(&written));
        report.warmed_up();
        // Sent while warming up, then later.
        report.delivered(tag(0, 6), Ok(&written));
        report.delivered(tag(1 << 32, 7), Ok(&written));
        report.delivered(tag(0, 9), Err(&ProduceError::Closed));
        let counts = report.counts();
        assert_eq!((counts.all.latencies.count(), counts.all.bytes), (3, 18));
        let (_, steady) = counts.steady.as_ref().expect("it has begun");
        assert_eq!((steady.latencies.count(), steady.bytes, counts.failed), (1, 7, 1));
    }
}
