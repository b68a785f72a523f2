//! Syncing: what was appended is made to survive a loss of power.

use std::sync::Arc;

use crate::epoch::UnsavedEpochs;
use crate::error::StorageError;
use crate::folder::{Folder, OpenFile};
use crate::log::Log;
use crate::name::PARTITION_METADATA;
use crate::segment::Segment;

/// The operation after whose failure what was written can't be trusted to be there.
const SYNC: &str = "sync";

/// Files to be synced, which needs no lock of the log.
#[derive(Debug)]
#[must_use = "call `run`, then `Log::finish_flush`"]
pub struct Flush {
    folder: Arc<Folder>,
    /// Behind the recovery point, their file is all that tells of the epochs.
    epochs: Option<UnsavedEpochs>,
    files: Vec<OpenFile>,
    sync_names: bool,
    flushed: Flushed,
}

/// A flush that was done.
#[derive(Clone, Copy, Debug)]
pub struct Flushed {
    up_to: i64,
    names_given: u64,
    truncations: u64,
}

impl Flush {
    /// Syncs; blocks as long as the disk takes.
    pub fn run(self) -> Result<Flushed, StorageError> {
        for file in &self.files {
            file.handle.sync().map_err(file.id.failed(SYNC))?;
        }
        if let Some(epochs) = &self.epochs {
            epochs.save()?;
        }
        if self.sync_names {
            self.sync_names()?;
        }
        Ok(self.flushed)
    }

    /// Syncs the names in the folder and its own, and the file that is written once.
    fn sync_names(&self) -> Result<(), StorageError> {
        let Folder { store, path, .. } = &*self.folder;
        let metadata = path.join(PARTITION_METADATA);
        let synced = store.open(&metadata).and_then(|file| file.sync());
        synced.map_err(StorageError::on(SYNC, metadata))?;
        for dir in [Some(path.as_path()), path.parent()].into_iter().flatten() {
            store.sync_dir(dir).map_err(StorageError::on(SYNC, dir))?;
        }
        Ok(())
    }

    /// All that is not synced, of all segments.
    pub(crate) fn of_everything(log: &Log) -> Result<Self, StorageError> {
        Self::of(log, log.next_offset)
    }

    /// All that has to be synced so that everything below an offset is.
    fn of(log: &Log, up_to: i64) -> Result<Self, StorageError> {
        let state = &log.flush_state;
        let mut files = state.snapshots.clone();
        let last = log.segments.len() - 1;
        let first = log.segment_of(log.recovery_point).min(last);
        let sealed = log.segments[first..last].iter();
        for segment in sealed.filter(|segment| segment.base_offset() < up_to) {
            files.extend(segment.files()?);
        }
        if log.active().base_offset() < up_to && log.recovery_point < up_to {
            // Its indexes are written anew after a crash anyway.
            files.push(log.active().open_log()?);
        }
        Ok(Self {
            folder: log.folder.clone(),
            epochs: log.epochs.unsaved(),
            files,
            sync_names: state.names_given > state.names_synced,
            flushed: Flushed {
                up_to,
                names_given: state.names_given,
                truncations: state.truncations,
            },
        })
    }
}

impl Log {
    /// Whether `flush.ms` have gone by since the last flush, and there is something to sync.
    pub fn flush_is_due(&self, now_ms: i64) -> bool {
        let waited = now_ms.saturating_sub(self.flush_state.last_flush_ms);
        // A clock that was set back says nothing of how long it was.
        let is_long = waited < 0 || waited >= self.config.flush.ms;
        self.recovery_point < self.next_offset && is_long
    }

    /// How far the log must be synced before what was appended is acknowledged, as far as that is
    /// not done; `None`: all that was appended is as safe as `flush.messages` wants it.
    pub fn sync_demanded(&self) -> Option<i64> {
        let demanded = self.flush_state.demanded;
        (demanded > self.recovery_point).then_some(demanded)
    }

    /// The end of what is as safe as `flush.messages` wants it: nothing from here on may be read
    /// or acknowledged. It is the log's end, or what is synced while a sync is demanded.
    pub fn safe_end_offset(&self) -> i64 {
        match self.sync_demanded() {
            None => self.next_offset,
            Some(_) => self.recovery_point,
        }
    }

    /// Demands a sync of everything when as many records as `flush.messages` came since the last
    /// one that was demanded or done.
    pub(crate) fn demand_sync(&mut self) {
        let counted_from = self.recovery_point.max(self.flush_state.demanded);
        if self.next_offset.saturating_sub(counted_from) >= self.config.flush.messages {
            self.flush_state.demanded = self.next_offset;
        }
    }

    /// What has to be synced so that all below an offset is; `None`: all of it is. Call
    /// [`Flush::run`] without the lock, then [`Self::finish_flush`].
    pub fn prepare_flush(&mut self, up_to: i64) -> Result<Option<Flush>, StorageError> {
        let up_to = up_to.min(self.next_offset);
        if up_to <= self.recovery_point {
            return Ok(None);
        }
        self.check_usable()?;
        self.seal_closed()?;
        Flush::of(self, up_to).map(Some)
    }

    /// Completes what a full disk kept out of the files of segments that are no longer written
    /// to.
    pub(crate) fn seal_closed(&mut self) -> Result<(), StorageError> {
        let last = self.segments.len() - 1;
        let unsealed = self.segments[..last].iter_mut().filter(|segment| !segment.is_sealed());
        for segment in unsealed {
            segment.seal()?;
            segment.release_indexes();
        }
        Ok(())
    }

    /// Writes all that is not synced once more. After a sync that failed, the system may hold as
    /// written what never reached the disk: call this on a log that was opened anew, and
    /// [`Self::flush`] thereafter.
    pub fn rewrite_unsynced(&mut self) -> Result<(), StorageError> {
        let from = self.segment_of(self.recovery_point);
        for segment in &self.segments[from..] {
            segment.rewrite_from(self.recovery_point)?;
        }
        Ok(())
    }

    /// Moves the recovery point to where a flush came; hand over what [`Flush::run`] returned.
    ///
    /// After a sync that failed the system may have dropped what it could not write, and the next
    /// sync would succeed without it. So from then on the log takes no appends and is not synced
    /// or closed in order, until it is opened anew and its files are read.
    pub fn finish_flush(
        &mut self,
        outcome: Result<Flushed, StorageError>,
        now_ms: i64,
    ) -> Result<(), StorageError> {
        let flushed =
            outcome.inspect_err(|problem| self.flush_state.failed |= problem.operation == SYNC)?;
        if flushed.truncations != self.flush_state.truncations {
            return Ok(());
        }
        let last = self.segments.len() - 1;
        let first = self.segment_of(self.recovery_point).min(last);
        self.segments[first..last].iter_mut().for_each(Segment::release_indexes);
        self.recovery_point = self.recovery_point.max(flushed.up_to);
        self.flush_state.last_flush_ms = now_ms;
        // Flushes may end in another order than they began.
        let names_synced = self.flush_state.names_synced.max(flushed.names_given);
        self.flush_state.names_synced = names_synced;
        // One at the flush's end may have been written since.
        self.flush_state.snapshots.retain(|file| file.id.base_offset >= flushed.up_to);
        Ok(())
    }

    /// Syncs the whole log; blocks as long as the disk takes.
    pub fn flush(&mut self, now_ms: i64) -> Result<(), StorageError> {
        if let Some(flush) = self.prepare_flush(self.next_offset)? {
            self.finish_flush(flush.run(), now_ms)?;
        }
        Ok(())
    }

    /// An error where a sync has failed since the log was opened, or a truncation is half done.
    pub(crate) fn check_usable(&self) -> Result<(), StorageError> {
        let (operation, problem) = if self.flush_state.failed {
            let problem = "an earlier sync failed, and what it was to write may be lost: see to \
                           the disk and start the broker anew";
            (SYNC, problem)
        } else if self.is_half_cut {
            let problem = "an earlier truncation failed: see to the disk and start the broker anew";
            ("go on with", problem)
        } else {
            return Ok(());
        };
        Err(StorageError::on(operation, self.dir())(std::io::Error::other(problem)))
    }
}
