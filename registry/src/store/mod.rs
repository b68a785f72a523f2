//! What the registry knows and where that stands: a state that only replayed records change, and
//! the compacted topic that the records are in.

mod journal;
mod mode;
mod record;
mod state;
mod stored;

pub(crate) use journal::{OpenError, follow, open};
pub(crate) use mode::Mode;
pub(crate) use record::{Config, Key, Record, SchemaRow};
pub(crate) use state::{State, Version};
#[cfg(test)]
pub(crate) use stored::{Entry, Journal};
pub(crate) use stored::{Store, StoreError};
