//! The beginning and the end of an epoch.

use protocol::messages::{
    BeginQuorumEpochRequest, EndQuorumEpochRequest, EndQuorumEpochResponse,
    begin_quorum_epoch_request as begins, end_quorum_epoch_request as ends,
    end_quorum_epoch_response as ended,
};

use super::*;

pub(super) fn begin(leader: i32, epoch: i32) -> BeginQuorumEpochRequest {
    BeginQuorumEpochRequest {
        cluster_id: Some("cluster".to_owned()),
        voter_id: 1,
        topics: vec![begins::TopicData {
            topic_name: TOPIC.to_owned(),
            partitions: vec![begins::PartitionData {
                partition_index: 0,
                voter_directory_id: directory(1),
                leader_id: leader,
                leader_epoch: epoch,
            }],
        }],
        leader_endpoints: vec![begins::LeaderEndpoint {
            name: "CONTROLLER".to_owned(),
            host: format!("n{leader}"),
            port: 9000_u16.wrapping_add(leader as u16),
        }],
    }
}

fn end(leader: i32, epoch: i32, candidates: &[i32]) -> EndQuorumEpochRequest {
    let candidate =
        |id: &i32| ends::ReplicaInfo { candidate_id: *id, candidate_directory_id: directory(*id) };
    EndQuorumEpochRequest {
        cluster_id: Some("cluster".to_owned()),
        topics: vec![ends::TopicData {
            topic_name: TOPIC.to_owned(),
            partitions: vec![ends::PartitionData {
                partition_index: 0,
                leader_id: leader,
                leader_epoch: epoch,
                preferred_successors: candidates.to_vec(),
                preferred_candidates: candidates.iter().map(candidate).collect(),
            }],
        }],
        leader_endpoints: Vec::new(),
    }
}

fn begun(bench: &mut Bench, request: BeginQuorumEpochRequest) -> (ErrorCode, i32, i32) {
    let response = bench.answer(Request::BeginQuorumEpoch(request), 1);
    let Response::BeginQuorumEpoch(response) = response else { panic!("{response:?}") };
    assert_eq!(response.error_code, ErrorCode::None);
    let said = &response.topics[0].partitions[0];
    (said.error_code, said.leader_id, said.leader_epoch)
}

#[test]
fn a_leader_that_announces_itself_is_followed() {
    let mut bench = Setup::default().bench();
    let actions = bench.ask(Request::BeginQuorumEpoch(begin(2, 4)), 1);
    let written = place(&actions, |action| matches!(action, Action::PersistElection { .. }));
    assert!(written < place(&actions, |action| matches!(action, Action::Answer { .. })));
    assert!(actions.contains(&Action::LeaderChanged { leader: Some(2), epoch: 4 }));
    let (_, fetch) = sent_fetch(&actions);
    assert_eq!(fetch.topics[0].partitions[0].current_leader_epoch, 4);
    let Response::BeginQuorumEpoch(response) = &answers(&actions)[0].1 else { panic!() };
    assert_eq!(response.node_endpoints[0].host, "n2");
    assert_eq!(begun(&mut bench, begin(2, 4)), (ErrorCode::None, 2, 4), "and told again");
}

#[test]
fn announcements_that_cannot_be_true_are_refused() {
    let mut bench = Setup::default().bench();
    assert_eq!(begun(&mut bench, begin(2, 4)), (ErrorCode::None, 2, 4));
    assert_eq!(begun(&mut bench, begin(3, 3)), (ErrorCode::FencedLeaderEpoch, 2, 4));
    assert_eq!(begun(&mut bench, begin(3, 4)), (ErrorCode::UnknownServerError, 2, 4));
    // It does not know of having led that epoch: nothing good could come of it.
    assert_eq!(begun(&mut bench, begin(1, 5)), (ErrorCode::UnknownServerError, 2, 4));
    assert_eq!(begun(&mut bench, begin(-1, 5)), (ErrorCode::InvalidRequest, 2, 4));
    assert_eq!(begun(&mut bench, begin(3, i32::MAX)), (ErrorCode::InvalidRequest, 2, 4));
    let mut other = begin(3, 6);
    other.topics[0].partitions[0].voter_directory_id = directory(8);
    assert_eq!(begun(&mut bench, other), (ErrorCode::InvalidVoterKey, 3, 6), "but it leads");
    let actions = bench.ask(Request::BeginQuorumEpoch(begin(2, 6)), 1);
    let fault = actions.iter().find_map(|action| match action {
        Action::Fault(fault) => Some(fault.to_string()),
        _ => None,
    });
    assert!(fault.expect("it is told").contains("node 2 is said to lead epoch 6"));
}

#[test]
fn a_leader_of_a_later_epoch_ends_leadership() {
    let mut bench = Setup::default().bench();
    bench.elect();
    bench.ask(fetch(3, 1, (1, 1), 500), 18);
    let actions = bench.ask(Request::BeginQuorumEpoch(begin(2, 5)), 1);
    assert!(actions.contains(&Action::StoppedLeading { epoch: 1 }));
    let parked = answers(&actions).into_iter().find(|(handle, ..)| *handle == 1);
    let parked = parked.expect("the fetch that waited is answered").1;
    let said = fetched(&parked);
    assert_eq!(said.error_code, ErrorCode::NotLeaderOrFollower);
    assert_eq!((said.current_leader.leader_id, said.current_leader.leader_epoch), (2, 5));
}

#[test]
fn a_leader_tells_silent_voters_again() {
    let mut bench = Setup::default().bench();
    let actions = bench.elect();
    for node in [2, 3] {
        let (to, correlation, _) = to_node(&actions, node);
        bench.fail(to, correlation, Failure::Disconnected);
    }
    bench.now += 900;
    bench.ask(fetch(2, 1, (0, 0), 500), 18);
    bench.now += 100;
    let actions = bench.event(Event::Timer);
    let to: Vec<i32> = sends(&actions).into_iter().map(|(to, ..)| to).collect();
    assert_eq!(to, [3], "half a fetch timeout later, whoever has not fetched meanwhile");
}

#[test]
fn after_a_resignation_the_preferred_successor_goes_first() {
    // By the places in the list: at once, or after a part of the most that is waited.
    for (candidates, wait) in [
        (vec![1, 3], 0),
        (vec![3, 1], 500),
        (vec![3, 1, 4], 250),
        (vec![3, 4, 1], 500),
        (vec![3], 1000),
        (vec![], 0),
    ] {
        let mut bench = Setup::default().bench();
        let (correlation, _) = bench.follow(2, 4);
        bench.respond(2, correlation, Fetched::default().said_by(Some(2), 4));
        bench.ask(Request::EndQuorumEpoch(end(2, 4, &candidates)), 1);
        if wait > 0 {
            bench.wait(wait - 1);
            assert_eq!(bench.raft.role(), RoleName::Follower, "{candidates:?}");
            bench.wait(1);
        }
        assert_eq!(bench.raft.role(), RoleName::Prospective, "{candidates:?}");
    }
    let mut bench = Setup::default().bench();
    bench.follow(2, 4);
    let mut foreign = end(2, 4, &[]);
    foreign.topics[0].partitions[0].preferred_successors = vec![3, 1];
    bench.ask(Request::EndQuorumEpoch(foreign), 0);
    assert_eq!(bench.raft.role(), RoleName::Follower, "version 0 names ids only");
    bench.wait(500);
    assert_eq!(bench.raft.role(), RoleName::Prospective);
}

#[test]
fn a_leader_that_shuts_down_hands_over_to_whoever_is_furthest() {
    let mut bench = Setup::default().bench();
    bench.elect();
    bench.sync();
    bench.ask(fetch(3, 1, (1, 1), 0), 18);
    bench.ask(fetch(2, 1, (0, 0), 0), 18);
    let actions = bench.event(Event::Shutdown { timeout_ms: 5000 });
    assert!(actions.contains(&Action::StoppedLeading { epoch: 1 }));
    assert_eq!(bench.raft.role(), RoleName::Resigned);
    let (to, correlation, request) = to_node(&actions, 2);
    let Request::EndQuorumEpoch(request) = request else { panic!("{request:?}") };
    assert_eq!(request.topics[0].partitions[0].preferred_successors, [3, 2]);
    let response = EndQuorumEpochResponse {
        topics: vec![ended::TopicData {
            topic_name: TOPIC.to_owned(),
            partitions: vec![ended::PartitionData {
                leader_id: 1,
                leader_epoch: 1,
                ..ended::PartitionData::default()
            }],
        }],
        ..EndQuorumEpochResponse::default()
    };
    let actions = bench.respond(to, correlation, Response::EndQuorumEpoch(response));
    assert_eq!(sends(&actions), [], "who knows is not told again");
    let said = bench.vote(vote_request(3, 2, (1, 1), false));
    assert!(said.vote_granted);
    let actions = bench.ask(Request::BeginQuorumEpoch(begin(3, 2)), 1);
    assert!(actions.contains(&Action::ShutdownDone { in_time: true }));
    assert_eq!(sends(&actions), []);
}

#[test]
fn a_shutdown_ends_when_its_time_is_over_or_nobody_has_to_take_over() {
    let mut bench = Setup::default().bench();
    bench.elect();
    bench.event(Event::Shutdown { timeout_ms: 50 });
    bench.now = bench.raft.next_deadline().expect("it ends");
    let mut actions = bench.event(Event::Timer);
    while !actions.iter().any(|action| matches!(action, Action::ShutdownDone { .. })) {
        actions = bench.timer();
    }
    assert!(actions.contains(&Action::ShutdownDone { in_time: false }));
    assert_eq!(bench.raft.next_deadline(), None);

    let mut alone = Setup { voters: vec![1], ..Setup::default() }.bench();
    let actions = alone.event(Event::Shutdown { timeout_ms: 50 });
    assert_eq!(actions, [Action::ShutdownDone { in_time: true }]);
    let mut observer = Setup { id: 7, ..Setup::default() }.bench();
    let actions = observer.event(Event::Shutdown { timeout_ms: i64::MAX });
    assert!(actions.contains(&Action::ShutdownDone { in_time: true }));
}

#[test]
fn a_leader_that_nobody_follows_any_more_resigns() {
    let mut bench = Setup::default().bench();
    bench.elect();
    for _ in 0..5 {
        bench.now += 2900;
        bench.ask(fetch(3, 1, (0, 0), 0), 18);
        assert_eq!(bench.raft.role(), RoleName::Leader, "with itself, one more is a majority");
    }
    // Neither an observer nor a voter's id with another directory is a voter.
    bench.now += 2000;
    bench.ask(fetch(9, 1, (0, 0), 0), 18);
    bench.now += 1000;
    bench.event(Event::Timer);
    assert_eq!((bench.raft.role(), bench.raft.epoch()), (RoleName::Resigned, 1));
    while bench.raft.role() == RoleName::Resigned {
        bench.timer();
    }
    assert_eq!(bench.raft.epoch(), 2, "it starts no election in an epoch that it has led");
}

#[test]
fn a_leader_resigns_when_its_controller_asks_for_it() {
    let mut bench = Setup::default().bench();
    bench.elect();
    bench.event(Event::Resign { epoch: 0 });
    assert_eq!(bench.raft.role(), RoleName::Leader, "that was another epoch");
    bench.event(Event::Resign { epoch: 1 });
    assert_eq!(bench.raft.role(), RoleName::Resigned);
}
