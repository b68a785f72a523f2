//! From values to the bytes of records, named as Kafka Connect names them.

mod avro;
mod json;
mod plain;

use std::collections::BTreeMap;

use async_trait::async_trait;
use bytes::Bytes;
use client::FailureKind;
use client::schema_registry::SchemaRegistryError;

use crate::plugin::{ConfigProblem, SchemaAndValue};
use avro::AvroConverter;
use json::JsonConverter;

/// Makes the bytes of keys or of values.
#[async_trait]
pub(crate) trait Converter: Send + Sync {
    /// None where there is no value: a record without key, or a tombstone.
    async fn to_bytes(
        &self,
        topic: &str,
        data: Option<&SchemaAndValue>,
    ) -> Result<Option<Bytes>, ConvertError>;
}

/// Why a value has no bytes.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ConvertError {
    #[error("{converter} cannot convert {found}: {hint}")]
    Type { converter: &'static str, found: String, hint: &'static str },
    #[error("the schema cannot be written as Avro: {0}")]
    Schema(#[from] formats::avro::SchemaError),
    #[error("the value cannot be written as Avro: {0}")]
    Value(#[from] formats::avro::EncodeError),
    #[error(
        "{error}. Readers of the earlier records could not read this one. Either give the values \
         the types that {subject} has (as with the setting columns), or write to another topic, or \
         let the subject have any schema: PUT /config/{subject} {{\"compatibility\": \"NONE\"}}"
    )]
    Incompatible { subject: Box<str>, error: SchemaRegistryError },
    #[error(transparent)]
    Registry(#[from] SchemaRegistryError),
}

impl ConvertError {
    /// What to do about it: a value that has no bytes is the record's own fault.
    pub(crate) fn kind(&self) -> FailureKind {
        match self {
            Self::Type { .. } | Self::Schema(_) | Self::Value(_) => FailureKind::Bad,
            Self::Incompatible { error, .. } | Self::Registry(error) => error.kind(),
        }
    }
}

/// What is converted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    Key,
    Value,
}

impl Side {
    pub(crate) fn setting(self) -> &'static str {
        match self {
            Self::Key => "key.converter",
            Self::Value => "value.converter",
        }
    }

    fn suffix(self) -> &'static str {
        match self {
            Self::Key => "-key",
            Self::Value => "-value",
        }
    }
}

/// The converter of a class name (or its last part) with its own settings.
pub(crate) fn find(
    class: &str,
    side: Side,
    settings: &BTreeMap<String, String>,
) -> Result<Box<dyn Converter>, ConfigProblem> {
    let kafka = class.strip_prefix("org.apache.kafka.connect.storage.");
    let kafka = kafka.or_else(|| class.strip_prefix("org.apache.kafka.connect.converters."));
    let kafka = kafka.or_else(|| class.strip_prefix("org.apache.kafka.connect.json."));
    let short = kafka.or_else(|| class.strip_prefix("io.confluent.connect.avro."));
    let known: (Box<dyn Converter>, &[&str]) = match short.unwrap_or(class) {
        "AvroConverter" | "Avro" => (
            Box::new(AvroConverter::new(side, settings)?),
            &["schema.registry.url", "auto.register.schemas"],
        ),
        "JsonConverter" | "Json" => (
            Box::new(JsonConverter::new(side, settings)?),
            &["schemas.enable", "schemas.cache.size", "decimal.format"],
        ),
        "StringConverter" | "String" => (Box::new(plain::STRING), &["converter.encoding"]),
        "ByteArrayConverter" | "ByteArray" => (Box::new(plain::BYTE_ARRAY), &[]),
        _ => {
            let reason = "the converters are AvroConverter, JsonConverter, StringConverter and \
                          ByteArrayConverter";
            return Err(ConfigProblem::invalid(side.setting(), class, reason));
        }
    };
    let encoding = settings.get("converter.encoding").filter(|name| !is_utf8(name));
    if let Some(name) = encoding {
        let key = format!("{}.converter.encoding", side.setting());
        return Err(ConfigProblem::invalid(&key, name, "texts are written in UTF-8 only"));
    }
    let (converter, taken) = known;
    if let Some(key) = settings.keys().find(|key| !taken.contains(&key.as_str())) {
        let key = format!("{}.{key}", side.setting());
        let message = format!("{key} is not a setting of {class}; take it out");
        return Err(ConfigProblem::new(key, message));
    }
    Ok(converter)
}

fn is_utf8(name: &str) -> bool {
    ["UTF-8", "UTF8"].iter().any(|known| known.eq_ignore_ascii_case(name.trim()))
}

fn flag(
    side: Side,
    settings: &BTreeMap<String, String>,
    key: &str,
    default: bool,
) -> Result<bool, ConfigProblem> {
    match settings.get(key).map(|value| value.to_ascii_lowercase()) {
        None => Ok(default),
        Some(value) if value == "true" => Ok(true),
        Some(value) if value == "false" => Ok(false),
        Some(value) => {
            let key = format!("{}.{key}", side.setting());
            Err(ConfigProblem::invalid(&key, &value, "it must be true or false"))
        }
    }
}

#[cfg(test)]
mod tests;
