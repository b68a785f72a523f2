//! EMIT FINAL: of a windowed table, only each window's last row, once it has closed.

use arrow::array::{Array, Int64Array, RecordBatch};
use bytes::Bytes;
use serde_json::{Value, json};

use super::table::split_time;
use crate::chunk::{Changes, Chunk};
use crate::operator::{Operator, OperatorContext, OperatorError};
use crate::state::{KeyRange, RowCodec};
use crate::time::{NO_TIME, TimeWindows};

/// Holds the rows of a windowed aggregate back until stream time passes their window's end and
/// grace, then forwards the last row of each, by window end and key. The last two of the
/// `key_columns` are the window's start and end, of type Int64.
///
/// Stream time is the largest timestamp of the rows that came here; the last windows are held
/// until a row of a later time comes.
pub struct Suppress {
    store: String,
    windows: TimeWindows,
    key_columns: usize,
    keys: RowCodec,
    values: RowCodec,
    stream_time: i64,
}

impl Suppress {
    pub fn new(
        store: impl Into<String>,
        windows: TimeWindows,
        fields: &arrow::datatypes::Fields,
        key_columns: usize,
    ) -> Result<Self, OperatorError> {
        if !(2..=fields.len()).contains(&key_columns) {
            let message = "only a windowed table can be emitted when final".to_owned();
            return Err(OperatorError::Failed(message));
        }
        let part = |range: std::ops::Range<usize>| fields[range].iter().cloned().collect();
        Ok(Self {
            store: store.into(),
            windows,
            key_columns,
            keys: RowCodec::new(&part(0..key_columns))?,
            values: RowCodec::new(&part(key_columns..fields.len()))?,
            stream_time: NO_TIME,
        })
    }

    /// Takes the entries of windows that have closed out of the store.
    fn closed(
        &self,
        context: &mut OperatorContext<'_>,
    ) -> Result<Vec<(Bytes, Bytes)>, OperatorError> {
        let closed_until = self.stream_time.saturating_sub(self.windows.grace_ms());
        if closed_until < 0 {
            return Ok(Vec::new());
        }
        let store = context.store(&self.store)?;
        let range = KeyRange::between([], (closed_until + 1).to_be_bytes());
        let entries = store.range(&range).collect::<Result<Vec<_>, _>>()?;
        for (key, _) in &entries {
            store.delete(key)?;
        }
        Ok(entries)
    }

    fn chunk(
        &self,
        entries: &[(Bytes, Bytes)],
        chunk: &Chunk,
        offset: i64,
    ) -> Result<Chunk, OperatorError> {
        let key = |(key, _): &'_ (Bytes, Bytes)| key.slice(size_of::<i64>().min(key.len())..);
        let keys: Vec<Bytes> = entries.iter().map(key).collect();
        let mut keys: Vec<Option<&[u8]>> = keys.iter().map(|key| Some(&key[..])).collect();
        let mut columns = self.keys.read(&mut keys)?;
        let times = entries.iter().map(|(_, value)| split_time(value).0).collect::<Vec<_>>();
        let mut values: Vec<Option<&[u8]>> =
            entries.iter().map(|(_, value)| Some(split_time(value).1)).collect();
        columns.extend(self.values.read(&mut values)?);
        let rows = RecordBatch::try_new(chunk.schema(), columns)?;
        let offsets = vec![offset; entries.len()].into();
        let origin = chunk.origin().at_offsets(offsets);
        let deleted = vec![false; entries.len()].into();
        Ok(Chunk::new(rows, times, origin, Changes::Table { deleted, old: None })?)
    }
}

impl Operator for Suppress {
    fn process(
        &mut self,
        _port: usize,
        chunk: Chunk,
        context: &mut OperatorContext<'_>,
    ) -> Result<(), OperatorError> {
        let columns = chunk.rows().columns();
        let ends = columns[self.key_columns - 1].as_any().downcast_ref::<Int64Array>();
        let ends = ends
            .ok_or_else(|| OperatorError::Failed("window ends must be of type Int64".to_owned()))?;
        let keys = self.keys.writer(&columns[..self.key_columns])?;
        let values = self.values.writer(&columns[self.key_columns..])?;
        let (mut key, mut value) = (Vec::new(), Vec::new());
        for row in 0..chunk.len() {
            key.clear();
            key.extend_from_slice(&ends.value(row).to_be_bytes());
            keys.write(row, &mut key);
            value.clear();
            value.extend_from_slice(&chunk.timestamps()[row].to_be_bytes());
            values.write(row, &mut value);
            let store = context.store(&self.store)?;
            if chunk.is_deleted(row) {
                store.delete(&key)?;
            } else {
                store.put(&key, &value)?;
            }
            if chunk.timestamps()[row] <= self.stream_time {
                continue;
            }
            self.stream_time = chunk.timestamps()[row];
            let closed = self.closed(context)?;
            if !closed.is_empty() {
                let offset = chunk.origin().offsets[row];
                context.forward(self.chunk(&closed, &chunk, offset)?);
            }
        }
        Ok(())
    }

    fn save(&self) -> Option<Value> {
        Some(json!({ "stream_time": self.stream_time }))
    }

    fn restore(&mut self, saved: &Value) -> Result<(), OperatorError> {
        self.stream_time = saved["stream_time"].as_i64().unwrap_or(NO_TIME);
        Ok(())
    }
}
