//! A table kept in a store: joins and pull queries read it, and its changes get their old rows.

use std::sync::Arc;

use arrow::array::RecordBatch;
use bytes::Bytes;
use serde_json::{Value, json};

use super::TableLayout;
use crate::chunk::{Changes, Chunk, OldRows};
use crate::operator::{Operator, OperatorContext, OperatorError};
use crate::state::{KeyValueStore, StateError, WindowStore, enters_segment};
use crate::time::NO_TIME;

/// Applies a table's changes to a store, and forwards them with their old rows. Rows of a
/// windowed table leave the store, without a change, when their retention is over.
pub struct Materialize {
    store: String,
    layout: Arc<TableLayout>,
    stream_time: i64,
    expired_before: i64,
}

impl Materialize {
    pub fn new(store: impl Into<String>, layout: Arc<TableLayout>) -> Self {
        Self { store: store.into(), layout, stream_time: NO_TIME, expired_before: 0 }
    }

    /// Applies the rows one by one; gives the stored value that each replaced.
    fn apply(
        &mut self,
        chunk: &Chunk,
        context: &mut OperatorContext<'_>,
    ) -> Result<Vec<Option<Bytes>>, OperatorError> {
        let keys = self.layout.keys(self.layout.group_columns(chunk.rows()))?;
        let values = self.layout.values(chunk.rows())?;
        let starts = Starts::of(&self.layout, chunk.rows())?;
        let store = context.store(&self.store)?;
        let mut old = Vec::with_capacity(chunk.len());
        let (mut key, mut value) = (Vec::new(), Vec::new());
        for row in 0..chunk.len() {
            key.clear();
            keys.write(row, &mut key);
            let mut slot = Slot { store, start: starts.start(row), layout: &self.layout };
            old.push(slot.get(&key)?);
            let timestamp = chunk.timestamps()[row];
            self.stream_time = self.stream_time.max(timestamp);
            if chunk.is_deleted(row) {
                slot.delete(&key)?;
            } else {
                value.clear();
                value.extend_from_slice(&timestamp.to_be_bytes());
                values.write(row, &mut value);
                slot.put(&key, &value)?;
            }
        }
        Ok(old)
    }
}

impl Operator for Materialize {
    fn process(
        &mut self,
        _port: usize,
        chunk: Chunk,
        context: &mut OperatorContext<'_>,
    ) -> Result<(), OperatorError> {
        let Changes::Table { deleted, .. } = chunk.changes() else {
            let message = format!("store {} can hold a table, not a stream", self.store);
            return Err(OperatorError::Failed(message));
        };
        let deleted = deleted.clone();
        let old = self.apply(&chunk, context)?;
        let present = old.iter().map(Option::is_some).collect();
        let mut columns = chunk.rows().columns()[..self.layout.key_columns()].to_vec();
        columns.extend(self.layout.read_values(&old)?);
        let rows = RecordBatch::try_new(chunk.schema(), columns)?;
        let old = Some(OldRows { rows, present });
        context.forward(chunk.with_changes(Changes::Table { deleted, old })?);
        Ok(())
    }

    fn flush(&mut self, context: &mut OperatorContext<'_>) -> Result<(), OperatorError> {
        let Some(windows) = self.layout.windows() else { return Ok(()) };
        let oldest_kept = windows.oldest_kept(self.stream_time);
        if enters_segment(windows.retention_ms(), self.expired_before, oldest_kept) {
            let store = context.store(&self.store)?;
            WindowStore::new(store, windows.retention_ms()).expire(oldest_kept)?;
            self.expired_before = oldest_kept;
        }
        Ok(())
    }

    fn save(&self) -> Option<Value> {
        self.layout.windows()?;
        Some(json!({ "stream_time": self.stream_time }))
    }

    fn restore(&mut self, saved: &Value) -> Result<(), OperatorError> {
        self.stream_time = saved["stream_time"].as_i64().unwrap_or(NO_TIME);
        Ok(())
    }
}

/// Window starts of rows; none in a table without windows.
enum Starts<'a> {
    None,
    Column(&'a arrow::array::Int64Array),
}

impl<'a> Starts<'a> {
    fn of(layout: &TableLayout, rows: &'a RecordBatch) -> Result<Self, OperatorError> {
        if layout.windows().is_none() {
            return Ok(Self::None);
        }
        let column = rows.column(layout.key_columns() - 2);
        match column.as_any().downcast_ref() {
            Some(starts) => Ok(Self::Column(starts)),
            None => Err(OperatorError::Failed("window starts must be of type Int64".to_owned())),
        }
    }

    fn start(&self, row: usize) -> Option<i64> {
        match self {
            Self::None => None,
            Self::Column(starts) => Some(starts.value(row)),
        }
    }
}

/// Where one row lives.
struct Slot<'a> {
    store: &'a mut dyn KeyValueStore,
    start: Option<i64>,
    layout: &'a TableLayout,
}

impl Slot<'_> {
    fn windows(&mut self) -> Option<(WindowStore<'_>, i64)> {
        let retention_ms = self.layout.windows()?.retention_ms();
        Some((WindowStore::new(self.store, retention_ms), self.start?))
    }

    fn get(&mut self, key: &[u8]) -> Result<Option<Bytes>, StateError> {
        match self.windows() {
            Some((windows, start)) => windows.get(key, start),
            None => self.store.get(key),
        }
    }

    fn put(&mut self, key: &[u8], value: &[u8]) -> Result<(), StateError> {
        match self.windows() {
            Some((mut windows, start)) => windows.put(key, start, value),
            None => self.store.put(key, value),
        }
    }

    fn delete(&mut self, key: &[u8]) -> Result<(), StateError> {
        match self.windows() {
            Some((mut windows, start)) => windows.delete(key, start),
            None => self.store.delete(key),
        }
    }
}
