//! How fast compactions read and write, all together.

use std::sync::{Mutex, MutexGuard};
use std::time::Duration;

use broker_cluster::lock::whole;
use tokio::time::Instant;

/// Bytes that were read or written run up a debt, which time pays off at the rate that is set.
/// Whoever finds a debt waits.
#[derive(Debug)]
pub(super) struct Throttle {
    /// A std mutex: held for a sum.
    account: Mutex<Account>,
}

#[derive(Debug)]
struct Account {
    bytes_per_second: f64,
    debt_bytes: f64,
    at: Instant,
}

impl Throttle {
    pub(super) fn new(now: Instant) -> Self {
        let account = Account { bytes_per_second: f64::MAX, debt_bytes: 0.0, at: now };
        Self { account: Mutex::new(account) }
    }

    /// The rate that holds from now on, also for the debt that is there.
    pub(super) fn set_rate(&self, bytes_per_second: f64) {
        self.account().bytes_per_second = bytes_per_second;
    }

    pub(super) fn add(&self, bytes: usize) {
        self.account().debt_bytes += bytes as f64;
    }

    /// How long it takes until the debt is paid; `None` when there is none.
    pub(super) fn wait(&self, now: Instant) -> Option<Duration> {
        let mut account = self.account();
        let paid = now.saturating_duration_since(account.at).as_secs_f64();
        account.debt_bytes = (account.debt_bytes - paid * account.bytes_per_second).max(0.0);
        account.at = account.at.max(now);
        let seconds = account.debt_bytes / account.bytes_per_second;
        let wait = Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX);
        // What is shorter than a thread can be put to sleep is put together with what comes.
        (wait >= Duration::from_millis(1)).then_some(wait)
    }

    fn account(&self) -> MutexGuard<'_, Account> {
        whole(&self.account)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_of_all_are_paid_at_the_rate_and_a_pause_earns_nothing() {
        let begin = Instant::now();
        let at = |ms: u64| begin + Duration::from_millis(ms);
        let throttle = Throttle::new(begin);
        throttle.add(1 << 40);
        assert_eq!(throttle.wait(at(1)), None, "no limit is set");
        throttle.set_rate(1000.0);
        throttle.add(500);
        throttle.add(250);
        assert_eq!(throttle.wait(at(1)), Some(Duration::from_millis(750)));
        assert_eq!(throttle.wait(at(501)), Some(Duration::from_millis(250)));
        assert_eq!(throttle.wait(at(9_000)), None);
        throttle.add(1000);
        assert_eq!(throttle.wait(at(9_000)), Some(Duration::from_secs(1)));
        throttle.set_rate(10_000.0);
        assert_eq!(throttle.wait(at(9_000)), Some(Duration::from_millis(100)), "the new rate");
    }
}
