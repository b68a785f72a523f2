//! What a broker's file says that needs a word: wrong values, keys of other times, keys without
//! effect.

use super::layer::Layer;
use super::table::broker_table;
use super::value::ValueError;

/// One thing to tell the user about a file; the server decides which of them stop it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Finding {
    /// The value is not one of the key's.
    Invalid(ValueError),
    /// No broker has such a key.
    Unknown { name: String },
    /// Kafka has the key, but here it does nothing yet, and the file asks for something.
    NoEffect { name: &'static str, value: String },
    /// The key sizes or paces what only Kafka has inside, and the file sets it.
    Hint { name: &'static str },
    /// A `zookeeper.*` key: no ZooKeeper is needed.
    Zookeeper { name: String },
    /// A key that Kafka had in earlier versions, and what became of it.
    Outdated { name: &'static str, instead: &'static str },
}

/// Keys of earlier versions that books print.
const OUTDATED: &[(&str, &str)] = &[
    ("advertised.host.name", "use advertised.listeners"),
    ("advertised.port", "use advertised.listeners"),
    ("host.name", "use listeners"),
    ("port", "use listeners"),
    ("inter.broker.protocol.version", "clients and brokers agree on versions by themselves"),
    ("log.message.format.version", "record batches always have the present format"),
    ("log.message.downconversion.enable", "answers always have the present record format"),
    ("broker.id.generation.enable", "set node.id, or leave it to the node"),
    ("reserved.broker.max.id", "set node.id, or leave it to the node"),
    ("control.plane.listener.name", "use controller.listener.names"),
    ("password.encoder.secret", "passwords are not kept in ZooKeeper"),
    (
        "log.message.timestamp.difference.max.ms",
        "use log.message.timestamp.before.max.ms and log.message.timestamp.after.max.ms",
    ),
    ("auto.include.jmx.reporter", "there is no JMX"),
    ("offsets.commit.required.acks", "offsets are always committed by all in-sync replicas"),
];

/// Looks through a file, in the order of its keys. No finding means that all of it works.
pub fn examine(file: &Layer) -> Vec<Finding> {
    file.iter().filter_map(|(name, value)| examine_one(name, value)).collect()
}

fn examine_one(name: &str, value: &str) -> Option<Finding> {
    if name.starts_with("zookeeper.") {
        return Some(Finding::Zookeeper { name: name.to_owned() });
    }
    if let Some((name, instead)) = OUTDATED.iter().find(|(old, _)| *old == name) {
        return Some(Finding::Outdated { name, instead });
    }
    let Some(key) = broker_table().get(name) else {
        return Some(Finding::Unknown { name: name.to_owned() });
    };
    match key.parse(value) {
        Err(error) => Some(Finding::Invalid(error)),
        Ok(parsed) if key.asks_in_vain(&parsed) => {
            let value = if key.is_sensitive() { "[hidden]" } else { value };
            Some(Finding::NoEffect { name: key.name, value: value.to_owned() })
        }
        Ok(parsed) if key.hints(&parsed) => Some(Finding::Hint { name: key.name }),
        Ok(_) => None,
    }
}
