//! Groups over raw sockets: what an independent client does not show.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use protocol::ErrorCode;
use protocol::messages::join_group_request::JoinGroupRequestProtocol;
use protocol::messages::join_group_response::JoinGroupResponse;
use protocol::messages::leave_group_request::MemberIdentity;
use protocol::messages::offset_commit_request::{
    OffsetCommitRequestPartition, OffsetCommitRequestTopic,
};
use protocol::messages::offset_fetch_request::{OffsetFetchRequestGroup, OffsetFetchRequestTopics};
use protocol::messages::sync_group_request::SyncGroupRequestAssignment;
use protocol::messages::{
    DeleteTopicsRequest, DescribeGroupsRequest, FindCoordinatorRequest, HeartbeatRequest,
    JoinGroupRequest, LeaveGroupRequest, ListGroupsRequest, OffsetCommitRequest,
    OffsetFetchRequest, OffsetFetchResponse, SyncGroupRequest,
};
use tokio::task::JoinSet;
use uuid::Uuid;

use crate::support::{TestBroker, Wire};

pub(crate) async fn find_coordinator(wire: &mut Wire, group: &str) {
    let request = FindCoordinatorRequest {
        coordinator_keys: vec![group.to_owned()],
        ..FindCoordinatorRequest::default()
    };
    let response = wire.call(4, &request).await;
    assert_eq!(response.coordinators[0].error_code, ErrorCode::None, "{response:?}");
}

fn joining(group: &str, member_id: &str, instance_id: Option<&str>) -> JoinGroupRequest {
    JoinGroupRequest {
        group_id: group.to_owned(),
        session_timeout_ms: 60_000,
        rebalance_timeout_ms: 60_000,
        member_id: member_id.to_owned(),
        group_instance_id: instance_id.map(str::to_owned),
        protocol_type: "consumer".to_owned(),
        protocols: vec![JoinGroupRequestProtocol {
            name: "range".to_owned(),
            metadata: Bytes::from_static(b"metadata"),
        }],
        ..JoinGroupRequest::default()
    }
}

/// As a client that asks for its id first.
async fn join(wire: &mut Wire, group: &str) -> JoinGroupResponse {
    let first = wire.call(9, &joining(group, "", None)).await;
    assert_eq!(first.error_code, ErrorCode::MemberIdRequired);
    wire.call(9, &joining(group, &first.member_id, None)).await
}

fn syncing(group: &str, joined: &JoinGroupResponse) -> SyncGroupRequest {
    let assignments = joined.members.iter().map(|member| SyncGroupRequestAssignment {
        member_id: member.member_id.clone(),
        assignment: Bytes::from(format!("part of {}", member.member_id)),
    });
    SyncGroupRequest {
        group_id: group.to_owned(),
        generation_id: joined.generation_id,
        member_id: joined.member_id.clone(),
        assignments: assignments.collect(),
        ..SyncGroupRequest::default()
    }
}

async fn heartbeat(wire: &mut Wire, group: &str, joined: &JoinGroupResponse) -> ErrorCode {
    let request = HeartbeatRequest {
        group_id: group.to_owned(),
        generation_id: joined.generation_id,
        member_id: joined.member_id.clone(),
        ..HeartbeatRequest::default()
    };
    wire.call(4, &request).await.error_code
}

async fn state(wire: &mut Wire, group: &str) -> (String, usize) {
    let request = DescribeGroupsRequest {
        groups: vec![group.to_owned()],
        ..DescribeGroupsRequest::default()
    };
    let described = wire.call(5, &request).await.groups.remove(0);
    (described.group_state, described.members.len())
}

pub(crate) fn committing(group: &str, topic: (&str, Uuid), offset: i64) -> OffsetCommitRequest {
    OffsetCommitRequest {
        group_id: group.to_owned(),
        topics: vec![OffsetCommitRequestTopic {
            name: topic.0.to_owned(),
            topic_id: topic.1,
            partitions: vec![OffsetCommitRequestPartition {
                committed_offset: offset,
                committed_metadata: Some("note".to_owned()),
                ..OffsetCommitRequestPartition::default()
            }],
        }],
        ..OffsetCommitRequest::default()
    }
}

pub(crate) fn fetching(
    group: &str,
    topics: Option<Vec<OffsetFetchRequestTopics>>,
) -> OffsetFetchRequest {
    OffsetFetchRequest {
        groups: vec![OffsetFetchRequestGroup {
            group_id: group.to_owned(),
            topics,
            ..OffsetFetchRequestGroup::default()
        }],
        ..OffsetFetchRequest::default()
    }
}

pub(crate) fn offsets(response: &OffsetFetchResponse) -> Vec<(String, i64, ErrorCode)> {
    let group = &response.groups[0];
    let partitions = group.topics.iter().flat_map(|topic| {
        let named = |offset| (topic.name.clone(), offset);
        topic.partitions.iter().map(move |p| (named(p.committed_offset), p.error_code))
    });
    partitions.map(|((name, offset), code)| (name, offset, code)).collect()
}

/// What each member holds: its generation and its assignment, by its id.
type Holdings = Arc<Mutex<HashMap<String, (i32, Bytes)>>>;

/// A member that does as it is told until all `count` members hold an assignment of one generation.
async fn take_part(mut wire: Wire, holdings: Holdings, count: usize) {
    let mut joined = join(&mut wire, "g").await;
    loop {
        assert_eq!(joined.error_code, ErrorCode::None);
        let synced = wire.call(5, &syncing("g", &joined)).await;
        let mut code = synced.error_code;
        if code == ErrorCode::None {
            let held = (joined.generation_id, synced.assignment);
            holdings.lock().unwrap().insert(joined.member_id.clone(), held);
        }
        while code == ErrorCode::None {
            let all_hold = {
                let held = holdings.lock().unwrap();
                held.values().filter(|(held, _)| *held == joined.generation_id).count() == count
            };
            if all_hold {
                return;
            }
            // Each heartbeat gives the others time for their next step.
            code = heartbeat(&mut wire, "g", &joined).await;
        }
        assert_eq!(code, ErrorCode::RebalanceInProgress);
        joined = wire.call(9, &joining("g", &joined.member_id, None)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_hundred_members_join_in_few_rebalances_and_each_gets_its_part() {
    let test = TestBroker::with(&[("group.initial.rebalance.delay.ms", "300")]).await;
    find_coordinator(&mut test.connect().await, "g").await;
    let holdings = Holdings::default();
    let mut members = JoinSet::new();
    for _ in 0..200 {
        members.spawn(take_part(test.connect().await, holdings.clone(), 200));
    }
    members.join_all().await;
    let held = holdings.lock().unwrap().clone();
    assert_eq!(held.len(), 200);
    for (member_id, (generation, assignment)) in held {
        assert!(generation <= 20, "{generation} rebalances");
        assert_eq!(assignment, Bytes::from(format!("part of {member_id}")));
    }
    test.stop().await;
}

#[tokio::test]
async fn a_static_member_keeps_its_part_over_a_restart_of_client_and_broker() {
    let test = TestBroker::start().await;
    let mut wire = test.connect().await;
    find_coordinator(&mut wire, "g").await;
    let joined = wire.call(9, &joining("g", "", Some("one"))).await;
    let assignment = wire.call(5, &syncing("g", &joined)).await.assignment;
    assert_eq!(assignment, Bytes::from(format!("part of {}", joined.member_id)));

    let test = test.restart().await;
    let mut wire = test.connect().await;
    let again = wire.call(9, &joining("g", "", Some("one"))).await;
    assert_eq!((again.error_code, again.generation_id), (ErrorCode::None, 1));
    assert!(again.skip_assignment, "it leads, and need not assign");
    assert_ne!(again.member_id, joined.member_id);
    let mut sync = syncing("g", &again);
    sync.assignments.clear();
    assert_eq!(wire.call(5, &sync).await.assignment, assignment);
    let fenced = HeartbeatRequest {
        group_id: "g".to_owned(),
        generation_id: 1,
        member_id: joined.member_id,
        group_instance_id: Some("one".to_owned()),
    };
    assert_eq!(wire.call(4, &fenced).await.error_code, ErrorCode::FencedInstanceId);
    let leave = LeaveGroupRequest {
        group_id: "g".to_owned(),
        members: vec![MemberIdentity {
            group_instance_id: Some("one".to_owned()),
            ..MemberIdentity::default()
        }],
        ..LeaveGroupRequest::default()
    };
    assert_eq!(wire.call(5, &leave).await.members[0].error_code, ErrorCode::None);
    assert_eq!(state(&mut wire, "g").await, ("Empty".to_owned(), 0));
    test.stop().await;
}

#[tokio::test]
async fn offsets_are_committed_and_fetched_by_topic_id_and_go_with_their_topic() {
    let test = TestBroker::start().await;
    let mut wire = test.connect().await;
    let created = wire.call(7, &crate::support::create("t", 1, &[])).await;
    let id = created.topics[0].topic_id;
    find_coordinator(&mut wire, "g").await;
    let committed = wire.call(10, &committing("g", ("", id), 7)).await;
    assert_eq!(committed.topics[0].partitions[0].error_code, ErrorCode::None);
    let unknown = wire.call(10, &committing("g", ("", Uuid::from_u128(1)), 7)).await;
    assert_eq!(unknown.topics[0].partitions[0].error_code, ErrorCode::UnknownTopicId);
    let asked = |topic_id| OffsetFetchRequestTopics {
        topic_id,
        partition_indexes: vec![0],
        ..OffsetFetchRequestTopics::default()
    };
    let topics = vec![asked(id), asked(Uuid::from_u128(1))];
    let fetched = wire.call(10, &fetching("g", Some(topics))).await;
    let mut found: Vec<_> = fetched.groups[0]
        .topics
        .iter()
        .map(|topic| (topic.topic_id == id, topic.partitions[0].clone()))
        .map(|(known, p)| (known, p.committed_offset, p.metadata, p.error_code))
        .collect();
    found.sort_by_key(|(known, ..)| *known);
    let expected = [
        (false, -1, Some(String::new()), ErrorCode::UnknownTopicId),
        (true, 7, Some("note".to_owned()), ErrorCode::None),
    ];
    assert_eq!(found, expected);

    let delete =
        DeleteTopicsRequest { topic_names: vec!["t".to_owned()], ..DeleteTopicsRequest::default() };
    wire.call(5, &delete).await;
    assert_eq!(offsets(&wire.call(8, &fetching("g", None)).await), []);
    test.stop().await;
}

#[tokio::test]
async fn old_versions_have_their_own_places_for_errors() {
    let test = TestBroker::start().await;
    let mut wire = test.connect().await;
    find_coordinator(&mut wire, "g").await;
    let refused = wire.call(6, &joining("g", "nobody", None)).await;
    assert_eq!(refused.error_code, ErrorCode::UnknownMemberId);
    assert_eq!(refused.protocol_name.as_deref(), Some(""));
    let leave = LeaveGroupRequest {
        group_id: "g".to_owned(),
        member_id: "nobody".to_owned(),
        ..LeaveGroupRequest::default()
    };
    assert_eq!(wire.call(2, &leave).await.error_code, ErrorCode::UnknownMemberId);
    let transaction = FindCoordinatorRequest {
        key: "tx".to_owned(),
        key_type: 1,
        ..FindCoordinatorRequest::default()
    };
    let refused = wire.call(3, &transaction).await;
    assert_eq!(refused.error_code, ErrorCode::ClusterAuthorizationFailed);
    assert!(refused.error_message.unwrap().contains("transactional.id"));
    test.stop().await;
}

#[tokio::test]
async fn a_broker_that_stops_answers_a_member_that_waits() {
    let test = TestBroker::with(&[("group.initial.rebalance.delay.ms", "600000")]).await;
    let mut wire = test.connect().await;
    find_coordinator(&mut wire, "g").await;
    let mut other = test.connect().await;
    other.send(9, &joining("g", "", Some("one"))).await;
    while state(&mut wire, "g").await != ("PreparingRebalance".to_owned(), 1) {}
    let listed = wire.call(5, &ListGroupsRequest::default()).await;
    assert_eq!(listed.groups[0].group_state, "PreparingRebalance");
    drop(wire);
    let stopping = tokio::spawn(test.stop());
    let answer = other.receive::<JoinGroupRequest>(9).await;
    assert_eq!(answer.error_code, ErrorCode::CoordinatorNotAvailable);
    drop(other);
    stopping.await.unwrap();
}
