//! The group coordinator and its topic.

use super::super::key::{Check, Key, keys};

pub(super) const KEYS: &[Key] = keys! {
    "group.initial.rebalance.delay.ms" Int "3000", Check::Any, Medium ReadOnly Works;
        "Wait for further members before a new group is assigned.";
    "group.max.session.timeout.ms" Int "1800000", Check::Any, Medium ReadOnly Works;
        "Longest session timeout that a member may ask for.";
    "group.min.session.timeout.ms" Int "6000", Check::Any, Medium ReadOnly Works;
        "Shortest session timeout that a member may ask for.";
    "group.max.size" Int "2147483647", Check::AtLeast(1), Medium ReadOnly Works;
        "Members that a group may have.";
    "group.coordinator.append.linger.ms" Int "-1", Check::AtLeast(-1), Medium ReadOnly Hint;
        "How long the coordinator gathers records before a write; -1 adapts.";
    "group.coordinator.background.threads" Int "2", Check::AtLeast(1), High ReadOnly Hint;
        "Threads for the coordinator's work beside requests.";
    "group.coordinator.cached.buffer.max.bytes" Int "1048588", Check::AtLeast(524288),
        Medium ClusterWide Hint;
        "Largest write buffer that the coordinator keeps for reuse.";
    "group.coordinator.rebalance.protocols" List "classic,consumer,streams",
        Check::EachOf(&["consumer", "classic", "share", "streams"]),
        Medium ReadOnly Missing;
        "Rebalance protocols that are served.";
    "group.coordinator.threads" Int "4", Check::AtLeast(1), High ReadOnly Hint;
        "Threads that run the group coordinator.";
    "offset.metadata.max.bytes" Int "4096", Check::Any, High ReadOnly Works;
        "Largest note that a committed offset may carry.";
    "offsets.commit.timeout.ms" Int "5000", Check::AtLeast(1), High ReadOnly Works;
        "Wait for a commit to be replicated before it fails.";
    "offsets.load.buffer.size" Int "5242880", Check::AtLeast(1), High ReadOnly Hint;
        "Bytes read at once while groups are loaded.";
    "offsets.retention.check.interval.ms" Long "600000", Check::AtLeast(1), High ReadOnly Works;
        "Pause between two looks for expired offsets.";
    "offsets.retention.minutes" Int "10080", Check::AtLeast(1), High ReadOnly Works;
        "Age at which the offsets of an empty group go.";
    "offsets.topic.compression.codec" Int "0", Check::Any, High ReadOnly Works;
        "Codec of the batches of __consumer_offsets, by number; 0 is none.";
    "offsets.topic.num.partitions" Int "50", Check::AtLeast(1), High ReadOnly Works;
        "Partitions of __consumer_offsets.";
    "offsets.topic.replication.factor" Short "3", Check::AtLeast(1), High ReadOnly Works;
        "Replicas of __consumer_offsets.";
    "offsets.topic.segment.bytes" Int "104857600", Check::AtLeast(1), High ReadOnly Works;
        "Segment size of __consumer_offsets.";
    "group.consumer.assignment.interval.ms" Int "1000", Check::AtLeast(0),
        Medium ClusterWide Missing;
        "Least time between two assignments of a consumer group.";
    "group.consumer.assignors" List "uniform,range", Check::Any, Medium ReadOnly Missing;
        "Server-side assignors of consumer groups, the first being the default.";
    "group.consumer.heartbeat.interval.ms" Int "5000", Check::AtLeast(1), Medium ReadOnly Missing;
        "Pause between heartbeats that members of a consumer group are told.";
    "group.consumer.max.assignment.interval.ms" Int "15000", Check::AtLeast(0),
        Medium ReadOnly Missing;
        "Upper bound of a group's own assignment interval.";
    "group.consumer.max.heartbeat.interval.ms" Int "15000", Check::AtLeast(1),
        Medium ReadOnly Missing;
        "Upper bound of a group's own heartbeat interval.";
    "group.consumer.max.session.timeout.ms" Int "60000", Check::AtLeast(1), Medium ReadOnly Missing;
        "Upper bound of a group's own session timeout.";
    "group.consumer.max.size" Int "2147483647", Check::AtLeast(1), Medium ReadOnly Missing;
        "Members that a consumer group may have.";
    "group.consumer.migration.policy" String "bidirectional",
        Check::OneOfAnyCase(&["DISABLED", "DOWNGRADE", "UPGRADE", "BIDIRECTIONAL"]),
        Medium ReadOnly Missing;
        "Which ways a group may change between the classic and the consumer protocol.";
    "group.consumer.min.assignment.interval.ms" Int "0", Check::AtLeast(0), Medium ReadOnly Missing;
        "Lower bound of a group's own assignment interval.";
    "group.consumer.min.heartbeat.interval.ms" Int "5000", Check::AtLeast(1),
        Medium ReadOnly Missing;
        "Lower bound of a group's own heartbeat interval.";
    "group.consumer.min.session.timeout.ms" Int "45000", Check::AtLeast(1), Medium ReadOnly Missing;
        "Lower bound of a group's own session timeout.";
    "group.consumer.session.timeout.ms" Int "45000", Check::AtLeast(1), Medium ReadOnly Missing;
        "Silence after which a member of a consumer group is removed.";
    "group.streams.assignment.interval.ms" Int "1000", Check::AtLeast(0),
        Medium ClusterWide Missing;
        "Least time between two assignments of a streams group.";
    "group.streams.heartbeat.interval.ms" Int "5000", Check::AtLeast(1), Medium ReadOnly Missing;
        "Pause between heartbeats that members of a streams group are told.";
    "group.streams.initial.rebalance.delay.ms" Int "3000", Check::AtLeast(0),
        Medium ReadOnly Missing;
        "Wait for further members before a new streams group is assigned.";
    "group.streams.max.assignment.interval.ms" Int "15000", Check::AtLeast(0),
        Medium ReadOnly Missing;
        "Upper bound of a streams group's own assignment interval.";
    "group.streams.max.heartbeat.interval.ms" Int "15000", Check::AtLeast(1),
        Medium ReadOnly Missing;
        "Upper bound of a streams group's own heartbeat interval.";
    "group.streams.max.session.timeout.ms" Int "60000", Check::AtLeast(1), Medium ReadOnly Missing;
        "Upper bound of a streams group's own session timeout.";
    "group.streams.max.size" Int "2147483647", Check::AtLeast(1), Medium ReadOnly Missing;
        "Members that a streams group may have.";
    "group.streams.max.standby.replicas" Int "2", Check::AtLeast(0), Medium ReadOnly Missing;
        "Upper bound of a streams group's own standby count.";
    "group.streams.min.assignment.interval.ms" Int "0", Check::AtLeast(0), Medium ReadOnly Missing;
        "Lower bound of a streams group's own assignment interval.";
    "group.streams.min.heartbeat.interval.ms" Int "5000", Check::AtLeast(1),
        Medium ReadOnly Missing;
        "Lower bound of a streams group's own heartbeat interval.";
    "group.streams.min.session.timeout.ms" Int "45000", Check::AtLeast(1), Medium ReadOnly Missing;
        "Lower bound of a streams group's own session timeout.";
    "group.streams.num.standby.replicas" Int "0", Check::AtLeast(0), Medium ReadOnly Missing;
        "Standby copies of each stateful task of a streams group.";
    "group.streams.session.timeout.ms" Int "45000", Check::AtLeast(1), Medium ReadOnly Missing;
        "Silence after which a member of a streams group is removed.";
};
