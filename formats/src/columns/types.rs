//! The typed schema in Arrow's words, and back.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field as ArrowField, Fields, Schema as ArrowSchema, TimeUnit};

use crate::{Field, Schema, Type};

/// An Arrow type without counterpart in the typed schema.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("column {column}: the Arrow type {ty} has no counterpart in a record's schema")]
pub struct UnsupportedType {
    pub column: String,
    pub ty: String,
}

/// The columns of a struct; all nullable, as SQL's columns are.
pub fn arrow_schema(schema: &Schema) -> ArrowSchema {
    ArrowSchema::new(arrow_fields(schema.fields()))
}

pub fn arrow_fields(fields: &[Field]) -> Fields {
    fields
        .iter()
        .map(|field| ArrowField::new(&field.name, data_type(&field.schema.ty), true))
        .collect()
}

pub fn data_type(ty: &Type) -> DataType {
    match ty {
        Type::Boolean => DataType::Boolean,
        Type::Int8 => DataType::Int8,
        Type::Int16 => DataType::Int16,
        Type::Int32 => DataType::Int32,
        Type::Int64 => DataType::Int64,
        Type::Float32 => DataType::Float32,
        Type::Float64 => DataType::Float64,
        Type::Decimal { precision, scale } => {
            DataType::Decimal128(*precision, i8::try_from(*scale).unwrap_or(i8::MAX))
        }
        Type::String => DataType::Utf8,
        Type::Bytes => DataType::Binary,
        Type::Date => DataType::Date32,
        Type::Time => DataType::Time32(TimeUnit::Millisecond),
        Type::Timestamp => DataType::Timestamp(TimeUnit::Millisecond, None),
        Type::Array(items) => {
            DataType::List(Arc::new(ArrowField::new_list_field(data_type(&items.ty), true)))
        }
        Type::Map { key, value } => {
            let entries = Fields::from(vec![
                ArrowField::new("key", data_type(&key.ty), false),
                ArrowField::new("value", data_type(&value.ty), true),
            ]);
            let entries = ArrowField::new("entries", DataType::Struct(entries), false);
            DataType::Map(Arc::new(entries), false)
        }
        Type::Struct(fields) => DataType::Struct(arrow_fields(fields)),
    }
}

/// The reverse of [`arrow_fields`].
pub fn typed_fields(fields: &Fields) -> Result<Vec<Field>, UnsupportedType> {
    let typed = |field: &Arc<ArrowField>| {
        let ty = typed(field.name(), field.data_type())?;
        Ok(Field::new(field.name(), Schema::optional(ty)))
    };
    fields.iter().map(typed).collect()
}

/// The typed form of one Arrow type; `column` is for the message.
pub fn typed(column: &str, ty: &DataType) -> Result<Type, UnsupportedType> {
    Ok(match ty {
        DataType::Boolean => Type::Boolean,
        DataType::Int8 => Type::Int8,
        DataType::Int16 => Type::Int16,
        DataType::Int32 => Type::Int32,
        DataType::Int64 => Type::Int64,
        DataType::Float32 => Type::Float32,
        DataType::Float64 => Type::Float64,
        DataType::Decimal128(precision, scale) if *scale >= 0 => {
            Type::Decimal { precision: *precision, scale: scale.unsigned_abs() }
        }
        DataType::Utf8 => Type::String,
        DataType::Binary => Type::Bytes,
        DataType::Date32 => Type::Date,
        DataType::Time32(TimeUnit::Millisecond) => Type::Time,
        DataType::Timestamp(TimeUnit::Millisecond, _) => Type::Timestamp,
        DataType::List(item) => Type::array(Schema::optional(typed(column, item.data_type())?)),
        DataType::Map(entries, _) => match entries.data_type() {
            DataType::Struct(pair) if pair.len() == 2 => Type::map(
                Schema::optional(typed(column, pair[0].data_type())?),
                Schema::optional(typed(column, pair[1].data_type())?),
            ),
            other => return Err(unsupported(column, other)),
        },
        DataType::Struct(fields) => Type::Struct(typed_fields(fields)?),
        other => return Err(unsupported(column, other)),
    })
}

fn unsupported(column: &str, ty: &DataType) -> UnsupportedType {
    UnsupportedType { column: column.to_owned(), ty: ty.to_string() }
}
