//! What every store has to do, run by each.

use std::io::{ErrorKind, IoSlice};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::{File, FsStore, MemoryStore, Store, read_all, remove_if_there, replace};

/// Runs a check on each store, in a folder that is there.
fn on_each_store(check: impl Fn(&dyn Store, &Path)) {
    let folder = tempfile::tempdir().unwrap();
    check(&FsStore, folder.path());
    let store = MemoryStore::default();
    store.create_dir_all(Path::new("a/b")).unwrap();
    check(&store, Path::new("a/b"));
}

fn names(store: &dyn Store, dir: &Path) -> Vec<(String, bool, u64)> {
    let entries = store.list(dir).unwrap();
    entries.into_iter().map(|entry| (entry.name, entry.is_dir, entry.size)).collect()
}

fn content(file: &Arc<dyn File>) -> Vec<u8> {
    let mut bytes = vec![0; file.size().unwrap() as usize];
    assert_eq!(file.read_at(&mut bytes, 0).unwrap(), bytes.len());
    bytes
}

#[test]
fn files_are_written_and_read_at_positions() {
    on_each_store(|store, dir| {
        let file = store.create(&dir.join("f")).unwrap();
        file.write_at(b"hello", 0).unwrap();
        file.write_at(b"HE", 8).unwrap();
        assert_eq!(content(&file), b"hello\0\0\0HE");
        let mut four = [9; 4];
        assert_eq!(file.read_at(&mut four, 7).unwrap(), 3);
        assert_eq!(four, [0, b'H', b'E', 9]);
        assert_eq!(file.read_at(&mut four, 10).unwrap(), 0);
        assert_eq!(file.read_at(&mut four, 99).unwrap(), 0);
        file.set_size(3).unwrap();
        assert_eq!(content(&file), b"hel");
        file.set_size(5).unwrap();
        assert_eq!(content(&file), b"hel\0\0");
        file.reserve(100).unwrap();
        assert_eq!(file.size().unwrap(), 5);
        file.sync().unwrap();
    });
}

#[test]
fn parts_are_written_one_behind_the_other() {
    on_each_store(|store, dir| {
        let file = store.create(&dir.join("f")).unwrap();
        let bytes: Vec<u8> = (0..5000_u32).map(|number| number as u8).collect();
        let mut parts: Vec<_> = bytes.chunks(3).map(IoSlice::new).collect();
        parts.insert(1, IoSlice::new(&[]));
        file.write_parts_at(&mut parts, 2).unwrap();
        assert_eq!(content(&file)[2..], bytes);
        file.write_parts_at(&mut [IoSlice::new(&[])], 0).unwrap();
        file.write_parts_at(&mut [], 0).unwrap();
        assert_eq!(file.size().unwrap(), 5002);
    });
}

#[test]
fn handles_of_one_file_see_the_same_bytes_whatever_its_name_becomes() {
    on_each_store(|store, dir| {
        let (old, new) = (dir.join("old"), dir.join("new"));
        let file = store.create(&old).unwrap();
        file.write_at(b"one", 0).unwrap();
        let again = store.create(&old).unwrap();
        assert_eq!(content(&again), b"one", "creating keeps what is there");
        store.create(&new).unwrap().write_at(b"replaced", 0).unwrap();
        store.rename(&old, &new).unwrap();
        assert_eq!(names(store, dir), [("new".to_owned(), false, 3)]);
        store.remove_file(&new).unwrap();
        again.write_at(b"two", 3).unwrap();
        assert_eq!(content(&file), b"onetwo");
        assert!(names(store, dir).is_empty());
    });
}

#[test]
fn what_is_not_there_is_not_found() {
    on_each_store(|store, dir| {
        let path = dir.join("none");
        let kinds = [
            store.open(&path).map(drop),
            store.remove_file(&path),
            store.remove_dir_all(&path),
            store.rename(&path, &dir.join("other")),
            store.list(&path).map(drop),
            store.sync_dir(&path),
            store.create(&path.join("f")).map(drop),
        ];
        for result in kinds {
            assert_eq!(result.unwrap_err().kind(), ErrorKind::NotFound);
        }
        remove_if_there(store, &path).unwrap();
    });
}

#[test]
fn folders_are_made_listed_renamed_and_removed_with_all_in_them() {
    on_each_store(|store, dir| {
        let deep = dir.join("x").join("y");
        store.create_dir_all(&deep).unwrap();
        store.create_dir_all(&deep).unwrap();
        let file = store.create(&deep.join("f")).unwrap();
        file.write_at(b"12", 0).unwrap();
        store.create(&dir.join("w")).unwrap();
        assert_eq!(names(store, dir), [("w".to_owned(), false, 0), ("x".to_owned(), true, 0)]);
        store.rename(&dir.join("x"), &dir.join("z")).unwrap();
        assert_eq!(names(store, &dir.join("z")), [("y".to_owned(), true, 0)]);
        assert_eq!(names(store, &dir.join("z/y")), [("f".to_owned(), false, 2)]);
        store.sync_dir(&dir.join("z")).unwrap();
        store.remove_dir_all(&dir.join("z")).unwrap();
        assert_eq!(names(store, dir), [("w".to_owned(), false, 0)]);
        assert_eq!(content(&file), b"12");
    });
}

#[test]
fn a_lock_is_held_by_one_until_it_is_dropped() {
    on_each_store(|store, dir| {
        let path = dir.join(".lock");
        let held = store.lock(&path).unwrap();
        assert_eq!(store.lock(&path).unwrap_err().kind(), ErrorKind::WouldBlock);
        drop(held);
        store.lock(&path).unwrap();
        assert_eq!(names(store, dir), [(".lock".to_owned(), false, 0)]);
    });
}

#[test]
fn a_file_is_replaced_as_a_whole() {
    on_each_store(|store, dir| {
        let path: PathBuf = dir.join("f");
        replace(store, &path, b"first and long").unwrap();
        replace(store, &path, b"second").unwrap();
        assert_eq!(read_all(store, &path).unwrap(), b"second");
        assert_eq!(names(store, dir), [("f".to_owned(), false, 6)]);
    });
}

#[test]
fn a_volume_has_space() {
    on_each_store(|store, dir| {
        let space = store.space(dir).unwrap();
        assert!(space.total_bytes > 0 && space.usable_bytes <= space.total_bytes, "{space:?}");
    });
}

#[test]
fn only_real_files_can_be_sent_by_the_system() {
    on_each_store(|store, dir| {
        let file = store.create(&dir.join("f")).unwrap();
        let is_real = dir.is_absolute();
        assert_eq!(file.as_raw_fd().is_some(), is_real);
    });
}

#[test]
fn what_is_loaded_is_in_memory_and_unchanged() {
    on_each_store(|store, dir| {
        let file = store.create(&dir.join("f")).unwrap();
        let bytes: Vec<u8> = (0..300_000_u32).map(|number| number as u8).collect();
        file.write_at(&bytes, 0).unwrap();
        file.load(10, 280_000).unwrap();
        assert!(file.is_cached(10, 280_000));
        file.load(299_999, 5_000).unwrap();
        assert!(file.is_cached(299_999, 5_000), "what is behind the end need not be waited for");
        assert_eq!(content(&file), bytes);
    });
}

#[test]
fn what_is_in_memory_is_read_without_waiting_up_to_the_end() {
    on_each_store(|store, dir| {
        let file = store.create(&dir.join("f")).unwrap();
        let bytes: Vec<u8> = (0..20_000_u32).map(|number| number as u8).collect();
        file.write_at(&bytes, 0).unwrap();
        file.load(0, 20_000).unwrap();
        let mut buffer = vec![0; 10_000];
        assert_eq!(file.read_cached_at(&mut buffer, 5).unwrap(), Some(10_000));
        assert_eq!(buffer, bytes[5..10_005]);
        assert_eq!(file.read_cached_at(&mut buffer, 19_000).unwrap(), Some(1_000));
        assert_eq!(buffer[..1_000], bytes[19_000..]);
        assert_eq!(file.read_cached_at(&mut buffer, 20_000).unwrap(), Some(0));
        assert_eq!(file.read_cached_at(&mut [], 0).unwrap(), Some(0));
    });
}
