//! How the cluster comes to believe what it believes, and how partitions are replicated.
//!
//! - `controller`: commands to records, pure · `replica`: what a leader and a follower know of a
//!   partition, pure
//! - `partition`: the partitions on this node, with their logs open · `flusher`: syncs them ·
//!   `log_configs`: their settings
//! - `replication`: records fetched from leaders, changes of ISRs asked of the controller
//! - `quorum`: the metadata's quorum on this node · `peers`: connections to other nodes
//! - `clock`, `limits`, `lock`, `off_sockets`

mod clock;
pub mod controller;
mod flusher;
mod limits;
pub mod lock;
mod log_configs;
pub mod off_sockets;
pub mod partition;
mod peers;
pub mod quorum;
pub mod replica;
pub mod replication;

pub use client::ConnectionError as PeerError;
pub use clock::{Clock, ManualClock, SystemClock};
pub use flusher::Flusher;
pub use log_configs::{HeldLayers, LogConfigs};
pub use peers::{Address, Peers};
