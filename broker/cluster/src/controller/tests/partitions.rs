use broker_metadata::LeaderRecoveryState;
use protocol::messages::BrokerRegistrationChangeRecord;

use super::*;

fn change(records: &[MetadataRecord]) -> protocol::messages::PartitionChangeRecord {
    let mut changes = records.iter().filter_map(|record| match record {
        MetadataRecord::PartitionChange(record) => Some(record.clone()),
        _ => None,
    });
    let found = changes.next().expect("a partition changes");
    assert_eq!(changes.next(), None);
    found
}

#[test]
fn the_last_replica_in_sync_is_kept_and_leads_when_it_is_back() {
    let mut world = World::with_brokers(2, false);
    world.create_topic(&[&[1, 2]]);
    world.only_hear(&[1]);
    assert_eq!(world.state(0), (1, vec![1], 0, 1));
    world.only_hear(&[]);
    assert_eq!(world.state(0), (-1, vec![1], 1, 2));
    let request = world.beat(2);
    world.heartbeat(&request);
    assert_eq!(world.state(0), (-1, vec![1], 1, 2), "it was not in sync");
    let request = world.beat(1);
    world.heartbeat(&request);
    assert_eq!(world.state(0), (1, vec![1], 2, 3));
}

#[test]
fn any_replica_leads_where_that_is_allowed_and_says_that_it_recovers() {
    let mut world = World::with_brokers(2, false);
    let key = "unclean.leader.election.enable";
    world.set_config(ConfigResource::Topic, "t", key, "true");
    world.create_topic(&[&[1, 2]]);
    world.only_hear(&[1]);
    world.only_hear(&[]);
    let request = world.beat(2);
    world.heartbeat(&request);
    assert_eq!(world.state(0), (2, vec![2], 2, 3));
    assert_eq!(world.partition(0).leader_recovery_state, LeaderRecoveryState::Recovering);
}

#[test]
fn replicas_that_leave_below_min_isr_are_eligible_and_lead_when_nobody_is_in_sync() {
    let mut world = World::with_brokers(3, true);
    world.set_config(ConfigResource::Broker, "", "min.insync.replicas", "2");
    world.create_topic(&[&[1, 2, 3]]);
    world.only_hear(&[1, 2]);
    assert_eq!((world.state(0).1, world.elr(0).0), (vec![1, 2], vec![]));
    world.only_hear(&[1]);
    assert_eq!((world.state(0), world.elr(0).0), ((1, vec![1], 0, 2), vec![2]));
    world.only_hear(&[]);
    assert_eq!((world.state(0), world.elr(0)), ((-1, vec![], 1, 3), (vec![1, 2], vec![1])));
    let request = world.beat(3);
    world.heartbeat(&request);
    assert_eq!(world.state(0).0, -1, "it left while there were enough");
    let request = world.beat(2);
    world.heartbeat(&request);
    assert_eq!((world.state(0), world.elr(0)), ((2, vec![2], 2, 4), (vec![1], vec![])));
}

#[test]
fn the_last_known_leader_leads_when_all_that_were_eligible_lost_something() {
    let mut world = World::with_brokers(1, true);
    world.create_topic(&[&[1]]);
    world.only_hear(&[]);
    assert_eq!((world.state(0), world.elr(0)), ((-1, vec![], 1, 1), (vec![1], vec![1])));
    world.register(&registration(1, 9));
    assert_eq!(world.elr(0), (vec![], vec![1]));
    let request = world.beat(1);
    world.heartbeat(&request);
    assert_eq!((world.state(0), world.elr(0)), ((1, vec![1], 2, 3), (vec![], vec![])));
    assert_eq!(world.partition(0).leader_recovery_state, LeaderRecoveryState::Recovering);
}

#[test]
fn only_old_levels_raise_the_leader_epoch_when_the_isr_shrinks() {
    for (level, expected) in [(MetadataVersion::V3_5_IV2, 1), (MetadataVersion::V3_6_IV0, 0)] {
        let mut world = World::new(level, false);
        for id in [1, 2] {
            world.start_broker(id);
        }
        world.create_topic(&[&[1, 2]]);
        world.only_hear(&[1]);
        assert_eq!(world.state(0), (1, vec![1], expected, 1), "{level}");
    }
}

#[test]
fn records_hold_what_changes_and_no_more() {
    let mut world = World::with_brokers(2, true);
    world.create_topic(&[&[1, 2]]);
    let epoch = world.image.broker(1).unwrap().epoch;
    let at = world.elapsed_ms;
    let records = world.decide(|view| connection_refused(view, 1, epoch, at)).records;
    let expected = protocol::messages::PartitionChangeRecord {
        topic_id: TOPIC,
        partition_id: 0,
        leader: 2,
        isr: Some(vec![2]),
        ..Default::default()
    };
    assert_eq!(change(&records), expected);
    let fenced = BrokerRegistrationChangeRecord {
        broker_id: 1,
        broker_epoch: epoch,
        fenced: 1,
        ..Default::default()
    };
    assert_eq!(records.last(), Some(&MetadataRecord::BrokerRegistrationChange(fenced)));
}

#[test]
fn every_level_can_write_what_is_decided_at_it() {
    for (level, has_elr) in levels() {
        let mut world = World::new(level, has_elr);
        world.set_config(ConfigResource::Broker, "", "min.insync.replicas", "2");
        for id in 1..=3 {
            world.start_broker(id);
        }
        world.create_topic(&[&[1, 2, 3]]);
        world.only_hear(&[1, 2]);
        world.only_hear(&[1]);
        world.only_hear(&[]);
        let request = world.beat(1);
        world.heartbeat(&request);
        assert_eq!(world.partition(0).leader, 1, "{level}");
    }
}
