//! Batches of clients on their way into the log, those that wait at the same time together.
//!
//! ```text
//!   produce -> submit -> queue -> whoever has the turn: all that wait, as one group -> Log
//!      |                                                    |
//!      +-> Submitted . . . . . . . . . . . . . . . . . . answered
//! ```
//!
//! No thread waits for another one's write. A request hands its batch over and, if nobody has the
//! turn, takes it and appends all that is in the queue, whoever it came from; else whoever has the
//! turn does that before giving it back. So what comes in while a group is written is the next
//! group: the busier a partition, the fewer the writes for each batch.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context, Poll};

use broker_log::{AppendError, Appended, LeaderAppend, Origin};
use bytes::Bytes;
use tokio::runtime::Handle;
use tokio::sync::oneshot;

use super::roles::{Effects, Held};
use super::{LeadershipError, Partition, ProduceError};
use crate::flusher::Flusher;
use crate::limits::APPENDS_IN_A_TURN;
use crate::lock::whole;
use crate::replica::Role;

/// Who is to have a batch before it is acknowledged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Acks {
    Leader,
    /// All replicas in sync, of which there must be enough before it is written.
    All,
}

/// A batch that is in the leader's log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Written {
    pub appended: Appended,
    /// The leader epoch in which it was appended: in another one the log may have other records at
    /// its offsets.
    pub leader_epoch: i32,
}

type Answer = Result<Written, ProduceError>;

/// What waits for a partition's log.
#[derive(Debug, Default)]
pub(super) struct Appends {
    /// A std mutex: held to put batches in or take them out.
    queue: Mutex<Queue>,
}

#[derive(Debug, Default)]
struct Queue {
    waiting: Vec<Waiting>,
    /// Somebody has the turn, and will look into the queue again.
    is_taken: bool,
}

#[derive(Debug)]
struct Waiting {
    records: Bytes,
    origin: Origin,
    now_ms: i64,
    acks: Acks,
    answer: oneshot::Sender<Answer>,
}

/// A batch that is to be appended.
struct Entry {
    records: Bytes,
    origin: Origin,
    now_ms: i64,
    acks: Acks,
}

impl Appends {
    /// All that waits, for whoever holds the log: so it is appended in the order in which it came.
    fn take(&self) -> Vec<Waiting> {
        std::mem::take(&mut self.lock().waiting)
    }

    fn lock(&self) -> MutexGuard<'_, Queue> {
        whole(&self.queue)
    }
}

/// The duty to append what waits until nothing does; only one has it.
struct Turn {
    partition: Arc<Partition>,
    is_over: bool,
}

impl Turn {
    /// The turn, unless somebody has it or there is nothing to do.
    fn take(partition: &Arc<Partition>) -> Option<Self> {
        let mut queue = partition.appends.lock();
        if queue.is_taken || queue.waiting.is_empty() {
            return None;
        }
        queue.is_taken = true;
        Some(Self { partition: partition.clone(), is_over: false })
    }

    /// Appends until nothing waits. After a while another task goes on: whoever took the turn has
    /// answers to send.
    fn run(mut self, flusher: &Flusher) {
        let mut groups = 0;
        loop {
            self.partition.append_what_waits(flusher);
            groups += 1;
            let mut queue = self.partition.appends.lock();
            if queue.waiting.is_empty() {
                queue.is_taken = false;
                self.is_over = true;
                return;
            }
            drop(queue);
            if groups >= APPENDS_IN_A_TURN
                && let Ok(runtime) = Handle::try_current()
            {
                let flusher = flusher.clone();
                runtime.spawn(async move { self.run(&flusher) });
                return;
            }
        }
    }
}

/// A turn that a panic cut short, or a runtime that stops: what waits is answered, for nobody may
/// come to take the next turn.
impl Drop for Turn {
    fn drop(&mut self) {
        if !self.is_over {
            let mut queue = self.partition.appends.lock();
            queue.is_taken = false;
            queue.waiting.clear();
        }
    }
}

/// A batch that was handed over; a future of what became of it. It is appended even if nobody asks
/// for that: at the latest when this is dropped.
pub struct Submitted {
    partition: Arc<Partition>,
    flusher: Flusher,
    answer: oneshot::Receiver<Answer>,
    is_answered: bool,
}

impl Submitted {
    pub fn partition(&self) -> &Arc<Partition> {
        &self.partition
    }

    /// Appends it, with all that waits, unless somebody is about to.
    fn append_in_turn(&self) {
        if let Some(turn) = Turn::take(&self.partition) {
            turn.run(&self.flusher);
        }
    }

    fn try_answer(&mut self) -> Option<Answer> {
        let answer = match self.answer.try_recv() {
            Ok(answer) => answer,
            Err(oneshot::error::TryRecvError::Closed) => Err(LeadershipError::Offline.into()),
            Err(oneshot::error::TryRecvError::Empty) => return None,
        };
        self.is_answered = true;
        Some(answer)
    }
}

impl Future for Submitted {
    type Output = Answer;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Answer> {
        let this = self.get_mut();
        if let Some(answer) = this.try_answer() {
            return Poll::Ready(answer);
        }
        // Not before this is it noted whom to wake: nobody wakes itself.
        this.append_in_turn();
        if let Some(answer) = this.try_answer() {
            return Poll::Ready(answer);
        }
        let answer = std::task::ready!(Pin::new(&mut this.answer).poll(context));
        this.is_answered = true;
        Poll::Ready(answer.unwrap_or_else(|_| Err(LeadershipError::Offline.into())))
    }
}

impl Drop for Submitted {
    fn drop(&mut self) {
        if !self.is_answered {
            self.append_in_turn();
        }
    }
}

impl Partition {
    /// Hands over a validated batch. Before the append is acknowledged the caller waits with
    /// [`Self::wait_until_synced`] for [`Appended::sync_to`], where the topic demands a sync, and
    /// with [`Self::wait_until_committed`] if the client wants all replicas to have it.
    pub fn submit(
        self: &Arc<Self>,
        (records, origin, acks): (Bytes, Origin, Acks),
        now_ms: i64,
        flusher: &Flusher,
    ) -> Submitted {
        let (sender, answer) = oneshot::channel();
        let waiting = Waiting { records, origin, now_ms, acks, answer: sender };
        self.appends.lock().waiting.push(waiting);
        let (partition, flusher) = (self.clone(), flusher.clone());
        Submitted { partition, flusher, answer, is_answered: false }
    }

    /// Appends validated batches at once, if this node leads in that leader epoch. All replicas in
    /// sync are to have them before they are acknowledged: as [`Self::submit`].
    pub fn append(
        self: &Arc<Self>,
        records: Bytes,
        origin: Origin,
        epoch: i32,
        now_ms: i64,
        flusher: &Flusher,
    ) -> Result<Written, ProduceError> {
        let entry = Entry { records, origin, now_ms, acks: Acks::All };
        let (answers, effects) = {
            let mut held = self.lock();
            let leader = held.as_ref().and_then(|held| held.replica.leader());
            if leader.is_none_or(|leader| leader.epoch() != epoch) {
                return Err(LeadershipError::NotLeader.into());
            }
            self.append_to(&mut held, vec![entry])
        };
        let answer = self.announced(answers, effects, flusher).pop();
        answer.unwrap_or_else(|| Err(LeadershipError::Gone.into()))
    }

    /// Appends all that waits, as one group, when the log is free.
    fn append_what_waits(self: &Arc<Self>, flusher: &Flusher) {
        let (answers, effects, senders) = {
            let mut held = self.lock();
            let group = self.appends.take();
            if group.is_empty() {
                return;
            }
            let (entries, senders): (Vec<_>, Vec<_>) = group
                .into_iter()
                .map(|Waiting { records, origin, now_ms, acks, answer }| {
                    (Entry { records, origin, now_ms, acks }, answer)
                })
                .unzip();
            let (answers, effects) = self.append_to(&mut held, entries);
            (answers, effects, senders)
        };
        for (sender, answer) in senders.into_iter().zip(self.announced(answers, effects, flusher)) {
            // One that has given up needs no answer.
            let _ = sender.send(answer);
        }
    }

    /// Appends each of them as if it were alone, in as few writes as may be.
    fn append_to(&self, held: &mut Option<Held>, entries: Vec<Entry>) -> (Vec<Answer>, Effects) {
        let mut effects = Effects::default();
        let refused =
            |problem: &dyn Fn() -> ProduceError| entries.iter().map(|_| Err(problem())).collect();
        if let Err(reason) = self.admit() {
            return (refused(&|| ProduceError::Offline { reason: reason.clone() }), effects);
        }
        let Some(held) = held else {
            return (refused(&|| LeadershipError::Gone.into()), effects);
        };
        let leader = match held.replica.role() {
            Role::Leader(leader) => leader,
            Role::Follower(_) => return (refused(&|| LeadershipError::NotLeader.into()), effects),
            Role::Offline => return (refused(&|| LeadershipError::Offline.into()), effects),
        };
        let (leader_epoch, admitted) = (leader.epoch(), leader.admit());
        let may = |entry: &Entry| admitted.is_ok() || entry.acks == Acks::Leader;
        let appends: Vec<(Bytes, LeaderAppend)> = entries
            .iter()
            .filter(|entry| may(entry))
            .map(|Entry { records, origin, now_ms, .. }| {
                let append = LeaderAppend { leader_epoch, origin: *origin, now_ms: *now_ms };
                (records.clone(), append)
            })
            .collect();
        let mut appended = held.log.append_group_as_leader(&appends).into_iter();
        let mut next = || appended.next().unwrap_or(Err(AppendError::Empty));
        let answers = entries.iter().map(|entry| match &admitted {
            Err(problem) if !may(entry) => Err(problem.clone().into()),
            _ => Ok(Written { appended: next()?, leader_epoch }),
        });
        let answers = answers.collect();
        self.on_log_moved(held, &mut effects);
        (answers, effects)
    }

    /// Tells whoever waits for it, or has to do something about it, what was appended.
    fn announced(
        self: &Arc<Self>,
        answers: Vec<Answer>,
        mut effects: Effects,
        flusher: &Flusher,
    ) -> Vec<Answer> {
        let (mut to_sync, mut rolled) = (false, false);
        for answer in &answers {
            match answer {
                Ok(Written { appended, .. }) => {
                    effects.note_appended();
                    to_sync |= appended.sync_to.is_some();
                    rolled |= appended.rolled;
                }
                Err(ProduceError::Append(AppendError::Storage(problem))) => {
                    self.storage_failed(problem);
                }
                Err(_) => {}
            }
        }
        self.settle(effects);
        if to_sync {
            self.sync_waits.expect();
            flusher.urge(self);
        }
        if rolled {
            flusher.request(self);
        }
        answers
    }
}
