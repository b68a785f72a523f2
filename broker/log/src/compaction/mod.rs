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
mod plan;
mod rewrite;
mod swap;
mod transactions;

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

pub use offset_map::OffsetMap;
pub use plan::Cleanable;
use protocol::record::BatchHeader;
pub use swap::Compacted;

use crate::config::LogConfig;
use crate::error::{CompactionError, StorageError};
use crate::folder::Folder;
use crate::index::{AbortedEntry, EntriesSnapshot, txn};
use crate::log::Log;
use crate::name::CLEANED_SUFFIX;
use crate::store;
use filter::{Filter, LastOfProducer, Rules};
use plan::{Extent, group};
use rewrite::{Destination, Source, rewrite};
use swap::{NewSegment, WrittenFiles};
use transactions::{ControlBatch, Transactions, in_order};

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
    fn advance(&self) -> u64 {
        self.generation.fetch_add(1, Ordering::SeqCst) + 1
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

/// A pass that is ready to be run, without the log's lock.
#[derive(Debug)]
#[must_use = "nothing is done until `run` is called"]
pub struct Compaction {
    generation: Generation,
    folder: Arc<Folder>,
    config: Arc<LogConfig>,
    /// Those that end at or below the first uncleanable offset.
    sources: Vec<Source>,
    /// Of each source, for grouping.
    extents: Vec<Extent>,
    aborted: Vec<EntriesSnapshot<{ txn::ENTRY }>>,
    producers: HashMap<i64, LastOfProducer>,
    first_dirty_offset: i64,
    /// Where the first dirty batch is in its segment, or before that.
    first_dirty_position: u64,
    end_offset: i64,
    now_ms: i64,
}

impl Log {
    /// Takes hold of the segments of one pass; no lock is needed afterwards. A pass that was
    /// prepared before comes to nothing.
    pub fn prepare_compaction(
        &mut self,
        cleanable: &Cleanable,
        now_ms: i64,
    ) -> Result<Compaction, StorageError> {
        self.settle_compaction()?.remove()?;
        self.remove_remainders()?;
        let mine = self.compaction.advance();
        let last = self.segments.len() - 1;
        let bound = cleanable.first_uncleanable_offset.min(self.last_stable_offset());
        let bound = self.segments[self.segment_of(bound).min(last)].base_offset();
        let count = self.segments[..last].partition_point(|next| next.base_offset() < bound);
        let first_dirty_offset = cleanable.first_dirty_offset;
        let mut first_dirty_position = 0;
        let mut sources = Vec::with_capacity(count);
        let mut extents = Vec::with_capacity(count);
        for (index, segment) in self.segments[..count].iter().enumerate() {
            let (base_offset, end_offset) = (segment.base_offset(), self.end_of_segment(index));
            if (base_offset + 1..end_offset).contains(&first_dirty_offset) {
                first_dirty_position = segment.lookup(first_dirty_offset)?.position()?;
            }
            sources.push(Source {
                base_offset,
                end_offset,
                size: segment.size(),
                modified_ms: segment.modified_ms(),
                file: segment.open_log_once()?,
            });
            extents.push(Extent::of(segment, end_offset));
        }
        let aborted = self.segments.iter().map(|segment| segment.aborted.snapshot());
        let producers = self.producers.iter().map(|producer| {
            let data_offset = producer.last_batch().map(|batch| batch.last_offset);
            (producer.id, LastOfProducer { data_offset, epoch: producer.epoch })
        });
        Ok(Compaction {
            generation: Generation { current: self.compaction.generation.clone(), mine },
            folder: self.folder.clone(),
            config: self.config.clone(),
            sources,
            extents,
            aborted: aborted.collect::<Result<_, _>>()?,
            producers: producers.collect(),
            first_dirty_offset,
            first_dirty_position,
            end_offset: bound.max(first_dirty_offset),
            now_ms,
        })
    }

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
        let suffixes = [crate::name::SWAP_SUFFIX, CLEANED_SUFFIX];
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

impl Compaction {
    /// Makes the pass; reads and writes all of the log at most, as fast as `pace` allows. An
    /// error leaves nothing of it.
    pub fn run(
        self,
        map: &mut OffsetMap,
        pace: &mut dyn Pace,
    ) -> Result<Compacted, CompactionError> {
        let mut progress = Progress {
            pace,
            generation: self.generation.clone(),
            stats: CompactionStats::default(),
        };
        progress.check()?;
        let mut aborted = Vec::new();
        for entries in &self.aborted {
            entries.visit(|entry| aborted.push(txn::decode(entry)))?;
        }
        let end_offset = self.read_keys(map, &aborted, &mut progress)?;
        progress.stats.map_overflowed = end_offset < self.end_offset;
        progress.stats.map_utilization = map.utilization();
        let rules = Rules {
            map,
            end_offset,
            now_ms: self.now_ms,
            delete_retention_ms: self.config.compaction.delete_retention_ms,
            producers: &self.producers,
        };
        self.rewrite_all(rules, aborted, progress)
    }

    /// Reads the keys of the dirty part into the map, as long as there is room. Returns how far
    /// it came: to the start of a batch, or, so that each pass comes further, into its first one.
    fn read_keys(
        &self,
        map: &mut OffsetMap,
        aborted: &[AbortedEntry],
        progress: &mut Progress<'_>,
    ) -> Result<i64, CompactionError> {
        let first = self.first_dirty_offset;
        map.begin((self.end_offset - first).unsigned_abs());
        let aborted = in_order(aborted.to_vec(), first);
        let mut transactions = Transactions::new(&aborted);
        let mut end_offset = first;
        let mut full = false;
        let dirty = |source: &&Source| source.end_offset > first && source.size > 0;
        for source in self.sources.iter().filter(dirty) {
            let holds_first = source.base_offset < first;
            let from = if holds_first { self.first_dirty_position } else { 0 };
            source.walk(from, |position, header, bytes| {
                progress.did(bytes.len())?;
                progress.stats.bytes_read += bytes.len() as u64;
                if header.last_offset() < first {
                    return Ok(true);
                }
                let reached = read_batch(map, &mut transactions, header, bytes, first);
                match reached.map_err(|problem| source.corrupt(position, problem))? {
                    None => end_offset = header.next_offset(),
                    Some(offset) => {
                        full = true;
                        let none_before = end_offset == first;
                        end_offset = if none_before { offset } else { header.base_offset };
                    }
                }
                Ok(!full)
            })?;
            if full {
                return Ok(end_offset);
            }
            end_offset = source.end_offset;
        }
        Ok(self.end_offset)
    }

    fn rewrite_all(
        &self,
        rules: Rules<'_>,
        aborted: Vec<AbortedEntry>,
        mut progress: Progress<'_>,
    ) -> Result<Compacted, CompactionError> {
        let start = self.sources.first().map_or(0, |source| source.base_offset);
        let aborted = in_order(aborted, start);
        let mut filter = Filter::new(rules, Transactions::new(&aborted));
        let count = self.sources.partition_point(|next| next.base_offset < rules.end_offset);
        let limits = &self.config.segment;
        let (bytes, index_bytes) = (limits.bytes.into(), limits.index_bytes.into());
        let destination = Destination {
            folder: Arc::new(self.folder.with_suffix(CLEANED_SUFFIX)),
            config: crate::SegmentConfig { preallocate: false, ..limits.clone() },
        };
        let mut files = WrittenFiles::new(destination.folder.clone());
        let mut new = Vec::new();
        for range in group(&self.extents[..count], bytes, index_bytes) {
            let sources = &self.sources[range];
            if !new.is_empty() && self.lacks_space(sources)? {
                progress.stats.short_of_space = true;
                break;
            }
            progress.stats.segments_read += sources.len();
            files.push(sources[0].base_offset);
            let segment = rewrite(sources, &mut filter, &destination, &mut progress)?;
            let Some(segment) = segment else { continue };
            let replaced = sources.iter().map(|source| source.base_offset).collect();
            new.push(NewSegment { segment, replaced });
        }
        let mut stats = progress.stats;
        stats.segments_written = new.len();
        stats.records_kept = filter.records_kept;
        let done = !stats.short_of_space;
        stats.end_offset = if done { rules.end_offset } else { self.first_dirty_offset };
        let last_horizon_ms = filter.last_horizon_ms;
        let generation = self.generation.clone();
        Ok(Compacted { stats, generation, new, files, last_horizon_ms, done })
    }

    /// Whether there is no room for a copy of some segments.
    fn lacks_space(&self, sources: &[Source]) -> Result<bool, CompactionError> {
        let Folder { store, path, .. } = &*self.folder;
        let space = store.space(path).map_err(StorageError::on("measure", path))?;
        Ok(sources.iter().map(|source| source.size).sum::<u64>() > space.usable_bytes)
    }
}

/// Notes the keys of a batch. Returns the offset of the first record that there is no room for.
fn read_batch(
    map: &mut OffsetMap,
    transactions: &mut Transactions<'_>,
    header: &BatchHeader,
    bytes: &[u8],
    first: i64,
) -> Result<Option<i64>, String> {
    let batch = bytes::Bytes::copy_from_slice(bytes);
    if header.is_control() {
        let what: ControlBatch = filter::control_of(header, &batch)?;
        transactions.on_control(header, what);
        return Ok(None);
    }
    if transactions.on_data(header) || header.count == 0 {
        return Ok(None);
    }
    let payload = filter::payload(&batch)?;
    for record in payload.records() {
        let record = record.map_err(|error| error.to_string())?;
        if record.offset < header.base_offset || record.offset > header.last_offset() {
            return Err(format!("a record of it has offset {}", record.offset));
        }
        if record.offset >= first
            && let Some(key) = record.key
            && !map.put(key, record.offset)
        {
            return Ok(Some(record.offset));
        }
    }
    Ok(None)
}

/// What a pass has done so far, and who is told of it.
struct Progress<'a> {
    pace: &'a mut dyn Pace,
    generation: Generation,
    stats: CompactionStats,
}

impl Progress<'_> {
    fn check(&self) -> Result<(), CompactionError> {
        if self.pace.cancelled() {
            return Err(CompactionError::Cancelled);
        }
        self.generation.check()
    }

    fn did(&mut self, bytes: usize) -> Result<(), CompactionError> {
        self.pace.did(bytes);
        self.check()
    }

    fn read(&mut self, header: &BatchHeader) -> Result<(), CompactionError> {
        self.stats.of_read(header);
        self.did(header.size())
    }

    fn wrote(&mut self, bytes: usize) -> Result<(), CompactionError> {
        self.stats.bytes_written += bytes as u64;
        self.did(bytes)
    }
}
