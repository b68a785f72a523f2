//! Running a topology against a cluster.
//!
//! ```text
//!   App ─► prepare (setup) ─► restore, once a task ─► pump ─► tasks ─► close
//!            partitions,        state and positions     reader     rows in, records out,
//!            internal topics                                       commits (task)
//! ```

mod app;
mod broker;
mod config;
mod engine;
mod error;
mod handle;
mod kafka;
mod partition_group;
mod progress;
mod pump;
mod restore;
mod setup;
mod task;
mod waits;
mod watch;
mod workers;

#[cfg(test)]
mod memory_cluster;
#[cfg(test)]
mod tests;

pub use app::{App, AppState};
pub use broker::{TopicPartition, TopicRole};
pub use config::{AppConfig, ProcessingLog};
pub(crate) use engine::{Engine, EngineError, Outgoing};
pub use error::AppError;
pub use handle::AppHandle;
pub use progress::Position;
