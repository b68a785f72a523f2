//! Which parts of a node run here, and where it finds the quorum of the metadata.

use broker_metadata::config::{NodeConfig, QuorumConfig};

/// What this process does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Roles {
    pub broker: bool,
    pub controller: bool,
}

/// A voter of a quorum that is named in the configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Voter {
    pub id: i32,
    pub host: String,
    pub port: u16,
}

/// Where the quorum of the metadata is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Quorum {
    /// Nothing says that there is another node: this one is the quorum.
    Alone,
    /// `controller.quorum.voters`: always these.
    Voters(Vec<Voter>),
    /// `controller.quorum.bootstrap.servers`: the voters are in the metadata log, and these
    /// addresses know it (KIP-853).
    Servers(Vec<(String, u16)>),
}

/// What a node is told of its roles, with what these demand of the other settings. The error is a
/// sentence for the user.
pub(super) fn resolve(
    node_id: i32,
    node: &NodeConfig,
    settings: &QuorumConfig,
) -> Result<(Roles, Quorum), String> {
    let has = |role: &str| node.roles.is_empty() || node.roles.iter().any(|name| name == role);
    let roles = Roles { broker: has("broker"), controller: has("controller") };
    let voters = settings.voters.iter().map(|text| voter(text)).collect::<Result<Vec<_>, _>>()?;
    if let Some(twice) = duplicate(&voters) {
        return Err(format!(
            "controller.quorum.voters names node {twice} twice: each node has one vote"
        ));
    }
    let servers = settings.bootstrap_servers.iter().map(|text| address(text));
    let servers = servers.collect::<Result<Vec<_>, _>>()?;
    let quorum = if !voters.is_empty() {
        check_voters(node_id, roles, &voters)?;
        Quorum::Voters(voters)
    } else if !servers.is_empty() {
        Quorum::Servers(servers)
    } else if roles.controller {
        Quorum::Alone
    } else {
        return Err("process.roles is broker, but nothing says where the controllers are: name \
                    them in controller.quorum.bootstrap.servers=HOST:PORT,.. or in \
                    controller.quorum.voters=ID@HOST:PORT,.., or leave process.roles out for a \
                    broker that stands alone"
            .to_owned());
    };
    if quorum != Quorum::Alone && node.controller_listener_names.is_empty() {
        return Err("controller.listener.names is missing: it names the listener by which \
                    controllers are reached, as in controller.listener.names=CONTROLLER, with \
                    its protocol in listener.security.protocol.map"
            .to_owned());
    }
    Ok((roles, quorum))
}

fn check_voters(node_id: i32, roles: Roles, voters: &[Voter]) -> Result<(), String> {
    let is_voter = voters.iter().any(|voter| voter.id == node_id);
    let named = || {
        let named: Vec<String> = voters
            .iter()
            .map(|voter| format!("{}@{}:{}", voter.id, voter.host, voter.port))
            .collect();
        named.join(",")
    };
    if roles.controller && !is_voter {
        return Err(format!(
            "this node is a controller with id {node_id}, which is not among \
             controller.quorum.voters={}: give every controller the list with all of them",
            named()
        ));
    }
    if !roles.controller && is_voter {
        return Err(format!(
            "this node is no controller, but its id {node_id} is among \
             controller.quorum.voters={}: give the broker another node.id, or the role controller",
            named()
        ));
    }
    Ok(())
}

fn duplicate(voters: &[Voter]) -> Option<i32> {
    let mut ids: Vec<i32> = voters.iter().map(|voter| voter.id).collect();
    ids.sort_unstable();
    ids.windows(2).find(|pair| pair[0] == pair[1]).map(|pair| pair[0])
}

fn voter(text: &str) -> Result<Voter, String> {
    let form = || {
        format!(
            "controller.quorum.voters holds '{text}', which is not of the form ID@HOST:PORT, as in \
             1@localhost:9093"
        )
    };
    let (id, address) = text.trim().split_once('@').ok_or_else(form)?;
    let id: i32 = id.trim().parse().map_err(|_| form())?;
    let (host, port) = host_and_port(address).ok_or_else(form)?;
    if id < 0 {
        return Err(form());
    }
    Ok(Voter { id, host, port })
}

fn address(text: &str) -> Result<(String, u16), String> {
    host_and_port(text).ok_or_else(|| {
        format!(
            "controller.quorum.bootstrap.servers holds '{text}', which is not of the form \
             HOST:PORT, as in localhost:9093"
        )
    })
}

fn host_and_port(text: &str) -> Option<(String, u16)> {
    let (host, port) = text.trim().rsplit_once(':')?;
    let inner = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
    let is_bare_ipv6 = inner.is_none() && host.contains(':');
    let host = inner.unwrap_or(host);
    let port = port.parse().ok().filter(|port| *port > 0)?;
    (!host.is_empty() && !is_bare_ipv6).then(|| (host.to_owned(), port))
}
