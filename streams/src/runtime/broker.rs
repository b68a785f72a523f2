//! [`Broker`]: all that the runtime asks of a cluster. The `client` crate answers it outside
//! tests; tests have a cluster in memory that can fail on purpose.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
pub use client::TopicPartition;
use futures::future::BoxFuture;
use thiserror::Error;

use crate::record::{InputRecord, OutputRecord};

/// A call to the cluster that failed for good, or for now.
#[derive(Clone, Debug, Error)]
#[error("{action}: {message}")]
pub(crate) struct BrokerError {
    /// What was tried, as a sentence begins: "cannot read topic x".
    pub(crate) action: String,
    pub(crate) message: String,
    /// Whether starting again from the last commit may help.
    pub(crate) retriable: bool,
}

/// A topic as the cluster knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct KnownTopic {
    pub(crate) partitions: u32,
    /// Tells a topic apart from a later one of the same name; none where the broker is too old
    /// to have ids.
    pub(crate) id: Option<String>,
}

/// What a topic is to an application.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum TopicRole {
    Source,
    Sink,
    Internal,
}

impl std::fmt::Display for TopicRole {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Source => "source",
            Self::Sink => "sink",
            Self::Internal => "internal",
        })
    }
}

/// A topic that belongs to an application.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct InternalTopic {
    pub(crate) name: String,
    pub(crate) partitions: u32,
    pub(crate) configs: BTreeMap<String, String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum OffsetAt {
    Beginning,
    /// Behind the last record that may be read.
    End,
}

/// Tells whether a record that was sent has arrived.
pub(crate) type Receipt = BoxFuture<'static, Result<(), BrokerError>>;

pub(crate) type Offsets = HashMap<TopicPartition, i64>;

/// A position that a group has committed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct GroupOffset {
    pub(crate) offset: i64,
    /// Of the topic that it is a position in, where that was known.
    pub(crate) topic_id: Option<String>,
}

pub(crate) type GroupOffsets = HashMap<TopicPartition, GroupOffset>;

#[async_trait]
pub(crate) trait Broker: Send + Sync {
    /// What the cluster knows of topics; one that does not exist is left out.
    async fn topics(&self, names: &[String]) -> Result<HashMap<String, KnownTopic>, BrokerError>;

    /// Creates a topic; one that is there already stays as it is.
    async fn create_topic(&self, topic: &InternalTopic) -> Result<(), BrokerError>;

    async fn delete_topics(&self, topics: &[String]) -> Result<(), BrokerError>;

    /// Forgets a group's offsets; a group that does not exist is fine.
    async fn delete_group(&self, group: &str) -> Result<(), BrokerError>;

    /// Deletes the records before the given offsets.
    async fn delete_records(&self, before: &Offsets) -> Result<(), BrokerError>;

    async fn offsets(
        &self,
        partitions: &[TopicPartition],
        at: OffsetAt,
    ) -> Result<Offsets, BrokerError>;

    /// Offsets that a group has committed; partitions without are left out.
    async fn committed(
        &self,
        group: &str,
        partitions: &[TopicPartition],
    ) -> Result<GroupOffsets, BrokerError>;

    async fn commit(&self, group: &str, offsets: &GroupOffsets) -> Result<(), BrokerError>;

    /// Reads partitions from the given offsets on.
    async fn reader(&self, from: &Offsets) -> Result<Box<dyn Reader>, BrokerError>;

    /// Gives a record to the producer. Records for one partition keep their order.
    async fn send(&self, topic: &Arc<str>, record: OutputRecord) -> Result<Receipt, BrokerError>;

    /// Appends records as one batch, all or none, and gives the offset of the first.
    async fn append(
        &self,
        partition: &TopicPartition,
        records: Vec<OutputRecord>,
    ) -> Result<i64, BrokerError>;

    async fn close(&self);
}

/// A run of records of a partition.
#[derive(Debug)]
pub(crate) struct Fetched {
    pub(crate) partition: TopicPartition,
    pub(crate) records: Vec<InputRecord>,
    /// Where reading goes on behind them.
    pub(crate) next_offset: i64,
    /// The partition's end, as known with them.
    pub(crate) end_offset: i64,
}

#[async_trait]
pub(crate) trait Reader: Send {
    /// Records that have come, waiting up to `wait` for the first.
    async fn poll(&mut self, wait: Duration) -> Result<Vec<Fetched>, BrokerError>;

    /// Stops, or goes on, fetching these partitions.
    fn pause(&mut self, partitions: &[TopicPartition], paused: bool);

    async fn close(&mut self);
}
