//! How a tool reaches a cluster: `--bootstrap-server`, `--command-config`, and the words for what
//! went wrong on the way.

use std::collections::BTreeMap;

use base64::Engine as _;
use client::{Admin, ClientConfig, Properties};
use client::{AdminError, RequestError};
use uuid::Uuid;

use super::options::{Parsed, Spec, UsageError, begin, refuse};
use crate::properties_file;

/// The properties of a client, from a file and from `key=value` arguments, which win.
///
/// # Errors
/// As [`properties_file::read`] and [`key_values`].
pub(crate) fn client_properties(
    file: Option<&str>,
    arguments: &[String],
) -> Result<Properties, String> {
    let mut all = match file {
        Some(path) => properties_file::read(path)?,
        None => BTreeMap::new(),
    };
    all.extend(key_values(arguments)?);
    Ok(all.into_iter().collect())
}

/// `key=value` arguments, of which Kafka's console tools let the value be left out.
pub(crate) fn lenient_key_values(arguments: &[String]) -> BTreeMap<String, String> {
    let pairs = arguments.iter().filter(|argument| !argument.is_empty()).map(|argument| {
        let (key, value) = argument.split_once('=').unwrap_or((argument, ""));
        (key.to_owned(), value.to_owned())
    });
    pairs.collect()
}

/// `key=value` arguments.
///
/// # Errors
/// Names the argument that has no `=`.
pub(crate) fn key_values(arguments: &[String]) -> Result<BTreeMap<String, String>, String> {
    let pairs = arguments.iter().map(|argument| {
        let pair = argument.split_once('=');
        let (key, value) =
            pair.ok_or_else(|| format!("Invalid argument {argument}: not key=value"))?;
        Ok((key.to_owned(), value.to_owned()))
    });
    pairs.collect()
}

/// An administrative client for the cluster that the arguments name.
///
/// # Errors
/// The properties file or the addresses are wrong: one sentence.
pub(crate) fn admin(parsed: &Parsed, tool: &str) -> Result<Admin, UsageError> {
    let servers = parsed.get("bootstrap-server").unwrap_or_default();
    let config = client_config(servers, parsed.get("command-config"), tool);
    Admin::new(config.map_err(UsageError)?).map_err(|error| UsageError(error.to_string()))
}

/// What a tool that asks a cluster does first: takes its arguments apart, has `check` say what is
/// to be done, and makes a client.
///
/// # Errors
/// The exit status, when the call is answered already; the text has been printed.
pub(crate) fn open<T>(
    spec: &Spec,
    arguments: &[String],
    check: impl FnOnce(&Parsed) -> Result<T, UsageError>,
) -> Result<(Parsed, T, Admin), i32> {
    let parsed = begin(spec, arguments)?;
    let checked = check(&parsed);
    let opened = checked.and_then(|task| Ok((task, admin(&parsed, spec.tool)?)));
    match opened {
        Ok((task, admin)) => Ok((parsed, task, admin)),
        Err(error) => Err(refuse(spec, &error)),
    }
}

/// The configuration of an administrative client; keys that it does not know are named on
/// standard error.
pub(crate) fn client_config(
    servers: &str,
    file: Option<&str>,
    tool: &str,
) -> Result<ClientConfig, String> {
    let mut properties = client_properties(file, &[])?;
    properties.set("bootstrap.servers", servers);
    let config = ClientConfig::from_properties(&mut properties).map_err(|e| e.to_string())?;
    warn_unused(&properties);
    let named = properties.get("client.id").is_some();
    Ok(if named { config } else { config.named(tool) })
}

/// Names the properties that no part of the client took, as Kafka's clients do.
pub(crate) fn warn_unused(properties: &Properties) {
    let unused = properties.unused();
    if !unused.is_empty() {
        let names: Vec<String> = unused.iter().map(|name| format!("'{name}'")).collect();
        tracing::warn!(
            "These configurations [{}] were supplied but are not used yet.",
            names.join(", ")
        );
    }
}

/// The words of Kafka's tools for an error: the broker's own where it gave some, else what the
/// code means; a cluster that does not answer is a call that found no node. Which address does not
/// answer, and why, the client has logged by then.
pub(crate) fn words(error: &AdminError, call: &str) -> String {
    if let Some(message) = error.broker_message() {
        return message.to_owned();
    }
    if let Some(code) = error.code() {
        return code.message().to_owned();
    }
    match error {
        AdminError::Request(
            RequestError::NoBroker { .. }
            | RequestError::Connection(_)
            | RequestError::TimedOut { .. },
        ) => format!("Timed out waiting for a node assignment. Call: {call}"),
        other => other.to_string(),
    }
}

/// An id as Kafka writes it: URL-safe base64 without padding.
pub(crate) fn id_text(id: Uuid) -> String {
    base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(id.as_bytes())
}

/// The names in the order in which a Java `HashMap` of this size, filled once, goes through them.
/// Kafka's tools print some lists in that order, and scripts compare what they print.
pub(crate) fn java_map_order<T>(items: Vec<T>, name: impl Fn(&T) -> &str) -> Vec<T> {
    java_order(items, 1, |item| java_hash(name(item)))
}

/// The same by any hash, for a map that has room for `capacity` from the beginning.
pub(crate) fn java_order<T>(
    mut items: Vec<T>,
    capacity: usize,
    hash: impl Fn(&T) -> u32,
) -> Vec<T> {
    let mut capacity = items.len().next_power_of_two().max(capacity);
    if items.len() * 4 > capacity * 3 {
        capacity *= 2;
    }
    let bucket = |item: &T| {
        let hash = hash(item);
        (hash ^ (hash >> 16)) as usize & (capacity - 1)
    };
    items.sort_by_key(bucket);
    items
}

/// What Java's `String.hashCode` answers.
pub(crate) fn java_hash(text: &str) -> u32 {
    let units = text.encode_utf16().map(u32::from);
    units.fold(0, |hash: u32, unit| hash.wrapping_mul(31).wrapping_add(unit))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_come_in_the_order_of_a_java_map() {
        let names = vec!["assigned", "compacted", "defaults", "topic1", "with.dot"];
        let ordered = java_map_order(names, |name| name);
        assert_eq!(ordered, ["topic1", "assigned", "defaults", "with.dot", "compacted"]);
    }

    #[test]
    fn an_id_is_written_as_kafka_writes_it() {
        assert_eq!(id_text(Uuid::nil()), "AAAAAAAAAAAAAAAAAAAAAA");
    }

    #[test]
    fn arguments_are_keys_with_values() {
        let arguments = ["a=1".to_owned(), "b=x=y".to_owned()];
        let parsed = key_values(&arguments).expect("both are pairs");
        assert_eq!(parsed["b"], "x=y");
        assert!(key_values(&["a".to_owned()]).unwrap_err().contains("not key=value"));
    }
}
