//! Appends that wait until all replicas in sync have them.

use std::sync::Mutex;
use std::time::Duration;

use thiserror::Error;
use tokio::sync::oneshot;

use super::{LeadershipError, Partition};
use crate::lock::whole;
use crate::replica::{Entered, NotEnoughReplicas, WaitId, Waits};

/// Why an append is not known to be replicated.
#[derive(Debug, Error)]
pub enum UncommittedError {
    #[error(transparent)]
    Leadership(#[from] LeadershipError),
    /// It is replicated, and too few replicas in sync are left.
    #[error("the records are written, but {0}")]
    TooFew(NotEnoughReplicas),
    #[error("not all replicas in sync had the records in time")]
    TimedOut,
}

/// Whether the offset was reached in the leader epoch that was waited in.
type Told = oneshot::Sender<bool>;

/// Who waits for which offset to be committed.
#[derive(Debug)]
pub(super) struct CommitWaits {
    /// A std mutex: held for a change of the set, never across an await.
    waits: Mutex<Waits<Told>>,
}

impl Default for CommitWaits {
    fn default() -> Self {
        Self { waits: Mutex::new(Waits::closed()) }
    }
}

impl CommitWaits {
    /// All below an offset is committed.
    pub(super) fn reached(&self, epoch: i32, offset: i64) {
        let done = whole(&self.waits).complete(epoch, offset);
        tell(done, true);
    }

    /// A leader epoch begins, with all below an offset committed.
    pub(super) fn fence(&self, epoch: i32, committed: i64) {
        let over = whole(&self.waits).fence(epoch, committed);
        tell(over, false);
    }

    /// Nobody leads here any more.
    pub(super) fn close(&self) {
        let over = whole(&self.waits).close();
        tell(over, false);
    }
}

fn tell(all: Vec<Told>, reached: bool) {
    for told in all {
        // One that has given up needs no answer.
        let _ = told.send(reached);
    }
}

/// A place in the set; dropping it leaves.
struct Place<'a> {
    of: &'a CommitWaits,
    id: WaitId,
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        whole(&self.of.waits).cancel(self.id);
    }
}

impl Partition {
    /// Waits until all replicas in sync have everything below `offset`, which was appended in
    /// `leader_epoch`, and then looks whether enough of them are left.
    pub async fn wait_until_committed(
        &self,
        offset: i64,
        leader_epoch: i32,
        timeout: Duration,
    ) -> Result<(), UncommittedError> {
        let (told, reached) = oneshot::channel();
        // The deadline is the runtime's: time is up also where no clock goes on.
        let entered = whole(&self.commits.waits).enter(leader_epoch, offset, i64::MAX, told);
        match entered {
            Err(_) => return Err(LeadershipError::NotLeader.into()),
            Ok(Entered::Reached(_)) => {}
            Ok(Entered::Waits(id)) => {
                let _place = Place { of: &self.commits, id };
                match tokio::time::timeout(timeout, reached).await {
                    Ok(Ok(true)) => {}
                    Ok(_) => return Err(LeadershipError::NotLeader.into()),
                    Err(_) => return Err(UncommittedError::TimedOut),
                }
            }
        }
        self.enough_in_sync()
    }

    fn enough_in_sync(&self) -> Result<(), UncommittedError> {
        if self.rules().min_insync_replicas <= 1 {
            return Ok(());
        }
        let held = self.lock();
        let leader = held.as_ref().and_then(|held| held.replica.leader());
        // Whoever leads no longer has kept its promise: the records are committed.
        leader.map_or(Ok(()), |leader| leader.admit()).map_err(UncommittedError::TooFew)
    }
}
