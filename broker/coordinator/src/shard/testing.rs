//! A shard with a log, a clock and named requests, so that a scenario reads as a story.

use bytes::Bytes;
use protocol::ErrorCode;
use protocol::messages::heartbeat_request::HeartbeatRequest;
use protocol::messages::join_group_request::{JoinGroupRequest, JoinGroupRequestProtocol};
use protocol::messages::join_group_response::JoinGroupResponse;
use protocol::messages::leave_group_request::MemberIdentity;
use protocol::messages::sync_group_request::{SyncGroupRequest, SyncGroupRequestAssignment};
use protocol::messages::sync_group_response::SyncGroupResponse;

use super::{CommitPartition, CommitRequest, CommitTopic, Shard};
use crate::{Caller, JoinContext, Now, Outcome, Parked, Record, Settings, Ticket};

pub(crate) const GROUP: &str = "g";

pub(crate) fn settings() -> Settings {
    Settings {
        initial_rebalance_delay_ms: 3_000,
        min_session_timeout_ms: 6_000,
        max_session_timeout_ms: 1_800_000,
        max_size: u32::MAX,
        offset_metadata_max_bytes: 10,
        offsets_retention_ms: 100_000,
        offsets_retention_check_interval_ms: 600_000,
        offsets_commit_timeout_ms: 5_000,
    }
}

/// A JoinGroup request that can be varied.
#[derive(Clone, Debug)]
pub(crate) struct Joining {
    pub(crate) request: JoinGroupRequest,
    pub(crate) context: JoinContext,
}

impl Joining {
    /// By a member that has no id yet and will get `fresh_id`; of a client that must ask twice.
    pub(crate) fn new(fresh_id: &str) -> Self {
        let protocol = JoinGroupRequestProtocol {
            name: "range".to_owned(),
            metadata: Bytes::from(format!("metadata of {fresh_id}")),
        };
        Self {
            request: JoinGroupRequest {
                group_id: GROUP.to_owned(),
                session_timeout_ms: 10_000,
                rebalance_timeout_ms: 20_000,
                protocol_type: "consumer".to_owned(),
                protocols: vec![protocol],
                ..JoinGroupRequest::default()
            },
            context: JoinContext {
                caller: Caller {
                    client_id: "client".to_owned(),
                    client_host: "/127.0.0.1".to_owned(),
                },
                fresh_id: fresh_id.to_owned(),
                knows_required_id: true,
                can_skip_assignment: false,
            },
        }
    }

    /// By a member that has its id.
    pub(crate) fn member(member_id: &str) -> Self {
        let mut joining = Self::new(member_id);
        joining.request.member_id = member_id.to_owned();
        joining
    }

    /// By a client of before KIP-394.
    pub(crate) fn old(fresh_id: &str) -> Self {
        let mut joining = Self::new(fresh_id);
        joining.context.knows_required_id = false;
        joining
    }

    pub(crate) fn instance(mut self, instance_id: &str) -> Self {
        self.request.group_instance_id = Some(instance_id.to_owned());
        self
    }

    pub(crate) fn protocols(mut self, names: &[&str]) -> Self {
        let protocols = names.iter().map(|name| JoinGroupRequestProtocol {
            name: (*name).to_owned(),
            metadata: Bytes::from(format!("metadata for {name}")),
        });
        self.request.protocols = protocols.collect();
        self
    }

    pub(crate) fn timeouts(mut self, session_ms: i32, rebalance_ms: i32) -> Self {
        self.request.session_timeout_ms = session_ms;
        self.request.rebalance_timeout_ms = rebalance_ms;
        self
    }
}

pub(crate) struct World {
    pub(crate) shard: Shard,
    pub(crate) settings: Settings,
    /// Time that passed, as every clock tells it.
    pub(crate) now_ms: i64,
    /// By how much somebody has set the time of day forward, or back.
    pub(crate) set_by_ms: i64,
    pub(crate) log: Vec<Record>,
    pub(crate) refuse_appends: bool,
    tickets: u64,
    answers: Vec<String>,
}

impl World {
    pub(crate) fn new() -> Self {
        Self::with(settings())
    }

    pub(crate) fn with(settings: Settings) -> Self {
        Self {
            shard: Shard::new(settings.clone()),
            settings,
            now_ms: 1_000_000,
            set_by_ms: 0,
            log: Vec::new(),
            refuse_appends: false,
            tickets: 0,
            answers: Vec::new(),
        }
    }

    fn now(&self) -> Now {
        Now { timestamp_ms: self.now_ms + self.set_by_ms, elapsed_ms: self.now_ms }
    }

    /// What the broker does with an outcome.
    pub(crate) fn apply<R>(&mut self, outcome: Outcome<R>) -> R {
        if self.refuse_appends && !outcome.records.is_empty() {
            self.shard.append_failed(&outcome.records, self.now());
            for reply in outcome.replies {
                let (Parked::Join(ticket, _) | Parked::Sync(ticket, _)) = reply;
                self.answers.push(format!("{}: not written", ticket.0));
            }
            return outcome.response;
        }
        for record in outcome.records {
            self.shard.replay(&record);
            self.log.push(record);
        }
        for reply in outcome.replies {
            self.answers.push(match reply {
                Parked::Join(ticket, response) => format!("{}: {}", ticket.0, joined(&response)),
                Parked::Sync(ticket, response) => format!("{}: {}", ticket.0, synced(&response)),
            });
        }
        self.shard.check();
        outcome.response
    }

    /// The ticket's number; see [`World::answers`].
    pub(crate) fn join(&mut self, joining: &Joining) -> u64 {
        self.tickets += 1;
        let (ticket, context) = (Ticket(self.tickets), joining.context.clone());
        let outcome = self.shard.join(self.now(), ticket, &joining.request, context);
        self.apply(outcome);
        self.tickets
    }

    /// Assigns `part of MEMBER` to each of the members.
    pub(crate) fn sync(&mut self, member_id: &str, generation: i32, assigned: &[&str]) -> u64 {
        let assignments = assigned.iter().map(|member_id| SyncGroupRequestAssignment {
            member_id: (*member_id).to_owned(),
            assignment: Bytes::from(format!("part of {member_id}")),
        });
        self.sync_as(SyncGroupRequest {
            group_id: GROUP.to_owned(),
            generation_id: generation,
            member_id: member_id.to_owned(),
            assignments: assignments.collect(),
            ..SyncGroupRequest::default()
        })
    }

    pub(crate) fn sync_as(&mut self, request: SyncGroupRequest) -> u64 {
        self.tickets += 1;
        let outcome = self.shard.sync(self.now(), Ticket(self.tickets), &request);
        self.apply(outcome);
        self.tickets
    }

    pub(crate) fn heartbeat(&mut self, member_id: &str, generation: i32) -> ErrorCode {
        self.heartbeat_as(member_id, None, generation)
    }

    pub(crate) fn heartbeat_as(
        &mut self,
        member_id: &str,
        instance_id: Option<&str>,
        generation: i32,
    ) -> ErrorCode {
        let request = HeartbeatRequest {
            group_id: GROUP.to_owned(),
            generation_id: generation,
            member_id: member_id.to_owned(),
            group_instance_id: instance_id.map(str::to_owned),
        };
        let outcome = self.shard.heartbeat(self.now(), &request);
        self.apply(outcome).error_code
    }

    /// Member and instance ids; either may be empty.
    pub(crate) fn leave(&mut self, members: &[(&str, &str)]) -> Vec<ErrorCode> {
        let identity = |(member_id, instance_id): &(&str, &str)| MemberIdentity {
            member_id: (*member_id).to_owned(),
            group_instance_id: Some((*instance_id).to_owned()).filter(|id| !id.is_empty()),
            reason: None,
        };
        let members: Vec<_> = members.iter().map(identity).collect();
        let outcome = self.shard.leave(self.now(), GROUP, &members);
        self.apply(outcome).into_iter().map(|response| response.error_code).collect()
    }

    pub(crate) fn commit(
        &mut self,
        member_id: &str,
        generation: i32,
        offset: i64,
    ) -> Result<Vec<Vec<ErrorCode>>, ErrorCode> {
        self.commit_as(CommitRequest {
            group_id: GROUP.to_owned(),
            member_id: member_id.to_owned(),
            generation,
            topics: vec![CommitTopic {
                name: "t".to_owned(),
                partitions: vec![CommitPartition { offset, ..CommitPartition::default() }],
                ..CommitTopic::default()
            }],
            ..CommitRequest::default()
        })
    }

    pub(crate) fn commit_as(
        &mut self,
        request: CommitRequest,
    ) -> Result<Vec<Vec<ErrorCode>>, ErrorCode> {
        let outcome = self.shard.commit(self.now(), &request);
        self.apply(outcome)
    }

    pub(crate) fn committed(&self) -> Option<i64> {
        self.shard.committed(GROUP, "t", 0).map(|committed| committed.offset)
    }

    /// Lets time pass, one timer after the other.
    pub(crate) fn pass(&mut self, ms: i64) {
        let end = self.now_ms + ms;
        while let Some(deadline) = self.shard.next_deadline().filter(|deadline| *deadline <= end) {
            self.now_ms = self.now_ms.max(deadline);
            while let Some(outcome) = self.shard.advance(self.now()) {
                self.apply(outcome);
            }
        }
        self.now_ms = end;
    }

    pub(crate) fn expire(&mut self) {
        let outcome = self.shard.expire(self.now());
        self.apply(outcome);
    }

    /// What was answered since the last call.
    pub(crate) fn answers(&mut self) -> Vec<String> {
        std::mem::take(&mut self.answers)
    }

    pub(crate) fn state(&self) -> String {
        match self.shard.describe(GROUP) {
            None => "Absent".to_owned(),
            Some(group) => {
                let mut ids: Vec<_> = group.members.iter().map(|m| m.member_id.as_str()).collect();
                ids.sort_unstable();
                format!("{} [{}]", group.group_state, ids.join(" "))
            }
        }
    }

    /// A broker that starts from the log alone.
    pub(crate) fn restart(&mut self) {
        self.shard = Shard::new(self.settings.clone());
        for record in &self.log {
            self.shard.replay(record);
        }
        let outcome = self.shard.start(self.now());
        self.apply(outcome);
    }

    /// A Stable group of these members, the first of them leading.
    pub(crate) fn stable(members: &[&str]) -> Self {
        let mut world = Self::new();
        for member in members {
            world.join(&Joining::old(member));
        }
        world.pass(6_000);
        for member in members.iter().rev() {
            world.sync(member, 1, members);
        }
        world.answers();
        assert!(world.state().starts_with("Stable"), "{}", world.state());
        world
    }
}

fn joined(response: &JoinGroupResponse) -> String {
    if response.error_code != ErrorCode::None {
        return format!("{} {}", response.error_code.name(), response.member_id).trim().to_owned();
    }
    let protocol = response.protocol_name.as_deref().unwrap_or("none");
    let skip = if response.skip_assignment { ", nothing to assign" } else { "" };
    if response.members.is_empty() {
        let (member, leader) = (&response.member_id, &response.leader);
        return format!("{member} follows {leader} in {} by {protocol}", response.generation_id);
    }
    let mut ids: Vec<_> = response.members.iter().map(|m| m.member_id.as_str()).collect();
    ids.sort_unstable();
    let (member, members) = (&response.member_id, ids.join(" "));
    format!("{member} leads [{members}] in {} by {protocol}{skip}", response.generation_id)
}

fn synced(response: &SyncGroupResponse) -> String {
    match response.error_code {
        ErrorCode::None => String::from_utf8_lossy(&response.assignment).into_owned(),
        error => error.name().to_owned(),
    }
}
