//! The same bytes through the crate `kafka-protocol`, which is generated from Kafka's own tables.

use bytes::{Bytes, BytesMut};
use kafka_protocol::messages::*;
use kafka_protocol::protocol::{Decodable, Encodable, Message};
use rand::SeedableRng;
use rand::rngs::StdRng;

use crate::codecs::CODECS;
use crate::schema;
use crate::tables::SCHEMA;
use crate::walker;

/// All messages that the crate has, which is made for Kafka 4.1; but for `LeaderChangeMessage` and
/// `VotersRecord`, whose inner structs it refuses to decode in any version.
macro_rules! each_of_theirs {
    ($visit:ident) => { $visit! {
        AddOffsetsToTxnRequest, AddOffsetsToTxnResponse, AddPartitionsToTxnRequest,
        AddPartitionsToTxnResponse, AddRaftVoterRequest, AddRaftVoterResponse,
        AllocateProducerIdsRequest, AllocateProducerIdsResponse, AlterClientQuotasRequest,
        AlterClientQuotasResponse, AlterConfigsRequest, AlterConfigsResponse,
        AlterPartitionReassignmentsRequest, AlterPartitionReassignmentsResponse,
        AlterPartitionRequest, AlterPartitionResponse, AlterReplicaLogDirsRequest,
        AlterReplicaLogDirsResponse, AlterShareGroupOffsetsRequest, AlterShareGroupOffsetsResponse,
        AlterUserScramCredentialsRequest, AlterUserScramCredentialsResponse, ApiVersionsRequest,
        ApiVersionsResponse, AssignReplicasToDirsRequest, AssignReplicasToDirsResponse,
        BeginQuorumEpochRequest, BeginQuorumEpochResponse, BrokerHeartbeatRequest,
        BrokerHeartbeatResponse, BrokerRegistrationRequest, BrokerRegistrationResponse,
        ConsumerGroupDescribeRequest, ConsumerGroupDescribeResponse, ConsumerGroupHeartbeatRequest,
        ConsumerGroupHeartbeatResponse, ConsumerProtocolAssignment, ConsumerProtocolSubscription,
        ControllerRegistrationRequest, ControllerRegistrationResponse, CreateAclsRequest,
        CreateAclsResponse, CreateDelegationTokenRequest, CreateDelegationTokenResponse,
        CreatePartitionsRequest, CreatePartitionsResponse, CreateTopicsRequest,
        CreateTopicsResponse, DefaultPrincipalData, DeleteAclsRequest, DeleteAclsResponse,
        DeleteGroupsRequest, DeleteGroupsResponse, DeleteRecordsRequest, DeleteRecordsResponse,
        DeleteShareGroupOffsetsRequest, DeleteShareGroupOffsetsResponse,
        DeleteShareGroupStateRequest, DeleteShareGroupStateResponse, DeleteTopicsRequest,
        DeleteTopicsResponse, DescribeAclsRequest, DescribeAclsResponse,
        DescribeClientQuotasRequest, DescribeClientQuotasResponse, DescribeClusterRequest,
        DescribeClusterResponse, DescribeConfigsRequest, DescribeConfigsResponse,
        DescribeDelegationTokenRequest, DescribeDelegationTokenResponse, DescribeGroupsRequest,
        DescribeGroupsResponse, DescribeLogDirsRequest, DescribeLogDirsResponse,
        DescribeProducersRequest, DescribeProducersResponse, DescribeQuorumRequest,
        DescribeQuorumResponse, DescribeShareGroupOffsetsRequest, DescribeShareGroupOffsetsResponse,
        DescribeTopicPartitionsRequest, DescribeTopicPartitionsResponse,
        DescribeTransactionsRequest, DescribeTransactionsResponse,
        DescribeUserScramCredentialsRequest, DescribeUserScramCredentialsResponse,
        ElectLeadersRequest, ElectLeadersResponse, EndQuorumEpochRequest, EndQuorumEpochResponse,
        EndTxnMarker, EndTxnRequest, EndTxnResponse, EnvelopeRequest, EnvelopeResponse,
        ExpireDelegationTokenRequest, ExpireDelegationTokenResponse, FetchRequest, FetchResponse,
        FetchSnapshotRequest, FetchSnapshotResponse, FindCoordinatorRequest,
        FindCoordinatorResponse, GetTelemetrySubscriptionsRequest,
        GetTelemetrySubscriptionsResponse, HeartbeatRequest, HeartbeatResponse,
        IncrementalAlterConfigsRequest, IncrementalAlterConfigsResponse, InitProducerIdRequest,
        InitProducerIdResponse, InitializeShareGroupStateRequest, InitializeShareGroupStateResponse,
        JoinGroupRequest, JoinGroupResponse, KRaftVersionRecord,
        LeaveGroupRequest, LeaveGroupResponse, ListConfigResourcesRequest,
        ListConfigResourcesResponse, ListGroupsRequest, ListGroupsResponse, ListOffsetsRequest,
        ListOffsetsResponse, ListPartitionReassignmentsRequest, ListPartitionReassignmentsResponse,
        ListTransactionsRequest, ListTransactionsResponse, MetadataRequest, MetadataResponse,
        OffsetCommitRequest, OffsetCommitResponse, OffsetDeleteRequest, OffsetDeleteResponse,
        OffsetFetchRequest, OffsetFetchResponse, OffsetForLeaderEpochRequest,
        OffsetForLeaderEpochResponse, ProduceRequest, ProduceResponse, PushTelemetryRequest,
        PushTelemetryResponse, ReadShareGroupStateRequest, ReadShareGroupStateResponse,
        ReadShareGroupStateSummaryRequest, ReadShareGroupStateSummaryResponse,
        RemoveRaftVoterRequest, RemoveRaftVoterResponse, RenewDelegationTokenRequest,
        RenewDelegationTokenResponse, RequestHeader, ResponseHeader, SaslAuthenticateRequest,
        SaslAuthenticateResponse, SaslHandshakeRequest, SaslHandshakeResponse,
        ShareAcknowledgeRequest, ShareAcknowledgeResponse, ShareFetchRequest, ShareFetchResponse,
        ShareGroupDescribeRequest, ShareGroupDescribeResponse, ShareGroupHeartbeatRequest,
        ShareGroupHeartbeatResponse, SnapshotFooterRecord, SnapshotHeaderRecord, SyncGroupRequest,
        SyncGroupResponse, TxnOffsetCommitRequest, TxnOffsetCommitResponse, UnregisterBrokerRequest,
        UnregisterBrokerResponse, UpdateFeaturesRequest, UpdateFeaturesResponse,
        UpdateRaftVoterRequest, UpdateRaftVoterResponse, VoteRequest, VoteResponse,
        WriteShareGroupStateRequest, WriteShareGroupStateResponse, WriteTxnMarkersRequest,
        WriteTxnMarkersResponse,
    } };
}

struct Theirs {
    name: &'static str,
    first: i16,
    last: i16,
    recode: fn(Bytes, i16) -> Result<Bytes, String>,
}

fn theirs<M: Message + Decodable + Encodable>(name: &'static str) -> Theirs {
    Theirs { name, first: M::VERSIONS.min, last: M::VERSIONS.max, recode: recode::<M> }
}

fn recode<M: Decodable + Encodable>(mut bytes: Bytes, version: i16) -> Result<Bytes, String> {
    let message = M::decode(&mut bytes, version).map_err(|e| format!("decoding: {e}"))?;
    if !bytes.is_empty() {
        return Err(format!("{} bytes are left", bytes.len()));
    }
    let mut out = BytesMut::new();
    message.encode(&mut out, version).map_err(|e| format!("encoding: {e}"))?;
    Ok(out.freeze())
}

fn all_of_theirs() -> Vec<Theirs> {
    macro_rules! table {
        ($($message:ident),* $(,)?) => { vec![$(theirs::<$message>(stringify!($message))),*] };
    }
    each_of_theirs!(table)
}

fn ours(name: &str) -> &'static schema::Message {
    SCHEMA.messages.iter().find(|m| m.name == name).expect("the schema has it")
}

#[test]
fn another_codec_reads_what_we_write_and_writes_what_we_read() {
    let mut rng = StdRng::seed_from_u64(41);
    let (mut checked, mut failures) = (0, Vec::new());
    for theirs in all_of_theirs() {
        let message = ours(theirs.name);
        let codec = &CODECS[theirs.name];
        let first = theirs.first.max(*message.versions.start());
        let last = theirs.last.min(*message.versions.end());
        for version in first..=last {
            for _ in 0..20 {
                let value = walker::make_up(&mut rng, message, version);
                let bytes = walker::encode(message, &value, version).expect("it was made for it");
                let from_ours = (codec.recode)(Bytes::from(bytes), version, version);
                let from_ours = from_ours.expect("our own bytes are read");
                let from_theirs = (theirs.recode)(from_ours.clone(), version);
                checked += 1;
                let agreed = from_theirs.as_ref().is_ok_and(|bytes| {
                    let back = (codec.recode)(bytes.clone(), version, version);
                    *bytes == from_ours && back.is_ok_and(|back| back == from_ours)
                });
                if !agreed {
                    failures.push(format!("{} {version}: {from_theirs:?}: {value:?}", theirs.name));
                    break;
                }
            }
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
    assert!(checked > 8_000, "only {checked} messages were compared");
}
