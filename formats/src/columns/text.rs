//! The formats without structure of their own: DELIMITED lines and KAFKA's primitive bytes.

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;

use super::column::{Column, PushError};
use crate::delimited;
use crate::value::{Decimal, parse_double};
use crate::{Field, Type};

#[derive(Debug)]
pub(super) enum ReadError {
    Malformed(String),
    FieldCount { expected: usize, found: usize },
    Push(usize, PushError),
}

/// One line with a value for each column; an empty one is null.
pub(super) fn delimited_record(
    bytes: &[u8],
    reader: &mut delimited::Reader,
    fields: &[Field],
    columns: &mut [Column],
) -> Result<(), ReadError> {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return Err(ReadError::Malformed("not valid UTF-8".into()));
    };
    reader.record(text).map_err(|error| ReadError::Malformed(error.to_string()))?;
    let values = reader.values();
    if values.len() != fields.len() {
        let (expected, found) = (fields.len(), values.len());
        return Err(ReadError::FieldCount { expected, found });
    }
    for (index, value) in values.enumerate() {
        delimited_value(value, &fields[index].schema.ty, &mut columns[index])
            .map_err(|error| ReadError::Push(index, error))?;
    }
    Ok(())
}

fn delimited_value(text: &str, ty: &Type, column: &mut Column) -> Result<(), PushError> {
    if text.is_empty() {
        column.push_null();
        return Ok(());
    }
    let refuse = |column: &Column| Err(column.kind_error(&format!("\"{text}\"")));
    match ty {
        Type::String => column.push_str(text),
        Type::Boolean => column.push_bool(text.trim().eq_ignore_ascii_case("true")),
        Type::Float32 | Type::Float64 => match parse_double(text) {
            Some(number) => column.push_f64(number),
            None => refuse(column),
        },
        Type::Decimal { .. } => match Decimal::parse(text.trim()) {
            Some(decimal) => column.push_decimal(decimal),
            None => refuse(column),
        },
        Type::Bytes => match BASE64.decode(text.trim()) {
            Ok(bytes) => column.push_bytes(&bytes),
            Err(_) => refuse(column),
        },
        Type::Array(_) | Type::Map { .. } | Type::Struct(_) => refuse(column),
        _ => match text.trim().parse() {
            Ok(number) => column.push_i64(number),
            Err(_) => refuse(column),
        },
    }
}

/// One value as Kafka's own serialisers write it.
pub(super) fn primitive(bytes: &[u8], ty: &Type, column: &mut Column) -> Result<(), ReadError> {
    let push = |result: Result<(), PushError>| result.map_err(|error| ReadError::Push(0, error));
    match ty {
        Type::Int32 => push(column.push_i64(i64::from(i32::from_be_bytes(exact(bytes, ty)?)))),
        Type::Int64 => push(column.push_i64(i64::from_be_bytes(exact(bytes, ty)?))),
        Type::Int16 => push(column.push_i64(i64::from(i16::from_be_bytes(exact(bytes, ty)?)))),
        Type::Int8 => push(column.push_i64(i64::from(i8::from_be_bytes(exact(bytes, ty)?)))),
        Type::Float64 => push(column.push_f64(f64::from_be_bytes(exact(bytes, ty)?))),
        Type::Float32 => push(column.push_f64(f64::from(f32::from_be_bytes(exact(bytes, ty)?)))),
        Type::String => match std::str::from_utf8(bytes) {
            Ok(text) => push(column.push_str(text)),
            Err(_) => Err(ReadError::Malformed("not valid UTF-8".into())),
        },
        Type::Bytes => push(column.push_bytes(bytes)),
        other => Err(ReadError::Malformed(format!("the KAFKA format has no {other}"))),
    }
}

fn exact<const N: usize>(bytes: &[u8], ty: &Type) -> Result<[u8; N], ReadError> {
    bytes.try_into().map_err(|_| {
        let found = bytes.len();
        ReadError::Malformed(format!("{ty} has {N} bytes in the KAFKA format, not {found}"))
    })
}
