//! Brokers and controllers as they registered themselves.

use std::collections::BTreeMap;

use protocol::messages::{
    RegisterBrokerRecord, RegisterControllerRecord, register_broker_record,
    register_controller_record,
};
use uuid::Uuid;

use super::directory;
use crate::version::MetadataVersion;

/// Where clients or brokers reach a node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    pub listener: String,
    pub host: String,
    pub port: u16,
    /// 0 PLAINTEXT, 1 SSL, 2 SASL_PLAINTEXT, 3 SASL_SSL.
    pub security_protocol: i16,
}

/// The levels of a feature that a node can work at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FeatureRange {
    pub min: i16,
    pub max: i16,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BrokerImage {
    pub id: i32,
    /// New with each registration: what is asked in the name of an older one is refused.
    pub epoch: i64,
    /// New with each start of the process.
    pub incarnation_id: Uuid,
    pub endpoints: Vec<Endpoint>,
    pub features: BTreeMap<String, FeatureRange>,
    pub rack: Option<String>,
    pub fenced: bool,
    pub in_controlled_shutdown: bool,
    /// Whether it was a broker of ZooKeeper that is being migrated.
    pub is_migrating_zk_broker: bool,
    /// Those that work; empty where the level of the metadata has none.
    pub log_dirs: Vec<Uuid>,
    /// Those that take no new replicas; `None` while the broker has not said.
    pub cordoned_log_dirs: Option<Vec<Uuid>>,
}

impl BrokerImage {
    pub fn endpoint(&self, listener: &str) -> Option<&Endpoint> {
        self.endpoints.iter().find(|endpoint| endpoint.listener == listener)
    }

    /// Whether a replica that is said to lie in `dir` can be served.
    pub fn has_online_dir(&self, dir: Uuid) -> bool {
        match dir {
            directory::UNASSIGNED | directory::MIGRATING => true,
            directory::LOST => false,
            // Of a broker that registered at a level without directories nothing is known.
            _ => self.log_dirs.is_empty() || self.log_dirs.contains(&dir),
        }
    }

    /// Whether new replicas have a place.
    pub fn has_uncordoned_dir(&self) -> bool {
        match &self.cordoned_log_dirs {
            Some(cordoned) if !self.log_dirs.is_empty() => {
                self.log_dirs.iter().any(|dir| !cordoned.contains(dir))
            }
            _ => true,
        }
    }

    pub(crate) fn from_record(record: &RegisterBrokerRecord) -> Self {
        let endpoints = record.end_points.iter().map(|point| Endpoint {
            listener: point.name.clone(),
            host: point.host.clone(),
            port: point.port,
            security_protocol: point.security_protocol,
        });
        let features = record.features.iter().map(|feature| {
            let (min, max) = (feature.min_supported_version, feature.max_supported_version);
            (feature.name.clone(), FeatureRange { min, max })
        });
        Self {
            id: record.broker_id,
            epoch: record.broker_epoch,
            incarnation_id: record.incarnation_id,
            endpoints: endpoints.collect(),
            features: features.collect(),
            rack: record.rack.clone(),
            fenced: record.fenced,
            in_controlled_shutdown: record.in_controlled_shutdown,
            is_migrating_zk_broker: record.is_migrating_zk_broker,
            log_dirs: record.log_dirs.clone(),
            cordoned_log_dirs: record.cordoned_log_dirs.clone(),
        }
    }

    /// The record of this registration, without what a level does not have.
    pub(crate) fn to_record(&self, level: MetadataVersion) -> RegisterBrokerRecord {
        let end_points =
            self.endpoints.iter().map(|point| register_broker_record::BrokerEndpoint {
                name: point.listener.clone(),
                host: point.host.clone(),
                port: point.port,
                security_protocol: point.security_protocol,
            });
        let features =
            self.features.iter().map(|(name, range)| register_broker_record::BrokerFeature {
                name: name.clone(),
                min_supported_version: range.min,
                max_supported_version: range.max,
            });
        let has_dirs = level.has_directories();
        let has_cordoned = level.has_cordoned_directories();
        RegisterBrokerRecord {
            broker_id: self.id,
            is_migrating_zk_broker: self.is_migrating_zk_broker && level.has_zk_migration(),
            incarnation_id: self.incarnation_id,
            broker_epoch: self.epoch,
            end_points: end_points.collect(),
            features: features.collect(),
            rack: self.rack.clone(),
            fenced: self.fenced,
            in_controlled_shutdown: self.in_controlled_shutdown,
            log_dirs: if has_dirs { self.log_dirs.clone() } else { Vec::new() },
            cordoned_log_dirs: self.cordoned_log_dirs.clone().filter(|_| has_cordoned),
        }
    }
}

/// A controller as it registered itself (KIP-919).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ControllerImage {
    pub id: i32,
    /// New with each start of the process.
    pub incarnation_id: Uuid,
    /// Whether it can lead a migration from ZooKeeper.
    pub zk_migration_ready: bool,
    pub endpoints: Vec<Endpoint>,
    pub features: BTreeMap<String, FeatureRange>,
}

impl ControllerImage {
    pub fn endpoint(&self, listener: &str) -> Option<&Endpoint> {
        self.endpoints.iter().find(|endpoint| endpoint.listener == listener)
    }

    pub(crate) fn from_record(record: &RegisterControllerRecord) -> Self {
        let endpoints = record.end_points.iter().map(|point| Endpoint {
            listener: point.name.clone(),
            host: point.host.clone(),
            port: point.port,
            security_protocol: point.security_protocol,
        });
        let features = record.features.iter().map(|feature| {
            let (min, max) = (feature.min_supported_version, feature.max_supported_version);
            (feature.name.clone(), FeatureRange { min, max })
        });
        Self {
            id: record.controller_id,
            incarnation_id: record.incarnation_id,
            zk_migration_ready: record.zk_migration_ready,
            endpoints: endpoints.collect(),
            features: features.collect(),
        }
    }

    pub(crate) fn to_record(&self) -> RegisterControllerRecord {
        let end_points =
            self.endpoints.iter().map(|point| register_controller_record::ControllerEndpoint {
                name: point.listener.clone(),
                host: point.host.clone(),
                port: point.port,
                security_protocol: point.security_protocol,
            });
        let features = self.features.iter().map(|(name, range)| {
            register_controller_record::ControllerFeature {
                name: name.clone(),
                min_supported_version: range.min,
                max_supported_version: range.max,
            }
        });
        RegisterControllerRecord {
            controller_id: self.id,
            incarnation_id: self.incarnation_id,
            zk_migration_ready: self.zk_migration_ready,
            end_points: end_points.collect(),
            features: features.collect(),
        }
    }
}
