//! What the cluster believes: an immutable [`Image`] of brokers, topics and settings, made only by
//! replaying metadata records, and the tables of configuration keys. It decides nothing and touches
//! no file: the controller makes records, a log keeps them, this crate says what they mean.
//!
//! - `config`: the tables of keys, layers of settings, and typed groups of them
//! - `names`: what a topic may be called · `placement`: which brokers hold a new partition

pub mod config;
pub mod names;
pub mod placement;
