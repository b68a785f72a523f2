//! One shard with the requests that wait for it.

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use protocol::messages::join_group_response::JoinGroupResponse;
use protocol::messages::sync_group_response::SyncGroupResponse;
use protocol::record::Compression;
use tokio::sync::oneshot;
use tokio::task::AbortHandle;
use tokio::time::Instant;
use tracing::{error, info};

use super::{AppendError, Commit, Inner, Unavailable, batches};
use crate::limits::{PIECE_BYTES, UNCOMPRESSED_STEP_BYTES};
use crate::{Now, Outcome, Parked, Record, Shard, Ticket, Unity};

/// What a join or sync request waits for.
pub(super) type Answer<R> = oneshot::Receiver<Result<R, Unavailable>>;

pub(super) struct ShardCell {
    partition: i32,
    /// The leader epoch in which this broker leads the partition.
    epoch: i32,
    /// Nothing more is stepped, and nobody answered. Set under the lock of the state.
    over: AtomicBool,
    /// A std mutex: a step and its append to the page cache happen under it, nothing awaits.
    state: Mutex<State>,
}

struct State {
    shard: Shard,
    tickets: u64,
    joins: HashMap<Ticket, oneshot::Sender<Result<JoinGroupResponse, Unavailable>>>,
    syncs: HashMap<Ticket, oneshot::Sender<Result<SyncGroupResponse, Unavailable>>>,
    /// Appends that are not committed yet, in their order; a task sees them through while there are
    /// any. Bounded by the requests in flight, of which each connection has few.
    uncommitted: VecDeque<Uncommitted>,
    /// The task that sees them through.
    seeing: Option<AbortHandle>,
    /// How long a request waits for what it saw or did to be committed.
    patience: Duration,
}

/// A place in the order of the appends, and who waits for it. Who runs out of patience is told so;
/// the place stays until what was appended is committed: it may still come to that, and until then
/// nobody is to see it.
struct Uncommitted {
    /// `None`: it is committed as soon as all before it is.
    commit: Option<Commit>,
    deadline: Instant,
    replies: Vec<Parked>,
    waiting: Vec<oneshot::Sender<Result<(), AppendError>>>,
}

/// When what a request saw or did is committed.
pub(super) enum Committed {
    Already,
    After(oneshot::Receiver<Result<(), AppendError>>),
}

impl Committed {
    pub(super) async fn wait(self) -> Result<(), Unavailable> {
        match self {
            Committed::Already => Ok(()),
            Committed::After(done) => Ok(done.await.map_err(|_| Unavailable::Stopping)??),
        }
    }
}

impl ShardCell {
    pub(super) fn new(partition: i32, epoch: i32, shard: Shard, patience: Duration) -> Self {
        let state = State {
            shard,
            tickets: 0,
            joins: HashMap::new(),
            syncs: HashMap::new(),
            uncommitted: VecDeque::new(),
            seeing: None,
            patience,
        };
        Self { partition, epoch, over: AtomicBool::new(false), state: Mutex::new(state) }
    }

    /// The state. After a panic under the lock the shard may be other than its log says: whoever
    /// waits is answered with an error, and nothing more is appended.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(|poisoned| {
            let mut state = poisoned.into_inner();
            state.forget_waiting();
            state
        })
    }

    /// Whether a panic may have left the shard half changed: it is to be read anew from its log.
    pub(super) fn is_broken(&self) -> bool {
        self.state.is_poisoned()
    }

    fn has_ended(&self) -> bool {
        self.over.load(Ordering::SeqCst)
    }

    /// Whether nothing is answered here any more.
    pub(super) fn is_over(&self) -> bool {
        self.is_broken() || self.has_ended()
    }

    /// This broker leads the partition no longer, or in another leader epoch: all that waits here
    /// is told, and nothing is decided any more.
    pub(super) fn resign(&self) {
        let mut state = self.lock();
        self.over.store(true, Ordering::SeqCst);
        state.refuse_all(&Unavailable::NotCoordinator);
    }

    /// What requests to a broken shard are answered with; the next one has it read anew.
    pub(super) fn check(&self) -> Result<(), Unavailable> {
        if !self.is_broken() {
            return Ok(());
        }
        let reason = "a panic may have left them half changed, and they are read anew".to_owned();
        Err(Unavailable::Load { partition: self.partition, reason })
    }

    pub(super) fn next_deadline(&self) -> Option<i64> {
        self.lock().shard.next_deadline()
    }

    /// Answers all that is parked with an error, and nothing any more.
    pub(super) fn stop(&self) {
        let mut state = self.lock();
        self.over.store(true, Ordering::SeqCst);
        state.forget_waiting();
    }

    pub(super) fn read<R>(
        &self,
        read: impl FnOnce(&Shard) -> R,
    ) -> Result<(R, Committed), Unavailable> {
        let mut state = self.lock();
        self.check()?;
        if self.has_ended() {
            return Err(Unavailable::NotCoordinator);
        }
        let response = read(&state.shard);
        Ok((response, state.when_committed()))
    }

    /// Steps the shard, appends and replays its records, and answers whom the step answers. The
    /// records of a step are one batch, so that a log which is cut short has all of them or none. A
    /// step whose records the log refuses changes nothing that is persistent; its answers are
    /// errors.
    pub(super) fn step<R>(
        self: &Arc<Self>,
        inner: &Arc<Inner>,
        step: impl FnOnce(&mut Shard, Now) -> Outcome<R>,
    ) -> Result<(R, Committed), Unavailable> {
        let mut state = self.lock();
        let now = inner.now();
        let outcome = step(&mut state.shard, now);
        self.settle(&mut state, inner, now, outcome)
    }

    /// As [`ShardCell::step`], for a request that is answered by ticket.
    pub(super) fn park_join(
        self: &Arc<Self>,
        inner: &Arc<Inner>,
        step: impl FnOnce(&mut Shard, Now, Ticket) -> Outcome<()>,
    ) -> Answer<JoinGroupResponse> {
        let (sender, answer) = oneshot::channel();
        let mut state = self.lock();
        let ticket = state.ticket();
        state.joins.insert(ticket, sender);
        self.step_parked(&mut state, inner, ticket, step);
        answer
    }

    /// As [`ShardCell::park_join`].
    pub(super) fn park_sync(
        self: &Arc<Self>,
        inner: &Arc<Inner>,
        step: impl FnOnce(&mut Shard, Now, Ticket) -> Outcome<()>,
    ) -> Answer<SyncGroupResponse> {
        let (sender, answer) = oneshot::channel();
        let mut state = self.lock();
        let ticket = state.ticket();
        state.syncs.insert(ticket, sender);
        self.step_parked(&mut state, inner, ticket, step);
        answer
    }

    fn step_parked(
        self: &Arc<Self>,
        state: &mut State,
        inner: &Arc<Inner>,
        ticket: Ticket,
        step: impl FnOnce(&mut Shard, Now, Ticket) -> Outcome<()>,
    ) {
        let now = inner.now();
        let outcome = step(&mut state.shard, now, ticket);
        if let Err(unavailable) = self.settle(state, inner, now, outcome) {
            // It may not have been among those that the outcome would have answered.
            state.refuse(ticket, &unavailable);
        }
    }

    /// Acts on the timers that are due.
    pub(super) fn advance(self: &Arc<Self>, inner: &Arc<Inner>) {
        let mut state = self.lock();
        let now = inner.now();
        while !self.has_ended()
            && let Some(outcome) = state.shard.advance(now)
        {
            // A timer has nobody to tell; who waits was answered with the error.
            if let Err(unavailable) = self.settle(&mut state, inner, now, outcome) {
                error!(partition = self.partition, %unavailable, "a group's timer was in vain");
            }
        }
    }

    fn settle<R>(
        self: &Arc<Self>,
        state: &mut State,
        inner: &Arc<Inner>,
        now: Now,
        outcome: Outcome<R>,
    ) -> Result<(R, Committed), Unavailable> {
        self.check()?;
        if self.has_ended() {
            return Err(Unavailable::NotCoordinator);
        }
        if let Some(deadline_ms) = state.shard.next_deadline() {
            inner.wakeup.not_later_than(deadline_ms);
        }
        let Outcome { records, unity, response, replies } = outcome;
        let mut left = records.as_slice();
        while !left.is_empty() {
            match append(inner, (self.partition, self.epoch), left, unity, now) {
                Ok((commit, count)) => {
                    let (written, rest) = left.split_at(count);
                    for record in written {
                        state.shard.replay(record);
                        tell(record);
                    }
                    self.await_commit(state, commit);
                    left = rest;
                }
                Err(failed) => {
                    let partition = self.partition;
                    error!(partition, error = %failed, "cannot write a group's records");
                    state.shard.append_failed(left, now);
                    let unavailable = Unavailable::Append(failed);
                    for reply in &replies {
                        state.refuse(ticket_of(reply), &unavailable);
                    }
                    return Err(unavailable);
                }
            }
        }
        Ok((response, state.answer(replies)))
    }

    /// Queues a commit that is not done at once, behind those that came before.
    fn await_commit(self: &Arc<Self>, state: &mut State, mut commit: Commit) {
        let idle = state.uncommitted.is_empty();
        if idle {
            match commit.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
                Poll::Ready(Ok(())) => return,
                // Who asks a future that is done finds nothing: its end is kept.
                Poll::Ready(Err(failed)) => commit = Box::pin(std::future::ready(Err(failed))),
                Poll::Pending => {}
            }
        }
        state.queue(Some(commit));
        if idle {
            let task = tokio::spawn(self.clone().see_through());
            state.seeing = Some(task.abort_handle());
        }
    }

    /// Waits for the commits one after the other and answers those who wait for each; ends when
    /// there is none left, or when one fails: what the shard took over is not in the log then, and
    /// the shard is read anew.
    async fn see_through(self: Arc<Self>) {
        let mut current: Option<Commit> = None;
        loop {
            let look_again = {
                let mut state = self.lock();
                let now = Instant::now();
                state.refuse_late(now);
                if current.is_none() {
                    current = state.next_commit();
                }
                if current.is_none() {
                    state.seeing = None;
                    return;
                }
                state.next_refusal(now)
            };
            let Some(commit) = current.as_mut() else { continue };
            let Ok(result) = tokio::time::timeout_at(look_again, commit).await else { continue };
            current = None;
            let mut state = self.lock();
            match result {
                Ok(()) => state.first_is_committed(),
                Err(failed) => {
                    error!(partition = self.partition, error = %failed, "records are lost");
                    state.seeing = None;
                    self.over.store(true, Ordering::SeqCst);
                    state.refuse_all(&failed.into());
                    return;
                }
            }
        }
    }
}

impl State {
    fn forget_waiting(&mut self) {
        if let Some(task) = self.seeing.take() {
            task.abort();
        }
        self.joins.clear();
        self.syncs.clear();
        self.uncommitted.clear();
    }

    /// Takes a place behind all that was appended.
    fn queue(&mut self, commit: Option<Commit>) -> &mut Uncommitted {
        let deadline = Instant::now() + self.patience;
        let (replies, waiting) = (Vec::new(), Vec::new());
        self.uncommitted.push_back(Uncommitted { commit, deadline, replies, waiting });
        self.uncommitted.back_mut().expect("it was pushed just now")
    }

    /// The commit that is waited for next. Who waits for no commit of its own, with all before it
    /// committed, is answered.
    fn next_commit(&mut self) -> Option<Commit> {
        loop {
            if let Some(commit) = self.uncommitted.front_mut()?.commit.take() {
                return Some(commit);
            }
            self.first_is_committed();
        }
    }

    fn first_is_committed(&mut self) {
        let Some(done) = self.uncommitted.pop_front() else { return };
        for waiting in done.waiting {
            // The request that waited may be gone with its connection.
            let _ = waiting.send(Ok(()));
        }
        done.replies.into_iter().for_each(|reply| self.send(reply));
    }

    /// Tells those who have waited long enough.
    fn refuse_late(&mut self, now: Instant) {
        let mut late = Vec::new();
        for place in self.uncommitted.iter_mut().filter(|place| place.deadline <= now) {
            for waiting in place.waiting.drain(..) {
                let _ = waiting.send(Err(AppendError::Timeout));
            }
            late.append(&mut place.replies);
        }
        // The first one's commit is with the task; others without one are kept for who waits.
        let mut is_first = true;
        self.uncommitted.retain(|place| {
            let waits = !place.waiting.is_empty() || !place.replies.is_empty();
            std::mem::take(&mut is_first) || place.commit.is_some() || waits
        });
        for reply in late {
            self.refuse(ticket_of(&reply), &AppendError::Timeout.into());
        }
    }

    /// When somebody runs out of patience next, or might who comes from now on.
    fn next_refusal(&self, now: Instant) -> Instant {
        let waits = |place: &&Uncommitted| !place.waiting.is_empty() || !place.replies.is_empty();
        let deadlines = self.uncommitted.iter().filter(waits).map(|place| place.deadline);
        deadlines.min().unwrap_or(now + self.patience).min(now + self.patience)
    }

    fn refuse_all(&mut self, unavailable: &Unavailable) {
        if let Some(task) = self.seeing.take() {
            task.abort();
        }
        let failed = match unavailable {
            Unavailable::Append(failed) => failed.clone(),
            _ => AppendError::NotLeader,
        };
        for waiting in std::mem::take(&mut self.joins).into_values() {
            answer_to(Some(waiting), Err(unavailable.clone()));
        }
        for waiting in std::mem::take(&mut self.syncs).into_values() {
            answer_to(Some(waiting), Err(unavailable.clone()));
        }
        for uncommitted in std::mem::take(&mut self.uncommitted) {
            for waiting in uncommitted.waiting {
                // The request that waited may be gone with its connection.
                let _ = waiting.send(Err(failed.clone()));
            }
        }
    }

    fn ticket(&mut self) -> Ticket {
        self.tickets += 1;
        Ticket(self.tickets)
    }

    fn when_committed(&mut self) -> Committed {
        if self.uncommitted.is_empty() {
            return Committed::Already;
        }
        let (sender, done) = oneshot::channel();
        self.queue(None).waiting.push(sender);
        Committed::After(done)
    }

    /// Sends the replies, after what is not committed yet.
    fn answer(&mut self, replies: Vec<Parked>) -> Committed {
        if self.uncommitted.is_empty() {
            replies.into_iter().for_each(|reply| self.send(reply));
            return Committed::Already;
        }
        let (sender, done) = oneshot::channel();
        let place = self.queue(None);
        place.replies = replies;
        place.waiting.push(sender);
        Committed::After(done)
    }

    fn send(&mut self, reply: Parked) {
        match reply {
            Parked::Join(ticket, response) => answer_to(self.joins.remove(&ticket), Ok(response)),
            Parked::Sync(ticket, response) => answer_to(self.syncs.remove(&ticket), Ok(response)),
        }
    }

    fn refuse(&mut self, ticket: Ticket, unavailable: &Unavailable) {
        answer_to(self.joins.remove(&ticket), Err(unavailable.clone()));
        answer_to(self.syncs.remove(&ticket), Err(unavailable.clone()));
    }
}

/// Whoever waited may be gone with its connection: a send that fails is no failure.
fn answer_to<R>(
    waiting: Option<oneshot::Sender<Result<R, Unavailable>>>,
    answer: Result<R, Unavailable>,
) {
    if let Some(sender) = waiting {
        let _ = sender.send(answer);
    }
}

/// What an operator wants to read of a group in the broker's log.
fn tell(record: &Record) {
    let Record::Group { group, value } = record else { return };
    match value {
        Some(value) if value.generation > 0 => info!(
            "group {group} is in generation {} with {} members by {}",
            value.generation,
            value.members.len(),
            value.protocol.as_deref().unwrap_or("no protocol")
        ),
        Some(_) => info!("group {group} is new"),
        None => info!("group {group} is gone"),
    }
}

fn ticket_of(reply: &Parked) -> Ticket {
    match reply {
        Parked::Join(ticket, _) | Parked::Sync(ticket, _) => *ticket,
    }
}

/// Appends records as one batch; how many of them it has. Those of a whole step are all in it, or
/// nothing is appended.
fn append(
    inner: &Inner,
    (partition, epoch): (i32, i32),
    records: &[Record],
    unity: Unity,
    now: Now,
) -> Result<(Commit, usize), AppendError> {
    let most = inner.writer.max_batch_bytes(partition);
    let room = match unity {
        Unity::Whole if inner.codec.compression() == Compression::None => most,
        Unity::Whole => UNCOMPRESSED_STEP_BYTES,
        Unity::Pieces => PIECE_BYTES.min(most),
    };
    let storage = |error: protocol::EncodeError| AppendError::Storage { reason: error.to_string() };
    let encoded = batches::encode(records, inner.codec, now.timestamp_ms, room);
    let (batch, count) = encoded.map_err(storage)?;
    if unity == Unity::Whole && count < records.len() {
        return Err(AppendError::TooLarge { limit: room });
    }
    Ok((inner.writer.append(partition, epoch, batch)?, count))
}
