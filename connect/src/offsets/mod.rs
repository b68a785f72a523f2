//! Where positions are remembered between runs.

mod file;
mod topic;

use std::collections::BTreeMap;

use async_trait::async_trait;
use client::{AdminError, ClientConfig, ConfigError, ConsumeError, ProduceError};
use serde_json::{Map, Value as Json, json};

use crate::config::OffsetStorage;
use crate::plugin::Positions;
pub(crate) use file::FileStore;
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

/// The entries of positions as Kafka Connect keys them: the connector and the source partition; and
/// one more at the end, whose partition is `{"yeoul": "ends"}`, for what is written.
fn entries(
    connector: &str,
    positions: &Positions,
    written: Option<&Written>,
) -> Vec<(String, Json)> {
    let key = |partition: Json| json!([connector, partition]).to_string();
    let mut entries: Vec<(String, Json)> = positions
        .iter()
        .map(|(partition, position)| {
            let partition = serde_json::from_str(partition).unwrap_or(Json::Null);
            (key(partition), Json::Object(position.clone()))
        })
        .collect();
    entries.sort_by(|a, b| a.0.cmp(&b.0));
    let Some(written) = written else { return entries };
    let ends: Map<String, Json> = written
        .ends
        .iter()
        .map(|(topic, ends)| {
            let ends = ends.iter().map(|(partition, end)| (partition.to_string(), json!(end)));
            (topic.clone(), Json::Object(ends.collect()))
        })
        .collect();
    let rest = json!({"ends": ends, "ids": written.ids, "open": written.open});
    entries.push((key(ends_partition()), rest));
    entries
}

fn ends_partition() -> Json {
    json!({"yeoul": "ends"})
}

/// Takes one entry into the checkpoints it belongs to. Entries of other programs, with other
/// shapes, are left alone.
fn take_entry(checkpoints: &mut BTreeMap<String, Checkpoint>, key: &[u8], value: Option<&[u8]>) {
    let Ok(Json::Array(parts)) = serde_json::from_slice::<Json>(key) else { return };
    let [Json::String(connector), partition] = &parts[..] else { return };
    let value: Option<Json> = value.and_then(|value| serde_json::from_slice(value).ok());
    let checkpoint = checkpoints.entry(connector.clone()).or_default();
    match value {
        Some(rest) if *partition == ends_partition() => {
            checkpoint.written = Written {
                ends: read_ends(&rest),
                ids: read_ids(&rest),
                open: rest.get("open").and_then(Json::as_bool).unwrap_or(true),
            };
        }
        Some(Json::Object(position)) => {
            checkpoint.positions.insert(partition.to_string(), position);
        }
        _ => {
            checkpoint.positions.remove(&partition.to_string());
        }
    }
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
        let entries = entries("c", &checkpoint.positions, Some(&checkpoint.written));
        assert_eq!(entries[0].0, r#"["c",{"filename":"a.csv"}]"#);
        assert_eq!(entries[0].1, position);
        let mut read = BTreeMap::new();
        take_entry(&mut read, b"\"foreign\"", Some(b"1"));
        for (key, value) in &entries {
            take_entry(&mut read, key.as_bytes(), Some(value.to_string().as_bytes()));
        }
        assert_eq!(read.remove("c"), Some(checkpoint));
        assert!(read.is_empty());
    }
}
