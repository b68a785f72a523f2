//! What a node is after a restart.

use super::*;

fn started(leader: Option<i32>, voted: Option<i32>, epoch: i32) -> (RoleName, i32) {
    let voted = voted.map(key);
    let election = Some(ElectionState { epoch, leader, voted, voters: vec![1, 2, 3] });
    let bench = Setup { election, disk: log(&[2]), ..Setup::default() }.bench();
    assert_eq!(bench.persisted.last().map(|state| state.epoch), Some(bench.raft.epoch()));
    (bench.raft.role(), bench.raft.epoch())
}

#[test]
fn a_node_goes_on_with_what_it_remembers() {
    assert_eq!(started(None, None, 4), (RoleName::Unattached, 4));
    assert_eq!(started(None, Some(2), 4), (RoleName::UnattachedVoted, 4));
    assert_eq!(started(None, Some(1), 4), (RoleName::Candidate, 4), "it asks for votes again");
    assert_eq!(started(Some(2), Some(2), 4), (RoleName::Follower, 4));
    assert_eq!(started(Some(2), Some(1), 4), (RoleName::Follower, 4), "somebody else has won");
    assert_eq!(started(Some(9), None, 4), (RoleName::Unattached, 4), "nobody knows where 9 is");
    assert_eq!(started(Some(1), None, 4), (RoleName::Resigned, 4), "an epoch is led once");
    assert_eq!(started(Some(2), Some(2), 1), (RoleName::Unattached, 2), "the log knows better");
}

#[test]
fn a_vote_that_is_remembered_is_not_given_again() {
    let election = ElectionState { epoch: 4, leader: None, voted: Some(key(2)), voters: vec![] };
    let mut bench = Setup { election: Some(election), ..Setup::default() }.bench();
    assert!(!bench.vote(vote_request(3, 4, (0, 0), false)).vote_granted);
    assert!(bench.vote(vote_request(2, 4, (0, 0), false)).vote_granted);
}

#[test]
fn an_observer_that_once_voted_for_itself_is_no_candidate() {
    let election = ElectionState { epoch: 4, leader: None, voted: Some(key(7)), voters: vec![] };
    let bench = Setup { id: 7, election: Some(election), ..Setup::default() }.bench();
    assert_eq!(bench.raft.role(), RoleName::Observer);
}

#[test]
fn a_new_node_writes_where_it_begins_and_looks_for_a_leader() {
    let (bench, actions) = Setup::default().start();
    assert_eq!((bench.raft.role(), bench.raft.epoch()), (RoleName::Unattached, 0));
    assert_eq!(bench.persisted[0].voters, [1, 2, 3]);
    assert!(actions.contains(&Action::LeaderChanged { leader: None, epoch: 0 }));
    let (_, request) = sent_fetch(&actions);
    assert_eq!(request.topics[0].partitions[0].fetch_offset, 0);
    assert_eq!(bench.raft.high_watermark(), None);
}

#[test]
fn the_last_epoch_is_the_end_of_elections_and_not_of_the_process() {
    let election = ElectionState { epoch: i32::MAX, ..ElectionState::default() };
    let mut bench = Setup { election: Some(election), ..Setup::default() }.bench();
    for _ in 0..20 {
        let actions = bench.timer();
        for (to, correlation, request) in sends(&actions) {
            if matches!(request, Request::Vote(_)) {
                bench.respond(to, correlation, granted(i32::MAX));
            }
        }
    }
    assert_eq!(bench.raft.epoch(), i32::MAX);
    assert_ne!(bench.raft.role(), RoleName::Leader);
}
