//! SELECT over a materialised table, once: DataFusion over the table's committed state.

use std::sync::Arc;

use datafusion::dataframe::DataFrame;
use datafusion::execution::SendableRecordBatchStream;
use datafusion::execution::runtime_env::RuntimeEnv;
use datafusion::logical_expr::Expr;
use futures::StreamExt;
use streams::StoreQuery;
use tokio::sync::OwnedSemaphorePermit;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::pull_aggregate::Aggregation;
use super::rows::{QueryStream, ResultColumn, RowSender};
use super::{access, store_table};
use crate::analyze::grouping;
use crate::analyze::lower::{Lowerer, column};
use crate::analyze::projection::{self, Item};
use crate::analyze::scope::Scope;
use crate::catalog::Catalog;
use crate::catalog::source::{Column, Source};
use crate::error::SqlError;
use crate::parser::ast::{self, Emit, Query, SourceKind};
use crate::plan::logical::step_line;

type Result<T> = std::result::Result<T, SqlError>;

/// What a pull query needs of the engine.
pub(crate) struct PullContext<'a> {
    pub(crate) tracker: &'a TaskTracker,
    /// Ends the query when the engine stops.
    pub(crate) stop: CancellationToken,
    pub(crate) resources: &'a Arc<RuntimeEnv>,
    /// Given back when the query ends.
    pub(crate) permit: OwnedSemaphorePermit,
    pub(crate) id: String,
}

/// Answers a pull query: its rows come as they are read from the store, and as they are taken.
pub(crate) async fn pull(
    query: &Query,
    source: &Arc<Source>,
    catalog: &Catalog,
    store: &StoreQuery,
    context: PullContext<'_>,
) -> Result<QueryStream> {
    let Pulled { filter, scope } = condition(query, source, catalog)?;
    let selection = access::selection(filter.as_ref(), source);
    let frame = store_table::frame(store, selection, context.resources).map_err(refused)?;
    let frame = match filter {
        Some(filter) => frame.filter(filter).map_err(refused)?,
        None => frame,
    };
    let (frame, columns) = projected(frame, query, &Lowerer::new(&scope, catalog), source)?;
    let batches = frame.execute_stream().await.map_err(refused)?;
    let (stream, sender, closed) = QueryStream::new(context.id, columns.clone());
    let rows = RowSender::new(columns, None, sender);
    let last_words = rows.last_words();
    let (stop, permit) = (context.stop, context.permit);
    context.tracker.spawn(async move {
        tokio::select! {
            () = send(batches, rows) => {}
            () = closed.cancelled() => {}
            () = stop.cancelled() => last_words.stopped(&stop),
        }
        drop(permit);
    });
    Ok(stream)
}

/// Whether a query reads the state of a table, once.
pub(crate) fn is_pull(query: &Query, source: &Source) -> bool {
    query.emit == Emit::Unstated && source.kind == SourceKind::Table && query.joins.is_empty()
}

/// What a pull query would do.
pub(crate) struct PullPlan {
    pub(crate) columns: Vec<ResultColumn>,
    /// The steps in words, the last one first.
    pub(crate) steps: String,
}

/// Checks a pull query without running it.
pub(crate) fn explain_pull(
    query: &Query,
    source: &Arc<Source>,
    catalog: &Catalog,
) -> Result<PullPlan> {
    let Pulled { filter, scope } = condition(query, source, catalog)?;
    let found_by = access::words(&access::selection(filter.as_ref(), source), source);
    let empty = store_table::empty(source, filter.clone()).map_err(refused)?;
    let (_, columns) = projected(empty, query, &Lowerer::new(&scope, catalog), source)?;
    let result: Vec<(Column, bool)> =
        columns.iter().map(|c| (Column::new(&c.name, c.ty.clone()), c.is_key)).collect();
    let shown = || result.iter().map(|(column, is_key)| (column, *is_key));
    let of_table =
        || source.key.iter().map(|c| (c, true)).chain(source.value.iter().map(|c| (c, false)));
    let (mut depth, mut steps) = (0..10, String::new());
    let mut line = |name: &str, of_result: bool| {
        let depth = depth.next().unwrap_or_default();
        match of_result {
            true => step_line(depth, name, shown(), &mut steps),
            false => step_line(depth, name, of_table(), &mut steps),
        }
    };
    line("PROJECT", true);
    if let Some(limit) = query.limit {
        line(&format!("LIMIT {limit}"), true);
    }
    if !query.order_by.is_empty() {
        line("SORT", true);
    }
    if grouping::wanted(query) {
        line("AGGREGATE", true);
    }
    if let Some(filter) = filter {
        line(&format!("FILTER {filter}"), false);
    }
    line(&format!("SOURCE {}: {found_by}", source.name), false);
    Ok(PullPlan { columns, steps })
}

struct Pulled {
    filter: Option<Expr>,
    scope: Scope,
}

/// WHERE, and the columns that the query can name.
fn condition(query: &Query, source: &Arc<Source>, catalog: &Catalog) -> Result<Pulled> {
    check(query)?;
    let alias = query.from.alias.as_ref().unwrap_or(&query.from.name).name.clone();
    let mut scope = Scope::of_source(source, &alias);
    scope.columns.retain(|c| !matches!(c.name.as_str(), "ROWPARTITION" | "ROWOFFSET"));
    let condition = |f| Lowerer::new(&scope, catalog).condition("WHERE", f);
    let filter = query.filter.as_ref().map(condition).transpose()?;
    Ok(Pulled { filter, scope })
}

fn refused(error: impl std::fmt::Display) -> SqlError {
    SqlError::statement(format!("The query cannot be run: {error}"))
}

fn check(query: &Query) -> Result<()> {
    let wrong = |what: &str, span| {
        let message = format!(
            "Pull queries don't support {what} clauses. Add EMIT CHANGES to make it a push query."
        );
        Err(SqlError::statement(message).at(span))
    };
    if let Some(join) = query.joins.first() {
        return wrong("JOIN", join.span);
    }
    if let Some(window) = &query.window {
        return wrong("WINDOW", window.span);
    }
    if let Some(partition) = query.partition_by.first() {
        return wrong("PARTITION BY", partition.span);
    }
    Ok(())
}

/// ORDER BY, the projection and LIMIT.
fn projected(
    frame: DataFrame,
    query: &Query,
    lowerer: &Lowerer<'_>,
    source: &Source,
) -> Result<(DataFrame, Vec<ResultColumn>)> {
    let aggregation = Aggregation::of(query, *lowerer)?;
    let (mut frame, items, order) = match aggregation {
        Some(aggregation) => aggregation.apply(frame, query)?,
        None => {
            if let Some(having) = &query.having {
                let message = "HAVING requires a GROUP BY clause.";
                return Err(SqlError::statement(message).at(having.span));
            }
            let items = projection::items(query, lowerer)?;
            let items = projection::with_bounds(query, items, lowerer.scope);
            let order = query.order_by.iter().map(|by| ordered_by(&by.value, &items, lowerer));
            let order = order.collect::<Result<Vec<Expr>>>()?;
            (frame, items, order)
        }
    };
    let sorts: Vec<_> = order
        .into_iter()
        .zip(&query.order_by)
        .map(|(expr, by)| expr.sort(!by.descending, by.nulls_first.unwrap_or(by.descending)))
        .collect();
    if !sorts.is_empty() {
        frame = frame.sort(sorts).map_err(refused)?;
    }
    if let Some(limit) = query.limit {
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        frame = frame.limit(0, Some(limit)).map_err(refused)?;
    }
    let is_key = |expr: &Expr| source.key.iter().any(|key| *expr == column(&key.name));
    let columns = items
        .iter()
        .map(|item| ResultColumn {
            name: item.named.name.clone(),
            ty: item.named.ty.clone(),
            is_key: is_key(&item.named.expr),
        })
        .collect();
    let exprs: Vec<Expr> = items
        .into_iter()
        .enumerate()
        .map(|(i, item)| item.named.expr.alias(format!("COLUMN {i}")))
        .collect();
    Ok((frame.select(exprs).map_err(refused)?, columns))
}

/// What a row is sorted by: a column of the projection by its name, or any expression.
pub(super) fn ordered_by(expr: &ast::Expr, items: &[Item], lowerer: &Lowerer<'_>) -> Result<Expr> {
    if let ast::ExprKind::Column { source: None, name } = &expr.kind
        && let Some(item) = items.iter().find(|item| item.named.name == name.name)
    {
        return Ok(item.named.expr.clone());
    }
    lowerer.lower(expr).map(|typed| typed.expr)
}

/// Sends rows as they are read, as fast as they are taken.
async fn send(mut batches: SendableRecordBatchStream, mut rows: RowSender) {
    while let Some(batch) = batches.next().await {
        let shown = match batch {
            Ok(batch) => rows.show(batch.columns()).await,
            Err(error) => return rows.fail(format!("The query cannot go on: {error}")).await,
        };
        if !shown {
            return;
        }
    }
    rows.end("Query Completed").await;
}
