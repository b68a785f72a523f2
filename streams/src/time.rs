//! Event time: windows over it, and when they close.

use thiserror::Error;

/// Stream time before the first record.
pub const NO_TIME: i64 = -1;

/// Kafka Streams' grace where a statement names none.
pub const DEFAULT_GRACE_MS: i64 = 24 * 60 * 60 * 1000;

/// A window definition that makes no sense.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum WindowError {
    #[error("window size must be at least 1 ms, not {0} ms")]
    Size(i64),
    #[error(
        "a hopping window must advance by 1 ms up to its size {size_ms} ms, not {advance_ms} ms"
    )]
    Advance { size_ms: i64, advance_ms: i64 },
    #[error("grace must not be negative: {0} ms")]
    Grace(i64),
    #[error("retention {retention_ms} ms is shorter than window size and grace, {needed_ms} ms")]
    Retention { retention_ms: i64, needed_ms: i64 },
}

/// Windows of one size, aligned to the epoch: `[start, start + size)`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimeWindows {
    size_ms: i64,
    advance_ms: i64,
    grace_ms: i64,
    retention_ms: i64,
}

impl TimeWindows {
    pub fn tumbling(size_ms: i64) -> Result<Self, WindowError> {
        Self::hopping(size_ms, size_ms)
    }

    pub fn hopping(size_ms: i64, advance_ms: i64) -> Result<Self, WindowError> {
        if size_ms < 1 {
            return Err(WindowError::Size(size_ms));
        }
        if !(1..=size_ms).contains(&advance_ms) {
            return Err(WindowError::Advance { size_ms, advance_ms });
        }
        let retention_ms = size_ms.saturating_add(DEFAULT_GRACE_MS);
        Ok(Self { size_ms, advance_ms, grace_ms: DEFAULT_GRACE_MS, retention_ms })
    }

    /// How long after its end (in stream time) a window still takes rows. The retention
    /// becomes the least that this needs; set a longer one afterwards.
    pub fn with_grace(self, grace_ms: i64) -> Result<Self, WindowError> {
        if grace_ms < 0 {
            return Err(WindowError::Grace(grace_ms));
        }
        Ok(Self { grace_ms, retention_ms: self.size_ms.saturating_add(grace_ms), ..self })
    }

    /// How long a window can be queried, counted from its start.
    pub fn with_retention(self, retention_ms: i64) -> Result<Self, WindowError> {
        let needed_ms = self.size_ms.saturating_add(self.grace_ms);
        if retention_ms < needed_ms {
            return Err(WindowError::Retention { retention_ms, needed_ms });
        }
        Ok(Self { retention_ms, ..self })
    }

    pub fn size_ms(&self) -> i64 {
        self.size_ms
    }

    pub fn advance_ms(&self) -> i64 {
        self.advance_ms
    }

    pub fn grace_ms(&self) -> i64 {
        self.grace_ms
    }

    pub fn retention_ms(&self) -> i64 {
        self.retention_ms
    }

    /// In how many windows a row is at most.
    pub fn windows_per_row(&self) -> i64 {
        self.size_ms / self.advance_ms + i64::from(self.size_ms % self.advance_ms != 0)
    }

    /// Start of each window that holds `timestamp`, oldest first. None starts before 0.
    pub fn starts(&self, timestamp: i64) -> impl Iterator<Item = i64> + use<> {
        let oldest = timestamp.saturating_sub(self.size_ms).saturating_add(self.advance_ms).max(0);
        let first = oldest / self.advance_ms * self.advance_ms;
        let (advance, size) = (self.advance_ms, self.size_ms);
        std::iter::successors(Some(first), move |start| start.checked_add(advance))
            .take_while(move |start| *start <= timestamp)
            .filter(move |start| timestamp < start.saturating_add(size))
    }

    pub fn end(&self, start: i64) -> i64 {
        start.saturating_add(self.size_ms)
    }

    /// True once the window takes no more rows.
    pub fn is_closed(&self, start: i64, stream_time: i64) -> bool {
        self.end(start).saturating_add(self.grace_ms) <= stream_time
    }

    /// The first window start that is still kept at `stream_time`.
    pub fn oldest_kept(&self, stream_time: i64) -> i64 {
        stream_time.saturating_sub(self.retention_ms).saturating_add(1).max(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tumbling_windows_are_aligned_to_the_epoch_and_exclude_their_end() {
        let windows = TimeWindows::tumbling(10).unwrap();
        let starts = |t| windows.starts(t).collect::<Vec<_>>();
        assert_eq!([starts(0), starts(9), starts(10), starts(25)], [[0], [0], [10], [20]]);
    }

    #[test]
    fn a_row_is_in_each_hopping_window_that_covers_it_oldest_first() {
        let windows = TimeWindows::hopping(30, 10).unwrap();
        assert_eq!(windows.starts(45).collect::<Vec<_>>(), [20, 30, 40]);
        assert_eq!(windows.starts(5).collect::<Vec<_>>(), [0]);
    }

    #[test]
    fn a_hop_that_does_not_divide_the_size_leaves_no_wrong_window() {
        let windows = TimeWindows::hopping(10, 7).unwrap();
        for t in 0..100 {
            let starts: Vec<i64> = windows.starts(t).collect();
            let model: Vec<i64> = (0..=t).filter(|s| s % 7 == 0 && *s <= t && t < s + 10).collect();
            assert_eq!(starts, model, "timestamp {t}");
            assert!(starts.len() <= 2, "timestamp {t}");
        }
        assert_eq!(windows.windows_per_row(), 2);
        assert_eq!(TimeWindows::tumbling(10).unwrap().windows_per_row(), 1);
    }

    #[test]
    fn a_window_closes_when_stream_time_reaches_end_and_grace() {
        let windows = TimeWindows::tumbling(10).unwrap().with_grace(5).unwrap();
        assert!(!windows.is_closed(0, 14));
        assert!(windows.is_closed(0, 15));
        assert_eq!(windows.oldest_kept(15), 1);
    }

    #[test]
    fn senseless_windows_are_refused() {
        assert_eq!(TimeWindows::tumbling(0), Err(WindowError::Size(0)));
        assert!(TimeWindows::hopping(10, 11).is_err());
        let windows = TimeWindows::tumbling(10).unwrap();
        assert_eq!(windows.with_grace(-1), Err(WindowError::Grace(-1)));
        assert!(windows.with_grace(5).unwrap().with_retention(14).is_err());
    }
}
