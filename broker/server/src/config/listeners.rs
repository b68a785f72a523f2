//! Addresses: what the broker listens on, and what it tells clients to connect to.

use std::collections::BTreeMap;
use std::net::ToSocketAddrs;

use broker_metadata::config::NodeConfig;
use thiserror::Error;

use super::quorum::Roles;

/// Who is served by a listener.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Audience {
    /// Clients, and other brokers as followers.
    Clients,
    /// The quorum of the metadata, and brokers that speak with its leader.
    Controllers,
}

/// One socket to listen on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listener {
    pub name: String,
    pub audience: Audience,
    /// Empty: all addresses of the machine.
    pub host: String,
    /// 0: any free port.
    pub port: u16,
    pub advertised_host: String,
    /// `None`: the port that is listened on.
    pub advertised_port: Option<u16>,
}

/// Why the addresses can't be used.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ListenerError {
    #[error("{key} holds '{text}', which is not of the form NAME://HOST:PORT")]
    Form { key: &'static str, text: String },
    #[error("listeners names {name} twice; give each listener its own name")]
    Twice { name: String },
    #[error(
        "listener {name} has the security protocol {protocol}; only PLAINTEXT is there as yet: \
         remove the listener from listeners, or map its name to PLAINTEXT in \
         listener.security.protocol.map"
    )]
    Protocol { name: String, protocol: String },
    #[error("listener {name} has no security protocol: name it in listener.security.protocol.map")]
    NoProtocol { name: String },
    #[error("listeners has nothing for clients: all of it is named in controller.listener.names")]
    OnlyControllers,
    #[error(
        "listener {name} is named in controller.listener.names, but this node is no controller: \
         take it out of listeners, or add controller to process.roles"
    )]
    NoController { name: String },
    #[error(
        "listener {name} is for clients, but this node is a controller only: name it in \
         controller.listener.names, take it out of listeners, or add broker to process.roles"
    )]
    NoBroker { name: String },
    #[error(
        "advertised.listeners holds '{text}': clients can't connect to a wildcard; name the host \
         under which they reach this broker"
    )]
    Wildcard { text: String },
    #[error("advertised.listeners names {name}, which is not among the listeners")]
    Unknown { name: String },
    #[error("inter.broker.listener.name is {name}, which is not among the listeners")]
    InterBroker { name: String },
}

/// The sockets of a node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listeners {
    /// For clients and other brokers; none on a node that is a controller only.
    pub clients: Vec<Listener>,
    /// For the quorum; none on a node that is no controller, or that stands alone without one.
    pub controllers: Vec<Listener>,
    /// Which of those for clients other brokers use.
    pub inter_broker: String,
    /// The name under which controllers are reached, here or elsewhere.
    pub controller: Option<String>,
}

impl Listeners {
    /// Those for clients first.
    pub fn all(&self) -> impl Iterator<Item = &Listener> {
        self.clients.iter().chain(&self.controllers)
    }
}

/// Reads the addresses of a node.
pub(super) fn resolve(
    node: &NodeConfig,
    roles: Roles,
    notes: &mut Vec<String>,
) -> Result<Listeners, ListenerError> {
    let protocols = protocols(node)?;
    let mut advertised = advertised(node)?;
    let of_controllers: Vec<String> =
        node.controller_listener_names.iter().map(|name| name.to_ascii_uppercase()).collect();
    let (mut clients, mut controllers): (Vec<Listener>, Vec<Listener>) = Default::default();
    for text in &node.listeners {
        let Address { name, host, port } = address("listeners", text)?;
        check_protocol(&name, &protocols)?;
        if clients.iter().chain(&controllers).any(|other| other.name == name) {
            return Err(ListenerError::Twice { name });
        }
        let (advertised_host, advertised_port) = match advertised.remove(&name) {
            Some((host, port)) => (host, Some(port)),
            None if is_wildcard(&host) => (own_name(notes), None),
            None => (host.clone(), None),
        };
        let audience = match of_controllers.contains(&name) {
            true => Audience::Controllers,
            false => Audience::Clients,
        };
        let listener = Listener { name, audience, host, port, advertised_host, advertised_port };
        match audience {
            Audience::Controllers if !roles.controller => {
                return Err(ListenerError::NoController { name: listener.name });
            }
            Audience::Clients if !roles.broker => {
                return Err(ListenerError::NoBroker { name: listener.name });
            }
            Audience::Controllers => controllers.push(listener),
            Audience::Clients => clients.push(listener),
        }
    }
    if roles.broker && clients.is_empty() {
        return Err(ListenerError::OnlyControllers);
    }
    if let Some(name) = advertised.into_keys().find(|name| !of_controllers.contains(name)) {
        return Err(ListenerError::Unknown { name });
    }
    let inter_broker = inter_broker(node, roles, &clients, &protocols)?;
    let controller = of_controllers.into_iter().next();
    if let Some(name) = &controller {
        check_protocol(name, &protocols)?;
    }
    Ok(Listeners { clients, controllers, inter_broker, controller })
}

fn advertised(node: &NodeConfig) -> Result<BTreeMap<String, (String, u16)>, ListenerError> {
    let mut advertised = BTreeMap::new();
    for text in &node.advertised_listeners {
        let address = address("advertised.listeners", text)?;
        if is_wildcard(&address.host) {
            return Err(ListenerError::Wildcard { text: text.clone() });
        }
        advertised.insert(address.name, (address.host, address.port));
    }
    Ok(advertised)
}

/// The listener that is named for brokers, or else the first one of the protocol for them.
fn inter_broker(
    node: &NodeConfig,
    roles: Roles,
    clients: &[Listener],
    protocols: &BTreeMap<String, String>,
) -> Result<String, ListenerError> {
    match &node.inter_broker_listener_name {
        Some(name) if !roles.broker => Ok(name.to_ascii_uppercase()),
        Some(name) => {
            let name = name.to_ascii_uppercase();
            match clients.iter().any(|listener| listener.name == name) {
                true => Ok(name),
                false => Err(ListenerError::InterBroker { name }),
            }
        }
        None => {
            let is_plain = |listener: &&Listener| {
                protocols.get(&listener.name).is_some_and(|protocol| protocol == "PLAINTEXT")
            };
            let first = clients.iter().find(is_plain);
            Ok(first.map_or_else(|| "PLAINTEXT".to_owned(), |listener| listener.name.clone()))
        }
    }
}

struct Address {
    name: String,
    host: String,
    port: u16,
}

fn address(key: &'static str, text: &str) -> Result<Address, ListenerError> {
    let form = || ListenerError::Form { key, text: text.to_owned() };
    let (name, rest) = text.trim().split_once("://").ok_or_else(form)?;
    let (host, port) = rest.rsplit_once(':').ok_or_else(form)?;
    let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    let port = port.parse().map_err(|_| form())?;
    if name.is_empty() || host.contains(['/', '[', ']']) {
        return Err(form());
    }
    Ok(Address { name: name.to_ascii_uppercase(), host: host.to_owned(), port })
}

fn is_wildcard(host: &str) -> bool {
    matches!(host, "" | "0.0.0.0" | "::" | "*")
}

fn protocols(node: &NodeConfig) -> Result<BTreeMap<String, String>, ListenerError> {
    let key = "listener.security.protocol.map";
    let pairs = node.listener_security_protocol_map.iter().map(|pair| {
        let form = || ListenerError::Form { key, text: pair.clone() };
        let (name, protocol) = pair.split_once(':').ok_or_else(form)?;
        Ok((name.trim().to_ascii_uppercase(), protocol.trim().to_ascii_uppercase()))
    });
    pairs.collect()
}

fn check_protocol(name: &str, map: &BTreeMap<String, String>) -> Result<(), ListenerError> {
    match map.get(name).map(String::as_str) {
        Some("PLAINTEXT") => Ok(()),
        Some(protocol) => {
            Err(ListenerError::Protocol { name: name.to_owned(), protocol: protocol.to_owned() })
        }
        None => Err(ListenerError::NoProtocol { name: name.to_owned() }),
    }
}

/// The machine's name, if clients on this machine at least can find it.
fn own_name(notes: &mut Vec<String>) -> String {
    let name = host_name().unwrap_or_default();
    if !name.is_empty() && (name.as_str(), 0).to_socket_addrs().is_ok() {
        return name;
    }
    notes.push(format!(
        "this machine's name '{name}' is no address, so clients are told localhost; set \
         advertised.listeners for clients elsewhere"
    ));
    "localhost".to_owned()
}

fn host_name() -> Option<String> {
    let mut buffer = [0_u8; 256];
    // SAFETY: the pointer and the length are of the same live buffer.
    let status = unsafe { libc::gethostname(buffer.as_mut_ptr().cast(), buffer.len()) };
    let end = buffer.iter().position(|byte| *byte == 0)?;
    (status == 0).then(|| String::from_utf8_lossy(&buffer[..end]).into_owned())
}
