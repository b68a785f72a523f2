//! What a leader knows of the others.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::rules::{Rule, holds};
use crate::{Endpoints, Now, ReplicaKey, VoterSet};

/// After this time without a fetch, an observer is not one any more.
const OBSERVER_SESSION_MS: i64 = 300_000;

/// The most observers that are known at a time. Each broker is one, so it is a bound against a
/// flood of made up ids.
const OBSERVERS_MAX: usize = 10_000;

/// A replica that has not fetched for longer is not caught up, whatever it once was.
const CAUGHT_UP_MS: i64 = 3_600_000;

/// How far a replica is.
#[derive(Clone, Debug)]
pub(crate) struct Replica {
    pub(crate) key: ReplicaKey,
    pub(crate) endpoints: Endpoints,
    pub(crate) end: Option<i64>,
    pub(crate) last_fetch: Option<Now>,
    pub(crate) last_caught_up: Option<Now>,
    /// Where the leader's log ended at the last fetch.
    leader_end: i64,
}

impl Replica {
    fn new(key: ReplicaKey, endpoints: Endpoints) -> Self {
        Self { key, endpoints, end: None, last_fetch: None, last_caught_up: None, leader_end: -1 }
    }

    fn fetched(&mut self, offset: i64, leader_end: i64, now: Now) {
        if offset >= leader_end {
            self.last_caught_up = Some(now);
        } else if self.leader_end > 0 && offset >= self.leader_end {
            self.last_caught_up = self.last_fetch.or(self.last_caught_up);
        }
        self.leader_end = leader_end;
        self.last_fetch = Some(now);
        self.end = Some(offset);
    }
}

/// A fetch that waits for news.
#[derive(Clone, Debug)]
pub(crate) struct ParkedFetch {
    pub(crate) handle: u64,
    pub(crate) listener: Arc<str>,
    pub(crate) version: i16,
    pub(crate) key: ReplicaKey,
    pub(crate) offset: i64,
    pub(crate) last_epoch: i32,
    pub(crate) max_bytes: i32,
    pub(crate) until: i64,
}

/// The one change of the voters that is going on.
#[derive(Clone, Debug)]
pub(crate) enum VoterChange {
    /// The new voter is asked which levels of `kraft.version` it supports.
    Asking { handle: u64, voter: ReplicaKey, endpoints: Endpoints, ack_when_committed: bool },
    /// The record with the new voter is written; `handle` is gone if it was answered.
    Adding { handle: Option<u64>, offset: i64 },
    /// The record without the old voter is written.
    Removing { handle: u64, offset: i64 },
}

/// What a leader at level 0 of `kraft.version` knows of the voters beyond what the configuration
/// says, so that level 1 can be reached.
#[derive(Clone, Debug)]
pub(crate) enum Upgrade {
    /// Nothing: the level has been 1 since before.
    None,
    Voters(VoterSet),
    /// The records are written.
    Started(i16),
}

/// What a leader knows.
#[derive(Debug)]
pub(crate) struct Leader {
    pub(crate) me: ReplicaKey,
    /// Where its first record is. Nothing is committed before that one is.
    pub(crate) epoch_start: i64,
    pub(crate) high_watermark: Option<i64>,
    pub(crate) voters: BTreeMap<i32, Replica>,
    pub(crate) observers: BTreeMap<ReplicaKey, Replica>,
    /// The voters that have fetched since a majority of them last had.
    heard: BTreeSet<i32>,
    pub(crate) resign_at: i64,
    resign_after_ms: i64,
    pub(crate) begin_at: i64,
    pub(crate) begin_every_ms: i64,
    pub(crate) must_resign: bool,
    pub(crate) change: Option<VoterChange>,
    pub(crate) change_until: i64,
    pub(crate) upgrade: Upgrade,
    pub(crate) parked: Vec<ParkedFetch>,
}

impl Leader {
    pub(crate) fn new(
        me: ReplicaKey,
        voters: &VoterSet,
        epoch_start: i64,
        fetch_timeout_ms: i64,
        now: i64,
    ) -> Self {
        let resign_after_ms = fetch_timeout_ms + fetch_timeout_ms / 2;
        let mut leader = Self {
            me,
            epoch_start,
            high_watermark: None,
            voters: BTreeMap::new(),
            observers: BTreeMap::new(),
            heard: BTreeSet::new(),
            resign_at: now + resign_after_ms,
            resign_after_ms,
            begin_at: now,
            begin_every_ms: (fetch_timeout_ms / 2).max(1),
            must_resign: false,
            change: None,
            change_until: i64::MAX,
            upgrade: Upgrade::None,
            parked: Vec::new(),
        };
        leader.set_voters(voters);
        leader
    }

    /// Whether a majority of the voters had to be heard of by now.
    pub(crate) fn has_lost_majority(&self, now: i64) -> bool {
        self.voters.len() > 1 && self.resign_at <= now
    }

    fn replica_mut(&mut self, key: &ReplicaKey) -> &mut Replica {
        match self.voters.get_mut(&key.id) {
            Some(voter) if voter.key.names(key) => voter,
            _ => self
                .observers
                .entry(*key)
                .or_insert_with(|| Replica::new(*key, Endpoints::default())),
        }
    }

    /// Takes in how far this node's own log is synced.
    pub(crate) fn synced(&mut self, end: i64) -> bool {
        let me = self.me;
        self.replica_mut(&me).end = Some(end);
        self.advance()
    }

    /// Takes in that a replica has all below `offset`, as its fetch says. Whether the high
    /// watermark moved.
    pub(crate) fn fetched(
        &mut self,
        key: &ReplicaKey,
        offset: i64,
        leader_end: i64,
        now: Now,
    ) -> bool {
        if self.observers.len() >= OBSERVERS_MAX {
            self.forget_silent_observers(now.elapsed_ms);
        }
        let is_known = self.is_voter(key) || self.observers.contains_key(key);
        if !is_known && self.observers.len() >= OBSERVERS_MAX {
            return false;
        }
        self.replica_mut(key).fetched(offset, leader_end, now);
        self.heard_of(key, now.elapsed_ms);
        self.is_voter(key) && self.advance()
    }

    pub(crate) fn is_voter(&self, key: &ReplicaKey) -> bool {
        self.voters.get(&key.id).is_some_and(|voter| voter.key.names(key))
    }

    /// Notes that a voter is there and follows.
    pub(crate) fn heard_of(&mut self, key: &ReplicaKey, now: i64) {
        if self.is_voter(key) && key.id != self.me.id {
            self.heard.insert(key.id);
        }
        let mut wanted = self.voters.len() / 2 + 1;
        if self.voters.contains_key(&self.me.id) {
            wanted -= 1;
        }
        if self.heard.len() >= wanted {
            self.heard.clear();
            self.resign_at = now + self.resign_after_ms;
        }
    }

    /// Moves the high watermark to where a majority of the voters is, once that is beyond the
    /// first record of this epoch: records of older epochs are committed by that record only.
    fn advance(&mut self) -> bool {
        let mut ends: Vec<Option<i64>> = self.voters.values().map(|voter| voter.end).collect();
        ends.sort_unstable_by(|a, b| b.cmp(a));
        let majority = if holds(Rule::MajorityCommits) { ends.len() / 2 } else { 0 };
        let Some(Some(end)) = ends.get(majority).copied() else { return false };
        let is_older = end <= self.epoch_start && holds(Rule::OwnEpochCommits);
        if is_older || self.high_watermark.is_some_and(|known| end <= known) {
            return false;
        }
        self.high_watermark = Some(end);
        true
    }

    /// Takes in other voters. Those that were, are observers now.
    pub(crate) fn set_voters(&mut self, voters: &VoterSet) {
        let mut before = std::mem::take(&mut self.voters);
        for voter in voters.iter() {
            let known = before.remove(&voter.key.id);
            let mut replica = match known {
                Some(known) if known.key.names(&voter.key) => known,
                other => {
                    if let Some(other) = other {
                        self.observers.entry(other.key).or_insert(other);
                    }
                    self.observers
                        .remove(&voter.key)
                        .unwrap_or_else(|| Replica::new(voter.key, Endpoints::default()))
                }
            };
            self.observers.remove(&voter.key);
            replica.key = voter.key;
            replica.endpoints = voter.endpoints.clone();
            self.voters.insert(voter.key.id, replica);
        }
        for mut replica in before.into_values() {
            replica.endpoints = Endpoints::default();
            self.observers.entry(replica.key).or_insert(replica);
        }
        let ids = &self.voters;
        self.heard.retain(|id| ids.contains_key(id));
    }

    /// The other voters, the one that is furthest first.
    pub(crate) fn successors(&self) -> Vec<ReplicaKey> {
        let others = self.voters.values().filter(|voter| voter.key.id != self.me.id);
        let mut others: Vec<&Replica> = others.collect();
        others.sort_by(|a, b| b.end.cmp(&a.end).then(a.key.cmp(&b.key)));
        others.into_iter().map(|voter| voter.key).collect()
    }

    /// The other voters that have not fetched for a while, and may not know who leads.
    pub(crate) fn silent(&self, now: i64) -> Vec<ReplicaKey> {
        let silent = |voter: &&Replica| {
            let fetched = voter.last_fetch.map(|fetch| fetch.elapsed_ms);
            voter.key.id != self.me.id
                && fetched.is_none_or(|fetched| now - fetched >= self.begin_every_ms)
        };
        self.voters.values().filter(silent).map(|voter| voter.key).collect()
    }

    pub(crate) fn forget_silent_observers(&mut self, now: i64) {
        let me = self.me;
        self.observers.retain(|key, observer| {
            let fetched = observer.last_fetch.map(|fetch| fetch.elapsed_ms);
            *key == me || fetched.is_some_and(|fetched| now - fetched < OBSERVER_SESSION_MS)
        });
    }

    /// Whether an observer has all that the leader had a moment ago.
    pub(crate) fn is_caught_up(&self, key: &ReplicaKey, now: i64) -> bool {
        self.observers.get(key).is_some_and(|observer| {
            let fetched = observer.last_fetch.map(|fetch| fetch.elapsed_ms);
            observer.last_caught_up.is_some()
                && fetched.is_some_and(|fetched| fetched > now - CAUGHT_UP_MS)
        })
    }
}
