//! Configuration: one table of keys per scope (topic, broker, group), the layers that set them, and
//! the typed settings that come of both.
//!
//! - `topic`, `group`, `broker`: the tables; a key's name stands nowhere else but in `reader`'s
//!   callers
//! - `key`, `value`: what a key is, and its values as text · `table`: keys by name
//! - `layer`: what somebody set, and changes to it · `resolve`: which layer a value comes from
//! - `topic_config`, `broker_config`, `cluster_config`, `cleaner_config`: resolved settings in
//!   groups
//! - `file`: what a broker's file says that needs a word
//!
//! Which keys are taken: each key says what its value does here ([`Effect`]). One that works is
//! taken. One that would promise what this broker does not do is taken only at its default: a
//! request that sets it otherwise is refused by its name, and a file that does is reported. A hint
//! about Kafka's threads and buffers is taken and reported too, because it changes nothing.

mod broker;
mod broker_config;
mod cleaner_config;
mod cluster_config;
mod file;
mod group;
mod key;
mod layer;
mod reader;
mod resolve;
mod table;
#[cfg(test)]
mod tests;
mod topic;
mod topic_config;
mod value;

pub use broker_config::{
    BrokerConfig, FetchConfig, GroupConfig, NodeConfig, OffsetsTopicConfig, SocketConfig,
    TopicDefaults, UpkeepConfig,
};
pub use cleaner_config::CleanerConfig;
pub use cluster_config::{
    ClusterConfig, MembershipConfig, MetadataLogConfig, QuorumConfig, ReplicationConfig,
};
pub use file::{Finding, examine};
pub use javatext::properties::{
    PropertiesError, load as load_properties, parse as parse_properties,
};
pub use key::{Check, Effect, Importance, Key, Kind, Update};
pub use layer::{Change, ChangeError, Layer, change, check_dynamic, check_layer, hints};
pub use resolve::{
    BrokerLayers, Entry, Source, Synonym, describe_broker, describe_cluster_default,
    describe_group, describe_topic,
};
pub use table::{Table, broker_table, group_table, topic_table};
pub use topic_config::{
    CompactionConfig, FlushConfig, RetentionConfig, SegmentConfig, TimestampConfig, TopicConfig,
};
pub use value::{Value, ValueError, items};
