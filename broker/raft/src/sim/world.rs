//! The world: time, network, clients, and what goes wrong.

mod trouble;

use std::collections::{BTreeMap, BTreeSet};

use super::checks::Checks;
use super::disk::Disk;
use super::node::{Asker, Effect, SimNode, directory};
use super::plan::{Misuse, Plan};
use super::quorum::{asked_vote, bootstrap_snapshot, endpoints, port};
use super::wire::{self, Generation};
use crate::random::Random;
use crate::{Address, Config, Event, Failure, Node, Request, Response, RoleName, VoterSet};

/// How long a sync takes at most while a disk is well.
const SYNC_MS: u64 = 5;

#[derive(Debug)]
enum Happening {
    Request {
        from: usize,
        incarnation: u64,
        to: usize,
        as_id: i32,
        correlation: u64,
        request: Request,
    },
    Response {
        to: usize,
        incarnation: u64,
        from: i32,
        correlation: u64,
        response: Response,
    },
    Failed {
        to: usize,
        incarnation: u64,
        from: i32,
        correlation: u64,
        failure: Failure,
    },
    Synced {
        node: usize,
        incarnation: u64,
        generation: u64,
        offset: i64,
    },
    Start {
        node: usize,
    },
    Crash {
        node: usize,
    },
    Shutdown {
        node: usize,
    },
    Propose,
    ReplaceDisk,
    Trouble,
    Heal,
    Administer,
    Snapshot {
        node: usize,
    },
}

#[derive(Debug)]
pub(super) struct World {
    plan: Plan,
    pub(super) nodes: Vec<SimNode>,
    pub(super) checks: Checks,
    pub(super) now: i64,
    queue: BTreeMap<(i64, u64), Happening>,
    sequence: u64,
    random: Random,
    /// Ways on which nothing arrives.
    cut: BTreeSet<(usize, usize)>,
    is_calm: bool,
    /// How long a sync takes at most, by node.
    sync_ms: Vec<u64>,
    values: u64,
    pub(super) events: u64,
    pub(super) voter_changes: u64,
    pub(super) replaced: u64,
    /// A digest of all that has happened.
    pub(super) trace: Option<u64>,
}

impl World {
    pub(super) fn new(plan: Plan, seed: u64, misuse: Option<Misuse>) -> Self {
        let controllers = plan.voters + plan.spares;
        let count = controllers + plan.observers;
        let addresses: Vec<Address> = (0..plan.voters)
            .map(|index| Address { host: format!("n{index}"), port: port(index) })
            .collect();
        let static_voters = if plan.dynamic {
            VoterSet::default()
        } else {
            let voters = addresses.iter().enumerate();
            VoterSet::from_static(
                "CONTROLLER",
                voters.map(|(index, at)| (index as i32, at.host.as_str(), at.port)),
            )
        };
        let bootstrap = plan.dynamic.then(|| bootstrap_snapshot(plan.voters));
        let nodes = (0..count).map(|index| {
            let formatted = bootstrap.clone().filter(|_| index < plan.voters);
            let disk = Disk::formatted(formatted);
            let config = config(plan, index, addresses.clone());
            node(plan, config, static_voters.clone(), disk, misuse)
        });
        let mut world = Self {
            plan,
            nodes: nodes.collect(),
            checks: Checks::default(),
            now: 0,
            queue: BTreeMap::new(),
            sequence: 0,
            random: Random::new(seed),
            cut: BTreeSet::new(),
            is_calm: false,
            sync_ms: vec![SYNC_MS; count],
            values: 0,
            events: 0,
            voter_changes: 0,
            replaced: 0,
            trace: None,
        };
        for node in 0..count {
            let at = world.random.below(300) as i64;
            world.later(at, Happening::Start { node });
        }
        world.later(500, Happening::Propose);
        world.later(1500, Happening::Trouble);
        world.later(2000, Happening::Administer);
        if plan.joins {
            world.later(9000, Happening::ReplaceDisk);
        }
        world.later(2500, Happening::Snapshot { node: 0 });
        world
    }

    fn later(&mut self, delay: i64, happening: Happening) {
        self.sequence += 1;
        self.queue.insert((self.now + delay, self.sequence), happening);
    }

    /// Lets things go wrong for a while, then lets them heal, and looks whether all is well.
    pub(super) fn run(&mut self) -> Result<(), String> {
        self.run_until(self.plan.trouble_ms)?;
        self.calm();
        self.run_until(self.now + 30_000)?;
        let end = self.checks.committed_end();
        let acknowledged = self.checks.acknowledged();
        self.run_until(self.now + 5_000)?;
        if self.checks.committed_end() <= end || self.checks.acknowledged() <= acknowledged {
            return Err("nothing is committed, though all is well again".to_owned());
        }
        // What is on its way arrives.
        self.queue.retain(|_, happening| {
            !matches!(happening, Happening::Propose | Happening::Administer)
        });
        self.run_until(self.now + 5_000)?;
        for node in &self.nodes {
            let known = node.high_watermark;
            let whole = self.checks.is_whole(&node.disk, known);
            whole.map_err(|error| format!("node {}: {error}", node.index))?;
        }
        let leaders = self.nodes.iter().filter_map(|node| node.raft.as_ref());
        let leaders = leaders.filter(|raft| raft.role() == RoleName::Leader).count();
        if leaders == 1 { Ok(()) } else { Err(format!("{leaders} nodes lead in the end")) }
    }

    /// Kills the leader; how long it takes until another one leads.
    pub(super) fn kill_leader(&mut self) -> Result<i64, String> {
        self.run_until(20_000)?;
        let leads =
            |node: &SimNode| node.raft.as_ref().is_some_and(|raft| raft.role() == RoleName::Leader);
        let leader = self.nodes.iter().position(leads).ok_or("nobody leads")?;
        let at = self.now;
        self.break_connections(leader);
        self.nodes[leader].crash(&mut self.random, at);
        while !self.nodes.iter().any(leads) {
            self.run_until(self.now + 1)?;
        }
        Ok(self.now - at)
    }

    pub(super) fn calm(&mut self) {
        for node in 0..self.nodes.len() {
            if self.nodes[node].is_stopped {
                self.crash(node);
            }
        }
        self.is_calm = true;
        self.cut.clear();
        self.sync_ms.fill(SYNC_MS);
        for node in 0..self.nodes.len() {
            if self.nodes[node].raft.is_none() {
                self.later(1, Happening::Start { node });
            }
        }
    }

    pub(super) fn run_until(&mut self, end: i64) -> Result<(), String> {
        loop {
            let timer = self.nodes.iter().filter_map(|node| Some((node.deadline()?, node.index)));
            let timer = timer.min();
            let queued = self.queue.first_key_value().map(|(key, _)| key.0);
            let at = match (timer, queued) {
                (Some((at, _)), Some(queued)) => at.min(queued),
                (Some((at, _)), None) => at,
                (None, Some(queued)) => queued,
                (None, None) => return Ok(()),
            };
            if at > end {
                self.now = end;
                return Ok(());
            }
            if let Some(found) = self.checks.found.take() {
                return Err(format!("at {}: {found}", self.now));
            }
            self.now = self.now.max(at);
            self.events += 1;
            match timer {
                Some((due, node)) if due <= at && queued.is_none_or(|queued| due <= queued) => {
                    self.fire(node)?;
                }
                _ => {
                    let (_, happening) = self.queue.pop_first().expect("one is due");
                    self.happen(happening).map_err(|error| format!("at {}: {error}", self.now))?;
                }
            }
        }
    }

    fn fire(&mut self, node: usize) -> Result<(), String> {
        let effects = self.nodes[node].event(Event::Timer, self.now, &mut self.checks);
        let effects = effects.map_err(|error| format!("at {}: {error}", self.now))?;
        if self.nodes[node].deadline().is_some_and(|deadline| deadline <= self.now) {
            return Err(format!("a timer of node {node} is due again at once"));
        }
        self.trace(&(self.now, node, "timer"));
        self.effect(node, effects);
        Ok(())
    }

    fn trace(&mut self, what: &impl std::fmt::Debug) {
        let Some(trace) = &mut self.trace else { return };
        for byte in format!("{what:?}").bytes() {
            *trace = (*trace ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }

    fn is_here(&self, node: usize, incarnation: u64) -> bool {
        self.nodes[node].raft.is_some() && self.nodes[node].incarnation == incarnation
    }

    fn happen(&mut self, happening: Happening) -> Result<(), String> {
        self.trace(&(self.now, &happening));
        let now = self.now;
        match happening {
            Happening::Request { from, incarnation, to, as_id, correlation, request } => {
                return self.deliver(from, incarnation, to, as_id, (correlation, request));
            }
            Happening::Response { to, incarnation, from, correlation, response } => {
                if self.is_here(to, incarnation) {
                    let event = Event::Response { from, correlation, response };
                    let effects = self.nodes[to].event(event, now, &mut self.checks)?;
                    self.effect(to, effects);
                }
            }
            Happening::Failed { to, incarnation, from, correlation, failure } => {
                if self.is_here(to, incarnation) {
                    let node = &mut self.nodes[to];
                    let effects = node.failed(from, correlation, failure, now, &mut self.checks)?;
                    self.effect(to, effects);
                }
            }
            Happening::Synced { node, incarnation, generation, offset } => {
                let is_current = self.nodes[node].disk.generation == generation;
                if self.is_here(node, incarnation) && is_current {
                    self.nodes[node].disk.sync(offset);
                    let effects = self.nodes[node].event(Event::Synced, now, &mut self.checks)?;
                    self.effect(node, effects);
                }
            }
            Happening::Start { node } => {
                if self.nodes[node].raft.is_none() {
                    let effects = self.nodes[node].start(now, &mut self.checks)?;
                    self.effect(node, effects);
                }
            }
            Happening::Crash { node } => {
                if !self.is_calm || self.nodes[node].is_stopped {
                    self.crash(node);
                }
            }
            Happening::Shutdown { node } => {
                let event = Event::Shutdown { timeout_ms: 1000 };
                let effects = self.nodes[node].event(event, now, &mut self.checks)?;
                self.effect(node, effects);
                self.later(1200, Happening::Crash { node });
            }
            Happening::Propose => self.propose()?,
            Happening::ReplaceDisk => self.replace_disk(),
            Happening::Trouble => self.trouble(),
            Happening::Heal => {
                self.cut.clear();
                self.sync_ms.fill(SYNC_MS);
            }
            Happening::Administer => self.administer()?,
            Happening::Snapshot { node } => {
                if self.plan.snapshots {
                    self.nodes[node].take_snapshot(&self.checks);
                }
                let next = self.random.below(self.nodes.len() as u64) as usize;
                let delay = 200 + self.random.below(3000) as i64;
                self.later(delay, Happening::Snapshot { node: next });
            }
        }
        Ok(())
    }

    fn deliver(
        &mut self,
        from: usize,
        incarnation: u64,
        to: usize,
        as_id: i32,
        (correlation, request): (u64, Request),
    ) -> Result<(), String> {
        let target = &self.nodes[to];
        let carried = wire::request(&request, target.generation);
        let failure = match &carried {
            _ if target.raft.is_none() => Some(Failure::Refused),
            Err(failure) => Some(*failure),
            Ok(_) => None,
        };
        if let Some(failure) = failure {
            let delay = self.delay();
            let failed =
                Happening::Failed { to: from, incarnation, from: as_id, correlation, failure };
            self.later(delay, failed);
            return Ok(());
        }
        let (request, version) = carried.expect("failures are handled above");
        let asked_vote = asked_vote(&request);
        let asker = Asker::Peer {
            node: from,
            incarnation,
            asked_as: as_id,
            correlation,
            version,
            asked_vote,
        };
        let now = self.now;
        let effects = self.nodes[to].request(asker, request, version, now, &mut self.checks)?;
        self.effect(to, effects);
        Ok(())
    }

    fn delay(&mut self) -> i64 {
        if self.is_calm {
            return 1 + self.random.below(5) as i64;
        }
        match self.random.below(100) {
            0..85 => 1 + self.random.below(20) as i64,
            85..98 => 20 + self.random.below(300) as i64,
            _ => 300 + self.random.below(4000) as i64,
        }
    }

    /// Whether a message gets lost, and how many of it arrive.
    fn copies(&mut self, from: usize, to: usize) -> u64 {
        if self.cut.contains(&(from, to)) {
            return 0;
        }
        match self.random.below(100) {
            _ if self.is_calm => 1,
            0..4 => 0,
            4..8 => 2,
            _ => 1,
        }
    }

    fn effect(&mut self, node: usize, effects: Vec<Effect>) {
        // Right after something was written is when a crash is worst: before anybody hears of it,
        // or just after.
        let has_persisted = std::mem::take(&mut self.nodes[node].has_persisted);
        let risky = has_persisted && self.plan.storm && !self.is_calm;
        match self.random.below(if risky { 12 } else { 1 }) {
            10 => return self.crash(node),
            11 => self.later(1, Happening::Crash { node }),
            _ => {}
        }
        for effect in effects {
            self.trace(&(self.now, node, &effect));
            match effect {
                Effect::Send { to, correlation, request } => {
                    self.send(node, &to, correlation, request);
                }
                Effect::Answer { asker, response } => {
                    self.answer(node, &asker, &response);
                }
                Effect::Sync { generation, offset } => {
                    let delay = 1 + self.random.below(self.sync_ms[node]) as i64;
                    let incarnation = self.nodes[node].incarnation;
                    let synced = Happening::Synced { node, incarnation, generation, offset };
                    self.later(delay, synced);
                }
                Effect::Acknowledged => {}
            }
        }
    }

    fn send(&mut self, from: usize, to: &Node, correlation: u64, request: Request) {
        let target = usize::from(to.address.port - port(0));
        let incarnation = self.nodes[from].incarnation;
        let as_id = to.id;
        for _ in 0..self.copies(from, target) {
            let delay = self.delay();
            let request = request.clone();
            let sent =
                Happening::Request { from, incarnation, to: target, as_id, correlation, request };
            self.later(delay, sent);
        }
    }

    fn answer(&mut self, from: usize, asker: &Asker, response: &Response) {
        match asker {
            Asker::Peer { node, incarnation, asked_as, correlation, version, asked_vote } => {
                if let (Some((epoch, candidate)), Response::Vote(vote)) = (asked_vote, response) {
                    let said = vote.topics.first().map(|topic| &topic.partitions[0]);
                    if said.is_some_and(|said| said.vote_granted) {
                        let voter = (from, self.nodes[from].life);
                        self.checks.votes(voter, *epoch, *candidate);
                    }
                }
                let response = wire::response(response, *version);
                for _ in 0..self.copies(from, *node) {
                    let delay = self.delay();
                    self.later(
                        delay,
                        Happening::Response {
                            to: *node,
                            incarnation: *incarnation,
                            from: *asked_as,
                            correlation: *correlation,
                            response: response.clone(),
                        },
                    );
                }
            }
            Asker::Admin => {
                let error = match response {
                    Response::AddRaftVoter(response) => response.error_code,
                    Response::RemoveRaftVoter(response) => response.error_code,
                    other => panic!("nobody asked for {other:?}"),
                };
                if !error.is_error() {
                    self.voter_changes += 1;
                }
            }
        }
    }

    fn propose(&mut self) -> Result<(), String> {
        for index in 0..self.nodes.len() {
            let node = &self.nodes[index];
            let leads = node.raft.as_ref().is_some_and(|raft| raft.role() == RoleName::Leader);
            if leads && self.random.below(3) > 0 {
                self.values += 1;
                let value = format!("value {}", self.values);
                let now = self.now;
                let effects = self.nodes[index].propose(&value, now, &mut self.checks)?;
                self.effect(index, effects);
            }
        }
        let delay = 1 + self.random.below(120) as i64;
        self.later(delay, Happening::Propose);
        Ok(())
    }
}

/// The configuration of a node; the first ones are voters, the next ones may become some.
fn config(plan: Plan, index: usize, bootstrap: Vec<Address>) -> Config {
    let mut config = Config::new("cluster", index as i32, directory(index, 1));
    config.can_become_voter = index < plan.voters + plan.spares;
    if config.can_become_voter {
        config.endpoints = endpoints(index);
    }
    config.bootstrap = bootstrap;
    config.auto_join = plan.joins;
    if plan.storm {
        config.fetch_max_bytes = 1;
        config.fetch_max_wait_ms = 50;
        config.election_timeout_ms = 150;
        config.fetch_timeout_ms = 200;
        config.request_timeout_ms = 200;
    }
    config
}

fn node(
    plan: Plan,
    config: Config,
    voters: VoterSet,
    mut disk: Disk,
    misuse: Option<Misuse>,
) -> SimNode {
    let index = config.node as usize;
    disk.lies = misuse == Some(Misuse::UnsyncedIsSynced);
    let mut node = SimNode::new(index, config, voters, disk);
    node.forgets_votes = misuse == Some(Misuse::ForgetVote);
    node.writes_late = misuse == Some(Misuse::SendBeforePersist);
    if plan.mixed && index == 0 {
        node.generation = Generation::BeforePreVote;
    }
    node
}
