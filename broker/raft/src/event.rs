//! What happens to the machine.

use std::sync::Arc;

use protocol::messages::{
    AddRaftVoterRequest, AddRaftVoterResponse, ApiVersionsResponse, BeginQuorumEpochRequest,
    BeginQuorumEpochResponse, DescribeQuorumRequest, DescribeQuorumResponse, EndQuorumEpochRequest,
    EndQuorumEpochResponse, FetchRequest, FetchResponse, FetchSnapshotRequest,
    FetchSnapshotResponse, RemoveRaftVoterRequest, RemoveRaftVoterResponse, UpdateRaftVoterRequest,
    UpdateRaftVoterResponse, VoteRequest, VoteResponse,
};
use protocol::record::RecordBatch;

use crate::OffsetAndEpoch;

/// When something happens.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Now {
    /// Milliseconds since 1970, for what is written into records or told to people.
    pub timestamp_ms: i64,
    /// Milliseconds since some moment of this process, which only go forward: all deadlines.
    pub elapsed_ms: i64,
}

/// A request of the quorum, its own or somebody else's.
#[derive(Clone, Debug, PartialEq)]
pub enum Request {
    Vote(VoteRequest),
    BeginQuorumEpoch(BeginQuorumEpochRequest),
    EndQuorumEpoch(EndQuorumEpochRequest),
    Fetch(Box<FetchRequest>),
    FetchSnapshot(FetchSnapshotRequest),
    DescribeQuorum(DescribeQuorumRequest),
    AddRaftVoter(AddRaftVoterRequest),
    RemoveRaftVoter(RemoveRaftVoterRequest),
    UpdateRaftVoter(UpdateRaftVoterRequest),
    /// Only sent, with a body as the sender of all requests likes it.
    ApiVersions,
}

/// An answer to a [`Request`].
#[derive(Clone, Debug, PartialEq)]
pub enum Response {
    Vote(VoteResponse),
    BeginQuorumEpoch(BeginQuorumEpochResponse),
    EndQuorumEpoch(EndQuorumEpochResponse),
    Fetch(Box<FetchResponse>),
    FetchSnapshot(FetchSnapshotResponse),
    DescribeQuorum(DescribeQuorumResponse),
    AddRaftVoter(AddRaftVoterResponse),
    RemoveRaftVoter(RemoveRaftVoterResponse),
    UpdateRaftVoter(UpdateRaftVoterResponse),
    ApiVersions(Box<ApiVersionsResponse>),
}

/// A request that came over a connection.
#[derive(Clone, Debug)]
pub struct Inbound {
    /// Names the request in its answer; the machine only hands it back.
    pub handle: u64,
    /// The listener that it came by: an answer names the leader's endpoint of the same listener.
    pub listener: Arc<str>,
    /// The version of the request.
    pub version: i16,
    pub request: Request,
}

/// Why a request has no response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// The node could not be reached, or the connection ended.
    Disconnected,
    /// The node's machine answers that nobody listens on the port (`ECONNREFUSED`).
    Refused,
    /// The node does not know the request in a version that can carry it, as a pre-vote in the
    /// versions of Vote before 2.
    UnsupportedVersion,
    /// The node does not let this one in.
    NotAuthorized,
}

/// What happens to the machine, one at a time.
#[derive(Clone, Debug)]
pub enum Event {
    /// The time of [`Raft::next_deadline`](crate::Raft::next_deadline) has come.
    Timer,
    /// A request came in.
    Request(Inbound),
    /// A node answered a request: `from` and `correlation` are those of the action that sent it.
    Response { from: i32, correlation: u64, response: Response },
    /// A request will not be answered.
    Failed { to: i32, correlation: u64, failure: Failure },
    /// The log is synced further than it was.
    Synced,
    /// A snapshot was put in place of the log, as [`Action::InstallSnapshot`] said.
    ///
    /// [`Action::InstallSnapshot`]: crate::Action::InstallSnapshot
    SnapshotInstalled {
        id: OffsetAndEpoch,
        /// The control batches of the snapshot.
        control: Vec<RecordBatch>,
    },
    /// The leader of `epoch` is to give up: its controller cannot go on.
    Resign { epoch: i32 },
    /// The node is about to stop: a leader hands over first. `timeout_ms` is how long it may take.
    Shutdown { timeout_ms: i64 },
}
