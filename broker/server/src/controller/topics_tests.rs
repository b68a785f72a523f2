use std::cell::Cell;

use broker_metadata::replay_all;
use protocol::messages::RegisterBrokerRecord;
use protocol::messages::create_partitions_request::CreatePartitionsAssignment;
use protocol::messages::create_topics_request::{CreatableReplicaAssignment, CreatableTopicConfig};

use super::*;

const DEFAULTS: Defaults = Defaults { partitions: 2, replication_factor: 1, start: 0 };

/// A cluster of brokers 1 to `count`, with these records on top.
fn image(count: i32, more: Vec<MetadataRecord>) -> Image {
    image_of(count, more, 0)
}

fn image_of(count: i32, more: Vec<MetadataRecord>, broker_epoch: i64) -> Image {
    let brokers = (1..=count).map(|broker_id| {
        let record = RegisterBrokerRecord {
            broker_id,
            broker_epoch,
            fenced: false,
            log_dirs: vec![Uuid::from_u128(broker_id as u128)],
            ..RegisterBrokerRecord::default()
        };
        MetadataRecord::RegisterBroker(record)
    });
    replay_all(&brokers.chain(more).collect::<Vec<_>>()).unwrap()
}

fn topic(name: &str, num_partitions: i32, replication_factor: i16) -> CreatableTopic {
    CreatableTopic {
        name: name.to_owned(),
        num_partitions,
        replication_factor,
        ..CreatableTopic::default()
    }
}

fn create_in(image: &Image, topics: &[CreatableTopic]) -> Outcome<CreateResult> {
    create(image, topics, DEFAULTS, |_| Ok(()))
}

/// The image with these topics made.
fn with_topics(brokers: i32, topics: &[CreatableTopic]) -> Image {
    let outcome = create_in(&image(brokers, Vec::new()), topics);
    assert!(outcome.results.iter().all(|(_, result)| result.is_ok()), "{outcome:?}");
    image(brokers, outcome.records)
}

fn refusal(image: &Image, topic: CreatableTopic) -> TopicError {
    let mut outcome = create_in(image, &[topic]);
    assert_eq!(outcome.records, []);
    outcome.results.remove(0).1.unwrap_err()
}

#[test]
fn a_topic_gets_what_it_asks_for_and_the_defaults_for_the_rest() {
    let settings =
        vec![CreatableTopicConfig { name: "retention.ms".to_owned(), value: Some("5".to_owned()) }];
    let asked = CreatableTopic { configs: settings, ..topic("t", -1, 2) };
    let made = with_topics(3, &[asked]);
    let made_topic = made.topic("t").unwrap();
    let replicas: Vec<&[i32]> =
        made_topic.partitions.iter().map(|partition| partition.replicas.as_slice()).collect();
    assert_eq!(replicas, [&[1, 2][..], &[2, 3]]);
    let first = &made_topic.partitions[0];
    assert_eq!((first.leader, first.leader_epoch, first.isr.as_slice()), (1, 0, &[1, 2][..]));
    assert_eq!(first.directories, [Uuid::from_u128(1), Uuid::from_u128(2)]);
    let settings = made.configs(broker_metadata::ConfigResource::Topic, "t").unwrap();
    assert_eq!(settings.get("retention.ms").map(String::as_str), Some("5"));
}

#[test]
fn of_a_request_the_good_topics_are_made_and_the_others_refused() {
    let topics = [topic("a", 1, 1), topic("twice", 1, 1), topic("b", 0, 1), topic("twice", 2, 1)];
    let outcome = create_in(&image(1, Vec::new()), &topics);
    let results: Vec<(&str, bool)> =
        outcome.results.iter().map(|(name, result)| (name.as_str(), result.is_ok())).collect();
    assert_eq!(results, [("a", true), ("twice", false), ("b", false)]);
    assert_eq!(outcome.results[1].1, Err(TopicError::Duplicate));
    assert_eq!(outcome.records.len(), 2, "the topic and its partition");
}

#[test]
fn names_that_collide_with_a_topic_that_is_there_are_refused() {
    let present = with_topics(1, &[topic("a.b", 1, 1)]);
    let exists = refusal(&present, topic("a.b", 1, 1));
    assert_eq!(exists, TopicError::Exists { name: "a.b".to_owned() });
    let collides = refusal(&present, topic("a_b", 1, 1));
    let expected = TopicError::Collides { name: "a_b".to_owned(), other: "a.b".to_owned() };
    assert_eq!(collides, expected);
}

#[test]
fn counts_and_replication_factors_are_checked() {
    let cluster = image(2, Vec::new());
    let too_many = TopicError::TooManyPartitions { count: 10_001 };
    assert_eq!(refusal(&cluster, topic("t", 10_001, 1)), too_many);
    assert_eq!(refusal(&cluster, topic("t", 1, 0)), TopicError::ReplicationFactor);
    assert!(matches!(refusal(&cluster, topic("t", 1, 3)), TopicError::Placement(_)));
    assert!(matches!(refusal(&cluster, topic("t", -2, 1)), TopicError::PartitionCount(_)));
}

#[test]
fn a_request_for_too_many_partitions_in_all_is_refused_before_anything_is_worked_out() {
    let cluster = image(1, Vec::new());
    let asked = Cell::new(0);
    let fit = |_: &ConfigMap| {
        asked.set(asked.get() + 1);
        Ok(())
    };
    let many: Vec<_> = (0..5_001).map(|n| topic(&format!("t{n}"), -1, 1)).collect();
    let outcome = create(&cluster, &many, DEFAULTS, fit);
    let refused = Err(TopicError::TooManyPartitions { count: 10_002 });
    assert_eq!(outcome.results.len(), 5_001);
    assert!(outcome.results.iter().all(|(_, result)| *result == refused));
    assert_eq!((outcome.records.len(), asked.get()), (0, 0));
    let outcome = create(&cluster, &many[1..], DEFAULTS, fit);
    assert!(outcome.results.iter().all(|(_, result)| result.is_ok()));
    assert_eq!(asked.get(), 1, "topics that have the same settings are judged together");
}

fn assigned(partitions: &[(i32, &[i32])]) -> CreatableTopic {
    let assignments =
        partitions.iter().map(|(partition_index, brokers)| CreatableReplicaAssignment {
            partition_index: *partition_index,
            broker_ids: brokers.to_vec(),
        });
    CreatableTopic { assignments: assignments.collect(), ..topic("t", -1, -1) }
}

#[test]
fn an_assignment_by_hand_is_taken_as_it_is_or_refused() {
    let made = with_topics(3, &[assigned(&[(1, &[2, 3]), (0, &[3, 1])])]);
    let replicas: Vec<&[i32]> =
        made.topic("t").unwrap().partitions.iter().map(|p| p.replicas.as_slice()).collect();
    assert_eq!(replicas, [&[3, 1][..], &[2, 3]]);
    let cluster = image(3, Vec::new());
    for (wrong, words) in [
        (assigned(&[(0, &[1, 1])]), "more than once"),
        (assigned(&[(0, &[9])]), "no such broker"),
        (assigned(&[(1, &[1])]), "consecutive"),
        (assigned(&[(0, &[1]), (1, &[1, 2])]), "not consistent"),
        (assigned(&[(0, &[])]), "empty"),
        (assigned(&[(0, &[1]), (0, &[2])]), "multiple"),
    ] {
        let refused = refusal(&cluster, wrong);
        let TopicError::Assignment(text) = refused else { panic!("{refused:?}") };
        assert!(text.contains(words), "{text}");
    }
    let both = CreatableTopic { num_partitions: 1, ..assigned(&[(0, &[1])]) };
    assert!(matches!(refusal(&cluster, both), TopicError::Request(_)));
}

#[test]
fn a_topic_grows_by_placement_or_by_hand() {
    let present = with_topics(3, &[topic("t", 1, 2)]);
    let request = |count, assignments: Option<&[&[i32]]>| {
        let by_hand = |all: &[&[i32]]| {
            all.iter().map(|ids| CreatePartitionsAssignment { broker_ids: ids.to_vec() }).collect()
        };
        let assignments = assignments.map(by_hand);
        [CreatePartitionsTopic { name: "t".to_owned(), count, assignments }]
    };
    let grown = grow(&present, &request(3, None), 0);
    assert_eq!(grown.results, [("t".to_owned(), Ok(()))]);
    assert_eq!(grown.records.len(), 2);
    let by_hand = grow(&present, &request(2, Some(&[&[3, 2]])), 0);
    let [MetadataRecord::Partition(record)] = by_hand.records.as_slice() else {
        panic!("{by_hand:?}")
    };
    assert_eq!((record.partition_id, record.replicas.as_slice()), (1, &[3, 2][..]));
    for wrong in [request(1, None), request(0, None)] {
        let refused = grow(&present, &wrong, 0).results.remove(0).1;
        assert!(matches!(refused, Err(TopicError::PartitionCount(_))), "{refused:?}");
    }
    for wrong in [request(3, Some(&[&[1, 2]])), request(2, Some(&[&[1]]))] {
        let refused = grow(&present, &wrong, 0).results.remove(0).1;
        assert!(matches!(refused, Err(TopicError::Assignment(_))), "{refused:?}");
    }
}

#[test]
fn topics_are_deleted_by_name_and_by_id_once() {
    let present = with_topics(1, &[topic("a", 1, 1), topic("b", 1, 1)]);
    let id = present.topic("b").unwrap().id;
    let asked = [
        TopicRef::Name("a".to_owned()),
        TopicRef::Id(id),
        TopicRef::Name("b".to_owned()),
        TopicRef::Name("c".to_owned()),
        TopicRef::Id(Uuid::from_u128(5)),
    ];
    let outcome = delete(&present, &asked);
    assert_eq!(outcome.records.len(), 2);
    let results: Vec<Option<TopicError>> =
        outcome.results.into_iter().map(|(_, result)| result.err()).collect();
    let (unknown, unknown_id) = (TopicError::UnknownTopic, TopicError::UnknownTopicId);
    let expected = [None, None, Some(TopicError::Duplicate), Some(unknown), Some(unknown_id)];
    assert_eq!(results, expected);
}

/// Brokers 1 to 4, of which 2 is fenced and 3 shuts down; 4 has two log dirs.
fn partly_there() -> Image {
    let change = |broker_id: i32, fenced: i8, in_controlled_shutdown: i8| {
        let record = protocol::messages::BrokerRegistrationChangeRecord {
            broker_id,
            broker_epoch: -1,
            fenced,
            in_controlled_shutdown,
            ..Default::default()
        };
        MetadataRecord::BrokerRegistrationChange(record)
    };
    let two_dirs = RegisterBrokerRecord {
        broker_id: 4,
        fenced: false,
        broker_epoch: -1,
        log_dirs: vec![Uuid::from_u128(41), Uuid::from_u128(42)],
        ..RegisterBrokerRecord::default()
    };
    let more = vec![two_dirs.into(), change(2, 1, 0), change(3, 0, 1)];
    image_of(3, more, -1)
}

#[test]
fn new_replicas_on_brokers_that_are_away_are_not_in_sync() {
    let present = partly_there();
    let outcome = create_in(&present, &[topic("t", 2, 3)]);
    assert!(outcome.results[0].1.is_ok(), "{outcome:?}");
    let partitions: Vec<_> = outcome
        .records
        .iter()
        .filter_map(|record| match record {
            MetadataRecord::Partition(one) => Some((one.leader, one.isr.clone(), &one.replicas)),
            _ => None,
        })
        .collect();
    let expected = [(1, vec![1, 4], &vec![1, 4, 2]), (4, vec![4, 1], &vec![4, 1, 2])];
    assert_eq!(partitions, expected);
    let refused = refusal(&present, topic("t", 1, 4));
    let too_few = PlacementError::TooFewBrokers { wanted: 4, available: 3 };
    assert_eq!(refused, TopicError::Placement(too_few));
}

#[test]
fn a_broker_with_several_log_dirs_chooses_and_one_that_is_there_has_to_lead() {
    let present = partly_there();
    let assigned = |broker_ids: Vec<i32>| CreatableTopic {
        assignments: vec![CreatableReplicaAssignment { partition_index: 0, broker_ids }],
        ..topic("t", -1, -1)
    };
    let outcome = create_in(&present, &[assigned(vec![2, 4, 1])]);
    let Some(MetadataRecord::Partition(record)) = outcome.records.last() else {
        panic!("{outcome:?}")
    };
    assert_eq!((record.leader, record.isr.as_slice()), (4, &[4, 1][..]));
    let dirs = [2, 1, 1].map(Uuid::from_u128);
    assert_eq!(record.directories, dirs);
    let text = "All brokers specified in the manual partition assignment for partition 0 are \
                fenced or in controlled shutdown.";
    assert_eq!(refusal(&present, assigned(vec![2, 3])), TopicError::Assignment(text.to_owned()));
}
