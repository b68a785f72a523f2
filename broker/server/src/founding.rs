//! Which cluster a node belongs to whose folders do not say it yet.

use std::sync::Arc;

use broker_cluster::{Address, Peers};
use broker_log::print_id;
use protocol::messages::DescribeClusterRequest;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use uuid::Uuid;

use crate::config::{BrokerConfig, Quorum};
use crate::limits::FOUNDING_PATIENCE;

/// In DescribeCluster, the kind of nodes that is asked of.
const CONTROLLERS: i8 = 2;

/// The file that says to which cluster a log dir belongs.
const META_PROPERTIES: &str = "meta.properties";

/// The cluster id of a node whose log dirs are new: that of the quorum it is told of, which the
/// first member that answers knows. Where none answers the cluster is new, and all members work the
/// same id out of what they are told of each other. A node alone makes one up.
pub(crate) async fn cluster_id(config: &BrokerConfig) -> String {
    let mut members: Vec<(String, u16)> = match &config.quorum {
        Quorum::Alone => return made_up(),
        Quorum::Voters(voters) => {
            voters.iter().map(|voter| (voter.host.clone(), voter.port)).collect()
        }
        Quorum::Servers(servers) => servers.clone(),
    };
    let store = &config.environment.store;
    let is_formatted = |path: &std::path::PathBuf| store.open(&path.join(META_PROPERTIES)).is_ok();
    if config.log_dirs.iter().any(is_formatted) {
        return made_up();
    }
    if let Some(id) = asked(&members).await {
        return id;
    }
    members.sort();
    worked_out(&members)
}

async fn asked(members: &[(String, u16)]) -> Option<String> {
    let (tasks, cancel) = (TaskTracker::new(), CancellationToken::new());
    let peers = Arc::new(Peers::new("founding", FOUNDING_PATIENCE, tasks, cancel.clone()));
    let mut asking = JoinSet::new();
    for (host, port) in members {
        let (peers, address) = (peers.clone(), Address::new(host, *port));
        asking.spawn(async move {
            let request =
                DescribeClusterRequest { endpoint_type: CONTROLLERS, ..Default::default() };
            peers.send(&address, &request).await
        });
    }
    let found = tokio::time::timeout(FOUNDING_PATIENCE, async {
        while let Some(answered) = asking.join_next().await {
            if let Ok(Ok(answer)) = answered
                && !answer.error_code.is_error()
                && !answer.cluster_id.is_empty()
            {
                return Some(answer.cluster_id);
            }
        }
        None
    });
    let found = found.await.ok().flatten();
    cancel.cancel();
    found
}

fn made_up() -> String {
    loop {
        let id = print_id(Uuid::new_v4());
        // A tool would take it for an option.
        if !id.starts_with('-') {
            return id;
        }
    }
}

/// A hash of the members' addresses (FNV-1a of 128 bits).
fn worked_out(members: &[(String, u16)]) -> String {
    const PRIME: u128 = 0x0000_0000_0100_0000_0000_0000_0000_013B;
    const BASIS: u128 = 0x6C62_272E_07BB_0142_62B8_2175_6295_C58D;
    let text: Vec<String> = members.iter().map(|(host, port)| format!("{host}:{port}")).collect();
    let hash = text
        .join(",")
        .bytes()
        .fold(BASIS, |hash, byte| (hash ^ u128::from(byte)).wrapping_mul(PRIME));
    // As a random id, which no tool takes for an option.
    let id = print_id(uuid::Builder::from_random_bytes(hash.to_be_bytes()).into_uuid());
    id.strip_prefix('-').map_or_else(|| id.clone(), |rest| format!("_{rest}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_work_out_the_same_id_of_the_same_list() {
        let members = |ports: &[u16]| -> Vec<(String, u16)> {
            ports.iter().map(|port| ("localhost".to_owned(), *port)).collect()
        };
        let id = worked_out(&members(&[9093, 9094]));
        assert_eq!(id, worked_out(&members(&[9093, 9094])));
        assert_ne!(id, worked_out(&members(&[9093, 9095])));
        assert_eq!(id.len(), 22);
    }
}
