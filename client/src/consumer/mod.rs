//! Reading records.

pub(crate) mod assignor;
mod config;
pub(crate) mod embedded;
pub(crate) mod offsets;

pub use self::assignor::AssignorKind;
pub use self::config::{ConsumerConfig, FetchConfig, GroupConfig, IsolationLevel, OffsetReset};
pub use self::offsets::{CommittedOffset, OffsetToCommit};
