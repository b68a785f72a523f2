//! What all answers have in common.

use std::sync::Arc;

use uuid::Uuid;

use super::Raft;
use crate::{Address, Endpoints};

/// The topic of the metadata log; its only partition is 0.
pub(super) const TOPIC: &str = "__cluster_metadata";

/// The id of that topic.
pub(super) const TOPIC_ID: Uuid = Uuid::from_u128(1);

/// Whom an answer is for.
#[derive(Clone, Debug)]
pub(super) struct Asker {
    pub(super) handle: u64,
    pub(super) listener: Arc<str>,
    pub(super) version: i16,
}

/// The partition of a message, if that is the one of the metadata log and no other.
macro_rules! metadata_partition {
    ($topics:expr, $name:ident, $index:ident) => {
        match $topics.as_slice() {
            [topic] if topic.$name == TOPIC => match topic.partitions.as_slice() {
                [partition] if partition.$index == 0 => Some(partition),
                _ => None,
            },
            _ => None,
        }
    };
}
pub(super) use metadata_partition;

impl Raft {
    /// The leader's id as messages have it.
    pub(super) fn leader_or_none(&self) -> i32 {
        self.leader().unwrap_or(-1)
    }

    /// The leader and its address at the listener by which a request came.
    pub(super) fn leader_address(&self, listener: &str) -> Option<(i32, Address)> {
        let leader = self.leader()?;
        let address = self.leader_endpoints()?.address(listener)?;
        Some((leader, address.clone()))
    }

    /// Where a leader that a response names listens: as the response says, or as the voters do.
    pub(super) fn named_endpoints<'a>(
        &self,
        leader: Option<i32>,
        mut endpoints: impl Iterator<Item = (i32, &'a str, i32)>,
    ) -> Endpoints {
        let Some(leader) = leader else { return Endpoints::default() };
        let named = endpoints.find(|(id, _, _)| *id == leader);
        match named.and_then(|(_, host, port)| Some((host, u16::try_from(port).ok()?))) {
            Some((host, port)) => Endpoints::one(&self.config.listener, host, port),
            None => self.voters().endpoints(leader),
        }
    }
}

/// A leader's id, unless it is the one for nobody.
pub(super) fn known_leader(id: i32) -> Option<i32> {
    (id >= 0).then_some(id)
}
