//! Sockets: bound at the start, then accepting connections up to the limits.

use std::collections::HashMap;
use std::io::{Error, ErrorKind};
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use broker_cluster::lock::whole;
use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::{TcpListener, TcpStream};
use tracing::{debug, warn};

use crate::config::Listener;
use crate::connection::{self, ConnectionLimits, Stream};
use crate::limits::ACCEPT_BACK_OFF;
use crate::request::{HeardOf, Peer};
use crate::services::Services;

/// Why a listener can't be opened.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    #[error("listener {name}: no address is known for host '{host}': {source}")]
    Host { name: String, host: String, source: Error },
    #[error(
        "listener {name} can't listen on {address}: {source}; another process may have the port, \
         or the address is not of this machine"
    )]
    Bind { name: String, address: SocketAddr, source: Error },
}

/// A socket that has its address, where clients are refused as long as it does not listen: they try
/// another broker, or again, and do not wait for one that reads its logs.
#[derive(Debug)]
pub(crate) struct Bound {
    pub(crate) listener: Listener,
    pub(crate) address: SocketAddr,
    socket: Socket,
    backlog: i32,
}

/// A socket that clients can connect to.
#[derive(Debug)]
pub(crate) struct Listening {
    listener: Listener,
    socket: TcpListener,
}

impl Bound {
    /// Lets clients connect.
    pub(crate) fn listen(self) -> Result<Listening, BindError> {
        let Self { listener, address, socket, backlog } = self;
        let listening = socket.listen(backlog).and_then(|()| TcpListener::from_std(socket.into()));
        match listening {
            Ok(socket) => Ok(Listening { listener, socket }),
            Err(source) => Err(BindError::Bind { name: listener.name, address, source }),
        }
    }
}

/// Binds a listener. Its buffers and its backlog are the configured ones.
pub(crate) async fn bind(
    listener: &Listener,
    sockets: &broker_metadata::config::SocketConfig,
) -> Result<Bound, BindError> {
    let name = listener.name.clone();
    let host = if listener.host.is_empty() { "::" } else { &listener.host };
    let found = match tokio::net::lookup_host((host, listener.port)).await {
        // Of a name with both, the IPv4 address: it is what clients of "localhost" try.
        Ok(found) => {
            let unknown = || Error::new(ErrorKind::NotFound, "the name has no address");
            found.min_by_key(SocketAddr::is_ipv6).ok_or_else(unknown)
        }
        Err(source) => Err(source),
    };
    let address = found.map_err(|source| BindError::Host {
        name: name.clone(),
        host: host.to_owned(),
        source,
    })?;
    let opened = match open(address, sockets) {
        // A machine without IPv6 has no "::".
        Err(_) if listener.host.is_empty() => {
            open(SocketAddr::from(([0, 0, 0, 0], listener.port)), sockets)
        }
        opened => opened,
    };
    let socket =
        opened.map_err(|source| BindError::Bind { name: name.clone(), address, source })?;
    let bound = socket.local_addr().and_then(|bound| {
        let other = || Error::new(ErrorKind::AddrNotAvailable, "the socket has no IP address");
        bound.as_socket().ok_or_else(other)
    });
    let address = bound.map_err(|source| BindError::Bind { name, address, source })?;
    let backlog = i32::try_from(sockets.listen_backlog).unwrap_or(i32::MAX);
    Ok(Bound { listener: listener.clone(), address, socket, backlog })
}

fn open(
    address: SocketAddr,
    sockets: &broker_metadata::config::SocketConfig,
) -> std::io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    if address.is_ipv6() {
        socket.set_only_v6(false)?;
    }
    // Accepted sockets inherit the buffers. -1 leaves them to the system.
    if let Ok(bytes) = usize::try_from(sockets.receive_buffer_bytes) {
        socket.set_recv_buffer_size(bytes)?;
    }
    if let Ok(bytes) = usize::try_from(sockets.send_buffer_bytes) {
        socket.set_send_buffer_size(bytes)?;
    }
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    Ok(socket)
}

/// How many connections there are, for all listeners together.
#[derive(Debug)]
pub(crate) struct ConnectionCounts {
    most: usize,
    most_per_ip: usize,
    /// A std mutex: held for a count.
    open: Mutex<Open>,
}

#[derive(Debug, Default)]
struct Open {
    all: usize,
    by_ip: HashMap<IpAddr, usize>,
}

impl ConnectionCounts {
    pub(crate) fn new(sockets: &broker_metadata::config::SocketConfig) -> Self {
        Self {
            most: sockets.max_connections as usize,
            most_per_ip: sockets.max_connections_per_ip as usize,
            open: Mutex::default(),
        }
    }

    /// A place for one more connection, given back when it is dropped.
    fn admit(self: &Arc<Self>, ip: IpAddr) -> Option<Admitted> {
        let mut open = whole(&self.open);
        let of_ip = open.by_ip.get(&ip).copied().unwrap_or(0);
        if open.all >= self.most || of_ip >= self.most_per_ip {
            return None;
        }
        open.all += 1;
        open.by_ip.insert(ip, of_ip + 1);
        Some(Admitted { counts: self.clone(), ip })
    }
}

#[derive(Debug)]
struct Admitted {
    counts: Arc<ConnectionCounts>,
    ip: IpAddr,
}

impl Drop for Admitted {
    fn drop(&mut self) {
        let mut open = whole(&self.counts.open);
        open.all -= 1;
        if let Some(count) = open.by_ip.get_mut(&self.ip) {
            *count -= 1;
            if *count == 0 {
                open.by_ip.remove(&self.ip);
            }
        }
    }
}

/// Accepts until the broker stops. Each connection is a task of its own.
pub(crate) async fn accept(
    listening: Listening,
    services: Arc<Services>,
    counts: Arc<ConnectionCounts>,
) {
    loop {
        let accepted = tokio::select! {
            biased;
            () = services.stopping.cancelled() => return,
            accepted = listening.socket.accept() => accepted,
        };
        match accepted {
            Ok((stream, address)) => {
                let ip = address.ip().to_canonical();
                match counts.admit(ip) {
                    Some(place) => begin(stream, address, place, &listening.listener, &services),
                    None => {
                        services.metrics.connection_refused();
                        debug!("{address} was turned away: max.connections are open");
                    }
                }
            }
            Err(problem) => {
                warn!("a connection could not be accepted: {problem}");
                tokio::time::sleep(ACCEPT_BACK_OFF).await;
            }
        }
    }
}

fn begin(
    stream: TcpStream,
    address: SocketAddr,
    place: Admitted,
    listener: &Listener,
    services: &Arc<Services>,
) {
    let socket = socket2::SockRef::from(&stream);
    if let Err(problem) = stream.set_nodelay(true).and_then(|()| socket.set_keepalive(true)) {
        debug!("{address} left at once: {problem}");
        return;
    }
    let ip = address.ip().to_canonical();
    let peer = Peer {
        host: format!("/{ip}"),
        address: address.to_string(),
        listener: listener.name.clone(),
        audience: listener.audience,
        heard_of: HeardOf::default(),
    };
    let services = services.clone();
    services.tasks.clone().spawn(async move {
        run(Stream::Tcp(stream), peer, services).await;
        drop(place);
    });
}

/// Serves one connection to its end, over whichever transport.
pub(crate) async fn run(stream: Stream, peer: Peer, services: Arc<Services>) {
    let sockets = &services.config.settings.sockets;
    let idle = u64::try_from(sockets.connections_max_idle_ms).unwrap_or(u64::MAX / 4);
    let limits = ConnectionLimits {
        request_bytes: sockets.request_max_bytes as usize,
        // Far beyond any uptime stands for "never".
        idle: Duration::from_millis(idle.min(1000 * 60 * 60 * 24 * 365)),
    };
    services.metrics.connection_opened();
    let stopping = services.stopping.clone();
    connection::serve(stream, Arc::new(peer), services.clone(), limits, stopping).await;
    services.metrics.connection_closed();
}
