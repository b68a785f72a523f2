//! What a follower does with its leader's answers.

use std::sync::Arc;

use broker_log::{AppendError, StorageError, TrimError};
use bytes::Bytes;
use protocol::record::{self, BatchError};
use thiserror::Error;
use tracing::warn;
use uuid::Uuid;

use super::roles::Held;
use super::{LeadershipError, Partition};
use crate::flusher::Flusher;
use crate::replica::{FetchAnswer, FetchPosition, FollowerState, FollowerStep, LeaderOffsets};

/// Why what a leader sent is not in the log.
#[derive(Debug, Error)]
pub enum FollowError {
    #[error(transparent)]
    Leadership(#[from] LeadershipError),
    #[error("the leader's batches can't be used: {0}")]
    Batch(#[from] BatchError),
    #[error(transparent)]
    Append(#[from] AppendError),
    #[error(transparent)]
    Trim(#[from] TrimError),
    #[error("the partition takes no records: {reason}")]
    Offline { reason: Arc<str> },
}

/// What became of an answer.
#[derive(Debug)]
pub struct FollowedTo {
    pub step: FollowerStep,
    /// Where the log is now.
    pub position: FetchPosition,
}

impl Partition {
    /// Where this follower is; `None`: it follows nobody in that leader epoch.
    pub fn follower_position(&self, epoch: i32) -> Option<FetchPosition> {
        let held = self.lock();
        let held = held.as_ref()?;
        let follower = held.replica.follower()?;
        (follower.epoch() == epoch).then(|| position(held, epoch))
    }

    /// Takes over what a leader answered. `records` are those of the answer, whose last batch may
    /// be cut short. Blocks for the disk.
    pub fn follow(
        self: &Arc<Self>,
        answer: &FetchAnswer,
        records: &Bytes,
        now_ms: i64,
        flusher: &Flusher,
    ) -> Result<FollowedTo, FollowError> {
        let records = usable(records, answer.asked_epoch)?;
        let followed = self.with_held(|held, effects| {
            let follower = *held.replica.follower().ok_or(LeadershipError::NotLeader)?;
            let step = follower.on_answer(answer, &held.log);
            let mut urge = false;
            match step {
                FollowerStep::Append => {
                    if !records.is_empty() {
                        self.admit().map_err(|reason| FollowError::Offline { reason })?;
                        let appended = held.log.append_as_follower(&records, now_ms)?;
                        urge = appended.sync_to.is_some();
                    }
                    take_marks(held, &follower, answer)?;
                    effects.note_moved();
                }
                _ => self.cut(held, step, now_ms)?,
            }
            Ok((urge, FollowedTo { step, position: position(held, follower.epoch()) }))
        })?;
        let (urge, followed) = followed.inspect_err(|problem| self.note(problem))?;
        if urge {
            flusher.urge(self);
        }
        Ok(followed)
    }

    /// Goes on with where the leader's log starts and ends, after
    /// [`FollowerStep::AskLeaderOffsets`]. Blocks for the disk.
    pub fn follow_offsets(
        self: &Arc<Self>,
        asked_epoch: i32,
        offsets: LeaderOffsets,
        now_ms: i64,
    ) -> Result<FollowedTo, FollowError> {
        let followed = self.with_held(|held, _| {
            let follower = *held.replica.follower().ok_or(LeadershipError::NotLeader)?;
            let step = follower.on_leader_offsets(asked_epoch, offsets, &held.log);
            self.cut(held, step, now_ms)?;
            Ok(FollowedTo { step, position: position(held, follower.epoch()) })
        })?;
        followed.inspect_err(|problem| self.note(problem))
    }

    fn cut(&self, held: &mut Held, step: FollowerStep, now_ms: i64) -> Result<(), FollowError> {
        let (id, end) = (&self.id, held.log.log_end_offset());
        match step {
            FollowerStep::Truncate { offset, loses_committed } => {
                if loses_committed {
                    warn!(
                        "{id} loses what was committed from offset {offset} to {end}: its leader \
                         was elected without it"
                    );
                }
                held.log.truncate_to(offset, now_ms)?;
            }
            FollowerStep::RestartAt { offset } => {
                warn!("{id} begins anew at offset {offset}: its leader has nothing before that");
                held.log.truncate_fully_and_start_at(offset, now_ms)?;
            }
            _ => {}
        }
        Ok(())
    }

    fn note(&self, problem: &FollowError) {
        match problem {
            FollowError::Append(AppendError::Storage(problem))
            | FollowError::Trim(TrimError::Storage(problem)) => self.storage_failed(problem),
            _ => {}
        }
    }
}

fn take_marks(
    held: &mut Held,
    follower: &FollowerState,
    answer: &FetchAnswer,
) -> Result<(), FollowError> {
    let marks = follower.marks(answer, &held.log);
    held.log.set_high_watermark(marks.high_watermark);
    if marks.log_start_offset > held.log.log_start_offset() {
        held.log.delete_records_before(marks.log_start_offset)?;
    }
    Ok(())
}

fn position(held: &Held, leader_epoch: i32) -> FetchPosition {
    let log = &held.log;
    FetchPosition {
        leader_epoch,
        fetch_offset: log.log_end_offset(),
        last_fetched_epoch: last_epoch(held),
        log_start_offset: log.log_start_offset(),
        high_watermark: log.high_watermark(),
        directory: Uuid::nil(),
    }
}

/// The epoch of the last record; -1 where there is none.
fn last_epoch(held: &Held) -> i32 {
    held.log.latest_epoch().unwrap_or(-1)
}

/// The whole batches of an answer, checked. A batch of a later leader epoch than was asked in is
/// not the leader's to give: what is from it on is fetched anew.
fn usable(records: &Bytes, asked_epoch: i32) -> Result<Bytes, BatchError> {
    let mut end = 0;
    for batch in record::batches(records) {
        let batch = match batch {
            Ok(batch) => batch,
            Err(BatchError::Truncated { .. }) => break,
            Err(problem) => return Err(problem),
        };
        batch.check_crc()?;
        if batch.leader_epoch > asked_epoch {
            break;
        }
        end += batch.size();
    }
    Ok(records.slice(..end))
}

/// An error of storage that stands for itself.
impl From<StorageError> for FollowError {
    fn from(problem: StorageError) -> Self {
        Self::Append(AppendError::Storage(problem))
    }
}
