//! A topic's settings as the log and the request handlers read them.

use protocol::record::{Codec, Compression};

use super::layer::Layer;
use super::reader::Reader;
use super::resolve::BrokerLayers;
use super::value::ValueError;

/// Every setting of a topic that has an effect.
#[derive(Clone, Debug, PartialEq)]
pub struct TopicConfig {
    pub segment: SegmentConfig,
    pub retention: RetentionConfig,
    pub flush: FlushConfig,
    pub timestamp: TimestampConfig,
    pub compaction: CompactionConfig,
    /// What batches are stored in; `None`: in what their producer chose.
    pub compression: Option<Codec>,
    pub max_message_bytes: u32,
    pub min_insync_replicas: i32,
    pub unclean_leader_election: bool,
}

#[derive(Clone, Debug, PartialEq)]
pub struct SegmentConfig {
    pub bytes: u32,
    pub ms: i64,
    pub jitter_ms: i64,
    pub index_bytes: u32,
    pub index_interval_bytes: u32,
    pub preallocate: bool,
}

#[derive(Clone, Debug, PartialEq)]
pub struct RetentionConfig {
    /// `cleanup.policy` names `delete`.
    pub delete: bool,
    /// `cleanup.policy` names `compact`.
    pub compact: bool,
    /// -1 keeps everything.
    pub ms: i64,
    /// -1 is no limit.
    pub bytes: i64,
    pub file_delete_delay_ms: i64,
}

#[derive(Clone, Debug, PartialEq)]
pub struct FlushConfig {
    pub messages: i64,
    pub ms: i64,
}

#[derive(Clone, Debug, PartialEq)]
pub struct TimestampConfig {
    /// `LogAppendTime` rather than `CreateTime`.
    pub log_append_time: bool,
    pub before_max_ms: i64,
    pub after_max_ms: i64,
}

#[derive(Clone, Debug, PartialEq)]
pub struct CompactionConfig {
    pub min_cleanable_dirty_ratio: f64,
    pub min_lag_ms: i64,
    pub max_lag_ms: i64,
    pub delete_retention_ms: i64,
}

impl TopicConfig {
    /// What holds for a topic that sets `topic` on a broker with `broker`.
    pub fn resolve(topic: &Layer, broker: BrokerLayers<'_>) -> Result<Self, ValueError> {
        let read = Reader::of_topic(topic, broker);
        let policy = read.list("cleanup.policy")?;
        let named = |name: &str| policy.iter().any(|item| item == name);
        let stamp = read.text("message.timestamp.type")?;
        Ok(Self {
            segment: SegmentConfig {
                bytes: read.count("segment.bytes")?,
                ms: read.long("segment.ms")?,
                jitter_ms: read.long("segment.jitter.ms")?,
                index_bytes: read.count("segment.index.bytes")?,
                index_interval_bytes: read.count("index.interval.bytes")?,
                preallocate: read.flag("preallocate")?,
            },
            retention: RetentionConfig {
                delete: named("delete"),
                compact: named("compact"),
                ms: read.long("retention.ms")?,
                bytes: read.long("retention.bytes")?,
                file_delete_delay_ms: read.long("file.delete.delay.ms")?,
            },
            flush: FlushConfig {
                messages: read.long("flush.messages")?,
                ms: read.long("flush.ms")?,
            },
            timestamp: TimestampConfig {
                log_append_time: stamp.as_deref() == Some("LogAppendTime"),
                before_max_ms: read.long("message.timestamp.before.max.ms")?,
                after_max_ms: read.long("message.timestamp.after.max.ms")?,
            },
            compaction: CompactionConfig {
                min_cleanable_dirty_ratio: read.double("min.cleanable.dirty.ratio")?,
                min_lag_ms: read.long("min.compaction.lag.ms")?,
                max_lag_ms: read.long("max.compaction.lag.ms")?,
                delete_retention_ms: read.long("delete.retention.ms")?,
            },
            compression: compression(&read)?,
            max_message_bytes: read.count("max.message.bytes")?,
            min_insync_replicas: read.int("min.insync.replicas")?,
            unclean_leader_election: read.flag("unclean.leader.election.enable")?,
        })
    }

    /// Whether the settings fit each other; the error is a sentence for the user.
    pub fn validate(&self) -> Result<(), String> {
        let CompactionConfig { min_lag_ms, max_lag_ms, .. } = self.compaction;
        if min_lag_ms > max_lag_ms {
            return Err(format!(
                "conflict topic config setting min.compaction.lag.ms ({min_lag_ms}) > \
                 max.compaction.lag.ms ({max_lag_ms})"
            ));
        }
        Ok(())
    }
}

/// `compression.type` with the level of its kind; the codec's own level where a number is none of
/// its.
fn compression(read: &Reader<'_>) -> Result<Option<Codec>, ValueError> {
    let name = read.text("compression.type")?.unwrap_or_default();
    let (compression, level) = match name.as_str() {
        "uncompressed" => (Compression::None, None),
        "gzip" => (Compression::Gzip, Some(read.int("compression.gzip.level")?)),
        "snappy" => (Compression::Snappy, None),
        "lz4" => (Compression::Lz4, Some(read.int("compression.lz4.level")?)),
        "zstd" => (Compression::Zstd, Some(read.int("compression.zstd.level")?)),
        _ => return Ok(None),
    };
    let with_level = level.and_then(|level| Codec::with_level(compression, level).ok());
    Ok(Some(with_level.unwrap_or_else(|| Codec::from(compression))))
}
