//! The one source of time: passed to whatever decides by time, so that a test can set it.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

/// Tells the time.
pub trait Clock: Send + Sync + 'static {
    /// In milliseconds since 1970: what records and files carry, and what is compared with that.
    /// Somebody, or a time server, may set it to any other time.
    fn now_ms(&self) -> i64;

    /// In milliseconds since some moment of this process: how long something lasts. It never goes
    /// back, and knows nothing of what the time of day is set to.
    fn elapsed_ms(&self) -> i64;
}

/// The machine's clock.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now_ms(&self) -> i64 {
        let since = SystemTime::now().duration_since(UNIX_EPOCH);
        since.map_or(0, |elapsed| i64::try_from(elapsed.as_millis()).unwrap_or(i64::MAX))
    }

    fn elapsed_ms(&self) -> i64 {
        static BEGIN: OnceLock<Instant> = OnceLock::new();
        let elapsed = BEGIN.get_or_init(Instant::now).elapsed();
        i64::try_from(elapsed.as_millis()).unwrap_or(i64::MAX)
    }
}

/// A clock that stands still until it is told.
#[derive(Debug, Default)]
pub struct ManualClock {
    time_of_day: AtomicI64,
    elapsed: AtomicI64,
}

impl ManualClock {
    pub fn at(now_ms: i64) -> Self {
        Self { time_of_day: AtomicI64::new(now_ms), elapsed: AtomicI64::new(0) }
    }

    /// Lets time pass until `now_ms`, which is not before what the clock shows.
    pub fn set(&self, now_ms: i64) {
        let before = self.time_of_day.swap(now_ms, Ordering::SeqCst);
        self.elapsed.fetch_add((now_ms - before).max(0), Ordering::SeqCst);
    }

    /// Sets the time of day, as an operator or a time server does: no time passes.
    pub fn turn_to(&self, now_ms: i64) {
        self.time_of_day.store(now_ms, Ordering::SeqCst);
    }
}

impl Clock for ManualClock {
    fn now_ms(&self) -> i64 {
        self.time_of_day.load(Ordering::SeqCst)
    }

    fn elapsed_ms(&self) -> i64 {
        self.elapsed.load(Ordering::SeqCst)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_lasts_is_told_apart_from_what_the_time_of_day_is_set_to() {
        let clock = ManualClock::at(1_000);
        clock.set(1_500);
        clock.turn_to(1_000_000);
        assert_eq!((clock.now_ms(), clock.elapsed_ms()), (1_000_000, 500));
        clock.turn_to(7);
        assert_eq!((clock.now_ms(), clock.elapsed_ms()), (7, 500));
        clock.set(8);
        assert_eq!((clock.now_ms(), clock.elapsed_ms()), (8, 501));
        let (first, second) = (SystemClock.elapsed_ms(), SystemClock.elapsed_ms());
        assert!(first >= 0 && second >= first);
    }
}
