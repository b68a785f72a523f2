//! From the files of a folder to a log again.
//!
//! After a clean shutdown nothing is scanned: the last segment's end and the producers come
//! from the indexes and the newest snapshot. After a crash, the segments that end above the
//! recovery point are read batch by batch, their indexes written anew, and what is torn or
//! damaged is cut off.

mod leftovers;
mod torn;

use std::sync::Arc;

use bytes::Bytes;
use protocol::record::BatchHeader;

use crate::batch::HeaderWalk;
use crate::config::LogConfig;
use crate::epoch::LeaderEpochs;
use crate::error::{Cause, OpenError, StorageError, WalkError};
use crate::folder::{Folder, OpenFile};
use crate::log::OpenOptions;
use crate::producers::ProducerStates;
use crate::records;
use crate::scan::{Scan, Scanned};
use crate::segment::Segment;
use crate::snapshots;

pub(crate) use leftovers::remove_segments;
use leftovers::{FoundSegment, find_segments};

/// What opening a log had to repair.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RecoveryReport {
    /// Segments whose batches were all read and checked.
    pub scanned_segments: usize,
    /// Of them, those that had lost an index.
    pub rebuilt_indexes: usize,
    /// Bytes cut off because they were torn or damaged.
    pub bytes_cut: u64,
    /// Something could not be written, and is in memory until it can.
    pub postponed: Option<Postponed>,
}

impl RecoveryReport {
    /// Notes an error of a write that can wait; the one that says most about the disk stays.
    pub(crate) fn postpone(&mut self, error: &StorageError) {
        let postponed = Postponed { cause: error.cause(), problem: error.to_string() };
        if self.postponed.as_ref().is_none_or(|known| known.cause == Cause::Full) {
            self.postponed = Some(postponed);
        }
    }
}

/// A repair that the disk did not take. The log can be read; where the cause is other than
/// [`Cause::Full`], it has to be opened anew before it is written to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Postponed {
    pub cause: Cause,
    pub problem: String,
}

/// A log's parts, read from its files.
#[derive(Debug)]
pub(crate) struct Recovered {
    /// At least one, in ascending order.
    pub(crate) segments: Vec<Segment>,
    pub(crate) next_offset: i64,
    pub(crate) log_start_offset: i64,
    pub(crate) epochs: LeaderEpochs,
    pub(crate) producers: ProducerStates,
    /// The offset of the newest snapshot that can be read.
    pub(crate) snapshot_offset: Option<i64>,
    /// The log was begun anew.
    pub(crate) is_new: bool,
    pub(crate) report: RecoveryReport,
}

/// Reads a folder, repairing what has to be.
pub(crate) fn recover(
    folder: &Arc<Folder>,
    config: &LogConfig,
    options: &OpenOptions,
) -> Result<Recovered, OpenError> {
    let (mut found, snapshots) = find_segments(folder)?;
    if found.is_empty() {
        let base_offset = options.log_start_offset.max(0);
        return empty(folder, config, base_offset, options.now_ms);
    }
    plan_scans(&mut found, options);
    let first_base = found[0].segment.base_offset();
    let log_start_offset = options.log_start_offset.max(first_base);
    let mut recovery = Recovery {
        folder: folder.clone(),
        snapshots,
        config,
        options,
        producers: ProducerStates::default(),
        epochs: LeaderEpochs::load(folder.clone())?,
        report: RecoveryReport::default(),
    };
    let mut snapshot_offset = recovery.load_producers(&found, log_start_offset)?;
    let (segments, next_offset) = recovery.run(found)?;
    if recovery.producers.end_offset() > next_offset.max(log_start_offset) {
        // The snapshot is of records that are not there.
        snapshot_offset = recovery.reload_producers(&segments, log_start_offset, next_offset)?;
    }
    if next_offset < log_start_offset {
        tracing::warn!(
            folder = %folder.path.display(), next_offset, log_start_offset,
            "the log ends before it starts; beginning anew at its start"
        );
        remove_segments(folder, &segments)?;
        let mut anew = empty(folder, config, log_start_offset, options.now_ms)?;
        anew.report = recovery.report;
        return Ok(anew);
    }
    let Recovery { snapshots, mut producers, mut epochs, report, .. } = recovery;
    producers.on_log_start(log_start_offset);
    epochs.truncate_from_end(next_offset);
    epochs.truncate_from_start(log_start_offset);
    snapshots::remove_unneeded(folder, &snapshots, &segments, next_offset)?;
    Ok(Recovered {
        segments,
        next_offset,
        log_start_offset,
        epochs,
        producers,
        snapshot_offset,
        is_new: false,
        report,
    })
}

/// A log without records.
fn empty(
    folder: &Arc<Folder>,
    config: &LogConfig,
    base_offset: i64,
    now_ms: i64,
) -> Result<Recovered, OpenError> {
    let segment = Segment::create(folder.clone(), base_offset, &config.segment, now_ms)?;
    let mut producers = ProducerStates::default();
    producers.reset(base_offset);
    let mut epochs = LeaderEpochs::load(folder.clone())?;
    epochs.clear();
    Ok(Recovered {
        segments: vec![segment],
        next_offset: base_offset,
        log_start_offset: base_offset,
        epochs,
        producers,
        snapshot_offset: None,
        is_new: true,
        report: RecoveryReport::default(),
    })
}

/// Decides which segments are read in full.
fn plan_scans(found: &mut [FoundSegment], options: &OpenOptions) {
    let mut end = i64::MAX;
    for found in found.iter_mut().rev() {
        let unsynced = !options.clean_shutdown && end > options.recovery_point;
        found.scan |= unsynced && !found.is_bare;
        end = found.segment.base_offset();
    }
}

struct Recovery<'a> {
    folder: Arc<Folder>,
    /// Offsets of the snapshots that were found.
    snapshots: Vec<i64>,
    config: &'a LogConfig,
    options: &'a OpenOptions,
    producers: ProducerStates,
    epochs: LeaderEpochs,
    report: RecoveryReport,
}

impl Recovery<'_> {
    /// Takes the newest snapshot that is not above the first segment to be scanned.
    fn load_producers(
        &mut self,
        found: &[FoundSegment],
        log_start_offset: i64,
    ) -> Result<Option<i64>, StorageError> {
        let first_scan = found.iter().find(|found| found.scan);
        let last = found.last().filter(|_| !self.options.clean_shutdown);
        // After a clean shutdown, the newest is of the log's end, which is not known yet.
        let up_to = first_scan.or(last).map_or(i64::MAX, |found| found.segment.base_offset());
        let expiry = (self.options.now_ms, self.config.producer_id_expiration_ms);
        self.producers.reset(log_start_offset.min(up_to));
        snapshots::load_newest(&self.folder, &self.snapshots, up_to, expiry, &mut self.producers)
    }

    fn reload_producers(
        &mut self,
        segments: &[Segment],
        log_start_offset: i64,
        next_offset: i64,
    ) -> Result<Option<i64>, StorageError> {
        snapshots::remove_unneeded(&self.folder, &self.snapshots, segments, next_offset)?;
        self.snapshots = snapshots::list(&self.folder)?;
        let expiry = (self.options.now_ms, self.config.producer_id_expiration_ms);
        self.producers.reset(log_start_offset);
        let loaded = snapshots::load_newest(
            &self.folder,
            &self.snapshots,
            next_offset,
            expiry,
            &mut self.producers,
        )?;
        segments.iter().try_for_each(|segment| self.replay(segment))?;
        Ok(loaded)
    }

    /// Reads the segments in order. Returns those that stay, and the log's end.
    fn run(&mut self, found: Vec<FoundSegment>) -> Result<(Vec<Segment>, i64), OpenError> {
        let mut segments: Vec<Segment> = Vec::with_capacity(found.len());
        // Where the segments so far end: known of those that were read, and of the last.
        let mut end_offset = None;
        let mut found = found.into_iter();
        while let Some(FoundSegment { mut segment, scan, lacks_index, .. }) = found.next() {
            let base_offset = segment.base_offset();
            if segment.size() == 0
                && let Some(before) = segments.last_mut()
            {
                let before_end = match end_offset {
                    Some(end) => end,
                    None => self.end_of_unread(before, base_offset)?,
                };
                if before_end > base_offset {
                    self.drop_unused(&segment);
                    end_offset = Some(before_end);
                    continue;
                }
            }
            let has_gap = end_offset.is_some_and(|end| self.lost_before(end, base_offset));
            if has_gap && !self.options.clean_shutdown {
                self.refuse_gap(&segment, end_offset)?;
                let behind: Vec<_> =
                    std::iter::once(segment).chain(found.map(|found| found.segment)).collect();
                self.drop_behind(&behind)?;
                break;
            }
            let mut cut = 0;
            self.report.rebuilt_indexes += usize::from(lacks_index);
            end_offset = None;
            if scan {
                let (end, bytes) = self.scan(&mut segment, found.len() == 0)?;
                (end_offset, cut) = (Some(end), bytes);
            } else if found.len() == 0 {
                let (end, bytes) = self.inspect(&mut segment, true)?;
                (end_offset, cut) = (Some(end), bytes);
            } else {
                self.replay(&segment)?;
            }
            segments.push(segment);
            if cut > 0 && !self.options.clean_shutdown {
                let behind: Vec<_> = found.map(|found| found.segment).collect();
                self.drop_behind(&behind)?;
                break;
            }
        }
        Ok((segments, end_offset.unwrap_or(0)))
    }

    /// Where appends were synced one by one, nothing goes between two of them without damage.
    fn refuse_gap(&self, behind: &Segment, end_offset: Option<i64>) -> Result<(), OpenError> {
        let Some(offset) = end_offset.filter(|_| self.options.synced_appends) else {
            return Ok(());
        };
        let path = behind.open_log()?.id.path();
        let problem = format!("the file before it ends at offset {offset}");
        Err(OpenError::Damaged { path, position: 0, offset, problem })
    }

    /// Where a segment ends that was not read, as the next one's base said that there was no need.
    /// If it goes on behind that, there is.
    fn end_of_unread(&mut self, segment: &mut Segment, next_base: i64) -> Result<i64, OpenError> {
        let (end, _) = self.inspect(segment, false)?;
        if end > next_base && !self.options.clean_shutdown {
            return Ok(self.scan(segment, false)?.0);
        }
        Ok(end)
    }

    /// A segment that was begun and never became the active one, for the log went on in the one
    /// before: it holds nothing, and would hide what that one has from its base offset on.
    fn drop_unused(&mut self, segment: &Segment) {
        let base_offset = segment.base_offset();
        tracing::warn!(
            folder = %self.folder.path.display(), base_offset,
            "removing an empty segment behind whose beginning the one before goes on"
        );
        let removed = leftovers::remove_empty(&self.folder, base_offset);
        self.postpone(removed);
    }

    /// Whether a segment has lost its end with the power, though what is there is whole: the next
    /// one begins further on. Where compaction takes records away, that is no loss, nor where
    /// all was synced.
    fn lost_before(&self, end_offset: i64, next_base: i64) -> bool {
        let lost = end_offset < next_base
            && end_offset >= self.options.recovery_point
            && !self.config.retention.compact;
        if lost {
            tracing::warn!(
                folder = %self.folder.path.display(), end_offset, next_base,
                "a segment has lost its end; cutting the log off there"
            );
        }
        lost
    }

    /// Behind a cut nothing follows on what is there.
    fn drop_behind(&mut self, behind: &[Segment]) -> Result<(), StorageError> {
        for segment in behind {
            self.report.bytes_cut += segment.size();
            tracing::warn!(
                folder = %self.folder.path.display(),
                base_offset = segment.base_offset(), bytes = segment.size(),
                "removing a segment behind the cut"
            );
        }
        remove_segments(&self.folder, behind)
    }

    /// The end of the last segment, by its index; one that is damaged is scanned after all.
    fn inspect(&mut self, segment: &mut Segment, is_last: bool) -> Result<(i64, u64), OpenError> {
        match segment.inspect() {
            Ok(next_offset) => {
                self.replay(segment)?;
                Ok((next_offset, 0))
            }
            Err(WalkError::Storage(error)) => Err(error.into()),
            Err(_) => self.scan(segment, is_last),
        }
    }

    /// Reads all of a segment, writing its indexes anew; cuts what is damaged. Returns the
    /// offset behind the last batch, and how many bytes were cut.
    fn scan(&mut self, segment: &mut Segment, is_last: bool) -> Result<(i64, u64), OpenError> {
        let end = segment.size();
        let base_offset = segment.base_offset();
        let restarted = segment.restart();
        self.postpone(restarted);
        let file = segment.open_log()?;
        let mut scan = Scan::new(&file, end, base_offset);
        let mut next_offset = base_offset;
        loop {
            match scan.next()? {
                Scanned::End => break,
                Scanned::Batch { position, header, bytes } => {
                    segment.note(&header, position, &self.config.segment);
                    self.epochs.assign(header.leader_epoch, header.base_offset);
                    self.account(&header, bytes, segment);
                    next_offset = header.next_offset();
                }
                Scanned::Damaged { position, problem } => {
                    if self.options.synced_appends {
                        let may_be_torn = is_last && !self.options.clean_shutdown;
                        let most = u64::from(self.config.max_message_bytes);
                        let damage = torn::Damage { file: &file, position, end, next_offset };
                        if !may_be_torn || !damage.is_torn_append(most)? {
                            let (path, offset) = (file.id.path(), next_offset);
                            return Err(OpenError::Damaged { path, position, offset, problem });
                        }
                    }
                    tracing::warn!(
                        file = %file.id.path().display(), position, bytes_cut = end - position,
                        "cutting the log off at a damaged batch: {problem}"
                    );
                    let cut = segment.cut_file();
                    self.postpone(cut);
                    break;
                }
            }
        }
        let cut = end - segment.size();
        let sealed = segment.seal();
        self.postpone(sealed);
        segment.release_indexes();
        self.report.scanned_segments += 1;
        self.report.bytes_cut += cut;
        Ok((next_offset, cut))
    }

    /// Goes on where something could not be written that is in memory as well.
    fn postpone(&mut self, written: Result<(), StorageError>) {
        if let Err(error) = written {
            self.report.postpone(&error);
        }
    }

    /// Tells the producers of a segment's batches, as far as they do not know them.
    fn replay(&mut self, segment: &Segment) -> Result<(), StorageError> {
        if segment.size() == 0 {
            return Ok(());
        }
        replay_segment(segment, i64::MAX, &mut self.producers)
    }

    fn account(&mut self, header: &BatchHeader, bytes: &[u8], segment: &mut Segment) {
        if header.last_offset() < self.producers.end_offset() {
            return;
        }
        let marker = if header.is_control() && header.has_producer_id() {
            marker_or_none(Bytes::copy_from_slice(bytes))
        } else {
            None
        };
        self.producers.begin();
        // Nothing is refused of what the log holds.
        let _ = self.producers.stage(header, marker, None);
        self.producers.commit(header.next_offset(), |entry| segment.aborted.push(entry));
    }
}

fn marker_or_none(batch: Bytes) -> Option<crate::producers::Marker> {
    records::marker(batch).unwrap_or_else(|problem| {
        tracing::warn!("a control batch cannot be read and is passed over: {problem}");
        None
    })
}

/// Tells the producers of the batches of a segment below an offset that they do not know.
pub(crate) fn replay_segment(
    segment: &Segment,
    end_offset: i64,
    producers: &mut ProducerStates,
) -> Result<(), StorageError> {
    let file = segment.open_log()?;
    let found = match segment.find(producers.end_offset()) {
        Err(WalkError::Storage(error)) => return Err(error),
        found => found.ok().flatten(),
    };
    let Some((from, _)) = found else { return Ok(()) };
    let mut walk = HeaderWalk::new(&file, from, segment.size());
    loop {
        let (position, header) = match walk.next() {
            Ok(Some(next)) => next,
            Err(WalkError::Storage(error)) => return Err(error),
            Ok(None) | Err(_) => return Ok(()),
        };
        if header.base_offset >= end_offset {
            return Ok(());
        }
        if header.last_offset() < producers.end_offset() {
            continue;
        }
        let marker = if header.is_control() && header.has_producer_id() {
            marker_or_none(read_batch(&file, position, &header)?)
        } else {
            None
        };
        producers.begin();
        // Nothing is refused of what the log holds.
        let _ = producers.stage(&header, marker, None);
        producers.commit(header.next_offset(), |_| {});
    }
}

/// A batch's bytes.
pub(crate) fn read_batch(
    file: &OpenFile,
    position: u64,
    header: &BatchHeader,
) -> Result<Bytes, StorageError> {
    let mut bytes = vec![0; header.size()];
    file.read_exact_at(&mut bytes, position)?;
    Ok(bytes.into())
}
