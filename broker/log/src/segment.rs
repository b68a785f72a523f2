//! A stretch of the log: a file of batches and its three indexes.

mod recent;

use std::io::IoSlice;
use std::sync::{Arc, OnceLock};

use protocol::record::BatchHeader;

use self::recent::RecentBatches;
use crate::append::Extent;
use crate::batch::HeaderWalk;
use crate::config::SegmentConfig;
use crate::error::{StorageError, WalkError};
use crate::folder::{Folder, OpenFile, SegmentFile};
use crate::index::{
    OffsetIndex, OffsetLookup, OffsetView, TimeEntry, TimeIndex, TimeView, TxnIndex,
};
use crate::name::FileKind;

/// Entry sizes of the offset and the time index, for telling whether one more fits.
const INDEX_ENTRIES: [u64; 2] = [8, 12];

/// How much is written again at once.
const REWRITE_BYTES: usize = 1024 * 1024;

#[derive(Debug)]
pub(crate) struct Segment {
    folder: Arc<Folder>,
    base_offset: i64,
    log: SegmentFile,
    /// Bytes of batches; the file may hold more after a write that failed.
    size: u64,
    /// The file holds bytes behind `size` that have to go before anything else is written.
    torn: bool,
    /// The file has disk space behind its end.
    has_reserve: bool,
    offsets: OffsetIndex,
    times: TimeIndex,
    pub(crate) aborted: TxnIndex,
    /// The largest timestamp of what was noted since the segment was opened.
    largest: Option<TimeEntry>,
    /// That of a segment that was sealed before, once it is asked for.
    sealed_largest: Arc<OnceLock<Option<TimeEntry>>>,
    /// The time of the first batch, from which `segment.ms` counts; -1 when it has none.
    first_timestamp: Option<i64>,
    /// That of a segment that was sealed before, once it is asked for.
    sealed_first: OnceLock<Option<i64>>,
    created_ms: i64,
    /// When it was last written, which stands in for timestamps where there are none.
    modified_ms: i64,
    bytes_since_index_entry: u64,
    recent: RecentBatches,
}

/// Sizes of a segment's files as a folder's listing gives them.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct FileSizes {
    pub(crate) log: u64,
    pub(crate) offset_index: Option<u64>,
    pub(crate) time_index: Option<u64>,
    pub(crate) txn_index: u64,
    pub(crate) modified_ms: i64,
}

impl Segment {
    /// Creates a segment without batches, replacing files that are in the way. Where that fails,
    /// nothing of it stays that a restart would take for a segment, unless its removal fails too:
    /// then the segment that stays is empty, and dropped by the restart.
    pub(crate) fn create(
        folder: Arc<Folder>,
        base_offset: i64,
        config: &SegmentConfig,
        now_ms: i64,
    ) -> Result<Self, StorageError> {
        let mut segment = Self::without_indexes(folder, base_offset, 0, now_ms);
        match segment.create_files(config) {
            Ok(()) => Ok(segment),
            Err(problem) => {
                let path = segment.log.id().path();
                // The restart sees to it where this fails.
                let _ = crate::store::remove_if_there(&*segment.folder.store, &path);
                Err(problem)
            }
        }
    }

    /// The file of batches comes last: an index without one is no segment to anybody.
    fn create_files(&mut self, config: &SegmentConfig) -> Result<(), StorageError> {
        self.clear_indexes()?;
        self.offsets.seal()?;
        self.times.seal()?;
        self.log.set_size(0)?;
        if config.preallocate {
            let reserved = self.log.get()?.reserve(config.bytes.into());
            reserved.map_err(self.log.id().failed("reserve space for"))?;
            self.has_reserve = true;
        }
        self.release_indexes();
        Ok(())
    }

    /// A segment whose files are there. What it knows of times has to be told with
    /// [`Self::inspect`] before anything is appended.
    pub(crate) fn existing(folder: Arc<Folder>, base_offset: i64, sizes: FileSizes) -> Self {
        let offset_bytes = sizes.offset_index.unwrap_or(0);
        let time_bytes = sizes.time_index.unwrap_or(0);
        Self {
            offsets: OffsetIndex::of_file(folder.clone(), base_offset, offset_bytes),
            times: TimeIndex::of_file(folder.clone(), base_offset, time_bytes),
            aborted: TxnIndex::of_file(folder.clone(), base_offset, sizes.txn_index),
            ..Self::without_indexes(folder, base_offset, sizes.log, sizes.modified_ms)
        }
    }

    fn without_indexes(folder: Arc<Folder>, base_offset: i64, size: u64, now_ms: i64) -> Self {
        Self {
            base_offset,
            log: SegmentFile::new(folder.clone(), FileKind::Log, base_offset),
            size,
            torn: false,
            has_reserve: false,
            offsets: OffsetIndex::empty(folder.clone(), base_offset),
            times: TimeIndex::empty(folder.clone(), base_offset),
            aborted: TxnIndex::empty(folder.clone(), base_offset),
            largest: None,
            sealed_largest: Arc::default(),
            first_timestamp: None,
            sealed_first: OnceLock::new(),
            created_ms: now_ms,
            modified_ms: now_ms,
            bytes_since_index_entry: 0,
            recent: RecentBatches::new(base_offset),
            folder,
        }
    }

    pub(crate) fn base_offset(&self) -> i64 {
        self.base_offset
    }

    pub(crate) fn size(&self) -> u64 {
        self.size
    }

    pub(crate) fn open_log(&self) -> Result<OpenFile, StorageError> {
        self.log.open()
    }

    /// The file of batches for a use that comes to an end.
    pub(crate) fn open_log_once(&self) -> Result<OpenFile, StorageError> {
        self.log.open_once()
    }

    /// Bytes of the larger one of the indexes that are limited.
    pub(crate) fn index_size(&self) -> u64 {
        self.offsets.size().max(self.times.size())
    }

    pub(crate) fn modified_ms(&self) -> i64 {
        self.modified_ms
    }

    /// Takes note that the files have the names now that they have in another folder's spelling.
    pub(crate) fn renamed(&mut self, folder: &Arc<Folder>) {
        self.folder = folder.clone();
        self.log.renamed(folder);
        self.offsets.renamed(folder);
        self.times.renamed(folder);
        self.aborted.renamed(folder);
    }

    /// Writes batches behind the others, in one write. They become part of the segment with
    /// [`Self::note`]; when the write fails, the segment is as it was.
    pub(crate) fn write(&mut self, parts: &mut [IoSlice<'_>]) -> Result<(), StorageError> {
        self.mend()?;
        let written = self.log.write_parts_at(parts, self.size);
        if written.is_err() {
            self.torn = true;
            // Should this fail too, the next write tries again.
            let _ = self.mend();
        }
        written
    }

    /// Notes when the segment was last written.
    pub(crate) fn touch(&mut self, now_ms: i64) {
        self.modified_ms = now_ms;
    }

    /// Cuts what a failed write left behind.
    fn mend(&mut self) -> Result<(), StorageError> {
        if self.torn {
            self.log.set_size(self.size)?;
            self.torn = false;
        }
        Ok(())
    }

    /// Takes a batch that is in the file into the indexes.
    pub(crate) fn note(&mut self, header: &BatchHeader, position: u64, config: &SegmentConfig) {
        self.note_time(header);
        if position != self.size {
            self.recent.clear();
        }
        self.recent.note(header, position);
        if self.bytes_since_index_entry > u64::from(config.index_interval_bytes) {
            self.offsets.push(header.last_offset(), position);
            self.push_largest();
            self.bytes_since_index_entry = 0;
        }
        self.bytes_since_index_entry += header.size() as u64;
        self.size = position + header.size() as u64;
    }

    fn note_time(&mut self, header: &BatchHeader) {
        self.first_timestamp.get_or_insert(header.max_timestamp);
        if self.largest.is_none_or(|largest| header.max_timestamp > largest.timestamp) {
            let offset = header.last_offset();
            self.largest = Some(TimeEntry { timestamp: header.max_timestamp, offset });
        }
    }

    fn push_largest(&mut self) {
        if let Some(largest) = self.largest {
            self.times.push(largest);
        }
    }

    /// Reads what an open segment has to know of its batches: the end, and the times.
    /// Returns the offset behind the last batch.
    pub(crate) fn inspect(&mut self) -> Result<i64, WalkError> {
        let mut next_offset = self.base_offset;
        if self.size == 0 {
            return Ok(next_offset);
        }
        let file = self.log.open()?;
        let first = HeaderWalk::new(&file, 0, self.size).next()?;
        self.first_timestamp = first.map(|(_, header)| header.max_timestamp);
        self.largest = self.times.load_last()?;
        let from = self.offsets.last()?.map_or(0, |(_, position)| position);
        let mut walk = HeaderWalk::new(&file, from, self.size);
        while let Some((_, header)) = walk.next()? {
            self.note_time(&header);
            next_offset = header.next_offset();
        }
        self.bytes_since_index_entry = self.size - from;
        Ok(next_offset)
    }

    /// Whether batches have to go to a new segment.
    pub(crate) fn must_roll(&self, bytes: usize, batches: &Extent, limits: &RollLimits) -> bool {
        let full = self.size + bytes as u64 > u64::from(limits.bytes);
        let waited = self.waited_ms(batches.largest_timestamp, limits.now_ms);
        let index_bytes = u64::from(limits.index_bytes);
        let index_sizes = [self.offsets.size(), self.times.size()];
        // A batch adds at most one entry to each of them.
        let index_full = index_sizes
            .iter()
            .zip(INDEX_ENTRIES)
            .any(|(size, entry)| size + entry * batches.batches as u64 > index_bytes);
        (self.size > 0 && (full || waited > limits.ms))
            || index_full
            || !self.offsets.can_hold(batches.last_offset)
    }

    /// How long the segment has been filled, by the records' time where they have one.
    pub(crate) fn waited_ms(&self, largest_timestamp: i64, now_ms: i64) -> i64 {
        match self.first_timestamp {
            Some(first) if first >= 0 => largest_timestamp.saturating_sub(first),
            _ => now_ms.saturating_sub(self.created_ms),
        }
    }

    /// How long the segment has been there by the clock, and, where its first record is not of
    /// a time to come, been filled by that record's time too.
    pub(crate) fn quiet_ms(&self, now_ms: i64) -> i64 {
        let age = now_ms.saturating_sub(self.created_ms);
        match self.first_timestamp {
            Some(first) if (0..=now_ms).contains(&first) => age.min(now_ms - first),
            _ => age,
        }
    }

    /// The largest timestamp, or when the file was written where no record has one.
    pub(crate) fn largest_time(&self) -> Result<i64, StorageError> {
        let largest = self.largest_entry()?.map_or(-1, |entry| entry.timestamp);
        Ok(if largest >= 0 { largest } else { self.modified_ms })
    }

    /// The time of the first batch; -1 when it has none.
    pub(crate) fn first_time(&self) -> Result<Option<i64>, WalkError> {
        if self.first_timestamp.is_some() || self.size == 0 {
            return Ok(self.first_timestamp);
        }
        if let Some(first) = self.sealed_first.get() {
            return Ok(*first);
        }
        let file = self.log.open_once()?;
        let first = HeaderWalk::new(&file, 0, self.size).next()?;
        let first = first.map(|(_, header)| header.max_timestamp);
        Ok(*self.sealed_first.get_or_init(|| first))
    }

    /// The largest timestamp, where that is known without reading a file.
    pub(crate) fn known_largest(&self) -> Option<Option<TimeEntry>> {
        match self.largest {
            Some(largest) => Some(Some(largest)),
            None => self.sealed_largest.get().copied(),
        }
    }

    /// What [`Self::known_largest`] will know once somebody has read it.
    pub(crate) fn largest_to_know(&self) -> &Arc<OnceLock<Option<TimeEntry>>> {
        &self.sealed_largest
    }

    pub(crate) fn index_views(&self) -> Result<(OffsetView, TimeView), StorageError> {
        Ok((self.offsets.view()?, self.times.view()?))
    }

    pub(crate) fn largest_entry(&self) -> Result<Option<TimeEntry>, StorageError> {
        if self.largest.is_some() {
            return Ok(self.largest);
        }
        if let Some(largest) = self.sealed_largest.get() {
            return Ok(*largest);
        }
        let largest = self.times.last()?;
        Ok(*self.sealed_largest.get_or_init(|| largest))
    }

    /// The first batch that ends at or above an offset, where that is known without reading a
    /// file: where it begins, and where it ends.
    pub(crate) fn find_recent(&self, offset: i64) -> Option<(u64, u64)> {
        self.recent.find(offset, self.size)
    }

    /// Where the search for an offset's batch begins; reads no file.
    pub(crate) fn lookup(&self, offset: i64) -> Result<OffsetLookup, StorageError> {
        self.offsets.lookup(offset)
    }

    /// The first batch that ends at or above an offset.
    pub(crate) fn find(&self, offset: i64) -> Result<Option<(u64, BatchHeader)>, WalkError> {
        find_batch(&self.log.open()?, &self.lookup(offset)?, self.size, offset)
    }

    /// Cuts the segment behind the last batch that lies wholly below an offset. Returns where
    /// it ends then.
    pub(crate) fn truncate(&mut self, offset: i64, now_ms: i64) -> Result<i64, WalkError> {
        let cut = self.find(offset)?;
        self.mend()?;
        if let Some((position, _)) = cut {
            self.recent.clear();
            self.log.set_size(position)?;
            self.size = position;
        }
        self.offsets.truncate(offset)?;
        self.times.truncate(offset)?;
        self.aborted.truncate(offset)?;
        self.largest = None;
        self.sealed_largest = Arc::default();
        self.sealed_first = OnceLock::new();
        self.first_timestamp = None;
        if self.size == 0 {
            self.created_ms = now_ms;
        }
        self.inspect()
    }

    /// Cuts off damaged bytes behind the batches that were noted; where that fails, before the
    /// next write.
    pub(crate) fn cut_file(&mut self) -> Result<(), StorageError> {
        self.torn = true;
        self.mend()
    }

    /// Forgets batches and indexes, which are then noted anew, also where an error says that a
    /// file of them is still there.
    pub(crate) fn restart(&mut self) -> Result<(), StorageError> {
        self.recent.clear();
        self.size = 0;
        self.largest = None;
        self.sealed_largest = Arc::default();
        self.sealed_first = OnceLock::new();
        self.first_timestamp = None;
        self.bytes_since_index_entry = 0;
        let cleared = self.clear_indexes();
        if cleared.is_err() {
            let aborted = TxnIndex::empty(self.folder.clone(), self.base_offset);
            self.aborted = aborted.beside_stale_file();
        }
        cleared
    }

    fn clear_indexes(&mut self) -> Result<(), StorageError> {
        self.offsets = OffsetIndex::empty(self.folder.clone(), self.base_offset);
        self.times = TimeIndex::empty(self.folder.clone(), self.base_offset);
        self.aborted = TxnIndex::empty(self.folder.clone(), self.base_offset);
        let path = self.folder.file(FileKind::TxnIndex, self.base_offset);
        crate::store::remove_if_there(&*self.folder.store, &path)
            .map_err(StorageError::on("remove", path))
    }

    /// Whether the files hold all that they should, and nothing else.
    pub(crate) fn is_sealed(&self) -> bool {
        !self.torn && self.offsets.is_sealed() && self.times.is_sealed() && self.aborted.is_sealed()
    }

    /// Writes the batches from the one that holds an offset on once more, as they are.
    pub(crate) fn rewrite_from(&self, offset: i64) -> Result<(), WalkError> {
        let Some((mut position, _)) = self.find(offset)? else { return Ok(()) };
        let file = self.log.open()?;
        let mut chunk = vec![0; REWRITE_BYTES.min(self.size as usize)];
        while position < self.size {
            let length = (chunk.len() as u64).min(self.size - position) as usize;
            file.read_exact_at(&mut chunk[..length], position)?;
            self.log.write_at(&chunk[..length], position)?;
            position += length as u64;
        }
        Ok(())
    }

    /// Completes the indexes on disk and gives back disk space that was reserved for batches to
    /// come. Batches may be appended afterwards.
    pub(crate) fn seal(&mut self) -> Result<(), StorageError> {
        self.recent.clear();
        self.mend()?;
        if self.has_reserve {
            self.log.set_size(self.size)?;
            self.has_reserve = false;
        }
        self.push_largest();
        self.offsets.seal()?;
        self.times.seal()?;
        self.aborted.seal()
    }

    /// Lets go of all descriptors until they are needed again.
    pub(crate) fn release(&mut self) {
        self.log.release();
        self.release_indexes();
    }

    /// Lets go of the indexes' descriptors until they are needed again.
    pub(crate) fn release_indexes(&mut self) {
        self.offsets.release();
        self.times.release();
        self.aborted.release();
    }

    /// The files to sync so that the segment need not be scanned after a crash.
    pub(crate) fn files(&self) -> Result<Vec<OpenFile>, StorageError> {
        let mut files = vec![self.log.open()?, self.offsets.open()?, self.times.open()?];
        if !self.aborted.is_empty() {
            files.push(self.aborted.open()?);
        }
        Ok(files)
    }
}

/// When a segment is full or old enough.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RollLimits {
    pub(crate) bytes: u32,
    pub(crate) index_bytes: u32,
    pub(crate) ms: i64,
    pub(crate) now_ms: i64,
}

/// The first batch of a file that ends at or above an offset. An index that leads astray is
/// not believed: the search then begins at the file's start.
pub(crate) fn find_batch(
    file: &OpenFile,
    lookup: &OffsetLookup,
    end: u64,
    offset: i64,
) -> Result<Option<(u64, BatchHeader)>, WalkError> {
    let from = lookup.position()?;
    match find_from(file, from, end, offset) {
        Ok(Found::Batch(position, header)) => Ok(Some((position, header))),
        Ok(Found::End) if from < end || from == 0 => Ok(None),
        Err(WalkError::Storage(error)) => Err(error.into()),
        Err(error) if from == 0 => Err(error),
        _ => {
            tracing::warn!(
                file = %file.id.path().display(), offset, position = from,
                "the offset index points to no batch; searching without it"
            );
            match find_from(file, 0, end, offset)? {
                Found::Batch(position, header) => Ok(Some((position, header))),
                Found::End | Found::Astray => Ok(None),
            }
        }
    }
}

enum Found {
    Batch(u64, BatchHeader),
    End,
    Astray,
}

fn find_from(file: &OpenFile, from: u64, end: u64, offset: i64) -> Result<Found, WalkError> {
    let mut walk = HeaderWalk::new(file, from, end);
    while let Some((position, header)) = walk.next()? {
        if header.last_offset() >= offset {
            let astray = position == from && from > 0 && header.base_offset > offset;
            return Ok(if astray { Found::Astray } else { Found::Batch(position, header) });
        }
    }
    Ok(Found::End)
}
