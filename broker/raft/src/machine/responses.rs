//! Responses: what all of them say of the leader, and which of them are waited for.

use protocol::ErrorCode;

use super::{Raft, Step};
use crate::role::Role;
use crate::rules::{Rule, holds};
use crate::{Action, Endpoints, Fault, Response};

/// What a response says of leader and epoch.
pub(super) struct Said {
    pub(super) error: ErrorCode,
    pub(super) leader: Option<i32>,
    pub(super) epoch: i32,
    pub(super) endpoints: Endpoints,
}

/// Whether there is more to a response than what it says of the leader.
pub(super) enum Verdict {
    /// No; and whether the node may be asked again at once.
    Handled(bool),
    GoOn,
}

impl Raft {
    /// Takes in a response, if it is one to the request that is in flight.
    pub(super) fn responded(
        &mut self,
        step: &mut Step<'_>,
        from: i32,
        correlation: u64,
        response: Response,
    ) {
        if !self.connections.is_expected(from, correlation) {
            return;
        }
        let handled = match response {
            Response::Vote(response) => self.vote_answered(step, from, &response),
            Response::BeginQuorumEpoch(response) => self.begin_answered(step, from, &response),
            Response::EndQuorumEpoch(response) => self.end_answered(step, from, &response),
            Response::Fetch(response) => {
                let handled = self.fetch_answered(step, from, &response);
                // Whoever looks for a leader and is told of none does not ask again at once.
                handled && !matches!(self.role, Role::Unattached { .. })
            }
            Response::FetchSnapshot(response) => self.snapshot_answered(step, from, &response),
            Response::ApiVersions(response) => self.versions_answered(step, from, &response),
            Response::AddRaftVoter(response) => {
                self.membership_answered(step, from, "AddRaftVoter", response.error_code)
            }
            Response::RemoveRaftVoter(response) => {
                self.membership_answered(step, from, "RemoveRaftVoter", response.error_code)
            }
            Response::UpdateRaftVoter(response) => self.update_answered(step, from, &response),
            // Never asked for.
            Response::DescribeQuorum(_) => false,
        };
        self.connections.finished(from, correlation, handled, step.ms());
    }

    /// Takes in what a response says of leader and epoch.
    pub(super) fn take_in(&mut self, step: &mut Step<'_>, said: Said) -> Verdict {
        let Said { error, leader, epoch, endpoints } = said;
        if !holds(Rule::EpochsFence) {
            return Verdict::GoOn;
        }
        if epoch == i32::MAX {
            // No epoch could follow it.
            return Verdict::Handled(false);
        }
        if epoch < self.epoch || error == ErrorCode::UnknownLeaderEpoch {
            // It is behind, and will learn of this epoch itself; there is no hurry to ask again.
            return Verdict::Handled(false);
        }
        let is_fenced =
            matches!(error, ErrorCode::FencedLeaderEpoch | ErrorCode::NotLeaderOrFollower);
        if epoch > self.epoch || is_fenced {
            self.learn(step, leader, epoch, endpoints);
            return Verdict::Handled(true);
        }
        if let Some(leader) = leader
            && self.leader().is_none()
            && leader != self.config.node
            && !endpoints.is_empty()
        {
            self.become_follower(step, epoch, leader, endpoints);
            return if error.is_error() { Verdict::Handled(true) } else { Verdict::GoOn };
        }
        match error {
            ErrorCode::BrokerNotAvailable => Verdict::Handled(false),
            ErrorCode::InvalidVoterKey => Verdict::Handled(true),
            _ => Verdict::GoOn,
        }
    }

    /// Notes an error that no rule of the quorum covers.
    pub(super) fn refused(
        &self,
        step: &mut Step<'_>,
        node: i32,
        api: &'static str,
        error: ErrorCode,
    ) -> bool {
        match error {
            ErrorCode::BrokerNotAvailable => {}
            ErrorCode::ClusterAuthorizationFailed => {
                step.act(Action::Fault(Fault::NotAuthorized { node }));
            }
            _ => step.act(Action::Fault(Fault::Unexpected { node, api, error })),
        }
        false
    }

    /// A node does not know the request that it was sent.
    pub(super) fn unsupported(&mut self, step: &mut Step<'_>, node: i32) -> bool {
        match &mut self.role {
            // It cannot be asked beforehand, so it is asked at once, as before there were
            // pre-votes.
            Role::Prospective(_) => {
                self.become_candidate(step);
                true
            }
            Role::Follower(follower) if follower.leader == node && follower.is_updating => {
                follower.is_updating = false;
                follower.has_updated_leader = true;
                true
            }
            Role::Leader(_) => {
                self.abandon_adding(step, node);
                false
            }
            _ => false,
        }
    }
}
