//! A tiny format for tests: text key `k`, text value `v` with an integer, joined by commas.

use std::sync::Arc;

use arrow::array::*;

use arrow::datatypes::*;
use bytes::Bytes;

use crate::ops::{Aggregate, AggregateSpec, Aggregator, Materialize, TableLayout};
use crate::*;

/// Key column `k`, value columns `g` (text) and `n` (integer); a value reads `g,n`.
pub(crate) fn schema() -> SchemaRef {
    Arc::new(Schema::new(vec![
        Field::new("k", DataType::Utf8, true),
        Field::new("g", DataType::Utf8, true),
        Field::new("n", DataType::Int64, true),
    ]))
}

pub(crate) struct Lines {
    pub(crate) table: bool,
}

impl RecordDecoder for Lines {
    fn schema(&self) -> SchemaRef {
        schema()
    }

    fn decode(
        &self,
        partition: i32,
        records: &[InputRecord],
        bad: &mut Vec<BadRecord>,
    ) -> Result<Chunk, CodecError> {
        let (mut k, mut g, mut n) =
            (StringBuilder::new(), StringBuilder::new(), Int64Builder::new());
        let (mut deleted, mut timestamps, mut offsets) = (Vec::new(), Vec::new(), Vec::new());
        for record in records {
            let text = |bytes: &Option<Bytes>| {
                bytes.as_ref().map(|bytes| String::from_utf8(bytes.to_vec()).unwrap())
            };
            let (key, value) = (text(&record.key), text(&record.value));
            if if self.table { key.is_none() } else { value.is_none() } {
                continue;
            }
            let parsed = value.as_ref().map(|value| {
                let (group, number) = value.split_once(',')?;
                Some((group.to_owned(), number.parse::<i64>().ok()?))
            });
            if parsed == Some(None) {
                let message = format!("not a line: {}", value.unwrap());
                bad.push(BadRecord { offset: record.offset, message });
                continue;
            }
            let parsed = parsed.flatten();
            k.append_option(key);
            g.append_option(parsed.as_ref().map(|(group, _)| group).filter(|g| !g.is_empty()));
            n.append_option(parsed.as_ref().map(|(_, number)| *number));
            deleted.push(parsed.is_none());
            timestamps.push(record.timestamp);
            offsets.push(record.offset);
        }
        let columns: Vec<ArrayRef> =
            vec![Arc::new(k.finish()), Arc::new(g.finish()), Arc::new(n.finish())];
        let rows = RecordBatch::try_new(schema(), columns).unwrap();
        let origin = Origin::new(partition, offsets);
        let changes = if self.table {
            Changes::Table { deleted: deleted.into(), old: None }
        } else {
            Changes::Appends
        };
        Ok(Chunk::new(rows, timestamps, origin, changes).unwrap())
    }
}

/// Writes the first `keys` columns as the key and the rest as the value, joined by commas.
pub(crate) struct Joined {
    pub(crate) keys: usize,
}

impl RecordEncoder for Joined {
    fn encode(&self, chunk: &Chunk) -> Result<Vec<OutputRecord>, CodecError> {
        let record = |row: usize| OutputRecord {
            key: Some(line(&chunk.rows().columns()[..self.keys], row)),
            value: (!chunk.is_deleted(row))
                .then(|| line(&chunk.rows().columns()[self.keys..], row)),
            timestamp: chunk.timestamps()[row],
            ..OutputRecord::default()
        };
        Ok((0..chunk.len()).map(record).collect())
    }
}

fn line(columns: &[ArrayRef], row: usize) -> Bytes {
    let cell = |column: &ArrayRef| {
        if column.is_null(row) {
            return "null".to_owned();
        }
        match column.data_type() {
            DataType::Utf8 => column.as_string::<i32>().value(row).to_owned(),
            _ => column.as_primitive::<Int64Type>().value(row).to_string(),
        }
    };
    Bytes::from(columns.iter().map(cell).collect::<Vec<_>>().join(","))
}

pub(crate) fn source(topic: &str, table: bool) -> SourceSpec {
    SourceSpec {
        topic: topic.to_owned(),
        decoder: Arc::new(Lines { table }),
        role: if table { SourceRole::TableReadFirst } else { SourceRole::Stream },
        start: StartFrom::Earliest,
    }
}

pub(crate) fn sink(topic: &str, keys: usize) -> SinkSpec {
    SinkSpec { topic: topic.to_owned(), encoder: Arc::new(Joined { keys }) }
}

/// COUNT(*) and SUM(n), n being the last column; state is two integers.
#[derive(Default)]
pub(crate) struct CountSum {
    argument: Option<Int64Array>,
    counts: Vec<i64>,
    sums: Vec<i64>,
}

impl Aggregator for CountSum {
    type State = (i64, i64);

    fn begin(
        &mut self,
        rows: &RecordBatch,
        _failed: &mut Vec<(usize, String)>,
    ) -> Result<(), OperatorError> {
        let last = rows.column(rows.num_columns() - 1);
        self.argument = Some(last.as_primitive::<Int64Type>().clone());
        Ok(())
    }

    fn init(&self) -> Result<Self::State, OperatorError> {
        Ok((0, 0))
    }

    fn add(&mut self, state: &mut Self::State, row: usize) -> Result<(), OperatorError> {
        *state = (state.0 + 1, state.1 + self.argument.as_ref().unwrap().value(row));
        Ok(())
    }

    fn remove(&mut self, state: &mut Self::State, row: usize) -> Result<(), OperatorError> {
        *state = (state.0 - 1, state.1 - self.argument.as_ref().unwrap().value(row));
        Ok(())
    }

    fn emit(&mut self, state: &Self::State) -> Result<(), OperatorError> {
        self.counts.push(state.0);
        self.sums.push(state.1);
        Ok(())
    }

    fn finish(&mut self) -> Result<Vec<ArrayRef>, OperatorError> {
        let column = |values: &mut Vec<i64>| Arc::new(Int64Array::from(std::mem::take(values)));
        Ok(vec![column(&mut self.counts), column(&mut self.sums)])
    }

    fn write(&self, state: &Self::State, out: &mut Vec<u8>) -> Result<(), OperatorError> {
        out.extend_from_slice(&state.0.to_be_bytes());
        out.extend_from_slice(&state.1.to_be_bytes());
        Ok(())
    }

    fn read(&self, bytes: &[u8]) -> Result<Self::State, OperatorError> {
        let number = |at: usize| i64::from_be_bytes(bytes[at..at + 8].try_into().unwrap());
        Ok((number(0), number(8)))
    }
}

/// Group `g`, argument `n`: what is aggregated in these tests.
pub(crate) fn grouped_schema() -> SchemaRef {
    Arc::new(Schema::new(schema().fields()[1..].to_vec()))
}

/// Chunks of [`schema`] to chunks of [`grouped_schema`].
pub(crate) fn group_by_g() -> OperatorFactory {
    Arc::new(|_| {
        let project = |rows: &RecordBatch| {
            let columns = rows.columns()[1..].to_vec();
            Ok::<_, OperatorError>(RecordBatch::try_new(grouped_schema(), columns)?)
        };
        Ok(Box::new(ops::Stateless(move |chunk: Chunk, _: &mut OperatorContext<'_>| {
            chunk.project(project)
        })))
    })
}

pub(crate) fn result_schema(windowed: bool) -> SchemaRef {
    let window = ["WINDOWSTART", "WINDOWEND"];
    let names = ["g"].into_iter().chain(window.into_iter().filter(|_| windowed));
    let field = |name: &str| {
        let data_type = if name == "g" { DataType::Utf8 } else { DataType::Int64 };
        Field::new(name, data_type, true)
    };
    Arc::new(Schema::new(names.chain(["count", "sum"]).map(field).collect::<Vec<_>>()))
}

pub(crate) fn count_sum(windows: Option<TimeWindows>, old_rows: bool) -> OperatorFactory {
    Arc::new(move |_| {
        let spec = AggregateSpec {
            store: "groups".to_owned(),
            group_columns: 1,
            schema: result_schema(windows.is_some()),
            windows,
            old_rows,
        };
        let aggregate = Aggregate::new(CountSum::default(), grouped_schema().fields(), spec)?;
        Ok(Box::new(aggregate))
    })
}

pub(crate) fn materialize(store: &'static str, layout: &Arc<TableLayout>) -> OperatorFactory {
    let layout = Arc::clone(layout);
    Arc::new(move |_| Ok(Box::new(Materialize::new(store, Arc::clone(&layout)))))
}

/// source IN -> group by g -> COUNT, SUM -> materialised table RESULT -> sink OUT.
pub(crate) fn counting(windows: Option<TimeWindows>) -> Topology {
    let keys = if windows.is_some() { 3 } else { 1 };
    let schema = result_schema(windows.is_some());
    let layout = match windows {
        Some(windows) => TableLayout::windowed(schema, keys, windows),
        None => TableLayout::new(schema, keys),
    };
    let layout = Arc::new(layout.unwrap());
    let mut topology = TopologyBuilder::new();
    let input = topology.source("in", source("IN", false));
    let grouped = topology.operator("group", &[input], &[], group_by_g());
    let spec =
        RepartitionSpec { schema: grouped_schema(), key_columns: 1, keys: None, partitions: None };
    let grouped = topology.repartition("by-g", grouped, spec).unwrap();
    topology.store(StoreSpec::new("groups"));
    let counted = topology.operator("count", &[grouped], &["groups"], count_sum(windows, false));
    topology.expands(counted, windows.map_or(1, |windows| windows.windows_per_row() as usize));
    topology.store(StoreSpec::new("RESULT").with_reader(layout.clone()));
    let kept = topology.operator("keep", &[counted], &["RESULT"], materialize("RESULT", &layout));
    topology.sink("out", kept, sink("OUT", keys));
    topology.build().unwrap()
}

pub(crate) fn record(key: &str, value: Option<&str>, timestamp: i64) -> InputRecord {
    InputRecord {
        key: Some(key.to_owned().into()),
        value: value.map(|value| value.to_owned().into()),
        timestamp,
        ..InputRecord::default()
    }
}

/// Records as `key:value@timestamp`.
pub(crate) fn lines(records: Vec<OutputRecord>) -> Vec<String> {
    let text = |bytes: Option<Bytes>| {
        bytes.map_or_else(|| "null".to_owned(), |bytes| String::from_utf8(bytes.to_vec()).unwrap())
    };
    let line = |record: OutputRecord| {
        format!("{}:{}@{}", text(record.key), text(record.value), record.timestamp)
    };
    records.into_iter().map(line).collect()
}

/// Rows as text, cells joined by commas.
pub(crate) fn rows_of(batches: &[RecordBatch]) -> Vec<String> {
    let row = |batch: &RecordBatch, row| String::from_utf8(line(batch.columns(), row).to_vec());
    let rows = |batch: &RecordBatch| {
        (0..batch.num_rows()).map(|index| row(batch, index).unwrap()).collect::<Vec<_>>()
    };
    batches.iter().flat_map(rows).collect()
}
