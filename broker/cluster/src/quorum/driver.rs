//! The thread that owns the machine: takes messages, lets the machine decide, and does what it
//! wants done, in that order.
//!
//! What a disk does not take is tried again until it does, and nothing else is done meanwhile: to
//! the other nodes this one is silent, and they go on without it. Only decisions are refused at
//! once, with the disk's words.

use std::collections::{HashMap, VecDeque};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::Duration;

use broker_log::StorageError;
use broker_metadata::{Changes, Delta, MetadataVersion};
use broker_raft::{Action, Event, Fill, Inbound, LogView as _, Now, Raft, Response};
use protocol::record::{BatchBuilder, BatchOptions};
use tokio::sync::{oneshot, watch};
use tracing::{error, info, warn};

use super::active::{Active, Told};
use super::answer::fill;
use super::committed::Committed;
use super::log::{MetadataLog, WriteError};
use super::outbox::Outbox;
use super::state_file::StateFile;
use super::{Answered, Decide, DecideError, Deciding, Leader, Message};
use crate::clock::Clock;
use crate::limits::{DISK_RETRY, QUORUM_MESSAGES_HELD, QUORUM_MESSAGES_TOGETHER};
use crate::partition::ReopenError;
use crate::peers::Address;

/// The thread comes to its end.
pub(super) struct Stopped(oneshot::Sender<Result<(), StorageError>>);

/// What the thread owns.
pub(super) struct Driver {
    pub(super) raft: Raft,
    pub(super) node_id: i32,
    /// The listener by which this node reaches controllers.
    pub(super) listener: String,
    pub(super) log: MetadataLog,
    pub(super) state_file: StateFile,
    pub(super) mailbox: Receiver<Message>,
    /// What came while the disk was waited for.
    pub(super) held: VecDeque<Message>,
    pub(super) outbox: Outbox,
    pub(super) answers: HashMap<u64, Answered>,
    pub(super) handles: u64,
    /// Answers with records of the log, which leave when those are synced.
    pub(super) due: Vec<(u64, Response, Fill)>,
    pub(super) committed: Committed,
    pub(super) active: Option<Active>,
    pub(super) leader: watch::Sender<Leader>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) handing_over: Vec<oneshot::Sender<()>>,
    /// Committed records can't be read or followed: this node knows no more of the metadata.
    pub(super) is_lost: bool,
}

impl Driver {
    /// Works until it is told to stop. `first` is what the machine wants done at its start.
    pub(super) fn run(mut self, first: Vec<Action>) {
        let worked = catch_unwind(AssertUnwindSafe(|| self.work(first)));
        let problem = match worked {
            Ok(_) => DecideError::Stopped,
            Err(_) => DecideError::Offline { reason: BROKEN.into() },
        };
        if let Some(active) = self.active.take() {
            active.end(&problem);
        }
        let now_ms = self.clock.now_ms();
        match worked {
            Ok(Ok(())) => {}
            // Whoever stops it may be gone.
            Ok(Err(Stopped(closed))) => drop(closed.send(self.log.close(now_ms))),
            Err(_) => self.refuse_all(&problem),
        }
    }

    /// After a panic: the log may hold what the image does not, and decisions on that would
    /// contradict it. What is committed can still be read.
    fn refuse_all(self, problem: &DecideError) {
        error!("the quorum of the metadata: {BROKEN}");
        drop(self.answers);
        while let Ok(message) = self.mailbox.recv() {
            match message {
                Message::Decide { told, .. } => drop(told.send(Err(problem.clone()))),
                Message::HandOver { done } => drop(done.send(())),
                Message::Stop { closed } => {
                    let path = self.log.path().to_owned();
                    let source = std::io::Error::other(BROKEN);
                    drop(closed.send(Err(StorageError { operation: "close", path, source })));
                    return;
                }
                _ => {}
            }
        }
    }

    fn work(&mut self, first: Vec<Action>) -> Result<(), Stopped> {
        self.perform(first)?;
        self.settle()?;
        loop {
            let mut message = self.next();
            for _ in 0..QUORUM_MESSAGES_TOGETHER {
                match message {
                    Next::Message(one) => self.take(one)?,
                    Next::Time => self.handle(Event::Timer)?,
                    // Without a handle there is nobody to tell what is committed.
                    Next::NoHandles => return Ok(()),
                }
                match self.held.pop_front().or_else(|| self.mailbox.try_recv().ok()) {
                    Some(more) => message = Next::Message(more),
                    None => break,
                }
            }
            self.settle()?;
        }
    }

    fn next(&mut self) -> Next {
        if let Some(held) = self.held.pop_front() {
            return Next::Message(held);
        }
        let due = self.raft.next_deadline().unwrap_or(i64::MAX);
        let wait = due.saturating_sub(self.clock.elapsed_ms()).clamp(0, 60_000);
        let wait = Duration::from_millis(u64::try_from(wait).unwrap_or(0));
        match self.mailbox.recv_timeout(wait) {
            Ok(message) => Next::Message(message),
            Err(RecvTimeoutError::Timeout) => Next::Time,
            Err(RecvTimeoutError::Disconnected) => Next::NoHandles,
        }
    }

    fn take(&mut self, message: Message) -> Result<(), Stopped> {
        match message {
            Message::Request { listener, version, request, answer } => {
                self.handles += 1;
                let handle = self.handles;
                self.answers.insert(handle, answer);
                self.handle(Event::Request(Inbound { handle, listener, version, request }))
            }
            Message::Outcome { from, correlation, outcome: Ok(response) } => {
                self.handle(Event::Response { from, correlation, response })
            }
            Message::Outcome { from, correlation, outcome: Err(failure) } => {
                self.handle(Event::Failed { to: from, correlation, failure })
            }
            Message::Decide { decide, told } => {
                self.decide(decide, told);
                Ok(())
            }
            Message::HandOver { done } => {
                self.handing_over.push(done);
                self.handle(Event::Shutdown { timeout_ms: HAND_OVER_MS })
            }
            Message::Reopen { answer, dir } => {
                // Whoever asked may be gone.
                let _ = answer.send(self.reopen(dir));
                Ok(())
            }
            Message::Stop { closed } => Err(Stopped(closed)),
        }
    }

    fn now(&self) -> Now {
        Now { timestamp_ms: self.clock.now_ms(), elapsed_ms: self.clock.elapsed_ms() }
    }

    fn handle(&mut self, event: Event) -> Result<(), Stopped> {
        let now = self.now();
        let actions = self.raft.handle(event, &self.log, now);
        self.perform(actions)
    }

    /// Syncs what was appended since the last time, all of it at once, tells the machine, and lets
    /// the answers go that carry it.
    fn settle(&mut self) -> Result<(), Stopped> {
        loop {
            self.sync()?;
            let due = std::mem::take(&mut self.due);
            if due.is_empty() {
                return Ok(());
            }
            for (handle, response, from) in due {
                self.answer(handle, response, from);
            }
        }
    }

    fn sync(&mut self) -> Result<(), Stopped> {
        while self.log.synced_end() < self.log.end_offset() {
            match self.log.sync(self.clock.now_ms()) {
                Ok(()) => self.handle(Event::Synced)?,
                Err(problem) => {
                    let reason = problem.to_string().into();
                    self.withdraw(&DecideError::Offline { reason });
                    // Nobody has seen what is taken back; a leader goes on with what it had. One
                    // that lost the beginning of its epoch has nothing to go on with.
                    if self.active.as_ref().is_none_or(|active| active.image.is_none()) {
                        self.handle(Event::Resign { epoch: self.raft.epoch() })?;
                    }
                    if self.log.synced_end() < self.log.end_offset() {
                        self.wait_for_disk(&problem.to_string())?;
                    }
                }
            }
        }
        Ok(())
    }

    fn perform(&mut self, actions: Vec<Action>) -> Result<(), Stopped> {
        for action in actions {
            self.act(action)?;
        }
        Ok(())
    }

    fn act(&mut self, action: Action) -> Result<(), Stopped> {
        match action {
            Action::PersistElection { state, kraft_version } => {
                self.until_written(|driver, _| {
                    let written = driver.state_file.write(&state, kraft_version);
                    written
                        .inspect_err(|problem| drop(driver.log.dir().storage_failed(problem)))?;
                    Ok(())
                })?;
            }
            Action::Append { batch, .. } | Action::AppendFetched { batches: batch, .. } => {
                self.until_written(|driver, now_ms| driver.log.append(&batch, now_ms))?;
            }
            Action::Truncate { offset } => {
                warn!("the metadata log is cut at offset {offset}: its leader has other records");
                self.until_written(|driver, now_ms| driver.log.truncate(offset, now_ms))?;
                self.committed.cut(offset);
            }
            Action::Send { to, correlation, request } => self.outbox.send(to, correlation, request),
            Action::Answer { handle, response, fill: from @ Fill::Log { .. } } => {
                self.due.push((handle, response, from));
            }
            Action::Answer { handle, response, fill: from } => self.answer(handle, response, from),
            Action::HighWatermark { offset } => self.advance(offset),
            Action::LeaderChanged { leader, epoch } => self.leader_changed(leader, epoch),
            Action::BecameLeader { epoch, offset } => {
                self.active = Some(Active::new(epoch, offset));
                self.activate();
            }
            Action::StoppedLeading { .. } => self.stopped_leading(),
            Action::BeginSnapshot { id } => {
                self.until_written(|driver, _| Ok(driver.log.snapshots_mut().begin(id)?))?
            }
            Action::WriteSnapshot { id, position, bytes } => self.until_written(|driver, _| {
                Ok(driver.log.snapshots_mut().write(id, position, &bytes)?)
            })?,
            Action::InstallSnapshot { id } => self.install(id)?,
            Action::DropSnapshot { id } => {
                self.until_written(|driver, _| Ok(driver.log.snapshots_mut().discard(id)?))?
            }
            Action::ShutdownDone { .. } => {
                for done in self.handing_over.drain(..) {
                    // Whoever waited may be gone.
                    let _ = done.send(());
                }
            }
            Action::Fault(fault) => error!("the quorum of the metadata: {fault}"),
        }
        Ok(())
    }

    /// Does something to the disk until it is done.
    fn until_written(
        &mut self,
        mut write: impl FnMut(&mut Self, i64) -> Result<(), WriteError>,
    ) -> Result<(), Stopped> {
        let mut is_told = false;
        loop {
            let problem = match write(self, self.clock.now_ms()) {
                Ok(()) => return Ok(()),
                Err(problem) => problem,
            };
            if !std::mem::replace(&mut is_told, true) {
                error!(
                    "the metadata can't be written, and this node waits for its disk: {problem}"
                );
            }
            self.wait_for_disk(&problem.to_string())?;
        }
    }

    /// Lets some time pass. Decisions are refused meanwhile, and all else waits.
    fn wait_for_disk(&mut self, reason: &str) -> Result<(), Stopped> {
        let refused = DecideError::Offline { reason: reason.into() };
        self.withdraw(&refused);
        let until = self.clock.elapsed_ms() + DISK_RETRY;
        loop {
            let left = until - self.clock.elapsed_ms();
            let Ok(left) = u64::try_from(left) else { return Ok(()) };
            match self.mailbox.recv_timeout(Duration::from_millis(left.max(1))) {
                Ok(Message::Stop { closed }) => return Err(Stopped(closed)),
                Ok(message @ Message::Decide { .. }) if self.log.dir().is_writable() => {
                    self.held.push_back(message);
                    return Ok(());
                }
                Ok(Message::Decide { told, .. }) => drop(told.send(Err(refused.clone()))),
                // Nobody follows a leader that says nothing.
                Ok(Message::HandOver { done }) => drop(done.send(())),
                Ok(Message::Reopen { answer, dir }) => {
                    let _ = answer.send(self.reopen(dir));
                }
                Ok(other) if self.held.len() < QUORUM_MESSAGES_HELD => self.held.push_back(other),
                // Whoever sent it hears nothing, as of a node that is down.
                Ok(_) => {}
                Err(_) => return Ok(()),
            }
        }
    }

    /// What was proposed and did not come onto the disk will not be true.
    fn withdraw(&mut self, problem: &DecideError) {
        let synced = self.log.synced_end();
        if let Some(active) = &mut self.active {
            active.withdraw(synced, &self.committed.image, problem);
        }
    }

    fn decide(&mut self, decide: Decide, told: Told) {
        match self.try_decide(decide, told) {
            Ok(()) => {}
            // Whoever asked may be gone.
            Err((told, problem)) => drop(told.send(Err(problem))),
        }
    }

    fn try_decide(&mut self, decide: Decide, told: Told) -> Result<(), (Told, DecideError)> {
        let now = self.now();
        // What keeps a node from leading may be its disk.
        if let Err(problem) = self.log.admit(now.timestamp_ms) {
            return Err((told, DecideError::Offline { reason: problem.to_string().into() }));
        }
        let image = self.active.as_ref().and_then(|active| active.image.clone());
        let (Some(image), Some(active)) = (image, &mut self.active) else {
            return Err((told, DecideError::NotController));
        };
        let next_offset = self.log.end_offset();
        let deciding = Deciding { image: &image, next_offset, epoch: active.epoch, now };
        // A decision changes nothing, so one that ends with a panic leaves nothing half done.
        let Ok(records) = catch_unwind(AssertUnwindSafe(|| decide(&deciding))) else {
            let reason = "the decision ended with a panic, see the log of this node";
            return Err((told, DecideError::Offline { reason: reason.into() }));
        };
        if records.is_empty() {
            active.answer_in_turn(told, self.committed.applied);
            return Ok(());
        }
        // Replayed before it is written: what does not follow must not be in the log.
        let mut delta = Delta::new(&image);
        let mut batch = BatchBuilder::new(BatchOptions::default());
        for record in &records {
            if let Err(problem) = delta.replay(record) {
                return Err((told, DecideError::Apply(problem)));
            }
            // A record that raises the level is followed by records of the new one.
            let level = delta.image().metadata_version().unwrap_or(MetadataVersion::LATEST);
            match record.encode_at(level) {
                Ok(bytes) => batch.append(now.timestamp_ms, None, Some(&bytes), &[]),
                Err(problem) => return Err((told, DecideError::Encode(problem))),
            }
        }
        let batch = batch.finish();
        let proposal = match self.raft.propose(active.epoch, &[batch], &self.log, now) {
            Ok(proposal) => proposal,
            Err(_) => return Err((told, DecideError::NotController)),
        };
        let end_offset = proposal.end_offset;
        for action in proposal.actions {
            match action {
                Action::Append { batch, .. } => {
                    if let Err(problem) = self.log.append(&batch, now.timestamp_ms) {
                        let reason = problem.to_string().into();
                        return Err((told, DecideError::Offline { reason }));
                    }
                }
                Action::Answer { handle, response, fill } => {
                    self.due.push((handle, response, fill));
                }
                other => unreachable!("a proposal is appended and answers fetches: {other:?}"),
            }
        }
        let (image, changes) = delta.finish(end_offset);
        active.propose(end_offset, Arc::new(image), changes, told);
        Ok(())
    }

    fn advance(&mut self, offset: i64) {
        self.log.committed(offset);
        if let Some(active) = &mut self.active {
            for (end_offset, image, changes) in active.committed(offset) {
                self.committed.step(image, changes, end_offset);
            }
        }
        self.follow(offset);
        self.activate();
    }

    /// Takes in what is committed and not this leader's own.
    fn follow(&mut self, offset: i64) {
        if self.is_lost {
            return;
        }
        if let Err(problem) = self.committed.follow(&self.log, offset) {
            error!("this node can't follow the metadata any more: {problem}");
            self.is_lost = true;
        }
    }

    /// Lets a leader decide that knows all that was committed before it.
    fn activate(&mut self) {
        let Some(active) = &mut self.active else { return };
        if active.image.is_none() && self.committed.applied >= active.ready_at && !self.is_lost {
            active.image = Some(self.committed.image.clone());
            info!("this node is the active controller, in epoch {}", active.epoch);
            self.leader.send_modify(|leader| leader.is_active_here = true);
        }
    }

    fn stopped_leading(&mut self) {
        if let Some(active) = self.active.take() {
            active.end(&DecideError::NotController);
        }
        self.leader.send_modify(|leader| leader.is_active_here = false);
    }

    fn leader_changed(&mut self, id: Option<i32>, epoch: i32) {
        let elsewhere = id.is_some_and(|id| id != self.node_id);
        let endpoint = self.raft.leader_endpoints().filter(|_| elsewhere);
        let address = endpoint.and_then(|endpoints| endpoints.address(&self.listener));
        let address = address.map(|address| Address::new(&address.host, address.port));
        let is_active_here = self.active.as_ref().is_some_and(|active| active.image.is_some());
        self.leader.send_replace(Leader { id, epoch, address, is_active_here });
    }

    fn answer(&mut self, handle: u64, mut response: Response, from: Fill) {
        let Some(answer) = self.answers.remove(&handle) else { return };
        if let Err(problem) = fill(&mut response, from, &self.log) {
            warn!("records of the metadata could not be read for another node: {problem}");
            return;
        }
        // The connection may be gone.
        let _ = answer.send(response);
    }

    fn install(&mut self, id: broker_raft::OffsetAndEpoch) -> Result<(), Stopped> {
        self.until_written(|driver, now_ms| {
            driver.log.snapshots_mut().complete(id)?;
            driver.log.start_at(id.offset, now_ms)
        })?;
        let control = match super::start::load_snapshot(&self.log, id) {
            Ok((image, control)) => {
                let changes = Changes::between(&self.committed.image, &image);
                self.committed.step(Arc::new(image), changes, id.offset);
                control
            }
            Err(problem) => {
                error!("the snapshot that was fetched can't be followed: {problem}");
                self.is_lost = true;
                Vec::new()
            }
        };
        self.handle(Event::SnapshotInstalled { id, control })
    }

    fn reopen(&mut self, dir: usize) -> Result<(), ReopenError> {
        let of_log = self.log.dir().clone();
        match of_log.opened() {
            Some(opened) if of_log.number() == dir => self.log.reopen(&opened, self.clock.now_ms()),
            _ => Ok(()),
        }
    }
}

/// Why nothing more is decided on this node.
const BROKEN: &str = "a panic cut an earlier change of the metadata short, see the broker's log; \
                      what is committed can be read, and changes are taken after a restart";

/// How long a leader that stops may take to find a successor.
const HAND_OVER_MS: i64 = 2_000;

enum Next {
    Message(Message),
    Time,
    NoHandles,
}
