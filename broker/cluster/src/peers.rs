//! Connections to other nodes, by address: opened when one is needed, and anew after it has ended.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use client::{Connection, ConnectionConfig, ConnectionError, TcpConnector};
use protocol::Request;
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::limits::{RECONNECT_FIRST, RECONNECT_MAX};
use crate::lock::whole;

/// Where a node is reached.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Address {
    pub host: Arc<str>,
    pub port: u16,
}

impl Address {
    pub fn new(host: &str, port: u16) -> Self {
        Self { host: Arc::from(host), port }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.host.contains(':') {
            true => write!(f, "[{}]:{}", self.host, self.port),
            false => write!(f, "{}:{}", self.host, self.port),
        }
    }
}

/// One address's connection; the lock is held while it is opened, so that callers share it.
type Slot = Arc<tokio::sync::Mutex<State>>;

#[derive(Default)]
struct State {
    connection: Option<Connection>,
    failures: u32,
    not_before: Option<Instant>,
}

/// The connections that one part of this node has to others. Each part has its own, for a node
/// answers the requests of a connection in their order.
pub struct Peers {
    config: ConnectionConfig,
    /// A std mutex: held for a look-up; nothing awaits under it.
    slots: Mutex<HashMap<Address, Slot>>,
    tasks: TaskTracker,
    cancel: CancellationToken,
}

impl Peers {
    /// `client_id` is what other nodes show of the requests. A request that is not answered within
    /// the time ends its connection.
    pub fn new(
        client_id: &str,
        request_timeout: Duration,
        tasks: TaskTracker,
        cancel: CancellationToken,
    ) -> Self {
        let connector = Arc::new(TcpConnector::default());
        let config = ConnectionConfig { connector, client_id: client_id.into(), request_timeout };
        Self { config, slots: Mutex::default(), tasks, cancel }
    }

    /// Sends a request in the highest version that both sides speak. It is sent once: whether a
    /// request whose connection ended was done is for the caller to find out.
    pub async fn send<R: Request>(
        &self,
        address: &Address,
        request: &R,
    ) -> Result<R::Response, ConnectionError> {
        self.connection(address).await?.send(request).await
    }

    /// The connection to an address. After one that could not be opened the next try waits a
    /// little, longer each time up to a second.
    pub async fn connection(&self, address: &Address) -> Result<Connection, ConnectionError> {
        let slot = {
            let mut slots = whole(&self.slots);
            slots.entry(address.clone()).or_default().clone()
        };
        let mut state = slot.lock().await;
        if let Some(open) = state.connection.as_ref().filter(|open| open.is_open()) {
            return Ok(open.clone());
        }
        state.connection = None;
        if let Some(not_before) = state.not_before {
            sleep_until(not_before).await;
        }
        let (host, port) = (&*address.host, address.port);
        match Connection::open(&self.config, host, port, &self.tasks, &self.cancel).await {
            Ok(connection) => {
                *state = State { connection: Some(connection.clone()), ..State::default() };
                Ok(connection)
            }
            Err(problem) => {
                let pause = RECONNECT_FIRST.saturating_mul(1 << state.failures.min(16));
                state.failures = state.failures.saturating_add(1);
                state.not_before = Some(Instant::now() + pause.min(RECONNECT_MAX));
                Err(problem)
            }
        }
    }

    /// Forgets the connections to addresses that `keep` does not want.
    pub fn retain(&self, keep: impl Fn(&Address) -> bool) {
        let mut slots = whole(&self.slots);
        slots.retain(|address, _| keep(address));
    }
}
