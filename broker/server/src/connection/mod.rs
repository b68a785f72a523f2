//! One client's connection, from the first byte to the last.
//!
//! One task reads frames, starts their requests and writes the answers, in the order of the
//! requests.
//!
//! ```text
//!   socket -> frame -> dispatch::start -> [ running | running | done ] -> answers -> socket
//!                          |                queue, oldest first
//!                          +- held back while something before it must end first
//! ```
//!
//! Requests that may run beside each other (Produce, Fetch) are started as they come, up to a
//! limit; all others wait until everything before them is answered, as Kafka handles a connection.
//! Requests whose frames are there together are all started before any of them goes on: so the
//! batches of several produce requests are in their partitions' queues when the first is appended,
//! on this task, and share a write.

mod answer;
mod frame;
mod other_protocol;
mod stream;

use std::collections::VecDeque;
use std::future::poll_fn;

use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::{debug, warn};

use self::answer::write_answers;
pub(crate) use self::frame::FrameError;
use self::frame::FrameReader;
pub(crate) use self::stream::Stream;
use crate::answer::Answer;
use crate::dispatch;
use crate::evidence;
use crate::limits::{DRAIN, IN_FLIGHT_PER_CONNECTION, TURN_AWAY, TURN_BYTES};
use crate::request::{Outcome, Peer, Running};
use crate::services::Services;

/// What a connection needs to know beyond its stream.
#[derive(Clone, Debug)]
pub(crate) struct ConnectionLimits {
    pub(crate) request_bytes: usize,
    pub(crate) idle: Duration,
}

/// Serves the stream until the client leaves, errs or idles, or the broker stops.
pub(crate) async fn serve(
    mut stream: Stream,
    peer: Arc<Peer>,
    services: Arc<Services>,
    limits: ConnectionLimits,
    stopping: CancellationToken,
) {
    let mut connection = Connection {
        reader: FrameReader::new(limits.request_bytes),
        queue: VecDeque::new(),
        held: None,
        bytes_in_flight: limits.request_bytes,
        bytes_this_turn: 0,
        peer,
        services,
    };
    let reason = tokio::select! {
        reason = connection.run(&mut stream, limits.idle, &stopping) => reason,
        () = too_late(&stopping) => "the broker stops, and a request was not done in time".to_owned(),
    };
    debug!(client = %connection.peer.address, "connection closed: {reason}");
    if let Some((broker, epoch)) = connection.peer.heard_of.broker() {
        evidence::look(&connection.services, broker, epoch);
    }
    // The client may be gone already; there is nobody left to tell.
    let _ = stream.shutdown().await;
}

enum Slot {
    Running { future: Running, beside: bool, bytes: usize },
    Done(Outcome),
}

struct Connection {
    reader: FrameReader,
    /// Requests in the order in which they came, the oldest first.
    queue: VecDeque<Slot>,
    /// A request that was read and must wait for those before it.
    held: Option<Bytes>,
    /// No more is read while running requests are of more bytes than one request may have.
    bytes_in_flight: usize,
    /// Of the requests since other connections had their turn.
    bytes_this_turn: usize,
    peer: Arc<Peer>,
    services: Arc<Services>,
}

/// Why a connection ends; only for the log.
type Reason = String;

enum Event {
    Frame(Result<Option<Bytes>, FrameError>),
    Progress,
    Idle,
    Stop,
}

impl Connection {
    async fn run(
        &mut self,
        stream: &mut Stream,
        idle: Duration,
        stopping: &CancellationToken,
    ) -> Reason {
        let idle_timer = tokio::time::sleep(idle);
        tokio::pin!(idle_timer);
        // Made once: each new one takes its place among those of all connections.
        let stopped = stopping.cancelled();
        tokio::pin!(stopped);
        loop {
            let started = self.start_what_is_there(stream).await;
            let written = tokio::time::timeout(idle, self.write_done(stream)).await;
            match written {
                Ok(Ok(())) => {}
                Ok(Err(reason)) => return reason,
                Err(_) => return format!("no answer was read for {} ms", idle.as_millis()),
            }
            if let Err(reason) = started {
                return reason;
            }
            if self.held.as_ref().is_some_and(|frame| self.may_start(frame)) {
                continue;
            }
            let may_read = self.may_read();
            let waiting = !self.queue.is_empty();
            let event = tokio::select! {
                biased;
                () = &mut stopped => Event::Stop,
                () = poll_fn(|context| poll_queue(&mut self.queue, context)), if waiting => {
                    Event::Progress
                }
                frame = self.reader.next(stream), if may_read => Event::Frame(frame),
                () = &mut idle_timer, if !waiting => Event::Idle,
            };
            match event {
                Event::Frame(Ok(Some(frame))) => {
                    self.held = Some(frame);
                    idle_timer.as_mut().reset(Instant::now() + idle);
                }
                Event::Frame(Ok(None)) => return "the client left".to_owned(),
                Event::Frame(Err(error)) => return turn_away(&self.peer, error, stream).await,
                Event::Progress => idle_timer.as_mut().reset(Instant::now() + idle),
                Event::Idle => return format!("nothing came for {} ms", idle.as_millis()),
                Event::Stop => return self.drain(stream).await,
            }
        }
    }

    fn may_read(&self) -> bool {
        let held = self.queue.iter().map(|slot| match slot {
            Slot::Running { bytes, .. } => *bytes,
            Slot::Done(_) => 0,
        });
        self.held.is_none()
            && self.queue.len() < IN_FLIGHT_PER_CONNECTION
            && held.sum::<usize>() < self.bytes_in_flight
    }

    /// Whether everything before the frame's request lets it start.
    fn may_start(&self, frame: &Bytes) -> bool {
        self.queue.is_empty()
            || dispatch::runs_beside(frame)
                && self.queue.iter().all(|slot| match slot {
                    Slot::Running { beside, .. } => *beside,
                    Slot::Done(_) => true,
                })
    }

    /// Starts the request that was held back and those whose frames are in the buffer already, so
    /// that requests that came together are appended together, and their answers leave together.
    async fn start_what_is_there(&mut self, stream: &mut Stream) -> Result<(), Reason> {
        let started = self.start_frames(stream).await;
        if self.bytes_this_turn >= TURN_BYTES {
            self.bytes_this_turn = 0;
            // Sockets that have become ready meanwhile are looked for as well, and what comes in
            // by them is appended together with what waits here.
            tokio::task::yield_now().await;
        }
        if !self.queue.is_empty() {
            poll_fn(|context| {
                let _ = poll_queue(&mut self.queue, context);
                Poll::Ready(())
            })
            .await;
        }
        started
    }

    async fn start_frames(&mut self, stream: &mut Stream) -> Result<(), Reason> {
        loop {
            if let Some(frame) = self.held.take() {
                if !self.may_start(&frame) {
                    self.held = Some(frame);
                    return Ok(());
                }
                self.start(frame)?;
            }
            if !self.may_read() || !self.reader.has_frame() {
                return Ok(());
            }
            self.held = self.reader.next(stream).await.map_err(|error| error.to_string())?;
        }
    }

    fn start(&mut self, frame: Bytes) -> Result<(), Reason> {
        let (beside, bytes) = (dispatch::runs_beside(&frame), frame.len());
        self.bytes_this_turn += bytes;
        let started = dispatch::start(frame, self.peer.clone(), self.services.clone());
        let mut future = started.map_err(|refusal| refusal.to_string())?;
        // The first poll happens here, in the order of the requests. It may not register a waker
        // that counts: whatever is not done is polled again before the task sleeps.
        let mut context = Context::from_waker(std::task::Waker::noop());
        self.queue.push_back(match future.as_mut().poll(&mut context) {
            Poll::Ready(outcome) => Slot::Done(outcome),
            Poll::Pending => Slot::Running { future, beside, bytes },
        });
        Ok(())
    }

    /// Writes all answers that stand at the front of the queue.
    async fn write_done(&mut self, stream: &mut Stream) -> Result<(), Reason> {
        let mut answers = Vec::new();
        let mut end = None;
        while let Some(Slot::Done(_)) = self.queue.front() {
            let Some(Slot::Done(outcome)) = self.queue.pop_front() else { break };
            match outcome {
                Outcome::Answer(answer) => answers.push(answer),
                Outcome::Silence => {}
                Outcome::Close(reason) => {
                    end = Some(reason);
                    break;
                }
            }
        }
        if !answers.is_empty() {
            let bytes: usize = answers.iter().map(Answer::length).sum();
            self.services.metrics.bytes_out(bytes);
            write_answers(stream, answers).await.map_err(|error| error.to_string())?;
        }
        end.map_or(Ok(()), Err)
    }

    /// Answers what is under way.
    async fn drain(&mut self, stream: &mut Stream) -> Reason {
        while !self.queue.is_empty() {
            poll_fn(|context| poll_queue(&mut self.queue, context)).await;
            if let Err(reason) = self.write_done(stream).await {
                return reason;
            }
        }
        "the broker stops".to_owned()
    }
}

/// Ends with a word to who speaks another protocol, and to whoever reads this broker's log.
async fn turn_away(peer: &Peer, error: FrameError, stream: &mut Stream) -> Reason {
    if let FrameError::OtherProtocol { protocol } = error {
        warn!("{error} ({})", peer.address);
        // It may be gone before it is told; then nobody is left to tell.
        let _ = tokio::time::timeout(TURN_AWAY, protocol.turn_away(stream)).await;
    }
    error.to_string()
}

/// Returns when the broker has been stopping for as long as it waits for requests.
async fn too_late(stopping: &CancellationToken) {
    stopping.cancelled().await;
    tokio::time::sleep(DRAIN).await;
}

/// Runs all that runs; ready when the oldest request is done.
fn poll_queue(queue: &mut VecDeque<Slot>, context: &mut Context<'_>) -> Poll<()> {
    for slot in queue.iter_mut() {
        if let Slot::Running { future, .. } = slot
            && let Poll::Ready(outcome) = future.as_mut().poll(context)
        {
            *slot = Slot::Done(outcome);
        }
    }
    match queue.front() {
        Some(Slot::Running { .. }) => Poll::Pending,
        Some(Slot::Done(_)) | None => Poll::Ready(()),
    }
}
