//! Values as JSON, as ksqlDB's REST API and its test cases show them.

use formats::Value;
use serde_json::{Map, Value as Json};

use super::text::shown;
use crate::types::SqlType;

/// A value as JSON; numbers keep their digits.
pub(crate) fn node(value: &Value, ty: &SqlType) -> Json {
    match (value, ty) {
        (Value::Null, _) => Json::Null,
        (Value::Boolean(b), _) => Json::Bool(*b),
        (Value::Int8(n), _) => Json::from(*n),
        (Value::Int16(n), _) => Json::from(*n),
        (Value::Float32(n), _) if n.is_finite() => number(&formats::java_float(*n)),
        (Value::Int32(n) | Value::Date(n) | Value::Time(n), _) => Json::from(*n),
        (Value::Int64(n) | Value::Timestamp(n), _) => Json::from(*n),
        (Value::Float64(n), _) if n.is_finite() => number(&formats::java_double(*n)),
        (Value::Float64(n), _) => Json::String(formats::java_double(*n)),
        (Value::Decimal(d), _) => number(&d.to_string()),
        (Value::Array(items), SqlType::Array(item)) => {
            Json::Array(items.iter().map(|i| node(i, item)).collect())
        }
        (Value::Map(entries), SqlType::Map(key, value)) => {
            let entry = |(k, v): &(Value, Value)| (shown(k, key), node(v, value));
            Json::Object(entries.iter().map(entry).collect::<Map<_, _>>())
        }
        (Value::Struct(members), SqlType::Struct(fields)) => {
            let member =
                |(v, (name, ty)): (&Value, &(String, SqlType))| (name.clone(), node(v, ty));
            Json::Object(members.iter().zip(fields).map(member).collect::<Map<_, _>>())
        }
        (other, ty) => Json::String(shown(other, ty)),
    }
}

/// A number with its digits as they are.
fn number(digits: &str) -> Json {
    serde_json::from_str(digits).unwrap_or_else(|_| Json::String(digits.to_owned()))
}
