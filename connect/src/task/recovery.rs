//! What an interrupted run has left on the topics: recognised, so that it is not written again.
//!
//! Positions are remembered together with the topics' end offsets. A task that is killed between
//! two such moments has written some of the records after the remembered position, and nobody
//! knows which. But they are behind the remembered end offsets; and a source that is read again
//! from the same position gives the same records, which convert to the same bytes. So each record
//! that is read again is looked up among those: if it is there it was written, once for each copy.
//!
//! ```text
//!            remembered               killed
//! source  ------|--a--b--c--d--e--f-----|
//! topic   ------|--a-----c--d           |        read again: a b c d e f g ...
//!               '--- the tail: {a, c, d}         written:      b     e f g ...
//! ```
//!
//! At most [`WINDOW`] records of a source partition are read between two remembered positions. So
//! when of every partition as many are read again, or all that there are, the tail cannot hold
//! anything of ours any more and is forgotten: the source says then that it has nothing more to
//! give, as partitions without room are passed over. Only then are positions remembered again: what
//! an interrupted run has written beyond them would lie before the new end offsets, and be written
//! twice after the next interruption.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};

/// The most records of a source partition that are sent before the next position is remembered.
pub const WINDOW: usize = 10_000;

/// Records behind the remembered end offsets, as far as they are not yet recognised.
#[derive(Debug, Default)]
pub(crate) struct Tail {
    copies: HashMap<(u64, u64), u32>,
}

impl Tail {
    /// Notes a record that was read from a topic: not the record itself, as others may have
    /// written any number of them.
    pub(crate) fn note(&mut self, record: &TailRecord<'_>) {
        *self.copies.entry(record.fingerprint()).or_insert(0) += 1;
    }

    /// Whether there is nothing left to recognise, so that positions may be remembered.
    pub(crate) fn is_settled(&self) -> bool {
        self.copies.is_empty()
    }

    /// Whether this record is there already; a copy is used up by that.
    pub(crate) fn take(&mut self, record: &TailRecord<'_>) -> bool {
        if self.copies.is_empty() {
            return false;
        }
        let place = record.fingerprint();
        match self.copies.get_mut(&place) {
            Some(1) => {
                self.copies.remove(&place);
                true
            }
            Some(copies) => {
                *copies -= 1;
                true
            }
            None => false,
        }
    }
}

/// What is compared of a record.
#[derive(Clone, Copy, Debug, Hash)]
pub(crate) struct TailRecord<'a> {
    pub(crate) topic: &'a str,
    pub(crate) key: Option<&'a [u8]>,
    pub(crate) value: Option<&'a [u8]>,
}

impl TailRecord<'_> {
    /// 128 bits of two hashes with different salts.
    fn fingerprint(&self) -> (u64, u64) {
        let hash = |salt: u64| {
            let mut hasher = DefaultHasher::new();
            (salt, self).hash(&mut hasher);
            hasher.finish()
        };
        (hash(0), hash(0x9e37_79b9_7f4a_7c15))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(value: &str) -> TailRecord<'_> {
        TailRecord { topic: "t", key: None, value: Some(value.as_bytes()) }
    }

    fn tail(values: &[&str]) -> Tail {
        let mut tail = Tail::default();
        values.iter().for_each(|value| tail.note(&record(value)));
        tail
    }

    #[test]
    fn each_copy_is_recognised_once() {
        let mut tail = tail(&["a", "c", "a"]);
        let taken: Vec<bool> =
            ["a", "b", "a", "a", "c", "c"].into_iter().map(|v| tail.take(&record(v))).collect();
        assert_eq!(taken, [true, false, true, false, true, false]);
    }

    #[test]
    fn key_value_and_topic_all_count() {
        let mut tail = tail(&["a"]);
        assert!(!tail.take(&TailRecord { key: Some(b"a"), ..record("a") }));
        assert!(!tail.take(&TailRecord { topic: "u", ..record("a") }));
        assert!(!tail.take(&TailRecord { value: None, ..record("a") }));
        assert!(tail.take(&record("a")));
    }
}
