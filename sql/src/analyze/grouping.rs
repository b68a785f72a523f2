//! GROUP BY and aggregate functions.

use std::cell::RefCell;

use datafusion::logical_expr::Expr;
use streams::TimeWindows;

use super::coerce::coerce;
use super::lower::{Lowerer, Substitute, Typed, column};
use super::projection::{self, Item, KeyNeed};
use super::render::shown;
use super::scope::{Role, Scope, ScopeColumn};
use super::select::{Input, filtered};
use crate::catalog::Catalog;
use crate::catalog::format::FormatName;
use crate::catalog::source::{Column, KeyWindow};
use crate::error::SqlError;
use crate::functions::aggregate::{self, Kind, MAX_COLLECTED};
use crate::parser::ast::{
    self, Emit, ExprKind, Ident, Literal, Query, SelectItem, SourceKind, WindowShape,
};
use crate::plan::logical::{AggregateCall, NamedExpr, Node, Rows, Step, WINDOW_BOUNDS};
use crate::types::SqlType;

type Result<T> = std::result::Result<T, SqlError>;

/// The least that windows are kept where RETENTION does not say it: Kafka Streams' default.
const DEFAULT_RETENTION_MS: i64 = 24 * 60 * 60 * 1000;

/// In how many hopping windows a row may be: each is a group with its own state and change.
const MAX_WINDOWS_PER_ROW: i64 = 10_000;

/// The rows behind an aggregate, and what the projection makes of them.
pub(crate) struct Grouped {
    pub(crate) node: Node,
    pub(crate) scope: Scope,
    pub(crate) keys: Vec<KeyNeed>,
    pub(crate) window: Option<KeyWindow>,
    pub(crate) windows: Option<TimeWindows>,
    pub(crate) items: Vec<Item>,
}

/// Whether the query aggregates: by GROUP BY, or by an aggregate function in its projection.
pub(crate) fn wanted(query: &Query) -> bool {
    let in_items = query.items.iter().any(|item| match item {
        SelectItem::Expression { value, .. } => has_aggregate(value),
        _ => false,
    });
    !query.group_by.is_empty() || in_items
}

pub(crate) fn has_aggregate(expr: &ast::Expr) -> bool {
    let is_one = matches!(&expr.kind, ExprKind::Call { name, .. }
        if aggregate::is_aggregate(&name.name));
    is_one || expr.kind.parts().into_iter().any(has_aggregate)
}

pub(crate) fn group(query: &Query, catalog: &Catalog, input: Input) -> Result<Grouped> {
    if query.group_by.is_empty() {
        let message = "Use of aggregate functions requires a GROUP BY clause.";
        return Err(SqlError::statement(message).at(query.span));
    }
    let table = input.node.rows.kind == SourceKind::Table;
    if let Some(source) = input.sources.iter().find(|s| s.value_format.name == FormatName::Kafka) {
        let message = format!(
            "Source(s) {} are using the 'KAFKA' value format. This format does not yet support \
             GROUP BY.",
            source.name
        );
        return Err(SqlError::statement(message).at(query.span));
    }
    if let (true, Some(window)) = (table || input.window.is_some(), &query.window) {
        let message = "WINDOW clause is only supported on streams without windows.";
        return Err(SqlError::statement(message).at(window.span));
    }
    let groups = group_keys(query, catalog, &input.scope)?;
    let windows = time_windows(query)?;
    let context = Context {
        before: Lowerer::new(&input.scope, catalog),
        groups: &groups,
        windowed: windows.is_some(),
        calls: RefCell::default(),
        strays: RefCell::default(),
    };
    let scope = grouped_scope(&groups, windows.is_some());
    let after = Lowerer { scope: &scope, catalog, substitute: Some(&context) };
    let items = projection::items(&spread(query, &input.scope), &after)?;
    let having = query.having.as_ref().map(|h| after.condition("HAVING", h)).transpose()?;
    context.check(table)?;
    let calls = context.calls.into_inner();
    let old_rows = having.is_some();
    let mut node = aggregated(input, &groups, calls, (windows, old_rows));
    if let Some(condition) = having {
        node = filtered(node, condition);
    }
    let keys = groups.iter().enumerate().map(|(i, (expr, _, ty))| {
        let need = KeyNeed::new(expr, column(&group_name(i)), ty.clone());
        KeyNeed { computed: false, ..need }
    });
    let window = query.window.as_ref().map(|w| match w.shape {
        WindowShape::Tumbling { size_ms } => KeyWindow::Tumbling { size_ms },
        WindowShape::Hopping { size_ms, .. } => KeyWindow::Hopping { size_ms },
        WindowShape::Session { .. } => KeyWindow::Session,
    });
    let keys = keys.collect();
    let windows = windows.map(|w| kept(query, w));
    Ok(Grouped { node, scope, keys, window, windows, items })
}

/// `*` names the columns of the source, which are looked up among the groups.
fn spread(query: &Query, before: &Scope) -> Query {
    let mut spread = query.clone();
    spread.items = query
        .items
        .iter()
        .flat_map(|item| match item {
            SelectItem::All { span, .. } => before
                .columns
                .iter()
                .filter(|c| c.role != Role::Pseudo)
                .map(|c| {
                    let ident = |name: &str| Ident { name: name.to_owned(), span: *span };
                    let source = c.source.as_deref().map(ident);
                    let kind = ExprKind::Column { source, name: ident(&c.name) };
                    SelectItem::Expression { value: ast::Expr::new(kind, *span), alias: None }
                })
                .collect(),
            other => vec![other.clone()],
        })
        .collect();
    spread
}

/// The windows of the table that pull queries read: kept as long as RETENTION says, else for a
/// day, or for their size and grace if that is longer. The aggregate itself keeps what its grace
/// needs.
fn kept(query: &Query, windows: TimeWindows) -> TimeWindows {
    let stated = query.window.as_ref().is_some_and(|w| w.retention_ms.is_some());
    let default = windows.retention_ms().max(DEFAULT_RETENTION_MS);
    if stated { windows } else { windows.with_retention(default).unwrap_or(windows) }
}

type GroupKey = (ast::Expr, Expr, SqlType);

fn group_keys(query: &Query, catalog: &Catalog, scope: &Scope) -> Result<Vec<GroupKey>> {
    let lowerer = Lowerer::new(scope, catalog);
    let mut groups: Vec<GroupKey> = Vec::new();
    for expr in &query.group_by {
        let lowered = lowerer.lower(expr)?;
        let Some(ty) = lowered.ty else {
            let message = "Cannot group by NULL";
            return Err(SqlError::statement(message).at(expr.span));
        };
        if groups.iter().any(|(_, known, _)| *known == lowered.expr) {
            let message = format!("Duplicate column in GROUP BY: {}", shown(expr));
            return Err(SqlError::statement(message).at(expr.span));
        }
        groups.push((expr.clone(), lowered.expr, ty));
    }
    Ok(groups)
}

fn time_windows(query: &Query) -> Result<Option<TimeWindows>> {
    let Some(window) = &query.window else { return Ok(None) };
    let windows = match window.shape {
        WindowShape::Tumbling { size_ms } => TimeWindows::tumbling(size_ms),
        WindowShape::Hopping { size_ms, advance_ms } => TimeWindows::hopping(size_ms, advance_ms),
        WindowShape::Session { .. } => {
            let message = "SESSION windows are not supported; use TUMBLING or HOPPING";
            return Err(SqlError::unsupported(message).at(window.span));
        }
    };
    if let Ok(windows) = windows
        && windows.windows_per_row() > MAX_WINDOWS_PER_ROW
    {
        let message = format!(
            "Each row would be in {} windows (SIZE divided by ADVANCE BY); at most \
             {MAX_WINDOWS_PER_ROW} are allowed. Make ADVANCE BY longer or SIZE shorter.",
            windows.windows_per_row()
        );
        return Err(SqlError::statement(message).at(window.span));
    }
    let grace = window.grace_ms.or_else(|| (query.emit == Emit::Final).then_some(0));
    let refined = windows
        .and_then(|w| grace.map_or(Ok(w), |grace| w.with_grace(grace)))
        .and_then(|w| window.retention_ms.map_or(Ok(w), |ms| w.with_retention(ms)));
    refined.map(Some).map_err(|e| SqlError::statement(e.to_string()).at(window.span))
}

fn group_name(i: usize) -> String {
    format!("GROUP {i}")
}

/// What can be named behind the aggregate: the group's columns and the window's bounds.
fn grouped_scope(groups: &[GroupKey], windowed: bool) -> Scope {
    let mut columns: Vec<ScopeColumn> = groups
        .iter()
        .enumerate()
        .map(|(i, (expr, _, ty))| ScopeColumn {
            source: None,
            name: match &expr.kind {
                ExprKind::Column { name, .. } => name.name.clone(),
                _ => group_name(i),
            },
            ty: ty.clone(),
            physical: group_name(i),
            role: Role::Key,
        })
        .collect();
    if windowed {
        columns.extend(WINDOW_BOUNDS.map(|name| ScopeColumn {
            source: None,
            name: name.to_owned(),
            ty: SqlType::Bigint,
            physical: name.to_owned(),
            role: Role::Pseudo,
        }));
    }
    Scope { columns, sources: Vec::new() }
}

/// Replaces group expressions and aggregate calls by columns of the grouped rows.
struct Context<'a> {
    before: Lowerer<'a>,
    groups: &'a [GroupKey],
    windowed: bool,
    calls: RefCell<Vec<AggregateCall>>,
    /// Names of the called functions that cannot be undone, for tables.
    strays: RefCell<Vec<String>>,
}

impl Substitute for Context<'_> {
    fn substitute(&self, expr: &ast::Expr) -> Result<Option<Typed>> {
        if let ExprKind::Call { name, arguments, star } = &expr.kind
            && aggregate::is_aggregate(&name.name)
        {
            return self.call(name, arguments, *star).map(Some).map_err(|e| e.at(expr.span));
        }
        if let ExprKind::Column { source, name } = &expr.kind
            && self.windowed
            && WINDOW_BOUNDS.contains(&name.name.as_str())
            && source.as_ref().is_none_or(|s| self.before.scope.sources.contains(&s.name))
        {
            return Ok(Some(Typed::new(column(&name.name), SqlType::Bigint)));
        }
        if let ExprKind::Literal(_) = expr.kind {
            let grouped = self.groups.iter().position(|(group, ..)| group.kind == expr.kind);
            return Ok(grouped.map(|i| self.group(i)));
        }
        if has_aggregate(expr) {
            return Ok(None);
        }
        let lowered = match (self.before.lower(expr), &expr.kind) {
            (Ok(lowered), _) => lowered,
            (Err(error), ExprKind::Column { .. }) => return Err(error),
            // What is wrong, if anything, is found in its parts: they may name window bounds.
            (Err(_), _) => return Ok(None),
        };
        if let Some(i) = self.groups.iter().position(|(_, known, _)| *known == lowered.expr) {
            return Ok(Some(self.group(i)));
        }
        if let ExprKind::Column { .. } = expr.kind {
            let message = format!(
                "Non-aggregate SELECT expression(s) not part of GROUP BY: {}\nEither add the \
                 column(s) to the GROUP BY or remove them from the SELECT.",
                shown(expr)
            );
            return Err(SqlError::statement(message).at(expr.span));
        }
        Ok(None)
    }
}

impl Context<'_> {
    fn group(&self, i: usize) -> Typed {
        Typed::new(column(&group_name(i)), self.groups[i].2.clone())
    }

    fn call(&self, name: &Ident, arguments: &[ast::Expr], star: bool) -> Result<Typed> {
        if star && name.name != "COUNT" {
            return Err(SqlError::statement(format!("{}(*) has no meaning", name.name)));
        }
        if let Some(nested) = arguments.iter().find(|a| has_aggregate(a)) {
            let message = format!("Aggregate functions can not be nested: {}", shown(nested));
            return Err(SqlError::statement(message).at(nested.span));
        }
        let argument = arguments.first().map(|a| self.before.lower(a)).transpose()?;
        let ty = argument.as_ref().map(|a| a.ty.clone().unwrap_or(SqlType::String));
        let resolved = aggregate::resolve(&name.name, ty.as_ref())?;
        let Options { limit, keeps_nulls } = options(name, &resolved, arguments)?;
        let returns = match (resolved.kind, limit) {
            (Kind::Latest | Kind::Earliest, 1..) => SqlType::Array(Box::new(resolved.returns)),
            _ => resolved.returns,
        };
        if !resolved.kind.can_undo() {
            self.strays.borrow_mut().push(name.name.clone());
        }
        let argument = match (argument, resolved.argument) {
            (Some(typed), Some(ty)) => Some((coerce(typed, &ty)?, ty)),
            _ => None,
        };
        let mut calls = self.calls.borrow_mut();
        let known = calls.iter().find(|c| {
            c.kind == resolved.kind
                && c.argument == argument
                && c.limit == limit
                && c.keeps_nulls == keeps_nulls
        });
        if let Some(known) = known {
            return Ok(Typed::new(column(&known.column.name), known.column.ty.clone()));
        }
        let result = Column::new(format!("AGGREGATE {}", calls.len()), returns);
        let typed = Typed::new(column(&result.name), result.ty.clone());
        let kind = resolved.kind;
        calls.push(AggregateCall { kind, argument, limit, keeps_nulls, column: result });
        Ok(typed)
    }

    fn check(&self, table: bool) -> Result<()> {
        let calls = self.calls.borrow();
        if calls.is_empty() {
            return Err(SqlError::statement(
                "GROUP BY requires aggregate functions in either the SELECT or HAVING clause.",
            ));
        }
        let mut strays = self.strays.borrow().clone();
        strays.dedup();
        if !table || strays.is_empty() {
            return Ok(());
        }
        let (plural, list) = match strays.as_slice() {
            [head @ .., last] if !head.is_empty() => {
                ("s", format!("{} and {last}", head.join(", ")))
            }
            names => ("", names.join("")),
        };
        Err(SqlError::statement(format!(
            "The aggregation function{plural} {list} cannot be applied to a table source, only to \
             a stream source."
        )))
    }
}

/// The constant arguments of an aggregate function.
#[derive(Default)]
struct Options {
    /// How many values are kept; 0: one, not as an array.
    limit: usize,
    keeps_nulls: bool,
}

/// TOPK(x, k), LATEST_BY_OFFSET(x[, n][, ignore_nulls]) and their like.
fn options(
    name: &Ident,
    resolved: &aggregate::Resolved,
    arguments: &[ast::Expr],
) -> Result<Options> {
    let by_offset = matches!(resolved.kind, Kind::Latest | Kind::Earliest);
    let mut options = Options::default();
    let mut rest = arguments.iter().skip(usize::from(resolved.argument.is_some())).peekable();
    if resolved.kind.takes_limit() || by_offset {
        let limit = rest.peek().and_then(|argument| match argument.kind {
            ExprKind::Literal(Literal::Integer(n)) => usize::try_from(n).ok().filter(|n| *n > 0),
            _ => None,
        });
        if let Some(limit) = limit {
            if limit > MAX_COLLECTED {
                return Err(SqlError::statement(format!(
                    "{} keeps {MAX_COLLECTED} values of a group at most, not {limit}",
                    name.name
                )));
            }
            options.limit = limit;
            rest.next();
        }
    }
    if let Some(ExprKind::Literal(Literal::Boolean(ignores))) = rest.peek().map(|a| &a.kind)
        && by_offset
    {
        options.keeps_nulls = !ignores;
        rest.next();
    }
    let incomplete = resolved.kind.takes_limit() && options.limit == 0;
    if rest.next().is_some() || incomplete {
        let shown: Vec<String> = arguments.iter().map(shown).collect();
        return Err(SqlError::statement(format!(
            "Function '{}' does not accept parameters ({})",
            name.name,
            shown.join(", ")
        )));
    }
    Ok(options)
}

/// The input keyed by the group, spread by it if need be, and the aggregate over it.
fn aggregated(
    input: Input,
    groups: &[GroupKey],
    calls: Vec<AggregateCall>,
    (windows, old_rows): (Option<TimeWindows>, bool),
) -> Node {
    let key: Vec<NamedExpr> = groups
        .iter()
        .enumerate()
        .map(|(i, (_, expr, ty))| NamedExpr {
            name: group_name(i),
            ty: ty.clone(),
            expr: expr.clone(),
        })
        .collect();
    let keyed_alike = input.node.rows.kind == SourceKind::Stream
        && !input.node.rows.windowed
        && input.node.rows.key.len() == key.len()
        && input.node.rows.key.iter().zip(&key).all(|(c, k)| k.expr == column(&c.name));
    let mut value = Vec::new();
    let mut late_calls = Vec::with_capacity(calls.len());
    for (i, call) in calls.into_iter().enumerate() {
        let argument = call.argument.map(|(expr, ty)| {
            let name = format!("ARGUMENT {i}");
            value.push(NamedExpr { name: name.clone(), ty: ty.clone(), expr });
            (column(&name), ty)
        });
        late_calls.push(AggregateCall { argument, ..call });
    }
    let kind = input.node.rows.kind;
    let keyed_rows = Rows {
        kind,
        key: key.iter().map(NamedExpr::column).collect(),
        windowed: false,
        value: value.iter().map(NamedExpr::column).collect(),
    };
    let step = Step::Project { input: input.node.boxed(), key, value };
    let mut node = Node { step, rows: keyed_rows.clone() };
    if !keyed_alike {
        node = Node {
            step: Step::Repartition { input: node.boxed(), like: None },
            rows: keyed_rows.clone(),
        };
    }
    let rows = Rows {
        kind: SourceKind::Table,
        key: keyed_rows.key,
        windowed: windows.is_some(),
        value: late_calls.iter().map(|c| c.column.clone()).collect(),
    };
    Node {
        step: Step::Aggregate { input: node.boxed(), calls: late_calls, windows, old_rows },
        rows,
    }
}
