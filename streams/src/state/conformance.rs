//! One suite for every key-value store and one for every backend.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use super::*;
use crate::operator::TaskId;

fn space() -> TaskSpace {
    TaskSpace::new(&TaskId { subtopology: 1, partition: 2 })
}

fn keys() -> Vec<Vec<u8>> {
    let mut keys = vec![vec![], vec![0], vec![0, 0], vec![0xff], vec![0xff, 0xff], vec![1, 2]];
    keys.extend((0..40_u8).map(|byte| vec![byte % 7, byte]));
    keys
}

fn entries(found: Entries<'_>) -> Vec<(Vec<u8>, Vec<u8>)> {
    let owned = |entry: Result<Entry, StateError>| {
        let (key, value) = entry.unwrap();
        (key.to_vec(), value.to_vec())
    };
    found.map(owned).collect()
}

fn ranges() -> Vec<KeyRange> {
    vec![
        KeyRange::all(),
        KeyRange::prefix(&[3]),
        KeyRange::prefix(&[0xff]),
        KeyRange::between([1], [4, 11]),
        KeyRange::between([4], [4]),
        KeyRange::between([5], [4]),
        KeyRange { start: vec![6], end: None },
    ]
}

/// Random puts, deletes, reads and commits beside a plain map.
fn check_store(backend: Arc<dyn StateBackend>) {
    let neighbour = store_prefix(&space(), 6);
    backend.write(&[([&neighbour[..], b"x"].concat(), Some("other store".into()))]).unwrap();
    let mut stores = Stores::new(&backend, &space(), [("s".to_owned(), 5, true)]);
    let mut model: BTreeMap<Vec<u8>, Vec<u8>> = BTreeMap::new();
    let mut seed = 7_u64;
    for step in 0..2_000_u64 {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let keys = keys();
        let key = &keys[(seed >> 33) as usize % keys.len()];
        let store = stores.get_mut("s").unwrap();
        match (seed >> 20) % 4 {
            0 => {
                store.delete(key).unwrap();
                model.remove(key);
            }
            1 if step % 10 == 0 => {
                backend.write(&stores.writes()).unwrap();
                stores.committed();
                assert_eq!(stores.changed_bytes(), 0);
            }
            _ => {
                store.put(key, &step.to_be_bytes()).unwrap();
                model.insert(key.clone(), step.to_be_bytes().to_vec());
            }
        }
        let store = stores.get_mut("s").unwrap();
        let found = store.get(key).unwrap().map(|value| value.to_vec());
        assert_eq!(found.as_ref(), model.get(key), "step {step}, key {key:?}");
        if step % 50 == 0 {
            for range in ranges() {
                let found = entries(store.range(&range));
                let expected: Vec<_> = model
                    .iter()
                    .filter(|(key, _)| range.contains(key))
                    .map(|(key, value)| (key.clone(), value.clone()))
                    .collect();
                assert_eq!(found, expected, "step {step}, {range:?}");
            }
        }
    }
    assert!(stores.get_mut("t").is_err());
}

fn check_view(backend: &dyn StateBackend) {
    let write = |key: &[u8], value: Option<&'static str>| (key.to_vec(), value.map(Into::into));
    backend.write(&[write(b"a", Some("1")), write(b"b", Some("2"))]).unwrap();
    let mut seen = Vec::new();
    backend.view(&mut |view| {
        backend.write(&[write(b"a", Some("9")), write(b"b", None), write(b"c", None)]).unwrap();
        seen = entries(view.range(&KeyRange::between(*b"a", *b"d")));
        assert_eq!(view.get(b"a").unwrap().as_deref(), Some(&b"1"[..]));
    });
    let expected = [(b"a".to_vec(), b"1".to_vec()), (b"b".to_vec(), b"2".to_vec())];
    assert_eq!(seen, expected);
    let now = entries(backend.range(&KeyRange::between(*b"a", *b"d")));
    assert_eq!(now, [(b"a".to_vec(), b"9".to_vec())]);
}

#[test]
fn the_memory_backend_conforms() {
    check_store(Arc::new(MemoryBackend::default()));
    check_view(&MemoryBackend::default());
}

#[test]
fn the_rocksdb_backend_conforms() {
    let folder = tempfile::tempdir().unwrap();
    check_store(Arc::new(RocksDbBackend::open(&folder.path().join("a")).unwrap()));
    check_view(&RocksDbBackend::open(&folder.path().join("b")).unwrap());
}

#[test]
fn rocksdb_keeps_what_was_made_durable_and_is_locked_while_open() {
    let folder = tempfile::tempdir().unwrap();
    let backend = RocksDbBackend::open(folder.path()).unwrap();
    backend.write(&[(b"k".to_vec(), Some("v".into()))]).unwrap();
    backend.persist().unwrap();
    assert!(RocksDbBackend::open(folder.path()).is_err());
    drop(backend);
    let backend = RocksDbBackend::open(folder.path()).unwrap();
    assert_eq!(backend.get(b"k").unwrap().as_deref(), Some(&b"v"[..]));
}

#[test]
fn the_folder_of_a_retired_backend_can_be_removed_and_is_not_made_again_before_it_is_closed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state");
    let backend = RocksDbBackend::open(&path).unwrap();
    backend.write(&[(b"k".to_vec(), Some("v".into()))]).unwrap();
    backend.retire();
    std::fs::remove_dir_all(&path).unwrap();
    assert!(matches!(RocksDbBackend::open(&path), Err(StateError::InUse(_))));
    drop(backend);
    assert!(!path.exists());
    let backend = RocksDbBackend::open(&path).unwrap();
    assert_eq!(backend.get(b"k").unwrap(), None);
}

#[test]
fn a_folder_that_cannot_be_opened_is_named() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let path: &Path = &file.path().join("state");
    let error = RocksDbBackend::open(path).err().unwrap().to_string();
    assert!(error.contains(&path.display().to_string()), "{error}");
}

#[test]
fn values_that_no_changelog_record_could_carry_are_refused() {
    let backend: Arc<dyn StateBackend> = Arc::new(MemoryBackend::default());
    let mut stores = Stores::new(&backend, &space(), [("s".to_owned(), 0, true)]);
    let error = stores.get_mut("s").unwrap().put(b"k", &vec![0; 1 << 20]).unwrap_err();
    assert!(matches!(error, StateError::TooLarge { part: "value", .. }), "{error}");
}
