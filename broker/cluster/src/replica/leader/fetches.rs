//! Fetches of followers.

use broker_log::EpochEnd;
use thiserror::Error;

use super::super::progress::Fetched;
use super::super::rules::{Rule, holds};
use super::{LeaderAction, LeaderState, LogView, Moment};

/// What a follower asks of one partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReplicaFetch {
    pub node: i32,
    /// The epoch under which the follower's broker is registered; -1: it does not say.
    pub broker_epoch: i64,
    /// The leader epoch that the follower knows; -1: it does not say.
    pub current_leader_epoch: i32,
    /// The follower has all below it.
    pub fetch_offset: i64,
    /// The epoch of the follower's last record; -1: it has none, or does not say.
    pub last_fetched_epoch: i32,
    /// Where the follower's log starts.
    pub log_start_offset: i64,
}

/// What a fetch gets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FetchOutcome {
    /// Where the follower's log and this one part: it gets this instead of records, and its
    /// position does not count.
    pub diverging: Option<EpochEnd>,
    /// What the follower's position changes.
    pub actions: Vec<LeaderAction>,
}

/// Why a fetch gets nothing and changes nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum FetchRefusal {
    #[error("leader epoch {given} is older than {current}")]
    FencedEpoch { given: i32, current: i32 },
    #[error("leader epoch {given} is newer than {current}, which is the last this broker knows")]
    UnknownEpoch { given: i32, current: i32 },
    /// The epochs agree, so that the follower knows of replicas that this leader does not know of
    /// yet: it is told that the epoch is unknown, and comes again.
    #[error("broker {node} is not a replica as far as this broker knows yet")]
    NotYetReplica { node: i32 },
    #[error("broker {node} is not a replica of the partition")]
    NotReplica { node: i32 },
    #[error("broker {node} fetches under broker epoch {given}, and is registered under {known}")]
    StaleBroker { node: i32, given: i64, known: i64 },
    #[error("offset {offset} is not within the log, which has {start} to {end}")]
    OutOfRange { offset: i64, start: i64, end: i64 },
}

impl LeaderState {
    /// A follower fetches: all below its offset is in its log.
    ///
    /// `log` is this leader's, as the fetch reads it. A refusal and a divergence change nothing.
    pub fn on_fetch(
        &mut self,
        fetch: &ReplicaFetch,
        log: &dyn LogView,
        at: Moment<'_>,
    ) -> Result<FetchOutcome, FetchRefusal> {
        self.check_epoch(fetch.current_leader_epoch)?;
        self.check_replica(fetch, at)?;
        self.look_at(log);
        if let Some(end) = self.diverging(fetch, log)? {
            return Ok(FetchOutcome { diverging: Some(end), actions: Vec::new() });
        }
        let (start, end) = (log.log_start_offset(), log.log_end_offset());
        if !(start..=end).contains(&fetch.fetch_offset) {
            return Err(FetchRefusal::OutOfRange { offset: fetch.fetch_offset, start, end });
        }
        let fetched = Fetched {
            offset: fetch.fetch_offset,
            log_start: fetch.log_start_offset,
            broker_epoch: fetch.broker_epoch,
        };
        let progress = self.followers.entry(fetch.node).or_default();
        progress.note_fetch(fetched, end, at.now_ms);
        // Asked for first: the high watermark then waits for the one that joins.
        let joins = self.propose_join(fetch.node, at);
        let mut actions = self.advance(at);
        actions.extend(joins);
        Ok(FetchOutcome { diverging: None, actions })
    }

    /// Compares the leader epoch that a fetch names (-1: none) with this one.
    pub fn check_epoch(&self, given: i32) -> Result<(), FetchRefusal> {
        let current = self.epoch;
        match given {
            -1 => Ok(()),
            _ if !holds(Rule::EpochFencesFetches) => Ok(()),
            _ if given < current => Err(FetchRefusal::FencedEpoch { given, current }),
            _ if given > current => Err(FetchRefusal::UnknownEpoch { given, current }),
            _ => Ok(()),
        }
    }

    fn check_replica(&self, fetch: &ReplicaFetch, at: Moment<'_>) -> Result<(), FetchRefusal> {
        let node = fetch.node;
        if !self.followers.contains_key(&node) {
            let says_epoch = fetch.current_leader_epoch != -1;
            return Err(if says_epoch {
                FetchRefusal::NotYetReplica { node }
            } else {
                FetchRefusal::NotReplica { node }
            });
        }
        let given = fetch.broker_epoch;
        let known = at.brokers.standing(node).filter(|standing| !standing.fenced);
        match known.map(|standing| standing.epoch) {
            Some(known) if given != -1 && given < known && holds(Rule::BrokerEpochFences) => {
                Err(FetchRefusal::StaleBroker { node, given, known })
            }
            _ => Ok(()),
        }
    }

    /// Where the follower's records end to be those of this log, if that is before its end.
    fn diverging(
        &self,
        fetch: &ReplicaFetch,
        log: &dyn LogView,
    ) -> Result<Option<EpochEnd>, FetchRefusal> {
        let last = fetch.last_fetched_epoch;
        if last == -1 || !holds(Rule::DivergedIsNotCounted) {
            return Ok(None);
        }
        let end = log.epoch_end(last);
        if end.leader_epoch == -1 || end.end_offset == -1 {
            let (start, end) = (log.log_start_offset(), log.log_end_offset());
            return Err(FetchRefusal::OutOfRange { offset: fetch.fetch_offset, start, end });
        }
        let parts = end.leader_epoch < last || end.end_offset < fetch.fetch_offset;
        Ok(parts.then_some(end))
    }
}
