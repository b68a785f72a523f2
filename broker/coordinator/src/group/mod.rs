//! A classic group: the membership protocol of KIP-62 with static members (KIP-345), required
//! member ids (KIP-394) and reasons (KIP-800).
//!
//! ```text
//!            first join                    all joined, or time is up
//!   Empty ───────────────▶ PreparingRebalance ───────────▶ CompletingRebalance
//!     ▲                       ▲    │ nobody left               │  ▲   │
//!     └───────────────────────┼────┘                           │  │   │ the leader's assignment
//!                             │   a join, a leave, a timeout   │  │   ▼ is in the log
//!                             └────────────────────────────────┴──── Stable
//! ```
//!
//! Who is a member and who waits is soft state: it is changed by requests as they come. What the
//! log must remember (the assignment of a generation, that a group is Empty since a time) is
//! changed only when its record is replayed.

mod heartbeat;
mod join;
mod leave;
mod member;
mod offset_rules;
mod record;
mod step;
mod subscription;
mod sync;
mod view;

use std::collections::{BTreeSet, HashMap, HashSet};

use indexmap::IndexMap;
use protocol::ErrorCode;
use protocol::messages::join_group_request::{JoinGroupRequest, JoinGroupRequestProtocol};
use protocol::messages::join_group_response::JoinGroupResponseMember;

pub use join::JoinContext;
pub use member::Caller;
pub(crate) use member::Member;
pub(crate) use offset_rules::ExpiryBase;
pub(crate) use step::{Step, refused_join, refused_sync};

use crate::Ticket;

/// The protocol type of consumers, whose metadata the coordinator can read.
pub(crate) const CONSUMER: &str = "consumer";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    Empty,
    /// Members join; `initial` when the group had none before, so that the first wait is fixed.
    Preparing {
        initial: bool,
    },
    Completing,
    Stable,
}

#[derive(Clone, Debug)]
pub(crate) struct Group {
    pub(crate) id: String,
    pub(crate) phase: Phase,
    /// Since when the group is in the state that its last record has.
    pub(crate) state_since_ms: Option<i64>,
    pub(crate) protocol_type: Option<String>,
    pub(crate) protocol: Option<String>,
    pub(crate) leader: Option<String>,
    pub(crate) generation: i32,
    pub(crate) members: IndexMap<String, Member>,
    /// Member ids by instance id.
    pub(crate) static_members: HashMap<String, String>,
    /// Ids that were given out and have not joined with yet.
    pub(crate) pending_joins: HashSet<String>,
    /// Members of this generation that have not sent SyncGroup yet.
    pub(crate) pending_syncs: HashSet<String>,
    /// Members that wait for a JoinGroup answer.
    pub(crate) awaiting_joins: usize,
    /// How many members know each protocol.
    pub(crate) known_protocols: HashMap<String, usize>,
    /// A member came during the initial wait, which is prolonged for it.
    pub(crate) new_member_added: bool,
    /// Topics that the members of this generation read, where that can be told.
    pub(crate) subscribed_topics: Option<BTreeSet<String>>,
    /// There is a record of the group in the log.
    pub(crate) recorded: bool,
    /// A static member's new id, until its record is in the log.
    pub(crate) replacement: Option<Box<Replacement>>,
}

/// A static member that came back to a Stable group, and the group without that.
#[derive(Clone, Debug)]
pub(crate) struct Replacement {
    pub(crate) old_id: String,
    pub(crate) new_id: String,
    pub(crate) before: Group,
}

impl Group {
    pub(crate) fn new(id: &str) -> Self {
        Self {
            id: id.to_owned(),
            phase: Phase::Empty,
            state_since_ms: None,
            protocol_type: None,
            protocol: None,
            leader: None,
            generation: 0,
            members: IndexMap::new(),
            static_members: HashMap::new(),
            pending_joins: HashSet::new(),
            pending_syncs: HashSet::new(),
            awaiting_joins: 0,
            known_protocols: HashMap::new(),
            new_member_added: false,
            subscribed_topics: None,
            recorded: false,
            replacement: None,
        }
    }

    pub(crate) fn is_preparing(&self) -> bool {
        matches!(self.phase, Phase::Preparing { .. })
    }

    pub(crate) fn is_leader(&self, member_id: &str) -> bool {
        self.leader.as_deref() == Some(member_id)
    }

    /// Whether the member may act under this id and instance id.
    pub(crate) fn validate_member(
        &self,
        member_id: &str,
        instance_id: Option<&str>,
    ) -> Result<(), ErrorCode> {
        if let Some(instance_id) = instance_id {
            match self.static_members.get(instance_id) {
                None => return Err(ErrorCode::UnknownMemberId),
                Some(current) if current != member_id => return Err(ErrorCode::FencedInstanceId),
                Some(_) => {}
            }
        }
        match self.members.contains_key(member_id) {
            true => Ok(()),
            false => Err(ErrorCode::UnknownMemberId),
        }
    }

    /// Whether a joining member speaks a protocol that all others speak.
    pub(crate) fn supports(&self, request: &JoinGroupRequest) -> bool {
        if self.phase == Phase::Empty || self.members.is_empty() {
            return !request.protocol_type.is_empty() && !request.protocols.is_empty();
        }
        self.protocol_type.as_deref() == Some(request.protocol_type.as_str())
            && request.protocols.iter().any(|protocol| self.is_known_to_all(&protocol.name))
    }

    fn is_known_to_all(&self, protocol: &str) -> bool {
        self.known_protocols.get(protocol) == Some(&self.members.len())
    }

    /// Whether there is room for the member under `group.max.size`. During a rebalance those count
    /// that wait, so that a group above a lowered limit sheds the last to come.
    pub(crate) fn has_room_for(&self, member_id: &str, max_size: u32) -> bool {
        let max_size = max_size as usize;
        match self.phase {
            Phase::Empty => true,
            Phase::Preparing { .. } => {
                let member = self.members.get(member_id);
                member.is_some_and(|member| member.awaiting_join.is_some())
                    || self.awaiting_joins < max_size
            }
            Phase::Completing | Phase::Stable => {
                self.members.contains_key(member_id) || self.members.len() < max_size
            }
        }
    }

    pub(crate) fn add(&mut self, member: Member, protocol_type: &str) {
        if self.members.is_empty() {
            self.protocol_type = Some(protocol_type.to_owned());
        }
        if self.leader.is_none() {
            self.leader = Some(member.id.clone());
        }
        self.pending_joins.remove(&member.id);
        self.count_protocols(&member.protocols);
        self.awaiting_joins += usize::from(member.awaiting_join.is_some());
        if let Some(instance_id) = &member.instance_id {
            self.static_members.insert(instance_id.clone(), member.id.clone());
        }
        self.members.insert(member.id.clone(), member);
    }

    /// Takes the member out; the first that is left leads in the place of a leader.
    pub(crate) fn remove(&mut self, member_id: &str) -> Option<Member> {
        self.pending_joins.remove(member_id);
        self.pending_syncs.remove(member_id);
        let member = self.members.swap_remove(member_id)?;
        self.discount_protocols(&member.protocols);
        self.awaiting_joins -= usize::from(member.awaiting_join.is_some());
        if let Some(instance_id) = &member.instance_id {
            self.static_members.remove(instance_id);
        }
        if self.is_leader(member_id) {
            self.leader = self.members.first().map(|(id, _)| id.clone());
        }
        Some(member)
    }

    pub(crate) fn count_protocols(&mut self, protocols: &[JoinGroupRequestProtocol]) {
        for name in names(protocols) {
            *self.known_protocols.entry(name.to_owned()).or_default() += 1;
        }
    }

    pub(crate) fn discount_protocols(&mut self, protocols: &[JoinGroupRequestProtocol]) {
        for name in names(protocols) {
            if let Some(count) = self.known_protocols.get_mut(name) {
                *count -= 1;
                if *count == 0 {
                    self.known_protocols.remove(name);
                }
            }
        }
    }

    /// Lets a member wait for the end of the join phase; the ticket that it waited with before.
    pub(crate) fn await_join(&mut self, member_id: &str, ticket: Ticket) -> Option<Ticket> {
        let member = self.members.get_mut(member_id)?;
        let before = member.awaiting_join.replace(ticket);
        self.awaiting_joins += usize::from(before.is_none());
        before
    }

    /// The ticket of a member that waits no longer.
    pub(crate) fn take_join(&mut self, member_id: &str) -> Option<Ticket> {
        let ticket = self.members.get_mut(member_id)?.awaiting_join.take();
        self.awaiting_joins -= usize::from(ticket.is_some());
        ticket
    }

    pub(crate) fn all_joined(&self) -> bool {
        self.awaiting_joins == self.members.len() && self.pending_joins.is_empty()
    }

    /// The longest time that any member may take to join again.
    pub(crate) fn rebalance_timeout_ms(&self) -> i64 {
        let timeouts = self.members.values().map(|member| i64::from(member.rebalance_timeout_ms));
        timeouts.max().unwrap_or(0).max(0)
    }

    /// The protocol that most members prefer among those that all of them know.
    pub(crate) fn elect_protocol(&self) -> Option<String> {
        let mut votes: IndexMap<&str, usize> = IndexMap::new();
        for member in self.members.values() {
            let mut wishes = member.protocols.iter().map(|protocol| protocol.name.as_str());
            if let Some(choice) = wishes.find(|name| self.is_known_to_all(name)) {
                *votes.entry(choice).or_default() += 1;
            }
        }
        let most = votes.values().copied().max()?;
        votes.into_iter().find(|(_, count)| *count == most).map(|(name, _)| name.to_owned())
    }

    /// Whether there is a leader that takes part; where the leader stays away, one that waits takes
    /// its place.
    pub(crate) fn elect_joined_leader(&mut self) -> bool {
        let Some(leader) = self.leader.as_ref().and_then(|id| self.members.get(id)) else {
            return false;
        };
        if leader.awaiting_join.is_some() {
            return true;
        }
        let mut waiting = self.members.values().filter(|member| member.awaiting_join.is_some());
        match waiting.next() {
            Some(member) => {
                self.leader = Some(member.id.clone());
                true
            }
            None => false,
        }
    }

    /// What the leader is told about all members.
    pub(crate) fn join_members(&self) -> Vec<JoinGroupResponseMember> {
        let protocol = self.protocol.as_deref().unwrap_or_default();
        self.members
            .values()
            .map(|member| JoinGroupResponseMember {
                member_id: member.id.clone(),
                group_instance_id: member.instance_id.clone(),
                metadata: member.metadata(protocol).cloned().unwrap_or_default(),
            })
            .collect()
    }
}

/// A name that a member lists twice counts once.
fn names(protocols: &[JoinGroupRequestProtocol]) -> impl Iterator<Item = &str> {
    let mut listed = HashSet::with_capacity(protocols.len());
    let names = protocols.iter().map(|protocol| protocol.name.as_str());
    names.filter(move |name| listed.insert(*name))
}
