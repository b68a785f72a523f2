use protocol::messages::{
    KRaftVersionRecord, LeaderChangeMessage, SnapshotFooterRecord, SnapshotHeaderRecord,
    VotersRecord,
};
use protocol::record::Compression;
use protocol::record::control::ControlType;
use protocol::{Message, Writer};

use super::*;

#[test]
fn batches_are_printed_and_their_records_on_demand() {
    let dumped = Dumped::new(sample);
    let (status, shallow, err) = dumped.dump("log", &[]);
    assert_eq!((status, err.len()), (0, 0));
    assert_eq!(shallow[0], "Log starting offset: 0");
    let expected = "baseOffset: 1 lastOffset: 1 count: 1 baseSequence: 5 lastSequence: 5 \
                    producerId: 9 producerEpoch: 1 partitionLeaderEpoch: 2 isTransactional: true \
                    isControl: false deleteHorizonMs: OptionalLong.empty position: 83 \
                    CreateTime: 1700000000001 size: 76 magic: 2 compresscodec: none crc: ";
    assert!(shallow[2].starts_with(expected), "{}", shallow[2]);
    assert!(shallow[2].ends_with(" isvalid: true"));
    let (_, deep, _) = dumped.dump("log", &["--print-data-log"]);
    let records: Vec<_> = deep.iter().filter(|line| line.starts_with('|')).collect();
    assert_eq!(
        records,
        [
            "| offset: 0 CreateTime: 1700000000000 keySize: 3 valueSize: 5 sequence: -1 \
             headerKeys: [a,b] key: key payload: value",
            "| offset: 1 CreateTime: 1700000000001 keySize: -1 valueSize: 8 sequence: 5 \
             headerKeys: [] payload: in doubt",
            "| offset: 2 CreateTime: 1700000000002 keySize: 4 valueSize: 6 sequence: -1 \
             headerKeys: [] endTxnMarker: ABORT coordinatorEpoch: 3",
        ]
    );
    let (_, bare, _) = dumped.dump("log", &["--print-data-log", "--skip-record-metadata"]);
    assert_eq!(
        [&bare[2], &bare[4], &bare[6]],
        ["| key: key payload: value", "| payload: in doubt", ""]
    );
}

#[test]
fn a_torn_tail_is_counted_and_a_damaged_batch_is_not_valid() {
    let dumped = Dumped::new(sample);
    let (_, lines, _) = dumped.dump("log", &["--max-bytes", "200"]);
    assert_eq!(lines.len(), 3, "the third batch ends behind byte 200: {lines:?}");
    dumped.overwrite("log", 80, b'!');
    let content = std::fs::read(dumped.path("log")).unwrap();
    std::fs::write(dumped.path("log"), &content[..content.len() - 1]).unwrap();
    let (status, lines, _) = dumped.dump("log", &[]);
    assert_eq!(status, 0);
    assert!(lines[1].ends_with("isvalid: false"), "{lines:?}");
    assert_eq!(lines[3], "Found 77 invalid bytes at the end of 00000000000000000000.log");
}

#[test]
fn a_row_of_zeros_is_no_batch() {
    let dumped = Dumped::new(sample);
    let mut content = std::fs::read(dumped.path("log")).unwrap();
    content.extend([0; 100]);
    std::fs::write(dumped.path("log"), content).unwrap();
    let (status, lines, err) = dumped.dump("log", &[]);
    assert_eq!((status, lines.len()), (1, 4), "{lines:?}");
    let path = dumped.path("log");
    let text =
        format!("Found record size 0 smaller than minimum record overhead (14) in file {path}.");
    assert_eq!(err, [text]);
}

fn batch(options: BatchOptions, values: &[&str]) -> Vec<u8> {
    let mut batch = BatchBuilder::new(options);
    for value in values {
        batch.append(NOW, None, Some(value.as_bytes()), &[]);
    }
    batch.finish().to_vec()
}

#[test]
fn compressed_batches_are_opened() {
    for codec in Compression::ALL {
        let options = BatchOptions { codec: codec.into(), ..Default::default() };
        let content = batch(options, &["a", "b"]);
        let log = "00000000000000000000.log";
        let (status, lines, _) =
            dump_bytes(log, &content, &["--print-data-log", "--skip-record-metadata"]);
        assert_eq!(status, 0);
        let size = content.len();
        let part = format!(" size: {size} magic: 2 compresscodec: {codec} crc: ");
        assert!(lines[1].contains(&part), "{}", lines[1]);
        assert_eq!(lines[2..], ["| payload: a", "| payload: b"]);
    }
}

/// Two records of four are left, and the batch says when its tombstones may go.
#[test]
fn what_compaction_left_has_gaps_and_a_horizon() {
    let options = BatchOptions {
        base_offset: 10,
        delete_horizon: Some(NOW + 5),
        log_append_time: Some(NOW + 1),
        ..Default::default()
    };
    let mut builder = BatchBuilder::new(options);
    let whole = batch(BatchOptions { base_offset: 10, ..Default::default() }, &["a", "b", "c"]);
    let whole = protocol::record::RecordBatch::parse(&whole.into()).unwrap();
    let payload = whole.payload(1 << 10).unwrap();
    for record in payload.records().map(Result::unwrap).filter(|record| record.offset != 11) {
        builder.append_record(&record);
    }
    builder.set_last_offset(13);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("00000000000000000010.log").display().to_string();
    std::fs::write(&path, builder.finish()).unwrap();
    let (status, lines, err) = dump(&path, &["--deep-iteration"]);
    assert_eq!((status, &*lines[0]), (0, "Log starting offset: 10"));
    let horizon = format!(
        "baseOffset: 10 lastOffset: 13 count: 2 baseSequence: -1 lastSequence: -1 producerId: -1 \
         producerEpoch: -1 partitionLeaderEpoch: -1 isTransactional: false isControl: false \
         deleteHorizonMs: OptionalLong[{}] position: 0 LogAppendTime: {} size: ",
        NOW + 5,
        NOW + 1
    );
    assert!(lines[1].starts_with(&horizon), "{}", lines[1]);
    assert_eq!(
        lines[2..],
        [10, 12].map(|offset| format!(
            "| offset: {offset} LogAppendTime: {} keySize: -1 valueSize: 1 sequence: -1 \
             headerKeys: []",
            NOW + 1
        ))
    );
    let expected = [
        &format!("Non-consecutive offsets in {path}"),
        "  -1 is followed by 10",
        "  10 is followed by 12",
    ];
    assert_eq!(err, expected);
}

#[test]
fn the_headers_fields_are_shown_though_they_cannot_be_right() {
    let log = "00000000000000000000.log";
    let damaged = |at: usize, byte: u8| {
        let mut content = batch(BatchOptions::default(), &["a", "b"]);
        content[at] = byte;
        dump_bytes(log, &content, &["--deep-iteration"])
    };
    let (status, lines, _) = damaged(16, 3);
    assert!(status == 0 && lines[1].contains(" magic: 3 ") && lines[1].ends_with("isvalid: true"));
    let (status, _, err) = damaged(22, 7);
    assert_eq!((status, &*err[0]), (1, "Unknown compression type id: 7"));
    let (status, lines, err) = damaged(60, 1);
    let text = "Incorrect declared batch size, records still remaining in file";
    assert_eq!((status, lines.len(), &*err[0]), (1, 2, text));
}

fn control(offset: i64, kind: ControlType, value: &[u8]) -> Vec<u8> {
    let options = BatchOptions { base_offset: offset, is_control: true, ..Default::default() };
    let mut batch = BatchBuilder::new(options);
    batch.append(NOW, Some(&kind.key()), Some(value), &[]);
    batch.finish().to_vec()
}

fn encoded<M: Message>(message: &M) -> Vec<u8> {
    let mut writer = Writer::with_capacity(64);
    message.encode(&mut writer, 0).unwrap();
    writer.buffered().to_vec()
}

#[test]
fn control_records_of_the_quorum_are_shown() {
    let mut voters = VotersRecord::default();
    let mut voter = protocol::messages::voters_record::Voter { voter_id: 1, ..Default::default() };
    voter.k_raft_version_feature.max_supported_version = 1;
    voters.voters.push(voter);
    let header = SnapshotHeaderRecord { last_contained_log_timestamp: 7, ..Default::default() };
    let version = KRaftVersionRecord { k_raft_version: 1, ..Default::default() };
    let leader = LeaderChangeMessage { leader_id: 1, ..Default::default() };
    let content = [
        control(0, ControlType::SnapshotHeader, &encoded(&header)),
        control(1, ControlType::KRaftVersion, &encoded(&version)),
        control(2, ControlType::KRaftVoters, &encoded(&voters)),
        control(3, ControlType::LeaderChange, &encoded(&leader)),
        control(4, ControlType::SnapshotFooter, &encoded(&SnapshotFooterRecord::default())),
        control(5, ControlType::Unknown(99), &[]),
    ]
    .concat();
    let name = "00000000000000000005-0000000003.checkpoint";
    let (status, lines, _) = dump_bytes(name, &content, &["--deep-iteration"]);
    assert_eq!((status, &*lines[0]), (0, "Snapshot end offset: 5, epoch: 3"));
    let records = lines.iter().filter(|line| line.starts_with('|'));
    let records: Vec<_> =
        records.map(|line| line.split_once("headerKeys: [] ").unwrap().1).collect();
    assert_eq!(
        records,
        [
            r#"SnapshotHeader {"version":0,"lastContainedLogTimestamp":7}"#,
            r#"KRaftVersion {"version":0,"kRaftVersion":1}"#,
            concat!(
                r#"KRaftVoters {"version":0,"voters":[{"voterId":1,"voterDirectoryId":"#,
                r#""AAAAAAAAAAAAAAAAAAAAAA","endpoints":[],"kRaftVersionFeature":"#,
                r#"{"minSupportedVersion":0,"maxSupportedVersion":1}}]}"#
            ),
            r#"LeaderChange: {"version":0,"leaderId":1,"voters":[],"grantingVoters":[]}"#,
            r#"SnapshotFooter {"version":0}"#,
            "controlType: UNKNOWN(99)",
        ]
    );
    let (_, lines, _) = dump_bytes("bootstrap.checkpoint", &content, &[]);
    assert_eq!(lines[0], "KRaft bootstrap snapshot");
    let (status, _, err) = dump_bytes("5.checkpoint", &content, &[]);
    assert!(status == 1 && err[0].contains("OFFSET-EPOCH.checkpoint"), "{err:?}");
}
