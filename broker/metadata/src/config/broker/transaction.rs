//! Transactions and their topic.

use super::super::key::{Check, Key, keys};

pub(super) const KEYS: &[Key] = keys! {
    "add.partitions.to.txn.retry.backoff.max.ms" Int "100", Check::AtLeast(0),
        High ReadOnly Missing;
        "Longest pause between two tries to add a partition to a transaction.";
    "add.partitions.to.txn.retry.backoff.ms" Int "20", Check::AtLeast(1), High ReadOnly Missing;
        "First pause between two tries to add a partition to a transaction.";
    "transaction.abort.timed.out.transaction.cleanup.interval.ms" Int "10000", Check::AtLeast(1),
        Low ReadOnly Missing;
        "Pause between two looks for transactions that ran out of time.";
    "transaction.max.timeout.ms" Int "900000", Check::AtLeast(1), High ReadOnly Works;
        "Longest timeout that a transaction may ask for.";
    "transaction.partition.verification.enable" Boolean "true", Check::Any, Low ClusterWide Missing;
        "Checks with the coordinator that a partition belongs to a transaction.";
    "transaction.remove.expired.transaction.cleanup.interval.ms" Int "3600000", Check::AtLeast(1),
        Low ReadOnly Missing;
        "Pause between two looks for transactional ids to forget.";
    "transaction.state.log.load.buffer.size" Int "5242880", Check::AtLeast(1),
        High ReadOnly Missing;
        "Bytes read at once while transactions are loaded.";
    "transaction.state.log.min.isr" Int "2", Check::AtLeast(1), High ReadOnly OneNode;
        "In-sync replicas that a write to __transaction_state needs.";
    "transaction.state.log.num.partitions" Int "50", Check::AtLeast(1), High ReadOnly Missing;
        "Partitions of __transaction_state.";
    "transaction.state.log.replication.factor" Short "3", Check::AtLeast(1), High ReadOnly OneNode;
        "Replicas of __transaction_state.";
    "transaction.state.log.segment.bytes" Int "104857600", Check::AtLeast(1), High ReadOnly Missing;
        "Segment size of __transaction_state.";
    "transaction.two.phase.commit.enable" Boolean "false", Check::Any, Low ReadOnly Missing;
        "Allows transactions that wait for an outer coordinator.";
    "transactional.id.expiration.ms" Int "604800000", Check::AtLeast(1), High ReadOnly Missing;
        "Silence after which a transactional id is forgotten.";
};
