use std::collections::BTreeSet;

use uuid::Uuid;

use super::*;

const SCHEMA: &str = include_str!("../../../../protocol/schema/metadata_records.schema");

#[test]
fn a_record_is_framed_as_kafka_frames_it() {
    let topic_id = Uuid::from_u128(7);
    let record = MetadataRecord::Topic(TopicRecord { name: "ab".to_owned(), topic_id });
    let mut expected = vec![1, 2, 0, 3, b'a', b'b'];
    expected.extend_from_slice(topic_id.as_bytes());
    expected.push(0);
    let bytes = record.encode().unwrap();
    assert_eq!(bytes, expected);
    assert_eq!(MetadataRecord::decode(bytes), Ok(record));
}

#[test]
fn what_is_not_known_is_named() {
    let decode = |bytes: &'static [u8]| {
        MetadataRecord::decode(Bytes::from_static(bytes)).unwrap_err().to_string()
    };
    assert!(decode(&[2, 2, 0]).contains("version 2"));
    assert!(decode(&[1, 99, 0]).contains("type 99"));
    assert!(decode(&[1, 6, 0]).contains("type 6"), "a number that Kafka has given up");
    assert!(decode(&[1, 2, 9]).contains("TopicRecord of version 9"));
    assert!(decode(&[1, 2, 0, 50]).contains("can't be read"));
    assert!(decode(&[1, 20, 0, 0, 7]).contains("NoOpRecord can't be read: 1 bytes are left"));
    assert!(decode(&[]).contains("can't be read"));
}

#[test]
fn each_record_of_the_schema_is_known() {
    let heads = SCHEMA.lines().filter_map(|line| line.strip_prefix("record "));
    let mut kinds = BTreeSet::new();
    for head in heads {
        let words: Vec<_> = head.split(' ').collect();
        let [name, "kind", kind, versions, ..] = words[..] else { panic!("{head}") };
        let newest: u8 = versions.rsplit('-').next().unwrap().parse().unwrap();
        let kind: u8 = kind.parse().unwrap();
        let unknown = Bytes::from(vec![1, kind, newest + 1]);
        let expected = format!("a {name} of version {}, known are 0 to {newest}", newest + 1);
        assert_eq!(MetadataRecord::decode(unknown).unwrap_err().to_string(), expected);
        kinds.insert(kind);
    }
    assert_eq!(kinds.len(), 26);
}

fn change(set: impl FnOnce(&mut BrokerRegistrationChangeRecord)) -> MetadataRecord {
    let mut record = BrokerRegistrationChangeRecord { broker_id: 1, ..Default::default() };
    set(&mut record);
    record.into()
}

/// The versions of which Kafka's `MetadataVersion` says that a level has them, and those in which
/// its controller writes changes of a broker.
#[test]
fn a_record_is_written_in_the_version_that_the_level_has() {
    let version = |record: &MetadataRecord, level: i16| {
        record.version_at(MetadataVersion::from_level(level).unwrap())
    };
    let broker = MetadataRecord::from(RegisterBrokerRecord::default());
    let found = [7, 8, 16, 17, 29, 30].map(|level| version(&broker, level));
    assert_eq!(found, [1, 2, 2, 3, 3, 4]);
    let partition = MetadataRecord::from(PartitionRecord::default());
    let partition_change = MetadataRecord::from(PartitionChangeRecord::default());
    for (level, expected) in [(7, 0), (16, 0), (17, 1), (22, 1), (23, 2), (30, 2)] {
        assert_eq!(version(&partition, level), expected);
        assert_eq!(version(&partition_change, level), expected);
    }
    let fenced = change(|record| record.fenced = 1);
    let leaving = change(|record| record.in_controlled_shutdown = 1);
    let dirs = change(|record| record.log_dirs = vec![Uuid::from_u128(9)]);
    let cordoned = change(|record| record.cordoned_log_dirs = Some(Vec::new()));
    let at_last = [&fenced, &leaving, &dirs, &cordoned].map(|record| version(record, 30));
    assert_eq!(at_last, [0, 1, 2, 3]);

    let level = |level: i16| MetadataVersion::from_level(level).unwrap();
    assert_eq!(
        fenced.encode_at(level(7)).unwrap(),
        [1, 17, 0, 0, 0, 0, 1].into_iter().chain([0; 8]).chain([1, 0, 1, 1]).collect::<Vec<u8>>()
    );
    let refused = cordoned.encode_at(level(29)).unwrap_err().to_string();
    let text = "a BrokerRegistrationChangeRecord can't be written at metadata.version 29 (4.2-IV1)";
    assert!(refused.starts_with(text), "{refused}");
    assert!(dirs.encode_at(level(16)).is_err());
    assert!(dirs.encode_at(level(17)).is_ok());
}

#[test]
fn what_a_level_does_not_have_is_refused_with_the_level_that_has_it() {
    let since = |record: MetadataRecord| {
        let levels = MetadataVersion::all();
        let fits: Vec<_> = levels.filter(|level| record.encode_at(*level).is_ok()).collect();
        let first = fits[0];
        assert_eq!(fits.len(), usize::try_from(31 - first.level()).unwrap(), "{}", record.name());
        first.level()
    };
    assert_eq!(since(UserScramCredentialRecord::default().into()), 11);
    assert_eq!(since(RemoveUserScramCredentialRecord::default().into()), 11);
    assert_eq!(since(BeginTransactionRecord::default().into()), 13);
    assert_eq!(since(EndTransactionRecord::default().into()), 13);
    assert_eq!(since(AbortTransactionRecord::default().into()), 13);
    assert_eq!(since(DelegationTokenRecord::default().into()), 14);
    assert_eq!(since(RemoveDelegationTokenRecord::default().into()), 14);
    assert_eq!(since(RegisterControllerRecord::default().into()), 15);
    assert_eq!(since(ClearElrRecord::default().into()), 23);
    assert_eq!(since(TopicRecord::default().into()), 7);
    let dirs = PartitionRecord { directories: vec![Uuid::nil()], ..Default::default() };
    assert_eq!(since(dirs.into()), 17);
    let elr = PartitionRecord { last_known_elr: Some(vec![1]), ..Default::default() };
    assert_eq!(since(elr.into()), 23);

    let begin = MetadataRecord::from(BeginTransactionRecord::default());
    let refused = begin.encode_at(MetadataVersion::V3_6_IV0).unwrap_err().to_string();
    let text = "a BeginTransactionRecord needs metadata.version 13 (3.6-IV1), and the cluster is \
                at 12 (3.6-IV0): upgrade it with kafka-features first";
    assert_eq!(refused, text);
}
