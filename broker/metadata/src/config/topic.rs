//! The keys of a topic, each with the broker key that it falls back to.

use super::key::{Check, Key, keys};

pub(super) const KEYS: &[Key] = keys! {
    "cleanup.policy" List "delete", Check::EachOf(&["compact", "delete"]),
        Medium ClusterWide Works from "log.cleanup.policy";
        "What happens to old records: delete by age and size, compact by key, both, or nothing.";
    "compression.gzip.level" Int "-1", Check::BetweenOr(1, 9, -1),
        Medium ClusterWide Works from "compression.gzip.level";
        "Level used when the broker compresses with gzip; -1 is the library's own choice.";
    "compression.lz4.level" Int "9", Check::Between(1, 17),
        Medium ClusterWide Works from "compression.lz4.level";
        "Level used when the broker compresses with lz4.";
    "compression.type" String "producer",
        Check::OneOf(&["uncompressed", "zstd", "lz4", "snappy", "gzip", "producer"]),
        Medium ClusterWide Works from "compression.type";
        "Codec of the stored batches; producer keeps what each producer chose.";
    "compression.zstd.level" Int "3", Check::Between(-131072, 22),
        Medium ClusterWide Works from "compression.zstd.level";
        "Level used when the broker compresses with zstd.";
    "delete.retention.ms" Long "86400000", Check::AtLeast(0),
        Medium ClusterWide Works from "log.cleaner.delete.retention.ms";
        "How long a compacted topic keeps a tombstone, so that readers can see the deletion.";
    "file.delete.delay.ms" Long "60000", Check::AtLeast(0),
        Medium ClusterWide Works from "log.segment.delete.delay.ms";
        "Time between renaming a segment to .deleted and removing its files.";
    "flush.messages" Long "9223372036854775807", Check::AtLeast(1),
        Medium ClusterWide Works from "log.flush.interval.messages";
        "Records after which the partition's files are forced to the disk.";
    "flush.ms" Long "9223372036854775807", Check::AtLeast(0),
        Medium ClusterWide Works from "log.flush.interval.ms";
        "Age of unflushed records at which the partition's files are forced to the disk.";
    "follower.replication.throttled.replicas" List "", Check::ThrottledReplicas,
        Medium ClusterWide Missing;
        "Replicas whose fetching is slowed by the follower throttle, or * for all.";
    "index.interval.bytes" Int "4096", Check::AtLeast(0),
        Medium ClusterWide Works from "log.index.interval.bytes";
        "Bytes of records between two entries of the offset index.";
    "leader.replication.throttled.replicas" List "", Check::ThrottledReplicas,
        Medium ClusterWide Missing;
        "Replicas whose serving is slowed by the leader throttle, or * for all.";
    "local.retention.bytes" Long "-2", Check::AtLeast(-2),
        Medium ClusterWide Missing from "log.local.retention.bytes";
        "Bytes kept on local disk of a tiered topic; -2 means retention.bytes.";
    "local.retention.ms" Long "-2", Check::AtLeast(-2),
        Medium ClusterWide Missing from "log.local.retention.ms";
        "Age kept on local disk of a tiered topic; -2 means retention.ms.";
    "max.compaction.lag.ms" Long "9223372036854775807", Check::AtLeast(1),
        Medium ClusterWide Works from "log.cleaner.max.compaction.lag.ms";
        "Longest time that a record may stay out of reach of compaction.";
    "max.message.bytes" Int "1048588", Check::AtLeast(0),
        Medium ClusterWide Works from "message.max.bytes";
        "Largest record batch, after compression, that the topic takes.";
    "message.timestamp.after.max.ms" Long "3600000", Check::AtLeast(0),
        Medium ClusterWide Works from "log.message.timestamp.after.max.ms";
        "How far a record's time may lie after the broker's clock.";
    "message.timestamp.before.max.ms" Long "9223372036854775807", Check::AtLeast(0),
        Medium ClusterWide Works from "log.message.timestamp.before.max.ms";
        "How far a record's time may lie before the broker's clock.";
    "message.timestamp.type" String "CreateTime", Check::OneOf(&["CreateTime", "LogAppendTime"]),
        Medium ClusterWide Works from "log.message.timestamp.type";
        "Whether a record carries its creation time or the time of its append.";
    "min.cleanable.dirty.ratio" Double "0.5", Check::Between(0, 1),
        Medium ClusterWide Works from "log.cleaner.min.cleanable.ratio";
        "Share of uncompacted bytes from which a log is worth compacting.";
    "min.compaction.lag.ms" Long "0", Check::AtLeast(0),
        Medium ClusterWide Works from "log.cleaner.min.compaction.lag.ms";
        "Time for which a record is never compacted.";
    "min.insync.replicas" Int "1", Check::AtLeast(1),
        Medium ClusterWide Works from "min.insync.replicas";
        "In-sync replicas that a write with acks=all needs.";
    "preallocate" Boolean "false", Check::Any, Medium ClusterWide Works from "log.preallocate";
        "Reserves the disk space of a segment when it is created.";
    "remote.log.copy.disable" Boolean "false", Check::Any, Medium ClusterWide Missing;
        "Stops copying the segments of a tiered topic to remote storage.";
    "remote.log.delete.on.disable" Boolean "false", Check::Any, Medium ClusterWide Missing;
        "Removes remote segments when tiering is switched off.";
    "remote.storage.enable" Boolean "false", Check::Any, Medium ClusterWide Missing;
        "Keeps older segments of the topic in remote storage.";
    "retention.bytes" Long "-1", Check::Any, Medium ClusterWide Works from "log.retention.bytes";
        "Bytes that a partition may hold before old segments go; -1 is no limit.";
    "retention.ms" Long "604800000", Check::AtLeast(-1),
        Medium ClusterWide Works from "log.retention.ms";
        "Age at which segments go; -1 keeps them for ever.";
    "segment.bytes" Int "1073741824", Check::AtLeast(1048576),
        Medium ClusterWide Works from "log.segment.bytes";
        "Size at which a segment file is closed and a new one begun.";
    "segment.index.bytes" Int "10485760", Check::AtLeast(4),
        Medium ClusterWide Works from "log.index.size.max.bytes";
        "Room of the offset index; a full index closes its segment.";
    "segment.jitter.ms" Long "0", Check::AtLeast(0),
        Medium ClusterWide Works from "log.roll.jitter.ms";
        "Largest random advance of the time roll, so that segments do not all roll at once.";
    "segment.ms" Long "604800000", Check::AtLeast(1), Medium ClusterWide Works from "log.roll.ms";
        "Age at which a segment is closed although it is not full.";
    "unclean.leader.election.enable" Boolean "false", Check::Any,
        Medium ClusterWide Works from "unclean.leader.election.enable";
        "Allows a replica out of sync to lead when no other is left, at the price of records.";
};
