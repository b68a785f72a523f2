//! The columns of delimited text: their types as given or as the first records suggest, and the
//! values of a record.

use std::borrow::Cow;
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use formats::temporal::{parse_date, parse_time, parse_timestamp};
use formats::{Decimal, Field, Schema, Type, Value};

use super::settings::Delimited;
use crate::plugin::SchemaAndValue;

/// How many records the types are inferred from.
pub(super) const SAMPLE: usize = 1000;

/// Reads `name TYPE, name TYPE`; an error says what is wrong.
pub(super) fn parse_types(text: &str) -> Result<Vec<(String, Type)>, String> {
    let mut columns: Vec<(String, Type)> = Vec::new();
    for item in split_outside_parentheses(text) {
        let item = item.trim();
        if item.is_empty() {
            continue;
        }
        let (name, word) = item
            .split_once(char::is_whitespace)
            .ok_or_else(|| format!("\"{item}\" must be a column's name and its type"))?;
        let ty = parse_type(word.trim()).ok_or_else(|| {
            format!(
                "\"{}\" is no type; the types are BOOLEAN, TINYINT, SMALLINT, INTEGER, BIGINT, \
                 FLOAT, DOUBLE, DECIMAL(precision, scale), STRING, BYTES, DATE, TIME, TIMESTAMP",
                word.trim()
            )
        })?;
        if columns.iter().any(|(other, _)| other == name) {
            return Err(format!("the column {name} is named twice"));
        }
        columns.push((name.to_owned(), ty));
    }
    Ok(columns)
}

fn split_outside_parentheses(text: &str) -> Vec<&str> {
    let (mut items, mut start, mut depth) = (Vec::new(), 0, 0u32);
    for (at, c) in text.char_indices() {
        match c {
            '(' => depth += 1,
            ')' => depth = depth.saturating_sub(1),
            ',' if depth == 0 => {
                items.push(&text[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    items.push(&text[start..]);
    items
}

pub(super) fn parse_type(word: &str) -> Option<Type> {
    let upper = word.to_ascii_uppercase();
    Some(match upper.as_str() {
        "BOOLEAN" => Type::Boolean,
        "TINYINT" | "INT8" => Type::Int8,
        "SMALLINT" | "INT16" => Type::Int16,
        "INT" | "INTEGER" | "INT32" => Type::Int32,
        "BIGINT" | "INT64" => Type::Int64,
        "FLOAT" | "FLOAT32" => Type::Float32,
        "DOUBLE" | "FLOAT64" => Type::Float64,
        "STRING" | "VARCHAR" => Type::String,
        "BYTES" => Type::Bytes,
        "DATE" => Type::Date,
        "TIME" => Type::Time,
        "TIMESTAMP" => Type::Timestamp,
        _ => {
            let inside = upper.strip_prefix("DECIMAL")?.trim().strip_prefix('(')?;
            let (precision, scale) = inside.strip_suffix(')')?.split_once(',')?;
            let precision: u8 = precision.trim().parse().ok()?;
            let scale: u8 = scale.trim().parse().ok()?;
            let fits = (1..=formats::MAX_DECIMAL_PRECISION).contains(&precision);
            return (fits && scale <= precision).then_some(Type::Decimal { precision, scale });
        }
    })
}

/// A name that Avro takes: what it does not becomes `_`.
pub(super) fn schema_name(text: &str) -> String {
    text.split('.').map(name_part).collect::<Vec<_>>().join(".")
}

fn name_part(text: &str) -> String {
    let clean = |c: char| if c.is_ascii_alphanumeric() || c == '_' { c } else { '_' };
    let mut name: String = text.trim().chars().map(clean).collect();
    if name.starts_with(|c: char| c.is_ascii_digit()) || name.is_empty() {
        name.insert(0, '_');
    }
    name
}

/// The columns of one file, known.
#[derive(Clone, Debug)]
pub(super) struct Columns {
    value_schema: Arc<Schema>,
    key: Option<Key>,
    timestamp: Option<usize>,
    nulls: Vec<String>,
}

#[derive(Clone, Debug)]
struct Key {
    schema: Arc<Schema>,
    columns: Vec<usize>,
}

impl Columns {
    /// From the header's names (or those of the settings), with types for all of them.
    pub(super) fn new(settings: &Delimited, columns: &[(String, Type)]) -> Result<Self, String> {
        let position = |name: &String| {
            let found = columns.iter().position(|(column, _)| column == name);
            found.ok_or_else(|| {
                let all: Vec<&str> = columns.iter().map(|(name, _)| name.as_str()).collect();
                format!("there is no column {name}; the columns are {}", all.join(", "))
            })
        };
        let mut fields: Vec<Field> = Vec::with_capacity(columns.len());
        for (name, ty) in columns {
            let name = name_part(name);
            if fields.iter().any(|field| field.name == name) {
                return Err(format!("two columns are called {name}"));
            }
            fields.push(Field::new(name, Schema::optional(ty.clone())));
        }
        let keys = settings.key_columns.iter().map(position).collect::<Result<Vec<_>, _>>()?;
        let key = match keys[..] {
            [] => None,
            [one] => Some(fields[one].schema.clone()),
            _ => {
                let members = keys.iter().map(|column| fields[*column].clone()).collect();
                let name = format!("{}_key", settings.schema_name);
                Some(Schema::required(Type::Struct(members)).named(name))
            }
        };
        let key = key.map(|schema| Key { schema: Arc::new(schema), columns: keys });
        let timestamp = settings.timestamp_column.as_ref().map(position).transpose()?;
        if let Some(column) = timestamp
            && !matches!(columns[column].1, Type::Timestamp | Type::Int64 | Type::Date)
        {
            let (name, ty) = &columns[column];
            return Err(format!(
                "timestamp.column {name} is {ty}; name it TIMESTAMP, DATE or BIGINT in columns"
            ));
        }
        let value = Schema::required(Type::Struct(fields)).named(&settings.schema_name);
        let value_schema = Arc::new(value);
        Ok(Self { value_schema, key, timestamp, nulls: settings.nulls.clone() })
    }

    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.value_schema.fields().iter().map(|field| field.name.as_str())
    }

    /// Key, value and time of one record's texts; an error names the column.
    pub(super) fn read(&self, texts: &[Cow<'_, str>]) -> Result<Read, String> {
        let fields = self.value_schema.fields();
        if texts.len() != fields.len() {
            let (found, expected) = (texts.len(), fields.len());
            return Err(format!("{found} values, the columns are {expected}"));
        }
        let mut values = Vec::with_capacity(fields.len());
        for (text, field) in texts.iter().zip(fields) {
            let null = text.is_empty() || self.nulls.iter().any(|null| null == text);
            values.push(if null {
                Value::Null
            } else {
                value(text, &field.schema.ty).ok_or_else(|| {
                    format!("column {}: \"{text}\" is no {}", field.name, field.schema.ty)
                })?
            });
        }
        let key = self.key.as_ref().map(|key| {
            let value = match key.columns[..] {
                [one] => values[one].clone(),
                _ => Value::Struct(key.columns.iter().map(|c| values[*c].clone()).collect()),
            };
            SchemaAndValue { schema: Arc::clone(&key.schema), value }
        });
        let timestamp_ms = self.timestamp.and_then(|column| match values[column] {
            Value::Timestamp(ms) | Value::Int64(ms) => Some(ms),
            Value::Date(days) => Some(i64::from(days) * 86_400_000),
            _ => None,
        });
        let schema = Arc::clone(&self.value_schema);
        let value = SchemaAndValue { schema, value: Value::Struct(values) };
        Ok(Read { key, value, timestamp_ms })
    }
}

#[derive(Debug)]
pub(super) struct Read {
    pub(super) key: Option<SchemaAndValue>,
    pub(super) value: SchemaAndValue,
    pub(super) timestamp_ms: Option<i64>,
}

fn value(text: &str, ty: &Type) -> Option<Value> {
    Some(match ty {
        Type::Boolean if text.eq_ignore_ascii_case("true") => Value::Boolean(true),
        Type::Boolean if text.eq_ignore_ascii_case("false") => Value::Boolean(false),
        Type::Int8 => Value::Int8(text.parse().ok()?),
        Type::Int16 => Value::Int16(text.parse().ok()?),
        Type::Int32 => Value::Int32(text.parse().ok()?),
        Type::Int64 => Value::Int64(text.parse().ok()?),
        Type::Float32 => Value::Float32(text.parse().ok()?),
        Type::Float64 => Value::Float64(text.parse().ok()?),
        Type::Decimal { precision, scale } => {
            Value::Decimal(Decimal::parse(text)?.fit(*precision, *scale)?)
        }
        Type::String => Value::String(text.to_owned()),
        Type::Bytes => Value::Bytes(BASE64.decode(text).ok()?.into()),
        Type::Date => Value::Date(parse_date(text)?),
        Type::Time => Value::Time(parse_time(text)?),
        Type::Timestamp => Value::Timestamp(parse_timestamp(text)?),
        _ => return None,
    })
}

/// Types for columns that have none: the narrowest of BOOLEAN, BIGINT, DOUBLE, TIMESTAMP (with a
/// time of day), STRING that all texts of the sample fit; STRING where there are none.
pub(super) fn infer(sample: &[Vec<String>], column: usize, nulls: &[String]) -> Type {
    let texts: Vec<&str> = sample
        .iter()
        .filter_map(|record| record.get(column).map(String::as_str))
        .filter(|text| !text.is_empty() && !nulls.iter().any(|null| null == text))
        .collect();
    let all = |ty: &Type| !texts.is_empty() && texts.iter().all(|text| value(text, ty).is_some());
    let with_time = texts.iter().all(|text| text.len() > 10);
    if all(&Type::Boolean) {
        Type::Boolean
    } else if all(&Type::Int64) {
        Type::Int64
    } else if all(&Type::Float64) {
        Type::Float64
    } else if with_time && all(&Type::Timestamp) {
        Type::Timestamp
    } else {
        Type::String
    }
}
