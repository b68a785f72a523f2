//! [`TableLayout`]: how a table's rows lie in a store.
//!
//! ```text
//!   key    key columns in the row format            windowed: segment │ key columns │ start
//!   value  timestamp i64 (big-endian) │ value columns in the row format
//! ```

use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array, RecordBatch};
use arrow::datatypes::{DataType, Field, Fields, Schema, SchemaRef};
use bytes::Bytes;

use crate::operator::OperatorError;
use crate::query::{ROWTIME, StoreReader};
use crate::state::{Entry, RowCodec, RowWriter, WindowKey};
use crate::time::TimeWindows;

/// Columns of a materialised table, and their bytes.
#[derive(Clone)]
pub struct TableLayout {
    schema: SchemaRef,
    read_schema: SchemaRef,
    /// Key columns without those of the window.
    group_columns: usize,
    key_columns: usize,
    windows: Option<TimeWindows>,
    key_codec: RowCodec,
    value_codec: RowCodec,
}

impl TableLayout {
    /// A table whose first `key_columns` columns are its key.
    pub fn new(schema: SchemaRef, key_columns: usize) -> Result<Self, OperatorError> {
        Self::build(schema, key_columns, None)
    }

    /// A table by key and window: the last two of its key columns are the window's start and
    /// end, of type Int64.
    pub fn windowed(
        schema: SchemaRef,
        key_columns: usize,
        windows: TimeWindows,
    ) -> Result<Self, OperatorError> {
        Self::build(schema, key_columns, Some(windows))
    }

    fn build(
        schema: SchemaRef,
        key_columns: usize,
        windows: Option<TimeWindows>,
    ) -> Result<Self, OperatorError> {
        let fields = schema.fields();
        let group_columns = key_columns.checked_sub(if windows.is_some() { 2 } else { 0 });
        let group_columns = group_columns.filter(|_| key_columns <= fields.len());
        let window = |field: &Arc<Field>| *field.data_type() == DataType::Int64;
        let group_columns = group_columns
            .filter(|&group| fields[group..key_columns].iter().all(window))
            .ok_or_else(|| {
                let names: Vec<&str> = fields.iter().map(|field| field.name().as_str()).collect();
                OperatorError::Failed(format!(
                    "{key_columns} key columns do not fit the columns {}",
                    names.join(", ")
                ))
            })?;
        let rowtime = Arc::new(Field::new(ROWTIME, DataType::Int64, false));
        let read_fields: Fields = fields.iter().cloned().chain([rowtime]).collect();
        let part = |range: std::ops::Range<usize>| fields[range].iter().cloned().collect();
        Ok(Self {
            key_codec: RowCodec::new(&part(0..group_columns))?,
            value_codec: RowCodec::new(&part(key_columns..fields.len()))?,
            read_schema: Arc::new(Schema::new(read_fields)),
            group_columns,
            key_columns,
            windows,
            schema,
        })
    }

    pub fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    pub fn key_columns(&self) -> usize {
        self.key_columns
    }

    pub fn windows(&self) -> Option<TimeWindows> {
        self.windows
    }

    /// Writes keys, given the key columns without those of the window.
    pub(crate) fn keys<'a>(&self, columns: &'a [ArrayRef]) -> Result<RowWriter<'a>, OperatorError> {
        Ok(self.key_codec.writer(columns)?)
    }

    pub(crate) fn group_columns<'a>(&self, rows: &'a RecordBatch) -> &'a [ArrayRef] {
        &rows.columns()[..self.group_columns]
    }

    pub(crate) fn values<'a>(&self, rows: &'a RecordBatch) -> Result<RowWriter<'a>, OperatorError> {
        Ok(self.value_codec.writer(&rows.columns()[self.key_columns..])?)
    }

    /// Value columns of stored values; nulls where there is none.
    pub(crate) fn read_values(
        &self,
        values: &[Option<Bytes>],
    ) -> Result<Vec<ArrayRef>, OperatorError> {
        let mut rows: Vec<Option<&[u8]>> =
            values.iter().map(|value| value.as_ref().map(|bytes| split_time(bytes).1)).collect();
        Ok(self.value_codec.read(&mut rows)?)
    }
}

/// Timestamp and row of a stored value.
pub(crate) fn split_time(value: &[u8]) -> (i64, &[u8]) {
    match value.split_first_chunk() {
        Some((time, row)) => (i64::from_be_bytes(*time), row),
        None => (crate::time::NO_TIME, &[]),
    }
}

impl StoreReader for TableLayout {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.read_schema)
    }

    fn retention_ms(&self) -> Option<i64> {
        self.windows.map(|windows| windows.retention_ms())
    }

    fn key(&self, key: &[ArrayRef]) -> Result<Vec<u8>, OperatorError> {
        let mut bytes = Vec::new();
        let writer = self.key_codec.writer(key)?;
        if key.first().is_some_and(|column| column.len() != 1) {
            return Err(OperatorError::Failed("one key at a time, please".to_owned()));
        }
        writer.write(0, &mut bytes);
        Ok(bytes)
    }

    fn read(&self, entries: &[Entry]) -> Result<RecordBatch, OperatorError> {
        let damaged = || OperatorError::Failed("a window key in the store is damaged".to_owned());
        let mut keys: Vec<Bytes> = Vec::with_capacity(entries.len());
        let mut starts: Vec<i64> = Vec::new();
        for (key, _) in entries {
            if self.windows.is_some() {
                let WindowKey { key, start } = WindowKey::read(key).ok_or_else(damaged)?;
                keys.push(key);
                starts.push(start);
            } else {
                keys.push(key.clone());
            }
        }
        let mut rows: Vec<Option<&[u8]>> = keys.iter().map(|key| Some(key.as_ref())).collect();
        let mut columns = self.key_codec.read(&mut rows)?;
        if let Some(windows) = &self.windows {
            let ends: Int64Array = starts.iter().map(|&start| Some(windows.end(start))).collect();
            columns.push(Arc::new(Int64Array::from(starts)));
            columns.push(Arc::new(ends));
        }
        let values: Vec<Option<Bytes>> =
            entries.iter().map(|(_, value)| Some(value.clone())).collect();
        columns.extend(self.read_values(&values)?);
        let times: Int64Array =
            entries.iter().map(|(_, value)| Some(split_time(value).0)).collect();
        columns.push(Arc::new(times));
        Ok(RecordBatch::try_new(Arc::clone(&self.read_schema), columns)?)
    }
}
