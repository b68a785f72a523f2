//! kafka-console-producer and kafka-console-consumer: lines to records and back.

mod format;
mod lines;
pub(super) mod producer;
