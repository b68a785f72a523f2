//! SELECT: clauses in their order, from the sources to the projection.

use std::sync::Arc;

use datafusion::logical_expr::Expr;

use super::grouping::{self, Grouped};
use super::join;
use super::lower::{Lowerer, Typed};
use super::projection::{self, Item, KeyNeed, Projected};
use super::scope::Scope;
use crate::catalog::Catalog;
use crate::catalog::source::{KeyWindow, Source};
use crate::error::SqlError;
use crate::parser::ast::{Emit, ExprKind, Literal, Query, SourceKind};
use crate::plan::logical::{NamedExpr, Node, QueryPlan, Rows, Step};

type Result<T> = std::result::Result<T, SqlError>;

/// What the result of a query is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose<'a> {
    /// Written to a topic under the name of a sink: the keys must be in the projection.
    Persistent { sink: &'a str },
    /// Shown to somebody: any columns.
    Push,
}

/// The rows before the projection.
pub(crate) struct Input {
    pub(crate) node: Node,
    pub(crate) scope: Scope,
    /// Which columns the key consists of, each under all names that it has.
    pub(crate) keys: Vec<KeyNeed>,
    /// How a missing key is called in a message.
    pub(crate) key_word: &'static str,
    pub(crate) window: Option<KeyWindow>,
    pub(crate) sources: Vec<Arc<Source>>,
}

pub(crate) fn plan(query: &Query, catalog: &Catalog, purpose: Purpose<'_>) -> Result<QueryPlan> {
    check_clauses(query, purpose)?;
    let mut input = join::from_clause(query, catalog)?;
    if let Some(filter) = &query.filter {
        let condition = Lowerer::new(&input.scope, catalog).condition("WHERE", filter)?;
        input.node = filtered(input.node, condition);
    }
    if !query.partition_by.is_empty() {
        input = partitioned(query, catalog, input)?;
    }
    let grouped = grouping::wanted(query);
    if grouped {
        let sources = input.sources.clone();
        let Grouped { node, scope, keys, window, windows, items } =
            grouping::group(query, catalog, input)?;
        let output = Input { node, scope, keys, key_word: "grouping expression", window, sources };
        return project(query, output, items, purpose, windows);
    }
    if let Some(window) = &query.window {
        let message = "WINDOW clause requires a GROUP BY clause.";
        return Err(SqlError::statement(message).at(window.span));
    }
    if let Some(having) = &query.having {
        let message = "HAVING requires a GROUP BY clause.";
        return Err(SqlError::statement(message).at(having.span));
    }
    let mut items = projection::items(query, &Lowerer::new(&input.scope, catalog))?;
    if purpose == Purpose::Push {
        items = projection::with_bounds(query, items, &input.scope);
    }
    project(query, input, items, purpose, None)
}

fn check_clauses(query: &Query, purpose: Purpose<'_>) -> Result<()> {
    if let Some(order) = query.order_by.first() {
        let message = "ORDER BY is only supported in pull queries (without EMIT CHANGES)";
        return Err(SqlError::unsupported(message).at(order.value.span));
    }
    if !query.partition_by.is_empty() && !query.group_by.is_empty() {
        let message = "Only one of PARTITION BY and GROUP BY may stand in a query";
        return Err(SqlError::statement(message).at(query.partition_by[0].span));
    }
    if query.emit == Emit::Final && query.window.is_none() {
        let message = "EMIT FINAL is only supported for windowed aggregations.";
        return Err(SqlError::statement(message).at(query.span));
    }
    if query.emit == Emit::Final && purpose == Purpose::Push {
        let message = "EMIT FINAL is not supported in a push query; use CREATE TABLE .. AS";
        return Err(SqlError::unsupported(message).at(query.span));
    }
    if matches!(purpose, Purpose::Persistent { .. }) && query.limit.is_some() {
        let message = "LIMIT is not supported in CREATE .. AS and INSERT INTO";
        return Err(SqlError::unsupported(message).at(query.span));
    }
    Ok(())
}

pub(crate) fn filtered(input: Node, condition: Expr) -> Node {
    let rows = input.rows.clone();
    Node { step: Step::Filter { input: input.boxed(), condition }, rows }
}

/// PARTITION BY: the expressions are the key of what follows.
fn partitioned(query: &Query, catalog: &Catalog, input: Input) -> Result<Input> {
    let first = &query.partition_by[0];
    if input.node.rows.kind == SourceKind::Table {
        let message = "PARTITION BY is not supported on a table: its key is its primary key";
        return Err(SqlError::statement(message).at(first.span));
    }
    if input.window.is_some() {
        let message = "PARTITION BY is not supported on a windowed stream";
        return Err(SqlError::unsupported(message).at(first.span));
    }
    let lowerer = Lowerer::new(&input.scope, catalog);
    let mut keys = Vec::new();
    for expr in &query.partition_by {
        if expr.kind == ExprKind::Literal(Literal::Null) {
            if query.partition_by.len() > 1 {
                let message = "Cannot PARTITION BY multiple columns including NULL";
                return Err(SqlError::statement(message).at(expr.span));
            }
            continue;
        }
        let Typed { expr: lowered, ty } = lowerer.lower(expr)?;
        let Some(ty) = ty else { continue };
        keys.push(KeyNeed::new(expr, lowered, ty));
    }
    Ok(Input { keys, key_word: "partitioning expression", ..input })
}

fn project(
    query: &Query,
    input: Input,
    items: Vec<Item>,
    purpose: Purpose<'_>,
    windows: Option<streams::TimeWindows>,
) -> Result<QueryPlan> {
    let Input { node, keys, key_word, window, sources, .. } = input;
    let (Projected { key, value }, window) = match purpose {
        Purpose::Persistent { sink } => {
            projection::check_names(&items)?;
            (projection::split(items, &keys, key_word, sink)?, window)
        }
        Purpose::Push => (projection::flat(items), window),
    };
    let root = projected(node, key, value, purpose);
    let root = match (query.emit, windows) {
        (Emit::Final, Some(windows)) => {
            let rows = root.rows.clone();
            Node { step: Step::Final { input: root.boxed(), windows }, rows }
        }
        _ => root,
    };
    Ok(QueryPlan { root, window, windows, sources, limit: query.limit })
}

fn projected(
    input: Node,
    key: Vec<NamedExpr>,
    value: Vec<NamedExpr>,
    purpose: Purpose<'_>,
) -> Node {
    let rows = Rows {
        kind: input.rows.kind,
        key: key.iter().map(NamedExpr::column).collect(),
        windowed: input.rows.windowed && purpose != Purpose::Push,
        value: value.iter().map(NamedExpr::column).collect(),
    };
    Node { step: Step::Project { input: input.boxed(), key, value }, rows }
}
