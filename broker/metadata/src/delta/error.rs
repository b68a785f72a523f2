//! Why a record can't be taken in.

use thiserror::Error;
use uuid::Uuid;

use crate::version::UnknownLevel;

/// Why a record can't follow the ones before it: the log is damaged or of another system.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ApplyError {
    #[error("a topic {name} is already there with id {id}")]
    TopicExists { name: String, id: Uuid },
    #[error("no topic has id {id}, which a {record} names")]
    UnknownTopic { record: &'static str, id: Uuid },
    #[error("no topic is called {name}, which a ClearElrRecord names")]
    UnknownTopicName { name: String },
    #[error("a partition of topic id {id} has the number {partition}")]
    NegativePartition { id: Uuid, partition: i32 },
    #[error("no partition {partition} of topic id {id} is there to change: it has {present}")]
    UnknownPartition { id: Uuid, partition: i32, present: usize },
    #[error("a {record} has {directories} directories for {replicas} replicas")]
    Directories { record: &'static str, directories: usize, replicas: usize },
    #[error("a {record} has the leader recovery state {code}, which is not known")]
    RecoveryState { record: &'static str, code: i8 },
    #[error("the epochs of a partition are used up")]
    EpochsUsedUp,
    #[error("broker {id} is not registered, and a {record} names it")]
    UnknownBroker { record: &'static str, id: i32 },
    #[error("a {record} is about epoch {named} of broker {id}, which is at epoch {present}")]
    BrokerEpoch { record: &'static str, id: i32, named: i64, present: i64 },
    #[error("a listener of node {id} has no name in a {record}")]
    UnnamedListener { record: &'static str, id: i32 },
    #[error("a BrokerRegistrationChangeRecord of broker {id} sets {field} to {code}")]
    BrokerChange { id: i32, field: &'static str, code: i8 },
    #[error("settings of resource type {code} are not known")]
    UnknownResource { code: i8 },
    #[error("a {record} is about SCRAM mechanism {code}, which is not known")]
    ScramMechanism { record: &'static str, code: i8 },
    #[error("no ACL has id {id}, which a RemoveAccessControlEntryRecord names")]
    UnknownAcl { id: Uuid },
    #[error(
        "{0}. Let the cluster's own nodes bring it to one of those (kafka-features upgrade or \
         downgrade --metadata), then start this one again"
    )]
    MetadataVersion(#[from] UnknownLevel),
    #[error("a BeginTransactionRecord stands within a transaction")]
    NestedTransaction,
    #[error("a {record} stands outside of a transaction")]
    NoTransaction { record: &'static str },
}
