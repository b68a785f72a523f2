//! FindCoordinator 0-6.
//!
//! - Makes `__consumer_offsets` when the first group asks for its coordinator.
//! - Groups only: transactions (key type 1) and share groups (2) have no coordinator here, and are
//!   refused with a code that clients do not try again on (for transactions see `refused`).
//! - v1: key types · v4: many keys (KIP-699) · v6: share groups (KIP-932)

use std::sync::Arc;

use broker_coordinator::partition_of;
use broker_metadata::names::CONSUMER_OFFSETS;
use protocol::ErrorCode;
use protocol::messages::find_coordinator_response::Coordinator;
use protocol::messages::{FindCoordinatorRequest, FindCoordinatorResponse};
use tracing::error;

use super::cluster::address_of;
use super::refused::NO_TRANSACTIONS;
use super::repeats::once;
use super::topics::create_automatically;
use crate::request::RequestContext;
use crate::services::Services;

const GROUP: i8 = 0;
const TRANSACTION: i8 = 1;
const SHARE: i8 = 2;

/// The first version that asks for many keys.
const BATCHED_FROM: i16 = 4;

/// Where a coordinator is, or why there is none.
type Found = Result<(i32, String, i32), (ErrorCode, String)>;

pub(super) async fn handle(
    context: RequestContext,
    services: &Arc<Services>,
    request: FindCoordinatorRequest,
) -> FindCoordinatorResponse {
    if context.version >= BATCHED_FROM {
        let keys = once(request.coordinator_keys, String::clone);
        let mut coordinators = Vec::with_capacity(keys.len());
        for key in keys {
            let found = find(&context, services, request.key_type, &key).await;
            coordinators.push(coordinator(key, found));
        }
        return FindCoordinatorResponse { coordinators, ..FindCoordinatorResponse::default() };
    }
    let found = find(&context, services, request.key_type, &request.key).await;
    let found = coordinator(request.key, found);
    FindCoordinatorResponse {
        error_code: found.error_code,
        error_message: found.error_message,
        node_id: found.node_id,
        host: found.host,
        port: found.port,
        ..FindCoordinatorResponse::default()
    }
}

fn coordinator(key: String, found: Found) -> Coordinator {
    let (node_id, host, port, error_code, error_message) = match found {
        Ok((id, host, port)) => (id, host, port, ErrorCode::None, String::new()),
        Err((code, message)) => (-1, String::new(), -1, code, message),
    };
    Coordinator { key, node_id, host, port, error_code, error_message: Some(error_message) }
}

async fn find(
    context: &RequestContext,
    services: &Arc<Services>,
    key_type: i8,
    key: &str,
) -> Found {
    match key_type {
        GROUP if key.is_empty() => Err((ErrorCode::CoordinatorNotAvailable, String::new())),
        GROUP => {
            ensure_offsets_topic(services).await.map_err(|code| (code, String::new()))?;
            // Whoever leads the partition of a group coordinates it.
            let image = services.image();
            let topic = image.topic(CONSUMER_OFFSETS);
            let count = topic.map_or(0, |topic| topic.partitions.len());
            let index = partition_of(key, i32::try_from(count).unwrap_or(i32::MAX));
            let partition = topic.and_then(|topic| topic.partition(index));
            let id = partition.map_or(-1, |partition| partition.leader);
            let leader = image.broker(id).filter(|leader| !leader.fenced);
            let address = leader.and_then(|_| address_of(&image, id, &context.peer.listener));
            let unknown = || (ErrorCode::CoordinatorNotAvailable, String::new());
            address.map(|(host, port)| (id, host, port)).ok_or_else(unknown)
        }
        TRANSACTION => {
            let text = "This broker does not serve transactions yet; use a producer without a \
                        transactional.id.";
            Err((NO_TRANSACTIONS, text.to_owned()))
        }
        SHARE => {
            let text = "This broker does not serve share groups yet; use a consumer group.";
            Err((ErrorCode::InvalidRequest, text.to_owned()))
        }
        other => {
            let text = format!("Unknown coordinator type {other}; 0 is for groups.");
            Err((ErrorCode::InvalidRequest, text))
        }
    }
}

/// Creates the topic of committed offsets where it is missing. Whoever else asks at the same time
/// finds it created, or creates it and lets this one find it.
async fn ensure_offsets_topic(services: &Arc<Services>) -> Result<(), ErrorCode> {
    if services.image().topic(CONSUMER_OFFSETS).is_some() {
        return Ok(());
    }
    for (code, problem) in
        create_automatically(services, &[CONSUMER_OFFSETS.to_owned()]).await.into_values()
    {
        if code != ErrorCode::TopicAlreadyExists {
            error!("{CONSUMER_OFFSETS} could not be created: {code} {problem}");
        }
    }
    match services.image().topic(CONSUMER_OFFSETS) {
        Some(_) => Ok(()),
        None => Err(ErrorCode::CoordinatorNotAvailable),
    }
}
