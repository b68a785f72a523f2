//! Messages as bytes and back: what a machine says must be what Kafka's messages can carry.

use protocol::messages::FetchResponse;
use protocol::record::Records;
use protocol::{EncodeError, Message, Reader, Writer};

use crate::{Failure, Request, Response};

/// Which versions a node knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Generation {
    /// The first with KRaft's directories, before pre-votes.
    BeforePreVote,
    Current,
}

fn carried<M: Message>(message: &M, version: i16) -> Result<M, EncodeError> {
    let mut writer = Writer::with_capacity(256);
    message.encode(&mut writer, version)?;
    let mut reader = Reader::new(writer.into_bytes());
    Ok(M::decode(&mut reader, version).expect("what was encoded can be decoded"))
}

fn last<M: Message>() -> i16 {
    *M::VERSIONS.end()
}

/// A request as it arrives at a node, and the version in which it does.
pub(super) fn request(request: &Request, to: Generation) -> Result<(Request, i16), Failure> {
    let failed = |_| Failure::UnsupportedVersion;
    let of = |request: Request, version: i16| Ok((request, version));
    match request {
        Request::Vote(message) => {
            let version = if to == Generation::BeforePreVote { 1 } else { 2 };
            of(Request::Vote(carried(message, version).map_err(failed)?), version)
        }
        Request::BeginQuorumEpoch(message) => {
            of(Request::BeginQuorumEpoch(carried(message, 1).map_err(failed)?), 1)
        }
        Request::EndQuorumEpoch(message) => {
            of(Request::EndQuorumEpoch(carried(message, 1).map_err(failed)?), 1)
        }
        Request::Fetch(message) => {
            let version = if to == Generation::BeforePreVote { 17 } else { 18 };
            let message = carried(&**message, version).map_err(failed)?;
            of(Request::Fetch(Box::new(message)), version)
        }
        Request::FetchSnapshot(message) => {
            of(Request::FetchSnapshot(carried(message, 1).map_err(failed)?), 1)
        }
        Request::DescribeQuorum(message) => {
            of(Request::DescribeQuorum(carried(message, 2).map_err(failed)?), 2)
        }
        Request::AddRaftVoter(message) => {
            of(Request::AddRaftVoter(carried(message, 1).map_err(failed)?), 1)
        }
        Request::RemoveRaftVoter(message) => {
            of(Request::RemoveRaftVoter(carried(message, 0).map_err(failed)?), 0)
        }
        Request::UpdateRaftVoter(message) => {
            of(Request::UpdateRaftVoter(carried(message, 0).map_err(failed)?), 0)
        }
        Request::ApiVersions => of(Request::ApiVersions, 4),
    }
}

/// A response as it arrives.
pub(super) fn response(response: &Response, version: i16) -> Response {
    let sound = "an answer can be encoded in the version of its request";
    match response {
        Response::Vote(message) => Response::Vote(carried(message, version).expect(sound)),
        Response::BeginQuorumEpoch(message) => {
            Response::BeginQuorumEpoch(carried(message, version).expect(sound))
        }
        Response::EndQuorumEpoch(message) => {
            Response::EndQuorumEpoch(carried(message, version).expect(sound))
        }
        Response::Fetch(message) => {
            Response::Fetch(Box::new(carried(&**message, version).expect(sound)))
        }
        Response::FetchSnapshot(message) => {
            Response::FetchSnapshot(carried(message, version).expect(sound))
        }
        Response::DescribeQuorum(message) => {
            Response::DescribeQuorum(carried(message, version).expect(sound))
        }
        Response::AddRaftVoter(message) => {
            Response::AddRaftVoter(carried(message, version).expect(sound))
        }
        Response::RemoveRaftVoter(message) => {
            Response::RemoveRaftVoter(carried(message, version).expect(sound))
        }
        Response::UpdateRaftVoter(message) => {
            Response::UpdateRaftVoter(carried(message, version).expect(sound))
        }
        Response::ApiVersions(message) => {
            assert!(last::<FetchResponse>() >= 18, "the newest messages are known");
            Response::ApiVersions(message.clone())
        }
    }
}

/// Puts the bytes of records into an answer.
pub(super) fn fill(response: &mut Response, bytes: bytes::Bytes) {
    match response {
        Response::Fetch(message) => {
            message.responses[0].partitions[0].records = Some(Records::Bytes(bytes));
        }
        Response::FetchSnapshot(message) => {
            message.topics[0].partitions[0].unaligned_records = Some(Records::Bytes(bytes));
        }
        other => panic!("{other:?} has no records"),
    }
}
