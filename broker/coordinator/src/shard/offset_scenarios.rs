//! Stories of offsets: who may commit, what is kept, and what goes when.

use protocol::ErrorCode::*;

use super::testing::{GROUP, Joining, World};
use super::{CommitPartition, CommitRequest, CommitTopic};

fn request(generation: i32, metadata: &str, retention_ms: Option<i64>) -> CommitRequest {
    CommitRequest {
        group_id: GROUP.to_owned(),
        generation,
        retention_ms,
        topics: vec![CommitTopic {
            name: "t".to_owned(),
            partitions: vec![CommitPartition {
                index: 0,
                offset: 7,
                leader_epoch: 3,
                metadata: metadata.to_owned(),
            }],
            ..CommitTopic::default()
        }],
        ..CommitRequest::default()
    }
}

#[test]
fn a_lone_consumer_makes_its_group_by_committing() {
    let mut world = World::new();
    assert_eq!(world.commit("", 3, 5), Err(IllegalGeneration));
    assert_eq!(world.state(), "Absent");
    assert_eq!(world.commit("", -1, 5), Ok(vec![vec![None]]));
    assert_eq!(world.state(), "Empty []");
    assert_eq!(world.committed(), Some(5));
    assert_eq!(world.commit("", 3, 6), Err(UnknownMemberId));
    world.restart();
    assert_eq!(world.committed(), Some(5));
}

#[test]
fn only_members_of_the_generation_commit_while_a_group_has_members() {
    let mut world = World::stable(&["a"]);
    assert_eq!(world.commit("a", 1, 5), Ok(vec![vec![None]]));
    assert_eq!(world.commit("a", 0, 6), Err(IllegalGeneration));
    assert_eq!(world.commit("x", 1, 6), Err(UnknownMemberId));
    assert_eq!(world.commit("", -1, 6), Err(UnknownMemberId));
    world.join(&Joining::member("a"));
    assert_eq!(world.commit("a", 2, 6), Err(RebalanceInProgress));
    assert_eq!(world.committed(), Some(5));
}

#[test]
fn a_commit_is_a_sign_of_life() {
    let mut world = World::stable(&["a"]);
    for offset in 0..4 {
        world.pass(9_000);
        assert_eq!(world.commit("a", 1, offset), Ok(vec![vec![None]]));
    }
    assert_eq!(world.state(), "Stable [a]");
}

#[test]
fn a_note_that_is_too_long_is_refused_alone() {
    let mut world = World::new();
    let mut commit = request(-1, "0123456789", Option::None);
    let mut second = commit.topics[0].partitions[0].clone();
    second.index = 1;
    second.metadata = "01234567890".to_owned();
    commit.topics[0].partitions.push(second);
    assert_eq!(world.commit_as(commit), Ok(vec![vec![None, OffsetMetadataTooLarge]]));
    let committed: Vec<_> =
        world.shard.all_committed(GROUP).map(|(topic, index, _)| (topic, index)).collect();
    assert_eq!(committed, [("t", 0)]);
}

#[test]
fn offsets_of_a_lone_consumer_expire_by_their_age_and_the_group_with_them() {
    let mut world = World::new();
    world.commit("", -1, 5).unwrap();
    world.pass(99_999);
    world.expire();
    assert_eq!(world.committed(), Some(5));
    world.pass(1);
    world.expire();
    assert_eq!((world.committed(), world.state().as_str()), (Option::None, "Absent"));
    world.restart();
    assert_eq!((world.committed(), world.state().as_str()), (Option::None, "Absent"));
}

#[test]
fn an_old_client_says_itself_how_long_an_offset_is_kept() {
    let mut world = World::new();
    world.commit_as(request(-1, "", Some(500))).unwrap();
    world.restart();
    world.pass(499);
    world.expire();
    assert_eq!(world.committed(), Some(7));
    world.pass(1);
    world.expire();
    assert_eq!(world.committed(), Option::None);
}

#[test]
fn offsets_of_a_group_with_members_wait_until_it_is_empty() {
    let mut world = World::stable(&["a"]);
    world.commit("a", 1, 5).unwrap();
    for _ in 0..20 {
        world.pass(9_000);
        assert_eq!(world.heartbeat("a", 1), None);
    }
    world.expire();
    assert_eq!(world.committed(), Some(5));
    world.leave(&[("a", "")]);
    world.pass(99_999);
    world.expire();
    assert_eq!(world.committed(), Some(5));
    world.pass(1);
    world.expire();
    assert_eq!((world.committed(), world.state().as_str()), (Option::None, "Absent"));
}

#[test]
fn only_an_empty_group_can_be_deleted_and_takes_its_offsets_along() {
    let mut world = World::stable(&["a"]);
    world.commit("a", 1, 5).unwrap();
    let outcome = world.shard.delete_group(GROUP);
    assert_eq!(world.apply(outcome), NonEmptyGroup);
    world.leave(&[("a", "")]);
    let outcome = world.shard.delete_group(GROUP);
    assert_eq!(world.apply(outcome), None);
    let outcome = world.shard.delete_group(GROUP);
    assert_eq!(world.apply(outcome), GroupIdNotFound);
    world.restart();
    assert_eq!((world.committed(), world.state().as_str()), (Option::None, "Absent"));
}

#[test]
fn offsets_of_topics_that_a_group_may_read_are_not_deleted() {
    let mut world = World::stable(&["a"]);
    world.commit("a", 1, 5).unwrap();
    let topics = [("t".to_owned(), vec![0, 1])];
    let outcome = world.shard.delete_offsets(GROUP, &topics);
    // The members' metadata is not of a consumer's making: what they read is unknown.
    assert_eq!(world.apply(outcome), Ok(vec![vec![GroupSubscribedToTopic; 2]]));
    world.leave(&[("a", "")]);
    let outcome = world.shard.delete_offsets(GROUP, &topics);
    assert_eq!(world.apply(outcome), Ok(vec![vec![None; 2]]));
    assert_eq!(world.committed(), Option::None);
    let outcome = world.shard.delete_offsets("nobody", &topics);
    assert_eq!(world.apply(outcome), Err(GroupIdNotFound));
}

#[test]
fn offsets_of_a_deleted_topic_go() {
    let mut world = World::new();
    world.commit("", -1, 5).unwrap();
    let outcome = world.shard.forget_topics(&["other".to_owned()]);
    world.apply(outcome);
    assert_eq!(world.committed(), Some(5));
    let outcome = world.shard.forget_topics(&["t".to_owned()]);
    world.apply(outcome);
    assert_eq!(world.committed(), Option::None);
}
