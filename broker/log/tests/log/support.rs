//! A log on either store, and batches to put into it.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use broker_log::{
    Appended, FsStore, LeaderAppend, Location, Log, LogConfig, MemoryStore, OpenOptions, Origin,
    ReadRequest, RecoveryReport, Store, TopicPartition,
};
use bytes::Bytes;
use protocol::record::{self, BatchBuilder, BatchOptions, control};
use uuid::Uuid;

pub(crate) const NOW: i64 = 1_700_000_000_000;

/// One log dir with the settings of one topic.
pub(crate) struct Rig {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) dir: PathBuf,
    pub(crate) config: LogConfig,
}

/// Runs a check on a real folder and in memory.
pub(crate) fn on_each_store(check: impl Fn(Rig)) {
    let folder = tempfile::tempdir().unwrap();
    let on = |store: Arc<dyn Store>, dir: &Path| Rig {
        store,
        dir: dir.to_owned(),
        config: LogConfig::default(),
    };
    check(on(Arc::new(MemoryStore::default()), Path::new("data")));
    check(on(Arc::new(FsStore), folder.path()));
}

impl Rig {
    pub(crate) fn location(&self) -> Location {
        Location {
            log_dir: self.dir.clone(),
            topic_partition: TopicPartition::new("flights", 0),
            topic_id: Uuid::from_u128(7),
        }
    }

    /// Opens the log as new, or after a clean shutdown.
    pub(crate) fn open(&self) -> Log {
        self.open_with(OpenOptions { clean_shutdown: true, now_ms: NOW, ..Default::default() }).0
    }

    /// Opens the log after a crash, with what the checkpoint said.
    pub(crate) fn open_after_crash(&self, recovery_point: i64) -> (Log, RecoveryReport) {
        self.open_with(OpenOptions { recovery_point, now_ms: NOW, ..Default::default() })
    }

    pub(crate) fn open_with(&self, options: OpenOptions) -> (Log, RecoveryReport) {
        let config = Arc::new(self.config.clone());
        Log::open(self.store.clone(), self.location(), config, options).unwrap()
    }

    pub(crate) fn folder(&self) -> PathBuf {
        self.dir.join("flights-0")
    }

    pub(crate) fn files(&self) -> Vec<String> {
        let entries = self.store.list(&self.folder()).unwrap();
        entries.into_iter().map(|entry| entry.name).collect()
    }

    pub(crate) fn content(&self, name: &str) -> Vec<u8> {
        let file = self.store.open(&self.folder().join(name)).unwrap();
        let mut bytes = vec![0; file.size().unwrap() as usize];
        file.read_at(&mut bytes, 0).unwrap();
        bytes
    }

    pub(crate) fn overwrite(&self, name: &str, content: &[u8]) {
        let file = self.store.create(&self.folder().join(name)).unwrap();
        file.set_size(0).unwrap();
        file.write_at(content, 0).unwrap();
    }

    pub(crate) fn remove(&self, name: &str) {
        self.store.remove_file(&self.folder().join(name)).unwrap();
    }
}

/// A batch of records with these times and values, without keys.
pub(crate) fn batch(records: &[(i64, &str)]) -> Bytes {
    batch_of(BatchOptions::default(), records)
}

pub(crate) fn batch_of(options: BatchOptions, records: &[(i64, &str)]) -> Bytes {
    let mut builder = BatchBuilder::new(options);
    for (timestamp, value) in records {
        builder.append(*timestamp, None, Some(value.as_bytes()), &[]);
    }
    builder.finish()
}

/// A batch of records with these keys and values.
pub(crate) fn keyed(options: BatchOptions, records: &[(&str, Option<&str>)]) -> Bytes {
    let mut builder = BatchBuilder::new(options);
    for (key, value) in records {
        builder.append(NOW, Some(key.as_bytes()), value.map(str::as_bytes), &[]);
    }
    builder.finish()
}

/// A batch of `count` records that an idempotent producer sends.
pub(crate) fn produced(producer_id: i64, epoch: i16, sequence: i32, count: usize) -> Bytes {
    let options = BatchOptions {
        producer_id,
        producer_epoch: epoch,
        base_sequence: sequence,
        ..Default::default()
    };
    batch_of(options, &vec![(NOW, "x"); count])
}

/// The same inside of a transaction.
pub(crate) fn transactional(producer_id: i64, epoch: i16, sequence: i32) -> Bytes {
    let options = BatchOptions {
        producer_id,
        producer_epoch: epoch,
        base_sequence: sequence,
        is_transactional: true,
        ..Default::default()
    };
    batch_of(options, &[(NOW, "t")])
}

pub(crate) fn marker(producer_id: i64, producer_epoch: i16, commit: bool) -> Bytes {
    let marker = control::Marker { producer_id, producer_epoch, commit, coordinator_epoch: 3 };
    control::marker_batch(&marker, 0, 0, NOW)
}

pub(crate) fn by_client() -> LeaderAppend {
    LeaderAppend { leader_epoch: 0, origin: Origin::Client, now_ms: NOW }
}

pub(crate) fn by_coordinator() -> LeaderAppend {
    LeaderAppend { origin: Origin::Marker { transaction_version: 0 }, ..by_client() }
}

/// Appends one record.
pub(crate) fn put(log: &mut Log, timestamp: i64, value: &str) -> Appended {
    log.append_as_leader(&batch(&[(timestamp, value)]), by_client()).unwrap()
}

/// Appends so many records, one a batch, whose values are their offsets.
pub(crate) fn fill(log: &mut Log, count: i64) {
    for _ in 0..count {
        let value = log.log_end_offset().to_string();
        put(log, NOW, &value);
    }
}

/// Offsets and values from an offset to the log's end.
pub(crate) fn read_all(log: &Log, from: i64) -> Vec<(i64, String)> {
    let mut found = Vec::new();
    let mut offset = from;
    while let Some(slice) = log.read(from_offset(log, offset, usize::MAX >> 1)).unwrap() {
        let records = decode(&slice.read().unwrap());
        offset = records.last().expect("a slice has records").0 + 1;
        found.extend(records);
    }
    found.retain(|(offset, _)| *offset >= from);
    found
}

pub(crate) fn from_offset(log: &Log, offset: i64, max_bytes: usize) -> ReadRequest {
    ReadRequest { offset, max_bytes, upper_bound: log.log_end_offset(), min_one_batch: true }
}

/// Offsets and values of all records of whole batches.
pub(crate) fn decode(bytes: &[u8]) -> Vec<(i64, String)> {
    let mut found = Vec::new();
    for batch in record::batches(&Bytes::copy_from_slice(bytes)).map_while(Result::ok) {
        record::validate(&batch).unwrap();
        let payload = batch.payload(1 << 20).unwrap();
        for record in payload.records().map(Result::unwrap) {
            let value = String::from_utf8_lossy(record.value.unwrap_or_default());
            found.push((record.offset, value.into_owned()));
        }
    }
    found
}

/// `0..n` with the offsets as values, as [`fill`] makes them.
pub(crate) fn filled(range: std::ops::Range<i64>) -> Vec<(i64, String)> {
    range.map(|offset| (offset, offset.to_string())).collect()
}
