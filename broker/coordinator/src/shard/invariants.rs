//! What always holds of a shard.

use std::collections::{HashMap, HashSet};

use super::Shard;
use crate::group::{Group, Phase};

impl Shard {
    /// Panics where something does not hold.
    pub(crate) fn check(&self) {
        for (id, group) in &self.groups {
            assert_eq!(*id, group.id);
            group.check();
        }
        let waits: usize = self.groups.values().map(Group::waits).sum();
        assert!(self.timers.len() <= waits, "{} timers for {waits} waits", self.timers.len());
    }
}

impl Group {
    /// How many things of the group may have a timer.
    fn waits(&self) -> usize {
        self.members.len() + self.pending_joins.len() + 2
    }

    fn check(&self) {
        let waiting = self.members.values().filter(|member| member.awaiting_join.is_some());
        assert_eq!(waiting.count(), self.awaiting_joins, "{self:?}");
        for member in self.members.values() {
            if let Some(instance_id) = &member.instance_id {
                assert_eq!(self.static_members.get(instance_id), Some(&member.id));
            }
            assert!(!self.pending_joins.contains(&member.id), "{self:?}");
            let joins = matches!(self.phase, Phase::Preparing { .. });
            assert!(member.awaiting_join.is_none() || joins, "{self:?}");
            let syncs = self.phase == Phase::Completing;
            assert!(member.awaiting_sync.is_none() || syncs, "{self:?}");
        }
        let mut known: HashMap<String, usize> = HashMap::new();
        for member in self.members.values() {
            let names: HashSet<&String> = member.protocols.iter().map(|one| &one.name).collect();
            for name in names {
                *known.entry(name.clone()).or_default() += 1;
            }
        }
        assert_eq!(known, self.known_protocols);
        assert!(self.pending_syncs.iter().all(|id| self.members.contains_key(id)), "{self:?}");
        match self.phase {
            Phase::Empty => assert!(self.members.is_empty(), "{self:?}"),
            Phase::Completing | Phase::Stable => {
                let leader = self.leader.as_ref().expect("a generation has a leader");
                assert!(self.members.contains_key(leader), "{self:?}");
                let protocol = self.protocol.as_ref().expect("a generation has a protocol");
                assert_eq!(self.known_protocols.get(protocol), Some(&self.members.len()));
            }
            Phase::Preparing { .. } => {}
        }
    }
}
