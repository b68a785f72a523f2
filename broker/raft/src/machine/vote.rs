//! Votes and pre-votes.

use protocol::ErrorCode;
use protocol::messages::vote_request::{PartitionData as AskedPartition, TopicData as AskedTopic};
use protocol::messages::vote_response::{NodeEndpoint, PartitionData, TopicData};
use protocol::messages::{VoteRequest, VoteResponse};

use super::answers::{Asker, TOPIC, known_leader, metadata_partition};
use super::responses::{Said, Verdict};
use super::{Raft, Step};
use crate::role::Role;
use crate::rules::{Rule, holds};
use crate::{OffsetAndEpoch, ReplicaKey};

impl Raft {
    pub(super) fn vote_requested(
        &mut self,
        step: &mut Step<'_>,
        from: &Asker,
        request: &VoteRequest,
    ) -> VoteResponse {
        if !self.is_this_cluster(request.cluster_id.as_deref()) {
            let error_code = ErrorCode::InconsistentClusterId;
            return VoteResponse { error_code, ..VoteResponse::default() };
        }
        let Some(asked) = metadata_partition!(request.topics, topic_name, partition_index) else {
            let error_code = ErrorCode::InvalidRequest;
            return VoteResponse { error_code, ..VoteResponse::default() };
        };
        let (error, granted) = match self.vote(step, request.voter_id, asked) {
            Ok(granted) => (ErrorCode::None, granted),
            Err(error) => (error, false),
        };
        self.vote_response(from, error, granted)
    }

    fn vote(
        &mut self,
        step: &mut Step<'_>,
        voter_id: i32,
        asked: &AskedPartition,
    ) -> Result<bool, ErrorCode> {
        let (epoch, last_epoch) = (asked.replica_epoch, asked.last_offset_epoch);
        // A candidate asks in an epoch of its own, of which no log can have a record yet.
        let is_impossible = if asked.pre_vote { last_epoch > epoch } else { last_epoch >= epoch };
        if asked.last_offset < 0 || last_epoch < 0 || is_impossible {
            return Err(ErrorCode::InvalidRequest);
        }
        if let Some(error) = self.refuse_voter(asked.replica_id, epoch) {
            return Err(error);
        }
        if epoch > self.epoch {
            self.become_unattached(step, epoch, None);
        }
        if !self.is_me(&ReplicaKey::new(voter_id, asked.voter_directory_id)) {
            return Err(ErrorCode::InvalidVoterKey);
        }
        let candidate = ReplicaKey::new(asked.replica_id, asked.replica_directory_id);
        let theirs = OffsetAndEpoch { epoch: last_epoch, offset: asked.last_offset };
        let is_complete = theirs >= step.end || !holds(Rule::CompleteLogWins);
        let granted = self.would_vote(&candidate, is_complete, asked.pre_vote);
        if granted && !asked.pre_vote && self.voted().is_none() {
            self.add_vote(step, candidate);
        }
        Ok(granted)
    }

    /// Whether this node votes for `candidate`, whose log is as complete as its own or not.
    fn would_vote(&self, candidate: &ReplicaKey, is_complete: bool, pre_vote: bool) -> bool {
        let (leader, voted) = match &self.role {
            Role::Unattached { leader, voted, .. } => (leader, voted),
            Role::Prospective(prospective) => (&prospective.leader, &prospective.voted),
            Role::Candidate { .. } | Role::Resigned { .. } => return pre_vote && is_complete,
            // A leader that answers fetches is not to be disturbed.
            Role::Follower(follower) => return pre_vote && is_complete && !follower.has_fetched,
            Role::Leader(_) => return false,
        };
        match voted {
            _ if pre_vote => is_complete,
            Some(voted) if holds(Rule::OneVoteAnEpoch) => voted.names(candidate),
            Some(_) => is_complete,
            None => leader.is_none() && is_complete,
        }
    }

    fn vote_response(&self, from: &Asker, error: ErrorCode, vote_granted: bool) -> VoteResponse {
        let mut response = VoteResponse {
            topics: vec![TopicData {
                topic_name: TOPIC.to_owned(),
                partitions: vec![PartitionData {
                    partition_index: 0,
                    error_code: error,
                    leader_id: self.leader_or_none(),
                    leader_epoch: self.epoch,
                    vote_granted,
                }],
            }],
            ..VoteResponse::default()
        };
        if from.version >= 1
            && let Some((node_id, address)) = self.leader_address(&from.listener)
        {
            let (host, port) = (address.host, address.port);
            response.node_endpoints.push(NodeEndpoint { node_id, host, port });
        }
        response
    }

    pub(super) fn vote_request(
        &self,
        step: &Step<'_>,
        voter: &ReplicaKey,
        pre_vote: bool,
    ) -> VoteRequest {
        let me = self.config.key();
        VoteRequest {
            cluster_id: Some(self.config.cluster_id.clone()),
            voter_id: voter.id,
            topics: vec![AskedTopic {
                topic_name: TOPIC.to_owned(),
                partitions: vec![AskedPartition {
                    partition_index: 0,
                    replica_epoch: self.epoch,
                    replica_id: me.id,
                    replica_directory_id: me.directory_or_nil(),
                    voter_directory_id: voter.directory_or_nil(),
                    last_offset_epoch: step.end.epoch,
                    last_offset: step.end.offset,
                    pre_vote,
                }],
            }],
        }
    }

    pub(super) fn vote_answered(
        &mut self,
        step: &mut Step<'_>,
        from: i32,
        response: &VoteResponse,
    ) -> bool {
        if response.error_code == ErrorCode::UnsupportedVersion {
            return self.unsupported(step, from);
        }
        if response.error_code.is_error() {
            return self.refused(step, from, "Vote", response.error_code);
        }
        let Some(said) = metadata_partition!(response.topics, topic_name, partition_index) else {
            return false;
        };
        let leader = known_leader(said.leader_id);
        let named = response.node_endpoints.iter();
        let named = named.map(|node| (node.node_id, node.host.as_str(), i32::from(node.port)));
        let endpoints = self.named_endpoints(leader, named);
        let said_of_leader =
            Said { error: said.error_code, leader, epoch: said.leader_epoch, endpoints };
        match self.take_in(step, said_of_leader) {
            Verdict::Handled(handled) => return handled,
            Verdict::GoOn => {}
        }
        if said.error_code.is_error() {
            return self.refused(step, from, "Vote", said.error_code);
        }
        match &mut self.role {
            Role::Candidate { ballot, .. } => ballot.record(from, said.vote_granted),
            Role::Prospective(prospective) => prospective.ballot.record(from, said.vote_granted),
            _ => return true,
        }
        self.advance_election(step);
        if let Role::Prospective(prospective) = &self.role
            && prospective.ballot.is_lost()
        {
            self.after_lost_prevote(step);
        }
        true
    }
}
