//! The immutable picture of the cluster that every reader holds.

mod configs;
mod key;
mod nodes;
mod quotas;
mod security;
mod topics;

use std::collections::BTreeMap;
use std::sync::Arc;

use imbl::OrdMap;
use uuid::Uuid;

use crate::records::MetadataRecord;
use crate::version::MetadataVersion;

pub(crate) use configs::ConfigsImage;
pub use configs::{ConfigMap, ConfigResource};
use key::Wanted;
pub use nodes::{BrokerImage, ControllerImage, Endpoint, FeatureRange};
pub use quotas::{QuotaEntity, QuotaMap};
pub use security::{AclImage, ScramCredential, ScramMechanism, TokenImage};
pub(crate) use topics::TopicsImage;
pub use topics::{LeaderRecoveryState, PartitionImage, TopicImage, directory};

/// All that the cluster believes after some offset of the metadata log. Cheap to share and to
/// clone, never changed: a [`Delta`](crate::Delta) of committed records makes the next one.
///
/// Its maps are persistent: an image and the next one share all that is the same in both, so that
/// the next one costs what is different in it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Image {
    pub(crate) features: Arc<BTreeMap<String, i16>>,
    pub(crate) brokers: OrdMap<i32, Arc<BrokerImage>>,
    pub(crate) controllers: OrdMap<i32, Arc<ControllerImage>>,
    pub(crate) topics: TopicsImage,
    pub(crate) configs: ConfigsImage,
    pub(crate) quotas: OrdMap<QuotaEntity, Arc<QuotaMap>>,
    pub(crate) acls: OrdMap<Uuid, Arc<AclImage>>,
    pub(crate) scram: OrdMap<(ScramMechanism, Arc<str>), Arc<ScramCredential>>,
    pub(crate) tokens: OrdMap<Arc<str>, Arc<TokenImage>>,
    pub(crate) next_producer_id: i64,
    pub(crate) transaction: Option<Transaction>,
    pub(crate) end_offset: i64,
}

/// Records that are in the log and not believed yet, since the record that ends their transaction
/// (KIP-868) has not come.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Transaction {
    pub(crate) name: Option<Arc<str>>,
    pub(crate) records: imbl::Vector<Arc<MetadataRecord>>,
}

impl Image {
    /// The offset after the last metadata record that is in this image.
    pub fn end_offset(&self) -> i64 {
        self.end_offset
    }

    /// Whether the log goes on with a transaction that has begun and not ended. A snapshot can't
    /// be written then: it would lack the records so far.
    pub fn is_in_transaction(&self) -> bool {
        self.transaction.is_some()
    }

    pub fn broker(&self, id: i32) -> Option<&Arc<BrokerImage>> {
        self.brokers.get(&id)
    }

    /// By id.
    pub fn brokers(&self) -> impl Iterator<Item = &Arc<BrokerImage>> {
        self.brokers.values()
    }

    pub fn controller(&self, id: i32) -> Option<&Arc<ControllerImage>> {
        self.controllers.get(&id)
    }

    /// The controllers that have registered themselves, by id.
    pub fn controllers(&self) -> impl Iterator<Item = &Arc<ControllerImage>> {
        self.controllers.values()
    }

    pub fn topic(&self, name: &str) -> Option<&Arc<TopicImage>> {
        self.topics.by_name(name)
    }

    pub fn topic_by_id(&self, id: Uuid) -> Option<&Arc<TopicImage>> {
        self.topics.by_id(id)
    }

    /// By name.
    pub fn topics(&self) -> impl Iterator<Item = &Arc<TopicImage>> {
        self.topics.from("")
    }

    /// By name, from the first one that is not before `name`.
    pub fn topics_from(&self, name: &str) -> impl Iterator<Item = &Arc<TopicImage>> {
        self.topics.from(name)
    }

    pub fn topic_count(&self) -> usize {
        self.topics.count()
    }

    /// What was set on a resource; `None` where nothing was. The broker named "" stands for the
    /// settings that all brokers share.
    pub fn configs(&self, resource: ConfigResource, name: &str) -> Option<&Arc<ConfigMap>> {
        self.configs.get(resource, name)
    }

    /// Every resource that has settings, by kind and name.
    pub fn config_resources(&self) -> impl Iterator<Item = (ConfigResource, &Arc<str>)> {
        self.configs.iter().map(|(resource, name, _)| (resource, name))
    }

    /// The levels of the cluster's features by name; without those at level 0, which is the same
    /// as having none, and without `kraft.version`, which the quorum keeps for itself.
    pub fn features(&self) -> &BTreeMap<String, i16> {
        &self.features
    }

    /// `None` while nobody has set it: in a log that begins.
    pub fn metadata_version(&self) -> Option<MetadataVersion> {
        let level = self.features.get(MetadataVersion::FEATURE)?;
        MetadataVersion::from_level(*level).ok()
    }

    /// Every producer id below this may have been given to a broker.
    pub fn next_producer_id(&self) -> i64 {
        self.next_producer_id
    }

    /// The quotas of exactly this entity.
    pub fn quotas(&self, entity: &QuotaEntity) -> Option<&Arc<QuotaMap>> {
        self.quotas.get(entity)
    }

    /// Every entity that has quotas.
    pub fn quota_entities(&self) -> impl Iterator<Item = (&QuotaEntity, &Arc<QuotaMap>)> {
        self.quotas.iter()
    }

    pub fn acl(&self, id: Uuid) -> Option<&Arc<AclImage>> {
        self.acls.get(&id)
    }

    /// By id.
    pub fn acls(&self) -> impl Iterator<Item = (Uuid, &Arc<AclImage>)> {
        self.acls.iter().map(|(id, acl)| (*id, acl))
    }

    pub fn scram(&self, mechanism: ScramMechanism, user: &str) -> Option<&Arc<ScramCredential>> {
        self.scram.get(&Wanted(mechanism, user))
    }

    /// By mechanism, then user.
    pub fn scram_credentials(
        &self,
    ) -> impl Iterator<Item = (ScramMechanism, &Arc<str>, &Arc<ScramCredential>)> {
        self.scram.iter().map(|((mechanism, user), found)| (*mechanism, user, found))
    }

    pub fn token(&self, id: &str) -> Option<&Arc<TokenImage>> {
        self.tokens.get(id)
    }

    /// By id.
    pub fn tokens(&self) -> impl Iterator<Item = (&Arc<str>, &Arc<TokenImage>)> {
        self.tokens.iter()
    }
}
