use protocol::messages::alter_partition_reassignments_request::{
    ReassignablePartition, ReassignableTopic,
};
use protocol::messages::list_partition_reassignments_request::ListPartitionReassignmentsTopics;
use protocol::messages::{
    AlterPartitionReassignmentsRequest, AssignReplicasToDirsRequest, ElectLeadersRequest,
    ListPartitionReassignmentsRequest, assign_replicas_to_dirs_request, elect_leaders_request,
};

use super::*;

fn reassign(world: &mut World, replicas: Option<&[i32]>) -> (ErrorCode, Option<String>) {
    reassign_as(world, "t", 0, replicas, true)
}

fn reassign_as(
    world: &mut World,
    name: &str,
    partition_index: i32,
    replicas: Option<&[i32]>,
    allow_replication_factor_change: bool,
) -> (ErrorCode, Option<String>) {
    let replicas = replicas.map(<[i32]>::to_vec);
    let partitions = vec![ReassignablePartition { partition_index, replicas }];
    let request = AlterPartitionReassignmentsRequest {
        allow_replication_factor_change,
        topics: vec![ReassignableTopic { name: name.to_owned(), partitions }],
        ..Default::default()
    };
    let mut outcome = world.decide(|view| alter_partition_reassignments(view, &request));
    let answer = outcome.response.responses.remove(0).partitions.remove(0);
    assert!(answer.error_code == ErrorCode::None || outcome.records.is_empty());
    (answer.error_code, answer.error_message)
}

fn assignment(world: &World) -> (Vec<i32>, Vec<i32>, Vec<i32>) {
    let one = world.partition(0);
    (one.replicas.clone(), one.adding_replicas.clone(), one.removing_replicas.clone())
}

const DONE: (ErrorCode, Option<String>) = (ErrorCode::None, None);

#[test]
fn replicas_are_added_and_removed_and_the_move_can_change_or_end() {
    let mut world = World::with_brokers(5, true);
    world.create_topic(&[&[1, 2], &[1, 2]]);
    assert_eq!(reassign(&mut world, Some(&[3, 4])), DONE);
    assert_eq!(assignment(&world), (vec![3, 4, 1, 2], vec![3, 4], vec![1, 2]));
    assert_eq!(world.partition(0).directories, [dir(3), dir(4), dir(1), dir(2)]);

    let all = ListPartitionReassignmentsRequest::default();
    let listed = list_partition_reassignments(&world.image, &all);
    assert_eq!((listed.topics.len(), listed.topics[0].partitions.len()), (1, 1));
    assert_eq!(listed.topics[0].partitions[0].adding_replicas, [3, 4]);
    for (name, indexes, expected) in [("t", vec![1, 7], 0), ("x", vec![0], 0), ("t", vec![0], 1)] {
        let topic =
            ListPartitionReassignmentsTopics { name: name.to_owned(), partition_indexes: indexes };
        let some = ListPartitionReassignmentsRequest { topics: Some(vec![topic]), ..all.clone() };
        assert_eq!(list_partition_reassignments(&world.image, &some).topics.len(), expected);
    }

    assert_eq!(reassign(&mut world, Some(&[4, 5])), DONE);
    assert_eq!(assignment(&world), (vec![4, 5, 1, 2], vec![4, 5], vec![1, 2]));
    assert_eq!(reassign(&mut world, None), DONE);
    assert_eq!(assignment(&world), (vec![1, 2], vec![], vec![]));
    let refused = reassign(&mut world, None);
    let text = "No partition reassignment is in progress.".to_owned();
    assert_eq!(refused, (ErrorCode::NoReassignmentInProgress, Some(text)));
}

#[test]
fn going_back_to_the_first_assignment_is_complete_at_once() {
    let mut world = World::with_brokers(3, false);
    world.create_topic(&[&[1, 2]]);
    reassign(&mut world, Some(&[1, 3]));
    assert_eq!(reassign(&mut world, Some(&[1, 2])), DONE);
    assert_eq!(assignment(&world), (vec![1, 2], vec![], vec![]));
}

#[test]
fn fewer_replicas_are_enough_when_those_that_stay_are_in_sync() {
    let mut world = World::with_brokers(3, false);
    world.create_topic(&[&[1, 2, 3]]);
    world.only_hear(&[1, 3]);
    assert_eq!(reassign(&mut world, Some(&[1, 2])), DONE);
    assert_eq!(assignment(&world), (vec![1, 2, 3], vec![], vec![3]));
    assert_eq!(reassign(&mut world, Some(&[3])), DONE);
    assert_eq!(assignment(&world), (vec![3], vec![], vec![]));
    assert_eq!(world.state(0).0, 3, "the leader was removed");
}

#[test]
fn a_reassignment_that_can_not_be_is_refused_with_a_reason() {
    let mut world = World::with_brokers(3, false);
    world.create_topic(&[&[1, 2]]);
    let invalid = ErrorCode::InvalidReplicaAssignment;
    let unknown = ErrorCode::UnknownTopicOrPartition;
    let what = "The manual partition assignment includes";
    type Case = (&'static str, i32, &'static [i32], bool, ErrorCode, String);
    let cases: [Case; 6] = [
        ("x", 0, &[1], true, unknown, "Unable to find a topic named x.".to_owned()),
        ("t", 3, &[1], true, unknown, "Unable to find partition t:3.".to_owned()),
        ("t", 0, &[], true, invalid, format!("{what} an empty replica list.")),
        ("t", 0, &[1, 1], true, invalid, format!("{what} the broker 1 more than once.")),
        (
            "t",
            0,
            &[9],
            true,
            invalid,
            format!("{what} broker 9, but no such broker is registered."),
        ),
        (
            "t",
            0,
            &[1],
            false,
            ErrorCode::InvalidReplicationFactor,
            "The replication factor is changed from 2 to 1".to_owned(),
        ),
    ];
    for (name, index, replicas, may_resize, code, message) in cases {
        let found = reassign_as(&mut world, name, index, Some(replicas), may_resize);
        assert_eq!(found, (code, Some(message)));
    }
    assert_eq!(reassign_as(&mut world, "t", 0, Some(&[3, 2]), false), DONE);
}

fn elect(world: &mut World, election_type: i8, partitions: Option<&[i32]>) -> Vec<ErrorCode> {
    let named = partitions.map(|partitions| {
        let (topic, partitions) = ("t".to_owned(), partitions.to_vec());
        vec![elect_leaders_request::TopicPartitions { topic, partitions }]
    });
    let request =
        ElectLeadersRequest { election_type, topic_partitions: named, ..Default::default() };
    let response = world.decide(|view| elect_leaders(view, &request)).response;
    let results = response.replica_election_results.iter().flat_map(|one| &one.partition_result);
    results.map(|one| one.error_code).collect()
}

#[test]
fn preferred_leaders_are_elected_by_hand_and_by_themselves() {
    let mut world = World::with_brokers(2, false);
    world.create_topic(&[&[1, 2], &[1, 2], &[2, 1]]);
    world.only_hear(&[2]);
    let code = ErrorCode::PreferredLeaderNotAvailable;
    assert_eq!(elect(&mut world, 0, None), [code, code]);
    let epoch = world.image.broker(1).unwrap().epoch;
    world.start_broker(1);
    assert_eq!(world.image.broker(1).unwrap().epoch, epoch);
    assert_eq!(elect(&mut world, 0, Some(&[0])), [code], "it is not in sync");
    let records: Vec<MetadataRecord> = (0..2)
        .map(|partition_id| {
            let isr = Some(vec![2, 1]);
            let (topic_id, leader) = (TOPIC, -2);
            MetadataRecord::PartitionChange(protocol::messages::PartitionChangeRecord {
                partition_id,
                topic_id,
                isr,
                leader,
                ..Default::default()
            })
        })
        .collect();
    world.commit(&records);
    let wanted = [0, 0, 2, 7];
    let codes = elect(&mut world, 0, Some(&wanted));
    let not_needed = ErrorCode::ElectionNotNeeded;
    let expected = [ErrorCode::None, not_needed, not_needed, ErrorCode::UnknownTopicOrPartition];
    assert_eq!(codes, expected);
    assert_eq!(world.state(0), (1, vec![2, 1], 2, 3));
    assert_eq!(world.decide(rebalance_leaders).records.len(), 1);
    assert_eq!(world.state(1).0, 1);
    assert!(world.decide(rebalance_leaders).records.is_empty());
}

#[test]
fn unclean_leaders_are_elected_by_hand_and_where_topics_allow_it() {
    let mut world = World::with_brokers(2, false);
    world.create_topic(&[&[1, 2], &[2, 1]]);
    world.only_hear(&[1]);
    world.only_hear(&[]);
    assert_eq!(elect(&mut world, 1, Some(&[0])), [ErrorCode::EligibleLeadersNotAvailable]);
    let request = world.beat(2);
    world.heartbeat(&request);
    assert!(world.decide(elect_unclean_leaders).records.is_empty());
    let key = "unclean.leader.election.enable";
    world.set_config(ConfigResource::Topic, "t", key, "true");
    assert_eq!(elect(&mut world, 1, Some(&[0])), [ErrorCode::None]);
    assert_eq!(world.state(0).0, 2);
    assert_eq!(world.decide(elect_unclean_leaders).records.len(), 1);
    assert_eq!(elect(&mut world, 1, None), []);
    assert_eq!(elect(&mut world, 5, None), []);
}

#[test]
fn replicas_are_assigned_to_log_dirs_and_leave_those_that_failed() {
    let mut world = World::with_brokers(2, true);
    world.create_topic(&[&[1, 2], &[2]]);
    let failed = Uuid::from_u128(0xDEAD);
    let ask = |world: &mut World, broker_id: i32, id: Uuid, partitions: &[i32]| {
        let partitions = partitions.iter().map(|index| {
            assign_replicas_to_dirs_request::PartitionData { partition_index: *index }
        });
        let topic = assign_replicas_to_dirs_request::TopicData {
            topic_id: TOPIC,
            partitions: partitions.collect(),
        };
        let directories =
            vec![assign_replicas_to_dirs_request::DirectoryData { id, topics: vec![topic] }];
        let broker_epoch = world.image.broker(broker_id).map_or(-1, |broker| broker.epoch);
        let request = AssignReplicasToDirsRequest { broker_id, broker_epoch, directories };
        let response = world.decide(|view| assign_replicas_to_dirs(view, &request)).response;
        let dirs = response.directories.iter().flat_map(|dir| &dir.topics);
        let codes = dirs.flat_map(|topic| &topic.partitions).map(|one| one.error_code);
        (response.error_code, codes.collect::<Vec<_>>())
    };
    let expected =
        vec![ErrorCode::None, ErrorCode::NotLeaderOrFollower, ErrorCode::UnknownTopicOrPartition];
    assert_eq!(ask(&mut world, 1, dir(1), &[0, 1, 2]), (ErrorCode::None, expected));
    assert_eq!(world.state(0), (1, vec![1, 2], 0, 0), "it is there already");
    assert_eq!(ask(&mut world, 1, failed, &[0]), (ErrorCode::None, vec![ErrorCode::None]));
    assert_eq!((world.state(0).0, world.state(0).1), (2, vec![2]));
    assert_eq!(world.partition(0).directories, [failed, dir(2)]);
    assert_eq!(ask(&mut world, 9, failed, &[0]).0, ErrorCode::StaleBrokerEpoch);
    let mut old = World::new(MetadataVersion::V3_6_IV2, false);
    assert_eq!(ask(&mut old, 1, failed, &[0]).0, ErrorCode::UnsupportedVersion);
}

#[test]
fn a_broker_of_very_many_partitions_is_fenced_in_several_decisions_and_no_request_is_as_large() {
    let mut world = World::with_brokers(2, false);
    let replicas: &[i32] = &[1, 2];
    world.create_topic(&vec![replicas; 10_500]);
    world.elapsed_ms += TIMEOUT_MS / 2;
    let alive = world.beat(2);
    world.heartbeat(&alive);
    world.elapsed_ms += TIMEOUT_MS / 2;
    let decided = [10_000, 501, 0].map(|expected| {
        assert_eq!(world.decide(tick).records.len(), expected);
        world.image.broker(1).unwrap().fenced
    });
    assert_eq!(decided, [false, true, true]);
    assert!((0..10_500).all(|index| world.partition(index).leader == 2));

    let partitions = (0..10_500).map(|partition_index| {
        let replicas = Some(vec![2, 1]);
        ReassignablePartition { partition_index, replicas }
    });
    let topic = ReassignableTopic { name: "t".to_owned(), partitions: partitions.collect() };
    let request = AlterPartitionReassignmentsRequest { topics: vec![topic], ..Default::default() };
    let outcome = world.decide(|view| alter_partition_reassignments(view, &request));
    assert_eq!(outcome.response.error_code, ErrorCode::PolicyViolation);
    assert_eq!((outcome.records.len(), outcome.response.responses.len()), (0, 0));
}

#[test]
fn a_broker_without_a_session_gets_one_at_once() {
    let mut world = World::with_brokers(1, false);
    world.liveness = Liveness::default();
    assert_eq!(world.liveness.next_deadline(&world.image, TIMEOUT_MS), Some(i64::MIN));
    assert!(world.decide(tick).records.is_empty());
    let deadline = world.elapsed_ms + TIMEOUT_MS;
    assert_eq!(world.liveness.next_deadline(&world.image, TIMEOUT_MS), Some(deadline));
}
