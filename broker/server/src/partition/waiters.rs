//! Requests parked until a partition moves.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::Notify;

/// Who waits for a partition: fetches for records, produces for the high watermark. Whoever moves
/// the partition calls [`Waiters::wake`]; the woken look again and decide themselves.
#[derive(Debug, Default)]
pub(crate) struct Waiters {
    /// Lets `wake` pass without the lock while nobody waits: it is called for every append.
    count: AtomicUsize,
    /// A std mutex: held for a map operation, never across an await.
    parked: Mutex<Parked>,
}

#[derive(Debug, Default)]
struct Parked {
    next: u64,
    by_ticket: BTreeMap<u64, Arc<Notify>>,
}

impl Waiters {
    /// Parks `notify` until the guard is dropped. Look at the partition again after this returns
    /// and before waiting: what moved earlier woke nobody.
    pub(crate) fn park(self: &Arc<Self>, notify: &Arc<Notify>) -> ParkGuard {
        let mut parked = self.parked.lock().unwrap_or_else(PoisonError::into_inner);
        let ticket = parked.next;
        parked.next += 1;
        parked.by_ticket.insert(ticket, notify.clone());
        self.count.store(parked.by_ticket.len(), Ordering::SeqCst);
        ParkGuard { waiters: self.clone(), ticket }
    }

    /// Wakes all that wait.
    pub(crate) fn wake(&self) {
        if self.count.load(Ordering::SeqCst) == 0 {
            return;
        }
        let parked = self.parked.lock().unwrap_or_else(PoisonError::into_inner);
        for notify in parked.by_ticket.values() {
            notify.notify_one();
        }
    }
}

/// A place among the waiters; dropping it leaves.
#[derive(Debug)]
pub(crate) struct ParkGuard {
    waiters: Arc<Waiters>,
    ticket: u64,
}

impl Drop for ParkGuard {
    fn drop(&mut self) {
        let mut parked = self.waiters.parked.lock().unwrap_or_else(PoisonError::into_inner);
        parked.by_ticket.remove(&self.ticket);
        self.waiters.count.store(parked.by_ticket.len(), Ordering::SeqCst);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_wake_before_the_wait_is_not_lost_and_a_dropped_guard_leaves() {
        let waiters = Arc::new(Waiters::default());
        let notify = Arc::new(Notify::new());
        let guard = waiters.park(&notify);
        waiters.wake();
        notify.notified().await;
        drop(guard);
        assert_eq!(waiters.count.load(Ordering::SeqCst), 0);
        assert!(waiters.parked.lock().unwrap().by_ticket.is_empty());
    }
}
