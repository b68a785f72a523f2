//! Values as JSON, as ksqlDB's REST API and its test cases show them.

use formats::Value;
use serde_json::{Map, Value as Json};

use super::text::shown;
use crate::types::SqlType;

/// A value as JSON, as a record has it: times are numbers, and numbers keep their digits.
pub(crate) fn node(value: &Value, ty: &SqlType) -> Json {
    tree(value, ty, Times::Numbers)
}

/// A value as JSON, as a row of the REST API has it: times are texts in ISO 8601.
pub(crate) fn api_node(value: &Value, ty: &SqlType) -> Json {
    tree(value, ty, Times::Texts)
}

/// How TIMESTAMP, DATE and TIME are written, in nested types too.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Times {
    /// Milliseconds, days, milliseconds of the day.
    Numbers,
    Texts,
}

fn tree(value: &Value, ty: &SqlType, times: Times) -> Json {
    match (value, ty) {
        (Value::Null, _) => Json::Null,
        (Value::Boolean(b), _) => Json::Bool(*b),
        (Value::Int8(n), _) => Json::from(*n),
        (Value::Int16(n), _) => Json::from(*n),
        (Value::Float32(n), _) if n.is_finite() => number(&formats::java_float(*n)),
        (Value::Date(_) | Value::Time(_) | Value::Timestamp(_), ty) if times == Times::Texts => {
            Json::String(shown(value, ty))
        }
        (Value::Int32(n) | Value::Date(n) | Value::Time(n), _) => Json::from(*n),
        (Value::Int64(n) | Value::Timestamp(n), _) => Json::from(*n),
        (Value::Float64(n), _) if n.is_finite() => number(&formats::java_double(*n)),
        (Value::Float64(n), _) => Json::String(formats::java_double(*n)),
        (Value::Decimal(d), _) => number(&d.to_string()),
        (Value::Array(items), SqlType::Array(item)) => {
            Json::Array(items.iter().map(|i| tree(i, item, times)).collect())
        }
        (Value::Map(entries), SqlType::Map(key, value)) => {
            let entry = |(k, v): &(Value, Value)| (shown(k, key), tree(v, value, times));
            Json::Object(entries.iter().map(entry).collect::<Map<_, _>>())
        }
        (Value::Struct(members), SqlType::Struct(fields)) => {
            let member =
                |(v, (name, ty)): (&Value, &(String, SqlType))| (name.clone(), tree(v, ty, times));
            Json::Object(members.iter().zip(fields).map(member).collect::<Map<_, _>>())
        }
        (other, ty) => Json::String(shown(other, ty)),
    }
}

/// A number with its digits as they are.
fn number(digits: &str) -> Json {
    serde_json::from_str(digits).unwrap_or_else(|_| Json::String(digits.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_texts_for_the_api_and_numbers_in_records_nested_ones_too() {
        let fields = vec![
            ("T".to_owned(), SqlType::Timestamp),
            ("D".to_owned(), SqlType::Array(Box::new(SqlType::Date))),
            ("C".to_owned(), SqlType::Map(Box::new(SqlType::String), Box::new(SqlType::Time))),
        ];
        let value = Value::Struct(vec![
            Value::Timestamp(1_357_034_400_000),
            Value::Array(vec![Value::Date(15_706), Value::Null]),
            Value::Map(vec![(Value::String("at".to_owned()), Value::Time(36_000_000))]),
        ]);
        let ty = SqlType::Struct(fields);
        let texts = serde_json::json!({
            "T": "2013-01-01T10:00:00.000", "D": ["2013-01-01", null], "C": {"at": "10:00"},
        });
        assert_eq!(api_node(&value, &ty), texts);
        let numbers = serde_json::json!({
            "T": 1_357_034_400_000_i64, "D": [15_706, null], "C": {"at": 36_000_000},
        });
        assert_eq!(node(&value, &ty), numbers);
    }
}
