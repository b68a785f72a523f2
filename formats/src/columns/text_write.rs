//! One Arrow cell as a DELIMITED value or in KAFKA's primitive bytes.

use arrow::array::{Array, AsArray};
use arrow::datatypes::{
    DataType, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type,
};

use super::json_write::write_json_cell;
use crate::delimited::write_value;

/// Appends the cell with its quotes; null is nothing at all.
pub(super) fn delimited(
    out: &mut Vec<u8>,
    array: &dyn Array,
    row: usize,
    delimiter: char,
    first: bool,
) -> Result<(), DataType> {
    if array.is_null(row) {
        return Ok(());
    }
    match array.data_type() {
        DataType::Utf8 => write_value(out, array.as_string::<i32>().value(row), delimiter, first),
        DataType::Utf8View => {
            write_value(out, array.as_string_view().value(row), delimiter, first);
        }
        nested @ (DataType::List(_) | DataType::Map(..) | DataType::Struct(_)) => {
            return Err(nested.clone());
        }
        _ => {
            let mut text = String::new();
            write_json_cell(&mut text, array, row)?;
            write_value(out, text.trim_matches('"'), delimiter, first);
        }
    }
    Ok(())
}

/// Appends the bytes that Kafka's serialiser of this type writes; null is the caller's.
pub(super) fn primitive(out: &mut Vec<u8>, array: &dyn Array, row: usize) -> Result<(), DataType> {
    match array.data_type() {
        DataType::Int8 => {
            out.extend_from_slice(&array.as_primitive::<Int8Type>().value(row).to_be_bytes());
        }
        DataType::Int16 => {
            out.extend_from_slice(&array.as_primitive::<Int16Type>().value(row).to_be_bytes());
        }
        DataType::Int32 => {
            out.extend_from_slice(&array.as_primitive::<Int32Type>().value(row).to_be_bytes());
        }
        DataType::Int64 => {
            out.extend_from_slice(&array.as_primitive::<Int64Type>().value(row).to_be_bytes());
        }
        DataType::Float32 => {
            out.extend_from_slice(&array.as_primitive::<Float32Type>().value(row).to_be_bytes());
        }
        DataType::Float64 => {
            out.extend_from_slice(&array.as_primitive::<Float64Type>().value(row).to_be_bytes());
        }
        DataType::Utf8 => out.extend_from_slice(array.as_string::<i32>().value(row).as_bytes()),
        DataType::Utf8View => out.extend_from_slice(array.as_string_view().value(row).as_bytes()),
        DataType::Binary => out.extend_from_slice(array.as_binary::<i32>().value(row)),
        other => return Err(other.clone()),
    }
    Ok(())
}
