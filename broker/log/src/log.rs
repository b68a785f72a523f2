//! The facade: what a partition's log is made of, how it is opened and closed.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use uuid::Uuid;

use crate::compaction::CompactionState;
use crate::config::LogConfig;
use crate::epoch::{EpochEnd, LeaderEpochs};
use crate::error::{OpenError, StorageError};
use crate::flush::Flush;
use crate::folder::{Folder, OpenFile};
use crate::name::{FolderFate, PARTITION_METADATA, TopicPartition, fated_folder};
use crate::producers::ProducerStates;
use crate::recovery::{self, Recovered, RecoveryReport};
use crate::removal::RemovedFiles;
use crate::segment::{RollLimits, Segment};
use crate::store::Store;
use crate::{partition_metadata, snapshots};

/// One partition's log.
///
/// ```text
///   log_start_offset        last_stable_offset   high_watermark      log_end_offset
///         |---- readable by all ----|--- open transactions ---|--- not yet replicated ---|
/// ```
///
/// Single writer: methods that change the log take `&mut self`; keep it under a short lock.
/// An append that fails leaves the log as it was. Where another method fails with an error of
/// storage, it has done a part of its work, and may be called again.
#[derive(Debug)]
pub struct Log {
    pub(crate) folder: Arc<Folder>,
    pub(crate) topic_partition: TopicPartition,
    topic_id: Uuid,
    pub(crate) config: Arc<LogConfig>,
    /// In ascending order, never empty; the last is the active one.
    pub(crate) segments: Vec<Segment>,
    pub(crate) next_offset: i64,
    pub(crate) log_start_offset: i64,
    pub(crate) high_watermark: i64,
    pub(crate) recovery_point: i64,
    pub(crate) epochs: LeaderEpochs,
    pub(crate) producers: ProducerStates,
    pub(crate) flush_state: FlushState,
    pub(crate) compaction: CompactionState,
    /// A truncation was begun and failed: the files are not what this says of them.
    pub(crate) is_half_cut: bool,
}

/// What has to be known to sync no more than needed.
#[derive(Debug)]
pub(crate) struct FlushState {
    /// Snapshots that were written and not synced.
    pub(crate) snapshots: Vec<OpenFile>,
    /// The offset of the newest snapshot.
    pub(crate) snapshot_offset: Option<i64>,
    /// Grows with each name that was given in the folder, and what it was when last synced.
    pub(crate) names_given: u64,
    pub(crate) names_synced: u64,
    /// Grows with each truncation: a flush that was prepared before one says nothing.
    pub(crate) truncations: u64,
    pub(crate) last_flush_ms: i64,
    /// All below must be synced before it is acknowledged.
    pub(crate) demanded: i64,
    /// A sync failed: see [`Log::finish_flush`].
    pub(crate) failed: bool,
}

/// Which partition, and in which log dir.
#[derive(Clone, Debug)]
pub struct Location {
    /// The log dir; the partition's folder is below it.
    pub log_dir: PathBuf,
    pub topic_partition: TopicPartition,
    /// Of a folder that is there, the id must be the same.
    pub topic_id: Uuid,
}

impl Location {
    pub(crate) fn folder(&self) -> PathBuf {
        self.log_dir.join(self.topic_partition.folder())
    }
}

/// What the checkpoints of the log dir say about a log.
#[derive(Clone, Copy, Debug, Default)]
pub struct OpenOptions {
    /// All below was synced; segments that lie wholly below are not scanned.
    pub recovery_point: i64,
    /// Where the log began when it was last open.
    pub log_start_offset: i64,
    /// The log was closed in order: nothing is scanned.
    pub clean_shutdown: bool,
    /// Each append was synced before the next one: no more than the last can be torn, and all
    /// other damage is [`OpenError::Damaged`] instead of being cut off.
    pub synced_appends: bool,
    pub now_ms: i64,
}

/// What the checkpoints have to hold of a log that was closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Closed {
    pub recovery_point: i64,
    pub log_start_offset: i64,
    pub high_watermark: i64,
}

/// A producer that the log remembers, as DescribeProducers answers it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ActiveProducer {
    pub producer_id: i64,
    pub producer_epoch: i16,
    pub last_sequence: i32,
    pub last_timestamp: i64,
    pub coordinator_epoch: i32,
    /// -1 when no transaction is open.
    pub current_transaction_start_offset: i64,
}

impl Log {
    /// Opens a partition's log, creating its folder and first segment when there is none.
    /// The high watermark begins at the log's start: tell what the checkpoint says.
    pub fn open(
        store: Arc<dyn Store>,
        location: Location,
        config: Arc<LogConfig>,
        options: OpenOptions,
    ) -> Result<(Self, RecoveryReport), OpenError> {
        let path = location.folder();
        store.create_dir_all(&path).map_err(StorageError::on("create", &path))?;
        let folder = Arc::new(Folder::new(store, path));
        adopt_topic_id(&folder, location.topic_id)?;
        Self::recover(folder, location, config, options)
    }

    /// Reads a folder that is there and of this topic.
    pub(crate) fn recover(
        folder: Arc<Folder>,
        location: Location,
        config: Arc<LogConfig>,
        options: OpenOptions,
    ) -> Result<(Self, RecoveryReport), OpenError> {
        let Location { topic_partition, topic_id, .. } = location;
        let recovered = recovery::recover(&folder, &config, &options)?;
        let Recovered { segments, next_offset, log_start_offset, .. } = recovered;
        let synced = if options.clean_shutdown { next_offset } else { options.recovery_point };
        let compaction = CompactionState::new(&config, options.now_ms);
        let mut log = Self {
            folder,
            topic_partition,
            topic_id,
            config,
            compaction,
            is_half_cut: false,
            segments,
            next_offset,
            log_start_offset,
            high_watermark: log_start_offset,
            recovery_point: synced.clamp(log_start_offset, next_offset),
            epochs: recovered.epochs,
            producers: recovered.producers,
            flush_state: FlushState {
                snapshots: Vec::new(),
                snapshot_offset: recovered.snapshot_offset,
                // After a crash, nobody knows which names were synced.
                names_given: (recovered.is_new || !options.clean_shutdown).into(),
                names_synced: 0,
                truncations: 0,
                last_flush_ms: options.now_ms,
                demanded: 0,
                failed: false,
            },
        };
        // What a killed process left in the page cache may have been read before it was synced.
        log.demand_sync();
        let mut report = recovered.report;
        if log.sync_demanded().is_some()
            && let Err(problem) = log.flush(options.now_ms)
        {
            // Until it is synced, nobody reads it.
            report.postpone(&problem);
        }
        Ok((log, report))
    }

    pub fn topic_partition(&self) -> &TopicPartition {
        &self.topic_partition
    }

    pub fn topic_id(&self) -> Uuid {
        self.topic_id
    }

    /// The partition's folder.
    pub fn dir(&self) -> &Path {
        &self.folder.path
    }

    /// The first offset that may be read.
    pub fn log_start_offset(&self) -> i64 {
        self.log_start_offset
    }

    /// The offset that the next record gets.
    pub fn log_end_offset(&self) -> i64 {
        self.next_offset
    }

    /// All below is replicated as far as acknowledgement demands.
    pub fn high_watermark(&self) -> i64 {
        self.high_watermark
    }

    /// Tells the log how far it is replicated; bounded by log start and end. Returns what it
    /// became.
    pub fn set_high_watermark(&mut self, offset: i64) -> i64 {
        self.high_watermark = offset.clamp(self.log_start_offset, self.next_offset);
        self.producers.on_high_watermark(self.high_watermark);
        self.high_watermark
    }

    /// The high watermark, or the first offset of the oldest open transaction below it.
    pub fn last_stable_offset(&self) -> i64 {
        let unstable = self.producers.first_unstable_offset();
        unstable.map_or(self.high_watermark, |first| {
            first.clamp(self.log_start_offset, self.high_watermark)
        })
    }

    /// All below is synced; the checkpoint of recovery points holds it.
    pub fn recovery_point(&self) -> i64 {
        self.recovery_point
    }

    /// Bytes of all segments' batches.
    pub fn size_bytes(&self) -> u64 {
        self.segments.iter().map(Segment::size).sum()
    }

    pub fn segment_count(&self) -> usize {
        self.segments.len()
    }

    /// Base offset of the segment that is written to.
    pub fn active_base_offset(&self) -> i64 {
        self.active().base_offset()
    }

    pub fn config(&self) -> &Arc<LogConfig> {
        &self.config
    }

    /// New settings hold from the next append, roll and retention on.
    pub fn update_config(&mut self, config: Arc<LogConfig>) {
        self.config = config;
    }

    /// The epoch that the newest records were written under.
    pub fn latest_epoch(&self) -> Option<i32> {
        self.epochs.latest()
    }

    /// The epoch that the record at an offset was written under.
    pub fn epoch_at(&self, offset: i64) -> Option<i32> {
        self.epochs.at(offset)
    }

    /// The epochs that records here were written under, ascending, each with the offset where it
    /// begins.
    pub fn epoch_starts(&self) -> impl Iterator<Item = (i32, i64)> + '_ {
        self.epochs.starts()
    }

    /// Where an epoch ended: the start of the next one, or the log's end for the latest.
    pub fn epoch_end_offset(&self, leader_epoch: i32) -> EpochEnd {
        self.epochs.end_of(leader_epoch, self.next_offset)
    }

    /// Notes that a leader epoch begins at the log's end: call it on becoming leader.
    pub fn assign_epoch(&mut self, leader_epoch: i32) {
        self.epochs.assign(leader_epoch, self.next_offset);
    }

    /// Producers that the log remembers, by id.
    pub fn active_producers(&self) -> Vec<ActiveProducer> {
        let describe = |producer: &crate::producers::Producer| ActiveProducer {
            producer_id: producer.id,
            producer_epoch: producer.epoch,
            last_sequence: producer.last_sequence(),
            last_timestamp: producer.last_timestamp,
            coordinator_epoch: producer.coordinator_epoch,
            current_transaction_start_offset: producer.transaction_start().unwrap_or(-1),
        };
        let mut producers: Vec<_> = self.producers.iter().map(describe).collect();
        producers.sort_by_key(|producer| producer.producer_id);
        producers
    }

    /// Forgets producers that have been quiet for `producer.id.expiration.ms`; returns how
    /// many.
    pub fn expire_producers(&mut self, now_ms: i64) -> usize {
        self.producers.expire(now_ms, self.config.producer_id_expiration_ms)
    }

    /// Begins a new segment when the active one has been filled for longer than `segment.ms`,
    /// or than `max.compaction.lag.ms` where the log is compacted, so that quiet topics lose
    /// their old records too. Returns whether it did. Records that tell of times long past do
    /// not make it old: it must have been there for so long.
    pub fn roll_if_due(&mut self, now_ms: i64) -> Result<bool, StorageError> {
        let waited = self.active().quiet_ms(now_ms);
        let due = self.active().size() > 0 && waited > self.roll_limits(now_ms).ms;
        if due {
            self.roll(self.next_offset, now_ms)?;
        }
        Ok(due)
    }

    /// Syncs everything and writes the producers' snapshot, so that the next open scans
    /// nothing, provided that the log dir's checkpoints get what is returned and its clean
    /// shutdown is marked.
    pub fn close(mut self) -> Result<Closed, StorageError> {
        self.check_usable()?;
        self.settle_compaction()?.remove()?;
        // Of a log without records, a loss of power takes nothing that matters.
        if self.segments.iter().any(|segment| segment.size() > 0) {
            self.seal_closed()?;
            self.active_mut().seal()?;
            self.write_snapshot()?;
            Flush::of_everything(&self)?.run()?;
        }
        Ok(Closed {
            recovery_point: self.next_offset,
            log_start_offset: self.log_start_offset,
            high_watermark: self.high_watermark,
        })
    }

    /// Takes the folder out of service under another name, `unique` being in it.
    pub fn retire(self, fate: FolderFate, unique: Uuid) -> Result<RemovedFiles, StorageError> {
        let Folder { store, path, .. } = &*self.folder;
        let to = path.with_file_name(fated_folder(&self.topic_partition, unique, fate));
        store.rename(path, &to).map_err(StorageError::on("rename", path))?;
        if let Some(log_dir) = path.parent() {
            store.sync_dir(log_dir).map_err(StorageError::on("sync", log_dir))?;
        }
        let removed = RemovedFiles::new(store.clone());
        Ok(match fate {
            FolderFate::Delete => removed.with_folder(to),
            FolderFate::Stray | FolderFate::Future => removed,
        })
    }

    pub(crate) fn active(&self) -> &Segment {
        self.segments.last().expect("a log has a segment")
    }

    pub(crate) fn active_mut(&mut self) -> &mut Segment {
        self.segments.last_mut().expect("a log has a segment")
    }

    /// Index of the segment that an offset belongs to.
    pub(crate) fn segment_of(&self, offset: i64) -> usize {
        let after = self.segments.partition_point(|segment| segment.base_offset() <= offset);
        after.saturating_sub(1)
    }

    /// Where a segment's offsets end: the next one's base, or the log's end.
    pub(crate) fn end_of_segment(&self, index: usize) -> i64 {
        self.segments.get(index + 1).map_or(self.next_offset, Segment::base_offset)
    }

    pub(crate) fn roll_limits(&self, now_ms: i64) -> RollLimits {
        let config = &self.config.segment;
        // Only segments that are no longer written to are compacted.
        let lag_ms = self.config.compaction.max_lag_ms;
        let by_lag = self.config.retention.compact && lag_ms > 0;
        let ms = if by_lag { config.ms.min(lag_ms) } else { config.ms };
        RollLimits {
            bytes: config.bytes,
            index_bytes: config.index_bytes,
            ms: ms.saturating_sub(self.jitter_ms(ms)),
            now_ms,
        }
    }

    /// Spreads the partitions' rolls over `segment.jitter.ms`, the same way in each run.
    fn jitter_ms(&self, ms: i64) -> i64 {
        let jitter_ms = self.config.segment.jitter_ms.min(ms);
        if jitter_ms <= 0 {
            return 0;
        }
        let base = self.active().base_offset().to_be_bytes();
        let name = self.topic_partition.topic.as_bytes();
        let seed = crc32c::crc32c_append(self.topic_partition.partition as u32, name);
        i64::from(crc32c::crc32c_append(seed, &base)) % jitter_ms
    }

    /// Begins a new segment at an offset, which is the log's end or above. Where that fails, the
    /// log goes on in the old one: so nothing that may fail follows the new segment's file, which
    /// tells a restart that the old one ends here.
    pub(crate) fn roll(&mut self, base_offset: i64, now_ms: i64) -> Result<(), StorageError> {
        self.active_mut().seal()?;
        self.producers.advance(base_offset);
        self.write_snapshot()?;
        let folder = self.folder.clone();
        let segment = Segment::create(folder, base_offset, &self.config.segment, now_ms)?;
        self.flush_state.names_given += 1;
        self.active_mut().release_indexes();
        self.segments.push(segment);
        Ok(())
    }

    /// Writes the producers' snapshot, unless the newest on disk is of the same offset.
    fn write_snapshot(&mut self) -> Result<(), StorageError> {
        let offset = self.producers.end_offset();
        if self.flush_state.snapshot_offset != Some(offset) {
            let snapshot = snapshots::write(&self.folder, &self.producers)?;
            self.flush_state.snapshots.push(snapshot);
            self.flush_state.snapshot_offset = Some(offset);
            self.flush_state.names_given += 1;
        }
        Ok(())
    }

    /// Reads the producers' state anew from snapshots and batches.
    pub(crate) fn reload_producers(&mut self, now_ms: i64) -> Result<(), StorageError> {
        let offsets = snapshots::list(&self.folder)?;
        let end = self.next_offset;
        snapshots::remove_unneeded(&self.folder, &offsets, &self.segments, end)?;
        self.flush_state.snapshots.clear();
        self.producers.reset(self.log_start_offset);
        let expiry = (now_ms, self.config.producer_id_expiration_ms);
        self.flush_state.snapshot_offset =
            snapshots::load_newest(&self.folder, &offsets, end, expiry, &mut self.producers)?;
        let from = self.segment_of(self.producers.end_offset());
        for segment in self.segments[from..].iter().filter(|segment| segment.size() > 0) {
            recovery::replay_segment(segment, end, &mut self.producers)?;
        }
        self.producers.advance(end);
        self.producers.on_high_watermark(self.high_watermark);
        Ok(())
    }
}

/// Checks whose folder it is, or notes it in a new one.
pub(crate) fn adopt_topic_id(folder: &Folder, topic_id: Uuid) -> Result<(), OpenError> {
    let path = folder.path.join(PARTITION_METADATA);
    match partition_metadata::read(&*folder.store, &path)? {
        None => Ok(partition_metadata::write(&*folder.store, &path, topic_id)?),
        Some(found) if found == topic_id => Ok(()),
        Some(found) => Err(OpenError::OtherTopic { path, expected: topic_id, found }),
    }
}
