use std::collections::BTreeSet;

use protocol::messages::{
    BrokerRegistrationChangeRecord, ClearElrRecord, ConfigRecord, FeatureLevelRecord,
    FenceBrokerRecord, PartitionChangeRecord, PartitionRecord, ProducerIdsRecord,
    RegisterBrokerRecord, RemoveAccessControlEntryRecord, RemoveTopicRecord, TopicRecord,
    UnfenceBrokerRecord, UnregisterBrokerRecord, UserScramCredentialRecord,
};
use uuid::Uuid;

use super::*;
use crate::image::{LeaderRecoveryState, PartitionImage, directory};

const ID: Uuid = Uuid::from_u128(7);
const DIR: Uuid = Uuid::from_u128(99);

fn topic(name: &str) -> MetadataRecord {
    TopicRecord { name: name.to_owned(), topic_id: ID }.into()
}

fn partition(index: i32) -> MetadataRecord {
    PartitionRecord {
        partition_id: index,
        topic_id: ID,
        replicas: vec![1, 2],
        isr: vec![1, 2],
        leader: 1,
        leader_epoch: 0,
        partition_epoch: 0,
        directories: vec![DIR; 2],
        ..PartitionRecord::default()
    }
    .into()
}

fn change(set: impl FnOnce(&mut PartitionChangeRecord)) -> MetadataRecord {
    let mut record =
        PartitionChangeRecord { partition_id: 0, topic_id: ID, ..PartitionChangeRecord::default() };
    set(&mut record);
    record.into()
}

fn config(name: &str, value: Option<&str>) -> MetadataRecord {
    ConfigRecord {
        resource_type: 2,
        resource_name: "t".to_owned(),
        name: name.to_owned(),
        value: value.map(str::to_owned),
    }
    .into()
}

fn feature(name: &str, feature_level: i16) -> MetadataRecord {
    FeatureLevelRecord { name: name.to_owned(), feature_level }.into()
}

/// Partition 0 after changes.
fn changed(changes: &[MetadataRecord]) -> PartitionImage {
    let records = [&[topic("t"), partition(0)], changes].concat();
    (**replay_all(&records).unwrap().topic("t").unwrap().partition(0).unwrap()).clone()
}

fn told(records: &[MetadataRecord]) -> String {
    replay_all(records).unwrap_err().to_string()
}

#[test]
fn a_topic_lives_and_goes_with_its_settings() {
    let base = replay_all(&[
        topic("t"),
        partition(0),
        partition(1),
        config("retention.ms", Some("1")),
        config("segment.ms", Some("2")),
        config("segment.ms", None),
    ])
    .unwrap();
    assert_eq!(base.topic("t").unwrap().partitions.len(), 2);
    assert_eq!(base.topic_by_id(ID), base.topic("t"));
    let settings = base.configs(ConfigResource::Topic, "t").unwrap();
    assert_eq!(settings.iter().collect::<Vec<_>>(), [(&"retention.ms".into(), &"1".into())]);

    let mut delta = Delta::new(&base);
    delta.replay(&RemoveTopicRecord { topic_id: ID }.into()).unwrap();
    let (next, changes) = delta.finish(9);
    assert_eq!((next.topic_count(), next.end_offset()), (0, 9));
    assert_eq!(next.topics().count(), 0);
    assert_eq!(next.configs(ConfigResource::Topic, "t"), None);
    assert_eq!(changes.deleted, [base.topic("t").unwrap().clone()]);
    assert_eq!(changes.configs.len(), 1);
    assert_eq!(base.topic_count(), 1, "the old image stays as it was");
}

#[test]
fn topics_are_listed_by_name_whatever_their_ids() {
    let records = [("b", 1u128), ("a", 2), ("c", 0)].map(|(name, id)| {
        let topic_id = Uuid::from_u128(id);
        MetadataRecord::from(TopicRecord { name: name.to_owned(), topic_id })
    });
    let image = replay_all(&records).unwrap();
    let names = |topics: &mut dyn Iterator<Item = &Arc<crate::TopicImage>>| {
        topics.map(|topic| topic.name.to_string()).collect::<Vec<_>>()
    };
    assert_eq!(names(&mut image.topics()), ["a", "b", "c"]);
    assert_eq!(names(&mut image.topics_from("aa")), ["b", "c"]);
    assert_eq!(names(&mut image.topics_from("d")), [""; 0]);
}

#[test]
fn a_change_of_leader_starts_an_epoch_and_any_change_a_partition_epoch() {
    let epochs = |changes: &[MetadataRecord]| {
        let partition = changed(changes);
        (partition.leader, partition.leader_epoch, partition.partition_epoch)
    };
    let isr = |isr: Vec<i32>| change(|record| record.isr = Some(isr));
    let leader = |leader: i32| change(|record| record.leader = leader);
    assert_eq!(epochs(&[isr(vec![2])]), (1, 0, 1), "no epoch for a smaller ISR by itself");
    assert_eq!(epochs(&[isr(vec![2]), leader(2)]), (2, 1, 2));
    assert_eq!(epochs(&[leader(1)]), (1, 1, 1), "the same leader, named again");
    assert_eq!(epochs(&[leader(-1)]), (-1, 1, 1));
    assert_eq!(epochs(&[change(|_| {})]), (1, 0, 1));
    assert_eq!(changed(&[isr(vec![2])]).isr, [2]);
    assert_eq!(changed(&[isr(vec![])]).isr, [0; 0]);
}

#[test]
fn a_change_sets_what_it_names_and_leaves_the_rest() {
    let first = changed(&[]);
    let next = changed(&[change(|record| {
        record.replicas = Some(vec![3, 1, 2]);
        record.directories = Some(vec![DIR, DIR, directory::UNASSIGNED]);
        record.adding_replicas = Some(vec![3]);
        record.eligible_leader_replicas = Some(vec![2]);
        record.last_known_elr = Some(vec![1]);
        record.leader_recovery_state = 1;
    })]);
    let expected = PartitionImage {
        replicas: vec![3, 1, 2],
        directories: vec![DIR, DIR, directory::UNASSIGNED],
        adding_replicas: vec![3],
        eligible_leader_replicas: vec![2],
        last_known_elr: vec![1],
        leader_recovery_state: LeaderRecoveryState::Recovering,
        partition_epoch: 1,
        ..first
    };
    assert_eq!(next, expected);
    assert_eq!((next.directory(2), next.directory(4)), (Some(directory::UNASSIGNED), None));
    let recovering = change(|record| record.leader_recovery_state = 1);
    let recovered = change(|record| record.leader_recovery_state = 0);
    let state = |changes: &[MetadataRecord]| changed(changes).leader_recovery_state;
    assert_eq!(state(&[recovering.clone(), change(|_| {})]), LeaderRecoveryState::Recovering);
    assert_eq!(state(&[recovering, recovered]), LeaderRecoveryState::Recovered);
}

#[test]
fn directories_are_those_of_the_replicas() {
    let of = |directories: Vec<Uuid>| {
        let record = PartitionRecord {
            partition_id: 0,
            topic_id: ID,
            replicas: vec![1, 2],
            directories,
            ..PartitionRecord::default()
        };
        let image = replay_all(&[topic("t"), record.into()]);
        image.map(|image| image.topic("t").unwrap().partitions[0].directories.clone())
    };
    let unknown = Ok(vec![directory::MIGRATING; 2]);
    assert_eq!(of(vec![]), unknown, "written at a level without directories");
    assert_eq!(of(vec![directory::MIGRATING; 3]), unknown);
    assert_eq!(of(vec![DIR, directory::LOST]), Ok(vec![DIR, directory::LOST]));
    let refused = of(vec![DIR]).unwrap_err().to_string();
    assert_eq!(refused, "a PartitionRecord has 1 directories for 2 replicas");

    let fewer = change(|record| record.replicas = Some(vec![1]));
    assert!(told(&[topic("t"), partition(0), fewer.clone()]).contains("2 directories for 1"));
    let old = PartitionRecord {
        partition_id: 0,
        topic_id: ID,
        replicas: vec![1, 2],
        ..PartitionRecord::default()
    };
    let image = replay_all(&[topic("t"), old.into(), fewer]).unwrap();
    assert_eq!(image.topic("t").unwrap().partitions[0].directories, [directory::MIGRATING]);
}

#[test]
fn partitions_may_come_in_any_order_and_are_seen_without_holes() {
    let mut delta = Delta::new(&Image::default());
    delta.replay(&topic("t")).unwrap();
    let mut seen = Vec::new();
    for index in [1, 3, 0, 2] {
        delta.replay(&partition(index)).unwrap();
        seen.push(delta.image().topic("t").unwrap().partitions.len());
    }
    assert_eq!(seen, [0, 0, 2, 4]);
    let (image, changes) = delta.finish(5);
    assert_eq!(changes.topics[&ID], BTreeSet::from([0, 1, 2, 3]));
    assert_eq!(image.topic("t").unwrap().partition(4), None);
    let early = change(|record| record.partition_id = 2);
    let image = replay_all(&[topic("t"), partition(2), early, partition(0), partition(1)]).unwrap();
    assert_eq!(image.topic("t").unwrap().partition(2).unwrap().partition_epoch, 1);
    let refused = told(&[topic("t"), partition(-1)]);
    assert_eq!(refused, format!("a partition of topic id {ID} has the number -1"));
}

#[test]
fn only_the_partitions_that_changed_are_told() {
    let base = replay_all(&[topic("t"), partition(0), partition(1), partition(2)]).unwrap();
    let mut delta = Delta::new(&base);
    delta.replay(&change(|record| record.partition_id = 1)).unwrap();
    delta.replay(&partition(3)).unwrap();
    let (next, changes) = delta.finish(9);
    assert_eq!(changes.topics[&ID], BTreeSet::from([1, 3]));
    assert_eq!(Changes::between(&base, &next), changes);
    let first = |image: &Image| image.topic("t").unwrap().partitions[0].clone();
    assert!(Arc::ptr_eq(&first(&base), &first(&next)), "the others are shared");
    let gone = Changes { deleted: vec![base.topic("t").unwrap().clone()], ..Changes::default() };
    assert_eq!(changes.then(gone.clone()), gone);
}

#[test]
fn eligible_leaders_are_forgotten_in_one_topic_or_in_all() {
    let elr = change(|record| record.eligible_leader_replicas = Some(vec![2]));
    let known = change(|record| {
        record.partition_id = 1;
        record.last_known_elr = Some(vec![1]);
    });
    let other = TopicRecord { name: "u".to_owned(), topic_id: DIR };
    let base = [topic("t"), partition(0), partition(1), partition(2), elr, known, other.into()];
    let base = replay_all(&base).unwrap();
    let cleared = |topic_name: &str| {
        let mut delta = Delta::new(&base);
        let topic_name = topic_name.to_owned();
        delta.replay(&ClearElrRecord { topic_name }.into())?;
        Ok::<_, ApplyError>(delta.finish(9))
    };
    let (next, changes) = cleared("t").unwrap();
    let partitions = &next.topic("t").unwrap().partitions;
    let none_left = partitions.iter().all(|partition| {
        partition.eligible_leader_replicas.is_empty() && partition.last_known_elr.is_empty()
    });
    assert!(none_left);
    let epochs: Vec<_> = partitions.iter().map(|partition| partition.partition_epoch).collect();
    assert_eq!(epochs, [2, 2, 0], "who had none is left alone");
    assert_eq!(changes.topics[&ID], BTreeSet::from([0, 1]));
    assert_eq!(cleared("").unwrap(), (next, changes));
    assert!(cleared("u").unwrap().1.is_empty());
    let refused = cleared("v").unwrap_err().to_string();
    assert_eq!(refused, "no topic is called v, which a ClearElrRecord names");
}

fn broker(epoch: i64) -> MetadataRecord {
    let broker = RegisterBrokerRecord {
        broker_id: 1,
        broker_epoch: epoch,
        log_dirs: vec![DIR],
        ..RegisterBrokerRecord::default()
    };
    broker.into()
}

fn broker_change(set: impl FnOnce(&mut BrokerRegistrationChangeRecord)) -> MetadataRecord {
    let mut record = BrokerRegistrationChangeRecord {
        broker_id: 1,
        broker_epoch: 5,
        ..BrokerRegistrationChangeRecord::default()
    };
    set(&mut record);
    record.into()
}

#[test]
fn a_broker_is_fenced_leaves_and_loses_dirs() {
    let after = |changes: &[MetadataRecord]| {
        let records = [&[broker(5)], changes].concat();
        (**replay_all(&records).unwrap().broker(1).unwrap()).clone()
    };
    let unfenced = broker_change(|record| record.fenced = -1);
    assert!(after(&[]).fenced);
    assert!(!after(std::slice::from_ref(&unfenced)).fenced);
    assert!(after(&[unfenced.clone(), broker_change(|record| record.fenced = 1)]).fenced);
    let (fence, unfence) =
        (FenceBrokerRecord { id: 1, epoch: 5 }, UnfenceBrokerRecord { id: 1, epoch: 5 });
    assert!(!after(&[unfence.clone().into()]).fenced);
    assert!(after(&[unfence.into(), fence.into()]).fenced);
    let leaving = after(&[broker_change(|record| record.in_controlled_shutdown = 1), unfenced]);
    assert!(leaving.in_controlled_shutdown && !leaving.fenced);

    let other = Uuid::from_u128(100);
    let dirs = after(&[broker_change(|record| record.log_dirs = vec![DIR, other])]);
    assert_eq!(dirs.log_dirs, [DIR, other]);
    assert!(dirs.has_online_dir(other) && dirs.has_online_dir(directory::UNASSIGNED));
    assert!(!dirs.has_online_dir(directory::LOST) && !dirs.has_online_dir(ID));
    assert_eq!(dirs.cordoned_log_dirs, None);
    let cordoned = after(&[broker_change(|record| record.cordoned_log_dirs = Some(vec![DIR]))]);
    assert!(!cordoned.has_uncordoned_dir() && dirs.has_uncordoned_dir());
    let freed = broker_change(|record| record.cordoned_log_dirs = Some(Vec::new()));
    assert!(after(&[freed]).has_uncordoned_dir());

    let gone = UnregisterBrokerRecord { broker_id: 1, broker_epoch: 5 };
    assert_eq!(replay_all(&[broker(5), gone.into()]).unwrap().broker(1), None);
}

#[test]
fn records_that_fit_nothing_are_refused() {
    let again = told(&[topic("t"), topic("t")]);
    assert_eq!(again, format!("a topic t is already there with id {ID}"));
    assert_eq!(told(&[topic("t"), topic("u")]), again, "the id is taken");
    let none = told(&[partition(0)]);
    assert_eq!(none, format!("no topic has id {ID}, which a PartitionRecord names"));
    let none = told(&[topic("t"), partition(0), change(|record| record.partition_id = 4)]);
    let text = "no partition 4 of topic id";
    assert!(none.starts_with(text) && none.ends_with("it has 1"), "{none}");
    let cases = [
        (vec![RemoveTopicRecord { topic_id: ID }.into()], "which a RemoveTopicRecord names"),
        (vec![change(|_| {})], "which a PartitionChangeRecord names"),
        (vec![broker_change(|_| {})], "broker 1 is not registered"),
        (
            vec![broker(6), broker_change(|_| {})],
            "is about epoch 5 of broker 1, which is at epoch 6",
        ),
        (
            vec![broker(5), broker_change(|record| record.fenced = 2)],
            "a BrokerRegistrationChangeRecord of broker 1 sets fenced to 2",
        ),
        (
            vec![broker(5), broker_change(|record| record.in_controlled_shutdown = -1)],
            "sets in_controlled_shutdown to -1",
        ),
        (
            vec![topic("t"), partition(0), change(|record| record.leader_recovery_state = 2)],
            "a PartitionChangeRecord has the leader recovery state 2",
        ),
        (
            vec![ConfigRecord { resource_type: 8, ..ConfigRecord::default() }.into()],
            "settings of resource type 8 are not known",
        ),
        (
            vec![UserScramCredentialRecord { mechanism: 3, ..Default::default() }.into()],
            "a UserScramCredentialRecord is about SCRAM mechanism 3, which is not known",
        ),
        (
            vec![RemoveAccessControlEntryRecord { id: ID }.into()],
            "which a RemoveAccessControlEntryRecord names",
        ),
        (vec![feature("metadata.version", 31)], "metadata.version 31 is not known"),
        (vec![feature("metadata.version", 0)], "metadata.version 0 is not known"),
    ];
    for (records, expected) in cases {
        let told = told(&records);
        assert!(told.contains(expected), "{told}, not {expected}");
    }
}

#[test]
fn an_epoch_that_can_not_be_raised_is_an_error() {
    let record = PartitionRecord {
        partition_id: 0,
        topic_id: ID,
        partition_epoch: i32::MAX,
        ..PartitionRecord::default()
    };
    assert_eq!(
        told(&[topic("t"), record.into(), change(|_| {})]),
        "the epochs of a partition are used up"
    );
}

#[test]
fn features_and_producer_ids_are_kept() {
    let ids = ProducerIdsRecord { broker_id: 1, broker_epoch: 0, next_producer_id: 1000 };
    let image = replay_all(&[feature("metadata.version", 30), ids.into()]).unwrap();
    assert_eq!(image.metadata_version(), Some(MetadataVersion::LATEST));
    assert_eq!(image.features().get("metadata.version"), Some(&30));
    assert_eq!(image.next_producer_id(), 1000);
    let gone = [feature("group.version", 1), feature("group.version", 0)];
    assert!(replay_all(&gone).unwrap().features().is_empty());
    let of_quorum = replay_all(&[feature("kraft.version", 1)]).unwrap();
    assert!(of_quorum.features().is_empty(), "its control records say it");
    let of_later = replay_all(&[feature("queue.version", 3)]).unwrap();
    assert_eq!(of_later.features().get("queue.version"), Some(&3));
}

#[test]
fn transactions_neither_nest_nor_end_before_they_begin() {
    use protocol::messages::{
        AbortTransactionRecord, BeginTransactionRecord, EndTransactionRecord,
    };
    let begin = MetadataRecord::from(BeginTransactionRecord { name: Some("x".to_owned()) });
    let nested = told(&[begin.clone(), topic("t"), begin.clone()]);
    assert_eq!(nested, "a BeginTransactionRecord stands within a transaction");
    let end = MetadataRecord::from(EndTransactionRecord::default());
    let abort = MetadataRecord::from(AbortTransactionRecord::default());
    assert_eq!(
        told(std::slice::from_ref(&end)),
        "a EndTransactionRecord stands outside of a transaction"
    );
    assert!(told(std::slice::from_ref(&abort)).contains("AbortTransactionRecord stands outside"));
    let records = [begin.clone(), topic("t"), abort, begin, topic("t"), partition(0), end];
    assert_eq!(replay_all(&records).unwrap().topic_count(), 1);
}
