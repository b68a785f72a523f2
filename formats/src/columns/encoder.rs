//! Rows of Arrow columns to record bytes.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef};

use super::avro_write::{self, Misfit, Target};
use super::json_write::write_json_cell;
use super::{Format, FormatError, Wrapping, text_write};
use crate::avro::{Kind, Schema as AvroSchema};
use crate::json::write_string;
use crate::{Field, Type, framing};

/// Why a row gave no bytes.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EncodeError {
    #[error("column {column}: {found} cannot be written as Avro {expected}")]
    Avro { column: String, expected: String, found: String },
    #[error("column {column}: the {format} format has no form for {found}")]
    Type { format: &'static str, column: String, found: String },
}

/// Why these columns cannot be written at all.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EncoderError {
    #[error(transparent)]
    Format(#[from] FormatError),
    #[error("AVRO needs a schema with its id in the registry")]
    NoSchema,
    #[error("the Avro schema {id} is not a record, the columns need one")]
    NotRecord { id: u32 },
}

/// Writes rows whose columns have the order of `fields`.
#[derive(Debug)]
pub struct RowEncoder {
    format: Format,
    wrapping: Wrapping,
    names: Vec<String>,
    avro: Option<AvroTarget>,
}

#[derive(Debug)]
struct AvroTarget {
    id: u32,
    schema: Arc<AvroSchema>,
    /// What the record is written from, or the one bare column.
    root: Target,
}

impl RowEncoder {
    /// `avro`: the schema to write with and its id, for [`Format::Avro`] only.
    pub fn new(
        format: Format,
        fields: &[Field],
        wrapping: Wrapping,
        avro: Option<(u32, Arc<AvroSchema>)>,
    ) -> Result<Self, EncoderError> {
        format.check(fields, wrapping)?;
        let names: Vec<String> = fields.iter().map(|field| field.name.clone()).collect();
        let avro = match (format, avro) {
            (Format::Avro, None) => return Err(EncoderError::NoSchema),
            (Format::Avro, Some((id, schema))) => {
                let root = match (schema.kind(schema.root()), wrapping, fields) {
                    (_, Wrapping::Bare, [field]) => {
                        Target::new(&schema, schema.root(), &field.schema.ty)
                    }
                    (Kind::Record(_), Wrapping::Record, _) => {
                        Target::new(&schema, schema.root(), &Type::Struct(fields.to_vec()))
                    }
                    _ => return Err(EncoderError::NotRecord { id }),
                };
                Some(AvroTarget { id, schema, root })
            }
            _ => None,
        };
        Ok(Self { format, wrapping, names, avro })
    }

    /// Appends one row's bytes. On an error `out` may hold a part of them.
    ///
    /// A null bare value has bytes too in JSON (`null`) and none in KAFKA: whether a row is a
    /// tombstone is the caller's decision.
    pub fn encode(
        &self,
        columns: &[ArrayRef],
        row: usize,
        out: &mut Vec<u8>,
    ) -> Result<(), EncodeError> {
        match self.format {
            Format::Json => self.json(columns, row, out),
            Format::Avro => self.avro(columns, row, out),
            Format::Delimited { delimiter } => {
                for (index, column) in columns.iter().enumerate() {
                    if index > 0 {
                        let mut encoded = [0; 4];
                        let encoded = delimiter.encode_utf8(&mut encoded);
                        out.extend_from_slice(encoded.as_bytes());
                    }
                    text_write::delimited(out, column, row, delimiter, index == 0)
                        .map_err(|found| self.unsupported(index, found))?;
                }
                Ok(())
            }
            Format::Kafka => match columns.first() {
                Some(column) if !column.is_null(row) => {
                    let written = text_write::primitive(out, column, row);
                    written.map_err(|found| self.unsupported(0, found))
                }
                _ => Ok(()),
            },
        }
    }

    fn json(&self, columns: &[ArrayRef], row: usize, out: &mut Vec<u8>) -> Result<(), EncodeError> {
        let mut text = String::new();
        let bare = self.wrapping == Wrapping::Bare;
        if !bare {
            text.push('{');
        }
        for (index, column) in columns.iter().enumerate() {
            if !bare {
                if index > 0 {
                    text.push(',');
                }
                write_string(&mut text, &self.names[index]);
                text.push(':');
            }
            write_json_cell(&mut text, column, row)
                .map_err(|found| self.unsupported(index, found))?;
        }
        if !bare {
            text.push('}');
        }
        out.extend_from_slice(text.as_bytes());
        Ok(())
    }

    fn avro(&self, columns: &[ArrayRef], row: usize, out: &mut Vec<u8>) -> Result<(), EncodeError> {
        let Some(AvroTarget { id, schema, root }) = &self.avro else { return Ok(()) };
        framing::start(out, *id);
        let failed = |column: &str, Misfit { expected, found }| {
            let column = column.to_owned();
            EncodeError::Avro { column, expected, found }
        };
        if self.wrapping == Wrapping::Bare {
            return avro_write::cell(out, schema, root, &columns[0], row)
                .map_err(|error| failed(&self.names[0], error));
        }
        let Kind::Record(record) = schema.kind(root.node) else { return Ok(()) };
        let targets = root.inner.iter().zip(&root.columns);
        for (field, (target, column)) in record.fields.iter().zip(targets) {
            match column {
                Some(index) => avro_write::cell(out, schema, target, &columns[*index], row)
                    .map_err(|error| failed(&self.names[*index], error))?,
                None => avro_write::absent(out, schema, target.node)
                    .map_err(|error| failed(&field.name, error))?,
            }
        }
        Ok(())
    }

    fn unsupported(&self, index: usize, found: arrow::datatypes::DataType) -> EncodeError {
        EncodeError::Type {
            format: self.format.name(),
            column: self.names.get(index).cloned().unwrap_or_default(),
            found: found.to_string(),
        }
    }
}
