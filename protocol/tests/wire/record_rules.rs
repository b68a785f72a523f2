//! The walk that a leader makes over a batch, against the records as a reader gets them.

use std::ops::ControlFlow;

use bytes::Bytes;
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use protocol::record::{
    BATCH_OVERHEAD, BatchBuilder, BatchError, BatchOptions, Compression, Header, InvalidRecord,
    RecordBatch, RecordProblem, RecordRules, patch, validate_records, visit_records,
};

const LIMIT: usize = 64 << 20;

fn parse(bytes: impl Into<Bytes>) -> RecordBatch {
    RecordBatch::parse(&bytes.into()).expect("it is whole")
}

fn rules() -> RecordRules {
    RecordRules { keys: true, times: Some(100..=900), listed_at_most: 1_000 }
}

/// Timestamps, keys and sizes of values.
type Given = (i64, Option<Vec<u8>>, usize);

fn built(compression: Compression, given: &[Given]) -> Bytes {
    let options = BatchOptions { codec: compression.into(), ..BatchOptions::default() };
    let mut builder = BatchBuilder::new(options);
    for (number, (timestamp, key, size)) in given.iter().enumerate() {
        // Neither all the same nor beyond compressing.
        let value: Vec<u8> = (0..*size).map(|at| (at * (number + 7) / 11) as u8).collect();
        let headers = [Header::new("h", Some(&value[..size / 2])), Header::new("", None)];
        let headers = &headers[..number % 3];
        builder.append(*timestamp, key.as_deref(), Some(&value), headers);
    }
    builder.finish()
}

fn given() -> impl Strategy<Value = Given> {
    let size = prop_oneof![20 => 0..300_usize, 1 => 60_000..200_000_usize];
    (prop_oneof![Just(-1), 0..1_000_i64], option::of(vec(any::<u8>(), 0..20)), size)
}

/// Index, timestamp and whether there is a key, of the records as a reader gets them.
fn read(batch: &RecordBatch) -> Result<Vec<(usize, i64, bool)>, BatchError> {
    let payload = batch.payload(LIMIT)?;
    let records = payload.records().enumerate();
    records.map(|(index, r)| r.map(|r| (index, r.timestamp, r.key.is_some()))).collect()
}

fn walked(batch: &RecordBatch) -> Result<Vec<(usize, i64, bool)>, BatchError> {
    let mut found = Vec::new();
    visit_records(batch, LIMIT, |record| {
        found.push((record.index, record.timestamp, record.has_key));
        ControlFlow::Continue(())
    })?;
    Ok(found)
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 64, failure_persistence: None, ..ProptestConfig::default()
    })]

    #[test]
    fn all_records_that_break_a_rule_are_told_whatever_they_are_packed_in(
        given in vec(given(), 1..20),
        compression in proptest::sample::select(Compression::ALL.to_vec()),
    ) {
        let batch = parse(built(compression, &given));
        let summary = validate_records(&batch, &rules(), LIMIT).expect("it is whole");
        let expected = given.iter().enumerate().filter_map(|(index, (timestamp, key, _))| {
            let problem = match key {
                None => RecordProblem::WithoutKey,
                Some(_) if *timestamp == -1 || (100..=900).contains(timestamp) => return None,
                Some(_) => RecordProblem::Time { timestamp: *timestamp },
            };
            Some(InvalidRecord { index, problem })
        });
        let expected: Vec<_> = expected.collect();
        let times = expected.iter().filter(|r| r.problem != RecordProblem::WithoutKey).count();
        prop_assert_eq!((summary.broken.count, summary.broken.times), (expected.len(), times));
        prop_assert_eq!(summary.broken.listed, expected);
        let latest = given.iter().map(|(timestamp, ..)| *timestamp).max().expect("there is one");
        prop_assert_eq!((summary.count, summary.max_timestamp), (given.len(), latest));
        let size = batch.payload(LIMIT).expect("it is read").bytes().len();
        prop_assert_eq!(summary.uncompressed_size, size);
        prop_assert_eq!(walked(&batch), read(&batch));
        let short = validate_records(&batch, &rules(), size - 1);
        if compression != Compression::None {
            prop_assert_eq!(short, Err(BatchError::TooLarge { limit: size - 1 }));
        }
    }

    #[test]
    fn a_batch_whose_bytes_were_changed_is_read_as_a_reader_reads_it(
        given in vec(given(), 1..6),
        compression in proptest::sample::select(Compression::ALL.to_vec()),
        changes in vec((0..4_000_usize, any::<u8>()), 1..4),
    ) {
        let mut bytes = built(compression, &given).to_vec();
        for (at, value) in changes {
            let room = bytes.len() - BATCH_OVERHEAD;
            bytes[BATCH_OVERHEAD + at % room] = value;
        }
        patch::set_crc(&mut bytes);
        let batch = parse(bytes);
        match (walked(&batch), read(&batch)) {
            (walked, Ok(read)) => prop_assert_eq!(walked, Ok(read)),
            // The walk may end before it comes to what is damaged behind the last record.
            (Ok(_), Err(BatchError::Compressed { .. } | BatchError::TooLarge { .. })) => {}
            (Ok(_), Err(problem)) => prop_assert!(false, "the walk missed {problem}"),
            (Err(_), Err(_)) => {}
        }
    }
}

#[test]
fn a_walk_ends_where_it_is_told_to() {
    let batch = parse(built(Compression::Lz4, &vec![(1, None, 50); 9]));
    let mut seen = 0;
    let ended = visit_records(&batch, LIMIT, |record| {
        seen += 1;
        if record.index == 3 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    });
    assert_eq!((ended, seen), (Ok(()), 4));
}

#[test]
fn garbage_with_a_good_checksum_is_refused() {
    let whole = built(Compression::None, &[(1, Some(b"k".to_vec()), 40), (2, None, 40)]);
    for filler in [0_u8, 1, 0x7f, 0x80, 0xff] {
        let mut bytes = whole.to_vec();
        bytes[BATCH_OVERHEAD..].fill(filler);
        patch::set_crc(&mut bytes);
        let batch = parse(bytes);
        let refused = validate_records(&batch, &RecordRules::default(), LIMIT);
        assert!(refused.is_err(), "{filler}: {refused:?}");
    }
}

#[test]
fn a_length_below_that_of_none_is_refused() {
    // Attributes, time, offset, key, value, number of headers: zigzag numbers, so 3 is -2.
    for body in [&[0, 0, 0, 3, 2, b'v', 0], &[0, 0, 0, 2, b'k', 3, 0]] {
        let mut bytes = built(Compression::None, &[(1, Some(b"k".to_vec()), 0)]).to_vec();
        bytes.truncate(BATCH_OVERHEAD);
        bytes.push(14);
        bytes.extend_from_slice(body);
        let length = i32::try_from(bytes.len() - 12).expect("it is small");
        bytes[8..12].copy_from_slice(&length.to_be_bytes());
        patch::set_crc(&mut bytes);
        let batch = parse(bytes);
        assert!(validate_records(&batch, &RecordRules::default(), LIMIT).is_err(), "{body:?}");
        assert!(read(&batch).is_err(), "{body:?}");
    }
}

#[test]
fn a_list_of_broken_rules_ends_where_it_is_told_to_and_the_rest_is_counted() {
    let batch = parse(built(Compression::None, &vec![(5, Some(Vec::new()), 0); 50]));
    let rules = RecordRules { listed_at_most: 3, ..rules() };
    let broken = validate_records(&batch, &rules, LIMIT).expect("it is whole").broken;
    assert_eq!((broken.count, broken.times, broken.listed.len()), (50, 50, 3));
}

#[test]
fn a_small_batch_of_much_content_is_walked_up_to_the_limit() {
    for compression in Compression::ALL.into_iter().filter(|c| *c != Compression::None) {
        let zeros = vec![0; 8 << 20];
        let options = BatchOptions { codec: compression.into(), ..BatchOptions::default() };
        let mut builder = BatchBuilder::new(options);
        builder.append(7, None, Some(&zeros), &[]);
        let batch = parse(builder.finish());
        let rules = RecordRules::default();
        let summary = validate_records(&batch, &rules, LIMIT).expect("it is whole");
        assert_eq!((summary.count, summary.max_timestamp), (1, 7), "{compression}");
        let refused = validate_records(&batch, &rules, 1 << 20);
        assert_eq!(refused, Err(BatchError::TooLarge { limit: 1 << 20 }), "{compression}");
    }
}
