//! Tiered storage.

use super::super::key::{Check, Key, keys};

pub(super) const KEYS: &[Key] = keys! {
    "remote.fetch.max.wait.ms" Int "500", Check::AtLeast(1), Medium ClusterWide Missing;
        "Wait of a fetch for remote data.";
    "remote.list.offsets.request.timeout.ms" Long "30000", Check::AtLeast(1),
        Medium ClusterWide Missing;
        "Wait of an offset look-up for remote data.";
    "remote.log.index.file.cache.total.size.bytes" Long "1073741824", Check::AtLeast(1),
        Low ClusterWide Missing;
        "Disk space for indexes of remote segments.";
    "remote.log.manager.copier.thread.pool.size" Int "10", Check::AtLeast(1),
        Medium ClusterWide Missing;
        "Threads that copy segments to remote storage.";
    "remote.log.manager.copy.max.bytes.per.second" Long "9223372036854775807", Check::AtLeast(1),
        Medium ClusterWide Missing;
        "Bytes a second that are copied to remote storage.";
    "remote.log.manager.copy.quota.window.num" Int "11", Check::AtLeast(1), Medium ReadOnly Missing;
        "Windows over which the copy quota is measured.";
    "remote.log.manager.copy.quota.window.size.seconds" Int "1", Check::AtLeast(1),
        Medium ReadOnly Missing;
        "Length of a window of the copy quota.";
    "remote.log.manager.expiration.thread.pool.size" Int "10", Check::AtLeast(1),
        Medium ClusterWide Missing;
        "Threads that remove expired remote segments.";
    "remote.log.manager.fetch.max.bytes.per.second" Long "9223372036854775807", Check::AtLeast(1),
        Medium ClusterWide Missing;
        "Bytes a second that are fetched from remote storage.";
    "remote.log.manager.fetch.quota.window.num" Int "11", Check::AtLeast(1),
        Medium ReadOnly Missing;
        "Windows over which the remote fetch quota is measured.";
    "remote.log.manager.fetch.quota.window.size.seconds" Int "1", Check::AtLeast(1),
        Medium ReadOnly Missing;
        "Length of a window of the remote fetch quota.";
    "remote.log.manager.follower.thread.pool.size" Int "2", Check::AtLeast(1),
        Medium ClusterWide Missing;
        "Threads that serve followers of tiered topics.";
    "remote.log.manager.task.interval.ms" Long "30000", Check::AtLeast(1), Low ReadOnly Missing;
        "Pause between two rounds of remote work.";
    "remote.log.manager.thread.pool.size" Int "2", Check::AtLeast(1), Medium ReadOnly Missing;
        "Threads of remote work as a whole.";
    "remote.log.metadata.custom.metadata.max.bytes" Int "128", Check::AtLeast(0),
        Low ReadOnly Missing;
        "Largest note of a remote storage plug-in about a segment.";
    "remote.log.metadata.manager.class.name" String
        "org.apache.kafka.server.log.remote.metadata.storage.\
         TopicBasedRemoteLogMetadataManager",
        Check::NonEmpty,
        Medium ReadOnly Missing;
        "Java class that keeps the list of remote segments.";
    "remote.log.metadata.manager.class.path" String null, Check::Any, Medium ReadOnly Missing;
        "Class path of the class that keeps the list of remote segments.";
    "remote.log.metadata.manager.impl.prefix" String "rlmm.config.", Check::NonEmpty,
        Medium ReadOnly Missing;
        "Prefix of the keys that are passed to the remote metadata class.";
    "remote.log.metadata.manager.listener.name" String null, Check::NonEmpty,
        Medium ReadOnly Missing;
        "Listener that the remote metadata class connects to.";
    "remote.log.reader.max.pending.tasks" Int "100", Check::AtLeast(1), Medium ReadOnly Missing;
        "Remote reads that may wait.";
    "remote.log.reader.threads" Int "10", Check::AtLeast(1), Medium ClusterWide Missing;
        "Threads that read remote segments.";
    "remote.log.storage.manager.class.name" String null, Check::NonEmpty, Medium ReadOnly Missing;
        "Java class that stores remote segments.";
    "remote.log.storage.manager.class.path" String null, Check::Any, Medium ReadOnly Missing;
        "Class path of the class that stores remote segments.";
    "remote.log.storage.manager.impl.prefix" String "rsm.config.", Check::NonEmpty,
        Medium ReadOnly Missing;
        "Prefix of the keys that are passed to the remote storage class.";
    "remote.log.storage.system.enable" Boolean "false", Check::Any, Medium ReadOnly Missing;
        "Switches tiered storage on.";
};
