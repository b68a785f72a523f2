//! Records to Arrow columns and back.

mod avro_names;
mod avro_read;
mod avro_write;
mod column;
mod decoder;
mod encoder;
mod json_read;
mod json_write;
mod text;
mod text_write;
mod types;

pub use avro_read::PlanError;
pub use column::{Column, PushError};
pub use decoder::{Appended, DecodeError, RowDecoder};
pub use encoder::{EncodeError, EncoderError, RowEncoder};
pub use json_write::write_json_cell;
pub use types::{UnsupportedType, arrow_fields, arrow_schema, data_type, typed, typed_fields};

use crate::{Field, Type};

/// How a record's key or value is written on the topic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    Json,
    /// In the registry's framing.
    Avro,
    Delimited {
        delimiter: char,
    },
    /// A single column as Kafka's own serialisers write it.
    Kafka,
}

/// Whether a value stands in a record of columns or is the single column itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wrapping {
    Record,
    Bare,
}

/// Columns that a format cannot carry.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FormatError {
    #[error("the {format} format does not support column {column} of type {ty}")]
    Column { format: &'static str, column: String, ty: String },
    #[error("the {format} format has one column without a record around it, not {columns}")]
    Single { format: &'static str, columns: usize },
}

impl Format {
    pub fn name(&self) -> &'static str {
        match self {
            Self::Json => "JSON",
            Self::Avro => "AVRO",
            Self::Delimited { .. } => "DELIMITED",
            Self::Kafka => "KAFKA",
        }
    }

    /// Whether the format can carry these columns.
    pub fn check(&self, fields: &[Field], wrapping: Wrapping) -> Result<(), FormatError> {
        let format = self.name();
        let single = wrapping == Wrapping::Bare || *self == Self::Kafka;
        if single && fields.len() != 1 {
            return Err(FormatError::Single { format, columns: fields.len() });
        }
        for field in fields {
            if !self.carries(&field.schema.ty) {
                let (column, ty) = (field.name.clone(), field.schema.ty.to_string());
                return Err(FormatError::Column { format, column, ty });
            }
        }
        Ok(())
    }

    fn carries(&self, ty: &Type) -> bool {
        let nested = matches!(ty, Type::Array(_) | Type::Map { .. } | Type::Struct(_));
        match self {
            Self::Json | Self::Avro => true,
            Self::Delimited { .. } => !nested,
            Self::Kafka => {
                let other =
                    matches!(ty, Type::Boolean | Type::Decimal { .. } | Type::Date | Type::Time);
                !nested && !other && *ty != Type::Timestamp
            }
        }
    }
}

#[cfg(test)]
mod tests;
