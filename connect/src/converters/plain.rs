//! Converters without a schema: text and bytes as they are.

use async_trait::async_trait;
use bytes::Bytes;
use formats::{Value, java_double, java_float};

use super::{ConvertError, Converter};
use crate::plugin::SchemaAndValue;

pub(super) struct StringConverter;

#[async_trait]
impl Converter for StringConverter {
    async fn to_bytes(
        &self,
        _topic: &str,
        data: Option<&SchemaAndValue>,
    ) -> Result<Option<Bytes>, ConvertError> {
        let text = match data.map(|data| &data.value) {
            None | Some(Value::Null) => return Ok(None),
            Some(Value::String(text)) => text.clone(),
            Some(Value::Boolean(flag)) => flag.to_string(),
            Some(Value::Int8(n)) => n.to_string(),
            Some(Value::Int16(n)) => n.to_string(),
            Some(Value::Int32(n) | Value::Date(n) | Value::Time(n)) => n.to_string(),
            Some(Value::Int64(n) | Value::Timestamp(n)) => n.to_string(),
            Some(Value::Float32(n)) => java_float(*n),
            Some(Value::Float64(n)) => java_double(*n),
            Some(Value::Decimal(decimal)) => decimal.to_string(),
            Some(other) => {
                return Err(ConvertError::Type {
                    converter: "StringConverter",
                    found: type_word(other.kind()).into(),
                    hint: "use JsonConverter or AvroConverter for values with structure",
                });
            }
        };
        Ok(Some(text.into()))
    }
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

pub(super) struct ByteArrayConverter;

#[async_trait]
impl Converter for ByteArrayConverter {
    async fn to_bytes(
        &self,
        _topic: &str,
        data: Option<&SchemaAndValue>,
    ) -> Result<Option<Bytes>, ConvertError> {
        match data.map(|data| &data.value) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::Bytes(bytes)) => Ok(Some(bytes.clone())),
            Some(other) => Err(ConvertError::Type {
                converter: "ByteArrayConverter",
                found: type_word(other.kind()).into(),
                hint: "it takes BYTES only; use StringConverter for text",
            }),
        }
    }
}
