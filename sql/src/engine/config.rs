//! Settings of the engine, and of a session with it.

use std::collections::HashMap;
use std::path::PathBuf;
use std::time::Duration;

use streams::StartFrom;

use crate::analyze::with::DefaultFormats;
use crate::error::{SqlError, did_you_mean, near_names};

/// Settings of an engine.
#[derive(Clone, Debug)]
pub struct EngineConfig {
    /// Where queries keep their state; `None`: in memory, and the changelog topics bring it back.
    pub state_dir: Option<PathBuf>,
    /// The schema registry's URL; without one AVRO is refused.
    pub registry_url: Option<String>,
    /// Names this engine's topics. Engines with the same id on one cluster would spoil each
    /// other's work.
    pub service_id: String,
    /// Replicas of internal topics and of sinks without REPLICAS; -1: the cluster's default.
    pub replication_factor: i16,
    /// Defaults of session properties (`auto.offset.reset` and the like).
    pub defaults: HashMap<String, String>,
    /// How often each query asks whether its topics are still those it started with.
    pub topic_check_interval: Duration,
    /// How long a query that somebody reads waits for something outside that does not answer (the
    /// schema registry), before it ends with the reason.
    pub reader_patience: Duration,
}

impl Default for EngineConfig {
    fn default() -> Self {
        Self {
            state_dir: None,
            registry_url: None,
            service_id: "default_".to_owned(),
            replication_factor: -1,
            defaults: HashMap::new(),
            topic_check_interval: Duration::from_secs(5),
            reader_patience: Duration::from_secs(10),
        }
    }
}

/// The properties that a session may set, with what they do.
pub(crate) const PROPERTIES: [(&str, &str, &str); 4] = [
    ("auto.offset.reset", "latest", "Where new queries begin: earliest or latest"),
    ("ksql.persistence.default.format.key", "", "KEY_FORMAT where a statement names none"),
    ("ksql.persistence.default.format.value", "", "VALUE_FORMAT where a statement names none"),
    ("ksql.streams.auto.offset.reset", "", "The same as auto.offset.reset"),
];

/// What a session has set.
#[derive(Clone, Debug, Default)]
pub(crate) struct Session {
    properties: HashMap<String, String>,
}

impl Session {
    /// The server's defaults, then the session's own properties, all of which must be known.
    pub(crate) fn new(
        defaults: &HashMap<String, String>,
        properties: &HashMap<String, String>,
    ) -> Result<Self, SqlError> {
        let mut session = Self::default();
        for (name, value) in defaults.iter().chain(properties) {
            session.set(name, value)?;
        }
        Ok(session)
    }

    pub(crate) fn set(&mut self, name: &str, value: &str) -> Result<(), SqlError> {
        let known = PROPERTIES.iter().any(|(known, ..)| *known == name);
        if !known {
            let hint = did_you_mean(&near_names(name, PROPERTIES.iter().map(|(n, ..)| *n)));
            let message = format!("Unknown property: '{name}'. It was not set.{hint}");
            return Err(SqlError::statement(message));
        }
        if name.ends_with("auto.offset.reset") && !["earliest", "latest"].contains(&value) {
            let message = format!("Invalid value {value} for {name}: use earliest or latest");
            return Err(SqlError::statement(message));
        }
        let name = name.trim_start_matches("ksql.streams.");
        self.properties.insert(name.to_owned(), value.to_owned());
        Ok(())
    }

    pub(crate) fn unset(&mut self, name: &str) {
        self.properties.remove(name.trim_start_matches("ksql.streams."));
    }

    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.properties.get(name).map(String::as_str)
    }

    pub(crate) fn start(&self) -> StartFrom {
        match self.get("auto.offset.reset") {
            Some("earliest") => StartFrom::Earliest,
            _ => StartFrom::Latest,
        }
    }

    pub(crate) fn default_formats(&self) -> DefaultFormats {
        let text = |name: &str| self.get(name).filter(|v| !v.is_empty()).map(str::to_owned);
        DefaultFormats {
            key: text("ksql.persistence.default.format.key"),
            value: text("ksql.persistence.default.format.value"),
        }
    }
}
