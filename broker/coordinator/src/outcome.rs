//! What a step of the state machine asks of the world.

use protocol::messages::join_group_response::JoinGroupResponse;
use protocol::messages::sync_group_response::SyncGroupResponse;

use crate::record::Record;

/// Stands for a request that waits inside the state machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Ticket(pub u64);

/// The answer to a request that waited, if only for the end of its own step.
#[derive(Clone, Debug, PartialEq)]
pub enum Parked {
    Join(Ticket, JoinGroupResponse),
    Sync(Ticket, SyncGroupResponse),
}

/// What the caller must do, in this order: append `records` to the log and hand each to
/// [`Shard::replay`](crate::Shard::replay), or report that it could not; when they are committed,
/// send `response` and `replies`.
#[derive(Clone, Debug, PartialEq)]
#[must_use]
pub struct Outcome<R> {
    pub records: Vec<Record>,
    pub response: R,
    pub replies: Vec<Parked>,
}

/// What gathers while a step runs.
#[derive(Debug, Default)]
pub(crate) struct Effects {
    pub(crate) records: Vec<Record>,
    pub(crate) replies: Vec<Parked>,
}

impl Effects {
    pub(crate) fn outcome<R>(self, response: R) -> Outcome<R> {
        Outcome { records: self.records, response, replies: self.replies }
    }
}
