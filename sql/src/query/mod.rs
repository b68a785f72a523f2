//! Queries while they run: for good, until somebody has seen enough, or once.

pub(crate) mod persistent;
mod print;
mod pull;
mod pull_aggregate;
pub(crate) mod push;
pub(crate) mod rows;

pub(crate) use print::print;
pub(crate) use pull::pull;
pub(crate) use push::push;
