//! Configurations: described with their sources, changed while the broker runs, refused by name.

use protocol::ErrorCode;
use protocol::messages::alter_configs_request::{
    AlterConfigsResource as ReplacedResource, AlterableConfig as ReplacedConfig,
};
use protocol::messages::describe_configs_request::DescribeConfigsResource;
use protocol::messages::describe_configs_response::{
    DescribeConfigsResourceResult, DescribeConfigsResult,
};
use protocol::messages::incremental_alter_configs_request::{
    AlterConfigsResource, AlterableConfig,
};
use protocol::messages::{
    AlterConfigsRequest, DescribeConfigsRequest, IncrementalAlterConfigsRequest,
    ListConfigResourcesRequest,
};

use crate::support::{TestBroker, Wire, batch};

pub(crate) const TOPIC: i8 = 2;
pub(crate) const BROKER: i8 = 4;
const LOGGER: i8 = 8;
const METRICS: i8 = 16;
const GROUP: i8 = 32;

pub(crate) const SET: i8 = 0;
pub(crate) const DELETE: i8 = 1;
const APPEND: i8 = 2;

/// Code and text of the one resource of an IncrementalAlterConfigs.
pub(crate) async fn adjust(
    wire: &mut Wire,
    resource: (i8, &str),
    operations: &[(i8, &str, &str)],
    validate_only: bool,
) -> (ErrorCode, String) {
    let configs = operations.iter().map(|(code, name, value)| AlterableConfig {
        name: (*name).to_owned(),
        config_operation: *code,
        value: (*code != DELETE).then(|| (*value).to_owned()),
    });
    let request = IncrementalAlterConfigsRequest {
        resources: vec![AlterConfigsResource {
            resource_type: resource.0,
            resource_name: resource.1.to_owned(),
            configs: configs.collect(),
        }],
        validate_only,
    };
    let response = wire.call(1, &request).await.responses.remove(0);
    (response.error_code, response.error_message.unwrap_or_default())
}

pub(crate) async fn describe(
    wire: &mut Wire,
    resource: (i8, &str),
    keys: &[&str],
) -> DescribeConfigsResult {
    let keys: Vec<String> = keys.iter().map(|key| (*key).to_owned()).collect();
    let request = DescribeConfigsRequest {
        resources: vec![DescribeConfigsResource {
            resource_type: resource.0,
            resource_name: resource.1.to_owned(),
            configuration_keys: Some(keys).filter(|keys| !keys.is_empty()),
        }],
        include_synonyms: true,
        include_documentation: true,
    };
    wire.call(4, &request).await.results.remove(0)
}

fn text(config: &DescribeConfigsResourceResult) -> String {
    let value = config.value.as_deref().unwrap_or("null");
    let synonyms = config.synonyms.iter().map(|synonym| {
        let value = synonym.value.as_deref().unwrap_or("null");
        format!("{}={value}@{}", synonym.name, synonym.source)
    });
    let synonyms = synonyms.collect::<Vec<_>>().join(" ");
    format!("{}={value}@{} [{synonyms}]", config.name, config.config_source)
}

pub(crate) async fn shown(wire: &mut Wire, resource: (i8, &str), key: &str) -> String {
    let described = describe(wire, resource, &[key]).await;
    assert_eq!(described.error_code, ErrorCode::None, "{described:?}");
    described.configs.first().map_or_else(|| "nothing".to_owned(), text)
}

#[tokio::test]
async fn a_changed_limit_holds_for_the_next_batch_and_the_next_start() {
    let test = TestBroker::start().await;
    let mut wire = test.connect().await;
    wire.create_topic("t", 1, &[]).await;
    let large = "x".repeat(2_000);
    assert_eq!(wire.produce("t", 0, batch(&[&large])).await.error_code, ErrorCode::None);

    let set = [(SET, "max.message.bytes", "1000"), (SET, "retention.ms", "5")];
    assert_eq!(adjust(&mut wire, (TOPIC, "t"), &set, false).await.0, ErrorCode::None);
    let refused = wire.produce("t", 0, batch(&[&large])).await;
    assert_eq!(refused.error_code, ErrorCode::MessageTooLarge);

    let test = test.restart().await;
    let mut wire = test.connect().await;
    let refused = wire.produce("t", 0, batch(&[&large])).await;
    assert_eq!(refused.error_code, ErrorCode::MessageTooLarge);
    let delete = [(DELETE, "max.message.bytes", "")];
    assert_eq!(adjust(&mut wire, (TOPIC, "t"), &delete, false).await.0, ErrorCode::None);
    assert_eq!(wire.produce("t", 0, batch(&[&large])).await.error_code, ErrorCode::None);
    assert_eq!(
        shown(&mut wire, (TOPIC, "t"), "retention.ms").await,
        "retention.ms=5@1 [retention.ms=5@1]"
    );
    test.stop().await;
}

#[tokio::test]
async fn a_default_of_the_cluster_holds_for_topics_that_set_nothing() {
    let test = TestBroker::with(&[("message.max.bytes", "9000")]).await;
    let mut wire = test.connect().await;
    wire.create_topic("t", 1, &[]).await;
    let large = "x".repeat(2_000);
    assert_eq!(wire.produce("t", 0, batch(&[&large])).await.error_code, ErrorCode::None);
    let set = [(SET, "message.max.bytes", "1000")];
    assert_eq!(adjust(&mut wire, (BROKER, ""), &set, false).await.0, ErrorCode::None);
    let refused = wire.produce("t", 0, batch(&[&large])).await;
    assert_eq!(refused.error_code, ErrorCode::MessageTooLarge);
    assert_eq!(
        shown(&mut wire, (TOPIC, "t"), "max.message.bytes").await,
        "max.message.bytes=1000@3 [message.max.bytes=1000@3 message.max.bytes=9000@4 \
         message.max.bytes=1048588@5]"
    );
    let set = [(SET, "message.max.bytes", "5000")];
    let one = (BROKER, "1");
    assert_eq!(adjust(&mut wire, one, &set, false).await.0, ErrorCode::None);
    assert_eq!(wire.produce("t", 0, batch(&[&large])).await.error_code, ErrorCode::None);
    let expected = "message.max.bytes=1000@3 [message.max.bytes=1000@3]";
    assert_eq!(shown(&mut wire, (BROKER, ""), "message.max.bytes").await, expected);
    test.stop().await;
}

/// A resource, operations on it, and the code and text that refuse them.
type Refused = ((i8, &'static str), &'static [Operation], ErrorCode, &'static str);

/// Code, key and value.
type Operation = (i8, &'static str, &'static str);

#[tokio::test]
async fn what_cannot_be_changed_is_refused_by_name_and_leaves_nothing_behind() {
    let test = TestBroker::start().await;
    let mut wire = test.connect().await;
    wire.create_topic("t", 1, &[]).await;
    let cases: &[Refused] = &[
        (
            (TOPIC, "t"),
            &[(SET, "retention.ms", "9"), (SET, "no.such", "1")],
            ErrorCode::InvalidConfig,
            "Unknown topic config name: no.such",
        ),
        (
            (TOPIC, "t"),
            &[(SET, "remote.storage.enable", "true")],
            ErrorCode::InvalidConfig,
            "remote.storage.enable has no effect in this broker yet, so it can't be set to true. \
             Leave it at its default, false.",
        ),
        (
            (TOPIC, "t"),
            &[(APPEND, "retention.ms", "1")],
            ErrorCode::InvalidConfig,
            "Can't APPEND to key retention.ms because its type is not LIST.",
        ),
        (
            (TOPIC, "t"),
            &[(7, "retention.ms", "1")],
            ErrorCode::InvalidRequest,
            "Unknown operation 7 on retention.ms.",
        ),
        (
            (BROKER, "1"),
            &[(SET, "num.partitions", "3")],
            ErrorCode::InvalidRequest,
            "Cannot update these configs dynamically: [num.partitions]",
        ),
        (
            (BROKER, "1"),
            &[(SET, "max.connections", "3")],
            ErrorCode::InvalidRequest,
            "max.connections takes effect when the broker starts: set it in the broker's file and \
             start the broker anew.",
        ),
        (
            (BROKER, ""),
            &[(SET, "listeners", "PLAINTEXT://:1")],
            ErrorCode::InvalidRequest,
            "Cannot update these configs at default cluster level: [listeners]",
        ),
        (
            (BROKER, "7"),
            &[(SET, "log.retention.ms", "3")],
            ErrorCode::InvalidRequest,
            "Unexpected broker id, expected 1 or empty string, but received 7",
        ),
        (
            (LOGGER, "1"),
            &[(SET, "root", "DEBUG")],
            ErrorCode::InvalidRequest,
            "The levels of loggers are set when the broker starts, by RUST_LOG.",
        ),
        (
            (METRICS, "m"),
            &[(SET, "interval.ms", "1000")],
            ErrorCode::InvalidRequest,
            "This broker does not collect client metrics yet, so there is nothing to configure.",
        ),
        (
            (GROUP, "g"),
            &[(SET, "consumer.session.timeout.ms", "50000")],
            ErrorCode::InvalidConfig,
            "consumer.session.timeout.ms has no effect in this broker yet, so it can't be set to \
             50000. Leave it at its default, 45000.",
        ),
        ((99, "x"), &[], ErrorCode::InvalidRequest, "Unexpected resource type 99."),
    ];
    for (resource, operations, code, message) in cases {
        let got = adjust(&mut wire, *resource, operations, false).await;
        assert_eq!(got, (*code, (*message).to_owned()));
    }
    let expected = "retention.ms=604800000@5 []";
    assert_eq!(shown(&mut wire, (TOPIC, "t"), "retention.ms").await, expected);
    let set = [(SET, "retention.ms", "9")];
    let only_validated = adjust(&mut wire, (TOPIC, "t"), &set, true).await;
    assert_eq!(only_validated, (ErrorCode::None, String::new()));
    assert_eq!(shown(&mut wire, (TOPIC, "t"), "retention.ms").await, expected);
    test.stop().await;
}

#[tokio::test]
async fn alter_configs_replaces_all_that_a_topic_had() {
    let test = TestBroker::start().await;
    let mut wire = test.connect().await;
    wire.create_topic("t", 1, &[("retention.ms", "7"), ("flush.messages", "1")]).await;
    let request = AlterConfigsRequest {
        resources: vec![ReplacedResource {
            resource_type: TOPIC,
            resource_name: "t".to_owned(),
            configs: vec![ReplacedConfig {
                name: "segment.bytes".to_owned(),
                value: Some("2000000".to_owned()),
            }],
        }],
        validate_only: false,
    };
    assert_eq!(wire.call(2, &request).await.responses[0].error_code, ErrorCode::None);
    let own: Vec<String> = describe(&mut wire, (TOPIC, "t"), &[])
        .await
        .configs
        .into_iter()
        .filter(|config| config.config_source == 1)
        .map(|config| config.name)
        .collect();
    assert_eq!(own, ["segment.bytes"]);
    test.stop().await;
}

#[tokio::test]
async fn every_kind_of_resource_is_described_with_types_and_words() {
    let secret = ("ssl.keystore.password", "hidden");
    let test = TestBroker::with(&[secret, ("log.retention.hours", "2")]).await;
    let mut wire = test.connect().await;
    wire.create_topic("t", 1, &[]).await;
    let counts = [((TOPIC, "t"), 33), ((BROKER, "1"), 343), ((LOGGER, "1"), 1), ((GROUP, "g"), 17)];
    for (resource, count) in counts {
        let described = describe(&mut wire, resource, &[]).await;
        assert_eq!(described.error_code, ErrorCode::None);
        assert_eq!(described.configs.len(), count, "{resource:?}");
        for config in &described.configs {
            assert!(config.documentation.as_ref().is_some_and(|text| text.ends_with('.')));
            assert!((0..=9).contains(&config.config_type));
        }
    }
    let password = describe(&mut wire, (BROKER, "1"), &["ssl.keystore.password"]).await;
    let password = &password.configs[0];
    assert_eq!(text(password), "ssl.keystore.password=null@4 [ssl.keystore.password=null@4]");
    assert!(password.is_sensitive);
    let id = describe(&mut wire, (BROKER, "1"), &["node.id"]).await;
    assert!(id.configs[0].read_only);
    assert_eq!(
        shown(&mut wire, (TOPIC, "t"), "retention.ms").await,
        "retention.ms=7200000@5 []",
        "the broker's file holds, though Kafka names no synonym for hours"
    );
    let refusals = [
        ((TOPIC, "missing"), ErrorCode::UnknownTopicOrPartition),
        ((TOPIC, "no/good"), ErrorCode::InvalidTopicException),
        ((BROKER, "x"), ErrorCode::InvalidRequest),
        ((BROKER, "2"), ErrorCode::InvalidRequest),
        ((GROUP, ""), ErrorCode::InvalidRequest),
        ((99, "x"), ErrorCode::InvalidRequest),
    ];
    for (resource, code) in refusals {
        let described = describe(&mut wire, resource, &[]).await;
        assert_eq!(described.error_code, code, "{resource:?}");
        assert!(described.error_message.is_some_and(|message| !message.is_empty()));
    }
    test.stop().await;
}

#[tokio::test]
async fn resources_with_settings_are_listed_by_type() {
    let test = TestBroker::start().await;
    let mut wire = test.connect().await;
    wire.create_topic("t", 1, &[]).await;
    let list = async |wire: &mut Wire, version, types: &[i8]| {
        let request = ListConfigResourcesRequest { resource_types: types.to_vec() };
        let response = wire.call(version, &request).await;
        let resources = response.config_resources.into_iter();
        let named = resources.map(|resource| (resource.resource_type, resource.resource_name));
        (response.error_code, named.collect::<Vec<_>>())
    };
    let topic = (TOPIC, "t".to_owned());
    let one = |code: i8| (code, "1".to_owned());
    let all = vec![topic.clone(), one(BROKER), one(LOGGER)];
    assert_eq!(list(&mut wire, 1, &[]).await, (ErrorCode::None, all));
    assert_eq!(list(&mut wire, 1, &[TOPIC]).await, (ErrorCode::None, vec![topic]));
    assert_eq!(list(&mut wire, 0, &[]).await, (ErrorCode::None, vec![]));
    assert_eq!(list(&mut wire, 1, &[99]).await, (ErrorCode::UnsupportedVersion, vec![]));
    test.stop().await;
}
