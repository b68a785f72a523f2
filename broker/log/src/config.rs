//! What a topic's configuration says about one log, resolved to plain values.

use protocol::record::TimestampType;

/// The settings that one partition's log obeys. [`Default`] gives Kafka's broker defaults.
#[derive(Clone, Debug, PartialEq)]
pub struct LogConfig {
    pub segment: SegmentConfig,
    pub retention: RetentionConfig,
    pub compaction: CompactionConfig,
    pub flush: FlushConfig,
    /// `message.timestamp.type`. The bounds of timestamps are held against records before they
    /// come here.
    pub timestamp_type: TimestampType,
    /// `max.message.bytes`: the largest batch that a leader takes.
    pub max_message_bytes: u32,
    /// `producer.id.expiration.ms`: how long an idle producer is remembered.
    pub producer_id_expiration_ms: i64,
}

#[derive(Clone, Debug, PartialEq)]
pub struct SegmentConfig {
    /// `segment.bytes`: a segment's file grows no larger.
    pub bytes: u32,
    /// `segment.ms`: a segment spans no longer time than this, less its jitter.
    pub ms: i64,
    /// `segment.jitter.ms`: the most that is taken off `ms`, spread over the partitions.
    pub jitter_ms: i64,
    /// `segment.index.bytes`: a segment rolls when one of its indexes would pass this size.
    pub index_bytes: u32,
    /// `index.interval.bytes`: how many bytes of batches lie between two index entries.
    pub index_interval_bytes: u32,
    /// `preallocate`: whether disk space for a whole segment is reserved when it is created.
    pub preallocate: bool,
}

#[derive(Clone, Debug, PartialEq)]
pub struct RetentionConfig {
    /// `cleanup.policy` holds `delete`.
    pub delete: bool,
    /// `cleanup.policy` holds `compact`.
    pub compact: bool,
    /// `retention.ms`; negative: no limit.
    pub ms: i64,
    /// `retention.bytes`; negative: no limit.
    pub bytes: i64,
    /// `file.delete.delay.ms`: how long a removed file stays on disk under another name.
    pub file_delete_delay_ms: i64,
}

/// How a log is compacted, where `cleanup.policy` holds `compact`.
#[derive(Clone, Debug, PartialEq)]
pub struct CompactionConfig {
    /// `min.cleanable.dirty.ratio`: which part of the bytes must be new before a pass is due.
    pub min_cleanable_dirty_ratio: f64,
    /// `min.compaction.lag.ms`: for how long a record stays whatever comes after it.
    pub min_lag_ms: i64,
    /// `max.compaction.lag.ms`: how long a record may stay out of reach of compaction.
    pub max_lag_ms: i64,
    /// `delete.retention.ms`: how long a tombstone or a marker stays once a pass has reached it.
    pub delete_retention_ms: i64,
}

#[derive(Clone, Debug, PartialEq)]
pub struct FlushConfig {
    /// `flush.messages`: an append that leaves this many records unsynced syncs them.
    pub messages: i64,
    /// `flush.ms`: how long a record may stay unsynced; see [`crate::Log::flush_is_due`].
    pub ms: i64,
}

impl Default for LogConfig {
    fn default() -> Self {
        Self {
            segment: SegmentConfig::default(),
            retention: RetentionConfig::default(),
            compaction: CompactionConfig::default(),
            flush: FlushConfig { messages: i64::MAX, ms: i64::MAX },
            timestamp_type: TimestampType::CreateTime,
            max_message_bytes: 1024 * 1024 + 12,
            producer_id_expiration_ms: 24 * 60 * 60 * 1000,
        }
    }
}

impl Default for SegmentConfig {
    fn default() -> Self {
        Self {
            bytes: 1024 * 1024 * 1024,
            ms: 7 * 24 * 60 * 60 * 1000,
            jitter_ms: 0,
            index_bytes: 10 * 1024 * 1024,
            index_interval_bytes: 4096,
            preallocate: false,
        }
    }
}

impl Default for RetentionConfig {
    fn default() -> Self {
        Self {
            delete: true,
            compact: false,
            ms: 7 * 24 * 60 * 60 * 1000,
            bytes: -1,
            file_delete_delay_ms: 60_000,
        }
    }
}

impl Default for CompactionConfig {
    fn default() -> Self {
        Self {
            min_cleanable_dirty_ratio: 0.5,
            min_lag_ms: 0,
            max_lag_ms: i64::MAX,
            delete_retention_ms: 24 * 60 * 60 * 1000,
        }
    }
}
