//! kafka-configs: describes and alters the configurations of topics, brokers, loggers and groups.

mod arguments;

use std::collections::BTreeMap;

use client::Admin;
use client::admin::{
    AlterConfigOp, ConfigEntry, ConfigResource, ConfigSource, DescribeConfigs, ResourceType,
};
use futures::FutureExt;
use protocol::ErrorCode;

use self::arguments::{Entity, SPEC, added, check, deleted};
use super::Tool;
use super::connection::{admin, words};
use super::options::{Parsed, begin};

pub(crate) const TOOL: Tool = Tool {
    name: "kafka-configs",
    about: "Describe and alter configurations of topics, brokers and groups",
    options: SPEC.options,
    run: |arguments| async move { run(&arguments).await }.boxed(),
};

async fn run(arguments: &[String]) -> i32 {
    let parsed = match begin(&SPEC, arguments) {
        Ok(parsed) => parsed,
        Err(status) => return status,
    };
    // Kafka's tool prints no usage page below these sentences.
    let refuse = |sentence: String| {
        eprintln!("{sentence}");
        1
    };
    let entity = match check(&parsed) {
        Ok(entity) => entity,
        Err(error) => return refuse(error),
    };
    let admin = match admin(&parsed, SPEC.tool) {
        Ok(admin) => admin,
        Err(error) => return refuse(error.to_string()),
    };
    let done = match parsed.has("alter") {
        true => alter(&admin, &parsed, &entity).await,
        false => describe(&admin, &parsed, &entity).await,
    };
    admin.close().await;
    match done {
        Ok(()) => 0,
        Err(message) => refuse(format!(
            "Error while executing config command with args '{}'\n{message}",
            arguments.join(" ")
        )),
    }
}

async fn alter(admin: &Admin, parsed: &Parsed, entity: &Entity) -> Result<(), String> {
    let mut operations = Vec::new();
    for (key, value) in added(parsed)? {
        operations.push(AlterConfigOp::Set(key, value));
    }
    operations.extend(deleted(parsed).into_iter().map(AlterConfigOp::Delete));
    let changes = BTreeMap::from([(entity.resource(), operations)]);
    let call = "incrementalAlterConfigs";
    let results = admin.incremental_alter_configs(&changes, false).await;
    for result in results.map_err(|error| words(&error, call))?.into_values() {
        result.map_err(|error| words(&error, call))?;
    }
    match &entity.name {
        Some(name) if !name.is_empty() => {
            println!("Completed updating config for {} {name}.", entity.noun());
        }
        _ => println!("Completed updating default config for {}s in the cluster.", entity.noun()),
    }
    Ok(())
}

async fn describe(admin: &Admin, parsed: &Parsed, entity: &Entity) -> Result<(), String> {
    let all = parsed.has("all");
    for name in names(admin, entity).await? {
        let one = Entity { name: Some(name.clone()), ..*entity };
        let what = DescribeConfigs { synonyms: true, ..Default::default() };
        let call = "describeConfigs";
        let results = admin.describe_configs(&[one.resource()], &what).await;
        let mut results = results.map_err(|error| words(&error, call))?.into_values();
        let entries = match results.next() {
            Some(Ok(entries)) => entries,
            Some(Err(error)) if is_unknown(error.code()) => {
                println!(
                    "The {} '{name}' doesn't exist and doesn't have dynamic config.",
                    one.noun()
                );
                continue;
            }
            Some(Err(error)) => return Err(words(&error, call)),
            None => Vec::new(),
        };
        if name.is_empty() {
            println!("Default configs for {}s in the cluster are:", one.noun());
        } else {
            let which = if all { "All" } else { "Dynamic" };
            println!("{which} configs for {} {name} are:", one.noun());
        }
        print(entries, if all { None } else { Some(one.dynamic_source()) });
    }
    Ok(())
}

fn is_unknown(code: Option<ErrorCode>) -> bool {
    matches!(code, Some(ErrorCode::UnknownTopicOrPartition | ErrorCode::GroupIdNotFound))
}

/// The entity that was named, or all of its kind.
async fn names(admin: &Admin, entity: &Entity) -> Result<Vec<String>, String> {
    if let Some(name) = &entity.name {
        return Ok(vec![name.clone()]);
    }
    Ok(match entity.kind {
        ResourceType::Topic => {
            let topics = admin.list_topics().await.map_err(|error| words(&error, "listTopics"))?;
            topics.into_iter().map(|topic| topic.name).collect()
        }
        ResourceType::Group => {
            let groups = admin.list_groups(&[]).await;
            let groups = groups.map_err(|error| words(&error, "listGroups"))?;
            groups.into_iter().map(|group| group.group_id).collect()
        }
        _ => {
            let cluster = admin.describe_cluster().await;
            let cluster = cluster.map_err(|error| words(&error, "describeCluster"))?;
            let ids = cluster.brokers.iter().map(|broker| broker.id.to_string());
            ids.chain([String::new()]).collect()
        }
    })
}

/// The entries of one layer, or all of them, in order of their names.
fn print(mut entries: Vec<ConfigEntry>, only: Option<ConfigSource>) {
    entries.sort_by(|a, b| a.name.cmp(&b.name));
    for entry in entries.iter().filter(|entry| only.is_none_or(|source| entry.source == source)) {
        let or_null = |value: &Option<String>| value.clone().unwrap_or_else(|| "null".to_owned());
        let synonyms: Vec<String> = entry
            .synonyms
            .iter()
            .map(|layer| {
                format!("{}:{}={}", layer.source.name(), layer.name, or_null(&layer.value))
            })
            .collect();
        println!(
            "  {}={} sensitive={} synonyms={{{}}}",
            entry.name,
            or_null(&entry.value),
            entry.is_sensitive,
            synonyms.join(", ")
        );
    }
}

impl Entity {
    fn resource(&self) -> ConfigResource {
        ConfigResource { kind: self.kind, name: self.name.clone().unwrap_or_default() }
    }

    /// The layer that the tool changes.
    fn dynamic_source(&self) -> ConfigSource {
        match self.kind {
            ResourceType::Topic => ConfigSource::DynamicTopic,
            ResourceType::BrokerLogger => ConfigSource::DynamicBrokerLogger,
            ResourceType::Group => ConfigSource::Group,
            _ if self.name.as_deref() == Some("") => ConfigSource::DynamicDefaultBroker,
            _ => ConfigSource::DynamicBroker,
        }
    }

    fn noun(&self) -> &'static str {
        match self.kind {
            ResourceType::Topic => "topic",
            ResourceType::BrokerLogger => "broker-logger",
            ResourceType::Group => "group",
            _ => "broker",
        }
    }
}
