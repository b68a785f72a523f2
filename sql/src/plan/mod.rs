//! From a checked statement to a topology.

pub(crate) mod logical;
