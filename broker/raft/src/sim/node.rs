//! A node of the simulated world: a machine, a disk, and what connects them.

use std::collections::BTreeMap;

use bytes::{Bytes, BytesMut};
use protocol::messages::ApiVersionsResponse;
use protocol::messages::api_versions_response::SupportedFeatureKey;
use protocol::record::{BatchBuilder, BatchOptions, batches};
use uuid::Uuid;

use super::checks::Checks;
use super::disk::Disk;
use super::wire::{self, Generation};
use crate::control::{self, Control};
use crate::{
    Action, Config, ElectionState, Event, Failure, Fault, Fill, History, Inbound, LogView, Node,
    Now, OffsetAndEpoch, Raft, Request, Response, VoterSet,
};

/// What a node wants of the world.
#[derive(Debug)]
pub(super) enum Effect {
    Send { to: Node, correlation: u64, request: Request },
    Answer { asker: Asker, response: Response },
    Sync { generation: u64, offset: i64 },
    Acknowledged,
}

/// Where an answer goes.
#[derive(Clone, Debug)]
pub(super) enum Asker {
    Peer {
        node: usize,
        incarnation: u64,
        asked_as: i32,
        correlation: u64,
        version: i16,
        asked_vote: Option<(i32, i32)>,
    },
    Admin,
}

#[derive(Debug)]
pub(super) struct SimNode {
    pub(super) index: usize,
    pub(super) config: Config,
    pub(super) static_voters: VoterSet,
    pub(super) generation: Generation,
    pub(super) disk: Disk,
    pub(super) raft: Option<Raft>,
    pub(super) incarnation: u64,
    pub(super) started_at: i64,
    pub(super) high_watermark: i64,
    /// The vote in the file is not read when the node starts.
    pub(super) forgets_votes: bool,
    /// `quorum-state` is durable a while after it was written; this is what a crash leaves.
    pub(super) writes_late: bool,
    durable_state: Option<String>,
    written_at: i64,
    /// The event that was just handled has changed `quorum-state`.
    pub(super) has_persisted: bool,
    pub(super) is_stopped: bool,
    /// Goes up when the disk is lost and replaced: then it is another replica.
    pub(super) life: u128,
    askers: BTreeMap<u64, Asker>,
    next_handle: u64,
    /// Batches that clients wait for, with the offset from which on they are committed.
    proposed: Vec<(i64, i64, Bytes)>,
}

impl SimNode {
    pub(super) fn new(index: usize, config: Config, static_voters: VoterSet, disk: Disk) -> Self {
        Self {
            index,
            config,
            static_voters,
            generation: Generation::Current,
            disk,
            raft: None,
            incarnation: 0,
            started_at: 0,
            high_watermark: 0,
            forgets_votes: false,
            writes_late: false,
            durable_state: None,
            written_at: 0,
            has_persisted: false,
            is_stopped: false,
            life: 1,
            askers: BTreeMap::new(),
            next_handle: 0,
            proposed: Vec::new(),
        }
    }

    pub(super) fn now(&self, world: i64) -> Now {
        // Two nodes agree about neither of the two times.
        Now {
            timestamp_ms: 1_700_000_000_000 + world + 977 * self.index as i64,
            elapsed_ms: world - self.started_at + 5,
        }
    }

    /// When the node has something to do by itself.
    pub(super) fn deadline(&self) -> Option<i64> {
        let deadline = self.raft.as_ref()?.next_deadline()?;
        Some(deadline - 5 + self.started_at)
    }

    pub(super) fn start(&mut self, world: i64, checks: &mut Checks) -> Result<Vec<Effect>, String> {
        self.incarnation += 1;
        self.is_stopped = false;
        self.started_at = world;
        self.high_watermark = self.disk.start;
        let mut history = History::new(self.static_voters.clone());
        if let Some(id) = self.disk.latest_snapshot() {
            let control = self.disk.control_of(id);
            history.load_snapshot(id.offset, &control).map_err(|e| e.to_string())?;
        }
        for batch in &self.disk.batches {
            let batch =
                protocol::record::RecordBatch::parse(&batch.bytes).map_err(|e| e.to_string())?;
            history.read(&batch).map_err(|e| e.to_string())?;
        }
        let election = match &self.disk.quorum_state {
            Some(text) => {
                let mut state = ElectionState::parse(text).map_err(|e| e.to_string())?;
                if self.forgets_votes {
                    state.voted = None;
                }
                Some(state)
            }
            None => None,
        };
        let seed = self.index as u64 * 1000 + self.incarnation;
        let now = self.now(world);
        let (raft, actions) =
            Raft::new(self.config.clone(), election, history, &self.disk, seed, now);
        self.raft = Some(raft);
        self.carry_out(actions, world, checks)
    }

    /// Whose requests wait for an answer.
    pub(super) fn unanswered(&self) -> impl Iterator<Item = &Asker> {
        self.askers.values()
    }

    pub(super) fn crash(&mut self, random: &mut crate::random::Random, world: i64) {
        if self.writes_late && world - self.written_at < 20 {
            self.disk.quorum_state = self.durable_state.clone();
        }
        self.raft = None;
        self.askers.clear();
        self.proposed.clear();
        self.disk.crash(random);
    }

    /// The disk is gone, and an empty one is in its place.
    pub(super) fn replace_disk(&mut self) {
        self.life += 1;
        self.config.directory = directory(self.index, self.life);
        let lies = self.disk.lies;
        self.disk = Disk::default();
        self.disk.lies = lies;
        self.durable_state = None;
        self.high_watermark = 0;
    }

    pub(super) fn request(
        &mut self,
        asker: Asker,
        request: Request,
        version: i16,
        world: i64,
        checks: &mut Checks,
    ) -> Result<Vec<Effect>, String> {
        if request == Request::ApiVersions {
            let response = Response::ApiVersions(Box::new(ApiVersionsResponse {
                supported_features: vec![SupportedFeatureKey {
                    name: "kraft.version".to_owned(),
                    min_version: 0,
                    max_version: 1,
                }],
                ..ApiVersionsResponse::default()
            }));
            return Ok(vec![Effect::Answer { asker, response }]);
        }
        self.next_handle += 1;
        let handle = self.next_handle;
        self.askers.insert(handle, asker);
        let inbound = Inbound { handle, listener: "CONTROLLER".into(), version, request };
        self.event(Event::Request(inbound), world, checks)
    }

    pub(super) fn event(
        &mut self,
        event: Event,
        world: i64,
        checks: &mut Checks,
    ) -> Result<Vec<Effect>, String> {
        let now = self.now(world);
        let Some(raft) = &mut self.raft else { return Ok(Vec::new()) };
        let actions = raft.handle(event, &self.disk, now);
        self.carry_out(actions, world, checks)
    }

    pub(super) fn failed(
        &mut self,
        to: i32,
        correlation: u64,
        failure: Failure,
        world: i64,
        checks: &mut Checks,
    ) -> Result<Vec<Effect>, String> {
        self.event(Event::Failed { to, correlation, failure }, world, checks)
    }

    /// A client hands in records; whether the node takes them.
    pub(super) fn propose(
        &mut self,
        value: &str,
        world: i64,
        checks: &mut Checks,
    ) -> Result<Vec<Effect>, String> {
        let now = self.now(world);
        let Some(raft) = &mut self.raft else { return Ok(Vec::new()) };
        let mut builder = BatchBuilder::new(BatchOptions::default());
        builder.append(now.timestamp_ms, None, Some(value.as_bytes()), &[]);
        let epoch = raft.epoch();
        let Ok(proposal) = raft.propose(epoch, &[builder.finish()], &self.disk, now) else {
            return Ok(Vec::new());
        };
        let Some(Action::Append { batch, .. }) = proposal.actions.first() else {
            return Err("a proposal is appended first".to_owned());
        };
        self.proposed.push((proposal.end_offset, proposal.base_offset, batch.clone()));
        self.carry_out(proposal.actions, world, checks)
    }

    /// Writes a snapshot of all that is committed, and shortens the log.
    pub(super) fn take_snapshot(&mut self, checks: &Checks) {
        let Some(raft) = &self.raft else { return };
        let end = self.high_watermark;
        let last = self.disk.batches.iter().rfind(|batch| batch.next == end);
        let (Some(last), Some(digest)) = (last, checks.digest_at(end)) else { return };
        let id = OffsetAndEpoch { epoch: last.epoch, offset: end };
        let bytes = snapshot(raft.history(), id, digest);
        self.disk.snapshots.insert(id, bytes);
        self.disk.shorten(id);
    }

    fn carry_out(
        &mut self,
        actions: Vec<Action>,
        world: i64,
        checks: &mut Checks,
    ) -> Result<Vec<Effect>, String> {
        let mut effects = Vec::new();
        let mut installed = None;
        for action in actions {
            match action {
                Action::PersistElection { state, kraft_version } => {
                    if world - self.written_at >= 20 {
                        self.durable_state = self.disk.quorum_state.clone();
                    }
                    self.written_at = world;
                    self.has_persisted = true;
                    self.disk.quorum_state = Some(state.print(kraft_version));
                }
                Action::Append { batch, .. } => self.append(&batch, &mut effects),
                Action::AppendFetched { batches, base_offset, .. } => {
                    if base_offset != self.disk.end_offset() {
                        return Err("fetched batches do not continue the log".to_owned());
                    }
                    self.append(&batches, &mut effects);
                }
                Action::Truncate { offset } => self.disk.truncate(offset),
                Action::Send { to, correlation, request } => {
                    effects.push(Effect::Send { to, correlation, request });
                }
                Action::Answer { handle, response, fill } => {
                    let asker = self.askers.remove(&handle).ok_or("a request is answered once")?;
                    let response = self.filled(response, fill);
                    effects.push(Effect::Answer { asker, response });
                }
                Action::HighWatermark { offset } => {
                    checks.commits(self.index, self.high_watermark, offset, &self.disk)?;
                    self.high_watermark = offset;
                    self.acknowledge(checks, &mut effects)?;
                }
                Action::BecameLeader { epoch, .. } => {
                    checks.leads(self.index, self.incarnation, epoch, &self.before_epoch(epoch))?;
                }
                Action::StoppedLeading { .. } => self.proposed.clear(),
                Action::InstallSnapshot { id } => {
                    self.disk.install(id);
                    self.check_snapshot(id, checks)?;
                    self.high_watermark = self.high_watermark.max(id.offset);
                    installed = Some(id);
                }
                Action::BeginSnapshot { .. }
                | Action::WriteSnapshot { .. }
                | Action::DropSnapshot { .. } => self.download(action)?,
                Action::LeaderChanged { .. } => {}
                Action::ShutdownDone { .. } => self.is_stopped = true,
                // Whoever comes late may be told of an older snapshot than it has.
                Action::Fault(Fault::Unexpected { .. }) => {}
                // Nor is it wrong to have another disk.
                Action::Fault(Fault::ForgottenLeadership { .. }) if self.life > 1 => {}
                Action::Fault(fault) => return Err(format!("node {}: {fault}", self.index)),
            }
        }
        if let Some(id) = installed {
            let control = self.disk.control_of(id);
            let event = Event::SnapshotInstalled { id, control };
            effects.extend(self.event(event, world, checks)?);
        }
        Ok(effects)
    }

    fn download(&mut self, action: Action) -> Result<(), String> {
        match action {
            Action::BeginSnapshot { id } => self.disk.partial = Some((id, BytesMut::new())),
            Action::WriteSnapshot { id, position, bytes } => {
                let (partial, written) = self.disk.partial.as_mut().ok_or("nothing begun")?;
                if *partial != id || written.len() as u64 != position {
                    return Err(format!("part {position} of snapshot {id:?} does not fit"));
                }
                written.extend_from_slice(&bytes);
            }
            _ => self.disk.partial = None,
        }
        Ok(())
    }

    /// The log as it was when the election was won: without the records of the new epoch.
    fn before_epoch(&self, epoch: i32) -> Disk {
        let mut disk = self.disk.clone();
        disk.batches.retain(|batch| batch.epoch < epoch);
        disk
    }

    fn append(&mut self, batches: &Bytes, effects: &mut Vec<Effect>) {
        self.disk.append(batches);
        let (generation, offset) = (self.disk.generation, self.disk.end_offset());
        effects.push(Effect::Sync { generation, offset });
    }

    fn filled(&self, mut response: Response, fill: Fill) -> Response {
        match fill {
            Fill::Nothing => {}
            Fill::Log { offset, max_bytes } => {
                wire::fill(&mut response, self.disk.read(offset, max_bytes));
            }
            Fill::Snapshot { id, position, max_bytes } => {
                let bytes = &self.disk.snapshots[&id];
                let part = position as usize..(position + max_bytes) as usize;
                wire::fill(&mut response, bytes.slice(part));
            }
        }
        response
    }

    fn acknowledge(
        &mut self,
        checks: &mut Checks,
        effects: &mut Vec<Effect>,
    ) -> Result<(), String> {
        let high_watermark = self.high_watermark;
        let (done, open): (Vec<_>, Vec<_>) =
            self.proposed.drain(..).partition(|(end, ..)| *end <= high_watermark);
        self.proposed = open;
        for (_, base, batch) in done {
            checks.acknowledges(base, &batch)?;
            effects.push(Effect::Acknowledged);
        }
        Ok(())
    }

    fn check_snapshot(&self, id: OffsetAndEpoch, checks: &Checks) -> Result<(), String> {
        let bytes = &self.disk.snapshots[&id];
        let last = batches(bytes).last().ok_or("a snapshot has batches")?;
        let last = last.map_err(|e| e.to_string())?;
        let payload = last.payload(1024).map_err(|e| e.to_string())?;
        let record = payload.records().next().ok_or("a snapshot has records")?;
        let value = record.map_err(|e| e.to_string())?.value.unwrap_or_default().to_vec();
        let digest = checks.digest_at(id.offset).ok_or("a snapshot is of what is committed")?;
        if value == digest.to_be_bytes() {
            Ok(())
        } else {
            Err(format!("snapshot {id:?} is not of what is committed"))
        }
    }
}

/// A snapshot: the voters, and a digest in place of the state.
pub(super) fn snapshot(history: &History, id: OffsetAndEpoch, digest: u64) -> Bytes {
    let mut records = Vec::new();
    if history.version_at(id.offset - 1) > 0 {
        records.push(Control::Version(history.version_at(id.offset - 1)));
    }
    if let Some(voters) = history.voters_at(id.offset - 1) {
        records.push(Control::Voters(voters.to_record()));
    }
    let mut bytes = BytesMut::new();
    if !records.is_empty() {
        bytes.extend_from_slice(&control::batch(0, 0, 0, &records));
    }
    let mut builder = BatchBuilder::new(BatchOptions {
        base_offset: records.len() as i64,
        ..BatchOptions::default()
    });
    builder.append(0, None, Some(&digest.to_be_bytes()), &[]);
    bytes.extend_from_slice(&builder.finish());
    bytes.freeze()
}

pub(super) fn directory(index: usize, life: u128) -> Uuid {
    Uuid::from_u128(1000 * life + index as u128 + 1)
}
