//! How fast records may come.

use tokio::time::{Duration, Instant};

pub(super) struct Pace {
    per_second: u32,
    /// When the next records are due.
    pub(super) due: Instant,
}

impl Pace {
    pub(super) fn new(per_second: u32, now: Instant) -> Self {
        Self { per_second, due: now }
    }

    /// How many records make a tenth of a second.
    pub(super) fn at_once(&self) -> usize {
        usize::try_from(self.per_second / 10).unwrap_or(usize::MAX).max(1)
    }

    pub(super) fn took(&mut self, records: usize) {
        let seconds = records as f64 / f64::from(self.per_second);
        self.due = self.due.max(Instant::now()) + Duration::from_secs_f64(seconds);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pace_moves_the_next_records_by_what_was_taken() {
        let begun = Instant::now();
        let mut pace = Pace::new(200, begun);
        assert_eq!(pace.at_once(), 20);
        pace.took(100);
        pace.took(100);
        assert!(pace.due >= begun + Duration::from_secs(1));
        assert_eq!(Pace::new(1, begun).at_once(), 1);
    }
}
