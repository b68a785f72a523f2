use protocol::record::{Compression, Header, control};

use super::*;
use crate::index::AbortedEntry;

const NOW: i64 = 1_000_000;
const RETENTION: i64 = 5_000;

/// Key, value and timestamp.
type Sent = (Option<&'static str>, Option<&'static str>, i64);

fn batch_of(options: BatchOptions, records: &[Sent]) -> Bytes {
    let mut builder = BatchBuilder::new(options);
    for (key, value, timestamp) in records {
        let headers = [Header::new("h", Some(b"v"))];
        builder.append(*timestamp, key.map(str::as_bytes), value.map(str::as_bytes), &headers);
    }
    builder.finish()
}

fn batch(base_offset: i64, records: &[Sent]) -> Bytes {
    batch_of(BatchOptions { base_offset, ..Default::default() }, records)
}

fn header(batch: &[u8]) -> BatchHeader {
    BatchHeader::parse(batch).unwrap()
}

/// Offsets, keys, values and timestamps of a batch, whose CRC is good.
fn content(bytes: &Bytes) -> Vec<(i64, Option<String>, Option<String>, i64)> {
    let batch = RecordBatch::parse(bytes).unwrap();
    batch.check_crc().unwrap();
    let text = |bytes: Option<&[u8]>| bytes.map(|bytes| String::from_utf8_lossy(bytes).into());
    let payload = batch.payload(1 << 20).unwrap();
    let records = payload.records().map(Result::unwrap);
    records.map(|r| (r.offset, text(r.key), text(r.value), r.timestamp)).collect()
}

struct Rig {
    map: OffsetMap,
    producers: HashMap<i64, LastOfProducer>,
    end_offset: i64,
    now_ms: i64,
}

impl Rig {
    fn new(last: &[(&str, i64)]) -> Self {
        let mut map = OffsetMap::new(1 << 16, 0.5);
        map.begin(1000);
        for (key, offset) in last {
            assert!(map.put(key.as_bytes(), *offset));
        }
        Self { map, producers: HashMap::new(), end_offset: 1000, now_ms: NOW }
    }

    fn filter<'a>(&'a self, aborted: &'a [AbortedEntry]) -> Filter<'a> {
        let rules = Rules {
            map: &self.map,
            end_offset: self.end_offset,
            now_ms: self.now_ms,
            delete_retention_ms: RETENTION,
            producers: &self.producers,
        };
        Filter::new(rules, Transactions::new(aborted))
    }

    fn judge(&self, batch: &Bytes, must_stay: bool) -> Fate {
        self.filter(&[]).judge(&header(batch), batch, must_stay).unwrap()
    }
}

fn changed(fate: Fate) -> Bytes {
    match fate {
        Fate::Changed(bytes) => bytes,
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_last_record_of_a_key_stays_where_it_is() {
    let rig = Rig::new(&[("a", 12), ("b", 11)]);
    let whole = batch(10, &[(Some("c"), Some("1"), 7), (Some("b"), Some("2"), 8)]);
    assert_eq!(rig.judge(&whole, false), Fate::Kept, "keys that the map lacks stay");
    let mixed = batch(
        10,
        &[(Some("a"), Some("0"), 9), (Some("b"), Some("1"), 8), (Some("a"), Some("2"), 7)],
    );
    let left = changed(rig.judge(&mixed, false));
    let expected =
        [(11, Some("b".into()), Some("1".into()), 8), (12, Some("a".into()), Some("2".into()), 7)];
    assert_eq!(content(&left), expected);
    assert_eq!(header(&left).max_timestamp, 8, "of what is left");
    let old = batch(0, &[(Some("a"), Some("0"), 9), (Some("b"), Some("1"), 8)]);
    assert_eq!(rig.judge(&old, false), Fate::Gone);
}

#[test]
fn a_batch_ends_where_it_did_though_its_last_records_go() {
    let rig = Rig::new(&[("a", 100)]);
    let options = BatchOptions {
        base_offset: 10,
        leader_epoch: 4,
        producer_id: 77,
        producer_epoch: 3,
        base_sequence: 20,
        is_transactional: true,
        codec: Compression::Zstd.into(),
        ..Default::default()
    };
    let sent = batch_of(options, &[(Some("b"), Some("1"), 5), (Some("a"), Some("2"), 6)]);
    let (before, left) = (header(&sent), changed(rig.judge(&sent, false)));
    let after = header(&left);
    assert_eq!(content(&left).len(), 1);
    assert_eq!((after.base_offset, after.last_offset()), (10, 11));
    assert_eq!(after.last_sequence(), before.last_sequence());
    assert_eq!(after.attributes, before.attributes);
    assert_eq!(
        (after.leader_epoch, after.producer_id, after.producer_epoch, after.count),
        (4, 77, 3, 1)
    );
}

#[test]
fn every_compression_is_kept() {
    for compression in Compression::ALL {
        let rig = Rig::new(&[("a", 100)]);
        let options = BatchOptions { codec: compression.into(), ..Default::default() };
        let sent = batch_of(options, &[(Some("a"), Some("1"), 5), (Some("b"), Some("2"), 6)]);
        let left = changed(rig.judge(&sent, false));
        assert_eq!(header(&left).compression().unwrap(), compression);
        assert_eq!(content(&left), [(1, Some("b".into()), Some("2".into()), 6)]);
    }
}

#[test]
fn records_without_a_key_go() {
    let rig = Rig::new(&[]);
    let sent = batch(0, &[(None, Some("1"), 5), (Some("b"), Some("2"), 6)]);
    assert_eq!(content(&changed(rig.judge(&sent, false))).len(), 1);
    assert_eq!(rig.judge(&batch(0, &[(None, Some("1"), 5)]), false), Fate::Gone);
}

#[test]
fn a_tombstone_gets_a_horizon_and_goes_behind_it() {
    let mut rig = Rig::new(&[("a", 1)]);
    let sent = batch(0, &[(Some("b"), Some("1"), 5), (Some("a"), None, 6)]);
    let mut filter = rig.filter(&[]);
    let waiting = changed(filter.judge(&header(&sent), &sent, false).unwrap());
    assert_eq!(filter.last_horizon_ms, Some(NOW + RETENTION));
    assert_eq!(header(&waiting).delete_horizon(), Some(NOW + RETENTION));
    assert_eq!(content(&waiting), content(&sent), "times are what they were");
    assert_eq!(header(&waiting).max_timestamp, 6);
    rig.now_ms = NOW + RETENTION - 1;
    assert_eq!(rig.judge(&waiting, false), Fate::Kept, "the horizon stays what it was");
    rig.now_ms = NOW + RETENTION;
    let mut filter = rig.filter(&[]);
    let left = changed(filter.judge(&header(&waiting), &waiting, false).unwrap());
    assert_eq!(content(&left), [(0, Some("b".into()), Some("1".into()), 5)]);
    assert_eq!(filter.last_horizon_ms, None);
}

#[test]
fn a_tombstone_that_is_followed_by_a_value_goes_at_once() {
    let rig = Rig::new(&[("a", 100)]);
    assert_eq!(rig.judge(&batch(0, &[(Some("a"), None, 6)]), false), Fate::Gone);
}

#[test]
fn what_the_map_has_not_reached_stays() {
    let mut rig = Rig::new(&[("a", 100)]);
    rig.end_offset = 2;
    let behind = batch(2, &[(Some("a"), None, 6), (None, Some("x"), 7)]);
    assert_eq!(rig.judge(&behind, false), Fate::Kept);
    let across = batch(1, &[(Some("a"), Some("1"), 5), (Some("a"), None, 6)]);
    let left = changed(rig.judge(&across, false));
    assert_eq!(content(&left), [(2, Some("a".into()), None, 6)]);
    assert_eq!(header(&left).delete_horizon(), None, "the next pass reaches it");
}

#[test]
fn a_header_stays_of_a_batch_that_must_not_be_forgotten() {
    let mut rig = Rig::new(&[("a", 100)]);
    let options = BatchOptions {
        base_offset: 10,
        producer_id: 5,
        producer_epoch: 2,
        base_sequence: 30,
        codec: Compression::Lz4.into(),
        ..Default::default()
    };
    let sent = batch_of(options, &[(Some("a"), Some("1"), 8), (Some("a"), Some("2"), 9)]);
    assert_eq!(rig.judge(&sent, false), Fate::Gone);
    let last = LastOfProducer { data_offset: Some(11), epoch: 2 };
    rig.producers.insert(5, last);
    let empty = changed(rig.judge(&sent, false));
    let (after, before) = (header(&empty), header(&sent));
    RecordBatch::parse(&empty).unwrap().check_crc().unwrap();
    assert_eq!((empty.len(), after.count), (BATCH_OVERHEAD, 0));
    assert_eq!(after.last_sequence(), before.last_sequence());
    assert_eq!((after.base_offset, after.last_offset()), (10, 11));
    assert_eq!((after.max_timestamp, after.attributes), (9, 0));
    assert_eq!(rig.judge(&empty, false), Fate::Kept, "as long as it is the last");
    rig.producers.insert(5, LastOfProducer { data_offset: Some(50), epoch: 2 });
    assert_eq!(rig.judge(&empty, false), Fate::Gone);
    assert_eq!(rig.judge(&empty, true), Fate::Kept, "the last one of a segment");
    assert_eq!(changed(rig.judge(&sent, true)), empty);
}

#[test]
fn append_times_stay() {
    let rig = Rig::new(&[("a", 100)]);
    let options = BatchOptions { log_append_time: Some(4444), ..Default::default() };
    let sent = batch_of(options, &[(Some("a"), Some("1"), 8), (Some("b"), None, 9)]);
    let left = changed(rig.judge(&sent, false));
    assert_eq!(header(&left).timestamp_type(), TimestampType::LogAppendTime);
    assert_eq!(header(&left).max_timestamp, 4444);
    assert_eq!(content(&left), [(1, Some("b".into()), None, 4444)]);
}

fn in_transaction(base_offset: i64, key: &'static str) -> Bytes {
    let options = BatchOptions {
        base_offset,
        producer_id: 9,
        producer_epoch: 0,
        base_sequence: 0,
        is_transactional: true,
        ..Default::default()
    };
    batch_of(options, &[(Some(key), Some("t"), 3)])
}

fn marker(base_offset: i64, commit: bool) -> Bytes {
    let marker =
        control::Marker { producer_id: 9, producer_epoch: 0, commit, coordinator_epoch: 0 };
    control::marker_batch(&marker, base_offset, 0, 3)
}

#[test]
fn a_marker_goes_after_its_transactions_records_and_its_horizon() {
    let mut rig = Rig::new(&[("a", 100)]);
    let judge = |rig: &Rig, batches: &[&Bytes]| -> Vec<Fate> {
        let mut filter = rig.filter(&[]);
        let judged = batches.iter().map(|b| filter.judge(&header(b), b, false).unwrap());
        judged.collect()
    };
    let (kept, old, end) = (in_transaction(0, "b"), in_transaction(1, "a"), marker(2, true));
    assert_eq!(judge(&rig, &[&kept, &end]), [Fate::Kept, Fate::Kept]);
    assert_eq!(judge(&rig, &[&old, &end]), [Fate::Gone, Fate::Kept], "seen in this pass");
    let waiting = changed(judge(&rig, &[&end]).remove(0));
    assert_eq!(header(&waiting).delete_horizon(), Some(NOW + RETENTION));
    assert!(header(&waiting).is_control() && header(&waiting).is_transactional());
    let said = records::marker(waiting.clone()).unwrap().unwrap();
    assert!(said.committed);
    assert_eq!(judge(&rig, &[&waiting]), [Fate::Kept]);
    rig.now_ms += RETENTION;
    assert_eq!(judge(&rig, &[&waiting]), [Fate::Gone]);
    rig.producers.insert(9, LastOfProducer { data_offset: None, epoch: 0 });
    let rest = changed(judge(&rig, &[&waiting]).remove(0));
    assert_eq!(header(&rest).count, 0);
    assert!(header(&rest).is_control());
    assert_eq!(judge(&rig, &[&rest]), [Fate::Kept], "it has the producer's epoch");
}

#[test]
fn aborted_records_go_whatever_their_keys() {
    let rig = Rig::new(&[]);
    let aborted =
        [AbortedEntry { producer_id: 9, first_offset: 0, last_offset: 2, last_stable_offset: 3 }];
    let mut filter = rig.filter(&aborted);
    let mut judge = |batch: &Bytes| filter.judge(&header(batch), batch, false).unwrap();
    assert_eq!(judge(&in_transaction(0, "a")), Fate::Gone);
    assert_eq!(judge(&in_transaction(1, "b")), Fate::Gone);
    assert_eq!(judge(&marker(2, false)), Fate::Kept);
    assert_eq!(judge(&in_transaction(3, "a")), Fate::Kept);
    assert_eq!(filter.transactions().take_with_data(0..0), aborted);
}

#[test]
fn a_batch_whose_records_lie_is_refused() {
    let rig = Rig::new(&[]);
    let mut sent = batch(10, &[(Some("a"), Some("1"), 5)]).to_vec();
    // The offset delta of the only record.
    sent[BATCH_OVERHEAD + 3] = 2;
    protocol::record::patch::set_crc(&mut sent);
    let refused = rig.filter(&[]).judge(&header(&sent), &sent, false);
    assert_eq!(refused, Err("a record of it has offset 11".into()));
}
