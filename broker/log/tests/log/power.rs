//! A machine that loses its power: what was synced is there, what was not may be, up to some point.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use broker_log::{Log, LogConfig, LogDir, MetaProperties, OffsetCheckpoint, OpenOptions, Store};
use testkit::disk::{Broken, EIO, Failing, SimDisk};
use uuid::Uuid;

use crate::support::*;

const SEEDS: u64 = 150;

fn rig(disk: &SimDisk) -> Rig {
    rig_on(disk, "data")
}

fn rig_on(disk: &SimDisk, dir: &str) -> Rig {
    let mut config = LogConfig::default();
    config.segment.bytes = 400;
    config.segment.index_interval_bytes = 100;
    let store: Arc<dyn Store> = Arc::new(disk.clone());
    store.create_dir_all(Path::new(dir)).unwrap();
    store.sync_dir(Path::new("")).unwrap();
    Rig { store, dir: PathBuf::from(dir), config }
}

fn options(recovery_point: i64, log_start_offset: i64) -> OpenOptions {
    OpenOptions {
        recovery_point,
        log_start_offset,
        clean_shutdown: false,
        now_ms: NOW,
        ..OpenOptions::default()
    }
}

/// What is there is the start of what was written, no less than what was synced, and can be
/// appended to.
/// Returns where it ended.
fn check(rig: &Rig, recovery_point: i64, start: i64, synced: i64, written: i64, seed: u64) -> i64 {
    let (mut log, _) = rig.open_with(options(recovery_point, start));
    let end = log.log_end_offset();
    assert!((synced..=written).contains(&end), "seed {seed}: {end} of {synced} to {written}");
    assert_eq!(read_all(&log, start), filled(start..end), "seed {seed}");
    fill(&mut log, 3);
    assert_eq!(read_all(&log, start), filled(start..end + 3), "seed {seed}");
    log.close().unwrap();
    end
}

#[test]
fn synced_records_survive_and_the_others_do_up_to_some_point() {
    let mut lost = 0;
    for seed in 0..SEEDS {
        let disk = SimDisk::default();
        let rig = rig(&disk);
        let mut log = rig.open();
        fill(&mut log, 7 + (seed % 20) as i64);
        log.flush(NOW).unwrap();
        let synced = log.recovery_point();
        assert_eq!(synced, log.log_end_offset());
        fill(&mut log, (seed % 13) as i64);
        let written = log.log_end_offset();
        drop(log);
        let rig = rig_on(&disk.after_power_loss(seed), "data");
        // The checkpoint may be older than what was synced last.
        let point = if seed % 3 == 0 { 0 } else { synced };
        lost += written - check(&rig, point, 0, synced, written, seed);
    }
    assert!(lost > 0, "nothing was ever lost: that is no loss of power");
}

#[test]
fn retention_and_deletion_survive_a_loss_of_power_at_any_point() {
    for seed in 0..SEEDS {
        let disk = SimDisk::default();
        let mut rig = rig(&disk);
        rig.config.retention.bytes = 800;
        let mut log = rig.open();
        fill(&mut log, 25);
        log.flush(NOW).unwrap();
        log.set_high_watermark(25);
        let start = if seed % 2 == 0 {
            let plan = log.retention(NOW).unwrap().expect("more than retention.bytes is there");
            log.apply_retention(&plan, NOW).unwrap().remove().unwrap();
            log.log_start_offset()
        } else {
            log.delete_records_before(9).unwrap()
        };
        fill(&mut log, 2);
        drop(log);
        let rig = rig_on(&disk.after_power_loss(seed), "data");
        check(&rig, 25, start, 25, 27, seed);
    }
}

#[test]
fn a_truncation_survives_a_loss_of_power_once_it_is_synced() {
    for seed in 0..SEEDS {
        let disk = SimDisk::default();
        let rig = rig(&disk);
        let mut log = rig.open();
        fill(&mut log, 20);
        log.flush(NOW).unwrap();
        log.truncate_to(11, NOW).unwrap();
        fill(&mut log, 4);
        log.flush(NOW).unwrap();
        drop(log);
        let rig = rig_on(&disk.after_power_loss(seed), "data");
        check(&rig, 15, 0, 15, 15, seed);
    }
}

#[test]
fn a_mark_of_a_clean_shutdown_does_not_come_back() {
    let properties =
        MetaProperties { cluster_id: "c".into(), node_id: 1, directory_id: Some(Uuid::nil()) };
    for seed in 0..SEEDS {
        let disk = SimDisk::default();
        let rig = rig(&disk);
        let open = || LogDir::open(rig.store.clone(), "data", properties.clone()).unwrap();
        let dir = open();
        let mut log = rig.open();
        fill(&mut log, 5);
        let closed = log.close().unwrap();
        let id = rig.location().topic_partition;
        let offsets = [(id, closed.recovery_point)];
        dir.write_checkpoint(OffsetCheckpoint::RecoveryPoint, offsets).unwrap();
        dir.mark_clean_shutdown(-1).unwrap();
        drop(dir);
        let dir = open();
        assert!(dir.was_shut_down_cleanly());
        let mut log = rig.open();
        fill(&mut log, 6);
        drop((log, dir));
        let rig = rig_on(&disk.after_power_loss(seed), "data");
        let dir = LogDir::open(rig.store.clone(), "data", properties.clone()).unwrap();
        assert!(!dir.was_shut_down_cleanly(), "seed {seed}");
        let points = dir.read_checkpoint(OffsetCheckpoint::RecoveryPoint).unwrap();
        let recovery_point = points.values().copied().next().unwrap();
        assert_eq!(recovery_point, 5, "seed {seed}");
        check(&rig, recovery_point, 0, 5, 11, seed);
    }
}

#[test]
fn a_checkpoint_is_the_old_one_or_the_new_one() {
    let properties = MetaProperties { cluster_id: "c".into(), node_id: 1, directory_id: None };
    let mut seen = [false; 2];
    for seed in 0..SEEDS {
        let disk = SimDisk::default();
        let rig = rig(&disk);
        let id = rig.location().topic_partition;
        let dir = LogDir::open(rig.store.clone(), "data", properties.clone()).unwrap();
        let write =
            |offset| dir.write_checkpoint(OffsetCheckpoint::RecoveryPoint, [(id.clone(), offset)]);
        write(1).unwrap();
        // Each operation of the replacement is the last one before the power goes.
        disk.fail_nth(seed % 8, Failing::ForGood, EIO);
        let written = write(2).is_ok();
        drop(dir);
        let rig = rig_on(&disk.after_power_loss(seed), "data");
        let dir = LogDir::open(rig.store.clone(), "data", properties.clone()).unwrap();
        let offset = dir.read_checkpoint(OffsetCheckpoint::RecoveryPoint).unwrap()[&id];
        assert!(offset == 2 || (offset == 1 && !written), "seed {seed}: {offset}");
        seen[offset as usize - 1] = true;
    }
    assert_eq!(seen, [true; 2]);
}

#[test]
fn after_a_failed_sync_a_log_that_is_read_anew_and_written_again_is_safe() {
    for seed in 0..SEEDS {
        let disk = SimDisk::default();
        let rig = rig(&disk);
        let mut log = rig.open();
        fill(&mut log, 8);
        log.flush(NOW).unwrap();
        fill(&mut log, 12);
        disk.break_folder("data", Broken::Sync);
        assert!(log.flush(NOW).is_err());
        let (point, end) = (log.recovery_point(), log.log_end_offset());
        assert_eq!((point, end), (8, 20));
        disk.mend();
        let (mut fresh, _) = rig.open_with(options(point, 0));
        assert_eq!(fresh.log_end_offset(), end);
        fresh.rewrite_unsynced().unwrap();
        fresh.flush(NOW).unwrap();
        assert_eq!(fresh.recovery_point(), end);
        drop((log, fresh));
        let rig = rig_on(&disk.after_power_loss(seed), "data");
        check(&rig, end, 0, end, end, seed);
    }
}

#[test]
fn a_copy_in_another_dir_is_the_partition_or_is_not() {
    for seed in 0..SEEDS {
        let disk = SimDisk::default();
        let (rig, target) = (rig(&disk), rig_on(&disk, "other"));
        let mut log = rig.open();
        fill(&mut log, 18);
        log.flush(NOW).unwrap();
        log.set_high_watermark(18);
        disk.fail_nth(seed, Failing::ForGood, EIO);
        let moved = move_to(&mut log, &target);
        let whole = moved.is_ok();
        drop((log, moved));
        let disk = disk.after_power_loss(seed);
        let (rig, target) = (rig_on(&disk, "data"), rig_on(&disk, "other"));
        let there = target.store.list(&target.folder()).is_ok();
        assert!(there || !whole, "seed {seed}");
        check(if there { &target } else { &rig }, 0, 0, 18, 18, seed);
    }
}

/// Moves a log to another dir, as far as it goes.
pub(crate) fn move_to(log: &mut Log, target: &Rig) -> Result<Log, broker_log::CopyError> {
    let config = Arc::new(target.config.clone());
    let unique = Uuid::from_u128(9);
    let mut future = broker_log::FutureLog::create(
        target.store.clone(),
        target.location(),
        unique,
        config,
        NOW,
    )?;
    future.align(log, NOW)?;
    while let Some(request) = future.next_read(log) {
        let Some(slice) = log.read(request)? else { break };
        future.copy(slice.read()?.into(), NOW)?;
    }
    future.promote(log, NOW)
}
