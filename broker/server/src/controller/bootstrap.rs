//! The records that a node writes at its start: what a new cluster begins with, and the node
//! itself.

use broker_metadata::{ConfigResource, Image, MetadataRecord, MetadataVersion};
use protocol::messages::register_broker_record::{BrokerEndpoint, BrokerFeature};
use protocol::messages::{ConfigRecord, FeatureLevelRecord, RegisterBrokerRecord};
use uuid::Uuid;

/// A feature (KIP-584) with the levels that this broker can work at, and the one of a new cluster.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Feature {
    pub(crate) name: &'static str,
    pub(crate) min: i16,
    pub(crate) max: i16,
}

/// The level of metadata that Kafka 4.3 writes; of the other features nothing is there yet.
pub(crate) const FEATURES: &[Feature] = &[Feature { name: "metadata.version", min: 7, max: 30 }];

/// How a broker makes itself known.
#[derive(Clone, Debug)]
pub(crate) struct Identity {
    pub(crate) node_id: i32,
    pub(crate) incarnation_id: Uuid,
    pub(crate) rack: Option<String>,
    pub(crate) endpoints: Vec<BrokerEndpoint>,
    pub(crate) log_dirs: Vec<Uuid>,
}

impl Identity {
    /// What is to be committed at a start. A new cluster gets its features, and its
    /// `min.insync.replicas` as a setting of the whole cluster, where it can be changed while
    /// brokers run.
    pub(crate) fn records(&self, image: &Image, min_insync_replicas: &str) -> Vec<MetadataRecord> {
        let mut records = Vec::new();
        if image.end_offset() == 0 {
            records.extend(FEATURES.iter().map(|feature| {
                MetadataRecord::FeatureLevel(FeatureLevelRecord {
                    name: feature.name.to_owned(),
                    feature_level: feature.max,
                })
            }));
            records.push(MetadataRecord::Config(ConfigRecord {
                resource_type: ConfigResource::Broker.code(),
                resource_name: String::new(),
                name: "min.insync.replicas".to_owned(),
                value: Some(min_insync_replicas.to_owned()),
            }));
        }
        let features = FEATURES.iter().map(|feature| BrokerFeature {
            name: feature.name.to_owned(),
            min_supported_version: feature.min,
            max_supported_version: feature.max,
        });
        let level = image.metadata_version();
        let has_directories = level.is_none_or(MetadataVersion::has_directories);
        records.push(MetadataRecord::RegisterBroker(RegisterBrokerRecord {
            broker_id: self.node_id,
            incarnation_id: self.incarnation_id,
            // As Kafka's controller does: the offset of the record itself.
            broker_epoch: image.end_offset() + i64::try_from(records.len()).unwrap_or(0),
            end_points: self.endpoints.clone(),
            features: features.collect(),
            rack: self.rack.clone(),
            fenced: false,
            log_dirs: if has_directories { self.log_dirs.clone() } else { Vec::new() },
            ..RegisterBrokerRecord::default()
        }));
        records
    }
}
