//! The metadata's quorum: Vote 0-2, BeginQuorumEpoch 0-1, EndQuorumEpoch 0-1, Fetch 4-18 of the
//! metadata log, FetchSnapshot 0-1, DescribeQuorum 0-2, AddRaftVoter 0-1, RemoveRaftVoter 0,
//! UpdateRaftVoter 0 (KIP-595, KIP-630, KIP-853).
//!
//! What is answered is worked out by the machine of `broker-raft`; here its answers find their way
//! back. A node that stops answers nothing, and the connection ends.

use broker_raft::{Request as Asked, Response as Answered};
use protocol::Request;
use protocol::messages::{
    AddRaftVoterRequest, BeginQuorumEpochRequest, DescribeQuorumRequest, EndQuorumEpochRequest,
    FetchRequest, FetchSnapshotRequest, RemoveRaftVoterRequest, UpdateRaftVoterRequest,
    VoteRequest,
};

use crate::request::{self, Outcome, RequestContext};
use crate::services::Services;

/// What the machine answered; nothing when the node stops.
pub(super) struct QuorumReply<R: Request>(Option<R::Response>);

impl<R: Request> QuorumReply<R> {
    pub(super) fn outcome(self, version: i16, correlation_id: i32) -> Outcome {
        match self.0 {
            Some(response) => request::encode::<R>(&response, version, correlation_id, Vec::new()),
            None => Outcome::Close(format!("{} was not answered: the node stops", R::KEY)),
        }
    }
}

async fn ask(context: &RequestContext, services: &Services, asked: Asked) -> Option<Answered> {
    let quorum = services.controller.quorum();
    tokio::select! {
        answered = quorum.answer(&context.peer.listener, context.version, asked) => answered,
        () = services.links.cancelled() => None,
    }
}

/// A handler that hands one kind of request to the machine.
macro_rules! handler {
    ($name:ident, $request:ident, $kind:ident) => {
        handler!($name, $request, $kind, std::convert::identity);
    };
    ($name:ident, $request:ident, $kind:ident, $unbox:expr) => {
        pub(super) async fn $name(
            context: RequestContext,
            services: &Services,
            request: $request,
        ) -> QuorumReply<$request> {
            match ask(&context, services, Asked::$kind(request.into())).await {
                Some(Answered::$kind(response)) => QuorumReply(Some($unbox(response))),
                _ => QuorumReply(None),
            }
        }
    };
}

handler!(vote, VoteRequest, Vote);
handler!(begin_epoch, BeginQuorumEpochRequest, BeginQuorumEpoch);
handler!(end_epoch, EndQuorumEpochRequest, EndQuorumEpoch);
handler!(fetch, FetchRequest, Fetch, |response: Box<_>| *response);
handler!(fetch_snapshot, FetchSnapshotRequest, FetchSnapshot);
handler!(describe, DescribeQuorumRequest, DescribeQuorum);
handler!(add_voter, AddRaftVoterRequest, AddRaftVoter);
handler!(remove_voter, RemoveRaftVoterRequest, RemoveRaftVoter);
handler!(update_voter, UpdateRaftVoterRequest, UpdateRaftVoter);
