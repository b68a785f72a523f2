//! The beginning and the end of an epoch.

use protocol::ErrorCode;
use protocol::messages::{
    BeginQuorumEpochRequest, BeginQuorumEpochResponse, EndQuorumEpochRequest,
    EndQuorumEpochResponse, begin_quorum_epoch_request as begin,
    begin_quorum_epoch_response as begun, end_quorum_epoch_request as end,
    end_quorum_epoch_response as ended,
};

use super::answers::{Asker, TOPIC, known_leader, metadata_partition};
use super::responses::{Said, Verdict};
use super::{Raft, Step};
use crate::role::Role;
use crate::{Address, Endpoints, ReplicaKey};

impl Raft {
    pub(super) fn begin_requested(
        &mut self,
        step: &mut Step<'_>,
        from: &Asker,
        request: &BeginQuorumEpochRequest,
    ) -> BeginQuorumEpochResponse {
        let refused = |error_code| BeginQuorumEpochResponse {
            error_code,
            ..BeginQuorumEpochResponse::default()
        };
        if !self.is_this_cluster(request.cluster_id.as_deref()) {
            return refused(ErrorCode::InconsistentClusterId);
        }
        let Some(asked) = metadata_partition!(request.topics, topic_name, partition_index) else {
            return refused(ErrorCode::InvalidRequest);
        };
        let named = request.leader_endpoints.iter();
        let named = named.map(|e| (e.name.clone(), e.host.clone(), e.port));
        let error = self.leader_says(step, asked.leader_id, asked.leader_epoch, named);
        let error = error.or_else(|| {
            let named = ReplicaKey::new(request.voter_id, asked.voter_directory_id);
            (!self.is_me(&named)).then_some(ErrorCode::InvalidVoterKey)
        });
        self.begin_response(from, error.unwrap_or(ErrorCode::None))
    }

    /// Takes in that a leader speaks for itself. Why it is not heard, if it is not.
    fn leader_says(
        &mut self,
        step: &mut Step<'_>,
        leader: i32,
        epoch: i32,
        named: impl Iterator<Item = (String, String, u16)>,
    ) -> Option<ErrorCode> {
        if let Some(error) = self.refuse_voter(leader, epoch) {
            return Some(error);
        }
        let named = named.map(|(name, host, port)| (name, Address { host, port }));
        let mut endpoints = Endpoints::new(named);
        if endpoints.is_empty() {
            endpoints = self.voters().endpoints(leader);
        }
        let is_true = self.learn(step, Some(leader), epoch, endpoints);
        (!is_true).then_some(ErrorCode::UnknownServerError)
    }

    fn begin_response(&self, from: &Asker, error_code: ErrorCode) -> BeginQuorumEpochResponse {
        let mut response = BeginQuorumEpochResponse {
            topics: vec![begun::TopicData {
                topic_name: TOPIC.to_owned(),
                partitions: vec![begun::PartitionData {
                    partition_index: 0,
                    error_code,
                    leader_id: self.leader_or_none(),
                    leader_epoch: self.epoch,
                }],
            }],
            ..BeginQuorumEpochResponse::default()
        };
        if from.version >= 1
            && let Some((node_id, Address { host, port })) = self.leader_address(&from.listener)
        {
            response.node_endpoints.push(begun::NodeEndpoint { node_id, host, port });
        }
        response
    }

    pub(super) fn begin_request(&self, voter: &ReplicaKey) -> BeginQuorumEpochRequest {
        let endpoints = self.config.endpoints.iter();
        BeginQuorumEpochRequest {
            cluster_id: Some(self.config.cluster_id.clone()),
            voter_id: voter.id,
            topics: vec![begin::TopicData {
                topic_name: TOPIC.to_owned(),
                partitions: vec![begin::PartitionData {
                    partition_index: 0,
                    voter_directory_id: voter.directory_or_nil(),
                    leader_id: self.config.node,
                    leader_epoch: self.epoch,
                }],
            }],
            leader_endpoints: endpoints
                .map(|(name, address)| begin::LeaderEndpoint {
                    name: name.to_owned(),
                    host: address.host.clone(),
                    port: address.port,
                })
                .collect(),
        }
    }

    pub(super) fn begin_answered(
        &mut self,
        step: &mut Step<'_>,
        from: i32,
        response: &BeginQuorumEpochResponse,
    ) -> bool {
        let api = "BeginQuorumEpoch";
        if response.error_code.is_error() {
            return self.refused(step, from, api, response.error_code);
        }
        let Some(said) = metadata_partition!(response.topics, topic_name, partition_index) else {
            return false;
        };
        let leader = known_leader(said.leader_id);
        let named = response.node_endpoints.iter();
        let named = named.map(|node| (node.node_id, node.host.as_str(), i32::from(node.port)));
        let endpoints = self.named_endpoints(leader, named);
        let (error, epoch) = (said.error_code, said.leader_epoch);
        match self.take_in(step, Said { error, leader, epoch, endpoints }) {
            Verdict::Handled(handled) => handled,
            Verdict::GoOn if error.is_error() => self.refused(step, from, api, error),
            Verdict::GoOn => true,
        }
    }

    pub(super) fn end_requested(
        &mut self,
        step: &mut Step<'_>,
        from: &Asker,
        request: &EndQuorumEpochRequest,
    ) -> EndQuorumEpochResponse {
        let refused =
            |error_code| EndQuorumEpochResponse { error_code, ..EndQuorumEpochResponse::default() };
        if !self.is_this_cluster(request.cluster_id.as_deref()) {
            return refused(ErrorCode::InconsistentClusterId);
        }
        let Some(asked) = metadata_partition!(request.topics, topic_name, partition_index) else {
            return refused(ErrorCode::InvalidRequest);
        };
        let named = request.leader_endpoints.iter();
        let named = named.map(|e| (e.name.clone(), e.host.clone(), e.port));
        let error = self.leader_says(step, asked.leader_id, asked.leader_epoch, named);
        let backoff = self.backoff_after_resignation(asked);
        if let Role::Follower(follower) = &mut self.role
            && error.is_none()
            && follower.leader == asked.leader_id
        {
            follower.fetch_until = step.ms() + backoff;
        }
        self.end_response(from, error.unwrap_or(ErrorCode::None))
    }

    /// How long this node waits before it tries to succeed a leader that has resigned: those
    /// that the leader prefers go first.
    fn backoff_after_resignation(&self, asked: &end::PartitionData) -> i64 {
        let me = self.config.key();
        let named = |candidate: ReplicaKey| candidate.names(&me);
        let (position, count) = if asked.preferred_candidates.is_empty() {
            let ids = &asked.preferred_successors;
            (ids.iter().position(|id| *id == me.id), ids.len())
        } else {
            let keys = &asked.preferred_candidates;
            let position = keys.iter().position(|candidate| {
                named(ReplicaKey::new(candidate.candidate_id, candidate.candidate_directory_id))
            });
            (position, keys.len())
        };
        let most = self.config.election_backoff_max_ms;
        match position {
            Some(0) => 0,
            None if count == 0 => 0,
            None => most,
            Some(position) => {
                // The last one waits for the most, each before it half as long.
                let halvings = (count - 1 - position).min(62);
                most >> halvings >> 1
            }
        }
    }

    fn end_response(&self, from: &Asker, error_code: ErrorCode) -> EndQuorumEpochResponse {
        let mut response = EndQuorumEpochResponse {
            topics: vec![ended::TopicData {
                topic_name: TOPIC.to_owned(),
                partitions: vec![ended::PartitionData {
                    partition_index: 0,
                    error_code,
                    leader_id: self.leader_or_none(),
                    leader_epoch: self.epoch,
                }],
            }],
            ..EndQuorumEpochResponse::default()
        };
        if from.version >= 1
            && let Some((node_id, Address { host, port })) = self.leader_address(&from.listener)
        {
            response.node_endpoints.push(ended::NodeEndpoint { node_id, host, port });
        }
        response
    }

    pub(super) fn end_request(&self, successors: &[ReplicaKey]) -> EndQuorumEpochRequest {
        let candidate = |key: &ReplicaKey| end::ReplicaInfo {
            candidate_id: key.id,
            candidate_directory_id: key.directory_or_nil(),
        };
        let endpoints = self.config.endpoints.iter();
        EndQuorumEpochRequest {
            cluster_id: Some(self.config.cluster_id.clone()),
            topics: vec![end::TopicData {
                topic_name: TOPIC.to_owned(),
                partitions: vec![end::PartitionData {
                    partition_index: 0,
                    leader_id: self.config.node,
                    leader_epoch: self.epoch,
                    preferred_successors: successors.iter().map(|key| key.id).collect(),
                    preferred_candidates: successors.iter().map(candidate).collect(),
                }],
            }],
            leader_endpoints: endpoints
                .map(|(name, address)| end::LeaderEndpoint {
                    name: name.to_owned(),
                    host: address.host.clone(),
                    port: address.port,
                })
                .collect(),
        }
    }

    pub(super) fn end_answered(
        &mut self,
        step: &mut Step<'_>,
        from: i32,
        response: &EndQuorumEpochResponse,
    ) -> bool {
        let api = "EndQuorumEpoch";
        if response.error_code.is_error() {
            return self.refused(step, from, api, response.error_code);
        }
        let Some(said) = metadata_partition!(response.topics, topic_name, partition_index) else {
            return false;
        };
        let leader = known_leader(said.leader_id);
        let named = response.node_endpoints.iter();
        let named = named.map(|node| (node.node_id, node.host.as_str(), i32::from(node.port)));
        let endpoints = self.named_endpoints(leader, named);
        let (error, epoch) = (said.error_code, said.leader_epoch);
        match self.take_in(step, Said { error, leader, epoch, endpoints }) {
            Verdict::Handled(handled) => return handled,
            Verdict::GoOn if error.is_error() => return self.refused(step, from, api, error),
            Verdict::GoOn => {}
        }
        if let Role::Resigned { unacknowledged, .. } = &mut self.role {
            unacknowledged.remove(&from);
        }
        true
    }
}
