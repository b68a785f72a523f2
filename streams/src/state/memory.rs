//! State in memory: for tests, the test driver, and stores that need not outlive the process.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::{Arc, PoisonError, RwLock};

use bytes::Bytes;

use super::{Entries, KeyRange, StateBackend, StateError, StateView, Write};

type Map = BTreeMap<Bytes, Bytes>;

/// A backend in memory. A reader holds the map as it was when it came; a write made meanwhile
/// copies it.
#[derive(Debug, Default)]
pub struct MemoryBackend {
    map: RwLock<Arc<Map>>,
}

impl MemoryBackend {
    fn snapshot(&self) -> Arc<Map> {
        Arc::clone(&self.map.read().unwrap_or_else(PoisonError::into_inner))
    }
}

struct Snapshot(Arc<Map>);

impl StateView for Snapshot {
    fn get(&self, key: &[u8]) -> Result<Option<Bytes>, StateError> {
        Ok(self.0.get(key).cloned())
    }

    fn range(&self, range: &KeyRange) -> Entries<'_> {
        if range.is_empty() {
            return Box::new(std::iter::empty());
        }
        let end = range.end.as_deref().map_or(Bound::Unbounded, Bound::Excluded);
        let entries = self.0.range::<[u8], _>((Bound::Included(range.start.as_slice()), end));
        Box::new(entries.map(|(key, value)| Ok((key.clone(), value.clone()))))
    }
}

impl StateView for MemoryBackend {
    fn get(&self, key: &[u8]) -> Result<Option<Bytes>, StateError> {
        Ok(self.map.read().unwrap_or_else(PoisonError::into_inner).get(key).cloned())
    }

    fn range(&self, range: &KeyRange) -> Entries<'_> {
        let entries: Vec<_> = Snapshot(self.snapshot()).range(range).collect();
        Box::new(entries.into_iter())
    }
}

impl StateBackend for MemoryBackend {
    fn write(&self, writes: &[Write]) -> Result<(), StateError> {
        let mut map = self.map.write().unwrap_or_else(PoisonError::into_inner);
        let map = Arc::make_mut(&mut map);
        for (key, value) in writes {
            match value {
                Some(value) => map.insert(Bytes::copy_from_slice(key), value.clone()),
                None => map.remove(key.as_slice()),
            };
        }
        Ok(())
    }

    fn view(&self, reader: &mut dyn FnMut(&dyn StateView)) {
        reader(&Snapshot(self.snapshot()));
    }

    fn persist(&self) -> Result<(), StateError> {
        Ok(())
    }

    fn retire(&self) {}
}
