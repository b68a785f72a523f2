//! Share groups and their coordinator.

use super::super::key::{Check, Key, keys};

pub(super) const KEYS: &[Key] = keys! {
    "group.share.assignment.interval.ms" Int "1000", Check::AtLeast(0), Medium ClusterWide Missing;
        "Least time between two assignments of a share group.";
    "group.share.assignors" List "simple", Check::Any, Medium ReadOnly Missing;
        "Server-side assignors of share groups.";
    "group.share.delivery.count.limit" Int "5", Check::Between(2, 10), Medium ReadOnly Missing;
        "Deliveries of one record before it counts as failed.";
    "group.share.heartbeat.interval.ms" Int "5000", Check::AtLeast(1), Medium ReadOnly Missing;
        "Pause between heartbeats that members of a share group are told.";
    "group.share.max.assignment.interval.ms" Int "15000", Check::AtLeast(0),
        Medium ReadOnly Missing;
        "Upper bound of a share group's own assignment interval.";
    "group.share.max.delivery.count.limit" Int "10", Check::Between(5, 25), Medium ReadOnly Missing;
        "Upper bound of a share group's own delivery limit.";
    "group.share.max.heartbeat.interval.ms" Int "15000", Check::AtLeast(1), Medium ReadOnly Missing;
        "Upper bound of a share group's own heartbeat interval.";
    "group.share.max.partition.max.record.locks" Int "4000", Check::Between(2000, 10000),
        Medium ReadOnly Missing;
        "Upper bound of a share group's own lock limit.";
    "group.share.max.record.lock.duration.ms" Int "60000", Check::Between(30000, 3600000),
        Medium ReadOnly Missing;
        "Upper bound of a share group's own lock duration.";
    "group.share.max.session.timeout.ms" Int "60000", Check::AtLeast(1), Medium ReadOnly Missing;
        "Upper bound of a share group's own session timeout.";
    "group.share.max.share.sessions" Int "2000", Check::AtLeast(1), Medium ReadOnly Missing;
        "Share sessions of one broker.";
    "group.share.max.size" Int "200", Check::Between(1, 1000), Medium ReadOnly Missing;
        "Members that a share group may have.";
    "group.share.min.assignment.interval.ms" Int "0", Check::AtLeast(0), Medium ReadOnly Missing;
        "Lower bound of a share group's own assignment interval.";
    "group.share.min.delivery.count.limit" Int "2", Check::Between(2, 5), Medium ReadOnly Missing;
        "Lower bound of a share group's own delivery limit.";
    "group.share.min.heartbeat.interval.ms" Int "5000", Check::AtLeast(1), Medium ReadOnly Missing;
        "Lower bound of a share group's own heartbeat interval.";
    "group.share.min.partition.max.record.locks" Int "100", Check::Between(100, 2000),
        Medium ReadOnly Missing;
        "Lower bound of a share group's own lock limit.";
    "group.share.min.record.lock.duration.ms" Int "15000", Check::Between(1000, 30000),
        Medium ReadOnly Missing;
        "Lower bound of a share group's own lock duration.";
    "group.share.min.session.timeout.ms" Int "45000", Check::AtLeast(1), Medium ReadOnly Missing;
        "Lower bound of a share group's own session timeout.";
    "group.share.partition.max.record.locks" Int "2000", Check::Between(100, 10000),
        Medium ReadOnly Missing;
        "Records of one partition that a share group may hold at a time.";
    "group.share.record.lock.duration.ms" Int "30000", Check::Between(1000, 3600000),
        Medium ReadOnly Missing;
        "Time for which a share consumer holds a record.";
    "group.share.session.timeout.ms" Int "45000", Check::AtLeast(1), Medium ReadOnly Missing;
        "Silence after which a member of a share group is removed.";
    "share.coordinator.append.linger.ms" Int "-1", Check::AtLeast(-1), Medium ReadOnly Missing;
        "How long the share coordinator gathers records before a write; -1 adapts.";
    "share.coordinator.cached.buffer.max.bytes" Int "1048588", Check::AtLeast(524288),
        Medium ClusterWide Missing;
        "Largest write buffer that the share coordinator keeps for reuse.";
    "share.coordinator.load.buffer.size" Int "5242880", Check::AtLeast(1), High ReadOnly Missing;
        "Bytes read at once while share state is loaded.";
    "share.coordinator.snapshot.update.records.per.snapshot" Int "500", Check::Between(0, 500),
        Medium ReadOnly Missing;
        "Updates of share state between two snapshots.";
    "share.coordinator.state.topic.compression.codec" Int "0", Check::Any, High ReadOnly Missing;
        "Codec of the share state topic, by number.";
    "share.coordinator.state.topic.min.isr" Short "2", Check::AtLeast(1), High ReadOnly OneNode;
        "In-sync replicas that a write to the share state topic needs.";
    "share.coordinator.state.topic.num.partitions" Int "50", Check::AtLeast(1),
        High ReadOnly Missing;
        "Partitions of the share state topic.";
    "share.coordinator.state.topic.replication.factor" Short "3", Check::AtLeast(1),
        High ReadOnly OneNode;
        "Replicas of the share state topic.";
    "share.coordinator.state.topic.segment.bytes" Int "104857600", Check::AtLeast(1),
        High ReadOnly Missing;
        "Segment size of the share state topic.";
    "share.coordinator.threads" Int "1", Check::AtLeast(1), Medium ReadOnly Missing;
        "Threads that run the share coordinator.";
    "share.coordinator.write.timeout.ms" Int "5000", Check::AtLeast(1), High ReadOnly Missing;
        "Wait for a write to the share state topic.";
};
