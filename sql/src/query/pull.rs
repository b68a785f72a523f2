//! SELECT over a materialised table, once: DataFusion over the table's committed state.

use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch};
use arrow::datatypes::{Schema, SchemaRef};
use datafusion::common::ScalarValue;
use datafusion::dataframe::DataFrame;
use datafusion::execution::context::SessionContext;
use datafusion::logical_expr::{BinaryExpr, Expr, Operator};
use streams::StoreQuery;

use super::pull_aggregate::Aggregation;
use super::rows::{QueryStream, ResultColumn, RowEvent, row};
use crate::analyze::lower::{Lowerer, column};
use crate::analyze::projection::{self, Item};
use crate::analyze::scope::Scope;
use crate::catalog::Catalog;
use crate::catalog::source::Source;
use crate::error::SqlError;
use crate::parser::ast::{self, Query};

type Result<T> = std::result::Result<T, SqlError>;

/// Answers a pull query.
pub(crate) async fn pull(
    query: &Query,
    source: &Arc<Source>,
    catalog: &Catalog,
    store: &StoreQuery,
    id: String,
) -> Result<QueryStream> {
    check(query)?;
    let alias = query.from.alias.as_ref().unwrap_or(&query.from.name).name.clone();
    let mut scope = Scope::of_source(source, &alias);
    scope.columns.retain(|c| !matches!(c.name.as_str(), "ROWPARTITION" | "ROWOFFSET"));
    let condition = |f| Lowerer::new(&scope, catalog).condition("WHERE", f);
    let filter = query.filter.as_ref().map(condition).transpose()?;
    let batches = match filter.as_ref().and_then(|f| key_of(f, source)) {
        Some(key) => vec![store.get(key).await.map_err(SqlError::server)?],
        None => store.all().await.map_err(SqlError::server)?,
    };
    let frame = table(store.schema(), batches)?;
    let frame = match filter {
        Some(filter) => frame.filter(filter).map_err(refused)?,
        None => frame,
    };
    let (frame, columns) = projected(frame, query, &Lowerer::new(&scope, catalog), source)?;
    let batches = frame.collect().await.map_err(refused)?;
    Ok(answer(id, columns, &batches))
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

/// One row of key columns, if the condition names one value for each of them.
fn key_of(filter: &Expr, source: &Source) -> Option<Vec<ArrayRef>> {
    let mut equal: Vec<(String, ScalarValue)> = Vec::new();
    equalities(filter, &mut equal);
    source
        .key
        .iter()
        .map(|key| {
            let found = equal.iter().find(|(name, _)| *name == key.name);
            let (_, value) = found.filter(|(_, value)| !value.is_null())?;
            let array = value.to_array_of_size(1).ok()?;
            (array.data_type() == &key.ty.arrow()).then_some(array)
        })
        .collect()
}

/// `column = literal` among the conditions that must all hold.
fn equalities(condition: &Expr, found: &mut Vec<(String, ScalarValue)>) {
    match condition {
        Expr::IsTrue(inner) => equalities(inner, found),
        Expr::BinaryExpr(BinaryExpr { left, op: Operator::And, right }) => {
            equalities(left, found);
            equalities(right, found);
        }
        Expr::BinaryExpr(BinaryExpr { left, op: Operator::Eq, right }) => {
            match (left.as_ref(), right.as_ref()) {
                (Expr::Column(column), Expr::Literal(value, _))
                | (Expr::Literal(value, _), Expr::Column(column)) => {
                    found.push((column.name.clone(), value.clone()));
                }
                _ => {}
            }
        }
        _ => {}
    }
}

/// The rows as a table of DataFusion; every column may be null, as the expressions expect.
fn table(schema: SchemaRef, batches: Vec<RecordBatch>) -> Result<DataFrame> {
    let fields: Vec<_> =
        schema.fields().iter().map(|f| f.as_ref().clone().with_nullable(true)).collect();
    let schema = Arc::new(Schema::new(fields));
    let mut nullable = vec![RecordBatch::new_empty(Arc::clone(&schema))];
    for batch in batches {
        let columns = batch.columns().to_vec();
        nullable
            .push(RecordBatch::try_new(Arc::clone(&schema), columns).map_err(SqlError::server)?);
    }
    SessionContext::new().read_batches(nullable).map_err(refused)
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

/// All rows are there: they are sent as fast as they are read.
fn answer(id: String, columns: Vec<ResultColumn>, batches: &[RecordBatch]) -> QueryStream {
    let positions: Vec<usize> = (0..columns.len()).collect();
    let rows: Vec<RowEvent> = batches
        .iter()
        .flat_map(|batch| (0..batch.num_rows()).map(move |at| (batch, at)))
        .map(|(batch, at)| RowEvent::Row(row(batch, at, &columns, &positions)))
        .collect();
    let (stream, sender, closed) = QueryStream::new(id, columns);
    tokio::spawn(async move {
        let send = async {
            for event in rows {
                if sender.send(event).await.is_err() {
                    return;
                }
            }
            let _gone = sender.send(RowEvent::Final("Query Completed".to_owned())).await;
        };
        tokio::select! {
            () = send => {}
            () = closed.cancelled() => {}
        }
    });
    stream
}
