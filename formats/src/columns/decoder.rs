//! A run of record values into Arrow columns.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::ArrayRef;

use super::avro_read::{self, Plan, PlanError};
use super::column::{Column, PushError};
use super::{Format, FormatError, Wrapping, json_read, text};
use crate::Field;
use crate::avro::{BinaryError, Schema as AvroSchema};
use crate::delimited::Reader;
use crate::framing::{self, FrameError};
use crate::json::JsonError;

/// Why one record's bytes gave no row; the columns are as they were before it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    #[error("column {column}: {error}")]
    Column { column: String, error: PushError },
    #[error("{0}")]
    Json(JsonError),
    #[error("{0}")]
    Avro(BinaryError),
    #[error("{0}")]
    Frame(FrameError),
    /// Fetch the schema, call [`RowDecoder::add_writer`], append the record again.
    #[error("the writer's schema {id} is not known yet")]
    UnknownWriter { id: u32 },
    #[error("the writer's schema {id} does not fit: {error}")]
    Writer { id: u32, error: PlanError },
    #[error("the line has {found} values, the schema {expected} columns")]
    FieldCount { expected: usize, found: usize },
    #[error("{0}")]
    Malformed(String),
}

/// What an appended row was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Appended {
    Row,
    /// No value (a tombstone) or a null one: the row's columns are all null.
    Null,
}

/// Grows columns record by record; [`RowDecoder::finish`] hands them out.
#[derive(Debug)]
pub struct RowDecoder {
    format: Format,
    wrapping: Wrapping,
    fields: Vec<Field>,
    columns: Vec<Column>,
    plans: HashMap<u32, Result<Plan, PlanError>>,
    /// Splits the records of the DELIMITED format.
    delimited: Reader,
    rows: usize,
}

impl RowDecoder {
    pub fn new(format: Format, fields: &[Field], wrapping: Wrapping) -> Result<Self, FormatError> {
        format.check(fields, wrapping)?;
        let columns = fields.iter().map(|field| Column::new(&field.schema)).collect();
        let (fields, plans) = (fields.to_vec(), HashMap::new());
        let delimited = Reader::new(match format {
            Format::Delimited { delimiter } => delimiter,
            _ => ',',
        });
        Ok(Self { format, wrapping, fields, columns, plans, delimited, rows: 0 })
    }

    /// Rows appended since the last [`RowDecoder::finish`].
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Makes records of this schema id readable. A schema that does not fit the columns is noted,
    /// and each of its records fails.
    pub fn add_writer(&mut self, id: u32, schema: Arc<AvroSchema>) {
        let bare = self.wrapping == Wrapping::Bare;
        self.plans.insert(id, Plan::new(schema, &self.fields, bare));
    }

    /// The id of a writer's schema that is needed for this value and was not added yet.
    pub fn missing_writer(&self, value: &[u8]) -> Option<u32> {
        let Format::Avro = self.format else { return None };
        let (id, _) = framing::split(value).ok()?;
        (!self.plans.contains_key(&id)).then_some(id)
    }

    /// Appends one row for one record's key or value.
    pub fn append(&mut self, value: Option<&[u8]>) -> Result<Appended, DecodeError> {
        let Some(bytes) = value else {
            self.append_null();
            return Ok(Appended::Null);
        };
        match self.read(bytes) {
            Ok(present) => {
                self.rows += 1;
                Ok(if present { Appended::Row } else { Appended::Null })
            }
            Err(error) => {
                let rows = self.rows;
                self.columns.iter_mut().for_each(|column| column.truncate(rows));
                Err(error)
            }
        }
    }

    /// Appends a row of nulls.
    pub fn append_null(&mut self) {
        self.columns.iter_mut().for_each(Column::push_null);
        self.rows += 1;
    }

    /// The columns so far; the decoder starts anew.
    pub fn finish(&mut self) -> Vec<ArrayRef> {
        self.rows = 0;
        self.columns.iter_mut().map(Column::finish).collect()
    }

    fn read(&mut self, bytes: &[u8]) -> Result<bool, DecodeError> {
        let bare = self.wrapping == Wrapping::Bare;
        match self.format {
            Format::Json => {
                let read = match (bare, &self.fields[..], &mut self.columns[..]) {
                    (true, [field], [column]) => json_read::bare(bytes, field, column),
                    (_, fields, columns) => json_read::record(bytes, fields, columns),
                };
                read.map_err(|error| match error {
                    json_read::ReadError::Json(error) => DecodeError::Json(error),
                    json_read::ReadError::Push(index, error) => self.column_error(index, error),
                })
            }
            Format::Avro => self.read_avro(bytes),
            Format::Delimited { .. } => {
                let (reader, columns) = (&mut self.delimited, &mut self.columns);
                let read = text::delimited_record(bytes, reader, &self.fields, columns);
                read.map_err(|error| self.text_error(error)).map(|()| true)
            }
            Format::Kafka => {
                let (field, column) = (&self.fields[0], &mut self.columns[0]);
                let read = text::primitive(bytes, &field.schema.ty, column);
                read.map_err(|error| self.text_error(error)).map(|()| true)
            }
        }
    }

    fn read_avro(&mut self, bytes: &[u8]) -> Result<bool, DecodeError> {
        let (id, payload) = framing::split(bytes).map_err(DecodeError::Frame)?;
        match self.plans.get(&id) {
            None => Err(DecodeError::UnknownWriter { id }),
            Some(Err(error)) => Err(DecodeError::Writer { id, error: error.clone() }),
            Some(Ok(plan)) => {
                let read = plan.read(payload, &mut self.columns);
                read.map_err(|error| match error {
                    avro_read::ReadError::Binary(error) => DecodeError::Avro(error),
                    avro_read::ReadError::Push(index, error) => self.column_error(index, error),
                })
            }
        }
    }

    fn text_error(&self, error: text::ReadError) -> DecodeError {
        match error {
            text::ReadError::Malformed(reason) => DecodeError::Malformed(reason),
            text::ReadError::FieldCount { expected, found } => {
                DecodeError::FieldCount { expected, found }
            }
            text::ReadError::Push(index, error) => self.column_error(index, error),
        }
    }

    fn column_error(&self, index: usize, error: PushError) -> DecodeError {
        let column = self.fields.get(index).map_or_else(String::new, |field| field.name.clone());
        DecodeError::Column { column, error }
    }
}
