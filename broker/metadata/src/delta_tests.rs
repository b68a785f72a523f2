use protocol::messages::{
    ConfigRecord, FeatureLevelRecord, ProducerIdsRecord, RemoveTopicRecord, TopicRecord,
};

use super::*;

const ID: Uuid = Uuid::from_u128(7);

fn topic(name: &str) -> MetadataRecord {
    MetadataRecord::Topic(TopicRecord { name: name.to_owned(), topic_id: ID })
}

fn partition(index: i32) -> MetadataRecord {
    MetadataRecord::Partition(PartitionRecord {
        partition_id: index,
        topic_id: ID,
        replicas: vec![1, 2],
        isr: vec![1, 2],
        leader: 1,
        leader_epoch: 0,
        partition_epoch: 0,
        directories: vec![Uuid::nil(); 2],
        ..PartitionRecord::default()
    })
}

fn config(name: &str, value: Option<&str>) -> MetadataRecord {
    MetadataRecord::Config(ConfigRecord {
        resource_type: 2,
        resource_name: "t".to_owned(),
        name: name.to_owned(),
        value: value.map(str::to_owned),
    })
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
    delta.replay(&MetadataRecord::RemoveTopic(RemoveTopicRecord { topic_id: ID })).unwrap();
    let (next, changes) = delta.finish(9);
    assert_eq!((next.topic_count(), next.end_offset()), (0, 9));
    assert_eq!(next.configs(ConfigResource::Topic, "t"), None);
    assert_eq!(changes.deleted, [base.topic("t").unwrap().clone()]);
    assert_eq!(base.topic_count(), 1, "the old image stays as it was");
}

#[test]
fn a_change_of_leader_starts_an_epoch_and_any_change_a_partition_epoch() {
    let change = |isr: Option<Vec<i32>>, leader: i32| {
        MetadataRecord::PartitionChange(PartitionChangeRecord {
            partition_id: 0,
            topic_id: ID,
            isr,
            leader,
            ..PartitionChangeRecord::default()
        })
    };
    let records = [topic("t"), partition(0), change(Some(vec![2]), SAME_LEADER), change(None, 2)];
    let image = replay_all(&records).unwrap();
    let partition = image.topic("t").unwrap().partition(0).unwrap();
    assert_eq!((partition.leader, partition.leader_epoch, partition.partition_epoch), (2, 1, 2));
    assert_eq!(partition.isr, [2]);
}

#[test]
fn records_that_fit_nothing_are_refused() {
    assert_eq!(
        replay_all(&[topic("t"), topic("t")]),
        Err(ApplyError::TopicExists { name: "t".to_owned(), id: ID })
    );
    assert!(matches!(replay_all(&[partition(0)]), Err(ApplyError::UnknownTopic { .. })));
    assert!(matches!(
        replay_all(&[topic("t"), partition(1)]),
        Err(ApplyError::PartitionOrder { partition: 1, present: 0, .. })
    ));
}

#[test]
fn features_and_producer_ids_are_kept() {
    let feature = |level| {
        let name = "metadata.version".to_owned();
        MetadataRecord::FeatureLevel(FeatureLevelRecord { name, feature_level: level })
    };
    let ids = ProducerIdsRecord { broker_id: 1, broker_epoch: 0, next_producer_id: 1000 };
    let image = replay_all(&[feature(30), MetadataRecord::ProducerIds(ids)]).unwrap();
    assert_eq!(image.features().get("metadata.version"), Some(&30));
    assert_eq!(image.next_producer_id(), 1000);
    assert!(replay_all(&[feature(30), feature(0)]).unwrap().features().is_empty());
}
