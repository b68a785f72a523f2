//! Continuous queries.

mod analyze;
mod catalog;
mod clock;
mod error;
mod functions;
mod parser;
mod plan;
mod types;
mod values;

pub use error::{ErrorKind, Span, SqlError};
