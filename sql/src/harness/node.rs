//! JSON nodes of test cases to keys and values in a source's format, and back.

use std::sync::Arc;

use arrow::array::ArrayRef;
use bytes::Bytes;
use formats::avro::Schema as AvroSchema;
use formats::{Appended, Decimal, RowDecoder, RowEncoder, Value};
use serde_json::Value as Json;

use crate::catalog::format::{Format, FormatName};
use crate::catalog::source::Column;
use crate::records::{Schemas, fields};
use crate::types::SqlType;
use crate::values::{array_of, node, value_at};

/// A key's or a value's node as bytes.
pub(super) fn encode(
    node: &Json,
    format: &Format,
    columns: &[Column],
    avro: Option<(u32, Arc<AvroSchema>)>,
) -> Result<Option<Bytes>, String> {
    if node.is_null() {
        return Ok(None);
    }
    match format.name {
        FormatName::None => Ok(None),
        FormatName::Json => Ok(Some(Bytes::from(node.to_string()))),
        FormatName::Delimited => Ok(Some(Bytes::from(plain(node)))),
        FormatName::Kafka | FormatName::Avro => {
            let [] = columns else { return typed(node, format, columns, avro).map(Some) };
            Ok(Some(Bytes::from(plain(node))))
        }
    }
}

fn plain(node: &Json) -> String {
    node.as_str().map_or_else(|| node.to_string(), str::to_owned)
}

fn typed(
    node: &Json,
    format: &Format,
    columns: &[Column],
    avro: Option<(u32, Arc<AvroSchema>)>,
) -> Result<Bytes, String> {
    let record = columns.len() > 1 || format.wrapping(columns.len()) == formats::Wrapping::Record;
    let bare = format.name == FormatName::Kafka || !record;
    let value = |column: &Column| {
        let part = if bare { Some(node) } else { member(node, &column.name) };
        part.map_or(Ok(Value::Null), |part| read(part, &column.ty))
    };
    let arrays: Vec<ArrayRef> = columns
        .iter()
        .map(|column| Ok(array_of(&column.ty, [&value(column)?])))
        .collect::<Result<_, String>>()?;
    let physical = format.physical().ok_or("no format")?;
    let wrapping = format.wrapping(columns.len());
    let encoder =
        RowEncoder::new(physical, &fields(columns), wrapping, avro).map_err(|e| e.to_string())?;
    let mut bytes = Vec::new();
    encoder.encode(&arrays, 0, &mut bytes).map_err(|e| e.to_string())?;
    Ok(bytes.into())
}

/// A member by its exact name, else in any case.
fn member<'a>(node: &'a Json, name: &str) -> Option<&'a Json> {
    let object = node.as_object()?;
    object.get(name).or_else(|| {
        object.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    })
}

/// A node as a value; scalars may come as text.
fn read(node: &Json, ty: &SqlType) -> Result<Value, String> {
    let bad = || format!("{node} is not a {ty}");
    let number = || plain(node);
    Ok(match ty {
        _ if node.is_null() => Value::Null,
        SqlType::Boolean => Value::Boolean(node.as_bool().ok_or_else(bad)?),
        SqlType::Integer => Value::Int32(number().parse().map_err(|_| bad())?),
        SqlType::Bigint => Value::Int64(number().parse().map_err(|_| bad())?),
        SqlType::Double => Value::Float64(number().parse().map_err(|_| bad())?),
        SqlType::Decimal { .. } => Value::Decimal(Decimal::parse(&number()).ok_or_else(bad)?),
        SqlType::String => Value::String(plain(node)),
        SqlType::Bytes => {
            use base64::Engine as _;
            let text = node.as_str().ok_or_else(bad)?;
            let bytes =
                base64::engine::general_purpose::STANDARD.decode(text).map_err(|_| bad())?;
            Value::Bytes(bytes.into())
        }
        SqlType::Date => Value::Date(number().parse().map_err(|_| bad())?),
        SqlType::Time => Value::Time(number().parse().map_err(|_| bad())?),
        SqlType::Timestamp => Value::Timestamp(number().parse().map_err(|_| bad())?),
        SqlType::Array(item) => {
            let items = node.as_array().ok_or_else(bad)?;
            Value::Array(items.iter().map(|i| read(i, item)).collect::<Result<_, _>>()?)
        }
        SqlType::Map(_, value) => {
            let object = node.as_object().ok_or_else(bad)?;
            let entry = |(k, v): (&String, &Json)| Ok((Value::String(k.clone()), read(v, value)?));
            Value::Map(object.iter().map(entry).collect::<Result<_, String>>()?)
        }
        SqlType::Struct(fields) => Value::Struct(
            fields
                .iter()
                .map(|(name, ty)| member(node, name).map_or(Ok(Value::Null), |n| read(n, ty)))
                .collect::<Result<_, _>>()?,
        ),
    })
}

/// Bytes as the node that a case states.
pub(super) fn decode(
    bytes: Option<&[u8]>,
    format: &Format,
    columns: &[Column],
    schemas: &dyn Schemas,
) -> Result<Json, String> {
    let Some(bytes) = bytes else { return Ok(Json::Null) };
    match format.name {
        FormatName::None => Ok(Json::Null),
        FormatName::Json => serde_json::from_slice(bytes).map_err(|e| e.to_string()),
        FormatName::Delimited => Ok(Json::String(String::from_utf8_lossy(bytes).into_owned())),
        FormatName::Kafka | FormatName::Avro => {
            let physical = format.physical().ok_or("no format")?;
            let wrapping = format.wrapping(columns.len());
            let mut decoder =
                RowDecoder::new(physical, &fields(columns), wrapping).map_err(|e| e.to_string())?;
            if let Some(id) = decoder.missing_writer(bytes) {
                decoder.add_writer(id, schemas.by_id(id).map_err(|e| e.to_string())?);
            }
            match decoder.append(Some(bytes)).map_err(|e| e.to_string())? {
                Appended::Null => return Ok(Json::Null),
                Appended::Row => {}
            }
            let arrays = decoder.finish();
            let bare = format.name == FormatName::Kafka || wrapping == formats::Wrapping::Bare;
            if let (true, [array], [column]) = (bare, arrays.as_slice(), columns) {
                return Ok(node(&value_at(array, 0), &column.ty));
            }
            let members = arrays.iter().zip(columns);
            let members =
                members.map(|(a, c)| (c.name.clone(), node(&value_at(a, 0), &c.ty))).collect();
            Ok(Json::Object(members))
        }
    }
}
