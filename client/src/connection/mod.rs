//! One connection to one broker: pipelined requests, answered in any order by correlation id.
//!
//! ```text
//!  callers --encode--> outgoing queue --writer task--> stream
//!     ^                                                  |
//!     +--decode-- reply slot by correlation id <--reader task
//! ```
//!
//! A dead connection is a state: whatever ends it (an I/O error, a timeout, a frame that cannot be
//! right) is kept, every waiting request gets it, and so does every later one.

mod io;
mod negotiate;
mod waiting;

use std::marker::PhantomData;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use protocol::{Message as _, Reader, Request, Writer, frame};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};
use tokio::time::{Instant, timeout, timeout_at};
use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::TaskTracker;

pub use self::negotiate::Versions;
use self::waiting::{Waiting, WaitingRequests};
use crate::error::ConnectionError;
use crate::limits;
use crate::transport::Connector;

/// What a connection takes from its owner.
#[derive(Clone)]
pub struct ConnectionConfig {
    /// How a stream comes about.
    pub connector: Arc<dyn Connector>,
    /// In the header of each request.
    pub client_id: Arc<str>,
    /// For opening, and for each answer.
    pub request_timeout: Duration,
}

/// A handle to an open connection; clones share it, and it closes with the last of them.
#[derive(Clone)]
pub struct Connection {
    shared: Arc<Shared>,
    _close_with_last: Arc<DropGuard>,
}

struct Shared {
    address: Arc<str>,
    client_id: Arc<str>,
    request_timeout: Duration,
    versions: Versions,
    outgoing: mpsc::UnboundedSender<Outgoing>,
    waiting: Arc<WaitingRequests>,
    /// Bounds `outgoing` and `waiting`: one permit from the send to the response.
    permits: Arc<Semaphore>,
    cancel: CancellationToken,
}

impl Connection {
    /// Opens a stream, starts its tasks on `tracker` and negotiates versions. It ends with its last
    /// handle, or when `cancel` is cancelled. This is for those who know which broker they want;
    /// clients go through [`Cluster`](crate::Cluster).
    pub async fn open(
        config: &ConnectionConfig,
        host: &str,
        port: u16,
        tracker: &TaskTracker,
        cancel: &CancellationToken,
    ) -> Result<Self, ConnectionError> {
        let address: Arc<str> = format!("{host}:{port}").into();
        let after = config.request_timeout;
        let stream = timeout(after, config.connector.connect(host, port))
            .await
            .map_err(|_| ConnectionError::ConnectTimeout { address: address.clone(), after })?
            .map_err(|source| ConnectionError::Connect {
                address: address.clone(),
                source: Arc::new(source),
            })?;
        let cancel = cancel.child_token();
        let waiting = Arc::new(WaitingRequests::default());
        let (outgoing, queue) = mpsc::unbounded_channel();
        let end = io::End { address: address.clone(), patience: after, cancel: cancel.clone() };
        tracker.spawn(io::run(stream, queue, waiting.clone(), end));
        let mut shared = Shared {
            address,
            client_id: config.client_id.clone(),
            request_timeout: config.request_timeout,
            versions: Versions::default(),
            outgoing,
            waiting,
            permits: Arc::new(Semaphore::new(limits::IN_FLIGHT_MAX)),
            cancel: cancel.clone(),
        };
        let guard = cancel.drop_guard();
        shared.versions = negotiate::negotiate(&shared).await?;
        Ok(Self { shared: Arc::new(shared), _close_with_last: Arc::new(guard) })
    }

    /// `host:port`.
    pub fn address(&self) -> &Arc<str> {
        &self.shared.address
    }

    /// The versions that the broker serves.
    pub fn versions(&self) -> &Versions {
        &self.shared.versions
    }

    /// Whether requests can still be sent.
    pub fn is_open(&self) -> bool {
        self.shared.waiting.is_open()
    }

    /// When the connection was opened or a request was last sent.
    pub(crate) fn last_used(&self) -> Instant {
        self.shared.waiting.last_used()
    }

    /// Whether some request waits for its response.
    pub(crate) fn is_busy(&self) -> bool {
        self.shared.waiting.is_busy()
    }

    /// Ends the connection; waiting requests fail.
    pub fn close(&self) {
        self.shared.cancel.cancel();
    }

    /// The highest version of `R` that both sides speak.
    pub fn version<R: Request>(&self) -> Result<i16, ConnectionError> {
        self.version_up_to::<R>(i16::MAX)
    }

    /// The same, not above `limit`.
    pub fn version_up_to<R: Request>(&self, limit: i16) -> Result<i16, ConnectionError> {
        self.shared.versions.pick::<R>(limit).map_err(|offered| ConnectionError::UnsupportedApi {
            address: self.shared.address.clone(),
            api: R::NAME,
            offered,
        })
    }

    /// Sends a request in the highest common version and waits for its response.
    pub async fn send<R: Request>(&self, request: &R) -> Result<R::Response, ConnectionError> {
        let version = self.version::<R>()?;
        self.send_at(version, request).await
    }

    /// Sends a request in the given version and waits for its response.
    pub async fn send_at<R: Request>(
        &self,
        version: i16,
        request: &R,
    ) -> Result<R::Response, ConnectionError> {
        self.enqueue(version, request).await?.wait().await
    }

    /// Queues a request: when this returns, it goes on the wire before any request queued later.
    /// Where as many requests as a connection may have wait for their answers, this waits, up to
    /// the request timeout.
    pub async fn enqueue<R: Request>(
        &self,
        version: i16,
        request: &R,
    ) -> Result<Pending<R>, ConnectionError> {
        let reply = self.shared.submit(version, request).await?;
        let after = self.shared.request_timeout;
        let deadline = Instant::now() + after;
        let connection = self.clone();
        Ok(Pending { connection, reply, version, after, deadline, request: PhantomData })
    }

    /// Queues a request that the broker does not answer. A broker that reads nothing for the
    /// request timeout loses the connection.
    pub async fn send_unanswered<R: Request>(
        &self,
        version: i16,
        request: &R,
    ) -> Result<Departing, ConnectionError> {
        let permit = self.shared.permit(R::NAME).await?;
        let id = self.shared.waiting.next_id()?;
        let segments = self.shared.encode(version, request, id)?;
        let (written, is_written) = oneshot::channel();
        self.shared.push(Outgoing { segments, unanswered: Some((written, permit)) })?;
        Ok(Departing { connection: self.clone(), is_written })
    }
}

/// What the writer task writes next.
struct Outgoing {
    segments: Vec<Bytes>,
    unanswered: Option<Unanswered>,
}

/// Of a request without an answer: who is told that it was written, and its permit.
type Unanswered = (oneshot::Sender<()>, OwnedSemaphorePermit);

/// A request on its way that is not answered.
pub struct Departing {
    connection: Connection,
    is_written: oneshot::Receiver<()>,
}

impl Departing {
    /// Waits until it is written, or until it never will be.
    pub async fn written(self) -> Result<(), ConnectionError> {
        let shared = &self.connection.shared;
        self.is_written.await.map_err(|_| shared.waiting.cause(&shared.address))
    }
}

/// A request on its way; [`Pending::wait`] gives the response.
pub struct Pending<R: Request> {
    connection: Connection,
    reply: oneshot::Receiver<Result<Bytes, ConnectionError>>,
    version: i16,
    after: Duration,
    deadline: Instant,
    request: PhantomData<fn() -> R>,
}

impl<R: Request> std::fmt::Debug for Pending<R> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Pending").field("api", &R::NAME).field("version", &self.version).finish()
    }
}

impl<R: Request> Pending<R> {
    /// Allows the broker longer than the request timeout, for requests that wait by design.
    pub fn allow(mut self, extra: Duration) -> Self {
        self.after += extra;
        self.deadline += extra;
        self
    }

    /// The response. A broker that is late loses the whole connection, since the responses behind
    /// this one would be late too.
    pub async fn wait(self) -> Result<R::Response, ConnectionError> {
        let shared = &self.connection.shared;
        let reply = match timeout_at(self.deadline, self.reply).await {
            Ok(Ok(reply)) => reply,
            Ok(Err(_)) => Err(shared.waiting.cause(&shared.address)),
            Err(_) => {
                let address = shared.address.clone();
                let late = ConnectionError::Timeout { address, api: R::NAME, after: self.after };
                shared.waiting.poison(late.clone());
                shared.cancel.cancel();
                Err(late)
            }
        };
        shared.decode::<R>(self.version, reply?)
    }
}

impl Shared {
    /// The frame as the pieces to write: large record payloads stay where they are.
    fn encode<R: Request>(
        &self,
        version: i16,
        request: &R,
        id: i32,
    ) -> Result<Vec<Bytes>, ConnectionError> {
        let writer = Writer::with_capacity(256).detach_records_from(limits::RECORDS_COPIED_BYTES);
        let encoded =
            frame::encode_request_into(writer, request, version, id, Some(&self.client_id));
        let writer = encoded.map_err(|error| ConnectionError::Encode {
            api: R::NAME,
            version,
            reason: error.to_string(),
        })?;
        let (mut rest, gaps) = writer.into_parts();
        let mut segments = Vec::with_capacity(1 + 2 * gaps.len());
        let mut taken = 0;
        for gap in gaps {
            segments.push(rest.split_to(gap.position - taken));
            segments.push(gap.bytes.expect("this client sends records that it has in memory"));
            taken = gap.position;
        }
        segments.push(rest);
        Ok(segments)
    }

    /// Registers a waiting request and queues its frame.
    async fn submit<R: Request>(
        &self,
        version: i16,
        request: &R,
    ) -> Result<oneshot::Receiver<Result<Bytes, ConnectionError>>, ConnectionError> {
        let permit = self.permit(R::NAME).await?;
        let id = self.waiting.next_id()?;
        let segments = self.encode(version, request, id)?;
        let (reply, receiver) = oneshot::channel();
        let header_version = R::KEY.response_header_version(version);
        let waiting = Waiting { api: R::NAME, header_version, reply, _permit: permit };
        self.waiting.register(id, waiting)?;
        self.push(Outgoing { segments, unanswered: None })?;
        Ok(receiver)
    }

    async fn permit(&self, api: &'static str) -> Result<OwnedSemaphorePermit, ConnectionError> {
        let after = self.request_timeout;
        match timeout(after, self.permits.clone().acquire_owned()).await {
            Ok(permit) => permit.map_err(|_| self.waiting.cause(&self.address)),
            Err(_) => Err(ConnectionError::Timeout { address: self.address.clone(), api, after }),
        }
    }

    fn push(&self, outgoing: Outgoing) -> Result<(), ConnectionError> {
        self.outgoing.send(outgoing).map_err(|_| self.waiting.cause(&self.address))
    }

    fn decode<R: Request>(
        &self,
        version: i16,
        body: Bytes,
    ) -> Result<R::Response, ConnectionError> {
        let failed = |reason: String| ConnectionError::Decode {
            address: self.address.clone(),
            api: R::Response::NAME,
            version,
            reason,
        };
        let mut reader = Reader::new(body);
        R::Response::decode(&mut reader, version).map_err(|error| failed(error.to_string()))
    }
}

#[cfg(test)]
mod tests;
