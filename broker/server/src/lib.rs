//! The broker's outside: sockets, requests and the life of the process's broker. It decides little
//! itself: metadata is believed by `broker-metadata`, logs are kept by `broker-log`, groups by
//! `broker-coordinator`.
//!
//! - `broker`: start and shutdown · `config`: what it is told
//! - `listener`, `connection`: bytes · `dispatch`: bytes to requests and back · `request`, `answer`,
//!   `fetch_session`: what both sides of that know · `api`: one family a file
//! - `offsets_log`: where the group coordinator writes · `partition`: the partitions on this node ·
//!   `controller`: how the metadata changes
//! - `upkeep`: work beside requests · `clock`, `limits`, `metrics`, `services`

mod answer;
mod api;
mod broker;
mod clock;
pub mod config;
mod connection;
mod controller;
mod dispatch;
mod fetch_session;
mod limits;
mod listener;
mod lock;
mod metrics;
mod off_sockets;
mod offsets_log;
mod partition;
mod request;
mod services;
mod upkeep;

pub use api::served;
pub use broker::{Broker, StartError};
pub use clock::{Clock, ManualClock, SystemClock};
pub use config::{BrokerConfig, ConfigError};
pub use metrics::Snapshot;
