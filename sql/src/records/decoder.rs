//! Records of a source's topic to rows.

use std::sync::{Arc, Mutex, PoisonError};

use arrow::array::{ArrayRef, BooleanArray, Int64Array, RecordBatch};
use arrow::compute::filter_record_batch;
use arrow::datatypes::SchemaRef;
use formats::{Appended, RowDecoder};
use streams::{BadRecord, Chunk, CodecError, InputRecord, Origin, RecordDecoder, RowHeaders};

use super::event_time::EventTime;
use super::schemas::Schemas;
use super::{BOUND_BYTES, fields};
use crate::catalog::source::{KeyWindow, Source};
use crate::error::SqlError;
use crate::plan::logical::Rows;

/// Decodes the records of one source, as the contract of [`RecordDecoder`] wants it.
pub(crate) struct SourceDecoder {
    source: Arc<Source>,
    schemas: Arc<dyn Schemas>,
    schema: SchemaRef,
    /// Whether a stream's records without value are rows too, marked as deleted.
    keeps_nulls: bool,
    time: Option<EventTime>,
    /// One run of records is decoded at a time; nothing else waits for the lock.
    columns: Mutex<Columns>,
}

struct Columns {
    key: Option<RowDecoder>,
    value: RowDecoder,
}

/// One part of a record that became a row of columns, or did not.
enum Read {
    Row,
    Null,
    Bad(String),
}

impl SourceDecoder {
    pub(crate) fn new(source: Arc<Source>, schemas: Arc<dyn Schemas>) -> Result<Self, SqlError> {
        let rows = Rows {
            kind: source.kind,
            key: source.key.clone(),
            windowed: source.window.is_some(),
            value: source.value.clone(),
        };
        let decoder = |format: &crate::catalog::format::Format, columns: &[_]| {
            let Some(physical) = format.physical() else { return Ok(None) };
            let wrapping = format.wrapping(columns.len());
            RowDecoder::new(physical, &fields(columns), wrapping)
                .map(Some)
                .map_err(|e| SqlError::statement(e.to_string()))
        };
        let key =
            if source.key.is_empty() { None } else { decoder(&source.key_format, &source.key)? };
        let value = decoder(&source.value_format, &source.value)?;
        let value = value.ok_or_else(|| SqlError::statement("a value needs a format"))?;
        let time = EventTime::of(&source)?;
        let columns = Mutex::new(Columns { key, value });
        let schema = rows.schema();
        Ok(Self { schema, source, schemas, keeps_nulls: false, time, columns })
    }

    /// Gives rows for a stream's records without value too: for a query that only projects, and
    /// so writes a record without value for each.
    pub(crate) fn keeping_nulls(self) -> Self {
        Self { keeps_nulls: true, ..self }
    }

    /// Appends one key or value.
    fn append(&self, decoder: &mut RowDecoder, bytes: Option<&[u8]>) -> Result<Read, CodecError> {
        if let Some(bytes) = bytes
            && let Some(id) = decoder.missing_writer(bytes)
        {
            match self.schemas.by_id(id) {
                Ok(schema) => decoder.add_writer(id, schema),
                Err(error) => return error.of_record().map(Read::Bad),
            }
        }
        Ok(match decoder.append(bytes) {
            Ok(Appended::Row) => Read::Row,
            Ok(Appended::Null) => Read::Null,
            Err(error) => Read::Bad(error.to_string()),
        })
    }

    /// Appends one record; `None` if it gives no row and left the columns as they were.
    fn record(
        &self,
        columns: &mut Columns,
        run: &mut Run,
        record: &InputRecord,
    ) -> Result<(), CodecError> {
        let stream = self.source.is_stream();
        let skipped =
            if stream { record.value.is_none() && !self.keeps_nulls } else { record.key.is_none() };
        if skipped {
            return Ok(());
        }
        let (key, bounds) = match split_window(record.key.as_deref(), self.source.window.as_ref()) {
            Ok(parts) => parts,
            Err(message) => {
                run.refuse(record, "key", &message);
                return Ok(());
            }
        };
        let value = match self.append(&mut columns.value, record.value.as_deref())? {
            Read::Bad(message) => {
                run.refuse(record, "value", &message);
                return Ok(());
            }
            other => other,
        };
        let null_value = matches!(value, Read::Null);
        let mut keep = !(stream && null_value) || self.keeps_nulls;
        if let Some(decoder) = &mut columns.key {
            match self.append(decoder, key)? {
                Read::Row => {}
                Read::Null => keep &= stream,
                Read::Bad(message) => {
                    decoder.append_null();
                    run.refuse(record, "key", &message);
                    keep = false;
                }
            }
        }
        run.offsets.push(record.offset);
        run.headers.push(if record.headers.is_empty() {
            RowHeaders::clone(&run.no_headers)
        } else {
            record.headers.as_slice().into()
        });
        run.timestamps.push(record.timestamp);
        run.deleted.push(null_value);
        run.starts.push(bounds.0);
        run.ends.push(bounds.1);
        run.keep.push(keep);
        Ok(())
    }

    fn chunk(
        &self,
        partition: i32,
        columns: &mut Columns,
        mut run: Run,
        bad: &mut Vec<BadRecord>,
    ) -> Result<Chunk, CodecError> {
        let failed = |e: &dyn std::fmt::Display| CodecError::fatal(e.to_string());
        let mut arrays: Vec<ArrayRef> =
            columns.key.as_mut().map(RowDecoder::finish).unwrap_or_default();
        if self.source.window.is_some() {
            arrays.push(Arc::new(Int64Array::from(std::mem::take(&mut run.starts))));
            arrays.push(Arc::new(Int64Array::from(std::mem::take(&mut run.ends))));
        }
        arrays.extend(columns.value.finish());
        let batch =
            RecordBatch::try_new(Arc::clone(&self.schema), arrays).map_err(|e| failed(&e))?;
        if let Some(time) = &self.time {
            extract(time, &batch, &mut run);
        }
        bad.append(&mut run.bad);
        let kept = |values: &[i64]| -> Vec<i64> {
            values.iter().zip(&run.keep).filter(|(_, keep)| **keep).map(|(v, _)| *v).collect()
        };
        let headers = run.headers.iter().zip(&run.keep).filter(|(_, keep)| **keep);
        let headers = headers.map(|(headers, _)| RowHeaders::clone(headers)).collect();
        let origin = Origin::new(partition, kept(&run.offsets)).with_headers(headers);
        let timestamps = kept(&run.timestamps);
        let mask = BooleanArray::from(run.keep.clone());
        let batch = filter_record_batch(&batch, &mask).map_err(|e| failed(&e))?;
        if self.source.is_stream() && !self.keeps_nulls {
            return Chunk::appends(batch, timestamps, origin).map_err(|e| failed(&e));
        }
        let deleted = run.deleted.iter().zip(&run.keep).filter(|(_, keep)| **keep);
        let deleted = deleted.map(|(deleted, _)| *deleted).collect();
        Chunk::upserts(batch, deleted, timestamps, origin).map_err(|e| failed(&e))
    }
}

impl RecordDecoder for SourceDecoder {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    fn decode(
        &self,
        partition: i32,
        records: &[InputRecord],
        bad: &mut Vec<BadRecord>,
    ) -> Result<Chunk, CodecError> {
        let mut columns = self.columns.lock().unwrap_or_else(PoisonError::into_inner);
        let mut run = Run::default();
        for record in records {
            if let Err(error) = self.record(&mut columns, &mut run, record) {
                if let Some(key) = &mut columns.key {
                    key.finish();
                }
                columns.value.finish();
                return Err(error);
            }
        }
        self.chunk(partition, &mut columns, run, bad)
    }
}

/// What is known of the rows of a run beside their columns.
#[derive(Default)]
struct Run {
    offsets: Vec<i64>,
    headers: Vec<RowHeaders>,
    /// What most records have.
    no_headers: RowHeaders,
    timestamps: Vec<i64>,
    deleted: Vec<bool>,
    starts: Vec<i64>,
    ends: Vec<i64>,
    /// False: appended to the columns, but not a row.
    keep: Vec<bool>,
    bad: Vec<BadRecord>,
}

impl Run {
    fn refuse(&mut self, record: &InputRecord, part: &str, message: &str) {
        let message = format!("the {part} cannot be read: {message}");
        self.bad.push(BadRecord { offset: record.offset, message });
    }
}

/// A key without its window, and the window's start and end.
type SplitKey<'a> = (Option<&'a [u8]>, (i64, i64));

/// A windowed key apart: the key, and the window's start and end.
fn split_window<'a>(
    key: Option<&'a [u8]>,
    window: Option<&KeyWindow>,
) -> Result<SplitKey<'a>, String> {
    let (Some(key), Some(window)) = (key, window) else { return Ok((key, (0, 0))) };
    let bounds = if window.size_ms().is_some() { 1 } else { 2 };
    let Some(at) = key.len().checked_sub(bounds * BOUND_BYTES) else {
        return Err(format!("{} bytes are too few for a windowed key", key.len()));
    };
    let (inner, tail) = key.split_at(at);
    let bound = |i: usize| {
        let bytes = &tail[i * BOUND_BYTES..(i + 1) * BOUND_BYTES];
        bytes.try_into().map_or(0, i64::from_be_bytes)
    };
    Ok(match window.size_ms() {
        Some(size_ms) => (Some(inner), (bound(0), bound(0).saturating_add(size_ms))),
        None => (Some(inner), (bound(1), bound(0))),
    })
}

/// Puts event times in the place of the records' own; a row without one is left out.
fn extract(time: &EventTime, batch: &RecordBatch, run: &mut Run) {
    for row in 0..batch.num_rows() {
        if !run.keep[row] || run.deleted[row] {
            continue;
        }
        match time.millis(batch, row) {
            Ok(millis) => run.timestamps[row] = millis,
            Err(message) => {
                run.keep[row] = false;
                run.bad.push(BadRecord { offset: run.offsets[row], message });
            }
        }
    }
}
