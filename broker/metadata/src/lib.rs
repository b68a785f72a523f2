//! What the cluster believes: an immutable [`Image`] of brokers, topics and settings, made only by
//! replaying metadata records, and the tables of configuration keys. It decides nothing and touches
//! no file: the controller makes records, a log keeps them, this crate says what they mean.
//!
//! - `config`: the tables of keys, layers of settings, and typed groups of them
//! - `image`, `delta`: what is believed, and how it becomes the next · `records`: the log's records
//! - `names`: what a topic may be called · `placement`: which brokers hold a new partition

pub mod config;
mod delta;
mod image;
pub mod names;
pub mod placement;
mod records;

pub use delta::{ApplyError, Changes, Delta, replay_all};
pub use image::{
    BrokerImage, ConfigMap, ConfigResource, Endpoint, Image, PartitionImage, TopicImage,
};
pub use records::{MetadataRecord, RecordError};
