//! What a request names more than once is looked at and answered once.
//!
//! No client does that on purpose, and an answer that followed would have no bound: a few bytes of
//! a request can stand for all that there is to say of a topic or a group.

use std::collections::HashSet;
use std::hash::Hash;

use indexmap::{IndexMap, IndexSet};

/// The items, of those with the same key the first.
pub(super) fn once<T, K: Hash + Eq>(
    items: impl IntoIterator<Item = T>,
    key: impl Fn(&T) -> K,
) -> Vec<T> {
    let mut seen = HashSet::new();
    items.into_iter().filter(|item| seen.insert(key(item))).collect()
}

/// Each topic once, and with it each of its partitions once, in the order of their first mentions.
pub(super) fn partitions_once<T: Hash + Eq>(
    topics: impl IntoIterator<Item = (T, Vec<i32>)>,
) -> Vec<(T, Vec<i32>)> {
    let mut merged: IndexMap<T, IndexSet<i32>> = IndexMap::new();
    for (topic, partitions) in topics {
        merged.entry(topic).or_default().extend(partitions);
    }
    let merged = merged.into_iter();
    merged.map(|(topic, partitions)| (topic, partitions.into_iter().collect())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_mention_decides_the_place() {
        assert_eq!(once(["b", "a", "b", "c", "a"], |item| *item), ["b", "a", "c"]);
        let topics = [("t", vec![3, 1, 3]), ("s", vec![]), ("t", vec![1, 2])];
        assert_eq!(partitions_once(topics), [("t", vec![3, 1, 2]), ("s", vec![])]);
    }
}
