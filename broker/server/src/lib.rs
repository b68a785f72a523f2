//! The broker's outside: sockets, requests and the life of the process's broker. It decides little
//! itself: metadata is believed by `broker-metadata`, logs are kept by `broker-log` and replicated
//! by `broker-cluster`, groups are led by `broker-coordinator`.
//!
//! - `broker`: start and shutdown · `folders`: its log dirs · `founding`: their cluster ·
//!   `config`: what it is told
//! - `listener`, `connection`: bytes · `dispatch`: bytes to requests and back · `request`,
//!   `answer`, `fetch_session`: what both sides of that know · `api`: one family a file
//! - `membership`: how it becomes a broker of its cluster and leaves it · `evidence`: brokers that
//!   are gone for sure · `forwarding`: requests
//!   that another node answers
//! - `offsets_log`: where the group coordinator writes · `controller`: how the metadata changes
//! - `upkeep`: work beside requests · `limits`, `metrics`, `services`

mod answer;
mod api;
mod broker;
pub mod config;
mod connection;
mod controller;
mod dispatch;
mod evidence;
mod fetch_session;
mod folders;
mod forwarding;
mod founding;
mod limits;
mod listener;
mod membership;
mod metrics;
mod offsets_log;
mod request;
mod services;
mod upkeep;

pub use api::served;
pub use broker::{Broker, StartError};
pub use broker_cluster::{Clock, ManualClock, SystemClock};
pub use config::{BrokerConfig, ConfigError};
pub use metrics::Snapshot;
