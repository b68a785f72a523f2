//! Voters that come, go, and tell of themselves.

use protocol::messages::api_versions_response::SupportedFeatureKey;
use protocol::messages::{
    AddRaftVoterRequest, ApiVersionsResponse, RemoveRaftVoterRequest, UpdateRaftVoterRequest,
    add_raft_voter_request as adds, update_raft_voter_request as updates,
};

use super::*;
use crate::UpgradeError;

fn add(id: i32) -> AddRaftVoterRequest {
    AddRaftVoterRequest {
        cluster_id: Some("cluster".to_owned()),
        timeout_ms: 1000,
        voter_id: id,
        voter_directory_id: directory(id),
        listeners: vec![adds::Listener {
            name: "CONTROLLER".to_owned(),
            host: format!("n{id}"),
            port: 9000 + id as u16,
        }],
        ack_when_committed: true,
    }
}

fn remove(id: i32) -> RemoveRaftVoterRequest {
    RemoveRaftVoterRequest { cluster_id: None, voter_id: id, voter_directory_id: directory(id) }
}

fn update(id: i32, epoch: i32, max: i16) -> UpdateRaftVoterRequest {
    UpdateRaftVoterRequest {
        cluster_id: None,
        current_leader_epoch: epoch,
        voter_id: id,
        voter_directory_id: directory(id),
        listeners: vec![updates::Listener {
            name: "CONTROLLER".to_owned(),
            host: "moved".to_owned(),
            port: 9000 + id as u16,
        }],
        k_raft_version_feature: updates::KRaftVersionFeature {
            min_supported_version: 0,
            max_supported_version: max,
        },
    }
}

fn versions(max_version: i16) -> Response {
    Response::ApiVersions(Box::new(ApiVersionsResponse {
        supported_features: vec![SupportedFeatureKey {
            name: "kraft.version".to_owned(),
            min_version: 0,
            max_version,
        }],
        ..ApiVersionsResponse::default()
    }))
}

/// A leader that has committed all that it has.
fn leader(dynamic: bool) -> Bench {
    let mut bench = Setup { dynamic, ..Setup::default() }.bench();
    bench.elect();
    commit(&mut bench);
    bench
}

fn commit(bench: &mut Bench) -> Vec<Action> {
    let mut actions = bench.sync();
    let end = (bench.disk.end_offset(), bench.raft.epoch());
    for voter in [2, 3] {
        actions.extend(bench.ask(fetch(voter, end.1, end, 0), 18));
    }
    assert_eq!(bench.raft.high_watermark(), Some(end.0));
    actions
}

/// The error that a change of the voters was answered with.
fn error(actions: &[Action]) -> Option<(ErrorCode, Option<String>)> {
    answers(actions).into_iter().find_map(|(_, response, _)| match response {
        Response::AddRaftVoter(said) => Some((said.error_code, said.error_message)),
        Response::RemoveRaftVoter(said) => Some((said.error_code, said.error_message)),
        _ => None,
    })
}

fn voters(bench: &Bench) -> Vec<i32> {
    bench.raft.history().voters().ids().collect()
}

#[test]
fn a_leader_writes_the_voters_that_the_node_was_formatted_with() {
    let bench = leader(true);
    assert_eq!(bench.raft.history().voters_offset(), Some(2), "behind LeaderChange and version");
    assert_eq!(voters(&bench), [1, 2, 3]);
    assert_eq!(bench.raft.history().version(), 1);
    let bench = leader(false);
    assert_eq!((bench.raft.history().voters_offset(), bench.raft.history().version()), (None, 0));
}

/// Adds node 4 up to its answer about versions.
fn adding(bench: &mut Bench, request: AddRaftVoterRequest, max_version: i16) -> Vec<Action> {
    let end = (bench.disk.end_offset(), bench.raft.epoch());
    bench.ask(fetch(4, end.1, end, 0), 18);
    let actions = bench.ask(Request::AddRaftVoter(request), 1);
    assert_eq!(error(&actions), None);
    let (to, correlation, request) = to_node(&actions, 4);
    assert_eq!(request, Request::ApiVersions);
    bench.respond(to, correlation, versions(max_version))
}

#[test]
fn a_new_voter_is_asked_written_and_committed_before_it_is_acknowledged() {
    let mut bench = leader(true);
    let actions = adding(&mut bench, add(4), 1);
    assert_eq!(voters(&bench), [1, 2, 3, 4]);
    assert_eq!(error(&actions), None, "it is not committed");
    bench.sync();
    let end = (bench.disk.end_offset(), 1);
    assert_eq!(error(&bench.ask(fetch(2, 1, end, 0), 18)), None, "two of four are no majority");
    let actions = bench.ask(fetch(4, 1, end, 0), 18);
    assert_eq!(error(&actions), Some((ErrorCode::None, None)));
}

#[test]
fn a_controller_that_adds_itself_does_not_wait_for_the_commit() {
    let mut bench = leader(true);
    let request = AddRaftVoterRequest { ack_when_committed: false, ..add(4) };
    let actions = adding(&mut bench, request, 1);
    assert_eq!(error(&actions), Some((ErrorCode::None, None)));
}

#[test]
fn a_voter_that_is_not_fit_is_not_added() {
    let mut bench = leader(true);
    let (code, message) = error(&adding(&mut bench, add(4), 0)).expect("it is refused");
    assert_eq!(code, ErrorCode::InvalidRequest);
    assert!(message.expect("it says why").contains("doesn't support the finalized version 1"));

    let mut bench = leader(true);
    let actions = bench.ask(Request::AddRaftVoter(add(4)), 1);
    let (to, correlation, _) = to_node(&actions, 4);
    let (code, message) =
        error(&bench.respond(to, correlation, versions(1))).expect("it is refused");
    assert_eq!(code, ErrorCode::RequestTimedOut);
    assert!(message.expect("it says why").contains("lagging behind"));

    let mut bench = leader(true);
    let actions = bench.ask(Request::AddRaftVoter(add(4)), 1);
    let (to, correlation, _) = to_node(&actions, 4);
    let actions = bench.fail(to, correlation, Failure::Disconnected);
    assert_eq!(error(&actions).expect("it is refused").0, ErrorCode::RequestTimedOut);

    let mut bench = leader(true);
    bench.ask(Request::AddRaftVoter(add(4)), 1);
    bench.now += 1000;
    let end = (bench.disk.end_offset(), 1);
    bench.ask(fetch(2, 1, end, 0), 18);
    bench.now += 1000;
    let actions = bench.event(Event::Timer);
    assert_eq!(error(&actions).expect("it never answers").0, ErrorCode::RequestTimedOut);
    assert_eq!(voters(&bench), [1, 2, 3]);
}

#[test]
fn one_change_at_a_time_and_after_it_is_committed() {
    let mut bench = leader(true);
    bench.ask(Request::RemoveRaftVoter(remove(3)), 0);
    assert_eq!(voters(&bench), [1, 2], "it holds from where it is written");
    for request in [Request::RemoveRaftVoter(remove(2)), Request::AddRaftVoter(add(4))] {
        let (code, message) = error(&bench.ask(request, 0)).expect("it is refused");
        assert_eq!(code, ErrorCode::RequestTimedOut);
        assert!(message.expect("it says why").contains("previous voter change"));
    }
    let actions = commit(&mut bench);
    assert_eq!(error(&actions), Some((ErrorCode::None, None)));
    assert_eq!(error(&bench.ask(Request::RemoveRaftVoter(remove(2)), 0)), None);
}

#[test]
fn changes_that_cannot_be_made_are_refused_in_kafkas_words() {
    let mut bench = leader(true);
    let foreign = AddRaftVoterRequest { cluster_id: Some("another".to_owned()), ..add(4) };
    let nameless = AddRaftVoterRequest { voter_directory_id: Uuid::nil(), ..add(4) };
    let silent = AddRaftVoterRequest { listeners: Vec::new(), ..add(4) };
    let negative = RemoveRaftVoterRequest { voter_id: -1, ..remove(3) };
    let other = RemoveRaftVoterRequest { voter_directory_id: directory(9), ..remove(3) };
    for (request, code, words) in [
        (
            Request::AddRaftVoter(foreign),
            ErrorCode::InconsistentClusterId,
            "The given id \"another\" doesn't match the cluster id \"cluster\"",
        ),
        (Request::AddRaftVoter(nameless), ErrorCode::InvalidRequest, "a valid voter"),
        (Request::AddRaftVoter(silent), ErrorCode::InvalidRequest, "the default listener"),
        (Request::AddRaftVoter(add(3)), ErrorCode::DuplicateVoter, "already part of the set"),
        (Request::RemoveRaftVoter(negative), ErrorCode::InvalidRequest, "a valid voter"),
        (Request::RemoveRaftVoter(other), ErrorCode::VoterNotFound, "Cannot remove voter 3-"),
        (Request::RemoveRaftVoter(remove(4)), ErrorCode::VoterNotFound, "Cannot remove voter"),
    ] {
        let (error, message) = error(&bench.ask(request, 0)).expect("it is refused");
        let message = message.expect("it says why");
        assert!(error == code && message.contains(words), "{error}: {message}");
    }
    let mut fixed = leader(false);
    let (code, message) = error(&fixed.ask(Request::AddRaftVoter(add(4)), 0)).expect("refused");
    assert_eq!(code, ErrorCode::UnsupportedVersion);
    assert!(message.expect("it says why").contains("the kraft.version feature is 0"));
    let mut fresh = Setup { dynamic: true, ..Setup::default() }.bench();
    fresh.elect();
    let (code, message) = error(&fresh.ask(Request::AddRaftVoter(add(4)), 0)).expect("refused");
    assert_eq!(code, ErrorCode::RequestTimedOut);
    assert!(message.expect("it says why").contains("establish HWM"));
    let mut follower = Setup { dynamic: true, ..Setup::default() }.bench();
    follower.follow(2, 3);
    let said = error(&follower.ask(Request::RemoveRaftVoter(remove(3)), 0)).expect("refused");
    assert_eq!(said.0, ErrorCode::NotLeaderOrFollower);
}

#[test]
fn a_leader_that_is_removed_goes_when_that_is_committed() {
    let mut bench = leader(true);
    bench.ask(Request::RemoveRaftVoter(remove(1)), 0);
    bench.sync();
    assert_eq!(bench.raft.role(), RoleName::Leader);
    let end = (bench.disk.end_offset(), 1);
    bench.ask(fetch(2, 1, end, 0), 18);
    assert_eq!(bench.raft.role(), RoleName::Leader, "it does not count itself any more");
    let actions = bench.ask(fetch(3, 1, end, 0), 18);
    assert_eq!(error(&actions), Some((ErrorCode::None, None)));
    assert_eq!(bench.raft.role(), RoleName::Resigned);
    assert!(!bench.raft.is_voter());
}

#[test]
fn a_change_that_is_not_committed_is_answered_when_leadership_ends() {
    let mut bench = leader(true);
    bench.ask(Request::RemoveRaftVoter(remove(3)), 0);
    bench.disk.sync(i64::MAX);
    let actions = bench.ask(Request::BeginQuorumEpoch(epochs::begin(2, 5)), 1);
    assert_eq!(error(&actions).expect("it is answered").0, ErrorCode::NotLeaderOrFollower);
    // The next leader does not have it: the voters are again what they were.
    let (correlation, _) = sent_fetch(&actions);
    let diverging = Some((3, 1));
    let response = Fetched { diverging, ..Fetched::default() }.said_by(Some(2), 5);
    bench.respond(2, correlation, response);
    assert_eq!(voters(&bench), [1, 2, 3]);
}

#[test]
fn a_follower_votes_by_the_voters_in_its_log() {
    let mut bench = Setup { dynamic: true, ..Setup::default() }.bench();
    let (correlation, _) = bench.follow(2, 3);
    let set = VoterSet::new([2, 3].map(voter));
    let records = vec![control::batch(0, 3, 0, &[Control::Voters(set.to_record())])];
    let response = Fetched { records, ..Fetched::default() }.said_by(Some(2), 3);
    bench.respond(2, correlation, response);
    assert_eq!(bench.raft.role(), RoleName::Observer, "it is none of them");
}

#[test]
fn a_voter_tells_the_leader_where_it_is_now() {
    let mut bench = leader(true);
    let ask = |bench: &mut Bench, request| {
        let response = bench.answer(Request::UpdateRaftVoter(request), 0);
        let Response::UpdateRaftVoter(said) = response else { panic!("{response:?}") };
        assert_eq!((said.current_leader.leader_id, said.current_leader.leader_epoch), (1, 1));
        assert_eq!((said.current_leader.host.as_str(), said.current_leader.port), ("n1", 9001));
        said.error_code
    };
    assert_eq!(ask(&mut bench, update(2, 0, 1)), ErrorCode::FencedLeaderEpoch);
    assert_eq!(ask(&mut bench, update(2, 2, 1)), ErrorCode::UnknownLeaderEpoch);
    assert_eq!(ask(&mut bench, update(4, 1, 1)), ErrorCode::VoterNotFound);
    assert_eq!(ask(&mut bench, update(2, 1, 0)), ErrorCode::InvalidRequest);
    assert_eq!(ask(&mut bench, update(2, 1, -1)), ErrorCode::InvalidRequest);
    assert_eq!(ask(&mut bench, update(2, 1, 1)), ErrorCode::None);
    let moved = bench.raft.history().voters().endpoints(2);
    assert_eq!(moved.address("CONTROLLER").expect("it has one").host, "moved");
    assert_eq!(ask(&mut bench, update(3, 1, 1)), ErrorCode::RequestTimedOut, "not committed yet");
}

#[test]
fn a_controller_joins_by_itself_where_it_is_told_to() {
    for (is_voter_already, auto_join) in [(false, true), (true, true), (false, false)] {
        let ids = if is_voter_already { vec![2, 3, 4] } else { vec![2, 3] };
        let setup = Setup { id: 4, voters: ids, dynamic: true, auto_join, ..Setup::default() };
        let mut bench = setup.bench();
        if is_voter_already {
            // The same node, with another directory: what it was has to go first.
            let mut config = Config::new("cluster", 4, directory(40));
            config.endpoints = endpoints(4);
            config.auto_join = true;
            let history = bench.raft.history().clone();
            let (raft, _) = Raft::new(config, None, history, &bench.disk, 1, Now::default());
            bench.raft = raft;
        }
        let mut begin = epochs::begin(2, 3);
        begin.voter_id = -1;
        let actions = bench.ask(Request::BeginQuorumEpoch(begin), 1);
        let (correlation, _) = sent_fetch(&actions);
        bench.now += 2000;
        let actions = bench.respond(2, correlation, Fetched::default().said_by(Some(2), 3));
        let (_, _, request) = to_node(&actions, 2);
        match (is_voter_already, auto_join) {
            (_, false) => assert!(matches!(request, Request::Fetch(_))),
            (true, _) => {
                let Request::RemoveRaftVoter(request) = request else { panic!("{request:?}") };
                assert_eq!((request.voter_id, request.voter_directory_id), (4, directory(4)));
            }
            (false, _) => {
                let Request::AddRaftVoter(request) = request else { panic!("{request:?}") };
                assert_eq!((request.voter_id, request.ack_when_committed), (4, false));
            }
        }
    }
}

#[test]
fn the_voters_move_into_the_log_once_all_of_them_support_it() {
    let mut bench = leader(false);
    let upgrade = |bench: &mut Bench, to, validate_only| {
        let now = bench.time();
        let actions = bench.raft.upgrade(1, to, validate_only, &bench.disk, now);
        bench.carry_out(actions.as_deref().unwrap_or_default());
        actions.map(|actions| actions.len())
    };
    let lacking = UpgradeError::Unsupported { to: 1, voters: vec![2, 3] };
    assert_eq!(upgrade(&mut bench, 1, false), Err(lacking));
    for id in [2, 3] {
        bench.answer(Request::UpdateRaftVoter(update(id, 1, 1)), 0);
    }
    assert_eq!(upgrade(&mut bench, 2, false), Err(UpgradeError::Unknown { to: 2 }));
    assert_eq!(upgrade(&mut bench, -1, false), Err(UpgradeError::Downgrade { from: 0, to: -1 }));
    assert_eq!(upgrade(&mut bench, 0, false), Ok(0));
    assert_eq!(upgrade(&mut bench, 1, true), Ok(0));
    assert_eq!(bench.raft.history().version(), 0, "it was only looked at");
    assert_eq!(upgrade(&mut bench, 1, false), Ok(1));
    assert_eq!(bench.raft.history().version(), 1);
    let set = bench.raft.history().voters();
    assert!(set.iter().all(|voter| voter.key.directory == Some(directory(voter.key.id))));
    assert_eq!(upgrade(&mut bench, 1, false), Ok(0), "it is done");
    commit(&mut bench);
    assert_eq!(error(&bench.ask(Request::RemoveRaftVoter(remove(3)), 0)), None);
}

#[test]
fn a_removal_that_may_not_be_committed_does_not_end_in_a_quorum_without_a_leader() {
    // The leader of two voters removes itself, and dies before the other one hears of it.
    let mut bench = Setup { dynamic: true, voters: vec![1, 2], ..Setup::default() }.bench();
    bench.elect();
    bench.sync();
    let end = (bench.disk.end_offset(), 1);
    bench.ask(fetch(2, 1, end, 0), 18);
    bench.ask(Request::RemoveRaftVoter(remove(1)), 0);
    bench.sync();
    let election = ElectionState { epoch: 1, leader: Some(1), ..ElectionState::default() };
    let disk = bench.disk.clone();
    let setup = Setup { dynamic: true, voters: vec![1, 2], ..Setup::default() };
    let mut bench = Setup { election: Some(election), disk, ..setup }.bench();
    assert_eq!(voters(&bench), [2]);
    // It is needed once more: its log is the longest, and the other one votes for it.
    bench.elect();
    bench.sync();
    let end = (bench.disk.end_offset(), bench.raft.epoch());
    bench.ask(fetch(2, end.1, end, 0), 18);
    assert_eq!(bench.raft.role(), RoleName::Resigned, "now its removal is committed");
    assert!(!bench.raft.is_voter());
}
