//! [`KeyValueStore`]: what operators and their stores agree on.

use bytes::Bytes;
use thiserror::Error;

/// Why state could not be read or written.
#[derive(Debug, Error)]
pub enum StateError {
    #[error("the topology has no store named {0}")]
    UnknownStore(String),
    #[error("cannot open the state folder {path}: {message}")]
    Open { path: String, message: String },
    #[error("cannot remove the state folder {path}: {message}; remove it by hand")]
    Remove { path: String, message: String },
    #[error(
        "the state folder {0} is in use: another application of the same id runs, here or in \
         another process; stop it, or give this one another id or folder"
    )]
    InUse(String),
    #[error("state storage failed: {0}")]
    Storage(String),
    #[error("a {part} of {size} bytes is too large for a store; the limit is {limit}")]
    TooLarge { part: &'static str, size: usize, limit: usize },
    #[error("the state of task {task} is damaged: {message}")]
    Damaged { task: String, message: String },
}

/// A key with its value.
pub type Entry = (Bytes, Bytes);

/// Entries in key order.
pub type Entries<'a> = Box<dyn Iterator<Item = Result<Entry, StateError>> + 'a>;

/// An ordered map of byte strings (unsigned order).
///
/// A store sees its own writes at once. An empty key is a key like any other.
pub trait KeyValueStore {
    fn get(&self, key: &[u8]) -> Result<Option<Bytes>, StateError>;

    fn put(&mut self, key: &[u8], value: &[u8]) -> Result<(), StateError>;

    /// Removes the key; not an error where it is missing.
    fn delete(&mut self, key: &[u8]) -> Result<(), StateError>;

    /// The entries of a range, in key order.
    fn range(&self, range: &KeyRange) -> Entries<'_>;
}

/// Keys from `start` (included) up to `end` (excluded; `None` is behind the last key).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyRange {
    pub start: Vec<u8>,
    pub end: Option<Vec<u8>>,
}

impl KeyRange {
    pub fn all() -> Self {
        Self { start: Vec::new(), end: None }
    }

    /// All keys that start with `prefix`.
    pub fn prefix(prefix: &[u8]) -> Self {
        Self { start: prefix.to_vec(), end: successor(prefix) }
    }

    /// Keys from `start` (included) up to `end` (excluded).
    pub fn between(start: impl Into<Vec<u8>>, end: impl Into<Vec<u8>>) -> Self {
        Self { start: start.into(), end: Some(end.into()) }
    }

    pub fn contains(&self, key: &[u8]) -> bool {
        key >= self.start.as_slice() && self.end.as_ref().is_none_or(|end| key < end.as_slice())
    }

    pub fn is_empty(&self) -> bool {
        self.end.as_ref().is_some_and(|end| *end <= self.start)
    }

    /// The same range of keys that are behind `prefix`.
    pub(crate) fn within(&self, prefix: &[u8]) -> Self {
        let start = [prefix, &self.start].concat();
        let end = match &self.end {
            Some(end) => Some([prefix, end].concat()),
            None => successor(prefix),
        };
        Self { start, end }
    }
}

/// The first key that is behind all keys starting with `prefix`.
fn successor(prefix: &[u8]) -> Option<Vec<u8>> {
    let last = prefix.iter().rposition(|&byte| byte != 0xff)?;
    let mut next = prefix[..=last].to_vec();
    next[last] += 1;
    Some(next)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_range_ends_before_the_next_prefix() {
        assert_eq!(KeyRange::prefix(&[1, 2]), KeyRange::between([1, 2], [1, 3]));
        assert_eq!(KeyRange::prefix(&[1, 0xff]), KeyRange::between([1, 0xff], [2]));
        assert_eq!(KeyRange::prefix(&[0xff]).end, None);
        assert_eq!(KeyRange::prefix(&[]), KeyRange::all());
    }

    #[test]
    fn a_range_within_a_prefix_stays_in_it() {
        let within = KeyRange::all().within(&[7]);
        assert_eq!(within, KeyRange::between([7], [8]));
        let within = KeyRange::between([1], [2]).within(&[7]);
        assert_eq!(within, KeyRange::between([7, 1], [7, 2]));
    }
}
