//! A broker as its clients see it: over sockets, with an independent client and with raw requests.

#![allow(clippy::unwrap_used)]

mod clocked;
mod cluster;
mod compaction;
mod configs;
mod connections;
mod counting;
mod crash;
mod disk;
mod disk_trouble;
mod durability;
mod fetch;
mod groups;
mod hostile;
mod hostile_sizes;
mod independent_client;
mod log_dirs;
mod memory;
mod metadata_damage;
mod moves;
mod panics;
mod produce;
mod protocol_page;
mod record_validation;
mod refusals;
mod support;
mod together;
mod topic_configs;
mod topics;
mod upkeep;
mod versions;
