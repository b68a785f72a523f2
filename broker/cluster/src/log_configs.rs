//! The settings of a topic, as its logs take them.

use std::sync::Arc;

use broker_log::{
    CompactionConfig, FlushConfig, LogConfig, RetentionConfig, SegmentConfig, TimestampType,
};
use broker_metadata::config::{BrokerLayers, CleanerConfig, Layer, TopicConfig, Value, ValueError};
use broker_metadata::{ConfigResource, Image};
use tracing::error;

use crate::partition::{ProduceRules, TimeBounds};

/// Resolves settings: a topic's own, then this broker's, the cluster's, the file's, the default.
#[derive(Clone, Debug)]
pub struct LogConfigs {
    node: String,
    file: Arc<Layer>,
}

/// The layers of one moment, held so that they can be borrowed.
#[derive(Clone, Debug)]
pub struct HeldLayers {
    broker: Arc<Layer>,
    cluster: Arc<Layer>,
    file: Arc<Layer>,
}

impl HeldLayers {
    pub fn layers(&self) -> BrokerLayers<'_> {
        BrokerLayers { broker: &self.broker, cluster: &self.cluster, file: &self.file }
    }
}

impl LogConfigs {
    pub fn new(node_id: i32, file: Layer) -> Self {
        Self { node: node_id.to_string(), file: Arc::new(file) }
    }

    /// The layers below a topic's own.
    pub fn layers(&self, image: &Image) -> HeldLayers {
        let of =
            |name: &str| image.configs(ConfigResource::Broker, name).cloned().unwrap_or_default();
        HeldLayers { broker: of(&self.node), cluster: of(""), file: self.file.clone() }
    }

    /// A topic's settings. What is in the image was checked before it came there.
    pub fn topic(&self, image: &Image, name: &str) -> TopicConfig {
        let own = image.configs(ConfigResource::Topic, name).cloned().unwrap_or_default();
        let held = self.layers(image);
        let resolved = TopicConfig::resolve(&own, held.layers());
        resolved.unwrap_or_else(|problem| self.fall_back(name, &problem))
    }

    /// A topic's settings in the form of its logs.
    pub fn of_topic(&self, image: &Image, name: &str) -> LogConfig {
        let expiration = self.layers(image).layers().value("producer.id.expiration.ms");
        let expiration_ms = match expiration {
            Ok(Some(Value::Number(number))) => number,
            _ => LogConfig::default().producer_id_expiration_ms,
        };
        log_config(&self.topic(image, name), expiration_ms)
    }

    /// How logs are compacted. What is in the image was checked before it came there.
    pub fn cleaner(&self, image: &Image) -> CleanerConfig {
        let resolved = CleanerConfig::resolve(self.layers(image).layers());
        resolved.unwrap_or_else(|problem| {
            error!("settings of the cleaner can't be read, those of the file hold: {problem}");
            let empty = Layer::new();
            let layers = BrokerLayers { broker: &empty, cluster: &empty, file: &self.file };
            CleanerConfig::resolve(layers).expect("the file was checked when it was read")
        })
    }

    /// Whether a topic's settings go together, on this broker; the error is a sentence.
    pub fn check_topic(&self, image: &Image, own: &Layer) -> Result<(), String> {
        let held = self.layers(image);
        let resolved = TopicConfig::resolve(own, held.layers());
        resolved.map_err(|problem| problem.to_string())?.validate()
    }

    /// Whether the settings of this broker, or those of all where `name` is empty, go together with
    /// the others that hold here; the error is a sentence.
    pub fn check_broker(&self, image: &Image, name: &str, own: &Layer) -> Result<(), String> {
        let mut held = self.layers(image);
        let changed = if name.is_empty() { &mut held.cluster } else { &mut held.broker };
        *changed = Arc::new(own.clone());
        let topics = TopicConfig::resolve(&Layer::new(), held.layers());
        topics.map_err(|problem| problem.to_string())?.validate()?;
        let cleaner = CleanerConfig::resolve(held.layers());
        cleaner.map_err(|problem| problem.to_string())?.validate()
    }

    /// What a topic's settings ask of a produce request.
    pub fn rules(&self, image: &Image, name: &str) -> ProduceRules {
        let topic = self.topic(image, name);
        ProduceRules {
            compacted: topic.retention.compact,
            compression: topic.compression,
            max_message_bytes: topic.max_message_bytes,
            min_insync_replicas: topic.min_insync_replicas,
            time_bounds: (!topic.timestamp.log_append_time).then_some(TimeBounds {
                before_max_ms: topic.timestamp.before_max_ms,
                after_max_ms: topic.timestamp.after_max_ms,
            }),
        }
    }

    /// A setting that can't be read is one that an older or newer version wrote: the partition is
    /// served with the broker's defaults rather than not at all.
    fn fall_back(&self, name: &str, problem: &ValueError) -> TopicConfig {
        error!("settings of topic {name} can't be read, the broker's hold: {problem}");
        let empty = Layer::new();
        let layers = BrokerLayers { broker: &empty, cluster: &empty, file: &self.file };
        TopicConfig::resolve(&empty, layers).expect("the file was checked when it was read")
    }
}

fn log_config(topic: &TopicConfig, producer_id_expiration_ms: i64) -> LogConfig {
    let stamp = match topic.timestamp.log_append_time {
        true => TimestampType::LogAppendTime,
        false => TimestampType::CreateTime,
    };
    LogConfig {
        segment: SegmentConfig {
            bytes: topic.segment.bytes,
            ms: topic.segment.ms,
            jitter_ms: topic.segment.jitter_ms,
            index_bytes: topic.segment.index_bytes,
            index_interval_bytes: topic.segment.index_interval_bytes,
            preallocate: topic.segment.preallocate,
        },
        retention: RetentionConfig {
            delete: topic.retention.delete,
            compact: topic.retention.compact,
            ms: topic.retention.ms,
            bytes: topic.retention.bytes,
            file_delete_delay_ms: topic.retention.file_delete_delay_ms,
        },
        compaction: CompactionConfig {
            min_cleanable_dirty_ratio: topic.compaction.min_cleanable_dirty_ratio,
            min_lag_ms: topic.compaction.min_lag_ms,
            max_lag_ms: topic.compaction.max_lag_ms,
            delete_retention_ms: topic.compaction.delete_retention_ms,
        },
        flush: FlushConfig { messages: topic.flush.messages, ms: topic.flush.ms },
        timestamp_type: stamp,
        max_message_bytes: topic.max_message_bytes,
        producer_id_expiration_ms,
    }
}
