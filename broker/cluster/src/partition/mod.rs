//! The partitions on this node: their logs, what part this node has in them, how far they may be
//! read, and who waits for them.

mod appends;
mod checkpoints;
mod cleaned;
mod committed;
mod data_dir;
mod following;
mod loading;
mod moves;
mod parallel;
mod range;
mod reads;
mod registry;
mod revival;
mod roles;
mod surroundings;
mod sync;
mod times;
mod waiters;

use std::ops::RangeInclusive;
use std::sync::{Arc, Mutex, MutexGuard, RwLock};

use broker_log::{
    AppendError, Cause, Log, LogConfig, ReadError, StorageError, TopicPartition, TrimError,
};
use protocol::record::Codec;
use thiserror::Error;
use uuid::Uuid;

use self::appends::Appends;
pub use self::appends::{Acks, Submitted, Written};
use self::committed::CommitWaits;
pub use self::committed::UncommittedError;
pub use self::data_dir::{DataDir, DirState, Turn};
pub use self::following::{FollowError, FollowedTo};
pub use self::moves::MoveError;
pub use self::range::RecordRange;
pub use self::reads::{FetchSpec, Fetched, FollowerReader, Reader};
pub use self::registry::Partitions;
pub use self::revival::{ReopenError, as_after_a_crash, reopen_log};
use self::roles::Held;
pub use self::surroundings::{ReplicaEvent, Surroundings};
pub use self::sync::SyncError;
use self::sync::{FlushTurn, SyncWaits};
pub use self::waiters::{Waiters, Wake};
use crate::lock::{read_whole, write_whole};
use crate::replica::{FetchRefusal, LeaderSettings, NotEnoughReplicas};

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
    #[error("this broker does not lead the partition")]
    NotLeader,
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
    #[error(transparent)]
    TooFew(#[from] NotEnoughReplicas),
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
    #[error(transparent)]
    Follower(FetchRefusal),
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
    surroundings: Arc<Surroundings>,
    /// A std lock: held to copy the rules out or in.
    rules: RwLock<ProduceRules>,
    /// A std mutex: under it files of the page cache are written and read, but nothing awaits.
    /// `None` once the partition was taken off this broker. A panic under it fails the log dir.
    held: Mutex<Option<Held>>,
    appends: Appends,
    commits: CommitWaits,
    /// Clients that wait for records that are committed.
    waiters: Arc<Waiters>,
    /// Followers that wait for records.
    replica_waiters: Arc<Waiters>,
    sync_waits: SyncWaits,
    /// Turns in the flusher's two lists.
    pub flush_turn: FlushTurn,
    pub later_turn: FlushTurn,
}

impl Partition {
    /// A partition that has no part yet: the metadata gives it one.
    pub fn new(
        log: Log,
        dir: Arc<DataDir>,
        rules: ProduceRules,
        surroundings: Arc<Surroundings>,
    ) -> Self {
        let settings = leader_settings(rules, &surroundings);
        let (id, topic_id) = (log.topic_partition().clone(), log.topic_id());
        let held = Held::new(log, surroundings.node_id, settings);
        Self {
            id,
            topic_id,
            dir: RwLock::new(dir),
            surroundings,
            rules: RwLock::new(rules),
            held: Mutex::new(Some(held)),
            appends: Appends::default(),
            commits: CommitWaits::default(),
            waiters: Arc::new(Waiters::default()),
            replica_waiters: Arc::new(Waiters::default()),
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

    pub fn rules(&self) -> ProduceRules {
        *read_whole(&self.rules)
    }

    /// Takes over a topic's new settings.
    pub fn reconfigure(self: &Arc<Self>, rules: ProduceRules, config: Arc<LogConfig>) {
        *write_whole(&self.rules) = rules;
        // A partition that is gone needs no settings.
        let _ = self.with_log(|log| log.update_config(config));
        self.take_settings(leader_settings(rules, &self.surroundings));
    }

    /// Waits until all below an offset is synced. The disk alone decides how long that takes.
    pub async fn wait_until_synced(&self, offset: i64) -> Result<(), SyncError> {
        self.sync_waits.wait_for(offset).await
    }

    /// Syncs what is not synced yet: `all` of it, or only segments that are full unless `flush.ms`
    /// are over. Tells who waits for it. Blocks, but not under the partition's lock.
    pub fn flush(self: &Arc<Self>, all: bool, now_ms: i64) -> Result<(), StorageError> {
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
        let finished = self.with_held(|held, effects| {
            held.log.finish_flush(outcome, now_ms)?;
            self.on_log_moved(held, effects);
            Ok::<_, StorageError>(held.log.recovery_point())
        });
        // Gone meanwhile: there is nothing left to note.
        let Ok(finished) = finished else { return Ok(()) };
        self.sync_waits.reached(finished?);
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
    pub fn fail(self: &Arc<Self>, reason: &Arc<str>) {
        self.on_log_failed();
        self.sync_waits.end(&SyncError::Storage(reason.clone()));
    }

    /// The log dir is well again: syncs may be waited for.
    pub fn resume(self: &Arc<Self>) {
        self.sync_waits.resume();
        self.on_log_back();
    }

    pub fn marks(&self) -> Result<Marks, LeadershipError> {
        self.with_log(|log| Marks::of(log))
    }

    /// Runs something short on the log.
    pub fn with_log<T>(&self, run: impl FnOnce(&mut Log) -> T) -> Result<T, LeadershipError> {
        self.lock().as_mut().map(|held| run(&mut held.log)).ok_or(LeadershipError::Gone)
    }

    /// DeleteRecords: moves the log's start up to an offset; returns the start.
    pub fn delete_records_before(
        self: &Arc<Self>,
        offset: i64,
    ) -> Result<Result<i64, TrimError>, LeadershipError> {
        self.with_held(|held, effects| {
            let start = held.log.delete_records_before(offset)?;
            let at = self.surroundings.now();
            let moved = held.replica.leader_mut().map(|leader| leader.on_log_start(start, at));
            held.act_as_leader(moved.unwrap_or_default(), effects);
            Ok(start)
        })
    }

    /// Takes the log out; from now on the partition is gone, and all who wait learn it.
    pub fn take_log(self: &Arc<Self>) -> Option<Log> {
        let log = self.lock().take().map(|held| held.log);
        self.commits.close();
        self.waiters.wake();
        self.replica_waiters.wake();
        self.sync_waits.end(&SyncError::Gone);
        let partition = self.clone();
        self.surroundings.say(ReplicaEvent::Unfollow { partition });
        log
    }

    /// Clients that wait for the partition to move.
    pub fn waiters(&self) -> &Arc<Waiters> {
        &self.waiters
    }

    /// Followers that wait for it to move.
    pub fn replica_waiters(&self) -> &Arc<Waiters> {
        &self.replica_waiters
    }

    /// The log. A thread that panicked while it held it may have written what it did not note, or
    /// noted a part of it: then the log dir fails, as after an error of the disk, nothing is
    /// appended, and the log is read anew from its files.
    fn lock(&self) -> MutexGuard<'_, Option<Held>> {
        self.held.lock().unwrap_or_else(|poisoned| {
            let problem = format!("a panic may have left the log of {} half changed", self.id);
            self.dir().fail(Cause::Disk, &problem);
            poisoned.into_inner()
        })
    }

    /// Puts a log that was read from its files in the place of the one that is there.
    fn replace(&self, held: &mut Log, fresh: Log) {
        *held = fresh;
        self.held.clear_poison();
    }
}

fn leader_settings(rules: ProduceRules, surroundings: &Surroundings) -> LeaderSettings {
    LeaderSettings {
        min_insync_replicas: rules.min_insync_replicas,
        lag_time_max_ms: surroundings.lag_time_max_ms,
    }
}
