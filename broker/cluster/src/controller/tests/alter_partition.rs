use protocol::messages::alter_partition_request::{BrokerState, PartitionData, TopicData};
use protocol::messages::{
    AlterPartitionReassignmentsRequest, AlterPartitionRequest,
    alter_partition_reassignments_request, alter_partition_response,
};

use super::*;

fn request(world: &World, broker_id: i32, isr: &[i32]) -> AlterPartitionRequest {
    let (partition, epoch) = (world.partition(0), |id| world.image.broker(id).map(|one| one.epoch));
    let members =
        isr.iter().map(|id| BrokerState { broker_id: *id, broker_epoch: epoch(*id).unwrap_or(-1) });
    let data = PartitionData {
        partition_index: 0,
        leader_epoch: partition.leader_epoch,
        new_isr_with_epochs: members.collect(),
        leader_recovery_state: 0,
        partition_epoch: partition.partition_epoch,
        ..PartitionData::default()
    };
    AlterPartitionRequest {
        broker_id,
        broker_epoch: epoch(broker_id).unwrap_or(-1),
        topics: vec![TopicData { topic_id: TOPIC, partitions: vec![data] }],
    }
}

fn ask(
    world: &mut World,
    request: &AlterPartitionRequest,
) -> alter_partition_response::PartitionData {
    let mut response = world.decide(|view| alter_partition(view, request)).response;
    assert_eq!(response.error_code, ErrorCode::None);
    response.topics.remove(0).partitions.remove(0)
}

#[test]
fn the_leader_shrinks_and_grows_the_isr() {
    let mut world = World::with_brokers(3, false);
    world.create_topic(&[&[1, 2, 3]]);
    for (epoch, isr) in [(1, vec![1]), (2, vec![1, 3])] {
        let request = request(&world, 1, &isr);
        let answer = ask(&mut world, &request);
        let expected = alter_partition_response::PartitionData {
            leader_id: 1,
            isr: isr.clone(),
            partition_epoch: epoch,
            ..Default::default()
        };
        assert_eq!((answer, world.state(0)), (expected, (1, isr, 0, epoch)));
    }
    let mut same = request(&world, 1, &[1, 3]);
    let answer = ask(&mut world, &same);
    assert_eq!(
        (answer.error_code, answer.partition_epoch),
        (ErrorCode::None, 2),
        "nothing changes"
    );
    let data = &mut same.topics[0].partitions[0];
    data.new_isr_with_epochs.clear();
    data.new_isr = vec![1, 2];
    assert_eq!(ask(&mut world, &same).isr, [1, 2], "version 2 names no epochs");
}

#[test]
fn what_was_decided_on_an_older_state_is_refused() {
    type Spoil = fn(&mut AlterPartitionRequest);
    fn data(one: &mut AlterPartitionRequest) -> &mut PartitionData {
        &mut one.topics[0].partitions[0]
    }
    let cases: [(Spoil, ErrorCode); 14] = [
        (|one| one.topics[0].topic_id = Uuid::from_u128(5), ErrorCode::UnknownTopicId),
        (|one| data(one).partition_index = 1, ErrorCode::UnknownTopicOrPartition),
        (|one| data(one).leader_epoch += 1, ErrorCode::NotController),
        (|one| data(one).partition_epoch += 1, ErrorCode::NotController),
        (|one| data(one).leader_epoch -= 1, ErrorCode::FencedLeaderEpoch),
        (|one| data(one).partition_epoch -= 1, ErrorCode::InvalidUpdateVersion),
        (|one| data(one).new_isr_with_epochs[1].broker_id = 7, ErrorCode::InvalidRequest),
        (|one| data(one).new_isr_with_epochs[1].broker_id = 1, ErrorCode::InvalidRequest),
        (
            |one| data(one).new_isr_with_epochs.retain(|one| one.broker_id == 2),
            ErrorCode::InvalidRequest,
        ),
        (|one| data(one).leader_recovery_state = 1, ErrorCode::InvalidRequest),
        (|one| data(one).leader_recovery_state = 9, ErrorCode::InvalidRequest),
        (|one| data(one).new_isr_with_epochs[1].broker_epoch += 1, ErrorCode::IneligibleReplica),
        (|one| data(one).new_isr_with_epochs[1].broker_id = 3, ErrorCode::IneligibleReplica),
        (|one| data(one).new_isr_with_epochs.clear(), ErrorCode::InvalidRequest),
    ];
    for (case, (spoil, expected)) in cases.into_iter().enumerate() {
        let mut world = World::with_brokers(3, false);
        world.create_topic(&[&[1, 2, 3]]);
        world.only_hear(&[1, 2]);
        let mut request = request(&world, 1, &[1, 2]);
        spoil(&mut request);
        let before = world.image.end_offset();
        assert_eq!(ask(&mut world, &request).error_code, expected, "case {case}");
        assert_eq!(world.image.end_offset(), before, "case {case}");
    }
}

#[test]
fn only_the_leader_is_heard_and_only_under_its_epoch() {
    let mut world = World::with_brokers(2, false);
    world.create_topic(&[&[1, 2]]);
    let from_another = request(&world, 2, &[1, 2]);
    assert_eq!(ask(&mut world, &from_another).error_code, ErrorCode::InvalidRequest);
    let mut old = request(&world, 1, &[1]);
    old.broker_epoch -= 1;
    let response = world.decide(|view| alter_partition(view, &old)).response;
    assert_eq!((response.error_code, response.topics.len()), (ErrorCode::StaleBrokerEpoch, 0));
    let mut twice = request(&world, 1, &[1]);
    let again = twice.topics[0].partitions[0].clone();
    twice.topics[0].partitions.push(again);
    let response = world.decide(|view| alter_partition(view, &twice)).response;
    let codes: Vec<_> = response.topics[0].partitions.iter().map(|one| one.error_code).collect();
    assert_eq!(codes, [ErrorCode::None, ErrorCode::InvalidRequest]);
}

#[test]
fn a_broker_that_shuts_down_is_not_taken_in() {
    let mut world = World::with_brokers(2, false);
    world.create_topic(&[&[1, 2], &[2, 1]]);
    let mut leaving = world.beat(2);
    leaving.want_shut_down = true;
    world.heartbeat(&leaving);
    assert!(world.image.broker(2).unwrap().in_controlled_shutdown);
    let request = request(&world, 1, &[1, 2]);
    assert_eq!(ask(&mut world, &request).error_code, ErrorCode::IneligibleReplica);
    assert_eq!(world.state(0), (1, vec![1], 0, 1));
}

#[test]
fn a_change_that_completes_a_reassignment_may_depose_who_asks() {
    let mut world = World::with_brokers(3, false);
    world.create_topic(&[&[1, 2]]);
    let asked = alter_partition_reassignments_request::ReassignablePartition {
        partition_index: 0,
        replicas: Some(vec![2, 3]),
    };
    let topic = alter_partition_reassignments_request::ReassignableTopic {
        name: "t".to_owned(),
        partitions: vec![asked],
    };
    let topics = vec![topic];
    let moved = AlterPartitionReassignmentsRequest { topics, ..Default::default() };
    world.decide(|view| alter_partition_reassignments(view, &moved));
    assert_eq!(world.partition(0).replicas, [2, 3, 1]);
    let request = request(&world, 1, &[1, 2, 3]);
    assert_eq!(ask(&mut world, &request).error_code, ErrorCode::NewLeaderElected);
    assert_eq!(world.state(0), (2, vec![2, 3], 1, 2));
    assert_eq!(world.partition(0).replicas, [2, 3]);
    assert_eq!(world.partition(0).directories, [dir(2), dir(3)]);
}
