//! DescribeConfigs 1-4, ListConfigResources 0-1.
//!
//! - A resource of a type that does not exist fails the whole request, as in Kafka; one that is
//!   merely not there fails by itself. One that is named many times is answered once.
//! - DescribeConfigs v3: types and documentation
//! - ListConfigResources v0: client metrics, of which there are none · v1: any type (KIP-1142)

use std::collections::HashSet;

use broker_metadata::config::{
    Entry, Layer, describe_broker, describe_cluster_default, describe_group, describe_topic,
};
use broker_metadata::{ConfigResource, Image, names};
use indexmap::IndexMap;
use protocol::ErrorCode;
use protocol::messages::describe_configs_request::DescribeConfigsResource;
use protocol::messages::describe_configs_response::{
    DescribeConfigsResourceResult, DescribeConfigsResult, DescribeConfigsSynonym,
};
use protocol::messages::list_config_resources_response::ConfigResource as ListedResource;
use protocol::messages::{
    DescribeConfigsRequest, DescribeConfigsResponse, ListConfigResourcesRequest,
    ListConfigResourcesResponse,
};
use tracing::level_filters::LevelFilter;

use super::error::code_of_config_error;
use super::repeats::once;
use crate::controller::configs::{ConfigError, Resource, ResourceType, parse_node};
use crate::limits::CONFIGS_PER_ANSWER;
use crate::request::RequestContext;
use crate::services::Services;

/// The source of a logger's level, and the type of its value, which has none.
const DYNAMIC_BROKER_LOGGER: i8 = 6;
const UNKNOWN_TYPE: i8 = 0;

pub(super) async fn describe(
    _context: RequestContext,
    services: &Services,
    request: DescribeConfigsRequest,
) -> DescribeConfigsResponse {
    let image = services.image();
    let types = request.resources.iter().map(|resource| ResourceType::of(resource.resource_type));
    let refused = types.filter_map(Result::err).next();
    let show = |config| shown(config, request.include_synonyms, request.include_documentation);
    let mut room = CONFIGS_PER_ANSWER;
    let results = resources_once(request.resources).into_iter().map(|(resource, keys)| {
        let described = match &refused {
            Some(problem) => Err(problem.clone()),
            None if room == 0 => Err(ConfigError::AnswerFull),
            None => describe_resource(services, &image, &resource),
        };
        let (configs, error_code, message) = match described {
            Ok(configs) => (configs, ErrorCode::None, String::new()),
            Err(problem) => (Vec::new(), code_of_config_error(&problem), problem.to_string()),
        };
        let named =
            |config: &Described| keys.as_ref().is_none_or(|keys| keys.contains(config.name()));
        let configs: Vec<_> = configs.into_iter().filter(named).map(show).collect();
        room = room.saturating_sub(configs.iter().map(size_of_config).sum());
        DescribeConfigsResult {
            error_code,
            error_message: Some(message),
            resource_type: resource.type_code,
            resource_name: resource.name,
            configs,
        }
    });
    DescribeConfigsResponse { results: results.collect(), ..DescribeConfigsResponse::default() }
}

/// Each resource once, with the keys that are asked for; `None` for all of them. Names of keys that
/// do not exist are passed over.
fn resources_once(
    asked: Vec<DescribeConfigsResource>,
) -> IndexMap<Resource, Option<HashSet<String>>> {
    let mut once: IndexMap<Resource, Option<HashSet<String>>> = IndexMap::new();
    for one in asked {
        let resource = Resource { type_code: one.resource_type, name: one.resource_name };
        let keys = one.configuration_keys.filter(|keys| !keys.is_empty());
        let known = once.entry(resource).or_insert_with(|| Some(HashSet::new()));
        match (known.as_mut(), keys) {
            (Some(known), Some(keys)) => known.extend(keys),
            (_, None) => *known = None,
            (None, Some(_)) => {}
        }
    }
    once
}

/// What a setting takes of an answer, roughly.
fn size_of_config(config: &DescribeConfigsResourceResult) -> usize {
    let text = |text: &Option<String>| text.as_ref().map_or(0, String::len);
    let synonyms = config.synonyms.iter();
    let synonyms = synonyms.map(|one| one.name.len() + text(&one.value)).sum::<usize>();
    config.name.len() + text(&config.value) + text(&config.documentation) + synonyms
}

/// A key with its value, or the level of a logger, which is no key.
enum Described {
    Key(Entry),
    Logger { name: &'static str, level: String },
}

impl Described {
    fn name(&self) -> &'static str {
        match self {
            Described::Key(entry) => entry.key.name,
            Described::Logger { name, .. } => name,
        }
    }
}

fn describe_resource(
    services: &Services,
    image: &Image,
    resource: &Resource,
) -> Result<Vec<Described>, ConfigError> {
    let name = resource.name.as_str();
    let held = services.configs.layers(image);
    let own = |resource| image.configs(resource, name).cloned().unwrap_or_default();
    let entries = match ResourceType::of(resource.type_code)? {
        ResourceType::Topic => {
            names::validate(name)?;
            image.topic(name).ok_or_else(|| ConfigError::UnknownTopic { name: name.to_owned() })?;
            describe_topic(&own(ConfigResource::Topic), &held.layers())
        }
        ResourceType::Broker if name.is_empty() => describe_cluster_default(&held.layers()),
        ResourceType::Broker => {
            expect_node(services, name)?;
            describe_broker(&held.layers())
        }
        ResourceType::BrokerLogger => {
            expect_node(services, name)?;
            let level = LevelFilter::current().to_string().to_uppercase();
            return Ok(vec![Described::Logger { name: "root", level }]);
        }
        ResourceType::Group if name.is_empty() => return Err(ConfigError::EmptyGroup),
        ResourceType::Group => {
            let own: &Layer = &own(ConfigResource::Group);
            describe_group(own, &held.layers())
        }
        ResourceType::ClientMetrics => return Err(ConfigError::ClientMetrics),
    };
    Ok(entries.into_iter().map(Described::Key).collect())
}

fn expect_node(services: &Services, name: &str) -> Result<(), ConfigError> {
    let expected = services.config.node_id;
    match parse_node(name)? {
        id if id == expected => Ok(()),
        id => Err(ConfigError::OtherBroker { expected, received: id }),
    }
}

fn shown(config: Described, synonyms: bool, documentation: bool) -> DescribeConfigsResourceResult {
    let entry = match config {
        Described::Key(entry) => entry,
        Described::Logger { name, level } => {
            return DescribeConfigsResourceResult {
                name: name.to_owned(),
                value: Some(level),
                config_source: DYNAMIC_BROKER_LOGGER,
                config_type: UNKNOWN_TYPE,
                read_only: true,
                documentation: documentation
                    .then(|| "The least level of the lines that the broker logs.".to_owned()),
                ..DescribeConfigsResourceResult::default()
            };
        }
    };
    let key = entry.key;
    let of_entry = entry.synonyms.into_iter().filter(|_| synonyms);
    let of_entry = of_entry.map(|synonym| DescribeConfigsSynonym {
        name: synonym.name.to_owned(),
        value: synonym.value,
        source: synonym.source.code(),
    });
    DescribeConfigsResourceResult {
        name: key.name.to_owned(),
        value: entry.value,
        read_only: key.is_read_only(),
        config_source: entry.source.code(),
        is_sensitive: key.is_sensitive(),
        synonyms: of_entry.collect(),
        config_type: key.kind.code(),
        documentation: documentation.then(|| key.doc.to_owned()),
    }
}

pub(super) async fn list(
    context: RequestContext,
    services: &Services,
    request: ListConfigResourcesRequest,
) -> ListConfigResourcesResponse {
    let image = services.image();
    let all = [
        ResourceType::Topic,
        ResourceType::Broker,
        ResourceType::BrokerLogger,
        ResourceType::Group,
    ];
    let mut types = Vec::new();
    for code in once(request.resource_types, |code| *code) {
        match ResourceType::of(code) {
            Ok(known) => types.push(known),
            Err(_) => {
                return ListConfigResourcesResponse {
                    error_code: ErrorCode::UnsupportedVersion,
                    ..ListConfigResourcesResponse::default()
                };
            }
        }
    }
    if context.version > 0 && types.is_empty() {
        types.extend(all);
    }
    let config_resources = types.into_iter().flat_map(|of| resources(&image, of)).collect();
    ListConfigResourcesResponse { config_resources, ..ListConfigResourcesResponse::default() }
}

fn resources(image: &Image, of: ResourceType) -> Vec<ListedResource> {
    let names: Vec<String> = match of {
        ResourceType::Topic => image.topics().map(|topic| topic.name.to_string()).collect(),
        ResourceType::Broker | ResourceType::BrokerLogger => {
            image.brokers().map(|broker| broker.id.to_string()).collect()
        }
        ResourceType::Group => {
            let groups = image.config_resources();
            let groups = groups.filter(|(resource, _)| *resource == ConfigResource::Group);
            groups.map(|(_, name)| name.to_string()).collect()
        }
        ResourceType::ClientMetrics => Vec::new(),
    };
    let resource_type = of.code();
    let listed = |resource_name| ListedResource { resource_name, resource_type };
    names.into_iter().map(listed).collect()
}
