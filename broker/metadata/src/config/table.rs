//! The keys of one scope, found by name.

use std::collections::HashMap;
use std::sync::LazyLock;

use super::key::Key;
use super::{broker, group, topic};

/// All keys of one scope.
#[derive(Debug)]
pub struct Table {
    keys: Vec<&'static Key>,
    by_name: HashMap<&'static str, &'static Key>,
}

impl Table {
    fn new(parts: &[&'static [Key]]) -> Self {
        let mut keys: Vec<_> = parts.iter().flat_map(|part| part.iter()).collect();
        keys.sort_by_key(|key| key.name);
        let by_name = keys.iter().map(|key| (key.name, *key)).collect();
        Self { keys, by_name }
    }

    pub fn get(&self, name: &str) -> Option<&'static Key> {
        self.by_name.get(name).copied()
    }

    /// In the order of their names.
    pub fn keys(&self) -> impl Iterator<Item = &'static Key> {
        self.keys.iter().copied()
    }
}

/// The keys of a topic.
pub fn topic_table() -> &'static Table {
    static TABLE: LazyLock<Table> = LazyLock::new(|| Table::new(&[topic::KEYS]));
    &TABLE
}

/// The keys of a broker, in a file and while it runs.
pub fn broker_table() -> &'static Table {
    static TABLE: LazyLock<Table> = LazyLock::new(|| Table::new(broker::PARTS));
    &TABLE
}

/// The keys of a group.
pub fn group_table() -> &'static Table {
    static TABLE: LazyLock<Table> = LazyLock::new(|| Table::new(&[group::KEYS]));
    &TABLE
}
