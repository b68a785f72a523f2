//! Operators that need no expressions of their own: the caller brings projections, predicates
//! and aggregate functions as closures or small traits.

mod aggregate;
mod deltas;
mod filter;
mod join;
mod materialize;
mod stateless;
mod suppress;
mod table;

#[cfg(test)]
pub(crate) mod tests;

pub use aggregate::{Aggregate, AggregateSpec, Aggregator};
pub use deltas::Deltas;
pub use filter::{Filter, Predicate};
pub use join::{JoinKind, StreamTableJoin, StreamTableJoinSpec};
pub use materialize::Materialize;
pub use stateless::Stateless;
pub use suppress::Suppress;
pub use table::TableLayout;
