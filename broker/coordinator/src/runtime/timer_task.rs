//! The one task that wakes shards when their timers are due, and expires offsets now and then.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tracing::warn;

use super::{Inner, Wakeup};
use crate::Shard;

/// Wakes the task at least so often, whatever the clock does.
const LONGEST_SLEEP_MS: i64 = 60_000;

impl Wakeup {
    pub(super) fn not_later_than(&self, deadline_ms: i64) {
        if deadline_ms < self.planned_ms.load(Ordering::SeqCst) {
            self.notify.notify_one();
        }
    }

    pub(super) fn stop(&self) {
        self.stopping.store(true, Ordering::SeqCst);
        self.notify.notify_one();
    }

    pub(super) fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::SeqCst)
    }
}

pub(super) async fn run(inner: Arc<Inner>) {
    let interval_ms = inner.settings.offsets_retention_check_interval_ms.max(1);
    let mut expiry_ms = inner.clock.elapsed_ms().saturating_add(interval_ms);
    while !inner.wakeup.is_stopping() {
        // Any deadline that is set while these are read wakes the task; later, only an earlier one.
        inner.wakeup.planned_ms.store(i64::MAX, Ordering::SeqCst);
        let cells = inner.loaded_cells();
        let deadlines = cells.iter().filter_map(|cell| cell.next_deadline());
        let next_ms = deadlines.min().unwrap_or(i64::MAX).min(expiry_ms);
        inner.wakeup.planned_ms.store(next_ms, Ordering::SeqCst);
        let now_ms = inner.clock.elapsed_ms();
        if next_ms > now_ms {
            let sleep_ms = (next_ms - now_ms).min(LONGEST_SLEEP_MS);
            let sleep = Duration::from_millis(sleep_ms.unsigned_abs());
            // Whichever comes first, the deadlines are looked at again.
            let _ = tokio::time::timeout(sleep, inner.wakeup.notify.notified()).await;
            continue;
        }
        for cell in &cells {
            cell.advance(&inner);
        }
        if expiry_ms <= now_ms {
            expiry_ms = now_ms.saturating_add(interval_ms);
            for cell in &cells {
                if let Err(error) = cell.step(&inner, Shard::expire) {
                    warn!(%error, "offsets could not be expired");
                }
            }
        }
    }
}
