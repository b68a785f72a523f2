//! Voters come and go, one at a time (KIP-853).

use protocol::ErrorCode;
use protocol::messages::{
    AddRaftVoterRequest, AddRaftVoterResponse, ApiVersionsResponse, RemoveRaftVoterRequest,
    RemoveRaftVoterResponse, UpdateRaftVoterRequest, UpdateRaftVoterResponse,
    add_raft_voter_request as adding, update_raft_voter_request as updating,
    update_raft_voter_response as updated,
};

use super::answers::{Asker, known_leader};
use super::responses::{Said, Verdict};
use super::{Raft, Step};
use crate::control::Control;
use crate::leader::{Leader, Upgrade, VoterChange};
use crate::role::{Follower, Role};
use crate::rules::{Rule, holds};
use crate::{
    Address, Endpoints, Node, ReplicaKey, Request, Response, VersionRange, VoterNode, VoterSet,
};

/// A refusal with words for people; without them, Kafka's own for the code.
type Refusal = (ErrorCode, Option<String>);

const FEATURE: &str = "kraft.version";

fn timed_out(text: impl Into<String>) -> Refusal {
    (ErrorCode::RequestTimedOut, Some(text.into()))
}

impl Raft {
    pub(super) fn add_requested(
        &mut self,
        step: &mut Step<'_>,
        from: &Asker,
        request: &AddRaftVoterRequest,
    ) {
        let handle = from.handle;
        if let Err((error, message)) = self.begin_adding(step, handle, request) {
            let response = add_response(error, message);
            self.answer(step, handle, Response::AddRaftVoter(response));
        }
    }

    /// Asks the new voter what it supports; it is answered when that is known and written.
    fn begin_adding(
        &mut self,
        step: &mut Step<'_>,
        handle: u64,
        request: &AddRaftVoterRequest,
    ) -> Result<(), Refusal> {
        self.check_cluster(request.cluster_id.as_deref())?;
        self.check_leading()?;
        let voter = ReplicaKey::new(request.voter_id, request.voter_directory_id);
        if voter.id < 0 || voter.directory.is_none() {
            let message = "Add voter request didn't include a valid voter";
            return Err((ErrorCode::InvalidRequest, Some(message.to_owned())));
        }
        let listeners = request.listeners.iter();
        let endpoints = Endpoints::new(listeners.map(|listener| {
            let (host, port) = (listener.host.clone(), listener.port);
            (listener.name.clone(), Address { host, port })
        }));
        let Some(address) = endpoints.address(&self.config.listener).cloned() else {
            let listener = &self.config.listener;
            let message = format!(
                "Add voter request didn't include the endpoint ({}) for the default listener \
                 {listener}",
                described(&endpoints)
            );
            return Err((ErrorCode::InvalidRequest, Some(message)));
        };
        let voters = self.changeable_voters("adding")?;
        if voters.get(voter.id).is_some() {
            let message = format!(
                "The voter id for {} is already part of the set of voters {}.",
                named(&voter),
                all_named(voters)
            );
            return Err((ErrorCode::DuplicateVoter, Some(message)));
        }
        let node = Node { id: voter.id, address };
        let (sent, _) = self.send_if_ready(step, node, |_, _| Request::ApiVersions);
        if !sent {
            let voter = named(&voter);
            return Err(timed_out(format!("New voter {voter} is not ready to receive requests")));
        }
        let ack_when_committed = request.ack_when_committed;
        let until = step.ms() + self.config.request_timeout_ms;
        if let Role::Leader(leader) = &mut self.role {
            leader.change =
                Some(VoterChange::Asking { handle, voter, endpoints, ack_when_committed });
            leader.change_until = until;
        }
        Ok(())
    }

    fn check_cluster(&self, cluster_id: Option<&str>) -> Result<(), Refusal> {
        if self.is_this_cluster(cluster_id) {
            return Ok(());
        }
        let message = format!(
            "The given id \"{}\" doesn't match the cluster id \"{}\"",
            cluster_id.unwrap_or_default(),
            self.config.cluster_id
        );
        Err((ErrorCode::InconsistentClusterId, Some(message)))
    }

    fn check_leading(&self) -> Result<(), Refusal> {
        match self.refuse_unless_leading(self.epoch) {
            Some(error) => Err((error, None)),
            None => Ok(()),
        }
    }

    /// The voters, if they may be changed now: the level of `kraft.version` allows it, and all
    /// changes before are committed.
    fn changeable_voters(&self, verb: &str) -> Result<&VoterSet, Refusal> {
        let Role::Leader(leader) = &self.role else {
            return Err((ErrorCode::NotLeaderOrFollower, None));
        };
        if leader.change.is_some() && holds(Rule::OneChangeAtATime) {
            return Err(timed_out(
                "Request timed out waiting for leader to handle previous voter change request",
            ));
        }
        let Some(high_watermark) = leader.high_watermark else {
            return Err(timed_out(
                "Request timed out waiting for leader to establish HWM and fence previous voter \
                 changes",
            ));
        };
        if !self.history.is_reconfigurable() {
            let level = self.history.version();
            let message = format!(
                "Cluster doesn't support {verb} voter because the {FEATURE} feature is {level}"
            );
            return Err((ErrorCode::UnsupportedVersion, Some(message)));
        }
        match self.history.voters_offset() {
            Some(offset) if offset < high_watermark || !holds(Rule::OneChangeAtATime) => {
                Ok(self.voters())
            }
            offset => {
                let offset =
                    offset.map_or_else(|| "no offset".to_owned(), |offset| offset.to_string());
                Err(timed_out(format!(
                    "Request timed out waiting for voters to commit the latest voter change at \
                     {offset} with HWM {high_watermark}"
                )))
            }
        }
    }

    pub(super) fn versions_answered(
        &mut self,
        step: &mut Step<'_>,
        from: i32,
        response: &ApiVersionsResponse,
    ) -> bool {
        let Some((handle, voter, endpoints, ack_when_committed)) = self.asked(from) else {
            return true;
        };
        if response.error_code.is_error() {
            self.abandon_adding(step, from);
            return false;
        }
        let features = &response.supported_features;
        let range = features.iter().find(|feature| feature.name == FEATURE);
        let range =
            range.map(|range| VersionRange { min: range.min_version, max: range.max_version });
        let level = self.history.version();
        let supported = match range {
            Some(range) if range.contains(level) => range,
            other => {
                let (min, max) = other.map_or((0, 0), |range| (range.min, range.max));
                let message = format!(
                    "Aborted add voter operation for {} since the {FEATURE} range (min: {min}, \
                     max: {max}) doesn't support the finalized version {level}",
                    named(&voter)
                );
                self.end_change(step, ErrorCode::InvalidRequest, Some(message));
                return true;
            }
        };
        let Role::Leader(leader) = &self.role else { return true };
        if !leader.is_caught_up(&voter, step.ms()) {
            let voter = named(&voter);
            let message =
                format!("Aborted add voter operation for {voter} since it is lagging behind");
            self.end_change(step, ErrorCode::RequestTimedOut, Some(message));
            return true;
        }
        let Some(voters) = self.voters().with(VoterNode { key: voter, endpoints, supported })
        else {
            self.end_change(step, ErrorCode::DuplicateVoter, None);
            return true;
        };
        let offset = self.append_control(step, &[Control::Voters(voters.to_record())]);
        let waiting = ack_when_committed.then_some(handle);
        if let Role::Leader(leader) = &mut self.role {
            leader.change = Some(VoterChange::Adding { handle: waiting, offset });
        }
        if !ack_when_committed {
            let response = add_response(ErrorCode::None, None);
            self.answer(step, handle, Response::AddRaftVoter(response));
        }
        true
    }

    /// The voter that was asked for its versions, if it is this node.
    fn asked(&self, node: i32) -> Option<(u64, ReplicaKey, Endpoints, bool)> {
        let Role::Leader(leader) = &self.role else { return None };
        match &leader.change {
            Some(VoterChange::Asking { handle, voter, endpoints, ack_when_committed })
                if voter.id == node =>
            {
                Some((*handle, *voter, endpoints.clone(), *ack_when_committed))
            }
            _ => None,
        }
    }

    /// The new voter does not answer as it should.
    pub(super) fn abandon_adding(&mut self, step: &mut Step<'_>, node: i32) {
        if self.asked(node).is_some() {
            let message =
                "Aborted add voter operation since API_VERSIONS returned an error".to_owned();
            self.end_change(step, ErrorCode::RequestTimedOut, Some(message));
        }
    }

    pub(super) fn remove_requested(
        &mut self,
        step: &mut Step<'_>,
        from: &Asker,
        request: &RemoveRaftVoterRequest,
    ) {
        let handle = from.handle;
        if let Err((error, message)) = self.begin_removing(step, handle, request) {
            let response = remove_response(error, message);
            self.answer(step, handle, Response::RemoveRaftVoter(response));
        }
    }

    fn begin_removing(
        &mut self,
        step: &mut Step<'_>,
        handle: u64,
        request: &RemoveRaftVoterRequest,
    ) -> Result<(), Refusal> {
        self.check_cluster(request.cluster_id.as_deref())?;
        self.check_leading()?;
        let voter = ReplicaKey::new(request.voter_id, request.voter_directory_id);
        if voter.id < 0 || voter.directory.is_none() {
            let message = "Remove voter request didn't include a valid voter";
            return Err((ErrorCode::InvalidRequest, Some(message.to_owned())));
        }
        let voters = self.changeable_voters("removing")?;
        let Some(rest) = voters.without(&voter) else {
            let message = format!(
                "Cannot remove voter {} from the set of voters {}",
                named(&voter),
                all_named(voters)
            );
            return Err((ErrorCode::VoterNotFound, Some(message)));
        };
        let offset = self.append_control(step, &[Control::Voters(rest.to_record())]);
        let until = step.ms() + self.config.request_timeout_ms;
        if let Role::Leader(leader) = &mut self.role {
            leader.change = Some(VoterChange::Removing { handle, offset });
            leader.change_until = until;
        }
        // Without it, the others may be a majority that has all of it already.
        self.synced(step);
        Ok(())
    }

    /// Ends a change that is committed.
    pub(super) fn change_committed(&mut self, step: &mut Step<'_>) {
        let Role::Leader(leader) = &self.role else { return };
        let offset = match &leader.change {
            Some(VoterChange::Adding { offset, .. } | VoterChange::Removing { offset, .. }) => {
                *offset
            }
            Some(VoterChange::Asking { .. }) | None => return,
        };
        if leader.high_watermark.is_some_and(|committed| committed > offset) {
            self.end_change(step, ErrorCode::None, None);
        }
    }

    pub(super) fn expire_change(&mut self, step: &mut Step<'_>) {
        let Role::Leader(leader) = &self.role else { return };
        if leader.change.is_some() && leader.change_until <= step.ms() {
            self.end_change(step, ErrorCode::RequestTimedOut, None);
        }
    }

    fn end_change(&mut self, step: &mut Step<'_>, error: ErrorCode, message: Option<String>) {
        let Role::Leader(leader) = &mut self.role else { return };
        leader.change_until = i64::MAX;
        if let Some(change) = leader.change.take() {
            self.answer_change(step, &change, error, message);
        }
    }

    pub(super) fn answer_change(
        &self,
        step: &mut Step<'_>,
        change: &VoterChange,
        error: ErrorCode,
        message: Option<String>,
    ) {
        match change {
            VoterChange::Asking { handle, .. }
            | VoterChange::Adding { handle: Some(handle), .. } => {
                let response = add_response(error, message);
                self.answer(step, *handle, Response::AddRaftVoter(response));
            }
            VoterChange::Adding { handle: None, .. } => {}
            VoterChange::Removing { handle, .. } => {
                let response = remove_response(error, message);
                self.answer(step, *handle, Response::RemoveRaftVoter(response));
            }
        }
    }

    pub(super) fn update_requested(
        &mut self,
        step: &mut Step<'_>,
        from: &Asker,
        request: &UpdateRaftVoterRequest,
    ) -> UpdateRaftVoterResponse {
        let error = self.update(step, request).err().unwrap_or(ErrorCode::None);
        let mut current_leader = updated::CurrentLeader {
            leader_id: self.leader_or_none(),
            leader_epoch: self.epoch,
            ..updated::CurrentLeader::default()
        };
        if let Some((_, address)) = self.leader_address(&from.listener) {
            current_leader.host = address.host;
            current_leader.port = i32::from(address.port);
        }
        UpdateRaftVoterResponse {
            error_code: error,
            current_leader,
            ..UpdateRaftVoterResponse::default()
        }
    }

    fn update(
        &mut self,
        step: &mut Step<'_>,
        request: &UpdateRaftVoterRequest,
    ) -> Result<(), ErrorCode> {
        if !self.is_this_cluster(request.cluster_id.as_deref()) {
            return Err(ErrorCode::InconsistentClusterId);
        }
        if let Some(error) = self.refuse_unless_leading(request.current_leader_epoch) {
            return Err(error);
        }
        let key = ReplicaKey::new(request.voter_id, request.voter_directory_id);
        let listeners = request.listeners.iter();
        let endpoints = Endpoints::new(listeners.map(|listener| {
            let (host, port) = (listener.host.clone(), listener.port);
            (listener.name.clone(), Address { host, port })
        }));
        let feature = &request.k_raft_version_feature;
        let supported =
            VersionRange { min: feature.min_supported_version, max: feature.max_supported_version };
        let is_valid = key.id >= 0
            && key.directory.is_some()
            && endpoints.address(&self.config.listener).is_some()
            && supported.min >= 0
            && supported.max >= supported.min;
        if !is_valid {
            return Err(ErrorCode::InvalidRequest);
        }
        let voter = VoterNode { key, endpoints, supported };
        if self.history.is_reconfigurable() {
            self.write_updated(step, voter)?;
        } else {
            self.remember_updated(voter)?;
        }
        if let Role::Leader(leader) = &mut self.role {
            leader.heard_of(&key, step.now.elapsed_ms);
        }
        Ok(())
    }

    fn write_updated(&mut self, step: &mut Step<'_>, voter: VoterNode) -> Result<(), ErrorCode> {
        let level = self.history.version();
        let voters = self.changeable_voters("updating").map_err(|(error, _)| error)?;
        if !voter.supported.contains(level) {
            return Err(ErrorCode::InvalidRequest);
        }
        let voters = voters.updated(voter).ok_or(ErrorCode::VoterNotFound)?;
        self.append_control(step, &[Control::Voters(voters.to_record())]);
        Ok(())
    }

    /// Below level 1 the log does not hold the voters: the leader remembers what they say.
    fn remember_updated(&mut self, voter: VoterNode) -> Result<(), ErrorCode> {
        let level = self.history.version();
        let Role::Leader(leader) = &mut self.role else {
            return Err(ErrorCode::NotLeaderOrFollower);
        };
        let Leader { change: None, high_watermark: Some(_), upgrade, .. } = &mut **leader else {
            return Err(ErrorCode::RequestTimedOut);
        };
        let Upgrade::Voters(voters) = upgrade else { return Err(ErrorCode::RequestTimedOut) };
        if !voter.supported.contains(level) {
            return Err(ErrorCode::InvalidRequest);
        }
        *voters = voters.updated_by_id(voter).ok_or(ErrorCode::VoterNotFound)?;
        Ok(())
    }

    pub(super) fn update_request(&self) -> UpdateRaftVoterRequest {
        let me = self.config.voter();
        UpdateRaftVoterRequest {
            cluster_id: Some(self.config.cluster_id.clone()),
            current_leader_epoch: self.epoch,
            voter_id: me.key.id,
            voter_directory_id: me.key.directory_or_nil(),
            listeners: me
                .endpoints
                .iter()
                .map(|(name, address)| updating::Listener {
                    name: name.to_owned(),
                    host: address.host.clone(),
                    port: address.port,
                })
                .collect(),
            k_raft_version_feature: updating::KRaftVersionFeature {
                min_supported_version: me.supported.min,
                max_supported_version: me.supported.max,
            },
        }
    }

    pub(super) fn add_request(&self) -> AddRaftVoterRequest {
        let me = self.config.voter();
        AddRaftVoterRequest {
            cluster_id: Some(self.config.cluster_id.clone()),
            timeout_ms: i32::try_from(self.config.request_timeout_ms).unwrap_or(i32::MAX),
            voter_id: me.key.id,
            voter_directory_id: me.key.directory_or_nil(),
            listeners: me
                .endpoints
                .iter()
                .map(|(name, address)| adding::Listener {
                    name: name.to_owned(),
                    host: address.host.clone(),
                    port: address.port,
                })
                .collect(),
            ack_when_committed: false,
        }
    }

    pub(super) fn remove_request(&self, voter: &ReplicaKey) -> RemoveRaftVoterRequest {
        RemoveRaftVoterRequest {
            cluster_id: Some(self.config.cluster_id.clone()),
            voter_id: voter.id,
            voter_directory_id: voter.directory_or_nil(),
        }
    }

    pub(super) fn update_answered(
        &mut self,
        step: &mut Step<'_>,
        from: i32,
        response: &UpdateRaftVoterResponse,
    ) -> bool {
        if let Role::Follower(follower) = &mut self.role {
            follower.is_updating = false;
        }
        let said = &response.current_leader;
        let leader = known_leader(said.leader_id);
        let endpoints = match u16::try_from(said.port) {
            Ok(port) if leader.is_some() && !said.host.is_empty() => {
                Endpoints::one(&self.config.listener, &said.host, port)
            }
            _ => leader.map(|leader| self.voters().endpoints(leader)).unwrap_or_default(),
        };
        let (error, epoch) = (response.error_code, said.leader_epoch);
        // One that does not know the request does not say who leads either.
        if error == ErrorCode::UnsupportedVersion {
            if let Role::Follower(follower) = &mut self.role {
                follower.has_updated_leader = true;
            }
            return true;
        }
        match self.take_in(step, Said { error, leader, epoch, endpoints }) {
            Verdict::Handled(handled) => return handled,
            Verdict::GoOn => {}
        }
        if error.is_error() {
            return self.refused(step, from, "UpdateRaftVoter", error);
        }
        if let Role::Follower(follower) = &mut self.role {
            follower.has_updated_leader = true;
        }
        self.heard_of_leader(step);
        true
    }

    /// A leader answered the request of a controller to become a voter, or to have an older
    /// voter of its id removed.
    pub(super) fn membership_answered(
        &mut self,
        step: &mut Step<'_>,
        from: i32,
        api: &'static str,
        error: ErrorCode,
    ) -> bool {
        let is_settled = matches!(
            error,
            ErrorCode::None
                | ErrorCode::RequestTimedOut
                | ErrorCode::DuplicateVoter
                | ErrorCode::VoterNotFound
        );
        if !is_settled {
            return self.refused(step, from, api, error);
        }
        let period = self.update_period();
        if let Role::Follower(Follower { update_at, .. }) = &mut self.role {
            *update_at = step.ms() + period;
        }
        true
    }

    pub(super) fn update_period(&self) -> i64 {
        self.config.fetch_timeout_ms.max(1)
    }
}

fn add_response(error_code: ErrorCode, message: Option<String>) -> AddRaftVoterResponse {
    let error_message = message.or_else(|| standard(error_code));
    AddRaftVoterResponse { error_code, error_message, ..AddRaftVoterResponse::default() }
}

fn remove_response(error_code: ErrorCode, message: Option<String>) -> RemoveRaftVoterResponse {
    let error_message = message.or_else(|| standard(error_code));
    RemoveRaftVoterResponse { error_code, error_message, ..RemoveRaftVoterResponse::default() }
}

/// What Kafka says of a code where there is nothing more to say.
fn standard(error: ErrorCode) -> Option<String> {
    let text = match error {
        ErrorCode::RequestTimedOut => "The request timed out.",
        ErrorCode::NotLeaderOrFollower => {
            "For requests intended only for the leader, this error indicates that the broker is \
             not the current leader. For requests intended for any replica, this error indicates \
             that the broker is not a replica of the topic partition."
        }
        ErrorCode::BrokerNotAvailable => "The broker is not available.",
        ErrorCode::DuplicateVoter => "The voter is already part of the set of voters.",
        _ => return None,
    };
    Some(text.to_owned())
}

fn named(key: &ReplicaKey) -> String {
    match key.directory {
        Some(directory) => format!("{}-{}", key.id, crate::election::kafka_uuid(directory)),
        None => key.id.to_string(),
    }
}

fn all_named(voters: &VoterSet) -> String {
    let names: Vec<String> = voters.iter().map(|voter| named(&voter.key)).collect();
    format!("[{}]", names.join(", "))
}

fn described(endpoints: &Endpoints) -> String {
    let text =
        |(name, address): (&str, &Address)| format!("{name}://{}:{}", address.host, address.port);
    endpoints.iter().map(text).collect::<Vec<_>>().join(", ")
}
