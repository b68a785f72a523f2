//! Queries while they run: for good, until somebody has seen enough, or once.

mod access;
mod grouped;
pub(crate) mod persistent;
mod print;
mod pull;
mod pull_aggregate;
pub(crate) mod push;
pub(crate) mod rows;
pub(crate) mod store_table;

pub(crate) use grouped::grouped;
pub(crate) use print::print;
pub(crate) use pull::{PullContext, PullPlan, explain_pull, is_pull, pull};
pub(crate) use push::push;
