//! LeaveGroup, by a member itself or by an administrator who names an instance id.

use protocol::ErrorCode;
use protocol::messages::leave_group_request::MemberIdentity;
use protocol::messages::leave_group_response::MemberResponse;

use super::Step;
use crate::timers::Timer;

impl Step<'_> {
    /// Takes members out at once; one rebalance follows for all of them.
    pub(crate) fn leave(&mut self, members: &[MemberIdentity]) -> Vec<MemberResponse> {
        let mut anybody = false;
        let mut responses = Vec::with_capacity(members.len());
        for identity in members {
            let result = self.leave_one(identity);
            anybody |= result.is_ok();
            responses.push(MemberResponse {
                member_id: identity.member_id.clone(),
                group_instance_id: identity.group_instance_id.clone(),
                error_code: result.err().unwrap_or_default(),
            });
        }
        if anybody && self.group.phase != super::Phase::Empty {
            self.rebalance_or_complete();
        }
        responses
    }

    fn leave_one(&mut self, identity: &MemberIdentity) -> Result<(), ErrorCode> {
        let instance_id = identity.group_instance_id.as_deref();
        if identity.member_id.is_empty() {
            let known = instance_id.and_then(|id| self.group.static_members.get(id)).cloned();
            let member_id = known.ok_or(ErrorCode::UnknownMemberId)?;
            self.drop_member(&member_id);
            return Ok(());
        }
        if self.group.pending_joins.remove(&identity.member_id) {
            self.timers.cancel(&Timer::session(&self.group.id, &identity.member_id));
            return Ok(());
        }
        self.group.validate_member(&identity.member_id, instance_id)?;
        self.drop_member(&identity.member_id);
        Ok(())
    }
}
