use broker_log::Log;

use crate::support::*;

#[test]
fn the_log_ends_where_it_was_cut_and_goes_on_from_there() {
    for offset in 0..=20 {
        on_each_store(|mut rig| {
            rig.config.segment.bytes = 250;
            rig.config.segment.index_interval_bytes = 0;
            let mut log = rig.open();
            fill(&mut log, 20);
            log.set_high_watermark(15);
            log.truncate_to(offset, NOW).unwrap();
            assert_eq!(log.log_end_offset(), offset);
            assert_eq!(log.high_watermark(), offset.min(15));
            assert_eq!(read_all(&log, 0), filled(0..offset));
            fill(&mut log, 3);
            assert_eq!(read_all(&log, 0), filled(0..offset + 3));
            drop(log);
            let (log, report) = rig.open_after_crash(0);
            assert_eq!(report.bytes_cut, 0);
            assert_eq!(read_all(&log, 0), filled(0..offset + 3));
        });
    }
}

#[test]
fn a_batch_that_is_cut_into_goes_as_a_whole() {
    on_each_store(|rig| {
        let mut log = rig.open();
        fill(&mut log, 1);
        log.append_as_leader(&batch(&[(NOW, "1"), (NOW, "2"), (NOW, "3")]), by_client()).unwrap();
        log.truncate_to(2, NOW).unwrap();
        assert_eq!((log.log_end_offset(), log.latest_epoch()), (1, Some(0)));
        assert_eq!(read_all(&log, 0), filled(0..1));
    });
}

#[test]
fn producers_are_as_they_were_at_the_cut() {
    on_each_store(|mut rig| {
        rig.config.segment.bytes = 200;
        let mut log = rig.open();
        let mut states = Vec::new();
        for sequence in 0..9 {
            states.push(log.active_producers());
            log.append_as_leader(&produced(5, 0, sequence, 1), by_client()).unwrap();
        }
        for offset in (0..9).rev() {
            log.truncate_to(offset, NOW).unwrap();
            assert_eq!(log.active_producers(), states[offset as usize], "at {offset}");
        }
    });
}

#[test]
fn open_transactions_are_as_they_were_at_the_cut() {
    on_each_store(|rig| {
        let mut log = rig.open();
        log.append_as_leader(&transactional(1, 0, 0), by_client()).unwrap();
        log.append_as_leader(&marker(1, 0, false), by_coordinator()).unwrap();
        let aborted = |log: &Log| log.aborted_transactions(0, 9).unwrap().len();
        assert_eq!(aborted(&log), 1);
        log.set_high_watermark(2);
        log.truncate_to(1, NOW).unwrap();
        assert_eq!(aborted(&log), 0);
        assert_eq!((log.high_watermark(), log.last_stable_offset()), (1, 0));
    });
}

#[test]
fn times_behind_the_cut_are_forgotten() {
    on_each_store(|mut rig| {
        rig.config.segment.index_interval_bytes = 0;
        let mut log = rig.open();
        for time in [10, 20, 30, 40] {
            put(&mut log, time, "x");
        }
        log.truncate_to(2, NOW).unwrap();
        put(&mut log, 25, "y");
        let largest = log.max_timestamp_offset().unwrap().unwrap();
        assert_eq!((largest.offset, largest.timestamp), (2, 25));
        let found = log.offset_for_timestamp(15).unwrap().unwrap();
        assert_eq!(found.offset, 1);
    });
}

#[test]
fn an_emptied_log_begins_at_any_offset() {
    on_each_store(|mut rig| {
        rig.config.segment.bytes = 250;
        let mut log = rig.open();
        fill(&mut log, 10);
        log.append_as_leader(&produced(5, 0, 0, 1), by_client()).unwrap();
        log.truncate_fully_and_start_at(100, NOW).unwrap();
        assert_eq!((log.log_start_offset(), log.log_end_offset()), (100, 100));
        assert_eq!((log.high_watermark(), log.latest_epoch()), (100, None));
        assert!(log.active_producers().is_empty());
        fill(&mut log, 5);
        assert_eq!(read_all(&log, 100), filled(100..105));
        drop(log);
        let (log, _) = rig.open_after_crash(0);
        assert_eq!((log.log_start_offset(), log.log_end_offset()), (100, 105));
    });
}

#[test]
fn a_flush_that_was_prepared_before_a_cut_says_nothing() {
    on_each_store(|rig| {
        let mut log = rig.open();
        fill(&mut log, 5);
        let flush = log.prepare_flush(5).unwrap().unwrap();
        log.truncate_to(2, NOW).unwrap();
        fill(&mut log, 3);
        let flushed = flush.run();
        log.finish_flush(flushed, NOW).unwrap();
        assert_eq!(log.recovery_point(), 0);
        log.flush(NOW).unwrap();
        assert_eq!(log.recovery_point(), 5);
    });
}
