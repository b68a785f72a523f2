//! The roles of a node, with what it knows in each of them.

use std::collections::{BTreeMap, BTreeSet};

use crate::leader::Leader;
use crate::rules::{Rule, holds};
use crate::{Endpoints, OffsetAndEpoch, ReplicaKey, VoterSet};

/// The name of a role, as Kafka's metric `current-state` has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RoleName {
    Leader,
    Prospective,
    ProspectiveVoted,
    Candidate,
    Resigned,
    Unattached,
    UnattachedVoted,
    Follower,
    Observer,
}

impl RoleName {
    pub fn as_str(self) -> &'static str {
        match self {
            RoleName::Leader => "leader",
            RoleName::Prospective => "prospective",
            RoleName::ProspectiveVoted => "prospective-voted",
            RoleName::Candidate => "candidate",
            RoleName::Resigned => "resigned",
            RoleName::Unattached => "unattached",
            RoleName::UnattachedVoted => "unattached-voted",
            RoleName::Follower => "follower",
            RoleName::Observer => "observer",
        }
    }
}

/// What a node is in its epoch.
#[derive(Debug)]
pub(crate) enum Role {
    /// It waits for a leader, and knows nobody to follow: at most the id of one whose endpoint it
    /// does not know.
    Unattached {
        leader: Option<i32>,
        voted: Option<ReplicaKey>,
        election_at: i64,
    },
    /// It asks whether it would be elected, before it disturbs anybody (KIP-996).
    Prospective(Prospective),
    /// It has voted for itself and asks for votes.
    Candidate {
        ballot: Ballot,
        election_at: i64,
    },
    Follower(Follower),
    Leader(Box<Leader>),
    /// It has led, and tells the others so until one of them leads.
    Resigned {
        successors: Vec<ReplicaKey>,
        unacknowledged: BTreeSet<i32>,
        election_at: i64,
    },
}

#[derive(Debug)]
pub(crate) struct Prospective {
    pub(crate) leader: Option<i32>,
    pub(crate) leader_endpoints: Endpoints,
    pub(crate) voted: Option<ReplicaKey>,
    pub(crate) ballot: Ballot,
    pub(crate) election_at: i64,
}

#[derive(Debug)]
pub(crate) struct Follower {
    pub(crate) leader: i32,
    pub(crate) endpoints: Endpoints,
    pub(crate) voted: Option<ReplicaKey>,
    /// When it gives the leader up, unless it hears of it.
    pub(crate) fetch_until: i64,
    pub(crate) has_fetched: bool,
    /// The connection by which it fetched has ended, and no other one has been tried yet.
    pub(crate) is_cut_off: bool,
    /// When it tells the leader about itself, if that is due.
    pub(crate) update_at: i64,
    pub(crate) has_updated_leader: bool,
    /// The request in flight to the leader is an UpdateRaftVoter.
    pub(crate) is_updating: bool,
    pub(crate) download: Option<Download>,
}

/// A snapshot on its way from the leader.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Download {
    pub(crate) id: OffsetAndEpoch,
    pub(crate) position: u64,
    /// All bytes are there, and the log is being replaced.
    pub(crate) installing: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ballotted {
    Open,
    Granted,
    Rejected,
}

/// The votes of an election.
#[derive(Debug)]
pub(crate) struct Ballot(BTreeMap<i32, (ReplicaKey, Ballotted)>);

impl Ballot {
    /// An election among `voters` in which `me` has its own vote, if it has one.
    pub(crate) fn new(voters: &VoterSet, me: &ReplicaKey) -> Self {
        let votes = voters.iter().map(|voter| {
            let vote = if voter.key.names(me) { Ballotted::Granted } else { Ballotted::Open };
            (voter.key.id, (voter.key, vote))
        });
        Self(votes.collect())
    }

    /// Records what a voter said. Nobody takes back what he said in an epoch.
    pub(crate) fn record(&mut self, voter: i32, granted: bool) {
        if let Some((_, vote)) = self.0.get_mut(&voter)
            && *vote == Ballotted::Open
        {
            *vote = if granted { Ballotted::Granted } else { Ballotted::Rejected };
        }
    }

    fn count(&self, wanted: Ballotted) -> usize {
        self.0.values().filter(|(_, vote)| *vote == wanted).count()
    }

    fn majority(&self) -> usize {
        let one_more = usize::from(holds(Rule::MajorityElects));
        self.0.len() / 2 + one_more
    }

    pub(crate) fn is_won(&self) -> bool {
        self.count(Ballotted::Granted) >= self.majority()
    }

    pub(crate) fn is_lost(&self) -> bool {
        self.count(Ballotted::Granted) + self.count(Ballotted::Open) < self.majority()
    }

    pub(crate) fn open(&self) -> Vec<ReplicaKey> {
        let open = self.0.values().filter(|(_, vote)| *vote == Ballotted::Open);
        open.map(|(key, _)| *key).collect()
    }

    pub(crate) fn granting(&self) -> BTreeSet<i32> {
        let granted = self.0.values().filter(|(_, vote)| *vote == Ballotted::Granted);
        granted.map(|(key, _)| key.id).collect()
    }
}
