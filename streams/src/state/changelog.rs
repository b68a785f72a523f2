//! What a commit puts on the changelog topic, and how it is read back.
//!
//! ```text
//!   key    sub-topology u16 │ store u16 │ key in the store      value = its new value, or null
//!          sub-topology u16 │ 0xffff                            value = Checkpoint (JSON)
//!
//!   a commit:   entry entry entry checkpoint       one record batch, so all of it or nothing
//!   a large one: [entry entry ..] [entry ..] .. [.. checkpoint]       several batches
//! ```
//!
//! Entries count once a checkpoint follows them. A crash between two batches leaves entries at the
//! end that were never committed: restoring leaves them out, and gives their keys back
//! ([`Replay::finish`]), so that the task writes what these keys really hold with its first
//! commit. Behind that commit the torn entries are harmless: each is followed by the true one.

use std::collections::BTreeMap;

use bytes::{BufMut, Bytes, BytesMut};
use serde::{Deserialize, Serialize};

use super::{StateError, Stores, TaskSpace, Write, checkpoint_key, store_prefix};
use crate::limits::CHANGELOG_BATCH_BYTES;
use crate::operator::TaskId;
use crate::record::{InputRecord, OutputRecord};

const CHECKPOINT: u16 = u16::MAX;
/// What a record costs beside its key and value, generously.
const RECORD_OVERHEAD: usize = 40;

/// Position of a task in one of its input partitions.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct InputPosition {
    pub(crate) topic: String,
    pub(crate) partition: i32,
    /// The next offset to read.
    pub(crate) offset: i64,
    /// The topic's id, where the cluster gives it one: a topic of the same name that was created
    /// later has other records at these offsets.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) topic_id: Option<String>,
    /// A table that is to be read up to here before streams are looked at.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) read_first_until: Option<i64>,
}

/// The last record of an internal topic that was processed, by the input it descends from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Seen {
    /// Number of the reading task's input.
    pub(crate) input_number: u16,
    /// The task that wrote it, and the number of its input.
    pub(crate) task: (u16, i32),
    pub(crate) input: u16,
    /// Offset in that input, and the how-manieth output of that record.
    pub(crate) offset: i64,
    pub(crate) index: u32,
}

/// The last origin that a task gave a record of an internal topic. It only rises, even where an
/// input begins anew with smaller offsets, so that readers never take new records for seen ones.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Written {
    pub(crate) node: String,
    pub(crate) input: u16,
    pub(crate) offset: i64,
    pub(crate) index: u32,
}

/// Where a task stands: all that must be in step with its state.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Checkpoint {
    /// Names of the sub-topology's stores, by number: state of another topology is refused.
    pub(crate) stores: Vec<String>,
    pub(crate) inputs: Vec<InputPosition>,
    pub(crate) seen: Vec<Seen>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) written: Vec<Written>,
    pub(crate) stream_time: i64,
    /// Notes of operators, by node.
    pub(crate) operators: BTreeMap<String, serde_json::Value>,
    /// Local copy only: the changelog offset behind this commit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) changelog: Option<i64>,
    /// Local copy only: the changelog topic's id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) changelog_id: Option<String>,
}

impl Checkpoint {
    pub(crate) fn to_bytes(&self) -> Bytes {
        Bytes::from(serde_json::to_vec(self).expect("strings, numbers and JSON values"))
    }

    pub(crate) fn from_bytes(task: &TaskId, bytes: &[u8]) -> Result<Self, StateError> {
        serde_json::from_slice(bytes).map_err(|error| StateError::Damaged {
            task: task.to_string(),
            message: format!("its checkpoint cannot be read: {error}"),
        })
    }
}

/// A commit as the batches of records to append, in order; each must be appended atomically.
pub(crate) struct ChangelogBatches(pub(crate) Vec<Vec<OutputRecord>>);

impl ChangelogBatches {
    /// The changed entries of `stores`, then `checkpoint`.
    pub(crate) fn new(
        task: &TaskId,
        stores: &Stores,
        checkpoint: &Checkpoint,
        timestamp: i64,
    ) -> Self {
        let mut batches = vec![Vec::new()];
        let mut room = CHANGELOG_BATCH_BYTES;
        for change in stores.changed().filter(|change| change.logged) {
            let key = key(task, change.store, change.key);
            push(&mut batches, &mut room, record(key, change.value.cloned(), timestamp));
        }
        let value = Some(checkpoint.to_bytes());
        push(&mut batches, &mut room, record(key(task, CHECKPOINT, &[]), value, timestamp));
        Self(batches)
    }
}

fn push(batches: &mut Vec<Vec<OutputRecord>>, room: &mut usize, record: OutputRecord) {
    let size = size(&record);
    if size > *room && batches.last().is_some_and(|batch| !batch.is_empty()) {
        batches.push(Vec::new());
        *room = CHANGELOG_BATCH_BYTES;
    }
    *room = room.saturating_sub(size);
    if let Some(batch) = batches.last_mut() {
        batch.push(record);
    }
}

fn size(record: &OutputRecord) -> usize {
    let size = |bytes: &Option<Bytes>| bytes.as_ref().map_or(0, Bytes::len);
    size(&record.key) + size(&record.value) + RECORD_OVERHEAD
}

fn record(key: Bytes, value: Option<Bytes>, timestamp: i64) -> OutputRecord {
    OutputRecord { key: Some(key), value, timestamp, ..OutputRecord::default() }
}

fn key(task: &TaskId, store: u16, key: &[u8]) -> Bytes {
    let mut out = BytesMut::with_capacity(4 + key.len());
    out.put_u16(task.subtopology);
    out.put_u16(store);
    out.put_slice(key);
    out.freeze()
}

/// A record of the changelog that concerns a task.
#[derive(Debug, PartialEq)]
pub(crate) enum ChangelogEntry {
    Change { store: u16, key: Bytes, value: Option<Bytes> },
    Checkpoint(Box<Checkpoint>),
}

impl ChangelogEntry {
    /// Reads a record; `None` where it belongs to another sub-topology.
    pub(crate) fn read(task: &TaskId, record: &InputRecord) -> Result<Option<Self>, StateError> {
        let damaged = |message: &str| StateError::Damaged {
            task: task.to_string(),
            message: format!("changelog record at offset {}: {message}", record.offset),
        };
        let key = record.key.as_ref().filter(|key| key.len() >= 4);
        let key = key.ok_or_else(|| damaged("its key is too short"))?;
        if key[..2] != task.subtopology.to_be_bytes() {
            return Ok(None);
        }
        let store = u16::from_be_bytes([key[2], key[3]]);
        if store == CHECKPOINT {
            let value = record.value.as_ref().ok_or_else(|| damaged("a checkpoint is empty"))?;
            let checkpoint = Checkpoint::from_bytes(task, value)?;
            return Ok(Some(Self::Checkpoint(Box::new(checkpoint))));
        }
        Ok(Some(Self::Change { store, key: key.slice(4..), value: record.value.clone() }))
    }
}

/// Puts committed entries of a changelog together, commit by commit.
pub(crate) struct Replay {
    task: TaskId,
    space: TaskSpace,
    changelog_id: Option<String>,
    pending: Vec<(u16, Bytes, Option<Bytes>)>,
}

impl Replay {
    pub(crate) fn new(task: TaskId, changelog_id: Option<String>) -> Self {
        let space = TaskSpace::new(&task);
        Self { task, space, changelog_id, pending: Vec::new() }
    }

    /// Takes the next record. A checkpoint gives the writes of its commit, itself included.
    pub(crate) fn take(&mut self, record: &InputRecord) -> Result<Option<Vec<Write>>, StateError> {
        let mut checkpoint = match ChangelogEntry::read(&self.task, record)? {
            None => return Ok(None),
            Some(ChangelogEntry::Change { store, key, value }) => {
                self.pending.push((store, key, value));
                return Ok(None);
            }
            Some(ChangelogEntry::Checkpoint(checkpoint)) => *checkpoint,
        };
        checkpoint.changelog = Some(record.offset + 1);
        checkpoint.changelog_id.clone_from(&self.changelog_id);
        let write = |(store, key, value): (u16, Bytes, Option<Bytes>)| {
            ([&store_prefix(&self.space, store)[..], &key].concat(), value)
        };
        let mut writes: Vec<Write> = self.pending.drain(..).map(write).collect();
        writes.push((checkpoint_key(&self.space), Some(checkpoint.to_bytes())));
        Ok(Some(writes))
    }

    /// To be called behind the last record: (store, key) of entries that were never committed.
    pub(crate) fn finish(self) -> Vec<(u16, Bytes)> {
        self.pending.into_iter().map(|(store, key, _)| (store, key)).collect()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::state::{MemoryBackend, StateBackend};

    fn task() -> TaskId {
        TaskId { subtopology: 3, partition: 1 }
    }

    fn stores(entries: usize, size: usize) -> Stores {
        let backend: Arc<dyn StateBackend> = Arc::new(MemoryBackend::default());
        let specs = [("counts".to_owned(), 0, true), ("cache".to_owned(), 1, false)];
        let mut stores = Stores::new(&backend, &TaskSpace::new(&task()), specs);
        for entry in 0..entries {
            let key = (entry as u32).to_be_bytes();
            stores.get_mut("counts").unwrap().put(&key, &vec![7; size]).unwrap();
            stores.get_mut("cache").unwrap().put(&key, b"not logged").unwrap();
        }
        stores
    }

    fn replay(records: impl IntoIterator<Item = OutputRecord>) -> (Vec<Vec<Write>>, usize) {
        let mut replay = Replay::new(task(), None);
        let mut commits = Vec::new();
        for (offset, record) in (0..).zip(records) {
            let OutputRecord { key, value, headers, timestamp, .. } = record;
            let input = InputRecord { key, value, headers, timestamp, offset };
            commits.extend(replay.take(&input).unwrap());
        }
        (commits, replay.finish().len())
    }

    #[test]
    fn a_usual_commit_is_one_batch_and_comes_back_whole() {
        let ChangelogBatches(batches) =
            ChangelogBatches::new(&task(), &stores(3, 10), &Checkpoint::default(), 0);
        assert_eq!(batches.len(), 1);
        let (commits, dropped) = replay(batches.into_iter().flatten());
        assert_eq!((commits.len(), commits[0].len(), dropped), (1, 4, 0));
    }

    #[test]
    fn a_large_commit_counts_only_with_its_checkpoint_and_names_its_keys_without() {
        let large = ChangelogBatches::new(&task(), &stores(30, 100_000), &Checkpoint::default(), 0);
        assert!(large.0.len() > 2, "{} batches", large.0.len());
        let size = |batch: &Vec<OutputRecord>| batch.iter().map(size).sum::<usize>();
        assert!(large.0.iter().all(|batch| size(batch) <= CHANGELOG_BATCH_BYTES));
        let (commits, torn) = replay(large.0.iter().flatten().cloned());
        assert_eq!((commits.len(), commits[0].len(), torn), (1, 31, 0));

        let entries = large.0[..2].iter().flatten().cloned();
        let count = entries.clone().count();
        assert_eq!(replay(entries), (Vec::new(), count));
    }

    #[test]
    fn records_of_other_subtopologies_are_passed_over_and_damaged_ones_named() {
        let other = TaskId { subtopology: 4, partition: 1 };
        let ChangelogBatches(batches) =
            ChangelogBatches::new(&other, &stores(3, 10), &Checkpoint::default(), 0);
        assert_eq!(replay(batches.into_iter().flatten()), (Vec::new(), 0));
        let short = InputRecord { offset: 9, ..InputRecord::default() };
        let error = ChangelogEntry::read(&task(), &short).unwrap_err().to_string();
        assert!(error.contains("task 3_1") && error.contains("offset 9"), "{error}");
    }
}
