//! The power goes with the n-th operation, for every n: of appends, rolls, syncs, retention,
//! checkpoints, a shutdown in order, and of the recovery after an earlier loss of power.

use std::path::Path;
use std::sync::Arc;

use broker_log::{
    Loaded, Log, LogConfig, LogDir, MetaProperties, OffsetCheckpoint, Store, TopicPartition,
};
use testkit::disk::{EIO, ENOSPC, Failing, SimDisk};
use uuid::Uuid;

use crate::support::*;

const RECORDS: i64 = 24;

/// What has been promised so far.
#[derive(Clone, Copy, Debug, Default)]
struct Promised {
    /// All below was synced, and a checkpoint may say so.
    synced: i64,
    appended: i64,
    /// Retention came as far as this.
    start: i64,
    /// The log was closed in order, and that was marked.
    marked: bool,
}

fn id() -> TopicPartition {
    TopicPartition::new("flights", 0)
}

fn open(disk: &SimDisk) -> Result<(LogDir, Log), String> {
    let properties =
        MetaProperties { cluster_id: "c".into(), node_id: 1, directory_id: Some(Uuid::nil()) };
    let store: Arc<dyn Store> = Arc::new(disk.clone());
    let dir = LogDir::open(store, "data", properties).map_err(|error| error.to_string())?;
    let mut config = LogConfig::default();
    config.segment.bytes = 300;
    config.segment.index_interval_bytes = 100;
    config.retention.bytes = 900;
    let config = Arc::new(config);
    let describe = |_: &TopicPartition, _| Some((Uuid::from_u128(7), config.clone()));
    match dir.load(&[id()], describe, 1, NOW).remove(0).1 {
        Loaded::Open(log, report) if report.postponed.is_none() => Ok((dir, *log)),
        Loaded::Open(_, report) => Err(format!("{report:?}")),
        Loaded::Failed(error) => Err(error.to_string()),
        Loaded::Unknown(topic) => panic!("{topic:?}"),
    }
}

/// Lives until something fails. Values are the offsets that they are to have.
fn live(dir: &LogDir, mut log: Log, promised: &mut Promised) -> Option<()> {
    let checkpoint = |which, offset| dir.write_checkpoint(which, [(id(), offset)]).ok();
    while log.log_end_offset() < RECORDS {
        let value = log.log_end_offset().to_string();
        let appended = log.append_as_leader(&batch(&[(NOW, &value)]), by_client()).ok()?;
        promised.appended = promised.appended.max(appended.last_offset + 1);
        log.set_high_watermark(log.log_end_offset());
        if promised.appended % 5 == 4 {
            log.flush(NOW).ok()?;
            promised.synced = log.recovery_point();
            checkpoint(OffsetCheckpoint::RecoveryPoint, log.recovery_point())?;
        }
        if promised.appended % 7 == 6
            && let Some(plan) = log.retention(NOW).ok()?
        {
            promised.start = promised.start.max(plan.new_log_start_offset);
            let removed = log.apply_retention(&plan, NOW).ok()?;
            checkpoint(OffsetCheckpoint::LogStart, log.log_start_offset())?;
            removed.remove().ok()?;
        }
    }
    let closed = log.close().ok()?;
    promised.synced = closed.recovery_point;
    checkpoint(OffsetCheckpoint::RecoveryPoint, closed.recovery_point)?;
    checkpoint(OffsetCheckpoint::LogStart, closed.log_start_offset)?;
    dir.mark_clean_shutdown(-1).ok()?;
    promised.marked = true;
    Some(())
}

/// All that was promised is there, once and in order, and nothing that was never written.
fn check(log: &Log, promised: &Promised, at: &str) {
    let (start, end) = (log.log_start_offset(), log.log_end_offset());
    assert!(start <= promised.start, "{at}: it begins at {start}: {promised:?}");
    assert!((promised.synced..=promised.appended).contains(&end), "{at}: {end}, {promised:?}");
    assert_eq!(read_all(log, start), filled(start..end), "{at}: {promised:?}");
}

/// Runs a life whose n-th operation fails, and returns the disk as it is found then.
fn first_life(n: u64, code: i32, promised: &mut Promised) -> (SimDisk, bool) {
    let disk = SimDisk::default();
    let store: Arc<dyn Store> = Arc::new(disk.clone());
    store.create_dir_all(Path::new("data")).unwrap();
    store.sync_dir(Path::new("")).unwrap();
    disk.fail_nth(n, Failing::ForGood, code);
    if let Ok((dir, log)) = open(&disk) {
        let _ = live(&dir, log, promised);
    }
    let over = !disk.has_failed();
    (disk, over)
}

#[test]
fn whatever_operation_is_the_last_nothing_synced_is_lost_and_nothing_appears_twice() {
    for code in [EIO, ENOSPC] {
        let mut n = 0;
        loop {
            let mut promised = Promised::default();
            let (disk, over) = first_life(n, code, &mut promised);
            let disk = disk.after_power_loss(n);
            let (dir, log) = open(&disk).expect("a well disk opens");
            assert_eq!(dir.was_shut_down_cleanly(), promised.marked);
            check(&log, &promised, &format!("operation {n}"));
            // And life goes on.
            let mut more = Promised { synced: 0, ..promised };
            live(&dir, log, &mut more).expect("nothing fails any more");
            assert!(more.marked && more.appended == RECORDS.max(promised.appended));
            if over {
                assert!(promised.marked);
                break;
            }
            n += 1;
        }
        assert!(n > 150, "a life has only {n} operations");
    }
}

#[test]
fn a_recovery_that_is_cut_short_by_another_loss_of_power_loses_nothing_more() {
    for n in (20..400).step_by(7) {
        let mut promised = Promised::default();
        let (disk, _) = first_life(n, EIO, &mut promised);
        let disk = disk.after_power_loss(n);
        for m in 0.. {
            let again = disk.after_power_loss(0);
            again.fail_nth(m, Failing::ForGood, EIO);
            let opened = open(&again).is_ok();
            let over = !again.has_failed();
            let again = again.after_power_loss(m);
            let (_, log) = open(&again).expect("a well disk opens");
            check(&log, &promised, &format!("operation {n}, then {m} ({opened})"));
            if over {
                break;
            }
        }
    }
}
