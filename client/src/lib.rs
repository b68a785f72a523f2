//! Everything that speaks to a broker: async, pure Rust, over TCP or inside one process.
//!
//! It works with any Kafka cluster, and knows nothing of what is above it: no schemas, no SQL.
//! All state machines in it (batching, partitioners, assignors, membership) are pure; tasks and
//! sockets are at the edge.
//!
//! - [`Producer`]: writes records, idempotently by default
//! - [`Consumer`]: reads records, alone or in a group
//! - [`Admin`]: topics, configurations, groups, offsets
//! - [`Cluster`]: metadata, coordinators and typed requests, for what has no method above
//! - `schema_registry`: schemas from a registry, over HTTP; with the feature of that name
//! - [`ClientConfig`]: where the cluster is; [`Connector`]: how a stream to it comes about

pub mod admin;
mod cluster;
mod config;
mod connection;
pub mod consumer;
mod error;
mod failure;
mod limits;
mod metadata;
pub mod producer;
mod retry;
#[cfg(feature = "schema-registry")]
pub mod schema_registry;
mod topic_partition;
mod transport;

pub use admin::Admin;
pub use cluster::{Cluster, CoordinatorKind, Lane, ListedOffset, OffsetSpec};
pub use cluster::{Refreshed, TopicSelection};
pub use config::{ClientConfig, Properties};
pub use connection::{Connection, ConnectionConfig, Departing, Pending, Versions};
pub use consumer::{Consumer, ConsumerConfig, ConsumerRecord, Polled, RebalanceEvent};
pub use error::{
    AdminError, ConfigError, ConnectionError, ConsumeError, ProduceError, RequestError,
};
pub use failure::FailureKind;
pub use metadata::{Metadata, Node, Partition, Topic};
pub use producer::{Delivery, DeliveryObserver, Header};
pub use producer::{Producer, ProducerConfig, Record, RecordMetadata};
pub use retry::Backoff;
pub use topic_partition::{TOPIC_NAME_RULE, TopicPartition, is_topic_name};
pub use transport::{BoxedStream, Connector, MemoryConnector, Stream, TcpConnector};
