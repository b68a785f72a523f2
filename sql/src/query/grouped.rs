//! SELECT .. GROUP BY over a stream, without EMIT: what the stream holds now is aggregated, and
//! then each group is shown once.

use std::time::Duration;

use arrow::datatypes::DataType;
use datafusion::logical_expr::Expr;
use streams::{AppHandle, Selection};

use super::push::{PushContext, given_up};
use super::rows::{QueryStream, ResultColumn, RowSender};
use crate::error::SqlError;
use crate::ops::Evaluator;
use crate::plan::logical::{QueryPlan, Step};
use crate::plan::physical::{RESULT_STORE, grouped_table};

/// Starts the query. Its rows come once all that the sources hold now has been aggregated.
pub(crate) async fn grouped(
    plan: QueryPlan,
    context: PushContext<'_>,
) -> Result<QueryStream, SqlError> {
    let columns: Vec<ResultColumn> =
        plan.root.rows.value.iter().map(|c| ResultColumn::of(c, false)).collect();
    let Step::Project { value, .. } = &plan.root.step else {
        return Err(SqlError::server("a query without a projection"));
    };
    let shown: Vec<(Expr, DataType)> =
        value.iter().map(|named| (named.expr.clone(), named.ty.arrow())).collect();
    let limit = plan.limit;
    let (start, schemas) = (context.start, context.schemas);
    let build = tokio::task::spawn_blocking(move || grouped_table(&plan, start, &schemas));
    let topology = build.await.map_err(SqlError::server)??;
    let mut config = context.runtime.config(&context.id);
    config.transient = true;
    let handle = context.runtime.start(config, topology).await?;
    let (stream, sender, closed) = QueryStream::new(context.id, columns.clone());
    let rows = RowSender::new(columns, limit, sender);
    let last_words = rows.last_words();
    let PushContext { stop, engine_stop, .. } = context;
    let patience = context.runtime.reader_patience;
    context.tracker.spawn(async move {
        tokio::select! {
            () = show(&handle, patience, shown, rows) => {}
            () = closed.cancelled() => {}
            () = stop.cancelled() => last_words.stopped(&engine_stop),
        }
        if let Err(error) = handle.close().await {
            tracing::debug!(%error, "a query over groups ended");
        }
    });
    Ok(stream)
}

/// Waits for the groups, and shows them.
async fn show(
    handle: &AppHandle,
    patience: Duration,
    shown: Vec<(Expr, DataType)>,
    mut rows: RowSender,
) {
    if let Err(reason) = caught_up(handle, patience).await {
        return rows.fail(reason).await;
    }
    match groups(handle, shown, &mut rows).await {
        Ok(true) => rows.end("Query Completed").await,
        Ok(false) => {}
        Err(error) => rows.fail(error.message).await,
    }
}

async fn caught_up(handle: &AppHandle, patience: Duration) -> Result<(), String> {
    tokio::select! {
        reached = handle.wait_caught_up() => reached.map_err(|error| error.to_string()),
        reason = given_up(handle.watch_state(), patience) => Err(reason),
    }
}

/// False when the reader has all that it wanted, or is gone.
async fn groups(
    handle: &AppHandle,
    shown: Vec<(Expr, DataType)>,
    rows: &mut RowSender,
) -> Result<bool, SqlError> {
    let store = handle.query(RESULT_STORE).map_err(SqlError::server)?;
    let evaluator = Evaluator::new(shown.iter().map(|(e, ty)| (e, ty.clone())), &store.schema())?;
    let mut batches = store.select(Selection::default());
    while let Some(batch) = batches.recv().await {
        let batch = batch.map_err(SqlError::server)?;
        let evaluated = evaluator.evaluate(&batch).map_err(SqlError::server)?;
        if !rows.show(&evaluated.columns).await {
            return Ok(false);
        }
    }
    Ok(true)
}
