use protocol::messages::*;
use protocol::{Message, NumberedRecord, Writer};

use super::*;

#[test]
fn keys_and_values_are_read_by_their_classes() {
    let dumped = Dumped::new(|log| {
        let mut batch = BatchBuilder::new(BatchOptions::default());
        batch.append(NOW, Some(&7_i64.to_be_bytes()), Some(&(-3_i32).to_be_bytes()), &[]);
        append(log, &batch.finish(), Origin::Client);
    });
    let package = "org.apache.kafka.tools.api";
    let (key, value) = (format!("{package}.LongDecoder"), format!("{package}.IntegerDecoder"));
    let options = ["--key-decoder-class", &key, "--value-decoder-class", &value];
    let (_, lines, _) = dumped.dump("log", &options);
    assert!(lines[2].ends_with(" headerKeys: [] key: 7 payload: -3"), "{lines:?}");
    let (status, _, err) = dumped.dump("log", &["--value-decoder-class", &key]);
    assert_eq!((status, &*err[0]), (1, "4 bytes are no number of 8 bytes"));
}

fn numbered(number: i16, write: impl FnOnce(&mut Writer)) -> Bytes {
    let mut writer = Writer::with_capacity(64);
    writer.i16(number);
    write(&mut writer);
    Bytes::copy_from_slice(writer.buffered())
}

#[test]
fn offset_commits_are_read() {
    let key = OffsetCommitKey { group: "g".into(), topic: "t".into(), partition: 3 };
    let value = OffsetCommitValue { offset: 42, metadata: "m".into(), ..Default::default() };
    let key = numbered(OffsetCommitKey::KIND, |writer| {
        key.encode(writer, *OffsetCommitKey::VERSIONS.start()).unwrap();
    });
    let value = numbered(3, |writer| value.encode(writer, 3).unwrap());
    let unknown = numbered(999, |_| {});
    let dumped = Dumped::new(|log| {
        let mut batch = BatchBuilder::new(BatchOptions::default());
        batch.append(NOW, Some(&key), Some(&value), &[]);
        batch.append(NOW, Some(&key), None, &[]);
        batch.append(NOW, Some(&unknown), Some(b""), &[]);
        append(log, &batch.finish(), Origin::Client);
    });
    let (_, lines, _) = dumped.dump("log", &["--offsets-decoder", "--skip-record-metadata"]);
    let key = r#"key: {"type":"1","data":{"group":"g","topic":"t","partition":3}}"#;
    let value = r#"{"offset":42,"leaderEpoch":-1,"metadata":"m","commitTimestamp":0}"#;
    let value = format!(r#"{{"version":"3","data":{value}}}"#);
    assert_eq!(
        lines[2..],
        [
            format!("| {key} payload: {value}"),
            format!("| {key} payload: <DELETE>"),
            "| key: Unknown record type 999 at offset 2, skipping.".to_owned(),
        ]
    );
}

#[test]
fn records_of_the_metadata_are_read() {
    let record = TopicRecord { name: "t".into(), topic_id: Uuid::from_u128(42) };
    let mut writer = Writer::with_capacity(64);
    // Frame version, kind and version of the record.
    for number in [1, TopicRecord::KIND as i8, 0] {
        writer.i8(number);
    }
    record.encode(&mut writer, 0).unwrap();
    let dumped = Dumped::new(|log| {
        let mut batch = BatchBuilder::new(BatchOptions::default());
        batch.append(NOW, None, Some(writer.buffered()), &[]);
        batch.append(NOW, None, Some(&[7]), &[]);
        append(log, &batch.finish(), Origin::Client);
    });
    let options = ["--cluster-metadata-decoder", "--skip-record-metadata"];
    let (_, lines, _) = dumped.dump("log", &options);
    let topic = r#"{"name":"t","topicId":"AAAAAAAAAAAAAAAAAAAAKg"}"#;
    let topic = format!(r#"{{"type":"TOPIC_RECORD","version":0,"data":{topic}}}"#);
    assert_eq!(lines[2], format!("| payload: {topic}"));
    assert!(lines[3].starts_with("| payload: Error at 1, skipping. "), "{lines:?}");
}

/// The line of one record behind its batch's, by a decoder's option.
fn decoded(option: &str, key: Option<&[u8]>, value: Option<&[u8]>) -> String {
    let dumped = Dumped::new(|log| {
        let mut batch = BatchBuilder::new(BatchOptions::default());
        batch.append(NOW, key, value, &[]);
        append(log, &batch.finish(), Origin::Client);
    });
    let (status, lines, err) = dumped.dump("log", &[option, "--skip-record-metadata"]);
    assert_eq!((status, lines.len()), (0, 3), "{err:?}");
    lines[2].clone()
}

fn keyed<K: NumberedRecord, V: Message>(key: &K, version: i16, value: &V) -> (Bytes, Bytes) {
    let key = numbered(K::KIND, |w| key.encode(w, *K::VERSIONS.start()).unwrap());
    (key, numbered(version, |w| value.encode(w, version).unwrap()))
}

#[test]
fn the_members_of_a_consumer_group_are_opened() {
    let subscription =
        ConsumerProtocolSubscription { topics: vec!["t".into()], ..Default::default() };
    let subscription = numbered(0, |writer| subscription.encode(writer, 0).unwrap());
    let member = group_metadata_value::MemberMetadata {
        member_id: "m".into(),
        client_id: "c".into(),
        client_host: "h".into(),
        rebalance_timeout: 1,
        session_timeout: 2,
        subscription,
        assignment: Bytes::from_static(b"?"),
        ..Default::default()
    };
    let value = GroupMetadataValue {
        protocol_type: "consumer".into(),
        generation: 4,
        members: vec![member],
        ..Default::default()
    };
    let (key, value) = keyed(&GroupMetadataKey { group: "g".into() }, 3, &value);
    assert_eq!(
        decoded("--offsets-decoder", Some(&key), Some(&value)),
        concat!(
            r#"| key: {"type":"2","data":{"group":"g"}} payload: {"version":"3","data":{"#,
            r#""protocolType":"consumer","generation":4,"protocol":"","leader":"","#,
            r#""currentStateTimestamp":-1,"members":[{"memberId":"m","groupInstanceId":null,"#,
            r#""clientId":"c","clientHost":"h","rebalanceTimeout":1,"sessionTimeout":2,"#,
            r#""subscription":{"topics":["t"],"userData":null},"assignment":"Pw=="}]}}"#
        )
    );
}

#[test]
fn transactions_and_share_groups_are_read() {
    let value = TransactionLogValue { producer_id: 7, transaction_status: 1, ..Default::default() };
    let key = TransactionLogKey { transactional_id: "x".into() };
    let (key, value) = keyed(&key, 0, &value);
    let line = decoded("--transaction-log-decoder", Some(&key), Some(&value));
    let start =
        r#"| key: {"type":"0","data":{"transactionalId":"x"}} payload: {"version":"0","data""#;
    assert!(line.starts_with(start), "{line}");
    let key = ShareSnapshotKey { group_id: "g".into(), ..Default::default() };
    let (key, value) = keyed(&key, 0, &ShareSnapshotValue::default());
    let line = decoded("--share-group-state-decoder", Some(&key), Some(&value));
    let start = r#"| key: {"type":"0","data":{"groupId":"g","topicId":"AAAAAAAAAAAAAAAAAAAAAA","#;
    assert!(line.starts_with(start), "{line}");
    assert_eq!(
        decoded("--transaction-log-decoder", Some(b"\0\0\0\x09"), None),
        "| key: Error at offset 0, skipping. Could not read record with version 0 from key's \
         buffer due to: byte 2: 9 bytes expected, 0 are left."
    );
}

#[test]
fn a_coordinators_record_without_a_key_ends_the_dump() {
    let dumped = Dumped::new(sample);
    let (status, _, err) = dumped.dump("log", &["--offsets-decoder", "--skip-record-metadata"]);
    let text = "Failed to decode message at offset 1 using the specified decoder (message had a \
                missing key)";
    assert_eq!((status, &*err[0]), (1, text));
}

fn framed<R: NumberedRecord>(record: &R) -> Vec<u8> {
    let mut writer = Writer::with_capacity(64);
    for number in [1, R::KIND as i8, 0] {
        writer.i8(number);
    }
    record.encode(&mut writer, 0).unwrap();
    writer.buffered().to_vec()
}

#[test]
fn the_records_of_tiered_storage_are_read() {
    let mut segment = RemoteLogSegmentMetadataRecord {
        start_offset: 5,
        end_offset: 9,
        custom_metadata: Some(Bytes::from_static(b"abc")),
        remote_log_segment_state: 1,
        ..Default::default()
    };
    segment.remote_log_segment_id.topic_id_partition.name = "t".into();
    let read = |value: &[u8]| decoded("--remote-log-metadata-decoder", None, Some(value));
    let empty = "| payload: Error at offset 0, skipping. segmentLeaderEpochs can not be null or \
                 empty";
    assert_eq!(read(&framed(&segment)), empty);
    for (leader_epoch, offset) in [(10, 7), (2, 0)] {
        segment.segment_leader_epochs.push(
            remote_log_segment_metadata_record::SegmentLeaderEpochEntry { leader_epoch, offset },
        );
    }
    let id = "AAAAAAAAAAAAAAAAAAAAAA";
    assert_eq!(
        read(&framed(&segment)),
        format!(
            "| payload: RemoteLogSegmentMetadata{{remoteLogSegmentId=RemoteLogSegmentId{{\
             topicIdPartition={id}:t-0, id={id}}}, startOffset=5, endOffset=9, brokerId=0, \
             maxTimestampMs=0, eventTimestampMs=0, segmentLeaderEpochs={{2=0, 10=7}}, \
             segmentSizeInBytes=0, customMetadata=Optional[CustomMetadata{{3 bytes}}], \
             state=COPY_SEGMENT_FINISHED, txnIdxEmpty=false}}"
        )
    );
    let deletion = framed(&RemotePartitionDeleteMetadataRecord::default());
    assert_eq!(
        read(&deletion),
        format!(
            "| payload: RemotePartitionDeleteMetadata{{topicPartition={id}:-0, \
             state=DELETE_PARTITION_MARKED, eventTimestampMs=0, brokerId=0}}"
        )
    );
    let lead = "| payload: Error at offset 0, skipping. ";
    for (value, problem) in [
        (&deletion[..0], "Error while reading frame version"),
        (&deletion[..1], "Error while reading type"),
        (
            b"\x02",
            "Could not deserialize metadata record due to unknown frame version 2(only frame \
                   version 1 is supported)",
        ),
        (b"\x01\x63\0", "Unknown metadata id 99"),
    ] {
        assert_eq!(read(value), format!("{lead}{problem}"));
    }
    let more = [deletion, vec![0]].concat();
    assert_eq!(read(&more), format!("{lead}Found 1 byte(s) of garbage after 2"));
}
