//! A copy of a partition in another log dir, which takes the partition's place once it has all
//! of its records (AlterReplicaLogDirs, KIP-113).
//!
//! ```text
//!   <topic>-<partition>.<32 hex digits>-future   copied into, while the partition goes on
//!   <topic>-<partition>                          promoted: it is the partition now
//! ```

use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use uuid::Uuid;

use crate::batch;
use crate::config::LogConfig;
use crate::error::{AppendError, OpenError, ReadError, StorageError, TrimError};
use crate::folder::Folder;
use crate::log::{Location, Log, OpenOptions, adopt_topic_id};
use crate::name::{FolderFate, fated_folder};
use crate::read::ReadRequest;
use crate::removal::RemovedFiles;
use crate::store::Store;

/// How much is copied at once.
const COPY_BYTES: usize = 1024 * 1024;

/// Why a copy did not go on.
#[derive(Debug, thiserror::Error)]
pub enum CopyError {
    #[error("the partition can't be read: {0}")]
    Read(#[from] ReadError),
    #[error("the copy can't be written: {0}")]
    Append(#[from] AppendError),
    #[error("the copy can't be written: {0}")]
    Storage(#[from] StorageError),
    #[error("the copy can't be cut: {0}")]
    Trim(#[from] TrimError),
    #[error("the copy can't be opened: {0}")]
    Open(#[from] OpenError),
}

/// A partition's future log.
#[derive(Debug)]
pub struct FutureLog {
    log: Log,
    location: Location,
}

impl FutureLog {
    /// Begins a copy in the log dir of `location`; `unique` is in its folder's name.
    pub fn create(
        store: Arc<dyn Store>,
        location: Location,
        unique: Uuid,
        config: Arc<LogConfig>,
        now_ms: i64,
    ) -> Result<Self, OpenError> {
        let name = fated_folder(&location.topic_partition, unique, FolderFate::Future);
        let path = location.log_dir.join(name);
        Self::open(store, location, path, config, now_ms)
    }

    /// Goes on with a copy that was begun, of which all is read and checked.
    pub fn open(
        store: Arc<dyn Store>,
        location: Location,
        path: PathBuf,
        config: Arc<LogConfig>,
        now_ms: i64,
    ) -> Result<Self, OpenError> {
        store.create_dir_all(&path).map_err(StorageError::on("create", &path))?;
        let folder = Arc::new(Folder::new(store, path));
        adopt_topic_id(&folder, location.topic_id)?;
        let options = OpenOptions { now_ms, ..OpenOptions::default() };
        let (log, _) = Log::recover(folder, location.clone(), config, options)?;
        Ok(Self { log, location })
    }

    pub fn dir(&self) -> &Path {
        self.log.dir()
    }

    pub fn log_end_offset(&self) -> i64 {
        self.log.log_end_offset()
    }

    pub fn size_bytes(&self) -> u64 {
        self.log.size_bytes()
    }

    /// Sees to it that the copy begins where the partition does and is not ahead of it; call it
    /// with the partition's log under its lock.
    pub fn align(&mut self, source: &Log, now_ms: i64) -> Result<(), CopyError> {
        let (start, end) = (source.log_start_offset(), source.log_end_offset());
        let begins_too_late = self.log.log_start_offset() > start;
        if begins_too_late || self.log.log_end_offset() < start {
            return self.begin_at(start, now_ms);
        }
        Ok(self.log.truncate_to(end, now_ms)?)
    }

    /// Cuts off what the copy has from an offset on.
    pub fn cut(&mut self, offset: i64, now_ms: i64) -> Result<(), CopyError> {
        Ok(self.log.truncate_to(offset, now_ms)?)
    }

    fn begin_at(&mut self, offset: i64, now_ms: i64) -> Result<(), CopyError> {
        Ok(self.log.truncate_fully_and_start_at(offset, now_ms)?)
    }

    /// What is to be copied next; `None`: the copy has all. Call it with the partition's log
    /// under its lock, and read the request's slice without.
    pub fn next_read(&self, source: &Log) -> Option<ReadRequest> {
        let offset = self.log.log_end_offset();
        let upper_bound = source.log_end_offset();
        (offset < upper_bound).then_some(ReadRequest {
            offset,
            max_bytes: COPY_BYTES.min(source.config().segment.bytes as usize),
            upper_bound,
            min_one_batch: true,
        })
    }

    /// Takes the whole batches of what was read; returns how many bytes they have.
    pub fn copy(&mut self, bytes: Bytes, now_ms: i64) -> Result<usize, CopyError> {
        let mut headers = batch::headers(&bytes).map_while(Result::ok).peekable();
        if let Some((_, first)) = headers.peek()
            && first.base_offset < self.log.log_end_offset()
            && self.log.size_bytes() == 0
        {
            // The partition begins within a batch, which is copied as a whole.
            self.begin_at(first.base_offset, now_ms)?;
        }
        let whole = headers.last().map_or(0, |(position, header)| position + header.size());
        if whole > 0 {
            self.log.append_as_follower(&bytes.slice(..whole), now_ms)?;
            self.log.set_high_watermark(self.log.log_end_offset());
        }
        Ok(whole)
    }

    /// Syncs what was copied.
    pub fn flush(&mut self, now_ms: i64) -> Result<(), StorageError> {
        self.log.flush(now_ms)
    }

    /// Makes the copy the partition: call it with the partition's log under its lock, once there
    /// is nothing more to copy. What the producers sent last is known as well as before. The
    /// partition's old log is then to be retired.
    pub fn promote(self, source: &mut Log, now_ms: i64) -> Result<Log, CopyError> {
        let Self { log, location } = self;
        let (folder, config) = (log.folder.clone(), log.config().clone());
        log.close()?;
        let Folder { store, path, .. } = &*folder;
        let to = location.folder();
        store.rename(path, &to).map_err(StorageError::on("rename", path))?;
        let synced = store.sync_dir(&location.log_dir);
        synced.map_err(StorageError::on("sync", &location.log_dir))?;
        let options = OpenOptions {
            log_start_offset: source.log_start_offset(),
            clean_shutdown: true,
            now_ms,
            ..OpenOptions::default()
        };
        match Log::open(store.clone(), location, config, options) {
            Ok((mut log, _)) => {
                log.take_over(source);
                Ok(log)
            }
            Err(problem) => {
                // Nothing may lie under the partition's name that is not the partition.
                store.rename(&to, path).map_err(StorageError::on("rename", to))?;
                Err(problem.into())
            }
        }
    }

    /// Gives the copy up; its files are to be removed.
    pub fn discard(self) -> Result<RemovedFiles, StorageError> {
        self.log.retire(FolderFate::Delete, Uuid::new_v4())
    }
}

impl Log {
    /// Lets a compaction that is at work come to nothing.
    pub fn abandon_compaction(&self) {
        self.compaction.advance();
    }

    /// Of a log with the same records, takes what is known beside them: how far it is
    /// replicated, and what its producers sent last.
    pub fn take_over(&mut self, other: &mut Self) {
        if self.next_offset == other.next_offset {
            std::mem::swap(&mut self.producers, &mut other.producers);
        }
        // What was prepared of the other, to be synced or compacted, says nothing of this one.
        other.compaction.advance();
        self.flush_state.truncations = other.flush_state.truncations + 1;
        self.set_high_watermark(other.high_watermark);
        self.config = other.config.clone();
    }
}
