//! JSON as Kafka Connect's own converter writes it: in an envelope with its schema, or plain.

use std::collections::BTreeMap;

use async_trait::async_trait;
use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use bytes::Bytes;
use formats::{Decimal, Schema, Type, Value, java_double, java_float, json::write_string};
use serde_json::{Value as Json, json};

use super::{ConvertError, Converter, Side, flag};
use crate::plugin::{ConfigProblem, SchemaAndValue};

pub(super) struct JsonConverter {
    envelope: bool,
    numeric_decimals: bool,
}

impl JsonConverter {
    pub(super) fn new(
        side: Side,
        settings: &BTreeMap<String, String>,
    ) -> Result<Self, ConfigProblem> {
        let numeric_decimals = match settings.get("decimal.format").map(String::as_str) {
            None => false,
            Some(word) if word.eq_ignore_ascii_case("BASE64") => false,
            Some(word) if word.eq_ignore_ascii_case("NUMERIC") => true,
            Some(word) => {
                let key = format!("{}.decimal.format", side.setting());
                return Err(ConfigProblem::invalid(&key, word, "it must be BASE64 or NUMERIC"));
            }
        };
        Ok(Self { envelope: flag(side, settings, "schemas.enable", true)?, numeric_decimals })
    }

    fn write(&self, out: &mut String, value: &Value, schema: &Schema) {
        match value {
            Value::Null => out.push_str("null"),
            Value::Boolean(flag) => out.push_str(&flag.to_string()),
            Value::Int8(n) => out.push_str(&n.to_string()),
            Value::Int16(n) => out.push_str(&n.to_string()),
            Value::Int32(n) | Value::Date(n) | Value::Time(n) => out.push_str(&n.to_string()),
            Value::Int64(n) | Value::Timestamp(n) => out.push_str(&n.to_string()),
            Value::Float32(n) if n.is_finite() => out.push_str(&java_float(*n)),
            Value::Float32(n) => write_string(out, &java_float(*n)),
            Value::Float64(n) if n.is_finite() => out.push_str(&java_double(*n)),
            Value::Float64(n) => write_string(out, &java_double(*n)),
            Value::Decimal(decimal) => self.decimal(out, *decimal),
            Value::String(text) => write_string(out, text),
            Value::Bytes(bytes) => write_string(out, &BASE64.encode(bytes)),
            Value::Array(items) => {
                let Type::Array(inner) = &schema.ty else { return };
                out.push('[');
                for (index, item) in items.iter().enumerate() {
                    comma(out, index);
                    self.write(out, item, inner);
                }
                out.push(']');
            }
            Value::Map(entries) => self.map(out, entries, schema),
            Value::Struct(members) => {
                out.push('{');
                for (index, (field, member)) in schema.fields().iter().zip(members).enumerate() {
                    comma(out, index);
                    write_string(out, &field.name);
                    out.push(':');
                    self.write(out, member, &field.schema);
                }
                out.push('}');
            }
        }
    }

    fn decimal(&self, out: &mut String, decimal: Decimal) {
        if self.numeric_decimals {
            out.push_str(&decimal.to_string());
        } else {
            write_string(out, &BASE64.encode(decimal.to_be_bytes()));
        }
    }

    /// An object where the keys are strings, else a list of pairs.
    fn map(&self, out: &mut String, entries: &[(Value, Value)], schema: &Schema) {
        let Type::Map { key: key_schema, value: value_schema } = &schema.ty else { return };
        let object = key_schema.ty == Type::String;
        out.push(if object { '{' } else { '[' });
        for (index, (key, value)) in entries.iter().enumerate() {
            comma(out, index);
            if !object {
                out.push('[');
            }
            self.write(out, key, key_schema);
            out.push(if object { ':' } else { ',' });
            self.write(out, value, value_schema);
            if !object {
                out.push(']');
            }
        }
        out.push(if object { '}' } else { ']' });
    }
}

fn comma(out: &mut String, index: usize) {
    if index > 0 {
        out.push(',');
    }
}

/// The schema as the envelope has it.
fn schema_json(schema: &Schema, field: Option<&str>) -> Json {
    let word = |word: &str| json!({ "type": word });
    let logical = |word: &str, name: &str| {
        let name = format!("org.apache.kafka.connect.data.{name}");
        (json!({ "type": word }), Some(json!({"name": name, "version": 1})))
    };
    let (mut json, more) = match &schema.ty {
        Type::Boolean => (word("boolean"), None),
        Type::Int8 => (word("int8"), None),
        Type::Int16 => (word("int16"), None),
        Type::Int32 => (word("int32"), None),
        Type::Int64 => (word("int64"), None),
        Type::Float32 => (word("float"), None),
        Type::Float64 => (word("double"), None),
        Type::String => (word("string"), None),
        Type::Bytes => (word("bytes"), None),
        Type::Date => logical("int32", "Date"),
        Type::Time => logical("int32", "Time"),
        Type::Timestamp => logical("int64", "Timestamp"),
        Type::Decimal { precision, scale } => {
            let (json, _) = logical("bytes", "Decimal");
            let parameters = json!({
                "scale": scale.to_string(), "connect.decimal.precision": precision.to_string()
            });
            let name = "org.apache.kafka.connect.data.Decimal";
            (json, Some(json!({"name": name, "version": 1, "parameters": parameters})))
        }
        Type::Array(items) => (json!({"type": "array", "items": schema_json(items, None)}), None),
        Type::Map { key, value } => {
            let (keys, values) = (schema_json(key, None), schema_json(value, None));
            (json!({"type": "map", "keys": keys, "values": values}), None)
        }
        Type::Struct(fields) => {
            let fields = fields.iter().map(|field| schema_json(&field.schema, Some(&field.name)));
            (json!({"type": "struct", "fields": fields.collect::<Json>()}), None)
        }
    };
    json["optional"] = json!(schema.optional);
    match (more, &schema.name) {
        (Some(Json::Object(more)), _) => {
            for (key, value) in more {
                json[key] = value;
            }
        }
        (_, Some(name)) => json["name"] = json!(name),
        _ => {}
    }
    if let Some(field) = field {
        json["field"] = json!(field);
    }
    json
}

#[async_trait]
impl Converter for JsonConverter {
    async fn to_bytes(
        &self,
        _topic: &str,
        data: Option<&SchemaAndValue>,
    ) -> Result<Option<Bytes>, ConvertError> {
        let Some(data) = data else { return Ok(None) };
        if !self.envelope && data.value.is_null() {
            return Ok(None);
        }
        let mut out = String::new();
        if self.envelope {
            out.push_str(&format!(r#"{{"schema":{},"payload":"#, schema_json(&data.schema, None)));
        }
        self.write(&mut out, &data.value, &data.schema);
        if self.envelope {
            out.push('}');
        }
        Ok(Some(out.into()))
    }
}
