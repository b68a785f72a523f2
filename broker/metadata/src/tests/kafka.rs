//! What Apache Kafka 4.3.1 wrote, byte by byte: `testdata/` has the log and a snapshot of one node
//! whose voters may change, the files that formatted it, and the log of three nodes that were
//! killed and came back.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use protocol::messages::FeatureLevelRecord;
use protocol::record::{self, DECOMPRESSED_LIMIT};

use super::replay_log;
use crate::snapshot::{self, Bootstrap, SnapshotId, SnapshotPart, SnapshotReader};
use crate::{
    ConfigResource, Image, MetadataRecord, MetadataVersion, PartitionImage, QuotaEntity,
    ScramMechanism, batches,
};

const BOOTSTRAP: &[u8] = include_bytes!("../../testdata/bootstrap.checkpoint");
const FIRST: &[u8] = include_bytes!("../../testdata/00000000000000000000-0000000000.checkpoint");
const SNAPSHOT: &[u8] = include_bytes!("../../testdata/00000000000000000049-0000000001.checkpoint");
const LOG: &[u8] = include_bytes!("../../testdata/one-node.log");
const THREE: &[u8] = include_bytes!("../../testdata/three-nodes.log");

fn snapshot_records(bytes: &Bytes) -> Vec<MetadataRecord> {
    let mut records = Vec::new();
    for part in SnapshotReader::new(bytes) {
        if let SnapshotPart::Records { batch, .. } = part.unwrap() {
            records.extend(batch.records);
        }
    }
    records
}

#[test]
fn each_record_that_kafka_wrote_is_written_again_with_the_same_bytes() {
    let mut names = BTreeSet::new();
    for file in [BOOTSTRAP, SNAPSHOT, LOG, THREE] {
        for batch in record::batches(&Bytes::from_static(file)) {
            let batch = batch.unwrap();
            if batch.is_control() {
                continue;
            }
            let payload = batch.payload(DECOMPRESSED_LIMIT).unwrap();
            for record in payload.records() {
                let value = record.unwrap().value.unwrap();
                let decoded = MetadataRecord::decode(payload.share(value)).unwrap();
                assert_eq!(decoded.encode_at(MetadataVersion::V4_3_IV0).unwrap(), value);
                names.insert(decoded.name());
            }
        }
    }
    assert_eq!(names.len(), 19, "{names:?}");
}

#[test]
fn the_log_makes_the_image_of_which_kafka_wrote_a_snapshot() {
    let of_log = replay_log(&Bytes::from_static(LOG), 49);
    let read = snapshot::read(&Bytes::from_static(SNAPSHOT), 49).unwrap();
    assert_eq!(of_log, read.image);
    assert!(!of_log.is_in_transaction());
    assert_eq!(of_log.metadata_version(), Some(MetadataVersion::V4_3_IV0));

    let log = Bytes::from_static(LOG);
    let last = batches(&log, 0).map(Result::unwrap).filter(|batch| batch.end_offset <= 49).last();
    let last = last.unwrap();
    assert_eq!((last.end_offset, last.epoch), (49, 1));
    assert_eq!(read.head.last_contained_log_timestamp, last.timestamp_ms);
    assert_eq!(read.head.kraft_version, 1);
    assert_eq!(read.control.len(), 1);
    let voters = read.head.voters.unwrap().voters;
    assert_eq!(voters.iter().map(|voter| voter.voter_id).collect::<Vec<_>>(), [1]);
}

#[test]
fn an_image_gives_the_records_that_kafka_puts_into_its_snapshot() {
    let image = replay_log(&Bytes::from_static(LOG), 49);
    let level = MetadataVersion::V4_3_IV0;
    let encoded = |record: &MetadataRecord| record.encode_at(level).unwrap();
    let ours: Vec<_> = image.records(level).map(|record| encoded(&record)).collect();
    let of_kafka = snapshot_records(&Bytes::from_static(SNAPSHOT));
    // Kafka has them in hash maps: the order within a kind is anybody's.
    let names = |records: &[MetadataRecord]| {
        let mut names: Vec<_> = records.iter().map(MetadataRecord::name).collect();
        names.dedup();
        names
    };
    let own_names = names(&image.records(level).collect::<Vec<_>>());
    assert_eq!(own_names, names(&of_kafka));
    let mut left = of_kafka.iter().map(features_in_order).map(|record| encoded(&record));
    assert_eq!(left.len(), ours.len());
    assert!(left.all(|record| ours.contains(&record)));
    assert!(image.losses(level).is_empty());
}

fn features_in_order(record: &MetadataRecord) -> MetadataRecord {
    let mut record = record.clone();
    match &mut record {
        MetadataRecord::RegisterBroker(record) => {
            record.features.sort_by(|a, b| a.name.cmp(&b.name));
        }
        MetadataRecord::RegisterController(record) => {
            record.features.sort_by(|a, b| a.name.cmp(&b.name));
        }
        _ => {}
    }
    record
}

#[test]
fn what_was_set_by_kafkas_tools_is_in_the_image() {
    let image = replay_log(&Bytes::from_static(LOG), 50);
    let broker = image.broker(1).unwrap();
    let listeners: Vec<_> = broker.endpoints.iter().map(|one| (&*one.listener, one.port)).collect();
    assert_eq!(listeners, [("BROKER", 19500), ("SASL", 19502)]);
    assert_eq!(broker.rack.as_deref(), Some("r1"));
    assert_eq!((broker.epoch, broker.fenced, broker.in_controlled_shutdown), (14, true, true));
    assert_eq!(broker.cordoned_log_dirs, Some(Vec::new()));
    assert_eq!(broker.log_dirs.len(), 1);
    assert!(broker.has_online_dir(broker.log_dirs[0]) && broker.has_uncordoned_dir());
    let range = broker.features["metadata.version"];
    assert_eq!((range.min, range.max), (7, 30));
    let controller = image.controller(1).unwrap();
    assert_eq!(controller.endpoint("CONTROLLER").unwrap().port, 19501);

    assert_eq!(image.topic_count(), 1);
    let orders = image.topic("orders").unwrap();
    assert_eq!(orders.partitions.len(), 4);
    let partition = orders.partition(3).unwrap();
    assert_eq!((partition.leader, partition.leader_epoch, partition.partition_epoch), (-1, 1, 1));
    assert_eq!((&partition.isr[..], &partition.eligible_leader_replicas[..]), (&[][..], &[1][..]));
    assert_eq!(partition.directory(1), Some(broker.log_dirs[0]));
    let configs = |resource, name| {
        let set = image.configs(resource, name).unwrap().iter();
        set.map(|(key, value)| format!("{key}={value}")).collect::<Vec<_>>()
    };
    assert_eq!(configs(ConfigResource::Topic, "orders"), ["retention.ms=1000"]);
    let of_all = ["log.cleaner.threads=2", "min.insync.replicas=1"];
    assert_eq!(configs(ConfigResource::Broker, ""), of_all);
    let of_metrics = ["interval.ms=1000", "metrics=org.apache"];
    assert_eq!(configs(ConfigResource::ClientMetrics, "m"), of_metrics);

    let bob = [("user".to_owned(), Some("bob".to_owned())), ("client-id".to_owned(), None)];
    let bob: QuotaEntity = bob.into_iter().collect();
    let quotas = image.quotas(&bob).unwrap();
    assert_eq!(quotas.get("producer_byte_rate"), Some(&1024.0));
    assert_eq!(quotas.get("consumer_byte_rate"), Some(&2048.0));
    assert_eq!(image.quota_entities().count(), 2, "what was taken away is gone");

    let acls: Vec<_> = image.acls().map(|(_, acl)| acl).collect();
    assert_eq!(acls.len(), 1);
    assert_eq!((acls[0].principal.as_str(), acls[0].resource_name.as_str()), ("User:bob", "ord"));
    assert_eq!((acls[0].pattern_type, acls[0].operation, acls[0].permission_type), (4, 3, 3));
    assert_eq!(image.scram(ScramMechanism::Sha256, "alice").unwrap().iterations, 4096);
    assert!(image.scram(ScramMechanism::Sha512, "bob").is_some());
    assert!(image.scram(ScramMechanism::Sha512, "eve").is_none());
    let renewers: BTreeSet<_> = image.tokens().map(|(_, token)| token.renewers.len()).collect();
    assert_eq!(renewers, BTreeSet::from([0, 1]));
    assert_eq!(image.next_producer_id(), 1000);
    let features: Vec<_> = image.features().values().copied().collect();
    assert_eq!(features, [1, 1, 30, 1, 1, 2]);
}

/// What Kafka's own `MetadataDelta` makes of the same log.
#[test]
fn partitions_of_brokers_that_died_are_what_kafka_makes_of_them() {
    let image = replay_log(&Bytes::from_static(THREE), i64::MAX);
    let topic = image.topic("t").unwrap();
    let facts = |partition: &PartitionImage| {
        (
            (partition.leader, partition.leader_epoch, partition.partition_epoch),
            [
                partition.replicas.clone(),
                partition.isr.clone(),
                partition.eligible_leader_replicas.clone(),
                partition.last_known_elr.clone(),
            ],
        )
    };
    let found: Vec<_> = topic.partitions.iter().map(|partition| facts(partition)).collect();
    let lists = |replicas: &[i32], elr: &[i32]| [replicas.to_vec(), vec![], elr.to_vec(), vec![2]];
    let expected = [
        ((-1, 4, 7), lists(&[1, 2], &[1, 2])),
        ((-1, 2, 7), lists(&[1, 2, 3], &[2, 3])),
        ((-1, 3, 8), lists(&[2, 3, 1], &[2, 3])),
    ];
    assert_eq!(found, expected);
    let dirs = |index: i32| &topic.partition(index).unwrap().directories;
    assert_eq!(dirs(0)[..], dirs(1)[..2]);
    assert_eq!([dirs(2)[0], dirs(2)[1], dirs(2)[2]], [dirs(1)[1], dirs(1)[2], dirs(1)[0]]);
}

#[test]
fn what_formats_a_node_is_read_and_written_as_kafka_does() {
    let bytes = Bytes::from_static(BOOTSTRAP);
    let read = Bootstrap::read(&bytes).unwrap();
    let level = MetadataVersion::V4_3_IV0;
    assert_eq!(read.level(), level);
    let alice = read.records().last().unwrap().clone();
    assert!(matches!(alice, MetadataRecord::UserScramCredential(_)));
    let made = Bootstrap::new(level, &BTreeMap::new()).unwrap().with([alice]);
    assert_eq!(made, read);
    // Kafka reads the clock for each batch.
    let times: BTreeSet<_> =
        record::batches(&bytes).map(|batch| batch.unwrap().max_timestamp).collect();
    let written = made.write(*times.first().unwrap()).unwrap();
    assert_eq!(written.len(), bytes.len());
    assert_eq!(Bootstrap::read(&written), Ok(read));

    let first = snapshot::read(&Bytes::from_static(FIRST), 0).unwrap();
    assert_eq!(first.image, Image::default());
    assert_eq!(first.head.kraft_version, 1);
    assert_eq!(SnapshotId::BOOTSTRAP.file_name(), "00000000000000000000-0000000000.checkpoint");
}

#[test]
fn a_new_cluster_may_begin_with_other_levels() {
    let levels = |pairs: &[(&str, i16)]| -> BTreeMap<String, i16> {
        pairs.iter().map(|(name, level)| ((*name).to_owned(), *level)).collect()
    };
    let records = |level: MetadataVersion, pairs: &[(&str, i16)]| {
        let made = Bootstrap::new(level, &levels(pairs)).map_err(|error| error.to_string())?;
        let features = made.records().iter().map(|record| match record {
            MetadataRecord::FeatureLevel(FeatureLevelRecord { name, feature_level }) => {
                format!("{name}={feature_level}")
            }
            other => panic!("{other:?}"),
        });
        Ok::<_, String>(features.collect::<Vec<_>>())
    };
    assert_eq!(records(MetadataVersion::MIN, &[]).unwrap(), ["metadata.version=7"]);
    let of_4_0 = records(MetadataVersion::V4_0_IV3, &[("transaction.version", 1)]).unwrap();
    assert_eq!(of_4_0, ["metadata.version=25", "group.version=1", "transaction.version=1"]);
    let none = records(MetadataVersion::V4_0_IV3, &[("group.version", 0), ("kraft.version", 0)]);
    assert_eq!(none.unwrap(), ["metadata.version=25", "transaction.version=2"]);
    assert!(records(MetadataVersion::LATEST, &[("queue.version", 1)]).is_err());
    assert!(records(MetadataVersion::LATEST, &[("share.version", 2)]).is_err());
    let elr = [("eligible.leader.replicas.version", 1)];
    assert!(records(MetadataVersion::V4_0_IV0, &elr).unwrap_err().contains("metadata.version"));
    assert!(records(MetadataVersion::V4_0_IV1, &elr).is_ok());
}
