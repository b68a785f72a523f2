//! Where positions are remembered between runs.

mod file;
mod journal;
mod topic;

use std::collections::BTreeMap;

use async_trait::async_trait;
use client::{AdminError, ClientConfig, ConfigError, ConsumeError, ProduceError};
use serde_json::Value as Json;

use crate::config::OffsetStorage;
use crate::plugin::Positions;
pub(crate) use file::FileStore;
use journal::{Stored, entries};
pub(crate) use topic::TopicStore;

/// What is remembered of a connector at one moment: everything up to these positions is on the
/// topics, and nothing of what comes after them lies before these end offsets.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Checkpoint {
    pub(crate) positions: Positions,
    pub(crate) written: Written,
}

/// How far a connector's topics are written.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Written {
    /// Offsets after the last records, by topic and partition.
    pub(crate) ends: BTreeMap<String, BTreeMap<i32, i64>>,
    /// The topics' ids, where the broker gives them.
    pub(crate) ids: BTreeMap<String, String>,
    /// More may have been written since; false after an orderly stop.
    pub(crate) open: bool,
}

/// What is remembered anew: positions of partitions take the place of those that they had, and the
/// others stay.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Changes {
    pub(crate) positions: Positions,
    pub(crate) written: Option<Written>,
}

impl Checkpoint {
    pub(crate) fn apply(&mut self, changes: &Changes) {
        let moved = changes.positions.iter();
        self.positions.extend(moved.map(|(partition, at)| (partition.clone(), at.clone())));
        if let Some(written) = &changes.written {
            self.written.clone_from(written);
        }
    }
}

/// Why positions were not read or kept.
#[derive(Debug, thiserror::Error)]
pub enum OffsetError {
    #[error("{path}: {source}")]
    File { path: String, source: std::io::Error },
    #[error("{place}: {reason}")]
    Content { place: String, reason: String },
    #[error(transparent)]
    Config(#[from] ConfigError),
    #[error(transparent)]
    Admin(#[from] AdminError),
    #[error(transparent)]
    Produce(#[from] ProduceError),
    #[error(transparent)]
    Consume(#[from] ConsumeError),
}

impl OffsetError {
    pub(crate) fn is_retriable(&self) -> bool {
        match self {
            Self::Admin(error) => error.is_retriable(),
            Self::Produce(error) => error.is_retriable(),
            Self::Consume(error) => error.is_retriable(),
            Self::File { .. } | Self::Content { .. } | Self::Config(_) => false,
        }
    }
}

/// Keeps checkpoints; changes are there as a whole or not at all, also after a crash.
#[async_trait]
pub(crate) trait OffsetStore: Send + Sync {
    async fn load(&self, connector: &str) -> Result<Option<Checkpoint>, OffsetError>;

    async fn save(&self, connector: &str, changes: &Changes) -> Result<(), OffsetError>;

    async fn close(&self);
}

pub(crate) async fn open(
    storage: &OffsetStorage,
    client: &ClientConfig,
) -> Result<Box<dyn OffsetStore>, OffsetError> {
    Ok(match storage {
        OffsetStorage::File(path) => Box::new(FileStore::open(path)?),
        OffsetStorage::Topic { name, partitions, replication_factor } => {
            Box::new(TopicStore::open(name, *partitions, *replication_factor, client).await?)
        }
    })
}

/// Takes one entry into what is stored of the connector it belongs to. Entries of other programs,
/// with other shapes, are left alone.
fn take_entry(stored: &mut BTreeMap<String, Stored>, key: &[u8], value: Option<&[u8]>) {
    let Ok(Json::Array(parts)) = serde_json::from_slice::<Json>(key) else { return };
    let [Json::String(connector), partition] = &parts[..] else { return };
    let value: Option<Json> = value.and_then(|value| serde_json::from_slice(value).ok());
    stored.entry(connector.clone()).or_default().take(partition, value);
}

fn read_ends(rest: &Json) -> BTreeMap<String, BTreeMap<i32, i64>> {
    let topics = rest.get("ends").and_then(Json::as_object);
    let topic = |(topic, ends): (&String, &Json)| {
        let ends = ends.as_object()?.iter();
        let ends =
            ends.filter_map(|(partition, end)| Some((partition.parse().ok()?, end.as_i64()?)));
        Some((topic.clone(), ends.collect()))
    };
    topics.into_iter().flatten().filter_map(topic).collect()
}

fn read_ids(rest: &Json) -> BTreeMap<String, String> {
    let topics = rest.get("ids").and_then(Json::as_object).into_iter().flatten();
    let id = |(topic, id): (&String, &Json)| Some((topic.clone(), id.as_str()?.to_owned()));
    topics.filter_map(id).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_checkpoint_comes_back_from_its_entries() {
        let position = json!({"position": 12, "line": 3});
        let checkpoint = Checkpoint {
            positions: Positions::from([(
                json!({"filename": "a.csv"}).to_string(),
                position.as_object().cloned().expect("an object"),
            )]),
            written: Written {
                ends: BTreeMap::from([("t".into(), BTreeMap::from([(0, 5), (1, 0)]))]),
                ids: BTreeMap::from([("t".into(), "an id".into())]),
                open: true,
            },
        };
        let changes = Changes {
            positions: checkpoint.positions.clone(),
            written: Some(checkpoint.written.clone()),
        };
        let entries = entries("c", &changes);
        assert_eq!(entries[0], (r#"["c",{"filename":"a.csv"}]"#.to_owned(), Some(position)));
        let mut read = BTreeMap::new();
        take_entry(&mut read, b"\"foreign\"", Some(b"1"));
        for (key, value) in &entries {
            let value = value.as_ref().map(Json::to_string);
            take_entry(&mut read, key.as_bytes(), value.as_deref().map(str::as_bytes));
        }
        assert_eq!(read.remove("c").map(|stored| stored.checkpoint()), Some(checkpoint));
        assert!(read.is_empty());
    }
}
