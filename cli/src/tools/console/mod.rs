//! kafka-console-producer and kafka-console-consumer: lines to records and back.

pub(super) mod consumer;
mod coordinator_format;
mod format;
mod lines;
pub(super) mod producer;
mod properties;
