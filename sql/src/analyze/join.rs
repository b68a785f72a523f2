//! FROM and JOIN: sources, and streams that look rows up in tables.

use std::sync::Arc;

use datafusion::logical_expr::Expr;

use super::coerce::coerce;
use super::lower::{Lowerer, Typed, column};
use super::projection::{self, KeyNeed};
use super::render::shown;
use super::scope::{Role, Scope};
use super::select::Input;
use crate::catalog::Catalog;
use crate::catalog::source::{Column, Source};
use crate::error::SqlError;
use crate::parser::ast::{
    self, Comparison, ExprKind, Join, JoinKind, Query, SourceKind, SourceName,
};
use crate::plan::logical::{NamedExpr, Node, Rows, Step};
use crate::types::SqlType;

type Result<T> = std::result::Result<T, SqlError>;

pub(crate) fn from_clause(query: &Query, catalog: &Catalog) -> Result<Input> {
    let source = find(&query.from, catalog)?;
    let alias = alias(&query.from);
    let scope = Scope::of_source(&source, &alias);
    if query.joins.is_empty() {
        return Ok(Input {
            node: scan(&source),
            keys: projection::key_needs(&scope),
            key_word: "key column",
            window: source.window.clone(),
            sources: vec![source],
            scope,
        });
    }
    let mut left = prefixed(&source, &alias);
    for join in &query.joins {
        left = joined(left, join, catalog)?;
    }
    Ok(left)
}

fn find(name: &SourceName, catalog: &Catalog) -> Result<Arc<Source>> {
    catalog.source(&name.name.name).cloned().map_err(|e| e.at(name.name.span))
}

fn alias(name: &SourceName) -> String {
    name.alias.as_ref().unwrap_or(&name.name).name.clone()
}

/// The records of a source under its own column names.
pub(crate) fn scan(source: &Arc<Source>) -> Node {
    let rows = Rows {
        kind: source.kind,
        key: source.key.clone(),
        windowed: source.window.is_some(),
        value: source.value.clone(),
    };
    Node { step: Step::Source { source: Arc::clone(source) }, rows }
}

/// The records of a source that is joined: its columns, ROWTIME among them, with its alias.
fn prefixed(source: &Arc<Source>, alias: &str) -> Input {
    let mut scope = Scope::of_source(source, alias);
    scope.columns.retain(|c| c.role != Role::Pseudo || c.name == "ROWTIME");
    let plain = scope.clone();
    let scope = scope.prefixed();
    let named = |role: &[Role]| -> Vec<NamedExpr> {
        let pairs = plain.columns.iter().zip(&scope.columns);
        pairs
            .filter(|(before, _)| role.contains(&before.role))
            .map(|(before, after)| NamedExpr {
                name: after.physical.clone(),
                ty: after.ty.clone(),
                expr: column(&before.physical),
            })
            .collect()
    };
    let node = project(scan(source), named(&[Role::Key]), named(&[Role::Value, Role::Pseudo]));
    Input {
        node,
        keys: projection::key_needs(&scope),
        scope,
        key_word: "join expression",
        window: source.window.clone(),
        sources: vec![Arc::clone(source)],
    }
}

fn project(input: Node, key: Vec<NamedExpr>, value: Vec<NamedExpr>) -> Node {
    let rows = Rows {
        kind: input.rows.kind,
        key: key.iter().map(NamedExpr::column).collect(),
        windowed: input.rows.windowed,
        value: value.iter().map(NamedExpr::column).collect(),
    };
    Node { step: Step::Project { input: input.boxed(), key, value }, rows }
}

fn joined(left: Input, join: &Join, catalog: &Catalog) -> Result<Input> {
    let source = find(&join.right, catalog)?;
    let right_alias = alias(&join.right);
    check(&left, &source, &right_alias, join)?;
    let right = prefixed(&source, &right_alias);
    let (left_key, key_shown) = sides(&left, &right, join, catalog)?;
    let [right_key] = right.keys.as_slice() else {
        let message =
            format!("the join needs a table with one key column; {} has more", source.name);
        return Err(SqlError::unsupported(message).at(join.span));
    };
    let Some(left_type) = left_key.ty.clone() else {
        return Err(SqlError::statement("a join expression is null").at(join.on.span));
    };
    if left_type != right_key.ty {
        let message = format!(
            "Invalid join condition: types don't match. Got {key_shown}{{{left_type}}} = \
             {}{{{}}}.",
            right_key.shown, right_key.ty
        );
        return Err(SqlError::statement(message).at(join.on.span));
    }
    let same_bytes = left.sources.last().is_some_and(|s| s.key_format == source.key_format);
    let already_keyed = same_bytes
        && left.keys.len() == 1
        && left.node.rows.key.len() == 1
        && left.node.rows.key[0].name == physical(&left_key.expr).unwrap_or_default();
    let column_key = physical(&left_key.expr).is_some();
    let node =
        if already_keyed { left.node } else { rekeyed(left.node, &left_key, &left_type, &source)? };
    let known = left.keys.iter().find(|need| need.expressions.contains(&left_key.expr));
    let mut viable = match known {
        Some(need) => need.expressions.clone(),
        None if column_key => vec![left_key.expr],
        None => Vec::new(),
    };
    viable.push(right_key.expressions[0].clone());
    let shown = if column_key { key_shown } else { right_key.shown.clone() };
    let held_by = node.rows.key.first().map(|key| column(&key.name));
    let need =
        KeyNeed { expressions: viable, shown, ty: left_type, computed: false, name: None, held_by };
    let keep_unmatched = join.kind == JoinKind::Left;
    let rows = joined_rows(&node.rows, &right.node.rows);
    let step = Step::Join { left: node.boxed(), right: right.node.boxed(), keep_unmatched };
    let mut sources = left.sources;
    sources.extend(right.sources);
    Ok(Input {
        node: Node { step, rows },
        scope: left.scope.join(right.scope),
        keys: vec![need],
        key_word: "join expression",
        window: None,
        sources,
    })
}

fn physical(expr: &Expr) -> Option<String> {
    match expr {
        Expr::Column(column) => Some(column.name.clone()),
        _ => None,
    }
}

/// The left rows keyed by the join expression; the columns stay.
fn rekeyed(input: Node, key: &Typed, ty: &SqlType, like: &Arc<Source>) -> Result<Node> {
    let name = "JOIN KEY".to_owned();
    let expr = coerce(key.clone(), ty)?;
    let keep =
        |c: &Column| NamedExpr { name: c.name.clone(), ty: c.ty.clone(), expr: column(&c.name) };
    let old_key = input.rows.key.iter().filter(|c| c.name != name);
    let value = old_key.chain(&input.rows.value).map(keep).collect();
    let node = project(input, vec![NamedExpr { name, ty: ty.clone(), expr }], value);
    let rows = node.rows.clone();
    let step = Step::Repartition { input: node.boxed(), like: Some(Arc::clone(like)) };
    Ok(Node { step, rows })
}

/// The stream's columns, then all of the table's as values.
fn joined_rows(left: &Rows, right: &Rows) -> Rows {
    let value = left.value.iter().chain(&right.key).chain(&right.value).cloned().collect();
    Rows { kind: SourceKind::Stream, key: left.key.clone(), windowed: false, value }
}

fn check(left: &Input, right: &Source, right_alias: &str, join: &Join) -> Result<()> {
    if left.scope.sources.iter().any(|s| s == right_alias) {
        let message =
            format!("Each side of the join must have a unique alias: {right_alias} is there twice");
        return Err(SqlError::statement(message).at(join.right.name.span));
    }
    let left_kind = left.node.rows.kind;
    let unsupported = match (left_kind, right.kind) {
        (SourceKind::Stream, SourceKind::Stream) => Some("A join of two streams"),
        (SourceKind::Table, SourceKind::Table) => Some("A join of two tables"),
        (SourceKind::Table, SourceKind::Stream) => {
            let message = "Invalid join order: table-stream joins are not supported; put the \
                           stream on the left";
            return Err(SqlError::statement(message).at(join.span));
        }
        (SourceKind::Stream, SourceKind::Table) => None,
    };
    if let Some(what) = unsupported {
        let message = format!("{what} is not supported; a stream can be joined with tables");
        return Err(SqlError::unsupported(message).at(join.span));
    }
    if let Some(within) = &join.within {
        let message = "A window definition was provided for a Stream-Table join. These joins are \
                       not windowed. Please drop the window definition (ie. the WITHIN clause) and \
                       try to execute your join again.";
        return Err(SqlError::statement(message).at(within.span));
    }
    if !matches!(join.kind, JoinKind::Inner | JoinKind::Left) {
        let message =
            format!("Join type not supported: {} JOIN of a stream and a table", join.kind.word());
        return Err(SqlError::statement(message).at(join.span));
    }
    if left.window.is_some() || right.window.is_some() {
        let message = "A join with a windowed source is not supported";
        return Err(SqlError::unsupported(message).at(join.span));
    }
    Ok(())
}

/// The expression of the left side; the right one must be the table's key.
fn sides(left: &Input, right: &Input, join: &Join, catalog: &Catalog) -> Result<(Typed, String)> {
    let ExprKind::Compare { op: Comparison::Equal, left: a, right: b } = &join.on.kind else {
        let message = format!(
            "Unsupported join expression: {}. Only a comparison with = of one expression from \
             each side is supported.",
            shown(&join.on)
        );
        return Err(SqlError::statement(message).at(join.on.span));
    };
    let of = |input: &Input, expr: &ast::Expr| Lowerer::new(&input.scope, catalog).lower(expr);
    for (l, r) in [(a, b), (b, a)] {
        let (Ok(on_left), Ok(on_right)) = (of(left, l), of(right, r)) else { continue };
        if !mentions_column(l) || !mentions_column(r) {
            continue;
        }
        let is_key = right.keys.iter().any(|need| need.expressions.contains(&on_right.expr));
        if !is_key {
            let table = right.sources.first().map_or("", |s| s.name.as_str());
            let message = format!(
                "Invalid join condition: stream-table joins require to join on the table's \
                 primary key. Got {} = {}; the key of {table} is {}.",
                shown(l),
                shown(r),
                right.keys.first().map_or("", |need| need.shown.as_str())
            );
            return Err(SqlError::statement(message).at(join.on.span));
        }
        return Ok((on_left, shown(l)));
    }
    let both = left.scope.clone().join(right.scope.clone());
    for expr in [a, b] {
        Lowerer::new(&both, catalog).lower(expr)?;
        if !mentions_column(expr) {
            let message = format!(
                "Invalid comparison expression '{}' in join '{}'. Each side of the join \
                 comparision must contain references from exactly one source.",
                shown(expr),
                shown(&join.on)
            );
            return Err(SqlError::statement(message).at(expr.span));
        }
    }
    let message = format!(
        "Invalid join expression: {}. Each side of the = must name columns of one source only.",
        shown(&join.on)
    );
    Err(SqlError::statement(message).at(join.on.span))
}

fn mentions_column(expr: &ast::Expr) -> bool {
    match &expr.kind {
        ExprKind::Column { .. } => true,
        ExprKind::Literal(_) => false,
        ExprKind::Negate(e) | ExprKind::Not(e) => mentions_column(e),
        ExprKind::Cast { value, .. } | ExprKind::IsNull { value, .. } => mentions_column(value),
        ExprKind::Field { base, .. } => mentions_column(base),
        ExprKind::Subscript { base, index } => mentions_column(base) || mentions_column(index),
        ExprKind::And(a, b)
        | ExprKind::Or(a, b)
        | ExprKind::Arithmetic { left: a, right: b, .. }
        | ExprKind::Compare { left: a, right: b, .. } => mentions_column(a) || mentions_column(b),
        ExprKind::Call { arguments, .. } => arguments.iter().any(mentions_column),
        _ => true,
    }
}
