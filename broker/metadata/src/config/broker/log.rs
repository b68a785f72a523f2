//! Logs: the defaults of topics and the work beside requests.

use super::super::key::{Check, Key, keys};

pub(super) const KEYS: &[Key] = keys! {
    "compression.type" String "producer",
        Check::OneOf(&["uncompressed", "zstd", "lz4", "snappy", "gzip", "producer"]),
        High ClusterWide Works;
        "Codec of the stored batches; producer keeps what each producer chose.";
    "compression.gzip.level" Int "-1", Check::BetweenOr(1, 9, -1), Medium ClusterWide Works;
        "Level used when the broker compresses with gzip; -1 is the library's own choice.";
    "compression.lz4.level" Int "9", Check::Between(1, 17), Medium ClusterWide Works;
        "Level used when the broker compresses with lz4.";
    "compression.zstd.level" Int "3", Check::Between(-131072, 22), Medium ClusterWide Works;
        "Level used when the broker compresses with zstd.";
    "log.cleaner.backoff.ms" Long "15000", Check::AtLeast(0), Medium ClusterWide Works;
        "Pause of a cleaner that finds nothing to do.";
    "log.cleaner.dedupe.buffer.size" Long "134217728", Check::Any, Medium ClusterWide Works;
        "Memory of all cleaners for the keys of a compaction.";
    "log.cleaner.delete.retention.ms" Long "86400000", Check::AtLeast(0), Medium ClusterWide Works;
        "How long a compacted topic keeps a tombstone, so that readers can see the deletion.";
    "log.cleaner.enable" Boolean "true", Check::Any, Medium ReadOnly Works;
        "Runs the cleaner of compacted topics.";
    "log.cleaner.io.buffer.load.factor" Double "0.9", Check::Any, Medium ClusterWide Works;
        "How full a cleaner's key table may get.";
    "log.cleaner.io.buffer.size" Int "524288", Check::AtLeast(0), Medium ClusterWide Hint;
        "Memory of all cleaners for reading and writing.";
    "log.cleaner.io.max.bytes.per.second" Double "1.7976931348623157E308", Check::Any,
        Medium ClusterWide Works;
        "Bytes that all cleaners together read and write a second.";
    "log.cleaner.max.compaction.lag.ms" Long "9223372036854775807", Check::AtLeast(1),
        Medium ClusterWide Works;
        "Longest time that a record may stay out of reach of compaction.";
    "log.cleaner.min.cleanable.ratio" Double "0.5", Check::Between(0, 1), Medium ClusterWide Works;
        "Share of uncompacted bytes from which a log is worth compacting.";
    "log.cleaner.min.compaction.lag.ms" Long "0", Check::AtLeast(0), Medium ClusterWide Works;
        "Time for which a record is never compacted.";
    "log.cleaner.threads" Int "1", Check::AtLeast(0), Medium ClusterWide Works;
        "Threads that compact logs.";
    "log.cleanup.policy" List "delete", Check::EachOf(&["compact", "delete"]),
        Medium ClusterWide Works;
        "What happens to old records: delete by age and size, compact by key, both, or nothing.";
    "log.flush.interval.messages" Long "9223372036854775807", Check::AtLeast(1),
        High ClusterWide Works;
        "Records after which a partition's files are forced to the disk.";
    "log.flush.interval.ms" Long null, Check::Any, High ClusterWide Works;
        "Age of unflushed records at which a partition's files are forced to the disk.";
    "log.flush.scheduler.interval.ms" Long "9223372036854775807", Check::Any, High ReadOnly Works;
        "Pause between two looks for logs to flush; stands for an absent log.flush.interval.ms.";
    "log.flush.offset.checkpoint.interval.ms" Int "60000", Check::AtLeast(0), High ReadOnly Works;
        "Pause between two writes of the recovery points.";
    "log.flush.start.offset.checkpoint.interval.ms" Int "60000", Check::AtLeast(0),
        High ReadOnly Works;
        "Pause between two writes of the log start offsets.";
    "log.index.interval.bytes" Int "4096", Check::AtLeast(0), Medium ClusterWide Works;
        "Bytes of records between two entries of the offset index.";
    "log.index.size.max.bytes" Int "10485760", Check::AtLeast(4), Medium ClusterWide Works;
        "Room of the offset index; a full index closes its segment.";
    "log.local.retention.bytes" Long "-2", Check::AtLeast(-2), Medium ClusterWide Missing;
        "Bytes kept on local disk of a tiered topic; -2 means the whole retention.";
    "log.local.retention.ms" Long "-2", Check::AtLeast(-2), Medium ClusterWide Missing;
        "Age kept on local disk of a tiered topic; -2 means the whole retention.";
    "log.message.timestamp.after.max.ms" Long "3600000", Check::AtLeast(0),
        Medium ClusterWide Works;
        "How far a record's time may lie after the broker's clock.";
    "log.message.timestamp.before.max.ms" Long "9223372036854775807", Check::AtLeast(0),
        Medium ClusterWide Works;
        "How far a record's time may lie before the broker's clock.";
    "log.message.timestamp.type" String "CreateTime",
        Check::OneOf(&["CreateTime", "LogAppendTime"]),
        Medium ClusterWide Works;
        "Whether a record carries its creation time or the time of its append.";
    "log.preallocate" Boolean "false", Check::Any, Medium ClusterWide Works;
        "Reserves the disk space of a segment when it is created.";
    "log.retention.bytes" Long "-1", Check::Any, High ClusterWide Works;
        "Bytes that a partition may hold before old segments go; -1 is no limit.";
    "log.retention.check.interval.ms" Long "300000", Check::AtLeast(1), Medium ReadOnly Works;
        "Pause between two looks for segments to remove.";
    "log.retention.hours" Int "168", Check::Any, High ReadOnly Works;
        "Age at which segments go, in hours; the weakest of the three.";
    "log.retention.minutes" Int null, Check::Any, High ReadOnly Works;
        "Age at which segments go, in minutes; stronger than hours.";
    "log.retention.ms" Long null, Check::Any, High ClusterWide Works;
        "Age at which segments go; -1 keeps them; stronger than minutes and hours.";
    "log.roll.hours" Int "168", Check::AtLeast(1), High ReadOnly Works;
        "Age at which a segment is closed, in hours.";
    "log.roll.jitter.hours" Int "0", Check::AtLeast(0), High ReadOnly Works;
        "Largest random advance of the time roll, in hours.";
    "log.roll.jitter.ms" Long null, Check::Any, High ClusterWide Works;
        "Largest random advance of the time roll; stronger than hours.";
    "log.roll.ms" Long null, Check::Any, High ClusterWide Works;
        "Age at which a segment is closed; stronger than hours.";
    "log.segment.bytes" Int "1073741824", Check::AtLeast(1048576), High ClusterWide Works;
        "Size at which a segment file is closed and a new one begun.";
    "log.segment.delete.delay.ms" Long "60000", Check::AtLeast(0), High ClusterWide Works;
        "Time between renaming a segment to .deleted and removing its files.";
    "message.max.bytes" Int "1048588", Check::AtLeast(0), High ClusterWide Works;
        "Largest record batch, after compression, that a topic takes.";
    "producer.id.expiration.ms" Int "86400000", Check::AtLeast(1), Low ClusterWide Works;
        "Silence after which an idempotent producer is forgotten.";
    "log.dir.failure.timeout.ms" Long "30000", Check::AtLeast(1), Low ReadOnly Hint;
        "Wait for the controller to take note of a failed data folder.";
};
