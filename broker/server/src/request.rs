//! What lies between a connection and a handler: who asks, what is known beside the body, and what
//! becomes of the request. Neither knows the other; both know this.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex};

use broker_cluster::lock::whole;
use protocol::{Request, frame};
use tracing::error;

use crate::answer::{Answer, Chunk};
use crate::config::Audience;

/// The other end of a connection.
#[derive(Clone, Debug)]
pub(crate) struct Peer {
    /// As Kafka shows a client's host, without a port.
    pub(crate) host: String,
    /// With the port, for the log.
    pub(crate) address: String,
    /// The listener that it came in by, which decides the addresses that it is told.
    pub(crate) listener: String,
    /// Whom that listener serves, which decides what may be asked.
    pub(crate) audience: Audience,
    pub(crate) heard_of: HeardOf,
}

/// The broker whose heartbeats came by a connection, with its epoch: what becomes of the connection
/// says something of the broker.
#[derive(Clone, Debug, Default)]
pub(crate) struct HeardOf {
    /// A std mutex: held to copy the pair in or out.
    broker: Arc<Mutex<Option<(i32, i64)>>>,
}

impl HeardOf {
    pub(crate) fn note(&self, broker: i32, epoch: i64) {
        *whole(&self.broker) = Some((broker, epoch));
    }

    pub(crate) fn broker(&self) -> Option<(i32, i64)> {
        *whole(&self.broker)
    }
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
