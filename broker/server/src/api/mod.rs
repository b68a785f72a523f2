//! The APIs that this broker serves: one table says which, in which versions, and who answers.
//!
//! A handler is `async fn(RequestContext, &Services, Request) -> Response`. Handlers live in one
//! file a family; `error` alone knows which error is which code.

pub(crate) mod api_versions;
mod cluster;
mod configs;
mod configs_alter;
mod controllers;
mod describe_topics;
pub(crate) mod envelope;
pub(crate) mod error;
mod fetch;
mod fetch_records;
mod find_coordinator;
mod groups;
mod groups_admin;
mod list_offsets;
mod log_dirs;
mod metadata;
mod offsets;
mod offsets_fetch;
mod produce;
mod produce_batch;
mod producer_ids;
mod quorum;
mod record_errors;
mod records;
mod refused;
mod repeats;
mod topics;

use std::ops::RangeInclusive;
use std::sync::Arc;

use protocol::messages::{
    AddRaftVoterRequest, AllocateProducerIdsRequest, AlterConfigsRequest,
    AlterPartitionReassignmentsRequest, AlterPartitionRequest, AlterReplicaLogDirsRequest,
    ApiVersionsRequest, AssignReplicasToDirsRequest, BeginQuorumEpochRequest,
    BrokerHeartbeatRequest, BrokerRegistrationRequest, ConsumerGroupHeartbeatRequest,
    ControllerRegistrationRequest, CreatePartitionsRequest, CreateTopicsRequest,
    DeleteGroupsRequest, DeleteRecordsRequest, DeleteTopicsRequest, DescribeClusterRequest,
    DescribeConfigsRequest, DescribeGroupsRequest, DescribeLogDirsRequest,
    DescribeProducersRequest, DescribeQuorumRequest, DescribeTopicPartitionsRequest,
    ElectLeadersRequest, EndQuorumEpochRequest, EnvelopeRequest, FetchRequest,
    FetchSnapshotRequest, FindCoordinatorRequest, HeartbeatRequest, IncrementalAlterConfigsRequest,
    InitProducerIdRequest, JoinGroupRequest, LeaveGroupRequest, ListConfigResourcesRequest,
    ListGroupsRequest, ListOffsetsRequest, ListPartitionReassignmentsRequest, MetadataRequest,
    OffsetCommitRequest, OffsetDeleteRequest, OffsetFetchRequest, OffsetForLeaderEpochRequest,
    ProduceRequest, RemoveRaftVoterRequest, SaslHandshakeRequest, SyncGroupRequest,
    UnregisterBrokerRequest, UpdateFeaturesRequest, UpdateRaftVoterRequest, VoteRequest,
};
use protocol::{ApiKey, DecodeError, Reader, Request};

use crate::config::Audience;
use crate::request::{self, RequestContext, Running};
use crate::services::Services;

/// One served API.
pub(crate) struct Api {
    pub(crate) key: ApiKey,
    /// What clients are told; empty where they are not told of the API.
    pub(crate) advertised: RangeInclusive<i16>,
    /// What is really taken.
    pub(crate) served: RangeInclusive<i16>,
    pub(crate) serve: Serve,
}

type Serve = fn(RequestContext, Arc<Services>, &mut Reader) -> Result<Running, DecodeError>;

/// An API whose handler returns the response.
macro_rules! api {
    ($request:ident, $versions:expr, $handler:path) => {
        Api {
            key: <$request as Request>::KEY,
            advertised: $versions,
            served: $versions,
            serve: |context, services, reader| {
                let request = read::<$request>(reader, context.version)?;
                Ok(Box::pin(async move {
                    let (version, correlation) = (context.version, context.correlation_id);
                    let response = $handler(context, &services, request).await;
                    request::encode::<$request>(&response, version, correlation, Vec::new())
                }))
            },
        }
    };
}

/// An API that clients are not told of, and that is answered all the same.
macro_rules! api_unadvertised {
    ($request:ident, $versions:expr, $handler:path) => {
        Api { advertised: RangeInclusive::new(0, -1), ..api!($request, $versions, $handler) }
    };
}

/// An API whose handler decides itself what is sent: `reply.outcome(version, correlation_id)`.
macro_rules! api_with_reply {
    ($request:ident, $advertised:expr, $served:expr, $handler:path) => {
        Api {
            key: <$request as Request>::KEY,
            advertised: $advertised,
            served: $served,
            serve: |context, services, reader| {
                let request = read::<$request>(reader, context.version)?;
                Ok(Box::pin(async move {
                    let (version, correlation) = (context.version, context.correlation_id);
                    let reply = $handler(context, &services, request).await;
                    reply.outcome(version, correlation)
                }))
            },
        }
    };
}

/// All that clients and followers are served, by key. Produce is advertised from version 0, as
/// Kafka does, because librdkafka reads the range to find out what a broker can do (KAFKA-18659);
/// versions below 3 are refused.
static TABLE: &[Api] = &[
    api_with_reply!(ProduceRequest, 0..=13, 3..=13, produce::handle),
    api_with_reply!(FetchRequest, 4..=18, 4..=18, fetch::handle),
    api!(ListOffsetsRequest, 1..=11, list_offsets::handle),
    api!(MetadataRequest, 0..=13, metadata::handle),
    api!(OffsetCommitRequest, 2..=10, offsets::commit),
    api!(OffsetFetchRequest, 1..=10, offsets_fetch::handle),
    api!(FindCoordinatorRequest, 0..=6, find_coordinator::handle),
    api!(JoinGroupRequest, 0..=9, groups::join),
    api!(HeartbeatRequest, 0..=4, groups::heartbeat),
    api!(LeaveGroupRequest, 0..=5, groups::leave),
    api!(SyncGroupRequest, 0..=5, groups::sync),
    api!(DescribeGroupsRequest, 0..=6, groups_admin::describe),
    api!(ListGroupsRequest, 0..=5, groups_admin::list),
    api_unadvertised!(SaslHandshakeRequest, 0..=1, refused::sasl_handshake),
    api!(ApiVersionsRequest, 0..=4, api_versions::handle),
    api!(CreateTopicsRequest, 2..=7, topics::create),
    api!(DeleteTopicsRequest, 1..=6, topics::delete),
    api!(DeleteRecordsRequest, 0..=2, records::delete),
    api!(InitProducerIdRequest, 0..=5, producer_ids::init),
    api!(OffsetForLeaderEpochRequest, 2..=4, records::offset_for_leader_epoch),
    api!(DescribeConfigsRequest, 1..=4, configs::describe),
    api!(AlterConfigsRequest, 0..=2, configs_alter::replace),
    api!(AlterReplicaLogDirsRequest, 1..=2, log_dirs::alter),
    api!(DescribeLogDirsRequest, 1..=5, log_dirs::describe),
    api!(CreatePartitionsRequest, 0..=3, topics::create_partitions),
    api!(DeleteGroupsRequest, 0..=2, groups_admin::delete),
    api!(ElectLeadersRequest, 0..=2, controllers::elect_leaders),
    api!(IncrementalAlterConfigsRequest, 0..=1, configs_alter::adjust),
    api!(AlterPartitionReassignmentsRequest, 0..=1, controllers::alter_reassignments),
    api!(ListPartitionReassignmentsRequest, 0..=0, controllers::list_reassignments),
    api!(OffsetDeleteRequest, 0..=0, offsets::delete),
    api_with_reply!(DescribeQuorumRequest, 0..=2, 0..=2, quorum::describe),
    api!(UpdateFeaturesRequest, 0..=2, controllers::update_features),
    api!(DescribeClusterRequest, 0..=2, cluster::describe),
    api!(DescribeProducersRequest, 0..=0, producer_ids::describe),
    api!(UnregisterBrokerRequest, 0..=0, controllers::unregister),
    api!(ConsumerGroupHeartbeatRequest, 0..=1, refused::consumer_group_heartbeat),
    api!(ListConfigResourcesRequest, 0..=1, configs::list),
    api!(DescribeTopicPartitionsRequest, 0..=0, describe_topics::handle),
    api_with_reply!(AddRaftVoterRequest, 0..=1, 0..=1, quorum::add_voter),
    api_with_reply!(RemoveRaftVoterRequest, 0..=0, 0..=0, quorum::remove_voter),
];

/// All that the quorum, and brokers that speak with its leader, are served, by key.
static OF_CONTROLLERS: &[Api] = &[
    api_with_reply!(FetchRequest, 4..=18, 4..=18, quorum::fetch),
    api!(ApiVersionsRequest, 0..=4, api_versions::handle),
    api!(CreateTopicsRequest, 2..=7, topics::create),
    api!(DeleteTopicsRequest, 1..=6, topics::delete),
    api!(AlterConfigsRequest, 0..=2, configs_alter::replace),
    api!(CreatePartitionsRequest, 0..=3, topics::create_partitions),
    api!(ElectLeadersRequest, 0..=2, controllers::elect_leaders),
    api!(IncrementalAlterConfigsRequest, 0..=1, configs_alter::adjust),
    api!(AlterPartitionReassignmentsRequest, 0..=1, controllers::alter_reassignments),
    api!(ListPartitionReassignmentsRequest, 0..=0, controllers::list_reassignments),
    api_with_reply!(VoteRequest, 0..=2, 0..=2, quorum::vote),
    api_with_reply!(BeginQuorumEpochRequest, 0..=1, 0..=1, quorum::begin_epoch),
    api_with_reply!(EndQuorumEpochRequest, 0..=1, 0..=1, quorum::end_epoch),
    api_with_reply!(DescribeQuorumRequest, 0..=2, 0..=2, quorum::describe),
    api!(AlterPartitionRequest, 2..=3, controllers::alter_partition),
    api!(UpdateFeaturesRequest, 0..=2, controllers::update_features),
    api!(EnvelopeRequest, 0..=0, envelope::handle),
    api_with_reply!(FetchSnapshotRequest, 0..=1, 0..=1, quorum::fetch_snapshot),
    api!(DescribeClusterRequest, 0..=2, cluster::describe),
    api!(BrokerRegistrationRequest, 0..=4, controllers::register),
    api!(BrokerHeartbeatRequest, 0..=2, controllers::heartbeat),
    api!(UnregisterBrokerRequest, 0..=0, controllers::unregister),
    api!(AllocateProducerIdsRequest, 0..=0, controllers::allocate_producer_ids),
    api!(ControllerRegistrationRequest, 0..=0, controllers::register_controller),
    api!(AssignReplicasToDirsRequest, 0..=0, controllers::assign_replicas_to_dirs),
    api_with_reply!(AddRaftVoterRequest, 0..=1, 0..=1, quorum::add_voter),
    api_with_reply!(RemoveRaftVoterRequest, 0..=0, 0..=0, quorum::remove_voter),
    api_with_reply!(UpdateRaftVoterRequest, 0..=0, 0..=0, quorum::update_voter),
];

fn table(audience: Audience) -> &'static [Api] {
    match audience {
        Audience::Clients => TABLE,
        Audience::Controllers => OF_CONTROLLERS,
    }
}

/// The API of a key, if it is served to whom a listener is for.
pub(crate) fn find(key: ApiKey, audience: Audience) -> Option<&'static Api> {
    table(audience).iter().find(|api| api.key == key)
}

/// What is told to be served, with its versions, by key.
pub fn served(audience: Audience) -> impl Iterator<Item = (ApiKey, RangeInclusive<i16>)> {
    let told = table(audience).iter().filter(|api| !api.advertised.is_empty());
    told.map(|api| (api.key, api.advertised.clone()))
}

/// Reads a body. Bytes behind it are passed over, as Kafka does: librdkafka leaves three of them
/// behind a Metadata request for all topics.
fn read<R: Request>(reader: &mut Reader, version: i16) -> Result<R, DecodeError> {
    R::decode(reader, version)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tables_are_sorted_and_within_the_versions_of_the_protocol() {
        for table in [TABLE, OF_CONTROLLERS] {
            let keys: Vec<i16> = table.iter().map(|api| api.key.code()).collect();
            assert!(keys.is_sorted_by(|a, b| a < b), "{keys:?}");
        }
        for api in TABLE.iter().chain(OF_CONTROLLERS) {
            let known = api.key.stable_versions().expect("a served API is no retired one");
            assert!(known.contains(api.served.start()), "{}", api.key);
            let is_told = !api.advertised.is_empty();
            assert!(!is_told || api.served.end() == api.advertised.end(), "{}", api.key);
            assert!(known.end() >= api.served.end(), "{}", api.key);
        }
    }
}
