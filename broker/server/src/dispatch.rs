//! From a frame to a running request and back to a frame: the only place that decodes and encodes.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use bytes::Bytes;
use protocol::messages::{ApiVersionsRequest, RequestHeader};
use protocol::{ApiKey, DecodeError, Reader, Request, frame};
use thiserror::Error;
use tracing::error;

use crate::api;
use crate::connection::{Answer, Chunk};
use crate::services::Services;

/// The other end of a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Peer {
    /// As Kafka shows a client's host, without a port.
    pub(crate) host: String,
    /// With the port, for the log.
    pub(crate) address: String,
    /// The listener that it came in by, which decides the addresses that it is told.
    pub(crate) listener: String,
}

/// What a handler knows of a request beside its body.
#[derive(Clone, Debug)]
pub(crate) struct RequestContext {
    pub(crate) version: i16,
    pub(crate) correlation_id: i32,
    pub(crate) client_id: Option<String>,
    pub(crate) peer: Arc<Peer>,
}

/// What becomes of a request.
#[derive(Debug)]
pub(crate) enum Outcome {
    Answer(Answer),
    /// Nothing is sent, as the client asked.
    Silence,
    /// Nothing can be sent; the connection ends.
    Close(String),
}

/// A request under way.
pub(crate) type Running = Pin<Box<dyn Future<Output = Outcome> + Send>>;

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
    let mut reader = Reader::new(frame);
    let (key, header) = frame::decode_request_header(&mut reader).map_err(Refusal::Header)?;
    let version = header.request_api_version;
    let api = api::find(key).ok_or(Refusal::Api { api: key })?;
    if !api.served.contains(&version) {
        if key == ApiKey::ApiVersions {
            return Ok(unknown_api_versions(&header));
        }
        return Err(Refusal::Version { api: key, version });
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

/// Encodes a response; each gap in it, where records are sent from where they are, takes one of
/// `records` in turn.
pub(crate) fn encode<R: Request>(
    response: &R::Response,
    version: i16,
    correlation_id: i32,
    records: Vec<Chunk>,
) -> Outcome {
    let writer = match frame::encode_response::<R>(response, version, correlation_id) {
        Ok(writer) => writer,
        Err(problem) => {
            error!("a response to {} version {version} can't be sent: {problem}", R::KEY);
            return Outcome::Close(format!("no answer to {} could be made", R::KEY));
        }
    };
    let (buffer, gaps) = writer.into_parts();
    let mut records = records.into_iter();
    let mut chunks = Vec::with_capacity(2 * gaps.len() + 1);
    let mut from = 0;
    for gap in gaps {
        chunks.push(Chunk::Bytes(buffer.slice(from..gap.position)));
        from = gap.position;
        match (gap.bytes, records.next()) {
            (Some(bytes), _) => chunks.push(Chunk::Bytes(bytes)),
            (None, Some(chunk)) => {
                assert_eq!(chunk.length(), gap.length, "records are those of the gaps, in order");
                chunks.push(chunk);
            }
            (None, None) => unreachable!("a response has records for each gap"),
        }
    }
    if from < buffer.len() {
        chunks.push(Chunk::Bytes(buffer.slice(from..)));
    }
    Outcome::Answer(Answer { chunks })
}
