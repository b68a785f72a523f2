//! Appends of several requests at once: each is treated as if it were alone.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use broker_log::{AppendError, Appended, LeaderAppend, Log, LogConfig, MemoryStore};
use bytes::Bytes;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use protocol::record::BatchOptions;

use crate::faults::{Failing, Faults, FaultyStore};
use crate::support::*;

fn by_clients(records: impl IntoIterator<Item = Bytes>) -> Vec<(Bytes, LeaderAppend)> {
    records.into_iter().map(|records| (records, by_client())).collect()
}

/// Base offsets, or what was refused.
fn told(results: Vec<Result<Appended, AppendError>>) -> Vec<Result<i64, String>> {
    let of = |appended: Appended| appended.base_offset;
    results.into_iter().map(|result| result.map(of).map_err(|error| error.to_string())).collect()
}

fn faulty(config: LogConfig, failing: Failing) -> (Rig, MemoryStore, Faults) {
    let (inner, faults) = (MemoryStore::default(), Faults::after(i64::MAX, failing));
    let store = Arc::new(FaultyStore { inner: inner.clone(), faults: faults.clone() });
    (Rig { store, dir: PathBuf::from("data"), config }, inner, faults)
}

#[test]
fn what_fits_together_is_one_write() {
    let (rig, _, faults) = faulty(LogConfig::default(), Failing::Once);
    let mut log = rig.open();
    put(&mut log, NOW, "0");
    let before = faults.left();
    let group = by_clients((0..9).map(|number| match number % 3 {
        0 => batch(&[(NOW, "x"), (NOW, "y")]),
        producer => produced(producer, 0, number as i32 / 3 * 2, 2),
    }));
    let results = log.append_group_as_leader(&group);
    assert_eq!(before - faults.left(), 1);
    assert_eq!(told(results), (0..9).map(|number| Ok(1 + 2 * number)).collect::<Vec<_>>());
    assert_eq!(read_all(&log, 0).len(), 19);
}

#[test]
fn what_is_refused_leaves_the_others_alone() {
    on_each_store(|rig| {
        let mut log = rig.open();
        put(&mut log, NOW, "0");
        let results = log.append_group_as_leader(&by_clients([
            produced(5, 0, 0, 1),
            // A gap, then what came before it, then that again.
            produced(5, 0, 2, 1),
            produced(5, 0, 1, 1),
            produced(5, 0, 1, 1),
            Bytes::new(),
            batch(&[(NOW, "last")]),
        ]));
        let duplicates: Vec<_> =
            results.iter().map(|result| result.as_ref().ok().map(|done| done.duplicate)).collect();
        let done = Some(false);
        assert_eq!(duplicates, [done, None, done, Some(true), None, done]);
        let offsets: Vec<_> = told(results).into_iter().flatten().collect();
        assert_eq!(offsets, [1, 2, 2, 3]);
        let values: Vec<_> = read_all(&log, 0).into_iter().map(|(_, value)| value).collect();
        assert_eq!(values, ["0", "x", "x", "last"]);
    });
}

/// One client's append, good or not.
fn append() -> impl Strategy<Value = Bytes> {
    let plain = (1..5usize, 0..3i64).prop_map(|(count, later)| {
        let value = "a value of some length";
        batch(&vec![(NOW + later * 4000, value); count])
    });
    let idempotent = (1..4i64, 0..2i16, 0..4i32, 1..3usize)
        .prop_map(|(id, epoch, sequence, count)| produced(id, epoch, sequence, count));
    let of_control = (1..4i64).prop_map(|id| marker(id, 0, true));
    let transaction = (1..4i64, 0..3i32).prop_map(|(id, sequence)| transactional(id, 0, sequence));
    let of_two = Just([batch(&[(NOW, "1")]), produced(2, 0, 0, 1)].concat().into());
    let too_large = Just(batch_of(BatchOptions::default(), &[(NOW, &"x".repeat(700))]));
    prop_oneof![
        6 => plain,
        9 => idempotent,
        1 => of_control,
        2 => transaction,
        1 => of_two,
        1 => too_large,
        1 => Just(Bytes::from_static(b"no batch")),
    ]
}

#[test]
fn a_group_is_what_its_appends_are_one_by_one() {
    let groups = proptest::collection::vec(proptest::collection::vec(append(), 1..9), 1..12);
    let mut runner = TestRunner::new(Config { cases: 200, ..Config::default() });
    let tested = runner.run(&groups, |groups| {
        let mut config = LogConfig { max_message_bytes: 600, ..LogConfig::default() };
        config.segment.bytes = 1500;
        config.segment.ms = 5000;
        config.segment.index_interval_bytes = 150;
        config.segment.index_bytes = 60;
        let [grouped, single] = [(); 2].map(|()| Rig {
            store: Arc::new(MemoryStore::default()),
            dir: Path::new("data").to_owned(),
            config: config.clone(),
        });
        let (mut log, mut alone) = (grouped.open(), single.open());
        for group in groups {
            let appends = by_clients(group);
            let results = log.append_group_as_leader(&appends);
            let expected: Vec<_> = appends
                .iter()
                .map(|(records, append)| alone.append_as_leader(records, *append))
                .collect();
            prop_assert_eq!(format!("{:?}", results), format!("{:?}", expected));
        }
        let (end, expected_end) = (log.log_end_offset(), alone.log_end_offset());
        prop_assert_eq!(end, expected_end);
        close_both(log, alone);
        prop_assert_eq!(grouped.files(), single.files());
        for name in single.files() {
            prop_assert!(grouped.content(&name) == single.content(&name), "{} differs", name);
        }
        Ok(())
    });
    tested.unwrap();
}

fn close_both(log: Log, alone: Log) {
    log.close().unwrap();
    alone.close().unwrap();
}

#[test]
fn whatever_fails_in_a_groups_write_what_is_acknowledged_is_there_once() {
    for failing in [Failing::Once, Failing::ForGood] {
        for operations in 0.. {
            let mut config = LogConfig::default();
            config.segment.bytes = 400;
            let (rig, inner, faults) = faulty(config.clone(), failing);
            let mut log = rig.open();
            put(&mut log, NOW, "0");
            faults.set(operations);
            let values: Vec<String> = (0..8).map(|number| format!("value {number}")).collect();
            let group = by_clients(values.iter().map(|value| batch(&[(NOW, value)])));
            let results = log.append_group_as_leader(&group);
            let mut expected = vec![(0, "0".to_owned())];
            for (result, value) in results.iter().zip(&values) {
                expected.extend(result.as_ref().ok().map(|done| (done.base_offset, value.clone())));
            }
            let happened = faults.happened();
            faults.set(i64::MAX);
            assert_eq!(read_all(&log, 0), expected, "{failing:?} {operations}");
            drop(log);
            let rig = Rig { store: Arc::new(inner), dir: PathBuf::from("data"), config };
            let (log, _) = rig.open_after_crash(0);
            // What was refused because it could not be cut off may come back, behind the others.
            let mut found = read_all(&log, 0);
            assert!(found.starts_with(&expected), "{failing:?} {operations}: {found:?}");
            found.sort_by(|one, other| one.1.cmp(&other.1));
            found.dedup_by(|one, other| one.1 == other.1);
            assert_eq!(found.len() as i64, log.log_end_offset(), "{failing:?} {operations}");
            if !happened {
                assert!(operations > 3 && expected.len() == 9);
                break;
            }
        }
    }
}
