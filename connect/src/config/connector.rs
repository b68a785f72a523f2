//! The settings that every connector has, and the files that a standalone worker reads.

use std::collections::BTreeMap;
use std::path::Path;

use javatext::properties::{self, PropertiesError};
use serde_json::{Map, Value as Json};

use crate::plugin::{ConfigDef, ConfigKey, ConfigProblem, ConfigType, ConfigValues, Importance};

/// One connector's settings, `name` and `connector.class` among them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConnectorConfig {
    pub name: String,
    pub settings: BTreeMap<String, String>,
}

/// A connector's file that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConnectorFileError {
    #[error("{path}: {source}")]
    Read { path: String, source: std::io::Error },
    #[error("{path}: {source}")]
    Properties { path: String, source: PropertiesError },
    #[error("{path}: {reason}")]
    Json { path: String, reason: String },
    #[error("{path}: a connector needs a name; add one, as name=flights-source")]
    NoName { path: String },
}

impl ConnectorConfig {
    /// From pairs; `name` is one of the settings, too.
    pub fn new<K: Into<String>, V: Into<String>>(
        name: &str,
        settings: impl IntoIterator<Item = (K, V)>,
    ) -> Self {
        let pairs = settings.into_iter().map(|(key, value)| (key.into(), value.into()));
        let mut settings: BTreeMap<String, String> = pairs.collect();
        settings.insert("name".into(), name.into());
        Self { name: name.into(), settings }
    }

    /// Reads a file as `connect-standalone` does: a flat JSON object, a JSON object with `name`
    /// and `config`, or properties. The text is UTF-8; properties that are not are read as
    /// ISO 8859-1.
    pub fn read(path: &Path) -> Result<Self, ConnectorFileError> {
        let shown = || path.display().to_string();
        let bytes = std::fs::read(path)
            .map_err(|source| ConnectorFileError::Read { path: shown(), source })?;
        let text = properties::decode(&bytes);
        let settings = match serde_json::from_str::<Json>(&text) {
            Ok(Json::Object(object)) => json_settings(object)
                .map_err(|reason| ConnectorFileError::Json { path: shown(), reason })?,
            _ => properties::parse(&text)
                .map_err(|source| ConnectorFileError::Properties { path: shown(), source })?,
        };
        let name = settings.get("name").map(|name| name.trim().to_owned());
        let name = name.filter(|name| !name.is_empty());
        let name = name.ok_or_else(|| ConnectorFileError::NoName { path: shown() })?;
        Ok(Self::new(&name, settings))
    }
}

fn json_settings(object: Map<String, Json>) -> Result<BTreeMap<String, String>, String> {
    let nested = match object.get("config") {
        Some(Json::Object(config)) => {
            let mut config = config.clone();
            if let Some(name) = object.get("name") {
                config.entry("name").or_insert_with(|| name.clone());
            }
            match object.get("initial_state").and_then(Json::as_str) {
                None | Some("RUNNING") => {}
                Some(other) => {
                    return Err(format!(
                        "the initial_state {other} is not supported, only RUNNING"
                    ));
                }
            }
            config
        }
        _ => object,
    };
    nested
        .into_iter()
        .map(|(key, value)| match value {
            Json::String(text) => Ok((key, text)),
            Json::Number(number) => Ok((key, number.to_string())),
            Json::Bool(flag) => Ok((key, flag.to_string())),
            other => Err(format!("the value of {key} must be a string, not {other}")),
        })
        .collect()
}

pub(crate) fn connector_def() -> ConfigDef {
    let key = ConfigKey::new;
    ConfigDef::new()
        .with(key("name", ConfigType::String, "Name of the connector.").check(plain_name))
        .with(key("connector.class", ConfigType::Class, "Its class, or an alias of it."))
        .with(
            key("tasks.max", ConfigType::Int, "The most tasks; files are read by one.")
                .default("1")
                .at_least(1),
        )
        .with(
            key("key.converter", ConfigType::Class, "How keys become bytes; the worker's.")
                .default("")
                .importance(Importance::Low),
        )
        .with(
            key("value.converter", ConfigType::Class, "How values become bytes; the worker's.")
                .default("")
                .importance(Importance::Low),
        )
        .with(
            key(
                "topic.creation.default.partitions",
                ConfigType::Int,
                "Partitions of a topic that has to be created; the broker's default.",
            )
            .default("")
            .check(positive),
        )
        .with(
            key(
                "topic.creation.default.replication.factor",
                ConfigType::Int,
                "Replicas of such a topic; the broker's default.",
            )
            .default("")
            .check(positive),
        )
}

fn plain_name(name: &str) -> Result<(), String> {
    match name.chars().any(char::is_control) || name.trim().is_empty() {
        true => Err("it must not be empty or have control characters".into()),
        false => Ok(()),
    }
}

fn positive(value: &str) -> Result<(), String> {
    match value.parse::<i64>() {
        Ok(number) if number < 1 && number != -1 => Err("it must be 1 or more, or -1".into()),
        _ => Ok(()),
    }
}

/// Settings that mean something in Kafka Connect and are not served here: refused, so that
/// nothing behaves otherwise than its configuration says.
const NOT_SERVED: [(&str, &str); 8] = [
    ("transforms", "transformations are not served yet; take them out"),
    ("predicates", "predicates are not served yet; take them out"),
    ("header.converter", "records get no headers; take it out"),
    ("errors.deadletterqueue.", "there are no sinks yet; take it out"),
    ("exactly.once.support", "records are written exactly once without transactions; take it out"),
    ("transaction.boundary", "there are no transactions; take it out"),
    ("offsets.storage.topic", "positions are kept in the worker's topic; take it out"),
    ("topic.creation.groups", "only topic.creation.default.* is served; take it out"),
];

/// How errors are met: the one value that is served of each setting, and why.
const ERRORS: [(&str, &str, &str); 4] = [
    (
        "errors.tolerance",
        "none",
        "only none is served: a record that cannot be read stops the connector",
    ),
    (
        "errors.retry.timeout",
        "0",
        "only 0 is served: a record is tried once; what may pass starts the task again",
    ),
    ("errors.log.enable", "false", "only false is served: what stops a connector is always logged"),
    (
        "errors.log.include.messages",
        "false",
        "only false is served: what stops a connector is logged with its place",
    ),
];

/// Whether [`refused`] sees to it that a setting has the value that is served.
pub(crate) fn is_checked(key: &str) -> bool {
    ERRORS.iter().any(|(name, ..)| *name == key)
}

/// The problems of settings that this runtime does not serve.
pub(crate) fn refused(settings: &BTreeMap<String, String>) -> Vec<ConfigProblem> {
    let mut problems = Vec::new();
    for (key, value) in settings {
        let inside = |name: &str| {
            key == name
                || key
                    .strip_prefix(name)
                    .is_some_and(|rest| name.ends_with('.') || rest.starts_with('.'))
        };
        if let Some((_, reason)) = NOT_SERVED.iter().find(|(name, _)| inside(name)) {
            problems.push(ConfigProblem::invalid(key, value, reason));
        }
        let only = ERRORS.iter().find(|(name, ..)| name == key);
        if let Some((.., reason)) = only.filter(|(_, served, _)| value.trim() != *served) {
            problems.push(ConfigProblem::invalid(key, value, reason));
        }
    }
    problems
}

/// How topics are created that are not there.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct TopicCreation {
    pub(crate) partitions: Option<i32>,
    pub(crate) replication_factor: Option<i16>,
    pub(crate) configs: BTreeMap<String, String>,
}

impl TopicCreation {
    pub(crate) fn new(values: &ConfigValues) -> Self {
        let mut configs = values.below("topic.creation.default.");
        let number = |text: Option<String>| text.filter(|text| text != "-1");
        let partitions = number(configs.remove("partitions")).and_then(|n| n.parse().ok());
        let replicas = number(configs.remove("replication.factor"));
        let replication_factor = replicas.and_then(|n| n.parse().ok());
        Self { partitions, replication_factor, configs }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(name: &str, text: &str) -> Result<ConnectorConfig, ConnectorFileError> {
        let dir = tempfile::tempdir().expect("a folder");
        let path = dir.path().join(name);
        std::fs::write(&path, text).expect("written");
        ConnectorConfig::read(&path)
    }

    #[test]
    fn a_file_may_be_properties_or_either_json() {
        let properties = "name=c\nconnector.class=FileStreamSource\ntasks.max=1\n";
        let flat = r#"{"name":"c","connector.class":"FileStreamSource","tasks.max":1}"#;
        let nested =
            r#"{"name":"c","config":{"connector.class":"FileStreamSource","tasks.max":"1"}}"#;
        let expected = ConnectorConfig::new(
            "c",
            [("connector.class", "FileStreamSource"), ("tasks.max", "1")],
        );
        for text in [properties, flat, nested] {
            assert_eq!(read("c", text).expect("read"), expected, "{text}");
        }
        assert!(matches!(read("c", "a=b"), Err(ConnectorFileError::NoName { .. })));
        let paused = r#"{"name":"c","config":{},"initial_state":"PAUSED"}"#;
        assert!(matches!(read("c", paused), Err(ConnectorFileError::Json { .. })));
    }

    #[test]
    fn what_is_not_served_is_refused_by_name() {
        let settings = ConnectorConfig::new(
            "c",
            [
                ("transforms", "a"),
                ("transforms.a.type", "x"),
                ("errors.tolerance", "all"),
                ("errors.retry.timeout", "1000"),
                ("errors.log.enable", "false"),
                ("topic.creation.groups", "g"),
                ("topic.creation.default.partitions", "3"),
                ("transformsX", "fine"),
            ],
        );
        let keys: Vec<String> =
            refused(&settings.settings).into_iter().map(|problem| problem.key).collect();
        let expected = [
            "errors.retry.timeout",
            "errors.tolerance",
            "topic.creation.groups",
            "transforms",
            "transforms.a.type",
        ];
        assert_eq!(keys, expected);
    }
}
