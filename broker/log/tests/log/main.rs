//! The behaviour of a log, on files and in memory.

#![allow(clippy::unwrap_used, reason = "what fails in a test's helper fails the test")]

mod append;
mod compaction;
mod epochs;
mod failed_rolls;
mod faults;
mod full_disk;
mod groups;
mod last_operation;
mod model;
mod moves;
mod power;
mod producers;
mod read;
mod recovery;
mod retention;
mod roll;
mod support;
mod times;
mod truncate;
