//! Stories of members: what each is told, and in which state the group is.

use protocol::ErrorCode::*;
use protocol::messages::sync_group_request::SyncGroupRequest;

use super::testing::{GROUP, Joining, World, settings};
use crate::Settings;

#[test]
fn a_first_member_is_given_an_id_then_joins_leads_and_assigns() {
    let mut world = World::new();
    world.join(&Joining::new("a"));
    assert_eq!(world.answers(), ["1: MEMBER_ID_REQUIRED a"]);
    assert_eq!(world.state(), "Empty []");
    world.join(&Joining::member("a"));
    assert_eq!(world.state(), "PreparingRebalance [a]");
    world.pass(2_999);
    assert_eq!(world.answers(), [""; 0]);
    world.pass(1);
    assert_eq!(world.answers(), ["2: a leads [a] in 1 by range"]);
    assert_eq!(world.state(), "CompletingRebalance [a]");
    world.sync("a", 1, &["a"]);
    assert_eq!(world.answers(), ["3: part of a"]);
    assert_eq!(world.state(), "Stable [a]");
    assert_eq!(world.heartbeat("a", 1), None);
}

#[test]
fn the_initial_wait_is_prolonged_for_each_newcomer_but_not_beyond_the_rebalance_timeout() {
    let mut world = World::new();
    world.join(&Joining::old("a").timeouts(10_000, 7_000));
    for (number, member) in ["b", "c", "d"].iter().enumerate() {
        world.pass(2_000);
        world.join(&Joining::old(member).timeouts(10_000, 7_000));
        assert_eq!(world.answers(), [""; 0], "after {number} more");
    }
    world.pass(999);
    assert_eq!(world.answers(), [""; 0]);
    world.pass(1);
    let answers = world.answers();
    assert_eq!(answers.len(), 4, "{answers:?}");
    assert_eq!(answers[0], "1: a leads [a b c d] in 1 by range");
    assert_eq!(answers[3], "4: d follows a in 1 by range");
}

#[test]
fn a_newcomer_to_a_stable_group_is_answered_when_all_have_joined_again() {
    let mut world = World::stable(&["a"]);
    world.join(&Joining::old("b"));
    assert_eq!(world.state(), "PreparingRebalance [a b]");
    assert_eq!(world.heartbeat("a", 1), RebalanceInProgress);
    world.join(&Joining::member("a"));
    assert_eq!(world.answers(), ["4: a leads [a b] in 2 by range", "3: b follows a in 2 by range"]);
    world.sync("b", 2, &[]);
    assert_eq!(world.answers(), [""; 0]);
    world.sync("a", 2, &["a", "b"]);
    assert_eq!(world.answers(), ["6: part of a", "5: part of b"]);
    assert_eq!(world.state(), "Stable [a b]");
}

#[test]
fn who_does_not_join_again_in_time_is_out_and_another_leads() {
    let mut world = World::stable(&["a", "b"]);
    world.join(&Joining::member("b").protocols(&["range", "sticky"]));
    for _ in 0..2 {
        // The leader is alive, but slow.
        world.pass(9_000);
        assert_eq!(world.heartbeat("a", 1), RebalanceInProgress);
    }
    world.pass(2_000);
    assert_eq!(world.answers(), ["5: b leads [b] in 2 by range"]);
    assert_eq!(world.heartbeat("a", 2), UnknownMemberId);
}

#[test]
fn a_member_that_falls_silent_is_out_when_its_session_ends() {
    let mut world = World::stable(&["a", "b"]);
    world.pass(9_999);
    assert_eq!(world.heartbeat("a", 1), None);
    assert_eq!(world.state(), "Stable [a b]");
    world.pass(1);
    assert_eq!(world.state(), "PreparingRebalance [a]");
    world.join(&Joining::member("a"));
    assert_eq!(world.answers(), ["5: a leads [a] in 2 by range"]);
}

#[test]
fn a_group_whose_members_all_left_is_empty_and_keeps_its_generation() {
    let mut world = World::stable(&["a", "b"]);
    assert_eq!(world.leave(&[("a", ""), ("b", ""), ("c", "")]), [None, None, UnknownMemberId]);
    assert_eq!(world.state(), "Empty []");
    world.restart();
    world.join(&Joining::old("d"));
    world.pass(3_000);
    assert_eq!(world.answers(), ["5: d leads [d] in 3 by range"]);
}

#[test]
fn requests_with_wrong_generations_members_or_protocols_are_refused() {
    let mut world = World::stable(&["a"]);
    assert_eq!(world.heartbeat("a", 0), IllegalGeneration);
    assert_eq!(world.heartbeat("x", 1), UnknownMemberId);
    world.sync("a", 2, &[]);
    world.sync("x", 1, &[]);
    let other = |kind: &str, name: &str| SyncGroupRequest {
        group_id: GROUP.to_owned(),
        generation_id: 1,
        member_id: "a".to_owned(),
        protocol_type: Some(kind.to_owned()),
        protocol_name: Some(name.to_owned()),
        ..SyncGroupRequest::default()
    };
    world.sync_as(other("connect", "range"));
    world.sync_as(other("consumer", "sticky"));
    world.sync_as(other("consumer", "range"));
    world.join(&Joining::member("x"));
    world.join(&Joining::new("y").protocols(&["sticky"]));
    world.join(&Joining::new("y").protocols(&[]));
    world.join(&Joining::new("y").timeouts(5_999, 10_000));
    world.join(&Joining::new("y").timeouts(1_800_001, 10_000));
    assert_eq!(
        world.answers(),
        [
            "3: ILLEGAL_GENERATION",
            "4: UNKNOWN_MEMBER_ID",
            "5: INCONSISTENT_GROUP_PROTOCOL",
            "6: INCONSISTENT_GROUP_PROTOCOL",
            "7: part of a",
            "8: UNKNOWN_MEMBER_ID x",
            "9: INCONSISTENT_GROUP_PROTOCOL",
            "10: INCONSISTENT_GROUP_PROTOCOL",
            "11: INVALID_SESSION_TIMEOUT",
            "12: INVALID_SESSION_TIMEOUT",
        ]
    );
    assert_eq!(world.state(), "Stable [a]");
}

#[test]
fn the_protocol_that_most_prefer_among_those_known_to_all_is_taken() {
    let mut world = World::new();
    world.join(&Joining::old("a").protocols(&["best", "range", "sticky"]));
    world.join(&Joining::old("b").protocols(&["sticky", "range"]));
    world.join(&Joining::old("c").protocols(&["sticky", "other", "range"]));
    world.pass(20_000);
    assert_eq!(
        world.answers(),
        [
            "1: a leads [a b c] in 1 by sticky",
            "2: b follows a in 1 by sticky",
            "3: c follows a in 1 by sticky",
        ]
    );
}

#[test]
fn a_follower_that_joins_again_unchanged_disturbs_nobody_but_a_leader_does() {
    let mut world = World::stable(&["a", "b"]);
    world.join(&Joining::member("b"));
    assert_eq!(world.answers(), ["5: b follows a in 1 by range"]);
    assert_eq!(world.state(), "Stable [a b]");
    world.join(&Joining::member("a"));
    assert_eq!(world.state(), "PreparingRebalance [a b]");
    world.join(&Joining::member("b"));
    world.join(&Joining::member("b"));
    assert_eq!(
        world.answers(),
        [
            "6: a leads [a b] in 2 by range",
            "7: b follows a in 2 by range",
            "8: b follows a in 2 by range",
        ]
    );
}

#[test]
fn members_that_wait_for_a_sync_are_sent_back_when_somebody_joins() {
    let mut world = World::stable(&["a", "b"]);
    world.join(&Joining::member("a"));
    world.join(&Joining::member("b"));
    world.sync("b", 2, &[]);
    world.answers();
    world.join(&Joining::old("c"));
    assert_eq!(world.answers(), ["7: REBALANCE_IN_PROGRESS"]);
    assert_eq!(world.state(), "PreparingRebalance [a b c]");
}

#[test]
fn members_that_never_sync_are_out_when_the_time_for_it_is_over() {
    let mut world = World::stable(&["a", "b"]);
    world.join(&Joining::member("a"));
    world.join(&Joining::member("b"));
    world.sync("a", 2, &["a"]);
    world.answers();
    for _ in 0..2 {
        world.pass(9_000);
        assert_eq!(world.heartbeat("a", 2), None);
        assert_eq!(world.heartbeat("b", 2), None);
    }
    world.pass(2_000);
    assert_eq!(world.state(), "PreparingRebalance [a]");
}

#[test]
fn a_pending_member_holds_up_the_rebalance_until_it_comes_or_its_session_ends() {
    let mut world = World::stable(&["a"]);
    world.join(&Joining::new("b").timeouts(6_000, 20_000));
    assert_eq!(world.answers(), ["3: MEMBER_ID_REQUIRED b"]);
    assert_eq!(world.state(), "Stable [a]");
    world.join(&Joining::member("a"));
    assert_eq!(world.answers(), [""; 0]);
    world.pass(6_000);
    assert_eq!(world.answers(), ["4: a leads [a] in 2 by range"]);
}

#[test]
fn a_static_member_that_comes_back_gets_its_place_without_a_rebalance() {
    let mut world = World::new();
    world.join(&Joining::old("a").instance("one"));
    world.join(&Joining::old("b").instance("two"));
    world.pass(6_000);
    world.sync("b", 1, &[]);
    world.sync("a", 1, &["a", "b"]);
    world.answers();
    world.join(&Joining::new("b2").instance("two"));
    assert_eq!(world.answers(), ["5: b2 follows a in 1 by range"]);
    assert_eq!(world.state(), "Stable [a b2]");
    assert_eq!(world.heartbeat_as("b", Some("two"), 1), FencedInstanceId);
    assert_eq!(world.heartbeat_as("b2", Some("two"), 1), None);
    world.sync("b2", 1, &[]);
    assert_eq!(world.answers(), ["6: part of b"]);
    assert_eq!(world.leave(&[("", "two"), ("", "three")]), [None, UnknownMemberId]);
    assert_eq!(world.state(), "PreparingRebalance [a]");
}

#[test]
fn a_static_leader_that_comes_back_leads_on_but_assigns_nothing() {
    let leader = |can_skip| {
        let mut world = World::new();
        world.join(&Joining::old("a").instance("one"));
        world.pass(3_000);
        world.sync("a", 1, &["a"]);
        world.answers();
        let mut again = Joining::new("a2").instance("one");
        again.context.can_skip_assignment = can_skip;
        world.join(&again);
        assert_eq!(world.state(), "Stable [a2]");
        world.answers()
    };
    assert_eq!(leader(true), ["3: a2 leads [a2] in 1 by range, nothing to assign"]);
    assert_eq!(leader(false), ["3: a2 follows a in 1 by range"]);
}

#[test]
fn a_static_member_whose_new_id_cannot_be_written_keeps_the_former_one() {
    let mut world = World::new();
    world.join(&Joining::old("a").instance("one"));
    world.pass(3_000);
    world.sync("a", 1, &["a"]);
    world.answers();
    world.refuse_appends = true;
    world.join(&Joining::new("a2").instance("one"));
    assert_eq!(world.answers(), ["3: not written"]);
    assert_eq!(world.state(), "Stable [a]");
    assert_eq!(world.heartbeat_as("a", Some("one"), 1), None);
    assert_eq!(world.heartbeat_as("a2", Some("one"), 1), FencedInstanceId);
    world.refuse_appends = false;
    world.join(&Joining::new("a3").instance("one"));
    assert_eq!(world.answers(), ["4: a3 follows a in 1 by range"]);
    assert_eq!(world.state(), "Stable [a3]");
    assert_eq!(world.heartbeat_as("a", Some("one"), 1), FencedInstanceId);
}

#[test]
fn the_session_of_a_former_id_that_holds_on_still_ends() {
    let mut world = World::new();
    world.join(&Joining::old("a").instance("one"));
    world.pass(3_000);
    world.sync("a", 1, &["a"]);
    world.refuse_appends = true;
    world.join(&Joining::new("a2").instance("one"));
    world.refuse_appends = false;
    world.pass(1_000_000);
    assert_eq!(world.state(), "Empty []");
}

#[test]
fn a_static_member_that_comes_back_with_another_protocol_causes_a_rebalance() {
    let mut world = World::new();
    world.join(&Joining::old("a").instance("one").protocols(&["range", "sticky"]));
    world.pass(3_000);
    world.sync("a", 1, &["a"]);
    world.answers();
    world.join(&Joining::new("a2").instance("one").protocols(&["sticky"]));
    assert_eq!(world.answers(), ["3: a2 leads [a2] in 2 by sticky"]);
}

#[test]
fn a_waiting_static_member_is_fenced_by_its_successor() {
    let mut world = World::new();
    world.join(&Joining::old("a").instance("one"));
    world.join(&Joining::new("a2").instance("one"));
    assert_eq!(world.answers(), ["1: FENCED_INSTANCE_ID a"]);
    world.pass(20_000);
    assert_eq!(world.answers(), ["2: a2 leads [a2] in 1 by range"]);
}

#[test]
fn a_static_member_that_is_away_during_a_rebalance_stays_until_its_session_ends() {
    let mut world = World::new();
    world.join(&Joining::old("a").instance("one").timeouts(60_000, 20_000));
    world.join(&Joining::old("b").timeouts(60_000, 20_000));
    world.pass(20_000);
    world.sync("b", 1, &[]);
    world.sync("a", 1, &["a", "b"]);
    world.answers();
    world.join(&Joining::member("b").protocols(&["range", "sticky"]));
    world.pass(20_000);
    assert_eq!(world.answers(), ["5: b leads [a b] in 2 by range"]);
    assert_eq!(world.state(), "CompletingRebalance [a b]");
}

#[test]
fn a_full_group_takes_no_more_members() {
    let mut world = World::with(Settings { max_size: 2, ..settings() });
    for member in ["a", "b", "c"] {
        world.join(&Joining::old(member));
    }
    assert_eq!(world.answers(), ["3: GROUP_MAX_SIZE_REACHED"]);
    world.pass(6_000);
    world.join(&Joining::new("d"));
    assert_eq!(world.answers()[2..], ["4: GROUP_MAX_SIZE_REACHED"]);
}

#[test]
fn a_member_lost_before_its_first_answer_is_out_after_five_minutes() {
    let mut world = World::stable(&["a"]);
    world.join(&Joining::old("b").timeouts(10_000, 1_000_000));
    for _ in 0..33 {
        world.pass(9_000);
        assert_eq!(world.heartbeat("a", 1), RebalanceInProgress);
    }
    assert_eq!(world.state(), "PreparingRebalance [a b]");
    world.pass(3_000);
    assert_eq!(world.answers(), ["3: UNKNOWN_MEMBER_ID"]);
    assert_eq!(world.state(), "PreparingRebalance [a]");
}

#[test]
fn a_restarted_broker_knows_members_assignments_and_sessions() {
    let mut world = World::stable(&["a", "b"]);
    world.restart();
    assert_eq!(world.state(), "Stable [a b]");
    world.sync("b", 1, &[]);
    assert_eq!(world.answers(), ["5: part of b"]);
    assert_eq!(world.heartbeat("a", 1), None);
    world.pass(10_000);
    assert_eq!(world.state(), "Empty []");
}

#[test]
fn a_log_that_refuses_records_leaves_members_to_try_again() {
    let mut world = World::new();
    world.refuse_appends = true;
    world.join(&Joining::old("a"));
    assert_eq!(world.answers(), [""; 0]);
    world.pass(3_000);
    assert_eq!(world.answers(), ["1: a leads [a] in 1 by range"]);
    world.sync("a", 1, &["a"]);
    assert_eq!(world.answers(), ["2: not written"]);
    assert_eq!(world.state(), "CompletingRebalance [a]");
    world.refuse_appends = false;
    world.sync("a", 1, &["a"]);
    assert_eq!(world.answers(), ["3: part of a"]);
    assert_eq!(world.state(), "Stable [a]");
}

#[test]
fn a_thousand_members_join_in_one_rebalance() {
    let mut world = World::new();
    let ids: Vec<String> = (0..1_000).map(|number| format!("m{number:04}")).collect();
    for id in &ids {
        world.join(&Joining::new(id));
        world.join(&Joining::member(id));
    }
    world.answers();
    world.pass(20_000);
    let answers = world.answers();
    assert_eq!(answers.len(), 1_000);
    assert!(answers.iter().all(|answer| answer.contains(" in 1 by range")));
    let members: Vec<&str> = ids.iter().map(String::as_str).collect();
    for id in members.iter().rev() {
        world.sync(id, 1, &members);
    }
    assert_eq!(world.answers().len(), 1_000);
    assert_eq!(world.log.len(), 2, "the group's birth, and its first generation");
}

#[test]
fn a_clock_that_is_set_forward_or_back_ends_no_session_and_prolongs_none() {
    for set_by_ms in [365 * 24 * 3_600_000, -365 * 24 * 3_600_000] {
        let mut world = World::stable(&["a"]);
        world.set_by_ms = set_by_ms;
        world.pass(9_000);
        assert_eq!(world.heartbeat("a", 1), None);
        world.pass(9_999);
        assert_eq!(world.state(), "Stable [a]");
        world.pass(1);
        assert_eq!(world.state(), "Empty []", "set by {set_by_ms} ms");
    }
}

#[test]
fn a_join_phase_lasts_as_long_as_it_may_whatever_the_clock_is_set_to() {
    let mut world = World::new();
    world.join(&Joining::old("a"));
    world.set_by_ms = -1_000_000;
    world.pass(2_999);
    assert_eq!(world.answers(), [""; 0]);
    world.pass(1);
    assert_eq!(world.answers(), ["1: a leads [a] in 1 by range"]);
}

#[test]
fn sixty_thousand_protocol_names_are_counted_once_each() {
    let mut world = World::new();
    let names: Vec<String> = (0..60_000).map(|number| format!("p{}", number % 30_000)).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    for member in ["a", "b"] {
        world.join(&Joining::old(member).protocols(&names));
    }
    world.pass(6_000);
    assert_eq!(world.answers()[0], "1: a leads [a b] in 1 by p0");
    world.leave(&[("a", "")]);
    world.join(&Joining::member("b").protocols(&["p29999"]));
    assert_eq!(world.answers(), ["3: b leads [b] in 2 by p29999"]);
}
