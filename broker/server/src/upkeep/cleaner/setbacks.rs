//! Logs whose compaction failed: each is left alone for a while, longer each time.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use broker_log::TopicPartition;

const FIRST_PAUSE: Duration = Duration::from_secs(60);
const LONGEST_PAUSE: Duration = Duration::from_secs(60 * 60);
/// A log that has not failed again for so long after its pause is forgotten: it may be gone.
const MEMORY: Duration = Duration::from_secs(24 * 60 * 60);

#[derive(Debug, Default)]
pub(super) struct Setbacks(HashMap<TopicPartition, Setback>);

#[derive(Debug)]
struct Setback {
    pause: Duration,
    again_at_ms: i64,
}

impl Setbacks {
    /// Notes a failure; the pause until the next try.
    pub(super) fn note(&mut self, id: TopicPartition, elapsed_ms: i64) -> Duration {
        let pause = self.0.get(&id).map_or(FIRST_PAUSE, |before| before.pause * 2);
        let pause = pause.min(LONGEST_PAUSE);
        self.0.insert(id, Setback { pause, again_at_ms: later(elapsed_ms, pause) });
        pause
    }

    /// A compaction went well, or was not needed any more.
    pub(super) fn clear(&mut self, id: &TopicPartition) {
        self.0.remove(id);
    }

    /// Logs that are not to be tried yet.
    pub(super) fn waiting(&self, elapsed_ms: i64) -> HashSet<TopicPartition> {
        let waiting = self.0.iter().filter(|(_, setback)| elapsed_ms < setback.again_at_ms);
        waiting.map(|(id, _)| id.clone()).collect()
    }

    /// Forgets old failures.
    pub(super) fn forget_ended(&mut self, elapsed_ms: i64) {
        self.0.retain(|_, setback| elapsed_ms < later(setback.again_at_ms, MEMORY));
    }
}

fn later(time_ms: i64, pause: Duration) -> i64 {
    time_ms.saturating_add(i64::try_from(pause.as_millis()).unwrap_or(i64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_that_fails_is_left_alone_for_longer_and_longer() {
        let mut setbacks = Setbacks::default();
        let id = TopicPartition::new("t", 0);
        let mut elapsed_ms = 0;
        let pauses: Vec<u64> = (0..8)
            .map(|_| {
                let pause = setbacks.note(id.clone(), elapsed_ms);
                assert!(setbacks.waiting(later(elapsed_ms, pause) - 1).contains(&id));
                elapsed_ms = later(elapsed_ms, pause);
                assert!(setbacks.waiting(elapsed_ms).is_empty());
                pause.as_secs()
            })
            .collect();
        assert_eq!(pauses, [60, 120, 240, 480, 960, 1920, 3600, 3600]);
        setbacks.clear(&id);
        assert_eq!(setbacks.note(id.clone(), elapsed_ms), FIRST_PAUSE);
        setbacks.forget_ended(elapsed_ms + 60_000 + 86_400_000 - 1);
        assert_eq!(setbacks.0.len(), 1);
        setbacks.forget_ended(elapsed_ms + 60_000 + 86_400_000);
        assert_eq!(setbacks.0.len(), 0);
    }
}
