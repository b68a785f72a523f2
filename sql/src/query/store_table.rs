//! A table's store as a table of DataFusion: rows are read as the query takes them.

use std::fmt;
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::catalog::streaming::StreamingTable;
use datafusion::dataframe::DataFrame;
use datafusion::error::{DataFusionError, Result};
use datafusion::execution::SendableRecordBatchStream;
use datafusion::execution::context::{SessionConfig, SessionContext, TaskContext};
use datafusion::execution::runtime_env::{RuntimeEnv, RuntimeEnvBuilder};
use datafusion::execution::session_state::SessionStateBuilder;
use datafusion::logical_expr::Expr;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::streaming::PartitionStream;
use futures::{StreamExt, stream};
use streams::{ROWTIME, Selection, StoreQuery};

use crate::catalog::source::Source;
use crate::plan::logical::Rows;

/// Rows that an expression is evaluated over at once: what it makes of them is in memory together,
/// and a text may be a megabyte.
const BATCH_ROWS: usize = 64;

/// What the sorts and groupings of all pull queries may hold in memory; what goes beyond is put
/// on disk, or ends the query.
const MEMORY_BYTES: usize = 256 << 20;

/// What they may put on disk.
const DISK_BYTES: u64 = 4 << 30;

/// The memory and disk that all pull queries of an engine share.
pub(crate) fn resources() -> Result<Arc<RuntimeEnv>> {
    RuntimeEnvBuilder::new()
        .with_memory_limit(MEMORY_BYTES, 1.0)
        .with_max_temp_directory_size(DISK_BYTES)
        .build_arc()
}

/// The selected rows of a store; every column may be null, as the expressions expect.
pub(super) fn frame(
    store: &StoreQuery,
    selection: Selection,
    resources: &Arc<RuntimeEnv>,
) -> Result<DataFrame> {
    let schema = store.schema();
    let fields: Vec<_> =
        schema.fields().iter().map(|f| f.as_ref().clone().with_nullable(true)).collect();
    let schema = Arc::new(Schema::new(fields));
    let rows = StoreRows { schema: Arc::clone(&schema), store: store.clone(), selection };
    let table = StreamingTable::try_new(schema, vec![Arc::new(rows)])?;
    // One partition: rows come in the order of their keys, and no task stands between.
    let config = SessionConfig::new().with_target_partitions(1).with_batch_size(BATCH_ROWS);
    let state = SessionStateBuilder::new().with_config(config);
    let context = session(state.with_runtime_env(Arc::clone(resources)));
    context.read_table(Arc::new(table))
}

/// A table without rows and with a condition, to check a query by.
pub(super) fn empty(source: &Source, filter: Option<Expr>) -> Result<DataFrame> {
    let rows = Rows {
        kind: source.kind,
        key: source.key.clone(),
        windowed: source.window.is_some(),
        value: source.value.clone(),
    };
    let mut fields: Vec<Arc<Field>> = rows.schema().fields().iter().cloned().collect();
    fields.push(Arc::new(Field::new(ROWTIME, DataType::Int64, true)));
    let none = RecordBatch::new_empty(Arc::new(Schema::new(fields)));
    let frame = session(SessionStateBuilder::new()).read_batch(none)?;
    match filter {
        Some(filter) => frame.filter(filter),
        None => Ok(frame),
    }
}

/// A session that knows no names: our plans hold what they call. With DataFusion's own functions
/// and file formats, all of them would be in the binary, and be registered at each query.
fn session(state: SessionStateBuilder) -> SessionContext {
    SessionContext::new_with_state(state.build())
}

struct StoreRows {
    schema: SchemaRef,
    store: StoreQuery,
    selection: Selection,
}

impl fmt::Debug for StoreRows {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StoreRows").field("selection", &self.selection).finish_non_exhaustive()
    }
}

impl PartitionStream for StoreRows {
    fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    fn execute(&self, _: Arc<TaskContext>) -> SendableRecordBatchStream {
        let schema = Arc::clone(&self.schema);
        let batches = stream::unfold(self.store.select(self.selection.clone()), |mut from| async {
            let batch = from.recv().await?;
            Some((batch, from))
        });
        let parts = batches.flat_map(move |batch| {
            let batch = batch.map_err(|e| DataFusionError::External(Box::new(e)));
            let nullable = batch.and_then(|batch| {
                Ok(RecordBatch::try_new(Arc::clone(&schema), batch.columns().to_vec())?)
            });
            stream::iter(match nullable {
                Ok(batch) => in_parts(&batch).map(Ok).collect(),
                Err(error) => vec![Err(error)],
            })
        });
        Box::pin(RecordBatchStreamAdapter::new(Arc::clone(&self.schema), parts))
    }
}

fn in_parts(batch: &RecordBatch) -> impl Iterator<Item = RecordBatch> + '_ {
    let rows = batch.num_rows();
    (0..rows).step_by(BATCH_ROWS).map(move |at| batch.slice(at, BATCH_ROWS.min(rows - at)))
}
