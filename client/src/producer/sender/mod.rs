//! The task that sends batches and takes the answers.
//!
//! It is the only one that sends: per broker at most `max.in.flight` requests, each with one batch
//! per partition. Connecting, identifying the producer and waiting for answers run beside it, as
//! futures that it polls.

mod answer;
mod identity;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use futures::stream::FuturesUnordered;
use futures::{FutureExt as _, StreamExt as _};
use protocol::messages::produce_request::{PartitionProduceData, ProduceRequest, TopicProduceData};
use protocol::messages::produce_response::ProduceResponse;
use tokio::time::{Instant, sleep_until};

use self::identity::Identity;
use super::Shared;
use super::accumulator::Plan;
use super::batch::Batch;
use super::queue::{ProducerId, Taken};
use crate::cluster::{Lane, TopicSelection};
use crate::connection::{Connection, Departing, Pending};
use crate::error::{ConnectionError, ProduceError, RequestError};
use crate::limits::PRODUCE_IN_FLIGHT_MAX;

/// The versions above name topics by id.
const PRODUCE_BY_NAME_UP_TO: i16 = 12;

/// A refresh that takes longer does not keep the sender from looking around.
const METADATA_PATIENCE: Duration = Duration::from_secs(1);

/// What happens beside the sender.
enum Event {
    Connected(i32, Result<Connection, RequestError>),
    Identified(Result<ProducerId, RequestError>),
    Refreshed,
    Answered(Session, Vec<Batch>, Result<ProduceResponse, ConnectionError>),
    /// A request without an answer was written.
    Written(Session, Vec<Batch>, Result<(), ConnectionError>),
    /// A pause is over.
    Rested(i32),
}

/// A connection to a broker among those that it had over time.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Session {
    node: i32,
    number: u64,
}

/// A broker as the sender sees it.
enum Node {
    Connecting,
    /// Connecting failed; it is tried again after a pause.
    Resting,
    Connected {
        connection: Connection,
        session: Session,
        in_flight: usize,
    },
}

struct Sender {
    shared: Arc<Shared>,
    nodes: HashMap<i32, Node>,
    sessions: u64,
    identity: Identity,
    is_refreshing: bool,
    refresh_failures: u32,
    beside: FuturesUnordered<BoxFuture<'static, Event>>,
}

/// Runs until the producer is closed or dropped; fails what is left then.
pub(super) async fn run(shared: Arc<Shared>) {
    let is_idempotent = shared.config.is_idempotent();
    let mut sender = Sender {
        nodes: HashMap::new(),
        sessions: 0,
        identity: Identity::new(is_idempotent),
        is_refreshing: false,
        refresh_failures: 0,
        beside: FuturesUnordered::new(),
        shared,
    };
    let cancel = sender.shared.cancel.clone();
    while !cancel.is_cancelled() {
        let wake_at = sender.round().await;
        let shared = sender.shared.clone();
        tokio::select! {
            () = cancel.cancelled() => {}
            () = shared.wake.notified() => {}
            () = sleep_until(wake_at) => {}
            Some(event) = sender.beside.next() => sender.on_event(event),
        }
    }
    sender.stop();
}

impl Sender {
    /// Sends what can be sent, and answers when to look again if nothing happens before.
    async fn round(&mut self) -> Instant {
        let now = Instant::now();
        let metadata = self.shared.cluster.metadata();
        let max_in_flight = self.shared.config.max_in_flight.min(PRODUCE_IN_FLIGHT_MAX);
        let can_take = |id: i32| match self.nodes.get(&id) {
            Some(Node::Connected { connection, in_flight, .. }) => {
                *in_flight < max_in_flight && connection.is_open()
            }
            _ => false,
        };
        let (expired, expires_at, plan) = {
            let mut accumulator = self.shared.accumulator();
            let (expired, expires_at) = accumulator.expire(now);
            let plan = accumulator.plan(&metadata, self.identity.current(), now, can_take);
            (expired, expires_at, plan)
        };
        for batch in expired {
            let error = self.expired(&batch);
            self.finish_failed(batch, &error);
        }
        let refresh_at = self.refresh_at();
        let needs_refresh = !plan.leaderless.is_empty() || refresh_at <= now;
        // While a refresh is under way, its end wakes the sender.
        let idle_until = if needs_refresh { now + METADATA_PATIENCE } else { refresh_at };
        let mut wake_at = expires_at.map_or(idle_until, |at| at.min(idle_until));
        wake_at = plan.wake_at.map_or(wake_at, |at| at.min(wake_at));
        if plan.wants_new_epoch {
            // Raising the epoch makes batches ready.
            wake_at = now;
        }
        self.prepare(&plan, needs_refresh);
        for (node, batches) in plan.requests {
            self.send(node, batches).await;
        }
        wake_at.max(now)
    }

    fn refresh_at(&self) -> Instant {
        let age = self.shared.config.client.metadata_max_age;
        match self.shared.cluster.metadata_fetched_at() {
            Some(at) => at + age,
            // Nothing was asked for yet; the first send does that.
            None => Instant::now() + age,
        }
    }

    /// Starts what the next round needs: connections, an identity, metadata.
    fn prepare(&mut self, plan: &Plan, needs_refresh: bool) {
        for id in &plan.awaited_nodes {
            let is_usable = match self.nodes.get(id) {
                Some(Node::Connected { connection, .. }) => connection.is_open(),
                Some(Node::Connecting | Node::Resting) => true,
                None => false,
            };
            if !is_usable {
                self.connect(*id);
            }
        }
        if let Some(request) = self.identity.wanted(plan.wants_new_epoch) {
            let cluster = self.shared.cluster.clone();
            let pause = cluster.backoff(self.identity.failures());
            self.beside.push(Box::pin(async move {
                tokio::time::sleep(pause).await;
                Event::Identified(identity::request(&cluster, request).await)
            }));
        }
        if needs_refresh {
            self.refresh();
        }
    }

    fn connect(&mut self, id: i32) {
        self.nodes.insert(id, Node::Connecting);
        let cluster = self.shared.cluster.clone();
        self.beside.push(Box::pin(async move {
            Event::Connected(id, cluster.connection(id, Lane::General).await)
        }));
    }

    /// Fetches the metadata of all topics in use, unless that is under way.
    fn refresh(&mut self) {
        if self.is_refreshing {
            return;
        }
        self.is_refreshing = true;
        let cluster = self.shared.cluster.clone();
        let topics = self.shared.accumulator().topics();
        let pause = cluster.backoff(self.refresh_failures);
        self.refresh_failures += 1;
        self.beside.push(Box::pin(async move {
            tokio::time::sleep(pause).await;
            let wanted = TopicSelection::Named { topics, create: false };
            if let Err(error) = cluster.refresh(wanted).await {
                tracing::debug!(%error, "metadata not refreshed");
            }
            Event::Refreshed
        }));
    }

    async fn send(&mut self, id: i32, taken: Vec<Taken>) {
        let batches = self.close_all(taken);
        let request = self.request(&batches);
        let Some(Node::Connected { connection, session, in_flight }) = self.nodes.get_mut(&id)
        else {
            self.retry_all(batches, None);
            return;
        };
        let version = match connection.version_up_to::<ProduceRequest>(PRODUCE_BY_NAME_UP_TO) {
            Ok(version) => version,
            Err(error) => return self.retry_all(batches, Some(error)),
        };
        // Nothing is waited for here beyond the end of the producer.
        let closed = ConnectionError::Closed { address: connection.address().clone() };
        let (session, cancel) = (*session, &self.shared.cancel);
        let event = if request.acks == 0 {
            let sent = tokio::select! {
                biased;
                sent = connection.send_unanswered(version, &request) => sent,
                () = cancel.cancelled() => Err(closed),
            };
            match sent {
                Ok(departing) => written(session, batches, departing).boxed(),
                Err(error) => return self.retry_all(batches, Some(error)),
            }
        } else {
            let sent = tokio::select! {
                biased;
                sent = connection.enqueue(version, &request) => sent,
                () = cancel.cancelled() => Err(closed),
            };
            match sent {
                Ok(pending) => answered(session, batches, pending).boxed(),
                Err(error) => return self.retry_all(batches, Some(error)),
            }
        };
        *in_flight += 1;
        self.beside.push(event);
    }

    /// A request is no longer on its way.
    fn left(&mut self, session: Session) {
        if let Some(Node::Connected { session: current, in_flight, .. }) =
            self.nodes.get_mut(&session.node)
            && *current == session
        {
            *in_flight -= 1;
        }
    }

    /// Closes (and compresses) batches, outside of the accumulator's lock.
    fn close_all(&self, taken: Vec<Taken>) -> Vec<Batch> {
        let close = |(mut batch, numbering): Taken| {
            let uncompressed = batch.is_open().then(|| batch.size());
            let compressed = batch.close(numbering).len();
            if let Some(uncompressed) = uncompressed {
                let topic = batch.partition.topic.clone();
                self.shared.accumulator().observe_ratio(&topic, uncompressed, compressed);
            }
            batch
        };
        taken.into_iter().map(close).collect()
    }

    fn request(&self, batches: &[Batch]) -> ProduceRequest {
        let mut topics = Vec::<TopicProduceData>::new();
        for batch in batches {
            let data = PartitionProduceData {
                index: batch.partition.partition,
                records: Some(batch.bytes().into()),
            };
            match topics.iter_mut().find(|topic| *topic.name == *batch.partition.topic) {
                Some(topic) => topic.partition_data.push(data),
                None => topics.push(TopicProduceData {
                    name: batch.partition.topic.to_string(),
                    partition_data: vec![data],
                    ..Default::default()
                }),
            }
        }
        let timeout = self.shared.config.client.request_timeout.as_millis();
        ProduceRequest {
            acks: self.shared.config.acks.wire(),
            timeout_ms: i32::try_from(timeout).unwrap_or(i32::MAX),
            topic_data: topics,
            ..Default::default()
        }
    }

    fn on_event(&mut self, event: Event) {
        match event {
            Event::Connected(id, Ok(connection)) => {
                self.sessions += 1;
                let session = Session { node: id, number: self.sessions };
                self.nodes.insert(id, Node::Connected { connection, session, in_flight: 0 });
            }
            Event::Connected(id, Err(error)) => {
                tracing::debug!(node = id, %error, "not connected");
                self.nodes.insert(id, Node::Resting);
                self.refresh();
                let pause = self.shared.cluster.backoff(1);
                self.beside.push(Box::pin(async move {
                    tokio::time::sleep(pause).await;
                    Event::Rested(id)
                }));
            }
            Event::Rested(id) => {
                if matches!(self.nodes.get(&id), Some(Node::Resting)) {
                    self.nodes.remove(&id);
                }
            }
            Event::Written(asked, batches, result) => {
                self.left(asked);
                match result {
                    Ok(()) => self.complete_unanswered(batches),
                    Err(error) => self.retry_all(batches, Some(error)),
                }
            }
            Event::Identified(result) => self.on_identified(result),
            Event::Refreshed => self.is_refreshing = false,
            Event::Answered(asked, batches, result) => {
                self.left(asked);
                match result {
                    Ok(response) => {
                        self.refresh_failures = 0;
                        self.on_response(batches, response);
                    }
                    Err(error) => self.retry_all(batches, Some(error)),
                }
            }
        }
    }

    fn on_identified(&mut self, result: Result<ProducerId, RequestError>) {
        if let Err(error) = self.identity.on_answer(result) {
            let error = ProduceError::from(error);
            let waiting = self.shared.accumulator().drain();
            for batch in waiting {
                self.finish_failed(batch, &error);
            }
        }
    }

    /// Fails what was not delivered.
    fn stop(&mut self) {
        let left = {
            let mut accumulator = self.shared.accumulator();
            accumulator.close();
            accumulator.drain()
        };
        for batch in left {
            self.finish_failed(batch, &ProduceError::Closed);
        }
        self.shared.memory.close();
    }
}

/// Tells when a request without an answer was written.
async fn written(session: Session, batches: Vec<Batch>, departing: Departing) -> Event {
    let result = departing.written().await;
    Event::Written(session, batches, result)
}

async fn answered(
    session: Session,
    batches: Vec<Batch>,
    pending: Pending<ProduceRequest>,
) -> Event {
    let result = pending.wait().await;
    Event::Answered(session, batches, result)
}
