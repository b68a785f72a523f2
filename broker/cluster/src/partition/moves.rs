//! Partitions on their way to another log dir (AlterReplicaLogDirs, KIP-113).
//!
//! A copy grows beside the partition while that is written and read. Once it lacks little, the
//! rest is copied under the partition's lock, and the copy takes the partition's place: who reads
//! or writes notices nothing. A copy whose broker stops is gone on with at the next start.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

use broker_log::{
    CopyError, FolderFate, FutureLog, Located, Location, Log, OpenError, ReadError, RemovedFiles,
    StorageError, TopicPartition,
};
use broker_metadata::Image;
use bytes::Bytes;
use thiserror::Error;
use tokio::sync::Notify;
use tracing::{error, info, warn};
use uuid::Uuid;

use super::data_dir::{DataDir, DirState};
use super::roles::Effects;
use super::{LeadershipError, Partition, Partitions};
use crate::limits::PREFERRED_DIRS;
use crate::lock::{whole, write_whole};

/// What a folder's name may be long, less what a copy adds to it.
const LONGEST_FOLDER: usize = 255 - ".-future".len() - 32;

/// Why a partition is not moved.
#[derive(Debug, Error)]
pub enum MoveError {
    #[error("{path} is not one of the log.dirs")]
    NoSuchDir { path: String },
    #[error("{0}")]
    DirOffline(Arc<str>),
    #[error("the topic's name is too long for the name of a copy's folder")]
    NameTooLong,
    #[error(transparent)]
    Partition(#[from] LeadershipError),
    #[error(transparent)]
    Open(#[from] OpenError),
}

/// How far a copy has come.
#[derive(Clone, Copy, Debug)]
pub struct CopyProgress {
    pub dir: usize,
    pub size_bytes: u64,
    pub end_offset: i64,
}

/// The partitions that are being moved, and the dirs that were chosen for new ones.
#[derive(Debug, Default)]
pub(super) struct Moves {
    /// A std mutex: held for a change of the maps.
    state: Mutex<State>,
    some: Notify,
}

#[derive(Debug, Default)]
struct State {
    running: BTreeMap<TopicPartition, Arc<Move>>,
    preferred: HashMap<TopicPartition, Arc<DataDir>>,
}

#[derive(Debug)]
struct Move {
    id: TopicPartition,
    target: Arc<DataDir>,
    /// A std mutex: held while a piece is copied, on a thread that may block.
    copy: Mutex<Stage>,
    size_bytes: AtomicU64,
    end_offset: AtomicI64,
}

/// Where a copy stands.
#[derive(Debug)]
enum Stage {
    /// Begun by a broker that has stopped; the partition ended here when this one started.
    Left {
        folder: PathBuf,
        source_end: i64,
    },
    Open(Box<FutureLog>),
    /// Done, or given up.
    Over,
}

/// How the work on a copy ended.
#[derive(Debug)]
enum Outcome {
    /// The copy is the partition; this is its old log.
    Moved(Box<Log>),
    /// Given up, or the partition was deleted.
    Over,
    /// The broker stops.
    Stopped,
}

impl Moves {
    fn state(&self) -> MutexGuard<'_, State> {
        whole(&self.state)
    }

    /// The dir that was chosen for a partition before it was made; it is then forgotten.
    pub(super) fn preferred(&self, id: &TopicPartition) -> Option<Arc<DataDir>> {
        self.state().preferred.remove(id)
    }

    /// Gives up the moves of a topic that is deleted; their files are to be removed.
    pub(super) fn cancel_topic(&self, topic: &str) -> Vec<(RemovedFiles, i64)> {
        let mut over = Vec::new();
        self.state().running.retain(|id, running| {
            let stays = &*id.topic != topic;
            if !stays {
                over.push(running.clone());
            }
            stays
        });
        over.iter().filter_map(|running| Some((running.cancel()?, 0))).collect()
    }
}

impl Move {
    fn new(id: TopicPartition, target: Arc<DataDir>, stage: Stage) -> Arc<Self> {
        let (size_bytes, end_offset) = (AtomicU64::new(0), AtomicI64::new(0));
        Arc::new(Self { id, target, copy: Mutex::new(stage), size_bytes, end_offset })
    }

    /// A copy that a panic may have left half changed is given up: its folder is removed with the
    /// next start.
    fn copy(&self) -> MutexGuard<'_, Stage> {
        self.copy.lock().unwrap_or_else(|poisoned| {
            let mut stage = poisoned.into_inner();
            *stage = Stage::Over;
            self.copy.clear_poison();
            stage
        })
    }

    fn note(&self, future: &FutureLog) {
        self.size_bytes.store(future.size_bytes(), Ordering::Relaxed);
        self.end_offset.store(future.log_end_offset(), Ordering::Relaxed);
    }

    /// Gives the copy up; returns its files, if there are any.
    fn cancel(&self) -> Option<RemovedFiles> {
        let stage = std::mem::replace(&mut *self.copy(), Stage::Over);
        let discarded = match stage {
            Stage::Open(future) => future.discard(),
            Stage::Left { folder, .. } => {
                remove_folder(&self.target, &folder);
                return None;
            }
            Stage::Over => return None,
        };
        discarded.inspect_err(|problem| warn!("a copy that was given up stays: {problem}")).ok()
    }
}

impl Partitions {
    /// Has a partition moved to a log dir; one that is not there yet will be made in it. A move
    /// that is under way to another dir is given up. Blocks.
    pub fn move_to(&self, id: &TopicPartition, path: &str, now_ms: i64) -> Result<(), MoveError> {
        let target = self.dir_at(path)?;
        if id.folder().len() > LONGEST_FOLDER {
            return Err(MoveError::NameTooLong);
        }
        if target.opened().is_none() {
            return Err(MoveError::DirOffline("the log dir can't be used".into()));
        }
        target.admit().map_err(MoveError::DirOffline)?;
        let partition = match self.find(&id.topic, id.partition) {
            Err(LeadershipError::Gone) => {
                let preferred = &mut self.moves.state().preferred;
                if preferred.len() < PREFERRED_DIRS {
                    preferred.insert(id.clone(), target);
                }
                return Err(LeadershipError::Gone.into());
            }
            found => found?,
        };
        let running = self.moves.state().running.get(id).cloned();
        if let Some(running) = running {
            if running.target.number() == target.number() {
                return Ok(());
            }
            self.moves.state().running.remove(id);
            remove(running.cancel());
        }
        if partition.dir().number() == target.number() {
            return Ok(());
        }
        let config = partition.with_log(|log| log.config().clone())?;
        let location = Location {
            log_dir: target.path().to_owned(),
            topic_partition: id.clone(),
            topic_id: partition.topic_id,
        };
        let store = target.store().clone();
        let future = FutureLog::create(store, location, Uuid::new_v4(), config, now_ms);
        let future = future.inspect_err(|problem| {
            if let OpenError::Storage(problem) = problem {
                self.dir_failed(&target, problem);
            }
        })?;
        info!("{id} is being moved to {}", target.path().display());
        let running = Move::new(id.clone(), target, Stage::Open(Box::new(future)));
        self.moves.state().running.insert(id.clone(), running);
        self.moves.some.notify_one();
        Ok(())
    }

    fn dir_at(&self, path: &str) -> Result<Arc<DataDir>, MoveError> {
        let wanted = Path::new(path);
        let found = self.dirs().iter().find(|dir| dir.absolute_path() == wanted);
        found.cloned().ok_or_else(|| MoveError::NoSuchDir { path: path.to_owned() })
    }

    /// How far the copy of a partition has come, where there is one.
    pub fn copy_of(&self, id: &TopicPartition) -> Option<CopyProgress> {
        let running = self.moves.state().running.get(id).cloned()?;
        Some(CopyProgress {
            dir: running.target.number(),
            size_bytes: running.size_bytes.load(Ordering::Relaxed),
            end_offset: running.end_offset.load(Ordering::Relaxed),
        })
    }

    /// Finds the copies that a stopped broker left in a dir, to go on with them.
    pub(super) fn resume_moves(&self, image: &Image, dir: &Arc<DataDir>) {
        let Some(opened) = dir.opened() else { return };
        let futures = match opened.futures() {
            Ok(futures) => futures,
            Err(problem) => return self.dir_failed(dir, &problem),
        };
        for (id, folder) in futures {
            let partition = self.get(&id.topic, id.partition);
            let partition = partition.filter(|partition| {
                partition.dir().number() != dir.number()
                    && self.hosted(image, &id, Some(partition.topic_id)).is_some()
            });
            let source_end =
                partition.and_then(|partition| partition.with_log(|log| log.log_end_offset()).ok());
            match source_end {
                // It may come back with its dir.
                None if self.offline().contains_key(&id) => {}
                None => remove_folder(dir, &folder),
                Some(source_end) => {
                    let stage = Stage::Left { folder, source_end };
                    let mut state = self.moves.state();
                    let resumed = || Move::new(id.clone(), dir.clone(), stage);
                    state.running.entry(id.clone()).or_insert_with(resumed);
                }
            }
        }
        self.moves.some.notify_one();
    }

    /// Waits until there may be something to move.
    pub async fn wait_for_moves(&self) {
        self.moves.some.notified().await;
    }

    /// Has moves looked at again that waited for a log dir.
    pub fn wake_moves(&self) {
        self.moves.some.notify_one();
    }

    /// Carries out all moves that can be, one after the other; `removed` gets the files of what was
    /// moved away. Blocks.
    pub fn carry_out_moves(
        &self,
        now_ms: &dyn Fn() -> i64,
        stopping: &dyn Fn() -> bool,
        removed: &dyn Fn(RemovedFiles, i64),
    ) {
        while let Some(next) = self.next_move() {
            let outcome = self.carry_out(&next, now_ms, stopping);
            let waits = outcome.is_err() && matches!(next.target.state(), DirState::Full(_));
            if waits || matches!(outcome, Ok(Outcome::Stopped)) {
                // It is gone on with when the dir has room, or at the next start.
                if stopping() {
                    return;
                }
                continue;
            }
            self.forget(&next);
            match outcome {
                Ok(Outcome::Moved(old)) => {
                    info!("{} was moved to {}", next.id, next.target.path().display());
                    let delay_ms = old.config().retention.file_delete_delay_ms;
                    match old.retire(FolderFate::Delete, Uuid::new_v4()) {
                        Ok(files) => removed(files, delay_ms),
                        Err(problem) => error!("the old folder of {} stays: {problem}", next.id),
                    }
                    self.write_checkpoints();
                }
                Ok(Outcome::Over | Outcome::Stopped) => {}
                Err(problem) => {
                    error!("{} stays in its log dir: {problem}", next.id);
                    self.give_up(&next);
                }
            }
        }
    }

    fn next_move(&self) -> Option<Arc<Move>> {
        let state = self.moves.state();
        state.running.values().find(|running| running.target.is_writable()).cloned()
    }

    fn forget(&self, over: &Arc<Move>) {
        let mut state = self.moves.state();
        // Another one may have been asked for.
        if state.running.get(&over.id).is_some_and(|running| Arc::ptr_eq(running, over)) {
            state.running.remove(&over.id);
        }
    }

    /// A copy into a dir that failed is left there, for when the dir is well again.
    fn give_up(&self, failed: &Move) {
        if failed.target.is_writable() {
            remove(failed.cancel());
        } else {
            *failed.copy() = Stage::Over;
        }
    }

    fn carry_out(
        &self,
        this: &Move,
        now_ms: &dyn Fn() -> i64,
        stopping: &dyn Fn() -> bool,
    ) -> Result<Outcome, CopyError> {
        let Some(partition) = self.get(&this.id.topic, this.id.partition) else {
            remove(this.cancel());
            return Ok(Outcome::Over);
        };
        loop {
            if stopping() {
                return Ok(Outcome::Stopped);
            }
            let mut stage = this.copy();
            let done = match &mut *stage {
                Stage::Over => return Ok(Outcome::Over),
                Stage::Left { folder, source_end } => {
                    let (folder, end) = (folder.clone(), *source_end);
                    let future = open_left(this, &partition, folder, end, now_ms())?;
                    *stage = Stage::Open(Box::new(future));
                    continue;
                }
                Stage::Open(future) => {
                    let copied = copy_piece(&partition, future, now_ms());
                    this.note(future);
                    !self.told(this, &partition, copied)?
                }
            };
            if done && let Stage::Open(future) = std::mem::replace(&mut *stage, Stage::Over) {
                let switched = switch(&partition, *future, &this.target, now_ms());
                return self.told(this, &partition, switched);
            }
        }
    }

    /// Has the dir that an error is of take note of it.
    fn told<T>(
        &self,
        this: &Move,
        partition: &Arc<Partition>,
        result: Result<T, CopyError>,
    ) -> Result<T, CopyError> {
        match &result {
            Err(CopyError::Read(ReadError::Storage(problem))) => {
                self.storage_failed(partition, problem);
            }
            Err(problem) => {
                if let Some(problem) = storage_error(problem) {
                    self.dir_failed(&this.target, problem);
                }
            }
            Ok(_) => {}
        }
        result
    }
}

/// The error of the target's disk that is behind one of a copy.
fn storage_error(problem: &CopyError) -> Option<&StorageError> {
    match problem {
        CopyError::Storage(problem)
        | CopyError::Open(OpenError::Storage(problem))
        | CopyError::Append(broker_log::AppendError::Storage(problem))
        | CopyError::Trim(broker_log::TrimError::Storage(problem)) => Some(problem),
        CopyError::Read(_) | CopyError::Open(_) | CopyError::Append(_) | CopyError::Trim(_) => None,
    }
}

fn open_left(
    this: &Move,
    partition: &Arc<Partition>,
    folder: PathBuf,
    source_end: i64,
    now_ms: i64,
) -> Result<FutureLog, CopyError> {
    let location = Location {
        log_dir: this.target.path().to_owned(),
        topic_partition: this.id.clone(),
        topic_id: partition.topic_id,
    };
    // A partition that is gone is noticed by the next piece.
    let config = partition.with_log(|log| log.config().clone()).unwrap_or_default();
    let store = this.target.store().clone();
    let mut future = FutureLog::open(store, location, folder, config, now_ms)?;
    // Behind this, the partition may have other records than the copy.
    future.cut(source_end, now_ms)?;
    Ok(future)
}

/// Copies the next piece; `false`: there is none.
fn copy_piece(
    partition: &Arc<Partition>,
    future: &mut FutureLog,
    now_ms: i64,
) -> Result<bool, CopyError> {
    let prepared = partition.with_log(|source| {
        future.align(source, now_ms)?;
        let request = future.next_read(source);
        let prepared = request.map(|request| source.prepare_read(request)).transpose()?;
        Ok::<_, CopyError>(prepared.flatten())
    });
    // Deleted: the next look at the copy finds it given up.
    let Ok(prepared) = prepared else { return Ok(false) };
    let mut prepared = prepared?;
    while let Some(read) = prepared.take() {
        match read.locate()? {
            Located::Slice(slice) => {
                let bytes = slice.read().map_err(ReadError::from)?;
                let copied = future.copy(Bytes::from(bytes), now_ms)?;
                return Ok(copied > 0);
            }
            Located::Nothing => return Ok(false),
            Located::Further(request) => {
                let further = partition.with_log(|source| source.prepare_read(request));
                prepared = further.unwrap_or(Ok(None))?;
            }
        }
    }
    Ok(false)
}

/// Makes the copy the partition, with the last records that came.
fn switch(
    partition: &Arc<Partition>,
    mut future: FutureLog,
    target: &Arc<DataDir>,
    now_ms: i64,
) -> Result<Outcome, CopyError> {
    // What takes long is done before the partition is held up.
    future.flush(now_ms)?;
    let folder = future.dir().to_owned();
    let switched = partition.relocate(target, |source| {
        future.align(source, now_ms)?;
        while let Some(request) = future.next_read(source) {
            let Some(slice) = source.read(request)? else { break };
            let bytes = slice.read().map_err(ReadError::from)?;
            if future.copy(Bytes::from(bytes), now_ms)? == 0 {
                break;
            }
        }
        future.promote(source, now_ms)
    });
    match switched {
        Ok(Some(old)) => Ok(Outcome::Moved(Box::new(old))),
        Ok(None) => {
            remove_folder(target, &folder);
            Ok(Outcome::Over)
        }
        Err(problem) => {
            remove_folder(target, &folder);
            Err(problem)
        }
    }
}

impl Partition {
    /// Puts the log that `make` makes of the present one, in another dir, in its place; returns the
    /// old one. `None`: the partition is gone.
    fn relocate(
        self: &Arc<Self>,
        to: &Arc<DataDir>,
        make: impl FnOnce(&mut Log) -> Result<Log, CopyError>,
    ) -> Result<Option<Log>, CopyError> {
        let mut held = self.lock();
        if self.held.is_poisoned() {
            // What a panic left half changed is no source, and is read anew first.
            let source = std::io::Error::other("a panic may have left it half changed");
            let path = self.dir().path().join(self.id.folder());
            return Err(StorageError { operation: "move", path, source }.into());
        }
        let Some(part) = held.as_mut() else { return Ok(None) };
        let mut fresh = make(&mut part.log)?;
        let synced_to = fresh.recovery_point();
        let mut effects = Effects::default();
        fresh.set_high_watermark(part.log.high_watermark());
        if let Some(epoch) = part.log.latest_epoch()
            && fresh.latest_epoch() != Some(epoch)
        {
            fresh.assign_epoch(epoch);
        }
        let old = std::mem::replace(&mut part.log, fresh);
        *write_whole(&self.dir) = to.clone();
        self.on_log_moved(part, &mut effects);
        effects.note_moved();
        drop(held);
        self.sync_waits.reached(synced_to);
        self.settle(effects);
        Ok(Some(old))
    }
}

fn remove(files: Option<RemovedFiles>) {
    if let Some(Err(problem)) = files.map(RemovedFiles::remove) {
        warn!("a copy that was given up stays: {problem}");
    }
}

fn remove_folder(dir: &DataDir, folder: &Path) {
    match dir.store().remove_dir_all(folder) {
        Err(problem) if problem.kind() != std::io::ErrorKind::NotFound => {
            warn!("{}, a copy that was given up, stays: {problem}", folder.display());
        }
        _ => {}
    }
}
