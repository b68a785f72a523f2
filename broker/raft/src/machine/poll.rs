//! What a role does by itself as time goes by.

use super::{Raft, Step};
use crate::role::{Follower, Role};
use crate::{Action, Node, ReplicaKey, Request};

/// What comes of looking at a role.
enum Polled {
    /// It changed: look again.
    Changed,
    /// Nothing happens before this time, if by itself at all.
    Until(Option<i64>),
}

fn earlier(a: Option<i64>, b: Option<i64>) -> Option<i64> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (a, b) => a.or(b),
    }
}

impl Raft {
    /// Does all that is due, and notes when the next thing will be.
    pub(super) fn poll(&mut self, step: &mut Step<'_>) {
        self.finish_shutdown(step);
        let until = loop {
            if self.is_stopped {
                break None;
            }
            match self.poll_role(step) {
                Polled::Changed => self.finish_shutdown(step),
                Polled::Until(until) => break until,
            }
        };
        let parked = match &self.role {
            Role::Leader(leader) => leader.parked.iter().map(|parked| parked.until).min(),
            _ => None,
        };
        let shutdown = self.shutdown_until.filter(|_| !self.is_stopped);
        self.deadline = earlier(until, earlier(parked, shutdown));
    }

    fn finish_shutdown(&mut self, step: &mut Step<'_>) {
        let Some(until) = self.shutdown_until else { return };
        if self.is_stopped {
            return;
        }
        let me = self.config.key();
        let has_successor = self.leader().is_some_and(|leader| leader != me.id);
        let is_free = !self.may_lead() || self.voters().is_only_voter(&me) || has_successor;
        if is_free || until <= step.ms() {
            self.is_stopped = true;
            step.act(Action::ShutdownDone { in_time: is_free });
        }
    }

    fn poll_role(&mut self, step: &mut Step<'_>) -> Polled {
        match &self.role {
            Role::Leader(_) => self.poll_leader(step),
            Role::Candidate { .. } | Role::Prospective(_) => self.poll_election(step),
            Role::Follower(_) if self.may_lead() => self.poll_voter(step),
            Role::Follower(_) => self.poll_observer(step),
            Role::Unattached { .. } => self.poll_unattached(step),
            Role::Resigned { .. } => self.poll_resigned(step),
        }
    }

    fn poll_leader(&mut self, step: &mut Step<'_>) -> Polled {
        let now = step.ms();
        self.expire_change(step);
        let shuts_down = self.shutdown_until.is_some();
        let Role::Leader(leader) = &mut self.role else { return Polled::Changed };
        if shuts_down || leader.must_resign || leader.has_lost_majority(now) {
            self.become_resigned(step);
            return Polled::Changed;
        }
        let mut until = Some(leader.change_until).filter(|until| *until < i64::MAX);
        if leader.voters.len() > 1 {
            until = earlier(until, Some(leader.resign_at));
        }
        let silent = if leader.begin_at <= now { leader.silent(now) } else { Vec::new() };
        if leader.begin_at <= now {
            leader.begin_at = now + leader.begin_every_ms;
        }
        let others = leader.voters.len() > 1 || !leader.voters.contains_key(&leader.me.id);
        if others {
            until = earlier(until, Some(leader.begin_at));
        }
        for voter in silent {
            self.send_to_voter(step, &voter, |raft, _| {
                Request::BeginQuorumEpoch(raft.begin_request(&voter))
            });
        }
        Polled::Until(until)
    }

    fn poll_election(&mut self, step: &mut Step<'_>) -> Polled {
        let (ballot, election_at, pre_vote) = match &self.role {
            Role::Candidate { ballot, election_at } => (ballot, *election_at, false),
            Role::Prospective(prospective) => (&prospective.ballot, prospective.election_at, true),
            _ => return Polled::Changed,
        };
        let shuts_down = self.shutdown_until.is_some();
        if election_at <= step.ms() && !shuts_down {
            match pre_vote {
                true => self.after_lost_prevote(step),
                false => self.become_prospective(step),
            }
            return Polled::Changed;
        }
        let open = if ballot.is_lost() { Vec::new() } else { ballot.open() };
        let mut until = Some(election_at).filter(|_| !shuts_down);
        for voter in open {
            let wait = self.send_to_voter(step, &voter, |raft, step| {
                Request::Vote(raft.vote_request(step, &voter, pre_vote))
            });
            until = earlier(until, wait);
        }
        Polled::Until(until)
    }

    fn poll_voter(&mut self, step: &mut Step<'_>) -> Polled {
        let now = step.ms();
        let Role::Follower(follower) = &self.role else { return Polled::Changed };
        if self.shutdown_until.is_some() {
            return Polled::Until(None);
        }
        if follower.fetch_until <= now {
            self.become_prospective(step);
            return Polled::Changed;
        }
        let until = Some(follower.fetch_until);
        let is_due = follower.update_at <= now;
        if is_due && self.has_news_for_leader(follower) {
            let leader = self.leader_node();
            let (sent, wait) = match leader {
                Some(leader) => self.send_if_ready(step, leader, |raft, _| {
                    Request::UpdateRaftVoter(raft.update_request())
                }),
                None => (false, None),
            };
            let period = self.update_period();
            if let Role::Follower(follower) = &mut self.role
                && sent
            {
                follower.is_updating = true;
                follower.update_at = now + period;
            }
            return Polled::Until(earlier(until, wait));
        }
        let wait = self.fetch_from_best(step);
        let period = self.update_period();
        let Role::Follower(follower) = &mut self.role else { return Polled::Changed };
        if is_due {
            follower.update_at = now + period;
        }
        let update_at = follower.update_at;
        Polled::Until(earlier(earlier(until, wait), Some(update_at)))
    }

    /// Whether the leader knows something else of this voter than there is to know.
    fn has_news_for_leader(&self, follower: &Follower) -> bool {
        if self.history.is_reconfigurable() {
            self.voters().needs_update(&self.config.voter())
        } else {
            !follower.has_updated_leader
        }
    }

    fn poll_observer(&mut self, step: &mut Step<'_>) -> Polled {
        let now = step.ms();
        let Role::Follower(follower) = &self.role else { return Polled::Changed };
        if self.shutdown_until.is_some() {
            return Polled::Until(None);
        }
        let joins = self.config.can_become_voter
            && self.config.auto_join
            && self.history.is_reconfigurable();
        if joins
            && follower.update_at <= now
            && let Some(leader) = self.leader_node()
        {
            let older = self.voters().get(self.config.node).map(|voter| voter.key);
            let (sent, wait) = self.send_if_ready(step, leader, |raft, _| match older {
                Some(older) => Request::RemoveRaftVoter(raft.remove_request(&older)),
                None => Request::AddRaftVoter(raft.add_request()),
            });
            let period = self.update_period();
            if let Role::Follower(follower) = &mut self.role
                && sent
            {
                follower.update_at = now + period;
            }
            return Polled::Until(wait);
        }
        let update_at = follower.update_at;
        let wait = self.fetch_from_best(step);
        Polled::Until(earlier(wait, Some(update_at).filter(|_| joins)))
    }

    fn poll_unattached(&mut self, step: &mut Step<'_>) -> Polled {
        let Role::Unattached { election_at, .. } = &self.role else { return Polled::Changed };
        let election_at = Some(*election_at).filter(|_| self.may_lead());
        if self.shutdown_until.is_some() {
            return Polled::Until(None);
        }
        if election_at.is_some_and(|at| at <= step.ms()) {
            self.become_prospective(step);
            return Polled::Changed;
        }
        let wait = self.fetch_from_bootstrap(step);
        Polled::Until(earlier(wait, election_at))
    }

    fn poll_resigned(&mut self, step: &mut Step<'_>) -> Polled {
        let Role::Resigned { successors, unacknowledged, election_at } = &self.role else {
            return Polled::Changed;
        };
        let shuts_down = self.shutdown_until.is_some();
        let next_epoch = self.epoch.checked_add(1).filter(|_| !shuts_down);
        if let Some(epoch) = next_epoch
            && *election_at <= step.ms()
        {
            self.become_unattached(step, epoch, None);
            return Polled::Changed;
        }
        let mut until = next_epoch.map(|_| *election_at);
        let request = self.end_request(successors);
        for id in unacknowledged.clone() {
            let voter = ReplicaKey { id, directory: None };
            let wait =
                self.send_to_voter(step, &voter, |_, _| Request::EndQuorumEpoch(request.clone()));
            until = earlier(until, wait);
        }
        Polled::Until(until)
    }

    fn leader_node(&self) -> Option<Node> {
        let Role::Follower(follower) = &self.role else { return None };
        let address = follower.endpoints.address(&self.config.listener)?.clone();
        Some(Node { id: follower.leader, address })
    }

    /// Fetches from the leader; from anybody who may know better, if the leader does not answer.
    fn fetch_from_best(&mut self, step: &mut Step<'_>) -> Option<i64> {
        let now = step.ms();
        let Some(leader) = self.leader_node() else { return self.fetch_from_bootstrap(step) };
        if self.connections.has_timed_out(leader.id, now) {
            self.connections.reset(leader.id);
            return self.fetch_from_bootstrap(step);
        }
        if self.connections.is_backing_off(leader.id, now) {
            return self.fetch_from_bootstrap(step);
        }
        if self.connections.any_in_flight(now) {
            return self.connections.wait_any();
        }
        let Role::Follower(follower) = &self.role else { return None };
        let download = follower.download;
        match download {
            Some(download) if download.installing => None,
            Some(download) => {
                let request = move |raft: &Self, _: &Step<'_>| {
                    Request::FetchSnapshot(raft.snapshot_request(&download))
                };
                self.send_if_ready(step, leader, request).1
            }
            None if !self.may_fetch(step) => None,
            None => self.send_fetch(step, leader),
        }
    }

    fn send_fetch(&mut self, step: &mut Step<'_>, to: Node) -> Option<i64> {
        let request =
            |raft: &Self, step: &Step<'_>| Request::Fetch(Box::new(raft.fetch_request(step)));
        self.send_if_ready(step, to, request).1
    }

    /// Fetches from somebody who may know who leads.
    fn fetch_from_bootstrap(&mut self, step: &mut Step<'_>) -> Option<i64> {
        let now = step.ms();
        if self.connections.any_in_flight(now) || !self.may_fetch(step) {
            return self.connections.wait_any();
        }
        let nodes = self.who_may_know();
        if nodes.is_empty() {
            return None;
        }
        let first = self.random.below(nodes.len() as u64) as usize;
        for index in 0..nodes.len() {
            let node = &nodes[(first + index) % nodes.len()];
            if self.connections.is_ready(node.id, now) {
                return self.send_fetch(step, node.clone());
            }
        }
        self.connections.wait_any()
    }

    /// The bootstrap servers, and the voters: those that were bootstrap servers once may be gone
    /// from the quorum, all of them.
    fn who_may_know(&self) -> Vec<Node> {
        let me = self.config.endpoints.address(&self.config.listener);
        let bootstrap = self.config.bootstrap.iter().enumerate();
        let bootstrap = bootstrap
            .map(|(index, address)| Node { id: -2 - index as i32, address: address.clone() });
        let others = self.voters().ids().filter(|id| *id != self.config.node);
        let voters = others.filter_map(|id| self.voters().node(id, &self.config.listener));
        let mut nodes: Vec<Node> = Vec::new();
        for node in bootstrap.chain(voters) {
            let is_known = nodes.iter().any(|known| known.address == node.address);
            if !is_known && me != Some(&node.address) {
                nodes.push(node);
            }
        }
        nodes
    }

    fn send_to_voter(
        &mut self,
        step: &mut Step<'_>,
        voter: &ReplicaKey,
        request: impl FnOnce(&Self, &Step<'_>) -> Request,
    ) -> Option<i64> {
        let node = self.voters().node(voter.id, &self.config.listener)?;
        self.send_if_ready(step, node, request).1
    }

    /// Sends a request, unless another one to the node is in flight or has failed just now.
    /// Whether it was sent, and when to look at the node again.
    pub(super) fn send_if_ready(
        &mut self,
        step: &mut Step<'_>,
        to: Node,
        request: impl FnOnce(&Self, &Step<'_>) -> Request,
    ) -> (bool, Option<i64>) {
        let now = step.ms();
        let is_ready = self.connections.is_ready(to.id, now);
        let id = to.id;
        if is_ready {
            let request = request(self, step);
            let correlation = self.connections.sent(to.id, now);
            step.act(Action::Send { to, correlation, request });
        }
        (is_ready, self.connections.wait(id))
    }
}
