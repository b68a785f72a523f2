use broker_log::Log;

use crate::support::*;

fn bases(log: &Log, rig: &Rig) -> Vec<i64> {
    let names = rig.files();
    let logs = names.iter().filter_map(|name| name.strip_suffix(".log"));
    let bases: Vec<i64> = logs.map(|digits| digits.parse().unwrap()).collect();
    assert_eq!(bases.len(), log.segment_count());
    bases
}

#[test]
fn a_segment_that_would_grow_too_large_is_followed_by_a_new_one() {
    on_each_store(|mut rig| {
        rig.config.segment.bytes = 250;
        let mut log = rig.open();
        let rolled: Vec<_> = (0..8).map(|_| put(&mut log, NOW, "x").rolled).collect();
        assert_eq!(rolled, [false, false, false, true, false, false, true, false]);
        assert_eq!(bases(&log, &rig), [0, 3, 6]);
        assert_eq!(log.active_base_offset(), 6);
        let kinds = ["index", "log", "timeindex"];
        for kind in kinds {
            assert!(rig.files().contains(&format!("00000000000000000003.{kind}")), "{kind}");
        }
        assert!(rig.files().contains(&"00000000000000000006.snapshot".to_owned()));
    });
}

#[test]
fn a_segment_rolls_when_its_records_span_too_much_time() {
    on_each_store(|mut rig| {
        rig.config.segment.ms = 1000;
        let mut log = rig.open();
        put(&mut log, NOW, "a");
        assert!(!put(&mut log, NOW + 1000, "b").rolled);
        assert!(put(&mut log, NOW + 1001, "c").rolled);
        assert_eq!(bases(&log, &rig), [0, 2]);
    });
}

#[test]
fn a_quiet_log_rolls_by_the_clock() {
    on_each_store(|mut rig| {
        rig.config.segment.ms = 1000;
        let mut log = rig.open();
        assert!(!log.roll_if_due(NOW + 5000).unwrap(), "an empty segment stays");
        put(&mut log, NOW, "a");
        assert!(!log.roll_if_due(NOW + 1000).unwrap());
        assert!(log.roll_if_due(NOW + 1001).unwrap());
        assert!(!log.roll_if_due(NOW + 9000).unwrap());
        assert_eq!(bases(&log, &rig), [0, 1]);
    });
}

#[test]
fn a_quiet_log_of_old_or_coming_times_rolls_by_how_long_its_segment_is_there() {
    on_each_store(|mut rig| {
        rig.config.segment.ms = 1000;
        let mut log = rig.open();
        for timestamp in [NOW - 1_000_000, NOW + 1_000_000, -1] {
            let now_ms = NOW + log.log_end_offset() * 10_000;
            put(&mut log, timestamp, "a");
            assert!(!log.roll_if_due(now_ms + 1000).unwrap(), "{timestamp}");
            assert!(log.roll_if_due(now_ms + 10_000).unwrap(), "{timestamp}");
        }
        assert_eq!(bases(&log, &rig), [0, 1, 2, 3]);
    });
}

#[test]
fn jitter_brings_a_roll_forward_and_never_puts_it_off() {
    on_each_store(|mut rig| {
        rig.config.segment.ms = 1_000_000;
        rig.config.segment.jitter_ms = 900_000;
        let mut log = rig.open();
        put(&mut log, NOW, "a");
        let due: Vec<_> = (1..=1001)
            .map(|step| NOW + step * 1000)
            .take_while(|now_ms| !log.roll_if_due(*now_ms).unwrap())
            .collect();
        let waited = due.len() as i64 * 1000;
        assert!((100_000..=1_000_000).contains(&waited), "{waited}");
    });
}

#[test]
fn a_full_index_ends_a_segment() {
    on_each_store(|mut rig| {
        rig.config.segment.index_interval_bytes = 1;
        rig.config.segment.index_bytes = 36;
        let mut log = rig.open();
        for step in 0..10 {
            put(&mut log, NOW + step, "x");
        }
        // Three time entries of 12 bytes fit, and the first batch of a segment gets none.
        assert_eq!(bases(&log, &rig), [0, 4, 8]);
        assert_eq!(rig.content("00000000000000000000.timeindex").len(), 36);
    });
}

#[test]
fn offsets_too_far_from_the_base_begin_a_new_segment() {
    on_each_store(|rig| {
        let mut log = rig.open();
        put(&mut log, NOW, "a");
        let far = i64::from(i32::MAX) + 10;
        let options = protocol::record::BatchOptions { base_offset: far, ..Default::default() };
        let appended = log.append_as_follower(&batch_of(options, &[(NOW, "b")]), NOW).unwrap();
        assert!(appended.rolled);
        assert_eq!(bases(&log, &rig), [0, far]);
        let found: Vec<_> = read_all(&log, 0).into_iter().map(|(offset, _)| offset).collect();
        assert_eq!(found, [0, far]);
    });
}
