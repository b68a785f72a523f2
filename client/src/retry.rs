//! How long to wait before trying again. Pure: the jitter comes in as an argument.

use std::time::Duration;

/// Exponential backoff as Kafka's clients compute it: doubling from `base` up to `max`, each delay
/// spread by 20 percent to both sides.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Backoff {
    /// The delay after the first failure.
    pub base: Duration,
    /// The largest delay before jitter.
    pub max: Duration,
}

impl Backoff {
    /// The delay after `failures` failures (0 gives no delay); `jitter` is uniform in `0.0..1.0`.
    pub fn delay(&self, failures: u32, jitter: f64) -> Duration {
        if failures == 0 {
            return Duration::ZERO;
        }
        let doubled = 1u32.checked_shl(failures - 1).unwrap_or(u32::MAX);
        let delay = self.base.saturating_mul(doubled).min(self.max.max(self.base));
        delay.mul_f64(0.8 + 0.4 * jitter.clamp(0.0, 1.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_double_up_to_the_maximum_and_spread_by_a_fifth() {
        let backoff =
            Backoff { base: Duration::from_millis(100), max: Duration::from_millis(1000) };
        let middle: Vec<u128> = (0..6).map(|n| backoff.delay(n, 0.5).as_millis()).collect();
        assert_eq!(middle, [0, 100, 200, 400, 800, 1000]);
        assert_eq!(backoff.delay(1, 0.0), Duration::from_millis(80));
        assert_eq!(backoff.delay(1, 1.0), Duration::from_millis(120));
        assert_eq!(backoff.delay(200, 0.5), Duration::from_millis(1000));
    }
}
