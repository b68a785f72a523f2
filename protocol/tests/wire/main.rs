//! The codec against the schema tables, against another codec, and against damaged input.

#[path = "../../build/schema.rs"]
mod schema;

mod allocation;
mod batch_edges;
mod codecs;
mod frames;
mod hostile;
mod other_codec;
mod record_batches;
mod record_rules;
mod reference;
mod tables;
mod versions;
mod walker;
