//! What a pass does to a log.

use broker_log::{CompactionError, OpenOptions, Unhurried};
use protocol::record::{BatchOptions, Compression, TimestampType};

use super::*;

const DAY: i64 = 24 * 60 * 60 * 1000;

#[test]
fn the_last_record_of_each_key_stays_at_its_offset() {
    on_each_store(|mut rig| {
        compacted(&mut rig);
        let mut log = rig.open();
        append(&mut log, &[("a", Some("0")), ("b", Some("1")), ("a", Some("2"))]);
        append(&mut log, &[("c", Some("3")), ("b", Some("4"))]);
        roll(&mut log);
        append(&mut log, &[("c", Some("5"))]);
        let mut cleaner = Cleaner::new();
        let stats = cleaner.pass(&mut log, NOW);
        let left = [
            seen(2, "a", Some("2")),
            seen(3, "c", Some("3")),
            seen(4, "b", Some("4")),
            seen(5, "c", Some("5")),
        ];
        assert_eq!(committed(&log), left, "the active segment is as it was");
        assert_eq!((stats.end_offset, stats.records_read, stats.records_kept), (5, 5, 3));
        assert_eq!((log.log_start_offset(), log.log_end_offset()), (0, 6));
        assert!(stats.bytes_read > stats.bytes_written && stats.bytes_written > 0);
        assert!(!stats.map_overflowed && !stats.short_of_space);
        roll(&mut log);
        let stats = cleaner.pass(&mut log, NOW);
        assert_eq!(committed(&log), [left[0].clone(), left[2].clone(), left[3].clone()]);
        assert_eq!(stats.end_offset, 6);
        let log_before = committed(&log);
        drop(log);
        let (mut log, report) = rig.open_after_crash(0);
        assert_eq!(report.bytes_cut, 0);
        log.set_high_watermark(6);
        assert_eq!(committed(&log), log_before);
        assert_eq!(log.log_end_offset(), 6);
    });
}

#[test]
fn a_map_that_overflows_takes_several_passes() {
    on_each_store(|mut rig| {
        compacted(&mut rig);
        let mut log = rig.open();
        for number in 0..60 {
            let key = format!("k{:02}", number * 7 % 20);
            append(&mut log, &[(&key, Some("v")), (&key, Some("w"))]);
        }
        roll(&mut log);
        let mut cleaner = Cleaner::with_room_for(6);
        let mut ends = Vec::new();
        while cleaner.checkpoint != Some(120) {
            let stats = cleaner.pass(&mut log, NOW);
            assert!(Some(stats.end_offset) > cleaner.checkpoint.min(ends.last().copied()));
            assert_eq!(stats.map_overflowed, stats.end_offset != 120);
            ends.push(stats.end_offset);
        }
        assert_eq!(ends[..3], [12, 24, 36], "six keys at a time, to the end of a batch");
        let last: Vec<_> = committed(&log).iter().map(|record| record.offset).collect();
        let expected: Vec<_> = (40..60).map(|number| number * 2 + 1).collect();
        assert_eq!(last, expected);
    });
}

#[test]
fn one_batch_with_more_keys_than_the_map_holds_is_compacted_in_parts() {
    on_each_store(|mut rig| {
        compacted(&mut rig);
        let mut log = rig.open();
        let keys: Vec<_> = (0..10).map(|number| format!("k{number}")).collect();
        let records: Vec<_> = keys.iter().map(|key| (key.as_str(), Some("v"))).collect();
        append(&mut log, &records);
        append(&mut log, &records);
        roll(&mut log);
        let mut cleaner = Cleaner::with_room_for(4);
        let ends: Vec<_> = (0..5).map(|_| cleaner.pass(&mut log, NOW).end_offset).collect();
        assert_eq!(ends, [4, 8, 10, 14, 18]);
        assert_eq!(cleaner.pass(&mut log, NOW).end_offset, 20);
        let left: Vec<_> = committed(&log).iter().map(|record| record.offset).collect();
        assert_eq!(left, (10..20).collect::<Vec<_>>());
    });
}

#[test]
fn tombstones_stay_for_their_time_and_are_gone_then() {
    on_each_store(|mut rig| {
        compacted(&mut rig);
        let mut log = rig.open();
        append(&mut log, &[("a", Some("0")), ("b", Some("1"))]);
        append(&mut log, &[("a", None)]);
        roll(&mut log);
        let mut cleaner = Cleaner::new();
        cleaner.pass(&mut log, NOW);
        let left = [seen(1, "b", Some("1")), seen(2, "a", None)];
        assert_eq!(committed(&log), left);
        let horizons: Vec<_> =
            batches(&log, 3).iter().map(|batch| batch.delete_horizon()).collect();
        assert_eq!(horizons, [None, Some(NOW + DAY)]);
        cleaner.pass(&mut log, NOW + DAY - 1);
        assert_eq!(committed(&log), left);
        let early = cleaner.cleanable(&log, NOW + DAY - 1);
        assert!(!early.horizon_passed && !early.is_due(&rig.config.compaction));
        let due = cleaner.cleanable(&log, NOW + DAY);
        assert!(due.horizon_passed && due.is_due(&rig.config.compaction), "{due:?}");
        cleaner.pass(&mut log, NOW + DAY);
        assert_eq!(committed(&log), left[..1]);
        assert!(!cleaner.cleanable(&log, i64::MAX).horizon_passed, "there is nothing more to do");
        assert_eq!(log.log_end_offset(), 3);
    });
}

#[test]
fn tombstones_of_an_earlier_process_go_as_well() {
    on_each_store(|mut rig| {
        compacted(&mut rig);
        let mut log = rig.open();
        append(&mut log, &[("a", None), ("b", Some("1"))]);
        roll(&mut log);
        let mut cleaner = Cleaner::new();
        cleaner.pass(&mut log, NOW);
        log.close().unwrap();
        let mut log = rig.open();
        assert!(!cleaner.cleanable(&log, NOW + DAY - 1).horizon_passed);
        assert!(cleaner.cleanable(&log, NOW + DAY).horizon_passed);
        log.set_high_watermark(log.log_end_offset());
        cleaner.pass(&mut log, NOW + DAY);
        assert_eq!(committed(&log), [seen(1, "b", Some("1"))]);
        assert!(!cleaner.cleanable(&log, i64::MAX).horizon_passed);
    });
}

#[test]
fn small_segments_become_one_and_the_old_files_wait_for_their_removal() {
    on_each_store(|mut rig| {
        compacted(&mut rig);
        rig.config.segment.bytes = 10_000;
        let mut log = rig.open();
        for number in 0..6 {
            append(&mut log, &[("same", Some("v")), (&number.to_string(), Some("v"))]);
            roll(&mut log);
        }
        assert_eq!(log.segment_count(), 7);
        let (stats, removed) = Cleaner::new().pass_keeping(&mut log, NOW);
        assert_eq!((stats.segments_read, stats.segments_written), (6, 1));
        assert_eq!(log.segment_count(), 2);
        let deleted = remainders(&rig);
        assert_eq!(deleted.iter().filter(|name| name.ends_with(".log.deleted")).count(), 6);
        assert!(deleted.iter().all(|name| name.ends_with(".deleted")), "{deleted:?}");
        removed.remove().unwrap();
        assert_eq!(remainders(&rig), Vec::<String>::new());
        let logs: Vec<_> = rig.files().into_iter().filter(|name| name.ends_with(".log")).collect();
        assert_eq!(logs, ["00000000000000000000.log", "00000000000000000012.log"]);
        let left: Vec<_> = committed(&log).iter().map(|record| record.offset).collect();
        assert_eq!(left, [1, 3, 5, 7, 9, 10, 11]);
    });
}

#[test]
fn segments_of_which_nothing_goes_are_not_written_again() {
    on_each_store(|mut rig| {
        compacted(&mut rig);
        rig.config.segment.bytes = 200;
        let mut log = rig.open();
        for number in 0..6 {
            append(&mut log, &[(&format!("{number}{}", "x".repeat(100)), Some("v"))]);
        }
        let logs = log.segment_count();
        roll(&mut log);
        let mut cleaner = Cleaner::new();
        let stats = cleaner.pass(&mut log, NOW);
        assert_eq!((stats.segments_written, stats.bytes_written), (0, 0));
        assert_eq!(stats.records_kept, 6);
        append(&mut log, &[(&format!("5{}", "x".repeat(100)), Some("w"))]);
        roll(&mut log);
        let stats = cleaner.pass(&mut log, NOW);
        assert_eq!(stats.segments_written, 1, "the one that held the key");
        assert_eq!(log.segment_count(), logs + 2);
        assert_eq!(committed(&log).len(), 6);
    });
}

#[test]
fn compression_and_append_times_are_kept() {
    on_each_store(|mut rig| {
        compacted(&mut rig);
        rig.config.timestamp_type = TimestampType::LogAppendTime;
        let mut log = rig.open();
        for codec in Compression::ALL {
            let options = BatchOptions { codec: codec.into(), ..Default::default() };
            append_bytes(
                &mut log,
                &keyed(options, &[("same", Some("v")), (codec.name(), Some("v"))]),
            );
        }
        roll(&mut log);
        Cleaner::new().pass(&mut log, NOW);
        let batches = batches(&log, log.log_end_offset());
        let codecs: Vec<_> = batches.iter().map(|batch| batch.compression().unwrap()).collect();
        assert_eq!(codecs, Compression::ALL);
        for batch in &batches {
            assert_eq!(batch.timestamp_type(), TimestampType::LogAppendTime);
            assert_eq!(batch.max_timestamp, NOW);
        }
        assert_eq!(committed(&log).len(), 6);
    });
}

#[test]
fn times_are_found_though_records_are_gone() {
    on_each_store(|mut rig| {
        compacted(&mut rig);
        let mut log = rig.open();
        let put = |log: &mut Log, key: &str, timestamp| {
            let mut builder = record::BatchBuilder::new(BatchOptions::default());
            builder.append(timestamp, Some(key.as_bytes()), Some(b"v"), &[]);
            append_bytes(log, &builder.finish());
        };
        for (key, timestamp) in [("a", 10), ("b", 20), ("c", 5), ("a", 30), ("d", 99), ("d", 40)] {
            put(&mut log, key, timestamp);
        }
        roll(&mut log);
        put(&mut log, "e", 50);
        let find = |log: &Log, timestamp| {
            log.offset_for_timestamp(timestamp)
                .unwrap()
                .map(|found| (found.offset, found.timestamp))
        };
        let largest = |log: &Log| log.max_timestamp_offset().unwrap().unwrap().offset;
        assert_eq!((find(&log, 10), largest(&log)), (Some((0, 10)), 4));
        Cleaner::new().pass(&mut log, NOW);
        assert_eq!(find(&log, 10), Some((1, 20)));
        assert_eq!(find(&log, 35), Some((5, 40)));
        assert_eq!(find(&log, 60), None);
        assert_eq!(largest(&log), 6);
        roll(&mut log);
        put(&mut log, "d", 1);
        put(&mut log, "e", 2);
        roll(&mut log);
        Cleaner::new().pass(&mut log, NOW);
        assert_eq!(find(&log, 35), None, "of a header without records, nothing is found");
        assert_eq!(largest(&log), 3);
    });
}

#[test]
fn a_reader_of_an_old_segment_reads_on() {
    on_each_store(|mut rig| {
        compacted(&mut rig);
        let mut log = rig.open();
        append(&mut log, &[("a", Some("0"))]);
        append(&mut log, &[("a", Some("1"))]);
        roll(&mut log);
        let slice = log.read(from_offset(&log, 0, 1000)).unwrap().unwrap();
        let before = slice.read().unwrap();
        Cleaner::new().pass(&mut log, NOW);
        assert_eq!(slice.read().unwrap(), before);
        assert_eq!(committed(&log), [seen(1, "a", Some("1"))]);
    });
}

#[test]
fn a_pass_that_is_cancelled_leaves_no_trace() {
    on_each_store(|mut rig| {
        compacted(&mut rig);
        let mut log = rig.open();
        for _ in 0..20 {
            append(&mut log, &[("a", Some("0")), ("b", Some("1"))]);
        }
        roll(&mut log);
        let (before, files) = (committed(&log), rig.files());
        let mut cleaner = Cleaner::new();
        for bytes in (1..6000).step_by(97) {
            let cleanable = cleaner.cleanable(&log, NOW);
            let prepared = log.prepare_compaction(&cleanable, NOW).unwrap();
            match prepared.run(&mut cleaner.map, &mut Limited(bytes)) {
                Err(CompactionError::Cancelled) => {}
                Ok(done) => {
                    assert!(bytes > 1000);
                    drop(done);
                }
                Err(other) => panic!("{other}"),
            }
            assert_eq!(rig.files(), files, "after {bytes} bytes");
        }
        assert_eq!(committed(&log), before);
        cleaner.pass(&mut log, NOW);
        assert_eq!(committed(&log).len(), 2);
    });
}

#[test]
fn a_pass_that_missed_something_takes_no_place() {
    on_each_store(|mut rig| {
        compacted(&mut rig);
        rig.config.retention.delete = true;
        let filled = |rig: &Rig| {
            let _ = rig.store.remove_dir_all(&rig.folder());
            let mut log = rig.open();
            for number in 0..30 {
                append(&mut log, &[("a", Some("0")), (&format!("{number}"), Some("1"))]);
            }
            roll(&mut log);
            log
        };
        let is_refused = |log: &mut Log, written| {
            let (before, files) = (committed(log), log.segment_count());
            match finish(log, written) {
                Err(CompactionError::LogChanged) => {}
                other => panic!("{other:?}"),
            }
            assert_eq!((committed(log), log.segment_count()), (before, files));
        };
        let mut cleaner = Cleaner::new();
        let mut log = filled(&rig);
        let written = cleaner.written(&mut log, NOW);
        log.truncate_to(55, NOW).unwrap();
        is_refused(&mut log, written);

        let mut log = filled(&rig);
        let written = cleaner.written(&mut log, NOW);
        drop(log);
        let (mut log, _) = rig.open_after_crash(0);
        log.set_high_watermark(log.log_end_offset());
        is_refused(&mut log, written);

        let mut log = filled(&rig);
        let first = cleaner.written(&mut log, NOW);
        let second = cleaner.written(&mut log, NOW);
        is_refused(&mut log, first);
        finish(&mut log, second).unwrap();
        assert_eq!(remainders(&rig), Vec::<String>::new());

        let mut log = filled(&rig);
        let cleanable = cleaner.cleanable(&log, NOW);
        let prepared = log.prepare_compaction(&cleanable, NOW).unwrap();
        log.truncate_to(55, NOW).unwrap();
        match prepared.run(&mut cleaner.map, &mut Unhurried) {
            Err(CompactionError::LogChanged) => {}
            other => panic!("{other:?}"),
        }
    });
}

#[test]
fn retention_takes_segments_from_a_pass_at_work() {
    on_each_store(|mut rig| {
        compacted(&mut rig);
        rig.config.retention.delete = true;
        rig.config.segment.bytes = 160;
        let mut log = rig.open();
        for number in 0..12 {
            append(&mut log, &[("a", Some("0")), (&format!("{number}"), Some("1"))]);
        }
        let mut cleaner = Cleaner::new();
        let written = cleaner.written(&mut log, NOW);
        assert!(written.stats.segments_written > 3);
        let mut config = rig.config.clone();
        config.retention.bytes = log.size_bytes() as i64 - 160;
        log.update_config(config.into());
        let plan = log.retention(NOW).unwrap().unwrap();
        assert_eq!(plan.segments, 1);
        let gone = log.apply_retention(&plan, NOW).unwrap();
        finish(&mut log, written).unwrap();
        gone.remove().unwrap();
        assert_eq!(log.log_start_offset(), plan.new_log_start_offset);
        assert_eq!(remainders(&rig), Vec::<String>::new());
        let kept = committed(&log);
        assert!(kept[0].offset > plan.new_log_start_offset, "{kept:?}");
        drop(log);
        let (log, _) = rig.open_with(OpenOptions { now_ms: NOW, ..Default::default() });
        assert_eq!(log.log_start_offset(), plan.new_log_start_offset);
    });
}

#[test]
fn a_damaged_batch_is_named_and_nothing_changes() {
    on_each_store(|mut rig| {
        compacted(&mut rig);
        let mut log = rig.open();
        append(&mut log, &[("a", Some("0"))]);
        append(&mut log, &[("a", Some("1"))]);
        roll(&mut log);
        let name = "00000000000000000000.log";
        let mut bytes = rig.content(name);
        let last = bytes.len() - 3;
        bytes[last] ^= 1;
        rig.overwrite(name, &bytes);
        let files = rig.files();
        let mut cleaner = Cleaner::new();
        let cleanable = cleaner.cleanable(&log, NOW);
        let prepared = log.prepare_compaction(&cleanable, NOW).unwrap();
        match prepared.run(&mut cleaner.map, &mut Unhurried) {
            Err(CompactionError::CorruptBatch { path, position, .. }) => {
                assert!(path.ends_with(name));
                assert!(position > 0);
            }
            other => panic!("{other:?}"),
        }
        assert_eq!(rig.files(), files);
    });
}
