//! The folder of many partitions: whose it is, how it was left, and what is in it.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use thiserror::Error;
use uuid::Uuid;

use crate::checkpoint::{self, CheckpointError, OffsetLine};
use crate::error::{OpenError, StorageError};
use crate::identity::{self, MetaProperties};
use crate::log::{Location, Log, OpenOptions};
use crate::name::{FolderFate, PARTITION_METADATA, TopicPartition};
use crate::recovery::RecoveryReport;
use crate::store::{self, Space, Store};
use crate::{LogConfig, partition_metadata};

const LOCK: &str = ".lock";
const META_PROPERTIES: &str = "meta.properties";
const CLEAN_SHUTDOWN: &str = ".kafka_cleanshutdown";

/// Why a log dir cannot be used.
#[derive(Debug, Error)]
pub enum DirError {
    #[error(transparent)]
    Storage(#[from] StorageError),
    #[error("{} is in use by another process; stop it or name another log dir", path.display())]
    InUse { path: PathBuf },
    #[error("{} line {line}: {problem}; restore the file or remove it", path.display())]
    Malformed { path: PathBuf, line: usize, problem: String },
    #[error(
        "{} belongs to node {found}, and this is node {expected}: set node.id to {found} or \
         name another log dir", path.display()
    )]
    OtherNode { path: PathBuf, expected: i32, found: i32 },
}

/// The checkpoints of a log dir: each holds one offset a partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OffsetCheckpoint {
    RecoveryPoint,
    HighWatermark,
    LogStart,
    Cleaner,
}

impl OffsetCheckpoint {
    fn file_name(self) -> &'static str {
        match self {
            Self::RecoveryPoint => "recovery-point-offset-checkpoint",
            Self::HighWatermark => "replication-offset-checkpoint",
            Self::LogStart => "log-start-offset-checkpoint",
            Self::Cleaner => "cleaner-offset-checkpoint",
        }
    }
}

/// A log dir, locked for this process until it is dropped.
#[derive(Debug)]
pub struct LogDir {
    store: Arc<dyn Store>,
    path: PathBuf,
    properties: MetaProperties,
    clean_shutdown: bool,
    _lock: Box<dyn Debug + Send + Sync>,
}

/// A partition that was found in a log dir and opened.
pub type Loaded = (TopicPartition, Result<(Log, RecoveryReport), OpenError>);

impl LogDir {
    /// Opens a log dir, creating it when it is not there. `properties` are written to a new
    /// one; of an existing one the node must be the same, and the rest is as it is there.
    /// Removes the mark of a clean shutdown, so that a crash from here on is seen as one.
    pub fn open(
        store: Arc<dyn Store>,
        path: impl Into<PathBuf>,
        properties: MetaProperties,
    ) -> Result<Self, DirError> {
        let path = path.into();
        store.create_dir_all(&path).map_err(StorageError::on("create", &path))?;
        let lock_path = path.join(LOCK);
        let lock = store.lock(&lock_path).map_err(|source| match source.kind() {
            io::ErrorKind::WouldBlock => DirError::InUse { path: path.clone() },
            _ => StorageError { operation: "lock", path: lock_path, source }.into(),
        })?;
        let properties = adopt_properties(&*store, &path.join(META_PROPERTIES), properties)?;
        let mark = path.join(CLEAN_SHUTDOWN);
        let clean_shutdown = match store.remove_file(&mark) {
            Ok(()) => true,
            Err(error) if error.kind() == io::ErrorKind::NotFound => false,
            Err(error) => return Err(StorageError::on("remove", mark)(error).into()),
        };
        Ok(Self { store, path, properties, clean_shutdown, _lock: lock })
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    pub fn store(&self) -> &Arc<dyn Store> {
        &self.store
    }

    pub fn properties(&self) -> &MetaProperties {
        &self.properties
    }

    /// Whether the last owner closed all logs in order.
    pub fn was_shut_down_cleanly(&self) -> bool {
        self.clean_shutdown
    }

    /// How large the volume is, for DescribeLogDirs.
    pub fn space(&self) -> Result<Space, StorageError> {
        self.store.space(&self.path).map_err(StorageError::on("measure", &self.path))
    }

    /// The partitions that have a folder here, sorted.
    pub fn partitions(&self) -> Result<Vec<TopicPartition>, StorageError> {
        let entries = self.store.list(&self.path).map_err(StorageError::on("list", &self.path))?;
        let folders = entries.iter().filter(|entry| entry.is_dir);
        let mut found: Vec<_> = folders
            .filter(|entry| FolderFate::of_folder(&entry.name).is_none())
            .filter_map(|entry| TopicPartition::from_folder(&entry.name))
            .collect();
        found.sort();
        Ok(found)
    }

    /// The topic id that a partition's folder was made for.
    pub fn topic_id(&self, id: &TopicPartition) -> Result<Option<Uuid>, OpenError> {
        let path = self.path.join(id.folder()).join(PARTITION_METADATA);
        partition_metadata::read(&*self.store, &path)
    }

    /// Removes the folders of deleted topics that a crash left behind; names those of
    /// partitions that were set aside as strays, which stay.
    pub fn sweep(&self) -> Result<Vec<PathBuf>, StorageError> {
        let entries = self.store.list(&self.path).map_err(StorageError::on("list", &self.path))?;
        let mut strays = Vec::new();
        for entry in entries.iter().filter(|entry| entry.is_dir) {
            let path = self.path.join(&entry.name);
            match FolderFate::of_folder(&entry.name) {
                Some(FolderFate::Delete) => {
                    let removed = self.store.remove_dir_all(&path);
                    removed.map_err(StorageError::on("remove", path))?;
                }
                Some(FolderFate::Stray) => strays.push(path),
                None => {}
            }
        }
        Ok(strays)
    }

    pub fn read_checkpoint(
        &self,
        which: OffsetCheckpoint,
    ) -> Result<BTreeMap<TopicPartition, i64>, DirError> {
        let path = self.path.join(which.file_name());
        checkpoint::read_offsets(&*self.store, &path).map_err(|error| match error {
            CheckpointError::Io(source) => StorageError { operation: "read", path, source }.into(),
            CheckpointError::Malformed(at) => {
                DirError::Malformed { path, line: at.line, problem: at.problem }
            }
        })
    }

    /// Replaces a checkpoint atomically.
    pub fn write_checkpoint(
        &self,
        which: OffsetCheckpoint,
        offsets: impl IntoIterator<Item = (TopicPartition, i64)>,
    ) -> Result<(), StorageError> {
        let path = self.path.join(which.file_name());
        let lines: Vec<_> =
            offsets.into_iter().map(|(id, offset)| OffsetLine(id, offset)).collect();
        checkpoint::write(&*self.store, &path, &lines).map_err(StorageError::on("write", path))
    }

    /// Opens partitions on `threads` threads (`num.recovery.threads.per.data.dir`), with the
    /// offsets of the checkpoints; each gets the topic id and the configuration that
    /// `describe` says. The order of the results is that of `partitions`. Recovery points
    /// that are not readable count as 0: all is scanned.
    pub fn load(
        &self,
        partitions: &[TopicPartition],
        describe: impl Fn(&TopicPartition) -> (Uuid, Arc<LogConfig>) + Sync,
        threads: usize,
        now_ms: i64,
    ) -> Vec<Loaded> {
        let recovery_points = self.checkpoint_or_none(OffsetCheckpoint::RecoveryPoint);
        let log_starts = self.checkpoint_or_none(OffsetCheckpoint::LogStart);
        let open = |id: &TopicPartition| {
            let (topic_id, config) = describe(id);
            let location =
                Location { log_dir: self.path.clone(), topic_partition: id.clone(), topic_id };
            let options = OpenOptions {
                recovery_point: recovery_points.get(id).copied().unwrap_or(0),
                log_start_offset: log_starts.get(id).copied().unwrap_or(0),
                clean_shutdown: self.clean_shutdown,
                now_ms,
            };
            Log::open(self.store.clone(), location, config, options)
        };
        in_parallel(partitions, threads, |id| (id.clone(), open(id)))
    }

    fn checkpoint_or_none(&self, which: OffsetCheckpoint) -> BTreeMap<TopicPartition, i64> {
        self.read_checkpoint(which).unwrap_or_else(|error| {
            tracing::warn!("{error}; going on without it");
            BTreeMap::new()
        })
    }

    /// Notes that all logs were closed; call it last. `broker_epoch` is -1 when there is none.
    pub fn mark_clean_shutdown(&self, broker_epoch: i64) -> Result<(), StorageError> {
        let path = self.path.join(CLEAN_SHUTDOWN);
        let content = format!("{{\"version\":0,\"brokerEpoch\":{broker_epoch}}}");
        store::replace(&*self.store, &path, content.as_bytes())
            .map_err(StorageError::on("write", path))
    }
}

/// Reads the properties of a log dir, or writes them to a new one.
fn adopt_properties(
    store: &dyn Store,
    path: &Path,
    wanted: MetaProperties,
) -> Result<MetaProperties, DirError> {
    let bytes = match store::read_all(store, path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            store::replace(store, path, wanted.print().as_bytes())
                .map_err(StorageError::on("write", path))?;
            return Ok(wanted);
        }
        Err(error) => return Err(StorageError::on("read", path)(error).into()),
    };
    let found =
        MetaProperties::parse(&bytes).map_err(|identity::Malformed { line, problem }| {
            DirError::Malformed { path: path.to_owned(), line, problem }
        })?;
    if found.node_id != wanted.node_id {
        let (expected, found) = (wanted.node_id, found.node_id);
        return Err(DirError::OtherNode { path: path.to_owned(), expected, found });
    }
    Ok(MetaProperties { directory_id: found.directory_id.or(wanted.directory_id), ..found })
}

/// Maps items on a number of threads; the results keep the items' order.
fn in_parallel<T: Sync, R: Send>(
    items: &[T],
    threads: usize,
    map: impl Fn(&T) -> R + Sync,
) -> Vec<R> {
    let next = AtomicUsize::new(0);
    let results = Mutex::new(Vec::with_capacity(items.len()));
    let work = || {
        while let Some(item) = {
            let index = next.fetch_add(1, Ordering::Relaxed);
            items.get(index).map(|item| (index, item))
        } {
            let result = (item.0, map(item.1));
            results.lock().unwrap_or_else(PoisonError::into_inner).push(result);
        }
    };
    thread::scope(|scope| {
        for _ in 1..threads.clamp(1, items.len().max(1)) {
            scope.spawn(work);
        }
        work();
    });
    let mut results = results.into_inner().unwrap_or_else(PoisonError::into_inner);
    results.sort_by_key(|(index, _)| *index);
    results.into_iter().map(|(_, result)| result).collect()
}

#[cfg(test)]
mod tests;
