//! Reads: as a client, up to what is committed, or as a follower, to the end of the log.

use std::sync::Arc;

use broker_log::{
    AbortedSearch, AbortedTransaction, EpochEnd, Located, Log, PreparedRead, ReadError, ReadRequest,
};

use super::roles::{Effects, Held, check_epoch};
use super::{DataDir, FetchError, Isolation, LeadershipError, Marks, Partition, RecordRange};
use crate::off_sockets::off_sockets;
use crate::replica::{FetchRefusal, ReplicaFetch, Role};

/// What one reader asks of one partition.
#[derive(Clone, Copy, Debug)]
pub struct FetchSpec {
    pub offset: i64,
    pub max_bytes: usize,
    /// The first batch comes even where it is larger than `max_bytes`.
    pub min_one_batch: bool,
    /// -1: not checked.
    pub current_leader_epoch: i32,
    /// -1: not checked for divergence.
    pub last_fetched_epoch: i32,
    pub reader: Reader,
}

/// Who reads.
#[derive(Clone, Copy, Debug)]
pub enum Reader {
    Client {
        isolation: Isolation,
        /// Also a follower may be read from (KIP-392).
        any_replica: bool,
    },
    Follower(FollowerReader),
}

/// A broker that follows.
#[derive(Clone, Copy, Debug)]
pub struct FollowerReader {
    pub node: i32,
    /// -1: it does not say.
    pub broker_epoch: i64,
    pub log_start_offset: i64,
    /// What it knows as committed (KIP-1166); the largest offset: it does not say.
    pub high_watermark: i64,
    /// Its position was noted when this fetch was looked at before.
    pub is_noted: bool,
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
    /// The high watermark is news for a follower, which waits for nothing then.
    pub is_news: bool,
}

/// What has to be looked for.
struct Prepared {
    read: PreparedRead,
    /// The log dir that it is in.
    dir: Arc<DataDir>,
    /// Only for readers of committed records.
    aborted: Option<AbortedSearch>,
}

impl Partition {
    /// Reads, and notes how far a follower has come. Where the records lie is looked up without the
    /// lock, so that a read of old ones holds up no append.
    pub fn fetch(self: &Arc<Self>, spec: FetchSpec) -> Result<Fetched, FetchError> {
        self.try_fetch(spec).inspect_err(|problem| {
            if let FetchError::Read(ReadError::Storage(problem)) = problem {
                self.storage_failed(problem);
            }
        })
    }

    fn try_fetch(self: &Arc<Self>, spec: FetchSpec) -> Result<Fetched, FetchError> {
        let mut spec = spec;
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
                    if let Reader::Follower(follower) = &mut spec.reader {
                        follower.is_noted = true;
                    }
                    continue;
                }
            }
            return Ok(fetched);
        }
    }

    /// The part of a fetch that needs the log.
    fn prepare_fetch(
        self: &Arc<Self>,
        spec: FetchSpec,
        offset: i64,
    ) -> Result<(Fetched, Option<Prepared>), FetchError> {
        match spec.reader {
            Reader::Client { isolation, any_replica } => {
                let held = self.lock();
                let held = held.as_ref().ok_or(LeadershipError::Gone)?;
                check_epoch(held.leader_epoch(), spec.current_leader_epoch)?;
                match held.replica.role() {
                    Role::Leader(_) => {}
                    Role::Follower(_) if any_replica => {}
                    Role::Follower(_) => return Err(LeadershipError::NotLeader.into()),
                    Role::Offline => return Err(LeadershipError::Offline.into()),
                }
                self.prepare_client(&held.log, spec, isolation, offset)
            }
            Reader::Follower(follower) => self
                .with_held(|held, effects| {
                    self.prepare_follower(held, effects, spec, follower, offset)
                })
                .map_err(FetchError::from)?,
        }
    }

    fn prepare_client(
        &self,
        log: &Log,
        spec: FetchSpec,
        isolation: Isolation,
        offset: i64,
    ) -> Result<(Fetched, Option<Prepared>), FetchError> {
        let marks = Marks::of(log);
        let is_committed = isolation == Isolation::ReadCommitted;
        let aborted = is_committed.then(Vec::new);
        let fetched = Fetched { marks, records: None, aborted, diverging: None, is_news: false };
        if let Some(diverging) = divergence(log, spec)? {
            return Ok((Fetched { diverging: Some(diverging), aborted: None, ..fetched }, None));
        }
        let upper_bound = marks.upper_bound(isolation);
        let Some(read) = self.prepare_read(log, spec, offset, upper_bound)? else {
            return Ok((fetched, None));
        };
        let search = || log.prepare_aborted(spec.offset, upper_bound);
        let aborted = is_committed.then(search).transpose()?;
        Ok((fetched, Some(Prepared { read, dir: self.dir(), aborted })))
    }

    fn prepare_follower(
        &self,
        held: &mut Held,
        effects: &mut Effects,
        spec: FetchSpec,
        follower: FollowerReader,
        offset: i64,
    ) -> Result<(Fetched, Option<Prepared>), FetchError> {
        let Held { log, replica } = &mut *held;
        if matches!(replica.role(), Role::Offline) {
            return Err(LeadershipError::Offline.into());
        }
        let known = replica.image().map_or(-1, |image| image.leader_epoch);
        let Some(leader) = replica.leader_mut() else {
            check_epoch(known, spec.current_leader_epoch)?;
            return Err(LeadershipError::NotLeader.into());
        };
        leader.check_epoch(spec.current_leader_epoch)?;
        let mut diverging = None;
        if !follower.is_noted {
            let fetch = ReplicaFetch {
                node: follower.node,
                broker_epoch: follower.broker_epoch,
                current_leader_epoch: spec.current_leader_epoch,
                fetch_offset: spec.offset,
                last_fetched_epoch: spec.last_fetched_epoch,
                log_start_offset: follower.log_start_offset,
            };
            let outcome = leader.on_fetch(&fetch, log, self.surroundings.now())?;
            diverging = outcome.diverging;
            held.act_as_leader(outcome.actions, effects);
        }
        let log = &held.log;
        let leader = held.replica.leader().ok_or(LeadershipError::NotLeader)?;
        let is_news = leader.has_news(spec.offset, follower.high_watermark);
        let marks = Marks::of(log);
        let fetched = Fetched { marks, records: None, aborted: None, diverging, is_news };
        if fetched.diverging.is_some() {
            return Ok((fetched, None));
        }
        let read = self.prepare_read(log, spec, offset, marks.log_end_offset)?;
        let prepared = read.map(|read| Prepared { read, dir: self.dir(), aborted: None });
        Ok((fetched, prepared))
    }

    fn prepare_read(
        &self,
        log: &Log,
        spec: FetchSpec,
        offset: i64,
        upper_bound: i64,
    ) -> Result<Option<PreparedRead>, FetchError> {
        Ok(log.prepare_read(ReadRequest {
            offset,
            max_bytes: spec.max_bytes,
            upper_bound,
            min_one_batch: spec.min_one_batch,
        })?)
    }
}

impl From<FetchRefusal> for FetchError {
    fn from(refusal: FetchRefusal) -> Self {
        match refusal {
            FetchRefusal::FencedEpoch { given, current } => {
                LeadershipError::FencedEpoch { given, current }.into()
            }
            FetchRefusal::UnknownEpoch { given, current } => {
                LeadershipError::UnknownEpoch { given, current }.into()
            }
            other => Self::Follower(other),
        }
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
