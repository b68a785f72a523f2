//! Which layer a value comes from: what DescribeConfigs answers, and what the broker itself reads.

use super::key::Key;
use super::layer::Layer;
use super::table::{broker_table, group_table, topic_table};
use super::value::{Value, ValueError};

/// Where a value comes from, numbered as DescribeConfigs reports it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    Topic,
    Broker,
    ClusterDefault,
    File,
    Default,
    Group,
}

impl Source {
    pub fn code(self) -> i8 {
        match self {
            Source::Topic => 1,
            Source::Broker => 2,
            Source::ClusterDefault => 3,
            Source::File => 4,
            Source::Default => 5,
            Source::Group => 8,
        }
    }
}

/// One place at which a value was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Synonym {
    pub name: &'static str,
    /// `None` where the value is secret.
    pub value: Option<String>,
    pub source: Source,
}

/// A key with its value and all places that have one for it, the strongest first.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    pub key: &'static Key,
    pub value: Option<String>,
    pub source: Source,
    pub synonyms: Vec<Synonym>,
}

/// The three layers under a broker's settings, the strongest first.
#[derive(Clone, Copy, Debug)]
pub struct BrokerLayers<'a> {
    /// Set for this broker while it runs.
    pub broker: &'a Layer,
    /// Set for all brokers while they run.
    pub cluster: &'a Layer,
    /// The broker's file or flags.
    pub file: &'a Layer,
}

/// Keys that stand for each other, the strongest first, each with what one of it is of the first.
const CHAINS: &[&[(&str, i64)]] = &[
    &[
        ("log.retention.ms", 1),
        ("log.retention.minutes", 60_000),
        ("log.retention.hours", 3_600_000),
    ],
    &[("log.roll.ms", 1), ("log.roll.hours", 3_600_000)],
    &[("log.roll.jitter.ms", 1), ("log.roll.jitter.hours", 3_600_000)],
    &[("log.flush.interval.ms", 1), ("log.flush.scheduler.interval.ms", 1)],
];

impl<'a> BrokerLayers<'a> {
    /// What was set for the key in any layer.
    pub fn set(&self, name: &str) -> Option<&'a str> {
        let layers = [self.broker, self.cluster, self.file];
        layers.iter().find_map(|layer| layer.get(name)).map(String::as_str)
    }

    /// The value that holds: of the key itself, of a key that stands for it, or the default.
    pub fn value(&self, name: &'static str) -> Result<Option<Value>, ValueError> {
        for (link, factor) in chain_from(name) {
            let Some(key) = broker_table().get(link) else { continue };
            let found = match self.set(link) {
                Some(text) => Some(key.parse(text)?),
                None => key.default_value(),
            };
            match found {
                Some(Value::Number(number)) if number >= 0 => {
                    return Ok(Some(Value::Number(number.saturating_mul(factor))));
                }
                Some(value) => return Ok(Some(value)),
                None => {}
            }
        }
        Ok(None)
    }

    fn synonyms(&self, name: &str, only_cluster: bool) -> Vec<Synonym> {
        let names: Vec<&'static Key> =
            whole_chain(name).iter().filter_map(|link| broker_table().get(link)).collect();
        let mut found = Vec::new();
        let layers = [
            (self.broker, Source::Broker),
            (self.cluster, Source::ClusterDefault),
            (self.file, Source::File),
        ];
        for (layer, source) in layers {
            for key in &names {
                if let Some(text) = layer.get(key.name) {
                    let value = (!key.is_sensitive()).then(|| text.clone());
                    found.push(Synonym { name: key.name, value, source });
                }
            }
        }
        for key in &names {
            if let Some(text) = key.default {
                let value = (!key.is_sensitive()).then(|| text.to_owned());
                found.push(Synonym { name: key.name, value, source: Source::Default });
            }
        }
        let from = found.iter().position(|synonym| synonym.name == name).unwrap_or(found.len());
        let mut kept = found.split_off(from);
        if only_cluster {
            kept.retain(|synonym| synonym.source == Source::ClusterDefault);
        }
        kept
    }
}

/// All keys of a topic that sets `layer`, on a broker with `layers`.
pub fn describe_topic(layer: &Layer, layers: &BrokerLayers<'_>) -> Vec<Entry> {
    topic_table().keys().map(|key| describe(key, layer, Source::Topic, layers)).collect()
}

/// All keys of a group that sets `layer`, on a broker with `layers`.
pub fn describe_group(layer: &Layer, layers: &BrokerLayers<'_>) -> Vec<Entry> {
    group_table().keys().map(|key| describe(key, layer, Source::Group, layers)).collect()
}

/// All keys of a broker.
pub fn describe_broker(layers: &BrokerLayers<'_>) -> Vec<Entry> {
    broker_table().keys().map(|key| describe_broker_key(key, layers, false)).collect()
}

/// The keys that are set for all brokers.
pub fn describe_cluster_default(layers: &BrokerLayers<'_>) -> Vec<Entry> {
    let keys = layers.cluster.keys().filter_map(|name| broker_table().get(name));
    keys.map(|key| describe_broker_key(key, layers, true)).collect()
}

fn describe_broker_key(key: &'static Key, layers: &BrokerLayers<'_>, cluster: bool) -> Entry {
    let synonyms = layers.synonyms(key.name, cluster);
    let source = synonyms.first().map_or(Source::Default, |synonym| synonym.source);
    let text = match cluster {
        true => layers.cluster.get(key.name).map(String::as_str),
        false => layers.set(key.name).or(key.default),
    };
    let value = text.filter(|_| !key.is_sensitive()).map(|text| key.normalise(text));
    Entry { key, value, source, synonyms }
}

fn describe(
    key: &'static Key,
    layer: &Layer,
    own_source: Source,
    layers: &BrokerLayers<'_>,
) -> Entry {
    let own = layer.get(key.name);
    let mut synonyms = Vec::new();
    if let Some(text) = own {
        let value = (!key.is_sensitive()).then(|| text.clone());
        synonyms.push(Synonym { name: key.name, value, source: own_source });
    }
    match key.broker_key {
        Some(broker_key) => synonyms.extend(layers.synonyms(broker_key, false)),
        None if own_source == Source::Group => {
            let value = key.default.map(str::to_owned);
            synonyms.push(Synonym { name: key.name, value, source: Source::Default });
        }
        None => {}
    }
    let inherited = || {
        let broker = key.broker_key.and_then(|name| layers.value(name).ok().flatten());
        broker.map(|value| value.to_text()).or_else(|| key.default.map(str::to_owned))
    };
    let value = own.map(|text| key.normalise(text)).or_else(inherited);
    let source = synonyms.first().map_or(Source::Default, |synonym| synonym.source);
    Entry { key, value: value.filter(|_| !key.is_sensitive()), source, synonyms }
}

/// The key and those that stand in for it, with their factors.
fn chain_from(name: &'static str) -> Vec<(&'static str, i64)> {
    for chain in CHAINS {
        if let Some(place) = chain.iter().position(|(link, _)| *link == name) {
            let unit = chain[place].1;
            let rest = chain[place..].iter();
            return rest.map(|(link, factor)| (*link, factor / unit)).collect();
        }
    }
    vec![(name, 1)]
}

fn whole_chain(name: &str) -> Vec<&str> {
    for chain in CHAINS {
        if chain.iter().any(|(link, _)| *link == name) {
            return chain.iter().map(|(link, _)| *link).collect();
        }
    }
    vec![name]
}
