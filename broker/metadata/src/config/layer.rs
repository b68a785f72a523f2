//! What somebody set: the optional layer of one resource, and a change to it.

use std::collections::{BTreeMap, HashSet};

use thiserror::Error;

use super::key::{Key, Kind, Update};
use super::table::Table;
use super::value::{ValueError, items};

/// Settings of one resource or one file: only what was set by somebody, never defaults.
pub type Layer = BTreeMap<String, String>;

/// What a request does to one key of a layer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    Set(String),
    /// Back to what the layers below say.
    Delete,
    /// Adds these items to a list, save those that it has.
    Append(String),
    /// Takes these items out of a list.
    Subtract(String),
}

/// Why a layer cannot be changed so.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ChangeError {
    #[error("Unknown {scope} config name: {name}")]
    UnknownKey { scope: &'static str, name: String },
    #[error("Can't {operation} to key {name} because its type is not LIST.")]
    NotAList { operation: &'static str, name: String },
    #[error(transparent)]
    Value(#[from] ValueError),
    #[error(
        "{name} has no effect in this broker yet, so it can't be set to {value}. Leave it at its \
         default, {default}."
    )]
    NoEffect { name: &'static str, value: String, default: &'static str },
    #[error("Cannot update these configs dynamically: [{}]", names.join(", "))]
    ReadOnly { names: Vec<String> },
    #[error("Cannot update these configs at default cluster level: [{}]", names.join(", "))]
    PerBrokerOnly { names: Vec<String> },
    #[error("{0}")]
    Conflict(String),
}

/// The layer after the changes; the first change that cannot be made is the answer. Names unknown
/// to the table, values that fail their check, and keys without effect are refused; taking out what
/// is not there, known or not, changes nothing.
pub fn change(
    table: &Table,
    scope: &'static str,
    layer: &Layer,
    changes: &[(String, Change)],
) -> Result<Layer, ChangeError> {
    let mut changed = layer.clone();
    for (name, change) in changes {
        let Some(key) = table.get(name) else {
            if matches!(change, Change::Delete) {
                changed.remove(name);
                continue;
            }
            return Err(ChangeError::UnknownKey { scope, name: name.clone() });
        };
        let current = changed.get(name).map(String::as_str).or(key.default).unwrap_or_default();
        let text = match change {
            Change::Delete => {
                changed.remove(name);
                continue;
            }
            Change::Set(text) => text.clone(),
            Change::Append(text) => appended(key, current, text)?,
            Change::Subtract(text) => subtracted(key, current, text)?,
        };
        check(key, &text)?;
        changed.insert(name.clone(), text);
    }
    Ok(changed)
}

/// Whether a whole layer may be taken as it is, for a topic or group that is being created.
pub fn check_layer(table: &Table, scope: &'static str, layer: &Layer) -> Result<(), ChangeError> {
    for (name, text) in layer {
        let unknown = || ChangeError::UnknownKey { scope, name: name.clone() };
        check(table.get(name).ok_or_else(unknown)?, text)?;
    }
    Ok(())
}

/// Whether a running broker takes these keys: all must be dynamic, and without a broker's number
/// only those that may differ from nobody.
pub fn check_dynamic<'a>(
    table: &Table,
    names: impl Iterator<Item = &'a str>,
    of_one_broker: bool,
) -> Result<(), ChangeError> {
    let (mut fixed, mut per_broker) = (Vec::new(), Vec::new());
    for name in names {
        match table.get(name).map(|key| key.update) {
            Some(Update::ReadOnly) => fixed.push(name.to_owned()),
            Some(Update::PerBroker) if !of_one_broker => per_broker.push(name.to_owned()),
            None if name.starts_with("listener.name.") && !of_one_broker => {
                per_broker.push(name.to_owned());
            }
            _ => {}
        }
    }
    if !fixed.is_empty() {
        return Err(ChangeError::ReadOnly { names: fixed });
    }
    if !per_broker.is_empty() {
        return Err(ChangeError::PerBrokerOnly { names: per_broker });
    }
    Ok(())
}

/// The keys among changes that set a hint: they are taken, and nothing follows from them.
pub fn hints<'a>(
    table: &Table,
    changes: impl IntoIterator<Item = (&'a str, &'a str)>,
) -> Vec<&'static str> {
    let hint = |(name, text): (&str, &str)| {
        let key = table.get(name)?;
        key.parse(text).is_ok_and(|value| key.hints(&value)).then_some(key.name)
    };
    changes.into_iter().filter_map(hint).collect()
}

fn check(key: &'static Key, text: &str) -> Result<(), ChangeError> {
    let value = key.parse(text)?;
    if key.asks_in_vain(&value) {
        let value = if key.is_sensitive() { "[hidden]" } else { text };
        return Err(ChangeError::NoEffect {
            name: key.name,
            value: value.to_owned(),
            default: key.default.unwrap_or("which is unset"),
        });
    }
    Ok(())
}

fn appended(key: &Key, current: &str, text: &str) -> Result<String, ChangeError> {
    let mut list = list(key, "APPEND", current)?;
    let mut known: HashSet<String> = list.iter().cloned().collect();
    list.extend(items(text).into_iter().filter(|item| known.insert(item.clone())));
    Ok(list.join(","))
}

fn subtracted(key: &Key, current: &str, text: &str) -> Result<String, ChangeError> {
    let mut list = list(key, "SUBTRACT", current)?;
    let gone: HashSet<String> = items(text).into_iter().collect();
    list.retain(|item| !gone.contains(item));
    Ok(list.join(","))
}

fn list(key: &Key, operation: &'static str, current: &str) -> Result<Vec<String>, ChangeError> {
    if key.kind != Kind::List {
        return Err(ChangeError::NotAList { operation, name: key.name.to_owned() });
    }
    Ok(items(current))
}
