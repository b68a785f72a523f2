//! Converters without a schema: text and bytes as they are.

use async_trait::async_trait;
use bytes::Bytes;
use formats::{Value, java_double, java_float};

use super::{ConvertError, Converter};
use crate::plugin::SchemaAndValue;

/// Writes values of some types, and refuses the others.
pub(super) struct Plain {
    name: &'static str,
    /// None: the value is of another type.
    bytes: fn(&Value) -> Option<Bytes>,
    /// What to do with another type.
    hint: &'static str,
}

/// What has a text, by that text.
pub(super) const STRING: Plain = Plain {
    name: "StringConverter",
    bytes: |value| text(value).map(Bytes::from),
    hint: "use JsonConverter or AvroConverter for values with structure",
};

/// Bytes as they are.
pub(super) const BYTE_ARRAY: Plain = Plain {
    name: "ByteArrayConverter",
    bytes: |value| match value {
        Value::Bytes(bytes) => Some(bytes.clone()),
        _ => None,
    },
    hint: "it takes BYTES only; use StringConverter for text",
};

#[async_trait]
impl Converter for Plain {
    async fn to_bytes(
        &self,
        _topic: &str,
        data: Option<&SchemaAndValue>,
    ) -> Result<Option<Bytes>, ConvertError> {
        let value = match data.map(|data| &data.value) {
            None | Some(Value::Null) => return Ok(None),
            Some(value) => value,
        };
        let other = || ConvertError::Type {
            converter: self.name,
            found: type_word(value.kind()).into(),
            hint: self.hint,
        };
        (self.bytes)(value).map(Some).ok_or_else(other)
    }
}

fn text(value: &Value) -> Option<String> {
    Some(match value {
        Value::String(text) => text.clone(),
        Value::Boolean(flag) => flag.to_string(),
        Value::Int8(n) => n.to_string(),
        Value::Int16(n) => n.to_string(),
        Value::Int32(n) | Value::Date(n) | Value::Time(n) => n.to_string(),
        Value::Int64(n) | Value::Timestamp(n) => n.to_string(),
        Value::Float32(n) => java_float(*n),
        Value::Float64(n) => java_double(*n),
        Value::Decimal(decimal) => decimal.to_string(),
        _ => return None,
    })
}

/// A kind of value as users write its type.
fn type_word(kind: &'static str) -> &'static str {
    match kind {
        "INT8" => "TINYINT",
        "INT16" => "SMALLINT",
        "INT32" => "INTEGER",
        "INT64" => "BIGINT",
        "FLOAT32" => "FLOAT",
        "FLOAT64" => "DOUBLE",
        other => other,
    }
}
