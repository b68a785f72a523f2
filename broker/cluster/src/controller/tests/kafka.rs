//! What Apache Kafka 4.3.1 makes of 600 changes of partitions: each is the same record here.
//!
//! `testdata/partition-changes.txt` was written by `testdata/PartitionChanges.java`, which calls
//! Kafka's own controller classes: seed 43, 600 lines.

use std::collections::HashMap;

use broker_metadata::{LeaderRecoveryState, replay_all};
use protocol::messages::{PartitionChangeRecord, RegisterBrokerRecord};

use super::super::partition_change::{Cause, Election, PartitionChange};
use super::*;

const CHANGES: &str = include_str!("../../../testdata/partition-changes.txt");

/// `name=value` words.
struct Fields<'a>(HashMap<&'a str, &'a str>);

impl<'a> Fields<'a> {
    fn of(text: &'a str) -> Self {
        Self(text.split_whitespace().filter_map(|word| word.split_once('=')).collect())
    }

    fn number(&self, name: &str) -> i32 {
        self.0[name].parse().unwrap()
    }

    fn list(&self, name: &str) -> Option<Vec<i32>> {
        (self.0[name] != "-").then(|| list(self.0[name]))
    }
}

fn list(text: &str) -> Vec<i32> {
    let inner = text.trim_matches(['[', ']']);
    inner.split(',').filter(|id| !id.is_empty()).map(|id| id.parse().unwrap()).collect()
}

fn image(fields: &Fields<'_>, level: MetadataVersion) -> Image {
    let feature = |name: &str, feature_level: i16| {
        MetadataRecord::FeatureLevel(FeatureLevelRecord { name: name.to_owned(), feature_level })
    };
    let has_elr = i16::from(fields.0["elr"] == "true");
    let mut records = vec![
        feature(MetadataVersion::FEATURE, level.level()),
        feature(Feature::EligibleLeaderReplicasVersion.name(), has_elr),
    ];
    let active = fields.list("active").unwrap();
    records.extend((1..=5).map(|broker_id| {
        MetadataRecord::RegisterBroker(RegisterBrokerRecord {
            broker_id,
            fenced: !active.contains(&broker_id),
            log_dirs: if level.has_directories() { vec![dir(broker_id)] } else { Vec::new() },
            ..RegisterBrokerRecord::default()
        })
    }));
    let topic = TopicRecord { name: "t".to_owned(), topic_id: TOPIC };
    records.push(MetadataRecord::Topic(topic));
    let replicas = fields.list("replicas").unwrap();
    let dirs = replicas.iter().filter(|_| level.has_directories()).map(|id| dir(*id));
    records.push(MetadataRecord::Partition(PartitionRecord {
        topic_id: TOPIC,
        partition_id: 0,
        directories: dirs.collect(),
        replicas,
        isr: fields.list("isr").unwrap(),
        adding_replicas: fields.list("adding").unwrap(),
        removing_replicas: fields.list("removing").unwrap(),
        eligible_leader_replicas: fields.list("eligible"),
        last_known_elr: fields.list("known"),
        leader: fields.number("leader"),
        leader_recovery_state: fields.number("recovery") as i8,
        leader_epoch: 3,
        partition_epoch: 5,
    }));
    replay_all(&records).unwrap()
}

fn changed<'a>(change: PartitionChange<'a>, wanted: &str) -> PartitionChange<'a> {
    let words: Vec<&str> = wanted.split_whitespace().collect();
    match words.as_slice() {
        ["leaves", id] => change.because(Cause::Leaves(id.parse().unwrap())),
        ["lost", id] => change.because(Cause::LostData(id.parse().unwrap())),
        ["returns", id] => change.because(Cause::Returns(id.parse().unwrap())),
        ["isr", isr, state] => {
            let state = LeaderRecoveryState::from_code(state.parse().unwrap());
            change.isr(list(isr)).recovery(state.unwrap())
        }
        ["assign", replicas, adding, removing] => {
            change.assignment(list(replicas), list(adding), list(removing))
        }
        ["elect"] => change,
        other => panic!("{other:?}"),
    }
}

fn made(made: &str) -> Option<(i16, PartitionChangeRecord)> {
    let version = made.trim().strip_prefix('v')?;
    let version = version.split_whitespace().next().unwrap().parse().unwrap();
    let fields = Fields::of(made);
    let dirs = fields.list("dirs");
    let record = PartitionChangeRecord {
        topic_id: TOPIC,
        partition_id: 0,
        isr: fields.list("isr"),
        leader: fields.number("leader"),
        replicas: fields.list("replicas"),
        removing_replicas: fields.list("removing"),
        adding_replicas: fields.list("adding"),
        leader_recovery_state: fields.number("recovery") as i8,
        directories: dirs.map(|ids| ids.into_iter().map(dir).collect()),
        eligible_leader_replicas: fields.list("elr"),
        last_known_elr: fields.list("known"),
    };
    Some((version, record))
}

#[test]
fn a_change_of_a_partition_is_the_record_that_kafka_makes_of_it() {
    let mut lines = 0;
    for line in CHANGES.lines() {
        let parts: Vec<&str> = line.split(" | ").collect();
        let [before, wanted, expected] = parts.as_slice() else { panic!("{line}") };
        let fields = Fields::of(before);
        let level = MetadataVersion::from_level(fields.number("level") as i16).unwrap();
        let image = image(&fields, level);
        let mut settings = World::new(level, false).settings;
        settings.min_insync_replicas = fields.number("min");
        let cluster = Cluster::new(&image, &settings);
        let election = match fields.0["election"] {
            "PREFERRED" => Election::Preferred,
            "ONLINE" => Election::Online,
            _ => Election::Unclean,
        };
        let topic = image.topic("t").unwrap();
        let change = PartitionChange::new(&cluster, topic, 0, topic.partition(0).unwrap());
        let record = changed(change.election(election), wanted).build();
        let found = record.map(|record| {
            let version = MetadataRecord::from(record.clone()).version_at(level);
            (version, record)
        });
        assert_eq!(found, made(expected), "{line}");
        lines += 1;
    }
    assert_eq!(lines, 600);
}
