//! Applications on a cluster in memory: what they give, and what they remember.

mod fixture;
mod lifecycle;
mod on_broker;
mod outside;
mod reading;
mod recovery;
