use broker_log::{ActiveProducer, AppendError, LeaderAppend, Log, Origin};

use crate::support::*;

fn send(
    log: &mut Log,
    epoch: i16,
    sequence: i32,
    count: usize,
) -> Result<(i64, i64, bool), AppendError> {
    let appended = log.append_as_leader(&produced(5, epoch, sequence, count), by_client())?;
    Ok((appended.base_offset, appended.last_offset, appended.duplicate))
}

#[track_caller]
fn assert_gap(result: Result<(i64, i64, bool), AppendError>, last: i32, sent: i32) {
    match result {
        Err(AppendError::OutOfOrderSequence { sequence, last_sequence, .. }) => {
            assert_eq!((last_sequence, sequence), (last, sent));
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_batch_sent_again_gets_its_first_offsets() {
    on_each_store(|rig| {
        let mut log = rig.open();
        put(&mut log, NOW, "other");
        assert_eq!(send(&mut log, 0, 0, 3).unwrap(), (1, 3, false));
        assert_eq!(send(&mut log, 0, 3, 1).unwrap(), (4, 4, false));
        assert_eq!(send(&mut log, 0, 0, 3).unwrap(), (1, 3, true));
        assert_eq!(send(&mut log, 0, 3, 1).unwrap(), (4, 4, true));
        assert_eq!(log.log_end_offset(), 5);
    });
}

#[test]
fn the_last_five_batches_are_remembered() {
    on_each_store(|rig| {
        let mut log = rig.open();
        for sequence in 0..7 {
            send(&mut log, 0, sequence, 1).unwrap();
        }
        for sequence in 2..7 {
            let offset = i64::from(sequence);
            assert_eq!(send(&mut log, 0, sequence, 1).unwrap(), (offset, offset, true));
        }
        assert_gap(send(&mut log, 0, 1, 1), 6, 1);
        assert_gap(send(&mut log, 0, 5, 2), 6, 5);
    });
}

#[test]
fn a_gap_in_the_sequence_is_refused_and_changes_nothing() {
    on_each_store(|rig| {
        let mut log = rig.open();
        send(&mut log, 0, 0, 2).unwrap();
        assert_gap(send(&mut log, 0, 3, 1), 1, 3);
        assert_eq!(send(&mut log, 0, 2, 1).unwrap(), (2, 2, false));
    });
}

#[test]
fn sequences_go_on_at_zero_after_the_largest() {
    on_each_store(|rig| {
        let mut log = rig.open();
        assert_eq!(send(&mut log, 0, i32::MAX - 1, 3).unwrap(), (0, 2, false));
        assert_gap(send(&mut log, 0, 2, 1), 0, 2);
        assert_eq!(send(&mut log, 0, 1, 1).unwrap(), (3, 3, false));
        assert_eq!(send(&mut log, 0, i32::MAX - 1, 3).unwrap(), (0, 2, true));
    });
}

#[test]
fn a_new_epoch_begins_at_zero_and_fences_the_old_one() {
    on_each_store(|rig| {
        let mut log = rig.open();
        send(&mut log, 3, 0, 1).unwrap();
        assert_gap(send(&mut log, 4, 1, 1), 0, 1);
        assert_eq!(send(&mut log, 4, 0, 1).unwrap(), (1, 1, false));
        match send(&mut log, 3, 1, 1) {
            Err(AppendError::InvalidProducerEpoch { producer_id: 5, epoch: 3, current: 4 }) => {}
            other => panic!("{other:?}"),
        }
    });
}

#[test]
fn an_unknown_producer_may_begin_anywhere() {
    on_each_store(|rig| {
        let mut log = rig.open();
        assert_eq!(send(&mut log, 7, 42, 1).unwrap(), (0, 0, false));
        assert_eq!(send(&mut log, 7, 43, 1).unwrap(), (1, 1, false));
    });
}

#[test]
fn coordinators_are_not_held_to_sequences() {
    on_each_store(|rig| {
        let mut log = rig.open();
        let append = LeaderAppend { origin: Origin::Coordinator, ..by_client() };
        for sequence in [0, 0, 9] {
            log.append_as_leader(&produced(5, 1, sequence, 1), append).unwrap();
        }
        let stale = log.append_as_leader(&produced(5, 0, 0, 1), append);
        assert!(matches!(stale, Err(AppendError::InvalidProducerEpoch { .. })));
        assert_eq!(log.log_end_offset(), 3);
    });
}

#[test]
fn quiet_producers_are_forgotten_unless_in_a_transaction() {
    on_each_store(|mut rig| {
        rig.config.producer_id_expiration_ms = 1000;
        let mut log = rig.open();
        log.append_as_leader(&produced(5, 0, 0, 1), by_client()).unwrap();
        log.append_as_leader(&transactional(6, 0, 0), by_client()).unwrap();
        assert_eq!(log.expire_producers(NOW + 999), 0);
        assert_eq!(log.expire_producers(NOW + 1000), 1);
        let left: Vec<_> = log.active_producers().iter().map(|p| p.producer_id).collect();
        assert_eq!(left, [6]);
    });
}

#[test]
fn producers_are_described() {
    on_each_store(|rig| {
        let mut log = rig.open();
        log.append_as_leader(&produced(9, 2, 0, 4), by_client()).unwrap();
        log.append_as_leader(&transactional(5, 1, 0), by_client()).unwrap();
        let plain = ActiveProducer {
            producer_id: 9,
            producer_epoch: 2,
            last_sequence: 3,
            last_timestamp: NOW,
            coordinator_epoch: -1,
            current_transaction_start_offset: -1,
        };
        let in_transaction = ActiveProducer {
            producer_id: 5,
            producer_epoch: 1,
            last_sequence: 0,
            current_transaction_start_offset: 4,
            ..plain
        };
        assert_eq!(log.active_producers(), [in_transaction, plain]);
    });
}

#[test]
fn the_last_stable_offset_is_that_of_the_oldest_open_transaction() {
    on_each_store(|rig| {
        let mut log = rig.open();
        let marks = |log: &mut Log| {
            let high_watermark = log.set_high_watermark(log.log_end_offset());
            (high_watermark, log.last_stable_offset())
        };
        put(&mut log, NOW, "0");
        log.append_as_leader(&transactional(1, 0, 0), by_client()).unwrap();
        log.append_as_leader(&transactional(2, 0, 0), by_client()).unwrap();
        assert_eq!(marks(&mut log), (3, 1));
        log.append_as_leader(&marker(1, 0, true), by_coordinator()).unwrap();
        assert_eq!(log.last_stable_offset(), 1, "the marker is not replicated");
        assert_eq!(marks(&mut log), (4, 2));
        log.append_as_leader(&marker(2, 0, false), by_coordinator()).unwrap();
        assert_eq!(marks(&mut log), (5, 5));
    });
}

#[test]
fn aborted_transactions_are_found_by_the_range_that_is_read() {
    on_each_store(|mut rig| {
        rig.config.segment.bytes = 300;
        let mut log = rig.open();
        log.append_as_leader(&transactional(1, 0, 0), by_client()).unwrap(); // 0
        log.append_as_leader(&transactional(2, 0, 0), by_client()).unwrap(); // 1
        log.append_as_leader(&marker(1, 0, false), by_coordinator()).unwrap(); // 2
        log.append_as_leader(&transactional(3, 0, 0), by_client()).unwrap(); // 3
        log.append_as_leader(&marker(3, 0, true), by_coordinator()).unwrap(); // 4
        log.append_as_leader(&marker(2, 0, false), by_coordinator()).unwrap(); // 5
        fill(&mut log, 3);
        assert!(log.segment_count() > 1);
        let aborted = |log: &Log, from, to| -> Vec<(i64, i64)> {
            let found = log.aborted_transactions(from, to).unwrap();
            found.iter().map(|aborted| (aborted.producer_id, aborted.first_offset)).collect()
        };
        let check = |log: &Log| {
            assert_eq!(aborted(log, 0, 1), [(1, 0)]);
            assert_eq!(aborted(log, 0, 9), [(1, 0), (2, 1)]);
            assert_eq!(aborted(log, 3, 9), [(2, 1)]);
            assert_eq!(aborted(log, 6, 9), []);
        };
        check(&log);
        log.close().unwrap();
        check(&rig.open());
        let (log, _) = rig.open_after_crash(0);
        check(&log);
    });
}

#[test]
fn markers_are_held_to_the_epochs_of_producer_and_coordinator() {
    on_each_store(|rig| {
        let mut log = rig.open();
        log.append_as_leader(&transactional(1, 5, 0), by_client()).unwrap();
        let stale = log.append_as_leader(&marker(1, 4, true), by_coordinator());
        assert!(matches!(stale, Err(AppendError::InvalidProducerEpoch { .. })));
        let strict =
            LeaderAppend { origin: Origin::Marker { transaction_version: 2 }, ..by_coordinator() };
        let same = log.append_as_leader(&marker(1, 5, true), strict);
        assert!(matches!(same, Err(AppendError::InvalidProducerEpoch { .. })));
        log.append_as_leader(&marker(1, 6, true), strict).unwrap();
        log.append_as_leader(&marker(1, 6, true), strict).unwrap();
        let old = protocol::record::control::Marker {
            producer_id: 1,
            producer_epoch: 6,
            commit: true,
            coordinator_epoch: 2,
        };
        let old = protocol::record::control::marker_batch(&old, 0, 0, NOW);
        match log.append_as_leader(&old, by_coordinator()) {
            Err(AppendError::CoordinatorFenced { epoch: 2, current: 3 }) => {}
            other => panic!("{other:?}"),
        }
    });
}

#[test]
fn a_batch_outside_of_an_open_transaction_is_refused() {
    on_each_store(|rig| {
        let mut log = rig.open();
        log.append_as_leader(&transactional(1, 0, 0), by_client()).unwrap();
        let outside = log.append_as_leader(&produced(1, 0, 1, 1), by_client());
        assert!(matches!(outside, Err(AppendError::NotTransactional { producer_id: 1 })));
    });
}

#[test]
fn producers_survive_a_shutdown_a_crash_and_a_roll() {
    for (clean, roll) in [(true, false), (true, true), (false, false), (false, true)] {
        on_each_store(|mut rig| {
            rig.config.segment.bytes = if roll { 200 } else { 1 << 20 };
            let mut log = rig.open();
            for sequence in 0..8 {
                send(&mut log, 1, sequence, 1).unwrap();
            }
            log.append_as_leader(&transactional(6, 0, 0), by_client()).unwrap();
            let before = log.active_producers();
            let mut log = if clean {
                log.close().unwrap();
                rig.open()
            } else {
                drop(log);
                rig.open_after_crash(0).0
            };
            assert_eq!(log.active_producers(), before);
            assert_eq!(send(&mut log, 1, 7, 1).unwrap(), (7, 7, true), "the last batch is known");
            assert_gap(send(&mut log, 1, 9, 1), 7, 9);
            assert_eq!(send(&mut log, 1, 8, 1).unwrap(), (9, 9, false));
            log.set_high_watermark(10);
            assert_eq!(log.last_stable_offset(), 8);
        });
    }
}

#[test]
fn a_damaged_snapshot_is_replaced_by_reading_the_batches() {
    on_each_store(|rig| {
        let mut log = rig.open();
        send(&mut log, 1, 0, 3).unwrap();
        let before = log.active_producers();
        log.close().unwrap();
        let name = "00000000000000000003.snapshot";
        let good = rig.content(name);
        for at in 0..good.len() {
            let mut bad = good.clone();
            bad[at] ^= 0x10;
            rig.overwrite(name, &bad);
            assert_eq!(rig.open().active_producers(), before, "byte {at}");
            assert!(!rig.files().contains(&name.to_owned()), "byte {at}");
        }
    });
}

#[test]
fn a_snapshot_of_records_that_are_not_there_is_not_believed() {
    for clean_shutdown in [true, false] {
        on_each_store(|mut rig| {
            rig.config.segment.bytes = 200;
            let mut log = rig.open();
            for sequence in 0..6 {
                send(&mut log, 1, sequence, 1).unwrap();
            }
            let before = log.active_producers();
            log.close().unwrap();
            // The same state, but of an offset that the log does not have.
            let snapshot = rig.content("00000000000000000006.snapshot");
            rig.overwrite("00000000000000000099.snapshot", &snapshot);
            let options = broker_log::OpenOptions {
                clean_shutdown,
                recovery_point: 6,
                now_ms: NOW,
                ..Default::default()
            };
            let (mut log, _) = rig.open_with(options);
            assert_eq!(log.active_producers(), before);
            assert!(!rig.files().contains(&"00000000000000000099.snapshot".to_owned()));
            assert_eq!(send(&mut log, 1, 6, 1).unwrap(), (6, 6, false));
        });
    }
}
