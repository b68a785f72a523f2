//! Kafka's bytes to typed messages and back.
//!
//! All requests and responses of Kafka 4.3 in all their versions, the records that a cluster
//! keeps for itself, and record batches. No I/O, no clock, no tasks: bytes come in as
//! [`bytes::Bytes`], and what is sent leaves as a buffer with gaps where record bytes belong.
//!
//! - [`messages`]: one module per message, generated from the tables in `schema/`
//! - [`Message`], [`Request`]: what all of them have in common
//! - [`ApiKey`], [`ErrorCode`]: Kafka's two number spaces, by name
//! - [`AsTree`]: a record's fields by name, for tools
//! - [`Reader`], [`Writer`]: the primitive types, in classic and flexible encoding
//! - [`frame`]: a request or response with its length and header
//! - [`record`]: record batches, read as views and built for appending
//! - [`limits`]: what a peer may make us allocate

#![forbid(unsafe_code)]

mod api_key;
mod error;
mod error_code;
pub mod frame;
pub mod limits;
mod message;
pub mod messages;
pub mod record;
mod tree;
mod wire;

pub use api_key::ApiKey;
pub use error::{DecodeError, EncodeError};
pub use error_code::ErrorCode;
pub use message::{Message, NumberedRecord, Request};
pub use tree::{AsTree, Tree};
pub use wire::{Gap, Reader, TagCount, TagStart, Writer};
