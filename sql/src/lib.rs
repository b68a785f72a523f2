//! Continuous queries: ksqlDB's language over the topics of any Kafka cluster.
//!
//! It is **not** a store and has no tasks of its own beside the REST listener: a query that goes on
//! is an application of `streams`, expressions are DataFusion's, topics are reached through
//! `client`.
//!
//! ```text
//!   parser      text -> statements with places          catalog   what there is
//!   analyze     names, types, ksqlDB's rules            functions scalar, aggregate
//!   plan        statement -> steps -> topology          ops       rows in between
//!   records     rows at the edges
//!   query       persistent, push, pull, print           engine    carries statements out
//!   api         the REST API                            shell     a client of it
//!   harness     queries without a broker, for tests
//! ```

mod analyze;
mod api;
mod catalog;
mod clock;
mod command_log;
mod display;
mod engine;
mod error;
mod functions;
mod harness;
mod ops;
mod parser;
mod plan;
mod processing_log;
mod query;
mod records;
pub mod shell;
mod types;
mod values;

pub use api::Server;
pub use engine::{Engine, EngineConfig, ExecuteError, Outcome};
pub use error::{ErrorKind, Span, SqlError};
pub use harness::{CaseCluster, serve as serve_cases, serve_on as serve_cases_on};
pub use query::rows::{PrintStream, QueryStream, ResultColumn, RowEvent};
pub use types::SqlType;
