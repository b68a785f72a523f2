//! The settings of a worker.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use super::producers::{self, OverridePolicy};
use crate::plugin::{ConfigDef, ConfigKey, ConfigProblem, ConfigType};

/// Where positions are kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OffsetStorage {
    /// In a compacted topic of the cluster, created if it is not there.
    Topic { name: String, partitions: i32, replication_factor: i16 },
    /// In a file of this machine.
    File(PathBuf),
}

/// What all connectors of a worker share.
#[derive(Clone, Debug)]
pub struct WorkerConfig {
    pub offsets: OffsetStorage,
    /// A connector's positions are remembered at least this often while it writes.
    pub offset_flush_interval: Duration,
    /// `key.converter`, `value.converter` and their settings, for connectors without their own.
    pub converters: BTreeMap<String, String>,
    /// Takes the place of `value.converter` for connectors whose values are plain texts, such as a
    /// file's lines. A worker's file names one converter for all, so that it has none.
    pub text_converter: Option<String>,
    /// Settings of the connectors' producers, by Kafka's names, on top of what the client says.
    pub producer: BTreeMap<String, String>,
    /// Which of them a connector may have of its own, as `producer.override.*`.
    pub override_policy: OverridePolicy,
}

impl WorkerConfig {
    /// Positions in the topic `connect-offsets`, converters as given: pairs such as
    /// (`value.converter`, `AvroConverter`), (`value.converter.schema.registry.url`, `http://...`).
    pub fn new<K: Into<String>, V: Into<String>>(
        converters: impl IntoIterator<Item = (K, V)>,
    ) -> Self {
        let pairs = converters.into_iter().map(|(key, value)| (key.into(), value.into()));
        Self {
            offsets: OffsetStorage::Topic {
                name: "connect-offsets".into(),
                partitions: 1,
                replication_factor: 1,
            },
            offset_flush_interval: Duration::from_secs(10),
            converters: pairs.collect(),
            text_converter: None,
            producer: BTreeMap::new(),
            override_policy: OverridePolicy::All,
        }
    }

    /// With another converter for values that are plain texts.
    pub fn with_text_converter(self, class: impl Into<String>) -> Self {
        Self { text_converter: Some(class.into()), ..self }
    }

    /// From the settings of a `worker.properties`. The clients' settings (`bootstrap.servers`) are
    /// the caller's, who finds them by [`WorkerConfig::client_settings`]; those of the distributed
    /// mode and of the REST API are named in a warning.
    pub fn from_properties(given: &BTreeMap<String, String>) -> Result<Self, Vec<ConfigProblem>> {
        let values = definition().parse(given)?;
        let file = values.given("offset.storage.file.filename");
        let offsets = match (file, values.given("offset.storage.topic")) {
            (Some(_), Some(_)) => {
                return Err(vec![ConfigProblem::new(
                    "offset.storage.topic",
                    "offset.storage.file.filename and offset.storage.topic are both given; \
                     positions are kept in one of them",
                )]);
            }
            (Some(file), None) => OffsetStorage::File(file.into()),
            (None, topic) => OffsetStorage::Topic {
                name: topic.unwrap_or("connect-offsets").to_owned(),
                partitions: i32::try_from(values.number("offset.storage.partitions")).unwrap_or(1),
                replication_factor: i16::try_from(
                    values.number("offset.storage.replication.factor"),
                )
                .unwrap_or(1),
            },
        };
        let interval = u64::try_from(values.number("offset.flush.interval.ms")).unwrap_or(0);
        let converters = given.iter().filter(|(key, _)| is_converter(key));
        let allowed = values.list(producers::ALLOWLIST);
        let policy = OverridePolicy::find(values.text(producers::POLICY), allowed);
        let override_policy = policy.map_err(|problem| vec![problem])?;
        warn_about(given);
        Ok(Self {
            offsets,
            offset_flush_interval: Duration::from_millis(interval),
            converters: converters.map(|(key, value)| (key.clone(), value.clone())).collect(),
            text_converter: None,
            producer: producers::of_worker(given),
            override_policy,
        })
    }

    /// The settings of a `worker.properties` that say how its clients reach the cluster.
    pub fn client_settings(given: &BTreeMap<String, String>) -> BTreeMap<String, String> {
        let clients = given.iter().filter(|(key, _)| CLIENT_KEYS.contains(&key.as_str()));
        clients.map(|(key, value)| (key.clone(), value.clone())).collect()
    }
}

fn is_converter(key: &str) -> bool {
    key.starts_with("key.converter") || key.starts_with("value.converter")
}

fn definition() -> ConfigDef {
    let key = ConfigKey::new;
    ConfigDef::new()
        .with(key("key.converter", ConfigType::Class, "How keys become bytes."))
        .with(key("value.converter", ConfigType::Class, "How values become bytes."))
        .with(
            key("offset.storage.file.filename", ConfigType::String, "File with positions.")
                .default(""),
        )
        .with(key("offset.storage.topic", ConfigType::String, "Topic with positions.").default(""))
        .with(
            key("offset.storage.partitions", ConfigType::Int, "Its partitions.")
                .default("25")
                .at_least(1),
        )
        .with(
            key("offset.storage.replication.factor", ConfigType::Int, "Its replicas.")
                .default("3")
                .at_least(1),
        )
        .with(
            key("offset.flush.interval.ms", ConfigType::Long, "How often positions are kept.")
                .default("60000")
                .at_least(0),
        )
        .with(
            key(producers::POLICY, ConfigType::Class, "What connectors may set of producers.")
                .default("All"),
        )
        .with(
            key(producers::ALLOWLIST, ConfigType::List, "What the policy Allowlist allows.")
                .default(""),
        )
}

/// Keys that are not this crate's, and not the clients' either.
fn warn_about(given: &BTreeMap<String, String>) {
    for key in without_effect(given) {
        tracing::warn!(key, "this setting of the worker has no effect here");
    }
}

/// The settings that the worker's clients take.
const CLIENT_KEYS: [&str; 13] = [
    "bootstrap.servers",
    "security.protocol",
    "client.id",
    "request.timeout.ms",
    "default.api.timeout.ms",
    "retry.backoff.ms",
    "retry.backoff.max.ms",
    "reconnect.backoff.ms",
    "reconnect.backoff.max.ms",
    "metadata.max.age.ms",
    "connections.max.idle.ms",
    "send.buffer.bytes",
    "receive.buffer.bytes",
];

fn without_effect(given: &BTreeMap<String, String>) -> impl Iterator<Item = &str> {
    let served = definition();
    let taken = move |key: &str| {
        served.has(key)
            || is_converter(key)
            || producers::is_of_worker(key)
            || CLIENT_KEYS.contains(&key)
    };
    given.keys().map(String::as_str).filter(move |key| !taken(key))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_producers_are_to_have_is_taken_from_the_file() {
        let text = "key.converter=StringConverter\nvalue.converter=StringConverter\n\
                    producer.max.request.size=4194304\n\
                    connector.client.config.override.policy=Allowlist\n\
                    connector.client.config.override.allowlist=acks, linger.ms\n";
        let given = super::super::parse_properties(text).expect("properties");
        let config = WorkerConfig::from_properties(&given).expect("valid");
        let producer = [("max.request.size".to_owned(), "4194304".to_owned())];
        assert_eq!(config.producer, producer.into());
        let allowed = vec!["acks".to_owned(), "linger.ms".to_owned()];
        assert_eq!(config.override_policy, OverridePolicy::Allowlist(allowed));
        let unknown = text.replace("Allowlist", "Some");
        let given = super::super::parse_properties(&unknown).expect("properties");
        let problems = WorkerConfig::from_properties(&given).expect_err("no such policy");
        assert_eq!(
            problems[0].message,
            "Invalid value Some for configuration connector.client.config.override.policy: it \
             must be one of All, None, Principal, Allowlist"
        );
    }

    #[test]
    fn kafkas_standalone_file_is_understood() {
        let text = "bootstrap.servers=localhost:9092\n\
                    key.converter=org.apache.kafka.connect.json.JsonConverter\n\
                    value.converter=org.apache.kafka.connect.json.JsonConverter\n\
                    key.converter.schemas.enable=true\nvalue.converter.schemas.enable=true\n\
                    offset.storage.file.filename=/tmp/connect.offsets\n\
                    offset.flush.interval.ms=10000\n";
        let given = super::super::parse_properties(text).expect("properties");
        let config = WorkerConfig::from_properties(&given).expect("valid");
        assert_eq!(config.offsets, OffsetStorage::File("/tmp/connect.offsets".into()));
        assert_eq!(config.offset_flush_interval, Duration::from_secs(10));
        assert_eq!(config.converters.len(), 4);
        assert_eq!(without_effect(&given).next(), None);
        let distributed = [
            ("session.timeout.ms", "1"),
            ("request.timeout.ms", "1"),
            ("producer.max.request.size", "5"),
        ];
        let distributed = distributed.map(|(key, value)| (key.to_owned(), value.to_owned())).into();
        assert_eq!(without_effect(&distributed).collect::<Vec<_>>(), ["session.timeout.ms"]);
        let clients = WorkerConfig::client_settings(&distributed);
        assert_eq!(clients.into_keys().collect::<Vec<_>>(), ["request.timeout.ms"]);
        let problems = WorkerConfig::from_properties(&BTreeMap::new()).expect_err("two missing");
        assert_eq!(problems.len(), 2);
    }
}
