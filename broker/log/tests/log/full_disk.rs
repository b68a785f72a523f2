//! A disk without room: nothing that is there is lost, all of it can be read, and once there is
//! room the log goes on as if nothing had been.

use std::path::PathBuf;
use std::sync::Arc;

use broker_log::{
    AppendError, Cause, LogConfig, LogDir, MetaProperties, OpenOptions, StorageError, Store,
};
use testkit::disk::{Broken, SimDisk};

use crate::support::*;

fn rig(disk: &SimDisk) -> Rig {
    let mut config = LogConfig::default();
    config.segment.bytes = 500;
    config.segment.index_interval_bytes = 100;
    let store: Arc<dyn Store> = Arc::new(disk.clone());
    Rig { store, dir: PathBuf::from("data"), config }
}

fn cause(result: Result<broker_log::Appended, AppendError>) -> Option<Cause> {
    match result {
        Ok(_) => None,
        Err(AppendError::Storage(error)) => Some(error.cause()),
        Err(other) => panic!("{other}"),
    }
}

#[test]
fn a_log_is_written_to_again_when_there_is_room_wherever_the_disk_ended() {
    for room in 0..400 {
        let disk = SimDisk::default();
        let rig = rig(&disk);
        let mut log = rig.open();
        fill(&mut log, 4);
        disk.leave_room(room);
        let mut refused = 0;
        for _ in 0..6 {
            let value = log.log_end_offset().to_string();
            match cause(log.append_as_leader(&batch(&[(NOW, &value)]), by_client())) {
                None => {}
                Some(Cause::Full) => refused += 1,
                Some(other) => panic!("{other:?}"),
            }
        }
        assert!(refused > 0, "room {room}");
        let end = log.log_end_offset();
        assert_eq!(read_all(&log, 0), filled(0..end), "room {room}");
        disk.mend();
        fill(&mut log, 9);
        assert_eq!(read_all(&log, 0), filled(0..end + 9), "room {room}");
        log.close().unwrap();
        assert_eq!(read_all(&rig.open(), 0), filled(0..end + 9), "room {room}");
    }
}

#[test]
fn a_log_is_recovered_on_a_full_disk_and_repaired_when_there_is_room() {
    for lost in ["00000000000000000000.index", "00000000000000000000.timeindex", ""] {
        let disk = SimDisk::default();
        let rig = rig(&disk);
        let mut log = rig.open();
        fill(&mut log, 30);
        log.flush(NOW).unwrap();
        let whole = read_all(&log, 0);
        drop(log);
        if !lost.is_empty() {
            rig.remove(lost);
        }
        disk.leave_room(0);
        let options = OpenOptions { now_ms: NOW, ..OpenOptions::default() };
        let (mut log, report) = rig.open_with(options);
        assert_eq!(report.postponed.expect("indexes take room").cause, Cause::Full, "{lost}");
        assert_eq!(read_all(&log, 0), whole);
        assert!(log.close().is_err());
        let (again, _) = rig.open_with(options);
        log = again;
        assert_eq!(read_all(&log, 0), whole);
        disk.mend();
        fill(&mut log, 5);
        log.close().unwrap();
        let log = rig.open();
        assert_eq!(read_all(&log, 0), filled(0..35));
        assert_eq!(log.offset_for_timestamp(NOW).unwrap().unwrap().offset, 0);
    }
}

#[test]
fn a_read_only_disk_is_recovered_for_reading() {
    let disk = SimDisk::default();
    let rig = rig(&disk);
    let mut log = rig.open();
    fill(&mut log, 30);
    log.flush(NOW).unwrap();
    drop(log);
    // A torn batch at the end.
    let last = rig.files().into_iter().rfind(|name| name.ends_with(".log")).unwrap();
    let mut content = rig.content(&last);
    content.extend([7; 20]);
    rig.overwrite(&last, &content);
    disk.break_folder("data", Broken::ReadOnly);
    let options = OpenOptions { now_ms: NOW, ..OpenOptions::default() };
    let (mut log, report) = rig.open_with(options);
    assert_eq!(report.postponed.expect("nothing could be repaired").cause, Cause::Disk);
    assert_eq!(read_all(&log, 0), filled(0..30));
    assert_eq!(cause(log.append_as_leader(&batch(&[(NOW, "x")]), by_client())), Some(Cause::Disk));
    disk.mend();
    let (mut log, report) = rig.open_with(options);
    assert_eq!((report.postponed, report.bytes_cut), (None, 20));
    fill(&mut log, 2);
    assert_eq!(read_all(&log, 0), filled(0..32));
}

#[test]
fn a_log_dir_is_opened_on_a_disk_that_takes_nothing() {
    let properties = MetaProperties { cluster_id: "c".into(), node_id: 1, directory_id: None };
    let disk = SimDisk::default();
    let store: Arc<dyn Store> = Arc::new(disk.clone());
    let open = || LogDir::open(store.clone(), "data", properties.clone());
    let dir = open().unwrap();
    assert!(dir.is_new());
    dir.probe(1000, true).unwrap();
    dir.mark_clean_shutdown(-1).unwrap();
    drop(dir);
    disk.leave_room(0);
    let dir = open().unwrap();
    assert!(dir.was_shut_down_cleanly() && !dir.is_new());
    disk.leave_room(10);
    let full = |result: Result<(), StorageError>| result.unwrap_err().cause();
    assert_eq!(full(dir.probe(1000, true)), Cause::Full);
    assert_eq!(full(dir.mark_clean_shutdown(-1)), Cause::Full);
    let names: Vec<_> =
        store.list(dir.path()).unwrap().into_iter().map(|entry| entry.name).collect();
    assert_eq!(names, [".lock", "meta.properties"], "nothing half done takes the last room");
    disk.mend();
    dir.mark_clean_shutdown(-1).unwrap();
    drop(dir);
    disk.break_folder("data", Broken::ReadOnly);
    let dir = open().unwrap();
    assert!(dir.was_shut_down_cleanly());
    assert_eq!(full(dir.probe(1, false)), Cause::Disk);
    drop(dir);
    disk.mend();
    disk.break_folder("data", Broken::Gone);
    assert!(LogDir::open_existing(store.clone(), "data", &properties).is_err());
    disk.mend();
    let other = MetaProperties { cluster_id: "other".into(), ..properties.clone() };
    let refused = LogDir::open_existing(store.clone(), "data", &other).unwrap_err().to_string();
    assert!(refused.contains("not the folder that it was"), "{refused}");
}
