//! From a frame to a running request and back to a frame: the only place that decodes and encodes.

use std::sync::Arc;

use bytes::Bytes;
use protocol::messages::{ApiVersionsRequest, RequestHeader};
use protocol::{ApiKey, DecodeError, Reader, frame};
use thiserror::Error;

use crate::api;
use crate::forwarding;
use crate::request::{Peer, RequestContext, Running, encode};
use crate::services::Services;

/// Why a frame is no request that is served here. The connection ends: what follows on it can't be
/// understood either, and that is how Kafka tells a client.
#[derive(Debug, Error)]
pub(crate) enum Refusal {
    #[error("the header can't be read: {0}")]
    Header(DecodeError),
    #[error("{api} is not served")]
    Api { api: ApiKey },
    #[error("{api} version {version} is not served")]
    Version { api: ApiKey, version: i16 },
    #[error("{api} version {version} can't be read: {source}")]
    Body { api: ApiKey, version: i16, source: DecodeError },
}

/// Whether the frame's request may run while others of its connection do.
pub(crate) fn runs_beside(frame: &Bytes) -> bool {
    let key = frame.first_chunk::<2>().map(|bytes| i16::from_be_bytes(*bytes));
    let key = key.and_then(ApiKey::from_code);
    matches!(key, Some(ApiKey::Produce | ApiKey::Fetch))
}

/// Decodes the frame and makes its request ready to run.
pub(crate) fn start(
    frame: Bytes,
    peer: Arc<Peer>,
    services: Arc<Services>,
) -> Result<Running, Refusal> {
    services.metrics.request(frame.len());
    let mut reader = Reader::new(frame.clone());
    let (key, header) = frame::decode_request_header(&mut reader).map_err(Refusal::Header)?;
    let version = header.request_api_version;
    let api = api::find(key, peer.audience).ok_or(Refusal::Api { api: key })?;
    if !api.served.contains(&version) {
        if key == ApiKey::ApiVersions {
            return Ok(unknown_api_versions(&header));
        }
        return Err(Refusal::Version { api: key, version });
    }
    if forwarding::is_elsewhere(key, &peer, &services) {
        return Ok(forwarding::forward(frame, peer, services));
    }
    let context = RequestContext {
        version,
        correlation_id: header.correlation_id,
        client_id: header.client_id,
        peer,
    };
    let running = (api.serve)(context, services, &mut reader);
    running.map_err(|source| Refusal::Body { api: key, version, source })
}

/// A client that speaks a newer ApiVersions is told, in the oldest form, which one to use.
fn unknown_api_versions(header: &RequestHeader) -> Running {
    let answer = encode::<ApiVersionsRequest>(
        &api::api_versions::unsupported(),
        0,
        header.correlation_id,
        Vec::new(),
    );
    Box::pin(std::future::ready(answer))
}
