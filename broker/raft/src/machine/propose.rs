//! What a leader's controller writes.

use bytes::{Bytes, BytesMut};
use protocol::record::{BatchHeader, patch};

use super::{Raft, Step};
use crate::role::Role;
use crate::rules::{Rule, holds};
use crate::{Action, LogView, Now, OffsetAndEpoch};

/// Records that have their place in the log, and will be committed unless leadership ends first.
#[derive(Clone, Debug, PartialEq)]
pub struct Proposal {
    pub base_offset: i64,
    /// They are committed once the high watermark is here.
    pub end_offset: i64,
    /// To be carried out as those of [`Raft::handle`].
    pub actions: Vec<Action>,
}

/// Why records were not taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProposeError {
    #[error("this node does not lead epoch {epoch}")]
    NotLeader { epoch: i32, leader: Option<i32>, leader_epoch: i32 },
    #[error("there are no records to write")]
    Empty,
    #[error("the batch cannot be written: {reason}")]
    BadBatch { reason: String },
}

impl Raft {
    /// Appends batches as the leader of `epoch`, one after the other and without any between them.
    /// Their base offsets and leader epochs are set here.
    pub fn propose(
        &mut self,
        epoch: i32,
        batches: &[Bytes],
        log: &dyn LogView,
        now: Now,
    ) -> Result<Proposal, ProposeError> {
        let may = match &self.role {
            Role::Leader(leader) => !leader.must_resign && epoch == self.epoch,
            _ => false,
        };
        if !may {
            let (leader, leader_epoch) = (self.leader(), self.epoch);
            return Err(ProposeError::NotLeader { epoch, leader, leader_epoch });
        }
        if batches.is_empty() {
            return Err(ProposeError::Empty);
        }
        let mut step = Step::new(log, now);
        let base_offset = step.end.offset;
        for batch in batches {
            let header = header(batch)?;
            let mut bytes = BytesMut::from(batch.as_ref());
            let base_offset = step.end.offset;
            patch::set_base_offset(&mut bytes, base_offset);
            patch::set_leader_epoch(&mut bytes, epoch);
            let end_offset = base_offset + i64::from(header.last_offset_delta) + 1;
            step.end = OffsetAndEpoch { epoch, offset: end_offset };
            step.act(Action::Append { batch: bytes.freeze(), base_offset, end_offset, epoch });
        }
        let end_offset = step.end.offset;
        self.answer_parked(&mut step, |parked| parked.offset < end_offset);
        if !holds(Rule::SyncedBeforeCounted) {
            step.synced = end_offset;
            self.synced(&mut step);
        }
        Ok(Proposal { base_offset, end_offset, actions: step.actions })
    }
}

fn header(batch: &Bytes) -> Result<BatchHeader, ProposeError> {
    let header = BatchHeader::parse(batch)
        .map_err(|error| ProposeError::BadBatch { reason: error.to_string() })?;
    let bad = |reason: &str| Err(ProposeError::BadBatch { reason: reason.to_owned() });
    if header.size() != batch.len() {
        return bad("its length is not that of its bytes");
    }
    if header.last_offset_delta < 0 || header.count < 1 {
        return bad("it has no records");
    }
    if header.is_control() {
        return bad("control records are the quorum's own");
    }
    Ok(header)
}
