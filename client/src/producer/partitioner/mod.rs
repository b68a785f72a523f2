//! Which partition a record goes to. Pure: randomness comes in as an argument.

mod murmur2;
mod sticky;

pub use self::murmur2::{murmur2, partition_for_key};
pub(super) use self::sticky::{Load, StickyPartition};
