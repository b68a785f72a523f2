//! What a follower asks for, and what it takes in.

use super::*;
use crate::Fault;

/// A follower of node 2 in epoch 5, with the fetch that it sent.
fn follower(epochs: &[i32]) -> (Bench, u64, FetchRequest) {
    let mut bench = Setup { disk: log(epochs), ..Setup::default() }.bench();
    let (correlation, request) = bench.follow(2, 5);
    (bench, correlation, request)
}

#[test]
fn a_fetch_says_where_the_log_ends() {
    let (_, _, request) = follower(&[1, 1, 4]);
    assert_eq!(request.replica_state.replica_id, 1);
    assert_eq!((request.max_wait_ms, request.cluster_id.as_deref()), (500, Some("cluster")));
    let asked = &request.topics[0].partitions[0];
    assert_eq!((asked.fetch_offset, asked.last_fetched_epoch), (3, 4));
    assert_eq!((asked.current_leader_epoch, asked.high_watermark), (5, -1));
    assert_eq!(asked.replica_directory_id, directory(1));
}

#[test]
fn what_is_fetched_is_synced_before_it_is_acknowledged() {
    let (mut bench, correlation, _) = follower(&[1]);
    let records = vec![record(1, 4), record(2, 5)];
    let high_watermark = Some(2);
    let response = Fetched { records, high_watermark, ..Fetched::default() }.said_by(Some(2), 5);
    let actions = bench.respond(2, correlation, response);
    assert!(actions.contains(&Action::HighWatermark { offset: 2 }));
    let appended = place(&actions, |action| matches!(action, Action::AppendFetched { .. }));
    assert!(appended < place(&actions, |action| matches!(action, Action::HighWatermark { .. })));
    assert_eq!(sends(&actions), [], "the next fetch would acknowledge them");
    bench.disk.sync(2);
    assert_eq!(sends(&bench.event(Event::Synced)), []);
    let (_, request) = sent_fetch(&bench.sync());
    let asked = &request.topics[0].partitions[0];
    assert_eq!((asked.fetch_offset, asked.last_fetched_epoch), (3, 5));
    assert_eq!(asked.high_watermark, 2);
}

#[test]
fn a_broker_that_only_follows_does_not_wait_for_its_disk() {
    let setup = Setup { id: 7, can_become_voter: false, ..Setup::default() };
    let (mut bench, actions) = setup.start();
    assert_eq!(bench.raft.role(), RoleName::Observer);
    let (to, correlation, _) = sends(&actions).remove(0);
    assert!(to <= -2, "it knows bootstrap servers only");
    let error = Some(ErrorCode::NotLeaderOrFollower);
    let response = Fetched { error, ..Fetched::default() }.said_by(Some(2), 5);
    let actions = bench.respond(to, correlation, response);
    let (correlation, _) = sent_fetch(&actions);
    let response = Fetched { records: vec![record(0, 5)], ..Fetched::default() };
    let (_, request) = sent_fetch(&bench.respond(2, correlation, response.said_by(Some(2), 5)));
    assert_eq!(request.topics[0].partitions[0].fetch_offset, 1);
    bench.wait(1_000_000);
    assert_eq!(bench.raft.role(), RoleName::Observer, "it starts no election");
}

#[test]
fn the_high_watermark_is_never_beyond_the_log() {
    let (mut bench, correlation, _) = follower(&[1]);
    let high_watermark = Some(9);
    let response = Fetched { high_watermark, ..Fetched::default() }.said_by(Some(2), 5);
    let actions = bench.respond(2, correlation, response);
    assert!(actions.contains(&Action::HighWatermark { offset: 1 }));
}

#[test]
fn what_the_leader_does_not_have_is_cut() {
    // By the epochs of the log and what the leader says: where the log is cut.
    for (epochs, theirs, end) in [
        (vec![1, 1, 3, 3], (9, 2), 2),
        (vec![1, 1, 3, 3], (3, 3), 3),
        (vec![1, 1, 3, 3], (1, 1), 1),
        (vec![1, 1, 3, 3], (3, 0), 3),
        (vec![1, 1, 3, 3], (0, 0), 0),
    ] {
        let (mut bench, correlation, _) = follower(&epochs);
        let diverging = Some(theirs);
        let response = Fetched { diverging, ..Fetched::default() }.said_by(Some(2), 5);
        let actions = bench.respond(2, correlation, response);
        assert_eq!(bench.disk.end_offset(), end, "{theirs:?}");
        let (_, request) = sent_fetch(&actions);
        let asked = &request.topics[0].partitions[0];
        let last = if end == 0 { 0 } else { epochs[end as usize - 1] };
        assert_eq!((asked.fetch_offset, asked.last_fetched_epoch), (end, last), "{theirs:?}");
    }
}

#[test]
fn what_is_committed_is_not_cut() {
    let (mut bench, correlation, _) = follower(&[1, 1, 1]);
    let high_watermark = Some(3);
    let response = Fetched { high_watermark, ..Fetched::default() }.said_by(Some(2), 5);
    let (correlation, _) = sent_fetch(&bench.respond(2, correlation, response));
    let response = Fetched { diverging: Some((2, 1)), ..Fetched::default() }.said_by(Some(2), 5);
    let actions = bench.respond(2, correlation, response);
    let fault = Fault::TruncationOfCommitted { epoch: 5, offset: 2, committed: 3 };
    assert!(actions.contains(&Action::Fault(fault)));
    assert_eq!(bench.disk.end_offset(), 3);
}

#[test]
fn records_that_do_not_continue_the_log_are_not_appended() {
    let mut broken = record(1, 5).to_vec();
    let last = broken.len() - 1;
    broken[last] ^= 1;
    for (records, taken) in [
        (vec![record(2, 5)], 0),
        (vec![record(0, 5)], 0),
        (vec![record(1, 6)], 0),
        (vec![record(1, 3)], 0),
        (vec![Bytes::from(broken)], 0),
        (vec![record(1, 5), record(3, 5)], 1),
        (vec![record(1, 5), record(2, 4)], 1),
        (vec![record(1, 4), record(2, 5), record(3, 5).slice(..30)], 2),
        (vec![Bytes::from_static(b"no batch at all, not even by its length")], 0),
    ] {
        let (mut bench, correlation, _) = follower(&[4]);
        let shown = format!("{records:?}");
        let response = Fetched { records, ..Fetched::default() }.said_by(Some(2), 5);
        bench.respond(2, correlation, response);
        assert_eq!(bench.disk.end_offset(), 1 + taken, "{shown}");
    }
}

#[test]
fn a_response_to_an_older_request_is_ignored() {
    let (mut bench, correlation, _) = follower(&[1]);
    bench.ask(Request::BeginQuorumEpoch(epochs::begin(3, 6)), 1);
    let response = Fetched { records: vec![record(1, 5)], ..Fetched::default() };
    let actions = bench.respond(2, correlation, response.said_by(Some(2), 5));
    assert_eq!((actions.len(), bench.disk.end_offset()), (0, 1));
}

#[test]
fn a_response_is_taken_once() {
    let (mut bench, correlation, _) = follower(&[1]);
    let response =
        || Fetched { records: vec![record(1, 5)], ..Fetched::default() }.said_by(Some(2), 5);
    bench.respond(2, correlation, response());
    let actions = bench.respond(2, correlation, response());
    assert!(!actions.iter().any(|action| matches!(action, Action::AppendFetched { .. })));
}

#[test]
fn a_leader_that_is_silent_is_given_up_after_a_pre_vote() {
    let (mut bench, correlation, _) = follower(&[1]);
    bench.now += 1999;
    bench.respond(2, correlation, Fetched::default().said_by(Some(2), 5));
    bench.wait(1999);
    assert_eq!(bench.raft.role(), RoleName::Follower);
    bench.wait(1);
    assert_eq!((bench.raft.role(), bench.raft.epoch()), (RoleName::Prospective, 5));
}

#[test]
fn others_are_asked_while_the_leader_does_not_answer() {
    let (mut bench, correlation, _) = follower(&[1]);
    let actions = bench.fail(2, correlation, Failure::Disconnected);
    let (to, correlation, request) = sends(&actions).remove(0);
    assert!(to <= -2 && matches!(request, Request::Fetch(_)));
    let error = Some(ErrorCode::FencedLeaderEpoch);
    let response = Fetched { error, ..Fetched::default() }.said_by(Some(3), 6);
    bench.respond(to, correlation, response);
    assert_eq!((bench.raft.leader(), bench.raft.epoch()), (Some(3), 6));
}

#[test]
fn errors_of_a_fetch_are_what_they_are_in_kafka() {
    for (error, role, epoch) in [
        (ErrorCode::UnknownLeaderEpoch, RoleName::Follower, 5),
        (ErrorCode::FencedLeaderEpoch, RoleName::Unattached, 6),
        (ErrorCode::NotLeaderOrFollower, RoleName::Unattached, 6),
        (ErrorCode::BrokerNotAvailable, RoleName::Follower, 5),
        (ErrorCode::UnknownServerError, RoleName::Follower, 5),
    ] {
        let (mut bench, correlation, _) = follower(&[1]);
        let said = Fetched { error: Some(error), ..Fetched::default() };
        bench.respond(2, correlation, said.said_by(None, epoch));
        assert_eq!((bench.raft.role(), bench.raft.epoch()), (role, epoch), "{error}");
    }
}

#[test]
fn a_node_that_is_not_let_in_says_so() {
    let (mut bench, correlation, _) = follower(&[1]);
    let actions = bench.fail(2, correlation, Failure::NotAuthorized);
    assert!(actions.contains(&Action::Fault(Fault::NotAuthorized { node: 2 })));
}

#[test]
fn whoever_looks_for_a_leader_does_not_ask_without_a_pause() {
    let (mut bench, actions) = Setup::default().start();
    let mut asked = sends(&actions);
    for _ in 0..10 {
        let Some((to, correlation, Request::Fetch(_))) = asked.pop() else { break };
        let error = Some(ErrorCode::NotLeaderOrFollower);
        let response = Fetched { error, ..Fetched::default() }.said_by(None, 0);
        asked = sends(&bench.respond(to, correlation, response));
    }
    assert_eq!(asked, [], "after one round there is a pause");
    let deadline = bench.raft.next_deadline().expect("it goes on");
    assert!(deadline > bench.now && deadline <= bench.now + 20);
}
