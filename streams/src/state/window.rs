//! [`WindowStore`]: values by key and window start, expired by segments of time.
//!
//! ```text
//!   segment (start / segment_ms) u64 │ key │ start u64      (big-endian)
//! ```
//!
//! Windows of one segment lie together, so that old ones are found and dropped without looking
//! at younger ones, and the windows of one key are a short range in each of the few segments
//! that a retention spans.

use std::ops::{ControlFlow, RangeInclusive};

use bytes::Bytes;

use super::{Entry, KeyRange, KeyValueStore, StateError, StateView};

/// The shortest segment: very short retentions would otherwise expire at every record.
const MIN_SEGMENT_MS: i64 = 60_000;

/// Segments that a retention spans, about.
const SEGMENTS: i64 = 4;

/// A key of a window store taken apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WindowKey {
    pub key: Bytes,
    pub start: i64,
}

impl WindowKey {
    /// Reads a key as the underlying store has it; `None` if it is too short to be one.
    pub fn read(stored: &Bytes) -> Option<Self> {
        if stored.len() < 16 {
            return None;
        }
        let (front, start) = stored.split_last_chunk::<8>()?;
        let start = i64::try_from(u64::from_be_bytes(*start)).ok()?;
        Some(Self { key: stored.slice(8..front.len()), start })
    }
}

/// Window view of a key-value store. Keys must be such that none is the beginning of another
/// (rows of a [`RowCodec`](super::RowCodec) are); starts must not be negative.
pub struct WindowStore<'a> {
    store: &'a mut dyn KeyValueStore,
    segment_ms: i64,
}

impl<'a> WindowStore<'a> {
    pub fn new(store: &'a mut dyn KeyValueStore, retention_ms: i64) -> Self {
        Self { store, segment_ms: segment_ms(retention_ms) }
    }

    pub fn get(&self, key: &[u8], start: i64) -> Result<Option<Bytes>, StateError> {
        self.store.get(&stored_key(self.segment_ms, key, start))
    }

    pub fn put(&mut self, key: &[u8], start: i64, value: &[u8]) -> Result<(), StateError> {
        self.store.put(&stored_key(self.segment_ms, key, start), value)
    }

    pub fn delete(&mut self, key: &[u8], start: i64) -> Result<(), StateError> {
        self.store.delete(&stored_key(self.segment_ms, key, start))
    }

    /// Removes segments that end at or before `oldest_kept`, the first start still wanted.
    /// Windows before it may stay a while longer; none from it on is touched.
    pub fn expire(&mut self, oldest_kept: i64) -> Result<usize, StateError> {
        let first_kept = oldest_kept.max(0) / self.segment_ms;
        let range = KeyRange::between([], (first_kept as u64).to_be_bytes());
        let expired: Vec<Bytes> = self
            .store
            .range(&range)
            .map(|entry| Ok(entry?.0))
            .collect::<Result<_, StateError>>()?;
        for key in &expired {
            self.store.delete(key)?;
        }
        Ok(expired.len())
    }
}

/// True where `expire` may find more at `oldest_kept` than it did at `before`.
pub(crate) fn enters_segment(retention_ms: i64, before: i64, oldest_kept: i64) -> bool {
    let segment_ms = segment_ms(retention_ms);
    before.max(0) / segment_ms < oldest_kept.max(0) / segment_ms
}

/// Which windows of a committed store are read.
#[derive(Clone, Debug)]
pub(crate) struct WindowRange {
    /// The retention that the store is written with: it says where windows lie.
    pub(crate) retention_ms: i64,
    /// The first and the last start that is wanted.
    pub(crate) starts: RangeInclusive<i64>,
}

impl WindowRange {
    /// The segments that hold wanted windows, as keys begin with them.
    pub(crate) fn segments(&self) -> KeyRange {
        let segment_ms = segment_ms(self.retention_ms);
        let segment = |start: i64| (start.max(0) / segment_ms) as u64;
        let (first, last) = (segment(*self.starts.start()), segment(*self.starts.end()));
        let end = last.checked_add(1).map(|end| end.to_be_bytes().to_vec());
        KeyRange { start: first.to_be_bytes().to_vec(), end }
    }
}

/// Gives the wanted windows of `key` in a committed store whose keys start with `prefix` to
/// `each`, by start, until it breaks off.
pub(crate) fn windows_of(
    view: &dyn StateView,
    (prefix, key): (&[u8], &[u8]),
    range: &WindowRange,
    each: &mut dyn FnMut(Entry) -> ControlFlow<()>,
) -> Result<ControlFlow<()>, StateError> {
    let bytes = |start: i64| (start.max(0) as u64).to_be_bytes();
    let (first, last) = (bytes(*range.starts.start()), bytes(*range.starts.end()));
    let mut segments = range.segments();
    loop {
        let Some(entry) = view.range(&segments.within(prefix)).next() else {
            return Ok(ControlFlow::Continue(()));
        };
        let stored = entry?.0;
        let Some(segment) = stored.get(prefix.len()..prefix.len() + 8) else {
            return Ok(ControlFlow::Continue(()));
        };
        let key = [prefix, segment, key].concat();
        // The end of a range is left out: the shortest key behind the last one stands there.
        let windows = KeyRange::between(
            [key.as_slice(), &first].concat(),
            [key.as_slice(), &last, &[0]].concat(),
        );
        for entry in view.range(&windows) {
            let (stored, value) = entry?;
            if stored.len() == key.len() + 8
                && each((stored.slice(prefix.len()..), value)).is_break()
            {
                return Ok(ControlFlow::Break(()));
            }
        }
        match KeyRange::prefix(segment).end {
            Some(next) => segments.start = next,
            None => return Ok(ControlFlow::Continue(())),
        }
    }
}

fn segment_ms(retention_ms: i64) -> i64 {
    (retention_ms / SEGMENTS).max(MIN_SEGMENT_MS)
}

fn stored_key(segment_ms: i64, key: &[u8], start: i64) -> Vec<u8> {
    let start = start.max(0);
    let segment = (start / segment_ms) as u64;
    [&segment.to_be_bytes()[..], key, &(start as u64).to_be_bytes()].concat()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::operator::TaskId;
    use crate::state::{MemoryBackend, StateBackend, Stores, TaskSpace, store_prefix};

    #[test]
    fn windows_expire_by_whole_segments_and_are_found_by_key() {
        let backend: Arc<dyn StateBackend> = Arc::new(MemoryBackend::default());
        let space = TaskSpace::new(&TaskId { subtopology: 0, partition: 0 });
        let mut stores = Stores::new(&backend, &space, [("w".to_owned(), 0, true)]);
        let mut windows = WindowStore::new(stores.get_mut("w").unwrap(), 4 * MIN_SEGMENT_MS);
        for start in (0..600_000).step_by(20_000) {
            windows.put(b"a", start, b"1").unwrap();
            windows.put(b"b", start, b"2").unwrap();
        }
        assert_eq!(windows.expire(119_999).unwrap(), 6);
        assert_eq!(windows.get(b"a", 40_000).unwrap(), None);
        assert_eq!(windows.get(b"a", 60_000).unwrap().as_deref(), Some(&b"1"[..]));

        backend.write(&stores.writes()).unwrap();
        let prefix = store_prefix(&space, 0);
        let starts = |starts: RangeInclusive<i64>, most: usize| {
            let range = WindowRange { retention_ms: 4 * MIN_SEGMENT_MS, starts };
            let mut found = Vec::new();
            let mut each = |(key, _): Entry| {
                found.push(WindowKey::read(&key).unwrap().start);
                if found.len() == most { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
            };
            let _end = windows_of(backend.as_ref(), (&prefix, b"a"), &range, &mut each).unwrap();
            found
        };
        let all: Vec<i64> = (60_000..600_000).step_by(20_000).collect();
        assert_eq!(starts(0..=i64::MAX, usize::MAX), all);
        assert_eq!(starts(0..=i64::MAX, 2), all[..2]);
        assert_eq!(starts(100_000..=200_000, usize::MAX), all[2..8]);
        assert_eq!(starts(100_001..=119_999, usize::MAX), Vec::<i64>::new());
    }
}
