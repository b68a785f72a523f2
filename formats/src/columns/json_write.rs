//! One Arrow cell as JSON text, in ksqlDB's forms.

use std::fmt::Write;

use arrow::array::{Array, AsArray};
use arrow::datatypes::{
    DataType, Date32Type, Decimal128Type, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type,
    Int64Type, Time32MillisecondType, TimeUnit, TimestampMillisecondType,
};
use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;

use crate::json::write_string;
use crate::value::{Decimal, java_double, java_float};

/// Appends the cell: null as `null`, dates as days, times and timestamps as milliseconds, bytes in
/// base64, decimals as numbers with all digits of their scale, doubles as Java prints them. A type
/// that records do not have is the error, as Arrow calls it.
pub fn write_json_cell(out: &mut String, array: &dyn Array, row: usize) -> Result<(), DataType> {
    if array.is_null(row) {
        out.push_str("null");
        return Ok(());
    }
    let whole = |out: &mut String, value: i64| write!(out, "{value}").expect("a String takes all");
    match array.data_type() {
        DataType::Null => out.push_str("null"),
        DataType::Boolean => {
            out.push_str(if array.as_boolean().value(row) { "true" } else { "false" });
        }
        DataType::Int8 => whole(out, array.as_primitive::<Int8Type>().value(row).into()),
        DataType::Int16 => whole(out, array.as_primitive::<Int16Type>().value(row).into()),
        DataType::Int32 => whole(out, array.as_primitive::<Int32Type>().value(row).into()),
        DataType::Int64 => whole(out, array.as_primitive::<Int64Type>().value(row)),
        DataType::Date32 => whole(out, array.as_primitive::<Date32Type>().value(row).into()),
        DataType::Time32(TimeUnit::Millisecond) => {
            whole(out, array.as_primitive::<Time32MillisecondType>().value(row).into());
        }
        DataType::Timestamp(TimeUnit::Millisecond, _) => {
            whole(out, array.as_primitive::<TimestampMillisecondType>().value(row));
        }
        DataType::Float32 => {
            let value = array.as_primitive::<Float32Type>().value(row);
            floating(out, value.is_finite(), &java_float(value));
        }
        DataType::Float64 => {
            let value = array.as_primitive::<Float64Type>().value(row);
            floating(out, value.is_finite(), &java_double(value));
        }
        DataType::Decimal128(_, scale) => {
            let unscaled = array.as_primitive::<Decimal128Type>().value(row);
            let decimal = Decimal { unscaled, scale: u8::try_from(*scale).unwrap_or(0) };
            write!(out, "{decimal}").expect("a String takes all");
        }
        DataType::Utf8 => write_string(out, array.as_string::<i32>().value(row)),
        DataType::Utf8View => write_string(out, array.as_string_view().value(row)),
        DataType::LargeUtf8 => write_string(out, array.as_string::<i64>().value(row)),
        DataType::Binary => {
            write_string(out, &BASE64.encode(array.as_binary::<i32>().value(row)));
        }
        _ => return nested(out, array, row),
    }
    Ok(())
}

/// Arrays, maps and structs.
fn nested(out: &mut String, array: &dyn Array, row: usize) -> Result<(), DataType> {
    match array.data_type() {
        DataType::List(_) => {
            let items = array.as_list::<i32>().value(row);
            out.push('[');
            for index in 0..items.len() {
                comma(out, index);
                write_json_cell(out, &items, index)?;
            }
            out.push(']');
        }
        DataType::Map(..) => {
            let entries = array.as_map().value(row);
            let (keys, values) = (entries.column(0), entries.column(1));
            out.push('{');
            for index in 0..entries.len() {
                comma(out, index);
                key(out, keys, index)?;
                write_json_cell(out, values, index)?;
            }
            out.push('}');
        }
        DataType::Struct(fields) => {
            let children = array.as_struct();
            out.push('{');
            for (index, field) in fields.iter().enumerate() {
                comma(out, index);
                write_string(out, field.name());
                out.push(':');
                write_json_cell(out, children.column(index), row)?;
            }
            out.push('}');
        }
        other => return Err(other.clone()),
    }
    Ok(())
}

fn comma(out: &mut String, index: usize) {
    if index > 0 {
        out.push(',');
    }
}

fn floating(out: &mut String, finite: bool, text: &str) {
    if finite {
        out.push_str(text);
    } else {
        write_string(out, text);
    }
}

/// An object's key is a string, whatever the map's key type.
fn key(out: &mut String, keys: &dyn Array, row: usize) -> Result<(), DataType> {
    let mut text = String::new();
    write_json_cell(&mut text, keys, row)?;
    if text.starts_with('"') {
        out.push_str(&text);
    } else {
        write_string(out, &text);
    }
    out.push(':');
    Ok(())
}
