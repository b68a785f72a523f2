//! The stores of one task: committed state below, what changed since the last commit above.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::Arc;

use bytes::Bytes;

use super::{
    Entries, Entry, KeyRange, KeyValueStore, StateBackend, StateError, TaskSpace, Write,
    decode_store_key, store_prefix,
};
use crate::limits::{MAX_STORE_KEY_BYTES, MAX_STORE_VALUE_BYTES};

/// All stores of a task.
pub struct Stores {
    stores: Vec<TaskStore>,
}

impl Stores {
    /// Stores over `backend`: (name, number in the topology, whether it has a changelog).
    pub(crate) fn new(
        backend: &Arc<dyn StateBackend>,
        task: &TaskSpace,
        specs: impl IntoIterator<Item = (String, u16, bool)>,
    ) -> Self {
        let open = |(name, number, logged)| TaskStore {
            name,
            number,
            logged,
            prefix: store_prefix(task, number),
            backend: Arc::clone(backend),
            changed: BTreeMap::new(),
            changed_bytes: 0,
        };
        Self { stores: specs.into_iter().map(open).collect() }
    }

    pub(crate) fn get_mut(&mut self, name: &str) -> Result<&mut dyn KeyValueStore, StateError> {
        match self.stores.iter_mut().find(|store| store.name == name) {
            Some(store) => Ok(store),
            None => Err(StateError::UnknownStore(name.to_owned())),
        }
    }

    /// Notes a key as changed to what it is: its changelog entry has been lost.
    pub(crate) fn rewrite(&mut self, number: u16, key: &[u8]) -> Result<(), StateError> {
        if let Some(store) = self.stores.iter_mut().find(|store| store.number == number) {
            let value = store.get(key)?;
            store.change(key, value);
        }
        Ok(())
    }

    /// Bytes of keys and values changed since the last commit, about.
    pub(crate) fn changed_bytes(&self) -> usize {
        self.stores.iter().map(|store| store.changed_bytes).sum()
    }

    pub(crate) fn changed(&self) -> impl Iterator<Item = Changed<'_>> {
        self.stores.iter().flat_map(|store| {
            store.changed.iter().map(|(key, value)| Changed {
                store: store.number,
                logged: store.logged,
                key,
                value: value.as_ref(),
            })
        })
    }

    /// What the backend is to be given for the changes since the last commit.
    pub(crate) fn writes(&self) -> Vec<Write> {
        let write = |store: &TaskStore, key: &[u8], value: &Option<Bytes>| {
            ([&store.prefix, key].concat(), value.clone())
        };
        self.stores
            .iter()
            .flat_map(|store| store.changed.iter().map(move |(k, v)| write(store, k, v)))
            .collect()
    }

    /// Forgets the changes: the backend has them.
    pub(crate) fn committed(&mut self) {
        for store in &mut self.stores {
            store.changed.clear();
            store.changed_bytes = 0;
        }
    }
}

/// A change since the last commit.
pub(crate) struct Changed<'a> {
    pub(crate) store: u16,
    pub(crate) logged: bool,
    pub(crate) key: &'a Bytes,
    pub(crate) value: Option<&'a Bytes>,
}

struct TaskStore {
    name: String,
    number: u16,
    logged: bool,
    prefix: Vec<u8>,
    backend: Arc<dyn StateBackend>,
    changed: BTreeMap<Bytes, Option<Bytes>>,
    changed_bytes: usize,
}

impl TaskStore {
    fn change(&mut self, key: &[u8], value: Option<Bytes>) {
        let size = |value: &Option<Bytes>| value.as_ref().map_or(0, Bytes::len);
        let added = size(&value);
        if let Some(slot) = self.changed.get_mut(key) {
            self.changed_bytes = self.changed_bytes - size(slot) + added;
            *slot = value;
        } else {
            self.changed_bytes += key.len() + added;
            self.changed.insert(Bytes::copy_from_slice(key), value);
        }
    }
}

impl KeyValueStore for TaskStore {
    fn get(&self, key: &[u8]) -> Result<Option<Bytes>, StateError> {
        match self.changed.get(key) {
            Some(value) => Ok(value.clone()),
            None => self.backend.get(&[&self.prefix, key].concat()),
        }
    }

    fn put(&mut self, key: &[u8], value: &[u8]) -> Result<(), StateError> {
        check("key", key.len(), MAX_STORE_KEY_BYTES)?;
        check("value", value.len(), MAX_STORE_VALUE_BYTES)?;
        self.change(key, Some(Bytes::copy_from_slice(value)));
        Ok(())
    }

    fn delete(&mut self, key: &[u8]) -> Result<(), StateError> {
        self.change(key, None);
        Ok(())
    }

    fn range(&self, range: &KeyRange) -> Entries<'_> {
        if range.is_empty() {
            return Box::new(std::iter::empty());
        }
        let end = range.end.as_deref().map_or(Bound::Unbounded, Bound::Excluded);
        let changed = self.changed.range::<[u8], _>((Bound::Included(&range.start[..]), end));
        let committed = self
            .backend
            .range(&range.within(&self.prefix))
            .map(|entry| entry.map(|(key, value)| (decode_store_key(&key), value)));
        Box::new(Merged { changed: changed.peekable(), committed: committed.peekable() })
    }
}

fn check(part: &'static str, size: usize, limit: usize) -> Result<(), StateError> {
    if size <= limit { Ok(()) } else { Err(StateError::TooLarge { part, size, limit }) }
}

/// Two ordered sources as one; a changed key hides the committed one.
struct Merged<A: Iterator, B: Iterator> {
    changed: std::iter::Peekable<A>,
    committed: std::iter::Peekable<B>,
}

impl<'a, A, B> Iterator for Merged<A, B>
where
    A: Iterator<Item = (&'a Bytes, &'a Option<Bytes>)>,
    B: Iterator<Item = Result<Entry, StateError>>,
{
    type Item = Result<Entry, StateError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let Some((changed, _)) = self.changed.peek() else { return self.committed.next() };
            match self.committed.peek() {
                Some(Err(_)) => return self.committed.next(),
                Some(Ok((committed, _))) if committed < *changed => return self.committed.next(),
                Some(Ok((committed, _))) if committed == *changed => drop(self.committed.next()),
                _ => {}
            }
            let (key, value) = self.changed.next()?;
            if let Some(value) = value {
                return Some(Ok((key.clone(), value.clone())));
            }
        }
    }
}
