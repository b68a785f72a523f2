use std::sync::Arc;

use super::*;
use crate::store::{FsStore, MemoryStore};

fn on_each_store(check: impl Fn(Arc<dyn Store>, &Path)) {
    let folder = tempfile::tempdir().unwrap();
    check(Arc::new(FsStore), &folder.path().join("data"));
    check(Arc::new(MemoryStore::default()), Path::new("data"));
}

fn properties(node_id: i32) -> MetaProperties {
    let directory_id = Some(Uuid::from_u128(node_id as u128));
    MetaProperties { cluster_id: format!("cluster-{node_id}"), node_id, directory_id }
}

fn open(store: &Arc<dyn Store>, path: &Path, node_id: i32) -> Result<LogDir, DirError> {
    LogDir::open(store.clone(), path, properties(node_id))
}

#[test]
fn a_log_dir_is_of_one_node_and_one_process() {
    on_each_store(|store, path| {
        let dir = open(&store, path, 1).unwrap();
        assert!(matches!(open(&store, path, 1), Err(DirError::InUse { .. })));
        drop(dir);
        match open(&store, path, 2) {
            Err(DirError::OtherNode { expected: 2, found: 1, .. }) => {}
            other => panic!("{other:?}"),
        }
        let other_cluster = MetaProperties { cluster_id: "other".into(), ..properties(1) };
        let dir = LogDir::open(store.clone(), path, other_cluster).unwrap();
        assert_eq!(*dir.properties(), properties(1), "what is there stays");
    });
}

#[test]
fn a_damaged_identity_is_refused_by_line() {
    on_each_store(|store, path| {
        drop(open(&store, path, 1).unwrap());
        store::replace(&*store, &path.join(META_PROPERTIES), b"version=1\nnode.id=x\n").unwrap();
        assert!(matches!(open(&store, path, 1), Err(DirError::Malformed { line: 2, .. })));
    });
}

#[test]
fn a_clean_shutdown_is_seen_once() {
    on_each_store(|store, path| {
        let clean = || open(&store, path, 1).unwrap().was_shut_down_cleanly();
        assert!(!clean());
        open(&store, path, 1).unwrap().mark_clean_shutdown(12).unwrap();
        assert_eq!(open(&store, path, 1).unwrap().clean_shutdown_epoch(), Some(12));
        assert_eq!(open(&store, path, 1).unwrap().clean_shutdown_epoch(), None);
        open(&store, path, 1).unwrap().mark_clean_shutdown(12).unwrap();
        let mark = store::read_all(&*store, &path.join(CLEAN_SHUTDOWN)).unwrap();
        assert_eq!(mark, b"{\"version\":0,\"brokerEpoch\":12}");
        assert!(clean());
        assert!(!clean(), "whoever opens a log dir may crash");
    });
}

#[test]
fn partitions_are_listed_and_deleted_ones_swept() {
    on_each_store(|store, path| {
        let dir = open(&store, path, 1).unwrap();
        for folder in [
            "b-1",
            "a-b-10",
            "a-b-2",
            "b-0.00000000000000000000000000000001-delete",
            "b-2.00000000000000000000000000000002-stray",
            "nonsense",
        ] {
            store.create_dir_all(&path.join(folder)).unwrap();
        }
        store::replace(&*store, &path.join("file-0"), b"").unwrap();
        let found: Vec<_> = dir.partitions().unwrap().iter().map(|id| id.folder()).collect();
        assert_eq!(found, ["a-b-2", "a-b-10", "b-1"]);
        let strays = dir.sweep().unwrap();
        assert_eq!(strays, [path.join("b-2.00000000000000000000000000000002-stray")]);
        let left = store.list(path).unwrap();
        assert!(!left.iter().any(|entry| entry.name.ends_with("-delete")), "{left:?}");
    });
}

#[test]
fn checkpoints_are_written_and_read_by_kind() {
    on_each_store(|store, path| {
        let dir = open(&store, path, 1).unwrap();
        let id = TopicPartition::new("t", 0);
        for (which, offset, name) in [
            (OffsetCheckpoint::RecoveryPoint, 1, "recovery-point-offset-checkpoint"),
            (OffsetCheckpoint::HighWatermark, 2, "replication-offset-checkpoint"),
            (OffsetCheckpoint::LogStart, 3, "log-start-offset-checkpoint"),
            (OffsetCheckpoint::Cleaner, 4, "cleaner-offset-checkpoint"),
        ] {
            assert!(dir.read_checkpoint(which).unwrap().is_empty());
            dir.write_checkpoint(which, [(id.clone(), offset)]).unwrap();
            let text = store::read_all(&*store, &path.join(name)).unwrap();
            assert_eq!(text, format!("0\n1\nt 0 {offset}\n").as_bytes());
            assert_eq!(dir.read_checkpoint(which).unwrap()[&id], offset);
        }
        let damaged = path.join("cleaner-offset-checkpoint");
        store::replace(&*store, &damaged, b"0\n1\nt 0\n").unwrap();
        match dir.read_checkpoint(OffsetCheckpoint::Cleaner) {
            Err(DirError::Malformed { line: 3, path, .. }) => assert_eq!(path, damaged),
            other => panic!("{other:?}"),
        }
    });
}

#[test]
fn partitions_are_loaded_on_several_threads_in_their_order() {
    on_each_store(|store, path| {
        let ids: Vec<_> = (0..20).map(|partition| TopicPartition::new("t", partition)).collect();
        let describe = |id: &TopicPartition, _| {
            Some((Uuid::from_u128(id.partition as u128), Arc::new(LogConfig::default())))
        };
        let dir = open(&store, path, 1).unwrap();
        for (id, loaded) in dir.load(&ids, describe, 3, 0) {
            let Loaded::Open(mut log, _) = loaded else { panic!("{loaded:?}") };
            log.truncate_fully_and_start_at(id.partition.into(), 0).unwrap();
            log.close().unwrap();
        }
        let starts = ids.iter().map(|id| (id.clone(), id.partition.into()));
        dir.write_checkpoint(OffsetCheckpoint::LogStart, starts.clone()).unwrap();
        dir.write_checkpoint(OffsetCheckpoint::RecoveryPoint, starts).unwrap();
        dir.mark_clean_shutdown(-1).unwrap();
        drop(dir);
        let dir = open(&store, path, 1).unwrap();
        assert_eq!(dir.partitions().unwrap(), ids);
        let loaded = dir.load(&ids, describe, 64, 0);
        let offsets: Vec<_> = loaded
            .into_iter()
            .map(|(id, loaded)| match loaded {
                Loaded::Open(log, report) if report == RecoveryReport::default() => {
                    (id, log.log_end_offset())
                }
                other => panic!("{id}: {other:?}"),
            })
            .collect();
        let expected: Vec<_> = ids.iter().map(|id| (id.clone(), id.partition.into())).collect();
        assert_eq!(offsets, expected);
        assert_eq!(dir.topic_id(&ids[7]).unwrap(), Some(Uuid::from_u128(7)));
        assert_eq!(dir.topic_id(&TopicPartition::new("none", 0)).unwrap(), None);
        let one_topic = |id: &TopicPartition, _| match id.partition {
            4 => None,
            _ => Some((Uuid::from_u128(3), Arc::default())),
        };
        let loaded = dir.load(&ids[2..5], one_topic, 2, 0);
        let results: Vec<_> = loaded.iter().map(|(_, loaded)| loaded).collect();
        let [Loaded::Failed(_), Loaded::Open(..), Loaded::Unknown(Some(id))] = results[..] else {
            panic!("{results:?}");
        };
        assert_eq!(*id, Uuid::from_u128(4));
    });
}

#[test]
fn a_volume_has_space() {
    on_each_store(|store, path| {
        let space = open(&store, path, 1).unwrap().space().unwrap();
        assert!(space.total_bytes >= space.usable_bytes);
    });
}
