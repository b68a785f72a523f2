//! GROUP BY, with or without windows.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array, RecordBatch, UInt32Array};
use arrow::compute::take;
use arrow::datatypes::{Fields, SchemaRef};
use serde_json::{Value, json};

use super::table::split_time;
use crate::chunk::{Changes, Chunk, OldRows};
use crate::limits::CACHED_GROUPS;
use crate::operator::{Operator, OperatorContext, OperatorError};
use crate::state::{KeyValueStore, RowCodec, WindowStore, enters_segment};
use crate::time::{NO_TIME, TimeWindows};

/// Aggregate functions over groups. One aggregator serves all groups of a task; what differs
/// from group to group is its `State`.
pub trait Aggregator: Send {
    type State: Send;

    /// Called for each chunk before its rows: evaluates arguments for all of them at once. Rows
    /// where that failed go to `failed`, with the reason: the processing log is told.
    fn begin(
        &mut self,
        rows: &RecordBatch,
        failed: &mut Vec<(usize, String)>,
    ) -> Result<(), OperatorError>;

    /// State of a group without rows.
    fn init(&self) -> Result<Self::State, OperatorError>;

    /// Adds row `row` of the chunk that [`Aggregator::begin`] was given.
    fn add(&mut self, state: &mut Self::State, row: usize) -> Result<(), OperatorError>;

    /// Subtracts row `row`: it was added once, perhaps long ago.
    fn remove(&mut self, state: &mut Self::State, row: usize) -> Result<(), OperatorError>;

    /// Appends the results of a group as one row to what [`Aggregator::finish`] will give.
    fn emit(&mut self, state: &Self::State) -> Result<(), OperatorError>;

    /// The value columns of all rows emitted since the last call.
    fn finish(&mut self) -> Result<Vec<ArrayRef>, OperatorError>;

    /// Appends the state's bytes to `out`.
    fn write(&self, state: &Self::State, out: &mut Vec<u8>) -> Result<(), OperatorError>;

    /// Reads what [`Aggregator::write`] wrote.
    fn read(&self, bytes: &[u8]) -> Result<Self::State, OperatorError>;
}

/// Where an aggregate keeps its groups, and how its rows look.
#[derive(Clone)]
pub struct AggregateSpec {
    pub store: String,
    /// Columns of the input that make the group: its first ones.
    pub group_columns: usize,
    /// Group columns, then with windows their start and end (Int64), then the aggregator's.
    pub schema: SchemaRef,
    pub windows: Option<TimeWindows>,
    /// Whether changes carry their old rows: needed where no materialised table follows.
    pub old_rows: bool,
}

/// Takes a stream, or deltas of a table, grouped by its first columns and partitioned by them,
/// and gives a table: one change for each input row and window.
///
/// A row with a null in its group is left out. With windows, stream time is the largest
/// timestamp that this operator has seen; rows behind a closed window are counted and left out.
/// A change's timestamp is the largest of its group's (and window's) rows.
pub struct Aggregate<A: Aggregator> {
    aggregator: A,
    spec: AggregateSpec,
    codec: RowCodec,
    /// Groups used lately: key, then window start (big-endian).
    groups: HashMap<Vec<u8>, Group<A::State>>,
    stream_time: i64,
    expired_before: i64,
}

struct Group<S> {
    state: S,
    timestamp: i64,
    /// Window start; 0 without windows.
    start: i64,
    changed: bool,
}

/// What the rows of a chunk changed, row by row.
#[derive(Default)]
struct Emitted {
    rows: Vec<usize>,
    starts: Vec<i64>,
    timestamps: Vec<i64>,
    existed: Vec<bool>,
}

impl<A: Aggregator> Aggregate<A> {
    /// `input` is the schema of the chunks that will come.
    pub fn new(aggregator: A, input: &Fields, spec: AggregateSpec) -> Result<Self, OperatorError> {
        if spec.group_columns > input.len() {
            let message =
                format!("{} group columns, but only {} columns", spec.group_columns, input.len());
            return Err(OperatorError::Failed(message));
        }
        let fields = input[..spec.group_columns].iter().cloned().collect();
        Ok(Self {
            aggregator,
            codec: RowCodec::new(&fields)?,
            spec,
            groups: HashMap::new(),
            stream_time: NO_TIME,
            expired_before: 0,
        })
    }

    fn apply(
        &mut self,
        chunk: &Chunk,
        context: &mut OperatorContext<'_>,
    ) -> Result<Emitted, OperatorError> {
        let codec = self.codec.clone();
        let keys = codec.writer(&chunk.rows().columns()[..self.spec.group_columns])?;
        let mut emitted = Emitted::default();
        let mut key = Vec::new();
        for row in 0..chunk.len() {
            let timestamp = chunk.timestamps()[row];
            self.stream_time = self.stream_time.max(timestamp);
            if keys.has_null(row) {
                let offset = Some(chunk.origin().offsets[row]);
                context.report(offset, "a column of its group is null");
                continue;
            }
            key.clear();
            keys.write(row, &mut key);
            let Some(windows) = self.spec.windows else {
                self.change(chunk, row, (&mut key, 0), &mut emitted, context)?;
                continue;
            };
            for start in windows.starts(timestamp) {
                if windows.is_closed(start, self.stream_time) {
                    self.late(chunk, row, (start, windows.end(start)), context);
                } else {
                    self.change(chunk, row, (&mut key, start), &mut emitted, context)?;
                }
            }
        }
        Ok(emitted)
    }

    /// Adds or subtracts a row in one group; `key` is as it was when this returns.
    fn change(
        &mut self,
        chunk: &Chunk,
        row: usize,
        (key, start): (&mut Vec<u8>, i64),
        emitted: &mut Emitted,
        context: &mut OperatorContext<'_>,
    ) -> Result<(), OperatorError> {
        let length = key.len();
        key.extend_from_slice(&start.to_be_bytes());
        let mut existed = true;
        if !self.groups.contains_key(key.as_slice()) {
            let (group, found) = self.load(&key[..length], start, context)?;
            existed = found;
            self.groups.insert(key.clone(), group);
        }
        let group = self.groups.get_mut(key.as_slice()).expect("it was there or just inserted");
        key.truncate(length);
        if self.spec.old_rows {
            self.aggregator.emit(&group.state)?;
        }
        if chunk.is_retraction(row) {
            self.aggregator.remove(&mut group.state, row)?;
        } else {
            self.aggregator.add(&mut group.state, row)?;
        }
        self.aggregator.emit(&group.state)?;
        group.timestamp = group.timestamp.max(chunk.timestamps()[row]);
        group.changed = true;
        emitted.rows.push(row);
        emitted.starts.push(start);
        emitted.timestamps.push(group.timestamp);
        emitted.existed.push(existed);
        Ok(())
    }

    fn load(
        &self,
        key: &[u8],
        start: i64,
        context: &mut OperatorContext<'_>,
    ) -> Result<(Group<A::State>, bool), OperatorError> {
        let store = context.store(&self.spec.store)?;
        let stored = match self.spec.windows {
            Some(windows) => WindowStore::new(store, windows.retention_ms()).get(key, start)?,
            None => store.get(key)?,
        };
        let (state, timestamp) = match &stored {
            None => (self.aggregator.init()?, NO_TIME),
            Some(stored) => {
                let (timestamp, state) = split_time(stored);
                (self.aggregator.read(state)?, timestamp)
            }
        };
        Ok((Group { state, timestamp, start, changed: false }, stored.is_some()))
    }

    fn late(
        &self,
        chunk: &Chunk,
        row: usize,
        (start, end): (i64, i64),
        context: &mut OperatorContext<'_>,
    ) {
        context.metrics().add_late_rows(1);
        let timestamp = chunk.timestamps()[row];
        let message = format!(
            "too late: its time {timestamp} is in window [{start}, {end}), which closed before \
             stream time {}",
            self.stream_time
        );
        context.report(Some(chunk.origin().offsets[row]), message);
    }

    fn chunk(&mut self, input: &Chunk, emitted: Emitted) -> Result<Chunk, OperatorError> {
        let rows: UInt32Array = emitted.rows.iter().map(|&row| row as u32).collect();
        let mut columns = Vec::with_capacity(self.spec.schema.fields().len());
        for column in &input.rows().columns()[..self.spec.group_columns] {
            columns.push(take(column, &rows, None)?);
        }
        if let Some(windows) = self.spec.windows {
            let ends: Int64Array =
                emitted.starts.iter().map(|&start| Some(windows.end(start))).collect();
            columns.push(Arc::new(Int64Array::from(emitted.starts)));
            columns.push(Arc::new(ends));
        }
        let results = self.aggregator.finish()?;
        let deleted = vec![false; emitted.rows.len()].into();
        let (new, old) = if self.spec.old_rows {
            let side = |first: u32| -> Result<Vec<ArrayRef>, OperatorError> {
                let picks: UInt32Array = (0..rows.len() as u32).map(|i| 2 * i + first).collect();
                results.iter().map(|column| Ok(take(column, &picks, None)?)).collect()
            };
            let old = self.batch([columns.clone(), side(0)?].concat())?;
            (side(1)?, Some(OldRows { rows: old, present: emitted.existed.into() }))
        } else {
            (results, None)
        };
        let batch = self.batch([columns, new].concat())?;
        let origin = input.origin().pick(&emitted.rows);
        Ok(Chunk::new(batch, emitted.timestamps, origin, Changes::Table { deleted, old })?)
    }

    fn batch(&self, columns: Vec<ArrayRef>) -> Result<RecordBatch, OperatorError> {
        Ok(RecordBatch::try_new(Arc::clone(&self.spec.schema), columns)?)
    }

    fn expire(&mut self, store: &mut dyn KeyValueStore) -> Result<(), OperatorError> {
        let Some(windows) = self.spec.windows else { return Ok(()) };
        let oldest_kept = windows.oldest_kept(self.stream_time);
        if enters_segment(windows.retention_ms(), self.expired_before, oldest_kept) {
            WindowStore::new(store, windows.retention_ms()).expire(oldest_kept)?;
            self.groups.retain(|_, group| group.start >= oldest_kept);
            self.expired_before = oldest_kept;
        }
        Ok(())
    }
}

impl<A: Aggregator> Operator for Aggregate<A> {
    fn process(
        &mut self,
        _port: usize,
        chunk: Chunk,
        context: &mut OperatorContext<'_>,
    ) -> Result<(), OperatorError> {
        if matches!(chunk.changes(), Changes::Table { .. }) {
            let message = "a table must be turned into deltas before it is aggregated".to_owned();
            return Err(OperatorError::Failed(message));
        }
        let mut failed = Vec::new();
        self.aggregator.begin(chunk.rows(), &mut failed)?;
        for (row, message) in failed {
            context.report(chunk.origin().offsets.get(row).copied(), message);
        }
        let emitted = self.apply(&chunk, context)?;
        let output = self.chunk(&chunk, emitted)?;
        context.forward(output);
        Ok(())
    }

    fn flush(&mut self, context: &mut OperatorContext<'_>) -> Result<(), OperatorError> {
        let store = context.store(&self.spec.store)?;
        let mut value = Vec::new();
        for (key, group) in self.groups.iter_mut().filter(|(_, group)| group.changed) {
            value.clear();
            value.extend_from_slice(&group.timestamp.to_be_bytes());
            self.aggregator.write(&group.state, &mut value)?;
            let key = &key[..key.len() - size_of::<i64>()];
            match self.spec.windows {
                Some(windows) => {
                    WindowStore::new(store, windows.retention_ms()).put(key, group.start, &value)?
                }
                None => store.put(key, &value)?,
            }
            group.changed = false;
        }
        self.expire(store)?;
        if self.groups.len() > CACHED_GROUPS {
            self.groups.clear();
        }
        Ok(())
    }

    fn save(&self) -> Option<Value> {
        self.spec.windows?;
        Some(json!({ "stream_time": self.stream_time }))
    }

    fn restore(&mut self, saved: &Value) -> Result<(), OperatorError> {
        self.stream_time = saved["stream_time"].as_i64().unwrap_or(NO_TIME);
        Ok(())
    }
}
