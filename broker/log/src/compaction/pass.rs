//! One pass: the keys of the dirty part are read, and all up to there is rewritten.

use std::collections::HashMap;
use std::ops::ControlFlow;
use std::sync::Arc;

use bytes::Bytes;
use protocol::record::BatchHeader;

use super::filter::{self, Filter, LastOfProducer, Rules};
use super::offset_map::OffsetMap;
use super::plan::{Cleanable, Extent, group};
use super::rewrite::{Destination, Source, rewrite};
use super::swap::{Compacted, NewSegment, WrittenFiles};
use super::transactions::{Transactions, in_order};
use super::{CompactionStats, Generation, Pace};
use crate::config::{LogConfig, SegmentConfig};
use crate::error::{CompactionError, StorageError};
use crate::folder::Folder;
use crate::index::{AbortedEntry, EntriesSnapshot, txn};
use crate::log::Log;
use crate::name::CLEANED_SUFFIX;

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
            let all = entries.visit(|entry| {
                aborted.push(txn::decode(entry));
                ControlFlow::Continue(())
            });
            let _ = all?;
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
            config: SegmentConfig { preallocate: false, ..limits.clone() },
        };
        let mut files = WrittenFiles::new(destination.folder.clone(), self.generation.clone());
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
    let batch = Bytes::copy_from_slice(bytes);
    if header.is_control() {
        let what = filter::control_of(header, &batch)?;
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
pub(super) struct Progress<'a> {
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

    pub(super) fn read(&mut self, header: &BatchHeader) -> Result<(), CompactionError> {
        self.stats.bytes_read += header.size() as u64;
        self.stats.records_read += u64::try_from(header.count).unwrap_or(0);
        self.did(header.size())
    }

    pub(super) fn wrote(&mut self, bytes: usize) -> Result<(), CompactionError> {
        self.stats.bytes_written += bytes as u64;
        self.did(bytes)
    }
}
