//! What brokers ask of the active controller: BrokerRegistration 0-4, BrokerHeartbeat 0-2,
//! AlterPartition 2-3, AllocateProducerIds 0, AssignReplicasToDirs 0; of controllers,
//! ControllerRegistration 0; of administrators, ElectLeaders 0-2, AlterPartitionReassignments 0-1,
//! ListPartitionReassignments 0, UpdateFeatures 0-2, UnregisterBroker 0 (KIP-631, KIP-497, KIP-730,
//! KIP-858, KIP-919, KIP-460, KIP-455, KIP-584).
//!
//! The decisions are those of `broker_cluster::controller`. A node that is not the active
//! controller answers NOT_CONTROLLER.

use std::sync::Arc;

use broker_cluster::controller::{self as rules, Outcome, View};
use protocol::ErrorCode;
use protocol::messages::{
    AllocateProducerIdsRequest, AllocateProducerIdsResponse, AlterPartitionReassignmentsRequest,
    AlterPartitionReassignmentsResponse, AlterPartitionRequest, AlterPartitionResponse,
    AssignReplicasToDirsRequest, AssignReplicasToDirsResponse, BrokerHeartbeatRequest,
    BrokerHeartbeatResponse, BrokerRegistrationRequest, BrokerRegistrationResponse,
    ControllerRegistrationRequest, ControllerRegistrationResponse, CreateTopicsRequest,
    CreateTopicsResponse, ElectLeadersRequest, ElectLeadersResponse,
    ListPartitionReassignmentsRequest, ListPartitionReassignmentsResponse, UnregisterBrokerRequest,
    UnregisterBrokerResponse, UpdateFeaturesRequest, UpdateFeaturesResponse,
};
use tracing::debug;

use super::error::code_of_commit_error;
use super::topics;
use crate::controller::ControllerRequest;
use crate::evidence;
use crate::request::RequestContext;
use crate::services::Services;

/// Has a rule decide; an answer of an error where that can't be.
async fn decide<R: Send + 'static>(
    services: &Services,
    rule: impl FnOnce(&mut View<'_>) -> Outcome<R> + Send + 'static,
    failed: impl FnOnce(ErrorCode) -> R,
) -> R {
    match services.controller.decide(rule).await {
        Ok(response) => response,
        Err(problem) => {
            debug!("nothing was decided: {problem}");
            failed(code_of_commit_error(&problem))
        }
    }
}

/// What a request says of a broker, beside what it asks.
enum Heard {
    Beat { broker: i32, epoch: i64 },
    Wanted { broker: i32 },
}

impl Heard {
    fn take(self, context: &RequestContext, services: &Arc<Services>, answered: ErrorCode) {
        match self {
            Self::Beat { broker, epoch } if !answered.is_error() => {
                context.peer.heard_of.note(broker, epoch);
            }
            Self::Wanted { broker } if answered == ErrorCode::DuplicateBrokerRegistration => {
                evidence::id_is_wanted(services, broker);
            }
            _ => {}
        }
    }
}

/// A request of brokers: its handler, and its way to this node's own rules.
macro_rules! of_brokers {
    ($name:ident, $request:ident, $response:ident, $rule:expr) => {
        of_brokers!($name, $request, $response, $rule, |_: &$request| None::<Heard>);
    };
    ($name:ident, $request:ident, $response:ident, $rule:expr, $heard:expr) => {
        pub(super) async fn $name(
            context: RequestContext,
            services: &Arc<Services>,
            request: $request,
        ) -> $response {
            let heard = $heard(&request);
            let response = request.answer(services).await;
            if let Some(heard) = heard {
                heard.take(&context, services, response.error_code);
            }
            response
        }

        impl ControllerRequest for $request {
            async fn answer(self, services: &Arc<Services>) -> $response {
                let failed = |error_code| $response { error_code, ..Default::default() };
                decide(services, move |view| $rule(view, &self), failed).await
            }

            fn code(response: &$response) -> ErrorCode {
                response.error_code
            }
        }
    };
}

of_brokers!(
    register,
    BrokerRegistrationRequest,
    BrokerRegistrationResponse,
    rules::broker_registration,
    |request: &BrokerRegistrationRequest| Some(Heard::Wanted { broker: request.broker_id })
);
of_brokers!(
    heartbeat,
    BrokerHeartbeatRequest,
    BrokerHeartbeatResponse,
    rules::broker_heartbeat,
    |request: &BrokerHeartbeatRequest| {
        Some(Heard::Beat { broker: request.broker_id, epoch: request.broker_epoch })
    }
);
of_brokers!(
    register_controller,
    ControllerRegistrationRequest,
    ControllerRegistrationResponse,
    rules::controller_registration
);
of_brokers!(alter_partition, AlterPartitionRequest, AlterPartitionResponse, rules::alter_partition);
of_brokers!(
    allocate_producer_ids,
    AllocateProducerIdsRequest,
    AllocateProducerIdsResponse,
    rules::allocate_producer_ids
);
of_brokers!(update_features, UpdateFeaturesRequest, UpdateFeaturesResponse, rules::update_features);
of_brokers!(
    assign_replicas_to_dirs,
    AssignReplicasToDirsRequest,
    AssignReplicasToDirsResponse,
    rules::assign_replicas_to_dirs
);
of_brokers!(elect_leaders, ElectLeadersRequest, ElectLeadersResponse, rules::elect_leaders);
of_brokers!(
    alter_reassignments,
    AlterPartitionReassignmentsRequest,
    AlterPartitionReassignmentsResponse,
    rules::alter_partition_reassignments
);
of_brokers!(
    list_reassignments,
    ListPartitionReassignmentsRequest,
    ListPartitionReassignmentsResponse,
    |view: &mut View<'_>, request: &_| {
        let response = rules::list_partition_reassignments(view.image, request);
        Outcome { records: Vec::new(), response, notes: Vec::new() }
    }
);
of_brokers!(
    unregister,
    UnregisterBrokerRequest,
    UnregisterBrokerResponse,
    rules::unregister_broker
);

impl ControllerRequest for CreateTopicsRequest {
    async fn answer(self, services: &Arc<Services>) -> CreateTopicsResponse {
        topics::create_here(services, self).await
    }

    fn code(response: &CreateTopicsResponse) -> ErrorCode {
        let is_elsewhere = |topic: &_| {
            let topic: &protocol::messages::create_topics_response::CreatableTopicResult = topic;
            topic.error_code == ErrorCode::NotController
        };
        match response.topics.iter().any(is_elsewhere) {
            true => ErrorCode::NotController,
            false => ErrorCode::None,
        }
    }
}
