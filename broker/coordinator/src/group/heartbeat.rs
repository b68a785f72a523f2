//! Heartbeat.

use protocol::ErrorCode;
use protocol::messages::heartbeat_request::HeartbeatRequest;

use super::{Phase, Step};

impl Step<'_> {
    /// Prolongs a member's session; the answer tells it to join again where that is due.
    pub(crate) fn heartbeat(&mut self, request: &HeartbeatRequest) -> Result<(), ErrorCode> {
        let instance_id = request.group_instance_id.as_deref();
        self.group.validate_member(&request.member_id, instance_id)?;
        if request.generation_id != self.group.generation {
            return Err(ErrorCode::IllegalGeneration);
        }
        match self.group.phase {
            Phase::Empty => Err(ErrorCode::UnknownMemberId),
            Phase::Preparing { .. } => {
                self.expect_heartbeat(&request.member_id);
                Err(ErrorCode::RebalanceInProgress)
            }
            Phase::Completing | Phase::Stable => {
                self.expect_heartbeat(&request.member_id);
                Ok(())
            }
        }
    }
}
