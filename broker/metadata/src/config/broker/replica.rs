//! Replication between brokers.

use super::super::key::{Check, Key, keys};

pub(super) const KEYS: &[Key] = keys! {
    "follower.fetch.last.tiered.offset.enable" Boolean "false", Check::Any,
        Medium ClusterWide Missing;
        "Lets a new follower start where the tiered data ends.";
    "follower.replication.throttled.rate" Long "9223372036854775807", Check::AtLeast(0),
        Medium ClusterWide Missing;
        "Bytes a second of followers under the throttle.";
    "leader.replication.throttled.rate" Long "9223372036854775807", Check::AtLeast(0),
        Medium ClusterWide Missing;
        "Bytes a second of leaders under the throttle.";
    "replica.alter.log.dirs.io.max.bytes.per.second" Long "9223372036854775807", Check::AtLeast(0),
        Medium ClusterWide Missing;
        "Bytes a second of moves between data folders.";
    "num.replica.fetchers" Int "1", Check::AtLeast(1), High ClusterWide AtStart;
        "Threads that fetch from each other broker.";
    "replica.fetch.backoff.ms" Int "1000", Check::AtLeast(0), Medium ReadOnly Works;
        "Pause of a follower after a failed fetch.";
    "replica.fetch.max.bytes" Int "1048576", Check::AtLeast(0), Medium ReadOnly Works;
        "Bytes that a follower asks for of one partition.";
    "replica.fetch.min.bytes" Int "1", Check::Any, High ReadOnly Works;
        "Bytes that a follower waits for.";
    "replica.fetch.response.max.bytes" Int "10485760", Check::AtLeast(0), Medium ReadOnly Works;
        "Bytes of a whole answer to a follower.";
    "replica.fetch.wait.max.ms" Int "500", Check::Any, High ReadOnly Works;
        "Longest wait of a follower's fetch.";
    "replica.high.watermark.checkpoint.interval.ms" Long "5000", Check::Any, High ReadOnly Works;
        "Pause between two writes of the high watermarks.";
    "replica.lag.time.max.ms" Long "30000", Check::Any, High ReadOnly Works;
        "Lag after which a follower is out of sync.";
    "replica.selector.class" String null, Check::Any, Medium ReadOnly Missing;
        "Java class that picks the replica that a consumer reads.";
    "replica.socket.receive.buffer.bytes" Int "65536", Check::Any, High ReadOnly Hint;
        "Receive buffer of a follower's connection.";
    "replica.socket.timeout.ms" Int "30000", Check::Any, High ReadOnly Works;
        "Wait on a follower's connection.";
    "replication.quota.window.num" Int "11", Check::AtLeast(1), Low ReadOnly Missing;
        "Windows over which replication throttles are measured.";
    "replication.quota.window.size.seconds" Int "1", Check::AtLeast(1), Low ReadOnly Missing;
        "Length of a replication throttle's window.";
    "alter.log.dirs.replication.quota.window.num" Int "11", Check::AtLeast(1), Low ReadOnly Missing;
        "Windows over which the throttle of moves between folders is measured.";
    "alter.log.dirs.replication.quota.window.size.seconds" Int "1", Check::AtLeast(1),
        Low ReadOnly Missing;
        "Length of a window of the throttle of moves between folders.";
};
