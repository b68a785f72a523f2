//! What goes wrong, and who meddles.

use super::{Happening, World};
use crate::sim::node::{Asker, SimNode};
use crate::sim::quorum::{add, remove};
use crate::{Failure, Request, RoleName};

impl World {
    pub(super) fn trouble(&mut self) {
        if self.is_calm {
            return;
        }
        let count = self.nodes.len() as u64;
        let node = self.random.below(count) as usize;
        match self.random.below(10) {
            0..4 => self.crash(node),
            // All at once: the power of the room.
            4 => (0..self.nodes.len()).for_each(|node| self.crash(node)),
            5..7 => {
                let other = self.random.below(count) as usize;
                self.cut.insert((node, other));
            }
            7 => {
                for other in 0..self.nodes.len() {
                    self.cut.insert((node, other));
                    self.cut.insert((other, node));
                }
            }
            8 if self.random.below(2) == 0 => self.later(0, Happening::Shutdown { node }),
            8 => self.sync_ms[node] = 1 + self.random.below(900),
            _ => self.cut.clear(),
        }
        if self.random.below(3) == 0 {
            let most = if self.plan.storm { 300 } else { 5000 };
            let delay = 100 + self.random.below(most) as i64;
            self.later(delay, Happening::Heal);
        }
        let most = if self.plan.storm { 200 } else { 2500 };
        let delay = 10 + self.random.below(most) as i64;
        self.later(delay, Happening::Trouble);
    }

    pub(super) fn crash(&mut self, node: usize) {
        if self.nodes[node].raft.is_none() {
            return;
        }
        self.break_connections(node);
        self.nodes[node].crash(&mut self.random, self.now);
        let most = if self.plan.storm { 60 } else { 3000 };
        let delay = 1 + self.random.below(most) as i64;
        self.later(delay, Happening::Start { node });
    }

    /// Whoever waits for an answer of a node that has died learns of it.
    pub(super) fn break_connections(&mut self, node: usize) {
        let Self { queue, nodes, .. } = self;
        let waiting = nodes[node].unanswered().filter_map(|asker| match asker {
            Asker::Peer { node, incarnation, asked_as, correlation, .. } => {
                Some((*node, *incarnation, *asked_as, *correlation))
            }
            Asker::Admin => None,
        });
        let broken = |happening: &Happening| match happening {
            Happening::Request { to, from, incarnation, as_id, correlation, .. }
                if *to == node && nodes[*from].raft.is_some() =>
            {
                Some((*from, *incarnation, *as_id, *correlation))
            }
            _ => None,
        };
        let broken: Vec<_> = queue.values().filter_map(broken).chain(waiting).collect();
        for (to, incarnation, from, correlation) in broken {
            let failure = Failure::Disconnected;
            let delay = self.delay();
            self.later(delay, Happening::Failed { to, incarnation, from, correlation, failure });
        }
    }

    /// A voter loses its disk, if all others are what the quorum believes them to be: it stands
    /// the loss of one of three at a time.
    pub(super) fn replace_disk(&mut self) {
        self.later(4000, Happening::ReplaceDisk);
        if self.is_calm {
            return;
        }
        let leads = |node: &&SimNode| {
            node.raft.as_ref().is_some_and(|raft| raft.role() == RoleName::Leader)
        };
        let leader = self
            .nodes
            .iter()
            .filter(leads)
            .max_by_key(|node| node.raft.as_ref().map(crate::Raft::epoch));
        let Some(raft) = leader.and_then(|leader| leader.raft.as_ref()) else { return };
        let voters = raft.history().voters();
        let is_whole = |voter: &crate::VoterNode| {
            let node = &self.nodes[voter.key.id as usize];
            node.config.key() == voter.key && node.raft.is_some()
        };
        let is_committed = raft.history().voters_offset() < raft.high_watermark();
        if voters.len() < 3 || !is_committed || !voters.iter().all(is_whole) {
            return;
        }
        let ids: Vec<i32> = voters.ids().collect();
        let node = ids[self.random.below(ids.len() as u64) as usize] as usize;
        self.crash(node);
        self.nodes[node].replace_disk();
        self.replaced += 1;
    }

    /// Somebody adds and removes voters.
    pub(super) fn administer(&mut self) -> Result<(), String> {
        let most = if self.plan.storm { 50 } else { 3000 };
        let delay = 5 + self.random.below(most) as i64;
        self.later(delay, Happening::Administer);
        let controllers = self.plan.voters + self.plan.spares;
        if !self.plan.dynamic || self.plan.spares == 0 || self.plan.joins {
            return Ok(());
        }
        let subject = self.random.below(controllers as u64) as usize;
        for index in 0..self.nodes.len() {
            let Some(raft) = &self.nodes[index].raft else { continue };
            if raft.role() != RoleName::Leader {
                continue;
            }
            let voters = raft.history().voters();
            let fewest = if self.plan.storm { 1 } else { 2 };
            let request = match voters.get(subject as i32) {
                Some(_) if voters.len() <= fewest => continue,
                Some(voter) => Request::RemoveRaftVoter(remove(voter)),
                None => Request::AddRaftVoter(add(subject)),
            };
            let (now, asker) = (self.now, Asker::Admin);
            let effects = self.nodes[index].request(asker, request, 0, now, &mut self.checks)?;
            self.effect(index, effects);
        }
        Ok(())
    }
}
