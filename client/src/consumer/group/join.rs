//! Joining a group: find the coordinator, join, assign as leader, get the own assignment.

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use protocol::ErrorCode;
use protocol::messages::join_group_request::{JoinGroupRequest, JoinGroupRequestProtocol};
use protocol::messages::join_group_response::{JoinGroupResponse, JoinGroupResponseMember};
use protocol::messages::sync_group_request::{SyncGroupRequest, SyncGroupRequestAssignment};

use super::membership::{Verdict, judge};
use super::topics::Topics;
use crate::TopicPartition;
use crate::cluster::{CoordinatorKind, Lane};
use crate::connection::Connection;
use crate::consumer::assignor::{self, AssignorKind, Member};
use crate::consumer::embedded::{self, PROTOCOL_TYPE, Subscription};
use crate::consumer::shared::Shared;
use crate::error::{ConsumeError, RequestError};

/// What the member brings along.
#[derive(Debug, Clone)]
pub(super) struct Ticket {
    pub(super) member_id: String,
    pub(super) generation: i32,
    pub(super) topics: Topics,
    /// What it keeps while the group rebalances.
    pub(super) owned: Vec<TopicPartition>,
    /// What it had been assigned last, for the sticky assignor.
    pub(super) remembered: Vec<TopicPartition>,
    pub(super) reason: &'static str,
    /// Where the member id is put that the coordinator gives on the way.
    pub(super) given_id: Arc<OnceLock<String>>,
}

/// A place in the group.
#[derive(Debug)]
pub(super) struct Joined {
    pub(super) member_id: String,
    pub(super) generation: i32,
    pub(super) assignment: Vec<TopicPartition>,
    /// The topics subscribed to, as they were when joining.
    pub(super) topics: Vec<Arc<str>>,
    /// Partition counts of all topics of the group, where this member assigned them.
    pub(super) assigned_from: Option<BTreeMap<Arc<str>, i32>>,
}

/// How a join ended.
#[derive(Debug)]
pub(super) enum Outcome {
    Joined(Joined),
    /// The member id is not valid any more; what was owned belongs to others.
    Lost,
    Failed(ConsumeError),
}

/// The extra time that a coordinator gets for answering a join.
const JOIN_GRACE: std::time::Duration = std::time::Duration::from_secs(5);

/// Joins, however often the group starts over meanwhile.
pub(super) async fn join(shared: Arc<Shared>, mut ticket: Ticket) -> Outcome {
    let mut failures = 0;
    loop {
        let again = match attempt(&shared, &ticket).await {
            Ok(Attempt::Joined(joined)) => return Outcome::Joined(joined),
            Ok(Attempt::TakeId(member_id)) => {
                ticket.given_id.get_or_init(|| member_id.clone());
                ticket.member_id = member_id;
                continue;
            }
            Ok(Attempt::Again(verdict)) => verdict,
            Err(ConsumeError::Request(error)) if error.is_retriable() => {
                tracing::debug!(%error, "joining the group will be tried again");
                Verdict::FindCoordinator
            }
            Err(error) => return Outcome::Failed(error),
        };
        match again {
            Verdict::Lost if ticket.owned.is_empty() => {
                ticket.member_id = String::new();
                ticket.generation = -1;
            }
            Verdict::Lost => return Outcome::Lost,
            Verdict::Fatal(code) => {
                let group = shared.config.group.id.clone().unwrap_or_default();
                return Outcome::Failed(ConsumeError::Group { group, code, message: None });
            }
            Verdict::FindCoordinator => {
                let group = shared.config.group.id.as_deref().unwrap_or_default();
                shared.cluster.forget_coordinator(CoordinatorKind::Group, group);
            }
            Verdict::Rejoin => continue,
            Verdict::Fine | Verdict::Retry | Verdict::TakeId => {}
        }
        failures += 1;
        tokio::time::sleep(shared.cluster.backoff(failures)).await;
    }
}

enum Attempt {
    Joined(Joined),
    TakeId(String),
    Again(Verdict),
}

async fn attempt(shared: &Shared, ticket: &Ticket) -> Result<Attempt, ConsumeError> {
    let group = shared.group()?;
    let topics = ticket.topics.resolve(shared).await?;
    let node = shared.cluster.coordinator(CoordinatorKind::Group, group).await?;
    let connection = shared.cluster.connection(node, Lane::Group).await?;
    let joined = send_join(shared, &connection, ticket, &topics).await?;
    match judge(joined.error_code) {
        Verdict::Fine => {}
        Verdict::TakeId => return Ok(Attempt::TakeId(joined.member_id)),
        verdict => return Ok(Attempt::Again(verdict)),
    }
    let is_leader = joined.leader == joined.member_id && !joined.skip_assignment;
    let name = joined.protocol_name.clone().unwrap_or_default();
    let (assignments, assigned_from) = match is_leader {
        true => {
            let (assignments, counts) = lead(shared, &name, &joined.members).await?;
            (assignments, Some(counts))
        }
        false => (Vec::new(), None),
    };
    let request = SyncGroupRequest {
        group_id: group.to_owned(),
        generation_id: joined.generation_id,
        member_id: joined.member_id.clone(),
        group_instance_id: shared.config.group.instance_id.clone(),
        assignments,
        ..Default::default()
    };
    let version = connection.version::<SyncGroupRequest>().map_err(RequestError::from)?;
    let mut request = request;
    if version >= 5 {
        request.protocol_type = Some(PROTOCOL_TYPE.to_owned());
        request.protocol_name = Some(name);
    }
    let pending = connection.enqueue(version, &request).await.map_err(RequestError::from)?;
    let patience = shared.config.group.max_poll_interval + JOIN_GRACE;
    let synced = pending.allow(patience).wait().await.map_err(RequestError::from)?;
    match judge(synced.error_code) {
        Verdict::Fine => {}
        verdict => return Ok(Attempt::Again(verdict)),
    }
    let assignment = embedded::decode_assignment(&synced.assignment)
        .map_err(|reason| ConsumeError::Assignment { group: group.to_owned(), reason })?;
    Ok(Attempt::Joined(Joined {
        member_id: joined.member_id,
        generation: joined.generation_id,
        assignment,
        topics,
        assigned_from,
    }))
}

async fn send_join(
    shared: &Shared,
    connection: &Connection,
    ticket: &Ticket,
    topics: &[Arc<str>],
) -> Result<JoinGroupResponse, ConsumeError> {
    let config = &shared.config.group;
    let millis =
        |duration: std::time::Duration| i32::try_from(duration.as_millis()).unwrap_or(i32::MAX);
    let mut protocols = Vec::new();
    for kind in &config.assignors {
        let metadata = subscription(shared, ticket, topics, *kind)?;
        protocols.push(JoinGroupRequestProtocol { name: kind.name().to_owned(), metadata });
    }
    let version = connection.version::<JoinGroupRequest>().map_err(RequestError::from)?;
    let request = JoinGroupRequest {
        group_id: shared.group()?.to_owned(),
        session_timeout_ms: millis(config.session_timeout),
        rebalance_timeout_ms: millis(config.max_poll_interval),
        member_id: ticket.member_id.clone(),
        group_instance_id: config.instance_id.clone(),
        protocol_type: PROTOCOL_TYPE.to_owned(),
        protocols,
        reason: (version >= 8).then(|| ticket.reason.to_owned()),
    };
    let pending = connection.enqueue(version, &request).await.map_err(RequestError::from)?;
    let patience = config.max_poll_interval + JOIN_GRACE;
    Ok(pending.allow(patience).wait().await.map_err(RequestError::from)?)
}

fn subscription(
    shared: &Shared,
    ticket: &Ticket,
    topics: &[Arc<str>],
    kind: AssignorKind,
) -> Result<Bytes, ConsumeError> {
    let subscription = Subscription {
        topics: topics.iter().map(ToString::to_string).collect(),
        owned: ticket.owned.clone(),
        generation: ticket.generation,
        user_data: kind.user_data(&ticket.remembered, ticket.generation),
        rack: Some(shared.config.fetch.rack.clone()).filter(|rack| !rack.is_empty()),
    };
    embedded::encode_subscription(&subscription).map_err(|reason| {
        let group = shared.config.group.id.clone().unwrap_or_default();
        ConsumeError::Assignment { group, reason }
    })
}

/// Assigns the group's partitions, as its leader.
async fn lead(
    shared: &Shared,
    protocol: &str,
    answer: &[JoinGroupResponseMember],
) -> Result<(Vec<SyncGroupRequestAssignment>, BTreeMap<Arc<str>, i32>), ConsumeError> {
    let group = shared.group()?;
    let unusable = |reason: String| ConsumeError::Assignment { group: group.to_owned(), reason };
    let configured = shared.config.group.assignors.iter();
    let kind = configured.copied().find(|kind| kind.name() == protocol).ok_or_else(|| {
        let code = ErrorCode::InconsistentGroupProtocol;
        let message = Some(format!("the coordinator chose the assignor {protocol:?}"));
        ConsumeError::Group { group: group.to_owned(), code, message }
    })?;
    let mut members = Vec::new();
    for member in answer {
        let subscription = embedded::decode_subscription(&member.metadata)
            .map_err(|reason| unusable(format!("member {}: {reason}", member.member_id)))?;
        members.push(Member {
            id: member.member_id.clone(),
            instance_id: member.group_instance_id.clone(),
            subscription,
        });
    }
    let topics = members.iter().flat_map(|member| member.subscription.topics.iter());
    let topics: std::collections::BTreeSet<&str> = topics.map(String::as_str).collect();
    let counts = super::topics::partition_counts(shared, topics).await?;
    let mut assignments = Vec::new();
    for (member_id, partitions) in assignor::assign(kind, &counts, &members) {
        let assignment = embedded::encode_assignment(&partitions).map_err(&unusable)?;
        assignments.push(SyncGroupRequestAssignment { member_id, assignment });
    }
    Ok((assignments, counts))
}
