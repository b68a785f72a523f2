//! What a leader answers, and what it takes for committed.

use protocol::messages::{
    DescribeQuorumRequest, describe_quorum_request as asks, fetch_response::NodeEndpoint,
};

use super::*;
use crate::{Proposal, ProposeError};

fn propose(bench: &mut Bench, count: usize) -> Proposal {
    let batches: Vec<Bytes> = (0..count).map(|_| record(0, -1)).collect();
    let (epoch, now) = (bench.raft.epoch(), bench.time());
    let proposal = bench.raft.propose(epoch, &batches, &bench.disk, now).expect("it leads");
    bench.carry_out(&proposal.actions);
    proposal
}

fn high_watermark(actions: &[Action]) -> Option<i64> {
    actions.iter().find_map(|action| match action {
        Action::HighWatermark { offset } => Some(*offset),
        _ => None,
    })
}

/// A leader in epoch 3 of a log with records of epochs 1, 1 and 2.
fn leader() -> Bench {
    let mut bench = Setup { disk: log(&[1, 1, 2]), ..Setup::default() }.bench();
    bench.elect();
    assert_eq!(bench.raft.epoch(), 3);
    bench
}

#[test]
fn what_a_majority_has_synced_is_committed() {
    let mut bench = leader();
    let actions = bench.ask(fetch(2, 3, (3, 2), 0), 18);
    assert_eq!(high_watermark(&actions), None, "records of older epochs do not count");
    bench.disk.sync(i64::MAX);
    assert_eq!(high_watermark(&bench.event(Event::Synced)), None);
    let actions = bench.ask(fetch(2, 3, (4, 3), 0), 18);
    assert_eq!(high_watermark(&actions), Some(4), "with the first of its own, all are");
    propose(&mut bench, 2);
    let actions = bench.ask(fetch(2, 3, (6, 3), 0), 18);
    assert_eq!(high_watermark(&actions), None, "the leader has not synced them");
    assert_eq!(high_watermark(&bench.sync()), Some(6));
    let actions = bench.ask(fetch(2, 3, (4, 3), 0), 18);
    assert_eq!(high_watermark(&actions), None, "a late request takes nothing back");
    assert_eq!(bench.raft.high_watermark(), Some(6));
}

#[test]
fn an_observer_commits_nothing() {
    let mut bench = leader();
    bench.sync();
    for replica in [7, 8, -1] {
        assert_eq!(high_watermark(&bench.ask(fetch(replica, 3, (4, 3), 0), 18)), None);
    }
    assert_eq!(high_watermark(&bench.ask(fetch(3, 3, (4, 3), 0), 18)), Some(4));
}

#[test]
fn proposals_get_their_place_and_epoch() {
    let mut bench = leader();
    let proposal = propose(&mut bench, 2);
    assert_eq!((proposal.base_offset, proposal.end_offset), (4, 6));
    let last = bench.disk.batches.last().expect("it is appended");
    assert_eq!((last.base, last.epoch), (5, 3));
    let batch = RecordBatch::parse(&last.bytes).expect("it is whole");
    assert!(batch.check_crc().is_ok());
}

#[test]
fn proposals_that_cannot_be_taken_are_refused_with_the_reason() {
    let mut bench = leader();
    let mut propose = |epoch: i32, batches: &[Bytes]| {
        let now = Now::default();
        bench.raft.propose(epoch, batches, &bench.disk, now).expect_err("it is refused")
    };
    let not_leader = ProposeError::NotLeader { epoch: 2, leader: Some(1), leader_epoch: 3 };
    assert_eq!(propose(2, &[record(0, 0)]), not_leader);
    assert_eq!(propose(3, &[]), ProposeError::Empty);
    let control = control::batch(0, 0, 0, &[Control::Version(1)]);
    let cut = record(0, 0).slice(..70);
    for (batch, reason) in [(control, "control"), (cut, "length"), (Bytes::new(), "0")] {
        let error = propose(3, &[batch]).to_string();
        assert!(error.contains(reason), "{error}");
    }
    let mut follower = Setup::default().bench();
    follower.follow(2, 5);
    let now = Now::default();
    let error = follower.raft.propose(5, &[record(0, 0)], &follower.disk, now);
    let not_leader = ProposeError::NotLeader { epoch: 5, leader: Some(2), leader_epoch: 5 };
    assert_eq!(error, Err(not_leader));
}

#[test]
fn a_fetch_gets_what_follows_its_log() {
    let mut bench = leader();
    // By the end of the replica's log: what it is told.
    for (log_of_replica, diverging, fill) in [
        ((0, 0), None, Fill::Log { offset: 0, max_bytes: 1000 }),
        ((2, 1), None, Fill::Log { offset: 2, max_bytes: 1000 }),
        ((1, 1), None, Fill::Log { offset: 1, max_bytes: 1000 }),
        ((3, 2), None, Fill::Log { offset: 3, max_bytes: 1000 }),
        ((4, 3), None, Fill::Nothing),
        ((3, 1), Some((2, 1)), Fill::Nothing),
        ((9, 2), Some((3, 2)), Fill::Nothing),
        ((9, 3), Some((4, 3)), Fill::Nothing),
        ((2, 0), Some((0, 0)), Fill::Nothing),
    ] {
        let actions = bench.ask(fetch(2, 3, log_of_replica, 0), 18);
        let (_, response, filled) = answers(&actions).remove(0);
        let said = fetched(&response);
        let end = &said.diverging_epoch;
        let end = (end.epoch >= 0).then_some((end.end_offset, end.epoch));
        assert_eq!((end, filled), (diverging, fill), "{log_of_replica:?}");
        assert_eq!(said.error_code, ErrorCode::None);
        assert_eq!((said.current_leader.leader_id, said.current_leader.leader_epoch), (1, 3));
    }
}

#[test]
fn an_answer_names_the_leader_where_the_version_can() {
    let mut bench = leader();
    for (version, named) in [(16, false), (17, true), (18, true)] {
        let response = bench.answer(fetch(2, 3, (0, 0), 0), version);
        let Response::Fetch(response) = response else { panic!("{response:?}") };
        let expected = NodeEndpoint {
            node_id: 1,
            host: "n1".to_owned(),
            port: 9001,
            ..NodeEndpoint::default()
        };
        let expected = if named { vec![expected] } else { Vec::new() };
        assert_eq!(response.node_endpoints, expected);
    }
}

#[test]
fn fetches_that_are_wrong_are_refused() {
    let mut bench = leader();
    let mut refused = |request| fetched(&bench.answer(request, 18)).error_code;
    assert_eq!(refused(fetch(2, 2, (0, 0), 0)), ErrorCode::FencedLeaderEpoch);
    assert_eq!(refused(fetch(2, 4, (0, 0), 0)), ErrorCode::UnknownLeaderEpoch);
    assert_eq!(refused(fetch(2, 3, (-1, 0), 0)), ErrorCode::InvalidRequest);
    assert_eq!(refused(fetch(2, 3, (0, -1), 0)), ErrorCode::InvalidRequest);
    assert_eq!(refused(fetch(2, 3, (0, 4), 0)), ErrorCode::InvalidRequest);
    assert_eq!(refused(fetch(2, 3, (0, 0), -1)), ErrorCode::InvalidRequest);
    assert_eq!(refused(fetch(1, 3, (0, 0), 0)), ErrorCode::UnknownServerError);
    bench.sync();
    bench.follow(2, 5);
    let said = bench.answer(fetch(3, 5, (0, 0), 500), 18);
    let said = fetched(&said);
    assert_eq!(said.error_code, ErrorCode::NotLeaderOrFollower);
    assert_eq!((said.current_leader.leader_id, said.high_watermark), (2, -1));
}

#[test]
fn a_fetch_of_another_cluster_or_topic_is_refused_as_a_whole() {
    let mut bench = leader();
    let changed = |change: &dyn Fn(&mut FetchRequest)| {
        let Request::Fetch(mut request) = fetch(2, 3, (0, 0), 0) else { panic!() };
        change(&mut request);
        Request::Fetch(request)
    };
    let foreign = changed(&|request| request.cluster_id = Some("another".to_owned()));
    let elsewhere = changed(&|request| request.topics[0].topic_id = Uuid::nil());
    let partition = changed(&|request| request.topics[0].partitions[0].partition = 1);
    let nothing = changed(&|request| request.topics.clear());
    for (request, error) in [
        (foreign, ErrorCode::InconsistentClusterId),
        (elsewhere, ErrorCode::InvalidRequest),
        (partition, ErrorCode::InvalidRequest),
        (nothing, ErrorCode::InvalidRequest),
    ] {
        let response = bench.answer(request, 18);
        let Response::Fetch(response) = response else { panic!("{response:?}") };
        assert_eq!((response.error_code, response.responses.len()), (error, 0));
    }
}

#[test]
fn a_fetch_without_news_waits_for_them() {
    let mut bench = leader();
    bench.sync();
    let waits = |bench: &mut Bench, replica| {
        let actions = bench.ask(fetch(replica, 3, (4, 3), 500), 18);
        answers(&actions).iter().all(|(handle, ..)| *handle != bench.handles)
    };
    let of = |actions: &[Action], handle| {
        answers(actions).into_iter().find(|(answered, ..)| *answered == handle)
    };
    assert!(waits(&mut bench, 7));
    let observer = bench.handles;
    // A voter commits the leader's first record: that is news to both.
    let actions = bench.ask(fetch(2, 3, (4, 3), 500), 18);
    assert_eq!(fetched(&of(&actions, observer).expect("it is news").1).high_watermark, 4);

    assert!(waits(&mut bench, 7));
    let observer = bench.handles;
    let proposal = propose(&mut bench, 1);
    let (_, _, fill) = of(&proposal.actions, observer).expect("there are records");
    assert_eq!(fill, Fill::Log { offset: 4, max_bytes: 1000 });
}

#[test]
fn a_fetch_waits_no_longer_than_it_wants_and_one_at_a_time() {
    let mut bench = leader();
    bench.ask(fetch(7, 3, (4, 3), 400), 18);
    let first = bench.handles;
    bench.now += 100;
    let actions = bench.ask(fetch(7, 3, (4, 3), 400), 18);
    let answered: Vec<u64> = answers(&actions).into_iter().map(|(handle, ..)| handle).collect();
    assert_eq!(answered, [first], "a replica does not wait for what it asked before");
    bench.now += 399;
    assert_eq!(answers(&bench.event(Event::Timer)), []);
    bench.now += 1;
    let actions = bench.event(Event::Timer);
    let said = answers(&actions).remove(0);
    assert_eq!((said.0, said.2), (first + 1, Fill::Nothing));
    assert_eq!(fetched(&said.1).error_code, ErrorCode::None);
}

#[test]
fn a_fetch_that_knows_an_older_high_watermark_is_told_at_once() {
    let mut bench = leader();
    bench.sync();
    bench.ask(fetch(2, 3, (4, 3), 0), 18);
    let Request::Fetch(mut request) = fetch(7, 3, (4, 3), 500) else { panic!() };
    request.topics[0].partitions[0].high_watermark = 3;
    let response = bench.answer(Request::Fetch(request), 18);
    assert_eq!(fetched(&response).high_watermark, 4);
}

fn describe(topic: &str) -> Request {
    Request::DescribeQuorum(DescribeQuorumRequest {
        topics: vec![asks::TopicData {
            topic_name: topic.to_owned(),
            partitions: vec![asks::PartitionData { partition_index: 0 }],
        }],
    })
}

#[test]
fn the_quorum_is_described_by_its_leader() {
    let mut bench = leader();
    bench.sync();
    bench.now += 10;
    bench.ask(fetch(2, 3, (4, 3), 0), 18);
    bench.ask(fetch(7, 3, (2, 1), 0), 18);
    bench.now += 5;
    let Response::DescribeQuorum(response) = bench.answer(describe(TOPIC), 2) else { panic!() };
    let said = &response.topics[0].partitions[0];
    assert_eq!((said.leader_id, said.leader_epoch, said.high_watermark), (1, 3, 4));
    let now = 1_000_000 + bench.now;
    let voters: Vec<_> = said
        .current_voters
        .iter()
        .map(|voter| (voter.replica_id, voter.log_end_offset, voter.last_fetch_timestamp))
        .collect();
    assert_eq!(voters, [(1, 4, now), (2, 4, now - 5), (3, -1, -1)]);
    assert_eq!(said.current_voters[1].last_caught_up_timestamp, now - 5);
    let observer = &said.observers[0];
    assert_eq!((observer.replica_id, observer.log_end_offset), (7, 2));
    assert_eq!(observer.replica_directory_id, directory(7));
    assert_eq!(observer.last_caught_up_timestamp, -1);
    assert_eq!(response.nodes.len(), 3);
    bench.now += 300_000;
    bench.event(Event::Timer);
    let Response::DescribeQuorum(response) = bench.answer(describe(TOPIC), 2) else { panic!() };
    assert_eq!(response.topics[0].partitions[0].error_code, ErrorCode::NotLeaderOrFollower);
}

#[test]
fn who_does_not_lead_describes_nothing() {
    let mut bench = Setup::default().bench();
    let Response::DescribeQuorum(response) = bench.answer(describe(TOPIC), 2) else { panic!() };
    assert_eq!(response.topics[0].partitions[0].error_code, ErrorCode::NotLeaderOrFollower);
    let Response::DescribeQuorum(response) = bench.answer(describe("orders"), 2) else { panic!() };
    assert_eq!(response.topics[0].topic_name, "orders");
    assert_eq!(response.topics[0].partitions[0].error_code, ErrorCode::UnknownTopicOrPartition);
}
