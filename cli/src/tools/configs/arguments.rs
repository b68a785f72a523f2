//! The options of kafka-configs: which entity, and which keys and values.

use std::collections::{BTreeMap, BTreeSet};

use client::admin::ResourceType;

use crate::properties_file;
use crate::tools::options::{Parsed, Spec, flag, maybe_value, value};

pub(super) const SPEC: Spec = Spec {
    tool: "kafka-configs",
    about: "This tool helps to manipulate and describe entity config for a topic, broker or group.",
    options: &[
        value("bootstrap-server", "REQUIRED: The brokers to ask first, host:port,host:port."),
        value("command-config", "A properties file for the administrative client."),
        flag("alter", "Alter the configuration of the entity."),
        flag("describe", "List the configuration of the entity."),
        flag("all", "With --describe, all keys and not only those that were set."),
        value("entity-type", "topics, brokers, broker-loggers or groups."),
        maybe_value("entity-name", "The name of the entity."),
        flag("entity-default", "The default of all entities of the type."),
        value("topic", "The topic's name."),
        value("broker", "The broker's id."),
        value("broker-logger", "The id of the broker whose log levels are meant."),
        value("group", "The group's id."),
        flag("broker-defaults", "The default of all brokers."),
        value("client", "A client id; quotas are not served."),
        flag("client-defaults", "The default of all clients; quotas are not served."),
        value("user", "A user; quotas and SCRAM credentials are not served."),
        flag("user-defaults", "The default of all users; quotas are not served."),
        value("ip", "An address; quotas are not served."),
        flag("ip-defaults", "The default of all addresses; quotas are not served."),
        value("add-config", "k1=v1,k2=[v1,v2,v2],k3=v3"),
        value("add-config-file", "A properties file with keys to set."),
        value("delete-config", "k1,k2"),
        flag("help", "Print this page."),
        flag("version", "Print the version."),
    ],
};

/// Whose configuration it is about.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Entity {
    pub(super) kind: ResourceType,
    /// The empty name is the default of all; `None` is each of them.
    pub(super) name: Option<String>,
}

/// The entity, once the options go together.
///
/// # Errors
/// A sentence for what is missing, or for what is not served.
pub(super) fn check(parsed: &Parsed) -> Result<Entity, String> {
    if parsed.has("alter") == parsed.has("describe") {
        return Err("Command must include exactly one action: --describe, --alter".to_owned());
    }
    if !parsed.has("bootstrap-server") {
        return Err(
            "Either --bootstrap-server or --bootstrap-controller must be specified.".to_owned()
        );
    }
    check_entities(parsed)?;
    let entity = entity(parsed)?;
    check_name(parsed, &entity)?;
    if parsed.has("alter") {
        let changes = ["add-config", "add-config-file", "delete-config"];
        if !changes.iter().any(|option| parsed.has(option)) {
            return Err(
                "At least one of --add-config, --add-config-file, or --delete-config must be \
                        specified with --alter"
                    .to_owned(),
            );
        }
        if parsed.has("add-config") && parsed.has("add-config-file") {
            return Err(
                "Only one of --add-config or --add-config-file must be specified".to_owned()
            );
        }
    }
    Ok(entity)
}

/// Options that name an entity and its type at once.
const FLAGS: [(&str, &str); 11] = [
    ("topic", "topics"),
    ("client", "clients"),
    ("user", "users"),
    ("broker", "brokers"),
    ("broker-logger", "broker-loggers"),
    ("ip", "ips"),
    ("group", "groups"),
    ("client-defaults", "clients"),
    ("user-defaults", "users"),
    ("broker-defaults", "brokers"),
    ("ip-defaults", "ips"),
];

/// One entity is meant, and it is named in one way.
fn check_entities(parsed: &Parsed) -> Result<(), String> {
    let changes = ["add-config", "add-config-file", "delete-config"];
    parsed.exclude("describe", &changes).map_err(|error| error.to_string())?;
    let by_flag = FLAGS.iter().filter(|(option, _)| parsed.has(option)).map(|(_, kind)| *kind);
    let mut kinds: Vec<&str> = parsed.all("entity-type").iter().map(String::as_str).collect();
    let by_type = ["entity-type", "entity-name", "entity-default"];
    let is_by_type = by_type.iter().any(|option| parsed.has(option));
    let is_by_flag = by_flag.clone().next().is_some();
    kinds.extend(by_flag);
    let different: BTreeSet<&str> = kinds.iter().copied().collect();
    if different.len() < kinds.len() {
        let twice = different.iter().filter(|kind| kinds.iter().filter(|k| k == kind).count() > 1);
        let twice: Vec<&str> = twice.copied().collect();
        return Err(format!("Duplicate entity type(s) specified: {}", twice.join(",")));
    }
    if kinds.len() > 1 && different != BTreeSet::from(["clients", "users"]) {
        let text = "Only 'users' and 'clients' entity types may be specified together";
        return Err(text.to_owned());
    }
    if is_by_type && is_by_flag {
        return Err(
            "--entity-{type,name,default} should not be used in conjunction with specific \
                    entity flags"
                .to_owned(),
        );
    }
    Ok(())
}

/// The name that the action wants, and no other.
fn check_name(parsed: &Parsed, entity: &Entity) -> Result<(), String> {
    let is_broker = matches!(entity.kind, ResourceType::Broker | ResourceType::BrokerLogger);
    let kind = match entity.kind {
        ResourceType::Broker => "brokers",
        ResourceType::BrokerLogger => "broker-loggers",
        ResourceType::Group => "groups",
        _ => "topics",
    };
    let name = entity.name.as_deref();
    if let Some(name) = name.filter(|name| is_broker && !name.is_empty())
        && name.parse::<i32>().is_err()
    {
        return Err(format!(
            "The entity name for {kind} must be a valid integer broker id, but it is: {name}"
        ));
    }
    match (parsed.has("alter"), name) {
        (true, None) if kind == "brokers" => Err("An entity-name or default entity must be \
                                                   specified with --alter of users, clients, \
                                                   brokers or ips"
            .to_owned()),
        (true, None) => Err(format!("An entity name must be specified with --alter of {kind}")),
        (false, None) if kind == "broker-loggers" => {
            Err(format!("An entity name must be specified with --describe of {kind}"))
        }
        _ => Ok(()),
    }
}

fn entity(parsed: &Parsed) -> Result<Entity, String> {
    let not_served = ["client", "client-defaults", "user", "user-defaults", "ip", "ip-defaults"];
    if let Some(option) = not_served.iter().find(|option| parsed.has(option)) {
        return Err(format!(
            "--{option}: client quotas and SCRAM credentials are not served; configurations of \
             topics, brokers and groups are"
        ));
    }
    let shortcuts = [
        ("topic", ResourceType::Topic),
        ("broker", ResourceType::Broker),
        ("broker-logger", ResourceType::BrokerLogger),
        ("group", ResourceType::Group),
    ];
    for (option, kind) in shortcuts {
        if let Some(name) = parsed.get(option) {
            return Ok(Entity { kind, name: Some(name.to_owned()) });
        }
    }
    if parsed.has("broker-defaults") {
        return Ok(Entity { kind: ResourceType::Broker, name: Some(String::new()) });
    }
    let kind = match parsed.get("entity-type") {
        None => return Err("At least one entity type must be specified".to_owned()),
        Some("topics") => ResourceType::Topic,
        Some("brokers") => ResourceType::Broker,
        Some("broker-loggers") => ResourceType::BrokerLogger,
        Some("groups") => ResourceType::Group,
        Some(other @ ("clients" | "users" | "ips" | "client-metrics")) => {
            return Err(format!(
                "--entity-type {other} is not served; topics, brokers, broker-loggers and groups are"
            ));
        }
        Some(other) => {
            return Err(format!(
                "Invalid entity type {other}, the entity type must be one of topics, clients, users, \
                 brokers, ips, client-metrics, groups, broker-loggers with a --bootstrap-server or \
                 --bootstrap-controller argument"
            ));
        }
    };
    if parsed.has("entity-default") {
        if kind != ResourceType::Broker {
            let kind = parsed.get("entity-type").unwrap_or_default();
            let action = if parsed.has("alter") { "alter" } else { "describe" };
            return Err(format!(
                "--entity-default must not be specified with --{action} of {kind}"
            ));
        }
        return Ok(Entity { kind, name: Some(String::new()) });
    }
    Ok(Entity { kind, name: parsed.get("entity-name").map(str::to_owned) })
}

/// The keys and values to set. A value in brackets may hold commas.
///
/// # Errors
/// An entry is not `key=value`, or the file cannot be read.
pub(super) fn added(parsed: &Parsed) -> Result<BTreeMap<String, String>, String> {
    if let Some(path) = parsed.get("add-config-file") {
        return properties_file::read(path);
    }
    let mut configs = BTreeMap::new();
    for entry in split_outside_brackets(parsed.get("add-config").unwrap_or_default()) {
        let Some((key, value)) = entry.split_once('=') else {
            return Err("Invalid entity config: all configs to be added must be in the format \
                        \"key=val\"."
                .to_owned());
        };
        configs.insert(key.trim().to_owned(), value.replace(['[', ']'], "").trim().to_owned());
    }
    Ok(configs)
}

/// The keys to unset.
pub(super) fn deleted(parsed: &Parsed) -> Vec<String> {
    let list = parsed.get("delete-config").unwrap_or_default();
    list.split(',').map(str::trim).filter(|key| !key.is_empty()).map(str::to_owned).collect()
}

fn split_outside_brackets(text: &str) -> Vec<&str> {
    let (mut parts, mut depth, mut start) = (Vec::new(), 0_usize, 0);
    for (at, character) in text.char_indices() {
        match character {
            '[' => depth += 1,
            ']' => depth = depth.saturating_sub(1),
            ',' if depth == 0 => {
                parts.push(&text[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    parts.push(&text[start..]);
    parts.retain(|part| !part.trim().is_empty());
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Parsed {
        let words: Vec<String> = line.split(' ').map(str::to_owned).collect();
        SPEC.parse(&words).expect("the options exist")
    }

    #[test]
    fn a_value_in_brackets_may_hold_commas() {
        let configs = added(&parse("--add-config cleanup.policy=[compact,delete],retention.ms=1"));
        let expected = [("cleanup.policy", "compact,delete"), ("retention.ms", "1")];
        let expected = expected.map(|(key, value)| (key.to_owned(), value.to_owned()));
        assert_eq!(configs, Ok(BTreeMap::from(expected)));
        assert!(added(&parse("--add-config retention.ms")).unwrap_err().contains("key=val"));
    }

    #[test]
    fn an_entity_is_named_by_type_or_by_shortcut() {
        let entity = |line: &str| check(&parse(&format!("--bootstrap-server b:1 {line}")));
        let topic = Entity { kind: ResourceType::Topic, name: Some("t".to_owned()) };
        assert_eq!(entity("--describe --topic t"), Ok(topic));
        let brokers = Entity { kind: ResourceType::Broker, name: None };
        assert_eq!(entity("--describe --entity-type brokers"), Ok(brokers));
        let default = Entity { kind: ResourceType::Broker, name: Some(String::new()) };
        assert_eq!(entity("--alter --broker-defaults --delete-config a"), Ok(default));
        assert!(entity("--alter --topic t").unwrap_err().starts_with("At least one of"));
        assert!(entity("--describe --user ann").unwrap_err().contains("not served"));
        assert!(entity("--describe").unwrap_err().starts_with("At least one entity type"));
    }

    #[test]
    fn one_entity_is_named_in_one_way() {
        let refused = |line: &str| {
            check(&parse(&format!("--bootstrap-server b:1 {line}"))).expect_err("refused")
        };
        for (line, error) in [
            (
                "--describe --entity-type topics --topic t",
                "Duplicate entity type(s) specified: topics",
            ),
            (
                "--describe --topic t --broker 1",
                "Only 'users' and 'clients' entity types may be specified together",
            ),
            (
                "--describe --broker-defaults --entity-name 3",
                "--entity-{type,name,default} should not be used in conjunction with specific \
                 entity flags",
            ),
            (
                "--describe --broker x",
                "The entity name for brokers must be a valid integer broker id, but it is: x",
            ),
            (
                "--alter --entity-type topics --add-config a=b",
                "An entity name must be specified with --alter of topics",
            ),
            (
                "--describe --entity-type broker-loggers",
                "An entity name must be specified with --describe of broker-loggers",
            ),
            (
                "--describe --entity-type topics --entity-default",
                "--entity-default must not be specified with --describe of topics",
            ),
            (
                "--describe --topic t --add-config a=b",
                "Option \"[describe]\" can't be used with option \"[add-config]\"",
            ),
        ] {
            assert_eq!(refused(line), error);
        }
    }
}
