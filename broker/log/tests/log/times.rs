use broker_log::{LeaderAppend, Log, TimestampedOffset};
use protocol::record::{BatchOptions, Codec, Compression};

use crate::support::*;

fn at(log: &Log, timestamp: i64) -> Option<(i64, i64)> {
    let found = log.offset_for_timestamp(timestamp).unwrap()?;
    Some((found.offset, found.timestamp))
}

#[test]
fn the_first_record_at_or_after_a_time_is_found() {
    for interval in [0, 4096] {
        on_each_store(|mut rig| {
            rig.config.segment.bytes = 1000;
            rig.config.segment.index_interval_bytes = interval;
            let mut log = rig.open();
            for step in 0..100 {
                put(&mut log, NOW + step * 10, "x");
            }
            let check = |log: &Log| {
                for step in 0..100 {
                    assert_eq!(at(log, NOW + step * 10), Some((step, NOW + step * 10)));
                    let next = (step < 99).then_some((step + 1, NOW + step * 10 + 10));
                    assert_eq!(at(log, NOW + step * 10 + 1), next);
                }
                assert_eq!(at(log, i64::MIN), Some((0, NOW)));
            };
            check(&log);
            log.close().unwrap();
            check(&rig.open());
            check(&rig.open_after_crash(0).0);
        });
    }
}

#[test]
fn times_out_of_order_give_the_first_that_reaches_the_one_asked_for() {
    on_each_store(|mut rig| {
        rig.config.segment.index_interval_bytes = 0;
        let mut log = rig.open();
        for time in [50, 10, 80, 30, 80, 90] {
            put(&mut log, time, "x");
        }
        for (time, expected) in [(0, 0), (50, 0), (51, 2), (80, 2), (81, 5)] {
            assert_eq!(at(&log, time).map(|found| found.0), Some(expected), "{time}");
        }
        assert_eq!(at(&log, 91), None);
    });
}

#[test]
fn a_record_inside_of_a_compressed_batch_is_found() {
    for codec in Compression::ALL.map(Codec::from) {
        on_each_store(|rig| {
            let mut log = rig.open();
            let options = BatchOptions { codec, ..Default::default() };
            let records = [(10, "a"), (20, "b"), (40, "c"), (30, "d")];
            let append = LeaderAppend { leader_epoch: 3, ..by_client() };
            log.append_as_leader(&batch_of(options, &records), append).unwrap();
            let found = log.offset_for_timestamp(15).unwrap();
            let expected = TimestampedOffset { timestamp: 20, offset: 1, leader_epoch: 3 };
            assert_eq!(found, Some(expected));
            let largest = log.max_timestamp_offset().unwrap();
            let expected = TimestampedOffset { timestamp: 40, offset: 2, leader_epoch: 3 };
            assert_eq!(largest, Some(expected));
        });
    }
}

#[test]
fn the_largest_time_is_found_in_any_segment() {
    on_each_store(|mut rig| {
        rig.config.segment.bytes = 250;
        let mut log = rig.open();
        assert_eq!(log.max_timestamp_offset().unwrap(), None);
        for time in [10, 20, 90, 30, 90, 50, 60, 70] {
            put(&mut log, time, "x");
        }
        let largest = |log: &Log| log.max_timestamp_offset().unwrap().map(|found| found.offset);
        assert_eq!(largest(&log), Some(2));
        log.close().unwrap();
        assert_eq!(largest(&rig.open()), Some(2));
    });
}

#[test]
fn records_below_the_logs_start_are_not_found_by_time() {
    on_each_store(|rig| {
        let mut log = rig.open();
        let records: Vec<_> = (0..10).map(|time| (time, "x")).collect();
        log.append_as_leader(&batch(&records), by_client()).unwrap();
        log.set_high_watermark(10);
        log.delete_records_before(4).unwrap();
        assert_eq!(at(&log, 0), Some((4, 4)));
        assert_eq!(at(&log, 7), Some((7, 7)));
    });
}

#[test]
fn the_largest_time_is_that_of_a_record_that_is_there() {
    on_each_store(|rig| {
        let mut log = rig.open();
        for time in [10, 90, 20, 50, 40] {
            put(&mut log, time, "x");
        }
        log.set_high_watermark(5);
        let mut largest = |start| {
            log.delete_records_before(start).unwrap();
            log.max_timestamp_offset().unwrap().map(|found| (found.offset, found.timestamp))
        };
        assert_eq!(largest(1), Some((1, 90)));
        assert_eq!(largest(2), Some((3, 50)));
        assert_eq!(largest(4), Some((4, 40)));
        assert_eq!(largest(5), None);
    });
}
