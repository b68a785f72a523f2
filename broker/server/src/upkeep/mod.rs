//! Work beside requests: retention, rolling quiet segments, syncing, checkpoints, removing files.
//!
//! Each kind is one task that ticks or is told; what blocks runs on threads that may. The broker
//! waits for all of them when it stops.

mod flusher;
mod janitor;
mod rounds;

pub(crate) use self::flusher::Flusher;
pub(crate) use self::janitor::Janitor;
pub(crate) use self::rounds::start;
