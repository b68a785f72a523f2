//! Rows on internal topics.
//!
//! ```text
//!   key     what partitions are chosen by (the internal row format, or another topic's key)
//!   value   flags u8 (1 = delta, 2 = retract) │ all columns in the internal row format
//!   header  "origin": sub-topology u16 │ partition i32 │ input u16 │ offset i64 │ index u32,
//!           then those of the record that the row descends from
//! ```
//!
//! The origin says which input record of which task a row descends from, and the how-manieth it
//! is of that record. A writing task repeats rows after a crash; the reading task keeps, for each
//! writer and input, the last origin that went into its state, and passes over what is not later.

use arrow::array::{ArrayRef, RecordBatch};
use arrow::datatypes::SchemaRef;
use bytes::{BufMut, Bytes, BytesMut};

use super::{PartitionKeys, RepartitionSpec};
use crate::chunk::{Changes, Chunk, Origin, RowHeaders};
use crate::operator::TaskId;
use crate::record::{BadRecord, CodecError, Header, InputRecord, OutputRecord};
use crate::state::{CodecFailure, RowCodec};

const ORIGIN_HEADER: &str = "origin";
const ORIGIN_BYTES: usize = 20;
const DELTA: u8 = 1;
const RETRACT: u8 = 2;

/// Which origins rise together: those of one input of one writing task.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct SeenKey {
    pub(crate) task: TaskId,
    pub(crate) input: u16,
}

/// Where a row of an internal topic descends from: what rises, and how far it is.
pub(crate) type RowOrigin = (SeenKey, (i64, u32));

/// The writing end of an internal topic.
pub(crate) struct RepartitionWriter {
    keys: Option<std::sync::Arc<dyn PartitionKeys>>,
    key_codec: RowCodec,
    codec: RowCodec,
    key_columns: usize,
}

impl RepartitionWriter {
    pub(crate) fn new(spec: &RepartitionSpec) -> Result<Self, CodecFailure> {
        let fields = spec.schema.fields();
        let key_fields = fields.iter().take(spec.key_columns).cloned().collect();
        Ok(Self {
            keys: spec.keys.clone(),
            key_codec: RowCodec::new(&key_fields)?,
            codec: RowCodec::new(fields)?,
            key_columns: spec.key_columns,
        })
    }

    /// Encodes a chunk. `last` is the origin last written by this task for the chunk's input.
    pub(crate) fn encode(
        &self,
        task: &TaskId,
        chunk: &Chunk,
        last: &mut (i64, u32),
    ) -> Result<Vec<OutputRecord>, CodecError> {
        if matches!(chunk.changes(), Changes::Table { .. }) {
            let message = "a table cannot be repartitioned; make deltas of its changes first";
            return Err(CodecError::fatal(message));
        }
        let keys = match &self.keys {
            Some(keys) => keys.keys(chunk)?,
            None => self.own_keys(chunk).map_err(failed)?,
        };
        let columns = chunk.rows().columns();
        let writer = self.codec.writer(columns).map_err(failed)?;
        let delta = matches!(chunk.changes(), Changes::Deltas { .. });
        let mut records = Vec::with_capacity(chunk.len());
        let mut value = Vec::new();
        for (row, key) in keys.into_iter().enumerate().take(chunk.len()) {
            let retract = if chunk.is_retraction(row) { RETRACT } else { 0 };
            value.clear();
            value.push(u8::from(delta) | retract);
            writer.write(row, &mut value);
            let offset = chunk.origin().offsets[row].max(last.0);
            *last = if offset == last.0 { (offset, last.1 + 1) } else { (offset, 0) };
            records.push(OutputRecord {
                key,
                value: Some(Bytes::copy_from_slice(&value)),
                headers: [
                    &[origin_header(task, chunk.origin().input, *last)][..],
                    chunk.origin().headers(row),
                ]
                .concat(),
                timestamp: chunk.timestamps()[row],
                partition: None,
            });
        }
        Ok(records)
    }

    fn own_keys(&self, chunk: &Chunk) -> Result<Vec<Option<Bytes>>, CodecFailure> {
        let writer = self.key_codec.writer(&chunk.rows().columns()[..self.key_columns])?;
        let key = |row| {
            let mut key = Vec::new();
            writer.write(row, &mut key);
            (!key.is_empty()).then(|| Bytes::from(key))
        };
        Ok((0..chunk.len()).map(key).collect())
    }
}

/// The reading end of an internal topic.
pub(crate) struct RepartitionReader {
    schema: SchemaRef,
    codec: RowCodec,
    pub(crate) partitions: Option<u32>,
}

impl RepartitionReader {
    pub(crate) fn new(spec: &RepartitionSpec) -> Result<Self, CodecFailure> {
        Ok(Self {
            schema: spec.schema.clone(),
            codec: RowCodec::new(spec.schema.fields())?,
            partitions: spec.partitions,
        })
    }

    /// Decodes records, with the origin of each row.
    pub(crate) fn decode(
        &self,
        partition: i32,
        records: &[InputRecord],
        bad: &mut Vec<BadRecord>,
    ) -> Result<(Chunk, Vec<RowOrigin>), CodecError> {
        let mut rows: Vec<(&InputRecord, u8, &[u8])> = Vec::with_capacity(records.len());
        let mut origins = Vec::with_capacity(records.len());
        for record in records {
            let origin = record.headers.first().filter(|header| header.key == ORIGIN_HEADER);
            let origin = origin.and_then(|header| read_origin(header.value.as_deref()?));
            let value = record.value.as_ref().and_then(|value| value.split_first());
            match (origin, value) {
                (Some(origin), Some((flags, row))) => {
                    origins.push(origin);
                    rows.push((record, *flags, row));
                }
                _ => bad.push(BadRecord {
                    offset: record.offset,
                    message: "not written by this application".to_owned(),
                }),
            }
        }
        let mut cursors: Vec<Option<&[u8]>> = rows.iter().map(|(.., row)| Some(*row)).collect();
        let columns: Vec<ArrayRef> = self.codec.read(&mut cursors).map_err(failed)?;
        let batch = RecordBatch::try_new(self.schema.clone(), columns).map_err(failed)?;
        let timestamps: Vec<i64> = rows.iter().map(|(record, ..)| record.timestamp).collect();
        let offsets = rows.iter().map(|(record, ..)| record.offset).collect();
        let changes = if rows.iter().any(|(_, flags, _)| flags & DELTA != 0) {
            let retract = rows.iter().map(|(_, flags, _)| flags & RETRACT != 0).collect();
            Changes::Deltas { retract }
        } else {
            Changes::Appends
        };
        let headers = rows.iter().map(|(record, ..)| RowHeaders::from(&record.headers[1..]));
        let origin = Origin::new(partition, offsets).with_headers(headers.collect());
        Ok((Chunk::new(batch, timestamps, origin, changes).map_err(failed)?, origins))
    }
}

fn failed(error: impl ToString) -> CodecError {
    CodecError::fatal(format!("internal topic: {}", error.to_string()))
}

fn origin_header(task: &TaskId, input: u16, (offset, index): (i64, u32)) -> Header {
    let mut value = BytesMut::with_capacity(ORIGIN_BYTES);
    value.put_u16(task.subtopology);
    value.put_i32(task.partition);
    value.put_u16(input);
    value.put_i64(offset);
    value.put_u32(index);
    Header { key: ORIGIN_HEADER.to_owned(), value: Some(value.freeze()) }
}

fn read_origin(bytes: &[u8]) -> Option<RowOrigin> {
    let bytes: &[u8; ORIGIN_BYTES] = bytes.try_into().ok()?;
    let (subtopology, rest) = bytes.split_first_chunk()?;
    let (partition, rest) = rest.split_first_chunk()?;
    let (input, rest) = rest.split_first_chunk()?;
    let (offset, rest) = rest.split_first_chunk()?;
    let index: [u8; 4] = rest.try_into().ok()?;
    let task = TaskId {
        subtopology: u16::from_be_bytes(*subtopology),
        partition: i32::from_be_bytes(*partition),
    };
    let key = SeenKey { task, input: u16::from_be_bytes(*input) };
    Some((key, (i64::from_be_bytes(*offset), u32::from_be_bytes(index))))
}
