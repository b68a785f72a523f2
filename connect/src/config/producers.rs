//! How the producers of connectors are set up: by the worker's `producer.*`, and on top of it by a
//! connector's `producer.override.*`, as far as the worker's policy lets it.

use std::collections::BTreeMap;

use client::{ClientConfig, ConfigError, ProducerConfig, Properties};

use super::WorkerConfig;
use crate::plugin::ConfigProblem;

/// What the settings of a worker's file start with that are meant for producers.
const OF_WORKER: &str = "producer.";

/// What those of a connector start with.
const OF_CONNECTOR: &str = "producer.override.";

pub(super) const POLICY: &str = "connector.client.config.override.policy";
pub(super) const ALLOWLIST: &str = "connector.client.config.override.allowlist";

/// Which settings of its clients a connector may have of its own (KIP-458, KIP-1188).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum OverridePolicy {
    #[default]
    All,
    None,
    /// Those that say who the connector is.
    Principal,
    /// Those that are named, without `producer.override.` before them.
    Allowlist(Vec<String>),
}

impl OverridePolicy {
    /// By the name, or by the class, that Kafka Connect has for it.
    pub(super) fn find(class: &str, allowed: Vec<String>) -> Result<Self, ConfigProblem> {
        let name = class.trim().rsplit('.').next().unwrap_or_default();
        match name.strip_suffix("ConnectorClientConfigOverridePolicy").unwrap_or(name) {
            "All" => Ok(Self::All),
            "None" => Ok(Self::None),
            "Principal" => Ok(Self::Principal),
            "Allowlist" => Ok(Self::Allowlist(allowed)),
            _ => {
                let reason = "it must be one of All, None, Principal, Allowlist";
                Err(ConfigProblem::invalid(POLICY, class, reason))
            }
        }
    }

    fn name(&self) -> &'static str {
        match self {
            Self::All => "All",
            Self::None => "None",
            Self::Principal => "Principal",
            Self::Allowlist(_) => "Allowlist",
        }
    }

    fn allows(&self, key: &str) -> bool {
        match self {
            Self::All => true,
            Self::None => false,
            Self::Principal => {
                ["sasl.jaas.config", "sasl.mechanism", "security.protocol"].contains(&key)
            }
            Self::Allowlist(keys) => keys.iter().any(|allowed| allowed == key),
        }
    }
}

/// The settings of a worker's file that are meant for producers, without their prefix.
pub(super) fn of_worker(given: &BTreeMap<String, String>) -> BTreeMap<String, String> {
    below(given, OF_WORKER)
}

pub(super) fn is_of_worker(key: &str) -> bool {
    key.starts_with(OF_WORKER)
}

pub(crate) fn is_of_connector(key: &str) -> bool {
    key.starts_with(OF_CONNECTOR)
}

fn below(given: &BTreeMap<String, String>, prefix: &str) -> BTreeMap<String, String> {
    let inside = given.iter().filter_map(|(key, value)| {
        key.strip_prefix(prefix).map(|key| (key.to_owned(), value.clone()))
    });
    inside.collect()
}

/// A producer's settings, and the keys that no producer takes, as they were given.
#[derive(Debug)]
pub(crate) struct Settings {
    pub(crate) config: ProducerConfig,
    pub(crate) unknown: Vec<String>,
}

/// The settings that all producers of a worker have. `client`: how they reach the cluster.
pub(crate) fn worker_settings(
    worker: &WorkerConfig,
    client: ClientConfig,
) -> Result<Settings, ConfigProblem> {
    settings(worker, &BTreeMap::new(), client)
}

/// The settings of a connector's producer, or all that is wrong with its own ones.
pub(crate) fn connector_settings(
    worker: &WorkerConfig,
    connector: &BTreeMap<String, String>,
    client: ClientConfig,
) -> Result<Settings, Vec<ConfigProblem>> {
    let overrides = below(connector, OF_CONNECTOR);
    let policy = &worker.override_policy;
    let refused = overrides.keys().filter(|key| !policy.allows(key)).map(|key| {
        let message = format!(
            "The '{}' policy does not allow '{key}' to be overridden in the connector \
             configuration. Take out {OF_CONNECTOR}{key}; what all connectors may have stands \
             in the worker's file as {OF_WORKER}{key}, and which settings are allowed in its \
             {POLICY}.",
            policy.name()
        );
        ConfigProblem::new(format!("{OF_CONNECTOR}{key}"), message)
    });
    let refused: Vec<ConfigProblem> = refused.collect();
    if !refused.is_empty() {
        return Err(refused);
    }
    let mut settings = settings(worker, &overrides, client).map_err(|problem| vec![problem])?;
    settings.unknown.retain(|key| is_of_connector(key));
    Ok(settings)
}

fn settings(
    worker: &WorkerConfig,
    overrides: &BTreeMap<String, String>,
    client: ClientConfig,
) -> Result<Settings, ConfigProblem> {
    let full = |key: &str| {
        let prefix = if overrides.contains_key(key) { OF_CONNECTOR } else { OF_WORKER };
        format!("{prefix}{key}")
    };
    let mut properties: Properties = worker.producer.iter().chain(overrides).collect();
    for (key, reason) in NOT_FREE {
        if let Some(value) = properties.string(key)
            && !fits(key, &value)
        {
            return Err(ConfigProblem::invalid(&full(key), &value, reason));
        }
    }
    let config = ProducerConfig::new(client).with_properties(&mut properties);
    let config = config.map_err(|error| match error {
        ConfigError::Invalid { key, value, reason }
        | ConfigError::Unsupported { key, value, reason } => {
            ConfigProblem::invalid(&full(&key), &value, &reason)
        }
        ConfigError::Missing { key } => ConfigProblem::new(full(key), error.to_string()),
        ConfigError::Conflict(text) => {
            let prefix = if overrides.is_empty() { OF_WORKER } else { OF_CONNECTOR };
            ConfigProblem::new(prefix, format!("{prefix}* cannot be used: {text}"))
        }
    })?;
    Ok(Settings { config, unknown: properties.unused().iter().map(|key| full(key)).collect() })
}

/// Settings of producers that a connector depends on.
const NOT_FREE: [(&str, &str); 3] = [
    (
        "acks",
        "without an answer nobody knows where a record was written, and which were written \
         before an interruption; take 1 or all",
    ),
    ("key.serializer", "the bytes of a key are made by key.converter; take it out"),
    ("value.serializer", "the bytes of a value are made by value.converter; take it out"),
];

fn fits(key: &str, value: &str) -> bool {
    match key {
        "acks" => value != "0",
        _ => value.rsplit('.').next() == Some("ByteArraySerializer"),
    }
}

#[cfg(test)]
mod tests {
    use client::producer::Compression;

    use super::*;

    fn pairs(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
    }

    fn worker(producer: &[(&str, &str)], policy: OverridePolicy) -> WorkerConfig {
        let mut config = WorkerConfig::new::<String, String>([]);
        config.producer = pairs(producer);
        config.override_policy = policy;
        config
    }

    fn of(worker: &WorkerConfig, own: &[(&str, &str)]) -> Result<Settings, Vec<ConfigProblem>> {
        connector_settings(worker, &pairs(own), ClientConfig::tcp("a:1").named("c"))
    }

    #[test]
    fn a_connectors_settings_go_on_top_of_the_workers() {
        let producer = [("max.request.size", "5"), ("compression.type", "lz4"), ("acks", "1")];
        let worker = worker(&producer, OverridePolicy::All);
        let own = [
            ("producer.override.max.request.size", "9"),
            ("producer.override.client.id", "me"),
            ("max.request.size", "7"),
        ];
        let Settings { config, unknown } = of(&worker, &own).expect("settings");
        assert_eq!((config.max_request_size, config.compression), (9, Compression::Lz4));
        assert_eq!(config.client.client_id, "me");
        assert_eq!(unknown, [""; 0]);
        let plain = of(&worker, &[]).expect("settings").config;
        assert_eq!((plain.max_request_size, plain.client.client_id.as_str()), (5, "c"));
    }

    #[test]
    fn settings_that_no_producer_knows_are_named_where_they_stand() {
        let worker = worker(&[("max.request.sice", "5")], OverridePolicy::All);
        let client = ClientConfig::tcp("a:1");
        let unknown = worker_settings(&worker, client).expect("settings").unknown;
        assert_eq!(unknown, ["producer.max.request.sice"]);
        let unknown = of(&worker, &[("producer.override.akcs", "1")]).expect("settings").unknown;
        assert_eq!(unknown, ["producer.override.akcs"], "the worker's are told with the worker");
    }

    #[test]
    fn a_policy_allows_what_it_says() {
        let own = [("producer.override.acks", "1"), ("producer.override.linger.ms", "2")];
        let told = |policy: &str, allowed: &[&str]| {
            let allowed = allowed.iter().map(|key| (*key).to_owned()).collect();
            let policy = OverridePolicy::find(policy, allowed).expect("a policy");
            let problems = of(&worker(&[], policy), &own).map(|_| ()).err().unwrap_or_default();
            problems.into_iter().map(|problem| problem.key).collect::<Vec<_>>()
        };
        let both = ["producer.override.acks", "producer.override.linger.ms"];
        let package = "org.apache.kafka.connect.connector.policy.";
        let class = format!("{package}AllConnectorClientConfigOverridePolicy");
        assert_eq!(told("All", &[]), [""; 0]);
        assert_eq!(told(&class, &[]), [""; 0]);
        assert_eq!(told("None", &[]), both);
        assert_eq!(told("Principal", &[]), both);
        assert_eq!(told("Allowlist", &["acks"]), both[1..]);
        assert!(OverridePolicy::find("Some", Vec::new()).is_err());
        let none = of(&worker(&[], OverridePolicy::None), &own).expect_err("refused");
        let words = "The 'None' policy does not allow 'acks' to be overridden in the connector \
                     configuration.";
        assert!(none[0].message.starts_with(words), "{}", none[0]);
    }

    #[test]
    fn what_a_connector_depends_on_is_not_free() {
        let all = worker(&[], OverridePolicy::All);
        for (key, value, told) in [
            ("acks", "0", "take 1 or all"),
            ("value.serializer", "a.StringSerializer", "value.converter"),
            ("transactional.id", "t", "leave the key out"),
            ("max.request.size", "2 MB", "not a number"),
        ] {
            let name = format!("producer.override.{key}");
            let problems = of(&all, &[(name.as_str(), value)]).expect_err(key);
            let start = format!("Invalid value {value} for configuration {name}: ");
            assert!(problems[0].message.starts_with(&start), "{}", problems[0]);
            assert!(problems[0].message.contains(told), "{}", problems[0]);
        }
        let bytes = "org.apache.kafka.common.serialization.ByteArraySerializer";
        of(&all, &[("producer.override.key.serializer", bytes)]).expect("what it is anyway");
        let at_odds = worker(&[("enable.idempotence", "true")], OverridePolicy::All);
        let problems = of(&at_odds, &[("producer.override.acks", "1")]).expect_err("at odds");
        assert!(problems[0].message.contains("Must set acks to all"), "{}", problems[0]);
    }
}
