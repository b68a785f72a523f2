//! What the cluster believes: an immutable [`Image`] of nodes, topics, settings and rights, made
//! only by replaying metadata records, and the tables of configuration keys. It decides nothing
//! and touches no file: the controller makes records, a log keeps them, this crate says what they
//! mean, how they are written and how snapshots of them are.
//!
//! - `config`: the tables of keys, layers of settings, and typed groups of them
//! - `image`, `delta`: what is believed, and how it becomes the next · `write`: back to records
//! - `records`: the log's records · `batches`: batches of them · `snapshot`: files of them
//! - `version`, `feature`: the levels of the metadata and of the features that depend on it
//! - `names`: what a topic may be called · `placement`: which brokers hold a new partition

mod batches;
pub mod config;
mod delta;
mod feature;
mod image;
pub mod names;
pub mod placement;
mod records;
pub mod snapshot;
#[cfg(test)]
mod tests;
mod version;
mod write;

pub use batches::{BatchError, MetadataBatch, batches, decode_batch};
pub use delta::{ApplyError, Changes, Delta, replay_all};
pub use feature::{Feature, FeatureError};
pub use image::{
    AclImage, BrokerImage, ConfigMap, ConfigResource, ControllerImage, Endpoint, FeatureRange,
    Image, LeaderRecoveryState, PartitionImage, QuotaEntity, QuotaMap, ScramCredential,
    ScramMechanism, TokenImage, TopicImage, directory,
};
pub use records::{MetadataRecord, RecordError, RecordWriteError};
pub use version::{MetadataVersion, UnknownLevel, UnknownVersion};
pub use write::Loss;
