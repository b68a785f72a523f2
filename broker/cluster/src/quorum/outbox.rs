//! Requests to other nodes of the quorum, sent from the runtime's threads, and their outcomes.

use std::sync::Arc;
use std::sync::mpsc::Sender;

use broker_raft::{Failure, Node, Request, Response};
use client::ConnectionError;
use protocol::messages::ApiVersionsRequest;
use tokio::runtime::Handle;
use tracing::debug;

use super::Message;
use crate::peers::{Address, Peers};

/// Sends what the machine wants sent.
pub(super) struct Outbox {
    pub(super) peers: Arc<Peers>,
    pub(super) runtime: Handle,
    pub(super) mailbox: Sender<Message>,
}

impl Outbox {
    pub(super) fn send(&self, to: Node, correlation: u64, request: Request) {
        let (peers, mailbox) = (self.peers.clone(), self.mailbox.clone());
        self.runtime.spawn(async move {
            let address = Address::new(&to.address.host, to.address.port);
            let outcome = send(&peers, &address, request).await.map_err(|problem| {
                debug!("node {} of the quorum: {problem}", to.id);
                failure(&problem)
            });
            // A thread that has stopped waits for nothing.
            let _ = mailbox.send(Message::Outcome { from: to.id, correlation, outcome });
        });
    }
}

async fn send(peers: &Peers, to: &Address, request: Request) -> Result<Response, ConnectionError> {
    Ok(match request {
        Request::Vote(request) => Response::Vote(peers.send(to, &request).await?),
        Request::BeginQuorumEpoch(request) => {
            Response::BeginQuorumEpoch(peers.send(to, &request).await?)
        }
        Request::EndQuorumEpoch(request) => {
            Response::EndQuorumEpoch(peers.send(to, &request).await?)
        }
        Request::Fetch(request) => Response::Fetch(Box::new(peers.send(to, &*request).await?)),
        Request::FetchSnapshot(request) => Response::FetchSnapshot(peers.send(to, &request).await?),
        Request::DescribeQuorum(request) => {
            Response::DescribeQuorum(peers.send(to, &request).await?)
        }
        Request::AddRaftVoter(request) => Response::AddRaftVoter(peers.send(to, &request).await?),
        Request::RemoveRaftVoter(request) => {
            Response::RemoveRaftVoter(peers.send(to, &request).await?)
        }
        Request::UpdateRaftVoter(request) => {
            Response::UpdateRaftVoter(peers.send(to, &request).await?)
        }
        Request::ApiVersions => {
            let request = ApiVersionsRequest {
                client_software_name: "yeoul".to_owned(),
                client_software_version: env!("CARGO_PKG_VERSION").to_owned(),
            };
            Response::ApiVersions(Box::new(peers.send(to, &request).await?))
        }
    })
}

fn failure(problem: &ConnectionError) -> Failure {
    match problem {
        // What a version can't carry is as good as a version that is not there.
        ConnectionError::UnsupportedApi { .. } | ConnectionError::Encode { .. } => {
            Failure::UnsupportedVersion
        }
        // Only this says that the machine is there and nobody listens.
        ConnectionError::Connect { source, .. }
            if source.kind() == std::io::ErrorKind::ConnectionRefused =>
        {
            Failure::Refused
        }
        _ => Failure::Disconnected,
    }
}
