//! Who a node is, what it listens on, and what it makes of a topic without settings.

use super::super::key::{Check, Key, keys};

pub(super) const KEYS: &[Key] = keys! {
    "node.id" Int null, Check::AtLeast(0), High ReadOnly Works;
        "Number of this node; unique in the cluster.";
    "broker.id" Int "-1", Check::Any, High ReadOnly Works;
        "Older name of node.id; -1 leaves the number to the node.";
    "process.roles" List null, Check::EachOf(&["broker", "controller"]), High ReadOnly Works;
        "Roles of this process: broker, controller or both.";
    "broker.rack" String null, Check::Any, Medium ReadOnly Works;
        "Rack or zone of this broker, as clients see it.";
    "listeners" List "PLAINTEXT://:9092", Check::Any, High PerBroker AtStart;
        "Addresses to listen on, as NAME://HOST:PORT with commas between.";
    "advertised.listeners" List null, Check::Any, High ReadOnly Works;
        "Addresses that clients are told; those of listeners unless given.";
    "listener.security.protocol.map" String
        "SASL_SSL:SASL_SSL,PLAINTEXT:PLAINTEXT,SSL:SSL,\
         SASL_PLAINTEXT:SASL_PLAINTEXT",
        Check::Any,
        Low PerBroker AtStart;
        "Security protocol of each listener name, as NAME:PROTOCOL.";
    "inter.broker.listener.name" String null, Check::Any, Medium ReadOnly Works;
        "Listener over which brokers speak with each other.";
    "security.inter.broker.protocol" String "PLAINTEXT",
        Check::OneOf(&["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"]),
        Medium ReadOnly Missing;
        "Security protocol between brokers when no listener is named for it.";
    "controller.listener.names" List null, Check::Any, High ReadOnly Works;
        "Listeners of the controller role; clients are not told of them.";
    "early.start.listeners" List null, Check::Any, High ReadOnly Missing;
        "Listeners that accept connections before the node is ready.";
    "log.dir" List "/tmp/kafka-logs", Check::Any, High ReadOnly Works;
        "Data folder, used when log.dirs is absent.";
    "log.dirs" List null, Check::Any, High ReadOnly Works;
        "Data folders, with commas between.";
    "metadata.log.dir" String null, Check::Any, High ReadOnly Missing;
        "Folder of the metadata log; the first of the data folders unless given.";
    "cordoned.log.dirs" List "", Check::Any, Medium PerBroker Missing;
        "Data folders that get no new partition.";
    "background.threads" Int "10", Check::AtLeast(1), High ClusterWide Hint;
        "Threads for work beside requests.";
    "num.io.threads" Int "8", Check::AtLeast(1), High ClusterWide Hint;
        "Threads that process requests.";
    "num.network.threads" Int "3", Check::AtLeast(1), High ClusterWide Hint;
        "Threads that read requests and write answers.";
    "num.recovery.threads.per.data.dir" Int "2", Check::AtLeast(1), High ClusterWide AtStart;
        "Threads that open and recover the logs of one data folder.";
    "num.replica.alter.log.dirs.threads" Int null, Check::Any, High ReadOnly Hint;
        "Threads that move partitions between data folders.";
    "auto.create.topics.enable" Boolean "true", Check::Any, High ReadOnly Works;
        "Creates a topic when a client asks for its metadata.";
    "delete.topic.enable" Boolean "true", Check::Any, High ReadOnly Works;
        "Allows topics to be deleted.";
    "num.partitions" Int "1", Check::AtLeast(1), Medium ReadOnly Works;
        "Partitions of a topic that is created without a count.";
    "default.replication.factor" Int "1", Check::Any, Medium ReadOnly Works;
        "Replicas of a topic that is created without a count.";
    "min.insync.replicas" Int "1", Check::AtLeast(1), High ClusterWide Works;
        "In-sync replicas that a write with acks=all needs.";
    "unclean.leader.election.enable" Boolean "false", Check::Any, High ClusterWide Works;
        "Allows a replica out of sync to lead when no other is left, at the price of records.";
    "auto.leader.rebalance.enable" Boolean "true", Check::Any, High ReadOnly Works;
        "Gives leadership back to preferred replicas now and then.";
    "leader.imbalance.check.interval.seconds" Long "300", Check::AtLeast(1), High ReadOnly Works;
        "Pause between two checks for leaders off their preferred replica.";
    "controlled.shutdown.enable" Boolean "true", Check::Any, Medium ReadOnly Works;
        "Moves leadership away before a node stops.";
    "max.request.partition.size.limit" Int "2000", Check::AtLeast(1), Medium ReadOnly Works;
        "Partitions that one page of a DescribeTopicPartitions answer may hold.";
    "create.topic.policy.class.name" Class null, Check::Any, Low ReadOnly Missing;
        "Java class that judges each creation of a topic.";
    "alter.config.policy.class.name" Class null, Check::Any, Low ReadOnly Missing;
        "Java class that judges each change of a configuration.";
    "config.providers" List "", Check::Any, Low ClusterWide Missing;
        "Java classes that resolve values kept outside this file.";
    "metric.reporters" List "org.apache.kafka.common.metrics.JmxReporter", Check::Any,
        Low ClusterWide Missing;
        "Java classes that publish metrics.";
    "metrics.num.samples" Int "2", Check::AtLeast(1), Low ReadOnly Missing;
        "Windows kept of each metric.";
    "metrics.recording.level" String "INFO", Check::Any, Low ReadOnly Missing;
        "Least level at which metrics are recorded.";
    "metrics.sample.window.ms" Long "30000", Check::AtLeast(1), Low ReadOnly Missing;
        "Length of a metric's window.";
    "kafka.metrics.polling.interval.secs" Int "10", Check::AtLeast(1), Low ReadOnly Missing;
        "Pause of metrics reporters that poll.";
    "kafka.metrics.reporters" List "", Check::Any, Low ReadOnly Missing;
        "Java classes of the older metrics library.";
    "telemetry.max.bytes" Int "1048576", Check::AtLeast(1), Low ReadOnly Missing;
        "Largest metrics report of a client.";
};
