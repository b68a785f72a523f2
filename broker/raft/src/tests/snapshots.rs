//! Snapshots, from both sides.

use protocol::messages::fetch_snapshot_request as asks;
use protocol::messages::fetch_snapshot_response as says;
use protocol::messages::{FetchSnapshotRequest, FetchSnapshotResponse};

use super::*;

const ID: OffsetAndEpoch = OffsetAndEpoch { epoch: 2, offset: 3 };

/// A leader in epoch 3 whose log begins at 3, behind a snapshot.
fn leader() -> Bench {
    let mut disk = log(&[1, 1, 2, 2]);
    disk.snapshots.insert(ID, voters_snapshot(&[1, 2, 3]));
    disk.shorten(ID);
    let mut bench = Setup { disk, ..Setup::default() }.bench();
    bench.elect();
    bench
}

fn request(epoch: i32, id: (i64, i32), position: i64) -> Request {
    Request::FetchSnapshot(FetchSnapshotRequest {
        cluster_id: Some("cluster".to_owned()),
        replica_id: 2,
        max_bytes: 10,
        topics: vec![asks::TopicSnapshot {
            name: TOPIC.to_owned(),
            partitions: vec![asks::PartitionSnapshot {
                partition: 0,
                current_leader_epoch: epoch,
                snapshot_id: asks::SnapshotId { end_offset: id.0, epoch: id.1 },
                position,
                replica_directory_id: directory(2),
            }],
        }],
    })
}

#[test]
fn a_log_that_ends_before_this_one_begins_is_sent_to_the_snapshot() {
    let mut bench = leader();
    for (log_of_replica, sent) in [
        ((0, 0), true),
        ((2, 1), true),
        ((2, 2), true),
        ((3, 1), true),
        ((4, 1), true),
        ((3, 2), false),
        ((4, 2), false),
    ] {
        let response = bench.answer(fetch(2, 3, log_of_replica, 0), 18);
        let id = &fetched(&response).snapshot_id;
        let expected = if sent { (3, 2) } else { (-1, -1) };
        assert_eq!((id.end_offset, id.epoch), expected, "{log_of_replica:?}");
    }
}

#[test]
fn a_snapshot_is_handed_out_in_parts() {
    let mut bench = leader();
    let size = bench.disk.snapshots[&ID].len() as i64;
    let part = |position, max_bytes| Fill::Snapshot { id: ID, position, max_bytes };
    for (position, epoch, id, error, fill) in [
        (0, 3, (3, 2), ErrorCode::None, part(0, 10)),
        (size - 4, 3, (3, 2), ErrorCode::None, part(size as u64 - 4, 4)),
        (size, 3, (3, 2), ErrorCode::PositionOutOfRange, Fill::Nothing),
        (-1, 3, (3, 2), ErrorCode::PositionOutOfRange, Fill::Nothing),
        (0, 3, (3, 1), ErrorCode::SnapshotNotFound, Fill::Nothing),
        (0, 3, (0, 0), ErrorCode::SnapshotNotFound, Fill::Nothing),
        (0, 2, (3, 2), ErrorCode::FencedLeaderEpoch, Fill::Nothing),
        (0, 4, (3, 2), ErrorCode::UnknownLeaderEpoch, Fill::Nothing),
    ] {
        let actions = bench.ask(request(epoch, id, position), 1);
        let (_, response, filled) = answers(&actions).remove(0);
        let Response::FetchSnapshot(response) = response else { panic!("{response:?}") };
        let said = &response.topics[0].partitions[0];
        assert_eq!((said.error_code, filled), (error, fill), "{position} {epoch} {id:?}");
        assert_eq!((said.current_leader.leader_id, said.current_leader.leader_epoch), (1, 3));
        let expected = if error == ErrorCode::None { size } else { 0 };
        assert_eq!(said.size, expected);
    }
}

#[test]
fn requests_for_snapshots_that_are_no_such_are_refused() {
    let mut bench = leader();
    let Request::FetchSnapshot(sound) = request(3, (3, 2), 0) else { panic!() };
    let mut foreign = sound.clone();
    foreign.cluster_id = Some("another".to_owned());
    let mut nothing = sound.clone();
    nothing.topics.clear();
    for (request, error) in
        [(foreign, ErrorCode::InconsistentClusterId), (nothing, ErrorCode::InvalidRequest)]
    {
        let response = bench.answer(Request::FetchSnapshot(request), 1);
        let Response::FetchSnapshot(response) = response else { panic!("{response:?}") };
        assert_eq!(response.error_code, error);
    }
    let mut elsewhere = sound;
    elsewhere.topics[0].name = "orders".to_owned();
    let response = bench.answer(Request::FetchSnapshot(elsewhere), 1);
    let Response::FetchSnapshot(response) = response else { panic!("{response:?}") };
    let said = &response.topics[0].partitions[0];
    assert_eq!(said.error_code, ErrorCode::UnknownTopicOrPartition);
}

/// A follower of node 2 in epoch 5 that was sent to a snapshot; with the request for it.
fn downloading() -> (Bench, u64) {
    let mut bench = Setup { disk: log(&[1]), ..Setup::default() }.bench();
    let (correlation, _) = bench.follow(2, 5);
    let response = Fetched { snapshot: Some((3, 2)), ..Fetched::default() }.said_by(Some(2), 5);
    let actions = bench.respond(2, correlation, response);
    assert!(actions.contains(&Action::BeginSnapshot { id: ID }));
    (bench, asked(&actions, 0))
}

fn asked(actions: &[Action], position: i64) -> u64 {
    let (_, correlation, request) = to_node(actions, 2);
    let Request::FetchSnapshot(request) = request else { panic!("{request:?}") };
    let asked = &request.topics[0].partitions[0];
    assert_eq!((asked.position, asked.current_leader_epoch), (position, 5));
    assert_eq!((asked.snapshot_id.end_offset, asked.snapshot_id.epoch), (3, 2));
    correlation
}

fn part(bytes: &Bytes, from: usize, to: usize, error_code: ErrorCode) -> Response {
    Response::FetchSnapshot(FetchSnapshotResponse {
        topics: vec![says::TopicSnapshot {
            name: TOPIC.to_owned(),
            partitions: vec![says::PartitionSnapshot {
                index: 0,
                error_code,
                snapshot_id: says::SnapshotId { end_offset: 3, epoch: 2 },
                current_leader: says::LeaderIdAndEpoch { leader_id: 2, leader_epoch: 5 },
                size: bytes.len() as i64,
                position: from as i64,
                unaligned_records: Some(Records::Bytes(bytes.slice(from..to))),
            }],
        }],
        ..FetchSnapshotResponse::default()
    })
}

#[test]
fn a_snapshot_is_fetched_part_by_part_and_takes_the_place_of_the_log() {
    let (mut bench, correlation) = downloading();
    let bytes = voters_snapshot(&[1, 2]);
    let actions = bench.respond(2, correlation, part(&bytes, 0, 40, ErrorCode::None));
    let correlation = asked(&actions, 40);
    let rest = part(&bytes, 40, bytes.len(), ErrorCode::None);
    let actions = bench.respond(2, correlation, rest);
    let written = place(&actions, |action| matches!(action, Action::WriteSnapshot { .. }));
    assert!(written < place(&actions, |action| *action == Action::InstallSnapshot { id: ID }));
    assert_eq!(sends(&actions), [], "the log is being replaced");
    let control = bench.disk.control_of(ID);
    let actions = bench.event(Event::SnapshotInstalled { id: ID, control });
    assert!(actions.contains(&Action::HighWatermark { offset: 3 }));
    let (_, request) = sent_fetch(&actions);
    let asked = &request.topics[0].partitions[0];
    assert_eq!((asked.fetch_offset, asked.last_fetched_epoch), (3, 2));
    let voters: Vec<i32> = bench.raft.history().voters().ids().collect();
    assert_eq!((voters, bench.raft.history().version()), (vec![1, 2], 1));
}

#[test]
fn a_part_that_does_not_fit_ends_the_download() {
    let bytes = voters_snapshot(&[1, 2]);
    for response in [
        part(&bytes, 5, 40, ErrorCode::None),
        part(&bytes, 0, 0, ErrorCode::None),
        part(&bytes, 0, 0, ErrorCode::SnapshotNotFound),
        part(&bytes, 0, 0, ErrorCode::PositionOutOfRange),
    ] {
        let (mut bench, correlation) = downloading();
        let shown = format!("{response:?}");
        let actions = bench.respond(2, correlation, response);
        assert!(actions.contains(&Action::DropSnapshot { id: ID }), "{shown}");
        assert_eq!(bench.disk.end_offset(), 1);
    }
}

#[test]
fn another_leader_ends_the_download() {
    let (mut bench, _) = downloading();
    let actions = bench.ask(Request::BeginQuorumEpoch(epochs::begin(3, 6)), 1);
    assert!(actions.contains(&Action::DropSnapshot { id: ID }));
}

#[test]
fn a_snapshot_that_is_not_newer_than_the_log_is_not_fetched() {
    for snapshot in [(1, 1), (3, -1), (-1, 3)] {
        let mut bench = Setup { disk: log(&[1]), ..Setup::default() }.bench();
        let (correlation, _) = bench.follow(2, 5);
        let response = Fetched { snapshot: Some(snapshot), ..Fetched::default() };
        let actions = bench.respond(2, correlation, response.said_by(Some(2), 5));
        assert!(!actions.iter().any(|action| matches!(action, Action::BeginSnapshot { .. })));
    }
}
