//! From one role to another.

use protocol::ErrorCode;
use protocol::messages::LeaderChangeMessage;
use protocol::messages::leader_change_message::Voter;

use super::{Raft, Step};
use crate::control::{self, Control};
use crate::leader::{Leader, Upgrade};
use crate::role::{Ballot, Follower, Prospective, Role};
use crate::rules::{Rule, holds};
use crate::{Action, ElectionState, Endpoints, Fault, OffsetAndEpoch, ReplicaKey};

impl Raft {
    /// The first role, from what the node remembers.
    pub(super) fn start(&mut self, step: &mut Step<'_>, election: ElectionState) {
        let me = self.config.key();
        let now = step.ms();
        let election_at = now + self.election_timeout();
        let epoch = election.epoch.max(step.end.epoch);
        let voted = election.voted;
        let role = if election.epoch < step.end.epoch {
            Role::Unattached { leader: None, voted: None, election_at }
        } else if election.leader == Some(me.id) {
            self.resigned(Vec::new(), election_at)
        } else if election.has_voted_for(&me) && election.leader.is_none() && self.may_lead() {
            Role::Candidate { ballot: Ballot::new(self.voters(), &me), election_at }
        } else if let Some(leader) = election.leader {
            let endpoints = self.voters().endpoints(leader);
            if endpoints.is_empty() {
                Role::Unattached { leader: Some(leader), voted, election_at }
            } else {
                Role::Follower(self.follower(leader, endpoints, voted, now))
            }
        } else {
            Role::Unattached { leader: None, voted, election_at }
        };
        self.enter(step, epoch, role);
        if self.voters().is_only_voter(&me) && !matches!(self.role, Role::Candidate { .. }) {
            self.become_prospective(step);
        } else {
            self.advance_election(step);
        }
    }

    fn election_state(&self) -> ElectionState {
        ElectionState {
            epoch: self.epoch,
            leader: self.leader(),
            voted: self.voted(),
            voters: self.voters().ids().collect(),
        }
    }

    /// Changes the role. What must be remembered of it is written first.
    fn enter(&mut self, step: &mut Step<'_>, epoch: i32, role: Role) {
        self.connections.reset_all();
        let old_epoch = std::mem::replace(&mut self.epoch, epoch);
        let old = std::mem::replace(&mut self.role, role);
        self.persist(step);
        match old {
            Role::Leader(leader) => {
                step.act(Action::StoppedLeading { epoch: old_epoch });
                self.leave_leadership(step, *leader);
            }
            Role::Follower(Follower { download: Some(download), .. }) if !download.installing => {
                step.act(Action::DropSnapshot { id: download.id });
            }
            _ => {}
        }
        let told = (self.leader(), self.epoch);
        if self.told_leader != Some(told) {
            self.told_leader = Some(told);
            step.act(Action::LeaderChanged { leader: told.0, epoch: told.1 });
        }
    }

    /// Lets what must not be forgotten be written, if it is not what was written last.
    fn persist(&mut self, step: &mut Step<'_>) {
        let written = (self.election_state(), self.history.version());
        if self.persisted.as_ref() != Some(&written) {
            let (state, kraft_version) = written.clone();
            step.act(Action::PersistElection { state, kraft_version });
            self.persisted = Some(written);
        }
    }

    /// Votes for a candidate, and gives it the time that an election takes.
    pub(super) fn add_vote(&mut self, step: &mut Step<'_>, candidate: ReplicaKey) {
        let until = step.ms() + self.election_timeout();
        let (voted, election_at) = match &mut self.role {
            Role::Unattached { voted, election_at, .. } => (voted, election_at),
            Role::Prospective(prospective) => {
                (&mut prospective.voted, &mut prospective.election_at)
            }
            _ => return,
        };
        *voted = Some(candidate);
        *election_at = until;
        self.persist(step);
    }

    fn leave_leadership(&mut self, step: &mut Step<'_>, leader: Leader) {
        let error = ErrorCode::NotLeaderOrFollower;
        for parked in &leader.parked {
            self.refuse_parked(step, parked, error);
        }
        if let Some(change) = &leader.change {
            self.answer_change(step, change, error, None);
        }
    }

    fn resigned(&self, successors: Vec<ReplicaKey>, election_at: i64) -> Role {
        let me = self.config.node;
        let unacknowledged = self.voters().ids().filter(|id| *id != me).collect();
        Role::Resigned { successors, unacknowledged, election_at }
    }

    fn follower(
        &self,
        leader: i32,
        endpoints: Endpoints,
        voted: Option<ReplicaKey>,
        now: i64,
    ) -> Follower {
        let timeout = self.config.fetch_timeout_ms.max(1);
        Follower {
            leader,
            endpoints,
            voted,
            fetch_until: now + timeout,
            has_fetched: false,
            is_cut_off: false,
            update_at: now + timeout,
            has_updated_leader: false,
            is_updating: false,
            download: None,
        }
    }

    /// To wait in `epoch`, which is a later one, or this one after a pre-vote that failed.
    pub(super) fn become_unattached(
        &mut self,
        step: &mut Step<'_>,
        epoch: i32,
        leader: Option<i32>,
    ) {
        let voted = if epoch == self.epoch { self.voted() } else { None };
        // Whoever was about to start an election does not wait longer for what others do.
        let election_at = match &self.role {
            Role::Unattached { election_at, .. }
            | Role::Candidate { election_at, .. }
            | Role::Resigned { election_at, .. } => *election_at,
            Role::Prospective(prospective) if !prospective.ballot.is_lost() => {
                prospective.election_at
            }
            _ => step.ms() + self.election_timeout(),
        };
        self.enter(step, epoch, Role::Unattached { leader, voted, election_at });
    }

    pub(super) fn become_follower(
        &mut self,
        step: &mut Step<'_>,
        epoch: i32,
        leader: i32,
        endpoints: Endpoints,
    ) {
        let voted = if epoch == self.epoch { self.voted() } else { None };
        let follower = self.follower(leader, endpoints, voted, step.ms());
        self.enter(step, epoch, Role::Follower(follower));
    }

    pub(super) fn become_prospective(&mut self, step: &mut Step<'_>) {
        let prospective = Prospective {
            leader: self.leader(),
            leader_endpoints: self.leader_endpoints().cloned().unwrap_or_default(),
            voted: self.voted(),
            ballot: Ballot::new(self.voters(), &self.config.key()),
            election_at: step.ms() + self.election_timeout(),
        };
        self.enter(step, self.epoch, Role::Prospective(prospective));
        self.advance_election(step);
    }

    pub(super) fn become_candidate(&mut self, step: &mut Step<'_>) {
        // There is none after the last: better no leader than two of one epoch.
        let Some(epoch) = self.epoch.checked_add(1) else { return };
        let ballot = Ballot::new(self.voters(), &self.config.key());
        let election_at = step.ms() + self.election_timeout();
        self.enter(step, epoch, Role::Candidate { ballot, election_at });
        self.advance_election(step);
    }

    /// Goes on with an election that is won.
    pub(super) fn advance_election(&mut self, step: &mut Step<'_>) {
        match &self.role {
            Role::Prospective(prospective) if prospective.ballot.is_won() => {
                self.become_candidate(step);
            }
            Role::Candidate { ballot, .. } if ballot.is_won() => {
                let granting = ballot.granting();
                self.become_leader(step, granting.into_iter().collect());
            }
            _ => {}
        }
    }

    /// After a pre-vote that failed: back to the leader that was followed, or to waiting.
    pub(super) fn after_lost_prevote(&mut self, step: &mut Step<'_>) {
        let Role::Prospective(prospective) = &self.role else { return };
        let leader = prospective.leader;
        let endpoints = prospective.leader_endpoints.clone();
        match leader {
            Some(leader) if leader != self.config.node && !endpoints.is_empty() => {
                self.become_follower(step, self.epoch, leader, endpoints);
            }
            _ => self.become_unattached(step, self.epoch, leader),
        }
    }

    fn become_leader(&mut self, step: &mut Step<'_>, granting: Vec<i32>) {
        let me = self.config.key();
        let start = step.end.offset;
        let timeout = self.config.fetch_timeout_ms.max(1);
        let mut leader = Leader::new(me, self.voters(), start, timeout, step.ms());
        if !self.history.is_reconfigurable() {
            let voters = self.voters().updated_by_id(self.config.voter());
            leader.upgrade = voters.map_or(Upgrade::None, Upgrade::Voters);
        }
        leader.synced(step.synced);
        self.enter(step, self.epoch, Role::Leader(Box::new(leader)));
        let voter = |voter_id: i32| Voter { voter_id, ..Voter::default() };
        let mut records = vec![Control::LeaderChange(LeaderChangeMessage {
            version: 0,
            leader_id: me.id,
            voters: self.voters().ids().map(voter).collect(),
            granting_voters: granting.into_iter().map(voter).collect(),
        })];
        let mine = self.config.voter();
        let is_new = self.history.voters_offset() == Some(-1);
        if self.history.is_reconfigurable()
            && (is_new || self.voters().needs_update(&mine))
            && let Some(voters) = self.voters().updated(mine)
        {
            records.push(Control::Version(self.history.version()));
            records.push(Control::Voters(voters.to_record()));
        }
        self.append_control(step, &records);
        step.act(Action::BecameLeader { epoch: self.epoch, offset: start });
    }

    /// Appends control records as the leader, and gives the offset of the last one.
    pub(super) fn append_control(&mut self, step: &mut Step<'_>, records: &[Control]) -> i64 {
        let base_offset = step.end.offset;
        let batch = control::batch(base_offset, self.epoch, step.now.timestamp_ms, records);
        let parsed = protocol::record::RecordBatch::parse(&batch).expect("it was built here");
        self.history.read(&parsed).expect("what is written can be read");
        let end_offset = base_offset + records.len() as i64;
        step.end = OffsetAndEpoch { offset: end_offset, epoch: self.epoch };
        step.act(Action::Append { batch, base_offset, end_offset, epoch: self.epoch });
        self.voters_changed();
        if !holds(Rule::SyncedBeforeCounted) {
            step.synced = end_offset;
            self.synced(step);
        }
        self.answer_parked(step, |parked| parked.offset < end_offset);
        end_offset - 1
    }

    /// Lets a leader know of the voters that hold now.
    fn voters_changed(&mut self) {
        if let Role::Leader(leader) = &mut self.role {
            leader.set_voters(self.history.voters());
        }
    }

    pub(super) fn become_resigned(&mut self, step: &mut Step<'_>) {
        let Role::Leader(leader) = &self.role else { return };
        let successors = leader.successors();
        let election_at = step.ms() + self.election_timeout();
        let role = self.resigned(successors, election_at);
        self.enter(step, self.epoch, role);
    }

    /// Takes in what a message says of leader and epoch. `false` if it cannot be true.
    pub(super) fn learn(
        &mut self,
        step: &mut Step<'_>,
        leader: Option<i32>,
        epoch: i32,
        endpoints: Endpoints,
    ) -> bool {
        let leads = matches!(self.role, Role::Leader(_));
        if leader == Some(self.config.node) && !(leads && epoch <= self.epoch) {
            step.act(Action::Fault(Fault::ForgottenLeadership { epoch }));
            return false;
        }
        if !self.is_consistent(leader, epoch) {
            let named = leader.unwrap_or(-1);
            let known = self.leader().unwrap_or(-1);
            step.act(Action::Fault(Fault::TwoLeaders { epoch, known, named }));
            return false;
        }
        let is_reachable = leader.is_some() && !endpoints.is_empty();
        if epoch > self.epoch {
            match leader {
                Some(leader) if is_reachable => {
                    self.become_follower(step, epoch, leader, endpoints)
                }
                _ => self.become_unattached(step, epoch, leader),
            }
        } else if let Some(leader) = leader
            && leader != self.config.node
            && epoch == self.epoch
            && is_reachable
        {
            let known = self.leader_endpoints().map_or(0, Endpoints::len);
            if self.leader().is_none() || endpoints.len() > known {
                self.become_follower(step, epoch, leader, endpoints);
            }
        }
        true
    }

    /// Whether what is said of an epoch's leader agrees with what is known.
    fn is_consistent(&self, leader: Option<i32>, epoch: i32) -> bool {
        let Some(named) = leader else { return true };
        epoch != self.epoch || self.leader().is_none_or(|known| known == named)
    }
}
