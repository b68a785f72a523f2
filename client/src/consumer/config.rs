//! How a consumer fetches, where it starts and how it behaves in its group.

use std::time::Duration;

use crate::config::{ClientConfig, Properties, split_list};
use crate::consumer::assignor::AssignorKind;
use crate::error::ConfigError;

/// Where to start in a partition without a committed offset, or whose position is gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OffsetReset {
    /// At the first record that is still there.
    Earliest,
    /// After the last record.
    #[default]
    Latest,
    /// Nowhere: `poll` answers with an error.
    None,
    /// At the first record not older than this (KIP-1106).
    ByDuration(Duration),
}

/// Which records of transactions a consumer sees.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum IsolationLevel {
    /// All of them, at once.
    #[default]
    ReadUncommitted,
    /// Those of committed transactions, up to the first open one.
    ReadCommitted,
}

impl IsolationLevel {
    pub(crate) fn wire(self) -> i8 {
        match self {
            Self::ReadUncommitted => 0,
            Self::ReadCommitted => 1,
        }
    }
}

/// How a consumer behaves in its group.
#[derive(Debug, Clone)]
pub struct GroupConfig {
    /// `group.id`; without it there are neither subscriptions nor commits.
    pub id: Option<String>,
    /// `group.instance.id`: a static member keeps its partitions over a restart (KIP-345).
    pub instance_id: Option<String>,
    /// A member silent for this long is dropped.
    pub session_timeout: Duration,
    /// Pause between heartbeats.
    pub heartbeat_interval: Duration,
    /// A consumer that does not `poll` for this long leaves its group.
    pub max_poll_interval: Duration,
    /// Assignors offered to the group, best first.
    pub assignors: Vec<AssignorKind>,
    /// Whether `poll` and `close` commit positions by themselves.
    pub auto_commit: bool,
    /// Pause between automatic commits.
    pub auto_commit_interval: Duration,
}

/// How a consumer fetches.
#[derive(Debug, Clone)]
pub struct FetchConfig {
    /// The broker answers once it has this much, or after `max_wait`.
    pub min_bytes: i32,
    /// How long the broker may wait for `min_bytes`.
    pub max_wait: Duration,
    /// Most bytes in one answer; the first batch always comes whole.
    pub max_bytes: i32,
    /// Most bytes of one partition in one answer; the first batch always comes whole.
    pub max_partition_bytes: i32,
    /// Which records of transactions are seen.
    pub isolation: IsolationLevel,
    /// Whether each batch's checksum is verified.
    pub check_crcs: bool,
    /// `client.rack`: fetch from a replica in the same rack where the broker offers one (KIP-392).
    pub rack: String,
}

/// Configuration of a [`crate::Consumer`].
#[derive(Debug, Clone)]
pub struct ConsumerConfig {
    /// How to reach the cluster.
    pub client: ClientConfig,
    /// The group.
    pub group: GroupConfig,
    /// Fetching.
    pub fetch: FetchConfig,
    /// Where to start without a committed offset.
    pub offset_reset: OffsetReset,
    /// `poll` returns no further batch once it has this many records. Batches stay whole.
    pub max_poll_records: usize,
    /// Whether asking for a topic may create it.
    pub allow_auto_create_topics: bool,
    /// Whether a pattern never matches Kafka's own topics.
    pub exclude_internal_topics: bool,
}

impl ConsumerConfig {
    /// Kafka's defaults for the given cluster, outside of any group.
    pub fn new(client: ClientConfig) -> Self {
        Self {
            client,
            group: GroupConfig {
                id: None,
                instance_id: None,
                session_timeout: Duration::from_millis(45_000),
                heartbeat_interval: Duration::from_millis(3000),
                max_poll_interval: Duration::from_millis(300_000),
                assignors: vec![AssignorKind::Range, AssignorKind::CooperativeSticky],
                auto_commit: true,
                auto_commit_interval: Duration::from_millis(5000),
            },
            fetch: FetchConfig {
                min_bytes: 1,
                max_wait: Duration::from_millis(500),
                max_bytes: 50 << 20,
                max_partition_bytes: 1 << 20,
                isolation: IsolationLevel::ReadUncommitted,
                check_crcs: true,
                rack: String::new(),
            },
            offset_reset: OffsetReset::Latest,
            max_poll_records: 500,
            allow_auto_create_topics: true,
            exclude_internal_topics: true,
        }
    }

    /// The same, as a member of `group`.
    pub fn in_group(mut self, group: impl Into<String>) -> Self {
        self.group.id = Some(group.into());
        self
    }

    /// Reads Kafka's property names; see [`ClientConfig::from_properties`].
    pub fn from_properties(properties: &mut Properties) -> Result<Self, ConfigError> {
        let mut config = Self::new(ClientConfig::from_properties(properties)?);
        config.group.read(properties)?;
        config.fetch.read(properties)?;
        if let Some(reset) = properties.string("auto.offset.reset") {
            config.offset_reset = parse_reset(&reset)?;
        }
        let counts = 1..=i64::from(i32::MAX);
        properties.number("max.poll.records", counts, &mut config.max_poll_records)?;
        let create = "allow.auto.create.topics";
        properties.boolean(create, &mut config.allow_auto_create_topics)?;
        properties.boolean("exclude.internal.topics", &mut config.exclude_internal_topics)?;
        config.validate()?;
        Ok(config)
    }

    /// Checks the values against each other.
    pub fn validate(&self) -> Result<(), ConfigError> {
        self.client.validate()?;
        let group = &self.group;
        if group.id.as_deref() == Some("") {
            return Err(ConfigError::Invalid {
                key: "group.id".to_owned(),
                value: String::new(),
                reason: "the name of a group cannot be empty".to_owned(),
            });
        }
        if group.heartbeat_interval >= group.session_timeout {
            return Err(ConfigError::Conflict(
                "heartbeat.interval.ms must be lower than session.timeout.ms".to_owned(),
            ));
        }
        if group.assignors.is_empty() {
            return Err(ConfigError::Missing { key: "partition.assignment.strategy" });
        }
        Ok(())
    }
}

impl GroupConfig {
    fn read(&mut self, properties: &mut Properties) -> Result<(), ConfigError> {
        self.id = properties.string("group.id");
        self.instance_id = properties.string("group.instance.id");
        if let Some(value) = properties.string("group.protocol")
            && !value.eq_ignore_ascii_case("classic")
        {
            return Err(ConfigError::Unsupported {
                key: "group.protocol".to_owned(),
                value,
                reason: "this client speaks the classic protocol; use group.protocol=classic"
                    .to_owned(),
            });
        }
        properties.millis("session.timeout.ms", &mut self.session_timeout)?;
        properties.millis("heartbeat.interval.ms", &mut self.heartbeat_interval)?;
        properties.millis("max.poll.interval.ms", &mut self.max_poll_interval)?;
        properties.boolean("enable.auto.commit", &mut self.auto_commit)?;
        properties.millis("auto.commit.interval.ms", &mut self.auto_commit_interval)?;
        if let Some(classes) = properties.string("partition.assignment.strategy") {
            self.assignors = split_list(&classes)
                .iter()
                .map(|class| AssignorKind::from_name(class))
                .collect::<Result<_, _>>()?;
        }
        Ok(())
    }
}

impl FetchConfig {
    fn read(&mut self, properties: &mut Properties) -> Result<(), ConfigError> {
        let sizes = 0..=i64::from(i32::MAX);
        properties.number("fetch.min.bytes", sizes.clone(), &mut self.min_bytes)?;
        properties.millis("fetch.max.wait.ms", &mut self.max_wait)?;
        properties.number("fetch.max.bytes", sizes.clone(), &mut self.max_bytes)?;
        properties.number("max.partition.fetch.bytes", sizes, &mut self.max_partition_bytes)?;
        let levels = [
            ("read_uncommitted", IsolationLevel::ReadUncommitted),
            ("read_committed", IsolationLevel::ReadCommitted),
        ];
        properties.choice("isolation.level", &levels, &mut self.isolation)?;
        properties.boolean("check.crcs", &mut self.check_crcs)?;
        if let Some(rack) = properties.string("client.rack") {
            self.rack = rack;
        }
        Ok(())
    }
}

/// `earliest`, `latest`, `none` or `by_duration:<ISO-8601 duration>`.
fn parse_reset(text: &str) -> Result<OffsetReset, ConfigError> {
    let invalid = || ConfigError::Invalid {
        key: "auto.offset.reset".to_owned(),
        value: text.to_owned(),
        reason: "must be earliest, latest, none or by_duration:<duration, as PT1H30M>".to_owned(),
    };
    match text.to_ascii_lowercase().as_str() {
        "earliest" => Ok(OffsetReset::Earliest),
        "latest" => Ok(OffsetReset::Latest),
        "none" => Ok(OffsetReset::None),
        lower => {
            let duration = lower.strip_prefix("by_duration:").ok_or_else(invalid)?;
            parse_iso_duration(duration).map(OffsetReset::ByDuration).ok_or_else(invalid)
        }
    }
}

/// The durations that Java's `Duration.parse` reads: days, hours, minutes and seconds.
fn parse_iso_duration(text: &str) -> Option<Duration> {
    let rest = text.strip_prefix(['p', 'P'])?;
    let mut seconds = 0f64;
    let mut number = String::new();
    let mut in_time = false;
    let mut found = false;
    for c in rest.chars() {
        let unit = match c.to_ascii_lowercase() {
            't' if number.is_empty() && !in_time => {
                in_time = true;
                continue;
            }
            '0'..='9' | '.' => {
                number.push(c);
                continue;
            }
            'd' if !in_time => 86_400.0,
            'h' if in_time => 3600.0,
            'm' if in_time => 60.0,
            's' if in_time => 1.0,
            _ => return None,
        };
        seconds += number.parse::<f64>().ok()? * unit;
        number.clear();
        found = true;
    }
    if !found || !number.is_empty() {
        return None;
    }
    Duration::try_from_secs_f64(seconds).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(pairs: &[(&str, &str)]) -> Result<ConsumerConfig, ConfigError> {
        let base = [("bootstrap.servers", "a:1")];
        let mut properties: Properties = base.iter().chain(pairs).copied().collect();
        let config = ConsumerConfig::from_properties(&mut properties)?;
        assert_eq!(properties.unused(), Vec::<String>::new());
        Ok(config)
    }

    #[test]
    fn kafka_names_set_their_fields() {
        let config = parse(&[
            ("group.id", "g"),
            ("auto.offset.reset", "earliest"),
            ("isolation.level", "read_committed"),
            ("max.poll.records", "7"),
            ("fetch.max.wait.ms", "9"),
            (
                "partition.assignment.strategy",
                "org.apache.kafka.clients.consumer.RoundRobinAssignor, cooperative-sticky",
            ),
        ])
        .unwrap();
        assert_eq!(config.group.id.as_deref(), Some("g"));
        assert_eq!(config.offset_reset, OffsetReset::Earliest);
        assert_eq!(config.fetch.isolation, IsolationLevel::ReadCommitted);
        assert_eq!(config.max_poll_records, 7);
        assert_eq!(config.fetch.max_wait, Duration::from_millis(9));
        assert_eq!(
            config.group.assignors,
            [AssignorKind::RoundRobin, AssignorKind::CooperativeSticky]
        );
    }

    #[test]
    fn what_cannot_work_is_refused() {
        assert!(parse(&[("group.protocol", "consumer")]).is_err());
        assert!(parse(&[("auto.offset.reset", "middle")]).is_err());
        assert!(parse(&[("partition.assignment.strategy", "com.example.Mine")]).is_err());
        assert!(
            parse(&[("heartbeat.interval.ms", "50000"), ("session.timeout.ms", "45000")]).is_err()
        );
    }

    #[test]
    fn durations_are_read_as_java_reads_them() {
        let check = |text: &str| parse_iso_duration(text).map(|d| d.as_secs());
        assert_eq!(check("PT1H30M"), Some(5400));
        assert_eq!(check("P1DT1S"), Some(86_401));
        assert_eq!(check("pt0.5m"), Some(30));
        assert_eq!(check("P"), None);
        assert_eq!(check("P1M"), None);
        assert_eq!(check("PT1"), None);
    }
}
