//! Votes, pre-votes, and who wins.

use super::*;

#[test]
fn a_vote_goes_to_a_log_that_is_as_complete_and_to_one_candidate() {
    // The node's log ends at 3, with a record of epoch 4.
    for (log_of_candidate, granted) in [
        ((3, 4), true),
        ((9, 4), true),
        ((1, 5), true),
        ((2, 4), false),
        ((9, 3), false),
        ((0, 0), false),
    ] {
        let mut bench = Setup { disk: log(&[1, 1, 4]), ..Setup::default() }.bench();
        let said = bench.vote(vote_request(2, 7, log_of_candidate, false));
        assert_eq!((said.vote_granted, said.leader_epoch), (granted, 7), "{log_of_candidate:?}");
        let said = bench.vote(vote_request(2, 7, log_of_candidate, false));
        assert_eq!(said.vote_granted, granted, "it says the same when it is asked again");
        let said = bench.vote(vote_request(3, 7, (9, 5), false));
        assert_eq!(said.vote_granted, !granted, "only who has not voted may vote yet");
        let said = bench.vote(vote_request(3, 8, (9, 5), false));
        assert!(said.vote_granted, "another epoch, another vote");
    }
}

#[test]
fn a_vote_is_written_before_it_is_given() {
    let mut bench = Setup::default().bench();
    let actions = bench.ask(Request::Vote(vote_request(2, 5, (0, 0), false)), 2);
    let voted = |action: &Action| match action {
        Action::PersistElection { state, .. } => state.epoch == 5 && state.voted == Some(key(2)),
        _ => false,
    };
    let answered = place(&actions, |action| matches!(action, Action::Answer { .. }));
    assert!(place(&actions, voted) < answered);
    assert_eq!(bench.raft.role(), RoleName::UnattachedVoted);
    assert_eq!(bench.raft.voted(), Some(key(2)));
}

#[test]
fn a_pre_vote_is_given_without_a_trace() {
    let mut bench = Setup { disk: log(&[1, 4]), ..Setup::default() }.bench();
    let epoch = bench.raft.epoch();
    let before = bench.persisted.len();
    assert!(bench.vote(vote_request(2, epoch, (2, 4), true)).vote_granted);
    assert!(bench.vote(vote_request(3, epoch, (2, 4), true)).vote_granted);
    assert!(!bench.vote(vote_request(3, epoch, (1, 4), true)).vote_granted);
    assert_eq!((bench.persisted.len(), bench.raft.voted()), (before, None));
}

#[test]
fn a_leader_that_is_followed_is_not_voted_down() {
    let mut bench = Setup::default().bench();
    let (correlation, _) = bench.follow(2, 3);
    assert!(bench.vote(vote_request(3, 3, (0, 0), true)).vote_granted, "nothing came of it yet");
    bench.respond(2, correlation, Fetched::default().said_by(Some(2), 3));
    assert!(!bench.vote(vote_request(3, 3, (9, 3), true)).vote_granted);
    assert!(!bench.vote(vote_request(3, 3, (9, 2), false)).vote_granted, "the epoch has a leader");
    assert_eq!(bench.raft.leader(), Some(2));
}

#[test]
fn leaders_and_candidates_vote_as_their_role_has_it() {
    let mut leader = Setup::default().bench();
    leader.elect();
    let epoch = leader.raft.epoch();
    assert!(!leader.vote(vote_request(2, epoch, (9, epoch), true)).vote_granted);
    assert!(!leader.vote(vote_request(2, epoch, (9, epoch - 1), false)).vote_granted);

    let mut bench = Setup::default().bench();
    while bench.raft.role() != RoleName::Prospective {
        bench.timer();
    }
    let (to, correlation) = (2, 0);
    assert!(bench.vote(vote_request(3, 0, (0, 0), true)).vote_granted);
    bench.respond(to, correlation, granted(0));
    assert_eq!(bench.raft.role(), RoleName::Prospective, "nobody asked for that response");
    let said = bench.vote(vote_request(3, 1, (0, 0), false));
    assert!(said.vote_granted, "a candidate is ahead of one that only thinks of it");
    assert_eq!(bench.raft.role(), RoleName::UnattachedVoted);
}

#[test]
fn votes_that_cannot_be_are_refused() {
    let mut bench = Setup { disk: log(&[5]), ..Setup::default() }.bench();
    let refused = |bench: &mut Bench, request| {
        let said = bench.vote(request);
        assert!(!said.vote_granted);
        said.error_code
    };
    let invalid = ErrorCode::InvalidRequest;
    assert_eq!(
        refused(&mut bench, vote_request(2, 4, (9, 3), false)),
        ErrorCode::FencedLeaderEpoch
    );
    assert_eq!(refused(&mut bench, vote_request(2, 7, (9, 7), false)), invalid);
    assert_eq!(refused(&mut bench, vote_request(2, 7, (9, 8), true)), invalid);
    assert_eq!(refused(&mut bench, vote_request(2, 7, (-1, 6), false)), invalid);
    assert_eq!(refused(&mut bench, vote_request(2, 7, (9, -1), false)), invalid);
    assert_eq!(refused(&mut bench, vote_request(-1, 7, (9, 6), false)), invalid);
    assert_eq!(refused(&mut bench, vote_request(2, i32::MAX, (9, 6), false)), invalid);
    assert_eq!(bench.raft.epoch(), 5, "none of them moves the epoch");

    let mut other = vote_request(2, 7, (9, 6), false);
    other.topics[0].partitions[0].voter_directory_id = directory(9);
    assert_eq!(refused(&mut bench, other), ErrorCode::InvalidVoterKey);
    assert_eq!(bench.raft.epoch(), 7, "it is a later epoch all the same");
    let mut other = vote_request(2, 8, (9, 6), false);
    other.voter_id = 3;
    assert_eq!(refused(&mut bench, other), ErrorCode::InvalidVoterKey);
    let mut anybody = vote_request(2, 8, (9, 6), false);
    anybody.voter_id = -1;
    assert!(bench.vote(anybody).vote_granted, "one that names nobody means whoever gets it");
}

#[test]
fn a_request_of_another_cluster_or_topic_is_refused_as_a_whole() {
    let mut bench = Setup::default().bench();
    let mut foreign = vote_request(2, 9, (0, 0), false);
    foreign.cluster_id = Some("another".to_owned());
    let mut elsewhere = vote_request(2, 9, (0, 0), false);
    elsewhere.topics[0].topic_name = "orders".to_owned();
    let mut other_partition = vote_request(2, 9, (0, 0), false);
    other_partition.topics[0].partitions[0].partition_index = 1;
    let mut two = vote_request(2, 9, (0, 0), false);
    two.topics.push(two.topics[0].clone());
    for (request, error) in [
        (foreign, ErrorCode::InconsistentClusterId),
        (elsewhere, ErrorCode::InvalidRequest),
        (other_partition, ErrorCode::InvalidRequest),
        (two, ErrorCode::InvalidRequest),
        (VoteRequest::default(), ErrorCode::InvalidRequest),
    ] {
        let Response::Vote(response) = bench.answer(Request::Vote(request), 2) else {
            panic!("a vote is answered with a vote")
        };
        assert_eq!((response.error_code, response.topics.len()), (error, 0));
    }
    assert_eq!(bench.raft.epoch(), 0);
}

#[test]
fn an_election_goes_from_pre_votes_to_leadership() {
    let mut bench = Setup { disk: log(&[1, 1]), ..Setup::default() }.bench();
    let mut actions = bench.timer();
    while bench.raft.role() != RoleName::Prospective {
        actions = bench.timer();
    }
    assert_eq!(bench.raft.epoch(), 1, "a pre-vote starts no epoch");
    let (to, correlation, request) = to_node(&actions, 3);
    let Request::Vote(asked) = request else { panic!("{request:?}") };
    let asked = &asked.topics[0].partitions[0];
    assert!(asked.pre_vote);
    assert_eq!((asked.last_offset, asked.last_offset_epoch, asked.replica_epoch), (2, 1, 1));
    let actions = bench.respond(to, correlation, granted(1));
    assert_eq!((bench.raft.role(), bench.raft.epoch()), (RoleName::Candidate, 2));
    assert_eq!(bench.persisted.last().expect("it is written").voted, Some(key(1)));
    let (to, correlation, request) = to_node(&actions, 2);
    let Request::Vote(asked) = request else { panic!("{request:?}") };
    assert!(!asked.topics[0].partitions[0].pre_vote);
    let actions = bench.respond(to, correlation, granted(2));
    assert_eq!(bench.raft.role(), RoleName::Leader);
    let leads = |action: &Action| match action {
        Action::PersistElection { state, .. } => state.leader == Some(1),
        _ => false,
    };
    let appended = place(&actions, |action| matches!(action, Action::Append { .. }));
    assert!(place(&actions, leads) < appended, "leadership is written before its first record");
    assert!(actions.contains(&Action::BecameLeader { epoch: 2, offset: 2 }));
    let begun = sends(&actions)
        .into_iter()
        .filter(|(_, _, request)| matches!(request, Request::BeginQuorumEpoch(_)));
    assert_eq!(begun.map(|(to, ..)| to).collect::<Vec<_>>(), [2, 3]);
}

#[test]
fn the_only_voter_elects_itself_at_once_and_commits_what_it_synced() {
    let (mut bench, actions) = Setup { voters: vec![1], ..Setup::default() }.start();
    assert_eq!((bench.raft.role(), bench.raft.epoch()), (RoleName::Leader, 1));
    assert!(!actions.iter().any(|action| matches!(action, Action::HighWatermark { .. })));
    assert!(bench.sync().contains(&Action::HighWatermark { offset: 1 }));
    assert_eq!(bench.raft.next_deadline(), None, "nobody can take leadership from it");
}

#[test]
fn a_lost_pre_vote_leads_back_to_the_leader_that_was_followed() {
    let mut bench = Setup::default().bench();
    bench.follow(2, 3);
    let actions = bench.wait(2000);
    assert_eq!((bench.raft.role(), bench.raft.leader()), (RoleName::Prospective, Some(2)));
    let (_, second, _) = to_node(&actions, 2);
    let (_, third, _) = to_node(&actions, 3);
    bench.respond(2, second, voted(3, Some(2), false));
    assert_eq!(bench.raft.role(), RoleName::Prospective, "one more voter may grant it");
    bench.respond(3, third, voted(3, Some(2), false));
    assert_eq!((bench.raft.role(), bench.raft.leader()), (RoleName::Follower, Some(2)));
    assert_eq!(bench.raft.epoch(), 3);
}

#[test]
fn a_candidate_that_lost_waits_for_its_time_and_asks_beforehand_again() {
    let mut bench = Setup::default().bench();
    while bench.raft.role() != RoleName::Prospective {
        bench.timer();
    }
    let actions = bench.fail(9, 9, Failure::Disconnected);
    assert_eq!(sends(&actions), [], "a failure that nobody waits for changes nothing");
    let mut bench = Setup::default().bench();
    let mut actions = bench.timer();
    while bench.raft.role() != RoleName::Prospective {
        actions = bench.timer();
    }
    let (to, correlation, _) = to_node(&actions, 2);
    let actions = bench.respond(to, correlation, granted(0));
    let (_, second, _) = to_node(&actions, 2);
    let (_, third, _) = to_node(&actions, 3);
    bench.respond(2, second, voted(1, None, false));
    bench.respond(3, third, voted(1, None, false));
    assert_eq!(bench.raft.role(), RoleName::Candidate);
    while bench.raft.role() == RoleName::Candidate {
        bench.timer();
    }
    assert_eq!((bench.raft.role(), bench.raft.epoch()), (RoleName::ProspectiveVoted, 1));
}

#[test]
fn a_voter_without_pre_votes_makes_the_node_a_candidate_at_once() {
    for top_level in [false, true] {
        let mut bench = Setup::default().bench();
        let mut actions = bench.timer();
        while bench.raft.role() != RoleName::Prospective {
            actions = bench.timer();
        }
        let (to, correlation, _) = to_node(&actions, 2);
        let actions = if top_level {
            let error_code = ErrorCode::UnsupportedVersion;
            let response = VoteResponse { error_code, ..VoteResponse::default() };
            bench.respond(to, correlation, Response::Vote(response))
        } else {
            bench.fail(to, correlation, Failure::UnsupportedVersion)
        };
        assert_eq!((bench.raft.role(), bench.raft.epoch()), (RoleName::Candidate, 1));
        assert_eq!(sends(&actions).len(), 2);
    }
}

#[test]
fn a_response_with_a_later_epoch_ends_a_candidacy() {
    for (leader, role) in [(None, RoleName::Unattached), (Some(3), RoleName::Follower)] {
        let mut bench = Setup::default().bench();
        let mut actions = bench.timer();
        while bench.raft.role() != RoleName::Prospective {
            actions = bench.timer();
        }
        let (to, correlation, _) = to_node(&actions, 2);
        bench.respond(to, correlation, voted(8, leader, false));
        assert_eq!((bench.raft.role(), bench.raft.epoch()), (role, 8));
        assert_eq!(bench.persisted.last().expect("it is written").epoch, 8);
    }
}

#[test]
fn election_timeouts_come_from_the_seed() {
    let deadline = || Setup::default().bench().raft.next_deadline();
    assert_eq!(deadline(), deadline());
}

#[test]
fn a_dead_leader_is_given_up_before_its_time() {
    for (id, turn) in [(1, 0), (3, 1)] {
        let mut bench = Setup { id, ..Setup::default() }.bench();
        let (correlation, _) = follow_2(&mut bench, id);
        let actions = bench.respond(2, correlation, Fetched::default().said_by(Some(2), 3));
        let (correlation, _) = sent_fetch(&actions);
        bench.now += 300;
        let mut actions = bench.fail(2, correlation, Failure::Disconnected);
        assert_eq!(bench.raft.role(), RoleName::Follower, "it may only have restarted");
        while bench.raft.role() == RoleName::Follower {
            let Some((to, correlation, _)) = sends(&actions).pop() else {
                actions = bench.timer();
                continue;
            };
            // The leader's machine is there, and nobody listens; the other voter is slow.
            let is_leader = to == 2 || to == -3;
            let failure = if is_leader { Failure::Refused } else { Failure::Disconnected };
            bench.now += 1;
            actions = bench.fail(to, correlation, failure);
        }
        assert_eq!(bench.raft.role(), RoleName::Prospective, "node {id}");
        let since = bench.now - 300;
        assert!((turn * 100..turn * 100 + 60).contains(&since), "after {since} ms");
    }
}

fn follow_2(bench: &mut Bench, id: i32) -> (u64, FetchRequest) {
    let mut request = epochs::begin(2, 3);
    request.voter_id = id;
    request.topics[0].partitions[0].voter_directory_id = directory(id);
    sent_fetch(&bench.ask(Request::BeginQuorumEpoch(request), 1))
}

#[test]
fn a_leader_that_is_slow_or_restarts_is_not_given_up() {
    let mut bench = Setup::default().bench();
    let (correlation, _) = bench.follow(2, 3);
    let actions = bench.respond(2, correlation, Fetched::default().said_by(Some(2), 3));
    let (correlation, _) = sent_fetch(&actions);
    // A refusal alone is no evidence.
    bench.fail(2, correlation, Failure::Refused);
    bench.wait(1000);
    assert_eq!(bench.raft.role(), RoleName::Follower);
    assert!(!bench.vote(vote_request(3, 3, (0, 0), true)).vote_granted);
}
