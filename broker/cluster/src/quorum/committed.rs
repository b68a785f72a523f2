//! The metadata as committed: read from the log as far as the high watermark goes, and handed on.

use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use broker_log::ReadError;
use broker_metadata::snapshot::SnapshotError;
use broker_metadata::{ApplyError, BatchError, Changes, Delta, Image, decode_batch};
use broker_raft::ControlError;
use protocol::record::{self, RecordBatch};
use thiserror::Error;
use tokio::sync::Notify;

use super::log::{MetadataLog, Slice};
use crate::limits::METADATA_READ_BYTES;
use crate::lock::whole;

/// Why the metadata can't be read.
#[derive(Debug, Error)]
pub enum LoadError {
    #[error("the metadata log can't be read: {0}")]
    Read(#[from] ReadError),
    #[error(
        "{} is damaged at byte {position}, where the metadata record at offset {offset} should be: \
         {problem}. Topics would be forgotten without it: put back a copy of the file",
        path.display()
    )]
    Damaged { path: PathBuf, position: u64, offset: i64, problem: String },
    #[error(
        "the metadata log in {dir} has no record at offset {offset}, but ends at {end}: put back \
         copies of its files"
    )]
    Missing { dir: String, offset: i64, end: i64 },
    #[error("the metadata log: {0}")]
    Batch(#[from] BatchError),
    #[error("the snapshot {}: {source}. Put back a copy of the file", path.display())]
    Snapshot { path: PathBuf, source: SnapshotError },
    #[error("the metadata log holds a record of the quorum that can't be followed: {0}")]
    Control(#[from] ControlError),
    #[error("the metadata log's record at offset {offset}: {source}")]
    Apply { offset: i64, source: ApplyError },
}

/// A step of the committed metadata.
#[derive(Clone, Debug, Default)]
pub struct Published {
    pub image: Arc<Image>,
    /// What differs from the image that was taken before.
    pub changes: Changes,
}

/// Where the newest committed image waits for whoever follows it. One that is late finds all
/// changes in one.
#[derive(Debug, Default)]
pub struct Publication {
    /// A std mutex: held to put changes in or take them out.
    waiting: Mutex<Option<Published>>,
    news: Notify,
}

impl Publication {
    pub(super) fn put(&self, image: Arc<Image>, changes: Changes) {
        let mut waiting = whole(&self.waiting);
        *waiting = Some(match waiting.take() {
            None => Published { image, changes },
            Some(before) => Published { image, changes: before.changes.then(changes) },
        });
        drop(waiting);
        self.news.notify_one();
    }

    /// Waits for the next step. For one caller at a time.
    pub async fn next(&self) -> Published {
        loop {
            if let Some(published) = whole(&self.waiting).take() {
                return published;
            }
            self.news.notified().await;
        }
    }
}

/// The committed image, and how far into the log it goes.
#[derive(Debug)]
pub(super) struct Committed {
    pub(super) image: Arc<Image>,
    /// All below is in the image.
    pub(super) applied: i64,
    publication: Arc<Publication>,
    /// Nothing is handed on before the image has what this node had seen of the metadata when it
    /// stopped: what is on its disk would be taken for strays.
    hold_until: i64,
    held: Changes,
}

impl Committed {
    pub(super) fn new(
        image: Arc<Image>,
        applied: i64,
        publication: Arc<Publication>,
        hold_until: i64,
    ) -> Self {
        Self { image, applied, publication, hold_until, held: Changes::default() }
    }

    /// The log was cut: what is gone was never committed.
    pub(super) fn cut(&mut self, offset: i64) {
        self.hold_until = self.hold_until.min(offset);
    }

    /// Reads the log as far as it is committed, and hands on what changed. Blocks.
    pub(super) fn follow(&mut self, log: &MetadataLog, to: i64) -> Result<(), LoadError> {
        if self.applied >= to {
            return Ok(());
        }
        let mut delta = Delta::new(&self.image);
        let mut offset = self.applied;
        while offset < to {
            let slice = log.read(offset, to, METADATA_READ_BYTES)?;
            let missing =
                || LoadError::Missing { dir: log.path().display().to_string(), offset, end: to };
            offset = replay(&slice.ok_or_else(missing)?, offset, &mut delta)?;
        }
        let (image, changes) = delta.finish(to);
        self.step(Arc::new(image), changes, to);
        Ok(())
    }

    /// Takes over an image that somebody made of the same records.
    pub(super) fn step(&mut self, image: Arc<Image>, changes: Changes, applied: i64) {
        self.image = image.clone();
        self.applied = applied;
        let held = std::mem::take(&mut self.held).then(changes);
        if applied < self.hold_until {
            self.held = held;
            return;
        }
        self.hold_until = 0;
        self.publication.put(image, held);
    }
}

/// Applies the whole batches of a slice, of which there is at least one; the offset behind them.
pub(super) fn replay(slice: &Slice, from: i64, delta: &mut Delta) -> Result<i64, LoadError> {
    each_batch(slice, from, |batch| replay_batch(batch, delta))
}

/// Has a look at the whole batches of a slice, each of which must be there and well; the offset
/// behind them.
pub(super) fn each_batch(
    slice: &Slice,
    from: i64,
    mut look: impl FnMut(&RecordBatch) -> Result<(), ReplayError>,
) -> Result<i64, LoadError> {
    let (mut offset, mut position) = (from, slice.position);
    for batch in record::batches(&slice.bytes) {
        let damaged = |problem: String| {
            Err(LoadError::Damaged { path: slice.path.clone(), position, offset, problem })
        };
        let batch = match batch.and_then(|batch| batch.check_crc().map(|()| batch)) {
            Ok(batch) if batch.base_offset <= offset && batch.next_offset() > offset => batch,
            Ok(batch) => return damaged(format!("a batch at offset {}", batch.base_offset)),
            // The slice may end within a batch: the next read begins with it.
            Err(record::BatchError::Truncated { .. }) if offset > from => return Ok(offset),
            Err(problem) => return damaged(problem.to_string()),
        };
        match look(&batch) {
            Err(ReplayError::Batch(problem)) => return damaged(problem.to_string()),
            Err(ReplayError::Load(problem)) => return Err(problem),
            Ok(()) => {}
        }
        offset = batch.next_offset();
        position += batch.size() as u64;
    }
    Ok(offset)
}

/// A batch that can't be read, or a record of it that can't be applied.
pub(super) enum ReplayError {
    Batch(record::BatchError),
    Load(LoadError),
}

impl From<record::BatchError> for ReplayError {
    fn from(problem: record::BatchError) -> Self {
        Self::Batch(problem)
    }
}

impl From<LoadError> for ReplayError {
    fn from(problem: LoadError) -> Self {
        Self::Load(problem)
    }
}

fn replay_batch(batch: &RecordBatch, delta: &mut Delta) -> Result<(), ReplayError> {
    let decoded = decode_batch(batch).map_err(|problem| match problem {
        BatchError::Damaged(problem) => ReplayError::Batch(problem),
        problem => ReplayError::Load(problem.into()),
    })?;
    let records = decoded.map(|decoded| decoded.records).unwrap_or_default();
    for (offset, record) in (batch.base_offset..).zip(&records) {
        delta.replay(record).map_err(|source| LoadError::Apply { offset, source })?;
    }
    Ok(())
}
