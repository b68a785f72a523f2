//! How a producer batches, retries and places records.

use std::time::Duration;

use protocol::record::{Codec, Compression};

use crate::config::{ClientConfig, Properties};
use crate::error::ConfigError;

/// When the broker answers a produce request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Acks {
    /// Never: a record counts as delivered once it is on the wire.
    None,
    /// When the leader has it.
    Leader,
    /// When all in-sync replicas have it.
    All,
}

impl Acks {
    pub(crate) fn wire(self) -> i16 {
        match self {
            Self::None => 0,
            Self::Leader => 1,
            Self::All => -1,
        }
    }
}

/// Where a record without a partition goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Partitioner {
    /// By murmur2 of the key, as Kafka; records without a key stick to one partition for a batch.
    #[default]
    Default,
    /// One partition after the other, whatever the key.
    RoundRobin,
}

/// Configuration of a [`crate::Producer`].
#[derive(Debug, Clone)]
pub struct ProducerConfig {
    /// How to reach the cluster.
    pub client: ClientConfig,
    /// When a record counts as delivered.
    pub acks: Acks,
    /// How long a batch that is not full waits for more records.
    pub linger: Duration,
    /// Bytes at which a batch is full.
    pub batch_size: usize,
    /// How batches are compressed.
    pub compression: Compression,
    /// How hard it tries, for the codecs with levels; `None` is the codec's default.
    pub compression_level: Option<i32>,
    /// Exactly-once, in-order appending per partition; `None`: wherever `acks`, `retries` and
    /// `max_in_flight` allow it.
    pub idempotence: Option<bool>,
    /// Unanswered produce requests per broker.
    pub max_in_flight: usize,
    /// How long after `send` a record may wait for its confirmation.
    pub delivery_timeout: Duration,
    /// How often a batch is sent again.
    pub retries: u32,
    /// Bytes of records that may wait; `send` waits beyond it.
    pub buffer_memory: usize,
    /// Largest produce request, and thereby the largest record.
    pub max_request_size: usize,
    /// How long `send` may wait for metadata and for room in the buffer.
    pub max_block: Duration,
    /// Where records without a partition go.
    pub partitioner: Partitioner,
    /// Whether the default partitioner treats every record as having no key.
    pub ignore_keys: bool,
    /// Whether the default partitioner prefers partitions with less data waiting.
    pub adaptive_partitioning: bool,
}

impl ProducerConfig {
    /// Kafka's defaults for the given cluster.
    pub fn new(client: ClientConfig) -> Self {
        Self {
            client,
            acks: Acks::All,
            linger: Duration::from_millis(5),
            batch_size: 16_384,
            compression: Compression::None,
            compression_level: None,
            idempotence: None,
            max_in_flight: 5,
            delivery_timeout: Duration::from_millis(120_000),
            retries: i32::MAX.unsigned_abs(),
            buffer_memory: 32 << 20,
            max_request_size: 1 << 20,
            max_block: Duration::from_secs(60),
            partitioner: Partitioner::Default,
            ignore_keys: false,
            adaptive_partitioning: true,
        }
    }

    /// Reads Kafka's property names; see [`ClientConfig::from_properties`].
    pub fn from_properties(properties: &mut Properties) -> Result<Self, ConfigError> {
        let servers = properties.get("bootstrap.servers");
        let servers = servers.ok_or(ConfigError::Missing { key: "bootstrap.servers" })?.to_owned();
        Self::new(ClientConfig::tcp(&servers)).with_properties(properties)
    }

    /// The same with Kafka's properties on top; see [`ClientConfig::with_properties`].
    pub fn with_properties(mut self, properties: &mut Properties) -> Result<Self, ConfigError> {
        if let Some(value) = properties.string("transactional.id") {
            return Err(ConfigError::Unsupported {
                key: "transactional.id".to_owned(),
                value,
                reason: "this producer has no transactions; leave the key out".to_owned(),
            });
        }
        self.client = self.client.with_properties(properties)?;
        let acks = [("all", Acks::All), ("-1", Acks::All), ("1", Acks::Leader), ("0", Acks::None)];
        properties.choice("acks", &acks, &mut self.acks)?;
        properties.millis("linger.ms", &mut self.linger)?;
        properties.number("batch.size", 0..=i64::from(i32::MAX), &mut self.batch_size)?;
        let codecs = [
            ("none", Compression::None),
            ("gzip", Compression::Gzip),
            ("snappy", Compression::Snappy),
            ("lz4", Compression::Lz4),
            ("zstd", Compression::Zstd),
        ];
        properties.choice("compression.type", &codecs, &mut self.compression)?;
        self.read_levels(properties)?;
        if properties.get("enable.idempotence").is_some() {
            let mut idempotence = true;
            properties.boolean("enable.idempotence", &mut idempotence)?;
            self.idempotence = Some(idempotence);
        }
        let in_flight = "max.in.flight.requests.per.connection";
        properties.number(in_flight, 1..=i64::from(i32::MAX), &mut self.max_in_flight)?;
        properties.number("retries", 0..=i64::from(i32::MAX), &mut self.retries)?;
        properties.number("buffer.memory", 0..=i64::from(i32::MAX), &mut self.buffer_memory)?;
        let sizes = 0..=i64::from(i32::MAX);
        properties.number("max.request.size", sizes, &mut self.max_request_size)?;
        properties.millis("max.block.ms", &mut self.max_block)?;
        properties.boolean("partitioner.ignore.keys", &mut self.ignore_keys)?;
        let adaptive = "partitioner.adaptive.partitioning.enable";
        properties.boolean(adaptive, &mut self.adaptive_partitioning)?;
        if let Some(partitioner) = partitioner(properties)? {
            self.partitioner = partitioner;
        }
        if properties.get("delivery.timeout.ms").is_some() {
            properties.millis("delivery.timeout.ms", &mut self.delivery_timeout)?;
        } else {
            let least = self.linger + self.client.request_timeout;
            self.delivery_timeout = self.delivery_timeout.max(least);
        }
        self.validate()?;
        Ok(self)
    }

    /// Checks the values against each other, in Kafka's words.
    pub fn validate(&self) -> Result<(), ConfigError> {
        self.client.validate()?;
        let conflict = |text: &str| Err(ConfigError::Conflict(text.to_owned()));
        if self.idempotence == Some(true) {
            if self.acks != Acks::All {
                return conflict(
                    "Must set acks to all in order to use the idempotent producer. \
                     Otherwise we cannot guarantee idempotence.",
                );
            }
            if self.retries == 0 {
                return conflict(
                    "Must set retries to non-zero when using the idempotent producer.",
                );
            }
            if self.max_in_flight > 5 {
                return conflict(
                    "Must set max.in.flight.requests.per.connection to at most 5 \
                     to use the idempotent producer.",
                );
            }
        }
        if self.max_in_flight == 0 {
            return conflict("max.in.flight.requests.per.connection must be at least 1");
        }
        if self.delivery_timeout < self.linger + self.client.request_timeout {
            return conflict(
                "delivery.timeout.ms should be equal to or larger than \
                 linger.ms + request.timeout.ms",
            );
        }
        Ok(())
    }

    /// The levels of all codecs are checked; that of the codec in use is taken.
    fn read_levels(&mut self, properties: &mut Properties) -> Result<(), ConfigError> {
        for (key, codec) in [
            ("compression.gzip.level", Compression::Gzip),
            ("compression.lz4.level", Compression::Lz4),
            ("compression.zstd.level", Compression::Zstd),
        ] {
            let Some(value) = properties.string(key) else { continue };
            let invalid = |reason: String| ConfigError::Invalid {
                key: key.to_owned(),
                value: value.clone(),
                reason,
            };
            let level: i32 = value.parse().map_err(|_| invalid("not a number".to_owned()))?;
            Codec::with_level(codec, level).map_err(|error| invalid(error.to_string()))?;
            if codec == self.compression {
                self.compression_level = Some(level);
            }
        }
        Ok(())
    }

    /// The codec and its level.
    pub(super) fn codec(&self) -> Result<Codec, ConfigError> {
        let Some(level) = self.compression_level else { return Ok(self.compression.into()) };
        Codec::with_level(self.compression, level).map_err(|error| ConfigError::Invalid {
            key: format!("compression.{}.level", self.compression),
            value: level.to_string(),
            reason: error.to_string(),
        })
    }

    /// Whether this producer numbers its batches.
    pub fn is_idempotent(&self) -> bool {
        let possible = self.acks == Acks::All && self.retries > 0 && self.max_in_flight <= 5;
        self.idempotence.unwrap_or(possible)
    }
}

fn partitioner(properties: &mut Properties) -> Result<Option<Partitioner>, ConfigError> {
    let Some(class) = properties.string("partitioner.class") else { return Ok(None) };
    match class.rsplit('.').next().unwrap_or_default() {
        "" | "DefaultPartitioner" | "UniformStickyPartitioner" => Ok(Some(Partitioner::Default)),
        "RoundRobinPartitioner" => Ok(Some(Partitioner::RoundRobin)),
        _ => Err(ConfigError::Unsupported {
            key: "partitioner.class".to_owned(),
            value: class,
            reason: "known are the default one and RoundRobinPartitioner; \
                     or name the partition in the record"
                .to_owned(),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(pairs: &[(&str, &str)]) -> Result<ProducerConfig, ConfigError> {
        let base = [("bootstrap.servers", "a:1")];
        let mut properties: Properties = base.iter().chain(pairs).copied().collect();
        let config = ProducerConfig::from_properties(&mut properties)?;
        assert_eq!(properties.unused(), Vec::<String>::new());
        Ok(config)
    }

    #[test]
    fn kafka_names_set_their_fields() {
        let config = parse(&[
            ("acks", "1"),
            ("linger.ms", "20"),
            ("batch.size", "1000"),
            ("compression.type", "zstd"),
            ("partitioner.class", "org.apache.kafka.clients.producer.RoundRobinPartitioner"),
        ])
        .unwrap();
        assert_eq!(config.acks, Acks::Leader);
        assert_eq!(config.linger, Duration::from_millis(20));
        assert_eq!(config.batch_size, 1000);
        assert_eq!(config.compression, Compression::Zstd);
        assert_eq!(config.partitioner, Partitioner::RoundRobin);
        assert!(!config.is_idempotent(), "acks=1 switches the default off");
    }

    #[test]
    fn contradictions_are_refused() {
        assert!(parse(&[]).unwrap().is_idempotent());
        let refused = |pairs: &[(&str, &str)]| {
            assert!(matches!(parse(pairs), Err(ConfigError::Conflict(_))), "{pairs:?}");
        };
        refused(&[("enable.idempotence", "true"), ("acks", "1")]);
        refused(&[("enable.idempotence", "true"), ("max.in.flight.requests.per.connection", "6")]);
        refused(&[("delivery.timeout.ms", "10")]);
        assert!(matches!(
            parse(&[("transactional.id", "t")]),
            Err(ConfigError::Unsupported { .. })
        ));
        assert!(matches!(parse(&[("linger.ms", "soon")]), Err(ConfigError::Invalid { .. })));
    }
}
