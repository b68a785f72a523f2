//! What a group's state says about its offsets.

use protocol::ErrorCode;

use super::{Group, Phase};

/// From which time the retention of a group's offsets runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ExpiryBase {
    /// Since when the group has no members.
    EmptySince(i64),
    /// Since each offset was committed.
    Commit,
}

impl Group {
    /// Whether a commit is one of a member of this generation, or of a lone consumer in a group
    /// without members.
    pub(crate) fn validate_commit(
        &self,
        member_id: &str,
        instance_id: Option<&str>,
        generation: i32,
    ) -> Result<(), ErrorCode> {
        if generation < 0 && self.phase == Phase::Empty {
            return Ok(());
        }
        if generation < 0 && member_id.is_empty() && instance_id.is_none() {
            return Err(ErrorCode::UnknownMemberId);
        }
        self.validate_member(member_id, instance_id)?;
        if generation != self.generation {
            return Err(ErrorCode::IllegalGeneration);
        }
        if self.phase == Phase::Completing {
            return Err(ErrorCode::RebalanceInProgress);
        }
        Ok(())
    }

    /// Whether offsets may be deleted: of a group with members only those of topics that it does
    /// not read, and only where that can be told.
    pub(crate) fn validate_offset_delete(&self) -> Result<(), ErrorCode> {
        match self.phase {
            Phase::Empty => Ok(()),
            _ if self.is_of_consumers() => Ok(()),
            _ => Err(ErrorCode::NonEmptyGroup),
        }
    }

    pub(crate) fn validate_delete(&self) -> Result<(), ErrorCode> {
        match self.phase {
            Phase::Empty => Ok(()),
            _ => Err(ErrorCode::NonEmptyGroup),
        }
    }

    /// How offsets of topics that the group does not read expire; `None` while they must not.
    pub(crate) fn expiry_base(&self) -> Option<ExpiryBase> {
        match (&self.protocol_type, self.phase) {
            (None, _) => Some(ExpiryBase::Commit),
            (Some(_), Phase::Empty) => {
                Some(self.state_since_ms.map_or(ExpiryBase::Commit, ExpiryBase::EmptySince))
            }
            (Some(_), Phase::Stable)
                if self.is_of_consumers() && self.subscribed_topics.is_some() =>
            {
                Some(ExpiryBase::Commit)
            }
            _ => None,
        }
    }
}
