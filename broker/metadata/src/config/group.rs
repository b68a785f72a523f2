//! The keys of a group, for the protocols that take their settings from the broker.

use super::key::{Check, Key, keys};

pub(super) const KEYS: &[Key] = keys! {
    "consumer.assignment.interval.ms" Int "1000", Check::AtLeast(0),
        Medium ClusterWide Missing from "group.consumer.assignment.interval.ms";
        "Least time between two assignments of a consumer group.";
    "consumer.heartbeat.interval.ms" Int "5000", Check::AtLeast(1),
        Medium ClusterWide Missing from "group.consumer.heartbeat.interval.ms";
        "Pause between heartbeats that members of a consumer group are told.";
    "consumer.session.timeout.ms" Int "45000", Check::AtLeast(1),
        Medium ClusterWide Missing from "group.consumer.session.timeout.ms";
        "Silence after which a member of a consumer group is removed.";
    "share.assignment.interval.ms" Int "1000", Check::AtLeast(0),
        Medium ClusterWide Missing from "group.share.assignment.interval.ms";
        "Least time between two assignments of a share group.";
    "share.auto.offset.reset" String "latest", Check::OffsetReset, Medium ClusterWide Missing;
        "Where a share group starts on a partition that it has not read yet.";
    "share.delivery.count.limit" Int "5", Check::AtLeast(2),
        Medium ClusterWide Missing from "group.share.delivery.count.limit";
        "Deliveries of one record to a share group before it counts as failed.";
    "share.heartbeat.interval.ms" Int "5000", Check::AtLeast(1),
        Medium ClusterWide Missing from "group.share.heartbeat.interval.ms";
        "Pause between heartbeats that members of a share group are told.";
    "share.isolation.level" String "read_uncommitted",
        Check::OneOf(&["read_committed", "read_uncommitted"]),
        Medium ClusterWide Missing;
        "Whether a share group reads records of open transactions.";
    "share.partition.max.record.locks" Int "2000", Check::AtLeast(100),
        Medium ClusterWide Missing from "group.share.partition.max.record.locks";
        "Records of one partition that a share group may hold at a time.";
    "share.record.lock.duration.ms" Int "30000", Check::AtLeast(1000),
        Medium ClusterWide Missing from "group.share.record.lock.duration.ms";
        "Time for which a share consumer holds a record.";
    "share.renew.acknowledge.enable" Boolean "true", Check::Any, Medium ClusterWide Missing;
        "Lets share consumers prolong the hold on a record.";
    "share.session.timeout.ms" Int "45000", Check::AtLeast(1),
        Medium ClusterWide Missing from "group.share.session.timeout.ms";
        "Silence after which a member of a share group is removed.";
    "streams.assignment.interval.ms" Int "1000", Check::AtLeast(0),
        Medium ClusterWide Missing from "group.streams.assignment.interval.ms";
        "Least time between two assignments of a streams group.";
    "streams.heartbeat.interval.ms" Int "5000", Check::AtLeast(1),
        Medium ClusterWide Missing from "group.streams.heartbeat.interval.ms";
        "Pause between heartbeats that members of a streams group are told.";
    "streams.initial.rebalance.delay.ms" Int "3000", Check::AtLeast(0),
        Medium ClusterWide Missing from "group.streams.initial.rebalance.delay.ms";
        "Wait for further members before a new streams group is assigned.";
    "streams.num.standby.replicas" Int "0", Check::AtLeast(0),
        Medium ClusterWide Missing from "group.streams.num.standby.replicas";
        "Standby copies of each stateful task of a streams group.";
    "streams.session.timeout.ms" Int "45000", Check::AtLeast(1),
        Medium ClusterWide Missing from "group.streams.session.timeout.ms";
        "Silence after which a member of a streams group is removed.";
};
