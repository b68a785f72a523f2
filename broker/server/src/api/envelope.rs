//! Envelope 0 (KIP-590): a request that a client has sent to some broker, and that the active
//! controller answers.
//!
//! - A node that is not the active controller answers NOT_CONTROLLER, and the broker looks for it.
//! - What is in it is answered as if the client had asked this node; an API that is no controller's
//!   is INVALID_REQUEST.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use protocol::messages::{EnvelopeRequest, EnvelopeResponse};
use protocol::{ApiKey, ErrorCode, Reader, frame};

use super::find;
use crate::answer::{Answer, Chunk};
use crate::config::Audience;
use crate::request::{Outcome, Peer, RequestContext};
use crate::services::Services;

/// The bytes in which a response frame says its length.
const LENGTH: usize = 4;

/// The principal of a client that nobody has asked who it is, as Kafka's brokers write it: version
/// 0, the type `User`, the name `ANONYMOUS`, no token.
const ANONYMOUS: &[u8] = b"\x00\x00\x05User\x0aANONYMOUS\x00\x00";

pub(super) async fn handle(
    context: RequestContext,
    services: &Arc<Services>,
    request: EnvelopeRequest,
) -> EnvelopeResponse {
    open(&context.peer, services, request).await
}

/// Answers what is in an envelope. `sender` brought it.
pub(crate) async fn open(
    sender: &Peer,
    services: &Arc<Services>,
    request: EnvelopeRequest,
) -> EnvelopeResponse {
    let refused = |error_code| EnvelopeResponse { error_code, response_data: None };
    if !services.controller.is_active() {
        return refused(ErrorCode::NotController);
    }
    let host = host(&request.client_host_address);
    let peer = Peer {
        host: host.unwrap_or_else(|| sender.host.clone()),
        audience: Audience::Controllers,
        ..sender.clone()
    };
    let mut reader = Reader::new(request.request_data);
    let Ok((key, header)) = frame::decode_request_header(&mut reader) else {
        return refused(ErrorCode::InvalidRequest);
    };
    let version = header.request_api_version;
    let api = find(key, Audience::Controllers);
    let Some(api) = api.filter(|api| is_forwarded(key) && api.served.contains(&version)) else {
        return refused(ErrorCode::InvalidRequest);
    };
    let inner = RequestContext {
        version,
        correlation_id: header.correlation_id,
        client_id: header.client_id,
        peer: Arc::new(peer),
    };
    let Ok(running) = (api.serve)(inner, services.clone(), &mut reader) else {
        return refused(ErrorCode::InvalidRequest);
    };
    match running.await {
        Outcome::Answer(answer) => EnvelopeResponse {
            error_code: ErrorCode::None,
            response_data: Some(without_length(&answer)),
        },
        Outcome::Silence | Outcome::Close(_) => refused(ErrorCode::UnknownServerError),
    }
}

/// Whether the active controller alone answers it, whichever broker a client asks.
pub(crate) fn is_forwarded(key: ApiKey) -> bool {
    matches!(
        key,
        ApiKey::CreateTopics
            | ApiKey::DeleteTopics
            | ApiKey::CreatePartitions
            | ApiKey::AlterConfigs
            | ApiKey::IncrementalAlterConfigs
            | ApiKey::UnregisterBroker
            | ApiKey::DescribeQuorum
            | ApiKey::AddRaftVoter
            | ApiKey::RemoveRaftVoter
            | ApiKey::ElectLeaders
            | ApiKey::AlterPartitionReassignments
            | ApiKey::ListPartitionReassignments
            | ApiKey::UpdateFeatures
    )
}

/// Puts a client's frame into an envelope.
pub(crate) fn enclose(frame: Bytes, peer: &Peer) -> EnvelopeRequest {
    let address = peer.host.trim_start_matches('/').parse::<std::net::IpAddr>();
    let address = match address {
        Ok(std::net::IpAddr::V4(address)) => Bytes::copy_from_slice(&address.octets()),
        Ok(std::net::IpAddr::V6(address)) => Bytes::copy_from_slice(&address.octets()),
        Err(_) => Bytes::from_static(&[127, 0, 0, 1]),
    };
    EnvelopeRequest {
        request_data: frame,
        request_principal: Some(Bytes::from_static(ANONYMOUS)),
        client_host_address: address,
    }
}

/// The frame for the client of an envelope's answer.
pub(crate) fn disclose(response: Bytes) -> Answer {
    let length = u32::try_from(response.len()).unwrap_or(u32::MAX);
    let length = Bytes::copy_from_slice(&length.to_be_bytes());
    Answer { chunks: vec![Chunk::Bytes(length), Chunk::Bytes(response)] }
}

fn without_length(answer: &Answer) -> Bytes {
    let mut whole = BytesMut::with_capacity(answer.length());
    for chunk in &answer.chunks {
        if let Chunk::Bytes(bytes) = chunk {
            whole.extend_from_slice(bytes);
        }
    }
    whole.freeze().slice(LENGTH.min(answer.length())..)
}

fn host(address: &Bytes) -> Option<String> {
    let address = match address.len() {
        4 => std::net::IpAddr::from(<[u8; 4]>::try_from(&address[..]).ok()?),
        16 => std::net::IpAddr::from(<[u8; 16]>::try_from(&address[..]).ok()?),
        _ => return None,
    };
    Some(format!("/{address}"))
}
