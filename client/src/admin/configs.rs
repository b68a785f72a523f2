//! Reading and changing configurations.

use std::collections::BTreeMap;
use std::fmt;

use protocol::Message as _;
use protocol::messages::alter_configs_request::{
    AlterConfigsRequest, AlterConfigsResource, AlterableConfig,
};
use protocol::messages::describe_configs_request::{
    DescribeConfigsRequest, DescribeConfigsResource,
};
use protocol::messages::describe_configs_response::DescribeConfigsResult;
use protocol::messages::incremental_alter_configs_request as incremental;

use super::{Admin, PerItem, complete, item};
use crate::error::AdminError;

/// What can be configured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ResourceType {
    /// A topic, by name.
    Topic,
    /// A broker, by id; the empty name is the default of all brokers.
    Broker,
    /// A broker's log levels, by id.
    BrokerLogger,
    /// A subscription to client metrics.
    ClientMetrics,
    /// A group.
    Group,
}

impl ResourceType {
    const ALL: [Self; 5] =
        [Self::Topic, Self::Broker, Self::BrokerLogger, Self::ClientMetrics, Self::Group];

    fn wire(self) -> i8 {
        match self {
            Self::Topic => 2,
            Self::Broker => 4,
            Self::BrokerLogger => 8,
            Self::ClientMetrics => 16,
            Self::Group => 32,
        }
    }

    fn from_wire(code: i8) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.wire() == code)
    }
}

/// Something that can be configured.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConfigResource {
    /// Its kind.
    pub kind: ResourceType,
    /// Its name.
    pub name: String,
}

impl ConfigResource {
    /// A topic.
    pub fn topic(name: impl Into<String>) -> Self {
        Self { kind: ResourceType::Topic, name: name.into() }
    }

    /// A broker; `None` is the default of all brokers.
    pub fn broker(id: Option<i32>) -> Self {
        let name = id.map_or_else(String::new, |id| id.to_string());
        Self { kind: ResourceType::Broker, name }
    }

    /// A group.
    pub fn group(name: impl Into<String>) -> Self {
        Self { kind: ResourceType::Group, name: name.into() }
    }

    /// The broker that must answer, where only one can.
    fn owner(&self) -> Result<Option<i32>, AdminError> {
        let is_broker = matches!(self.kind, ResourceType::Broker | ResourceType::BrokerLogger);
        if !is_broker || self.name.is_empty() {
            return Ok(None);
        }
        self.name.parse().map(Some).map_err(|_| {
            AdminError::InvalidArgument(format!("a broker is named by its id, not {}", self.name))
        })
    }
}

impl fmt::Display for ConfigResource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match self.kind {
            ResourceType::Topic => "topic",
            ResourceType::Broker if self.name.is_empty() => return f.write_str("all brokers"),
            ResourceType::Broker => "broker",
            ResourceType::BrokerLogger => "the log levels of broker",
            ResourceType::ClientMetrics => "the client metrics subscription",
            ResourceType::Group => "group",
        };
        write!(f, "{kind} {}", self.name)
    }
}

/// Which layer a value comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ConfigSource {
    /// Set on the topic.
    DynamicTopic,
    /// Set on a broker's loggers.
    DynamicBrokerLogger,
    /// Set on this broker.
    DynamicBroker,
    /// Set on all brokers.
    DynamicDefaultBroker,
    /// From the broker's file.
    StaticBroker,
    /// Nobody set it.
    Default,
    /// Set on a subscription to client metrics.
    ClientMetrics,
    /// Set on the group.
    Group,
    /// One that this client does not know.
    Unknown(i8),
}

impl From<i8> for ConfigSource {
    fn from(code: i8) -> Self {
        match code {
            1 => Self::DynamicTopic,
            2 => Self::DynamicBroker,
            3 => Self::DynamicDefaultBroker,
            4 => Self::StaticBroker,
            5 => Self::Default,
            6 => Self::DynamicBrokerLogger,
            7 => Self::ClientMetrics,
            8 => Self::Group,
            other => Self::Unknown(other),
        }
    }
}

impl ConfigSource {
    /// Kafka's name, as its tools print it.
    pub fn name(self) -> &'static str {
        match self {
            Self::DynamicTopic => "DYNAMIC_TOPIC_CONFIG",
            Self::DynamicBrokerLogger => "DYNAMIC_BROKER_LOGGER_CONFIG",
            Self::DynamicBroker => "DYNAMIC_BROKER_CONFIG",
            Self::DynamicDefaultBroker => "DYNAMIC_DEFAULT_BROKER_CONFIG",
            Self::StaticBroker => "STATIC_BROKER_CONFIG",
            Self::Default => "DEFAULT_CONFIG",
            Self::ClientMetrics => "DYNAMIC_CLIENT_METRICS_CONFIG",
            Self::Group => "DYNAMIC_GROUP_CONFIG",
            Self::Unknown(_) => "UNKNOWN",
        }
    }
}

/// The type of a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ConfigType {
    /// `true` or `false`.
    Boolean,
    /// Text.
    String,
    /// 32 bits.
    Int,
    /// 16 bits.
    Short,
    /// 64 bits.
    Long,
    /// Floating point.
    Double,
    /// Separated by commas.
    List,
    /// A Java class.
    Class,
    /// Never shown.
    Password,
    /// The broker did not say.
    Unknown,
}

impl From<i8> for ConfigType {
    fn from(code: i8) -> Self {
        match code {
            1 => Self::Boolean,
            2 => Self::String,
            3 => Self::Int,
            4 => Self::Short,
            5 => Self::Long,
            6 => Self::Double,
            7 => Self::List,
            8 => Self::Class,
            9 => Self::Password,
            _ => Self::Unknown,
        }
    }
}

/// The value of one key, and where it comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigEntry {
    /// The key.
    pub name: String,
    /// The value; `None` where it is secret or unset.
    pub value: Option<String>,
    /// Where it comes from.
    pub source: ConfigSource,
    /// Whether it cannot be changed while the broker runs.
    pub is_read_only: bool,
    /// Whether the value is secret.
    pub is_sensitive: bool,
    /// The layers beneath, the one in force first; where asked for.
    pub synonyms: Vec<ConfigSynonym>,
    /// Its type.
    pub kind: ConfigType,
    /// What it means; where asked for.
    pub documentation: Option<String>,
}

/// A value in one layer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigSynonym {
    /// The key there.
    pub name: String,
    /// The value there.
    pub value: Option<String>,
    /// The layer.
    pub source: ConfigSource,
}

/// What to describe of configurations.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DescribeConfigs {
    /// Only these keys.
    pub keys: Option<Vec<String>>,
    /// With the layers beneath.
    pub synonyms: bool,
    /// With what each key means.
    pub documentation: bool,
}

/// One change of a configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AlterConfigOp {
    /// Set the key.
    Set(String, String),
    /// Back to the layer beneath.
    Delete(String),
    /// Add to a list.
    Append(String, String),
    /// Remove from a list.
    Subtract(String, String),
}

impl AlterConfigOp {
    fn to_wire(&self) -> incremental::AlterableConfig {
        let (operation, name, value) = match self {
            Self::Set(name, value) => (0, name, Some(value)),
            Self::Delete(name) => (1, name, None),
            Self::Append(name, value) => (2, name, Some(value)),
            Self::Subtract(name, value) => (3, name, Some(value)),
        };
        incremental::AlterableConfig {
            name: name.clone(),
            config_operation: operation,
            value: value.cloned(),
        }
    }
}

impl Admin {
    /// Describes configurations.
    pub async fn describe_configs(
        &self,
        resources: &[ConfigResource],
        what: &DescribeConfigs,
    ) -> Result<PerItem<ConfigResource, Vec<ConfigEntry>>, AdminError> {
        let api = DescribeConfigsRequest::NAME;
        let mut results = BTreeMap::new();
        for (owner, resources) in by_owner(resources.iter().map(|r| (r, ())))? {
            let wanted = resources.iter().map(|(resource, ())| DescribeConfigsResource {
                resource_type: resource.kind.wire(),
                resource_name: resource.name.clone(),
                configuration_keys: what.keys.clone(),
            });
            let request = DescribeConfigsRequest {
                resources: wanted.collect(),
                include_synonyms: what.synonyms,
                include_documentation: what.documentation,
            };
            let attempt = || async {
                match owner {
                    Some(node) => self.cluster.send_to(node, &request).await,
                    None => self.cluster.send_any(&request).await,
                }
            };
            let response = self.cluster.retrying(api, "configurations", attempt).await?;
            for result in response.results {
                let Some(kind) = ResourceType::from_wire(result.resource_type) else { continue };
                let resource = ConfigResource { kind, name: result.resource_name.clone() };
                let subject = resource.to_string();
                let (code, message) = (result.error_code, result.error_message.clone());
                let entries = item(api, &subject, code, message, entries(result));
                results.insert(resource, entries);
            }
        }
        complete(api, resources.iter().cloned(), &mut results);
        Ok(results)
    }

    /// Changes configurations key by key, or only checks that it could.
    pub async fn incremental_alter_configs(
        &self,
        changes: &BTreeMap<ConfigResource, Vec<AlterConfigOp>>,
        validate_only: bool,
    ) -> Result<PerItem<ConfigResource, ()>, AdminError> {
        let api = incremental::IncrementalAlterConfigsRequest::NAME;
        let mut results = BTreeMap::new();
        for (owner, changes) in by_owner(changes)? {
            let wanted = changes.into_iter().map(|(resource, operations)| {
                incremental::AlterConfigsResource {
                    resource_type: resource.kind.wire(),
                    resource_name: resource.name.clone(),
                    configs: operations.iter().map(AlterConfigOp::to_wire).collect(),
                }
            });
            let request = incremental::IncrementalAlterConfigsRequest {
                resources: wanted.collect(),
                validate_only,
            };
            let codes = |response: &protocol::messages::IncrementalAlterConfigsResponse| {
                response.responses.iter().map(|result| result.error_code).collect()
            };
            let response = match owner {
                Some(node) => {
                    let attempt = || self.cluster.send_to(node, &request);
                    self.cluster.retrying(api, "configurations", attempt).await?
                }
                None => self.on_controller("configurations", &request, codes).await?,
            };
            for result in response.responses {
                let Some(kind) = ResourceType::from_wire(result.resource_type) else { continue };
                let resource = ConfigResource { kind, name: result.resource_name };
                let subject = resource.to_string();
                let outcome = item(api, &subject, result.error_code, result.error_message, ());
                results.insert(resource, outcome);
            }
        }
        complete(api, changes.keys().cloned(), &mut results);
        Ok(results)
    }

    /// Replaces whole configurations: a key that is not named goes back to its default.
    pub async fn alter_configs(
        &self,
        configs: &BTreeMap<ConfigResource, BTreeMap<String, String>>,
        validate_only: bool,
    ) -> Result<PerItem<ConfigResource, ()>, AdminError> {
        let api = AlterConfigsRequest::NAME;
        let mut results = BTreeMap::new();
        for (owner, configs) in by_owner(configs)? {
            let wanted = configs.into_iter().map(|(resource, values)| AlterConfigsResource {
                resource_type: resource.kind.wire(),
                resource_name: resource.name.clone(),
                configs: values
                    .iter()
                    .map(|(name, value)| AlterableConfig {
                        name: name.clone(),
                        value: Some(value.clone()),
                    })
                    .collect(),
            });
            let request = AlterConfigsRequest { resources: wanted.collect(), validate_only };
            let attempt = || async {
                match owner {
                    Some(node) => self.cluster.send_to(node, &request).await,
                    None => self.cluster.send_any(&request).await,
                }
            };
            let response = self.cluster.retrying(api, "configurations", attempt).await?;
            for result in response.responses {
                let Some(kind) = ResourceType::from_wire(result.resource_type) else { continue };
                let resource = ConfigResource { kind, name: result.resource_name };
                let subject = resource.to_string();
                let outcome = item(api, &subject, result.error_code, result.error_message, ());
                results.insert(resource, outcome);
            }
        }
        complete(api, configs.keys().cloned(), &mut results);
        Ok(results)
    }
}

type ByOwner<'a, T> = BTreeMap<Option<i32>, Vec<(&'a ConfigResource, T)>>;

/// Groups resources by the broker that must answer for them.
fn by_owner<'a, T>(
    resources: impl IntoIterator<Item = (&'a ConfigResource, T)>,
) -> Result<ByOwner<'a, T>, AdminError> {
    let mut owners = ByOwner::<T>::new();
    for (resource, what) in resources {
        owners.entry(resource.owner()?).or_default().push((resource, what));
    }
    Ok(owners)
}

fn entries(result: DescribeConfigsResult) -> Vec<ConfigEntry> {
    let entries = result.configs.into_iter().map(|config| ConfigEntry {
        name: config.name,
        value: config.value,
        source: config.config_source.into(),
        is_read_only: config.read_only,
        is_sensitive: config.is_sensitive,
        synonyms: config
            .synonyms
            .into_iter()
            .map(|synonym| ConfigSynonym {
                name: synonym.name,
                value: synonym.value,
                source: synonym.source.into(),
            })
            .collect(),
        kind: config.config_type.into(),
        documentation: config.documentation,
    });
    entries.collect()
}
