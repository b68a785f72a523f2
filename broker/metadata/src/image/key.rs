//! Looking names up without copying them.

use std::cmp::Ordering;
use std::sync::Arc;

use equivalent::{Comparable, Equivalent};

/// A key of a kind and a name, to be looked up in a map of such.
pub(super) struct Wanted<'a, K>(pub(super) K, pub(super) &'a str);

impl<K: Ord> Equivalent<(K, Arc<str>)> for Wanted<'_, K> {
    fn equivalent(&self, key: &(K, Arc<str>)) -> bool {
        self.compare(key).is_eq()
    }
}

impl<K: Ord> Comparable<(K, Arc<str>)> for Wanted<'_, K> {
    fn compare(&self, (kind, name): &(K, Arc<str>)) -> Ordering {
        self.0.cmp(kind).then_with(|| self.1.cmp(name))
    }
}
