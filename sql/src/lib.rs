//! Continuous queries.

mod analyze;
mod api;
mod catalog;
mod clock;
mod command_log;
mod engine;
mod error;
mod functions;
mod harness;
mod ops;
mod parser;
mod plan;
mod query;
mod records;
pub mod shell;
mod types;
mod values;

pub use api::Server;
pub use engine::{Engine, EngineConfig, ExecuteError, Outcome};
pub use error::{ErrorKind, Span, SqlError};
pub use harness::serve as serve_cases;
pub use query::rows::{PrintStream, QueryStream, ResultColumn, RowEvent};
pub use types::SqlType;
