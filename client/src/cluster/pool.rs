//! Open connections, by broker and lane.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::Cluster;
use super::trouble::{Place, SLOW, Trouble};
use crate::config::ClientConfig;
use crate::connection::{Connection, ConnectionConfig};
use crate::error::{ConfigError, ConnectionError, RequestError};
use crate::metadata::{Metadata, Node};
use crate::retry::Backoff;

/// What a connection is used for. A broker answers one connection's requests in order, so that a
/// request which waits by design (a fetch, a join) gets a connection of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Lane {
    /// Requests that are answered at once.
    General,
    /// Fetches that wait for data.
    Fetch,
    /// Membership of a group.
    Group,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Target {
    Bootstrap(usize),
    Broker { id: i32, host: String, port: u16 },
}

/// One target's connection; the inner lock is held while connecting, so that callers share it.
type Slot = Arc<tokio::sync::Mutex<SlotState>>;

#[derive(Default)]
struct SlotState {
    connection: Option<Connection>,
    failures: u32,
    not_before: Option<Instant>,
    trouble: Trouble,
}

pub(super) struct Pool {
    bootstrap: Vec<(String, u16)>,
    connections: ConnectionConfig,
    reconnect: Backoff,
    idle_max: Duration,
    /// Held for a map operation at a time; nothing awaits under it.
    slots: Mutex<HashMap<(Target, Lane), Slot>>,
    tracker: TaskTracker,
    cancel: CancellationToken,
}

impl Pool {
    pub(super) fn new(
        config: &ClientConfig,
        connections: ConnectionConfig,
        tracker: TaskTracker,
        cancel: CancellationToken,
    ) -> Result<Self, ConfigError> {
        Ok(Self {
            bootstrap: config.addresses()?,
            connections,
            reconnect: config.reconnect_backoff,
            idle_max: config.connections_max_idle,
            slots: Mutex::new(HashMap::new()),
            tracker,
            cancel,
        })
    }

    /// The connection to a broker, opened where there is none.
    pub(super) async fn broker(
        &self,
        node: &Node,
        lane: Lane,
    ) -> Result<Connection, ConnectionError> {
        let target = Target::Broker { id: node.id, host: node.host.clone(), port: node.port };
        self.open(target, &node.host, node.port, lane).await
    }

    /// An open connection, else the first broker that lets itself be reached: known brokers in
    /// random order, then the bootstrap servers.
    pub(super) async fn any(&self, metadata: &Metadata) -> Result<Connection, RequestError> {
        if let Some(open) = self.any_open() {
            return Ok(open);
        }
        let mut servers = Vec::new();
        let mut last = None;
        let brokers: Vec<&Node> = metadata.brokers.values().collect();
        let start = rand::random::<u32>() as usize;
        for n in 0..brokers.len() {
            let node = brokers[(start.wrapping_add(n)) % brokers.len()];
            servers.push(format!("{}:{}", node.host, node.port));
            match self.broker(node, Lane::General).await {
                Ok(connection) => return Ok(connection),
                Err(error) => last = Some(error),
            }
        }
        for n in 0..self.bootstrap.len() {
            let index = start.wrapping_add(n) % self.bootstrap.len();
            let (host, port) = &self.bootstrap[index];
            servers.push(format!("{host}:{port}"));
            match self.open(Target::Bootstrap(index), host, *port, Lane::General).await {
                Ok(connection) => return Ok(connection),
                Err(error) => last = Some(error),
            }
        }
        servers.dedup();
        match last {
            Some(last) => Err(Cluster::unreachable(servers, last)),
            None => Err(RequestError::Closed),
        }
    }

    fn any_open(&self) -> Option<Connection> {
        let slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
        let general = slots.iter().filter(|((_, lane), _)| *lane == Lane::General);
        let mut open = general.filter_map(|((target, _), slot)| {
            let connection = slot.try_lock().ok()?.connection.clone()?;
            let is_bootstrap = matches!(target, Target::Bootstrap(_));
            connection.is_open().then_some((is_bootstrap, connection))
        });
        let first = open.next()?;
        if !first.0 {
            return Some(first.1);
        }
        Some(open.find(|(is_bootstrap, _)| !is_bootstrap).unwrap_or(first).1)
    }

    async fn open(
        &self,
        target: Target,
        host: &str,
        port: u16,
        lane: Lane,
    ) -> Result<Connection, ConnectionError> {
        let broker = match &target {
            Target::Bootstrap(_) => None,
            Target::Broker { id, .. } => Some(*id),
        };
        let place = Place { broker, host, port };
        let slot = self.slot(target, lane);
        let mut slot = slot.lock().await;
        if let Some(connection) = slot.connection.as_ref().filter(|open| open.is_open()) {
            return Ok(connection.clone());
        }
        slot.connection = None;
        if self.cancel.is_cancelled() {
            return Err(ConnectionError::Closed { address: format!("{host}:{port}").into() });
        }
        if let Some(not_before) = slot.not_before {
            sleep_until(not_before).await;
        }
        let tracker = &self.tracker;
        let opening = Connection::open(&self.connections, host, port, tracker, &self.cancel);
        tokio::pin!(opening);
        let opened = tokio::select! {
            opened = &mut opening => opened,
            () = tokio::time::sleep(SLOW) => {
                slot.trouble.tell_slow(&place, Instant::now());
                opening.await
            }
        };
        match opened {
            Ok(connection) => {
                *slot = SlotState { connection: Some(connection.clone()), ..Default::default() };
                Ok(connection)
            }
            Err(error) => {
                slot.failures += 1;
                if !self.cancel.is_cancelled() {
                    slot.trouble.tell(&place, &error, Instant::now());
                }
                let pause = self.reconnect.delay(slot.failures, rand::random());
                slot.not_before = Some(Instant::now() + pause);
                Err(error)
            }
        }
    }

    /// The slot of a target, dropping those of connections that nobody has used for long.
    fn slot(&self, target: Target, lane: Lane) -> Slot {
        let mut slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        slots.retain(|_, slot| {
            let Ok(state) = slot.try_lock() else { return true };
            let Some(connection) = &state.connection else { return true };
            connection.is_busy() || now - connection.last_used() < self.idle_max
        });
        slots.entry((target, lane)).or_default().clone()
    }
}
