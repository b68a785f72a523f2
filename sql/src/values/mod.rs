//! Single values: reading them out of Arrow, writing them back, comparing and casting them.
//!
//! Whole columns are evaluated by DataFusion; this is for what ksqlDB defines value by value.

mod bytes;
mod cast;
mod compare;
mod json;
mod text;

use std::sync::Arc;

use ::bytes::Bytes;
use arrow::array::{Array, ArrayRef, AsArray, MapArray, StructArray, new_null_array};
use arrow::datatypes::{
    DataType, Date32Type, Decimal128Type, Float64Type, Int32Type, Int64Type, Time32MillisecondType,
    TimeUnit, TimestampMillisecondType,
};
use formats::{Decimal, Value};

pub(crate) use self::bytes::{read_value, write_value};
pub(crate) use cast::{can_cast, cast, exact_boolean};
pub(crate) use compare::{compare, same};
pub(crate) use json::{api_node, node};
pub(crate) use text::{parse_timestamp, shown};

use crate::types::SqlType;

/// The value of one row. A type that no [`SqlType`] maps to reads as null.
pub(crate) fn value_at(array: &dyn Array, row: usize) -> Value {
    if row >= array.len() || array.is_null(row) {
        return Value::Null;
    }
    match array.data_type() {
        DataType::Boolean => Value::Boolean(array.as_boolean().value(row)),
        DataType::Int32 => Value::Int32(array.as_primitive::<Int32Type>().value(row)),
        DataType::Int64 => Value::Int64(array.as_primitive::<Int64Type>().value(row)),
        DataType::Float64 => Value::Float64(array.as_primitive::<Float64Type>().value(row)),
        DataType::Decimal128(_, scale) => Value::Decimal(Decimal {
            unscaled: array.as_primitive::<Decimal128Type>().value(row),
            scale: u8::try_from(*scale).unwrap_or(0),
        }),
        DataType::Utf8 => Value::String(array.as_string::<i32>().value(row).to_owned()),
        DataType::Utf8View => Value::String(array.as_string_view().value(row).to_owned()),
        DataType::Binary => {
            Value::Bytes(Bytes::copy_from_slice(array.as_binary::<i32>().value(row)))
        }
        DataType::Date32 => Value::Date(array.as_primitive::<Date32Type>().value(row)),
        DataType::Time32(TimeUnit::Millisecond) => {
            Value::Time(array.as_primitive::<Time32MillisecondType>().value(row))
        }
        DataType::Timestamp(TimeUnit::Millisecond, _) => {
            Value::Timestamp(array.as_primitive::<TimestampMillisecondType>().value(row))
        }
        DataType::List(_) => {
            let items = array.as_list::<i32>().value(row);
            Value::Array((0..items.len()).map(|i| value_at(&items, i)).collect())
        }
        DataType::Map(..) => map_at(array.as_map(), row),
        DataType::Struct(_) => struct_at(array.as_struct(), row),
        _ => Value::Null,
    }
}

fn map_at(array: &MapArray, row: usize) -> Value {
    let entries = array.value(row);
    let (keys, values) = (entries.column(0), entries.column(1));
    let pairs = (0..entries.len()).map(|i| (value_at(keys, i), value_at(values, i)));
    Value::Map(pairs.collect())
}

fn struct_at(array: &StructArray, row: usize) -> Value {
    Value::Struct(array.columns().iter().map(|c| value_at(c, row)).collect())
}

/// A column of `ty` that holds `values`; one that does not fit becomes null.
pub(crate) fn array_of<'a>(ty: &SqlType, values: impl IntoIterator<Item = &'a Value>) -> ArrayRef {
    let mut column = formats::Column::new(&formats::Schema::optional(ty.typed()));
    for value in values {
        let rows = column.len();
        if column.push_value(value).is_err() {
            column.truncate(rows);
            column.push_null();
        }
    }
    column.finish()
}

/// The member of a struct column, null where the struct is.
pub(crate) fn struct_member(array: &ArrayRef, index: usize) -> ArrayRef {
    let Some(structs) = array.as_struct_opt() else {
        return new_null_array(&DataType::Null, array.len());
    };
    let child = structs.column(index);
    let nulls = arrow::buffer::NullBuffer::union(structs.nulls(), child.nulls());
    let data = child.to_data().into_builder().nulls(nulls);
    data.build().map_or_else(|_| Arc::clone(child), arrow::array::make_array)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_survive_the_way_through_arrow() {
        let text = |s: &str| Value::String(s.into());
        let cases = [
            (SqlType::Boolean, Value::Boolean(true)),
            (SqlType::Integer, Value::Int32(-3)),
            (SqlType::Bigint, Value::Int64(1 << 40)),
            (SqlType::Double, Value::Float64(0.5)),
            (SqlType::decimal(5, 2), Value::Decimal(Decimal { unscaled: -120, scale: 2 })),
            (SqlType::String, text("é")),
            (SqlType::Bytes, Value::Bytes(Bytes::from_static(&[0, 255]))),
            (SqlType::Date, Value::Date(19_000)),
            (SqlType::Time, Value::Time(86_399_999)),
            (SqlType::Timestamp, Value::Timestamp(-1)),
            (
                SqlType::Array(Box::new(SqlType::Integer)),
                Value::Array(vec![Value::Int32(1), Value::Null]),
            ),
            (
                SqlType::Map(Box::new(SqlType::String), Box::new(SqlType::Double)),
                Value::Map(vec![(text("a"), Value::Float64(1.0)), (text("b"), Value::Null)]),
            ),
            (SqlType::Struct(vec![("A".into(), SqlType::String)]), Value::Struct(vec![text("x")])),
        ];
        for (ty, value) in cases {
            let array = array_of(&ty, [&value, &Value::Null]);
            assert_eq!(array.data_type(), &ty.arrow(), "{ty}");
            assert_eq!(value_at(&array, 0), value, "{ty}");
            assert_eq!(value_at(&array, 1), Value::Null, "{ty}");
        }
    }

    #[test]
    fn a_member_of_a_null_struct_is_null() {
        let ty = SqlType::Struct(vec![("A".into(), SqlType::Integer)]);
        let array = array_of(&ty, [&Value::Struct(vec![Value::Int32(7)]), &Value::Null]);
        let member = struct_member(&array, 0);
        assert_eq!(value_at(&member, 0), Value::Int32(7));
        assert_eq!(value_at(&member, 1), Value::Null);
    }
}
