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
    pub unity: Unity,
    pub response: R,
    pub replies: Vec<Parked>,
}

/// Whether the records of a step may come into the log in pieces.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Unity {
    /// They are one change: the log has all of them or none, whatever happens while it is written.
    #[default]
    Whole,
    /// Each stands for itself, in this order: the log may have the first of them alone.
    Pieces,
}

/// What gathers while a step runs.
#[derive(Debug, Default)]
pub(crate) struct Effects {
    pub(crate) records: Vec<Record>,
    pub(crate) replies: Vec<Parked>,
}

impl Effects {
    pub(crate) fn outcome<R>(self, response: R) -> Outcome<R> {
        let Self { records, replies } = self;
        Outcome { records, unity: Unity::Whole, response, replies }
    }

    /// As [`Effects::outcome`], of records that stand each for itself.
    pub(crate) fn in_pieces<R>(self, response: R) -> Outcome<R> {
        Outcome { unity: Unity::Pieces, ..self.outcome(response) }
    }
}
