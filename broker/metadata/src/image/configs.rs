//! What was set on topics, brokers, groups and client metrics.

use std::collections::BTreeMap;
use std::sync::Arc;

use imbl::OrdMap;

use super::key::Wanted;

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

type Key = (ConfigResource, Arc<str>);

#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct ConfigsImage {
    pub(crate) by_resource: OrdMap<Key, Arc<ConfigMap>>,
}

impl ConfigsImage {
    pub(crate) fn get(&self, resource: ConfigResource, name: &str) -> Option<&Arc<ConfigMap>> {
        self.by_resource.get(&Wanted(resource, name))
    }

    pub(crate) fn iter(
        &self,
    ) -> impl Iterator<Item = (ConfigResource, &Arc<str>, &Arc<ConfigMap>)> {
        self.by_resource.iter().map(|((resource, name), configs)| (*resource, name, configs))
    }

    /// Sets a value, or takes it away. A resource without a value is not kept.
    pub(crate) fn set(&mut self, key: &Key, name: &str, value: Option<&str>) {
        let mut configs = self.by_resource.get(key).cloned().unwrap_or_default();
        let map = Arc::make_mut(&mut configs);
        match value {
            Some(value) => map.insert(name.to_owned(), value.to_owned()),
            None => map.remove(name),
        };
        match map.is_empty() {
            true => self.by_resource.remove(key),
            false => self.by_resource.insert(key.clone(), configs),
        };
    }

    /// Whether there was anything.
    pub(crate) fn remove(&mut self, key: &Key) -> bool {
        self.by_resource.remove(key).is_some()
    }
}
