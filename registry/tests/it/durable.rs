use client::schema_registry::SchemaRegistry;

use super::{Cluster, start};

const INNER: &str = r#"{"type":"record","name":"R","fields":[{"name":"a","type":"string"}]}"#;
const WIDER: &str = concat!(
    r#"{"type":"record","name":"R","fields":[{"name":"a","type":"string"},"#,
    r#"{"name":"b","type":"int","default":1}]}"#
);

#[tokio::test]
async fn schemas_outlive_the_registry_and_the_broker() {
    let dir = tempfile::tempdir().expect("a folder");
    let cluster = Cluster::start(dir.path()).await;
    let registry = start(&cluster).await;
    let client = SchemaRegistry::new(&registry.url()).expect("a URL");
    assert_eq!(client.register("t-value", INNER).await.expect("registered"), 1);
    assert_eq!(client.register("t-value", WIDER).await.expect("registered"), 2);
    let incompatible = client.register("t-value", "\"int\"").await.expect_err("refused");
    assert!(incompatible.to_string().contains("TYPE_MISMATCH"), "{incompatible}");
    registry.shutdown().await;
    cluster.stop().await;

    let cluster = Cluster::start(dir.path()).await;
    let registry = start(&cluster).await;
    let client = SchemaRegistry::new(&registry.url()).expect("a URL");
    let latest = client.latest("t-value").await.expect("found");
    assert_eq!((latest.id, latest.version), (2, 2));
    assert_eq!(latest.schema.text, WIDER);
    assert_eq!(client.schema(1).await.expect("found").text, INNER);
    assert_eq!(client.register("t-value", INNER).await.expect("known"), 1);
    assert_eq!(client.register("u-value", "\"long\"").await.expect("new"), 3);
    registry.shutdown().await;
    cluster.stop().await;
}

#[tokio::test]
async fn the_topic_has_the_records_that_confluent_writes() {
    let dir = tempfile::tempdir().expect("a folder");
    let cluster = Cluster::start(dir.path()).await;
    let registry = start(&cluster).await;
    let client = SchemaRegistry::new(&registry.url()).expect("a URL");
    client.register("t-value", "\"int\"").await.expect("registered");
    client.delete_subject("t-value", false).await.expect("deleted");
    registry.shutdown().await;

    let text = |bytes: Option<bytes::Bytes>| {
        bytes.map(|bytes| String::from_utf8(bytes.to_vec()).expect("text"))
    };
    let records = cluster.records("_schemas").await.into_iter();
    let texts: Vec<_> = records.map(|record| (text(record.key), text(record.value))).collect();
    assert_eq!(texts.len(), 3);
    let key = |text: &str| Some(text.to_owned());
    assert_eq!(texts[0], (key(r#"{"keytype":"NOOP","magic":0}"#), None));
    let (schema_key, schema_value) = &texts[1];
    let expected = r#"{"keytype":"SCHEMA","subject":"t-value","version":1,"magic":1}"#;
    assert_eq!(schema_key.as_deref(), Some(expected));
    let start = r#"{"subject":"t-value","version":1,"id":1,"md5":""#;
    assert!(schema_value.as_deref().is_some_and(|value| value.starts_with(start)));
    let deletion = r#"{"keytype":"DELETE_SUBJECT","subject":"t-value","magic":0}"#;
    assert_eq!(texts[2].0.as_deref(), Some(deletion));
    cluster.stop().await;
}

#[tokio::test]
async fn a_topic_with_more_partitions_is_refused() {
    let dir = tempfile::tempdir().expect("a folder");
    let cluster = Cluster::start(dir.path()).await;
    let admin = client::Admin::new(cluster.client.clone()).expect("an admin client");
    let topic = client::admin::NewTopic::new("_schemas", 2, 1);
    admin.create_topics(&[topic], false).await.expect("created");
    admin.close().await;
    let listener = "127.0.0.1:0".to_owned();
    let config = registry::RegistryConfig { listener, ..Default::default() };
    let error = registry::start(config, cluster.client.clone()).await.expect_err("refused");
    assert_eq!(
        error.to_string(),
        "the registry's topic _schemas cannot be used: it has 2 partitions, the registry needs \
         exactly one"
    );
    cluster.stop().await;
}

#[tokio::test]
async fn a_schema_comes_with_all_that_it_refers_to_in_the_order_that_a_parser_needs() {
    let dir = tempfile::tempdir().expect("a folder");
    let cluster = Cluster::start(dir.path()).await;
    let registry = start(&cluster).await;
    let http = reqwest::Client::builder().no_proxy().build().expect("a client");
    for (name, uses) in [("D", &[][..]), ("C", &["D"]), ("B", &["D"]), ("A", &["B", "C"])] {
        let field = |used: &&str| format!(r#"{{"name":"{used}","type":"{used}"}}"#);
        let fields: Vec<String> = uses.iter().map(field).collect();
        let fields = fields.join(",");
        let schema = format!(r#"{{"type":"record","name":"{name}","fields":[{fields}]}}"#);
        let reference =
            |used: &&str| serde_json::json!({"name": used, "subject": used, "version": 1});
        let references: Vec<_> = uses.iter().map(reference).collect();
        let body = serde_json::json!({"schema": schema, "references": references}).to_string();
        let url = format!("{}/subjects/{name}/versions", registry.url());
        let answer = http.post(url).body(body).send().await.expect("an answer");
        assert!(answer.status().is_success(), "{name}: {}", answer.status());
    }
    let client = SchemaRegistry::new(&registry.url()).expect("a URL");
    let latest = client.latest("A").await.expect("found").schema;
    let texts: Vec<&str> = latest.references.iter().map(String::as_str).collect();
    let order: Vec<&str> = texts.iter().map(|text| &text[25..26]).collect();
    assert_eq!(order, ["D", "B", "C"]);
    let validation = formats::avro::Validation::Lenient;
    assert!(formats::avro::Schema::parse_with(&latest.text, &texts, validation).is_ok());
    registry.shutdown().await;
    cluster.stop().await;
}

/// The registry's topic, compacted: of each key the last record, and no tombstones.
async fn compact(cluster: &Cluster, into: &Cluster) {
    let mut last = std::collections::BTreeMap::new();
    for record in cluster.records("_schemas").await {
        let key = record.key.expect("every record has a key");
        last.remove(&key);
        if let Some(value) = record.value {
            last.insert(key, (record.offset, value));
        }
    }
    let mut rows: Vec<_> = last.into_iter().collect();
    rows.sort_by_key(|(_, (offset, _))| *offset);
    into.create_topics(&["_schemas"], 1).await;
    let config = client::ProducerConfig::new(into.client.clone());
    let producer = client::Producer::new(config).expect("a producer");
    for (key, (_, value)) in rows {
        let mut record = client::Record::to("_schemas").partition(0).key(key);
        record.value = Some(value);
        producer.send(record).await.expect("sent").await.expect("written");
    }
    producer.close().await;
}

#[tokio::test]
async fn the_id_of_a_schema_that_was_deleted_for_good_is_not_given_again_after_compaction() {
    let (dir, other) = (tempfile::tempdir().expect("a folder"), tempfile::tempdir().expect("one"));
    let cluster = Cluster::start(dir.path()).await;
    let registry = start(&cluster).await;
    let client = SchemaRegistry::new(&registry.url()).expect("a URL");
    assert_eq!(client.register("a", "\"int\"").await.expect("registered"), 1);
    assert_eq!(client.register("b", "\"long\"").await.expect("registered"), 2);
    assert_eq!(client.register(":.c:x", "\"int\"").await.expect("registered"), 1);
    for subject in ["b", ":.c:x"] {
        client.delete_subject(subject, false).await.expect("deleted");
        client.delete_subject(subject, true).await.expect("deleted for good");
    }
    registry.shutdown().await;
    let compacted = Cluster::start(other.path()).await;
    compact(&cluster, &compacted).await;
    cluster.stop().await;

    let registry = start(&compacted).await;
    let client = SchemaRegistry::new(&registry.url()).expect("a URL");
    assert!(client.schema(2).await.is_err(), "it is gone");
    assert_eq!(client.register("c", "\"string\"").await.expect("registered"), 3);
    assert_eq!(client.register(":.c:y", "\"string\"").await.expect("registered"), 2);
    assert_eq!(client.register("a", "\"int\"").await.expect("known"), 1);
    registry.shutdown().await;
    compacted.stop().await;
}

/// What another registry, or an earlier one, has deleted is on the topic for a while: the first
/// start that still sees it keeps its id.
#[tokio::test]
async fn the_id_of_a_tombstone_that_is_still_there_at_the_start_outlives_it() {
    let (dir, other) = (tempfile::tempdir().expect("a folder"), tempfile::tempdir().expect("one"));
    let cluster = Cluster::start(dir.path()).await;
    cluster.create_topics(&["_schemas"], 1).await;
    let config = client::ProducerConfig::new(cluster.client.clone());
    let producer = client::Producer::new(config).expect("a producer");
    let key = r#"{"keytype":"SCHEMA","subject":"b","version":1,"magic":1}"#;
    let row = r#"{"subject":"b","version":1,"id":7,"schema":"\"long\"","deleted":true}"#;
    for value in [Some(row), None] {
        let mut record = client::Record::to("_schemas").partition(0).key(key);
        record.value = value.map(|value| value.to_owned().into());
        producer.send(record).await.expect("sent").await.expect("written");
    }
    producer.close().await;
    start(&cluster).await.shutdown().await;
    let compacted = Cluster::start(other.path()).await;
    compact(&cluster, &compacted).await;
    cluster.stop().await;

    let registry = start(&compacted).await;
    let client = SchemaRegistry::new(&registry.url()).expect("a URL");
    assert_eq!(client.register("c", "\"string\"").await.expect("registered"), 8);
    registry.shutdown().await;
    compacted.stop().await;
}
