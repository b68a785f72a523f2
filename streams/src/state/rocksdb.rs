//! State in RocksDB.
//!
//! The write-ahead log is off. What has not reached a table file when the process dies is lost,
//! but the memtable is flushed whole and in order, so that what is found again is the state after
//! some earlier commit, its checkpoint included; the changelog topic from that checkpoint on
//! brings the rest. That saves one of the two writes of each change.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use bytes::Bytes;
use rocksdb::{
    BlockBasedOptions, Cache, DB, DBCompressionType, Direction, IteratorMode, Options, ReadOptions,
    WriteBatch, WriteOptions,
};

use super::{Entries, Entry, KeyRange, StateBackend, StateError, StateView, Write};

const WRITE_BUFFER_BYTES: usize = 16 << 20;
const BLOCK_CACHE_BYTES: usize = 16 << 20;
const BLOOM_BITS_PER_KEY: f64 = 10.0;

/// A backend on one RocksDB database.
pub struct RocksDbBackend {
    db: DB,
    /// Given back when the database is closed, for fields are dropped in order.
    _claim: Claim,
}

/// Folders that are open in this process.
static CLAIMED: Mutex<BTreeSet<PathBuf>> = Mutex::new(BTreeSet::new());

/// A folder that nobody else in this process opens. RocksDB has such a lock too, but makes the
/// folder before it looks; and a database whose folder was removed writes its manifest anew when
/// it is closed, if there is a folder of that name again.
struct Claim(PathBuf);

impl Claim {
    fn new(path: &Path) -> Option<Self> {
        let mut claimed = CLAIMED.lock().unwrap_or_else(PoisonError::into_inner);
        let path = std::path::absolute(path).unwrap_or_else(|_| path.to_path_buf());
        let is_free = claimed.insert(path.clone());
        // Made only then, for the drop of a claim gives the folder back.
        is_free.then(|| Self(path))
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        let mut claimed = CLAIMED.lock().unwrap_or_else(PoisonError::into_inner);
        claimed.remove(&self.0);
    }
}

impl RocksDbBackend {
    /// Opens the database in `path`, or makes it. RocksDB locks the folder: a second process,
    /// or a second open in this one, is an error.
    pub fn open(path: &Path) -> Result<Self, StateError> {
        let name = || path.display().to_string();
        let failed = |message: String| StateError::Open { path: name(), message };
        let claim = Claim::new(path).ok_or_else(|| StateError::InUse(name()))?;
        std::fs::create_dir_all(path).map_err(|error| failed(error.to_string()))?;
        let db = DB::open(&options(), path).map_err(|error| match error.into_string() {
            // Another process holds the lock; RocksDB has no code of its own for that.
            message if message.contains("lock file") => StateError::InUse(name()),
            message => failed(message),
        })?;
        Ok(Self { db, _claim: claim })
    }
}

fn options() -> Options {
    let mut table = BlockBasedOptions::default();
    table.set_block_cache(&Cache::new_lru_cache(BLOCK_CACHE_BYTES));
    table.set_bloom_filter(BLOOM_BITS_PER_KEY, false);
    let mut options = Options::default();
    options.create_if_missing(true);
    options.set_block_based_table_factory(&table);
    options.set_write_buffer_size(WRITE_BUFFER_BYTES);
    options.set_compression_type(DBCompressionType::Lz4);
    options.set_max_background_jobs(2);
    options.set_keep_log_file_num(1);
    options
}

fn storage(error: rocksdb::Error) -> StateError {
    StateError::Storage(error.into_string())
}

fn read_options(range: &KeyRange) -> ReadOptions {
    let mut options = ReadOptions::default();
    if let Some(end) = &range.end {
        options.set_iterate_upper_bound(end.clone());
    }
    options
}

type Pair = (Box<[u8]>, Box<[u8]>);

fn entry(found: Result<Pair, rocksdb::Error>) -> Result<Entry, StateError> {
    let (key, value) = found.map_err(storage)?;
    Ok((Bytes::from(key), Bytes::from(value)))
}

impl StateView for RocksDbBackend {
    fn get(&self, key: &[u8]) -> Result<Option<Bytes>, StateError> {
        Ok(self.db.get(key).map_err(storage)?.map(Bytes::from))
    }

    fn range(&self, range: &KeyRange) -> Entries<'_> {
        if range.is_empty() {
            return Box::new(std::iter::empty());
        }
        let from = IteratorMode::From(&range.start, Direction::Forward);
        Box::new(self.db.iterator_opt(from, read_options(range)).map(entry))
    }
}

struct Snapshot<'a>(rocksdb::Snapshot<'a>);

impl StateView for Snapshot<'_> {
    fn get(&self, key: &[u8]) -> Result<Option<Bytes>, StateError> {
        Ok(self.0.get(key).map_err(storage)?.map(Bytes::from))
    }

    fn range(&self, range: &KeyRange) -> Entries<'_> {
        if range.is_empty() {
            return Box::new(std::iter::empty());
        }
        let from = IteratorMode::From(&range.start, Direction::Forward);
        Box::new(self.0.iterator_opt(from, read_options(range)).map(entry))
    }
}

impl StateBackend for RocksDbBackend {
    fn write(&self, writes: &[Write]) -> Result<(), StateError> {
        let mut batch = WriteBatch::default();
        for (key, value) in writes {
            match value {
                Some(value) => batch.put(key, value),
                None => batch.delete(key),
            }
        }
        let mut options = WriteOptions::default();
        options.disable_wal(true);
        self.db.write_opt(batch, &options).map_err(storage)
    }

    fn view(&self, reader: &mut dyn FnMut(&dyn StateView)) {
        reader(&Snapshot(self.db.snapshot()));
    }

    fn persist(&self) -> Result<(), StateError> {
        self.db.flush().map_err(storage)
    }

    fn retire(&self) {
        self.db.cancel_all_background_work(true);
    }
}
