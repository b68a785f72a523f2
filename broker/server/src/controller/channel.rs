//! The way to the active controller, wherever it is: to this node's own handlers, or over a
//! connection to its listener for brokers.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use broker_cluster::{PeerError, Peers};
use protocol::{ErrorCode, Request};
use thiserror::Error;
use tokio::time::Instant;

use crate::limits::CONTROLLER_RETRY;
use crate::services::Services;

/// Why the controller did not answer.
#[derive(Debug, Error)]
pub(crate) enum ChannelError {
    #[error("no controller was found within {} ms", .0.as_millis())]
    NoController(Duration),
    #[error("the controller could not be asked: {0}")]
    Connection(#[from] PeerError),
    #[error("the node is stopping")]
    Stopped,
}

/// A request that the active controller answers.
pub(crate) trait ControllerRequest: Request + Sync {
    /// Answers it here, where the controller is this node.
    fn answer(
        self,
        services: &Arc<Services>,
    ) -> impl Future<Output = <Self as Request>::Response> + Send;

    /// What the answer says as a whole.
    fn code(response: &<Self as Request>::Response) -> ErrorCode;
}

/// Connections of this node to controllers, for what brokers ask of them.
pub(crate) struct ControllerChannel {
    peers: Peers,
}

impl ControllerChannel {
    pub(crate) fn new(peers: Peers) -> Self {
        Self { peers }
    }

    /// Asks the active controller, looking for it until the time is up. A request whose connection
    /// ended is sent again: what is asked this way may be done twice.
    pub(crate) async fn send<R: ControllerRequest + Clone>(
        &self,
        services: &Arc<Services>,
        request: &R,
        patience: Duration,
    ) -> Result<R::Response, ChannelError> {
        let deadline = Instant::now() + patience;
        let mut leader = services.controller.quorum().leader();
        let mut last = None;
        loop {
            let known = leader.borrow_and_update().clone();
            // A node that nobody else could lead says itself what keeps it from leading.
            let answered = if known.is_active_here || services.config.is_alone() {
                Some(Ok(request.clone().answer(services).await))
            } else if let Some(address) = &known.address {
                let sent = tokio::time::timeout_at(deadline, self.peers.send(address, request));
                sent.await.ok()
            } else {
                None
            };
            match answered {
                Some(Ok(response)) if R::code(&response) != ErrorCode::NotController => {
                    return Ok(response);
                }
                Some(Err(problem)) => last = Some(problem),
                _ => {}
            }
            if Instant::now() >= deadline {
                let none = ChannelError::NoController(patience);
                return Err(last.map_or(none, ChannelError::Connection));
            }
            tokio::select! {
                changed = leader.changed() => changed.map_err(|_| ChannelError::Stopped)?,
                () = tokio::time::sleep(CONTROLLER_RETRY) => {}
                () = services.links.cancelled() => return Err(ChannelError::Stopped),
            }
        }
    }
}
