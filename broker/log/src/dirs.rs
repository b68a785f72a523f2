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
use crate::folder::Folder;
use crate::identity::{self, MetaProperties};
use crate::log::{Location, Log, OpenOptions};
use crate::name::{FolderFate, PARTITION_METADATA, TopicPartition, fated_folder};
use crate::recovery::RecoveryReport;
use crate::store::{self, Space, Store};
use crate::{LogConfig, partition_metadata};

const LOCK: &str = ".lock";
const META_PROPERTIES: &str = "meta.properties";
const CLEAN_SHUTDOWN: &str = ".kafka_cleanshutdown";
/// No mark is as long.
const MARK_BYTES: usize = 1024;
/// Written to find out whether the folder can be written to.
const PROBE: &str = ".probe.tmp";

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
        "{} is not the folder that it was: mount the right one, or start the broker anew to use \
         this one", path.display()
    )]
    OtherFolder { path: PathBuf },
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
    is_new: bool,
    clean_shutdown: bool,
    clean_shutdown_epoch: Option<i64>,
    _lock: Box<dyn Debug + Send + Sync>,
}

/// What became of a partition's folder that was found in a log dir.
#[derive(Debug)]
pub enum Loaded {
    Open(Box<Log>, RecoveryReport),
    Failed(OpenError),
    /// Nobody wants it: it is of the topic with this id, or does not say which.
    Unknown(Option<Uuid>),
}

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
        let dir = Self::take(store, path, &properties)?;
        if dir.is_new
            && let Some(parent) = dir.path.parent()
        {
            // One that can't be opened for that is not ours to care for.
            let _ = dir.store.sync_dir(parent);
        }
        Ok(dir)
    }

    /// Opens a log dir that has been opened before: a folder that is not of these properties, or
    /// of none, is another one and is left alone. Without a directory id, any of the cluster's is
    /// the right one.
    pub fn open_existing(
        store: Arc<dyn Store>,
        path: impl Into<PathBuf>,
        properties: &MetaProperties,
    ) -> Result<Self, DirError> {
        let path = path.into();
        let named = path.join(META_PROPERTIES);
        store.open(&named).map_err(StorageError::on("open", named))?;
        let dir = Self::take(store, path.clone(), properties)?;
        let (found, wanted) = (&dir.properties, properties);
        let same = wanted.directory_id.is_none_or(|wanted| found.directory_id == Some(wanted));
        if found.cluster_id == wanted.cluster_id && same {
            return Ok(dir);
        }
        Err(DirError::OtherFolder { path })
    }

    fn take(
        store: Arc<dyn Store>,
        path: PathBuf,
        wanted: &MetaProperties,
    ) -> Result<Self, DirError> {
        let lock_path = path.join(LOCK);
        let lock = store.lock(&lock_path).map_err(|source| match source.kind() {
            io::ErrorKind::WouldBlock => DirError::InUse { path: path.clone() },
            _ => StorageError { operation: "lock", path: lock_path, source }.into(),
        })?;
        let (properties, is_new) =
            adopt_properties(&*store, &path.join(META_PROPERTIES), wanted.clone())?;
        let mark = path.join(CLEAN_SHUTDOWN);
        let clean_shutdown_epoch = read_epoch(&*store, &mark);
        let clean_shutdown = match store.remove_file(&mark) {
            Ok(()) => {
                // A mark that came back with the power would hide that there was a crash.
                store.sync_dir(&path).map_err(StorageError::on("sync", &path))?;
                true
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => false,
            // What can't be written to can be read: it is opened anew before it is written to.
            Err(error) if is_read_only(&error) => store.open(&mark).is_ok(),
            Err(error) => return Err(StorageError::on("remove", mark)(error).into()),
        };
        Ok(Self {
            store,
            path,
            properties,
            is_new,
            clean_shutdown,
            clean_shutdown_epoch,
            _lock: lock,
        })
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

    /// Whether the folder was begun just now.
    pub fn is_new(&self) -> bool {
        self.is_new
    }

    /// Whether the last owner closed all logs in order.
    pub fn was_shut_down_cleanly(&self) -> bool {
        self.clean_shutdown
    }

    /// The broker epoch under which the broker stopped that shut the dir down cleanly, if it said
    /// one.
    pub fn clean_shutdown_epoch(&self) -> Option<i64> {
        self.clean_shutdown_epoch.filter(|_| self.clean_shutdown)
    }

    /// How large the volume is, for DescribeLogDirs.
    pub fn space(&self) -> Result<Space, StorageError> {
        self.store.space(&self.path).map_err(StorageError::on("measure", &self.path))
    }

    /// Looks whether the folder is there still, which costs next to nothing.
    pub fn check(&self) -> Result<(), StorageError> {
        let path = self.path.join(META_PROPERTIES);
        self.store.open(&path).map(drop).map_err(StorageError::on("open", path))
    }

    /// Finds out whether the folder takes `bytes` more: writes them, has them synced if asked
    /// to, and removes them.
    pub fn probe(&self, bytes: usize, sync: bool) -> Result<(), StorageError> {
        let path = self.path.join(PROBE);
        let probed = self.store.create(&path).and_then(|file| {
            file.set_size(0)?;
            file.write_at(&vec![b'.'; bytes], 0)?;
            if sync { file.sync() } else { Ok(()) }
        });
        let removed = store::remove_if_there(&*self.store, &path);
        probed.and(removed).map_err(StorageError::on("try to write", path))
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
                Some(FolderFate::Future) | None => {}
            }
        }
        Ok(strays)
    }

    /// The partitions that were being copied here, with their folders.
    pub fn futures(&self) -> Result<Vec<(TopicPartition, PathBuf)>, StorageError> {
        let entries = self.store.list(&self.path).map_err(StorageError::on("list", &self.path))?;
        let folders = entries.iter().filter(|entry| entry.is_dir);
        let futures = folders.filter_map(|entry| {
            let id = FolderFate::Future.partition_of(&entry.name)?;
            Some((id, self.path.join(&entry.name)))
        });
        Ok(futures.collect())
    }

    /// Gives the folder of a partition that nobody knows another name, so that a partition of that
    /// name can be made; its files stay for the operator.
    pub fn set_aside(&self, id: &TopicPartition, unique: Uuid) -> Result<(), StorageError> {
        let path = self.path.join(id.folder());
        let to = self.path.join(fated_folder(id, unique, FolderFate::Stray));
        self.store.rename(&path, &to).map_err(StorageError::on("rename", path))?;
        self.store.sync_dir(&self.path).map_err(StorageError::on("sync", &self.path))
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
    /// `describe` says of it and of the topic id that its folder has. The order of the results
    /// is that of `partitions`. Recovery points that are not readable count as 0: all is
    /// scanned.
    pub fn load(
        &self,
        partitions: &[TopicPartition],
        describe: impl Fn(&TopicPartition, Option<Uuid>) -> Option<(Uuid, Arc<LogConfig>)> + Sync,
        threads: usize,
        now_ms: i64,
    ) -> Vec<(TopicPartition, Loaded)> {
        let recovery_points = self.checkpoint_or_none(OffsetCheckpoint::RecoveryPoint);
        let log_starts = self.checkpoint_or_none(OffsetCheckpoint::LogStart);
        let open = |id: &TopicPartition| {
            let found = self.topic_id(id)?;
            let Some((topic_id, config)) = describe(id, found) else {
                return Ok(Loaded::Unknown(found));
            };
            let location =
                Location { log_dir: self.path.clone(), topic_partition: id.clone(), topic_id };
            let options = OpenOptions {
                recovery_point: recovery_points.get(id).copied().unwrap_or(0),
                log_start_offset: log_starts.get(id).copied().unwrap_or(0),
                clean_shutdown: self.clean_shutdown,
                synced_appends: false,
                now_ms,
            };
            let (log, report) = match found {
                // Whose it is was read just now.
                Some(found) if found == topic_id => {
                    let path = location.folder();
                    let folder = Arc::new(Folder::new(self.store.clone(), path));
                    Log::recover(folder, location, config, options)?
                }
                _ => Log::open(self.store.clone(), location, config, options)?,
            };
            Ok(Loaded::Open(Box::new(log), report))
        };
        in_parallel(partitions, threads, |id| (id.clone(), open(id).unwrap_or_else(Loaded::Failed)))
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

/// The broker epoch in the mark of a clean shutdown. A mark without one is as good as any other.
fn read_epoch(store: &dyn Store, mark: &Path) -> Option<i64> {
    let file = store.open(mark).ok()?;
    let mut content = vec![0; usize::try_from(file.size().ok()?).ok()?.min(MARK_BYTES)];
    file.read_at(&mut content, 0).ok()?;
    let text = String::from_utf8(content).ok()?;
    let (_, rest) = text.split_once("\"brokerEpoch\":")?;
    let digits: String = rest.chars().take_while(|digit| digit.is_ascii_digit()).collect();
    digits.parse().ok()
}

fn is_read_only(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::ReadOnlyFilesystem | io::ErrorKind::PermissionDenied)
}

/// Reads the properties of a log dir, or writes them to a new one.
fn adopt_properties(
    store: &dyn Store,
    path: &Path,
    wanted: MetaProperties,
) -> Result<(MetaProperties, bool), DirError> {
    let bytes = match store::read_all(store, path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            store::replace(store, path, wanted.print().as_bytes())
                .map_err(StorageError::on("write", path))?;
            return Ok((wanted, true));
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
    let directory_id = found.directory_id.or(wanted.directory_id);
    Ok((MetaProperties { directory_id, ..found }, false))
}

/// Maps items on a number of threads; the results keep the items' order.
fn in_parallel<T: Sync, R: Send>(
    items: &[T],
    threads: usize,
    map: impl Fn(&T) -> R + Sync,
) -> Vec<R> {
    let next = AtomicUsize::new(0);
    // A std mutex: held to add a result. A panic of `map` comes without it, and ends the scope.
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
