//! Rows of Arrow columns to record bytes.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef};

use super::avro_write::{self, Misfit};
use super::json_write::write_json_cell;
use super::{Format, FormatError, Wrapping, text_write};
use crate::avro::{Kind, Schema as AvroSchema};
use crate::json::write_string;
use crate::{Field, framing};

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
    /// For each field of the record, the column that belongs to it.
    columns: Vec<Option<usize>>,
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
                let columns = match (schema.kind(schema.root()), wrapping) {
                    (_, Wrapping::Bare) => Vec::new(),
                    (Kind::Record(record), _) => {
                        let column = |name: &str| {
                            names.iter().position(|other| avro_write::same(other, name))
                        };
                        record.fields.iter().map(|field| column(&field.name)).collect()
                    }
                    _ => return Err(EncoderError::NotRecord { id }),
                };
                Some(AvroTarget { id, schema, columns })
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
        let Some(target) = &self.avro else { return Ok(()) };
        let schema = &*target.schema;
        framing::start(out, target.id);
        let failed = |index: usize, error: Misfit| EncodeError::Avro {
            column: self.names.get(index).cloned().unwrap_or_default(),
            expected: error.expected,
            found: error.found,
        };
        if self.wrapping == Wrapping::Bare {
            return avro_write::cell(out, schema, schema.root(), &columns[0], row)
                .map_err(|error| failed(0, error));
        }
        let Kind::Record(record) = schema.kind(schema.root()) else { return Ok(()) };
        for (field, column) in record.fields.iter().zip(&target.columns) {
            match column {
                Some(index) => avro_write::cell(out, schema, field.schema, &columns[*index], row)
                    .map_err(|error| failed(*index, error))?,
                None => avro_write::absent(out, schema, field.schema).map_err(|error| {
                    EncodeError::Avro {
                        column: field.name.clone(),
                        expected: error.expected,
                        found: error.found,
                    }
                })?,
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
