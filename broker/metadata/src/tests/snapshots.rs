//! Snapshots that are written and read again, whole and damaged.

use bytes::Bytes;
use protocol::messages::{ConfigRecord, KRaftVersionRecord, VotersRecord};
use protocol::record::control::ControlType;
use protocol::record::{self, BatchBuilder, BatchOptions};
use protocol::{Message, Writer};

use super::replay_log;
use crate::snapshot::{
    self, SnapshotError, SnapshotHead, SnapshotPart, SnapshotReader, SnapshotWriteError,
    SnapshotWriter,
};
use crate::{Image, MetadataRecord, MetadataVersion, RecordWriteError};

const LEVEL: MetadataVersion = MetadataVersion::LATEST;
const LOG: &[u8] = include_bytes!("../../testdata/one-node.log");

fn image() -> Image {
    replay_log(&Bytes::from_static(LOG), 49)
}

fn head() -> SnapshotHead {
    SnapshotHead {
        epoch: 7,
        last_contained_log_timestamp: 1_700_000_000_000,
        kraft_version: 1,
        voters: Some(VotersRecord::default()),
        now_ms: 1_700_000_000_500,
    }
}

fn write(head: SnapshotHead, image: &Image, batch_bytes: usize) -> (Bytes, usize) {
    let writer = SnapshotWriter::new(head, LEVEL, image.records(LEVEL)).batch_bytes(batch_bytes);
    let batches: Vec<Bytes> = writer.map(Result::unwrap).collect();
    (batches.concat().into(), batches.len())
}

#[test]
fn a_snapshot_is_read_as_it_was_written_in_batches_of_any_size() {
    let image = image();
    let mut counts = Vec::new();
    for batch_bytes in [0, 1, 300, 1_000, 1 << 20] {
        let (bytes, count) = write(head(), &image, batch_bytes);
        counts.push(count);
        let read = snapshot::read(&bytes, 49).unwrap();
        assert_eq!(read.image, image);
        assert_eq!(read.head.last_contained_log_timestamp, 1_700_000_000_000);
        assert_eq!(read.head.kraft_version, 1);
        assert_eq!(read.head.voters, Some(VotersRecord::default()));
        for batch in record::batches(&bytes) {
            let batch = batch.unwrap();
            assert_eq!((batch.leader_epoch, batch.max_timestamp), (7, 1_700_000_000_500));
            assert!(batch.size() <= batch_bytes || batch.count == 1 || batch.is_control());
        }
    }
    assert_eq!(counts[..2], [29, 29], "one record a batch, header and footer");
    assert!(counts.is_sorted_by(|more, fewer| more >= fewer) && counts[4] == 3, "{counts:?}");
}

#[test]
fn a_snapshot_of_nothing_has_header_and_footer() {
    let writer = SnapshotWriter::new(SnapshotHead::default(), LEVEL, std::iter::empty());
    let bytes: Bytes = writer.map(Result::unwrap).collect::<Vec<_>>().concat().into();
    let read = snapshot::read(&bytes, 0).unwrap();
    assert_eq!(read.image, Image::default());
    assert_eq!((read.head.kraft_version, read.head.voters), (0, None));
}

#[test]
fn what_cant_be_in_a_snapshot_is_refused_and_ends_it() {
    let voters = SnapshotHead { kraft_version: 0, ..head() };
    let writer = SnapshotWriter::new(voters, LEVEL, std::iter::empty());
    assert_eq!(writer.collect::<Vec<_>>(), [Err(SnapshotWriteError::Voters)]);

    let image = image();
    let old = MetadataVersion::V3_3_IV3;
    // Records of one level, to be written at another.
    let mut writer = SnapshotWriter::new(head(), old, image.records(LEVEL));
    let last = writer.by_ref().last().unwrap().unwrap_err();
    assert!(matches!(last, SnapshotWriteError::Record(RecordWriteError::Field { .. })), "{last}");
    assert_eq!(writer.next(), None);

    let value = Some("x".repeat(30_000));
    let huge = ConfigRecord { value, ..ConfigRecord::default() };
    let writer = SnapshotWriter::new(head(), LEVEL, std::iter::once(huge.into()));
    let bytes: Bytes =
        writer.batch_bytes(100).map(Result::unwrap).collect::<Vec<_>>().concat().into();
    assert!(
        SnapshotReader::new(&bytes).all(|part| part.is_ok()),
        "larger than its batch should be"
    );
}

#[test]
fn a_snapshot_that_was_cut_or_changed_anywhere_is_refused() {
    let (bytes, _) = write(head(), &image(), 600);
    for length in 0..bytes.len() {
        let error = snapshot::read(&bytes.slice(..length), 49).unwrap_err();
        let (told, ends_a_batch) = (error.to_string(), is_whole(&bytes.slice(..length)));
        match ends_a_batch {
            true if length == 0 => assert_eq!(error, SnapshotError::Empty),
            true => assert_eq!(error, SnapshotError::NoFooter { position: length }),
            false => assert!(told.starts_with("the batch at byte "), "{length}: {told}"),
        }
    }
    for at in 0..bytes.len() {
        // The epoch of a batch is not a part of its checksum.
        if is_epoch(&bytes, at) {
            continue;
        }
        let mut damaged = bytes.to_vec();
        damaged[at] ^= 0x10;
        assert!(snapshot::read(&damaged.into(), 49).is_err(), "byte {at}");
    }
}

fn is_whole(bytes: &Bytes) -> bool {
    record::batches(bytes).all(|batch| batch.is_ok())
}

fn is_epoch(bytes: &Bytes, at: usize) -> bool {
    let mut start = 0;
    record::batches(bytes).any(|batch| {
        let from = start;
        start += batch.unwrap().size();
        (from + 12..from + 16).contains(&at)
    })
}

/// A batch of control records at an offset.
fn control(offset: i64, records: &[(ControlType, Vec<u8>)]) -> Bytes {
    let options = BatchOptions { base_offset: offset, is_control: true, ..BatchOptions::default() };
    let mut batch = BatchBuilder::new(options);
    for (kind, value) in records {
        batch.append(0, Some(&kind.key()), Some(value), &[]);
    }
    batch.finish()
}

fn metadata(offset: i64, values: &[&[u8]]) -> Bytes {
    let options = BatchOptions { base_offset: offset, ..BatchOptions::default() };
    let mut batch = BatchBuilder::new(options);
    for value in values {
        batch.append(0, None, Some(value), &[]);
    }
    batch.finish()
}

fn header() -> (ControlType, Vec<u8>) {
    (ControlType::SnapshotHeader, vec![0, 0, 0, 0, 0, 0, 0, 0, 0, 9, 0])
}

fn footer() -> (ControlType, Vec<u8>) {
    (ControlType::SnapshotFooter, vec![0, 0, 0])
}

fn told(parts: &[Bytes]) -> String {
    snapshot::read(&parts.concat().into(), 0).unwrap_err().to_string()
}

#[test]
fn what_is_out_of_place_is_named_with_its_place() {
    let (head, foot) = (control(0, &[header()]), control(1, &[footer()]));
    let size = head.len();
    assert!(snapshot::read(&[head.clone(), foot.clone()].concat().into(), 0).is_ok());

    let no_op: &[u8] = &[1, 20, 0, 0];
    let text = "the snapshot does not begin with its header, but with ";
    let cases: Vec<(Vec<Bytes>, String)> = vec![
        (vec![metadata(0, &[no_op])], format!("{text}a batch of metadata")),
        (vec![control(0, &[footer()])], format!("{text}SnapshotFooter")),
        (vec![control(0, &[])], "has the offsets 0 to -1: 0 is missing".to_owned()),
        (
            vec![head.clone(), foot.clone(), metadata(2, &[no_op])],
            format!("the batch at byte {} comes after the footer", size + foot.len()),
        ),
        (
            vec![head.clone(), control(1, &[header()])],
            format!("the batch at byte {size} has a SnapshotHeaderRecord where none may be"),
        ),
        (
            vec![control(0, &[header(), footer()])],
            "the batch at byte 0 has a SnapshotFooterRecord where none may be".to_owned(),
        ),
        (
            vec![head.clone(), metadata(2, &[no_op])],
            format!("the batch at byte {size} has the offsets 2 to 2: 1 is missing"),
        ),
        (
            vec![head.clone(), metadata(1, &[no_op, &[1, 99, 0]])],
            "the record at offset 2: a record of type 99".to_owned(),
        ),
        (
            vec![head.clone(), metadata(1, &[&[1, 19, 0, 0], no_op])],
            "the record at offset 1: a RemoveAccessControlEntryRecord can't be read".to_owned(),
        ),
        (
            vec![control(0, &[(ControlType::SnapshotHeader, vec![0, 7])])],
            "the SnapshotHeaderRecord at byte 0 can't be read".to_owned(),
        ),
        (
            vec![control(
                0,
                &[(ControlType::SnapshotHeader, vec![0, 1, 0, 0, 0, 0, 0, 0, 0, 9, 0])],
            )],
            "the SnapshotHeaderRecord at byte 0 has version 1, only 0 is known".to_owned(),
        ),
        (
            vec![control(0, &[header(), (ControlType::KRaftVersion, vec![0, 0, 0, 2, 0])])],
            "kraft.version 2 in the batch at byte 0 is not known".to_owned(),
        ),
        (
            vec![head.clone(), metadata(1, &[&[1, 24, 0, 0]])],
            format!(
                "a record of the batch at byte {size} can't be followed: a EndTransactionRecord \
                 stands outside of a transaction"
            ),
        ),
    ];
    for (parts, expected) in cases {
        let told = told(&parts);
        assert!(told.contains(&expected), "{told}, not {expected}");
    }
    let begun = metadata(1, &[&[1, 23, 0, 0]]);
    let open = [head, begun, control(2, &[footer()])];
    assert_eq!(told(&open), SnapshotError::OpenTransaction.to_string());
}

#[test]
fn control_records_that_are_not_known_are_passed_over() {
    let unknown = control(1, &[(ControlType::Unknown(9), vec![1, 2, 3])]);
    let mut version = Writer::new();
    let told = KRaftVersionRecord { version: 0, k_raft_version: 1 };
    told.encode(&mut version, 0).unwrap();
    let first = [header(), (ControlType::KRaftVersion, version.buffered().to_vec())];
    let bytes = [control(0, &first), unknown.slice(..), control(2, &[footer()])];
    // Of the first batch two records are known.
    let bytes: Bytes =
        [bytes[0].clone(), renumber(&bytes[1], 2), renumber(&bytes[2], 3)].concat().into();
    let parts: Vec<_> = SnapshotReader::new(&bytes).map(Result::unwrap).collect();
    let [SnapshotPart::Head { head, .. }, SnapshotPart::Control { .. }, SnapshotPart::Footer] =
        &parts[..]
    else {
        panic!("{parts:?}")
    };
    assert_eq!((head.kraft_version, head.last_contained_log_timestamp), (1, 9));
    let read = snapshot::read(&bytes, 5).unwrap();
    assert_eq!((read.control.len(), read.image.end_offset()), (2, 5));
}

fn renumber(batch: &Bytes, offset: i64) -> Bytes {
    let mut batch = batch.to_vec();
    batch[..8].copy_from_slice(&offset.to_be_bytes());
    batch.into()
}

#[test]
fn records_of_all_kinds_fit_a_snapshot() {
    let records: Vec<MetadataRecord> = image().records(LEVEL).collect();
    assert!(records.len() > 20);
}
