//! The quorum in a simulated world: its network loses, delays, reorders and repeats messages and
//! is cut one way or both ways; its nodes crash, and lose what was not synced; its disks take
//! their time. One seed decides all of it, so that a run can be repeated. What must never happen
//! is checked at every step (`checks`).
//!
//! `tests` holds what is run; at its head is how many seeds it takes to find each rule broken.

mod checks;
pub(crate) mod disk;
mod node;
mod plan;
mod quorum;
mod tests;
mod wire;
mod world;
