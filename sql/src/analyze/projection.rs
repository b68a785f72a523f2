//! The list behind SELECT: which columns come out, what they are called, which are the key.

use std::collections::HashSet;

use datafusion::logical_expr::Expr;

use super::coerce::coerce;
use super::lower::{Lowerer, Typed};
use super::render::shown;
use super::scope::{Role, Scope, ScopeColumn};
use crate::catalog::source::PSEUDO;
use crate::error::{Span, SqlError};
use crate::parser::ast::{self, ExprKind, Ident, Query, SelectItem};
use crate::plan::logical::NamedExpr;
use crate::types::SqlType;

type Result<T> = std::result::Result<T, SqlError>;

/// One column of the projection.
#[derive(Clone, Debug)]
pub(crate) struct Item {
    pub(crate) named: NamedExpr,
    pub(crate) span: Span,
    /// From a `*`.
    pub(crate) starred: bool,
}

/// One column that the key consists of: any of `expressions` stands for it.
#[derive(Clone, Debug)]
pub(crate) struct KeyNeed {
    pub(crate) expressions: Vec<Expr>,
    /// How messages call it.
    pub(crate) shown: String,
    pub(crate) ty: SqlType,
    /// Whether it is no column, so that `*` does not hold it.
    pub(crate) computed: bool,
    /// What it is called if nothing else names it: a field, a pseudo column.
    pub(crate) name: Option<String>,
    /// The column of the rows that holds it, where that is none of `expressions`.
    pub(crate) held_by: Option<Expr>,
}

impl KeyNeed {
    pub(crate) fn new(expr: &ast::Expr, lowered: Expr, ty: SqlType) -> Self {
        let (computed, name) = match &expr.kind {
            ExprKind::Column { name, .. } if PSEUDO.contains(&name.name.as_str()) => {
                (true, Some(name.name.clone()))
            }
            ExprKind::Column { .. } => (false, None),
            ExprKind::Field { name, .. } => (true, Some(name.name.clone())),
            _ => (true, None),
        };
        Self { expressions: vec![lowered], shown: shown(expr), ty, computed, name, held_by: None }
    }

    pub(crate) fn column(column: &ScopeColumn) -> Self {
        Self {
            expressions: vec![super::lower::column(&column.physical)],
            shown: column.name.clone(),
            ty: column.ty.clone(),
            computed: false,
            name: None,
            held_by: None,
        }
    }
}

/// The columns of a result.
pub(crate) struct Projected {
    pub(crate) key: Vec<NamedExpr>,
    pub(crate) value: Vec<NamedExpr>,
}

/// Gives names to columns without one: `KSQL_COL_0`, `KSQL_COL_1`, .. and `FIELD`, `FIELD_1`, ..,
/// passing over those of the sources and those given before.
struct Generated {
    next: usize,
    taken: HashSet<String>,
}

impl Generated {
    fn new(query: &Query, scope: &Scope) -> Self {
        let aliases = query.items.iter().filter_map(|item| match item {
            SelectItem::Expression { alias: Some(alias), .. } => Some(alias.name.clone()),
            _ => None,
        });
        let columns = scope.columns.iter().map(|c| c.name.clone());
        Self { next: 0, taken: columns.chain(aliases).collect() }
    }

    fn next(&mut self) -> String {
        loop {
            let name = format!("KSQL_COL_{}", self.next);
            self.next += 1;
            if self.taken.insert(name.clone()) {
                return name;
            }
        }
    }

    /// The name of a field, with a number if there is such a column.
    fn field(&mut self, name: &str) -> String {
        let numbered = (1..).map(|i| format!("{name}_{i}"));
        let mut names = std::iter::once(name.to_owned()).chain(numbered);
        names.find(|name| self.taken.insert(name.clone())).unwrap_or_default()
    }
}

/// The items of a projection with `*` spread out.
pub(crate) fn items(query: &Query, lowerer: &Lowerer<'_>) -> Result<Vec<Item>> {
    let mut items = Vec::new();
    let mut generated = Generated::new(query, lowerer.scope);
    for item in &query.items {
        match item {
            SelectItem::All { source, span } => {
                let joined = !query.joins.is_empty();
                let mut columns = star(lowerer.scope, source.as_ref())?;
                if !query.partition_by.is_empty() {
                    columns.sort_by_key(|c| c.role == Role::Key);
                }
                for column in columns {
                    items.push(starred(lowerer, column, joined, *span)?);
                }
            }
            SelectItem::Fields { base } => fields(base, lowerer, &mut items)?,
            SelectItem::Expression { value, alias } => {
                let typed = lowerer.lower(value)?;
                let name = match alias {
                    Some(alias) => alias.name.clone(),
                    None => inferred(value, lowerer.scope, &mut generated),
                };
                let ty = typed.ty.clone().unwrap_or(SqlType::String);
                let expr = coerce(typed, &ty)?;
                items.push(Item {
                    named: NamedExpr { name, ty, expr },
                    span: value.span,
                    starred: false,
                });
            }
        }
    }
    Ok(items)
}

fn star<'a>(scope: &'a Scope, source: Option<&Ident>) -> Result<Vec<&'a ScopeColumn>> {
    if let Some(source) = source
        && !scope.sources.contains(&source.name)
    {
        let message = format!("'{}' is not a valid stream/table name or alias.", source.name);
        return Err(SqlError::statement(message).at(source.span));
    }
    let wanted = |c: &&ScopeColumn| {
        c.role != Role::Pseudo && source.is_none_or(|s| c.source.as_ref() == Some(&s.name))
    };
    Ok(scope.columns.iter().filter(wanted).collect())
}

/// `*` over a windowed source shows the window's bounds behind the key.
pub(crate) fn with_bounds(query: &Query, mut items: Vec<Item>, scope: &Scope) -> Vec<Item> {
    let bounds: Vec<&ScopeColumn> = scope
        .columns
        .iter()
        .filter(|c| c.role == Role::Pseudo && c.name.starts_with("WINDOW"))
        .collect();
    let star = matches!(query.items.as_slice(), [SelectItem::All { .. }]);
    let Some(span) = items.first().map(|item| item.span) else { return items };
    if bounds.is_empty() || !star {
        return items;
    }
    let keys = scope.columns.iter().filter(|c| c.role == Role::Key).count().min(items.len());
    let rest = items.split_off(keys);
    items.extend(bounds.into_iter().map(|bound| {
        let expr = super::lower::column(&bound.physical);
        let named = NamedExpr { name: bound.name.clone(), ty: bound.ty.clone(), expr };
        Item { named, span, starred: true }
    }));
    items.extend(rest);
    items
}

fn starred(lowerer: &Lowerer<'_>, found: &ScopeColumn, joined: bool, span: Span) -> Result<Item> {
    let name = match &found.source {
        Some(source) if joined => format!("{source}_{}", found.name),
        _ => found.name.clone(),
    };
    let ident = |name: &str| Ident { name: name.to_owned(), span };
    let source = found.source.as_deref().map(ident);
    let kind = ExprKind::Column { source, name: ident(&found.name) };
    let Typed { expr, ty } = lowerer.lower(&ast::Expr::new(kind, span))?;
    let ty = ty.unwrap_or_else(|| found.ty.clone());
    Ok(Item { named: NamedExpr { name, ty, expr }, span, starred: true })
}

/// `structure->*`
fn fields(base: &ast::Expr, lowerer: &Lowerer<'_>, items: &mut Vec<Item>) -> Result<()> {
    let typed = lowerer.lower(base)?;
    let Some(SqlType::Struct(fields)) = typed.ty else {
        let message = format!("->* takes a STRUCT, but {} is not one", shown(base));
        return Err(SqlError::statement(message).at(base.span));
    };
    for (name, _) in fields {
        let ident = Ident { name: name.clone(), span: base.span };
        let kind = ExprKind::Field { base: Box::new(base.clone()), name: ident };
        let Typed { expr, ty } = lowerer.lower(&ast::Expr::new(kind, base.span))?;
        let ty = ty.unwrap_or(SqlType::String);
        items.push(Item { named: NamedExpr { name, ty, expr }, span: base.span, starred: false });
    }
    Ok(())
}

/// The name of a column without alias: its own, or that of the field it reaches.
fn inferred(expr: &ast::Expr, scope: &Scope, generated: &mut Generated) -> String {
    match &expr.kind {
        ExprKind::Column { source, name } => {
            let source = source.as_ref().filter(|_| scope.count(&name.name) > 1);
            source.map_or_else(|| name.name.clone(), |s| format!("{}_{}", s.name, name.name))
        }
        ExprKind::Field { name, .. } => generated.field(&name.name),
        _ => generated.next(),
    }
}

/// Refuses names that a sink's columns cannot have, and names that come twice.
pub(crate) fn check_names(items: &[Item]) -> Result<()> {
    for (i, item) in items.iter().enumerate() {
        let name = &item.named.name;
        if PSEUDO.contains(&name.as_str()) {
            let message = format!(
                "Reserved column name in select: `{name}`. Please remove or alias the column."
            );
            return Err(SqlError::statement(message).at(item.span));
        }
        if items[..i].iter().any(|other| other.named.name == *name) {
            let message = format!(
                "The projection contains a repeated name: `{name}`. Use AS to give each column \
                 its own name."
            );
            return Err(SqlError::statement(message).at(item.span));
        }
    }
    Ok(())
}

/// Parts the columns into key and value; every column of the key must be there once.
pub(crate) fn split(
    mut items: Vec<Item>,
    keys: &[KeyNeed],
    key_word: &str,
    sink: &str,
) -> Result<Projected> {
    add_computed_keys(&mut items, keys);
    let mut key = Vec::with_capacity(keys.len());
    let mut taken = Vec::new();
    let mut missing = Vec::new();
    for need in keys {
        let found = need
            .expressions
            .iter()
            .find_map(|wanted| items.iter().position(|item| item.named.expr == *wanted));
        let Some(at) = found else {
            missing.push(need.shown.clone());
            continue;
        };
        let same: Vec<&Item> =
            items.iter().filter(|item| item.named.expr == items[at].named.expr).collect();
        if let [first, second, ..] = same.as_slice() {
            let message = format!(
                "The projection contains a key column ({}) more than once, aliased as: {} and \
                 {}.\nEach key column must only be in the projection once. If you intended to \
                 copy the key into the value, then consider using the AS_VALUE function to \
                 indicate which key reference should be copied.",
                crate::types::quoted(&need.shown),
                first.named.name,
                second.named.name
            );
            return Err(SqlError::statement(message).at(second.span));
        }
        taken.push(at);
        let named = items[at].named.clone();
        key.push(match &need.held_by {
            Some(expr) => NamedExpr { expr: expr.clone(), ..named },
            None => named,
        });
    }
    if !missing.is_empty() {
        return Err(missing_keys(&missing, key_word, sink));
    }
    let is_key = |i: &usize| taken.contains(i);
    let rest: Vec<usize> = (0..items.len()).filter(|i| !is_key(i)).collect();
    if rest.is_empty() {
        return Err(SqlError::statement("The projection contains no value columns."));
    }
    let value = rest.iter().map(|i| items[*i].named.clone()).collect();
    Ok(Projected { key, value })
}

/// `SELECT *` holds a computed key under a generated name.
fn add_computed_keys(items: &mut Vec<Item>, keys: &[KeyNeed]) {
    let star = items.iter().find(|item| item.starred).map(|item| item.span);
    let Some(span) = star else { return };
    for need in keys.iter().filter(|need| need.computed) {
        if items.iter().any(|item| need.expressions.contains(&item.named.expr)) {
            continue;
        }
        let free = |name: &String| items.iter().all(|item| item.named.name != *name);
        let name = need.name.clone().filter(free);
        let mut numbered = (0..).map(|i| format!("KSQL_COL_{i}"));
        let name = name.or_else(|| numbered.find(free)).unwrap_or_default();
        let expr = need.expressions[0].clone();
        let named = NamedExpr { name, ty: need.ty.clone(), expr };
        items.push(Item { named, span, starred: true });
    }
}

fn missing_keys(missing: &[String], key_word: &str, sink: &str) -> SqlError {
    let (plural, list) = match missing {
        [one] => ("", one.clone()),
        [head @ .., last] => ("s", format!("{} and {last}", head.join(", "))),
        [] => ("", String::new()),
    };
    SqlError::statement(format!(
        "Key missing from projection. See https://cnfl.io/2LV7ouS.\nThe query used to build \
         `{sink}` must include the {key_word}{plural} {list} in its projection (eg, SELECT \
         {}...).",
        missing.join(", ")
    ))
}

/// All columns in the order of the projection, none of them a key.
pub(crate) fn flat(items: Vec<Item>) -> Projected {
    let value = items.into_iter().map(|item| item.named).collect();
    Projected { key: Vec::new(), value }
}

/// The columns of a scope that are the key.
pub(crate) fn key_needs(scope: &Scope) -> Vec<KeyNeed> {
    scope.columns.iter().filter(|c| c.role == Role::Key).map(KeyNeed::column).collect()
}
