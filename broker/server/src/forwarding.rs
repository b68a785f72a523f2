//! Requests of clients that the active controller answers, sent on to it (KIP-590).

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use protocol::messages::{EnvelopeRequest, EnvelopeResponse};
use protocol::{ApiKey, ErrorCode};
use tracing::debug;

use crate::api;
use crate::config::Audience;
use crate::controller::ControllerRequest;
use crate::request::{HeardOf, Outcome, Peer, Running};
use crate::services::Services;

/// A client waits no longer for its answer, as a rule.
const PATIENCE: Duration = Duration::from_secs(28);

/// Whether a request that came by this listener is another node's to answer.
pub(crate) fn is_elsewhere(key: ApiKey, peer: &Peer, services: &Services) -> bool {
    peer.audience == Audience::Clients
        && api::envelope::is_forwarded(key)
        && !services.controller.is_active()
        // Where nobody else can be, this node says what is wrong.
        && !services.config.is_alone()
}

/// Sends a frame on, and gives the client what comes back.
pub(crate) fn forward(frame: Bytes, peer: Arc<Peer>, services: Arc<Services>) -> Running {
    Box::pin(async move {
        let request = api::envelope::enclose(frame, &peer);
        let channel = &services.channel;
        match channel.send(&services, &request, PATIENCE).await {
            Ok(EnvelopeResponse { error_code: ErrorCode::None, response_data: Some(response) }) => {
                Outcome::Answer(api::envelope::disclose(response))
            }
            Ok(response) => {
                Outcome::Close(format!("the controller refused a request: {}", response.error_code))
            }
            Err(problem) => {
                debug!("a request was not sent on: {problem}");
                Outcome::Close(format!("the controller could not be asked: {problem}"))
            }
        }
    })
}

impl ControllerRequest for EnvelopeRequest {
    async fn answer(self, services: &Arc<Services>) -> EnvelopeResponse {
        let own = Peer {
            host: "/127.0.0.1".to_owned(),
            address: "this node".to_owned(),
            listener: services.config.listeners.inter_broker.clone(),
            audience: Audience::Controllers,
            heard_of: HeardOf::default(),
        };
        api::envelope::open(&own, services, self).await
    }

    fn code(response: &EnvelopeResponse) -> ErrorCode {
        response.error_code
    }
}
