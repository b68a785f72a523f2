//! Compaction: of all records with the same key, the last one stays. Offsets never change.
//!
//! ```text
//!   clean           first dirty          end of the map    first uncleanable
//!     |-- read, rewritten --|-- keys are read ---|-- next pass --|-- active segment ...
//! ```
//! One pass, in the order in which a cleaner goes about it:
//!
//! 1. [`Log::cleanable`] says what there is to do (`plan`).
//! 2. [`Log::prepare_compaction`] takes hold of the segments. No lock is needed from here on.
//! 3. [`Compaction::run`] reads the keys of the dirty part into an [`OffsetMap`] until that is
//!    full, then rewrites all segments up to there: `filter` judges batch by batch, and `rewrite`
//!    puts small segments together. What is written has the suffix `.cleaned`.
//! 4. [`Log::finish_compaction`] puts it in the place of what it was made from (`swap`).
//!
//! The end offset of the pass goes to the log dir's checkpoint. What fails or is cancelled leaves
//! the log as it was.

mod filter;
mod hash;
mod offset_map;
mod pass;
mod plan;
mod rewrite;
mod swap;
mod transactions;

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

pub use offset_map::OffsetMap;
pub use pass::Compaction;
pub use plan::Cleanable;
pub use swap::Compacted;

use crate::config::LogConfig;
use crate::error::{CompactionError, StorageError};
use crate::folder::Folder;
use crate::log::Log;
use crate::name::{CLEANED_SUFFIX, SWAP_SUFFIX};
use crate::store;

/// How fast a pass may go, and whether it is still wanted. Asked with every batch.
pub trait Pace {
    /// So many bytes were read or written; may sleep.
    fn did(&mut self, bytes: usize);

    /// Whether the pass is to end without a result.
    fn cancelled(&self) -> bool;
}

/// As fast as it goes, to the end.
#[derive(Clone, Copy, Debug, Default)]
pub struct Unhurried;

impl Pace for Unhurried {
    fn did(&mut self, _bytes: usize) {}

    fn cancelled(&self) -> bool {
        false
    }
}

/// What a pass did.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct CompactionStats {
    /// All below has been through a pass: where the next one begins.
    pub end_offset: i64,
    /// Of the segments that were rewritten or looked through, once more for those whose keys were
    /// read.
    pub bytes_read: u64,
    pub bytes_written: u64,
    /// Of the segments that were rewritten or looked through.
    pub records_read: u64,
    pub records_kept: u64,
    pub segments_read: usize,
    pub segments_written: usize,
    /// Which part of the offset map was filled.
    pub map_utilization: f64,
    /// The map was full before the uncleanable offset was reached.
    pub map_overflowed: bool,
    /// The disk has no room for more new segments beside the old ones: what was done takes its
    /// place, and the pass is to be made again from where it began.
    pub short_of_space: bool,
}

/// What a log has to know of its passes.
#[derive(Debug)]
pub(crate) struct CompactionState {
    /// Grows with all that a pass at work must not miss.
    generation: Arc<AtomicU64>,
    /// From here on, the log was written anew since the last pass, whatever a checkpoint says.
    pub(crate) clean_limit: i64,
    /// When the last of the tombstones and markers that passes kept may go, or later.
    pub(crate) last_horizon_ms: Option<i64>,
    /// What is to be done yet of a pass that is in the log's place already.
    unfinished: VecDeque<swap::Rename>,
    /// Files of a pass that came to nothing may be there still.
    has_remainders: bool,
}

impl CompactionState {
    /// That of a log that was just opened. What an earlier process kept may go by then.
    pub(crate) fn new(config: &LogConfig, now_ms: i64) -> Self {
        let horizon = now_ms.saturating_add(config.compaction.delete_retention_ms);
        Self {
            generation: Arc::default(),
            clean_limit: i64::MAX,
            last_horizon_ms: Some(horizon),
            unfinished: VecDeque::new(),
            has_remainders: false,
        }
    }

    /// Lets a pass at work come to nothing.
    pub(crate) fn advance(&self) -> u64 {
        self.generation.fetch_add(1, Ordering::SeqCst) + 1
    }
}

impl Drop for CompactionState {
    /// The log is closed or gone, and what may be opened in its place is another one.
    fn drop(&mut self) {
        self.advance();
    }
}

/// The generation of a log that a pass was prepared in.
#[derive(Clone, Debug)]
struct Generation {
    current: Arc<AtomicU64>,
    mine: u64,
}

impl Generation {
    fn check(&self) -> Result<(), CompactionError> {
        let unchanged = self.current.load(Ordering::SeqCst) == self.mine;
        if unchanged { Ok(()) } else { Err(CompactionError::LogChanged) }
    }
}

impl Log {
    /// Call this before the log is cut: its files have the names then that they should have, and
    /// a pass at work comes to nothing.
    pub(crate) fn end_compactions(&mut self) -> Result<(), StorageError> {
        self.settle_compaction()?.remove()?;
        if self.compaction.has_remainders {
            self.remove_remainders()?;
        }
        self.compaction.advance();
        Ok(())
    }

    /// Removes what passes left behind that came to nothing: a later start must not take it for
    /// the work of one that was done.
    fn remove_remainders(&mut self) -> Result<(), StorageError> {
        let Folder { store, path, .. } = &*self.folder;
        let mut entries = store.list(path).map_err(StorageError::on("list", path))?;
        let suffixes = [SWAP_SUFFIX, CLEANED_SUFFIX];
        entries.retain(|entry| suffixes.iter().any(|suffix| entry.name.ends_with(suffix)));
        // What shows that a pass was at work goes last.
        entries.sort_by_key(|entry| entry.name.ends_with(CLEANED_SUFFIX));
        for entry in entries {
            let file = path.join(entry.name);
            store::remove_if_there(&**store, &file).map_err(StorageError::on("remove", file))?;
        }
        self.compaction.has_remainders = false;
        Ok(())
    }
}
