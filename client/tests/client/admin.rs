//! Stories of the admin client.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use client::admin::{
    AlterConfigOp, ConfigResource, ConfigSource, DescribeConfigs, NewPartitions, NewTopic,
    OffsetToCommit, Placement,
};
use client::consumer::IsolationLevel;
use client::{Consumer, OffsetSpec};
use protocol::ErrorCode;

use crate::target::{Target, numbered, partition, unique};

pub(crate) async fn topics_are_created_described_grown_and_deleted(target: Arc<Target>) {
    let admin = target.admin();
    let (a, b) = (unique("a"), unique("b"));
    let assigned = NewTopic {
        name: b.clone(),
        placement: Placement::Assigned([(0, vec![1]), (1, vec![1])].into()),
        configs: BTreeMap::new(),
    };
    let wanted = [NewTopic::new(a.as_str(), 3, 1), assigned];
    let only_checked = admin.create_topics(&wanted, true).await.unwrap();
    assert!(only_checked[&a].is_ok() && !admin.topic_exists(&a).await.unwrap());
    let created = admin.create_topics(&wanted, false).await.unwrap();
    assert_eq!(created[&a].as_ref().unwrap().partitions, Some(3));
    assert!(created[&b].is_ok());
    let again = admin.create_topics(&wanted[..1], false).await.unwrap();
    assert_eq!(again[&a].as_ref().unwrap_err().code(), Some(ErrorCode::TopicAlreadyExists));

    let new = NewPartitions { total: 5, assignments: None };
    let grown = admin.create_partitions(&[(a.clone(), new)].into(), false).await.unwrap();
    assert!(grown[&a].is_ok(), "{grown:?}");
    let fewer = NewPartitions { total: 1, assignments: None };
    let refused = admin.create_partitions(&[(a.clone(), fewer)].into(), false).await.unwrap();
    assert_eq!(refused[&a].as_ref().unwrap_err().code(), Some(ErrorCode::InvalidPartitions));

    let nobody = unique("nobody");
    let names = [a.clone(), b.clone(), nobody.clone()];
    // What was changed is seen once the change has come through.
    let described = loop {
        let described = admin.describe_topics(&names).await.unwrap();
        if described[&a].as_ref().is_ok_and(|description| description.partitions.len() == 5) {
            break described;
        }
    };
    let description = described[&a].as_ref().unwrap();
    let indexes: Vec<i32> = description.partitions.iter().map(|p| p.partition).collect();
    assert_eq!(indexes, [0, 1, 2, 3, 4]);
    assert!(description.id.is_some() && !description.is_internal);
    assert_eq!(described[&b].as_ref().unwrap().partitions[1].replicas, [1]);
    let unknown = described[&nobody].as_ref().unwrap_err().code();
    assert_eq!(unknown, Some(ErrorCode::UnknownTopicOrPartition));
    let listed = admin.list_topics().await.unwrap();
    assert!([&a, &b].into_iter().all(|name| listed.iter().any(|topic| topic.name == *name)));

    let deleted = admin.delete_topics(&names).await.unwrap();
    assert!(deleted[&a].is_ok() && deleted[&b].is_ok());
    let unknown = deleted[&nobody].as_ref().unwrap_err().code();
    assert_eq!(unknown, Some(ErrorCode::UnknownTopicOrPartition));
    while admin.topic_exists(&a).await.unwrap() {}
    admin.close().await;
}

pub(crate) async fn configurations_are_read_and_changed(target: Arc<Target>) {
    let admin = target.admin();
    let topic = target.topic_with("configs", 1, &[("retention.ms", "12345")]).await;
    let resource = ConfigResource::topic(topic.as_str());
    let all = DescribeConfigs { synonyms: true, documentation: true, ..Default::default() };
    let described = admin.describe_configs(std::slice::from_ref(&resource), &all).await.unwrap();
    let entries = described[&resource].as_ref().unwrap();
    let entry = entries.iter().find(|entry| entry.name == "retention.ms").unwrap();
    assert_eq!(entry.value.as_deref(), Some("12345"));
    assert_eq!(entry.source, ConfigSource::DynamicTopic);
    assert!(entry.documentation.is_some() && !entry.synonyms.is_empty());

    let changes = vec![
        AlterConfigOp::Set("segment.bytes".to_owned(), "1048576".to_owned()),
        AlterConfigOp::Delete("retention.ms".to_owned()),
        AlterConfigOp::Append("cleanup.policy".to_owned(), "compact".to_owned()),
    ];
    let altered =
        admin.incremental_alter_configs(&[(resource.clone(), changes)].into(), false).await;
    assert!(altered.unwrap()[&resource].is_ok());
    let keys = ["segment.bytes", "retention.ms", "cleanup.policy"];
    let some = DescribeConfigs {
        keys: Some(keys.iter().map(|key| (*key).to_owned()).collect()),
        ..Default::default()
    };
    // What was changed is seen once the change has come through.
    let values = loop {
        let described =
            admin.describe_configs(std::slice::from_ref(&resource), &some).await.unwrap();
        let entries = described[&resource].as_ref().unwrap();
        let values: BTreeMap<String, (Option<String>, ConfigSource)> =
            entries.iter().map(|e| (e.name.clone(), (e.value.clone(), e.source))).collect();
        if values["segment.bytes"].0.as_deref() == Some("1048576") {
            break values;
        }
    };
    assert_eq!(values.len(), 3);
    assert_ne!(values["retention.ms"].0.as_deref(), Some("12345"));
    assert_eq!(values["cleanup.policy"].0.as_deref(), Some("delete,compact"));

    let wrong = vec![AlterConfigOp::Set("retention.ms".to_owned(), "soon".to_owned())];
    let wrong = BTreeMap::from([(resource.clone(), wrong)]);
    let refused = admin.incremental_alter_configs(&wrong, true).await;
    let refused = refused.unwrap().remove(&resource).unwrap().unwrap_err();
    assert_eq!(refused.code(), Some(ErrorCode::InvalidConfig), "{refused}");

    let broker = ConfigResource::broker(Some(1));
    let described =
        admin.describe_configs(std::slice::from_ref(&broker), &Default::default()).await;
    assert!(!described.unwrap()[&broker].as_ref().unwrap().is_empty());
    admin.close().await;
}

pub(crate) async fn records_are_deleted_and_offsets_listed(target: Arc<Target>) {
    let admin = target.admin();
    let topic = target.topic("offsets", 2).await;
    target.send(&topic, 0, numbered("v", 10)).await;
    let zero = partition(&topic, 0);
    let low = admin.delete_records(&[(zero.clone(), 4)].into()).await.unwrap();
    assert_eq!(*low[&zero].as_ref().unwrap(), 4);
    let beyond = admin.delete_records(&[(zero.clone(), 99)].into()).await.unwrap();
    let refused = beyond[&zero].as_ref().unwrap_err().code();
    assert_eq!(refused, Some(ErrorCode::OffsetOutOfRange));
    let list = async |spec| {
        let wanted = BTreeMap::from([(zero.clone(), spec)]);
        let listed = admin.list_offsets(&wanted, IsolationLevel::ReadUncommitted).await;
        listed.unwrap().remove(&zero).unwrap().map(|listed| listed.offset)
    };
    assert_eq!(list(OffsetSpec::Earliest).await.unwrap(), Some(4));
    assert_eq!(list(OffsetSpec::Latest).await.unwrap(), Some(10));
    assert!(list(OffsetSpec::MaxTimestamp).await.unwrap().is_some());
    assert_eq!(list(OffsetSpec::EarliestLocal).await.unwrap(), Some(4));
    assert_eq!(list(OffsetSpec::LatestTiered).await.unwrap(), None);
    assert_eq!(list(OffsetSpec::Timestamp(0)).await.unwrap(), Some(4));
    let future = OffsetSpec::Timestamp(i64::MAX);
    assert_eq!(list(future).await.unwrap(), None);
    let unknown = partition(&unique("nobody"), 0);
    let wanted = BTreeMap::from([(unknown.clone(), OffsetSpec::Latest)]);
    let listed = admin.list_offsets(&wanted, IsolationLevel::ReadUncommitted).await.unwrap();
    let code = listed[&unknown].as_ref().unwrap_err().code();
    assert_eq!(code, Some(ErrorCode::UnknownTopicOrPartition));
    admin.close().await;
}

pub(crate) async fn groups_are_listed_described_and_their_offsets_changed(target: Arc<Target>) {
    let admin = target.admin();
    let topic = target.topic("grouped", 2).await;
    let group = unique("group");
    target.send(&topic, 0, numbered("v", 5)).await;
    let config = target.member(&group);
    let mut consumer = Consumer::new(config).unwrap();
    consumer.subscribe([topic.as_str()]).unwrap();
    while consumer.assignment().len() < 2 {
        consumer.poll(Duration::from_millis(100)).await.unwrap();
    }
    let listed = admin.list_groups(&[]).await.unwrap();
    let listing = listed.iter().find(|listing| listing.group_id == group).unwrap();
    assert_eq!(listing.protocol_type, "consumer");
    assert_eq!(listing.state.as_deref(), Some("Stable"));
    let described = admin.describe_groups(std::slice::from_ref(&group)).await.unwrap();
    let description = described[&group].as_ref().unwrap();
    assert_eq!(description.members.len(), 1);
    assert_eq!(description.members[0].client_id, "yeoul");
    assert_eq!(description.members[0].assignment.len(), 2);
    assert!(description.coordinator.is_some());
    let busy = admin.delete_groups(std::slice::from_ref(&group)).await.unwrap();
    assert_eq!(busy[&group].as_ref().unwrap_err().code(), Some(ErrorCode::NonEmptyGroup));
    consumer.close().await.unwrap();

    let (zero, one) = (partition(&topic, 0), partition(&topic, 1));
    let commit = OffsetToCommit { offset: 3, leader_epoch: None, metadata: "note".to_owned() };
    let offsets = BTreeMap::from([(zero.clone(), commit), (one.clone(), 0.into())]);
    let altered = admin.alter_group_offsets(&group, &offsets).await.unwrap();
    assert!(altered.values().all(Result::is_ok), "{altered:?}");
    let fetched = admin.list_group_offsets(&group, None).await.unwrap();
    assert_eq!(fetched.len(), 2);
    let committed = fetched[&zero].as_ref().unwrap();
    assert_eq!((committed.offset, committed.metadata.as_str()), (3, "note"));
    let deleted = admin.delete_group_offsets(&group, std::slice::from_ref(&one)).await.unwrap();
    assert!(deleted[&one].is_ok(), "{deleted:?}");
    let fetched =
        admin.list_group_offsets(&group, Some(&[zero.clone(), one.clone()])).await.unwrap();
    assert_eq!(fetched.keys().collect::<Vec<_>>(), [&zero]);
    let gone = admin.delete_groups(std::slice::from_ref(&group)).await.unwrap();
    assert!(gone[&group].is_ok(), "{gone:?}");
    let again = admin.delete_groups(std::slice::from_ref(&group)).await.unwrap();
    assert_eq!(again[&group].as_ref().unwrap_err().code(), Some(ErrorCode::GroupIdNotFound));
    admin.close().await;
}

pub(crate) async fn the_cluster_describes_itself(target: Arc<Target>) {
    let admin = target.admin();
    let cluster = admin.describe_cluster().await.unwrap();
    assert!(cluster.cluster_id.is_some_and(|id| !id.is_empty()));
    assert_eq!(cluster.brokers[0].id, 1);
    let versions = admin.broker_api_versions(1).await.unwrap();
    let fetch = versions.iter().find(|api| api.key == Some(protocol::ApiKey::Fetch)).unwrap();
    assert!(fetch.min <= 4 && fetch.max >= 17, "{fetch:?}");
    let topic = target.topic("dirs", 2).await;
    target.send(&topic, 0, numbered("v", 10)).await;
    let own = [partition(&topic, 0), partition(&topic, 1)];
    // A log is there once its broker has heard of the topic.
    let sizes = loop {
        let dirs = admin.describe_log_dirs(1, Some(&own)).await.unwrap();
        let replicas = dirs.values().flat_map(|dir| &dir.as_ref().unwrap().replicas);
        let sizes: BTreeMap<_, i64> = replicas.map(|(p, info)| (p.clone(), info.size)).collect();
        if sizes.len() == 2 {
            break sizes;
        }
    };
    assert!(sizes[&own[0]] > 0);
    assert_eq!(sizes[&own[1]], 0);
    let moves = admin.list_partition_reassignments(None).await.unwrap();
    assert!(moves.is_none_or(|moves| moves.is_empty()));
    admin.close().await;
}

/// Futures that a multi-threaded runtime takes.
fn is_spawnable<F: Future + Send>(_: &F) -> bool {
    true
}

pub(crate) async fn every_kind_of_call_can_be_spawned(target: Arc<Target>) {
    let (admin, producer) = (target.admin(), target.producer());
    let mut consumer = Consumer::new(target.member("spawned")).unwrap();
    let names = [String::new()];
    assert!(is_spawnable(&admin.create_topics(&[], false)));
    assert!(is_spawnable(&admin.describe_topics(&names)));
    assert!(is_spawnable(&admin.describe_groups(&names)));
    assert!(is_spawnable(&admin.delete_records(&BTreeMap::new())));
    assert!(is_spawnable(&admin.list_group_offsets("", None)));
    assert!(is_spawnable(&admin.alter_group_offsets("", &BTreeMap::new())));
    assert!(is_spawnable(&producer.send(client::Record::to("t"))));
    assert!(is_spawnable(&producer.send_batch("t", 0, &[])));
    assert!(is_spawnable(&consumer.poll(Duration::ZERO)));
    assert!(is_spawnable(&consumer.commit()));
    assert!(is_spawnable(&consumer.end_offsets(&[])));
    assert!(is_spawnable(&consumer.close()));
    assert!(is_spawnable(&producer.close()));
    producer.close().await;
    admin.close().await;
}
