//! The machine itself: its state, and the way of an event through it.

mod answers;
mod begin;
mod describe;
mod fetch;
mod follow;
mod membership;
mod poll;
mod propose;
mod responses;
mod snapshot;
mod transitions;
mod upgrade;
mod vote;

use protocol::ErrorCode;

pub use propose::{Proposal, ProposeError};
pub use upgrade::UpgradeError;

use crate::connections::Connections;
use crate::log_view::{end_for_epoch, last_epoch};
use crate::random::Random;
use crate::role::Role;
use crate::rules::{Rule, holds};
use crate::{
    Action, Config, ElectionState, Endpoints, Event, Failure, Fault, Fill, History, Inbound,
    LogView, Now, OffsetAndEpoch, ReplicaKey, Request, Response, RoleName, VoterSet,
};

/// A node of the metadata quorum. See the crate's page for how it is driven.
#[derive(Debug)]
pub struct Raft {
    config: Config,
    history: History,
    epoch: i32,
    role: Role,
    /// What `quorum-state` holds, and at which level of `kraft.version` it was written.
    persisted: Option<(ElectionState, i16)>,
    committed: Option<i64>,
    connections: Connections,
    random: Random,
    shutdown_until: Option<i64>,
    is_stopped: bool,
    told_leader: Option<(Option<i32>, i32)>,
    log_start: i64,
    deadline: Option<i64>,
}

/// One call of the machine: what it sees, and what it wants done.
struct Step<'a> {
    log: &'a dyn LogView,
    now: Now,
    /// The end of the log, once the actions so far are carried out.
    end: OffsetAndEpoch,
    synced: i64,
    actions: Vec<Action>,
}

impl<'a> Step<'a> {
    fn new(log: &'a dyn LogView, now: Now) -> Self {
        let end = OffsetAndEpoch { offset: log.end_offset(), epoch: last_epoch(log) };
        Self { log, now, end, synced: log.synced_end(), actions: Vec::new() }
    }

    fn ms(&self) -> i64 {
        self.now.elapsed_ms
    }

    fn act(&mut self, action: Action) {
        self.actions.push(action);
    }

    fn truncate(&mut self, offset: i64) {
        // Some epoch starts below; where none does, the snapshot before the log has the epoch.
        let starts = self.log.epoch_starts();
        let last = starts.iter().rev().find(|start| start.offset < offset);
        let epoch = last.map_or_else(
            || self.log.latest_snapshot().map_or(0, |snapshot| snapshot.epoch),
            |last| last.epoch,
        );
        self.end = OffsetAndEpoch { offset, epoch };
        self.synced = self.synced.min(offset);
        self.act(Action::Truncate { offset });
    }
}

impl Raft {
    /// A node as it starts: with what its `quorum-state` file holds, if there is one, and the
    /// voters that its snapshot and its log name. `seed` decides about its election timeouts, and
    /// should differ between nodes. The actions are to be carried out as those of
    /// [`handle`](Self::handle) are.
    pub fn new(
        config: Config,
        election: Option<ElectionState>,
        history: History,
        log: &dyn LogView,
        seed: u64,
        now: Now,
    ) -> (Self, Vec<Action>) {
        let mut step = Step::new(log, now);
        let connections = Connections::new(config.request_timeout_ms, config.retry_backoff_ms);
        let mut raft = Self {
            connections,
            history,
            epoch: 0,
            role: Role::Unattached { leader: None, voted: None, election_at: i64::MAX },
            persisted: None,
            committed: log.latest_snapshot().map(|snapshot| snapshot.offset).filter(|&at| at > 0),
            random: Random::new(seed),
            shutdown_until: None,
            is_stopped: false,
            told_leader: None,
            log_start: log.start_offset(),
            deadline: None,
            config,
        };
        raft.start(&mut step, election.unwrap_or_default());
        raft.poll(&mut step);
        (raft, step.actions)
    }

    /// Takes in an event. The actions are to be carried out in order, all of them before the next
    /// call.
    pub fn handle(&mut self, event: Event, log: &dyn LogView, now: Now) -> Vec<Action> {
        let mut step = Step::new(log, now);
        self.expire_parked(&mut step);
        self.forget_old_voters(&step);
        match event {
            Event::Timer => {}
            Event::Request(inbound) => self.requested(&mut step, inbound),
            Event::Response { from, correlation, response } => {
                self.responded(&mut step, from, correlation, response);
            }
            Event::Failed { to, correlation, failure } => {
                self.failed(&mut step, to, correlation, failure);
            }
            Event::Synced => self.synced(&mut step),
            Event::SnapshotInstalled { id, control } => {
                self.snapshot_installed(&mut step, id, &control);
            }
            Event::Resign { epoch } => {
                if let Role::Leader(leader) = &mut self.role
                    && epoch == self.epoch
                {
                    leader.must_resign = true;
                }
            }
            Event::Shutdown { timeout_ms } => {
                self.shutdown_until = Some(step.ms().saturating_add(timeout_ms.max(0)));
            }
        }
        self.poll(&mut step);
        step.actions
    }

    /// When [`Event::Timer`] is due, in [`Now::elapsed_ms`]. An event that comes earlier may move
    /// it; a timer that comes early does no harm.
    pub fn next_deadline(&self) -> Option<i64> {
        self.deadline
    }

    pub fn epoch(&self) -> i32 {
        self.epoch
    }

    /// Who leads this epoch, as far as this node knows. One that has resigned names itself.
    pub fn leader(&self) -> Option<i32> {
        match &self.role {
            Role::Unattached { leader, .. } => *leader,
            Role::Prospective(prospective) => prospective.leader,
            Role::Candidate { .. } => None,
            Role::Follower(follower) => Some(follower.leader),
            Role::Leader(_) | Role::Resigned { .. } => Some(self.config.node),
        }
    }

    /// Whom this node has voted for in this epoch.
    pub fn voted(&self) -> Option<ReplicaKey> {
        match &self.role {
            Role::Unattached { voted, .. } => *voted,
            Role::Prospective(prospective) => prospective.voted,
            Role::Candidate { .. } => Some(self.config.key()),
            Role::Follower(follower) => follower.voted,
            Role::Leader(_) | Role::Resigned { .. } => None,
        }
    }

    pub fn role(&self) -> RoleName {
        match &self.role {
            Role::Leader(_) => RoleName::Leader,
            Role::Prospective(prospective) if prospective.voted.is_some() => {
                RoleName::ProspectiveVoted
            }
            Role::Prospective(_) => RoleName::Prospective,
            Role::Candidate { .. } => RoleName::Candidate,
            Role::Resigned { .. } => RoleName::Resigned,
            _ if !self.is_voter() => RoleName::Observer,
            Role::Unattached { voted: Some(_), .. } => RoleName::UnattachedVoted,
            Role::Unattached { .. } => RoleName::Unattached,
            Role::Follower(_) => RoleName::Follower,
        }
    }

    /// Up to where records are known to be committed.
    pub fn high_watermark(&self) -> Option<i64> {
        self.committed
    }

    /// The voters and the level of `kraft.version`, now and by offset: what a snapshot starts
    /// with.
    pub fn history(&self) -> &History {
        &self.history
    }

    /// Where the leader listens, if this node knows it.
    pub fn leader_endpoints(&self) -> Option<&Endpoints> {
        match &self.role {
            Role::Prospective(prospective) => Some(&prospective.leader_endpoints),
            Role::Follower(follower) => Some(&follower.endpoints),
            Role::Leader(_) | Role::Resigned { .. } => Some(&self.config.endpoints),
            Role::Unattached { .. } | Role::Candidate { .. } => None,
        }
    }

    pub fn is_voter(&self) -> bool {
        self.voters().is_voter(&self.config.key())
    }

    /// Whether the node starts elections: as a voter, or as one whose removal may not be
    /// committed. The others may not have heard of it, and then none of them can be elected
    /// without this node, nor by it, whose log is longer.
    fn may_lead(&self) -> bool {
        let me = self.config.key();
        let is_open = || self.history.voters_offset() >= Some(self.committed.unwrap_or(0));
        let was_voter = || self.history.voters_before().is_some_and(|set| set.is_voter(&me));
        self.is_voter() || (is_open() && was_voter())
    }

    fn voters(&self) -> &VoterSet {
        self.history.voters()
    }

    fn requested(&mut self, step: &mut Step<'_>, inbound: Inbound) {
        let Inbound { handle, listener, version, request } = inbound;
        let from = answers::Asker { handle, listener, version };
        match request {
            Request::Vote(request) => {
                let response = self.vote_requested(step, &from, &request);
                self.answer(step, handle, Response::Vote(response));
            }
            Request::BeginQuorumEpoch(request) => {
                let response = self.begin_requested(step, &from, &request);
                self.answer(step, handle, Response::BeginQuorumEpoch(response));
            }
            Request::EndQuorumEpoch(request) => {
                let response = self.end_requested(step, &from, &request);
                self.answer(step, handle, Response::EndQuorumEpoch(response));
            }
            Request::Fetch(request) => self.fetch_requested(step, from, &request),
            Request::FetchSnapshot(request) => {
                let (response, fill) = self.snapshot_requested(step, &from, &request);
                let response = Response::FetchSnapshot(response);
                step.act(Action::Answer { handle, response, fill });
            }
            Request::DescribeQuorum(request) => {
                let response = self.describe_requested(step, &from, &request);
                self.answer(step, handle, Response::DescribeQuorum(response));
            }
            Request::AddRaftVoter(request) => self.add_requested(step, &from, &request),
            Request::RemoveRaftVoter(request) => self.remove_requested(step, &from, &request),
            Request::UpdateRaftVoter(request) => {
                let response = self.update_requested(step, &from, &request);
                self.answer(step, handle, Response::UpdateRaftVoter(response));
            }
            // Whoever owns the connection answers it.
            Request::ApiVersions => {}
        }
    }

    fn answer(&self, step: &mut Step<'_>, handle: u64, response: Response) {
        step.act(Action::Answer { handle, response, fill: Fill::Nothing });
    }

    fn failed(&mut self, step: &mut Step<'_>, to: i32, correlation: u64, failure: Failure) {
        if !self.connections.is_expected(to, correlation) {
            return;
        }
        if failure == Failure::NotAuthorized {
            step.act(Action::Fault(Fault::NotAuthorized { node: to }));
        }
        let handled = match failure {
            Failure::UnsupportedVersion => self.unsupported(step, to),
            Failure::Disconnected | Failure::Refused | Failure::NotAuthorized => {
                self.abandon_adding(step, to);
                false
            }
        };
        self.suspect_leader(step, to, failure);
        self.connections.finished(to, correlation, handled, step.ms());
    }

    /// Gives up a leader that is dead beyond doubt before its time is over: the connection by
    /// which it was followed has ended, and a new one to its port is refused. A leader that is
    /// slow, paused or cut off shows neither; and should it live all the same, those who hear of
    /// it refuse the pre-vote. The voters go one after the other, so that they do not split the
    /// votes.
    fn suspect_leader(&mut self, step: &Step<'_>, to: i32, failure: Failure) {
        let me = self.config.node;
        let patience = self.config.election_timeout_ms / 10;
        let ids = self.history.voters().ids();
        let asked = usize::try_from(-2 - i64::from(to)).ok();
        let asked = asked.and_then(|index| self.config.bootstrap.get(index));
        let Role::Follower(follower) = &mut self.role else { return };
        // The leader may have been asked as a bootstrap server.
        let known = follower.endpoints.address(&self.config.listener);
        let is_leader = to == follower.leader || (asked.is_some() && asked == known);
        if !is_leader || !follower.has_fetched {
            return;
        }
        if failure == Failure::Refused && follower.is_cut_off {
            let leader = follower.leader;
            let turn = ids.filter(|id| *id != leader).take_while(|id| *id != me).count();
            let early = step.ms() + patience * turn as i64;
            follower.fetch_until = follower.fetch_until.min(early);
            follower.has_fetched = false;
        }
        follower.is_cut_off = matches!(failure, Failure::Disconnected | Failure::Refused);
    }

    /// Takes in that the log is synced further.
    fn synced(&mut self, step: &mut Step<'_>) {
        let synced = step.synced;
        if let Role::Leader(leader) = &mut self.role
            && leader.synced(synced)
        {
            self.leader_committed(step);
        }
    }

    fn forget_old_voters(&mut self, step: &Step<'_>) {
        let start = step.log.start_offset();
        if start != self.log_start {
            self.log_start = start;
            self.history.forget_before(start);
        }
    }

    /// Notes that all below `offset` is committed.
    fn commit(&mut self, step: &mut Step<'_>, offset: i64) {
        if self.committed.is_none_or(|committed| committed < offset) {
            self.committed = Some(offset);
            step.act(Action::HighWatermark { offset });
        }
    }

    /// What a leader does when its high watermark has moved.
    fn leader_committed(&mut self, step: &mut Step<'_>) {
        let Role::Leader(leader) = &self.role else { return };
        if let Some(offset) = leader.high_watermark {
            self.commit(step, offset);
        }
        self.change_committed(step);
        self.go_if_removed();
        self.answer_parked(step, |_| true);
    }

    /// A leader that is no voter any more has to go, once that is committed.
    fn go_if_removed(&mut self) {
        let is_voter = self.is_voter();
        let Some(offset) = self.history.voters_offset().filter(|_| !is_voter) else { return };
        if let Role::Leader(leader) = &mut self.role
            && leader.high_watermark.is_some_and(|committed| committed > offset)
        {
            leader.must_resign = true;
        }
    }

    /// An election timeout: between one and two times the configured one.
    fn election_timeout(&mut self) -> i64 {
        let base = self.config.election_timeout_ms.max(1);
        base + self.random.below(base as u64) as i64
    }

    /// Whether a request is of this cluster. One that does not say is.
    fn is_this_cluster(&self, cluster_id: Option<&str>) -> bool {
        cluster_id.is_none_or(|id| id == self.config.cluster_id)
    }

    /// What a request is refused with that only the leader of `epoch` can answer.
    fn refuse_unless_leading(&self, epoch: i32) -> Option<ErrorCode> {
        let fences = holds(Rule::EpochsFence);
        if epoch < self.epoch && fences {
            Some(ErrorCode::FencedLeaderEpoch)
        } else if epoch > self.epoch && fences {
            Some(ErrorCode::UnknownLeaderEpoch)
        } else if !matches!(self.role, Role::Leader(_)) {
            Some(ErrorCode::NotLeaderOrFollower)
        } else if self.shutdown_until.is_some() {
            Some(ErrorCode::BrokerNotAvailable)
        } else {
            None
        }
    }

    /// What a request of a leader or candidate is refused with.
    fn refuse_voter(&self, node: i32, epoch: i32) -> Option<ErrorCode> {
        if epoch < self.epoch && holds(Rule::EpochsFence) {
            Some(ErrorCode::FencedLeaderEpoch)
        } else if node < 0 || epoch == i32::MAX {
            Some(ErrorCode::InvalidRequest)
        } else {
            None
        }
    }

    /// Whether a request that names its receiver means this node. One that does not, does.
    fn is_me(&self, named: &ReplicaKey) -> bool {
        named.id < 0 || named.names(&self.config.key())
    }

    fn end_for_epoch(&self, step: &Step<'_>, epoch: i32) -> OffsetAndEpoch {
        end_for_epoch(step.log, epoch)
    }
}
