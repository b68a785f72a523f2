//! DescribeCluster 0-2.
//!
//! - v1: brokers or controllers (KIP-919); controllers have no listener of their own here, so
//!   asking for them is MISMATCHED_ENDPOINT_TYPE · v2: fenced brokers too (KIP-1073)

use std::sync::Arc;

use broker_metadata::{BrokerImage, Endpoint, Image};
use protocol::ErrorCode;
use protocol::messages::describe_cluster_response::DescribeClusterBroker;
use protocol::messages::{DescribeClusterRequest, DescribeClusterResponse};

use crate::config::Audience;
use crate::request::RequestContext;
use crate::services::Services;

/// The operations on a cluster, a bit each, that everybody has while there is no authoriser:
/// create, alter, describe, cluster action, and those on configs and on idempotent writes.
pub(super) const CLUSTER_OPERATIONS: i32 =
    1 << 5 | 1 << 7 | 1 << 8 | 1 << 9 | 1 << 10 | 1 << 11 | 1 << 12;

const BROKERS: i8 = 1;
const CONTROLLERS: i8 = 2;

pub(super) async fn describe(
    context: RequestContext,
    services: &Services,
    request: DescribeClusterRequest,
) -> DescribeClusterResponse {
    let refuse = |error_code, message: String| DescribeClusterResponse {
        error_code,
        error_message: Some(message),
        ..DescribeClusterResponse::default()
    };
    match (request.endpoint_type, context.peer.audience) {
        (BROKERS, Audience::Clients) => {}
        (CONTROLLERS, Audience::Controllers) => return controllers(&context, services),
        (BROKERS | CONTROLLERS, _) => {
            let message = "The request was sent to an endpoint of the wrong type: brokers are \
                           told of by the listeners for clients, controllers by those of \
                           controller.listener.names.";
            return refuse(ErrorCode::MismatchedEndpointType, message.to_owned());
        }
        (other, _) => {
            let message = format!("Unsupported endpoint type {other}");
            return refuse(ErrorCode::UnsupportedEndpointType, message);
        }
    }
    let image = services.image();
    let with_fenced = request.include_fenced_brokers;
    let brokers = brokers(&image, &context.peer.listener, with_fenced).map(|broker| {
        let (broker_id, host, port, rack) = broker.parts();
        DescribeClusterBroker { broker_id, host, port, rack, is_fenced: broker.broker.fenced }
    });
    DescribeClusterResponse {
        cluster_id: services.cluster_id.clone(),
        controller_id: services.config.node_id,
        brokers: brokers.collect(),
        cluster_authorized_operations: match request.include_cluster_authorized_operations {
            true => CLUSTER_OPERATIONS,
            false => i32::MIN,
        },
        ..DescribeClusterResponse::default()
    }
}

/// The controllers that have registered themselves, and which of them is active.
fn controllers(context: &RequestContext, services: &Services) -> DescribeClusterResponse {
    let image = services.image();
    let reached = image.controllers().filter_map(|controller| {
        let endpoint = controller.endpoint(&context.peer.listener)?;
        Some(DescribeClusterBroker {
            broker_id: controller.id,
            host: endpoint.host.clone(),
            port: i32::from(endpoint.port),
            ..DescribeClusterBroker::default()
        })
    });
    DescribeClusterResponse {
        endpoint_type: CONTROLLERS,
        cluster_id: services.cluster_id.clone(),
        controller_id: services.controller.quorum().leader().borrow().id.unwrap_or(-1),
        brokers: reached.collect(),
        cluster_authorized_operations: i32::MIN,
        ..DescribeClusterResponse::default()
    }
}

/// A broker as seen from one listener.
pub(super) struct Reachable<'a> {
    pub(super) broker: &'a Arc<BrokerImage>,
    endpoint: &'a Endpoint,
}

impl Reachable<'_> {
    /// Id, host, port and rack, as several responses have them.
    pub(super) fn parts(&self) -> (i32, String, i32, Option<String>) {
        let Endpoint { host, port, .. } = self.endpoint;
        (self.broker.id, host.clone(), i32::from(*port), self.broker.rack.clone())
    }
}

/// The brokers that a client of `listener` can reach.
pub(super) fn brokers<'a>(
    image: &'a Image,
    listener: &'a str,
    with_fenced: bool,
) -> impl Iterator<Item = Reachable<'a>> {
    let known = image.brokers().filter(move |broker| with_fenced || !broker.fenced);
    known.filter_map(move |broker| {
        broker.endpoint(listener).map(|endpoint| Reachable { broker, endpoint })
    })
}

/// Host and port at which clients of `listener` reach a broker.
pub(crate) fn address_of(image: &Image, id: i32, listener: &str) -> Option<(String, i32)> {
    let endpoint = image.broker(id)?.endpoint(listener)?;
    Some((endpoint.host.clone(), i32::from(endpoint.port)))
}
