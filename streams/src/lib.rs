//! Stream processing over a Kafka-compatible log.
//!
//! A [`Topology`] of operators moves Arrow batches from source topics to sink topics. Its state
//! lives in RocksDB, its changes go to a changelog topic, and offsets are committed in the same
//! step as state, so that a killed application goes on as if nothing had happened.
//!
//! It is **not** a query language and has no expressions: operators bring their own. It reaches
//! brokers only through the `client` crate.
//!
//! ```text
//!   chunk      Chunk: rows, timestamps, what they mean (appends, changes, deltas)
//!   record     decoders and encoders at the edges
//!   operator   Operator, its context
//!   topology   sources, operators, stores, sinks -> sub-topologies and tasks
//!   ops        filter, join, aggregate, materialise ..
//!   state      stores, changelog, the row format
//!   runtime    tasks, commits, restoring, the application
//!   query      pull queries
//!   test_driver   a topology without a broker
//! ```

mod chunk;
mod limits;
mod metrics;
mod operator;
pub mod ops;
mod query;
mod record;
mod runtime;
pub mod state;
mod test_driver;
mod time;
mod topology;

pub use client::FailureKind;

pub use chunk::{Changes, Chunk, ChunkError, OldRows, Origin, RowHeaders};
pub use metrics::{Metrics, MetricsSnapshot};
pub use operator::{Operator, OperatorContext, OperatorError, OperatorFactory, Report, TaskId};
pub use query::{QueryError, ROWTIME, Selection, StoreQuery, StoreReader};
pub use record::{
    BadRecord, CodecError, Header, InputRecord, OutputRecord, RecordDecoder, RecordEncoder,
};
pub use runtime::{
    App, AppConfig, AppError, AppHandle, AppState, Position, ProcessingLog, TopicPartition,
    TopicRole,
};
pub use test_driver::{TestDriver, TestDriverError};
pub use time::{DEFAULT_GRACE_MS, NO_TIME, TimeWindows, WindowError};
pub use topology::{
    NodeId, PartitionKeys, RepartitionSpec, SinkSpec, SourceRole, SourceSpec, StartFrom, StoreSpec,
    Topology, TopologyBuilder, TopologyError,
};
