//! How the cluster comes to believe what it believes, and how partitions are replicated.
//!
//! - `controller`: commands to records, pure
//! - `replica`: what a leader and a follower know of a partition, pure

mod controller;
mod replica;
