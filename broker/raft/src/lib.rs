#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod action;
mod config;
mod connections;
mod control;
mod election;
mod event;
mod leader;
mod log_view;
mod machine;
mod random;
mod role;
mod rules;
#[cfg(test)]
mod sim;
#[cfg(test)]
mod tests;
mod voters;

pub use action::{Action, Fault, Fill};
pub use config::Config;
pub use control::{ControlError, History};
pub use election::{ElectionState, ElectionStateError};
pub use event::{Event, Failure, Inbound, Now, Request, Response};
pub use log_view::{LogView, OffsetAndEpoch};
pub use machine::{Proposal, ProposeError, Raft, UpgradeError};
pub use role::RoleName;
pub use voters::{Address, Endpoints, Node, ReplicaKey, VersionRange, VoterNode, VoterSet};
