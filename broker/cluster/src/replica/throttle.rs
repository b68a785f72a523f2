//! How many bytes a second replicas that catch up may take (`leader.replication.throttled.rate`,
//! `follower.replication.throttled.rate`), and which ones these are.

use std::collections::{BTreeSet, VecDeque};

use thiserror::Error;

/// The list of throttled replicas can't be read.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("'{item}' names no throttled replica: write PARTITION:BROKER, or * alone for all")]
pub struct ThrottledReplicasError {
    pub item: String,
}

/// The replicas of a topic that are throttled on one broker, of
/// `leader.replication.throttled.replicas` or `follower.replication.throttled.replicas`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ThrottledReplicas {
    All,
    /// The partitions whose replica on this broker is throttled.
    Partitions(BTreeSet<i32>),
}

impl ThrottledReplicas {
    /// Reads the items of the setting, and keeps what is said of `broker`.
    pub fn parse<'a>(
        items: impl IntoIterator<Item = &'a str>,
        broker: i32,
    ) -> Result<Self, ThrottledReplicasError> {
        let items: Vec<&str> = items.into_iter().collect();
        if items == ["*"] {
            return Ok(Self::All);
        }
        let mut partitions = BTreeSet::new();
        for item in items {
            let pair = item
                .split_once(':')
                .and_then(|(partition, broker)| Some((number(partition)?, number(broker)?)));
            let Some((partition, of)) = pair else {
                return Err(ThrottledReplicasError { item: item.to_owned() });
            };
            if of == broker {
                partitions.insert(partition);
            }
        }
        Ok(Self::Partitions(partitions))
    }

    pub fn contains(&self, partition: i32) -> bool {
        match self {
            Self::All => true,
            Self::Partitions(partitions) => partitions.contains(&partition),
        }
    }
}

fn number(text: &str) -> Option<i32> {
    let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then(|| text.parse().ok()).flatten()
}

/// Counts the bytes of throttled replicas over a sliding time, and says when they are too many.
///
/// Only replicas that are not in sync are held back, so that a throttle never makes the ISR
/// shrink: ask [`ReplicationThrottle::holds_back`]. All bytes of throttled replicas are counted,
/// as Kafka does, over `replication.quota.window.num` windows of
/// `replication.quota.window.size.seconds`.
#[derive(Clone, Debug)]
pub struct ReplicationThrottle {
    bytes_per_second: i64,
    window_ms: i64,
    windows: usize,
    /// Start and bytes of the windows that count, the oldest first.
    samples: VecDeque<(i64, u64)>,
}

impl ReplicationThrottle {
    /// `i64::MAX` bytes a second is no limit. There is at least one window, of a millisecond or
    /// more.
    pub fn new(bytes_per_second: i64, window_ms: i64, windows: usize) -> Self {
        let (window_ms, windows) = (window_ms.max(1), windows.max(1));
        Self { bytes_per_second, window_ms, windows, samples: VecDeque::new() }
    }

    /// Takes a new limit; what was counted goes on to count.
    pub fn set_rate(&mut self, bytes_per_second: i64) {
        self.bytes_per_second = bytes_per_second;
    }

    /// Bytes of a throttled replica came or went.
    pub fn record(&mut self, bytes: u64, now_ms: i64) {
        self.forget(now_ms);
        let current = self.samples.back().copied();
        match current.filter(|(start, _)| now_ms.saturating_sub(*start) < self.window_ms) {
            Some((_, counted)) => {
                if let Some(last) = self.samples.back_mut() {
                    last.1 = counted.saturating_add(bytes);
                }
            }
            None => self.samples.push_back((now_ms, bytes)),
        }
    }

    /// Whether a throttled replica gets nothing now: too much went lately, and it is not in sync.
    pub fn holds_back(&mut self, in_sync: bool, now_ms: i64) -> bool {
        !in_sync && self.is_exceeded(now_ms)
    }

    /// Whether more than the limit went a second, counted over the time since the oldest window
    /// that counts, and over one window at least.
    pub fn is_exceeded(&mut self, now_ms: i64) -> bool {
        self.resumes_at_ms(now_ms) > now_ms
    }

    /// When the bytes that are counted are within the limit again, if no more come; `now_ms`:
    /// they are.
    pub fn resumes_at_ms(&mut self, now_ms: i64) -> i64 {
        self.forget(now_ms);
        let mut left: u128 = self.samples.iter().map(|(_, bytes)| u128::from(*bytes)).sum();
        let mut at = now_ms;
        for (start, bytes) in &self.samples {
            let elapsed = at.saturating_sub(*start).max(self.window_ms);
            if self.allows(left, elapsed) {
                return at;
            }
            let (gone, enough) = (self.gone_at(*start), self.enough_ms(left, *start));
            if enough < gone {
                return enough.max(at);
            }
            at = at.max(gone);
            left -= u128::from(*bytes);
        }
        at
    }

    fn allows(&self, bytes: u128, elapsed_ms: i64) -> bool {
        let rate = u128::from(self.bytes_per_second.max(0).unsigned_abs());
        bytes * 1000 <= rate * u128::from(elapsed_ms.unsigned_abs())
    }

    /// When `bytes` counted from `start` on are within the limit.
    fn enough_ms(&self, bytes: u128, start: i64) -> i64 {
        let rate = u128::from(self.bytes_per_second.max(0).unsigned_abs());
        let needed = (bytes * 1000).checked_div(rate).map(|_| (bytes * 1000).div_ceil(rate));
        let needed = needed.and_then(|needed| i64::try_from(needed).ok()).unwrap_or(i64::MAX);
        start.saturating_add(needed)
    }

    /// When a window that began at `start` no longer counts.
    fn gone_at(&self, start: i64) -> i64 {
        let windows = i64::try_from(self.windows).unwrap_or(i64::MAX);
        start.saturating_add(self.window_ms.saturating_mul(windows))
    }

    fn forget(&mut self, now_ms: i64) {
        while self.samples.front().is_some_and(|(start, _)| self.gone_at(*start) <= now_ms) {
            self.samples.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_setting_names_replicas_or_all_of_them() {
        let parse = |text: &str| {
            let items = text.split(',').filter(|item| !item.is_empty());
            ThrottledReplicas::parse(items, 2)
        };
        let some = |ids: &[i32]| Ok(ThrottledReplicas::Partitions(ids.iter().copied().collect()));
        let refused = |item: &str| Err(ThrottledReplicasError { item: item.to_owned() });
        let cases = [
            ("*", Ok(ThrottledReplicas::All)),
            ("", some(&[])),
            ("0:1,0:2,3:2,4:22", some(&[0, 3])),
            ("*,0:2", refused("*")),
            ("0", refused("0")),
            ("0:", refused("0:")),
            ("+1:2", refused("+1:2")),
            ("1:2:3", refused("1:2:3")),
            ("9999999999:2", refused("9999999999:2")),
        ];
        for (text, expected) in cases {
            assert_eq!(parse(text), expected, "{text}");
        }
        assert!(parse("0:2").unwrap().contains(0) && !parse("0:2").unwrap().contains(1));
        assert!(ThrottledReplicas::All.contains(7));
    }

    #[test]
    fn bytes_above_the_rate_hold_back_until_their_time_is_over() {
        let mut throttle = ReplicationThrottle::new(1000, 1000, 11);
        assert!(!throttle.is_exceeded(0));
        throttle.record(1000, 0);
        assert!(!throttle.is_exceeded(0), "a window's worth");
        throttle.record(2000, 10);
        assert!(throttle.is_exceeded(10));
        assert!(throttle.holds_back(false, 10) && !throttle.holds_back(true, 10));
        assert_eq!(throttle.resumes_at_ms(10), 3000);
        assert!(throttle.is_exceeded(2999) && !throttle.is_exceeded(3000));
    }

    #[test]
    fn what_is_older_than_all_windows_counts_no_longer() {
        let mut throttle = ReplicationThrottle::new(10, 1000, 3);
        throttle.record(1_000_000, 0);
        throttle.record(5, 2500);
        assert!(throttle.is_exceeded(2999));
        assert_eq!(throttle.resumes_at_ms(2600), 3000);
        assert!(!throttle.is_exceeded(3000));
    }

    #[test]
    fn a_rate_of_nothing_lets_nothing_pass_while_something_counts_and_no_limit_lets_all() {
        let mut none = ReplicationThrottle::new(0, 1000, 2);
        assert!(!none.is_exceeded(0));
        none.record(1, 0);
        assert!(none.is_exceeded(1999) && !none.is_exceeded(2000));
        let mut all = ReplicationThrottle::new(i64::MAX, 1000, 11);
        all.record(u64::MAX / 4, 0);
        assert!(!all.is_exceeded(0));
        all.set_rate(1);
        assert!(all.is_exceeded(10_999) && !all.is_exceeded(11_000));
    }
}
