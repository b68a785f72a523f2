//! What a new cluster begins with, and how a broker makes itself known.

use broker_metadata::{ConfigResource, Feature, Image, MetadataRecord, MetadataVersion};
use protocol::messages::broker_registration_request::{Feature as KnownFeature, Listener};
use protocol::messages::register_broker_record::{BrokerEndpoint, BrokerFeature};
use protocol::messages::{
    BrokerRegistrationRequest, ConfigRecord, FeatureLevelRecord, RegisterBrokerRecord,
};
use uuid::Uuid;

/// The features (KIP-584) with the levels at which this broker takes part in a cluster: those of
/// Kafka 4.3, whose records it reads, keeps and replicates. What it coordinates itself is less, and
/// is refused by name: a new cluster begins with `metadata.version` alone.
pub(crate) fn features() -> impl Iterator<Item = (&'static str, i16, i16)> {
    let known = Feature::ALL.into_iter().filter(|feature| *feature != Feature::KRaftVersion);
    known.map(|feature| (feature.name(), *feature.levels().start(), *feature.levels().end()))
}

/// The records of a new cluster: its features, and its `min.insync.replicas` as a setting of the
/// whole cluster, where it can be changed while brokers run.
pub(crate) fn begins_with(min_insync_replicas: &str) -> Vec<MetadataRecord> {
    let mut records = vec![MetadataRecord::FeatureLevel(FeatureLevelRecord {
        name: MetadataVersion::FEATURE.to_owned(),
        feature_level: MetadataVersion::LATEST.level(),
    })];
    records.push(MetadataRecord::Config(ConfigRecord {
        resource_type: ConfigResource::Broker.code(),
        resource_name: String::new(),
        name: "min.insync.replicas".to_owned(),
        value: Some(min_insync_replicas.to_owned()),
    }));
    records
}

/// How a broker makes itself known.
#[derive(Clone, Debug)]
pub(crate) struct Identity {
    pub(crate) node_id: i32,
    pub(crate) cluster_id: String,
    pub(crate) incarnation_id: Uuid,
    /// The epoch under which this broker has stopped in order; -1: it has not.
    pub(crate) previous_epoch: i64,
    pub(crate) rack: Option<String>,
    pub(crate) endpoints: Vec<BrokerEndpoint>,
    pub(crate) log_dirs: Vec<Uuid>,
}

impl Identity {
    pub(crate) fn request(&self) -> BrokerRegistrationRequest {
        let listeners = self.endpoints.iter().map(|endpoint| Listener {
            name: endpoint.name.clone(),
            host: endpoint.host.clone(),
            port: endpoint.port,
            security_protocol: endpoint.security_protocol,
        });
        let features = features().map(|(name, min, max)| KnownFeature {
            name: name.to_owned(),
            min_supported_version: min,
            max_supported_version: max,
        });
        BrokerRegistrationRequest {
            broker_id: self.node_id,
            cluster_id: self.cluster_id.clone(),
            incarnation_id: self.incarnation_id,
            listeners: listeners.collect(),
            features: features.collect(),
            rack: self.rack.clone(),
            log_dirs: self.log_dirs.clone(),
            previous_broker_epoch: self.previous_epoch,
            ..BrokerRegistrationRequest::default()
        }
    }

    /// The registration as it is to hold on this node while it can't be committed: of a broker that
    /// serves.
    pub(crate) fn assumed(&self, image: &Image) -> MetadataRecord {
        let features = features().map(|(name, min, max)| BrokerFeature {
            name: name.to_owned(),
            min_supported_version: min,
            max_supported_version: max,
        });
        let level = image.metadata_version();
        let has_directories = level.is_none_or(MetadataVersion::has_directories);
        MetadataRecord::RegisterBroker(RegisterBrokerRecord {
            broker_id: self.node_id,
            incarnation_id: self.incarnation_id,
            // As the controller does: the offset of the record itself.
            broker_epoch: image.end_offset(),
            end_points: self.endpoints.clone(),
            features: features.collect(),
            rack: self.rack.clone(),
            fenced: false,
            log_dirs: if has_directories { self.log_dirs.clone() } else { Vec::new() },
            ..RegisterBrokerRecord::default()
        })
    }
}
