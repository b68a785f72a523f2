//! One partition that this broker leads: its log, how far it may be read, and who waits for it.

mod appends;
mod checkpoints;
mod cleaned;
mod data_dir;
mod loading;
mod moves;
mod parallel;
mod range;
mod registry;
mod revival;
mod sync;
mod times;
mod waiters;

use std::ops::RangeInclusive;
use std::sync::atomic::{AtomicI32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, RwLock};
use std::time::Duration;

use broker_log::{
    AbortedSearch, AbortedTransaction, AppendError, Appended, Cause, EpochEnd, LeaderAppend,
    Located, Log, LogConfig, Origin, PreparedRead, ReadError, ReadRequest, StorageError,
    TopicPartition,
};
use bytes::Bytes;
use protocol::record::Codec;
use thiserror::Error;
use tokio::time::Instant;
use uuid::Uuid;

use self::appends::Appends;
pub use self::appends::Submitted;
pub use self::data_dir::{DataDir, DirState, Turn};
pub use self::moves::MoveError;
pub use self::range::RecordRange;
pub use self::registry::Partitions;
pub use self::revival::{ReopenError, as_after_a_crash, reopen_log};
pub use self::sync::SyncError;
use self::sync::{FlushTurn, SyncWaits};
pub use self::waiters::{Waiters, Wake};
use crate::flusher::Flusher;
use crate::lock::{read_whole, write_whole};
use crate::off_sockets::off_sockets;

/// What a reader may see.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Isolation {
    /// All that is replicated.
    ReadUncommitted,
    /// Nothing from the first open transaction on.
    ReadCommitted,
}

impl Isolation {
    pub fn from_wire(level: i8) -> Self {
        if level == 1 { Isolation::ReadCommitted } else { Isolation::ReadUncommitted }
    }
}

/// Why a partition can't be asked this way.
#[derive(Debug, Error)]
pub enum LeadershipError {
    #[error("the partition is no longer on this broker")]
    Gone,
    #[error("the partition's log dir can't be used, or its log could not be opened")]
    Offline,
    #[error("leader epoch {given} is older than {current}")]
    FencedEpoch { given: i32, current: i32 },
    #[error("leader epoch {given} is newer than {current}, which is the last this broker knows")]
    UnknownEpoch { given: i32, current: i32 },
}

/// Why nothing was appended.
#[derive(Debug, Error)]
pub enum ProduceError {
    #[error(transparent)]
    Leadership(#[from] LeadershipError),
    #[error(transparent)]
    Append(#[from] AppendError),
    #[error("the partition takes no records: {reason}")]
    Offline { reason: Arc<str> },
}

/// Why nothing was read.
#[derive(Debug, Error)]
pub enum FetchError {
    #[error(transparent)]
    Leadership(#[from] LeadershipError),
    #[error(transparent)]
    Read(#[from] ReadError),
    #[error("epoch {epoch} is not in the log")]
    EpochNotFound { epoch: i32 },
}

/// What one reader asks of one partition.
#[derive(Clone, Copy, Debug)]
pub struct FetchSpec {
    pub offset: i64,
    pub max_bytes: usize,
    /// The first batch comes even where it is larger than `max_bytes`.
    pub min_one_batch: bool,
    pub isolation: Isolation,
    /// -1: not checked.
    pub current_leader_epoch: i32,
    /// -1: not checked for divergence.
    pub last_fetched_epoch: i32,
}

/// What a reader gets.
#[derive(Clone, Debug)]
pub struct Fetched {
    pub marks: Marks,
    pub records: Option<RecordRange>,
    /// Only for readers of committed records.
    pub aborted: Option<Vec<AbortedTransaction>>,
    /// Where the reader's log and this one part; then there are no records.
    pub diverging: Option<EpochEnd>,
}

/// What has to be looked for.
struct Prepared {
    read: PreparedRead,
    /// The log dir that it is in.
    dir: Arc<DataDir>,
    /// Only for readers of committed records.
    aborted: Option<AbortedSearch>,
}

/// The offsets that bound what is readable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Marks {
    pub log_start_offset: i64,
    pub high_watermark: i64,
    pub last_stable_offset: i64,
    pub log_end_offset: i64,
}

impl Marks {
    fn of(log: &Log) -> Self {
        Self {
            log_start_offset: log.log_start_offset(),
            high_watermark: log.high_watermark(),
            last_stable_offset: log.last_stable_offset(),
            log_end_offset: log.log_end_offset(),
        }
    }

    /// The first offset that a reader may not see.
    pub fn upper_bound(&self, isolation: Isolation) -> i64 {
        match isolation {
            Isolation::ReadUncommitted => self.high_watermark,
            Isolation::ReadCommitted => self.last_stable_offset,
        }
    }
}

/// What a topic's settings ask of a produce request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProduceRules {
    pub compacted: bool,
    /// What batches are stored in; `None`: in what their producer chose.
    pub compression: Option<Codec>,
    pub max_message_bytes: u32,
    pub min_insync_replicas: i32,
    /// `None`: the times of records are those of their append.
    pub time_bounds: Option<TimeBounds>,
}

/// How far from now the time of a record may lie: `message.timestamp.before.max.ms` and
/// `.after.max.ms`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimeBounds {
    pub before_max_ms: i64,
    pub after_max_ms: i64,
}

impl TimeBounds {
    pub fn around(self, now_ms: i64) -> RangeInclusive<i64> {
        now_ms.saturating_sub(self.before_max_ms)..=now_ms.saturating_add(self.after_max_ms)
    }
}

/// A partition with its log open.
#[derive(Debug)]
pub struct Partition {
    pub id: TopicPartition,
    pub topic_id: Uuid,
    /// The log dir that it lies in. A std lock: held to copy the pointer out or in.
    dir: RwLock<Arc<DataDir>>,
    leader_epoch: AtomicI32,
    /// A std lock: held to copy the rules out or in.
    rules: RwLock<ProduceRules>,
    /// A std mutex: under it files of the page cache are written and read, but nothing awaits.
    /// `None` once the partition was taken off this broker. A panic under it fails the log dir.
    log: Mutex<Option<Log>>,
    appends: Appends,
    waiters: Arc<Waiters>,
    sync_waits: SyncWaits,
    /// Turns in the flusher's two lists.
    pub flush_turn: FlushTurn,
    pub later_turn: FlushTurn,
}

impl Partition {
    pub fn new(log: Log, dir: Arc<DataDir>, leader_epoch: i32, rules: ProduceRules) -> Self {
        Self {
            id: log.topic_partition().clone(),
            topic_id: log.topic_id(),
            dir: RwLock::new(dir),
            leader_epoch: AtomicI32::new(leader_epoch),
            rules: RwLock::new(rules),
            log: Mutex::new(Some(log)),
            appends: Appends::default(),
            waiters: Arc::new(Waiters::default()),
            sync_waits: SyncWaits::default(),
            flush_turn: FlushTurn::default(),
            later_turn: FlushTurn::default(),
        }
    }

    /// The log dir that it lies in now.
    pub fn dir(&self) -> Arc<DataDir> {
        read_whole(&self.dir).clone()
    }

    /// Lets a write through where the log dir takes any.
    fn admit(&self) -> Result<(), Arc<str>> {
        let dir = read_whole(&self.dir);
        dir.admit()
    }

    /// To be told of each error of storage that somebody meets at this partition.
    pub fn storage_failed(&self, problem: &StorageError) {
        self.dir().storage_failed(problem);
    }

    pub fn leader_epoch(&self) -> i32 {
        self.leader_epoch.load(Ordering::SeqCst)
    }

    pub fn rules(&self) -> ProduceRules {
        *read_whole(&self.rules)
    }

    /// Takes over a topic's new settings.
    pub fn reconfigure(&self, rules: ProduceRules, config: Arc<LogConfig>) {
        *write_whole(&self.rules) = rules;
        // A partition that is gone needs no settings.
        let _ = self.with_log(|log| log.update_config(config));
    }

    /// A client's idea of the leader epoch, -1 for none, must be this broker's.
    pub fn check_epoch(&self, given: i32) -> Result<(), LeadershipError> {
        let current = self.leader_epoch();
        match given {
            -1 => Ok(()),
            given if given < current => Err(LeadershipError::FencedEpoch { given, current }),
            given if given > current => Err(LeadershipError::UnknownEpoch { given, current }),
            _ => Ok(()),
        }
    }

    /// Takes the partition's part in a new leader epoch.
    pub fn lead(&self, leader_epoch: i32) -> Result<(), LeadershipError> {
        self.with_log(|log| {
            if self.leader_epoch.swap(leader_epoch, Ordering::SeqCst) != leader_epoch {
                log.assign_epoch(leader_epoch);
            }
        })
    }

    /// Appends validated batches, wakes whoever waits for them, and has them synced where the topic
    /// demands that. Before the append is acknowledged the caller waits with
    /// [`Self::wait_until_synced`] for [`Appended::sync_to`], and with
    /// [`Self::wait_for_high_watermark`] if the client wants all replicas to have it.
    pub fn append(
        self: &Arc<Self>,
        records: Bytes,
        origin: Origin,
        now_ms: i64,
        flusher: &Flusher,
    ) -> Result<Appended, ProduceError> {
        let append = LeaderAppend { leader_epoch: self.leader_epoch(), origin, now_ms };
        let answers = self.append_to(&mut self.lock(), &[(records, append)]);
        let answer = self.announced(answers, flusher).pop();
        answer.unwrap_or_else(|| Err(LeadershipError::Gone.into()))
    }

    /// Appends each of them as if it were alone, in as few writes as may be.
    fn append_to(
        &self,
        log: &mut Option<Log>,
        appends: &[(Bytes, LeaderAppend)],
    ) -> Vec<Result<Appended, ProduceError>> {
        let refused =
            |problem: &dyn Fn() -> ProduceError| appends.iter().map(|_| Err(problem())).collect();
        if let Err(reason) = self.admit() {
            return refused(&|| ProduceError::Offline { reason: reason.clone() });
        }
        let Some(log) = log else {
            return refused(&|| LeadershipError::Gone.into());
        };
        let appended = log.append_group_as_leader(appends);
        advance_high_watermark(log);
        appended.into_iter().map(|appended| Ok(appended?)).collect()
    }

    /// Tells whoever waits for it, or has to do something about it, what was appended.
    fn announced(
        self: &Arc<Self>,
        answers: Vec<Result<Appended, ProduceError>>,
        flusher: &Flusher,
    ) -> Vec<Result<Appended, ProduceError>> {
        let (mut grown, mut to_sync, mut rolled) = (false, false, false);
        for answer in &answers {
            match answer {
                Ok(appended) => {
                    grown = true;
                    to_sync |= appended.sync_to.is_some();
                    rolled |= appended.rolled;
                }
                Err(ProduceError::Append(AppendError::Storage(problem))) => {
                    self.storage_failed(problem);
                }
                Err(_) => {}
            }
        }
        if to_sync {
            self.sync_waits.expect();
            flusher.urge(self);
        } else if grown {
            self.waiters.wake();
        }
        if rolled {
            flusher.request(self);
        }
        answers
    }

    /// Waits until all below an offset is synced. The disk alone decides how long that takes.
    pub async fn wait_until_synced(&self, offset: i64) -> Result<(), SyncError> {
        self.sync_waits.wait_for(offset).await
    }

    /// Syncs what is not synced yet: `all` of it, or only segments that are full unless `flush.ms`
    /// are over. Tells who waits for it. Blocks, but not under the partition's lock.
    pub fn flush(&self, all: bool, now_ms: i64) -> Result<(), StorageError> {
        let prepared = self.with_log(|log| {
            let all = all || log.flush_is_due(now_ms);
            log.prepare_flush(if all { log.log_end_offset() } else { log.active_base_offset() })
        });
        let flush = match prepared {
            // Gone, or nothing to do.
            Err(_) | Ok(Ok(None)) => return Ok(()),
            Ok(flush) => flush?,
        };
        let Some(flush) = flush else { return Ok(()) };
        let outcome = flush.run();
        let finished = self.with_log(|log| {
            log.finish_flush(outcome, now_ms)?;
            advance_high_watermark(log);
            Ok::<_, StorageError>(log.recovery_point())
        });
        // Gone meanwhile: there is nothing left to note.
        let Ok(finished) = finished else { return Ok(()) };
        self.sync_waits.reached(finished?);
        self.waiters.wake();
        Ok(())
    }

    /// Whether an append still waits for a sync.
    pub fn wants_sync(&self) -> bool {
        let demanded = self.with_log(|log| log.sync_demanded().is_some());
        self.dir().is_writable() && demanded.unwrap_or(false)
    }

    /// A flush failed: whoever waits for one is told.
    pub fn flush_failed(&self, problem: &StorageError) {
        self.sync_waits.refuse(&SyncError::Storage(problem.to_string().into()));
    }

    /// Tells all who wait for a sync that none will come, until the log dir is well again.
    pub fn fail(&self, reason: &Arc<str>) {
        self.sync_waits.end(&SyncError::Storage(reason.clone()));
    }

    /// The log dir is well again: syncs may be waited for.
    pub fn resume(&self) {
        self.sync_waits.resume();
    }

    /// Waits until all replicas in sync have everything below `offset`; `false` if that did not
    /// happen in time.
    pub async fn wait_for_high_watermark(
        &self,
        offset: i64,
        timeout: Duration,
    ) -> Result<bool, LeadershipError> {
        let moves = self.waiters.moves();
        if self.marks()?.high_watermark >= offset {
            return Ok(true);
        }
        let deadline = Instant::now() + timeout;
        let wake = Arc::new(Wake::default());
        let _parked = self.waiters.park(&wake, 0, moves);
        loop {
            if tokio::time::timeout_at(deadline, wake.moved()).await.is_err() {
                return Ok(false);
            }
            if self.marks()?.high_watermark >= offset {
                return Ok(true);
            }
        }
    }

    pub fn marks(&self) -> Result<Marks, LeadershipError> {
        self.with_log(|log| Marks::of(log))
    }

    /// Reads as a client: up to the high watermark or the last stable offset. Where the records
    /// lie is looked up without the lock, so that a read of old ones holds up no append.
    pub fn fetch(&self, spec: FetchSpec) -> Result<Fetched, FetchError> {
        self.try_fetch(spec).inspect_err(|problem| {
            if let FetchError::Read(ReadError::Storage(problem)) = problem {
                self.storage_failed(problem);
            }
        })
    }

    fn try_fetch(&self, spec: FetchSpec) -> Result<Fetched, FetchError> {
        self.check_epoch(spec.current_leader_epoch)?;
        let mut offset = spec.offset;
        loop {
            let (mut fetched, prepared) = self.prepare_fetch(spec, offset)?;
            // A response that is full tells of the other partitions only how far they go.
            let prepared = prepared.filter(|_| spec.max_bytes > 0 || spec.min_one_batch);
            let Some(Prepared { read, dir, aborted }) = prepared else { return Ok(fetched) };
            match locate(&read)? {
                Located::Nothing => {}
                Located::Slice(slice) => {
                    fetched.records = Some(RecordRange::new(slice, dir));
                    fetched.aborted = aborted.map(|search| find_aborted(&search)).transpose()?;
                }
                Located::Further(further) => {
                    offset = further.offset;
                    continue;
                }
            }
            return Ok(fetched);
        }
    }

    /// The part of a fetch that needs the log.
    fn prepare_fetch(
        &self,
        spec: FetchSpec,
        offset: i64,
    ) -> Result<(Fetched, Option<Prepared>), FetchError> {
        let log = self.lock();
        let log = log.as_ref().ok_or(LeadershipError::Gone)?;
        let marks = Marks::of(log);
        let is_committed = spec.isolation == Isolation::ReadCommitted;
        let aborted = is_committed.then(Vec::new);
        let fetched = Fetched { marks, records: None, aborted, diverging: None };
        if let Some(diverging) = divergence(log, spec)? {
            return Ok((Fetched { diverging: Some(diverging), aborted: None, ..fetched }, None));
        }
        let upper_bound = marks.upper_bound(spec.isolation);
        let read = log.prepare_read(ReadRequest {
            offset,
            max_bytes: spec.max_bytes,
            upper_bound,
            min_one_batch: spec.min_one_batch,
        })?;
        let Some(read) = read else { return Ok((fetched, None)) };
        let search = || log.prepare_aborted(spec.offset, upper_bound);
        let aborted = is_committed.then(search).transpose()?;
        Ok((fetched, Some(Prepared { read, dir: self.dir(), aborted })))
    }

    /// Runs something short on the log.
    pub fn with_log<T>(&self, run: impl FnOnce(&mut Log) -> T) -> Result<T, LeadershipError> {
        self.lock().as_mut().map(run).ok_or(LeadershipError::Gone)
    }

    /// Takes the log out; from now on the partition is gone, and all who wait learn it.
    pub fn take_log(&self) -> Option<Log> {
        let log = self.lock().take();
        self.waiters.wake();
        self.sync_waits.end(&SyncError::Gone);
        log
    }

    /// Who waits for the partition to move.
    pub fn waiters(&self) -> &Arc<Waiters> {
        &self.waiters
    }

    /// The log. A thread that panicked while it held it may have written what it did not note, or
    /// noted a part of it: then the log dir fails, as after an error of the disk, nothing is
    /// appended, and the log is read anew from its files.
    fn lock(&self) -> MutexGuard<'_, Option<Log>> {
        self.log.lock().unwrap_or_else(|poisoned| {
            let problem = format!("a panic may have left the log of {} half changed", self.id);
            self.dir().fail(Cause::Disk, &problem);
            poisoned.into_inner()
        })
    }

    /// Puts a log that was read from its files in the place of the one that is there.
    fn replace(&self, held: &mut Log, fresh: Log) {
        *held = fresh;
        self.log.clear_poison();
    }
}

/// Where the records of a read lie. Looking that up in files that are not in memory is no work for
/// a thread that serves sockets.
fn locate(read: &PreparedRead) -> Result<Located, ReadError> {
    match read.locate_cached()? {
        Some(located) => Ok(located),
        None => off_sockets(|| read.locate()),
    }
}

/// The aborted transactions among what is read; their files may have to be read first.
fn find_aborted(search: &AbortedSearch) -> Result<Vec<AbortedTransaction>, ReadError> {
    if search.is_empty() { Ok(Vec::new()) } else { off_sockets(|| search.find()) }
}

/// Moves the high watermark as far as all replicas in sync are: with one replica, to the end of
/// what is as safe as the topic wants it.
fn advance_high_watermark(log: &mut Log) {
    let end = log.safe_end_offset().max(log.high_watermark());
    log.set_high_watermark(end);
}

/// Where the log of a reader, whose last record was of `last_fetched_epoch`, parts from this one.
fn divergence(log: &Log, spec: FetchSpec) -> Result<Option<EpochEnd>, FetchError> {
    let epoch = spec.last_fetched_epoch;
    if epoch < 0 {
        return Ok(None);
    }
    let end = log.epoch_end_offset(epoch);
    if end.leader_epoch < 0 || end.end_offset < 0 {
        return Err(FetchError::EpochNotFound { epoch });
    }
    let parts = end.leader_epoch < epoch || end.end_offset < spec.offset;
    Ok(parts.then_some(end))
}
