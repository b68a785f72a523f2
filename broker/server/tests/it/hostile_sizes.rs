//! What a request of a megabyte can make of an answer and of work, for each API that is served.
//!
//! The broker runs on the test's own thread, so that the blocks of memory which a request has it
//! allocate can be counted: a handler that looks at everything for each thing that is named would
//! allocate, or take, a thousand times as much.

use std::collections::BTreeSet;
use std::net::SocketAddr;

use bytes::Bytes;
use protocol::messages::alter_configs_request::{AlterConfigsResource, AlterableConfig};
use protocol::messages::alter_replica_log_dirs_request::{
    AlterReplicaLogDir, AlterReplicaLogDirTopic,
};
use protocol::messages::create_partitions_request::CreatePartitionsTopic;
use protocol::messages::create_topics_request::CreatableTopic;
use protocol::messages::delete_records_request::{DeleteRecordsPartition, DeleteRecordsTopic};
use protocol::messages::delete_topics_request::DeleteTopicState;
use protocol::messages::describe_configs_request::DescribeConfigsResource;
use protocol::messages::describe_log_dirs_request::DescribableLogDirTopic;
use protocol::messages::fetch_request::{FetchPartition, FetchTopic};
use protocol::messages::incremental_alter_configs_request as incremental;
use protocol::messages::join_group_request::JoinGroupRequestProtocol;
use protocol::messages::leave_group_request::MemberIdentity;
use protocol::messages::list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic};
use protocol::messages::metadata_request::MetadataRequestTopic;
use protocol::messages::offset_commit_request::{
    OffsetCommitRequestPartition, OffsetCommitRequestTopic,
};
use protocol::messages::offset_delete_request::{
    OffsetDeleteRequestPartition, OffsetDeleteRequestTopic,
};
use protocol::messages::offset_fetch_request::{OffsetFetchRequestGroup, OffsetFetchRequestTopics};
use protocol::messages::offset_for_leader_epoch_request::{
    OffsetForLeaderPartition, OffsetForLeaderTopic,
};
use protocol::messages::produce_request::{PartitionProduceData, TopicProduceData};
use protocol::messages::sync_group_request::SyncGroupRequestAssignment;
use protocol::messages::{
    alter_partition_reassignments_request, describe_producers_request, describe_quorum_request,
    describe_topic_partitions_request, elect_leaders_request, update_features_request, *,
};
use protocol::record::{BatchBuilder, BatchOptions, Records};
use protocol::{ApiKey, ErrorCode, Request, Writer, frame};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use crate::counting::blocks;
use crate::groups::find_coordinator;
use crate::support::{TestBroker, Wire, produce};

const MEGABYTE: usize = 1024 * 1024;
/// Partitions of the one topic that there is.
const PARTITIONS: i32 = 200;
/// Blocks that any request may allocate for each of the things that it names.
const BLOCKS_PER_THING: usize = 40;
/// And those that do not depend on how many there are: the state that there is, told once.
const BLOCKS_AT_ALL: usize = 200_000;

/// A broker with one topic and one group, and a client that means ill.
struct Attack {
    address: SocketAddr,
    wire: Wire,
    tried: BTreeSet<i16>,
    too_much: Vec<String>,
}

impl Attack {
    /// Sends what `build` makes of as many things as fit into a megabyte; the answer may have so
    /// many kilobytes; where that is 0, reading the request takes more memory than its bytes allow,
    /// and the connection is closed.
    async fn with<R: Request>(
        &mut self,
        what: &str,
        version: i16,
        kilobytes: usize,
        build: impl Fn(usize) -> R,
    ) {
        let things = fitting(version, &build);
        self.of(what, version, kilobytes, things, &build(things)).await;
    }

    /// Sends one request, which names so many things.
    async fn of<R: Request>(
        &mut self,
        what: &str,
        version: i16,
        kilobytes: usize,
        things: usize,
        request: &R,
    ) {
        let encoded = encode(version, request);
        let before = blocks();
        self.wire.stream.write_all(&encoded).await.unwrap();
        let answer = self.wire.frame().await.map(|answer| answer.len());
        let allocated = blocks() - before;
        let (name, sent) = (R::KEY, encoded.len());
        let answered = match answer {
            Some(bytes) => format!("answer of {bytes} bytes"),
            None => "the connection is closed".to_owned(),
        };
        let line = format!(
            "{name} v{version}, {what}: {things} things in {sent} bytes, {answered}, \
             {allocated} blocks"
        );
        println!("{line}");
        let is_small = match answer {
            Some(bytes) => kilobytes > 0 && bytes <= kilobytes * 1024,
            None => {
                self.wire = Wire::new(TcpStream::connect(self.address).await.unwrap());
                kilobytes == 0
            }
        };
        if !is_small || allocated > BLOCKS_PER_THING * things + BLOCKS_AT_ALL {
            self.too_much.push(line);
        }
        self.tried.insert(name.code());
    }
}

fn encode<R: Request>(version: i16, request: &R) -> Bytes {
    frame::encode_request(request, version, 1, Some("test")).map(Writer::into_bytes).unwrap()
}

/// How many things make a request of a megabyte.
fn fitting<R: Request>(version: i16, build: &impl Fn(usize) -> R) -> usize {
    let size = |things| encode(version, &build(things)).len();
    let (small, large) = (size(10_000), size(20_000));
    let mut things = 10_000 * (MEGABYTE - 1000) / (large - small);
    // Later names are longer.
    while size(things) > MEGABYTE {
        things -= things / 20;
    }
    things
}

fn name(number: usize) -> String {
    format!("{number:x}")
}

fn many<T>(count: usize, make: impl Fn(usize) -> T) -> Vec<T> {
    (0..count).map(make).collect()
}

async fn attack(test: &TestBroker) -> Attack {
    let mut wire = test.connect().await;
    wire.create_topic("t", PARTITIONS, &[]).await;
    wire.create_topic("compacted", 1, &[("cleanup.policy", "compact")]).await;
    find_coordinator(&mut wire, "g").await;
    // Producers that are told of, and offsets with as much metadata as may be.
    for producer_id in 0..50 {
        let options = BatchOptions {
            producer_id: 1000 + producer_id,
            producer_epoch: 0,
            base_sequence: 0,
            ..BatchOptions::default()
        };
        let mut builder = BatchBuilder::new(options);
        builder.append(1_700_000_000_000, None, Some(b"v"), &[]);
        let answer = wire.call(9, &produce("t", 0, -1, builder.finish())).await;
        let code = answer.responses[0].partition_responses[0].error_code;
        assert_eq!(code, ErrorCode::None);
    }
    for half in 0..2 {
        let partition = |index| OffsetCommitRequestPartition {
            partition_index: i32::try_from(100 * half + index).unwrap(),
            committed_metadata: Some("m".repeat(4096)),
            ..Default::default()
        };
        let topic = OffsetCommitRequestTopic {
            name: "t".to_owned(),
            partitions: many(100, partition),
            ..Default::default()
        };
        let request = OffsetCommitRequest {
            group_id: "g".to_owned(),
            generation_id_or_member_epoch: -1,
            topics: vec![topic],
            ..Default::default()
        };
        let answer = wire.call(8, &request).await;
        assert_eq!(answer.topics[0].partitions[0].error_code, ErrorCode::None);
    }
    Attack { address: test.broker.address(), wire, tried: BTreeSet::new(), too_much: Vec::new() }
}

#[tokio::test]
async fn a_megabyte_of_request_makes_a_bounded_answer_and_bounded_work() {
    let test = TestBroker::with(&[("auto.create.topics.enable", "false")]).await;
    let mut attack = attack(&test).await;
    records(&mut attack).await;
    topics(&mut attack).await;
    groups(&mut attack).await;
    offsets(&mut attack).await;
    configs(&mut attack).await;
    of_fixed_size(&mut attack).await;
    assert_eq!(attack.too_much, [""; 0]);
    let served: BTreeSet<i16> = broker_server::served(broker_server::config::Audience::Clients)
        .map(|(key, _)| key.code())
        .collect();
    assert_eq!(attack.tried, served, "each API that is served is in the table");
    test.stop().await;
}

async fn records(attack: &mut Attack) {
    let data = |index: usize| PartitionProduceData {
        index: i32::try_from(index).unwrap(),
        records: Some(Records::Bytes(Bytes::new())),
    };
    let producing = |partitions| ProduceRequest {
        acks: -1,
        topic_data: vec![TopicProduceData {
            name: "t".to_owned(),
            partition_data: partitions,
            ..Default::default()
        }],
        ..Default::default()
    };
    attack.with("one partition", 9, 32_000, |n| producing(many(n, |_| data(0)))).await;
    attack.with("unknown partitions", 9, 32_000, |n| producing(many(n, data))).await;
    let without_keys = |n: usize| {
        let mut builder = BatchBuilder::new(BatchOptions::default());
        (0..n).for_each(|_| builder.append(1_700_000_000_000, None, None, &[]));
        produce("compacted", 0, -1, builder.finish())
    };
    attack.with("records without a key", 9, 2_000, without_keys).await;
    let fetch = |partitions: Vec<i32>| {
        let partitions = partitions.into_iter();
        let partitions = partitions
            .map(|partition| FetchPartition { partition, ..Default::default() })
            .collect();
        let topic = FetchTopic { topic: "t".to_owned(), partitions, ..Default::default() };
        FetchRequest { topics: vec![topic], session_epoch: 0, ..Default::default() }
    };
    attack.with("one partition", 12, 10, |n| fetch(vec![0; n])).await;
    let numbers = |n: usize| (0..i32::try_from(n).unwrap()).collect::<Vec<_>>();
    attack.with("unknown partitions", 12, 3_000, |n| fetch(numbers(n))).await;
    let listing = |partitions: Vec<i32>| {
        let partitions = partitions.into_iter();
        let partitions = partitions.map(|partition_index| ListOffsetsPartition {
            partition_index,
            timestamp: -1,
            ..Default::default()
        });
        let partitions = partitions.collect();
        let topics = vec![ListOffsetsTopic { name: "t".to_owned(), partitions }];
        ListOffsetsRequest { replica_id: -1, topics, ..Default::default() }
    };
    attack.with("one partition", 7, 10, |n| listing(vec![0; n])).await;
    let pairs = |n: usize| numbers(n / 2).into_iter().flat_map(|index| [index, index]).collect();
    attack.with("partitions twice", 7, 2_000, |n| listing(pairs(n))).await;
    let deleting = |n: usize| DeleteRecordsRequest {
        topics: vec![DeleteRecordsTopic {
            name: "t".to_owned(),
            partitions: many(n, |_| DeleteRecordsPartition { partition_index: 1, offset: 0 }),
        }],
        ..Default::default()
    };
    attack.with("one partition", 2, 10, deleting).await;
    let epochs = |n: usize| OffsetForLeaderEpochRequest {
        topics: vec![OffsetForLeaderTopic {
            topic: "t".to_owned(),
            partitions: many(n, |_| OffsetForLeaderPartition::default()),
        }],
        ..Default::default()
    };
    attack.with("one partition", 4, 2_000, epochs).await;
    let producers = |n: usize| DescribeProducersRequest {
        topics: vec![describe_producers_request::TopicRequest {
            name: "t".to_owned(),
            partition_indexes: vec![0; n],
        }],
    };
    attack.with("one partition of many producers", 0, 10, producers).await;
}

async fn topics(attack: &mut Attack) {
    let metadata = |name: &dyn Fn(usize) -> String, n: usize| MetadataRequest {
        topics: Some(many(n, |number| MetadataRequestTopic {
            name: Some(name(number)),
            ..Default::default()
        })),
        ..Default::default()
    };
    attack.with("one topic of 200 partitions", 9, 10, |n| metadata(&|_| "t".into(), n)).await;
    attack.with("unknown topics", 9, 6_000, |n| metadata(&name, n)).await;
    let described = |name: &dyn Fn(usize) -> String, n: usize| DescribeTopicPartitionsRequest {
        topics: many(n, |number| describe_topic_partitions_request::TopicRequest {
            name: name(number),
        }),
        ..Default::default()
    };
    attack.with("one topic", 0, 10, |n| described(&|_| "t".into(), n)).await;
    attack.with("unknown topics", 0, 8_000, |n| described(&name, n)).await;
    let creating = |n: usize| CreateTopicsRequest {
        topics: many(n, |number| CreatableTopic {
            name: name(number),
            num_partitions: 1,
            replication_factor: 1,
            ..Default::default()
        }),
        validate_only: true,
        ..Default::default()
    };
    attack.with("new topics", 7, 32_000, creating).await;
    let growing = |n: usize| CreatePartitionsRequest {
        topics: many(n, |number| CreatePartitionsTopic {
            name: name(number),
            count: 10_000,
            ..Default::default()
        }),
        validate_only: true,
        ..Default::default()
    };
    attack.with("unknown topics", 3, 2_000, growing).await;
    let deleting = |n: usize| DeleteTopicsRequest {
        topics: many(n, |number| DeleteTopicState {
            name: Some(name(number)),
            ..Default::default()
        }),
        ..Default::default()
    };
    attack.with("unknown topics", 6, 6_000, deleting).await;
    let dirs = |n: usize| DescribeLogDirsRequest {
        topics: Some(many(n, |number| DescribableLogDirTopic {
            topic: "t".to_owned(),
            partitions: vec![i32::try_from(number).unwrap()],
        })),
    };
    attack.with("one topic", 4, 20, dirs).await;
    let moving = |partitions: &dyn Fn(usize) -> i32, n: usize| AlterReplicaLogDirsRequest {
        dirs: vec![AlterReplicaLogDir {
            path: "/nowhere".to_owned(),
            topics: vec![AlterReplicaLogDirTopic {
                name: "t".to_owned(),
                partitions: many(n, partitions),
            }],
        }],
    };
    attack.with("one partition", 2, 10, |n| moving(&|_| 0, n)).await;
    let number = |number: usize| i32::try_from(number).unwrap();
    attack.with("unknown partitions", 2, 2_000, |n| moving(&number, n)).await;
}

async fn groups(attack: &mut Attack) {
    let joining = |n: usize| JoinGroupRequest {
        group_id: "j".to_owned(),
        session_timeout_ms: 10_000,
        rebalance_timeout_ms: 10_000,
        protocol_type: "consumer".to_owned(),
        protocols: many(n, |number| JoinGroupRequestProtocol {
            name: name(number),
            metadata: Bytes::new(),
        }),
        ..Default::default()
    };
    attack.with("protocols", 9, 10, joining).await;
    let subscribing = |n: usize| ConsumerGroupHeartbeatRequest {
        subscribed_topic_names: Some(many(n, name)),
        ..Default::default()
    };
    attack.with("topics, and a refusal", 1, 1, subscribing).await;
    let syncing = |n: usize| SyncGroupRequest {
        group_id: "g".to_owned(),
        assignments: many(n, |_| SyncGroupRequestAssignment::default()),
        ..Default::default()
    };
    attack.with("empty assignments", 5, 0, syncing).await;
    let syncing = |n: usize| SyncGroupRequest {
        assignments: many(n, |number| SyncGroupRequestAssignment {
            member_id: format!("member-{number}"),
            assignment: Bytes::new(),
        }),
        ..syncing(0)
    };
    attack.with("assignments", 5, 10, syncing).await;
    let leaving = |n: usize| LeaveGroupRequest {
        group_id: "g".to_owned(),
        members: many(n, |_| MemberIdentity::default()),
        ..Default::default()
    };
    attack.with("empty members", 5, 0, leaving).await;
    let leaving = |n: usize| LeaveGroupRequest {
        members: many(n, |number| MemberIdentity {
            member_id: format!("member-{number}"),
            ..Default::default()
        }),
        ..leaving(0)
    };
    attack.with("members", 5, 2_000, leaving).await;
    let names = |name: &dyn Fn(usize) -> String, n: usize| many(n, name);
    let one = |_| "g".to_owned();
    let finding =
        |coordinator_keys| FindCoordinatorRequest { coordinator_keys, ..Default::default() };
    attack.with("one group", 4, 10, |n| finding(names(&one, n))).await;
    attack.with("groups", 4, 10_000, |n| finding(names(&name, n))).await;
    let described = |groups| DescribeGroupsRequest { groups, ..Default::default() };
    attack.with("one group", 6, 10, |n| described(names(&one, n))).await;
    attack.with("unknown groups", 6, 12_000, |n| described(names(&name, n))).await;
    let listing =
        |n: usize| ListGroupsRequest { states_filter: names(&name, n), types_filter: Vec::new() };
    attack.with("states", 5, 10, listing).await;
    let deleting = |n: usize| DeleteGroupsRequest { groups_names: names(&name, n) };
    attack.with("unknown groups", 2, 2_000, deleting).await;
}

async fn offsets(attack: &mut Attack) {
    let committing = |n: usize| OffsetCommitRequest {
        group_id: "c".repeat(30_000),
        generation_id_or_member_epoch: -1,
        topics: vec![OffsetCommitRequestTopic {
            name: "t".to_owned(),
            partitions: many(n, |_| OffsetCommitRequestPartition::default()),
            ..Default::default()
        }],
        ..Default::default()
    };
    attack.with("one partition, of a group with a long name", 8, 1_000, committing).await;
    let fetching = |groups| OffsetFetchRequest { groups, ..Default::default() };
    let group = |group_id: String, topics| OffsetFetchRequestGroup {
        group_id,
        topics,
        ..Default::default()
    };
    let all = |n| fetching(many(n, |_| group("g".to_owned(), None)));
    attack.with("all of one group, in few bytes", 8, 0, all).await;
    let member = |_| OffsetFetchRequestGroup {
        member_id: Some("m".repeat(10)),
        ..group("g".to_owned(), None)
    };
    attack.with("all of one group", 9, 1_000, |n| fetching(many(n, member))).await;
    let unknown = |n| fetching(many(n, |number| group(name(number), None)));
    attack.with("unknown groups", 8, 2_000, unknown).await;
    let topic = |partition_indexes| OffsetFetchRequestTopics {
        name: "t".to_owned(),
        partition_indexes,
        ..Default::default()
    };
    let one = |n| fetching(vec![group("g".to_owned(), Some(vec![topic(vec![0; n])]))]);
    attack.with("one partition", 8, 10, one).await;
    let apart = |n| fetching(vec![group("g".to_owned(), Some(many(n, |_| topic(vec![0]))))]);
    attack.with("one topic", 8, 10, apart).await;
    let deleting = |n: usize| OffsetDeleteRequest {
        group_id: "g".to_owned(),
        topics: vec![OffsetDeleteRequestTopic {
            name: "t".to_owned(),
            partitions: many(n, |_| OffsetDeleteRequestPartition { partition_index: 0 }),
        }],
    };
    attack.with("one partition", 0, 2_000, deleting).await;
}

async fn configs(attack: &mut Attack) {
    let asking =
        |resource_type: i8, name: &dyn Fn(usize) -> String, n: usize| DescribeConfigsRequest {
            resources: many(n, |number| DescribeConfigsResource {
                resource_type,
                resource_name: name(number),
                configuration_keys: None,
            }),
            include_synonyms: true,
            include_documentation: true,
        };
    let topic = |_| "t".to_owned();
    attack.with("one topic", 4, 100, |n| asking(2, &topic, n)).await;
    attack.with("groups", 4, 64_000, |n| asking(32, &name, n)).await;
    let types = |n: usize| ListConfigResourcesRequest { resource_types: vec![2; n] };
    attack.with("one type", 1, 10, types).await;
    let replacing = |n: usize| AlterConfigsRequest {
        resources: many(n, |number| AlterConfigsResource {
            resource_type: 2,
            resource_name: name(number),
            configs: Vec::new(),
        }),
        validate_only: true,
    };
    attack.with("unknown topics", 2, 8_000, replacing).await;
    let keys = |n: usize| AlterConfigsRequest {
        resources: vec![AlterConfigsResource {
            resource_type: 2,
            resource_name: "t".to_owned(),
            configs: many(n, |number| AlterableConfig {
                name: name(number),
                value: Some(String::new()),
            }),
        }],
        validate_only: true,
    };
    attack.with("unknown keys of one topic", 2, 10, keys).await;
    let list = many(7_000, name).join(",");
    let adjusting = |n: usize| IncrementalAlterConfigsRequest {
        resources: many(n, |number| incremental::AlterConfigsResource {
            resource_type: 2,
            resource_name: if number == 0 { "t".to_owned() } else { name(number) },
            configs: vec![incremental::AlterableConfig {
                name: "cleanup.policy".to_owned(),
                config_operation: 2,
                value: Some(if number == 0 { list.clone() } else { String::new() }),
            }],
        }),
        validate_only: true,
    };
    attack.with("a long list, and unknown topics", 1, 4_000, adjusting).await;
}

/// Those of which no request is large: the longest names that there can be.
async fn quorum(attack: &mut Attack) {
    let topic_name = "n".repeat(32_000);
    let topics = (0..30).map(|_| describe_quorum_request::TopicData {
        topic_name: topic_name.clone(),
        partitions: vec![Default::default(); 100],
    });
    let describe = DescribeQuorumRequest { topics: topics.collect() };
    attack.of("topics with long names", 2, 1300, 1, &describe).await;
    let cluster_id = Some(topic_name);
    let voter = AddRaftVoterRequest { cluster_id: cluster_id.clone(), ..Default::default() };
    attack.of("a long name", 1, 40, 1, &voter).await;
    let voter = RemoveRaftVoterRequest { cluster_id, ..Default::default() };
    attack.of("a long name", 0, 40, 1, &voter).await;
    let topic = |partitions| elect_leaders_request::TopicPartitions {
        topic: "none".to_owned(),
        partitions,
    };
    let elect = ElectLeadersRequest {
        topic_partitions: Some(vec![topic((0..250_000).collect())]),
        ..Default::default()
    };
    attack.of("250,000 partitions", 2, 7200, 250_000, &elect).await;
    let partition =
        |partition_index| alter_partition_reassignments_request::ReassignablePartition {
            partition_index,
            replicas: Some(Vec::new()),
        };
    let reassign = AlterPartitionReassignmentsRequest {
        topics: vec![alter_partition_reassignments_request::ReassignableTopic {
            name: "none".to_owned(),
            partitions: (0..150_000).map(partition).collect(),
        }],
        ..Default::default()
    };
    attack.of("150,000 partitions", 1, 6300, 150_000, &reassign).await;
    let feature = |number: usize| update_features_request::FeatureUpdateKey {
        feature: format!("f{number}"),
        max_version_level: 1,
        ..Default::default()
    };
    let update = UpdateFeaturesRequest {
        feature_updates: (0..90_000).map(feature).collect(),
        ..Default::default()
    };
    attack.of("90,000 features", 1, 20, 90_000, &update).await;
    let list = ListPartitionReassignmentsRequest::default();
    attack.of("all that are under way", 0, 10, 1, &list).await;
    let nobody = UnregisterBrokerRequest { broker_id: 4711 };
    attack.of("nobody", 0, 10, 1, &nobody).await;
}

async fn of_fixed_size(attack: &mut Attack) {
    let long = "n".repeat(32_000);
    let versions = ApiVersionsRequest {
        client_software_name: long.clone(),
        client_software_version: long.clone(),
    };
    attack.of("long names", 3, 10, 1, &versions).await;
    let heartbeat =
        HeartbeatRequest { group_id: long.clone(), member_id: long.clone(), ..Default::default() };
    attack.of("long names", 4, 10, 1, &heartbeat).await;
    let init = InitProducerIdRequest {
        transactional_id: Some(long),
        transaction_timeout_ms: 1000,
        ..Default::default()
    };
    attack.of("a long name", 4, 10, 1, &init).await;
    quorum(attack).await;
    attack.of("nothing", 1, 10, 1, &DescribeClusterRequest::default()).await;
    assert!(attack.tried.contains(&ApiKey::DescribeCluster.code()));
}
