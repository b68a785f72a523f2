use std::path::Path;
use std::sync::Arc;

use broker_log::{
    FsStore, LeaderAppend, Location, Log, LogConfig, OpenOptions, Origin, TopicPartition,
};
use bytes::Bytes;
use protocol::messages::{OffsetCommitKey, OffsetCommitValue, TopicRecord};
use protocol::record::control::{self, Marker};
use protocol::record::{BatchBuilder, BatchOptions, Header};
use protocol::{Message, NumberedRecord, Writer};
use uuid::Uuid;

use super::run;

const NOW: i64 = 1_700_000_000_000;

/// A folder with a log, and what the tool prints of its files.
struct Dumped {
    folder: tempfile::TempDir,
}

impl Dumped {
    fn new(fill: impl FnOnce(&mut Log)) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let location = Location {
            log_dir: folder.path().to_owned(),
            topic_partition: TopicPartition::new("t", 0),
            topic_id: Uuid::from_u128(1),
        };
        let mut config = LogConfig::default();
        config.segment.index_interval_bytes = 0;
        let options = OpenOptions { now_ms: NOW, ..Default::default() };
        let log = Log::open(Arc::new(FsStore), location, Arc::new(config), options);
        let (mut log, _) = log.unwrap();
        fill(&mut log);
        log.close().unwrap();
        Self { folder }
    }

    fn path(&self, kind: &str) -> String {
        let name = if kind == "snapshot" { "00000000000000000003" } else { "00000000000000000000" };
        let path = self.folder.path().join("t-0").join(format!("{name}.{kind}"));
        path.display().to_string()
    }

    /// Exit status, and the lines of both outputs behind `Dumping FILE`.
    fn dump(&self, kind: &str, options: &[&str]) -> (i32, Vec<String>, Vec<String>) {
        dump(&self.path(kind), options)
    }

    fn overwrite(&self, kind: &str, at: usize, byte: u8) {
        let mut content = std::fs::read(self.path(kind)).unwrap();
        content[at] = byte;
        std::fs::write(self.path(kind), content).unwrap();
    }
}

fn dump(path: &str, options: &[&str]) -> (i32, Vec<String>, Vec<String>) {
    let mut arguments = vec!["--files".to_owned(), path.to_owned()];
    arguments.extend(options.iter().map(|option| (*option).to_owned()));
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let status = run(&arguments, &mut out, &mut err);
    let lines = |bytes: Vec<u8>| -> Vec<String> {
        String::from_utf8(bytes).unwrap().lines().map(str::to_owned).collect()
    };
    let mut out = lines(out);
    assert_eq!(out.remove(0), format!("Dumping {path}"));
    (status, out, lines(err))
}

fn append(log: &mut Log, batch: &Bytes, origin: Origin) {
    let append = LeaderAppend { leader_epoch: 2, origin, now_ms: NOW };
    log.append_as_leader(batch, append).unwrap();
}

/// Two records, then a transaction of one that is aborted.
fn sample(log: &mut Log) {
    let mut batch = BatchBuilder::new(BatchOptions::default());
    let headers = [Header::new("a", None), Header::new("b", Some(b"x"))];
    batch.append(NOW, Some(b"key"), Some(b"value"), &headers);
    append(log, &batch.finish(), Origin::Client);
    let mut batch = BatchBuilder::new(BatchOptions {
        producer_id: 9,
        producer_epoch: 1,
        base_sequence: 5,
        is_transactional: true,
        ..Default::default()
    });
    batch.append(NOW + 1, None, Some(b"in doubt"), &[]);
    append(log, &batch.finish(), Origin::Client);
    let marker = Marker { producer_id: 9, producer_epoch: 1, commit: false, coordinator_epoch: 3 };
    let marker = control::marker_batch(&marker, 0, 0, NOW + 2);
    append(log, &marker, Origin::Marker { transaction_version: 0 });
}

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
fn indexes_and_the_snapshot_are_printed() {
    let dumped = Dumped::new(sample);
    let out = |kind| dumped.dump(kind, &[]).1;
    assert_eq!(out("index"), ["offset: 1 position: 83", "offset: 2 position: 159"]);
    let times = ["timestamp: 1700000000001 offset: 1", "timestamp: 1700000000002 offset: 2"];
    assert_eq!(out("timeindex"), times);
    let aborted = "version: 0 producerId: 9 firstOffset: 1 lastOffset: 2 lastStableOffset: 3";
    assert_eq!(out("txnindex"), [aborted]);
    let producer = "producerId: 9 producerEpoch: 1 coordinatorEpoch: 3 currentTxnFirstOffset: \
                    OptionalLong.empty lastTimestamp: 1700000000002 firstSequence: 5 \
                    lastSequence: 5 lastOffset: 1 offsetDelta: 0 timestamp: 1700000000002";
    assert_eq!(out("snapshot"), [producer]);
}

#[test]
fn indexes_are_held_against_the_log() {
    let dumped = Dumped::new(sample);
    let path = dumped.path("index");
    let sane = vec![format!("{path} passed sanity check.")];
    assert_eq!(dumped.dump("index", &["--index-sanity-check"]), (0, sane, vec![]));
    assert_eq!(dumped.dump("index", &["--verify-index-only"]), (0, vec![], vec![]));
    let (status, _, err) = dumped.dump("index", &["--max-message-size", "20"]);
    assert_eq!((status, err.len()), (1, 1), "the batch is larger");
    dumped.overwrite("index", 3, 0);
    dumped.overwrite("index", 11, 9);
    let (status, out, err) = dumped.dump("index", &["--verify-index-only"]);
    assert_eq!((status, out.len()), (0, 0));
    assert_eq!(
        err,
        [
            &format!("Mismatches in :{path}"),
            "  Index offset: 9, log offset: 2",
            "  Index offset: 0, log offset: 1",
        ]
    );
    dumped.overwrite("timeindex", 7, 0);
    let (_, _, err) = dumped.dump("timeindex", &[]);
    assert!(err[0].starts_with("Found timestamp mismatch in :"), "{err:?}");
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

#[test]
fn files_that_are_of_no_segment_are_passed_over_or_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).display().to_string();
    let checkpoint = path("leader-epoch-checkpoint");
    let ignored = vec![format!("Ignoring unknown file {checkpoint}")];
    assert_eq!(dump(&checkpoint, &[]), (0, vec![], ignored));
    let (status, _, err) = dump(&path("nofile.log"), &[]);
    assert_eq!(status, 1);
    assert!(err[0].ends_with("is its first offset in digits, not \"nofile\""), "{err:?}");
    let (status, _, err) = dump(&path("00000000000000000000.log"), &[]);
    assert_eq!(status, 1);
    assert!(err[0].contains("No such file"), "{err:?}");
    assert!(!Path::new(&path("00000000000000000000.log")).exists());
}
