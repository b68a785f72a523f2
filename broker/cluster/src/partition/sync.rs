//! Appends that wait until they are synced, and whose turn it is to be synced.
//!
//! ```text
//!   append -> FlushTurn::ask -> flusher's queue -> fdatasync -> SyncWaits::reached
//!      |                                                              |
//!      +-> SyncWaits::wait_for . . . . . . . . . . . . . . . . . . . woken
//! ```

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex};

use thiserror::Error;
use tokio::sync::oneshot;

use crate::lock::whole;

/// Why an append will never be known to be synced.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum SyncError {
    #[error("the partition is no longer on this broker")]
    Gone,
    #[error("{0}")]
    Storage(Arc<str>),
}

/// Who waits for which offset to be synced, the lowest first: a sync wakes those that it covers
/// and nobody else.
#[derive(Debug, Default)]
pub(crate) struct SyncWaits {
    /// A std mutex: held for a change of the map, never across an await.
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    synced_to: i64,
    ended: Option<SyncError>,
    /// The last flush failed, and none was asked for since.
    refused: Option<SyncError>,
    next_ticket: u64,
    waiting: BTreeMap<(i64, u64), oneshot::Sender<Result<(), SyncError>>>,
}

impl SyncWaits {
    /// Waits until all below an offset is synced; that may be so already. Begins to wait with the
    /// first poll. A sync that fails ends the wait, and all later ones.
    pub(crate) async fn wait_for(&self, offset: i64) -> Result<(), SyncError> {
        let synced = {
            let mut state = self.lock();
            if state.synced_to >= offset {
                return Ok(());
            }
            if let Some(problem) = state.ended.as_ref().or(state.refused.as_ref()) {
                return Err(problem.clone());
            }
            let (sender, receiver) = oneshot::channel();
            let ticket = state.next_ticket;
            state.next_ticket += 1;
            state.waiting.insert((offset, ticket), sender);
            receiver
        };
        synced.await.unwrap_or(Err(SyncError::Gone))
    }

    /// Wakes those that wait for no more than what is synced now.
    pub(crate) fn reached(&self, synced_to: i64) {
        let covered = {
            let mut state = self.lock();
            state.synced_to = state.synced_to.max(synced_to);
            state.refused = None;
            let later = state.waiting.split_off(&(synced_to + 1, 0));
            std::mem::replace(&mut state.waiting, later)
        };
        for waiting in covered.into_values() {
            // One that has given up needs no answer.
            let _ = waiting.send(Ok(()));
        }
    }

    /// Tells all that wait, and all that will, that nothing more is synced here.
    pub(crate) fn end(&self, problem: &SyncError) {
        self.lock().ended.get_or_insert_with(|| problem.clone());
        self.refuse(problem);
    }

    /// Says that a flush will be asked for after an earlier one failed.
    pub(crate) fn expect(&self) {
        self.lock().refused = None;
    }

    /// Tells all that wait that they were not synced, and who waits from now on until
    /// [`Self::expect`].
    pub(crate) fn refuse(&self, problem: &SyncError) {
        let told = {
            let mut state = self.lock();
            state.refused = Some(problem.clone());
            std::mem::take(&mut state.waiting)
        };
        for waiting in told.into_values() {
            let _ = waiting.send(Err(problem.clone()));
        }
    }

    /// Lets be waited for syncs again, after a failure.
    pub(crate) fn resume(&self) {
        let mut state = self.lock();
        (state.ended, state.refused) = (None, None);
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        whole(&self.state)
    }
}

const IDLE: u8 = 0;
const QUEUED: u8 = 1;
const RUNNING: u8 = 2;
const RUNNING_AND_ASKED: u8 = 3;

/// Keeps a partition in the flusher's queue at most once, and one flush of it under way: what is
/// appended meanwhile shares the next.
#[derive(Debug, Default)]
pub struct FlushTurn(AtomicU8);

impl FlushTurn {
    /// Asks for a flush; `true`: the caller has to put the partition into the queue.
    pub fn ask(&self) -> bool {
        let asked = self.0.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |state| match state {
            IDLE => Some(QUEUED),
            RUNNING => Some(RUNNING_AND_ASKED),
            _ => None,
        });
        asked == Ok(IDLE)
    }

    /// The flush begins: whoever asks from now on asks for the next.
    pub fn begin(&self) {
        self.0.store(RUNNING, Ordering::SeqCst);
    }

    /// The flush is over; `true`: the partition has to be put into the queue again.
    pub fn end(&self) -> bool {
        let ended = self.0.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |state| match state {
            RUNNING_AND_ASKED => Some(QUEUED),
            _ => Some(IDLE),
        });
        ended == Ok(RUNNING_AND_ASKED)
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;

    use super::*;

    #[test]
    fn a_sync_wakes_those_that_it_covers() {
        let waits = SyncWaits::default();
        let mut first = Box::pin(waits.wait_for(3));
        let mut second = Box::pin(waits.wait_for(5));
        assert_eq!((first.as_mut().now_or_never(), second.as_mut().now_or_never()), (None, None));
        waits.reached(4);
        assert_eq!(first.now_or_never(), Some(Ok(())));
        assert_eq!(second.as_mut().now_or_never(), None);
        assert_eq!(waits.wait_for(4).now_or_never(), Some(Ok(())));
        waits.reached(5);
        assert_eq!(second.now_or_never(), Some(Ok(())));
    }

    #[test]
    fn a_failure_is_told_to_all_but_those_who_were_synced_before() {
        let waits = SyncWaits::default();
        waits.reached(2);
        let mut waiting = Box::pin(waits.wait_for(3));
        assert_eq!(waiting.as_mut().now_or_never(), None);
        let problem = SyncError::Storage("the disk is gone".into());
        waits.end(&problem);
        assert_eq!(waiting.now_or_never(), Some(Err(problem.clone())));
        assert_eq!(waits.wait_for(9).now_or_never(), Some(Err(problem)));
        assert_eq!(waits.wait_for(2).now_or_never(), Some(Ok(())));
    }

    #[test]
    fn who_comes_late_learns_of_a_flush_that_failed_unless_another_is_asked_for() {
        let waits = SyncWaits::default();
        let problem = SyncError::Storage("no space".into());
        waits.refuse(&problem);
        assert_eq!(waits.wait_for(3).now_or_never(), Some(Err(problem)));
        waits.expect();
        let mut waiting = Box::pin(waits.wait_for(3));
        assert_eq!(waiting.as_mut().now_or_never(), None);
        waits.reached(3);
        assert_eq!(waiting.now_or_never(), Some(Ok(())));
    }

    #[test]
    fn a_partition_is_queued_once_and_again_when_it_is_asked_for_while_it_is_flushed() {
        let turn = FlushTurn::default();
        assert_eq!([turn.ask(), turn.ask()], [true, false]);
        turn.begin();
        assert_eq!([turn.ask(), turn.ask()], [false, false]);
        assert!(turn.end(), "it was asked for");
        turn.begin();
        assert!(!turn.end());
        assert!(turn.ask());
    }
}
