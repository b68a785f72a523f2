//! Rows to records of a sink's topic.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::datatypes::Int64Type;
use bytes::Bytes;
use formats::avro::{Schema as AvroSchema, from_typed, with_safe_names};
use formats::{RowEncoder, Schema, Type, Wrapping};
use streams::{Chunk, CodecError, OutputRecord, PartitionKeys, RecordEncoder};

use super::event_time::EventTime;
use super::fields;
use super::schemas::Schemas;
use crate::catalog::format::{Format, FormatName};
use crate::catalog::source::{Column, KeyWindow, Source};
use crate::error::SqlError;

/// Encodes key columns as a source's topic has its keys.
pub(crate) struct KeyEncoder {
    part: Option<Part>,
    columns: usize,
    window: Option<KeyWindow>,
}

/// The encoder of a key or a value.
struct Part {
    encoder: RowEncoder,
    bare: bool,
}

impl Part {
    fn new(
        format: &Format,
        columns: &[Column],
        (subject, schemas): (&str, &dyn Schemas),
    ) -> Result<Option<Self>, SqlError> {
        let Some(physical) = format.physical() else { return Ok(None) };
        let wrapping = format.wrapping(columns.len());
        let fields = fields(columns);
        let avro = if format.name == FormatName::Avro {
            let schema = avro_schema(format, columns, wrapping)?;
            Some((register(schemas, subject, &schema)?, Arc::new(schema)))
        } else {
            None
        };
        let encoder = RowEncoder::new(physical, &fields, wrapping, avro)
            .map_err(|e| SqlError::statement(e.to_string()))?;
        let bare = wrapping == Wrapping::Bare || format.name == FormatName::Kafka;
        Ok(Some(Self { encoder, bare }))
    }

    /// One row's bytes; a null that stands alone has none.
    fn encode(&self, columns: &[ArrayRef], row: usize) -> Result<Option<Vec<u8>>, CodecError> {
        if self.bare && columns.first().is_some_and(|c| c.is_null(row)) {
            return Ok(None);
        }
        let mut bytes = Vec::new();
        self.encoder
            .encode(columns, row, &mut bytes)
            .map(|()| Some(bytes))
            .map_err(|e| CodecError::fatal(e.to_string()))
    }
}

/// The schema that columns are registered with: names that Avro does not take have others there.
fn avro_schema(
    format: &Format,
    columns: &[Column],
    wrapping: Wrapping,
) -> Result<AvroSchema, SqlError> {
    let schema = match (wrapping, columns) {
        (Wrapping::Bare, [one]) => Schema::required(one.ty.typed()),
        _ => Schema::required(Type::Struct(fields(columns))),
    };
    from_typed(&with_safe_names(&schema), format.record_name())
        .map_err(|e| SqlError::statement(format!("the columns have no Avro schema: {e}")))
}

/// Registers the schemas of a source's columns under the subjects of its topic that have none:
/// the statement that declares them says what is on the topic. Blocks.
pub(crate) fn register_declared(source: &Source, schemas: &dyn Schemas) -> Result<(), SqlError> {
    for (part, format, columns) in
        [("key", &source.key_format, &source.key), ("value", &source.value_format, &source.value)]
    {
        if format.name != FormatName::Avro || columns.is_empty() {
            continue;
        }
        let subject = format!("{}-{part}", source.topic);
        if schemas.latest(&subject)?.is_none() {
            let schema = avro_schema(format, columns, format.wrapping(columns.len()))?;
            register(schemas, &subject, &schema)?;
        }
    }
    Ok(())
}

fn register(schemas: &dyn Schemas, subject: &str, schema: &AvroSchema) -> Result<u32, SqlError> {
    schemas.register(subject, schema).map_err(|failure| {
        let error = SqlError::from(failure);
        let message = format!("Could not register schema for {subject}: {error}");
        SqlError::new(error.kind, message)
    })
}

impl KeyEncoder {
    pub(crate) fn new(source: &Source, schemas: &dyn Schemas) -> Result<Self, SqlError> {
        let subject = format!("{}-key", source.topic);
        let part = if source.key.is_empty() {
            None
        } else {
            Part::new(&source.key_format, &source.key, (&subject, schemas))?
        };
        Ok(Self { part, columns: source.key.len(), window: source.window.clone() })
    }

    /// The key of a row whose first columns are the key's.
    fn key(&self, columns: &[ArrayRef], row: usize) -> Result<Option<Bytes>, CodecError> {
        let Some(part) = &self.part else { return Ok(None) };
        if self.columns == 1 && columns[0].is_null(row) {
            return Ok(None);
        }
        let Some(mut bytes) = part.encode(&columns[..self.columns], row)? else { return Ok(None) };
        let bound = |at: usize| columns[self.columns + at].as_primitive::<Int64Type>().value(row);
        match &self.window {
            None => {}
            Some(KeyWindow::Session) => {
                bytes.extend_from_slice(&bound(1).to_be_bytes());
                bytes.extend_from_slice(&bound(0).to_be_bytes());
            }
            Some(_) => bytes.extend_from_slice(&bound(0).to_be_bytes()),
        }
        Ok(Some(bytes.into()))
    }

    fn key_columns(&self) -> usize {
        self.columns + if self.window.is_some() { 2 } else { 0 }
    }
}

impl PartitionKeys for KeyEncoder {
    fn keys(&self, chunk: &Chunk) -> Result<Vec<Option<Bytes>>, CodecError> {
        let columns = chunk.rows().columns();
        (0..chunk.len()).map(|row| self.key(columns, row)).collect()
    }
}

/// Encodes the rows of a query for its sink.
pub(crate) struct SinkEncoder {
    key: KeyEncoder,
    value: Part,
    timestamp: Option<EventTime>,
}

impl SinkEncoder {
    /// Registers schemas where the formats need them: blocks.
    pub(crate) fn new(sink: &Source, schemas: &dyn Schemas) -> Result<Self, SqlError> {
        let key = KeyEncoder::new(sink, schemas)?;
        let subject = format!("{}-value", sink.topic);
        let value = Part::new(&sink.value_format, &sink.value, (&subject, schemas))?;
        let value = value.ok_or_else(|| SqlError::statement("a value needs a format"))?;
        let timestamp = EventTime::of(sink)?;
        Ok(Self { key, value, timestamp })
    }

    /// Where the records' timestamps come from, if from a column.
    pub(crate) fn event_time(&self) -> Option<EventTime> {
        self.timestamp.clone()
    }
}

impl RecordEncoder for SinkEncoder {
    fn encode(&self, chunk: &Chunk) -> Result<Vec<OutputRecord>, CodecError> {
        let columns = chunk.rows().columns();
        let values = &columns[self.key.key_columns()..];
        let record = |row| {
            let value =
                if chunk.is_deleted(row) { None } else { self.value.encode(values, row)? };
            Ok(OutputRecord {
                key: self.key.key(columns, row)?,
                value: value.map(Bytes::from),
                headers: chunk.origin().headers(row).to_vec(),
                timestamp: chunk.timestamps()[row],
                partition: None,
            })
        };
        (0..chunk.len()).map(record).collect()
    }
}
