use broker_log::{Log, RetentionReason, TrimError};

use crate::support::*;

/// Segments of three records, all of a time that is their offset in seconds behind `NOW`.
fn aged(mut rig: Rig, count: i64) -> (Rig, Log) {
    rig.config.segment.bytes = 250;
    let mut log = rig.open();
    for offset in 0..count {
        put(&mut log, NOW + offset * 1000, &offset.to_string());
    }
    log.set_high_watermark(count);
    (rig, log)
}

fn settings(rig: &Rig, log: &mut Log, ms: i64, bytes: i64) {
    let mut config = rig.config.clone();
    (config.retention.ms, config.retention.bytes) = (ms, bytes);
    log.update_config(config.into());
}

fn planned(log: &Log, now_ms: i64) -> Option<(i64, RetentionReason, usize)> {
    let plan = log.retention(now_ms).unwrap()?;
    Some((plan.new_log_start_offset, plan.reason, plan.segments))
}

#[test]
fn segments_go_when_their_last_record_is_too_old() {
    on_each_store(|rig| {
        let (rig, mut log) = aged(rig, 10);
        settings(&rig, &mut log, 60_000, -1);
        assert_eq!(planned(&log, NOW + 62_000), None);
        let one = (3, RetentionReason::Time, 1);
        assert_eq!(planned(&log, NOW + 62_001), Some(one));
        assert_eq!(planned(&log, NOW + 65_001), Some((6, RetentionReason::Time, 2)));
        settings(&rig, &mut log, -1, -1);
        assert_eq!(planned(&log, i64::MAX), None, "no limit");
    });
}

#[test]
fn the_active_segment_goes_too_once_all_of_it_is_old() {
    on_each_store(|rig| {
        let (rig, mut log) = aged(rig, 10);
        settings(&rig, &mut log, 60_000, -1);
        let plan = log.retention(NOW + 100_000).unwrap().unwrap();
        assert_eq!((plan.new_log_start_offset, plan.segments), (10, 4));
        assert_eq!(plan.bytes, log.size_bytes());
        log.apply_retention(&plan, NOW).unwrap().remove().unwrap();
        assert_eq!((log.log_start_offset(), log.log_end_offset()), (10, 10));
        assert_eq!((log.segment_count(), log.size_bytes()), (1, 0));
        assert_eq!(planned(&log, i64::MAX / 2), None, "an empty segment stays");
        fill(&mut log, 1);
        assert_eq!(read_all(&log, 10), filled(10..11));
    });
}

#[test]
fn the_oldest_segments_go_until_the_size_is_right() {
    on_each_store(|rig| {
        let (rig, mut log) = aged(rig, 9);
        let segment = log.size_bytes() as i64 / 3;
        for (bytes, expected) in [
            (3 * segment, None),
            (2 * segment + 1, None),
            (2 * segment, Some((3, RetentionReason::Size, 1))),
            (segment, Some((6, RetentionReason::Size, 2))),
            (0, Some((9, RetentionReason::Size, 3))),
        ] {
            settings(&rig, &mut log, -1, bytes);
            assert_eq!(planned(&log, NOW), expected, "{bytes} bytes");
        }
    });
}

#[test]
fn what_is_not_replicated_stays() {
    on_each_store(|rig| {
        let (rig, mut log) = aged(rig, 9);
        settings(&rig, &mut log, 0, 0);
        log.set_high_watermark(5);
        assert_eq!(planned(&log, NOW + 900_000).map(|plan| plan.0), Some(3));
    });
}

#[test]
fn compacted_topics_lose_nothing_by_age_or_size() {
    on_each_store(|rig| {
        let (rig, mut log) = aged(rig, 9);
        let mut config = rig.config;
        config.retention.delete = false;
        config.retention.compact = true;
        (config.retention.ms, config.retention.bytes) = (0, 0);
        log.update_config(config.into());
        assert_eq!(planned(&log, NOW + 900_000), None);
        log.delete_records_before(4).unwrap();
        assert_eq!(planned(&log, NOW), Some((4, RetentionReason::LogStart, 1)));
    });
}

#[test]
fn removed_files_wait_under_another_name() {
    on_each_store(|rig| {
        let (rig, mut log) = aged(rig, 9);
        settings(&rig, &mut log, -1, 0);
        log.delete_records_before(3).unwrap();
        let plan = log.retention(NOW).unwrap().unwrap();
        let removed = log.apply_retention(&plan, NOW).unwrap();
        let waiting = |rig: &Rig| rig.files().iter().filter(|f| f.ends_with(".deleted")).count();
        assert_eq!(waiting(&rig), 11, "three segments, two with a snapshot: {:?}", rig.files());
        removed.remove().unwrap();
        assert_eq!(waiting(&rig), 0);
        assert_eq!(log.log_start_offset(), 9);
        log.close().unwrap();
        let log = rig.open();
        assert_eq!((log.log_start_offset(), log.log_end_offset()), (9, 9));
    });
}

#[test]
fn records_are_deleted_before_an_offset_up_to_the_high_watermark() {
    on_each_store(|rig| {
        let (_rig, mut log) = aged(rig, 9);
        log.set_high_watermark(7);
        assert_eq!(log.delete_records_before(4).unwrap(), 4);
        assert_eq!(log.delete_records_before(2).unwrap(), 4, "the start never moves back");
        match log.delete_records_before(8) {
            Err(TrimError::AboveHighWatermark { offset: 8, high_watermark: 7 }) => {}
            other => panic!("{other:?}"),
        }
        let negative = log.delete_records_before(-5);
        assert!(matches!(negative, Err(TrimError::NegativeOffset { offset: -5 })));
        assert_eq!(read_all(&log, 4), filled(4..9));
        assert_eq!(log.delete_records_before(7).unwrap(), 7);
    });
}

#[test]
fn a_log_without_times_ages_by_its_files() {
    on_each_store(|mut rig| {
        rig.config.retention.ms = 1000;
        let mut log = rig.open();
        put(&mut log, -1, "x");
        log.set_high_watermark(1);
        assert_eq!(planned(&log, NOW + 1000), None);
        assert_eq!(planned(&log, NOW + 1001), Some((1, RetentionReason::Time, 1)));
    });
}
