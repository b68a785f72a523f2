use std::sync::Arc;

use broker_log::{FolderFate, Location, Log, OpenError, OpenOptions};
use uuid::Uuid;

use crate::support::*;

const LOG: &str = "00000000000000000000.log";

#[test]
fn a_new_log_has_its_files() {
    on_each_store(|rig| {
        let log = rig.open();
        assert_eq!((log.log_start_offset(), log.log_end_offset()), (0, 0));
        let expected = [
            "00000000000000000000.index",
            LOG,
            "00000000000000000000.timeindex",
            "partition.metadata",
        ];
        assert_eq!(rig.files(), expected);
        let metadata = rig.content("partition.metadata");
        assert_eq!(metadata, b"version: 0\ntopic_id: AAAAAAAAAAAAAAAAAAAABw");
    });
}

#[test]
fn a_folder_of_another_topic_id_is_refused() {
    on_each_store(|rig| {
        rig.open();
        let location = Location { topic_id: Uuid::from_u128(8), ..rig.location() };
        let config = Arc::new(rig.config.clone());
        let opened = Log::open(rig.store.clone(), location, config, OpenOptions::default());
        match opened.map(drop) {
            Err(OpenError::OtherTopic { found, .. }) => assert_eq!(found, Uuid::from_u128(7)),
            other => panic!("{other:?}"),
        }
    });
}

#[test]
fn after_a_clean_shutdown_nothing_is_scanned_and_all_is_there() {
    on_each_store(|mut rig| {
        rig.config.segment.bytes = 250;
        let mut log = rig.open();
        fill(&mut log, 10);
        log.set_high_watermark(8);
        let closed = log.close().unwrap();
        assert_eq!((closed.recovery_point, closed.high_watermark), (10, 8));
        let options = OpenOptions { clean_shutdown: true, now_ms: NOW, ..Default::default() };
        let (mut log, report) = rig.open_with(options);
        assert_eq!(report, Default::default());
        assert_eq!(log.recovery_point(), 10);
        assert_eq!(read_all(&log, 0), filled(0..10));
        fill(&mut log, 10);
        assert_eq!(read_all(&log, 0), filled(0..20));
    });
}

#[test]
fn a_tail_torn_at_any_byte_is_cut_and_the_rest_stays() {
    on_each_store(|rig| {
        let mut log = rig.open();
        fill(&mut log, 4);
        drop(log);
        let whole = rig.content(LOG);
        let batch = whole.len() / 4;
        for length in 0..whole.len() {
            rig.overwrite(LOG, &whole[..length]);
            let (mut log, report) = rig.open_after_crash(0);
            let kept = (length / batch) as i64;
            assert_eq!(report.bytes_cut as usize, length % batch, "at {length}");
            assert_eq!(log.log_end_offset(), kept);
            assert_eq!(read_all(&log, 0), filled(0..kept));
            assert_eq!(rig.content(LOG), whole[..length / batch * batch]);
            fill(&mut log, 2);
            assert_eq!(read_all(&log, 0), filled(0..kept + 2));
        }
    });
}

#[test]
fn a_flipped_bit_of_the_last_batch_cuts_it_off() {
    on_each_store(|rig| {
        let mut log = rig.open();
        fill(&mut log, 3);
        drop(log);
        let whole = rig.content(LOG);
        let start = whole.len() / 3 * 2;
        for at in start..whole.len() {
            // The leader epoch is not covered by the CRC.
            if (12..16).contains(&(at - start)) {
                continue;
            }
            let mut flipped = whole.clone();
            flipped[at] ^= 1 << (at % 8);
            rig.overwrite(LOG, &flipped);
            let (log, report) = rig.open_after_crash(0);
            // A base offset that was raised cannot be told from a gap.
            if at - start >= 8 || report.bytes_cut > 0 {
                assert_eq!(report.bytes_cut as usize, whole.len() - start, "at {at}");
                assert_eq!(read_all(&log, 0), filled(0..2), "at {at}");
            }
        }
    });
}

#[test]
fn zeros_behind_the_last_batch_are_cut() {
    on_each_store(|rig| {
        let mut log = rig.open();
        fill(&mut log, 2);
        drop(log);
        let mut longer = rig.content(LOG);
        longer.extend([0; 5000]);
        rig.overwrite(LOG, &longer);
        let (log, report) = rig.open_after_crash(0);
        assert_eq!(report.bytes_cut, 5000);
        assert_eq!(read_all(&log, 0), filled(0..2));
    });
}

#[test]
fn only_segments_above_the_recovery_point_are_scanned() {
    on_each_store(|mut rig| {
        rig.config.segment.bytes = 250;
        let mut log = rig.open();
        fill(&mut log, 12);
        assert_eq!(log.segment_count(), 4);
        let base = log.active_base_offset();
        let flush = log.prepare_flush(base).unwrap().unwrap();
        log.finish_flush(flush.run(), NOW).unwrap();
        assert_eq!(log.recovery_point(), base);
        drop(log);
        // Damage below the recovery point goes unseen: that is what the point is for.
        let mut damaged = rig.content(LOG);
        damaged[70] ^= 1;
        rig.overwrite(LOG, &damaged);
        let (log, report) = rig.open_after_crash(base);
        assert_eq!((report.scanned_segments, report.bytes_cut), (1, 0));
        assert_eq!(log.log_end_offset(), 12);
        let (log, report) = rig.open_after_crash(0);
        assert!(report.bytes_cut > 0);
        assert_eq!(log.log_end_offset(), 1, "behind a cut nothing follows");
        assert_eq!(log.segment_count(), 1);
    });
}

#[test]
fn missing_and_cut_indexes_are_written_anew() {
    on_each_store(|mut rig| {
        rig.config.segment.bytes = 2000;
        rig.config.segment.index_interval_bytes = 100;
        let mut log = rig.open();
        for offset in 0..100 {
            put(&mut log, NOW + offset, &offset.to_string());
        }
        log.close().unwrap();
        for kind in ["index", "timeindex"] {
            for base in ["00000000000000000000", "00000000000000000028"] {
                let name = format!("{base}.{kind}");
                let good = rig.content(&name);
                assert!(good.len() >= 12 * 5, "{name}: {}", good.len());
                rig.remove(&name);
                let options =
                    OpenOptions { clean_shutdown: true, now_ms: NOW, ..Default::default() };
                let (log, report) = rig.open_with(options);
                assert_eq!((report.scanned_segments, report.rebuilt_indexes), (1, 1));
                assert_eq!(read_all(&log, 0), filled(0..100));
                assert_eq!(rig.content(&name), good, "{name} was missing");
                rig.overwrite(&name, &good[..good.len() - 3]);
                assert_eq!(read_all(&rig.open(), 0), filled(0..100));
                assert_eq!(rig.content(&name), good, "{name} was cut");
            }
        }
    });
}

#[test]
fn leftovers_of_a_crash_are_removed() {
    on_each_store(|rig| {
        let mut log = rig.open();
        fill(&mut log, 3);
        log.close().unwrap();
        let before = rig.files();
        for name in [
            "00000000000000000000.log.deleted",
            "00000000000000000000.log.cleaned",
            "00000000000000000007.index",
            "00000000000000000007.timeindex",
            "00000000000000000007.txnindex",
            "00000000000000000009.snapshot",
            "leader-epoch-checkpoint.tmp",
        ] {
            rig.overwrite(name, b"");
        }
        assert_eq!(read_all(&rig.open(), 0), filled(0..3));
        assert_eq!(rig.files(), before);
    });
}

#[test]
fn a_finished_compaction_takes_the_place_of_what_it_was_made_from() {
    on_each_store(|mut rig| {
        rig.config.segment.bytes = 250;
        let mut log = rig.open();
        fill(&mut log, 10);
        log.close().unwrap();
        // Segments 0 and 3 were compacted to their last batch each.
        let three = rig.content("00000000000000000003.log");
        let one = rig.content(LOG);
        let (one, three) = (&one[one.len() / 3 * 2..], &three[three.len() / 3 * 2..]);
        rig.overwrite("00000000000000000000.log.swap", &[one, three].concat());
        let log = rig.open();
        let offsets: Vec<_> = read_all(&log, 0).into_iter().map(|(offset, _)| offset).collect();
        assert_eq!(offsets, [2, 5, 6, 7, 8, 9]);
        assert!(!rig.files().iter().any(|name| name.ends_with(".swap")));
        assert!(!rig.files().contains(&"00000000000000000003.log".to_owned()));
    });
}

#[test]
fn a_log_that_ends_before_its_start_begins_anew() {
    on_each_store(|rig| {
        let mut log = rig.open();
        fill(&mut log, 3);
        drop(log);
        let options = OpenOptions { log_start_offset: 10, now_ms: NOW, ..Default::default() };
        let (mut log, _) = rig.open_with(options);
        assert_eq!((log.log_start_offset(), log.log_end_offset()), (10, 10));
        fill(&mut log, 1);
        assert_eq!(read_all(&log, 10), filled(10..11));
    });
}

#[test]
fn the_logs_start_is_kept_by_its_checkpoint() {
    on_each_store(|rig| {
        let mut log = rig.open();
        fill(&mut log, 5);
        log.set_high_watermark(5);
        log.delete_records_before(3).unwrap();
        let closed = log.close().unwrap();
        assert_eq!(closed.log_start_offset, 3);
        let options = OpenOptions {
            log_start_offset: 3,
            clean_shutdown: true,
            now_ms: NOW,
            ..Default::default()
        };
        let (log, _) = rig.open_with(options);
        assert_eq!((log.log_start_offset(), log.log_end_offset()), (3, 5));
        assert_eq!(read_all(&log, 3), filled(3..5));
    });
}

#[test]
fn a_retired_log_is_gone_when_its_files_are_removed() {
    on_each_store(|rig| {
        let mut log = rig.open();
        fill(&mut log, 3);
        let removed = log.retire(FolderFate::Delete, Uuid::from_u128(1)).unwrap();
        let folders = || -> Vec<_> {
            let entries = rig.store.list(&rig.dir).unwrap();
            entries.into_iter().map(|entry| entry.name).collect()
        };
        assert_eq!(folders(), ["flights-0.00000000000000000000000000000001-delete"]);
        removed.remove().unwrap();
        assert!(folders().is_empty());
        assert_eq!(rig.open().log_end_offset(), 0);
    });
}
