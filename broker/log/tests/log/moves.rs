//! A log on its way to another log dir.

use std::path::PathBuf;
use std::sync::Arc;

use broker_log::{FutureLog, LogDir, MetaProperties};
use uuid::Uuid;

use crate::power::move_to;
use crate::support::*;

fn target_of(rig: &Rig) -> Rig {
    let dir = match rig.dir.is_absolute() {
        true => rig.dir.join("other"),
        false => PathBuf::from("other"),
    };
    Rig { store: rig.store.clone(), dir, config: rig.config.clone() }
}

#[test]
fn a_moved_log_has_the_same_records_marks_and_producers() {
    on_each_store(|mut rig| {
        rig.config.segment.bytes = 600;
        let mut log = rig.open();
        fill(&mut log, 10);
        for sequence in 0..4 {
            log.append_as_leader(&produced(5, 0, sequence, 1), by_client()).unwrap();
        }
        log.append_as_leader(&transactional(6, 0, 0), by_coordinator()).unwrap();
        log.append_as_leader(&marker(6, 0, false), by_coordinator()).unwrap();
        let end = log.log_end_offset();
        log.set_high_watermark(end);
        log.delete_records_before(3).unwrap();
        let (records, producers) = (read_all(&log, 3), log.active_producers());
        let aborted = log.aborted_transactions(3, end).unwrap();
        assert_eq!(aborted.len(), 1);
        let target = target_of(&rig);
        let mut moved = move_to(&mut log, &target).unwrap();
        assert_eq!(moved.dir(), target.folder());
        assert_eq!((moved.log_start_offset(), moved.high_watermark()), (3, end));
        assert_eq!(moved.recovery_point(), end, "all of it is synced");
        assert_eq!(read_all(&moved, 3), records);
        assert_eq!(moved.active_producers(), producers);
        assert_eq!(moved.aborted_transactions(3, end).unwrap(), aborted);
        assert_eq!(moved.latest_epoch(), log.latest_epoch());
        let again = moved.append_as_leader(&produced(5, 0, 1, 1), by_client()).unwrap();
        assert!(again.duplicate, "not only a producer's last batch is known");
        let next = moved.append_as_leader(&produced(5, 0, 4, 1), by_client()).unwrap();
        assert_eq!(next.base_offset, end);
        moved.close().unwrap();
        assert_eq!(read_all(&target.open(), 3).len(), records.len() + 1);
    });
}

#[test]
fn a_copy_that_was_left_is_found_and_gone_on_with() {
    on_each_store(|rig| {
        let mut log = rig.open();
        fill(&mut log, 20);
        let target = target_of(&rig);
        let properties = MetaProperties { cluster_id: "c".into(), node_id: 1, directory_id: None };
        let dir = LogDir::open(target.store.clone(), &target.dir, properties).unwrap();
        let config = Arc::new(target.config.clone());
        let (store, location) = (target.store.clone(), target.location());
        let unique = Uuid::from_u128(3);
        let mut future =
            FutureLog::create(store.clone(), location.clone(), unique, config.clone(), NOW)
                .unwrap();
        future.align(&log, NOW).unwrap();
        let mut request = future.next_read(&log).unwrap();
        request.max_bytes = 300;
        let part = log.read(request).unwrap().unwrap().read().unwrap();
        assert!(future.copy(part.into(), NOW).unwrap() > 0);
        let copied = future.log_end_offset();
        assert!((1..20).contains(&copied), "{copied}");
        drop(future);

        let id = location.topic_partition.clone();
        let [(found, path)] = &dir.futures().unwrap()[..] else { panic!("one is left") };
        assert_eq!(*found, id);
        assert_eq!(dir.partitions().unwrap(), [], "a copy is no partition");
        let mut future = FutureLog::open(store, location, path.clone(), config, NOW).unwrap();
        assert_eq!(future.log_end_offset(), copied);
        // The partition lost what was not synced, and went on with other records.
        log.truncate_to(copied - 2, NOW).unwrap();
        future.cut(log.log_end_offset(), NOW).unwrap();
        fill(&mut log, 9);
        future.align(&log, NOW).unwrap();
        let rest = log.read(future.next_read(&log).unwrap()).unwrap().unwrap().read().unwrap();
        future.copy(rest.into(), NOW).unwrap();
        assert!(future.next_read(&log).is_none());
        let moved = future.promote(&mut log, NOW).unwrap();
        assert_eq!(read_all(&moved, 0), filled(0..copied + 7));
        assert_eq!(dir.partitions().unwrap(), [id]);
    });
}

#[test]
fn a_copy_that_lags_behind_retention_begins_anew() {
    on_each_store(|rig| {
        let mut log = rig.open();
        fill(&mut log, 10);
        let target = target_of(&rig);
        let config = Arc::new(target.config.clone());
        let unique = Uuid::from_u128(3);
        let mut future =
            FutureLog::create(target.store.clone(), target.location(), unique, config, NOW)
                .unwrap();
        log.set_high_watermark(10);
        log.delete_records_before(6).unwrap();
        future.align(&log, NOW).unwrap();
        assert_eq!(future.log_end_offset(), 6);
        let files = future.discard().unwrap();
        files.remove().unwrap();
        let left = target.store.list(&target.dir).unwrap();
        assert!(!left.iter().any(|entry| entry.name.contains("flights-0.")), "{left:?}");
    });
}
