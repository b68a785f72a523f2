//! What is found to be done, and when.

use broker_log::LogConfig;

use super::*;

fn configure(log: &mut Log, change: impl FnOnce(&mut LogConfig)) {
    let mut config = (**log.config()).clone();
    change(&mut config);
    log.update_config(config.into());
}

/// A record with a time of its own, in a segment of its own.
fn put_at(log: &mut Log, timestamp: i64) -> u64 {
    let before = log.size_bytes();
    let mut builder = record::BatchBuilder::new(BatchOptions::default());
    builder.append(timestamp, Some(b"a"), Some(b"v"), &[]);
    append_bytes(log, &builder.finish());
    roll(log);
    log.size_bytes() - before
}

#[test]
fn a_log_that_is_not_compacted_has_nothing_to_clean() {
    on_each_store(|rig| {
        let log = rig.open();
        assert_eq!(log.cleanable(None, NOW).unwrap(), None);
    });
}

#[test]
fn bytes_are_dirty_from_the_checkpoint_to_the_active_segment() {
    on_each_store(|mut rig| {
        compacted(&mut rig);
        let mut log = rig.open();
        let cleaner = Cleaner::new();
        let nothing = cleaner.cleanable(&log, NOW);
        assert_eq!((nothing.clean_bytes, nothing.dirty_bytes, nothing.dirty_ratio()), (0, 0, 0.0));
        let one = put_at(&mut log, NOW);
        for _ in 0..3 {
            put_at(&mut log, NOW);
        }
        append(&mut log, &[("b", Some("active"))]);
        let at = |checkpoint| {
            let cleanable = log.cleanable(Some(checkpoint), NOW).unwrap().unwrap();
            assert_eq!(cleanable.first_uncleanable_offset, 4);
            assert!(!cleanable.must_clean && !cleanable.checkpoint_is_stale);
            (cleanable.first_dirty_offset, cleanable.clean_bytes / one, cleanable.dirty_bytes / one)
        };
        assert_eq!([at(0), at(1), at(3), at(4)], [(0, 0, 4), (1, 1, 3), (3, 3, 1), (4, 4, 0)]);
        let due = |checkpoint| {
            let cleanable = log.cleanable(Some(checkpoint), NOW).unwrap().unwrap();
            cleanable.is_due(&rig.config.compaction)
        };
        assert_eq!([due(0), due(1), due(2), due(4)], [true, true, false, false]);
    });
}

#[test]
fn what_is_open_or_not_replicated_is_not_cleaned() {
    on_each_store(|mut rig| {
        compacted(&mut rig);
        let mut log = rig.open();
        put_at(&mut log, NOW);
        let open = log.append_as_leader(&transactional(7, 0, 0), by_client()).unwrap();
        roll(&mut log);
        put_at(&mut log, NOW);
        let cleaner = Cleaner::new();
        assert_eq!(cleaner.cleanable(&log, NOW).first_uncleanable_offset, open.base_offset);
        log.append_as_leader(&marker(7, 0, true), by_coordinator()).unwrap();
        assert_eq!(cleaner.cleanable(&log, NOW).first_uncleanable_offset, 1, "not replicated");
        log.set_high_watermark(4);
        assert_eq!(cleaner.cleanable(&log, NOW).first_uncleanable_offset, 3);
    });
}

#[test]
fn a_checkpoint_outside_of_the_log_counts_for_nothing() {
    on_each_store(|mut rig| {
        compacted(&mut rig);
        let mut log = rig.open();
        for _ in 0..4 {
            put_at(&mut log, NOW);
        }
        let at = |log: &Log, checkpoint| {
            let cleanable = log.cleanable(checkpoint, NOW).unwrap().unwrap();
            (cleanable.first_dirty_offset, cleanable.checkpoint_is_stale)
        };
        assert_eq!(at(&log, None), (0, false));
        assert_eq!(at(&log, Some(5)), (0, true), "above the end");
        log.delete_records_before(2).unwrap();
        assert_eq!(at(&log, Some(1)), (2, true), "below the start");
        assert_eq!(at(&log, Some(3)), (3, false));
        log.truncate_to(2, NOW).unwrap();
        for _ in 0..4 {
            put_at(&mut log, NOW);
        }
        assert_eq!(at(&log, Some(4)), (2, true), "written anew since");
        let mut cleaner = Cleaner { checkpoint: Some(4), ..Cleaner::new() };
        cleaner.pass(&mut log, NOW);
        assert_eq!(at(&log, cleaner.checkpoint), (6, false));
    });
}

#[test]
fn young_segments_are_left_alone() {
    on_each_store(|mut rig| {
        compacted(&mut rig);
        let mut log = rig.open();
        for timestamp in [NOW - 300, NOW - 100, NOW - 200, NOW - 150] {
            put_at(&mut log, timestamp);
        }
        let cleaner = Cleaner::new();
        let mut end = |min_lag_ms| {
            configure(&mut log, |config| config.compaction.min_lag_ms = min_lag_ms);
            cleaner.cleanable(&log, NOW).first_uncleanable_offset
        };
        assert_eq!([end(0), end(99), end(101), end(299), end(301)], [4, 4, 1, 1, 0]);
    });
}

#[test]
fn a_record_does_not_stay_dirty_for_longer_than_it_may() {
    on_each_store(|mut rig| {
        compacted(&mut rig);
        let mut log = rig.open();
        for timestamp in [NOW - 3000, NOW - 1000] {
            put_at(&mut log, timestamp);
        }
        let must = |log: &mut Log, checkpoint, max_lag_ms| {
            configure(log, |config| config.compaction.max_lag_ms = max_lag_ms);
            log.cleanable(Some(checkpoint), NOW).unwrap().unwrap().must_clean
        };
        assert!(!must(&mut log, 0, i64::MAX));
        assert!(!must(&mut log, 0, 3000));
        assert!(must(&mut log, 0, 2999));
        assert!(!must(&mut log, 1, 2999), "the older one is clean");
        assert!(must(&mut log, 1, 999));
        drop(log);
        let mut log = rig.open_after_crash(2).0;
        log.set_high_watermark(2);
        assert!(must(&mut log, 0, 2999), "the times are read from the files as well");
    });
}

#[test]
fn the_active_segment_does_not_keep_records_from_compaction_for_too_long() {
    on_each_store(|mut rig| {
        compacted(&mut rig);
        rig.config.compaction.max_lag_ms = 5000;
        let mut log = rig.open();
        append(&mut log, &[("a", Some("0"))]);
        assert!(!log.roll_if_due(NOW + 5000).unwrap());
        assert!(log.roll_if_due(NOW + 5001).unwrap());
        let cleanable = Cleaner::new().cleanable(&log, NOW + 5001);
        assert!(cleanable.must_clean && cleanable.dirty_bytes > 0);
        append(&mut log, &[("a", Some("0"))]);
        configure(&mut log, |config| config.retention.compact = false);
        assert!(!log.roll_if_due(NOW + 5001).unwrap(), "only where the log is compacted");
    });
}
