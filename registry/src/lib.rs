//! A schema registry: Confluent's REST API over a compacted topic. Avro in all seven levels of
//! compatibility; JSON Schema and Protobuf are refused with 422.
//!
//! One instance works on a topic at a time: there is no election of a leader yet. It reaches the
//! broker only as a client, so it works on any Kafka cluster.
//!
//! ```text
//! api       paths, bodies, content types  ->  service (pure: state + request -> records + answer)
//! service   register, look up, compatibility, listings, settings, deletion
//! compat    levels, and the differences between two Avro schemas
//! store     the state that replayed records make, the topic behind it
//! ```

mod api;
mod compat;
mod config;
mod error;
mod parsed;
mod schema;
mod server;
mod service;
mod store;
mod subject;
#[cfg(test)]
mod tests;
mod words;

pub use config::RegistryConfig;
pub use server::{Registry, StartError, start};
