//! From a checked statement to a topology.

pub(crate) mod logical;
pub(crate) mod physical;
pub(crate) mod statement;
