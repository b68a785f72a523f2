//! Work beside requests: retention, rolling quiet segments, compaction, syncing, checkpoints,
//! removing files, giving memory back, and what the active controller does by itself.
//!
//! Each kind is one task that ticks or is told; what blocks runs on threads that may. The broker
//! waits for all of them when it stops.

mod cleaner;
mod disks;
mod janitor;
mod memory;
mod rounds;
mod sessions;

pub(crate) use self::cleaner::Cleaner;
pub(crate) use self::janitor::Janitor;
pub(crate) use self::rounds::start;
