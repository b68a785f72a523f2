//! The metadata quorum and its log.

use super::super::key::{Check, Key, keys};

pub(super) const KEYS: &[Key] = keys! {
    "broker.heartbeat.interval.ms" Int "2000", Check::Any, Medium ReadOnly Works;
        "Pause between heartbeats of a broker to the controller.";
    "broker.session.timeout.ms" Int "9000", Check::Any, Medium ReadOnly Works;
        "Silence after which the controller fences a broker.";
    "controller.quorum.append.linger.ms" Int "25", Check::AtLeast(0), Medium ReadOnly Hint;
        "How long the metadata quorum gathers records before a write.";
    "controller.quorum.auto.join.enable" Boolean "false", Check::Any, Low ReadOnly Works;
        "Lets a controller join the quorum by itself.";
    "controller.quorum.bootstrap.servers" List "", Check::Any, High ReadOnly Works;
        "Addresses at which the metadata quorum is found; one node is its own.";
    "controller.quorum.election.backoff.max.ms" Int "1000", Check::AtLeast(0), High ReadOnly Works;
        "Longest pause before a new election.";
    "controller.quorum.election.timeout.ms" Int "1000", Check::AtLeast(0), High ReadOnly Works;
        "Wait for votes before a new election.";
    "controller.quorum.fetch.max.bytes" Int "1048576", Check::AtLeast(1), Low ReadOnly Works;
        "Largest answer to a fetch of the metadata log.";
    "controller.quorum.fetch.snapshot.max.bytes" Int "1048576", Check::AtLeast(1),
        Low ReadOnly Works;
        "Largest part of a metadata snapshot that is sent at once.";
    "controller.quorum.fetch.timeout.ms" Int "2000", Check::AtLeast(0), High ReadOnly Works;
        "Silence of the quorum's leader before an election.";
    "controller.quorum.request.timeout.ms" Int "2000", Check::AtLeast(0), Medium ReadOnly Works;
        "Wait for an answer inside the quorum.";
    "controller.quorum.retry.backoff.ms" Int "20", Check::AtLeast(0), Low ReadOnly Works;
        "Pause before a request inside the quorum is sent again.";
    "controller.quorum.voters" List "", Check::Any, High ReadOnly Works;
        "Voters of the metadata quorum, as ID@HOST:PORT; one node is its own.";
    "controller.socket.timeout.ms" Int "30000", Check::Any, Medium ReadOnly Hint;
        "Wait on the connection to the controller.";
    "initial.broker.registration.timeout.ms" Int "60000", Check::Any, Medium ReadOnly Works;
        "Wait for a first registration before the broker gives up.";
    "metadata.log.max.record.bytes.between.snapshots" Long "20971520", Check::AtLeast(1),
        High ReadOnly Missing;
        "Bytes of metadata records between two snapshots.";
    "metadata.log.max.snapshot.interval.ms" Long "3600000", Check::AtLeast(0),
        High ReadOnly Missing;
        "Longest time between two metadata snapshots.";
    "metadata.log.segment.bytes" Int "1073741824", Check::AtLeast(8388608), High ReadOnly Works;
        "Segment size of the metadata log.";
    "metadata.log.segment.ms" Long "604800000", Check::Any, High ReadOnly Works;
        "Age at which a segment of the metadata log is closed.";
    "metadata.max.idle.interval.ms" Int "500", Check::AtLeast(0), Low ReadOnly Missing;
        "Pause between the metadata log's records without content.";
    "metadata.max.retention.bytes" Long "104857600", Check::Any, High ReadOnly Missing;
        "Bytes of old metadata that are kept.";
    "metadata.max.retention.ms" Long "604800000", Check::Any, High ReadOnly Missing;
        "Age of old metadata that is kept.";
};
