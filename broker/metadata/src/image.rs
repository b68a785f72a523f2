//! The immutable picture of the cluster that every reader holds.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use uuid::Uuid;

/// Settings of one resource: only what was set by somebody, never defaults.
pub type ConfigMap = BTreeMap<String, String>;

/// What a resource of settings is; the number is Kafka's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ConfigResource {
    Topic,
    Broker,
    ClientMetrics,
    Group,
}

impl ConfigResource {
    /// The code on the wire and in the metadata log.
    pub fn code(self) -> i8 {
        match self {
            ConfigResource::Topic => 2,
            ConfigResource::Broker => 4,
            ConfigResource::ClientMetrics => 16,
            ConfigResource::Group => 32,
        }
    }

    pub fn from_code(code: i8) -> Option<Self> {
        match code {
            2 => Some(ConfigResource::Topic),
            4 => Some(ConfigResource::Broker),
            16 => Some(ConfigResource::ClientMetrics),
            32 => Some(ConfigResource::Group),
            _ => None,
        }
    }
}

/// Where clients or brokers reach a broker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    pub listener: String,
    pub host: String,
    pub port: u16,
    /// 0 PLAINTEXT, 1 SSL, 2 SASL_PLAINTEXT, 3 SASL_SSL.
    pub security_protocol: i16,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BrokerImage {
    pub id: i32,
    pub epoch: i64,
    pub incarnation_id: Uuid,
    pub endpoints: Vec<Endpoint>,
    pub rack: Option<String>,
    pub fenced: bool,
    pub in_controlled_shutdown: bool,
    pub log_dirs: Vec<Uuid>,
}

impl BrokerImage {
    pub fn endpoint(&self, listener: &str) -> Option<&Endpoint> {
        self.endpoints.iter().find(|endpoint| endpoint.listener == listener)
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartitionImage {
    /// -1 while nobody leads.
    pub leader: i32,
    pub leader_epoch: i32,
    pub partition_epoch: i32,
    pub replicas: Vec<i32>,
    pub isr: Vec<i32>,
    pub adding_replicas: Vec<i32>,
    pub removing_replicas: Vec<i32>,
    pub eligible_leader_replicas: Vec<i32>,
    pub last_known_elr: Vec<i32>,
    /// The log directory of each replica, in the order of `replicas`.
    pub directories: Vec<Uuid>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopicImage {
    pub name: Arc<str>,
    pub id: Uuid,
    /// By partition number, without holes.
    pub partitions: Vec<Arc<PartitionImage>>,
}

impl TopicImage {
    pub fn partition(&self, index: i32) -> Option<&Arc<PartitionImage>> {
        usize::try_from(index).ok().and_then(|index| self.partitions.get(index))
    }
}

/// All that the cluster believes after some offset of the metadata log. Cheap to share, never
/// changed: a [`Delta`](crate::Delta) of committed records makes the next one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Image {
    pub(crate) brokers: BTreeMap<i32, Arc<BrokerImage>>,
    pub(crate) topics_by_name: BTreeMap<Arc<str>, Arc<TopicImage>>,
    pub(crate) topics_by_id: HashMap<Uuid, Arc<TopicImage>>,
    pub(crate) configs: HashMap<(ConfigResource, Arc<str>), Arc<ConfigMap>>,
    pub(crate) features: BTreeMap<String, i16>,
    pub(crate) next_producer_id: i64,
    pub(crate) end_offset: i64,
}

impl Image {
    /// The offset after the last metadata record that is in this image.
    pub fn end_offset(&self) -> i64 {
        self.end_offset
    }

    pub fn broker(&self, id: i32) -> Option<&Arc<BrokerImage>> {
        self.brokers.get(&id)
    }

    /// By id.
    pub fn brokers(&self) -> impl Iterator<Item = &Arc<BrokerImage>> {
        self.brokers.values()
    }

    pub fn topic(&self, name: &str) -> Option<&Arc<TopicImage>> {
        self.topics_by_name.get(name)
    }

    pub fn topic_by_id(&self, id: Uuid) -> Option<&Arc<TopicImage>> {
        self.topics_by_id.get(&id)
    }

    /// By name.
    pub fn topics(&self) -> impl Iterator<Item = &Arc<TopicImage>> {
        self.topics_by_name.values()
    }

    /// By name, from the first one that is not before `name`.
    pub fn topics_from(&self, name: &str) -> impl Iterator<Item = &Arc<TopicImage>> {
        let bounds = (std::ops::Bound::Included(name), std::ops::Bound::Unbounded);
        self.topics_by_name.range::<str, _>(bounds).map(|(_, topic)| topic)
    }

    pub fn topic_count(&self) -> usize {
        self.topics_by_name.len()
    }

    /// What was set on a resource; `None` where nothing was. The broker named "" stands for the
    /// settings that all brokers share.
    pub fn configs(&self, resource: ConfigResource, name: &str) -> Option<&Arc<ConfigMap>> {
        self.configs.get(&(resource, Arc::from(name)))
    }

    /// Every resource that has settings, in no order.
    pub fn config_resources(&self) -> impl Iterator<Item = (ConfigResource, &Arc<str>)> {
        self.configs.keys().map(|(resource, name)| (*resource, name))
    }

    pub fn features(&self) -> &BTreeMap<String, i16> {
        &self.features
    }

    /// Every producer id below this may have been given to a broker.
    pub fn next_producer_id(&self) -> i64 {
        self.next_producer_id
    }
}
