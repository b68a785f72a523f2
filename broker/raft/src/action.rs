//! What the machine wants done.

use bytes::Bytes;

use crate::{ElectionState, Node, OffsetAndEpoch, Request, Response};

/// The record bytes of an answer, which are read when the action is carried out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fill {
    Nothing,
    /// Whole batches of the log from an offset on, at least one.
    Log {
        offset: i64,
        max_bytes: i32,
    },
    /// Bytes of a snapshot.
    Snapshot {
        id: OffsetAndEpoch,
        position: u64,
        max_bytes: u64,
    },
}

/// Something that must not be, but for which the machine has an answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    #[error(
        "node {named} is said to lead epoch {epoch}, in which node {known} leads; \
         two clusters have the same id, or a node has lost its quorum-state file"
    )]
    TwoLeaders { epoch: i32, known: i32, named: i32 },
    #[error(
        "this node is said to lead epoch {epoch}, of which it knows nothing: its disk was \
         replaced, or its quorum-state file is gone; it waits for the next epoch"
    )]
    ForgottenLeadership { epoch: i32 },
    #[error(
        "the leader of epoch {epoch} wants the log cut at offset {offset}, below {committed}, \
         up to which it is committed; a majority of the voters has lost data, and this node stops \
         following rather than lose it too"
    )]
    TruncationOfCommitted { epoch: i32, offset: i64, committed: i64 },
    #[error("the leader sent records that cannot be appended at offset {offset}: {reason}")]
    BadRecords { offset: i64, reason: String },
    #[error("node {node} does not let this node in: give its principal ClusterAction there")]
    NotAuthorized { node: i32 },
    #[error("node {node} answered {api} with {error}, which nothing can be done about here")]
    Unexpected { node: i32, api: &'static str, error: protocol::ErrorCode },
    #[error("the control records of snapshot {id:?} cannot be followed: {reason}")]
    BadSnapshot { id: OffsetAndEpoch, reason: String },
}

/// What the machine wants done, in this order. See the crate's page for what each one promises.
#[derive(Clone, Debug, PartialEq)]
pub enum Action {
    /// Write `quorum-state`, and go on when it is durable.
    PersistElection {
        state: ElectionState,
        /// The level of `kraft.version`, for [`ElectionState::print`].
        kraft_version: i16,
    },
    /// Append a batch of this node's own as the leader of `epoch`. Base offset and epoch are in
    /// its bytes. The sync that is then due is reported by [`Event::Synced`](crate::Event).
    Append { batch: Bytes, base_offset: i64, end_offset: i64, epoch: i32 },
    /// Append batches of the leader as they are, and sync them as with `Append`.
    AppendFetched { batches: Bytes, base_offset: i64, end_offset: i64 },
    /// Cut the log, so that it ends at `offset`.
    Truncate { offset: i64 },
    /// Send a request.
    Send { to: Node, correlation: u64, request: Request },
    /// Answer a request that came in.
    Answer { handle: u64, response: Response, fill: Fill },
    /// All records below are committed: they may be read and acted upon.
    HighWatermark { offset: i64 },
    /// Who leads which epoch, if that is known.
    LeaderChanged { leader: Option<i32>, epoch: i32 },
    /// This node leads `epoch`. It may decide once it has taken in all records below `offset`,
    /// which are those of all leaders before it, and they are committed.
    BecameLeader { epoch: i32, offset: i64 },
    /// This node does not lead `epoch` any more: nothing that it proposed and that is not
    /// committed may be taken for granted.
    StoppedLeading { epoch: i32 },
    /// Begin a new file for a snapshot that will be fetched, instead of one that was begun.
    BeginSnapshot { id: OffsetAndEpoch },
    /// Write bytes of the snapshot that was begun.
    WriteSnapshot { id: OffsetAndEpoch, position: u64, bytes: Bytes },
    /// Make the snapshot complete (unless it is) and durable, cut the whole log, let it begin
    /// anew at the end of the snapshot, and report
    /// [`Event::SnapshotInstalled`](crate::Event::SnapshotInstalled).
    InstallSnapshot { id: OffsetAndEpoch },
    /// Forget a snapshot that was begun.
    DropSnapshot { id: OffsetAndEpoch },
    /// Somebody else leads, or nobody has to, or the time is over: the node may stop.
    ShutdownDone { in_time: bool },
    /// Tell people.
    Fault(Fault),
}
