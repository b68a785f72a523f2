//! What producers and transactions leave.

use super::*;

fn produced_keyed(producer_id: i64, sequence: i32, key: &str) -> Bytes {
    let options = BatchOptions {
        producer_id,
        producer_epoch: 0,
        base_sequence: sequence,
        ..Default::default()
    };
    keyed(options, &[(key, Some("v"))])
}

fn in_transaction(producer_id: i64, sequence: i32, key: &str, value: Option<&str>) -> Bytes {
    let options = BatchOptions {
        producer_id,
        producer_epoch: 0,
        base_sequence: sequence,
        is_transactional: true,
        ..Default::default()
    };
    keyed(options, &[(key, value)])
}

/// Opens a log whose snapshots are lost, from its batches alone.
fn reopened(rig: &Rig, log: Log) -> Log {
    drop(log);
    for name in rig.files().iter().filter(|name| name.ends_with(".snapshot")) {
        rig.remove(name);
    }
    let (mut log, report) = rig.open_after_crash(0);
    assert_eq!(report.bytes_cut, 0);
    log.set_high_watermark(log.log_end_offset());
    log
}

#[test]
fn duplicates_are_known_though_their_records_are_gone() {
    on_each_store(|mut rig| {
        compacted(&mut rig);
        let mut log = rig.open();
        for sequence in 0..4 {
            append_bytes(&mut log, &produced_keyed(5, sequence, "a"));
        }
        append(&mut log, &[("a", Some("last"))]);
        roll(&mut log);
        Cleaner::new().pass(&mut log, NOW);
        assert_eq!(committed(&log), [seen(4, "a", Some("last"))]);
        let left: Vec<_> = batches(&log, 5).iter().map(|b| (b.base_offset, b.count)).collect();
        assert_eq!(left, [(3, 0), (4, 1)]);
        let mut log = reopened(&rig, log);
        let again = log.append_as_leader(&produced_keyed(5, 3, "a"), by_client()).unwrap();
        assert!(again.duplicate);
        assert_eq!(again.base_offset, 3);
        let gap = log.append_as_leader(&produced_keyed(5, 5, "a"), by_client());
        assert!(gap.is_err(), "{gap:?}");
        append_bytes(&mut log, &produced_keyed(5, 4, "a"));
        roll(&mut log);
        Cleaner::new().pass(&mut log, NOW);
        let left: Vec<_> = batches(&log, 6).iter().map(|b| (b.base_offset, b.count)).collect();
        assert_eq!(left, [(5, 1)], "it is not the last any more");
    });
}

#[test]
fn an_aborted_transaction_goes_its_marker_last() {
    on_each_store(|mut rig| {
        compacted(&mut rig);
        let mut log = rig.open();
        append(&mut log, &[("a", Some("0"))]);
        append_bytes(&mut log, &in_transaction(7, 0, "a", Some("aborted")));
        append_bytes(&mut log, &in_transaction(7, 1, "a", None));
        append_marker(&mut log, 7, 0, false);
        append_bytes(&mut log, &in_transaction(7, 2, "b", Some("4")));
        append_marker(&mut log, 7, 0, true);
        append(&mut log, &[("c", Some("6"))]);
        roll(&mut log);
        let left = [seen(0, "a", Some("0")), seen(4, "b", Some("4")), seen(6, "c", Some("6"))];
        assert_eq!(committed(&log), left);
        let mut cleaner = Cleaner::new();
        cleaner.pass(&mut log, NOW);
        let offsets = |log: &Log| -> Vec<_> {
            batches(log, 7).iter().map(|batch| batch.base_offset).collect()
        };
        assert_eq!(committed(&log), left, "an aborted tombstone takes nothing with it");
        assert_eq!(offsets(&log), [0, 3, 4, 5, 6]);
        assert_eq!(log.aborted_transactions(0, 7).unwrap().len(), 1, "as of this pass");
        cleaner.pass(&mut log, NOW + 1);
        let horizon = rig.config.compaction.delete_retention_ms + NOW + 1;
        assert_eq!(batches(&log, 7)[1].delete_horizon(), Some(horizon));
        assert_eq!(log.aborted_transactions(0, 7).unwrap(), [], "none of it is left");
        cleaner.pass(&mut log, horizon);
        assert_eq!(offsets(&log), [0, 4, 5, 6]);
        assert_eq!(committed(&log), left);
    });
}

#[test]
fn a_marker_stays_as_long_as_records_of_its_transaction() {
    on_each_store(|mut rig| {
        compacted(&mut rig);
        let day = rig.config.compaction.delete_retention_ms;
        let mut log = rig.open();
        append_bytes(&mut log, &in_transaction(7, 0, "a", Some("0")));
        append_marker(&mut log, 7, 0, true);
        append_bytes(&mut log, &in_transaction(7, 1, "z", Some("2")));
        append_marker(&mut log, 7, 0, true);
        roll(&mut log);
        let mut cleaner = Cleaner::new();
        let horizons = |log: &Log| -> Vec<_> {
            let batches = batches(log, log.log_end_offset());
            batches.iter().map(|batch| (batch.base_offset, batch.delete_horizon())).collect()
        };
        for pass in 0..3 {
            cleaner.pass(&mut log, NOW + pass * 2 * day);
            assert_eq!(horizons(&log), [(0, None), (1, None), (2, None), (3, None)]);
        }
        append(&mut log, &[("a", Some("4"))]);
        roll(&mut log);
        cleaner.pass(&mut log, NOW);
        assert_eq!(horizons(&log), [(1, None), (2, None), (3, None), (4, None)]);
        cleaner.pass(&mut log, NOW);
        let waits = Some(NOW + day);
        assert_eq!(horizons(&log), [(1, waits), (2, None), (3, None), (4, None)]);
        let log = reopened(&rig, log);
        assert_eq!(log.last_stable_offset(), 5, "no transaction is open");
        let mut log = log;
        cleaner.pass(&mut log, NOW + day);
        assert_eq!(horizons(&log), [(2, None), (3, None), (4, None)]);
        let producers = reopened(&rig, log).active_producers();
        assert_eq!((producers[0].producer_id, producers[0].last_sequence), (7, 1));
    });
}

#[test]
fn the_epoch_of_a_producer_that_only_ended_transactions_is_known() {
    on_each_store(|mut rig| {
        compacted(&mut rig);
        rig.config.compaction.delete_retention_ms = 0;
        let mut log = rig.open();
        append_marker(&mut log, 7, 4, false);
        append(&mut log, &[("a", Some("1"))]);
        roll(&mut log);
        let mut cleaner = Cleaner::new();
        cleaner.pass(&mut log, NOW);
        cleaner.pass(&mut log, NOW);
        let counts: Vec<_> = batches(&log, 2).iter().map(|batch| batch.count).collect();
        assert_eq!(counts, [0, 1], "its header is left");
        let mut log = reopened(&rig, log);
        let fenced = log.append_as_leader(&in_transaction(7, 0, "b", None), by_client());
        assert!(fenced.is_err(), "{fenced:?}");
    });
}

#[test]
fn aborted_transactions_that_end_behind_the_pass_are_known() {
    on_each_store(|mut rig| {
        compacted(&mut rig);
        let mut log = rig.open();
        append_bytes(&mut log, &in_transaction(7, 0, "a", Some("aborted")));
        append_bytes(&mut log, &in_transaction(8, 0, "b", Some("1")));
        roll(&mut log);
        append_marker(&mut log, 7, 0, false);
        append_marker(&mut log, 8, 0, true);
        let mut cleaner = Cleaner::new();
        cleaner.pass(&mut log, NOW);
        assert_eq!(committed(&log), [seen(1, "b", Some("1"))]);
        let left: Vec<_> = batches(&log, 4).iter().map(|b| (b.base_offset, b.count)).collect();
        assert_eq!(left, [(0, 0), (1, 1), (2, 1), (3, 1)], "it is the producer's last");
        assert_eq!(log.aborted_transactions(0, 4).unwrap().len(), 1);
        let log = reopened(&rig, log);
        assert_eq!(committed(&log), [seen(1, "b", Some("1"))]);
        assert_eq!(log.aborted_transactions(0, 4).unwrap().len(), 1);
    });
}
