//! JSON: scanning record values without building a tree, writing text, and the two forms that
//! Kafka Connect's converter gives a value (plain, or in an envelope with its schema).

mod scan;
mod write;

pub use scan::JsonError;
pub(crate) use scan::{Scanner, Token, compact};
pub use write::write_string;
